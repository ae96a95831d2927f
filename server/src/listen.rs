//! Connections: accepts them, bounds how many and how long, and lets them end when the server stops.
//!
//! How long a client may dawdle is `patience`'s. When a request is refused before all of it
//! was read, what is still coming is read away, so that the client meets the refusal and not a reset.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::{BoxError, Router};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tower_service::Service as _;

use crate::api::request::Peer;
use crate::app::App;
pub use crate::patience::Patience;
use crate::patience::{Busy, Patient, PatientBody};
use crate::places::{Places, room_for_connections};
use crate::tls::Tls;

/// How much of a refused request's body is read away, and for how long.
const DRAIN_BYTES: u64 = 20 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(20);
/// The same of a head that is none of HTTP, or too long.
const HEAD_DRAIN_BYTES: u64 = 1 << 20;
const HEAD_DRAIN_TIME: Duration = Duration::from_secs(5);

/// How much is served at once, and how long it may take to end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at once; more wait in the listener's queue.
    pub connections: usize,
    /// After a stop, for what is under way.
    pub stop: Duration,
    /// For clients that dawdle.
    pub patience: Patience,
}

/// Serves until `stop` comes back, then lets what is under way end. With `tls`, nothing is served in the clear.
pub async fn serve(
    app: Arc<App>,
    pages: Router,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let places = Places::new(limits.connections.min(room_for_connections()));
    tokio::pin!(stop);
    loop {
        let accepting = async {
            let free = places.free().await;
            (free, listener.accept().await)
        };
        let (Some(free), accepted) = (tokio::select! {
            accepted = accepting => accepted,
            () = &mut stop => break,
        }) else {
            break;
        };
        match accepted {
            Ok((stream, address)) => {
                let peer = address.ip().to_canonical();
                // Whoever has enough of them is cut off: it costs us nothing, and leaves the others theirs.
                let Some(place) = places.give(free, peer, app.proxies.knows(peer)) else { continue };
                let (app, pages, tls) = (app.clone(), pages.clone(), tls.clone());
                tokio::spawn(async move {
                    let _connected = app.metrics.connected();
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => connection(&app, pages, stream, peer, limits.patience).await,
                        // Apart, so that a connection without it does not hold room for it.
                        Some(tls) => {
                            if let Some(stream) = Box::pin(tls.welcome(stream)).await {
                                Box::pin(connection(&app, pages, stream, peer, limits.patience)).await;
                            }
                        }
                    }
                    drop(place);
                });
            }
            // Out of file descriptors, mostly: the connections that are there will end.
            Err(error) => {
                log::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    app.stop();
    if tokio::time::timeout(limits.stop, places.all_free()).await.is_err() {
        log::info!("stopping with connections open");
    }
}

async fn connection<S>(app: &App, pages: Router, stream: S, peer: IpAddr, patience: Patience)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let busy = Busy::default();
    let mut stream = Patient::new(stream, busy.clone(), patience.head);
    let proxies = app.proxies.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (pages, busy) = (pages.clone(), busy.clone());
        let from = Peer(proxies.client(peer, request.headers()));
        async move {
            busy.set(true);
            let answered = answer(pages, from, request, patience).await;
            busy.set(false);
            answered
        }
    });
    let ended = {
        let connection = hyper::server::conn::http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(&mut stream), service);
        tokio::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = app.stopping() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = ended {
        log::debug!("a connection ended early: {error}");
        if error.is_parse() {
            let _ = tokio::time::timeout(HEAD_DRAIN_TIME, drain_head(stream)).await;
        }
    }
}

/// Reads away what is left of a head that was refused.
async fn drain_head<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(HEAD_DRAIN_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

async fn answer(
    mut pages: Router,
    from: Peer,
    request: Request<Incoming>,
    patience: Patience,
) -> Result<Response, Infallible> {
    let (mut head, body) = request.into_parts();
    head.extensions.insert(from);
    let body = Shared(Arc::new(Mutex::new(PatientBody::new(body, patience))));
    let rest = Shared(body.0.clone());
    let response = pages.call(Request::from_parts(head, Body::new(body))).await?;
    if response.status().is_client_error() || response.status().is_server_error() {
        let _ = tokio::time::timeout(DRAIN_TIME, drain(rest)).await;
    }
    Ok(response)
}

/// Reads away what is left of a body.
async fn drain(mut body: Shared) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(part)) = body.frame().await {
        let length = part.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(length) {
            Some(fewer) => left = fewer,
            None => break,
        }
    }
}

/// A request's body that two hold, one after the other: the handler, then whoever reads away the rest.
struct Shared(Arc<Mutex<PatientBody<Incoming>>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

/// Listens on an address.
///
/// # Errors
/// When it is taken, or not ours.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
