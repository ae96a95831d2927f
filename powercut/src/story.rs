//! What is done to a card: stories of steps, carried out by the daemon's own code on any volume, and the bytes they move.
//!
//! The same story is played on a real card and told to the judge: what is there after each step follows from the steps alone.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use retrosync::attic::{Attic, Limits};
use retrosync::disk::{Disk, recover};
use retrosync::error::{Problem, Result};
use retrosync::identity::Identity;
use retrosync::journal::{Entry, Journal};
use retrosync::root::Root;
use retrosync::snapshot::{BaseEntry, Place, Stamp};
use retrosync::volume::Volume;
use retrosync_protocol::{Digest, Epoch, Token};

use crate::others::{self, Others};
use crate::saves::{SAVES, bytes, content, save};

/// Where the card is mounted, there and here.
pub(crate) const ROOT: &str = "/mnt/card";
/// How many sequence numbers a step takes: one reservation at most.
pub(crate) const TAKEN: u64 = 40;
/// One thing the daemon does. The numbers of a save's rounds grow by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Brings bytes of this size for the save of this number.
    Bring(usize, usize),
    /// Another device retired it.
    Retire(usize),
    /// The journal learns something of every save, and syncs.
    Learn,
    /// The writer takes sequence numbers.
    Count,
    /// Pairing keeps a new token.
    Pair,
    /// The attic lets go of the oldest copies.
    Thin,
    /// A setting is changed on the screen.
    Set,
    /// The firmware's scripts get our hooks, or lose them again.
    Hook,
    /// The screen learns buttons.
    Teach,
    /// The log goes on, and is set aside when it is full.
    Log,
    /// A second root is marked.
    Mark,
    /// The card is locked for this process.
    Lock,
    /// What a server without histories showed is kept on the card.
    Shelve,
    /// What everybody's helper does: a temporary file, synced, renamed over the save, the folder synced.
    Textbook(usize, usize),
}

/// A story.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// What is tested.
    pub(crate) name: &'static str,
    /// Saves that are there at the start: number and size.
    pub(crate) begins: Vec<(usize, usize)>,
    /// What is done.
    pub(crate) steps: Vec<Step>,
}

/// The token of a pairing.
pub(crate) fn token(number: usize) -> Token {
    Token::from_random(&[number as u8 + 1; 32])
}

/// The epoch of all journals here.
pub(crate) fn epoch() -> Epoch {
    Epoch::from_random(&[5; 16])
}

/// What the journal learns in the cycle of this number.
pub(crate) fn learnt(cycle: u64) -> Vec<Entry> {
    let settled = |number: usize| {
        let (save, path) = save(number);
        let bytes = bytes(number, cycle, 64);
        let digest = Digest::of(&bytes);
        let entry = BaseEntry {
            version: digest,
            content: Some(content(&bytes)),
            place: Place { root: 0, path },
            stamp: Stamp { size_bytes: cycle, mtime_s: -1, mtime_ns: 7, inode: 9 },
            ancestors: VecDeque::from(vec![digest; 16]),
            trusted: true,
            aside: None,
        };
        Entry::Settled { save, entry }
    };
    let mut entries: Vec<_> = (0..2).map(settled).collect();
    entries.push(Entry::Cursor { epoch: epoch(), cursor: cycle, landmark: None });
    entries
}

/// What a save holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The number of its bytes; 0: never there.
    pub(crate) round: u64,
    /// Its size; `None`: not there.
    pub(crate) size: Option<usize>,
    /// What the attic must hold, oldest first.
    pub(crate) kept: Vec<(u64, usize)>,
}

impl Held {
    /// The bytes of it.
    pub(crate) fn bytes(&self, save: usize) -> Option<Vec<u8>> {
        self.size.map(|size| bytes(save, self.round, size))
    }
}

/// What a card must hold after some steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// By number of the save.
    pub(crate) saves: [Held; SAVES.len()],
    /// Cycles that the journal learnt.
    pub(crate) cycles: u64,
    /// Sequence numbers that were given out.
    pub(crate) counted: u64,
    /// The token.
    pub(crate) paired: usize,
    /// All else.
    pub(crate) others: Others,
}

impl Story {
    /// Is there more on its card than saves?
    pub(crate) fn has_app(&self) -> bool {
        self.after(self.steps.len()).others != Others::default()
    }

    /// What the card holds after `done` steps.
    pub(crate) fn after(&self, done: usize) -> Expected {
        let mut all = Expected::default();
        for (save, size) in &self.begins {
            (all.saves[*save].round, all.saves[*save].size) = (1, Some(*size));
        }
        for step in &self.steps[..done] {
            all.take(*step);
        }
        all
    }
}

