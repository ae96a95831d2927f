//! The only writer into save folders: replaces and retires saves so that any instant is safe to lose power, on FAT too.
//!
//! Promise 8. What the textbook does (write a temporary file, sync it, rename it over the save, sync the folder) loses the
//! save on FAT: the name points at the old, already freed clusters until the renamed file's own inode is written. Here:
//!
//! ```text
//! always                   the old bytes are copied to the attic, then the intent is declared; then
//! same size (nearly all)   in place: bytes overwritten without truncation
//! other size, or new       move: old file renamed out of the way, staged file renamed to the free name
//! ```
//!
//! New bytes are first staged in `.retrosync/incoming/`, verified and durable; they are also what a cut is finished from.
//! The intent (`slot.0`, `slot.1`) is open from before the first byte changes until the last is durable. No rename here ever
//! replaces a file that has bytes, and no file that a cut left behind is removed or written unless it provably shares its
//! clusters with nothing. A save that is several files is replaced file by file under one more record (`disk/set.rs`).
//!
//! Assumes one process (`root::Lock`), and that a root lies on one file system. Never decides which version is right.

mod intent;
mod leftovers;
mod recovery;
mod set;
mod staging;
mod steps;

pub use leftovers::found_by_checks;
pub use staging::Staged;
use staging::Unused;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync_protocol::{Content, Mistake, SaveId};

use crate::attic::{Attic, Looked, Reason, look};
use crate::durable::{self, MOST_COUNTED};
use crate::error::{Error, Kind, Problem, Result};
use crate::formats::set::Set;
use crate::root::STATE_FOLDER;
use crate::snapshot::{RelativePath, Stamp};
use crate::volume::Volume;
use intent::{Intent, New, SPARE_BYTES, Slot, Spare, Way};

/// The writer into one root's save folders.
pub struct Disk {
    volume: Arc<dyn Volume>,
    root_dir: PathBuf,
    incoming: PathBuf,
    /// The highest number that a file in `incoming/` has or may have had.
    last_name: u64,
    unused: Unused,
    slot: Slot,
    attic: Attic,
    shown_at_boot_ms: Option<u64>,
}

/// What it would do next, beside what lies on the card.
impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (&self.slot.record, self.last_name, &self.unused).fmt(f)
    }
}

/// May the first byte change now? Asked right before it does (promise 7: a running game owns its save).
pub type Guard<'a> = dyn FnMut() -> Result<()> + 'a;

impl Disk {
    /// Finishes what a power cut interrupted, then is ready. What was found is told as problems; an interrupted replacement
    /// that cannot be finished is one of them, and is tried again before the next.
    ///
    /// # Errors
    /// When our own folder on the card cannot be read.
    pub fn open(volume: Arc<dyn Volume>, root_dir: &Path, attic: Attic) -> Result<(Disk, Vec<Problem>)> {
        let doing = || format!("cannot open our folder in `{}`", root_dir.display());
        let state_dir = root_dir.join(STATE_FOLDER);
        let incoming = state_dir.join("incoming");
        let slot = Slot::open(volume.clone(), &state_dir).map_err(|e| Error::io(doing(), &e))?;
        let (root_dir, unused) = (root_dir.to_owned(), Unused::default());
        let mut disk =
            Disk { volume, root_dir, incoming, last_name: 0, unused, slot, attic, shown_at_boot_ms: None };
        disk.make_incoming().and_then(|()| disk.settle_folders()).map_err(|e| Error::io(doing(), &e))?;
        let mut problems = disk.finish().unwrap_or_else(|error| vec![error.into()]);
        disk.clear_leftovers().map_err(|e| Error::io(doing(), &e))?;
        problems.extend(leftovers::found_by_checks(&disk.volume, &disk.root_dir, &disk.attic));
        Ok((disk, problems))
    }

