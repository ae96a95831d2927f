//! The journal: what this device knows of both sides, on a card that may lose power at any time.
//!
//! An append-only log in the primary root, replayed at start into [`Base`] and [`Listing`], so that a restart needs one
//! quiet request. It is a cache: losing any suffix of it, or all, may cost a question, never a save. It never looks at a
//! save's bytes.
//!
//! Two files, `journal.0` and `journal.1`. One is in force and only ever grows; when it has become long, all that is known is
//! written into the other, which comes into force with its last line, `ready`. The newest file with that line wins.

mod record;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync_protocol::{Digest, Epoch, Head, Landmark, Mistake, SaveHeads, SaveId, WriterId};

use crate::durable::{Log, MOST_COUNTED, Order, seal};
use crate::error::{Error, Kind, Problem, Result};
use crate::snapshot::{Base, BaseEntry, Listing, Place, Stamp};
use crate::volume::Volume;
use record::Record;

/// Something learnt, in the order in which it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Both sides are equal at this version. If the listing did not know the version as a head, it is the only head now
    /// (record the heads that the remote answered with right after, if it did).
    Settled {
        /// Which save.
        save: SaveId,
        /// What they agree on.
        entry: BaseEntry,
    },
    /// Doubted bytes lie here, for a game to load, or were stored aside: not again. Without a base entry, nothing to remember
    /// it by: a no-op.
    Aside {
        /// Which save.
        save: SaveId,
        /// The doubted content, or [`NOTHING_STORED`](crate::snapshot::NOTHING_STORED); none once a person has put something else
        /// in its place.
        digest: Option<Digest>,
    },
    /// The same bytes under another stamp: they need not be hashed again.
    Restamped {
        /// Which save.
        save: SaveId,
        /// Where it is.
        place: Place,
        /// Its stamp now.
        stamp: Stamp,
    },
    /// A running game loaded what lay there before the last `Settled`, and may write it back. The next `Settled` of the
    /// save ends that.
    Loaded {
        /// Which save.
        save: SaveId,
        /// The base's entry of what it loaded; `None`: there was none.
        before: Option<BaseEntry>,
    },
    /// The base of this save is unknown from now on.
    Forgotten {
        /// Which save.
        save: SaveId,
    },
    /// What the remote said of one save.
    Heads(SaveHeads),
    /// All changes up to here are recorded.
    Cursor {
        /// Of which history.
        epoch: Epoch,
        /// How far.
        cursor: u64,
        /// The last change that there was.
        landmark: Option<Landmark>,
    },
    /// Another epoch, or a writer in doubt: no entry is trusted, no head is known, the cursor is 0.
    Distrusted,
}

/// How often a file that cannot be read is tried.
const READS: usize = 3;
/// A file is rewritten when it is longer than this …
const COMPACT_BYTES: u64 = 64 * 1024;
/// … and this many times as long as what it began with.
const COMPACT_TIMES: u64 = 4;
/// What is left free in a new file for the entries that make it too long.
const ROOM_BYTES: u64 = 32 * 1024;
/// How much is gathered before it is written, while rewriting.
const PIECE_BYTES: usize = 64 * 1024;

/// The open journal.
pub struct Journal {
    volume: Arc<dyn Volume>,
    files: [PathBuf; 2],
    state: State,
    /// The file in force; none before the first entry.
    force: Option<Force>,
    in_doubt: bool,
}

struct Force {
    number: usize,
    generation: u64,
    log: Log,
    /// How long it was when it came into force.
    began_bytes: u64,
    /// It ends in a line that is not whole.
    torn: bool,
}

#[derive(Default)]
struct State {
    base: Base,
    listing: Listing,
    /// A list, for it is nearly always empty.
    loaded: Vec<(SaveId, Option<BaseEntry>)>,
}

impl Journal {
    /// Replays the journal in `state_dir`; writes nothing. A torn end is left out silently: that is what cuts leave. A
    /// journal of which nothing can be read is a problem, and begins anew.
    ///
    /// # Errors
    /// None today; a card that cannot be read is a problem, for this is a cache.
    pub fn open(volume: Arc<dyn Volume>, state_dir: &Path) -> Result<(Journal, Vec<Problem>)> {
        let files = [0, 1].map(|number| state_dir.join(format!("journal.{number}")));
        let mut journal = Journal { volume, files, state: State::default(), force: None, in_doubt: false };
        let mut problems = Vec::new();
        let mut lost = false;
        for number in [0, 1] {
            // A card that hiccups is asked again: without the journal each change that was not stored yet would be a question.
            let replayed = (1..READS).fold(journal.replay(number), |replayed, _| match replayed {
                Err(_) => journal.replay(number),
                replayed => replayed,
            });
            match replayed {
                Ok(Replayed::Missing) => {}
                Ok(Replayed::Unfinished) => lost = true,
                Ok(Replayed::Whole(state, force)) => {
                    if journal.force.as_ref().is_none_or(|other| other.generation < force.generation) {
                        (journal.state, journal.force) = (*state, Some(force));
                    }
                }
                Err(error) => {
                    let doing = format!("cannot read `{}`", journal.files[number].display());
                    problems.push(Error::io(doing, &error).into());
                    lost = true;
                }
            }
        }
        journal.in_doubt = lost || journal.force.as_ref().is_some_and(|force| force.torn);
        if lost && journal.force.is_none() && problems.is_empty() {
            let doing = format!("cannot use the journal in `{}`", state_dir.display());
            let error = Error::new(Kind::Damaged, doing, "it is not whole");
            problems.push(error.help("nothing is lost: the saves are compared anew").into());
        }
        Ok((journal, problems))
    }

