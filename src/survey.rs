//! What there is to say of this device's saves without asking anybody: the card's journal, a look at the files, the plan.
//!
//! Reads beside a running daemon; writes nothing. What `status`, `history` and the screen tell is the same.

use std::path::PathBuf;

use litemap::LiteMap;
use retrosync_protocol::{Digest, HistoryEntry, SaveId};

use crate::attic::{Attic, AtticEntry};
use crate::disk;
use crate::error::{Problem, Result};
use crate::formats;
use crate::parts::{Ground, Looked};
use crate::plan::{Halt, Plan, Policy, Step, plan};
use crate::remote::Remote;
use crate::root::STATE_FOLDER;
use crate::scan::{Found, Request, Scanner, Sweep};
use crate::set::Set;
use crate::snapshot::{Doubt, RootState};
use crate::whole;

/// The most versions that are shown.
const MOST: usize = 1_000;

/// What was seen.
pub struct Survey {
    /// The card's own state.
    pub looked: Looked,
    /// The saves.
    pub found: Found,
    /// What the next cycle would do if the remote had nothing new.
    pub plan: Plan,
    /// All that was odd.
    pub problems: Vec<Problem>,
    policy: Policy,
}

/// Why the device should stay on for a moment. No save is lost if it does not: what is cut is finished, and what is queued
/// is sent, when it is on again; but until then the newest play is on this card only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsafe {
    /// A save is being replaced.
    Replaces,
    /// A card is not as it should be.
    Card(String),
    /// So many saves are on this card only.
    Queued(usize),
    /// So many are being written, or cannot be read.
    Unread(usize),
    /// So many of so many that were here vanished: what was played last may be among them.
    Gone(usize, usize),
    /// So many were on the server once, and have to be compared with what it has now.
    Unsure(usize),
    /// The journal is not whole.
    InDoubt,
}

/// How the saves here stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// So many does the remote hold.
    pub safe: usize,
    /// So many are on this card only.
    pub alone: usize,
    /// So many did the remote hold before this card came into doubt.
    pub unsure: usize,
    /// So many saves and files are not synced.
    pub left_out: usize,
}

impl Survey {
    /// Looks.
    ///
    /// # Errors
    /// As [`Ground::look`].
    pub fn of(ground: &Ground) -> Result<Survey> {
        let looked = ground.look()?;
        let (naming, mut problems) = ground.naming();
        let roots: Vec<(PathBuf, RootState)> =
            ground.site.roots.iter().cloned().zip(looked.roots.iter().cloned()).collect();
        let mut scanner = Scanner::new(ground.volume());
        let found = scanner.scan(Request {
            roots: &roots,
            naming: &naming,
            base: looked.journal.base(),
            listing: looked.journal.listing(),
            sweep: Sweep::Stamps,
            named: &LiteMap::new(),
        });
        let policy = Policy { leave_out: ground.config.leave_out.clone(), ..Policy::default() };
        let plan = plan(looked.journal.base(), &found.local, looked.journal.listing(), &policy);
        problems.extend(ground.problems.iter().chain(&looked.problems).chain(&found.problems).cloned());
        Ok(Survey { looked, found, plan, problems, policy })
    }

    /// Saves that wait to be sent, sorted; and those of which only the remote can tell whether they have to be.
    pub fn queued(&self) -> (Vec<&SaveId>, Vec<&SaveId>) {
        let mut saves: Vec<&SaveId> =
            self.steps().filter(|step| matches!(step, Step::Upload { .. })).map(Step::save).collect();
        saves.sort_unstable();
        saves.into_iter().partition(|save| !self.is_unsure(save))
    }

    /// Is it what both sides agreed on before this card came into doubt?
    fn is_unsure(&self, save: &SaveId) -> bool {
        let here = self.found.local.saves.get(save).map(|here| here.content);
        let agreed = self.looked.journal.base().saves.get(save);
        agreed.is_some_and(|entry| !entry.trusted && entry.content == here)
    }

    /// Saves that wait to be put in place here.
    pub fn incoming(&self) -> Vec<&SaveId> {
        self.steps().filter(|step| step.writes_here()).map(Step::save).collect()
    }

    /// Does the remote hold what lies here, as far as this card knows? Nothing is taken for safe because nothing is planned
    /// for it: a card that halts plans nothing.
    pub fn is_held(&self, save: &SaveId) -> bool {
        let Some(here) = self.found.local.saves.get(save).map(|here| here.content) else { return false };
        let agreed = self.looked.journal.base().saves.get(save);
        let heads = self.looked.journal.listing().saves.get(save);
        agreed.is_some_and(|entry| entry.content == Some(here) || entry.aside == Some(here.digest))
            || heads.is_some_and(|heads| heads.iter().any(|head| head.content == Some(here)))
    }

    /// How the saves here stand. One of no bytes holds nothing that could be lost: a person is asked about it.
    pub fn standing(&self) -> Standing {
        let (queued, unsure) = self.queued();
        let mut standing = Standing { left_out: self.found.left_out.len(), ..Standing::default() };
        for (save, here) in &self.found.local.saves {
            let count = match () {
                () if self.policy.leave_out.skips(save) => &mut standing.left_out,
                () if here.doubt == Some(Doubt::Empty) => continue,
                () if unsure.binary_search(&save).is_ok() => &mut standing.unsure,
                () if queued.binary_search(&save).is_err() && self.is_held(save) => &mut standing.safe,
                // A game that was started and never saved: blank, and nobody's play.
                () if here.doubt == Some(Doubt::Blank) && queued.binary_search(&save).is_err() => continue,
                () => &mut standing.alone,
            };
            *count += 1;
        }
        standing
    }

