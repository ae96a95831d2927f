//! Frames on an HTTP body: reads them one at a time as they arrive, and writes them.
//!
//! May assume nothing of what comes: every length is checked before anything is kept, and a deflated body stops at
//! the size its record names. Memory is one frame, whatever the body's size. A fault of one frame's bytes
//! is told apart from a fault of the framing, so that one refused frame never stops the others.

use axum::body::Body as HttpBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use retrosync_protocol::{Body, Code, Encoding, MAX_HEADER_BYTES, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::request::{cut_short, short};
use crate::refusal::Refusal;

/// Why a frame cannot be used.
#[derive(Debug)]
pub(crate) enum Fault {
    /// This frame only; the next one can be read.
    Frame(Box<Problem>),
    /// The framing is broken or the body ended: nothing more can be read.
    Request(Refusal),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::Request(refusal)
    }
}

fn frame_fault(code: Code, detail: impl Into<String>) -> Fault {
    Fault::Frame(Box::new(Problem::new(code, detail)))
}

fn other_bytes() -> Fault {
    frame_fault(Code::DigestMismatch, "the frame's body is not of the size it should be")
}

fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

/// What a request of frames may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The whole body, in bytes.
    pub(crate) total_bytes: u64,
    /// How many frames.
    pub(crate) frames: usize,
    /// One frame's body, in bytes, as it is and as it is on the wire.
    pub(crate) body_bytes: u64,
}

/// The header of a frame, not yet read as what the endpoint expects.
#[derive(Debug)]
pub(crate) struct Header {
    json: Bytes,
}

impl Header {
    /// Reads it as what the endpoint expects; a header of another form refuses this frame only.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Box<Problem>> {
        serde_json::from_slice(&self.json).map_err(|error| {
            Box::new(Problem::new(
                Code::Malformed,
                format!("the frame's header cannot be read: {}", short(error)),
            ))
        })
    }
}

/// Reads frames from a body.
pub(crate) struct FrameReader {
    source: HttpBody,
    buffer: BytesMut,
    limits: Limits,
    received_bytes: u64,
    frames: usize,
    /// What of the current frame's body is still to come.
    body: Option<Body>,
}

impl FrameReader {
    /// Reads nothing yet.
    pub(crate) fn new(source: HttpBody, limits: Limits) -> FrameReader {
        FrameReader { source, buffer: BytesMut::new(), limits, received_bytes: 0, frames: 0, body: None }
    }

    /// The next frame's header, after what the last one left unread; `None` at the end of the body.
    pub(crate) async fn next(&mut self) -> Result<Option<Header>, Refusal> {
        if let Some(body) = self.body.take() {
            self.skip(body.length_bytes).await?;
        }
        if !self.fill(1).await? {
            return Ok(None);
        }
        self.frames += 1;
        if self.frames > self.limits.frames {
            return Err(Refusal::new(Code::TooLarge, format!("more than {} frames", self.limits.frames)));
        }
        let prefix = self.take(4).await?;
        let length = prefix.iter().rev().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        if length > MAX_HEADER_BYTES {
            return Err(malformed(format!(
                "a frame's header of {length} bytes is longer than {MAX_HEADER_BYTES}"
            )));
        }
        let json = self.take(length as usize).await?;
        /// The one field that the framing itself needs.
        #[derive(serde::Deserialize)]
        struct Framing {
            #[serde(default)]
            body: Option<Body>,
        }
        let framing: Framing = serde_json::from_slice(&json)
            .map_err(|error| malformed(format!("a frame's header cannot be read: {}", short(error))))?;
        self.body = framing.body;
        Ok(Some(Header { json }))
    }

    /// The current frame's body as it is, exactly `size_bytes` long.
    pub(crate) async fn body(&mut self, size_bytes: u64) -> Result<Bytes, Fault> {
        let plain = self.body_up_to(size_bytes).await?;
        if plain.len() as u64 == size_bytes { Ok(plain) } else { Err(other_bytes()) }
    }

    /// The current frame's body as it is, at most `most_bytes` long; reads and inflates no more than the limit allows.
    pub(crate) async fn body_up_to(&mut self, most_bytes: u64) -> Result<Bytes, Fault> {
        let Some(body) = self.body.take() else {
            return Err(frame_fault(Code::Malformed, "the frame has no body"));
        };
        let most_wire_bytes = self.limits.body_bytes + self.limits.body_bytes / 64 + 64;
        if most_bytes > self.limits.body_bytes || body.length_bytes > most_wire_bytes {
            self.skip(body.length_bytes).await?;
            let limit = self.limits.body_bytes;
            return Err(frame_fault(Code::TooLarge, format!("a frame's body is larger than {limit} bytes")));
        }
        let wire = self.take(usize::try_from(body.length_bytes).unwrap_or(usize::MAX)).await?;
        let plain = match body.encoding {
            Encoding::Identity => Some(wire),
            Encoding::Deflate => inflate(&wire, most_bytes),
        };
        plain.filter(|plain| plain.len() as u64 <= most_bytes).ok_or_else(other_bytes)
    }

