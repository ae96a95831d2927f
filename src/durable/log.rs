//! An append-only file of sealed lines; what a cut leaves at its end is not read.
//!
//! Opening reads every whole line in order. Appending never touches what was read. A line that is not whole ends the
//! log where the order of records matters (`Chained`: each line's CRC continues the one before, so that a stale tail left
//! by an earlier cut can never come alive again), and is skipped where it does not (`Loose`).

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::{seal, unseal};
use crate::volume::{Volume, VolumeFile};

/// The longest line that is read: a record with every field at its limit is far shorter.
const MAX_LINE_BYTES: u64 = 256 * 1024;

/// What a line that is not whole does to those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// They do not count: losing a suffix is safe, losing a middle is not.
    Chained,
    /// They count: each line stands for itself.
    Loose,
}

/// An open log.
pub struct Log {
    file: Box<dyn VolumeFile>,
    order: Order,
    /// Where the next line goes.
    end: u64,
    /// The last line's CRC.
    chain: u32,
    /// Sealed and not yet written.
    buffer: Vec<u8>,
}

impl Log {
    /// Opens or creates the log and hands every whole record to `each`, in order, with where it ends. Says whether any line was not whole.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or cannot be made.
    pub fn open<T: DeserializeOwned>(
        volume: &Arc<dyn Volume>,
        path: &Path,
        order: Order,
        each: &mut dyn FnMut(T, u64),
    ) -> io::Result<(Log, bool)> {
        let mut file = match volume.open_write(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut file = volume.create_new(path)?;
                file.sync()?;
                volume.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
                file
            }
            file => file?,
        };
        let (mut end, mut chain, mut torn) = (0, 0, false);
        let mut reader = BufReader::new(&mut file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? as u64;
            if read == 0 {
                break;
            }
            let seed = if order == Order::Chained { chain } else { 0 };
            let record = line.strip_suffix(b"\n").and_then(|line| unseal::<T>(seed, line));
            match record {
                Some((record, crc)) => {
                    each(record, end + read);
                    chain = crc;
                }
                // The empty line that separates what is appended from a torn tail.
                None if order == Order::Loose && line == b"\n" => {}
                None => {
                    torn = true;
                    if order == Order::Chained {
                        break;
                    }
                }
            }
            end += read;
        }
        drop(reader);
        let mut log = Log { file, order, end, chain, buffer: Vec::new() };
        if torn && order == Order::Loose {
            log.buffer.push(b'\n');
        }
        Ok((log, torn))
    }

    /// Empties `path` and begins a new log in it. Whatever it held is gone: only for the file that is not in force.
    ///
    /// # Errors
    /// When the card cannot.
    pub fn restart(volume: &Arc<dyn Volume>, path: &Path, order: Order) -> io::Result<Log> {
        let mut file = match volume.open_write(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => volume.create_new(path)?,
            file => file?,
        };
        file.set_len(0)?;
        file.sync()?;
        volume.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(Log { file, order, end: 0, chain: 0, buffer: Vec::new() })
    }

    /// Adds a record to the buffer.
    ///
    /// # Errors
    /// When the record cannot be told in JSON.
    pub fn append<T: Serialize>(&mut self, record: &T) -> io::Result<()> {
        let seed = if self.order == Order::Chained { self.chain } else { 0 };
        let (line, crc) = seal(seed, record)?;
        self.chain = crc;
        self.buffer.extend_from_slice(&line);
        Ok(())
    }

    /// Forgets what could not be written: the caller's own step failed with it.
    pub fn drop_unwritten(&mut self) {
        self.buffer.clear();
        // Whatever part of it did reach the card must not run into the next line.
        self.buffer.push(b'\n');
    }

    /// Writes what was appended, not yet durably: for a file that is not in force until its last line is synced.
    ///
    /// # Errors
    /// When the card cannot take it.
    pub fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.end)?;
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes all that was appended durable; touches nothing if there is nothing.
    ///
    /// # Errors
    /// When the card cannot take it. The next call writes the same bytes again, not only the sync: a kernel forgets after a
    /// failed one which pages were not written.
    pub fn sync(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all_at(&self.buffer, self.end)?;
            self.file.sync()?;
            self.end += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// How much waits to be written.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// How long the log is, with what is buffered.
    pub fn size_bytes(&self) -> u64 {
        self.end + self.buffer.len() as u64
    }
}
