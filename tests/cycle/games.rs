//! A running game owns its save: what it writes goes on from what it loaded.

use std::fs;

use super::super::kinds;
use super::rig::{Fault, Rig};
use retrosync::pace::Trigger;
use retrosync::plan::Question;

#[test]
fn while_a_game_runs_nothing_is_put_in_place_but_changes_are_stored() {
    let rig = Rig::new(&["Tetris", "Mario"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.starts_a_game();
    b.plays("Mario", b"world 1");
    let report = b.cycle();
    assert_eq!((kinds(&report.deeds), report.waiting.len()), (vec!["stored"], 1));
    assert!(report.playing.is_some() && !b.path("Tetris").exists());
    b.ends_the_game();
    assert_eq!(kinds(&b.run(Trigger::GameEnded).deeds), ["placed"]);
}

#[test]
fn a_game_that_starts_during_the_download_keeps_its_save() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    a.plays("Tetris", b"level 2");
    a.cycle();
    let flag = b.flag();
    b.before_fetch(move || fs::write(&flag, "").unwrap());
    assert!(b.cycle().is_quiet());
    assert_eq!(b.save("Tetris"), b"level 1");
    b.ends_the_game();
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
}

/// The daemon dies under a game that loaded what was replaced; how it is started anew is the row.
#[test]
fn a_game_that_outlives_the_daemon_still_writes_a_branch_of_what_it_loaded() {
    for row in [
        "after it had seen the game",
        "after it had seen the game, and it is paired again",
        "before it had recorded what it put in place",
    ] {
        let rig = Rig::new(&["Tetris"]);
        let (mut a, mut b) = (rig.device(), rig.device());
        a.plays("Tetris", b"level 1");
        a.cycle();
        b.cycle();
        a.plays("Tetris", b"a: level 2");
        a.cycle();
        let journals = ["journal.0", "journal.1"].map(|name| b.card().join(".retrosync").join(name));
        let before = journals.each_ref().map(|path| fs::read(path).ok());
        let mut emulator = b.starts_an_unseen_game("Tetris");
        assert_eq!(kinds(&b.cycle().deeds), ["placed"], "{row}");
        if row.starts_with("after it had seen the game") {
            b.sees_all_games();
            b.cycle();
            if row.ends_with("paired again") {
                b.is_paired_again();
            }
            b.reopen();
        } else {
            for (path, bytes) in journals.iter().zip(before) {
                if let Some(bytes) = bytes {
                    fs::write(path, bytes).unwrap();
                }
            }
            b.reopen();
            b.sees_all_games();
            b.cycle();
            b.cycle();
        }
        b.plays("Tetris", b"b: level 2");
        emulator.ends();
        assert_eq!(kinds(&b.cycle().deeds), ["branch"], "{row}: not a child of what it never loaded");
        assert_eq!(b.cycle().questions.len(), 1, "{row}");
        // And the record ends with that: the next game is a child of the branch, also after a restart.
        b.reopen();
        b.plays("Tetris", b"b: level 3");
        b.cycle();
        assert!(
            matches!(&b.cycle().questions[..], [Question::Conflict { heads, .. }] if heads.len() == 2),
            "{row}"
        );
    }
}

#[test]
fn a_newer_save_still_comes_after_a_game_ended_that_had_loaded_an_older_one() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    a.plays("Tetris", b"level 2");
    a.cycle();
    let mut emulator = b.starts_an_unseen_game("Tetris");
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    b.sees_all_games();
    b.cycle();
    a.plays("Tetris", b"level 3");
    a.cycle();
    // It ends without saving, in a cycle that hears of the newer save and cannot bring it.
    emulator.ends();
    b.fault(Fault::Content(b"level 3"));
    b.cycle();
    b.fault(Fault::None);
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    assert_eq!(b.save("Tetris"), b"level 3");
}

#[test]
fn what_a_game_writes_is_stored_although_the_store_has_forgotten_what_it_had_loaded() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    rig.back_up();
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    a.plays("Tetris", b"a: level 2");
    a.cycle();
    let mut emulator = b.starts_an_unseen_game("Tetris");
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    b.sees_all_games();
    b.cycle();
    rig.restore();
    b.plays("Tetris", b"b: level 2");
    emulator.ends();
    b.cycle();
    assert_eq!(rig.newest("gb/sram/Tetris"), b"b: level 2");
    assert!(b.cycle().is_quiet());
}

#[test]
fn what_a_game_writes_is_a_branch_although_a_restored_server_was_given_what_lay_there() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    rig.back_up();
    a.plays("Tetris", b"a: level 1");
    a.cycle();
    let mut emulator = b.starts_an_unseen_game("Tetris");
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    b.sees_all_games();
    b.cycle();
    rig.restore();
    assert_eq!(kinds(&b.cycle().deeds), ["stored"], "the server has it again");
    b.plays("Tetris", b"b: level 1");
    emulator.ends();
    assert_eq!(kinds(&b.cycle().deeds), ["branch"], "not a child of what it never loaded");
    assert_eq!(b.cycle().questions.len(), 1);
}

#[test]
fn half_a_save_is_set_aside_once_although_its_game_had_loaded_an_older_one() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    a.plays("Tetris", b"a: level 2");
    a.cycle();
    let mut emulator = b.starts_an_unseen_game("Tetris");
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    b.sees_all_games();
    b.cycle();
    b.plays("Tetris", b"lev");
    emulator.ends();
    assert_eq!(kinds(&b.cycle().deeds), ["aside"]);
    assert_eq!(kinds(&b.cycle().deeds), [""; 0], "once, not with every cycle");
}

#[test]
fn what_a_game_writes_that_loaded_the_old_save_is_a_branch_of_that() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    a.plays("Tetris", b"level 1");
    a.cycle();
    b.cycle();
    a.plays("Tetris", b"a: level 2");
    a.cycle();
    // An emulator that nobody can see loads level 1, and is seen only after the download.
    let mut emulator = b.starts_an_unseen_game("Tetris");
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    b.sees_all_games();
    b.cycle();
    b.plays("Tetris", b"b: level 2");
    emulator.ends();
    let report = b.cycle();
    assert_eq!(kinds(&report.deeds), ["branch"], "not a child of what it never loaded");
    assert_eq!(b.cycle().questions.len(), 1);
    assert_eq!(b.save("Tetris"), b"b: level 2");
    // The next game loads what lies there: its parent is that branch.
    b.plays("Tetris", b"b: level 3");
    b.cycle();
    assert!(matches!(&b.cycle().questions[..], [Question::Conflict { heads, .. }] if heads.len() == 2));
}

#[test]
fn a_save_that_changed_here_a_moment_ago_is_not_replaced_yet() {
    let rig = Rig::new(&["Tetris"]);
    let (mut a, mut b) = (rig.device(), rig.device());
    b.cycle();
    b.fresh_save_s(60);
    b.plays("Tetris", b"level 1");
    b.cycle();
    a.cycle();
    a.plays("Tetris", b"level 2");
    a.cycle();
    let report = b.cycle();
    assert_eq!((kinds(&report.deeds), report.waiting.len(), report.playing), (vec![], 1, None));
    b.fresh_save_s(0);
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
}
