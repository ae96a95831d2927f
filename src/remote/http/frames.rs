//! Frames as they travel (protocol README 2.2): reading them as a stream, and writing small bodies.
//!
//! Assumes nothing of what comes: a header that is too long, a body that ends early, a deflated body that never ends
//! are errors. At most one header and two small buffers are in memory.

use std::io::{self, Read};

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use retrosync_protocol::{Body, Encoding, MAX_HEADER_BYTES, encode_header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads frame after frame.
pub(super) struct FrameReader<R> {
    inner: R,
}

impl<R: Read> FrameReader<R> {
    pub(super) fn new(inner: R) -> FrameReader<R> {
        FrameReader { inner }
    }

    /// The next frame's header; `None` at the end. The frame before must have been read to its end.
    pub(super) fn header<H: DeserializeOwned>(&mut self) -> io::Result<Option<H>> {
        let mut length = [0; 4];
        let mut have = 0;
        while have < length.len() {
            match self.inner.read(&mut length[have..]) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => have += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let length = u32::from_le_bytes(length);
        if length > MAX_HEADER_BYTES {
            return Err(invalid("a frame's header is too long"));
        }
        let mut header = Vec::new();
        self.inner.by_ref().take(u64::from(length)).read_to_end(&mut header)?;
        if header.len() < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_slice(&header).map(Some).map_err(|_| invalid("a frame's header is not as agreed"))
    }

    /// The body that the last header named.
    pub(super) fn body(&mut self, body: Body) -> FrameBody<'_, R> {
        let wire = Exact { inner: &mut self.inner, left_bytes: body.length_bytes };
        match body.encoding {
            Encoding::Identity => FrameBody::Identity(wire),
            Encoding::Deflate => FrameBody::Deflate(Box::new(Inflating::new(wire))),
        }
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Exactly so many bytes of a stream.
pub(super) struct Exact<'a, R> {
    inner: &'a mut R,
    left_bytes: u64,
}

impl<R: Read> Read for Exact<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left_bytes).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        let read = self.inner.read(&mut buffer[..most])?;
        self.left_bytes -= read as u64;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }
}

/// A frame's body, unpacked.
pub(super) enum FrameBody<'a, R> {
    /// As it is.
    Identity(Exact<'a, R>),
    /// A zlib stream.
    Deflate(Box<Inflating<Exact<'a, R>>>),
}

impl<R: Read> FrameBody<'_, R> {
    /// Skips what of the frame was not read, so that the next header can be.
    pub(super) fn skip_rest(self) -> io::Result<()> {
        let mut wire = match self {
            FrameBody::Identity(wire) => wire,
            FrameBody::Deflate(inflating) => inflating.inner,
        };
        io::copy(&mut wire, &mut io::sink()).map(|_| ())
    }
}

impl<R: Read> Read for FrameBody<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            FrameBody::Identity(wire) => wire.read(buffer),
            FrameBody::Deflate(inflating) => inflating.read(buffer),
        }
    }
}

/// Unpacks a zlib stream. The taker bounds how much comes out.
pub(super) struct Inflating<R> {
    inner: R,
    state: Box<InflateState>,
    packed: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Inflating<R> {
    pub(super) fn new(inner: R) -> Inflating<R> {
        Inflating {
            inner,
            state: InflateState::new_boxed(DataFormat::Zlib),
            packed: Vec::with_capacity(8192),
            at: 0,
            ended: false,
        }
    }
}

impl<R: Read> Read for Inflating<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            if self.at == self.packed.len() {
                self.packed.resize(8192, 0);
                let read = self.inner.read(&mut self.packed);
                self.packed.truncate(*read.as_ref().unwrap_or(&0));
                self.at = 0;
                read?;
            }
            let result = inflate(&mut self.state, &self.packed[self.at..], buffer, MZFlush::None);
            self.at += result.bytes_consumed;
            match result.status {
                Ok(MZStatus::StreamEnd) => self.ended = true,
                Ok(_) => {}
                Err(MZError::Buf) if result.bytes_consumed > 0 => {}
                Err(_) => return Err(invalid("a packed body does not unpack")),
            }
            if result.bytes_written > 0 {
                return Ok(result.bytes_written);
            }
        }
    }
}

/// Packs a body when that saves more than a tenth.
pub(super) fn packed(bytes: Vec<u8>) -> (Encoding, Vec<u8>) {
    let deflated = miniz_oxide::deflate::compress_to_vec_zlib(&bytes, 3);
    if deflated.len() < bytes.len() - bytes.len() / 10 {
        (Encoding::Deflate, deflated)
    } else {
        (Encoding::Identity, bytes)
    }
}

/// A frame's header, ready to be followed by its body.
pub(super) fn header_bytes(header: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header).map_err(io::Error::other)?;
    encode_header(&json).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use retrosync_protocol::{ContentFrame, Digest};

    fn frame(bytes: &[u8], encoding: Encoding, cut_by: usize) -> Vec<u8> {
        let body = match encoding {
            Encoding::Identity => bytes.to_vec(),
            Encoding::Deflate => miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6),
        };
        let header = ContentFrame {
            digest: Digest::of(bytes),
            body: Some(Body { length_bytes: body.len() as u64, encoding }),
        };
        let mut frame = header_bytes(&header).unwrap();
        frame.extend_from_slice(&body[..body.len() - cut_by]);
        frame
    }

    #[test]
    fn frames_come_back_as_they_went() {
        let large: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut wire = frame(b"abc", Encoding::Identity, 0);
        wire.extend(frame(&large, Encoding::Deflate, 0));
        wire.extend(frame(b"", Encoding::Identity, 0));
        let mut reader = FrameReader::new(&wire[..]);
        for expected in [&b"abc"[..], &large, b""] {
            let header: ContentFrame = reader.header().unwrap().unwrap();
            let mut bytes = Vec::new();
            let mut body = reader.body(header.body.unwrap());
            body.read_to_end(&mut bytes).unwrap();
            body.skip_rest().unwrap();
            assert_eq!(bytes, expected);
        }
        assert!(reader.header::<ContentFrame>().unwrap().is_none());
    }

    #[test]
    fn a_cut_anywhere_is_an_error_and_never_an_end() {
        for encoding in [Encoding::Identity, Encoding::Deflate] {
            let whole = frame(&[7; 5000], encoding, 0);
            for length in 1..whole.len() {
                let mut reader = FrameReader::new(&whole[..length]);
                let Ok(header) = reader.header::<ContentFrame>() else { continue };
                let mut body = reader.body(header.unwrap().body.unwrap());
                let failed = body.read_to_end(&mut Vec::new()).is_err();
                assert!(failed || body.skip_rest().is_err(), "cut at {length} of {}", whole.len());
            }
        }
    }

    #[test]
    fn a_header_that_is_too_long_is_refused_before_it_is_read() {
        let mut reader = FrameReader::new(&[0xff; 64][..]);
        assert!(reader.header::<ContentFrame>().is_err());
    }

    #[test]
    fn a_body_is_packed_only_where_that_saves() {
        assert_eq!(packed(vec![0; 8192]).0, Encoding::Deflate);
        assert_eq!(packed(b"abc".to_vec()), (Encoding::Identity, b"abc".to_vec()));
    }
}
