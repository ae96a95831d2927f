//! Versions on their way out: their bytes and their records in one request where they are small, bytes first where
//! they are large.
//!
//! A body that cannot be read, or is not what was offered, goes without; then the server stores the version only if it
//! has that content already, and else the answer says why it could not be sent.

use std::io::{self, Read};

use retrosync_protocol::{
    Body, Code, Content, Digest, FRAMES_CONTENT_TYPE, INLINE_LIMIT_BYTES, Problem, StoreFrame, StoreReply,
    StoreResult, Version,
};
use ureq::http::Method;

use super::super::Source;
use super::frames::{header_bytes, packed};
use super::wire::{Call, Outgoing, Replay};
use super::{HttpRemote, wire};
use crate::error::{Error, Kind, Result};

/// How many versions one request carries, and about how many bytes.
const BATCH: usize = 500;
const BATCH_BYTES: u64 = 4 << 20;

impl HttpRemote {
    pub(super) fn send_all(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        let mut results = Vec::with_capacity(offers.len());
        while results.len() < offers.len() {
            let rest = &offers[results.len()..];
            let batch = &rest[..batch_length(rest)];
            results.extend(self.send_batch(batch, source)?);
        }
        Ok(results)
    }

    fn send_batch(&mut self, batch: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        let doing = self.doing("store saves on");
        let mut withheld: Vec<Option<Box<Problem>>> = vec![None; batch.len()];
        for (version, problem) in batch.iter().zip(&mut withheld) {
            if let Some(content) = version.content.filter(|content| content.size_bytes > INLINE_LIMIT_BYTES) {
                *problem = self.upload(version, content, source)?.err();
            }
        }
        let ids: Vec<Digest> = batch.iter().map(Version::id).collect();
        let mut stream = Frames { batch, source, withheld, next: 0, frame: Vec::new(), at: 0 };
        let reply = match self.post_versions(&doing, &ids, &mut stream) {
            // An earlier try under this id had other bodies: this one is another operation.
            Err(error) if error.kind == Kind::Refused(Code::OperationReused) => {
                self.answered += 1;
                stream.rewind();
                self.post_versions(&doing, &ids, &mut stream)?
            }
            reply => reply?,
        };
        if reply.results.len() != batch.len() {
            let cause =
                format!("the server gave {} answers to {} versions", reply.results.len(), batch.len());
            return Err(Error::new(Kind::Offline, doing, cause));
        }
        Ok(reply.results.into_iter().zip(stream.withheld).map(|(result, why)| explain(result, why)).collect())
    }

    fn post_versions(&mut self, doing: &str, ids: &[Digest], stream: &mut dyn Replay) -> Result<StoreReply> {
        let token = self.token(doing)?.clone();
        let mut call = Call::new(doing, Method::POST, "/versions", Some(&token));
        call.operation = Some(self.operation(ids));
        call.digest = Some(Version::digest_of_all(ids));
        // Many contents are made durable before the answer.
        call.wait_s = wire::STORE_WAIT_S;
        let response = self.wire.send(&call, Outgoing::Stream(FRAMES_CONTENT_TYPE, stream))?;
        let reply = self.wire.read_json(doing, response)?;
        self.answered += 1;
        Ok(reply)
    }
}

/// Why a content that the server lacks did not come with its record.
fn explain(result: StoreResult, withheld: Option<Box<Problem>>) -> StoreResult {
    match (result, withheld) {
        (StoreResult::Refused { problem }, Some(why)) if problem.code == Code::ContentMissing => {
            StoreResult::Refused { problem: *why }
        }
        (result, _) => result,
    }
}

fn batch_length(rest: &[Version]) -> usize {
    let mut bytes = 0;
    let fits = |version: &&Version| {
        bytes += inline(version).map_or(0, |content| content.size_bytes);
        bytes <= BATCH_BYTES
    };
    rest.iter().take(BATCH).take_while(fits).count().max(1)
}

/// The content that travels with the record.
fn inline(version: &Version) -> Option<Content> {
    version.content.filter(|content| content.size_bytes <= INLINE_LIMIT_BYTES)
}

/// The frames of a batch as one stream: one frame in memory at a time.
struct Frames<'a, 's> {
    batch: &'a [Version],
    source: &'a Source<'s>,
    /// Why a version's bytes do not come, by its place in the batch.
    withheld: Vec<Option<Box<Problem>>>,
    next: usize,
    frame: Vec<u8>,
    at: usize,
}

impl Frames<'_, '_> {
    fn make_frame(&mut self, version: &Version) -> io::Result<()> {
        let mut body = None;
        if let Some(content) = inline(version) {
            match read_whole(version, content, self.source) {
                Ok(bytes) => body = Some(packed(bytes)),
                Err(problem) => self.withheld[self.next] = Some(problem),
            }
        }
        let named = body
            .as_ref()
            .map(|(encoding, bytes)| Body { length_bytes: bytes.len() as u64, encoding: *encoding });
        self.frame = header_bytes(&StoreFrame { version: version.clone(), body: named })?;
        self.frame.extend(body.map(|(_, bytes)| bytes).unwrap_or_default());
        self.at = 0;
        Ok(())
    }
}

impl Read for Frames<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.frame.len() {
            let batch = self.batch;
            let Some(version) = batch.get(self.next) else { return Ok(0) };
            self.make_frame(version)?;
            self.next += 1;
        }
        let read = (&self.frame[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

impl Replay for Frames<'_, '_> {
    fn rewind(&mut self) {
        self.next = 0;
        self.at = 0;
        self.frame.clear();
    }
}

/// A small content, whole and verified.
fn read_whole(version: &Version, content: Content, source: &Source<'_>) -> Result<Vec<u8>, Box<Problem>> {
    let mut bytes = Vec::with_capacity(usize::try_from(content.size_bytes).unwrap_or(0));
    let mut reader = source(version).map_err(|error| unreadable(version, &error))?;
    reader
        .by_ref()
        .take(content.size_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(version, &error))?;
    if bytes.len() as u64 == content.size_bytes && Digest::of(&bytes) == content.digest {
        Ok(bytes)
    } else {
        Err(changed(version))
    }
}

/// The bytes could not be read here.
pub(super) fn unreadable(version: &Version, cause: &dyn std::fmt::Display) -> Box<Problem> {
    let text = format!("the bytes of `{}` could not be read: {cause}", version.save);
    Box::new(Problem::new(Code::ContentMissing, text))
}

/// The bytes here are no longer those that were offered.
pub(super) fn changed(version: &Version) -> Box<Problem> {
    let problem = Problem::new(Code::DigestMismatch, format!("`{}` changed while it was sent", version.save));
    Box::new(problem.help("it is read again in the next cycle"))
}
