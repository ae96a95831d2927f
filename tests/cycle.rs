//! Whole cycles over real folders: two Onion cards and a store that both write, with faults between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cycle {
    mod awaited;
    mod daemon;
    mod games;
    mod halves;
    pub mod rig;
}

use std::fs;

use cycle::rig::{Fault, Rig};
use retrosync::apply::Deed;
use retrosync::error::Kind;
use retrosync::pace::{Ending, Trigger};
use retrosync::plan::{Halt, Question};

const TETRIS: &str = "gb/sram/Tetris";

fn kinds(deeds: &[Deed]) -> Vec<&'static str> {
    let kind = |deed: &Deed| match deed {
        Deed::Stored { branch: false, .. } => "stored",
        Deed::Stored { branch: true, .. } => "branch",
        Deed::SetAside { .. } => "aside",
        Deed::Placed { .. } => "placed",
        Deed::Retired { .. } => "retired",
        Deed::Chosen { .. } => "chosen",
    };
    deeds.iter().map(kind).collect()
}

#[test]
fn a_save_made_on_one_card_is_on_the_other_and_back() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    assert_eq!(kinds(&a.cycle().deeds), ["stored"]);
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    assert_eq!(b.save("Tetris"), b"level 1");
    b.plays("Tetris", b"level 2");
    assert_eq!(kinds(&b.cycle().deeds), ["stored"]);
    let back = a.cycle();
    assert_eq!((kinds(&back.deeds), back.questions.len()), (vec!["placed"], 0));
    assert_eq!(a.save("Tetris"), b"level 2");
    let kept = a.attic();
    assert_eq!(kept, [b"level 1".to_vec()], "the old one is in the attic");
}

#[test]
fn a_quiet_cycle_makes_one_request_reads_no_save_and_writes_nothing() {
    let rig = Rig::new(&["Tetris", "Mario"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    b.plays("Mario", b"world 1");
    a.cycle();
    b.cycle();
    a.cycle();
    // Each hears once of what it stored itself.
    b.cycle();
    for device in [&mut a, &mut b] {
        device.forget_calls();
        let before = device.files();
        let report = device.run(Trigger::Retry);
        assert_eq!((report.read, report.requests, report.is_quiet()), (0, 1, true));
        assert_eq!(device.calls(), ["list"]);
        assert_eq!(device.files(), before);
        assert_eq!(report.ending(), Ending::Done);
    }
    // A restart reads everything once, and still writes nothing.
    let mut again = a.restarted();
    let before = again.files();
    let report = again.cycle();
    assert_eq!((report.read, report.requests, again.calls()), (2, 1, vec!["list".to_owned()]));
    assert_eq!(again.files(), before);
}

#[test]
fn a_changed_save_is_one_request_where_a_long_poll_listens() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.plays("Tetris", b"level 1");
    a.cycle();
    a.forget_calls();
    a.plays("Tetris", b"level 2");
    let report = a.run_current(Trigger::Changed);
    assert_eq!((kinds(&report.deeds), a.calls()), (vec!["stored"], vec!["store".to_owned()]));
}

#[test]
fn many_saves_are_one_store_and_one_fetch() {
    let titles: Vec<String> = (0..40).map(|n| format!("Game {n}")).collect();
    let names: Vec<&str> = titles.iter().map(String::as_str).collect();
    let rig = Rig::new(&names);
    let (mut a, mut b) = (rig.device(), rig.device());
    for name in &names {
        a.plays(name, name.as_bytes());
    }
    assert_eq!(a.cycle().deeds.len(), 40);
    assert_eq!(a.calls(), ["list", "store"]);
    let report = b.cycle();
    assert_eq!((report.deeds.len(), report.problems.len()), (40, 0), "{:?}", report.problems);
    assert_eq!(b.calls(), ["list", "fetch"]);
}

#[test]
fn what_is_left_out_is_not_asked_about_in_every_cycle() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.leaves_out("saves");
    a.plays("Tetris", b"never synced");
    a.cycle();
    a.forget_calls();
    assert!(a.run_current(Trigger::Changed).is_quiet());
    assert_eq!(a.calls(), Vec::<String>::new());
}

