//! The attic: old bytes of saves, kept on the card before anything replaces or removes them.
//!
//! Promise 1: an entry is durable, bytes and index, when [`Attic::put`] returns; and the attic lets go of nothing that the
//! remote does not hold ([`Attic::thin`]). An entry's bytes are the file as it was. No number is ever used twice, no file
//! here is ever written again, and a file that the index does not know is never touched: after a cut, two names on a
//! FAT card can share one chain of clusters, and removing one would take the other's bytes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync_protocol::{Content, Digest, SaveId};

use crate::error::{Problem, Result};
use crate::snapshot::RelativePath;
use crate::volume::{Volume, VolumeFile};

/// Why the bytes were put here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Another version took their place.
    Replaced,
    /// The save was deleted by its player, elsewhere.
    Retired,
    /// Found in a save's place after an interrupted replacement.
    Found,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reason::Replaced => "replaced",
            Reason::Retired => "retired",
            Reason::Found => "found",
        })
    }
}

/// A time as this device was told it; for people, never compared (promise 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Unix seconds.
    pub unix_s: i64,
    /// A server said so in this boot; else it is the device's own clock.
    pub trusted: bool,
}

/// One kept file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtticEntry {
    /// Its number: grows, never reused.
    pub number: u64,
    /// Whose bytes.
    pub save: SaveId,
    /// Where they were.
    pub path: RelativePath,
    /// The payload (a container unwrapped): what versions speak of.
    pub content: Content,
    /// The file itself.
    pub file: Content,
    /// When they were put here.
    pub kept: Told,
    /// Why.
    pub reason: Reason,
    /// It may share its clusters with a file that a cut left behind: never removed.
    pub pinned: bool,
}

/// When the attic is too full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most entries of one save.
    pub entries_per_save: usize,
    /// The most bytes in all.
    pub total_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entries_per_save: 10, total_bytes: 256 << 20 }
    }
}

/// The kept copies of one root.
pub struct Attic {
    volume: Arc<dyn Volume>,
    folder: PathBuf,
    entries: Vec<AtticEntry>,
    told: Told,
}

impl Attic {
    /// Opens the attic of a root; makes it where it is missing.
    ///
    /// # Errors
    /// When the card cannot be read or the folder not be made.
    pub fn open(volume: Arc<dyn Volume>, root_dir: &Path) -> Result<(Attic, Vec<Problem>)> {
        let folder = root_dir.join(crate::root::STATE_FOLDER).join("attic");
        Ok((Attic { volume, folder, entries: Vec::new(), told: Told::default() }, Vec::new()))
    }

    /// What time it is, as far as anybody knows; stamped on what is put from now on.
    pub fn tell_time(&mut self, told: Told) {
        self.told = told;
    }

    /// Keeps a copy of the file at `path` of the root; durable when it returns. Bytes that the newest entry of this save
    /// already holds are not kept twice.
    ///
    /// # Errors
    /// When the file cannot be read or the card cannot take it; then nothing was kept and nothing else changed.
    pub fn put(&mut self, save: &SaveId, path: &RelativePath, reason: Reason) -> Result<AtticEntry> {
        let _ = (save, path, reason);
        Err(crate::error::Error::new(crate::error::Kind::Damaged, "cannot keep a copy", "not built yet"))
    }

    /// The entries, newest first: of one save, or all.
    pub fn list(&self, save: Option<&SaveId>) -> Vec<AtticEntry> {
        self.entries.iter().rev().filter(|e| save.is_none_or(|s| *s == e.save)).cloned().collect()
    }

    /// The bytes of an entry, from the start.
    ///
    /// # Errors
    /// When there is no such entry or it cannot be read.
    pub fn read(&self, number: u64) -> Result<Box<dyn VolumeFile>> {
        let _ = (&self.volume, &self.folder, self.told, number);
        Err(crate::error::Error::new(crate::error::Kind::Damaged, "cannot read the attic", "not built yet"))
    }

    /// Removes the oldest entries beyond `limits`, but only such as `holds` says the remote has; returns them.
    ///
    /// # Errors
    /// When the card fails.
    pub fn thin(
        &mut self,
        holds: &dyn Fn(&SaveId, &Digest) -> bool,
        limits: &Limits,
    ) -> Result<Vec<AtticEntry>> {
        let _ = (holds, limits);
        Ok(Vec::new())
    }
}
