//! PURE. The container in which RetroArch keeps a save when `save_file_compression` is on: unwrapped and written.
//!
//! Format (libretro-common, `streams/rzip_stream.c`): `#RZIPv`, one byte 0x01, `#`; chunk size u32 LE; total size u64
//! LE; then chunks, each a u32 LE length and a zlib stream. Any other version byte is no container: the file is raw.
//! Streams; reading holds one window in memory, whatever a hostile header promises, writing one chunk.

use std::io::{self, Read, Write};

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use retrosync_protocol::MAX_CONTENT_BYTES;

const MAGIC: &[u8; 8] = b"#RZIPv\x01#";
const HEADER_BYTES: usize = 20;
const CHUNK_LIMIT_BYTES: u32 = 64 << 20;
const WINDOW_BYTES: usize = 16 << 10;
/// What RetroArch writes, and the most that is written here: a chunk is held in memory.
pub(super) const CHUNK_BYTES: u32 = 128 << 10;
/// As RetroArch packs.
const LEVEL: u8 = 6;

/// May a file that begins so be a container?
pub(super) fn may_be_container(begin: &[u8]) -> bool {
    begin.first() == MAGIC.first()
}

/// A file with its container unwrapped, anything else as it is. A torn container reads as `InvalidData`.
pub(super) fn unwrapped<R: Read>(reader: R) -> Unwrapped<R> {
    Unwrapped { reader, form: Form::Unread }
}

/// See [`unwrapped`].
pub(super) struct Unwrapped<R> {
    reader: R,
    form: Form,
}

impl<R: Read> Unwrapped<R> {
    /// The size of the container's chunks, if it is one; known once something was read.
    pub(super) fn chunk_bytes(&self) -> Option<u32> {
        match &self.form {
            Form::Rzip(unpacking) => Some(unpacking.chunk_bytes),
            _ => None,
        }
    }
}

/// Writes a container around `total_bytes` of `payload`, in chunks of this size.
///
/// # Errors
/// What reading and writing failed with; `UnexpectedEof` when the payload is shorter.
pub(super) fn wrap(
    payload: &mut dyn Read,
    total_bytes: u64,
    chunk_bytes: u32,
    to: &mut dyn Write,
) -> io::Result<()> {
    let chunk_bytes = chunk_bytes.clamp(1, CHUNK_BYTES);
    to.write_all(MAGIC)?;
    to.write_all(&chunk_bytes.to_le_bytes())?;
    to.write_all(&total_bytes.to_le_bytes())?;
    let mut left_bytes = total_bytes;
    let mut chunk = Vec::new();
    while left_bytes > 0 {
        let next_bytes = left_bytes.min(u64::from(chunk_bytes));
        chunk.clear();
        payload.take(next_bytes).read_to_end(&mut chunk)?;
        if chunk.len() as u64 != next_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left_bytes -= next_bytes;
        let packed = compress_to_vec_zlib(&chunk, LEVEL);
        let packed_bytes = u32::try_from(packed.len()).map_err(io::Error::other)?;
        to.write_all(&packed_bytes.to_le_bytes())?;
        to.write_all(&packed)?;
    }
    Ok(())
}

enum Form {
    Unread,
    /// No container: what was read to find that out, and how much of it was handed on.
    Raw {
        head: Vec<u8>,
        given: usize,
    },
    Rzip(Box<Unpacking>),
}

/// A container being unwrapped.
struct Unpacking {
    chunk_bytes: u32,
    /// Of the payload, still to come.
    left_bytes: u64,
    /// Of the current chunk's payload, still to come.
    chunk_left_bytes: u64,
    /// Of the current chunk's zlib stream, still to be read.
    packed_left_bytes: u32,
    inflate: Box<InflateState>,
    window: Vec<u8>,
    window_start: usize,
}

impl<R: Read> Read for Unwrapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.form, Form::Unread) {
            self.form = sniff(&mut self.reader)?;
        }
        match &mut self.form {
            Form::Rzip(unpacking) => unpacking.read(&mut self.reader, buffer),
            Form::Raw { head, given } if *given < head.len() => {
                let rest = head.get(*given..).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                *given += count;
                Ok(count)
            }
            _ => self.reader.read(buffer),
        }
    }
}

