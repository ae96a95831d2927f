//! The steps of a plan, done: look again, transfer, check, keep the old, put in place, record.
//!
//! Each step looks again right before it acts; where the world moved, the step is dropped and the next cycle plans
//! afresh. Uploads are one `store`, downloads one `fetch`; one bad save never stops the others. Records what is true
//! into the journal, and nothing before it is. Never decides what to do: `plan` has.

mod download;
mod upload;

use std::collections::VecDeque;
use std::path::PathBuf;

use litemap::LiteMap;
use retrosync_protocol::{Content, Digest, Played, SaveHeads, SaveId, VersionId};

use crate::disk::Disk;
use crate::error::{Error, Kind, Problem, Result};
use crate::identity::Identity;
use crate::journal::{Entry, Journal};
use crate::live::Live;
use crate::naming::Naming;
use crate::plan::Step;
use crate::playing::{Hooks, Launches, Signs, boot_ms};
use crate::remote::Remote;
use crate::root::Root;
use crate::snapshot::{ANCESTORS, Base, BaseEntry, Doubt, Place, Stamp};
use crate::volume::Volume;

pub use download::download;
pub use upload::upload;

/// A root, and its writer once recovery is done.
pub struct Card {
    /// Where it is and what its marker says.
    pub root: Root,
    /// `None` until it was online once and what a power cut interrupted was finished.
    pub disk: Option<Disk>,
}

/// What the steps work on.
pub struct Hands<'a> {
    /// The cards' file systems.
    pub volume: &'a dyn Volume,
    /// The roots, by number.
    pub cards: &'a mut [Card],
    /// Who writes versions here.
    pub identity: &'a mut Identity,
    /// Where what is true is recorded.
    pub journal: &'a mut Journal,
    /// Where versions are kept.
    pub remote: &'a mut dyn Remote,
    /// How this device names and keeps its saves.
    pub naming: &'a Naming,
    /// How to see that a game runs.
    pub signs: &'a Signs,
    /// What the firmware's hooks said of games.
    pub hooks: &'a Hooks,
    /// What was replaced under a game.
    pub launches: &'a mut Launches,
    /// Who watches is told how far it is.
    pub live: &'a Live,
    /// Versions that could not be put in place here; and why, if that was tried twice.
    pub unfit: &'a mut LiteMap<SaveId, (VersionId, Option<Error>)>,
    /// What the plan was made from.
    pub base: &'a Base,
    /// When the file was changed, by server time, if that is known.
    pub played: &'a dyn Fn(&Place) -> Option<Played>,
    /// The program, as `retrosync/0.1.0 armv7`.
    pub client: &'a str,
    /// The device profile's name.
    pub profile: &'a str,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A version was stored.
    Stored {
        /// Which save.
        save: SaveId,
        /// The version.
        version: VersionId,
        /// How many bytes it has.
        size_bytes: u64,
        /// There are other heads: a question.
        branch: bool,
    },
    /// Doubted bytes were stored aside.
    SetAside {
        /// Which save.
        save: SaveId,
        /// Why.
        doubt: Doubt,
    },
    /// A remote version was put in place.
    Placed {
        /// Which save.
        save: SaveId,
        /// The version.
        version: VersionId,
        /// How many bytes it has.
        size_bytes: u64,
    },
    /// A deleted save was moved to the attic.
    Retired {
        /// Which save.
        save: SaveId,
        /// The tombstone.
        version: VersionId,
    },
    /// A question was settled as the configuration says.
    Chosen {
        /// Which save.
        save: SaveId,
        /// The version that joins the heads.
        version: VersionId,
    },
}

