//! Finishes or undoes what a cut interrupted, by looking at what is there; never by what should be.
//!
//! ```text
//! in place  the save is new ............ close
//!           old ........................ close: it was not begun
//!           a mix of old and new ....... our torn write: a copy goes to the attic, if the card has room for it; rewrite it
//!                                        from the staged bytes, else from the attic
//!           else ....................... not ours (a game wrote before we came back): leave it, tell
//! move      the save is new ............ make its name durable, close
//!           new, and the staged name ... both names share one chain: as the next but one, with a copy of the new bytes
//!           old, nothing moved ......... close: it was not begun
//!           old, and moved away too .... both names share one chain: move this one away as well; then as below
//!           gone, or empty ............. put the staged file in place, else a copy of the old bytes
//!           else ....................... not ours: leave it, tell
//! ```
//!
//! Before all that, in a move: a short form of the save's name (`MIXEDC~1.SRM`) that holds what this very move moves is what
//! a cut left of the long name, whose slots lay in two sectors. It goes out of the way like an old file.
//!
//! Of two names that share a chain neither may be removed, written, or stay in play (a file-system check would truncate
//! one of them): both become strays, and the save gets clusters of its own.
//!
//! Promise 8: a cut during any of this finds the intent still open and comes here again.

use std::io;
use std::path::{Path, PathBuf};

use retrosync_protocol::{Content, Mistake};

use super::intent::{Intent, New, SPARE_BYTES, Spare, Way};
use super::{Disk, Staged, steps};
use crate::attic::{Looked, Reason, look, measure};
use crate::error::{Error, Kind, Problem, Result};
use crate::snapshot::RelativePath;

impl Disk {
    /// Finishes what is open, if anything is.
    pub(super) fn finish(&mut self) -> Result<Vec<Problem>> {
        let problems = self.finish_open()?;
        // Whatever became of one file of a set, the whole of it is at hand.
        if self.slot.record.set.is_none() { Ok(problems) } else { self.finish_set() }
    }

    /// Finishes the open intent, if there is one.
    pub(super) fn finish_open(&mut self) -> Result<Vec<Problem>> {
        let Some(intent) = self.slot.record.open.clone() else { return Ok(Vec::new()) };
        let Some(path) = intent.path() else {
            let error =
                Error::new(Kind::Damaged, "cannot finish an interrupted replacement", "its record is wrong");
            return self.close(None).map(|()| vec![error.into()]);
        };
        if Mistake::OpenIntentIsClosed.is_made() {
            return self.close(None).map(|()| Vec::new());
        }
        match intent.way {
            Way::InPlace => self.finish_in_place(&intent, &path),
            Way::Move | Way::Set => self.finish_move(intent, &path),
        }
    }

    fn finish_in_place(&mut self, intent: &Intent, path: &RelativePath) -> Result<Vec<Problem>> {
        let (Some(old), Some(new)) = (&intent.old, &intent.new) else {
            return self.close(None).map(|()| Vec::new());
        };
        let target = path.under(&self.root_dir);
        let staged = self.incoming.join(&new.name);
        // In place nothing was renamed: the staged file shares its clusters with nothing.
        let spare = self.is(&staged, new).then(|| spare_of(new));
        let mut problems = Vec::new();
        match look(&*self.volume, &target, &intent.save)? {
            Some((here, _)) if here.file == new.content || here.file == old.file => {
                let mut file = self.volume.open(&target).map_err(|e| cannot(path, &e))?;
                file.sync().map_err(|e| cannot(path, &e))?;
            }
            Some((here, _))
                if here.file.size_bytes == new.content.size_bytes
                    && self.is_mix(path, intent.number, new) =>
            {
                // Promise 1, for torn bytes too: a mix could still be what a game wrote. Where the card is full for that, a game
                // must not load it all the same: what it is mixed of is kept, and to write it takes no room.
                if let Err(error) = self.attic.put(&intent.save, path, &here, Reason::Found)
                    && error.kind != Kind::Full
                {
                    return Err(error);
                }
                let source = if spare.is_some() {
                    staged
                } else if self.attic.holds(intent.number, &old.file) {
                    self.attic.path_of(intent.number)
                } else {
                    // Neither of the two is whole: nothing better than what is there.
                    problems.push(foreign(intent, path, "left as it is"));
                    return self.close(None).map(|()| problems);
                };
                steps::overwrite(&*self.volume, &source, &target).map_err(|e| cannot(path, &e))?;
            }
            _ => problems.push(foreign(intent, path, "left as it is")),
        }
        self.close(spare)?;
        Ok(problems)
    }

