//! The journal's lines: the daemon's own values as they are told in JSON.

use serde::{Deserialize, Serialize};

use retrosync_protocol::{Content, Digest, Epoch, SaveHeads, SaveId, VersionId};

use super::Entry;
use crate::snapshot::{BaseEntry, Place, RelativePath, Stamp};

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
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
        digest: Digest,
    },
    Restamped {
        save: SaveId,
        place: Where,
        stamp: Times,
    },
    Forgotten {
        save: SaveId,
    },
    Heads(SaveHeads),
    Cursor {
        epoch: Epoch,
        cursor: u64,
    },
    Distrusted,
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

    /// An entry's line.
    pub(super) fn of(entry: &Entry) -> Record {
        match entry {
            Entry::Settled { save, entry } => Record::settled(save, entry),
            Entry::Aside { save, digest } => Record::Aside { save: save.clone(), digest: *digest },
            Entry::Restamped { save, place, stamp } => {
                Record::Restamped { save: save.clone(), place: place.into(), stamp: (*stamp).into() }
            }
            Entry::Forgotten { save } => Record::Forgotten { save: save.clone() },
            Entry::Heads(heads) => Record::Heads(heads.clone()),
            Entry::Cursor { epoch, cursor } => Record::Cursor { epoch: epoch.clone(), cursor: *cursor },
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
            Record::Forgotten { save } => Entry::Forgotten { save },
            Record::Heads(heads) => Entry::Heads(heads),
            Record::Cursor { epoch, cursor } => Entry::Cursor { epoch, cursor },
            Record::Distrusted => Entry::Distrusted,
        })
    }
}
