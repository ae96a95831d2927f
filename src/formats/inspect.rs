//! PURE. What a file holds and what is doubted of it, told while its bytes stream past.

use std::io::{self, Read};

use retrosync_protocol::{Content, Hasher, SaveId, Watched};

use super::{payload, rzip::may_be_container};
use crate::snapshot::Doubt;

const WINDOW_BYTES: usize = 16 << 10;

/// Tells content and doubt of a payload while it streams past.
#[derive(Clone, Default)]
pub struct Inspector {
    hasher: Hasher,
    watched: Watched,
}

impl Inspector {
    /// Adds bytes of the payload.
    pub fn update(&mut self, bytes: &[u8]) {
        self.watched.update(bytes);
        self.hasher.update(bytes);
    }

    /// What it was: `Empty`, or `Blank` (all 0x00, all 0xFF), or nothing to doubt.
    pub fn finish(self) -> (Content, Option<Doubt>) {
        let size_bytes = self.watched.size_bytes();
        (Content { digest: self.hasher.finish(), size_bytes }, self.watched.doubt())
    }
}

/// Reads a whole file: the content of its payload and what is doubted of it.
///
/// A torn container is `Doubt::Torn` with the content of the bytes as they lie: read those without [`payload`].
///
/// # Errors
/// When it cannot be read.
pub fn inspect(save: &SaveId, file: impl Read) -> io::Result<(Content, Option<Doubt>)> {
    let mut raw = Inspector::default();
    let mut unpacked = Inspector::default();
    let mut buffer = vec![0; WINDOW_BYTES];
    let read = {
        let mut tee = Tee { reader: file, inspector: &mut raw, is_container: None };
        let read = pump(&mut payload(save, &mut tee), &mut unpacked, &mut buffer);
        // What follows a container, or is left of a torn one, still is of the file.
        pump(&mut tee, &mut Inspector::default(), &mut buffer)?;
        read
    };
    match read {
        Ok(()) => Ok(unpacked.finish()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok((raw.finish().0, Some(Doubt::Torn))),
        Err(error) => Err(error),
    }
}

fn pump(reader: &mut impl Read, inspector: &mut Inspector, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match reader.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => inspector.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Lets an inspector see what is read of a container, which may be torn; of anything else it would see the payload again.
struct Tee<'a, R> {
    reader: R,
    inspector: &'a mut Inspector,
    /// By its first byte; none before that.
    is_container: Option<bool>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let read = &buffer[..count];
        if *self.is_container.get_or_insert_with(|| may_be_container(read)) {
            self.inspector.update(read);
        }
        Ok(count)
    }
}
