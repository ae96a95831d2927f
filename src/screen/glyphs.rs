//! The letters that are too many for the program: a file beside it, read block by block when a title needs them.
//!
//! Without the file, or with a damaged one, `font.rs` draws boxes with numbers; nothing else changes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::font::More;

/// The file's name, beside the program.
pub const NAME: &str = "cjk.font";
/// No block is larger when unpacked, in bytes.
const BLOCK_LIMIT_BYTES: usize = 64 << 10;
const MARK: &[u8; 8] = b"RSGLYPH1";
/// No file has more blocks.
const BLOCKS_LIMIT: usize = 4096;

/// An open file of letters; its table of blocks is in memory.
pub struct Glyphs {
    file: File,
    length: u64,
    /// The first letter of each block, and where the block begins.
    blocks: Vec<(u16, u32)>,
}

impl Glyphs {
    /// Opens the file; `None` if it is not there or no such file.
    pub fn open(path: &Path) -> Option<Glyphs> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut head = [0; 10];
        file.read_exact_at(&mut head, 0).ok()?;
        let count = usize::from(u16::from_be_bytes([head[8], head[9]]));
        if !head.starts_with(MARK) || count > BLOCKS_LIMIT {
            return None;
        }
        let mut table = vec![0; count * 6];
        file.read_exact_at(&mut table, 10).ok()?;
        let entry = |entry: &[u8]| match *entry {
            [high, low, a, b, c, d] => (u16::from_be_bytes([high, low]), u32::from_be_bytes([a, b, c, d])),
            _ => (0, 0),
        };
        Some(Glyphs { file, length, blocks: table.chunks(6).map(entry).collect() })
    }
}

impl More for Glyphs {
    fn place(&self, code: u16) -> Option<usize> {
        self.blocks.partition_point(|(first, _)| *first <= code).checked_sub(1)
    }

    fn block(&mut self, place: usize) -> Option<Vec<u8>> {
        let start = u64::from(self.blocks.get(place)?.1);
        let end = self.blocks.get(place + 1).map_or(self.length, |(_, start)| u64::from(*start));
        let length =
            usize::try_from(end.checked_sub(start)?).ok().filter(|length| *length <= BLOCK_LIMIT_BYTES)?;
        let mut packed = vec![0; length];
        self.file.read_exact_at(&mut packed, start).ok()?;
        decompress_to_vec_with_limit(&packed, BLOCK_LIMIT_BYTES).ok()
    }
}
