//! PURE. When a person must look first: a root that looks emptied, a round that would replace most of a device.

use retrosync_protocol::SaveId;

use super::{Halt, Plan, Policy, Question, Step};
use crate::snapshot::{Base, BaseEntry, Local, RootState};

/// More than this many saves …
const GUARD_COUNT: usize = 3;
/// … and more than one in this many of a root: freeze it.
const GUARD_SHARE: usize = 5;

/// Promise 4: an empty card stops us.
pub(super) fn roots(base: &Base, local: &Local, policy: &Policy, plan: &mut Plan) {
    for (root, state) in local.roots.iter().enumerate() {
        match state {
            Some(RootState::Offline(reason)) => {
                plan.halts.push(Halt::Offline { root, reason: reason.clone() });
            }
            Some(RootState::Online) if !policy.accept_mass_change => {
                let (count, of) = vanished(base, local, plan, root);
                if count > GUARD_COUNT && count * GUARD_SHARE > of {
                    plan.halts.push(Halt::Vanished { root, count, of });
                    plan.steps.retain(|step| step.root() != Some(root));
                }
            }
            _ => {}
        }
    }
}

/// How many of the saves that the base knows in this root are gone or doubted, of how many. Doubted bytes that are set
/// aside already were let through once: they freeze nothing again.
fn vanished(base: &Base, local: &Local, plan: &Plan, root: usize) -> (usize, usize) {
    let mut suspects: Vec<&SaveId> = plan
        .questions
        .iter()
        .filter_map(|q| if let Question::Suspect { save, .. } = q { Some(save) } else { None })
        .collect();
    suspects.sort_unstable();
    // What lies in its place is another save: it is called otherwise now (an upgrade, say), and not gone.
    let is_renamed = |entry: &BaseEntry| local.saves.values().any(|found| found.place == entry.place);
    let here = base.saves.iter().filter(|(_, entry)| entry.place.root == root && entry.content.is_some());
    let (mut gone, mut all) = (0, 0);
    for (save, entry) in here {
        let is_gone = match local.saves.get(save) {
            Some(found) => suspects.binary_search(&save).is_ok() && entry.aside != Some(found.content.digest),
            None => !local.unread.contains(save) && !is_renamed(entry),
        };
        gone += usize::from(is_gone);
        all += 1;
    }
    (gone, all)
}

/// A server restored from the wrong backup must not roll a whole device back in one round.
pub(super) fn downloads(local: &Local, policy: &Policy, plan: &mut Plan) {
    let replaces =
        |step: &Step| matches!(step, Step::Retire { .. } | Step::Download { expects: Some(_), .. });
    let count = plan.steps.iter().filter(|step| replaces(step)).count();
    let of = local.saves.len();
    if !policy.accept_mass_change && count > GUARD_COUNT && count * 2 > of {
        plan.steps.retain(|step| !replaces(step));
        plan.halts.push(Halt::Replaced { count, of });
    }
}
