//! The attic: old bytes of saves, kept on the card before anything replaces or removes them.
//!
//! Promise 1: an entry is durable, bytes and index, when [`Attic::put`] returns; and the attic lets go of nothing that the
//! remote does not hold ([`Attic::thin`]). An entry's bytes are a copy of the file as it was, on clusters of its own: nothing
//! is ever moved here. No number is used twice, no file is written again, and one that the index does not know (a cut
//! left it) is never touched.

mod look;

pub use look::{Looked, Measured, contents, look, measure};

use litemap::LiteMap;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync_protocol::{Content, Digest, Mistake, SaveId};

use crate::durable::{self, Log, MOST_COUNTED, Order};
use crate::error::{Error, Kind, Problem, Result};
use crate::root::STATE_FOLDER;
use crate::set::Set;
use crate::snapshot::RelativePath;
use crate::volume::{Appender, EntryKind, Volume, VolumeFile, rewound};
use crate::whole;

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
    /// The payload (its form taken off): what versions speak of.
    pub content: Content,
    /// The file itself.
    pub file: Content,
    /// When they were put here.
    pub kept: Told,
    /// Why.
    pub reason: Reason,
}

/// When the attic is too full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most entries of one save.
    pub entries_per_save: usize,
    /// The most bytes in all.
    pub total_bytes: u64,
}

impl Limits {
    /// On a card that is full.
    pub const SCARCE: Limits = Limits { entries_per_save: 1, total_bytes: 4 << 20 };
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entries_per_save: 10, total_bytes: 256 << 20 }
    }
}

/// A line of the index; each stands for itself.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Kept {
        number: u64,
        save: SaveId,
        path: String,
        content: Content,
        file: Content,
        kept: Told,
        reason: Reason,
    },
    Gone {
        number: u64,
    },
}

/// The kept copies of one root.
pub struct Attic {
    volume: Arc<dyn Volume>,
    root_dir: PathBuf,
    folder: PathBuf,
    index: Log,
    entries: LiteMap<u64, AtticEntry>,
    next: u64,
    told: Told,
}

impl Attic {
    /// Opens the attic of a root; makes it where it is missing.
    ///
    /// # Errors
    /// When the card cannot be read or the folder not be made.
    pub fn open(volume: Arc<dyn Volume>, root_dir: &Path) -> Result<(Attic, Vec<Problem>)> {
        let folder = root_dir.join(STATE_FOLDER).join("attic");
        Attic::open_folder(volume, root_dir, folder)
            .map_err(|error| Error::io(format!("cannot open the attic of `{}`", root_dir.display()), &error))
    }

    fn open_folder(
        volume: Arc<dyn Volume>,
        root_dir: &Path,
        folder: PathBuf,
    ) -> io::Result<(Attic, Vec<Problem>)> {
        let files = files_in(&*volume, &folder)?;
        let mut entries = LiteMap::new();
        let mut last = files.iter().next_back().copied().unwrap_or(0);
        let (index, _) =
            Log::open(&volume, &folder.join("index"), Order::Loose, &mut |record, _| match record {
                Record::Kept { number, .. } | Record::Gone { number } if number > MOST_COUNTED => {}
                Record::Kept { number, save, path, content, file, kept, reason } => {
                    last = last.max(number);
                    if let Some(path) = RelativePath::new(&path) {
                        let entry = AtticEntry { number, save, path, content, file, kept, reason };
                        entries.insert(number, entry);
                    }
                }
                Record::Gone { number } => {
                    last = last.max(number);
                    entries.remove(&number);
                }
            })?;
        let known = entries.len();
        entries.retain(|number, _| files.contains(number));
        let missing = known - entries.len();
        let problem = (missing > 0).then(|| {
            let doing = format!("kept copies are missing from `{}`", folder.display());
            Error::new(Kind::Damaged, doing, format!("{missing} of {known} files are not there")).into()
        });
        let (root_dir, told) = (root_dir.to_owned(), Told::default());
        let attic = Attic { volume, root_dir, folder, index, entries, next: last + 1, told };
        Ok((attic, problem.into_iter().collect()))
    }

    /// What time it is, as far as anybody knows; stamped on what is put from now on.
    pub fn tell_time(&mut self, told: Told) {
        self.told = told;
    }

    /// Keeps a copy of the file at `path` of the root, which must still be `looked`; durable when it returns. Bytes that
    /// the newest entry of this save holds are not kept twice.
    ///
    /// # Errors
    /// `Busy` when the file is something else by now; else when it cannot be read or the card cannot take it. Then
    /// nothing was kept and nothing else changed.
    pub fn put(
        &mut self,
        save: &SaveId,
        path: &RelativePath,
        looked: &Looked,
        reason: Reason,
    ) -> Result<AtticEntry> {
        let is_enough = Mistake::OneCopyIsEnough.is_made();
        if let Some(entry) = self.newest(save).filter(|entry| entry.file == looked.file || is_enough) {
            // Believed only after reading it back.
            if self.holds(entry.number, &looked.file) || is_enough {
                return Ok(entry.clone());
            }
        }
        let number = self.next;
        self.next += 1;
        let to = self.path_of(number);
        let doing = || format!("cannot keep a copy of `{path}`");
        let copied = self.copy(&path.under(&self.root_dir), &to).map_err(|error| Error::io(doing(), &error));
        let copied = copied.and_then(|content| match content == looked.file {
            true => Ok(()),
            false => Err(Error::new(Kind::Busy, doing(), "it changed while it was copied")),
        });
        if let Err(error) = copied {
            // Made by this very call: no other name can share its clusters.
            let _ = self.volume.remove(&to);
            return Err(error);
        }
        // If this fails the copy stays: the index may have reached the card all the same.
        self.enter(number, save, path, looked, reason)
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<Content> {
        let mut source = Measured::new(whole::open(&*self.volume, from)?);
        let mut file = self.volume.create_new(to)?;
        io::copy(&mut source, &mut Appender::new(&mut *file, 0))?;
        // On FAT the table must be durable before the entry speaks of its clusters: the folder's sync writes it.
        self.volume.sync_folder(&self.folder)?;
        file.sync()?;
        Ok(source.content())
    }

    /// Where the file of an entry lies.
    pub(crate) fn path_of(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:08}"))
    }

