//! PURE. What a plan is made of: steps, questions, halts.

use retrosync_protocol::{Content, Digest, Head, SaveId, VersionId};

use crate::snapshot::{Doubt, Place, Stamp};

/// One thing to do, with what it expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Both sides are equal: remember it.
    Settle {
        /// Which save.
        save: SaveId,
        /// Where it is here.
        place: Place,
        /// Its stamp here.
        stamp: Stamp,
        /// The version it equals.
        head: VersionId,
        /// Its content.
        content: Content,
    },
    /// Store the local bytes as a version.
    Upload {
        /// Which save.
        save: SaveId,
        /// Where it is here.
        place: Place,
        /// Its stamp when it was read.
        stamp: Stamp,
        /// What must still be there.
        content: Content,
        /// What it replaces, sorted.
        parents: Vec<VersionId>,
        /// Stored aside, never a head.
        doubt: Option<Doubt>,
        /// What comes here waits for it, even if a game waits for that: planned again as soon as this is stored.
        leads: bool,
    },
    /// Put a remote version in place.
    Download {
        /// Which save.
        save: SaveId,
        /// Where it goes.
        place: Place,
        /// The version.
        head: VersionId,
        /// Its content.
        content: Content,
        /// What must be there now; `None`: nothing.
        expects: Option<Content>,
    },
    /// A tombstone, or an automatic state that would hide a newer battery save: move the local bytes to the attic.
    Retire {
        /// Which save.
        save: SaveId,
        /// Where it is here.
        place: Place,
        /// The tombstone, or the state's version.
        head: VersionId,
        /// What must be there now.
        expects: Content,
        /// The save that comes and that the state would hide: it goes right before that is put in place, or both wait.
        hides: Option<SaveId>,
    },
    /// Settle a question as the policy says: store a version with all heads as parents.
    Choose {
        /// Which save.
        save: SaveId,
        /// Whose content to keep.
        keep: Content,
        /// All heads, sorted.
        heads: Vec<VersionId>,
    },
}

impl Step {
    /// Which save it is about.
    pub fn save(&self) -> &SaveId {
        match self {
            Step::Settle { save, .. }
            | Step::Upload { save, .. }
            | Step::Download { save, .. }
            | Step::Retire { save, .. }
            | Step::Choose { save, .. } => save,
        }
    }

    /// Does it write into a save folder?
    pub fn writes_here(&self) -> bool {
        matches!(self, Step::Download { .. } | Step::Retire { .. })
    }

    /// Where it acts here.
    pub(super) fn root(&self) -> Option<usize> {
        match self {
            Step::Settle { place, .. }
            | Step::Upload { place, .. }
            | Step::Download { place, .. }
            | Step::Retire { place, .. } => Some(place.root),
            Step::Choose { .. } => None,
        }
    }
}

/// What a person should decide about one save. Nothing waits for it; everybody keeps playing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Two or more versions, each changed without knowing the other.
    Conflict {
        /// Which save.
        save: SaveId,
        /// All heads.
        heads: Vec<Head>,
        /// The digest on this device, if it is here.
        here: Option<Digest>,
        /// The head that would be a good answer.
        suggestion: Option<VersionId>,
    },
    /// The local bytes are doubted; the remote's version is untouched.
    Suspect {
        /// Which save.
        save: SaveId,
        /// Where it is here.
        place: Place,
        /// Why.
        doubt: Doubt,
    },
    /// Deleted elsewhere, still here, and this device does not know whether it was changed since.
    Deleted {
        /// Which save.
        save: SaveId,
        /// The tombstone.
        head: VersionId,
    },
}

impl Question {
    /// Which save it is about.
    pub fn save(&self) -> &SaveId {
        match self {
            Question::Conflict { save, .. }
            | Question::Suspect { save, .. }
            | Question::Deleted { save, .. } => save,
        }
    }
}

/// Why a root, or all downloads, are left alone until a person has looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Not mounted, or another card.
    Offline {
        /// The root's number.
        root: usize,
        /// Why we think so.
        reason: String,
    },
    /// Many saves vanished, shrank or turned blank at once.
    Vanished {
        /// The root's number.
        root: usize,
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
    },
    /// Most of this device's saves would be replaced in one round.
    Replaced {
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
    },
}