impl Expected {
    /// What one more step makes of it.
    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Bring(save, size) => self.saves[save].become_(Some(size), true),
            Step::Textbook(save, size) => self.saves[save].become_(Some(size), false),
            Step::Retire(save) => self.saves[save].become_(None, true),
            Step::Learn => self.cycles += 1,
            Step::Count => self.counted += TAKEN,
            Step::Pair => self.paired += 1,
            Step::Thin => self.saves.iter_mut().for_each(|held| {
                let gone = held.kept.len().saturating_sub(LIMITS.entries_per_save);
                held.kept.drain(..gone);
            }),
            other => _ = self.others.take(other),
        }
    }
}

impl Held {
    fn become_(&mut self, size: Option<usize>, keeps: bool) {
        if let Some(old) = self.size.filter(|_| keeps) {
            self.kept.push((self.round, old));
        }
        self.round += 1;
        self.size = size;
    }
}

const LIMITS: Limits = Limits { entries_per_save: 2, total_bytes: 64 << 20 };

/// The daemon's parts on one card.
pub(crate) struct Parts {
    volume: Arc<dyn Volume>,
    disk: Disk,
    journal: Journal,
    identity: Identity,
}

impl Parts {
    /// Starts as the daemon does: recovery first, then all the rest.
    ///
    /// # Errors
    /// What any part said.
    pub(crate) fn open(volume: Arc<dyn Volume>) -> Result<(Parts, Vec<Problem>)> {
        let root = Path::new(ROOT);
        let mut problems = recover(volume.clone(), root)?;
        let state_dir = Root::open(volume.clone(), root)?.state_dir();
        let (attic, found) = Attic::open(volume.clone(), root)?;
        problems.extend(found);
        let (disk, found) = Disk::open(volume.clone(), root, attic)?;
        problems.extend(found);
        let (journal, found) = Journal::open(volume.clone(), &state_dir)?;
        problems.extend(found);
        let (identity, _) = Identity::open(volume.clone(), &state_dir, "serial:1")?;
        Ok((Parts { volume, disk, journal, identity }, problems))
    }

    /// The disk with its attic.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The journal.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The identity.
    pub(crate) fn identity(&mut self) -> &mut Identity {
        &mut self.identity
    }

    /// Does one step. `now` is what the card holds before it.
    ///
    /// # Errors
    /// What the daemon's code said.
    pub(crate) fn take(&mut self, step: Step, now: &Expected) -> Result<()> {
        match step {
            Step::Bring(number, size) => {
                let new = bytes(number, now.saves[number].round + 1, size);
                let old = now.saves[number].bytes(number).map(|old| content(&old));
                let (save, path) = save(number);
                let staged = self.disk.stage(&content(&new), &mut &*new)?;
                self.disk.replace(&path, &save, old.as_ref(), staged, &mut || Ok(())).map(|_| ())
            }
            Step::Retire(number) => {
                let (save, path) = save(number);
                let old = now.saves[number].bytes(number).unwrap_or_default();
                self.disk.retire(&path, &save, &content(&old), &mut || Ok(()))
            }
            Step::Learn => {
                for entry in learnt(now.cycles + 1) {
                    self.journal.record(entry)?;
                }
                self.journal.sync()
            }
            Step::Count => (0..TAKEN).try_for_each(|_| self.identity.take_sequence().map(|_| ())),
            Step::Pair => {
                self.identity.facts.token = Some(token(now.paired + 1));
                self.identity.save()
            }
            Step::Thin => self.disk.attic_mut().thin(&|_, _| true, &LIMITS).map(|_| ()),
            Step::Textbook(number, size) => {
                let new = bytes(number, now.saves[number].round + 1, size);
                textbook(&*self.volume, &save(number).1.under(Path::new(ROOT)), &new)
                    .map_err(|error| retrosync::error::Error::io("cannot do what the textbook says", &error))
            }
            other => others::take(&self.volume, other, &now.others),
        }
    }
}

fn textbook(volume: &dyn Volume, target: &Path, new: &[u8]) -> std::io::Result<()> {
    let temporary = target.with_extension("tmp");
    let mut file = volume.create_new(&temporary)?;
    file.write_all_at(new, 0)?;
    file.sync()?;
    volume.rename(&temporary, target)?;
    volume.sync_folder(target.parent().unwrap_or(target))
}
