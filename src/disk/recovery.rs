//! Finishes or undoes what a cut interrupted, by looking at what is there; never by what should be.
//!
//! ```text
//! in place  the save is new ............ close
//!           old ........................ close: it was not begun
//!           another size, or gone ...... not ours: leave it, tell
//!           else (torn) ................ rewrite it from the staged bytes, else from the attic; what is no mix of
//!                                        old and new goes to the attic first
//! move      the save is new ............ make its name and the attic's durable, close
//!           old, its attic name free ... close: it was not begun
//!           old, its attic name too .... both names share one chain: move this one to the attic as well, never to be
//!                                        removed; then as below
//!           gone, or empty ............. enter the old bytes into the attic; put the staged file in place, else the
//!                                        old bytes back
//!           else ....................... not ours: leave it, tell
//! ```
//!
//! Promise 8: a cut during any of this finds the intent still open and comes here again.

use std::io;

use super::Disk;
use super::intent::{Intent, New, SPARE_BYTES, Spare, Way};
use super::steps;
use crate::attic::{Looked, Reason, look};
use crate::error::{Error, Kind, Problem, Result};
use crate::snapshot::RelativePath;

impl Disk {
    /// Finishes the open intent, if there is one.
    pub(super) fn finish(&mut self) -> Result<Vec<Problem>> {
        let Some(intent) = self.slot.record.open.clone() else { return Ok(Vec::new()) };
        let Some(path) = intent.path() else {
            let error =
                Error::new(Kind::Damaged, "cannot finish an interrupted replacement", "its record is wrong");
            return self.close(None, None).map(|()| vec![error.into()]);
        };
        match intent.way {
            Way::InPlace => self.finish_in_place(&intent, &path),
            Way::Move => self.finish_move(intent, &path),
        }
    }

    fn finish_in_place(&mut self, intent: &Intent, path: &RelativePath) -> Result<Vec<Problem>> {
        let (Some(old), Some(new)) = (&intent.old, &intent.new) else {
            return self.close(None, None).map(|()| Vec::new());
        };
        let target = path.under(&self.root_dir);
        let staged = self.incoming.join(&new.name);
        // In place nothing was renamed: the staged file shares its clusters with nothing.
        let spare = self.is(&staged, new).then(|| spare_of(new));
        let mut problems = Vec::new();
        match look(&*self.volume, &target)? {
            Some((here, _)) if here.file == new.content || here.file == old.file => {
                let mut file = self.volume.open(&target).map_err(|e| cannot(path, &e))?;
                file.sync().map_err(|e| cannot(path, &e))?;
            }
            Some((here, _)) if here.file.size_bytes == new.content.size_bytes => {
                if !self.is_mix(path, intent.number, new)? {
                    let kept = self.attic.put(&intent.save, path, &here, Reason::Found)?;
                    problems.push(foreign(intent, path, &format!("kept as copy {}", kept.number)));
                }
                let source = if spare.is_some() {
                    staged
                } else if self.attic.holds(intent.number, &old.file) {
                    self.attic.path_of(intent.number)
                } else {
                    // Neither of the two is whole: nothing better than what is there.
                    problems.push(foreign(intent, path, "left as it is"));
                    return self.close(None, None).map(|()| problems);
                };
                steps::overwrite(&*self.volume, &source, &target).map_err(|e| cannot(path, &e))?;
            }
            _ => problems.push(foreign(intent, path, "left as it is")),
        }
        self.close(spare, None)?;
        Ok(problems)
    }

    fn finish_move(&mut self, mut intent: Intent, path: &RelativePath) -> Result<Vec<Problem>> {
        let target = path.under(&self.root_dir);
        let here = look(&*self.volume, &target)?.map(|(here, _)| here);
        let staged = match &intent.new {
            Some(new) if self.is(&self.incoming.join(&new.name), new) => Some(new.clone()),
            _ => None,
        };
        let is_new = |here: &Looked| intent.new.as_ref().is_some_and(|new| here.file == new.content);
        match here {
            Some(here) if is_new(&here) => {
                self.settle_old(&intent, path)?;
                self.settle_new(&intent, path)?;
                // If the staged name is still there it shares the save's clusters: never to be touched.
                let stray = staged.map(|new| new.name);
                return self.close(None, stray).map(|()| Vec::new());
            }
            Some(here) if intent.old == Some(here) => {
                let twin = self.volume.stamp(&self.attic.path_of(intent.number)).is_ok();
                if !twin || (intent.new.is_some() && staged.is_none()) {
                    return self.abandon(staged).map(|()| Vec::new());
                }
                // The save's name and the attic's share one chain. Neither may be removed or stay in play: both are
                // kept for ever, and the save gets clusters of its own.
                (intent.number, intent.pinned) = (self.attic.reserve(), true);
                self.slot.begin(intent.clone()).map_err(|e| cannot(path, &e))?;
                let kept = self.attic.path_of(intent.number);
                steps::rename(&*self.volume, &target, &kept).map_err(|e| cannot(path, &e))?;
            }
            None | Some(Looked { file: retrosync_protocol::Content { size_bytes: 0, .. }, .. }) => {}
            Some(_) => {
                self.settle_old(&intent, path)?;
                let problem = foreign(&intent, path, "left as it is");
                return self.close(None, staged.map(|new| new.name)).map(|()| vec![problem]);
            }
        }
        self.settle_old(&intent, path)?;
        self.fill(&intent, path, staged)
    }