#[test]
fn two_devices_that_changed_one_save_both_keep_theirs_and_are_asked() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    a.plays("Tetris", b"a: level 2");
    b.plays("Tetris", b"b: level 2");
    assert_eq!(kinds(&a.cycle().deeds), ["stored"]);
    let report = b.cycle();
    assert_eq!(kinds(&report.deeds), ["branch"]);
    for device in [&mut a, &mut b] {
        let report = device.cycle();
        assert!(matches!(&report.questions[..], [Question::Conflict { heads, .. }] if heads.len() == 2));
        assert!(report.is_quiet(), "{:?}", report.deeds);
    }
    assert_eq!((a.save("Tetris"), b.save("Tetris")), (b"a: level 2".to_vec(), b"b: level 2".to_vec()));
    // Each plays on: its own branch grows, the question stays one of two.
    b.plays("Tetris", b"b: level 3");
    assert_eq!(kinds(&b.cycle().deeds), ["branch"]);
    let report = a.cycle();
    assert!(matches!(&report.questions[..], [Question::Conflict { heads, .. }] if heads.len() == 2));
}

#[test]
fn bytes_that_differ_at_first_contact_are_a_question_and_equal_ones_are_settled() {
    let rig = Rig::new(&["Tetris", "Mario"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    for (device, level) in [(&a, b"a: level 1"), (&b, b"b: level 1")] {
        device.plays("Tetris", level);
        device.plays("Mario", b"the same");
    }
    assert_eq!(kinds(&a.cycle().deeds), ["stored", "stored"]);
    let report = b.cycle();
    assert_eq!(kinds(&report.deeds), ["branch"]);
    assert_eq!(b.cycle().questions.len(), 1);
    assert_eq!((a.save("Tetris"), b.save("Tetris")), (b"a: level 1".to_vec(), b"b: level 1".to_vec()));
}

#[test]
fn a_game_that_is_begun_anew_goes_on_from_its_deletion_and_not_from_what_was_deleted() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.plays("Tetris", b"level 1");
    a.cycle();
    let deleted = rig.deletes("gb/sram/Tetris");
    let deeds = a.cycle().deeds;
    assert!(matches!(deeds[..], [Deed::Retired { version, .. }] if version == deleted), "{deeds:?}");
    a.plays("Tetris", b"anew");
    assert_eq!(kinds(&a.cycle().deeds), ["stored"]);
    assert_eq!(rig.parents("gb/sram/Tetris"), [deleted]);
}

#[test]
fn nothing_is_deleted_on_absence_and_what_is_absent_comes_back() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    fs::remove_file(a.path("Tetris")).unwrap();
    assert_eq!(kinds(&a.cycle().deeds), ["placed"]);
    b.cycle();
    assert_eq!((a.save("Tetris"), b.save("Tetris")), (b"level 1".to_vec(), b"level 1".to_vec()));
}

#[test]
fn a_save_whose_game_is_not_here_is_not_put_here_until_the_game_comes() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    fs::remove_file(b.rom("Tetris")).unwrap();
    a.plays("Tetris", b"level 1");
    a.cycle();
    assert!(b.cycle().is_quiet());
    assert!(!b.path("Tetris").exists());
    fs::write(b.rom("Tetris"), "rom").unwrap();
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
}

#[test]
fn a_save_that_came_between_the_look_at_the_games_and_the_look_at_the_saves_is_stored() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    // What a full cycle sees when game and save come after it has read the list of games: a save of no known game.
    fs::remove_file(a.rom("Tetris")).unwrap();
    a.plays("Tetris", b"level 1");
    assert_eq!(kinds(&a.run(Trigger::Full).deeds), [""; 0]);
    fs::write(a.rom("Tetris"), "rom").unwrap();
    assert_eq!(kinds(&a.run(Trigger::Changed).deeds), ["stored"]);
}

