//! PURE. A save's bytes as they travel, and the files in which firmwares keep them.
//!
//! The *payload* is what is hashed, sent and compared: the same on every device. A *form* is what one device's file puts
//! around it: a container, a header, a footer, padding. Reading takes the form off by what the bytes themselves say
//! ([`payload`]); writing puts on what the file that is replaced had, or what its emulator needs ([`Form`]). So a form is a
//! matter of one device, and a save that changes hands comes back byte for byte.
//!
//! ```text
//! payload(file written in any form) = what went into it        proved over random bytes, checked again before placing
//! what is not known for certain     = its own payload          opaque, never guessed
//! ```
//!
//! Converted, each where its proof is: the container of RetroArch (`rzip.rs`); the clocks of Game Boy cartridges (`clock.rs`); the
//! padding of Game Boy Advance and Nintendo 64 saves and the block of VBA, headers of PlayStation cards, the footer of DeSmuME and
//! DraStic, the memory of a Saturn (`shape.rs`). Not converted, because something would be lost or guessed: a clock behind a
//! Game Boy save, which stays on its device; Neo Geo Pocket flash, arcade memory, states.
//!
//! Streams; what has a shape is small and is held whole, up to [`SHAPED_MOST_BYTES`]. Never looks at a file name but to
//! tell a new file's form, never trusts a length.

mod clock;
mod inspect;
pub mod n64;
mod rzip;
pub mod set;
mod shape;

use std::io::{self, Read, Write};

use retrosync_protocol::SaveId;

pub use inspect::{Inspector, inspect};
use shape::{Family, Shape};

/// What is longer has no shape: no console's battery save that has one is.
pub const SHAPED_MOST_BYTES: usize = 2 << 20;

/// The payload of a file of this save: its container unwrapped, its form taken off. A torn container reads as
/// `InvalidData`; whatever is not known is handed on as it is.
pub fn payload<R: Read>(save: &SaveId, file: R) -> Payload<R> {
    Payload { file: rzip::unwrapped(file), family: Family::of(save), held: None, given: 0 }
}

/// See [`payload`].
pub struct Payload<R> {
    file: rzip::Unwrapped<R>,
    family: Option<Family>,
    /// What has a shape, or may have.
    held: Option<Vec<u8>>,
    given: usize,
}

impl<R: Read> Read for Payload<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(family) = self.family else { return self.file.read(buffer) };
        let held = match &mut self.held {
            Some(held) => held,
            none => {
                let mut bytes = Vec::new();
                hold(&mut self.file, &mut bytes)?;
                if bytes.len() <= SHAPED_MOST_BYTES {
                    shape::take_off(family, &mut bytes);
                }
                none.insert(bytes)
            }
        };
        let rest = held.get(self.given..).unwrap_or_default();
        if rest.is_empty() {
            // All of what has a shape was held: only what is too long for one goes on.
            return self.file.read(buffer);
        }
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

fn hold(file: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    file.take(SHAPED_MOST_BYTES as u64 + 1).read_to_end(bytes).map(drop)
}

/// How the emulator at a place writes what is not there yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsNew {
    /// RetroArch packs it.
    pub packed: bool,
    /// It keeps the clock of a Game Boy cartridge as VBA's block.
    pub block_clock: bool,
}

/// What a device's file puts around a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    rzip_chunk_bytes: Option<u32>,
    shape: Shape,
}

impl Form {
    /// The form of a file that is there.
    ///
    /// # Errors
    /// What reading it failed with. A torn file has no form.
    pub fn of(save: &SaveId, file: impl Read) -> io::Result<Form> {
        let mut file = rzip::unwrapped(file);
        let mut bytes = Vec::new();
        let read = match Family::of(save) {
            Some(_) => hold(&mut file, &mut bytes),
            None => file.by_ref().take(1).read_to_end(&mut bytes).map(drop),
        };
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Form::default()),
            Err(error) => return Err(error),
        }
        let shaped = Family::of(save).filter(|_| bytes.len() <= SHAPED_MOST_BYTES);
        let shape = shaped.map_or(Shape::Plain, |family| shape::of(family, &bytes));
        Ok(Form { rzip_chunk_bytes: file.chunk_bytes(), shape })
    }

    /// The form of a file that is not there yet: by its name, and how its emulator writes.
    pub fn of_new(save: &SaveId, file_name: &str, as_new: AsNew) -> Form {
        let rzip_chunk_bytes = as_new.packed.then_some(rzip::CHUNK_BYTES);
        Form { rzip_chunk_bytes, shape: shape::of_new(save, file_name, as_new) }
    }

    /// Does it put nothing around the payload?
    pub fn is_plain(&self) -> bool {
        *self == Form::default()
    }

    /// What of the file is this device's own, in words: it is not in the payload, and goes nowhere else.
    pub fn own(&self) -> Option<&'static str> {
        match &self.shape {
            Shape::Around { after, .. } if !after.is_empty() => Some(
                "what follows the game's bytes (a clock) stays on this device: only a clock in a file of its own travels",
            ),
            Shape::Around { before, .. } if !before.is_empty() => {
                Some("it is a block of VBA, of which the game's own part travels")
            }
            Shape::Footer(_) => Some("DeSmuME's footer is made anew where it is needed"),
            _ => None,
        }
    }

    /// Writes `payload`, of this size, in this form.
    ///
    /// # Errors
    /// What reading and writing failed with; `Unsupported` where this form cannot hold that payload.
    pub fn write(&self, payload: &mut dyn Read, size_bytes: u64, to: &mut dyn Write) -> io::Result<()> {
        let whole;
        let (mut shaped, total_bytes): (&mut dyn Read, u64) = if self.shape == Shape::Plain {
            (payload, size_bytes)
        } else {
            let mut bytes = Vec::new();
            hold(&mut &mut *payload, &mut bytes)?;
            whole =
                self.shape.put_on(bytes).map_err(|why| io::Error::new(io::ErrorKind::Unsupported, why))?;
            (&mut &whole[..], whole.len() as u64)
        };
        match self.rzip_chunk_bytes {
            Some(chunk_bytes) => rzip::wrap(&mut shaped, total_bytes, chunk_bytes, to),
            None => io::copy(&mut shaped, to).map(drop),
        }
    }
}

#[cfg(test)]
#[path = "formats/tests.rs"]
mod tests;
