//! The journal's lines: the daemon's own values as they are told in JSON.

use serde::{Deserialize, Serialize};

use retrosync_protocol::{Content, Digest, Epoch, Head, Landmark, SaveHeads, SaveId, VersionId};

use super::Entry;
use crate::snapshot::{BaseEntry, Place, RelativePath, Stamp};

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase", try_from = "Line")]
pub(super) enum Record {
    /// The first line of a file: which of the two is newer.
    Begin {
        generation: u64,
    },
    /// All that was known when the file was begun stands before this line: from here on the file is in force.
    Ready,
    Settled {
        save: SaveId,
        version: VersionId,
        content: Option<Content>,
        place: Where,
        stamp: Times,
        ancestors: Vec<Digest>,
        trusted: bool,
        aside: Option<Digest>,
    },
    Aside {
        save: SaveId,
        digest: Option<Digest>,
    },
    Restamped {
        save: SaveId,
        place: Where,
        stamp: Times,
    },
    Loaded {
        save: SaveId,
        before: Option<Box<Record>>,
    },
    Forgotten {
        save: SaveId,
    },
    Heads(SaveHeads),
    Cursor {
        epoch: Epoch,
        cursor: u64,
        landmark: Option<Landmark>,
    },
    Distrusted,
}

/// The fields of every kind of line side by side: reading them so is smaller than serde's own way.
#[derive(Deserialize)]
struct Line {
    what: String,
    generation: Option<u64>,
    save: Option<SaveId>,
    version: Option<VersionId>,
    content: Option<Content>,
    place: Option<Where>,
    stamp: Option<Times>,
    before: Option<Box<Record>>,
    ancestors: Option<Vec<Digest>>,
    trusted: Option<bool>,
    aside: Option<Digest>,
    digest: Option<Digest>,
    heads: Option<Vec<Head>>,
    epoch: Option<Epoch>,
    cursor: Option<u64>,
    landmark: Option<Landmark>,
}

impl Line {
    /// Nothing for a kind of line that is not known, and for a line that lacks a field of its kind.
    fn record(self) -> Option<Record> {
        Some(match self.what.as_str() {
            "begin" => Record::Begin { generation: self.generation? },
            "ready" => Record::Ready,
            "settled" => Record::Settled {
                save: self.save?,
                version: self.version?,
                content: self.content,
                place: self.place?,
                stamp: self.stamp?,
                ancestors: self.ancestors?,
                trusted: self.trusted?,
                aside: self.aside,
            },
            "aside" => Record::Aside { save: self.save?, digest: self.digest },
            "restamped" => Record::Restamped { save: self.save?, place: self.place?, stamp: self.stamp? },
            "loaded" => Record::Loaded { save: self.save?, before: self.before },
            "forgotten" => Record::Forgotten { save: self.save? },
            "heads" => Record::Heads(SaveHeads { save: self.save?, heads: self.heads? }),
            "cursor" => Record::Cursor { epoch: self.epoch?, cursor: self.cursor?, landmark: self.landmark },
            "distrusted" => Record::Distrusted,
            _ => return None,
        })
    }
}

impl TryFrom<Line> for Record {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Record, &'static str> {
        line.record().ok_or("it is no line of the journal")
    }
}

/// Root number and path.
#[derive(Serialize, Deserialize)]
pub(super) struct Where(usize, String);

/// Size, seconds, nanoseconds, inode.
#[derive(Serialize, Deserialize)]
pub(super) struct Times(u64, i64, i64, u64);

impl From<&Place> for Where {
    fn from(place: &Place) -> Where {
        Where(place.root, place.path.as_str().to_owned())
    }
}

impl Where {
    fn place(self) -> Option<Place> {
        Some(Place { root: self.0, path: RelativePath::new(&self.1)? })
    }
}

impl From<Stamp> for Times {
    fn from(stamp: Stamp) -> Times {
        Times(stamp.size_bytes, stamp.mtime_s, stamp.mtime_ns, stamp.inode)
    }
}

impl From<Times> for Stamp {
    fn from(Times(size_bytes, mtime_s, mtime_ns, inode): Times) -> Stamp {
        Stamp { size_bytes, mtime_s, mtime_ns, inode }
    }
}

impl Record {
    /// A base entry's line.
    pub(super) fn settled(save: &SaveId, entry: &BaseEntry) -> Record {
        Record::Settled {
            save: save.clone(),
            version: entry.version,
            content: entry.content,
            place: (&entry.place).into(),
            stamp: entry.stamp.into(),
            ancestors: entry.ancestors.iter().copied().collect(),
            trusted: entry.trusted,
            aside: entry.aside,
        }
    }

    /// The line of what a game loaded.
    pub(super) fn loaded(save: &SaveId, before: Option<&BaseEntry>) -> Record {
        let before = before.map(|entry| Box::new(Record::settled(save, entry)));
        Record::Loaded { save: save.clone(), before }
    }

    /// The line of how far the changes were read.
    pub(super) fn cursor(epoch: &Epoch, cursor: u64, landmark: Option<&Landmark>) -> Record {
        Record::Cursor { epoch: epoch.clone(), cursor, landmark: landmark.cloned() }
    }

    /// An entry's line.
    pub(super) fn of(entry: &Entry) -> Record {
        match entry {
            Entry::Settled { save, entry } => Record::settled(save, entry),
            Entry::Aside { save, digest } => Record::Aside { save: save.clone(), digest: *digest },
            Entry::Restamped { save, place, stamp } => {
                Record::Restamped { save: save.clone(), place: place.into(), stamp: (*stamp).into() }
            }
            Entry::Loaded { save, before } => Record::loaded(save, before.as_ref()),
            Entry::Forgotten { save } => Record::Forgotten { save: save.clone() },
            Entry::Heads(heads) => Record::Heads(heads.clone()),
            Entry::Cursor { epoch, cursor, landmark } => Record::cursor(epoch, *cursor, landmark.as_ref()),
            Entry::Distrusted => Record::Distrusted,
        }
    }

    /// The entry in a line; nothing for the lines that frame a file, or a path that cannot be one.
    pub(super) fn entry(self) -> Option<Entry> {
        Some(match self {
            Record::Begin { .. } | Record::Ready => return None,
            Record::Settled { save, version, content, place, stamp, ancestors, trusted, aside } => {
                let (place, ancestors) = (place.place()?, ancestors.into());
                let stamp = stamp.into();
                Entry::Settled {
                    save,
                    entry: BaseEntry { version, content, place, stamp, ancestors, trusted, aside },
                }
            }
            Record::Aside { save, digest } => Entry::Aside { save, digest },
            Record::Restamped { save, place, stamp } => {
                Entry::Restamped { save, place: place.place()?, stamp: stamp.into() }
            }
            Record::Loaded { save, before } => {
                let before = match before.map(|record| record.entry()) {
                    None => None,
                    Some(Some(Entry::Settled { entry, .. })) => Some(entry),
                    Some(_) => return None,
                };
                Entry::Loaded { save, before }
            }
            Record::Forgotten { save } => Entry::Forgotten { save },
            Record::Heads(heads) => Entry::Heads(heads),
            Record::Cursor { epoch, cursor, landmark } => Entry::Cursor { epoch, cursor, landmark },
            Record::Distrusted => Entry::Distrusted,
        })
    }
}