fn sniff(reader: &mut impl Read) -> io::Result<Form> {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head)?;
    if head != MAGIC {
        return Ok(Form::Raw { head, given: 0 });
    }
    let (mut chunk, mut total) = ([0; 4], [0; 8]);
    exactly(reader, &mut chunk)?;
    exactly(reader, &mut total)?;
    let (chunk_bytes, left_bytes) = (u32::from_le_bytes(chunk), u64::from_le_bytes(total));
    if chunk_bytes == 0
        || chunk_bytes > CHUNK_LIMIT_BYTES
        || left_bytes == 0
        || left_bytes > MAX_CONTENT_BYTES
    {
        return Err(torn("its header has impossible sizes"));
    }
    Ok(Form::Rzip(Box::new(Unpacking {
        chunk_bytes,
        left_bytes,
        chunk_left_bytes: 0,
        packed_left_bytes: 0,
        inflate: InflateState::new_boxed(DataFormat::Zlib),
        window: Vec::with_capacity(WINDOW_BYTES),
        window_start: 0,
    })))
}

impl Unpacking {
    fn read(&mut self, reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.chunk_left_bytes == 0 {
                if self.left_bytes == 0 {
                    return Ok(0);
                }
                self.next_chunk(reader)?;
            }
            let given = self.inflate_some(reader, buffer)?;
            if given > 0 {
                return Ok(given);
            }
        }
    }

    fn next_chunk(&mut self, reader: &mut impl Read) -> io::Result<()> {
        let mut length = [0; 4];
        exactly(reader, &mut length)?;
        let length = u32::from_le_bytes(length);
        if length == 0 || length > self.chunk_bytes.saturating_mul(2).saturating_add(1024) {
            return Err(torn("a chunk has an impossible length"));
        }
        self.packed_left_bytes = length;
        self.chunk_left_bytes = self.left_bytes.min(u64::from(self.chunk_bytes));
        self.inflate.reset(DataFormat::Zlib);
        self.window.clear();
        self.window_start = 0;
        Ok(())
    }

    /// Unpacks into `buffer`; may need several calls before something comes. The chunk's last byte is handed out only when
    /// its stream has ended well, checksum and all.
    fn inflate_some(&mut self, reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        if self.window_start == self.window.len() && self.packed_left_bytes > 0 {
            let count = WINDOW_BYTES.min(usize::try_from(self.packed_left_bytes).unwrap_or(WINDOW_BYTES));
            self.window.resize(count, 0);
            exactly(reader, &mut self.window)?;
            self.packed_left_bytes -= u32::try_from(count).unwrap_or(self.packed_left_bytes);
            self.window_start = 0;
        }
        let room = buffer.len().min(usize::try_from(self.chunk_left_bytes).unwrap_or(usize::MAX));
        let packed = self.window.get(self.window_start..).unwrap_or_default();
        let done = inflate(&mut self.inflate, packed, &mut buffer[..room], MZFlush::None);
        self.window_start += done.bytes_consumed;
        self.chunk_left_bytes -= done.bytes_written as u64;
        self.left_bytes -= done.bytes_written as u64;
        match done.status {
            Ok(MZStatus::StreamEnd) => {
                if self.chunk_left_bytes > 0
                    || self.packed_left_bytes > 0
                    || self.window_start < self.window.len()
                {
                    return Err(torn("a chunk is not as long as it says"));
                }
                Ok(done.bytes_written)
            }
            Ok(_) | Err(MZError::Buf) if self.chunk_left_bytes == 0 => {
                self.end(reader).map(|()| done.bytes_written)
            }
            Ok(_) if done.bytes_consumed > 0 || done.bytes_written > 0 => Ok(done.bytes_written),
            // Nothing went in and nothing came out: more of the stream is needed, and must be there.
            Ok(_) | Err(MZError::Buf) if self.packed_left_bytes > 0 => Ok(0),
            _ => Err(torn("a chunk does not unpack")),
        }
    }

    /// The whole chunk came out; its stream must end here (only its checksum may be left).
    fn end(&mut self, reader: &mut impl Read) -> io::Result<()> {
        let mut tail = self.window.split_off(self.window_start.min(self.window.len()));
        if self.packed_left_bytes > 64 {
            return Err(torn("a chunk is longer than it says"));
        }
        let start = tail.len();
        tail.resize(start + usize::try_from(self.packed_left_bytes).unwrap_or_default(), 0);
        exactly(reader, tail.get_mut(start..).unwrap_or_default())?;
        (self.packed_left_bytes, self.window_start) = (0, 0);
        self.window.clear();
        let mut over = [0; 1];
        let done = inflate(&mut self.inflate, &tail, &mut over, MZFlush::None);
        let ended = done.status == Ok(MZStatus::StreamEnd);
        if ended && done.bytes_written == 0 && done.bytes_consumed == tail.len() {
            Ok(())
        } else {
            Err(torn("a chunk does not end where it should"))
        }
    }
}

fn exactly(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<()> {
    reader.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => torn("it ends early"),
        _ => error,
    })
}

fn torn(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the compressed save is torn: {why}"))
}

#[cfg(test)]
#[path = "rzip_tests.rs"]
mod tests;
