//! What there is to say of this device's saves without asking anybody: the card's journal, a look at the files, the plan.
//!
//! Reads beside a running daemon; writes nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use retrosync_protocol::SaveId;

use crate::error::{Problem, Result};
use crate::parts::{Ground, Looked};
use crate::plan::{Plan, Policy, Step, plan};
use crate::scan::{Found, Request, Scanner, Sweep};
use crate::snapshot::RootState;

/// What was seen.
pub(super) struct Survey {
    /// The card's own state.
    pub(super) looked: Looked,
    /// The saves.
    pub(super) found: Found,
    /// What the next cycle would do if the remote had nothing new.
    pub(super) plan: Plan,
    /// All that was odd.
    pub(super) problems: Vec<Problem>,
}

impl Survey {
    /// Looks.
    ///
    /// # Errors
    /// As [`Ground::look`].
    pub(super) fn of(ground: &Ground) -> Result<Survey> {
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
            named: &BTreeSet::new(),
        });
        let plan = plan(looked.journal.base(), &found.local, looked.journal.listing(), &Policy::default());
        problems.extend(ground.problems.iter().chain(&looked.problems).chain(&found.problems).cloned());
        Ok(Survey { looked, found, plan, problems })
    }

    /// Saves that wait to be sent.
    pub(super) fn queued(&self) -> Vec<&SaveId> {
        self.steps().filter(|step| matches!(step, Step::Upload { .. })).map(Step::save).collect()
    }

    /// Saves that wait to be put in place here.
    pub(super) fn incoming(&self) -> Vec<&SaveId> {
        self.steps().filter(|step| step.writes_here()).map(Step::save).collect()
    }

    /// Saves whose bytes the remote holds.
    pub(super) fn safe(&self) -> usize {
        let queued: BTreeSet<&SaveId> = self.queued().into_iter().collect();
        self.found.local.saves.keys().filter(|save| !queued.contains(save)).count()
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.plan.steps.iter().chain(&self.plan.waiting)
    }
}