#[test]
fn an_emptied_save_moves_no_head_and_comes_back_from_nowhere_by_itself() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    a.plays("Tetris", b"");
    let report = a.cycle();
    assert!(report.is_quiet());
    assert!(matches!(&report.questions[..], [Question::Suspect { .. }]), "{:?}", report.questions);
    b.cycle();
    assert_eq!(b.save("Tetris"), b"level 1");
}

#[test]
fn without_the_store_changes_wait_and_follow_when_it_is_back() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    a.fault(Fault::Offline);
    a.plays("Tetris", b"on the train");
    let report = a.cycle();
    assert_eq!(report.failed.as_ref().map(|error| error.kind), Some(Kind::Offline));
    assert_eq!((report.queued.len(), report.ending()), (1, Ending::Failed));
    a.fault(Fault::None);
    assert_eq!(kinds(&a.run(Trigger::Retry).deeds), ["stored"]);
    b.cycle();
    assert_eq!(b.save("Tetris"), b"on the train");
}

#[test]
fn a_lost_reply_costs_one_more_request_and_no_second_version() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.fault(Fault::ReplyLost);
    a.plays("Tetris", b"level 1");
    assert!(a.cycle().failed.is_some());
    a.fault(Fault::None);
    a.forget_calls();
    let report = a.cycle();
    assert_eq!((report.is_quiet(), report.questions.len(), a.calls()), (true, 0, vec!["list".to_owned()]));
    assert_eq!(rig.versions(TETRIS), 1);
}

#[test]
fn one_bad_save_never_stops_the_others() {
    let rig = Rig::new(&["Tetris", "Mario"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.plays("Mario", b"world 1");
    a.cycle();
    a.fault(Fault::Content(b"level 1"));
    b.fault(Fault::Content(b"level 1"));
    let report = b.cycle();
    assert_eq!(kinds(&report.deeds), ["placed"]);
    assert_eq!(
        report.problems.iter().map(|p| p.save.as_ref().unwrap().as_str()).collect::<Vec<_>>(),
        [TETRIS]
    );
    assert_eq!(b.save("Mario"), b"world 1");
    assert_eq!(report.ending(), Ending::Failed, "it is tried again before tomorrow");
    assert_eq!(b.run(Trigger::Retry).ending(), Ending::Done, "but is not brought all day");
    b.fault(Fault::None);
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
}

#[test]
fn a_save_that_changes_between_look_and_store_is_stored_as_it_is_then() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.plays("Tetris", b"level 1");
    let path = a.path("Tetris");
    a.before_store(move || fs::write(&path, b"level 2").unwrap());
    let report = a.cycle();
    assert!(report.is_quiet() && report.failed.is_none(), "{report:?}");
    assert_eq!(report.ending(), Ending::Busy);
    assert_eq!(kinds(&a.cycle().deeds), ["stored"]);
    assert_eq!(rig.versions(TETRIS), 1);
}

#[test]
fn a_save_that_changes_during_the_download_is_not_replaced() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    a.plays("Tetris", b"level 2");
    a.cycle();
    let path = b.path("Tetris");
    b.before_fetch(move || fs::write(&path, b"b: lvl 2").unwrap());
    let report = b.cycle();
    assert_eq!((kinds(&report.deeds), report.ending()), (vec![], Ending::Busy));
    assert_eq!(b.save("Tetris"), b"b: lvl 2");
    assert_eq!(kinds(&b.cycle().deeds), ["branch"]);
}

