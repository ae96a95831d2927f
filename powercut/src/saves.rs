//! The saves that stories speak of, by number, and their bytes: all follow from the numbers alone.

use std::path::PathBuf;

use retrosync::snapshot::RelativePath;
use retrosync::whole::member_path;
use retrosync_protocol::{Content, Digest, SaveId};

use crate::story::ROOT;

/// Id, and path below the card's root.
pub(crate) const SAVES: [(&str, &str); 5] = [
    ("gb/sram/Tetris", "Saves/Tetris.srm"),
    (
        "gba/sram/A Very Long Name of a Game - With a Subtitle (Europe) (En,Fr,De)",
        "Saves/mGBA/A Very Long Name of a Game - With a Subtitle (Europe) (En,Fr,De).srm",
    ),
    ("snes/sram/Mixed Case", "Saves/Mixed Case.srm"),
    ("nes/sram/Elsewhere", "Saves/New/Deep/Elsewhere.sav"),
    ("psp/tree/ULUS10001", "Saves/ULUS10001/*"),
];
/// The number of the one that is several files.
pub(crate) const SET: usize = 4;

/// The id of a save and where it is.
pub(crate) fn save(number: usize) -> (SaveId, RelativePath) {
    let (save, path) = SAVES[number];
    (known(save.parse().ok()), known(RelativePath::new(path)))
}

/// What is written in this program and cannot be wrong.
fn known<T>(value: Option<T>) -> T {
    value.unwrap_or_else(|| unreachable!("a name in this program is wrong"))
}

/// The bytes of a save in a round, as versions speak of them; `size` is that of its largest file.
pub(crate) fn bytes(number: usize, round: u64, size: usize) -> Vec<u8> {
    if number != SET {
        return noise(number, round, size);
    }
    let mut payload = b"16:retrosync.tree.1,".to_vec();
    for (name, bytes) in members(round, size) {
        payload.extend(format!("{}:{name},{}:", name.len(), bytes.len()).bytes());
        payload.extend(bytes);
        payload.push(b',');
    }
    payload
}

/// The files that hold them.
pub(crate) fn files(number: usize, round: u64, size: usize) -> Vec<(PathBuf, Vec<u8>)> {
    let target = save(number).1.under(ROOT.as_ref());
    if number != SET {
        return vec![(target, noise(number, round, size))];
    }
    members(round, size).into_iter().map(|(name, bytes)| (member_path(&target, name), bytes)).collect()
}

/// One file that changes, one that never does, and one that goes when another comes; by name.
fn members(round: u64, size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let other = if round.is_multiple_of(2) { "OLD/SAVED.BIN" } else { "a/A Longer Name.BIN" };
    vec![
        ("DATA.BIN", noise(SET, round, size)),
        ("ICON0.PNG", noise(SET, 0, 20)),
        (other, noise(SET, round + 1_000_000, 600)),
    ]
}

fn noise(number: usize, round: u64, size: usize) -> Vec<u8> {
    let mut seed =
        (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ round.wrapping_mul(0xd134_2543_de82_ef95);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        bytes.extend_from_slice(&seed.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// What is told of bytes.
pub(crate) fn content(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}