    /// Enters a durable copy into the index; durable when it returns.
    fn enter(
        &mut self,
        number: u64,
        save: &SaveId,
        path: &RelativePath,
        looked: &Looked,
        reason: Reason,
    ) -> Result<AtticEntry> {
        let (save, path, kept) = (save.clone(), path.clone(), self.told);
        let Looked { file, payload: content } = *looked;
        let entry = AtticEntry { number, save, path, content, file, kept, reason };
        self.note(&Record::Kept {
            number,
            save: entry.save.clone(),
            path: entry.path.as_str().to_owned(),
            content,
            file,
            kept,
            reason,
        })?;
        self.entries.insert(number, entry.clone());
        Ok(entry)
    }

    fn note(&mut self, record: &Record) -> Result<()> {
        let written = self.index.append(record).and_then(|()| self.index.sync());
        if written.is_err() {
            self.index.drop_unwritten();
        }
        written.map_err(|error| Error::io("cannot write the attic's index", &error))
    }

    /// The entries, newest first: of one save, or all.
    pub fn list(&self, save: Option<&SaveId>) -> Vec<AtticEntry> {
        self.entries.values().rev().filter(|e| save.is_none_or(|s| *s == e.save)).cloned().collect()
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &AtticEntry> {
        self.entries.values()
    }

    fn newest(&self, save: &SaveId) -> Option<&AtticEntry> {
        self.entries.values().rev().find(|entry| entry.save == *save)
    }

    /// The bytes of an entry, from the start.
    ///
    /// # Errors
    /// When there is no such entry or it cannot be read.
    pub fn read(&self, number: u64) -> Result<Box<dyn VolumeFile>> {
        let doing = || format!("cannot read kept copy {number}");
        if !self.entries.contains_key(&number) {
            return Err(Error::new(Kind::Misused, doing(), "there is no such copy")
                .help("run `retrosync history` to see what is kept"));
        }
        self.volume.open(&self.path_of(number)).and_then(rewound).map_err(|error| Error::io(doing(), &error))
    }

    /// Does the file of this number hold exactly these bytes, read back now?
    pub(crate) fn holds(&self, number: u64, file: &Content) -> bool {
        measure(&*self.volume, &self.path_of(number)).is_ok_and(|content| content == *file)
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
        let mut total: u64 = self.entries.values().map(|entry| entry.file.size_bytes).sum();
        let mut of_save: LiteMap<&SaveId, usize> = LiteMap::new();
        for entry in self.entries.values() {
            *of_save.entry(&entry.save).or_default() += 1;
        }
        let mut going = Vec::new();
        for entry in self.entries.values() {
            let count = of_save.get_mut(&entry.save);
            let crowded = count.as_ref().is_some_and(|count| **count > limits.entries_per_save);
            // Promise 1: what the remote does not hold stays, however full the attic is.
            if (crowded || total > limits.total_bytes) && holds(&entry.save, &entry.content.digest) {
                total -= entry.file.size_bytes;
                if let Some(count) = count {
                    *count -= 1;
                }
                going.push(entry.clone());
            }
        }
        let mut gone = Vec::new();
        for entry in going {
            // The index first: a file that a cut leaves behind is then unknown to it, and never touched again.
            self.note(&Record::Gone { number: entry.number })?;
            self.entries.remove(&entry.number);
            durable::remove(&*self.volume, &self.path_of(entry.number))
                .map_err(|error| Error::io(format!("cannot let go of kept copy {}", entry.number), &error))?;
            gone.push(entry);
        }
        Ok(gone)
    }
}

/// The numbers of the files in the attic's folder, which is made where it is missing.
fn files_in(volume: &dyn Volume, folder: &Path) -> io::Result<Set<u64>> {
    let listed = match volume.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let state_dir = folder.parent().unwrap_or(Path::new("."));
            // Promise 4: a root without our folder is a card that is not there; nothing is made on it.
            volume.list(state_dir)?;
            durable::make_folder(volume, folder)?;
            Vec::new()
        }
        listed => listed?,
    };
    let files = listed.iter().filter(|entry| entry.kind == EntryKind::File);
    let numbers = files.filter_map(|entry| entry.name.to_str()?.parse().ok());
    Ok(numbers.filter(|number| *number <= MOST_COUNTED).collect())
}
