//! The movements on which everything rests, each durable when it returns.
//!
//! On FAT a rename moves the open file's inode to the new entry and marks it dirty, no more. `fsync` of the folder writes
//! the names, not the inode: after it the new name is durable and still points at what its entry held before. Only
//! `fsync` of the file itself writes the inode into the new entry (measured on vfat; design in the header of `disk`).
//! So each rename here is followed by: the file, the folder it came to, the folder it left, in this order.

use std::io::{self, Read};
use std::path::Path;

use crate::durable::make_folder;
pub(super) use crate::durable::remove;
use crate::playing::boot_ms;
use crate::snapshot::Stamp;
use crate::volume::Volume;

const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that a game can see.
pub(super) struct Shown {
    /// The file's stamp, taken before anybody else could write to it.
    pub(super) stamp: Stamp,
    /// Since when all of them are seen, in uptime: what starts later loads them. That they are durable takes longer.
    pub(super) at_boot_ms: u64,
}

/// Overwrites `to` with the bytes of `from`, of one size, without truncation.
pub(super) fn overwrite(volume: &dyn Volume, from: &Path, to: &Path) -> io::Result<Shown> {
    let mut source = volume.open(from)?;
    let mut file = volume.open_write(to)?;
    if source.stamp()?.size_bytes != file.stamp()?.size_bytes {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "its size changed"));
    }
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    loop {
        let count = source.read(&mut piece)?;
        if count == 0 {
            break;
        }
        file.write_all_at(&piece[..count], offset)?;
        offset += count as u64;
    }
    // Before the sync, which takes its time: what a game writes meanwhile must not pass under the stamp of our bytes.
    let shown = Shown { stamp: file.stamp()?, at_boot_ms: boot_ms() };
    file.sync()?;
    Ok(shown)
}

/// Renames `from` to `to`, where nothing is, or an empty file.
pub(super) fn rename(volume: &dyn Volume, from: &Path, to: &Path) -> io::Result<Shown> {
    let mut file = volume.open(from)?;
    // Before anybody can write to it by its new name.
    let stamp = file.stamp()?;
    volume.rename(from, to)?;
    let shown = Shown { stamp, at_boot_ms: boot_ms() };
    settle_rename(volume, &mut *file, from, to)?;
    Ok(shown)
}

/// What makes a rename durable that was done by `file`'s owner, or by one before a cut.
pub(super) fn settle_rename(
    volume: &dyn Volume,
    file: &mut dyn crate::volume::VolumeFile,
    from: &Path,
    to: &Path,
) -> io::Result<()> {
    file.sync()?;
    volume.sync_folder(folder_of(to))?;
    volume.sync_folder(folder_of(from))
}

/// Makes the folder of `path` where it is missing, each level's name durable.
pub(super) fn make_folder_of(volume: &dyn Volume, path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    match volume.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folder_of(volume, folder)?;
            make_folder(volume, folder)
        }
        listed => listed.map(|_| ()),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}
