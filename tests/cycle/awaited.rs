//! A game waits for its saves: what comes is in place before it starts, and what would hide it is stored and out of the way.

use std::fs;
use std::path::PathBuf;

use retrosync::pace::Trigger;

use super::super::kinds;
use super::rig::{Device, Fault, Rig};

const STATE: &str = "gb/state.auto@gambatte/Tetris";

fn state(device: &Device) -> PathBuf {
    device.card().join("Saves/CurrentProfile/states/Gambatte/Tetris.state.auto")
}

/// A has a newer battery save; B has a state of its own that nobody else has.
fn hidden() -> (Rig, Device, Device) {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    fs::create_dir_all(state(&b).parent().unwrap()).unwrap();
    fs::write(state(&b), b"a state of level 1").unwrap();
    a.plays("Tetris", b"level 2");
    a.run(Trigger::Changed);
    (rig, a, b)
}

#[test]
fn a_game_that_waits_has_its_save_before_all_others_and_waits_for_no_upload() {
    let rig = Rig::new(&["Alleyway", "Mario", "Tetris", "Zelda"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    b.cycle();
    for title in ["Alleyway", "Tetris", "Zelda"] {
        a.plays(title, title.as_bytes());
    }
    a.cycle();
    b.plays("Mario", b"not sent yet");
    b.forget_calls();
    let report = b.run_for_game("TETRIS");
    let placed: Vec<_> = report.deeds.iter().map(|deed| deed.save().title()).collect();
    assert_eq!(placed, ["Tetris", "Alleyway", "Zelda"]);
    assert_eq!(b.calls(), ["list", "fetch", "fetch"]);
    assert_eq!(kinds(&b.run(Trigger::Changed).deeds), ["stored"], "what waited is sent with the next cycle");
}

#[test]
fn a_game_that_waits_is_not_said_to_have_sent_what_it_put_off() {
    let rig = Rig::new(&["Mario", "Tetris"]);
    let mut b = rig.device();
    b.cycle();
    b.plays("Mario", b"not sent yet");
    let report = b.run_for_game("Tetris");
    assert!(report.all_is_here() && !report.all_is_stored(), "{:?}", report.queued);
    assert!(b.run(Trigger::Changed).all_is_stored());
}

#[test]
fn a_state_that_hides_what_a_game_waits_for_is_stored_before_it_goes_and_does_not_come_back() {
    let (rig, _, mut b) = hidden();
    b.forget_calls();
    let report = b.run_for_game("Tetris");
    assert_eq!(kinds(&report.deeds), ["stored", "retired", "placed"]);
    assert_eq!(b.calls(), ["list", "store", "fetch"]);
    assert_eq!((b.save("Tetris").as_slice(), state(&b).exists()), (b"level 2".as_slice(), false));
    assert_eq!(rig.newest(STATE), b"a state of level 1");
    for trigger in [Trigger::Changed, Trigger::Full] {
        assert!(b.run(trigger).is_quiet(), "{trigger:?}");
        assert!(!state(&b).exists(), "newer at the server than the battery save that it would hide");
    }
}

#[test]
fn a_state_that_the_store_does_not_take_stays_and_so_does_what_it_would_hide() {
    let (_rig, _, mut b) = hidden();
    b.fault(Fault::ServerFull);
    let report = b.run_for_game("Tetris");
    assert_eq!((kinds(&report.deeds), report.problems.len()), (vec![], 1));
    assert_eq!((b.save("Tetris").as_slice(), state(&b).exists()), (b"level 1".as_slice(), true));
    assert_eq!(kinds(&b.run_for_game("Tetris").deeds), ["stored", "retired", "placed"]);
}

#[test]
fn a_state_stays_until_what_it_would_hide_has_arrived_and_goes_then() {
    let (_rig, _, mut b) = hidden();
    b.fault(Fault::Content(b"level 2"));
    assert_eq!(kinds(&b.run_for_game("Tetris").deeds), ["stored"]);
    assert_eq!((b.save("Tetris").as_slice(), state(&b).exists()), (b"level 1".as_slice(), true));
    b.fault(Fault::None);
    // It came to the store after the battery save, and was made before that was here.
    assert_eq!(kinds(&b.run_for_game("Tetris").deeds), ["retired", "placed"]);
    assert_eq!((b.save("Tetris").as_slice(), state(&b).exists()), (b"level 2".as_slice(), false));
}

#[test]
fn what_cannot_be_put_in_place_is_told_each_time_and_brought_twice() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    b.cycle();
    fs::create_dir(b.path("Tetris")).unwrap();
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.forget_calls();
    for _ in 0..3 {
        let report = b.run(Trigger::Changed);
        assert_eq!((report.problems.len(), report.all_is_here()), (1, false), "{:?}", report.problems);
    }
    assert_eq!(b.calls().iter().filter(|call| *call == "fetch").count(), 2, "{:?}", b.calls());
    fs::remove_dir(b.path("Tetris")).unwrap();
    assert_eq!(kinds(&b.run(Trigger::Retry).deeds), ["placed"]);
}
