//! Keeping a server's data: check, backup, restore, migrate. For the owner at the command line, over any catalog and blobs.
//!
//! May run beside a server, except where it says otherwise. Never changes a record, never removes what a record speaks of.

mod check;
mod contents;
mod copy;
pub mod migrate;
mod private;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::blobs::BlobError;
use crate::catalog::CatalogError;

pub use check::{Report, check, repair};
pub use contents::copy_contents;
pub use copy::{Copied, Records, backup, copy_own_key, is_backup, make_empty, make_private, restore};
pub(crate) use private::write_private;

/// Where a data directory has its catalog.
pub fn catalog_file(data: &Path) -> PathBuf {
    data.join("catalog.sqlite")
}

/// Where a data directory has its blobs.
pub fn blobs_folder(data: &Path) -> PathBuf {
    data.join("blobs")
}

/// What could not be done with a data directory.
#[derive(Debug)]
pub struct KeepError(String);

impl KeepError {
    fn new(text: impl Into<String>) -> KeepError {
        KeepError(text.into())
    }

    /// For `map_err`: what we were doing to which file.
    fn at<E: fmt::Display>(doing: &str, path: &Path) -> impl FnOnce(E) -> KeepError {
        move |why| KeepError(format!("cannot {doing} `{}`: {why}", path.display()))
    }
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeepError {}

impl From<CatalogError> for KeepError {
    fn from(error: CatalogError) -> KeepError {
        KeepError(error.to_string())
    }
}

impl From<BlobError> for KeepError {
    fn from(error: BlobError) -> KeepError {
        KeepError(error.to_string())
    }
}
