//! A connection's bytes, with bounded patience: a request's head must be there so long after it began, and a
//! connection on which nothing moves is kept for five minutes, so that a device can use it again.
//!
//! While a request is being answered it never interferes: a long poll may wait as long as it likes. A request's body is `body`'s.

mod body;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

pub(crate) use body::{PatientBody, TooSlow};

/// How long a client may dawdle (README section 7).
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a request's head.
    pub head: Duration,
    /// For a request's body.
    pub body: Duration,
    /// Without a byte in the middle of a body.
    pub silence: Duration,
}

/// For the next request, or for the client to take what it is sent.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// Set while a request is being answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicBool>);

impl Busy {
    pub(crate) fn set(&self, busy: bool) {
        self.0.store(busy, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A head has begun, or a fresh connection has sent nothing yet.
    Head,
    /// A request is being answered.
    Answering,
    /// Between two requests, or an answer on its way out.
    Idle,
}

/// The bytes of one connection.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    busy: Busy,
    phase: Phase,
    head: Duration,
    /// None while a request is being answered: ten thousand that wait hold none, and none of them rings in vain.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// A fresh connection: its first head is awaited from now on.
    pub(crate) fn new(stream: S, busy: Busy, head: Duration) -> Patient<S> {
        Patient { stream, busy, phase: Phase::Head, head, timer: Some(Box::pin(sleep(head))) }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        let time = match phase {
            Phase::Head => self.head,
            Phase::Idle => IDLE_TIME,
            Phase::Answering => return self.timer = None,
        };
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(Instant::now() + time),
            none => *none = Some(Box::pin(sleep(time))),
        }
    }

    /// Has an answer begun to be made, or is it there?
    fn look(&mut self) {
        match (self.busy.is_set(), self.phase) {
            (true, Phase::Answering) | (false, Phase::Head | Phase::Idle) => {}
            (true, _) => self.enter(Phase::Answering),
            (false, Phase::Answering) => self.enter(Phase::Idle),
        }
    }

    /// Bytes of an answer went out. A quick one is there before anybody has asked us to read while it was made.
    fn wrote(&mut self) {
        if self.phase != Phase::Answering {
            self.enter(Phase::Idle);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.look();
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            if this.phase == Phase::Idle && buffer.filled().len() > before {
                this.enter(Phase::Head);
            }
            return Poll::Ready(read);
        }
        let Some(timer) = &mut this.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, bytes));
        this.wrote();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(context, parts));
        this.wrote();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Asked each time, also when there is nothing to send: while an answer is being made nobody may ask us to read.
        this.look();
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    const HEAD: Duration = Duration::from_secs(15);

    /// How long until the next read fails.
    async fn patience<S: AsyncRead + Unpin>(stream: &mut S) -> Duration {
        let began = Instant::now();
        let failed = stream.read_u8().await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_15_seconds_however_it_dribbles() {
        let (mut client, server) = duplex(64);
        let mut stream = Patient::new(server, Busy::default(), HEAD);
        client.write_all(b"GE").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'G');
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(stream.read_u8().await.unwrap(), b'E');
        assert_eq!(patience(&mut stream).await.as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_for_ever_and_then_the_connection_is_kept() {
        let (mut client, server) = duplex(64);
        let busy = Busy::default();
        let mut stream = Patient::new(server, busy.clone(), HEAD);
        busy.set(true);
        let waited = tokio::time::timeout(Duration::from_secs(3000), stream.read_u8()).await;
        assert!(waited.is_err(), "not cut off while it waits");
        busy.set(false);
        let waited = tokio::time::timeout(Duration::from_secs(200), stream.read_u8()).await;
        assert!(waited.is_err(), "kept for the next request");
        client.write_all(b"G").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'G');
        assert_eq!(patience(&mut stream).await.as_secs(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_quick_answer_the_connection_is_kept_as_after_a_slow_one() {
        let (mut client, server) = duplex(64);
        let busy = Busy::default();
        let mut stream = Patient::new(server, busy.clone(), HEAD);
        client.write_all(b"GG").await.unwrap();
        // So quick that nobody saw that it was being made; then one that was only seen by a flush.
        assert_eq!(stream.read_u8().await.unwrap(), b'G');
        stream.write_all(b"H").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'G');
        busy.set(true);
        stream.flush().await.unwrap();
        assert!(stream.timer.is_none(), "who waits for an answer has no timer");
        busy.set(false);
        stream.write_all(b"H").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(patience(&mut stream).await.as_secs(), 300);
    }
}
