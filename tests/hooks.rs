//! What a firmware's hooks promise to a person: the game starts in time with the newest save, keeps it while it runs, and
//! what was played is on the server before the device sleeps.
//!
//! The real program and server; a bad network between them is placed, not waited for. What the firmwares do to call the
//! hooks is in `tests/packages`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use support::card::Firmware;
use support::device::{Device, Pairing, bytes};
use support::fault_proxy::{Fault, FaultProxy, What};
use support::program::Running;
use support::server::Server;
use support::wait_for;

const GAME: &str = "Tetris (World)";
/// Where NextUI, Batocera and the others say that the game is.
const ROM: &str = "/mnt/SDCARD/Roms/GB/Tetris (World).gb";
/// A hook's own deadline comes long before the program's patience with a server (30 s): what ends within this slack of
/// its budget was ended by the deadline, however loaded this machine is.
const SLACK: Duration = Duration::from_secs(15);
/// A start that returns earlier than this was not ended by its deadline.
const IN_TIME: Duration = Duration::from_millis(1_400);
/// How long anything else may take, on a machine that does much else.
const PATIENCE_S: u64 = 60;
/// A daemon with this sends nothing by itself during a test.
const NEVER_BY_ITSELF: &str = "settle_ms = 600000\nfresh_save_s = 0\n";

/// Two paired devices, one of them behind a network that can fail, with its daemon running and in step.
struct Two {
    server: Server,
    network: FaultProxy,
    here: Device,
    other: Device,
    _daemon: Running,
}

impl Two {
    fn new() -> Two {
        let server = Server::start();
        let network = FaultProxy::to(server.port()).unwrap();
        let here = Device::with(Firmware::Minui, GAME, NEVER_BY_ITSELF);
        let other = Device::new(Firmware::Onion, GAME);
        let mut pairing: Pairing = here.start_pairing(&network.url());
        server.approve(&pairing.code());
        pairing.end();
        other.pair(&server);
        other.plays(&bytes("first"));
        other.once();
        let daemon = here.daemon();
        let two = Two { server, network, here, other, _daemon: daemon };
        two.wait_until_here("first");
        two
    }

    /// Another device stores a save.
    fn other_plays(&self, mark: &str) {
        self.other.plays(&bytes(mark));
        self.other.once();
    }

    fn wait_until_here(&self, mark: &str) {
        wait_for(&format!("`{mark}` is here"), PATIENCE_S, || {
            (self.here.save() == Some(bytes(mark))).then_some(())
        });
    }

    /// The daemon's long poll fails again and again: from here on it hears nothing by itself for some seconds.
    fn make_deaf(&mut self) {
        let away = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        self.network.set(Fault::Always(What::Instead(away.to_vec())));
        // The poll that is open would bring the news.
        self.server.kill();
        self.server.up();
        wait_for("two polls have failed", PATIENCE_S, || (self.network.requests() >= 2).then_some(()));
    }

    /// Runs a hook, which must end well; answers how long it took.
    #[track_caller]
    fn hook(&self, words: &[&str]) -> Duration {
        let began = Instant::now();
        self.here.run(&[&["hook"], words].concat()).ends(0);
        began.elapsed()
    }

    /// The daemon has heard of a save that waits for its place here.
    fn wait_until_it_waits(&self) {
        wait_for("the daemon has heard of it", PATIENCE_S, || {
            let status = self.here.run(&["status", "--json"]).json();
            (!status["incoming_saves"].as_array().unwrap().is_empty()).then_some(())
        });
    }
}

#[test]
fn a_game_starts_with_what_was_played_elsewhere_a_moment_ago() {
    let mut two = Two::new();
    for attempt in 0..5 {
        let mark = format!("a moment ago, {attempt}");
        two.make_deaf();
        two.other_plays(&mark);
        two.network.set(Fault::None);
        let took = two.hook(&["game-start", ROM]);
        // Else the deadline ended it, on a machine that does much else.
        if took < IN_TIME {
            assert_eq!(two.here.save(), Some(bytes(&mark)), "the hook returned, so the game loads it");
            return;
        }
        two.hook(&["game-stop"]);
        two.wait_until_here(&mark);
    }
    println!("not shown: this machine is too busy for two seconds to suffice");
}

