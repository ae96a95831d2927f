//! Automatic states and the battery save that they would hide.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::tests::{entry, found, head};
use super::*;
use crate::snapshot::{RelativePath, RootState};
use retrosync_protocol::WriterId;

const BATTERY: &str = "gb/sram/Tetris";
const STATE: &str = "gb/state.auto@gambatte/Tetris";

fn id(text: &str) -> SaveId {
    text.parse().unwrap()
}

fn at(name: &str) -> Place {
    Place { root: 0, path: RelativePath::new(name).unwrap() }
}

/// Version 2 of the battery save comes, received at second 20; the state here is `here`, the remote's is `stored`, received at
/// that second from that writer.
fn case(here: u8, stored: Option<(u8, i64, u8)>, policy: &Policy) -> Plan {
    let (mut base, mut local, mut listing) = (Base::default(), Local::default(), Listing::default());
    local.roots.push(Some(RootState::Online));
    local.saves.insert(id(BATTERY), LocalSave { place: at("b"), ..found(1, None) });
    base.saves.insert(id(BATTERY), BaseEntry { place: at("b"), ..entry(1, true, &[]) });
    listing.saves.insert(id(BATTERY), vec![Head { received_unix_s: 20, ..head(2) }]);
    local.saves.insert(id(STATE), LocalSave { place: at("s"), ..found(here, None) });
    if let Some((stored, received_unix_s, writer)) = stored {
        base.saves.insert(id(STATE), BaseEntry { place: at("s"), ..entry(stored, true, &[]) });
        let head = Head { received_unix_s, writer: WriterId::from_random(&[writer; 16]), ..head(stored) };
        listing.saves.insert(id(STATE), vec![head]);
    }
    plan(&base, &local, &listing, policy)
}

/// What becomes of the two, in a word each.
fn told(plan: &Plan) -> Vec<String> {
    let word = |step: &Step| match step {
        Step::Upload { leads: true, .. } => "stored first",
        Step::Upload { .. } => "stored",
        Step::Download { .. } => "comes",
        Step::Retire { .. } => "goes",
        Step::Settle { .. } => "settled",
        Step::Choose { .. } => "chosen",
    };
    plan.steps.iter().map(|step| format!("{} {}", step.save().kind(), word(step))).collect()
}

#[test]
fn a_state_that_would_hide_a_newer_battery_save_goes_when_it_is_stored_and_not_before() {
    let ours = Policy { own: Some(WriterId::from_random(&[7; 16])), ..Policy::default() };
    for (row, here, stored, policy, expected) in [
        ("never sent: the battery save waits", 5, None, &ours, vec!["state stored first"]),
        ("played since it was sent", 5, Some((4, 10, 7)), &ours, vec!["state stored first"]),
        ("sent, and older", 4, Some((4, 10, 8)), &ours, vec!["sram comes", "state goes"]),
        ("from elsewhere, and newer", 4, Some((4, 30, 8)), &ours, vec!["sram comes"]),
        ("made here, and sent just now", 4, Some((4, 30, 7)), &ours, vec!["sram comes", "state goes"]),
    ] {
        assert_eq!(told(&case(here, stored, policy)), expected, "{row}");
    }
}

#[test]
fn a_state_stays_as_long_as_the_save_that_it_hides_may_not_come() {
    let fresh = Policy { fresh: [id(BATTERY)].into_iter().collect(), ..Policy::default() };
    assert_eq!(told(&case(4, Some((4, 10, 8)), &fresh)), Vec::<String>::new());
}

#[test]
fn states_that_a_person_left_out_are_left_alone() {
    let policy = Policy { leave_out: Selection::parse("states"), ..Policy::default() };
    assert_eq!(told(&case(4, Some((4, 10, 8)), &policy)), ["sram comes"]);
}
