//! News for pages that are open: server-sent events, and one number for who cannot have them.
//!
//! An event says only "look again": the page asks for itself anew, by the same rules as ever. What is sent holds no data of
//! anybody. Ends with the session, with the server, and after an hour: the browser comes back by itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use super::page::Trouble;
use super::session::Visitor;
use crate::app::App;

/// A line that says nothing is sent this often, so that no proxy takes the silence for an end.
const BEAT: Duration = Duration::from_secs(15);
/// For how long one stream lasts.
const LONGEST: Duration = Duration::from_secs(3600);

/// `GET /stamp`: how far things are.
pub(super) async fn now(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Trouble> {
    Ok(app.library.stamp(visitor.asker()).await?.to_string().into_response())
}

/// `GET /live`: how far things are, then again whenever anything happened.
pub(super) async fn events(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Trouble> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Result<Bytes, Infallible>>(2);
    tokio::spawn(async move {
        tokio::select! {
            () = tell(&app, &visitor, &sender) => {}
            () = app.stopping() => {}
            () = sender.closed() => {}
        }
    });
    let body = Body::from_stream(stream::poll_fn(move |context| receiver.poll_recv(context)));
    // Proxies that gather replies are told not to.
    let headers = [(header::CONTENT_TYPE.as_str(), "text/event-stream"), ("x-accel-buffering", "no")];
    Ok((headers, body).into_response())
}

type Sender = tokio::sync::mpsc::Sender<Result<Bytes, Infallible>>;

async fn tell(app: &App, visitor: &Visitor, sender: &Sender) {
    let end = Instant::now() + LONGEST;
    // Listen first, look then, so that nothing falls between.
    let mut library = app.library.listen(visitor.asker());
    let mut access = app.access.news();
    let mut looks: u64 = 0;
    while Instant::now() < end {
        let alive = app.access.session(visitor.cookie(), app.now_unix_s()).await.is_ok();
        let Ok(last) = app.library.stamp(visitor.asker()).await else { return };
        let text = format!("retry: 2000\ndata: {last} {looks}\n\n");
        if !alive || sender.send(Ok(text.into())).await.is_err() {
            return;
        }
        looks += 1;
        loop {
            let woken = async {
                tokio::select! {
                    () = library.ring() => {}
                    _ = access.changed() => {}
                }
            };
            if timeout_at(Instant::now() + BEAT, woken).await.is_ok() {
                break;
            }
            if Instant::now() >= end
                || sender.send(Ok(Bytes::from_static(b": still here\n\n"))).await.is_err()
            {
                return;
            }
        }
    }
}
