//! Contents on their way in: small ones many at a time in frames, large ones alone, going on where they were cut.
//!
//! What arrives is verified here, whatever the sink does. One bad content never stops the others.

use std::io::{self, Read};

use retrosync_protocol::{
    Code, Content, ContentFrame, ContentRequest, FRAMES_CONTENT_TYPE, INLINE_LIMIT_BYTES,
};
use ureq::http::Method;
use ureq::{Body, BodyReader};

use super::super::Sink;
use super::super::verify::{Fault, Verified};
use super::HttpRemote;
use super::frames::FrameReader;
use super::wire::{Call, Outgoing, is_type, text_of};
use crate::error::{Error, Kind, Result};

/// How many contents one request asks for, and about how many bytes.
const BATCH: usize = 500;
const BATCH_BYTES: u64 = 8 << 20;
/// A download that was cut goes on as long as each try brings at least this much.
const LEAST_PROGRESS_BYTES: u64 = 64 << 10;

impl HttpRemote {
    pub(super) fn receive(
        &mut self,
        wanted: &[Content],
        sink: &mut Sink<'_>,
    ) -> Result<Vec<(Content, Error)>> {
        let mut failed = Vec::new();
        let (small, large): (Vec<Content>, Vec<Content>) =
            wanted.iter().partition(|content| content.size_bytes <= INLINE_LIMIT_BYTES);
        let mut rest = small.as_slice();
        while !rest.is_empty() {
            let batch = &rest[..batch_length(rest)];
            let answered = self.receive_batch(batch, sink, &mut failed)?;
            rest = &rest[answered..];
        }
        for content in large {
            if let Err(error) = self.receive_large(content, sink)? {
                failed.push((content, error));
            }
        }
        Ok(failed)
    }

    /// Brings some of a batch; says how many from its start were answered, at least one.
    fn receive_batch(
        &mut self,
        batch: &[Content],
        sink: &mut Sink<'_>,
        failed: &mut Vec<(Content, Error)>,
    ) -> Result<usize> {
        let doing = self.doing("fetch saves from");
        let token = self.token(&doing)?.clone();
        let request = ContentRequest { digests: batch.iter().map(|content| content.digest).collect() };
        let bytes =
            serde_json::to_vec(&request).map_err(|error| Error::new(Kind::Misused, doing.clone(), error))?;
        let call = Call::new(&doing, Method::POST, "/content", Some(&token));
        let response = self.wire.send(&call, Outgoing::Bytes("application/json", &bytes))?;
        if !is_type(response.headers(), FRAMES_CONTENT_TYPE) {
            return Err(self.wire.foreign(&doing, &response));
        }
        let offline = |cause: &dyn std::fmt::Display| Error::new(Kind::Offline, doing.clone(), cause);
        let mut frames = FrameReader::new(streamed(response.into_body()));
        let mut answered = 0;
        while let Some(frame) = frames.header::<ContentFrame>().map_err(|error| offline(&error))? {
            let Some(content) = batch.get(answered).filter(|content| content.digest == frame.digest) else {
                return Err(offline(&"the server sent what was not asked for"));
            };
            answered += 1;
            let Some(body) = frame.body else {
                failed.push((*content, missing(content)));
                continue;
            };
            let mut body = frames.body(body);
            if let Err(error) = deliver(*content, &mut body, sink, &doing)? {
                failed.push((*content, error));
            }
            body.skip_rest().map_err(|error| offline(&error))?;
        }
        if answered == 0 {
            Err(offline(&"the server sent nothing of what was asked for"))
        } else {
            Ok(answered)
        }
    }

    /// Brings one content with a connection of its own length; the inner error is that content's alone.
    fn receive_large(&mut self, content: Content, sink: &mut Sink<'_>) -> Result<Result<(), Error>> {
        let doing = format!("cannot fetch a save of {} bytes", content.size_bytes);
        self.token(&doing)?;
        let mut resuming =
            Resuming { remote: self, content, doing: &doing, stream: None, at: 0, began: 0, fatal: None };
        let delivered = deliver(content, &mut resuming, sink, &doing);
        match resuming.fatal.take() {
            Some(error) if matches!(error.kind, Kind::Refused(_)) => Ok(Err(error)),
            Some(error) => Err(error),
            None => delivered,
        }
    }
}

