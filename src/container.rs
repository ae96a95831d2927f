//! PURE. What a save file holds: unwraps the RZIP container that RetroArch may write, and tells doubtful bytes.
//!
//! Format (libretro-common, `streams/rzip_stream.c`): `#RZIPv`, one byte 0x01, `#`; chunk size u32 LE; total size u64
//! LE; then chunks, each a u32 LE length and a zlib stream. Any other version byte is no container: the file is raw.
//! Streams; holds one window in memory, whatever a hostile header promises. Never writes a container: raw is always read.

use std::io::{self, Read};

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use retrosync_protocol::{Content, Hasher, MAX_CONTENT_BYTES};

use crate::snapshot::Doubt;

const MAGIC: &[u8; 8] = b"#RZIPv\x01#";
const HEADER_BYTES: usize = 20;
const CHUNK_LIMIT_BYTES: u32 = 64 << 20;
const WINDOW_BYTES: usize = 16 << 10;

/// The payload of a file: a container unwrapped, anything else as it is. A torn container reads as `InvalidData`.
pub fn payload<R: Read>(reader: R) -> Payload<R> {
    Payload { reader, form: Form::Unread }
}

/// See [`payload`].
pub struct Payload<R> {
    reader: R,
    form: Form,
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

impl<R: Read> Read for Payload<R> {
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

/// Tells content and doubt of a payload while it streams past.
#[derive(Clone, Default)]
pub struct Inspector {
    hasher: Hasher,
    size_bytes: u64,
    has_content: bool,
    blank: u8,
}

impl Inspector {
    /// Adds bytes of the payload.
    pub fn update(&mut self, bytes: &[u8]) {
        if self.size_bytes == 0 {
            self.blank = bytes.first().copied().unwrap_or_default();
        }
        let blank = matches!(self.blank, 0x00 | 0xff) && bytes.iter().all(|byte| *byte == self.blank);
        self.has_content |= !blank && !bytes.is_empty();
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// What it was: `Empty`, or `Blank` (all 0x00, all 0xFF), or nothing to doubt.
    pub fn finish(self) -> (Content, Option<Doubt>) {
        let doubt = match (self.size_bytes, self.has_content) {
            (0, _) => Some(Doubt::Empty),
            (_, false) => Some(Doubt::Blank),
            _ => None,
        };
        (Content { digest: self.hasher.finish(), size_bytes: self.size_bytes }, doubt)
    }
}

/// Reads a whole file: the content of its payload and what is doubted of it.
///
/// A torn container is `Doubt::Torn` with the content of the bytes as they lie: read those without [`payload`].
///
/// # Errors
/// When it cannot be read.
pub fn inspect(file: impl Read) -> io::Result<(Content, Option<Doubt>)> {
    let mut raw = Inspector::default();
    let mut unpacked = Inspector::default();
    let read = {
        let mut tee = Tee { reader: file, inspector: &mut raw };
        let read = pump(&mut payload(&mut tee), &mut unpacked);
        // What follows a container, or is left of a torn one, still is of the file.
        pump(&mut tee, &mut Inspector::default())?;
        read
    };
    match read {
        Ok(()) => Ok(unpacked.finish()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok((raw.finish().0, Some(Doubt::Torn))),
        Err(error) => Err(error),
    }
}

fn pump(reader: &mut impl Read, inspector: &mut Inspector) -> io::Result<()> {
    let mut buffer = vec![0; WINDOW_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => inspector.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Lets an inspector see what is read.
struct Tee<'a, R> {
    reader: R,
    inspector: &'a mut Inspector,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.inspector.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