#[test]
fn another_epoch_compares_everything_anew_and_gives_back_what_the_store_lost() {
    let rig = Rig::new(&["Tetris", "Mario"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    rig.back_up();
    a.plays("Tetris", b"level 2");
    a.plays("Mario", b"world 1");
    a.cycle();
    b.cycle();
    rig.restore();
    a.reopen();
    b.reopen();
    let (report, other) = (a.cycle(), b.cycle());
    assert!(report.questions.is_empty() && other.questions.is_empty(), "{report:?} {other:?}");
    assert_eq!((a.save("Tetris"), b.save("Tetris")), (b"level 2".to_vec(), b"level 2".to_vec()));
    assert_eq!(rig.newest(TETRIS), b"level 2");
    assert!(a.cycle().is_quiet() && b.cycle().is_quiet());
}

#[test]
fn a_store_that_was_set_back_unawares_gets_again_what_it_lost() {
    let rig = Rig::new(&["Tetris", "Zelda"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.removes_game("Zelda");
    b.cycle();
    rig.back_up();
    a.plays("Zelda", b"dungeon 1");
    a.plays("Tetris", b"level 2");
    a.cycle();
    // A snapshot of the disk is put back; nobody told the store, so it has its old epoch.
    rig.set_back();
    let (mut a, mut b) = (a.restarted(), b.restarted());
    for level in [&b"level 3"[..], b"level 4", b"level 5"] {
        b.plays("Tetris", level);
        b.cycle();
    }
    assert!(!rig.has("gb/sram/Zelda"));
    a.run(Trigger::Full);
    assert_eq!(rig.newest("gb/sram/Zelda"), b"dungeon 1");
    assert!(rig.contents("gb/sram/Tetris").contains(&b"level 2".to_vec()));
}

#[test]
fn a_writer_that_the_store_knows_otherwise_is_drawn_anew() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.plays("Tetris", b"level 1");
    a.cycle();
    let before = a.writer();
    a.fault(Fault::WriterReused);
    a.plays("Tetris", b"level 2");
    let report = a.cycle();
    assert_eq!(kinds(&report.deeds), ["stored"], "{report:?}");
    assert_ne!(a.writer(), before);
    assert!(report.questions.is_empty());
}

#[test]
fn a_parent_that_the_store_does_not_know_costs_one_more_round() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.plays("Tetris", b"level 1");
    a.cycle();
    a.fault(Fault::UnknownParent);
    a.plays("Tetris", b"level 2");
    let report = a.cycle();
    assert!(!report.is_quiet() && report.failed.is_none(), "{report:?}");
    assert!(rig.contents(TETRIS).contains(&b"level 2".to_vec()));
}

#[test]
fn a_card_without_its_marker_stops_everything_and_changes_nothing() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    a.forget_calls();
    fs::rename(a.card().join(".retrosync"), a.card().join("elsewhere")).unwrap();
    fs::remove_file(a.path("Tetris")).unwrap();
    let report = a.cycle();
    assert!(matches!(report.halts[..], [Halt::Offline { root: 0, .. }]), "{report:?}");
    assert_eq!((a.calls().len(), report.ending()), (0, Ending::Failed));
    assert!(!a.card().join(".retrosync").exists());
    b.cycle();
    assert_eq!(b.save("Tetris"), b"level 1");
}

#[test]
fn most_saves_gone_at_once_freezes_the_card() {
    let titles: Vec<String> = (0..8).map(|n| format!("Game {n}")).collect();
    let names: Vec<&str> = titles.iter().map(String::as_str).collect();
    let rig = Rig::new(&names);
    let mut a = rig.device();
    for name in &names {
        a.plays(name, name.as_bytes());
    }
    a.cycle();
    for name in &names[..6] {
        fs::remove_file(a.path(name)).unwrap();
    }
    let report = a.cycle();
    assert!(matches!(report.halts[..], [Halt::Vanished { root: 0, count: 6, of: 8 }]), "{:?}", report.halts);
    assert!(report.is_quiet());
}

#[test]
fn a_card_that_was_tidied_on_purpose_stores_what_is_played_from_then_on() {
    let titles: Vec<String> = (0..8).map(|n| format!("Game {n}")).collect();
    let names: Vec<&str> = titles.iter().map(String::as_str).collect();
    let rig = Rig::new(&names);
    let mut a = rig.device();
    for name in &names {
        a.plays(name, name.as_bytes());
    }
    a.cycle();
    for name in &names[..3] {
        fs::remove_file(a.path(name)).unwrap();
        a.removes_game(name);
    }
    a.plays(names[3], b"");
    assert!(matches!(a.cycle().halts[..], [Halt::Vanished { root: 0, count: 4, of: 8 }]));
    a.accepts_mass_changes(true);
    assert_eq!(a.cycle().halts, []);
    a.accepts_mass_changes(false);
    a.plays(names[7], b"played after that");
    let report = a.cycle();
    assert_eq!((report.halts.len(), kinds(&report.deeds)), (0, vec!["stored"]), "{report:?}");
    assert_eq!(report.questions.len(), 1, "the empty one: {:?}", report.questions);
}

#[test]
fn games_that_were_started_and_never_saved_are_no_questions() {
    let titles: Vec<String> = (0..8).map(|n| format!("Game {n}")).collect();
    let names: Vec<&str> = titles.iter().map(String::as_str).collect();
    let rig = Rig::new(&names);
    let mut a = rig.device();
    for (name, blank) in names.iter().zip([&[0xff; 64][..], &[0; 64], b"", &[0xff; 64]].iter().cycle()) {
        a.plays(name, blank);
    }
    let report = a.cycle();
    assert_eq!((report.questions.len(), report.deeds.len()), (0, 0), "{report:?}");
    a.plays(names[0], b"saved at last");
    assert_eq!(kinds(&a.cycle().deeds), ["stored"]);
}

#[test]
fn an_edit_that_keeps_size_and_times_is_found_by_the_full_sweep_and_by_its_event() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.plays("Tetris", b"level 1");
    a.cycle();
    a.plays_without_a_trace("Tetris", b"level 2");
    assert!(a.run(Trigger::Retry).is_quiet());
    assert_eq!(kinds(&a.run(Trigger::Full).deeds), ["stored"]);
    a.plays_without_a_trace("Tetris", b"level 3");
    a.names("Tetris");
    assert_eq!(kinds(&a.run(Trigger::Changed).deeds), ["stored"]);
}

