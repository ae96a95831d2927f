//! PURE. What to do about each save: the heart of the program.
//!
//! L = local, B = base, R = the remote's heads, A = B's ancestors, H = "L is in the save's remote history".
//!
//! ```text
//! L present ─┬─ a head has L's digest ............ settle: base = that head (heals lost replies, lost state); upload again
//!            │                                     if the remote lost the bytes: it is that head's content, no new version
//!            ├─ L doubted (and L ≠ B) ............ store aside as suspect, once, when no game runs; ask. Blank and B unknown:
//!            │                                     download the one head; without one it is a game that was never saved: nothing
//!            ├─ B known ─┬─ L = B ─┬─ one head ... download (expects L)
//!            │           │         ├─ tombstone .. retire: to the attic (expects L)
//!            │           │         └─ several .... a question; L stays
//!            │           └─ L ≠ B ................ upload, parents = heads that equal B, else B: a branch if the head moved.
//!            │                                     Where doubted bytes lay that a game may have loaded: as "else" below
//!            └─ B unknown ┬─ no head ............. upload without parents
//!                         ├─ H ─┬─ one head ...... download (expects L; the bytes are in the history)
//!                         │     └─ else .......... a question; L stays
//!                         ├─ heads in A .......... upload, parents = those heads; shorter than B was: L is doubted
//!                         └─ else ................ upload without parents: becomes a branch, a question
//! L absent ──┬─ one head, and the game is here ... download (expects nothing)
//!            └─ else ............................. nothing. Absence deletes nothing, anywhere
//! L unread, or its root offline .................. nothing
//! ```
//!
//! A game that was started over doubted bytes loaded those, not B: what it writes does not descend from B. It is offered without
//! parents, as a branch, unless it is a content of A that somebody put back. That doubted bytes lay there is the base's to
//! remember (`aside`): from when they are seen while no game can be writing them, until both sides are equal again: the good
//! bytes are back, a person has answered, or what was begun over them is stored. What a game does to its own save while it runs,
//! empties it and writes it anew, is nothing of that.
//!
//! Then the guards: a root that looks emptied, or a round that would replace most of a device, halts and asks.
//! Never looks at a clock; never sees a file.

mod guards;
mod resume;
mod step;

use retrosync_protocol::{Content, Head, Kind, Mistake, SaveId, VersionId, WriterId, keeps_its_size};

use crate::selection::Selection;
use crate::set::Set;
use crate::snapshot::{Base, BaseEntry, Doubt, Listing, Local, LocalSave, Place};

pub use step::{Halt, Question, Step};

/// What happens when two devices changed one save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// Both are kept and a person is asked.
    #[default]
    Ask,
    /// Both are kept, and the one that was surely played later becomes the head; in doubt, ask.
    Newest,
}

/// What the user, the device and the moment allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What to do about conflicts.
    pub conflict: ConflictPolicy,
    /// Why nothing may be written into save folders now (a game runs), if so.
    pub frozen: Option<String>,
    /// Saves that changed on this device a moment ago: not written to, whatever else.
    pub fresh: Set<SaveId>,
    /// The user has said that a mass change is meant.
    pub accept_mass_change: bool,
    /// What is left alone altogether.
    pub leave_out: Selection,
    /// Nothing is sent either while a game runs.
    pub rests: bool,
    /// Who writes on this device.
    pub own: Option<WriterId>,
}

/// What to do, what to ask, what to leave alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of saves; uploads before downloads is `apply`'s business.
    pub steps: Vec<Step>,
    /// For people.
    pub questions: Vec<Question>,
    /// For people, urgently.
    pub halts: Vec<Halt>,
    /// Steps that wait because a game runs.
    pub waiting: Vec<Step>,
}

