//! An append-only file of sealed lines; what a cut leaves at its end is not read.
//!
//! Opening reads every whole line in order. Appending never touches what was read. A line that is not whole ends the
//! log where the order of records matters (`Chained`: each line's CRC continues the one before, so that a stale tail left
//! by an earlier cut can never come alive again), and is skipped where it does not (`Loose`).
//!
//! On FAT a file that grows changes its folder entry (the size) and the table (its clusters). An entry that is ahead of the
//! table cannot be read, and reading it makes the kernel set the card read-only; one that is behind has clusters too many, and
//! growing it does the same. So a file is made with room, which is blank, and lines are written into that; where it
//! must grow all the same, clusters too many are given back before, and the table is made durable before the entry.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{seal, unseal};
use crate::snapshot::Stamp;
use crate::volume::{Os, Volume, VolumeFile};

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

/// What a new file has room for: no append within it changes the table or an entry.
const ROOM_BYTES: u64 = 16 * 1024;

/// An open log.
pub struct Log {
    volume: Arc<dyn Volume>,
    folder: PathBuf,
    file: Box<dyn VolumeFile>,
    order: Order,
    /// Where the next line goes.
    end: u64,
    /// Up to here there may be pieces of lines after `end`.
    stale_end: u64,
    /// The file's length; beyond `end` it is blank.
    room: u64,
    /// It was opened, not made, and has not grown since.
    is_as_found: bool,
    /// It grew since the last sync.
    has_grown: bool,
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
        let file = match volume.open_write(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Log::make(volume, path, order, ROOM_BYTES).map(|log| (log, false));
            }
            file => file?,
        };
        let mut log = Log::over(volume, path, order, file);
        let torn = log.replay(each)?;
        if torn && order == Order::Loose {
            log.buffer.push(b'\n');
        }
        Ok((log, torn))
    }

    /// Does `path` name the file that is open?
    pub fn is_at(&self, volume: &dyn Volume, path: &Path) -> bool {
        let inode = |stamp: io::Result<Stamp>| stamp.ok().map(|stamp| stamp.inode);
        let there = inode(volume.stamp(path));
        there.is_some() && there == inode(self.file.stamp())
    }

    /// Reads all lines; says whether any was not whole.
    fn replay<T: DeserializeOwned>(&mut self, each: &mut dyn FnMut(T, u64)) -> io::Result<bool> {
        let (mut at, mut torn, mut closed) = (0, false, false);
        let mut reader = BufReader::new(&mut self.file);
        let mut line = Vec::new();
        loop {
            let blank = leading_blank(reader.fill_buf()?);
            if blank > 0 {
                // Where the order counts, what comes after the first blank is no line.
                closed |= self.order == Order::Chained;
                at += blank as u64;
                reader.consume(blank);
                continue;
            }
            line.clear();
            let read = (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? as u64;
            if read == 0 {
                break;
            }
            at += read;
            self.stale_end = at;
            let seed = if self.order == Order::Chained { self.chain } else { 0 };
            let whole = line.strip_suffix(b"\n").filter(|_| !closed);
            if let Some((record, crc)) = whole.and_then(|line| unseal::<T>(seed, line)) {
                each(record, at);
                (self.chain, self.end) = (crc, at);
                continue;
            }
            torn = true;
            closed |= self.order == Order::Chained;
            if self.order == Order::Loose {
                self.end = at;
            }
        }
        self.room = at;
        Ok(torn)
    }

    fn over(volume: &Arc<dyn Volume>, path: &Path, order: Order, file: Box<dyn VolumeFile>) -> Log {
        Log {
            volume: volume.clone(),
            folder: folder_of(path).to_owned(),
            file,
            order,
            end: 0,
            stale_end: 0,
            room: 0,
            is_as_found: true,
            has_grown: false,
            chain: 0,
            buffer: Vec::new(),
        }
    }

    fn make(volume: &Arc<dyn Volume>, path: &Path, order: Order, room: u64) -> io::Result<Log> {
        let mut log = Log::over(volume, path, order, volume.create_new(path)?);
        log.is_as_found = false;
        log.grow(room)?;
        volume.sync_folder(&log.folder)?;
        log.file.sync()?;
        log.has_grown = false;
        Ok(log)
    }

    /// Removes `path` and begins a new log of this name, with room for `room` bytes at least. Whatever it held is gone: only
    /// for the file that is not in force.
    ///
    /// # Errors
    /// When the card cannot.
    pub fn restart(volume: &Arc<dyn Volume>, path: &Path, order: Order, room: u64) -> io::Result<Log> {
        remove(&**volume, path)?;
        Log::make(volume, path, order, room.max(ROOM_BYTES))
    }

    /// Makes the file longer, blank.
    fn grow(&mut self, room: u64) -> io::Result<()> {
        let room = room.max(self.room);
        if std::mem::take(&mut self.is_as_found) {
            self.file.set_len(self.room)?;
        }
        let blank = vec![b'\n'; (room - self.room).min(64 * 1024) as usize];
        while self.room < room {
            let count = (room - self.room).min(blank.len() as u64);
            self.file.write_all_at(&blank[..count as usize], self.room)?;
            self.room += count;
            self.has_grown = true;
        }
        Ok(())
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
        // Whatever part of it did reach the card must not run into the next line.
        self.stale_end = self.stale_end.max(self.size_bytes());
        self.buffer.clear();
        self.buffer.push(b'\n');
    }

    /// Writes what was appended, not yet durably: for a file that is not in force until its last line is synced.
    ///
    /// # Errors
    /// When the card cannot take it.
    pub fn write(&mut self) -> io::Result<()> {
        self.write_buffer()?;
        self.end = self.size_bytes();
        self.buffer.clear();
        Ok(())
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let end = self.size_bytes();
        if end > self.room {
            self.grow(end + ROOM_BYTES)?;
        }
        self.file.write_all_at(&self.buffer, self.end)?;
        if end < self.stale_end {
            self.file.write_all_at(&vec![b'\n'; (self.stale_end - end) as usize], end)?;
        }
        Ok(())
    }

    /// Makes all that was appended durable; touches nothing if there is nothing.
    ///
    /// # Errors
    /// When the card cannot take it. The next call writes the same bytes again, not only the sync: a kernel forgets after a
    /// failed one which pages were not written.
    pub fn sync(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.write_buffer()?;
            if self.has_grown {
                // The table before the entry.
                self.volume.sync_folder(&self.folder)?;
            }
            self.file.sync()?;
            self.has_grown = false;
            self.end = self.size_bytes();
            self.stale_end = self.end;
            self.buffer.clear();
        }
        Ok(())
    }

    /// How much waits to be written.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// How long the log is, with what is buffered; the file has room for more.
    pub fn size_bytes(&self) -> u64 {
        self.end + self.buffer.len() as u64
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Removes a file if it is there. The name is durably gone while the open file still holds its clusters: a cut leaves no name
/// on clusters that are free, or another file's by then. Only for one that shares its clusters with nothing.
///
/// # Errors
/// When the card cannot.
pub fn remove(volume: &dyn Volume, path: &Path) -> io::Result<()> {
    let file = match volume.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    volume.remove(path)?;
    volume.sync_folder(folder_of(path))?;
    drop(file);
    Ok(())
}

/// The same for an empty folder: whoever may list it after a cut finds it whole or not at all.
///
/// # Errors
/// When something is in it, or the card cannot.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    let held = File::open(folder);
    fs::remove_dir(folder)?;
    Os.sync_folder(folder_of(folder))?;
    drop(held);
    Ok(())
}

/// How many line ends it begins with: most of a log is room that lies ready.
fn leading_blank(bytes: &[u8]) -> usize {
    const PIECE: [u8; 256] = [b'\n'; 256];
    let pieces = bytes.chunks_exact(PIECE.len()).take_while(|piece| **piece == PIECE).count() * PIECE.len();
    pieces + bytes[pieces..].iter().take_while(|byte| **byte == b'\n').count()
}