    /// Exactly `count` bytes.
    async fn take(&mut self, count: usize) -> Result<Bytes, Refusal> {
        if self.fill(count).await? {
            return Ok(self.buffer.split_to(count).freeze());
        }
        Err(malformed(format!("the body ends in the middle of frame {}", self.frames)))
    }

    async fn skip(&mut self, count: u64) -> Result<(), Refusal> {
        let mut left = count;
        while left > 0 {
            let step = left.min(64 << 10) as usize;
            self.take(step).await?;
            left -= step as u64;
        }
        Ok(())
    }

    /// Reads until the buffer holds `count` bytes; false if the body ends before.
    async fn fill(&mut self, count: usize) -> Result<bool, Refusal> {
        while self.buffer.len() < count {
            let Some(part) = self.source.frame().await else { return Ok(false) };
            let part = part.map_err(|error| cut_short(&error))?;
            let Ok(data) = part.into_data() else { continue };
            self.received_bytes += data.len() as u64;
            if self.received_bytes > self.limits.total_bytes {
                let limit = self.limits.total_bytes;
                return Err(Refusal::new(Code::TooLarge, format!("the body is larger than {limit} bytes")));
            }
            self.buffer.extend_from_slice(&data);
        }
        Ok(true)
    }
}

/// Inflates at most `size_bytes`; `None` if it is no zlib stream or a longer one.
fn inflate(wire: &[u8], size_bytes: u64) -> Option<Bytes> {
    let limit = usize::try_from(size_bytes).ok()?;
    decompress_to_vec_zlib_with_limit(wire, limit).ok().map(Bytes::from)
}

/// A content's bytes as they travel: deflated where that is shorter.
pub(crate) fn pack(bytes: Bytes) -> (Body, Bytes) {
    const LEVEL: u8 = 5;
    let deflated = miniz_oxide::deflate::compress_to_vec_zlib(&bytes, LEVEL);
    let (encoding, wire) = if deflated.len() < bytes.len() {
        (Encoding::Deflate, deflated.into())
    } else {
        (Encoding::Identity, bytes)
    };
    (Body { length_bytes: wire.len() as u64, encoding }, wire)
}