    fn finish_move(&mut self, mut intent: Intent, path: &RelativePath) -> Result<Vec<Problem>> {
        self.move_ghosts_away(&mut intent, path)?;
        let target = path.under(&self.root_dir);
        let here = look(&*self.volume, &target, &intent.save)?.map(|(here, _)| here);
        let staged = intent.new.clone().filter(|new| self.is(&self.incoming.join(&new.name), new));
        let moved = self.volume.stamp(&self.incoming.join(&intent.away)).is_ok();
        match here {
            Some(here) if intent.new.as_ref().is_some_and(|new| here.file == new.content) => {
                self.settle_new(&intent, path)?;
                let Some(twin) = staged else {
                    return self.close_strange(&intent, moved).map(|()| Vec::new());
                };
                self.slot.estrange(twin.name);
                let mut file = self.volume.open(&target).map_err(|e| cannot(path, &e))?;
                intent.new = Some(self.stage(&twin.content, &mut file)?.take());
                self.move_away_again(&mut intent, path, &target, moved)?;
            }
            Some(here) if intent.old.is_some_and(|old| old.file == here.file) => {
                if !moved && !intent.twin {
                    return self.abandon(staged).map(|()| Vec::new());
                }
                self.move_away_again(&mut intent, path, &target, moved)?;
            }
            None | Some(Looked { file: Content { size_bytes: 0, .. }, .. }) => {}
            Some(_) => {
                if let Some(new) = staged {
                    self.slot.estrange(new.name);
                }
                let problem = foreign(&intent, path, "left as it is");
                return self.close_strange(&intent, moved).map(|()| vec![problem]);
            }
        }
        self.fill(intent, path)
    }

    /// Moves what a cut left of the save's name out of the way; new bytes that have no other name are staged anew.
    fn move_ghosts_away(&mut self, intent: &mut Intent, path: &RelativePath) -> Result<()> {
        while let Some(ghost) = self.ghost(intent, path).map_err(|e| cannot(path, &e))? {
            if let Some(twin) = intent.new.clone().filter(|new| self.is(&ghost, new)) {
                let mut file = self.volume.open(&ghost).map_err(|e| cannot(path, &e))?;
                intent.new = Some(self.stage(&twin.content, &mut file)?.take());
                self.slot.estrange(twin.name);
            }
            let moved = self.volume.stamp(&self.incoming.join(&intent.away)).is_ok();
            self.move_away_again(intent, path, &ghost, moved)?;
        }
        Ok(())
    }

    /// A file beside the save that has the short form of its name, and bytes that the intent speaks of, or none.
    fn ghost(&self, intent: &Intent, path: &RelativePath) -> io::Result<Option<PathBuf>> {
        let target = path.under(&self.root_dir);
        let Some(folder) = target.parent() else { return Ok(None) };
        let listed = match self.volume.list(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            listed => listed?,
        };
        let ours = |held: Content| {
            let is_new = intent.new.as_ref().is_some_and(|new| new.content == held);
            held.size_bytes == 0 || is_new || intent.old.is_some_and(|old| old.file == held)
        };
        let names = listed.iter().filter_map(|entry| entry.name.to_str());
        let mut ghosts = names.filter(|name| is_short_form(name, path.name())).map(|name| folder.join(name));
        Ok(ghosts.find(|ghost| measure(&*self.volume, ghost).is_ok_and(ours)))
    }

