//! A request's body, with bounded patience: bytes keep coming, and are not waited for for too long in all; else it ends in an error that
//! says so.
//!
//! Only the time in which somebody waits for the client is counted: while a handler is busy with what came, or waits for its turn,
//! nothing runs out.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::Patience;

/// The body did not arrive in time.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl TooSlow {
    /// Is this why a body could not be read?
    pub(crate) fn caused(error: &(dyn Error + 'static)) -> bool {
        error.is::<TooSlow>() || error.source().is_some_and(TooSlow::caused)
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not arrive in time")
    }
}

impl Error for TooSlow {}

/// A body that is waited for so long and no longer.
#[derive(Debug)]
pub(crate) struct PatientBody<B> {
    body: B,
    patience: Patience,
    /// For how long the client was waited for so far.
    waited: Duration,
    /// While a byte is waited for: since when, and until when at most.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    given_up: bool,
}

impl<B> PatientBody<B> {
    /// Nothing runs out before somebody looks.
    pub(crate) fn new(body: B, patience: Patience) -> PatientBody<B> {
        PatientBody { body, patience, waited: Duration::ZERO, waiting: None, given_up: false }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for PatientBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if !this.given_up {
            if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
                if let Some((since, _)) = this.waiting.take() {
                    this.waited += since.elapsed();
                }
                // Who sends byte after byte is never silent.
                this.given_up = matches!(frame, Some(Ok(_))) && this.waited >= this.patience.body;
                if !this.given_up {
                    return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
                }
            } else {
                let left = this.patience.body.saturating_sub(this.waited).min(this.patience.silence);
                let begin = || (Instant::now(), Box::pin(sleep(left)));
                ready!(this.waiting.get_or_insert_with(begin).1.as_mut().poll(context));
                this.given_up = true;
            }
        }
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        !self.given_up && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::convert::Infallible;

    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::ZERO, body: Duration::from_secs(600), silence: Duration::from_secs(60) };

    /// What is sent in here comes out there.
    fn sent() -> (mpsc::Sender<&'static str>, PatientBody<Body>) {
        let (client, server) = mpsc::channel(4);
        let parts = futures_util::stream::unfold(server, |mut server| async {
            let part: &str = server.recv().await?;
            Some((Ok::<_, Infallible>(part), server))
        });
        (client, PatientBody::new(Body::from_stream(parts), PATIENCE))
    }

    /// How long until the body is given up.
    async fn given_up(body: &mut PatientBody<Body>) -> u64 {
        let began = Instant::now();
        loop {
            if let Err(error) = body.frame().await.unwrap() {
                assert!(TooSlow::caused(&*error), "{error}");
                return began.elapsed().as_secs();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_falls_silent_in_the_middle_is_given_up_after_a_minute() {
        let (client, mut body) = sent();
        client.send("{").await.unwrap();
        assert_eq!(given_up(&mut body).await, 60);
        assert!(body.frame().await.unwrap().is_err(), "and stays so");
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_byte_after_byte_has_ten_minutes() {
        let (client, mut body) = sent();
        let dribbling = tokio::spawn(async move {
            while client.send(" ").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(50)).await;
            }
        });
        assert_eq!(given_up(&mut body).await, 600);
        drop(body);
        dribbling.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_our_disk_is_not_slow() {
        let (client, mut body) = sent();
        // A quarter of an hour in all, and nothing of it was the client's.
        for _ in 0..8 {
            client.send("block").await.unwrap();
            tokio::time::sleep(Duration::from_secs(120)).await;
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "block");
        }
        drop(client);
        assert!(body.frame().await.is_none(), "whole");
    }
}