/// What became of the steps.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was done.
    pub deeds: Vec<Deed>,
    /// What went wrong with single saves.
    pub problems: Vec<Problem>,
    /// The world moved under a step: look again once it had time to settle.
    pub moved: bool,
    /// What the base says was wrong and is corrected: plan again at once.
    pub again: bool,
    /// What the journal knows of the remote is void: list anew before planning.
    pub relist: bool,
    /// The remote could not be used (any more); what is left stays queued.
    pub failed: Option<Error>,
    /// Something else failed that may pass: try again soon.
    pub failing: bool,
}

impl Outcome {
    /// One save's step did not work out.
    fn problem(&mut self, save: &SaveId, error: Error) {
        if error.kind == Kind::Busy {
            log::debug!("{save}: {error}; again later");
            self.moved = true;
        } else {
            log::warn!("{save}: {error}");
            self.problems.push(Problem::of(save, error));
        }
    }
}

/// Records that both sides are equal.
///
/// # Errors
/// When the journal cannot take it.
pub fn settle(hands: &mut Hands<'_>, step: &Step) -> Result<()> {
    let Step::Settle { save, place, stamp, head, content } = step else { return Ok(()) };
    let before = hands.base.saves.get(save);
    if before.is_none_or(|entry| entry.content != Some(*content)) && is_of_another(hands, save, *head) {
        // Put here, and the power was cut before it was recorded: a game may have loaded what was there before.
        hands.launches.replaced(save, before.cloned(), boot_ms());
        // One that runs now may be gone when the next cycle looks.
        hands.launches.look(&hands.hooks.look(hands.signs), boot_ms());
    }
    let now = Agreed { version: *head, content: Some(*content), place, stamp: *stamp };
    let entry = entry_after(before, now);
    hands.journal.record(Entry::Settled { save: save.clone(), entry })
}

/// Was the version written by another device?
fn is_of_another(hands: &Hands<'_>, save: &SaveId, version: VersionId) -> bool {
    let heads = hands.journal.listing().saves.get(save);
    heads.into_iter().flatten().any(|head| head.version == version && head.writer != *hands.identity.writer())
}

/// What is agreed on now.
struct Agreed<'a> {
    version: VersionId,
    content: Option<Content>,
    place: &'a Place,
    stamp: Stamp,
}

/// The base entry after `now` was agreed on; what was agreed on before is an ancestor.
fn entry_after(before: Option<&BaseEntry>, now: Agreed<'_>) -> BaseEntry {
    let digest = now.content.map(|content| content.digest);
    let mut ancestors: VecDeque<Digest> = before.map(|entry| entry.ancestors.clone()).unwrap_or_default();
    let old = before.and_then(|entry| entry.content).map(|content| content.digest);
    if let Some(old) = old.filter(|old| Some(*old) != digest) {
        ancestors.retain(|known| *known != old);
        ancestors.push_front(old);
    }
    ancestors.truncate(ANCESTORS);
    BaseEntry {
        version: now.version,
        content: now.content,
        place: now.place.clone(),
        stamp: now.stamp,
        ancestors,
        trusted: true,
        aside: None,
    }
}

impl Hands<'_> {
    /// Where the file is on this machine.
    fn path(&self, place: &Place) -> Result<PathBuf> {
        let card = self.cards.get(place.root);
        card.map(|card| place.path.under(&card.root.dir)).ok_or_else(|| no_card(place))
    }

    /// Records what the remote answered.
    fn heads(&mut self, save: &SaveId, heads: Vec<retrosync_protocol::Head>) -> Result<()> {
        self.journal.record(Entry::Heads(SaveHeads { save: save.clone(), heads }))
    }
}

fn no_card(place: &Place) -> Error {
    Error::new(Kind::Busy, format!("cannot reach `{}`", place.path), "its card is not there any more")
}

impl Deed {
    /// Which save it was done to.
    pub fn save(&self) -> &SaveId {
        match self {
            Deed::Stored { save, .. }
            | Deed::SetAside { save, .. }
            | Deed::Placed { save, .. }
            | Deed::Retired { save, .. }
            | Deed::Chosen { save, .. } => save,
        }
    }
}