    /// Moves what is in the save's place, or a ghost of it, out of the way, under a name of its own.
    fn move_away_again(
        &mut self,
        intent: &mut Intent,
        path: &RelativePath,
        from: &Path,
        moved: bool,
    ) -> Result<()> {
        let away = std::mem::replace(&mut intent.away, self.fresh_name());
        if moved {
            self.slot.estrange(away);
            intent.twin = true;
        }
        self.slot.begin(intent.clone()).map_err(|e| cannot(path, &e))?;
        steps::rename(&*self.volume, from, &self.incoming.join(&intent.away))
            .map_err(|e| cannot(path, &e))
            .map(|_| ())
    }

    /// Nothing, or an empty entry, is in the save's place: the new bytes go there, else the old ones.
    fn fill(&mut self, mut intent: Intent, path: &RelativePath) -> Result<Vec<Problem>> {
        let moved = self.volume.stamp(&self.incoming.join(&intent.away)).is_ok();
        let Some(new) = intent.new.clone() else {
            return self.close_strange(&intent, moved).map(|()| Vec::new());
        };
        let staged = self.incoming.join(&new.name);
        if !self.is(&staged, &new) && !Mistake::StagedIsBelieved.is_made() {
            let Some(copy) = self.copy_of_either(&intent, &new)? else {
                if intent.old.is_none() && self.volume.stamp(&path.under(&self.root_dir)).is_ok() {
                    // A new save's empty entry, its bytes lost: none is better, it is fetched again.
                    self.move_away_again(&mut intent, path, &path.under(&self.root_dir), moved)?;
                    return self.close_strange(&intent, true).map(|()| Vec::new());
                }
                let problem = intent
                    .old
                    .map(|_| foreign(&intent, path, "neither the old nor the new bytes can be read"));
                return self.close_strange(&intent, moved).map(|()| problem.into_iter().collect());
            };
            // What is put there must be named by the record before it is renamed.
            intent.new = Some(copy.take());
            self.slot.begin(intent.clone()).map_err(|e| cannot(path, &e))?;
        }
        let (target, name) = (path.under(&self.root_dir), intent.new.as_ref().map(|new| &new.name));
        let staged = name.map_or(staged, |name| self.incoming.join(name));
        steps::make_folder_of(&*self.volume, &target).map_err(|e| cannot(path, &e))?;
        steps::rename(&*self.volume, &staged, &target).map_err(|e| cannot(path, &e))?;
        self.close_strange(&intent, moved).map(|()| Vec::new())
    }

