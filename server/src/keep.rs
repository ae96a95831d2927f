//! Keeping a server's data: check, backup, restore. For the owner at the command line, over a data directory.

use std::path::{Path, PathBuf};

use crate::blobs::Blobs;
use crate::catalog::Catalog;

/// Where a data directory has its catalog.
pub fn catalog_file(data: &Path) -> PathBuf {
    data.join("catalog.sqlite")
}

/// Where a data directory has its blobs.
pub fn blobs_folder(data: &Path) -> PathBuf {
    data.join("blobs")
}

/// What a check found. `text` lines are for people, in the order found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Contents looked at.
    pub contents: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Recorded and not there.
    pub missing: Vec<String>,
    /// There, and other bytes than recorded.
    pub damaged: Vec<String>,
    /// There, and no record speaks of them (a crash between bytes and record).
    pub orphans: Vec<String>,
    /// Orphans that were removed.
    pub removed: u64,
}

impl Report {
    /// Nothing missing, nothing damaged. Orphans are harmless.
    pub fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.damaged.is_empty()
    }
}

/// What could not be done with a data directory.
#[derive(Debug)]
pub struct KeepError(pub String);

impl std::fmt::Display for KeepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeepError {}

/// Hashes every blob again and compares with the records. With `repair`, orphans older than a day are removed: only while no server runs.
///
/// # Errors
/// When the catalog or the blobs cannot be read at all.
pub async fn check(
    _catalog: &dyn Catalog,
    _blobs: &dyn Blobs,
    _repair: bool,
    _now_unix_s: i64,
) -> Result<Report, KeepError> {
    Err(KeepError("not built yet".into()))
}

/// Copies a data directory (also of a running server) into the new folder `to`.
///
/// # Errors
/// When `to` exists and is not empty, or anything cannot be read or written.
pub async fn backup(_catalog: &dyn Catalog, _data: &Path, _to: &Path) -> Result<(), KeepError> {
    Err(KeepError("not built yet".into()))
}

/// Puts a backup folder in the place of an empty or missing data directory, and draws a new epoch.
///
/// # Errors
/// When `data` holds anything, or `from` is no backup.
pub async fn restore(_from: &Path, _data: &Path) -> Result<(), KeepError> {
    Err(KeepError("not built yet".into()))
}