#[test]
fn a_game_starts_in_time_whatever_the_network_does() {
    for fault in [What::StallReply, What::StallRequest] {
        let two = Two::new();
        two.network.set(Fault::Always(fault.clone()));
        let lasts = |moment: &str, budget_s| {
            let (budget, took) = (Duration::from_secs(budget_s), two.hook(&[moment, ROM]));
            assert!(took < budget + SLACK, "{fault:?}, {moment}: {took:?}");
            assert!(
                took >= budget,
                "{fault:?}, {moment}: {took:?}: nothing was waited for, nothing is shown"
            );
        };
        thread::scope(|scope| {
            let moments =
                [("game-start", 2), ("game-stop", 2), ("sleep", 3), ("resume", 2), ("power-off", 5)];
            for (moment, budget_s) in moments {
                scope.spawn(move || lasts(moment, budget_s));
            }
        });
    }
}

#[test]
fn what_a_slow_network_brings_after_the_start_is_not_put_under_the_game() {
    let mut two = Two::new();
    two.make_deaf();
    two.other_plays("late");
    // Longer than the hook waits, shorter than the daemon does.
    two.network.set(Fault::Always(What::Late(Duration::from_millis(1_500))));
    two.hook(&["game-start", ROM]);
    two.wait_until_it_waits();
    assert_eq!(two.here.save(), Some(bytes("first")), "a running game owns its save");
    two.network.set(Fault::None);
    two.hook(&["game-stop"]);
    two.wait_until_here("late");
}

#[test]
fn a_save_is_left_alone_from_the_hook_at_the_start_to_the_one_at_the_end() {
    for start in ["game-start", "game-runs"] {
        let two = Two::new();
        two.hook(&[start, ROM]);
        two.other_plays("while it runs");
        two.wait_until_it_waits();
        assert_eq!(two.here.save(), Some(bytes("first")), "{start}");
        two.hook(&["game-stop"]);
        two.wait_until_here("while it runs");
    }
}

#[test]
fn what_was_played_is_on_the_server_when_the_hook_returns() {
    let two = Two::new();
    for (moment, budget_s) in [("game-stop", 2), ("sleep", 3), ("power-off", 5)] {
        two.here.plays(&bytes(moment));
        let took = two.hook(&[moment]);
        // Settled or not: the device may be without power in the next instant.
        wait_for(moment, PATIENCE_S, || {
            two.other.once();
            let is_there = two.other.save() == Some(bytes(moment));
            let is_overloaded = took >= Duration::from_secs(budget_s);
            assert!(is_there || is_overloaded, "{moment} returned after {took:?}, and it is not there");
            is_there.then_some(())
        });
    }
}

#[test]
fn without_a_daemon_or_a_pairing_a_hook_returns_at_once_and_writes_nothing() {
    let device = Device::new(Firmware::Minui, GAME);
    for moment in ["game-start", "game-runs", "game-stop", "sleep", "resume", "power-off"] {
        let began = Instant::now();
        let ended = device.run(&["hook", moment, ROM]).ends(0);
        assert_eq!((ended.out, ended.err), (String::new(), String::new()), "{moment}");
        assert!(began.elapsed() < SLACK, "{moment}");
    }
    assert!(!device.card.root.join(".retrosync").exists());
    let refused = device.run(&["hook", "game-sart"]).ends(2);
    assert!(refused.err.contains("`game-sart` is no moment"), "{}", refused.err);
}

#[test]
fn a_word_that_boot_does_not_know_is_told_before_anything_is_looked_for() {
    let device = Device::new(Firmware::Minui, GAME);
    let refused = device.run(&["boot", "sideways"]).ends(2);
    assert!(refused.err.contains("`sideways` is none of on, off, keep, status"), "{}", refused.err);
    let refused = device.run(&["boot", "on"]).ends(2);
    assert!(refused.err.contains("there is no `hooks.toml` beside the program"), "{}", refused.err);
}
