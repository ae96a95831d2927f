//! What survives a power cut: sealed lines, the append-only log, and the two alternating slots made of them.
//!
//! `journal`, `attic`, `identity`, `root` and `disk` keep their own state through these three, and in no other way: no
//! rename, no database. A sealed line is `crc32c json` in ASCII: a person with a text editor can read a damaged card,
//! and `serde_json` is in the binary already. Nothing here knows what the records mean.

/// A count or number on a card that is larger was not counted there: whatever says so is not believed, and the next one always
/// fits.
pub const MOST_COUNTED: u64 = 1 << 48;

mod log;
mod pair;

pub use log::{Log, Order, remove, remove_folder};
pub use pair::Pair;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Write as _};
use std::path::Path;

use crate::volume::Volume;

/// Makes a folder whose parent is there, durable when it returns; an existing one is fine.
///
/// Its own sync comes first, and writes the table: an entry that speaks of a cluster which the table calls free cannot be listed, and
/// the kernel sets a card read-only that has one.
///
/// # Errors
/// When the card refuses one of the calls.
pub fn make_folder(volume: &dyn Volume, folder: &Path) -> io::Result<()> {
    volume.create_folder(folder)?;
    volume.sync_folder(folder)?;
    volume.sync_folder(folder.parent().unwrap_or(Path::new(".")))
}

/// CRC32C of `bytes`, continuing from `seed` (0 to begin).
///
/// Our own sixteen-entry table: 64 bytes of the card's budget, where the crate brings 16 KiB of tables and a CPU probe.
/// It only covers records; a save's bytes are always proved by SHA-256, so its speed does not matter there. Where bytes do not
/// count, which is where histories are played by the million, it is of a larger table.
pub fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    if cfg!(target_arch = "x86_64") { !fast(!seed, bytes) } else { !small(!seed, bytes) }
}

/// The remainder of `value` after so many bits.
const fn remainder(mut value: u32, bits: u32) -> u32 {
    let mut bit = 0;
    while bit < bits {
        value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
        bit += 1;
    }
    value
}

fn small(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0u32; 16];
        let mut nibble = 0;
        while nibble < 16 {
            table[nibble] = remainder(nibble as u32, 4);
            nibble += 1;
        }
        table
    };
    bytes.iter().fold(crc, |crc, &byte| {
        let crc = crc ^ u32::from(byte);
        let crc = crc >> 4 ^ TABLE[(crc & 15) as usize];
        crc >> 4 ^ TABLE[(crc & 15) as usize]
    })
}

/// Eight bytes at a time: what each of them leaves after those that follow it is looked up, and no look waits for another.
fn fast(mut crc: u32, bytes: &[u8]) -> u32 {
    static TABLES: [[u32; 256]; 8] = {
        let mut tables = [[0u32; 256]; 8];
        let mut at = 0;
        while at < 8 * 256 {
            let (after, byte) = (at / 256, at % 256);
            tables[after][byte] = remainder(byte as u32, 8 * (after as u32 + 1));
            at += 1;
        }
        tables
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        let word = u64::from_le_bytes(*eight) ^ u64::from(crc);
        let bytes = word.to_le_bytes();
        crc = (0..8).fold(0, |crc, at| crc ^ TABLES[7 - at][usize::from(bytes[at])]);
    }
    small(crc, rest)
}

/// `record` as a sealed line with its newline; its CRC, which may seed the next line's.
///
/// # Errors
/// When the record cannot be told in JSON.
pub fn seal<T: Serialize>(seed: u32, record: &T) -> io::Result<(Vec<u8>, u32)> {
    // The CRC is known once what follows it is.
    let mut line = b"________ ".to_vec();
    serde_json::to_writer(&mut line, record)?;
    let crc = crc32c(seed, &line[9..]);
    write!(&mut line[..8], "{crc:08x}")?;
    line.push(b'\n');
    Ok((line, crc))
}

/// The record in a sealed line (without its newline) and its CRC; nothing if the line is not whole.
pub fn unseal<T: DeserializeOwned>(seed: u32, line: &[u8]) -> Option<(T, u32)> {
    let (crc, json) = (line.get(..8)?, line.get(9..)?);
    let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?, 16).ok()?;
    (line[8] == b' ' && crc32c(seed, json) == crc).then_some(())?;
    Some((serde_json::from_slice(json).ok()?, crc))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_crc_is_castagnolis() {
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283, "the published check value");
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xe306_9283, "in two pieces");
        assert_eq!(crc32c(0, &[0; 32]), 0x8a91_36aa, "RFC 3720 B.4");
    }

    #[test]
    fn a_card_written_by_a_pc_is_read_by_a_handheld() {
        let bytes: Vec<u8> = (0..200u32).map(|at| ((at * at) >> 3) as u8).collect();
        for start in 0..9 {
            for end in start..bytes.len() {
                let piece = &bytes[start..end];
                assert_eq!(fast(7, piece), small(7, piece), "bytes {start} to {end}");
            }
        }
    }

    #[test]
    fn a_line_with_any_byte_changed_is_not_whole() {
        let (line, _) = seal(7, &vec!["a", "b"]).unwrap();
        let line = &line[..line.len() - 1];
        assert!(unseal::<Vec<String>>(7, line).is_some());
        assert!(unseal::<Vec<String>>(8, line).is_none(), "another line came before it");
        for at in 0..line.len() {
            let mut torn = line.to_vec();
            torn[at] ^= 0x04;
            assert!(unseal::<Vec<String>>(7, &torn).is_none(), "byte {at}");
            assert!(unseal::<Vec<String>>(7, &line[..at]).is_none(), "cut at {at}");
        }
    }
}
