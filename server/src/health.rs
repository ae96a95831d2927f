//! `GET /health/live` and `GET /health/ready`, for whoever keeps servers running: the first says that the process answers, the
//! second that it can do its work. `GET /api/v1/health` stays what devices ask.
//!
//! Ready means that the catalog and the blobs have really answered, within seconds; what was found is good for a moment, so
//! that nobody can make the server ask itself all day. Says no names of hosts and no causes: those are in the log.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use retrosync_protocol::{Code, Problem};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::api::reply::problem;
use crate::app::App;

/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

/// What stands in the way of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    Catalog,
    Blobs,
}

#[derive(Default)]
struct Looked(Mutex<Option<(Instant, Option<Obstacle>)>>);

/// Both.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health/live", get(|| async { well("live") }))
        .route("/health/ready", get(ready))
        .with_state((app, Arc::new(Looked::default())))
}

async fn ready(State((app, looked)): State<(Arc<App>, Arc<Looked>)>) -> Response {
    if app.is_leaving() {
        return unready("the server is about to stop");
    }
    match looked.look(&app).await {
        None => well("ready"),
        Some(Obstacle::Catalog) => unready("the catalog does not answer"),
        Some(Obstacle::Blobs) => unready("the store of bytes does not answer"),
    }
}

impl Looked {
    /// Asks both parts, unless that was just done; who comes meanwhile waits for the same answer.
    async fn look(&self, app: &App) -> Option<Obstacle> {
        let mut last = self.0.lock().await;
        if let Some((at, found)) = *last
            && at.elapsed() < FRESH
        {
            return found;
        }
        let found = obstacle(app).await;
        *last = Some((Instant::now(), found));
        found
    }
}

async fn obstacle(app: &App) -> Option<Obstacle> {
    let (catalog, blobs) = tokio::join!(
        timeout(PATIENCE, app.library.catalog_answers()),
        timeout(PATIENCE, app.library.blobs_answer())
    );
    let mut found = None;
    for (obstacle, part, answer) in
        [(Obstacle::Blobs, "the store of bytes", blobs), (Obstacle::Catalog, "the catalog", catalog)]
    {
        let why = match answer {
            Ok(Ok(())) => continue,
            Ok(Err(refusal)) => refusal.to_string(),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        log::warn!("not ready: {part} does not answer: {why}");
        found = Some(obstacle);
    }
    found
}

fn well(status: &'static str) -> Response {
    let body = format!("{{\"status\":\"{status}\"}}");
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

/// A problem document as everywhere else; its detail is one of three.
fn unready(detail: &'static str) -> Response {
    let mut response = problem(&Problem::new(Code::Unavailable, detail));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
