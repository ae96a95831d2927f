//! One request from its head to its answer's last byte: its id, who asked, its line in the log, what is counted of it.
//!
//! The id is the client's or its proxy's `X-Request-Id`, if that is a plain word, else it is drawn; the answer carries it, and so
//! does every line that is logged on the way. What is told of a request is its route, never its path, parameters or headers:
//! those hold names, tokens and codes.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use retrosync_protocol::BASE_PATH;

use crate::app::App;
use crate::library::Asker;
use crate::metrics::Metrics;

/// The target of a request's line: logs that only want the rest leave it out.
pub const TARGET: &str = "retrosync_server::request";
const ID: &str = "x-request-id";

tokio::task_local! {
    static TRACE: Arc<Trace>;
}

/// What is known of a request.
#[derive(Debug)]
struct Trace {
    id: String,
    asker: OnceLock<Who>,
    metrics: Arc<Metrics>,
    /// Of the body, so far.
    received_bytes: AtomicU64,
}

#[derive(Debug)]
struct Who {
    user: i64,
    device: Option<String>,
}

/// The id of the request that the current task works for.
pub fn current_id() -> Option<String> {
    TRACE.try_with(|trace| trace.id.clone()).ok()
}

/// Says who asks, once that is known.
pub(crate) fn asked_by(asker: &Asker) {
    let _ = TRACE.try_with(|trace| {
        let device = asker.device.as_ref().map(ToString::to_string);
        trace.asker.set(Who { user: asker.user.0, device })
    });
}

/// Does somebody who is logged in on the dashboard ask, as far as is known yet?
pub(crate) fn asked_on_the_dashboard() -> bool {
    let on = |trace: &Arc<Trace>| trace.asker.get().is_some_and(|who| who.device.is_none());
    TRACE.try_with(on).unwrap_or(false)
}

/// Counts a part that could not be used.
pub(crate) fn failed(part: &'static str) {
    let _ = TRACE.try_with(|trace| trace.metrics.failed(part));
}

/// For work that a request leaves to a task of its own: it still belongs to the request.
pub(crate) async fn carried<T>(trace: Option<Carried>, work: impl Future<Output = T>) -> T {
    match trace {
        Some(Carried(trace)) => TRACE.scope(trace, work).await,
        None => work.await,
    }
}

/// The request of the current task, to be taken along.
pub(crate) struct Carried(Arc<Trace>);

pub(crate) fn to_carry() -> Option<Carried> {
    TRACE.try_with(|trace| Carried(trace.clone())).ok()
}

/// Around every request.
pub async fn watch(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = method_of(request.method());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let class = class_of(route.as_deref());
    let trace = Arc::new(Trace {
        id: id_of(request.headers()),
        asker: OnceLock::new(),
        metrics: app.metrics.clone(),
        received_bytes: AtomicU64::new(0),
    });
    let arriving = trace.clone();
    let request = request.map(|body| Body::new(Arriving { body, trace: arriving }));
    let mut response = TRACE.scope(trace.clone(), next.run(request)).await;
    if let Ok(id) = HeaderValue::from_str(&trace.id) {
        response.headers_mut().insert(ID, id);
    }
    let status = response.status().as_u16();
    app.metrics.answered(class, method, status, began.elapsed());
    let line = Line { trace, method, route, status, began, sent_bytes: 0 };
    response.map(|body| Body::new(Told { body, line }))
}

/// What is told of a request when it is over.
struct Line {
    trace: Arc<Trace>,
    method: &'static str,
    route: Option<String>,
    status: u16,
    began: Instant,
    sent_bytes: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        let received_bytes = self.trace.received_bytes.load(Ordering::Relaxed);
        self.trace.metrics.moved(received_bytes, self.sent_bytes);
        let level = if self.status >= 500 { log::Level::Warn } else { log::Level::Info };
        if level > log::max_level() {
            return;
        }
        let who = self.trace.asker.get();
        log::log!(target: TARGET, level,
            method = self.method,
            route = self.route.as_deref().unwrap_or("none"),
            status = self.status,
            duration_ms = milliseconds(self.began.elapsed()),
            received_bytes = received_bytes,
            sent_bytes = self.sent_bytes,
            user = who.map(|who| who.user),
            device = who.and_then(|who| who.device.as_deref()),
            request = self.trace.id.as_str();
            "answered");
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A request's body, counted as it comes: what a head says of it is anybody's word.
struct Arriving {
    body: Body,
    trace: Arc<Trace>,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.trace.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that tells when it is over: sent whole, or given up.
struct Told {
    body: Body,
    line: Line,
}

impl HttpBody for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.line.sent_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The client's id, if it is a plain word, or one of ours.
fn id_of(headers: &HeaderMap) -> String {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let theirs = headers.get(ID).and_then(|value| value.to_str().ok());
    match theirs.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(fits) && !id.starts_with("rst_"))
    {
        Some(id) => id.to_owned(),
        None => {
            let mut bytes = [0; 8];
            // Without random numbers it is an id that says so.
            let _ = getrandom::fill(&mut bytes);
            format!("{:016x}", u64::from_be_bytes(bytes))
        }
    }
}

/// A method of ours: anybody can write any word there.
fn method_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// What is counted together: each resource of the API by itself, the rest by what it is for.
fn class_of(route: Option<&str>) -> &'static str {
    const RESOURCES: [&str; 11] = [
        "pairing", "changes", "history", "content", "versions", "saves", "uploads", "devices", "report",
        "account", "health",
    ];
    let Some(route) = route else { return "none" };
    let after = |base: &str| route.strip_prefix(base).map(|rest| rest.trim_start_matches('/'));
    if let Some(rest) = after(BASE_PATH) {
        let first = rest.split('/').next().unwrap_or_default();
        return RESOURCES.into_iter().find(|name| *name == first).unwrap_or("api");
    }
    match route.split('/').nth(1) {
        Some("api") => "compat",
        Some("retrosync-saves") => "bucket",
        Some("assets") => "assets",
        Some("health") => "health",
        _ => "dashboard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_from_a_list_of_ours() {
        let rows = [
            (None, "none"),
            (Some("/api/v1/content/{digest}"), "content"),
            (Some("/api/v1/saves/restore"), "saves"),
            (Some("/api/v1/openapi.json"), "api"),
            (Some("/api/sync/files"), "compat"),
            (Some("/retrosync-saves/{*key}"), "bucket"),
            (Some("/assets/{name}"), "assets"),
            (Some("/health/ready"), "health"),
            (Some("/"), "dashboard"),
            (Some("/save/upload"), "dashboard"),
        ];
        for (route, class) in rows {
            assert_eq!(class_of(route), class, "{route:?}");
        }
        assert_eq!(method_of(&Method::PATCH), "PATCH");
        assert_eq!(Method::from_bytes(b"ODD").as_ref().map(method_of).ok(), Some("other"));
    }

    #[test]
    fn an_id_that_could_break_a_log_is_replaced() {
        for (theirs, kept) in
            [("abc-1.2_3", true), ("", false), ("a b", false), ("a\"b", false), ("rst_00", false)]
        {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(theirs) {
                headers.insert(ID, value);
            }
            let id = id_of(&headers);
            assert_eq!(id == theirs, kept, "{theirs}");
            assert!(kept || id.len() == 16, "{id}");
        }
    }
}