    /// Nothing, or an empty entry, is in the save's place: the new bytes go there, else the old ones.
    fn fill(&mut self, intent: &Intent, path: &RelativePath, staged: Option<New>) -> Result<Vec<Problem>> {
        let source = match (&intent.new, staged, &intent.old) {
            (None, _, _) => return self.close(None, None).map(|()| Vec::new()),
            (Some(_), Some(new), _) => Some(new),
            (Some(_), None, Some(old)) if self.attic.holds(intent.number, &old.file) => {
                let mut kept = self.attic.read(intent.number)?;
                let staged = self.stage(&old.file, &mut kept)?;
                Some(New { name: staged.name, content: old.file })
            }
            (Some(_), None, _) => None,
        };
        let Some(source) = source else {
            return self.close(None, None).map(|()| match intent.old {
                Some(_) => vec![foreign(intent, path, "neither the old nor the new bytes can be read")],
                None => Vec::new(),
            });
        };
        // What is put there must be named by the record before it is renamed.
        if intent.new.as_ref() != Some(&source) {
            let mut intent = intent.clone();
            intent.new = Some(source.clone());
            self.slot.begin(intent).map_err(|e| cannot(path, &e))?;
        }
        let target = path.under(&self.root_dir);
        steps::make_folder_of(&*self.volume, &target).map_err(|e| cannot(path, &e))?;
        steps::rename(&*self.volume, &self.incoming.join(&source.name), &target)
            .map_err(|e| cannot(path, &e))?;
        self.close(None, None).map(|()| Vec::new())
    }

    /// Promise 1: the old bytes that were moved are in the attic, durably, and in its index.
    fn settle_old(&mut self, intent: &Intent, path: &RelativePath) -> Result<()> {
        let Some(old) = &intent.old else { return Ok(()) };
        if self.attic.holds(intent.number, &old.file) {
            let kept = self.attic.path_of(intent.number);
            let mut file = self.volume.open(&kept).map_err(|e| cannot(path, &e))?;
            steps::settle_rename(&*self.volume, &mut *file, &path.under(&self.root_dir), &kept)
                .map_err(|e| cannot(path, &e))?;
            let reason = if intent.new.is_some() { Reason::Replaced } else { Reason::Retired };
            self.attic.adopt(intent.number, &intent.save, path, old, reason, intent.pinned)?;
        }
        Ok(())
    }

    fn settle_new(&mut self, intent: &Intent, path: &RelativePath) -> Result<()> {
        let Some(new) = &intent.new else { return Ok(()) };
        let target = path.under(&self.root_dir);
        let settled = self.volume.open(&target).and_then(|mut file| {
            steps::settle_rename(&*self.volume, &mut *file, &self.incoming.join(&new.name), &target)
        });
        settled.map_err(|e| cannot(path, &e))
    }

    /// Nothing was changed: the staged file may serve again.
    pub(super) fn abandon(&mut self, staged: Option<New>) -> Result<()> {
        self.close(staged.map(|new| spare_of(&new)), None)
    }

    /// Closes the intent; a spare that is too large to lie about is removed after that.
    pub(super) fn close(&mut self, spare: Option<Spare>, stray: Option<String>) -> Result<()> {
        let large = spare.as_ref().filter(|spare| spare.size_bytes > SPARE_BYTES).map(|s| s.name.clone());
        let spare = spare.filter(|_| large.is_none());
        self.slot
            .close(spare, stray)
            .map_err(|error| Error::io("cannot close the record of a replacement", &error))?;
        if let Some(name) = large {
            // Never renamed, and no longer named by an open intent. If it stays, it is a leftover like others.
            let _ = self.volume.remove(&self.incoming.join(name));
        }
        Ok(())
    }

    fn is(&self, staged: &std::path::Path, new: &New) -> bool {
        matches!(look(&*self.volume, staged), Ok(Some((looked, _))) if looked.file == new.content)
    }

    /// Is every sector of the save of the old bytes or of the new ones? Then nobody else wrote there.
    fn is_mix(&self, path: &RelativePath, number: u64, new: &New) -> Result<bool> {
        let files = [path.under(&self.root_dir), self.attic.path_of(number), self.incoming.join(&new.name)];
        let compare = || -> io::Result<bool> {
            let mut files =
                files.iter().map(|path| self.volume.open(path)).collect::<io::Result<Vec<_>>>()?;
            let mut sectors = [[0u8; SECTOR_BYTES]; 3];
            let mut left = new.content.size_bytes;
            while left > 0 {
                let count = SECTOR_BYTES.min(usize::try_from(left).unwrap_or(SECTOR_BYTES));
                for (file, sector) in files.iter_mut().zip(&mut sectors) {
                    io::Read::read_exact(file, &mut sector[..count])?;
                }
                let [here, old, new] = &sectors;
                if here[..count] != old[..count] && here[..count] != new[..count] {
                    return Ok(false);
                }
                left -= count as u64;
            }
            Ok(true)
        };
        // Unreadable or shorter: not known to be a mix, so it is kept.
        Ok(compare().unwrap_or(false))
    }
}

/// What a card writes as a whole.
const SECTOR_BYTES: usize = 512;

pub(super) fn spare_of(new: &New) -> Spare {
    Spare { name: new.name.clone(), size_bytes: new.content.size_bytes }
}

fn foreign(intent: &Intent, path: &RelativePath, what: &str) -> Problem {
    let doing = format!("found an interrupted replacement of `{path}`");
    let cause = format!("what is there now is neither the old nor the new save: {what}");
    let error = Error::new(Kind::Damaged, doing, cause);
    Problem::of(&intent.save, error.help("`retrosync history` shows every version that is kept"))
}

fn cannot(path: &RelativePath, error: &io::Error) -> Error {
    Error::io(format!("cannot finish the interrupted replacement of `{path}`"), error)
        .help("the card may be failing; both versions are kept. run `retrosync doctor`")
}