/// Hands a stream to the sink and verifies it. Outer error: the stream failed; inner: this content's alone.
fn deliver(
    content: Content,
    stream: &mut dyn Read,
    sink: &mut Sink<'_>,
    doing: &str,
) -> Result<Result<(), Error>> {
    let mut verified = Verified::new(stream, content);
    let taken = sink(&content, &mut verified);
    if taken.is_err() && !verified.has_fault() {
        // The sink's own trouble: a full card, a busy file. What is left of the stream is not needed.
        return Ok(taken);
    }
    match verified.finish() {
        Ok(()) => Ok(taken),
        Err(Fault::Stream(cause)) => Err(Error::new(Kind::Offline, doing, cause)),
        Err(Fault::Mismatch) => Ok(Err(Error::new(
            Kind::Damaged,
            doing,
            format!("the bytes that came are not those of `{}`", content.digest),
        )
        .help("nothing was changed here; `retrosync-server check` finds a damaged content"))),
    }
}

fn missing(content: &Content) -> Error {
    Error::new(
        Kind::Refused(Code::NotFound),
        format!("cannot fetch a save of {} bytes", content.size_bytes),
        "the server does not have its bytes",
    )
}

fn batch_length(rest: &[Content]) -> usize {
    let mut bytes = 0;
    let fits = |content: &&Content| {
        bytes += content.size_bytes;
        bytes <= BATCH_BYTES
    };
    rest.iter().take(BATCH).take_while(fits).count().max(1)
}

/// The body as a stream without a limit of its own: what comes out is bounded by what was asked for.
fn streamed(body: Body) -> BodyReader<'static> {
    body.into_with_config().limit(u64::MAX).reader()
}

/// One content as one stream, over as many requests as it takes.
struct Resuming<'a> {
    remote: &'a mut HttpRemote,
    content: Content,
    doing: &'a str,
    stream: Option<BodyReader<'static>>,
    at: u64,
    /// Where the request at hand began.
    began: u64,
    fatal: Option<Error>,
}

impl Resuming<'_> {
    fn request(&mut self) -> Result<BodyReader<'static>> {
        let token = self.remote.token(self.doing)?.clone();
        let path = format!("/content/{}", self.content.digest);
        let mut call = Call::new(self.doing, Method::GET, &path, Some(&token));
        call.from_byte = (self.at > 0).then_some(self.at);
        let response = self.remote.wire.send(&call, Outgoing::Nothing)?;
        let starts = match response.status().as_u16() {
            206 => text_of(response.headers(), "Content-Range")
                .and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok()),
            200 => Some(0),
            _ => None,
        };
        let is_portal = is_type(response.headers(), "text/html");
        if is_portal || starts.is_none_or(|starts| starts > self.at) {
            return Err(self.remote.wire.foreign(self.doing, &response));
        }
        let mut stream = streamed(response.into_body());
        // A server or proxy that does not know ranges sends all again.
        let again = self.at - starts.unwrap_or(0);
        let skipped = io::copy(&mut stream.by_ref().take(again), &mut io::sink());
        if skipped.ok() != Some(again) {
            return Err(Error::new(Kind::Offline, self.doing, "the connection was cut"));
        }
        self.began = self.at;
        Ok(stream)
    }
}

impl Read for Resuming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => match self.request() {
                    Ok(stream) => stream,
                    Err(error) => {
                        let text = io::Error::other(error.to_string());
                        self.fatal = Some(error);
                        return Err(text);
                    }
                },
            };
            let cut = match stream.read(buffer) {
                Ok(0) if self.at < self.content.size_bytes => io::ErrorKind::UnexpectedEof.into(),
                Ok(read) => {
                    self.at += read as u64;
                    self.stream = Some(stream);
                    return Ok(read);
                }
                Err(error) => error,
            };
            if self.at - self.began < LEAST_PROGRESS_BYTES {
                self.fatal =
                    Some(Error::new(Kind::Offline, self.doing, format!("the connection was cut: {cut}")));
                return Err(cut);
            }
        }
    }
}
