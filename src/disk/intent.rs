//! What is being done to a save right now: one record in two alternating slots, open while a cut would need finishing.
//!
//! The record also says which files in `incoming/` may be written again and which may never be touched. A staged file is
//! renamed only under an open intent that names it; so a file that no record names was never renamed, and one whose
//! rename was cut is listed as a stray before its intent closes.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::Arc;

use retrosync_protocol::{Content, SaveId};

use crate::attic::Looked;
use crate::durable::{MOST_COUNTED, Pair};
use crate::snapshot::RelativePath;
use crate::volume::Volume;

/// How the save's bytes are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    /// Overwritten without truncation: neither FAT nor folder changes.
    InPlace,
    /// The old file is moved out of the way, then the new one to the name.
    Move,
    /// A save that is several files: each of them is moved, under an intent of its own.
    Set,
}

/// New bytes, staged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct New {
    /// The file in `incoming/`.
    pub(super) name: String,
    pub(super) content: Content,
}

/// One replacement or retirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) way: Way,
    pub(super) save: SaveId,
    path: String,
    /// What was there; `None`: nothing.
    pub(super) old: Option<Looked>,
    /// What comes there; `None`: nothing, it is retired.
    pub(super) new: Option<New>,
    /// Which copy in the attic has the old bytes; 0: there were none.
    pub(super) number: u64,
    /// The name in `incoming/` to which the old file is moved.
    pub(super) away: String,
    /// A cut left the old file under its name and a stray's: it must go from its name whatever else.
    #[serde(default)]
    pub(super) twin: bool,
}

impl Intent {
    pub(super) fn new(way: Way, save: &SaveId, path: &RelativePath) -> Intent {
        let (save, path) = (save.clone(), path.as_str().to_owned());
        Intent { way, save, path, old: None, new: None, number: 0, away: String::new(), twin: false }
    }

    /// Where the save is. `None` only for a record that passed its checksum and is wrong all the same.
    pub(super) fn path(&self) -> Option<RelativePath> {
        RelativePath::new(&self.path)
    }
}

/// A staged file that was written and synced, never renamed, and is wanted no more: the next save of its size is staged
/// in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spare {
    pub(super) name: String,
    pub(super) size_bytes: u64,
}

/// Larger staged files are removed, not kept as spares.
pub(super) const SPARE_BYTES: u64 = 1 << 20;
/// How many strays a record has room for.
const MOST_STRAYS: usize = 60;
/// The most spares that are kept: save states have another size each time, and a card must not fill with them.
const MOST_SPARES: usize = 8;
/// The most bytes of spares that are kept.
const SPARES_BYTES: u64 = 2 << 20;

/// The record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) open: Option<Intent>,
    /// The save of several files that is being replaced; `open` is one of its files, or nothing.
    #[serde(default)]
    pub(super) set: Option<Intent>,
    pub(super) spares: Vec<Spare>,
    /// Files that may share their clusters with a save: never touched.
    pub(super) strays: Vec<String>,
    /// The record was lost, or the strays outgrew it: nothing in `incoming/` that it does not name is ever removed.
    #[serde(default)]
    pub(super) keep_all: bool,
}

impl Record {
    /// Is something begun and not yet durable or undone?
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some() || self.set.is_some()
    }

    /// Every name in `incoming/` that it speaks of.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let open = self.open.iter();
        let open = open.flat_map(|open| open.new.iter().map(|new| &new.name).chain([&open.away]));
        let open = open.chain(self.set.iter().flat_map(|set| &set.new).map(|new| &new.name));
        let spares = self.spares.iter().map(|spare| &spare.name);
        open.chain(spares).chain(&self.strays).map(String::as_str)
    }
}

/// Is it a number, as every name that is given in `incoming/`?
fn is_name(name: &str) -> bool {
    name.parse().is_ok_and(|number: u64| number <= MOST_COUNTED) && name.bytes().all(|b| b.is_ascii_digit())
}

/// The record and its two files.
pub(super) struct Slot {
    pair: Pair,
    pub(super) record: Record,
}

impl Slot {
    /// Reads the record. Without a whole one, nothing that lies in `incoming/` is known.
    pub(super) fn open(volume: Arc<dyn Volume>, state_dir: &Path) -> io::Result<Slot> {
        let (pair, found) = Pair::open(volume, state_dir, "slot")?;
        // A record that names what is not in `incoming/` was not written here, whatever its checksum says.
        let ours = found.record.filter(|record: &Record| record.names().all(is_name));
        let unknown = Record { keep_all: found.damaged || pair.generation() > 0, ..Record::default() };
        Ok(Slot { pair, record: ours.unwrap_or(unknown) })
    }

    /// Was a record ever written?
    pub(super) fn is_new(&self) -> bool {
        self.pair.generation() == 0
    }

    /// Declares the intent; durable when it returns. Nothing of it may have begun before.
    pub(super) fn begin(&mut self, intent: Intent) -> io::Result<()> {
        let mut record = self.record.clone();
        if let Some(new) = &intent.new {
            record.spares.retain(|spare| spare.name != new.name);
        }
        record.open = Some(intent);
        self.write(record)
    }

    /// Closes the intent; durable when it returns. Before that, the save's final bytes must be durable. Answers spares that
    /// are too many: no record names them any more, and they may be removed.
    pub(super) fn close(&mut self, spare: Option<Spare>) -> io::Result<Vec<Spare>> {
        let mut record = self.record.clone();
        record.open = None;
        record.spares.extend(spare);
        let mut dropped = Vec::new();
        let too_many = |spares: &[Spare]| {
            spares.len() > MOST_SPARES || spares.iter().map(|s| s.size_bytes).sum::<u64>() > SPARES_BYTES
        };
        while too_many(&record.spares) {
            dropped.push(record.spares.remove(0));
        }
        self.write(record)?;
        Ok(dropped)
    }

    /// Declares that a save of several files is being replaced; durable when it returns.
    pub(super) fn begin_set(&mut self, set: Intent) -> io::Result<()> {
        let mut record = self.record.clone();
        if let Some(new) = &set.new {
            record.spares.retain(|spare| spare.name != new.name);
        }
        record.set = Some(set);
        self.write(record)
    }

    /// A file that may share its clusters with a save; durable with the next [`Slot::begin`] or [`Slot::close`].
    pub(super) fn estrange(&mut self, name: String) {
        let record = &mut self.record;
        record.strays.push(name);
        if record.strays.len() > MOST_STRAYS {
            record.strays.remove(0);
            record.keep_all = true;
        }
    }

    fn write(&mut self, record: Record) -> io::Result<()> {
        self.pair.write(&record)?;
        self.record = record;
        Ok(())
    }
}