    fn replay(&self, number: usize) -> io::Result<Replayed> {
        match self.volume.stamp(&self.files[number]) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Replayed::Missing),
            stamp => stamp?,
        };
        let (mut state, mut generation, mut began_bytes) = (State::default(), 0, None);
        let (log, torn) =
            Log::open(&self.volume, &self.files[number], Order::Chained, &mut |record, end| match record {
                // An impossible one would keep every later file out of force.
                Record::Begin { generation: told } => generation = if told > MOST_COUNTED { 0 } else { told },
                Record::Ready => began_bytes = Some(end),
                record => {
                    if let Some(entry) = record.entry() {
                        state.apply(&entry);
                    }
                }
            })?;
        let Some(began_bytes) = began_bytes else {
            // Nothing but blank: made, and cut before the first line.
            let is_blank = generation == 0 && !torn;
            return Ok(if is_blank { Replayed::Missing } else { Replayed::Unfinished });
        };
        Ok(Replayed::Whole(Box::new(state), Force { number, generation, log, began_bytes, torn }))
    }

    /// Something of it could not be read, so what it says may be old. Whoever is going to act on it must distrust it: an old
    /// base makes branches of saves that nobody changed.
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Is the file that is open still the one that lies on the card? A card that was away comes back as another mount.
    pub fn is_in_place(&self) -> bool {
        self.force.as_ref().is_none_or(|force| force.log.is_at(&*self.volume, &self.files[force.number]))
    }

    /// What both sides last agreed on.
    pub fn base(&self) -> &Base {
        &self.state.base
    }

    /// What the remote has, as far as this device has heard; `known` is always empty here.
    pub fn listing(&self) -> &Listing {
        &self.state.listing
    }

    /// What running games loaded, where that is not what the base says.
    pub fn loaded(&self) -> &[(SaveId, Option<BaseEntry>)] {
        &self.state.loaded
    }

    /// Takes in an entry; durable after the next [`Journal::sync`]. What changes nothing is not written (promise 9).
    ///
    /// # Errors
    /// When it cannot be told in JSON.
    pub fn record(&mut self, entry: Entry) -> Result<()> {
        if !self.state.apply(&entry) {
            return Ok(());
        }
        match &mut self.force {
            Some(force) => force.log.append(&Record::of(&entry)).map_err(|e| cannot_write(&e)),
            // The first sync writes all that is known.
            None => Ok(()),
        }
    }

    /// Makes all entries durable; writes nothing if there are none. Call it once a cycle.
    ///
    /// # Errors
    /// When the card cannot take it; the entries are kept for the next try.
    pub fn sync(&mut self) -> Result<()> {
        let Some(force) = &mut self.force else {
            return if self.state.is_empty() { Ok(()) } else { self.compact().map_err(|e| cannot_write(&e)) };
        };
        force.log.sync().map_err(|error| cannot_write(&error))?;
        if force.log.size_bytes() > COMPACT_BYTES.max(force.began_bytes * COMPACT_TIMES) {
            // All is durable already; a card too full for a rewrite is asked again when the file is twice as long.
            if self.compact().is_err()
                && let Some(force) = &mut self.force
            {
                force.began_bytes = force.log.size_bytes() / 2;
            }
        }
        Ok(())
    }

    /// Writes all that is known into the file that is not in force, and puts it in force. A cut on the way leaves it without
    /// its last line, and the other one in force.
    fn compact(&mut self) -> io::Result<()> {
        let (number, generation) =
            self.force.as_ref().map_or((0, 1), |force| (1 - force.number, force.generation + 1));
        let mut need = 0;
        for record in self.state.records() {
            need += seal(0, &record)?.0.len() as u64;
        }
        // Room until it is rewritten, and some for the last entries.
        let room = COMPACT_BYTES.max(need * COMPACT_TIMES) + ROOM_BYTES;
        let mut log = Log::restart(&self.volume, &self.files[number], Order::Chained, room)?;
        log.append(&Record::Begin { generation })?;
        for record in self.state.records() {
            log.append(&record)?;
            if log.buffered_bytes() > PIECE_BYTES {
                log.write()?;
            }
        }
        log.append(&Record::Ready)?;
        log.sync()?;
        let began_bytes = log.size_bytes();
        self.force = Some(Force { number, generation, log, began_bytes, torn: false });
        Ok(())
    }
}

