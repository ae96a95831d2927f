//! A thousand saves of 8 to 128 KiB, 58 MiB in all, the same bytes in every run: half noise, half blank, as saves are.

use std::fs;
use std::path::Path;

/// How many.
pub(crate) const SAVES: usize = 1000;
const SIZES_KIB: [usize; 4] = [8, 32, 64, 128];

/// Writes them all, named `Game 0001.EXTENSION` and so on.
pub(crate) fn write(folder: &Path, extension: &str) {
    fs::create_dir_all(folder).unwrap();
    for number in 1..=SAVES {
        fs::write(folder.join(format!("{}.{extension}", title(number))), bytes(number as u64)).unwrap();
    }
}

/// Writes a ROM for each, so that a firmware has a place for its save.
pub(crate) fn write_roms(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for number in 1..=SAVES {
        fs::write(folder.join(format!("{}.gb", title(number))), b"rom").unwrap();
    }
}

/// One game's name.
pub(crate) fn title(number: usize) -> String {
    format!("Game {number:04}")
}

/// The bytes of one save.
pub(crate) fn bytes(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; SIZES_KIB[seed as usize % SIZES_KIB.len()] * 1024];
    let half = bytes.len() / 2;
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for chunk in bytes[..half].chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    bytes
}
