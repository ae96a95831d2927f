//! A save that is several files, replaced so that any instant is safe to lose power.
//!
//! ```text
//! all old bytes, as one payload, are in the attic; the new payload is staged; then
//! the set is declared ─▶ what is not in it is moved away ─▶ each file that differs: staged, moved to its name ─▶ closed
//! ```
//!
//! Each file goes through an intent of its own (`disk.rs`), and each is wholly the old one or the new one after any cut.
//! While the set is declared its files may be of two versions, so nobody reads them as a save ([`Disk::replacing`]); recovery
//! looks at what is there and goes on, from the staged payload, else back from the attic:
//!
//! ```text
//! all is old ................. close: it was not begun
//! all is new ................. close
//! each file is old or new .... go on
//! else ....................... a game wrote before we came back: a copy of all goes to the attic; leave it, tell
//! ```

use std::io::{self, Read, SeekFrom, Take};
use std::path::{Path, PathBuf};

use retrosync_protocol::{Content, SaveId};

use super::intent::{Intent, New, Way};
use super::{Disk, Guard, Staged, busy, recovery, steps};
use crate::attic::{Reason, contents, look, measure};
use crate::error::{Error, Problem, Result};
use crate::formats::set::{Part, Set};
use crate::snapshot::{RelativePath, Stamp};
use crate::volume::VolumeFile;
use crate::whole;

/// A file of the set, and its bytes.
type File = (String, Content);

impl Disk {
    /// The saves that a cut left between two versions: not to be read until that is finished.
    pub fn replacing(&self) -> impl Iterator<Item = &SaveId> {
        let record = &self.slot.record;
        record.open.iter().chain(&record.set).map(|intent| &intent.save)
    }

    /// How many files change one after another when these bytes take their place (`None`: it is retired): 1 for a save that is one
    /// file. While they do, a game would load some of one version and some of the other.
    pub fn files_to_change(&self, path: &RelativePath, staged: Option<&Staged>) -> usize {
        let target = path.under(&self.root_dir);
        let count = || -> io::Result<usize> {
            let files = match staged {
                Some(staged) => self.files_of(&self.incoming.join(&staged.name), &target)?,
                None => Vec::new(),
            };
            let here = self.files_here(&target)?;
            let goes = |(name, _): &&File| !files.iter().any(|((other, _), _)| other == name);
            let comes = |(file, _): &&(File, Part)| !here.contains(file);
            Ok(here.iter().filter(goes).count() + files.iter().filter(comes).count())
        };
        // What cannot be read is told by whoever replaces it.
        if Set::of(path.name()).is_some() { count().unwrap_or(1) } else { 1 }
    }

