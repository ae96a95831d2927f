//! Files of a shared folder: written under a temporary name, made durable, then named; a name that is there already is
//! never replaced.
//!
//! May not assume that the file system knows hard links or `fsync` of folders (FAT, SMB); where it does not, the
//! nearest safe thing is done. Names carry the digest of what they hold, so that a lost race loses nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// What became of a file that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// It is there now, durable.
    New,
    /// A file of this name was there, and still is.
    Existed,
}

/// Creates `folder/name` with what `fill` writes.
pub(super) fn create(
    folder: &Path,
    name: &str,
    fill: &mut dyn FnMut(&mut File) -> io::Result<()>,
) -> io::Result<Created> {
    make_folder(folder)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let temporary = folder.join(format!(".{:016x}.tmp", u64::from_le_bytes(random)));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    let named = fill(&mut file)
        .and_then(|()| file.sync_all())
        .and_then(|()| name_it(&file, &temporary, &folder.join(name)));
    if !matches!(named, Ok(Created::New)) {
        let _ = fs::remove_file(&temporary);
    }
    let created = named?;
    sync_folder(folder)?;
    Ok(created)
}

/// Makes a folder and those above it where they are missing, each durable before anything in it is: a record must never
/// outlive a power cut that takes the folder of its bytes.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let Some(above) = folder.parent().filter(|_| !folder.is_dir()) else { return Ok(()) };
    make_folder(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made?,
    }
    sync_folder(folder)?;
    sync_folder(above)
}

/// Moves a file aside that is not what its name says: torn by a power cut, and of no worth to anybody.
pub(super) fn set_aside(folder: &Path, name: &str) -> io::Result<()> {
    match fs::rename(folder.join(name), folder.join(format!(".{name}.torn"))) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives the temporary file its name, unless that is taken.
fn name_it(file: &File, temporary: &Path, name: &Path) -> io::Result<Created> {
    match fs::hard_link(temporary, name) {
        Ok(()) => {
            fs::remove_file(temporary)?;
            return Ok(Created::New);
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Created::Existed),
        Err(error) if error.kind() == ErrorKind::StorageFull => return Err(error),
        // No hard links here. Between the look and the rename another writer can only name the same bytes.
        Err(_) => {}
    }
    if name.try_exists()? {
        return Ok(Created::Existed);
    }
    fs::rename(temporary, name)?;
    // On FAT this is what makes the new name point at the bytes.
    file.sync_all()?;
    Ok(Created::New)
}

/// Makes the names in a folder durable, where the file system can.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|file| file.sync_all()) {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_name_that_is_there_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &'static str| move |file: &mut File| file.write_all(text.as_bytes());
        assert_eq!(create(dir.path(), "a", &mut write("first")).unwrap(), Created::New);
        assert_eq!(create(dir.path(), "a", &mut write("second")).unwrap(), Created::Existed);
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_that_could_not_be_filled_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let failed = create(dir.path(), "a", &mut |_| Err(ErrorKind::StorageFull.into()));
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
