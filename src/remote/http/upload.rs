//! A large content on its way out, as blocks: only those that the server lacks travel, and an upload that was cut goes
//! on where it was.
//!
//! Two passes over the bytes: one for the digests, one for what is missing. Memory is bounded, whatever the size.

use std::io::{self, Read};

use retrosync_protocol::{
    BLOCK_BYTES, BlockFrame, Body, Code, Content, Digest, FRAMES_CONTENT_TYPE, Hasher, Problem, UploadReply,
    UploadRequest, Version,
};
use ureq::http::Method;

use super::super::Source;
use super::HttpRemote;
use super::frames::{header_bytes, packed};
use super::send::{changed, unreadable};
use super::wire::{Call, Outgoing, STORE_WAIT_S};
use crate::error::{Error, Kind, Result};

/// How many bytes of blocks one request carries.
const REQUEST_BYTES: usize = 2 << 20;

impl HttpRemote {
    /// Brings a large content to the server. Outer error: the server could not be reached or said no; inner: the bytes
    /// could not be read here, or are others by now.
    pub(super) fn upload(
        &mut self,
        version: &Version,
        content: Content,
        source: &Source<'_>,
    ) -> Result<Result<(), Box<Problem>>> {
        let doing = format!("cannot upload `{}`", version.save);
        let block_digests = match block_digests(version, content, source) {
            Ok(digests) => digests,
            Err(problem) => return Ok(Err(problem)),
        };
        let request = UploadRequest { content, block_digests };
        // The second pass only finds something where another device dropped or finished the same upload meanwhile.
        for _ in 0..2 {
            let state = self.ask_upload(&doing, &request)?;
            if state.complete {
                return Ok(Ok(()));
            }
            match self.send_missing(&doing, version, &request, &state.missing, source)? {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => {}
                Err(problem) => return Ok(Err(problem)),
            }
        }
        Err(Error::new(Kind::Offline, doing, "the server still lacks blocks that were sent"))
    }

    fn ask_upload(&mut self, doing: &str, request: &UploadRequest) -> Result<UploadReply> {
        let token = self.token(doing)?.clone();
        let mut call = Call::new(doing, Method::POST, "/uploads", Some(&token));
        // Each question is new: the answer changes as blocks arrive.
        self.answered += 1;
        call.operation = Some(self.operation(&[request.content.digest]));
        call.wait_s = STORE_WAIT_S;
        self.wire.json(&call, Some(request))
    }

    /// Sends the missing blocks in one pass over the bytes. Is the upload complete?
    fn send_missing(
        &mut self,
        doing: &str,
        version: &Version,
        request: &UploadRequest,
        missing: &[u64],
        source: &Source<'_>,
    ) -> Result<Result<bool, Box<Problem>>> {
        let mut reader = match source(version) {
            Ok(reader) => reader,
            Err(error) => return Ok(Err(unreadable(version, &error))),
        };
        let mut frames = Vec::new();
        let mut missing = missing.iter().copied().peekable();
        let mut complete = false;
        for (digest, index) in request.block_digests.iter().zip(0u64..) {
            let Some(last) = missing.peek().map(|next| (*next == index).then_some(())) else { break };
            let block = match read_block(&mut reader, request.content.size_bytes, index) {
                Ok(block) => block,
                Err(error) => return Ok(Err(unreadable(version, &error))),
            };
            if last.is_none() {
                continue;
            }
            missing.next();
            if Digest::of(&block) != *digest {
                return Ok(Err(changed(version)));
            }
            add_frame(&mut frames, index, *digest, block)
                .map_err(|error| Error::new(Kind::Misused, doing, error))?;
            if frames.len() >= REQUEST_BYTES || missing.peek().is_none() {
                match self.send_blocks(doing, request.content.digest, &frames) {
                    Ok(reply) => complete = reply.complete,
                    Err(error) if error.kind == Kind::Refused(Code::DigestMismatch) => {
                        return Ok(Err(changed(version)));
                    }
                    Err(error) => return Err(error),
                }
                frames.clear();
            }
        }
        Ok(Ok(complete))
    }

    fn send_blocks(&mut self, doing: &str, digest: Digest, frames: &[u8]) -> Result<UploadReply> {
        let token = self.token(doing)?.clone();
        let path = format!("/uploads/{digest}/blocks");
        let mut call = Call::new(doing, Method::POST, &path, Some(&token));
        call.operation = Some(self.operation(&[digest, Digest::of(frames)]));
        call.wait_s = STORE_WAIT_S;
        let response = self.wire.send(&call, Outgoing::Bytes(FRAMES_CONTENT_TYPE, frames))?;
        let reply = self.wire.read_json(doing, response)?;
        self.answered += 1;
        Ok(reply)
    }
}

/// The digests of all blocks, if the bytes are still those that were offered.
fn block_digests(
    version: &Version,
    content: Content,
    source: &Source<'_>,
) -> Result<Vec<Digest>, Box<Problem>> {
    let mut reader = source(version).map_err(|error| unreadable(version, &error))?;
    let mut whole = Hasher::default();
    let mut digests = Vec::new();
    for index in 0..content.size_bytes.div_ceil(BLOCK_BYTES) {
        let block =
            read_block(&mut reader, content.size_bytes, index).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => changed(version),
                _ => unreadable(version, &error),
            })?;
        whole.update(&block);
        digests.push(Digest::of(&block));
    }
    let longer = reader.read(&mut [0]).map_err(|error| unreadable(version, &error))? > 0;
    if longer || whole.finish() != content.digest { Err(changed(version)) } else { Ok(digests) }
}

fn read_block(reader: &mut dyn Read, size_bytes: u64, index: u64) -> io::Result<Vec<u8>> {
    let length = BLOCK_BYTES.min(size_bytes - index * BLOCK_BYTES);
    let mut block = vec![0; usize::try_from(length).unwrap_or(0)];
    reader.read_exact(&mut block)?;
    Ok(block)
}

fn add_frame(frames: &mut Vec<u8>, index: u64, digest: Digest, block: Vec<u8>) -> io::Result<()> {
    let (encoding, bytes) = packed(block);
    let body = Body { length_bytes: bytes.len() as u64, encoding };
    frames.extend(header_bytes(&BlockFrame { index, digest, body })?);
    frames.extend(bytes);
    Ok(())
}
