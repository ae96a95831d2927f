//! Two files of fixed size, written in turn: the newest whole one wins.
//!
//! The file that holds the newest record is never the one being written, so a cut leaves the old record or the new one.
//! After the first write neither size nor name ever changes: no FAT and no directory is touched again. Nothing is renamed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{MOST_COUNTED, seal, unseal};
use crate::volume::Volume;

/// Room for one record, in each of the two files.
const SLOT_BYTES: usize = 16 * 1024;

/// Two alternating slots, `NAME.0` and `NAME.1`.
pub struct Pair {
    volume: Arc<dyn Volume>,
    files: [PathBuf; 2],
    /// Of the record in force; 0: there is none.
    generation: u64,
    /// Which file holds it.
    holder: usize,
}

#[derive(Serialize, Deserialize)]
struct Slot<T> {
    generation: u64,
    record: T,
}

/// What opening found.
pub struct Found<T> {
    /// The record in force.
    pub record: Option<T>,
    /// A file is there but holds nothing whole: a first write was cut, or the card failed.
    pub damaged: bool,
}

impl Pair {
    /// Reads both files; a missing one is fine.
    ///
    /// # Errors
    /// When a file is there and cannot be read: damage, never "nothing".
    pub fn open<T: DeserializeOwned>(
        volume: Arc<dyn Volume>,
        folder: &Path,
        name: &str,
    ) -> io::Result<(Pair, Found<T>)> {
        let files = [0, 1].map(|number| folder.join(format!("{name}.{number}")));
        let mut pair = Pair { volume, files, generation: 0, holder: 1 };
        let mut found = Found { record: None, damaged: false };
        for number in [0, 1] {
            match pair.read::<T>(number)? {
                None => {}
                Some(Some(slot)) if slot.generation > pair.generation => {
                    (pair.generation, pair.holder, found.record) =
                        (slot.generation, number, Some(slot.record));
                }
                Some(Some(_)) => {}
                Some(None) => found.damaged = true,
            }
        }
        Ok((pair, found))
    }

    /// Outer `None`: no file. Inner `None`: nothing whole in it.
    fn read<T: DeserializeOwned>(&self, number: usize) -> io::Result<Option<Option<Slot<T>>>> {
        let file = match self.volume.open(&self.files[number]) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::with_capacity(SLOT_BYTES);
        file.take(SLOT_BYTES as u64).read_to_end(&mut bytes)?;
        let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let slot = unseal(0, line).map(|(slot, _): (Slot<T>, _)| slot);
        Ok(Some(slot.filter(|slot| slot.generation < MOST_COUNTED)))
    }

    /// How many times a record was written.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes `record` over the older of the two; durable when it returns. After an error the old record stands.
    ///
    /// # Errors
    /// When the card cannot take it, or the record is larger than a slot.
    pub fn write<T: Serialize>(&mut self, record: &T) -> io::Result<()> {
        let (generation, other) = (self.generation + 1, 1 - self.holder);
        let (line, _) = seal(0, &Slot { generation, record })?;
        if line.len() > SLOT_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the record is larger than its slot"));
        }
        let path = &self.files[other];
        let mut file = match self.volume.open_write(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.volume.create_new(path)?,
            file => file?,
        };
        if file.stamp()?.size_bytes == SLOT_BYTES as u64 {
            file.write_all_at(&line, 0)?;
            file.sync()?;
        } else {
            let mut whole = line;
            whole.resize(SLOT_BYTES, b'\n');
            file.write_all_at(&whole, 0)?;
            // A new name; and on FAT the table must be durable before the entry speaks of its clusters.
            self.volume.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
            file.sync()?;
        }
        (self.generation, self.holder) = (generation, other);
        Ok(())
    }
}
