//! PURE. A save that is several files: which bytes of its payload are which file, and back.
//!
//! A path whose name ends in `*` stands for all of them:
//!
//! ```text
//! …/ULUS10041DATA00/*   a tree: every file below the folder. The payload is netstrings (`<bytes>:<text>,`):
//!                       `retrosync.tree.1`, then path and bytes of each file, sorted by path
//! …/Wave Race 64 (U).*  the memories of a Nintendo 64 game, as mupen64plus keeps them; the payload is libretro's block
//! ```
//!
//! One content has one payload and one payload one content: whatever is not in the only form that is written here is
//! refused. What no file holds is blank in the block; a blank memory that has no file gets none. Never reads a file.

use std::io::{self, Read};

use retrosync_protocol::compare_key;

use super::n64::{BLOCK_BYTES, Memory};

/// The most files of one tree.
pub const MOST_FILES: usize = 200;
/// The most bytes of one tree, with all that stands between its files.
pub const MOST_TREE_BYTES: u64 = 32 << 20;
/// How deep folders may lie in a tree.
pub const MOST_DEPTH: usize = 4;

const MARK: &str = "16:retrosync.tree.1,";

/// How several files are one save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// All files below a folder.
    Tree,
    /// What one game has in files that are called alike.
    N64,
}

/// A piece of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes, which are in no file.
    Bytes(Vec<u8>),
    /// All of the file of this number, which is this long.
    File(usize, u64),
}

/// A file of a set, and where it is in the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Below the folder of the set.
    pub name: String,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many they are.
    pub size_bytes: u64,
}

impl Set {
    /// What a path of this name stands for; `None`: one file.
    pub fn of(name: &str) -> Option<Set> {
        match name.strip_suffix('*')? {
            "" => Some(Set::Tree),
            stem => stem.ends_with('.').then_some(Set::N64),
        }
    }

    /// The payload of these files, which are sorted by name.
    ///
    /// # Errors
    /// Why they are no save.
    pub fn pieces(self, files: &[(String, u64)]) -> Result<Vec<Piece>, &'static str> {
        match self {
            Set::Tree => tree_pieces(files),
            Set::N64 => n64_pieces(files),
        }
    }

    /// The files of a payload; `here`: the ones that are there now.
    ///
    /// # Errors
    /// `InvalidData` where it is no payload of such a save; what reading failed with.
    pub fn parts(self, payload: &mut dyn Read, stem: &str, here: &[(String, u64)]) -> io::Result<Vec<Part>> {
        match self {
            Set::Tree => tree_parts(payload),
            Set::N64 => n64_parts(payload, stem, here),
        }
    }
}

fn tree_pieces(files: &[(String, u64)]) -> Result<Vec<Piece>, &'static str> {
    if files.len() > MOST_FILES || files.iter().map(|(_, size)| size).sum::<u64>() > MOST_TREE_BYTES {
        return Err("it has more than 200 files or 32 MiB, and a save is not that large");
    }
    if meet_on_cards(files.iter().map(|(name, _)| &**name)) {
        return Err("two of its names differ in capitals only, and most cards take them for one");
    }
    let mut pieces = Vec::with_capacity(files.len() * 2 + 1);
    let mut before = MARK.to_owned();
    for (number, (name, size_bytes)) in files.iter().enumerate() {
        before.push_str(&format!("{}:{name},{size_bytes}:", name.len()));
        pieces.push(Piece::Bytes(std::mem::replace(&mut before, ",".into()).into_bytes()));
        pieces.push(Piece::File(number, *size_bytes));
    }
    pieces.push(Piece::Bytes(before.into_bytes()));
    Ok(pieces)
}

fn tree_parts(payload: &mut dyn Read) -> io::Result<Vec<Part>> {
    let mut mark = [0; MARK.len()];
    payload.read_exact(&mut mark)?;
    let (mut parts, mut offset) = (Vec::<Part>::new(), MARK.len() as u64);
    if mark != *MARK.as_bytes() {
        return Err(no_tree());
    }
    while let Some(length) = number(payload, &mut offset)? {
        if length > 1024 || parts.len() == MOST_FILES {
            return Err(no_tree());
        }
        let mut name = Vec::new();
        payload.take(length).read_to_end(&mut name)?;
        offset += length;
        let name = String::from_utf8(name).map_err(|_| no_tree())?;
        let ordered = parts.last().is_none_or(|last| last.name < name);
        if name.len() as u64 != length || !ordered || !is_sound(&name) {
            return Err(no_tree());
        }
        comma(payload, &mut offset)?;
        let size_bytes = number(payload, &mut offset)?.ok_or_else(no_tree)?;
        if size_bytes > MOST_TREE_BYTES || offset > MOST_TREE_BYTES * 2 {
            return Err(no_tree());
        }
        parts.push(Part { name, offset, size_bytes });
        if io::copy(&mut payload.take(size_bytes), &mut io::sink())? != size_bytes {
            return Err(no_tree());
        }
        offset += size_bytes;
        comma(payload, &mut offset)?;
    }
    let meet = meet_on_cards(parts.iter().map(|part| &*part.name));
    if parts.is_empty() || meet { Err(no_tree()) } else { Ok(parts) }
}