/// A frame's header as it travels.
pub(crate) fn write_header(header: &impl Serialize) -> Result<Bytes, Refusal> {
    let json = serde_json::to_vec(header).map_err(|error| Refusal::internal("writing a frame", error))?;
    let frame = retrosync_protocol::encode_header(&json)
        .map_err(|error| Refusal::internal("writing a frame", error))?;
    Ok(frame.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use retrosync_protocol::encode_header;

    const LIMITS: Limits = Limits { total_bytes: 4096, frames: 3, body_bytes: 1024 };

    fn frame(header: &str, body: &[u8]) -> Vec<u8> {
        let mut frame = encode_header(header.as_bytes()).unwrap();
        frame.extend_from_slice(body);
        frame
    }

    fn reader(bytes: Vec<u8>) -> FrameReader {
        // One byte a chunk is the worst that a network can do.
        let chunks: Vec<_> =
            bytes.chunks(1).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect();
        FrameReader::new(HttpBody::from_stream(futures_util::stream::iter(chunks)), LIMITS)
    }

    fn deflated(plain: &[u8]) -> Vec<u8> {
        miniz_oxide::deflate::compress_to_vec_zlib(plain, 9)
    }

    #[tokio::test]
    async fn frames_come_back_as_they_went() {
        let plain = vec![7u8; 1000];
        let wire = deflated(&plain);
        let mut bytes = frame(r#"{"body":{"length_bytes":3,"encoding":"identity"},"n":1}"#, b"abc");
        bytes.extend(frame(r#"{"body":null,"n":2}"#, b""));
        let header = format!(r#"{{"body":{{"length_bytes":{},"encoding":"deflate"}},"n":3}}"#, wire.len());
        bytes.extend(frame(&header, &wire));
        let mut reader = reader(bytes);
        let first = reader.next().await.unwrap().unwrap();
        assert_eq!(first.parse::<serde_json::Value>().unwrap()["n"], 1);
        assert_eq!(reader.body(3).await.unwrap(), "abc");
        assert_eq!(reader.next().await.unwrap().unwrap().parse::<serde_json::Value>().unwrap()["n"], 2);
        assert_eq!(reader.next().await.unwrap().unwrap().parse::<serde_json::Value>().unwrap()["n"], 3);
        assert_eq!(reader.body(1000).await.unwrap(), plain);
        assert!(reader.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_is_skipped() {
        let mut bytes = frame(r#"{"body":{"length_bytes":2000,"encoding":"identity"}}"#, &[1; 2000]);
        bytes.extend(frame(r#"{"n":2}"#, b""));
        let mut reader = reader(bytes);
        reader.next().await.unwrap().unwrap();
        let second = reader.next().await.unwrap().unwrap();
        assert_eq!(second.parse::<serde_json::Value>().unwrap()["n"], 2);
    }

    #[tokio::test]
    async fn broken_framing_ends_the_request() {
        let identity = |n: u64| format!(r#"{{"body":{{"length_bytes":{n},"encoding":"identity"}}}}"#);
        let rows: Vec<(&str, Vec<u8>, Code)> = vec![
            ("half a length", vec![1, 0], Code::Malformed),
            ("a header of 4 GiB", vec![255; 8], Code::Malformed),
            ("a header that is not JSON", frame("{", b""), Code::Malformed),
            ("a header that is no object", frame("7", b""), Code::Malformed),
            (
                "a negative body",
                frame(r#"{"body":{"length_bytes":-1,"encoding":"identity"}}"#, b""),
                Code::Malformed,
            ),
            (
                "an unknown encoding",
                frame(r#"{"body":{"length_bytes":1,"encoding":"br"}}"#, b"x"),
                Code::Malformed,
            ),
            ("a body cut short", frame(&identity(9), b"abc"), Code::Malformed),
            ("a body of 16 EiB", frame(&identity(u64::MAX), b"abc"), Code::Malformed),
            ("a body over the limit", frame(&identity(5000), &[0; 5000]), Code::TooLarge),
            ("four frames", frame("{}", b"").repeat(4), Code::TooLarge),
        ];
        for (what, bytes, code) in rows {
            let mut reader = reader(bytes);
            let refusal = loop {
                match reader.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{what}: accepted"),
                    Err(refusal) => break refusal,
                }
            };
            assert_eq!(refusal.code(), code, "{what}: {refusal}");
        }
    }

    #[tokio::test]
    async fn a_bad_body_refuses_its_frame_and_the_next_is_read() {
        let bomb = deflated(&vec![0u8; 1 << 20]);
        let torn = deflated(&[5; 600])[..8].to_vec();
        let rows: Vec<(&str, &str, Vec<u8>, u64, Code)> = vec![
            ("a bomb stops at the size named", "deflate", bomb, 1000, Code::DigestMismatch),
            ("no zlib stream", "deflate", b"hello".to_vec(), 1000, Code::DigestMismatch),
            ("a torn zlib stream", "deflate", torn, 600, Code::DigestMismatch),
            ("shorter than named", "deflate", deflated(b"abc"), 4, Code::DigestMismatch),
            ("another size than named", "identity", b"abc".to_vec(), 4, Code::DigestMismatch),
            ("a record larger than a frame may be", "identity", b"abc".to_vec(), 1025, Code::TooLarge),
            ("a wire longer than any encoding needs", "deflate", vec![0; 1500], 3, Code::TooLarge),
        ];
        for (what, encoding, body, size_bytes, code) in rows {
            let header = format!(r#"{{"body":{{"length_bytes":{},"encoding":"{encoding}"}}}}"#, body.len());
            let mut bytes = frame(&header, &body);
            bytes.extend(frame("{}", b""));
            let mut reader = reader(bytes);
            reader.next().await.unwrap().unwrap();
            match reader.body(size_bytes).await {
                Err(Fault::Frame(problem)) => assert_eq!(problem.code, code, "{what}: {problem}"),
                other => panic!("{what}: {other:?}"),
            }
            assert!(reader.next().await.unwrap().is_some(), "{what}: the next frame");
        }
    }

    #[test]
    fn bytes_that_do_not_shrink_travel_as_they_are() {
        assert_eq!(pack(Bytes::from_static(b"abc")).0.encoding, Encoding::Identity);
        let (body, wire) = pack(Bytes::from(vec![0; 9000]));
        assert_eq!(body, Body { length_bytes: wire.len() as u64, encoding: Encoding::Deflate });
        assert_eq!(inflate(&wire, 9000).unwrap().len(), 9000);
    }

    #[tokio::test]
    async fn whatever_comes_it_ends_and_keeps_to_its_limits() {
        let mut whole = frame(r#"{"body":{"length_bytes":3,"encoding":"identity"},"n":1}"#, b"abc");
        let wire = deflated(&[7; 900]);
        let header = format!(r#"{{"body":{{"length_bytes":{},"encoding":"deflate"}}}}"#, wire.len());
        whole.extend(frame(&header, &wire));
        let mut state = 1u64;
        let mut next = |most: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % most
        };
        let mut read = 0;
        for _ in 0..5000 {
            let mut bytes = whole.clone();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
            }
            bytes.truncate(bytes.len() - next(3) * next(20));
            let mut reader = reader(bytes);
            while let Ok(Some(_)) = reader.next().await {
                if let Ok(body) = reader.body_up_to(1000).await {
                    assert!(body.len() <= 1000);
                    read += 1;
                }
            }
        }
        assert!(read > 100, "some are still whole: {read}");
    }
}