    /// As [`Disk::replace`] and [`Disk::retire`], for a path that stands for several files.
    pub(super) fn replace_set(
        &mut self,
        path: &RelativePath,
        save: &SaveId,
        expects: Option<&Content>,
        staged: Option<Staged>,
        guard: &mut Guard<'_>,
    ) -> Result<()> {
        self.finish_first(guard)?;
        guard()?;
        let target = path.under(&self.root_dir);
        let here = look(&*self.volume, &target, save)?;
        if here.map(|(here, _)| here.payload) != expects.copied() {
            return Err(busy(path, "it changed meanwhile"));
        }
        if let Some(staged) = &staged {
            // What cannot be finished must not be begun.
            self.fits(&self.incoming.join(&staged.name), &target).map_err(|error| {
                Error::io(format!("cannot put another version into `{path}`"), &error)
                    .help("it stays as it is on this device; every version is kept on the server")
            })?;
        }
        let mut set = Intent::new(Way::Set, save, path);
        let reason = if staged.is_some() { Reason::Replaced } else { Reason::Retired };
        if let Some((old, _)) = &here {
            // Promise 1: durable, bytes and index, before anything of the save changes.
            set.number = self.attic.put(save, path, old, reason)?.number;
            set.old = Some(*old);
        }
        set.new = staged.as_ref().map(|staged| New { name: staged.name.clone(), content: staged.content });
        self.slot
            .begin_set(set.clone())
            .map_err(|error| Error::io(format!("cannot replace `{path}`"), &error))?;
        if let Some(staged) = staged {
            staged.take();
        }
        // Promise 7, as late as can be.
        let now = whole::stamp(&*self.volume, &target);
        let stands = match &here {
            Some((_, stamp)) => now.is_ok_and(|now| now == *stamp),
            None => now.is_err_and(|error| error.kind() == io::ErrorKind::NotFound),
        };
        let allowed =
            guard().and_then(|()| if stands { Ok(()) } else { Err(busy(path, "it changed meanwhile")) });
        match allowed.and_then(|()| self.lay(&set, path, true, guard)) {
            Ok(()) => self.close_set(),
            Err(error) => {
                // As after a cut: look at what is there, go on or leave it. If even that fails, the set stays declared.
                self.finish()?;
                let here = look(&*self.volume, &target, save)?.map(|(here, _)| here.payload);
                if here == set.new.map(|new| new.content) { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Is the payload one of such a save, and does no folder stand where one of its files goes?
    fn fits(&self, staged: &Path, target: &Path) -> io::Result<()> {
        for ((name, _), _) in self.files_of(staged, target)? {
            if self.volume.list(&whole::member_path(target, &name)).is_ok() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("`{name}` is a folder there"),
                ));
            }
        }
        Ok(())
    }

    /// The stamp of a set that was just put in place, read with its bytes: laying many files takes its time, and what a game
    /// wrote meanwhile must not pass under the stamp of ours.
    pub(super) fn set_stamp(&self, path: &RelativePath, save: &SaveId, new: &Content) -> Result<Stamp> {
        match look(&*self.volume, &path.under(&self.root_dir), save)? {
            Some((here, stamp)) if here.payload == *new => Ok(stamp),
            _ => Err(busy(path, "a game wrote it meanwhile")),
        }
    }

    /// Goes on with a set that a cut interrupted, when no file of it is open any more.
    pub(super) fn finish_set(&mut self) -> Result<Vec<Problem>> {
        let Some(set) = self.slot.record.set.clone() else { return Ok(Vec::new()) };
        let Some(path) = set.path() else { return self.close_set().map(|()| Vec::new()) };
        let target = path.under(&self.root_dir);
        let doing = || format!("cannot finish the interrupted replacement of `{path}`");
        // What cannot be read as a whole may be of two versions: an error of the card comes back below.
        let here = look(&*self.volume, &target, &set.save).map(|here| here.map(|(here, _)| here.file));
        let (old, new) = (set.old.map(|old| old.file), set.new.as_ref().map(|new| new.content));
        if here.is_ok_and(|here| here == old || here == new) {
            return self.close_set().map(|()| Vec::new());
        }
        let failed = |error: io::Error| Error::io(doing(), &error);
        let staged = set.new.as_ref().map(|new| self.incoming.join(&new.name));
        let is_staged = match (&staged, &set.new) {
            (Some(staged), Some(new)) => measure(&*self.volume, staged).is_ok_and(|is| is == new.content),
            _ => true,
        };
        let kept =
            old.filter(|old| self.attic.holds(set.number, old)).map(|_| self.attic.path_of(set.number));
        let files = match self.files_here(&target) {
            // What lies there is no save any more, and will not become one by waiting: nothing else must wait for it.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return self.leave_set(&set, &path),
            files => files.map_err(failed)?,
        };
        let of = |from: Option<&PathBuf>| from.map_or(Ok(Vec::new()), |from| self.files_of(from, &target));
        let new = of(staged.as_ref().filter(|_| is_staged)).unwrap_or_default();
        let old = of(kept.as_ref()).unwrap_or_default();
        let is = |files: &[(File, Part)], file: &File| files.iter().any(|(other, _)| other == file);
        let ours = files.iter().all(|file| file.1.size_bytes == 0 || is(&new, file) || is(&old, file));
        if ours && (is_staged || kept.is_some()) {
            self.lay(&set, &path, is_staged, &mut || Ok(()))?;
            return self.close_set().map(|()| Vec::new());
        }
        // Promise 1, for torn bytes too: they could still be what a game wrote.
        if let Ok(Some((here, _))) = look(&*self.volume, &target, &set.save) {
            self.attic.put(&set.save, &path, &here, Reason::Found)?;
        }
        self.leave_set(&set, &path)
    }

    /// What is there is neither the old save nor the new one: it stays.
    fn leave_set(&mut self, set: &Intent, path: &RelativePath) -> Result<Vec<Problem>> {
        let problem = recovery::foreign(set, path, "left as it is");
        self.close_set().map(|()| vec![problem])
    }

    /// Makes the files those of the staged payload, or back those of the attic's. The guard is asked before the first change;
    /// then it goes on to the end, for a game could do nothing with half of it.
    fn lay(&mut self, set: &Intent, path: &RelativePath, forward: bool, guard: &mut Guard<'_>) -> Result<()> {
        let mut guard = Some(guard);
        let mut ask = || guard.take().map_or(Ok(()), |guard| guard());
        let target = path.under(&self.root_dir);
        let failed = |error: io::Error| Error::io(format!("cannot replace `{path}`"), &error);
        let source = match (&set.new, set.old) {
            (Some(new), _) if forward => Some(self.incoming.join(&new.name)),
            (_, Some(_)) if !forward => Some(self.attic.path_of(set.number)),
            _ => None,
        };
        let files = source
            .as_ref()
            .map_or(Ok(Vec::new()), |source| self.files_of(source, &target))
            .map_err(failed)?;
        let here = self.files_here(&target).map_err(failed)?;
        // First what must go: on a card that does not tell `a` from `A`, one of the files may have its name.
        for (name, _) in here.iter().filter(|(name, _)| !files.iter().any(|((other, _), _)| other == name)) {
            self.put_file(&set.save, &beside(path, name)?, None, &mut ask)?;
        }
        for (file, part) in &files {
            let Some(source) = source.as_ref().filter(|_| !here.contains(file)) else { continue };
            let mut bytes = self.part(source, part).map_err(failed)?;
            let staged = self.stage(&file.1, &mut bytes)?;
            self.put_file(&set.save, &beside(path, &file.0)?, Some(staged), &mut ask)?;
        }
        Ok(())
    }

    /// One file of a set to its place, or away.
    fn put_file(
        &mut self,
        save: &SaveId,
        path: &RelativePath,
        staged: Option<Staged>,
        guard: &mut Guard<'_>,
    ) -> Result<()> {
        let target = path.under(&self.root_dir);
        let here = look(&*self.volume, &target, save)?;
        if here.is_none() {
            steps::make_folder_of(&*self.volume, &target)
                .map_err(|error| Error::io(format!("cannot make the folder of `{path}`"), &error))?;
        }
        let mut intent = Intent::new(Way::Move, save, path);
        intent.away = self.fresh_name();
        intent.old = here.map(|(old, _)| old);
        intent.new = staged.as_ref().map(|staged| New { name: staged.name.clone(), content: staged.content });
        if let Some(staged) = staged {
            staged.take();
        }
        self.commit(intent, path, here.map(|(_, stamp)| stamp), guard).map(drop)
    }

    /// The files that are there.
    fn files_here(&self, target: &Path) -> io::Result<Vec<File>> {
        let members = whole::members(&*self.volume, target)?;
        let measured = members.into_iter().map(|member| {
            let content = measure(&*self.volume, &whole::member_path(target, &member.name))?;
            Ok((member.name, content))
        });
        measured.collect()
    }

    /// The files of a payload that lies in a file of ours.
    fn files_of(&self, payload: &Path, target: &Path) -> io::Result<Vec<(File, Part)>> {
        let set = whole::set_of(target).unwrap_or(Set::Tree);
        let here = whole::sizes(whole::members(&*self.volume, target)?);
        let parts = set.parts(&mut self.volume.open(payload)?, whole::stem(target), &here)?;
        let measured = parts.into_iter().map(|part| {
            let content = contents(&mut self.part(payload, &part)?)?;
            Ok(((part.name.clone(), content), part))
        });
        measured.collect()
    }

    /// The bytes of one file of a payload.
    fn part(&self, payload: &Path, part: &Part) -> io::Result<Take<Box<dyn VolumeFile>>> {
        let mut file = self.volume.open(payload)?;
        file.seek(SeekFrom::Start(part.offset))?;
        Ok(file.take(part.size_bytes))
    }

    fn close_set(&mut self) -> Result<()> {
        let set = self.slot.record.set.take();
        // Never renamed: no other name can share its clusters.
        let spare = set.as_ref().and_then(|set| set.new.as_ref()).map(recovery::spare_of);
        let closed = self.close(spare);
        if closed.is_err() {
            self.slot.record.set = set;
        }
        closed
    }
}

fn beside(path: &RelativePath, name: &str) -> Result<RelativePath> {
    path.beside(name).ok_or_else(|| busy(path, "one of its files has a name that is none"))
}
