//! The three maps that the plan compares: Local (bytes on the cards), Listing (versions on the remote), Base (what
//! both last agreed on).
//!
//! PURE: plain values. `Local` knows a save by its bytes, `Listing` by its version; only `Base` knows both.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};

use litemap::LiteMap;
pub use retrosync_protocol::Doubt;
use retrosync_protocol::{Content, Digest, Epoch, Head, Landmark, SaveId, VersionId};

use crate::set::Set;

/// How many earlier digests a base entry remembers.
pub const ANCESTORS: usize = 16;

/// In the place of a digest: doubted bytes that are not stored aside (yet). No content has it.
pub const NOTHING_STORED: Digest = Digest::from_bytes([0; 32]);

/// A path below a root: UTF-8, `/` between parts, no part empty, `.` or `..`. Cannot leave its root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Box<str>);

impl RelativePath {
    /// The path, if `text` is one.
    pub fn new(text: &str) -> Option<RelativePath> {
        is_sound(text).then(|| RelativePath(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        let mut path = PathBuf::with_capacity(root.as_os_str().len() + 1 + self.0.len());
        path.extend([root, Path::new(&*self.0)]);
        path
    }

    /// The path of `name` in this folder, if it is one.
    pub fn inside(&self, name: &str) -> Option<RelativePath> {
        is_sound(name).then(|| RelativePath([&*self.0, name].join("/").into()))
    }

    /// The path of `name` in the same folder, if it is one.
    pub fn beside(&self, name: &str) -> Option<RelativePath> {
        match self.0.rsplit_once('/') {
            Some((folder, _)) => RelativePath::new(&format!("{folder}/{name}")),
            None => RelativePath::new(name),
        }
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn is_sound(text: &str) -> bool {
    !text.contains('\0') && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a file is: which root (its number in the profile's list), and the path below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The root's number.
    pub root: usize,
    /// The path below it.
    pub path: RelativePath,
}

/// Size, times and inode of a file: a hint that it changed, never a proof that it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Seconds; opaque, signed, never compared for order.
    pub mtime_s: i64,
    /// Nanoseconds.
    pub mtime_ns: i64,
    /// The inode, and of which file system; on FAT it changes with each mount.
    pub inode: u64,
}

/// A save as it lies on a card, stably read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSave {
    /// Where.
    pub place: Place,
    /// The file's stamp when it was read.
    pub stamp: Stamp,
    /// The payload (its form taken off).
    pub content: Content,
    /// What the reader doubts of it by itself (`Shrunk` is the plan's to say).
    pub doubt: Option<Doubt>,
}

/// What a scan found of one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootState {
    /// Its marker is there and as recorded.
    Online,
    /// Not mounted, marker missing or another card's: nothing of it is used. The text says which.
    Offline(String),
}

/// All saves on this device's cards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// What was read.
    pub saves: LiteMap<SaveId, LocalSave>,
    /// Is there, could not be read or was changing: left out of the plan.
    pub unread: Set<SaveId>,
    /// Saves of the listing that are absent here, and where each would go: only those whose game is on this device.
    pub homes: LiteMap<SaveId, Place>,
    /// By root number.
    pub roots: Vec<Option<RootState>>,
}

impl Local {
    /// Is the root usable?
    pub fn is_online(&self, root: usize) -> bool {
        matches!(self.roots.get(root), Some(Some(RootState::Online)))
    }
}

/// What the remote has, as far as this device has heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each save's heads; never empty lists.
    pub saves: LiteMap<SaveId, Vec<Head>>,
    /// Contents that the remote said are in the save's history (case H).
    pub known: Set<(SaveId, Digest)>,
    /// Saves whose head the remote knows and whose bytes it has lost: whoever has them gives them again.
    pub lacking: Set<SaveId>,
}

/// The version of one save that was last equal on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseEntry {
    /// The version.
    pub version: VersionId,
    /// Its content; `None` after a tombstone was applied.
    pub content: Option<Content>,
    /// Where the file was.
    pub place: Place,
    /// Its stamp then: what still has it need not be hashed.
    pub stamp: Stamp,
    /// Digests that `content` descends from, newest first, at most [`ANCESTORS`].
    pub ancestors: VecDeque<Digest>,
    /// False after a doubt (another epoch, another card): then only the digests count, as ancestors.
    pub trusted: bool,
    /// Doubted bytes lay here that a game may have loaded: what was stored aside of them, so that it is stored once;
    /// [`NOTHING_STORED`] until then.
    pub aside: Option<Digest>,
}

/// What both sides last agreed on. A cache: losing it may cost a question, never a save.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// By save.
    pub saves: LiteMap<SaveId, BaseEntry>,
    /// The epoch that all this is of.
    pub epoch: Option<Epoch>,
    /// How far the changes were read.
    pub cursor: u64,
    /// The last change that the remote had by then, if it said so.
    pub landmark: Option<Landmark>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_cannot_leave_its_root() {
        for bad in ["", "/etc", "a//b", "../a", "a/../b", "a/.", "a/"] {
            assert_eq!(RelativePath::new(bad), None, "{bad}");
        }
        assert_eq!(
            RelativePath::new("Saves/..a/b c.srm").map(|p| p.name().to_owned()),
            Some("b c.srm".into())
        );
    }
}
