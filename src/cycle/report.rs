//! What a cycle saw and did: for the command line, the log, and for pace.

use retrosync_protocol::SaveId;

use crate::apply::{Deed, Outcome};
use crate::error::{Error, Problem};
use crate::pace::Ending;
use crate::plan::{Halt, Plan, Question, Step};
use crate::scan::Found;
use crate::set::Set;
use crate::snapshot::Place;

/// What a cycle saw and did.
#[derive(Clone, Debug, Default)]
pub struct CycleReport {
    /// What was done, in order.
    pub deeds: Vec<Deed>,
    /// What a person should decide; nothing waits for it.
    pub questions: Vec<Question>,
    /// What was left alone until a person has looked.
    pub halts: Vec<Halt>,
    /// Steps that wait because a game runs or has just saved.
    pub waiting: Vec<Step>,
    /// Steps that are not done: they wait for the remote, or met a problem.
    pub queued: Vec<Step>,
    /// What went wrong with single saves and folders.
    pub problems: Vec<Problem>,
    /// Files in save folders that are not synced, and why.
    pub left_out: Vec<(Place, String)>,
    /// Why nothing is written into save folders now, if a game runs.
    pub playing: Option<String>,
    /// Why the remote could not be used, if so.
    pub failed: Option<Error>,
    /// The remote did not tell what is new.
    pub is_deaf: bool,
    /// The remote asked to be left alone this long, in seconds.
    pub retry_after_s: Option<u64>,
    /// The saves that are on this device.
    pub saves: Set<SaveId>,
    /// How many files were read.
    pub read: usize,
    /// How many requests for changes were made (uploads and downloads not counted).
    pub requests: usize,
    /// A save was changing while it was looked at.
    pub moved: bool,
    /// The card failed: a save could not be read or put in place, or our own state not be written. It is tried again, not left
    /// until tomorrow.
    pub failing: bool,
}

impl CycleReport {
    /// What should happen next.
    pub fn ending(&self) -> Ending {
        let full = self.problems.iter().any(|problem| problem.error.kind.is_for_want_of_room());
        let offline = self.halts.iter().any(|halt| matches!(halt, Halt::Offline { .. }));
        if self.failed.is_some() || full || offline || self.failing {
            Ending::Failed
        } else if self.moved {
            Ending::Busy
        } else {
            Ending::Done
        }
    }

    /// Did anything change, here or there?
    pub fn is_quiet(&self) -> bool {
        self.deeds.is_empty()
    }

    /// Is what should come to this device in place?
    pub fn all_is_here(&self) -> bool {
        !self.open().any(Step::writes_here)
    }

    /// Has the remote what it should get?
    pub fn all_is_stored(&self) -> bool {
        self.open().all(Step::writes_here)
    }

    /// What is still to be done.
    fn open(&self) -> impl Iterator<Item = &Step> {
        self.queued.iter().chain(&self.waiting)
    }

    /// Is there something that a person should look at?
    pub fn wants_attention(&self) -> bool {
        !(self.problems.is_empty() && self.questions.is_empty() && self.halts.is_empty())
    }

    /// How many saves are the same here and there: all on this device but those that wait or are asked about.
    pub fn in_step(&self) -> usize {
        let steps = self.open().map(Step::save);
        let mut open: Vec<&SaveId> = self.questions.iter().map(Question::save).chain(steps).collect();
        open.sort_unstable();
        self.saves.iter().filter(|save| open.binary_search(save).is_err()).count()
    }

    /// A round starts: what the one before saw is over, what it did is not.
    pub(super) fn begin_round(&mut self) {
        self.questions.clear();
        self.halts.clear();
        self.waiting.clear();
        self.queued.clear();
        self.left_out.clear();
        self.failed = None;
        // What failed in one round is tried again soon, whatever the next one did.
        (self.moved, self.is_deaf) = (false, false);
    }

    pub(super) fn scanned(&mut self, found: Found) {
        self.saves = found.local.saves.into_iter().map(|(save, _)| save).collect();
        self.moved |= !found.changing.is_empty();
        self.failing |= found.failing;
        self.left_out = found.left_out;
        for problem in found.problems {
            self.problem(problem);
        }
    }

    pub(super) fn planned(&mut self, plan: Plan) {
        self.questions = plan.questions;
        self.halts = plan.halts;
        self.waiting = plan.waiting;
        self.queued = plan.steps.into_iter().filter(|step| !matches!(step, Step::Settle { .. })).collect();
    }

    /// True if the round should be followed by another.
    pub(super) fn acted(&mut self, outcome: Outcome) -> bool {
        for problem in outcome.problems {
            self.problem(problem);
        }
        // What had a problem, or was put off for a game that waits, is not done.
        let mut done: Vec<&SaveId> = outcome.deeds.iter().map(Deed::save).collect();
        done.sort_unstable();
        self.queued.retain(|step| done.binary_search(&step.save()).is_err());
        self.deeds.extend(outcome.deeds);
        self.moved |= outcome.moved;
        self.failing |= outcome.failing;
        self.failed = self.failed.take().or(outcome.failed);
        for deed in &self.deeds {
            match deed {
                Deed::Placed { save, .. } => self.saves.insert(save.clone()),
                Deed::Retired { save, .. } => self.saves.remove(save),
                _ => false,
            };
        }
        outcome.again && self.failed.is_none()
    }

    /// Our own state could not be written: this cycle cannot go on, and nothing was done that is not true.
    pub(super) fn broke_off(&mut self, error: Error) {
        self.failing = true;
        self.problems.push(error.into());
    }

    /// A second round meets the same problem again: told once.
    pub(super) fn problem(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}
