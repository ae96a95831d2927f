//! PURE. Automatic states: loaded when a game starts, over the battery save, they would hide a newer one.
//!
//! A firmware that resumes where the player left loads `Game.state.auto` (MinUI: slot 9) whatever the battery save says. So
//!
//! ```text
//! a newer battery save is put in place ... automatic states of that game that are older go to the attic, nothing else;
//!                                          one that the remote has not is stored first, and the battery save waits for that
//! an older automatic state is listed ..... it is not put in place
//! ```
//!
//! Older means: the remote learned of it before it learned of the battery save, or it was made here, where that was not yet.
//! That order decides what is loaded next on this device, never which version is kept: states stay listed, and `restore` brings
//! one back from the attic or the server.

use litemap::LiteMap;
use retrosync_protocol::{Head, Kind, SaveId};

use super::{Plan, Policy, Step};
use crate::snapshot::{Base, Listing, Local, LocalSave};

/// Is it loaded by itself when its game starts?
fn is_automatic(save: &SaveId) -> bool {
    save.kind() == Kind::State && save.slot() == Some("auto")
}

/// The game that a save is of, and what every automatic state of that game begins with in its order.
fn game(save: &SaveId) -> (&str, &str) {
    let key = save.key();
    let title = key.splitn(3, '/').nth(2).unwrap_or_default();
    (save.system(), title)
}

/// Was this head of an automatic state older than the battery save of its game?
pub(super) fn is_outlived(save: &SaveId, head: &Head, listing: &Listing) -> bool {
    let batteries = |kind: &str| format!("{}/{kind}/{}", save.system(), save.title()).parse::<SaveId>().ok();
    is_automatic(save)
        && ["sram", "card.0"].into_iter().filter_map(batteries).any(|battery| {
            matches!(listing.saves.get(&battery).map(Vec::as_slice), Some([newer]) if newer.received_unix_s > head.received_unix_s)
        })
}

/// Adds what must go from this device because a newer battery save comes to it, and what must be stored before it goes.
pub(super) fn unmask(base: &Base, local: &Local, listing: &Listing, policy: &Policy, plan: &mut Plan) {
    let comes = |step: &&Step| matches!(step, Step::Download { save, .. } if matches!(save.kind(), Kind::Sram | Kind::Card) && !policy.fresh.contains(save));
    let coming: LiteMap<(&str, &str), &Step> =
        plan.steps.iter().filter(comes).map(|step| (game(step.save()), step)).collect();
    if coming.is_empty() {
        return;
    }
    let (mut hiding, mut unsent) = (Vec::new(), Vec::new());
    let states = local.saves.iter().filter(|(save, _)| is_automatic(save) && !policy.leave_out.skips(save));
    for (save, found) in states {
        let Some(Step::Download { head: battery, save: of, .. }) = coming.get(&game(save)) else { continue };
        let comes_too = plan.steps.iter().any(|s| matches!(s, Step::Download { .. }) && s.save() == save);
        let heads = |save: &SaveId| listing.saves.get(save).map_or(&[][..], Vec::as_slice);
        let known = heads(save).iter().find(|head| head.content == Some(found.content));
        let newer = heads(of).iter().find(|head| head.version == *battery);
        let is_newer = known.zip(newer).is_some_and(|(state, battery)| {
            state.received_unix_s >= battery.received_unix_s && policy.own.as_ref() != Some(&state.writer)
        });
        if comes_too || is_newer {
            continue;
        }
        if plan.steps.iter().any(|step| matches!(step, Step::Upload { .. }) && step.save() == save) {
            unsent.push((save.clone(), (*of).clone()));
        }
        let agreed = base.saves.get(save).map(|entry| entry.version);
        let head = known.map(|head| head.version).or(agreed).unwrap_or(*battery);
        hiding.push(aside(save, found, head, of));
    }
    hiding.retain(|step| !matches!(step, Step::Retire { hides: Some(of), .. } if unsent.iter().any(|(_, waits)| waits == of)));
    plan.steps.retain(|step| unsent.iter().all(|(_, waits)| waits != step.save()));
    for step in &mut plan.steps {
        if let Step::Upload { save, leads, .. } = step {
            *leads |= unsent.iter().any(|(state, _)| state == save);
        }
    }
    plan.steps.extend(hiding);
}

fn aside(save: &SaveId, found: &LocalSave, head: retrosync_protocol::VersionId, of: &SaveId) -> Step {
    let (place, expects, hides) = (found.place.clone(), found.content, Some(of.clone()));
    Step::Retire { save: save.clone(), place, head, expects, hides }
}
