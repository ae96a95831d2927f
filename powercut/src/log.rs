//! Reads what the kernel's dm-log-writes recorded: every write of a card, every flush, and our marks, in their order.
//!
//! The format is that of `drivers/md/dm-log-writes.c`: a super block in the first sector (magic, version, count, sector size;
//! little endian), then for each entry a sector with its header (where, how many, flags, length of inline data) and the
//! written sectors. A write stands in the log before the flush that made it durable; one that nothing flushed stands at the
//! end. A mark may stand earlier among unflushed writes than it was made, never later than the next flush.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::image::SECTOR;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;
const MOST_SECTORS: u64 = 1 << 16;

/// One thing that happened to the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Bytes were written; durable with the next flush.
    Write {
        /// The first sector.
        sector: u64,
        /// Whole sectors.
        bytes: Vec<u8>,
        /// Durable at once.
        forced: bool,
    },
    /// All that stands before is durable.
    Flush,
    /// What the recording program said.
    Mark(String),
}

/// The entries of the log in `path`, which begins at `offset` bytes.
///
/// # Errors
/// When it cannot be read, or is no such log.
pub(crate) fn read(path: &Path, offset: u64) -> io::Result<Vec<Entry>> {
    let file = File::open(path)?;
    let block = |number: u64| -> io::Result<[u8; SECTOR]> {
        let mut block = [0; SECTOR];
        file.read_exact_at(&mut block, offset + number * SECTOR as u64)?;
        Ok(block)
    };
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("no write log: {what}"));
    let first = block(0)?;
    if word(&first, 0) != MAGIC || word(&first, 1) != 1 {
        return Err(wrong("its first sector is another"));
    }
    if word(&first, 3) & 0xffff_ffff != SECTOR as u64 {
        return Err(wrong("its sectors are not of 512 bytes"));
    }
    let (mut entries, mut at) = (Vec::new(), 1);
    for _ in 0..word(&first, 2) {
        let header = block(at)?;
        let [sector, count, flags, inline] = [0, 1, 2, 3].map(|number| word(&header, number));
        at += 1;
        if flags & MARK != 0 {
            let text = header.get(32..32 + inline as usize).ok_or_else(|| wrong("a mark is too long"))?;
            entries.push(Entry::Mark(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()));
            continue;
        }
        if flags & FLUSH != 0 {
            entries.push(Entry::Flush);
        }
        if flags & DISCARD != 0 || count == 0 {
            continue;
        }
        if count > MOST_SECTORS {
            return Err(wrong("a write is too long"));
        }
        let mut bytes = vec![0; count as usize * SECTOR];
        file.read_exact_at(&mut bytes, offset + at * SECTOR as u64)?;
        at += count;
        entries.push(Entry::Write { sector, bytes, forced: flags & FUA != 0 });
    }
    Ok(entries)
}

/// The `number`th little-endian word of 64 bits.
fn word(block: &[u8; SECTOR], number: usize) -> u64 {
    (0..8).rev().fold(0, |word, at| word << 8 | u64::from(block[number * 8 + at]))
}