    /// A staged copy of what was moved away, if that is the new bytes, else of the old bytes in the attic.
    fn copy_of_either(&mut self, intent: &Intent, new: &New) -> Result<Option<Staged>> {
        let away = self.incoming.join(&intent.away);
        if self.is(&away, new) {
            let mut file =
                self.volume.open(&away).map_err(|error| Error::io("cannot copy a save", &error))?;
            return self.stage(&new.content, &mut file).map(Some);
        }
        match &intent.old {
            Some(old) if self.attic.holds(intent.number, &old.file) => {
                let mut kept = self.attic.read(intent.number)?;
                self.stage(&old.file, &mut kept).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn settle_new(&mut self, intent: &Intent, path: &RelativePath) -> Result<()> {
        let Some(new) = &intent.new else { return Ok(()) };
        let target = path.under(&self.root_dir);
        let settled = self.volume.open(&target).and_then(|mut file| {
            steps::settle_rename(&*self.volume, &mut *file, &self.incoming.join(&new.name), &target)
        });
        settled.map_err(|e| cannot(path, &e))
    }

    /// Closes after a cut: what was moved away may share its clusters with something.
    fn close_strange(&mut self, intent: &Intent, moved: bool) -> Result<()> {
        if moved {
            self.slot.estrange(intent.away.clone());
        }
        self.close(None)
    }

    /// Nothing was changed: the staged file may serve again.
    pub(super) fn abandon(&mut self, staged: Option<New>) -> Result<()> {
        self.close(staged.map(|new| spare_of(&new)))
    }

    /// Closes the intent; spares that are too large or too many to lie about are removed after that.
    pub(super) fn close(&mut self, spare: Option<Spare>) -> Result<()> {
        let large = spare.as_ref().filter(|spare| spare.size_bytes > SPARE_BYTES).map(|s| s.name.clone());
        let spare = spare.filter(|_| large.is_none());
        let dropped = self
            .slot
            .close(spare)
            .map_err(|error| Error::io("cannot close the record of a replacement", &error))?;
        // No longer named by an open intent, and its clusters are its own. If one stays, it is a leftover like others.
        for name in dropped.into_iter().map(|spare| spare.name).chain(large) {
            let _ = steps::remove(&*self.volume, &self.incoming.join(name));
        }
        Ok(())
    }

    fn is(&self, staged: &Path, new: &New) -> bool {
        measure(&*self.volume, staged).is_ok_and(|content| content == new.content)
    }

    /// Is every byte of the save either the old one or the new one at its place? Then it is our own torn write.
    fn is_mix(&self, path: &RelativePath, number: u64, new: &New) -> bool {
        let files = [path.under(&self.root_dir), self.attic.path_of(number), self.incoming.join(&new.name)];
        let compare = || -> io::Result<bool> {
            let mut files =
                files.iter().map(|path| self.volume.open(path)).collect::<io::Result<Vec<_>>>()?;
            let mut pieces = [[0u8; PIECE_BYTES]; 3];
            let mut left = new.content.size_bytes;
            while left > 0 {
                let count = PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES));
                for (file, piece) in files.iter_mut().zip(&mut pieces) {
                    io::Read::read_exact(file, &mut piece[..count])?;
                }
                let [here, old, new] = &pieces;
                if (0..count).any(|at| here[at] != old[at] && here[at] != new[at]) {
                    return Ok(false);
                }
                left -= count as u64;
            }
            Ok(true)
        };
        // Unreadable: not known to be ours.
        compare().unwrap_or(false)
    }
}

const PIECE_BYTES: usize = 1024;

/// Is it what FAT makes of a long name for systems of old: its first letters, `~` and a number, its ending's first three?
fn is_short_form(name: &str, long: &str) -> bool {
    let split = |name| str::rsplit_once(name, '.').unwrap_or((name, ""));
    let ((base, end), (long, long_end)) = (split(name), split(long));
    let begins = |long: &str, short: &str| {
        let mut long = long.chars().filter(|c| *c != ' ' && *c != '.');
        let fits = |c: char, of: char| of.eq_ignore_ascii_case(&c) || !of.is_ascii_alphanumeric();
        short.chars().all(|c| long.next().is_some_and(|of| fits(c, of)))
    };
    let Some((stem, number)) = base.split_once('~') else { return false };
    // Where many begin alike, only two letters are the name's own.
    let two = stem.char_indices().nth(2).map_or(stem, |(at, _)| &stem[..at]);
    base.len() <= 8 && number.parse::<u32>().is_ok() && begins(long, two) && begins(long_end, end)
}

pub(super) fn spare_of(new: &New) -> Spare {
    Spare { name: new.name.clone(), size_bytes: new.content.size_bytes }
}

pub(super) fn foreign(intent: &Intent, path: &RelativePath, what: &str) -> Problem {
    let doing = format!("found an interrupted replacement of `{path}`");
    let cause = format!("what is there now is neither the old nor the new save: {what}");
    let error = Error::new(Kind::Damaged, doing, cause);
    Problem::of(&intent.save, error.help("`retrosync history` shows every version that is kept"))
}

fn cannot(path: &RelativePath, error: &io::Error) -> Error {
    Error::io(format!("cannot finish the interrupted replacement of `{path}`"), error)
        .help("the card may be failing; both versions are kept. run `retrosync doctor`")
}
