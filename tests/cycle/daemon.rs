//! The daemon with its threads, over real cards and a store: what a player waits for.

use super::rig::{Fault, Rig, wait_for};

#[test]
fn a_save_goes_from_card_to_card_by_itself_and_back() {
    let rig = Rig::new(&["Tetris"]);
    let (a, b) = (rig.device().runs(), rig.device().runs());
    a.device.plays("Tetris", b"level 1");
    b.awaits("Tetris", b"level 1");
    b.device.plays("Tetris", b"level 2");
    a.awaits("Tetris", b"level 2");
    for device in [&a, &b] {
        assert!(device.reports().iter().all(|report| report.questions.is_empty()));
    }
}

#[test]
fn what_was_played_without_a_network_follows_when_it_is_back() {
    let rig = Rig::new(&["Tetris", "Mario"]);
    let (a, b) = (rig.device().runs(), rig.device().runs());
    a.device.plays("Tetris", b"level 1");
    b.awaits("Tetris", b"level 1");
    a.fault(Fault::Offline);
    a.device.plays("Tetris", b"on the train");
    wait_for("a cycle that could not reach the store", || {
        a.reports().iter().any(|report| report.queued.len() == 1 && report.failed.is_some())
    });
    b.device.plays("Mario", b"at home");
    a.fault(Fault::None);
    b.awaits("Tetris", b"on the train");
    a.awaits("Mario", b"at home");
}

#[test]
fn a_game_that_ends_lets_in_what_waited_for_it() {
    let rig = Rig::new(&["Tetris"]);
    let (a, b) = (rig.device(), rig.device());
    b.starts_a_game();
    let (a, b) = (a.runs(), b.runs());
    a.device.plays("Tetris", b"level 1");
    wait_for("the download waits", || b.reports().iter().any(|report| report.waiting.len() == 1));
    b.device.ends_the_game();
    b.awaits("Tetris", b"level 1");
}

#[test]
fn a_quiet_daemon_runs_no_cycles_and_keeps_one_poll_open() {
    let rig = Rig::new(&["Tetris"]);
    let (a, b) = (rig.device().runs(), rig.device().runs());
    a.device.plays("Tetris", b"level 1");
    b.awaits("Tetris", b"level 1");
    let count = || (a.reports().len(), b.reports().len(), a.polls(), b.polls());
    // What the events of our own writing and the news of our own store still cause is over soon; then nothing happens.
    let mut last = count();
    let mut since = std::time::Instant::now();
    wait_for("five seconds without a cycle or a request", || {
        if count() != last {
            last = count();
            since = std::time::Instant::now();
        }
        since.elapsed().as_secs() >= 5
    });
    assert!(last.0 <= 5 && last.1 <= 5 && last.2 <= 6 && last.3 <= 6, "{last:?}");
}
