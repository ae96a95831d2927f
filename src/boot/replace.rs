//! Replaces a small file of somebody else's, of which a device may need every byte to start: a boot script.
//!
//! Such a file must be the old one or the new one after any power cut, before anybody can recover anything. On FAT a renamed
//! file's new name leads to what it held before until the file's own inode is written (see `disk`). So here what it held
//! before stays whole until then: the old file is open, and what is open keeps its clusters. The staged name goes first, so
//! that no two names lead to one file; where a cut left one all the same it is never touched again, for what is removed
//! takes its clusters along. Knows nothing of scripts.

use std::io;
use std::path::{Path, PathBuf};

use crate::volume::{Volume, VolumeFile};

/// So many names of staged files may be taken by what cuts left.
const NAMES: u32 = 100;

/// Replaces `path` by these bytes, staged in `folder` of the same file system. `dress` is called with the staged file's name
/// when its bytes are durable.
///
/// # Errors
/// When it cannot; then the file is as it was.
pub fn replace(
    volume: &dyn Volume,
    folder: &Path,
    path: &Path,
    bytes: &[u8],
    dress: &mut dyn FnMut(&Path),
) -> io::Result<()> {
    let (staged, mut file) = stage(volume, folder, bytes)?;
    dress(&staged);
    let old = match volume.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        old => Some(old?),
    };
    if let Err(error) = volume.rename(&staged, path) {
        // It had no other name.
        let _ = volume.remove(&staged);
        return Err(error);
    }
    volume.sync_folder(folder)?;
    // Of a folder that was made since the card was mounted, as by unpacking us on the device, the kernel writes the names with
    // the folder that it is in (seen on vfat).
    if let Some(above) = folder.parent() {
        let _ = volume.sync_folder(above);
    }
    file.sync()?;
    volume.sync_folder(path.parent().unwrap_or(Path::new("/")))?;
    drop(old);
    Ok(())
}

/// A new file with these bytes, durable.
fn stage(volume: &dyn Volume, folder: &Path, bytes: &[u8]) -> io::Result<(PathBuf, Box<dyn VolumeFile>)> {
    // Hidden: firmwares run every file of some folders.
    for number in 0..NAMES {
        let staged = folder.join(format!(".retrosync.{number}"));
        let mut file = match volume.create_new(&staged) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        let mut fill = || {
            file.write_all_at(bytes, 0)?;
            // On FAT the table must be durable before the entry speaks of its clusters.
            volume.sync_folder(folder)?;
            file.sync()
        };
        return match fill() {
            Ok(()) => Ok((staged, file)),
            Err(error) => {
                let _ = volume.remove(&staged);
                Err(error)
            }
        };
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