/// Are two of these files, or folders of theirs, one on a card that does not tell capitals?
fn meet_on_cards<'a>(names: impl Iterator<Item = &'a str> + Clone) -> bool {
    let parts_meet = |one: &str, other: &str| {
        let mut differ = one.split('/').zip(other.split('/')).skip_while(|(one, other)| one == other);
        differ.next().is_some_and(|(one, other)| compare_key(one) == compare_key(other))
    };
    names.clone().enumerate().any(|(at, one)| names.clone().take(at).any(|other| parts_meet(one, other)))
}

/// A path that every card takes, below the folder: trees change hands between file systems.
fn is_sound(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 255
            && !part.starts_with('.')
            && !part.ends_with(['.', ' '])
            && !part.contains(|c: char| c.is_control() || "\"*:<>?\\|".contains(c))
    };
    name.split('/').count() <= MOST_DEPTH && name.split('/').all(part)
}

/// May a file of this name be part of a tree?
pub fn fits_tree(name: &str) -> bool {
    is_sound(name)
}

/// The number before a colon, in its shortest form; `None` at the end.
fn number(payload: &mut dyn Read, offset: &mut u64) -> io::Result<Option<u64>> {
    let mut digits = String::new();
    loop {
        let mut byte = [0];
        match payload.read(&mut byte)? {
            0 if digits.is_empty() => return Ok(None),
            0 => return Err(no_tree()),
            _ => *offset += 1,
        }
        match byte[0] {
            digit @ b'0'..=b'9' if digits.len() < 10 && digits != "0" => digits.push(char::from(digit)),
            b':' => return digits.parse().map(Some).map_err(|_| no_tree()),
            _ => return Err(no_tree()),
        }
    }
}

fn comma(payload: &mut dyn Read, offset: &mut u64) -> io::Result<()> {
    let mut byte = [0];
    payload.read_exact(&mut byte)?;
    *offset += 1;
    if byte == *b"," { Ok(()) } else { Err(no_tree()) }
}

fn n64_pieces(files: &[(String, u64)]) -> Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    for memory in Memory::ALL {
        let is_it = |(name, _): &(String, u64)| Memory::of_file(name) == Some(memory);
        let mut held = 0;
        if let Some(number) = files.iter().position(is_it) {
            let size_bytes = files[number].1;
            held = usize::try_from(size_bytes)
                .ok()
                .filter(|size| memory.fits(*size))
                .ok_or("a file of it has not the size of such a memory")?;
            pieces.push(Piece::File(number, size_bytes));
        }
        pieces.push(Piece::Bytes(memory.blank()[held..].to_vec()));
    }
    Ok(pieces)
}

fn n64_parts(payload: &mut dyn Read, stem: &str, here: &[(String, u64)]) -> io::Result<Vec<Part>> {
    let mut block = Vec::new();
    payload.take(BLOCK_BYTES as u64 + 1).read_to_end(&mut block)?;
    if block.len() != BLOCK_BYTES {
        return Err(wrong("it is not one block of the four memories"));
    }
    let mut parts = Vec::new();
    for memory in Memory::ALL {
        let (range, blank) = (memory.range(), memory.blank());
        let bytes = &block[range.clone()];
        let file = here.iter().find(|(name, _)| Memory::of_file(name) == Some(memory));
        // A file keeps its length as long as what it leaves out is blank.
        let size = match file.and_then(|(_, size)| usize::try_from(*size).ok()).filter(|s| memory.fits(*s)) {
            Some(size) if bytes[size..] == blank[size..] => size,
            None if bytes == blank => continue,
            _ => bytes.len(),
        };
        let name = file.map_or_else(|| format!("{stem}{}", memory.extension()), |(name, _)| name.clone());
        parts.push(Part { name, offset: range.start as u64, size_bytes: size as u64 });
    }
    if parts.is_empty() {
        // The game has been played and has saved nothing yet: one file says so.
        let size_bytes = Memory::Eeprom.range().len() as u64;
        parts.push(Part { name: format!("{stem}{}", Memory::Eeprom.extension()), offset: 0, size_bytes });
    }
    Ok(parts)
}

/// Whatever it is that is not as it is written here: nobody mends it, and it is fetched as it was stored.
fn no_tree() -> io::Error {
    wrong("it is no folder's payload in the one form")
}

fn wrong(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