/// Decides about every save.
pub fn plan(base: &Base, local: &Local, listing: &Listing, policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let mut saves: Vec<&SaveId> = local.saves.keys().chain(listing.saves.keys()).collect();
    saves.sort_unstable();
    saves.dedup();
    for save in saves {
        if !local.unread.contains(save) && !policy.leave_out.skips(save) {
            Decision { save, base, local, listing, policy }.decide(&mut plan);
        }
    }
    resume::unmask(base, local, listing, policy, &mut plan);
    guards::roots(base, local, policy, &mut plan);
    guards::downloads(local, policy, &mut plan);
    let (now, waiting) = plan.steps.into_iter().partition(|step| {
        let plays = policy.frozen.is_some();
        match step {
            Step::Settle { .. } => true,
            _ if step.writes_here() => !plays && !policy.fresh.contains(step.save()),
            // It may be half of what the game is writing.
            Step::Upload { doubt: Some(_), .. } => !plays,
            _ => !(plays && policy.rests),
        }
    });
    plan.steps = now;
    plan.waiting = waiting;
    plan
}

/// Everything about one save.
struct Decision<'a> {
    save: &'a SaveId,
    base: &'a Base,
    local: &'a Local,
    listing: &'a Listing,
    policy: &'a Policy,
}

impl Decision<'_> {
    fn decide(&self, plan: &mut Plan) {
        let heads = self.listing.saves.get(self.save).map_or(&[][..], Vec::as_slice);
        self.ask_about_heads(heads, plan);
        match self.local.saves.get(self.save) {
            Some(found) if self.local.is_online(found.place.root) => self.present(found, heads, plan),
            Some(_) => {}
            None => plan.steps.extend(self.absent(heads)),
        }
    }

    fn present(&self, found: &LocalSave, heads: &[Head], plan: &mut Plan) {
        let entry = self.base.saves.get(self.save);
        let agreed = entry.filter(|entry| entry.trusted);
        let same = heads.iter().filter(|head| head.content.map(|c| c.digest) == Some(found.content.digest));
        if let Some(head) =
            same.clone().find(|h| agreed.is_some_and(|b| b.version == h.version)).or(same.clone().next())
        {
            if self.listing.lacking.contains(self.save) {
                plan.steps.push(self.upload(found, vec![head.version], None));
            } else {
                plan.steps.extend(self.settle(found, head, agreed));
            }
            return;
        }
        let changed = agreed.is_none_or(|b| b.content.map(|c| c.digest) != Some(found.content.digest));
        if let Some(doubt) = self.doubt(found, agreed).filter(|_| changed) {
            self.doubted(found, doubt, entry, heads, plan);
            return;
        }
        match agreed {
            Some(_) if !changed => self.moved(found, heads, plan),
            Some(entry) => plan.steps.push(self.upload(found, parents_of_edit(found, entry, heads), None)),
            None => self.unknown(found, entry, heads, plan),
        }
    }

    /// L = R.
    fn settle(&self, found: &LocalSave, head: &Head, agreed: Option<&BaseEntry>) -> Option<Step> {
        let stands = agreed.is_some_and(|b| {
            b.version == head.version && b.stamp == found.stamp && b.place == found.place && b.aside.is_none()
        });
        (!stands).then(|| Step::Settle {
            save: self.save.clone(),
            place: found.place.clone(),
            stamp: found.stamp,
            head: head.version,
            content: found.content,
        })
    }

    /// L = B, and no head has it: the remote moved on.
    fn moved(&self, found: &LocalSave, heads: &[Head], plan: &mut Plan) {
        match one_of(heads) {
            // The remote knows no head of what it once agreed on: offer it again.
            [] => plan.steps.push(self.upload(found, Vec::new(), None)),
            [head] if resume::is_outlived(self.save, head, self.listing) => {}
            [head] => plan.steps.push(match head.content {
                Some(content) => self.download(found.place.clone(), head, content, Some(found.content)),
                None => Step::Retire {
                    save: self.save.clone(),
                    place: found.place.clone(),
                    head: head.version,
                    expects: found.content,
                    hides: None,
                },
            }),
            // A question between others; this device keeps what it has.
            _ => {}
        }
    }

    /// B unknown, and no head equals L.
    fn unknown(&self, found: &LocalSave, entry: Option<&BaseEntry>, heads: &[Head], plan: &mut Plan) {
        let known = self.listing.known.contains(&(self.save.clone(), found.content.digest))
            || Mistake::UnknownIsTakenForOld.is_made();
        match one_of(heads) {
            [] => plan.steps.push(self.upload(found, Vec::new(), None)),
            [head] if head.content.is_none() && known => {
                plan.questions.push(Question::Deleted { save: self.save.clone(), head: head.version });
            }
            [Head { content: Some(content), .. }] if known => {
                plan.steps.push(self.download(found.place.clone(), &heads[0], *content, Some(found.content)));
            }
            _ if known => {}
            _ => {
                let is_ancestor = |digest| {
                    entry.is_some_and(|e| {
                        e.ancestors.contains(&digest) || e.content.map(|c| c.digest) == Some(digest)
                    })
                };
                let parents = heads.iter().filter(|h| match h.content {
                    Some(content) => is_ancestor(content.digest) || Mistake::FirstContactReplaces.is_made(),
                    // An edit beats a delete: the bytes here are not in the history.
                    None => true,
                });
                let parents = sorted(parents.map(|h| h.version));
                match self.doubt(found, entry).filter(|_| !parents.is_empty()) {
                    Some(doubt) => self.doubted(found, doubt, entry, heads, plan),
                    None => {
                        let anew = entry.filter(|entry| is_begun_anew(found, entry));
                        let parents = anew.map_or(parents, |entry| parents_of_edit(found, entry, heads));
                        plan.steps.push(self.upload(found, parents, None));
                    }
                }
            }
        }
    }

    fn absent(&self, heads: &[Head]) -> Option<Step> {
        let place = self.local.homes.get(self.save)?;
        let [head] = one_of(heads) else { return None };
        // What was moved out of the way here stays away until there is another version of it.
        let is_gone = |entry: &BaseEntry| entry.content.is_none() || Mistake::AbsentStaysAway.is_made();
        let moved = |entry: &BaseEntry| is_gone(entry) && entry.version == head.version;
        if self.base.saves.get(self.save).is_some_and(moved)
            || resume::is_outlived(self.save, head, self.listing)
        {
            return None;
        }
        let content = head.content?;
        self.local.is_online(place.root).then(|| self.download(place.clone(), head, content, None))
    }

    /// Bytes that are probably damage never move a head.
    fn doubted(
        &self,
        found: &LocalSave,
        doubt: Doubt,
        entry: Option<&BaseEntry>,
        heads: &[Head],
        plan: &mut Plan,
    ) {
        if let (Doubt::Blank | Doubt::Empty, None) = (doubt, entry) {
            // A game that was started and never saved: nobody is asked about that. Beside a played one it holds nothing;
            // the attic keeps it all the same.
            if let [Head { content: Some(content), .. }] = one_of(heads) {
                plan.steps.push(self.download(found.place.clone(), &heads[0], *content, Some(found.content)));
            }
            return;
        }
        plan.questions.push(Question::Suspect { save: self.save.clone(), place: found.place.clone(), doubt });
        let stored = entry.is_some_and(|e| e.aside == Some(found.content.digest))
            || self.listing.known.contains(&(self.save.clone(), found.content.digest));
        if doubt != Doubt::Empty && !stored {
            let parents = entry.filter(|e| e.trusted).map(|e| e.version);
            plan.steps.push(self.upload(found, sorted(parents.into_iter()), Some(doubt)));
        }
    }

    /// The reader's doubt, or: shorter than what was agreed on, where sizes do not change.
    fn doubt(&self, found: &LocalSave, agreed: Option<&BaseEntry>) -> Option<Doubt> {
        let shorter = |b: &BaseEntry| {
            // The payload of a Game Boy Advance save ends where its chip is blank: only a shorter file has lost something.
            let chip = self.save.system() == "gba" && found.stamp.size_bytes >= b.stamp.size_bytes;
            b.content.is_some_and(|c| found.content.size_bytes < c.size_bytes) && !chip
        };
        let shrank =
            keeps_its_size(self.save) && agreed.is_some_and(shorter) && !Mistake::ShrunkIsBelieved.is_made();
        found.doubt.or(shrank.then_some(Doubt::Shrunk))
    }

    fn upload(&self, found: &LocalSave, parents: Vec<VersionId>, doubt: Option<Doubt>) -> Step {
        Step::Upload {
            save: self.save.clone(),
            place: found.place.clone(),
            stamp: found.stamp,
            content: found.content,
            parents,
            doubt,
            leads: false,
        }
    }

    fn download(&self, place: Place, head: &Head, content: Content, expects: Option<Content>) -> Step {
        Step::Download { save: self.save.clone(), place, head: head.version, content, expects }
    }

    /// Shorter than another head, where sizes do not change: half of a save is not chosen because it is younger.
    fn is_shorter(&self, head: &Head, heads: &[Head]) -> bool {
        let size_bytes = |head: &Head| head.content.map(|content| content.size_bytes);
        !matches!(self.save.kind(), Kind::State | Kind::Tree)
            && head.content.is_some()
            && heads.iter().any(|other| size_bytes(other) > size_bytes(head))
    }

    fn ask_about_heads(&self, heads: &[Head], plan: &mut Plan) {
        if agree(heads) {
            return;
        }
        let later = surely_later(heads).filter(|head| !self.is_shorter(head, heads));
        if let (ConflictPolicy::Newest, Some(Head { content: Some(keep), .. })) =
            (self.policy.conflict, later)
        {
            plan.steps.push(Step::Choose {
                save: self.save.clone(),
                keep: *keep,
                heads: sorted(heads.iter().map(|h| h.version)),
            });
            return;
        }
        plan.questions.push(Question::Conflict {
            save: self.save.clone(),
            heads: heads.to_vec(),
            here: self.local.saves.get(self.save).map(|found| found.content.digest),
            suggestion: later.or(heads.first()).map(|h| h.version),
        });
    }
}