    fn make_incoming(&mut self) -> io::Result<()> {
        match self.volume.list(&self.incoming) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Promise 4: a root without our folder is a card that is not there; nothing is made on it.
                let state_dir = self.root_dir.join(STATE_FOLDER);
                self.volume.list(&state_dir)?;
                durable::make_folder(&*self.volume, &self.incoming)
            }
            Ok(listed) => {
                let names = listed.iter().filter_map(|entry| entry.name.to_str());
                let numbers = names.chain(self.slot.record.names()).filter_map(|name| name.parse().ok());
                self.last_name = numbers.filter(|number| *number <= MOST_COUNTED).max().unwrap_or(0);
                // The record was lost: whatever lies here may share its clusters with a save.
                self.slot.record.keep_all |= self.slot.is_new() && !listed.is_empty();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Makes our folders ones whose names an `fsync` makes durable, whoever made them: a card may have been filled while it was mounted. Of a
    /// folder that was made since then the kernel takes the first entries for those of the folder that it is in, and writes
    /// them with that one only (seen on vfat); so the record of what is being done would be gone after a cut.
    fn settle_folders(&self) -> io::Result<()> {
        let state_dir = self.root_dir.join(STATE_FOLDER);
        self.volume.sync_folder(&self.root_dir)?;
        self.volume.sync_folder(&state_dir)
    }

    /// The root's attic.
    pub fn attic(&self) -> &Attic {
        &self.attic
    }

    /// The root's attic, to thin it or to tell it the time.
    pub fn attic_mut(&mut self) -> &mut Attic {
        &mut self.attic
    }

    /// Since when a game could see what the last replacement put in place, in uptime; what started later has loaded it.
    pub fn shown_at_boot_ms(&self) -> Option<u64> {
        self.shown_at_boot_ms
    }

    /// Puts a staged payload in the place of a save, in the form that its file has there, whose payload must be `expects` (`None`: nothing is there); the old bytes
    /// are in the attic before (promise 1). Old or new after any cut (promise 8). Returns the new file's stamp.
    ///
    /// # Errors
    /// `Busy` when something else is there, or the guard's error: then the save is as it was.
    pub fn replace(
        &mut self,
        path: &RelativePath,
        save: &SaveId,
        expects: Option<&Content>,
        staged: Staged,
        guard: &mut Guard<'_>,
    ) -> Result<Stamp> {
        if Set::of(path.name()).is_some() {
            let new = staged.content;
            self.replace_set(path, save, expects, Some(staged), guard)?;
            return self.set_stamp(path, save, &new);
        }
        // One intent at a time: an earlier one that could not be finished comes first, or nothing does.
        self.finish_first(guard)?;
        let staged = self.formed(path, save, staged)?;
        let new = New { name: staged.name.clone(), content: staged.content };
        let Some((intent, stamp)) = self.prepare(path, save, expects, Some(new), guard)? else {
            let stamp = self.volume.stamp(&path.under(&self.root_dir));
            return stamp.map_err(|error| Error::io(format!("cannot read `{path}`"), &error));
        };
        staged.take();
        self.commit(intent, path, stamp, guard)?.ok_or_else(|| busy(path, "it is gone"))
    }

    /// Moves a save, whose payload must be `expects`, to the attic.
    ///
    /// # Errors
    /// As [`Disk::replace`].
    pub fn retire(
        &mut self,
        path: &RelativePath,
        save: &SaveId,
        expects: &Content,
        guard: &mut Guard<'_>,
    ) -> Result<()> {
        if Set::of(path.name()).is_some() {
            return self.replace_set(path, save, Some(expects), None, guard);
        }
        match self.prepare(path, save, Some(expects), None, guard)? {
            Some((intent, stamp)) => self.commit(intent, path, stamp, guard).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Tries again what could not be finished: until it is, nobody reads that save.
    ///
    /// # Errors
    /// When the card still cannot.
    pub fn try_again(&mut self) -> Result<Vec<Problem>> {
        if self.slot.record.is_open() { self.finish() } else { Ok(Vec::new()) }
    }

    /// Finishes what could not be finished before, if no game runs: that is a change like any other.
    fn finish_first(&mut self, guard: &mut Guard<'_>) -> Result<()> {
        if self.slot.record.is_open() {
            guard()?;
            self.finish()?;
        }
        Ok(())
    }

    /// Looks again, and gets all ready without changing anything; nothing to do if the new bytes are there already.
    fn prepare(
        &mut self,
        path: &RelativePath,
        save: &SaveId,
        expects: Option<&Content>,
        new: Option<New>,
        guard: &mut Guard<'_>,
    ) -> Result<Option<(Intent, Option<Stamp>)>> {
        // One intent at a time: an earlier one that could not be finished comes first, or nothing does.
        self.finish_first(guard)?;
        guard()?;
        let target = path.under(&self.root_dir);
        let here = look(&*self.volume, &target, save)?;
        if here.map(|(here, _)| here.payload) != expects.copied() {
            let cause = if here.is_some() { "it changed meanwhile" } else { "it is gone" };
            return Err(busy(path, if expects.is_none() { "something is there now" } else { cause }));
        }
        let old = here.map(|(old, _)| old);
        let same_size = |new: &New, old: &Looked| new.content.size_bytes == old.file.size_bytes;
        let mut intent = Intent::new(Way::Move, save, path);
        match (&new, &old) {
            (Some(new), Some(old)) if new.content == old.file => return Ok(None),
            (Some(new), Some(old)) if same_size(new, old) && new.content.size_bytes <= SPARE_BYTES => {
                intent.way = Way::InPlace;
            }
            _ => {}
        }
        // Promise 1: durable, bytes and index, before anything of the save changes.
        let reason = if new.is_some() { Reason::Replaced } else { Reason::Retired };
        let needs_none = intent.way == Way::InPlace && Mistake::InPlaceNeedsNoCopy.is_made();
        if let (Some(old), false) = (&old, needs_none) {
            let kept = self.attic.put(save, path, old, reason);
            if kept.as_ref().is_err_and(|error| error.kind == Kind::Full) {
                self.give_back_spares();
            }
            intent.number = kept?.number;
        }
        if old.is_none() {
            steps::make_folder_of(&*self.volume, &target)
                .map_err(|error| Error::io(format!("cannot make the folder of `{path}`"), &error))?;
        }
        intent.away = self.fresh_name();
        (intent.old, intent.new) = (old, new);
        Ok(Some((intent, here.map(|(_, stamp)| stamp))))
    }

    /// Declares the intent, asks the guard, changes the save, closes. Returns the stamp of what is there then.
    fn commit(
        &mut self,
        intent: Intent,
        path: &RelativePath,
        stamp: Option<Stamp>,
        guard: &mut Guard<'_>,
    ) -> Result<Option<Stamp>> {
        let target = path.under(&self.root_dir);
        let doing = || format!("cannot replace `{path}`");
        if let Err(error) = self.slot.begin(intent.clone()) {
            // It may have reached the card all the same. An intent that nobody remembers must not stand there when a
            // game writes next.
            self.abandon(intent.new)?;
            return Err(Error::io(doing(), &error));
        }
        // Promise 7, as late as can be: the next call changes the save.
        let allowed = guard().and_then(|()| match self.volume.stamp(&target) {
            Ok(now) if Some(now) == stamp => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && stamp.is_none() => Ok(()),
            _ => Err(busy(path, "it changed meanwhile")),
        });
        if let Err(error) = allowed {
            self.abandon(intent.new)?;
            return Err(error);
        }
        match self.carry_out(&intent, path, &target) {
            Ok(stamp) => Ok(stamp),
            Err(error) => {
                // As after a cut: look at what is there, finish or undo. If even that fails, the intent stays open.
                self.finish_open()?;
                let here = look(&*self.volume, &target, &intent.save)?;
                let done = here.map(|(here, _)| here.file) == intent.new.map(|new| new.content);
                if done { Ok(here.map(|(_, stamp)| stamp)) } else { Err(error) }
            }
        }
    }

    fn carry_out(&mut self, intent: &Intent, path: &RelativePath, target: &Path) -> Result<Option<Stamp>> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::CrossesDevices => {
                Error::new(Kind::Misused, format!("cannot replace `{path}`"), "it is on another file system")
                    .help("a save folder that is mounted or linked from elsewhere must be a root of its own")
            }
            _ => Error::io(format!("cannot replace `{path}`"), &error),
        };
        let staged = intent.new.as_ref().map(|new| self.incoming.join(&new.name));
        if let (Way::InPlace, Some(staged), Some(new)) = (intent.way, &staged, &intent.new) {
            let shown = steps::overwrite(&*self.volume, staged, target).map_err(failed)?;
            self.shown_at_boot_ms = Some(shown.at_boot_ms);
            self.close(Some(recovery::spare_of(new)))?;
            return Ok(Some(shown.stamp));
        }
        // Of a folder that was made since the card was mounted, the kernel takes the first entries for those of the folder
        // that it is in, and writes them with that one only (seen on vfat).
        for folder in target.ancestors().skip(2).take_while(|folder| folder.starts_with(&self.root_dir)) {
            self.volume.sync_folder(folder).map_err(failed)?;
        }
        if intent.old.is_some() {
            let away = self.incoming.join(&intent.away);
            let moved = steps::rename(&*self.volume, target, &away).map_err(failed)?;
            self.shown_at_boot_ms = Some(moved.at_boot_ms);
        }
        let shown = staged.map(|staged| steps::rename(&*self.volume, &staged, target));
        let shown = shown.transpose().map_err(failed)?;
        self.shown_at_boot_ms = shown.as_ref().map(|shown| shown.at_boot_ms).or(self.shown_at_boot_ms);
        // Both renames are durable: what was moved away shares its clusters with nothing, and may be written again.
        let spare = |old: &Looked| Spare { name: intent.away.clone(), size_bytes: old.file.size_bytes };
        self.close(intent.old.as_ref().map(spare))?;
        Ok(shown.map(|shown| shown.stamp))
    }
}

/// Finishes what a power cut interrupted: for the boot hook, before a game can start; milliseconds when nothing is open.
/// The caller holds the root's lock.
///
/// # Errors
/// As [`Disk::open`].
pub fn recover(volume: Arc<dyn Volume>, root_dir: &Path) -> Result<Vec<Problem>> {
    let slot = Slot::open(volume.clone(), &root_dir.join(STATE_FOLDER)).map_err(|error| {
        Error::io(format!("cannot look for interrupted work in `{}`", root_dir.display()), &error)
    })?;
    if !slot.record.is_open() {
        return Ok(Vec::new());
    }
    let (attic, mut problems) = Attic::open(volume.clone(), root_dir)?;
    problems.extend(Disk::open(volume, root_dir, attic)?.1);
    Ok(problems)
}

/// Is a replacement open: begun, and not yet durable or undone? Only looks.
///
/// # Errors
/// When our own folder on the card cannot be read.
pub fn is_replacing(volume: Arc<dyn Volume>, root_dir: &Path) -> Result<bool> {
    let slot = Slot::open(volume, &root_dir.join(STATE_FOLDER));
    slot.map(|slot| slot.record.is_open()).map_err(|error| {
        Error::io(format!("cannot look for interrupted work in `{}`", root_dir.display()), &error)
    })
}

fn busy(path: &RelativePath, cause: &str) -> Error {
    Error::new(Kind::Busy, format!("cannot replace `{path}`"), cause).help("the next cycle looks again")
}

#[cfg(test)]
#[path = "disk/set_tests.rs"]
mod set_tests;
#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
