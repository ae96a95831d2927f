//! Reads a file to its two identities: the bytes on the card, and the payload that versions speak of.

use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::Path;

use retrosync_protocol::{Content, Hasher, SaveId};

use crate::error::{Error, Kind, Result};
use crate::formats;
use crate::snapshot::Stamp;
use crate::volume::Volume;
use crate::whole;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// The file itself.
    pub file: Content,
    /// Its payload, whatever form the file has.
    pub payload: Content,
}

/// What the file of this save at `path` is, and its stamp; nothing if there is none.
///
/// # Errors
/// `Busy` when it changed while it was read; `Damaged` when it cannot be read.
pub fn look(volume: &dyn Volume, path: &Path, save: &SaveId) -> Result<Option<(Looked, Stamp)>> {
    let doing = || format!("cannot read `{}`", path.display());
    match read(volume, path, save) {
        Ok((looked, before, after)) if before == after => Ok(Some((looked, before))),
        Ok(_) => Err(Error::new(Kind::Busy, doing(), "it changed while it was read")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(doing(), &error)),
    }
}

fn read(volume: &dyn Volume, path: &Path, save: &SaveId) -> io::Result<(Looked, Stamp, Stamp)> {
    let mut file = whole::open(volume, path)?;
    let before = file.stamp()?;
    let mut tee = Measured::new(&mut *file);
    let payload = payload_of(save, &mut tee)?;
    // What follows the payload is of the file too.
    io::copy(&mut tee, &mut io::sink())?;
    let file = tee.content();
    Ok((Looked { file, payload: payload.unwrap_or(file) }, before, whole::stamp(volume, path)?))
}

/// The bytes of any file, as they are.
///
/// # Errors
/// When it cannot be read.
pub fn measure(volume: &dyn Volume, path: &Path) -> io::Result<Content> {
    contents(&mut volume.open(path)?)
}

/// All that is left to read.
///
/// # Errors
/// When it cannot be read.
pub fn contents(bytes: &mut dyn Read) -> io::Result<Content> {
    let mut bytes = Measured::new(bytes);
    io::copy(&mut bytes, &mut io::sink())?;
    Ok(bytes.content())
}

/// The payload; nothing for a torn container, which stands for itself.
fn payload_of(save: &SaveId, file: &mut dyn Read) -> io::Result<Option<Content>> {
    let mut payload = Measured::new(formats::payload(save, file));
    match io::copy(&mut payload, &mut io::sink()) {
        Ok(_) => Ok(Some(payload.content())),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error),
    }
}

/// Hashes and counts what is read through it.
pub struct Measured<R> {
    inner: R,
    hasher: Hasher,
    size_bytes: u64,
}

impl<R: Read> Measured<R> {
    /// Reads from `inner`.
    pub fn new(inner: R) -> Measured<R> {
        Measured { inner, hasher: Hasher::default(), size_bytes: 0 }
    }

    /// What was read so far.
    pub fn content(self) -> Content {
        Content { digest: self.hasher.finish(), size_bytes: self.size_bytes }
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.size_bytes += read as u64;
        Ok(read)
    }
}