#[test]
fn while_a_guest_has_the_card_nothing_is_taken_for_the_owner_s_save() {
    let rig = Rig::new(&["Tetris"]);
    let mut a = rig.device();
    a.plays("Tetris", b"mine");
    a.cycle();
    let guest = a.card().join("Saves/MainProfile");
    fs::create_dir(&guest).unwrap();
    a.plays("Tetris", b"the guest's");
    a.forget_calls();
    let report = a.run(Trigger::Full);
    let reason = "guest mode is on: its saves are not yours".to_owned();
    assert_eq!(report.halts, [Halt::Offline { root: 0, reason }]);
    assert_eq!((a.calls(), a.save("Tetris")), (Vec::<String>::new(), b"the guest's".to_vec()));
    fs::remove_dir(&guest).unwrap();
    a.plays("Tetris", b"mine");
    assert_eq!(kinds(&a.run(Trigger::Full).deeds), [""; 0]);
}

#[test]
fn the_attic_lets_go_of_the_oldest_that_the_store_holds_and_asks_before() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    for level in 0..13u8 {
        a.plays("Tetris", &[level + 1; 64]);
        a.cycle();
        assert!(b.cycle().problems.is_empty());
    }
    let kept = b.attic();
    assert_eq!(kept.len(), 10);
    assert_eq!((kept[0][0], kept[9][0]), (12, 3), "the newest stay");
    b.forget_calls();
    b.cycle();
    assert_eq!(b.calls(), ["list"], "an attic within its limits asks nothing");
}

#[test]
fn a_full_server_takes_no_older_version_from_the_card() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    for level in [&b"level 1"[..], b"level 2", b"level 3"] {
        a.plays("Tetris", level);
        a.cycle();
        b.cycle();
    }
    assert_eq!(b.attic().len(), 2);
    b.plays("Tetris", b"level 4");
    b.fault(Fault::ServerFull);
    let report = b.cycle();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(report.ending(), Ending::Failed, "it is tried again");
    assert_eq!(b.attic().len(), 2);
    assert_eq!(kinds(&b.cycle().deeds), ["stored"]);
}
