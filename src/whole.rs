//! A save as it lies on a card: one file, or several that are read as one (`formats/set.rs`).
//!
//! Everything that reads a save goes through here: what is one file is opened as it is, and a path that ends in `*` is a
//! stream over its files, with one stamp that changes when any of them does. Never writes.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::formats::n64::Memory;
use crate::formats::set::{MOST_DEPTH, MOST_FILES, Piece, Set, fits_tree};
use crate::snapshot::Stamp;
use crate::volume::{EntryKind, Volume, VolumeFile};

/// A file of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Below the set's folder.
    pub name: String,
    /// Its stamp.
    pub stamp: Stamp,
}

/// How the files at this path are one save; `None`: it is one file.
pub fn set_of(path: &Path) -> Option<Set> {
    path.file_name()?.to_str().and_then(Set::of)
}

/// What the files of a set begin with; empty for a folder.
pub fn stem(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).map_or("", |name| name.trim_end_matches('*'))
}

/// Opens a save for reading.
///
/// # Errors
/// `NotFound` where there is none, also no file of a set; `InvalidData` where its files are no save.
pub fn open(volume: &dyn Volume, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
    let Some(set) = set_of(path) else { return volume.open(path) };
    let members = members(volume, path)?;
    let stamp = stamp_of(&members).ok_or(io::ErrorKind::NotFound)?;
    let files = sizes(members);
    let pieces = set.pieces(&files).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
    let folder = path.parent().unwrap_or(path);
    let mut stream = Stream { pieces: Vec::with_capacity(pieces.len()), at: 0, given: 0, stamp };
    for piece in pieces {
        stream.pieces.push(match piece {
            Piece::Bytes(bytes) => Source::Bytes(bytes),
            // All are open before the first is read: no more of them than a process may have.
            Piece::File(number, size_bytes) => {
                Source::File(volume.open(&folder.join(&files[number].0))?, size_bytes)
            }
        });
    }
    Ok(Box::new(stream))
}

/// What `formats::set` wants to know of them.
pub fn sizes(members: Vec<Member>) -> Vec<(String, u64)> {
    members.into_iter().map(|member| (member.name, member.stamp.size_bytes)).collect()
}

/// The stamp of a save.
///
/// # Errors
/// As [`open`].
pub fn stamp(volume: &dyn Volume, path: &Path) -> io::Result<Stamp> {
    match set_of(path) {
        None => volume.stamp(path),
        Some(_) => stamp_of(&members(volume, path)?).ok_or_else(|| io::ErrorKind::NotFound.into()),
    }
}

/// The files of a set, sorted by name; none where there is no folder.
///
/// # Errors
/// When they cannot be listed; `InvalidData` where one of them cannot be part of a save.
pub fn members(volume: &dyn Volume, path: &Path) -> io::Result<Vec<Member>> {
    let folder = path.parent().unwrap_or(path);
    let mut members = Vec::new();
    match set_of(path) {
        Some(Set::N64) => {
            for memory in Memory::ALL {
                let name = format!("{}{}", stem(path), memory.extension());
                match volume.stamp(&folder.join(&name)) {
                    Ok(stamp) => members.push(Member { name, stamp }),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        _ => below(volume, folder, "", MOST_DEPTH, &mut members)?,
    }
    members.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(members)
}

fn below(
    volume: &dyn Volume,
    folder: &Path,
    before: &str,
    depth: usize,
    members: &mut Vec<Member>,
) -> io::Result<()> {
    let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    let entries = match volume.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let Some(own) = entry.name.to_str() else { return refuse("a file in it has no name in UTF-8") };
        // What a PC or the system itself leaves is not of the save.
        if own.starts_with('.') {
            continue;
        }
        let name = format!("{before}{own}");
        let path = folder.join(own);
        match entry.kind {
            EntryKind::Folder if depth > 1 => {
                below(volume, &path, &format!("{name}/"), depth - 1, members)?;
            }
            EntryKind::File if members.len() < MOST_FILES && fits_tree(&name) => {
                members.push(Member { name, stamp: volume.stamp(&path)? });
            }
            EntryKind::File => {
                return refuse("it has more than 200 files, or a name that not every card takes");
            }
            _ => return refuse("it has a link in it, or too many folders in each other"),
        }
    }
    Ok(())
}

/// One stamp for all: it says when one of them changed, and nothing else.
fn stamp_of(members: &[Member]) -> Option<Stamp> {
    if members.is_empty() {
        return None;
    }
    let mut all = Stamp::default();
    let fold = |sum: i64, number: i64| (sum ^ number).wrapping_mul(0x0100_0000_01b3);
    for Member { name, stamp } in members {
        all.size_bytes += stamp.size_bytes;
        let size = i64::try_from(stamp.size_bytes).unwrap_or(i64::MAX);
        let text = name.bytes().fold(0, |sum, byte| fold(sum, i64::from(byte)));
        for number in [text, size, stamp.mtime_s, stamp.mtime_ns] {
            all.mtime_s = fold(all.mtime_s, number);
        }
        all.inode = all.inode.rotate_left(7) ^ stamp.inode;
    }
    Some(all)
}

enum Source {
    Bytes(Vec<u8>),
    File(Box<dyn VolumeFile>, u64),
}

/// The files of a set, one after the other.
struct Stream {
    pieces: Vec<Source>,
    at: usize,
    /// How much of the present piece was given.
    given: u64,
    stamp: Stamp,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.pieces.get_mut(self.at) {
            let count = match piece {
                Source::Bytes(bytes) => {
                    let rest = bytes.get(usize::try_from(self.given).unwrap_or(usize::MAX)..);
                    rest.unwrap_or_default().read(buffer)?
                }
                Source::File(file, size_bytes) => {
                    let left = *size_bytes - self.given;
                    let count = file.take(left).read(buffer)?;
                    if count == 0 && left > 0 && !buffer.is_empty() {
                        return Err(io::Error::new(
                            io::ErrorKind::ResourceBusy,
                            "it changed while it was read",
                        ));
                    }
                    count
                }
            };
            if count > 0 || buffer.is_empty() {
                self.given += count as u64;
                return Ok(count);
            }
            (self.at, self.given) = (self.at + 1, 0);
        }
        Ok(0)
    }
}

impl Seek for Stream {
    /// Only to the start.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if to != SeekFrom::Start(0) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        (self.at, self.given) = (0, 0);
        for piece in &mut self.pieces {
            if let Source::File(file, _) = piece {
                file.seek(to)?;
            }
        }
        Ok(0)
    }
}

impl VolumeFile for Stream {
    fn write_all_at(&mut self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&mut self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.pieces.iter_mut().try_for_each(|piece| match piece {
            Source::File(file, _) => file.sync(),
            Source::Bytes(_) => Ok(()),
        })
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(self.stamp)
    }
}

/// A file of a set on its card.
pub fn member_path(path: &Path, name: &str) -> PathBuf {
    path.parent().unwrap_or(path).join(name)
}