enum Replayed {
    Missing,
    Unfinished,
    Whole(Box<State>, Force),
}

fn cannot_write(error: &io::Error) -> Error {
    Error::io("cannot write the journal", error)
}

impl State {
    fn is_empty(&self) -> bool {
        self.base == Base::default() && self.listing == Listing::default()
    }

    /// The entries that make this state, in an order that does.
    fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let cursor = self
            .base
            .epoch
            .iter()
            .map(|epoch| Record::cursor(epoch, self.base.cursor, self.base.landmark.as_ref()));
        let settled = self.base.saves.iter().map(|(save, entry)| Record::settled(save, entry));
        // After the base, which makes up heads for what the listing does not know: those that are unknown are said so.
        let unknown = self.base.saves.keys().filter(|save| !self.listing.saves.contains_key(save));
        let unknown = unknown.map(|save| Record::Heads(SaveHeads { save: save.clone(), heads: Vec::new() }));
        let heads = self
            .listing
            .saves
            .iter()
            .map(|(save, heads)| Record::Heads(SaveHeads { save: save.clone(), heads: heads.clone() }));
        let loaded = self.loaded.iter().map(|(save, before)| Record::loaded(save, before.as_ref()));
        cursor.chain(settled).chain(unknown).chain(heads).chain(loaded)
    }

    /// Takes in an entry; says whether anything changed.
    fn apply(&mut self, entry: &Entry) -> bool {
        match entry {
            Entry::Settled { save, entry } => {
                let news = self.base.saves.insert(save.clone(), entry.clone()).as_ref() != Some(entry);
                let ended = self.ends(save);
                self.know_head(save, entry) || news || ended
            }
            Entry::Aside { save, digest } => self
                .base
                .saves
                .get_mut(save)
                .is_some_and(|entry| std::mem::replace(&mut entry.aside, *digest) != *digest),
            Entry::Restamped { save, place, stamp } => self.base.saves.get_mut(save).is_some_and(|entry| {
                let news = entry.place != *place || entry.stamp != *stamp;
                (entry.place, entry.stamp) = (place.clone(), *stamp);
                news
            }),
            Entry::Loaded { save, before } => {
                let now = (save.clone(), before.clone());
                let known = self.loaded.contains(&now);
                if !known {
                    self.ends(save);
                    self.loaded.push(now);
                }
                !known
            }
            Entry::Forgotten { save } => {
                let ended = self.ends(save);
                self.base.saves.remove(save).is_some() || ended
            }
            Entry::Heads(SaveHeads { save, heads }) if heads.is_empty() => {
                self.listing.saves.remove(save).is_some()
            }
            Entry::Heads(SaveHeads { save, heads }) => {
                self.listing.saves.insert(save.clone(), heads.clone()).as_ref() != Some(heads)
            }
            Entry::Cursor { epoch, cursor, landmark } => {
                let base = &mut self.base;
                let news = base.epoch.as_ref() != Some(epoch)
                    || base.cursor != *cursor
                    || base.landmark != *landmark;
                (base.epoch, base.cursor) = (Some(epoch.clone()), *cursor);
                base.landmark.clone_from(landmark);
                news
            }
            Entry::Distrusted => {
                let trusted =
                    self.base.saves.iter_mut().map(|(_, entry)| entry).filter(|entry| entry.trusted);
                let demoted =
                    trusted.map(|entry| entry.trusted = Mistake::AnotherHistoryIsTrusted.is_made()).count();
                let heads = std::mem::take(&mut self.listing.saves).len();
                // What a game loaded is in doubt like the base, and is still not what lies there now.
                for before in self.loaded.iter_mut().filter_map(|(_, before)| before.as_mut()) {
                    before.trusted = false;
                }
                let cursor = std::mem::take(&mut self.base.cursor);
                demoted + heads > 0 || cursor > 0
            }
        }
    }

    /// No game holds older bytes of this save any more; says whether one did.
    fn ends(&mut self, save: &SaveId) -> bool {
        let before = self.loaded.len();
        self.loaded.retain(|(loaded, _)| loaded != save);
        self.loaded.len() < before
    }

    /// What both sides agree on is a head, until the remote says otherwise: else the plan would fetch an older one back.
    fn know_head(&mut self, save: &SaveId, entry: &BaseEntry) -> bool {
        let known = self.listing.saves.get(save);
        if known.is_some_and(|heads| heads.iter().any(|head| head.version == entry.version)) {
            return false;
        }
        let head = Head {
            version: entry.version,
            content: entry.content,
            writer: WriterId::from_random(&[0; 16]),
            sequence: 0,
            device_name: String::new(),
            played: None,
            received_unix_s: 0,
        };
        self.listing.saves.insert(save.clone(), vec![head]);
        true
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