    /// So many saves vanished, of so many, where the plan halts at that or none is left: too few to halt for are not fewer.
    fn gone(&self) -> Option<(usize, usize)> {
        let (base, local) = (self.looked.journal.base(), &self.found.local);
        let (mut gone, mut of) = (0, 0);
        for (save, _) in base.saves.iter().filter(|(_, entry)| entry.content.is_some()) {
            of += 1;
            gone += usize::from(!local.saves.contains_key(save) && !local.unread.contains(save));
        }
        // What looks damaged counts there too.
        for halt in &self.plan.halts {
            if let Halt::Vanished { count, of: among, .. } = halt
                && *count > gone
            {
                return Some((*count, *among));
            }
        }
        let halts = self.plan.halts.iter().any(|halt| matches!(halt, Halt::Vanished { .. }));
        (halts || gone > 0 && local.saves.is_empty()).then_some((gone, of))
    }

    /// May it be switched off? If not, why.
    pub fn unsafe_because(&self, ground: &Ground) -> Option<Unsafe> {
        for (dir, state) in ground.site.roots.iter().zip(&self.looked.roots) {
            match (state, disk::is_replacing(ground.volume(), dir)) {
                (RootState::Online, Ok(false)) => {}
                (RootState::Online, Ok(true)) => return Some(Unsafe::Replaces),
                (RootState::Online, Err(error)) => return Some(Unsafe::Card(error.cause)),
                (RootState::Offline(why), _) => {
                    return Some(Unsafe::Card(format!("`{}`: {why}", dir.display())));
                }
            }
        }
        // What the daemon has done and not yet written down shows here as not done.
        let (standing, unread) = (self.standing(), self.unread());
        match (standing.alone, unread, self.gone(), standing.unsure) {
            (alone @ 1.., ..) => Some(Unsafe::Queued(alone)),
            (0, 1.., ..) => Some(Unsafe::Unread(unread)),
            (0, 0, Some((count, of)), _) => Some(Unsafe::Gone(count, of)),
            (0, 0, None, unsure @ 1..) => Some(Unsafe::Unsure(unsure)),
            (0, 0, None, 0) => self.looked.journal.is_in_doubt().then_some(Unsafe::InDoubt),
        }
    }

    /// How many saves are being written, or cannot be read. What is no save does not count: it is told as left out.
    pub fn unread(&self) -> usize {
        self.found.local.unread.len() - self.found.foreign
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.plan.steps.iter().chain(&self.plan.waiting)
    }
}

/// When the journal last learnt something, by this device's clock: a quiet contact leaves no trace on the card.
pub fn last_exchange(ground: &Ground) -> Option<i64> {
    let folder = ground.primary().ok()?.join(STATE_FOLDER);
    let volume = ground.volume();
    let entries = volume.list(&folder).ok()?;
    let journals = entries.iter().filter(|entry| entry.name.to_string_lossy().starts_with("journal."));
    journals.filter_map(|entry| volume.stamp(&folder.join(&entry.name)).ok()).map(|stamp| stamp.mtime_s).max()
}

/// Is this device connected with an account, or does it use a folder?
pub fn is_paired(ground: &Ground, looked: &Looked) -> bool {
    let facts = &looked.identity.facts;
    let by_folder = facts.server.as_deref().is_some_and(|server| server.starts_with("folder:"));
    facts.device.is_some() || by_folder || ground.config.token.is_some()
}

/// Every save that this card knows of.
pub fn known(looked: &Looked) -> Set<SaveId> {
    let attics = looked.attics.iter().flatten().flat_map(|attic| attic.list(None)).map(|entry| entry.save);
    let journal = looked.journal.base().saves.keys().chain(looked.journal.listing().saves.keys()).cloned();
    journal.chain(attics).collect()
}

/// The kept copies of a save, by root, newest first.
pub fn kept(looked: &Looked, save: &SaveId) -> Vec<(usize, AtticEntry)> {
    let attics = looked.attics.iter().enumerate();
    let of = |(root, attic): (usize, &Option<Attic>)| {
        let entries = attic.as_ref().map(|attic| attic.list(Some(save))).unwrap_or_default();
        entries.into_iter().map(move |entry| (root, entry))
    };
    attics.flat_map(of).collect()
}

/// All versions that the remote has, newest first.
///
/// # Errors
/// As [`Remote::history`].
pub fn all(remote: &mut dyn Remote, save: &SaveId) -> Result<Vec<HistoryEntry>> {
    let mut versions = Vec::new();
    loop {
        let before = versions.last().map(|entry: &HistoryEntry| entry.version);
        let page = remote.history(save, before)?;
        let more = page.more && !page.versions.is_empty();
        versions.extend(page.versions);
        if !more || versions.len() >= MOST {
            return Ok(versions);
        }
    }
}

/// The digest of what is on this device now.
pub fn here(ground: &Ground, looked: &Looked, save: &SaveId) -> Option<Digest> {
    let agreed = looked.journal.base().saves.get(save)?;
    let root = ground.site.roots.get(agreed.place.root)?;
    let file = whole::open(&*ground.volume(), &agreed.place.path.under(root)).ok()?;
    formats::inspect(save, file).ok().map(|(content, _)| content.digest)
}