/// Have all heads the same bytes, or none?
pub fn agree(heads: &[Head]) -> bool {
    let digest = |head: &Head| head.content.map(|content| content.digest);
    heads.windows(2).all(|pair| digest(&pair[0]) == digest(&pair[1])) || Mistake::BranchIsNoQuestion.is_made()
}

/// Heads with one content are no question: one of them stands for all.
fn one_of(heads: &[Head]) -> &[Head] {
    let are_twins = heads.windows(2).all(|pair| pair[0].content == pair[1].content);
    if are_twins { heads.get(..1).unwrap_or_default() } else { heads }
}

/// Doubted bytes lay here and a game loaded them: what it wrote does not descend from `entry`. What did already was put back.
fn is_begun_anew(found: &LocalSave, entry: &BaseEntry) -> bool {
    let digest = found.content.digest;
    let is_older = entry.content.map(|c| c.digest) == Some(digest) || entry.ancestors.contains(&digest);
    entry.aside.is_some() && !is_older
}

/// The true parents of bytes that differ from `entry`: all heads that equal it, so that twins join; a tombstone of it,
/// for an edit beats a delete; else the entry itself, which makes a branch. Of bytes that were begun anew, a tombstone only.
fn parents_of_edit(found: &LocalSave, entry: &BaseEntry, heads: &[Head]) -> Vec<VersionId> {
    let anew = is_begun_anew(found, entry);
    let twins = heads.iter().filter(|h| match h.content {
        Some(content) => {
            !anew && (h.version == entry.version || entry.content.map(|c| c.digest) == Some(content.digest))
        }
        None => true,
    });
    let twins = heads.iter().filter(|_| Mistake::EditReplacesTheHeads.is_made()).chain(twins);
    let mut parents = sorted(twins.map(|h| h.version));
    if parents.is_empty() && !anew {
        parents.push(entry.version);
    }
    parents
}

/// The head whose play interval begins after all others' ended.
fn surely_later(heads: &[Head]) -> Option<&Head> {
    heads.iter().find(|one| {
        heads.iter().filter(|other| other.version != one.version).all(|other| {
            matches!((one.played, other.played), (Some(one), Some(other)) if one.from_unix_s > other.to_unix_s)
        })
    })
}

fn sorted(ids: impl Iterator<Item = VersionId>) -> Vec<VersionId> {
    let mut ids: Vec<VersionId> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids.truncate(retrosync_protocol::MAX_PARENTS);
    ids
}

#[cfg(test)]
#[path = "plan/guards_tests.rs"]
mod guards_tests;
#[cfg(test)]
#[path = "plan/histories_tests.rs"]
mod histories_tests;
#[cfg(test)]
#[path = "plan/resume_tests.rs"]
mod resume_tests;
#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
