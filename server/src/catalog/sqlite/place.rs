//! Where the catalog's file lies, and whether it still does.
//!
//! A database goes on writing into a file that somebody has removed or replaced, says that all is well, and everything is gone with the
//! process. So the file is looked at before each write. What was answered before stays as safe as the file is.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{CatalogError, Result};

/// A file as it was when it was opened.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl Place {
    /// Remembers which file it is.
    pub(super) fn of(path: &Path) -> Result<Place> {
        Ok(Place { path: path.into(), id: id(path).map_err(|why| gone(path, &why.to_string()))? })
    }

    /// Is it still the same?
    pub(super) fn check(&self) -> Result<()> {
        match id(&self.path) {
            Ok(found) if found == self.id => Ok(()),
            Ok(_) => Err(gone(&self.path, "another file is in its place")),
            Err(why) => Err(gone(&self.path, &why.to_string())),
        }
    }
}

fn id(path: &Path) -> std::io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

fn gone(path: &Path, why: &str) -> CatalogError {
    CatalogError::Gone(format!("`{}` is not the file that was opened: {why}", path.display()))
}
