//! The trap that costs players most: a game is started, a newer save arrives from the other handheld, the game writes the old
//! one back when it ends. With real RetroArch where it is installed, else with a process of that name that does as it does.
//!
//! The game counts its launches, so the bytes tell what came from what.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::support::card::Firmware;
use crate::support::counter_rom;
use crate::support::device::{Bytes, Device};
use crate::support::emulator::Emulator;
use crate::support::server::Server;
use crate::support::wait_for;
use crate::world::{contents, tell};

const GAME: &str = "Counter (World)";
const SAVE: &str = "gb/sram/Counter (World)";
/// Seconds of play: long enough to be stopped in.
const FRAMES: u32 = 8_000;
/// Where the machine is so busy that it was not, the game is started again.
const TRIES: usize = 5;

/// The launches of the game that were counted by each version on the server, newest first.
fn told(device: &Device, known: &[(u32, &Bytes)]) -> Vec<u32> {
    let digests = contents(device, SAVE);
    let launches = digests.iter().map(|digest| {
        let found =
            known.iter().find(|(_, bytes)| retrosync_protocol::Digest::of(bytes).to_string() == *digest);
        found.map_or(0, |(launches, _)| *launches)
    });
    launches.collect()
}

struct Trap {
    _server: Server,
    /// Plays with RetroArch and has a daemon.
    a: Device,
    /// Stores the newer save.
    b: Device,
    emulator: Emulator,
    first: Bytes,
    scratch: tempfile::TempDir,
}

impl Trap {
    /// Both hold the save of the first launch.
    fn set() -> Trap {
        let scratch = tempfile::tempdir().unwrap();
        let emulator = Emulator::find(scratch.path());
        println!("{}", emulator.describe());
        let server = Server::start();
        let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Muos, GAME));
        a.pair(&server);
        b.pair(&server);
        emulator.play(&a.card).unwrap();
        a.once();
        b.once();
        let first = a.save().unwrap();
        assert_eq!(counter_rom::launches(&first), Some(1));
        Trap { _server: server, a, b, emulator, first, scratch }
    }

    /// The other handheld's player goes on by five launches.
    fn newer(&self) -> Bytes {
        let mut bytes = self.first.to_vec();
        for _ in 0..5 {
            bytes = counter_rom::play(Some(&bytes));
        }
        self.b.plays(&bytes);
        self.b.once();
        Bytes(bytes)
    }

    /// Starts the game; it has loaded the save when this returns, and holds it until it is told to end.
    fn game_starts(&self) -> Game {
        Game::start(&self.emulator, &self.a, self.scratch.path())
    }
}

/// A game that has loaded its save and stands still until it is told to go on.
struct Game {
    process: Child,
    /// Without RetroArch: what it writes when it ends.
    writes: Option<(PathBuf, Vec<u8>)>,
}

impl Game {
    fn start(emulator: &Emulator, device: &Device, scratch: &Path) -> Game {
        let held = device.save();
        for _ in 0..TRIES {
            let Some(command) = emulator.command(&device.card, FRAMES) else { break };
            let game = stopped(command, scratch).map(|process| Game { process, writes: None });
            if let Some(game) = game.filter(|_| device.save() == held) {
                return game;
            }
            // A machine under load let it play to its end before it could be stopped: it has written, or is about to.
            fs::write(device.card.save(), held.as_deref().unwrap_or_default()).unwrap();
        }
        assert!(
            emulator.command(&device.card, FRAMES).is_none(),
            "no game could be stopped in {TRIES} tries"
        );
        // A process of that name below the card; a copy, for a link would show its own name.
        let program = scratch.join("retroarch");
        fs::copy("/bin/sleep", &program).unwrap();
        let process =
            Command::new(&program).arg("600").stdin(Stdio::null()).current_dir(&device.card.root).spawn();
        let bytes = counter_rom::play(device.save().as_deref());
        Game { process: process.unwrap(), writes: Some((device.card.save(), bytes)) }
    }

    /// The game goes on to its end, writes what it holds, and exits.
    fn ends(mut self) {
        match self.writes.take() {
            Some((file, bytes)) => {
                fs::write(file, bytes).unwrap();
                signal(&self.process, libc::SIGTERM);
            }
            None => signal(&self.process, libc::SIGCONT),
        }
        wait_for("the game ends", 180, || self.process.try_wait().unwrap());
    }
}

/// A game that has loaded its save and stands still since; `None`: it was over before.
fn stopped(mut command: Command, scratch: &Path) -> Option<Child> {
    let log = scratch.join("retroarch.log");
    let mut process = command.spawn().unwrap();
    // What it says once the game and its save are loaded and the frames begin.
    let runs = wait_for("RetroArch has loaded the save", 120, || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let runs = process.try_wait().unwrap().is_none();
        (!runs || said.contains("[Playlist]: Loading favorites")).then_some(runs)
    });
    runs.then(|| signal(&process, libc::SIGSTOP));
    runs.then_some(process)
}

/// At once: no program is started for it, which may take its time on a busy machine.
fn signal(process: &Child, which: i32) {
    // SAFETY: plain numbers; the child is ours and has not been waited for.
    assert_eq!(unsafe { libc::kill(process.id().cast_signed(), which) }, 0);
}

impl Drop for Game {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_game_that_holds_the_old_save_ends_as_two_versions_and_one_question() {
    let began = Instant::now();
    let trap = Trap::set();
    let game = trap.game_starts();
    let newer = trap.newer();
    let said = trap.a.run(&["once", "--json"]).json();
    assert_eq!(said["waiting"], json!([SAVE]), "the game is seen in /proc: {said}");
    assert_eq!(trap.a.save().as_ref(), Some(&trap.first), "nothing is put under a running game");
    game.ends();
    let second = trap.a.save().unwrap();
    assert_eq!(counter_rom::launches(&second), Some(2), "the old save, one launch on");
    for device in [&trap.a, &trap.b] {
        assert_eq!(device.once_asks()["questions"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(
        (trap.a.save().as_ref(), trap.b.save().as_ref()),
        (Some(&second), Some(&newer)),
        "both play on"
    );
    let known = [(1, &trap.first), (2, &second), (6, &newer)];
    assert_eq!(told(&trap.b, &known), [2, 6, 1], "both versions are kept, each once");
    trap.b.run(&["resolve", "counter", "this"]).ends(0);
    assert_eq!(trap.a.once()["questions"], json!([]), "one answer settles it on both");
    assert_eq!(trap.a.save().as_ref(), Some(&newer));
    tell("the stale save", "seen in /proc: two versions, one question", 1, began);
}

/// No hook, no flag, and an emulator that no profile names, as on a firmware that we do not know: the newer save is put under
/// the running game, which writes back what it had loaded. Nothing tells this from a player who went on with the newer one, so
/// nobody is asked; but nothing is lost: both are in the history, and the newer one comes back with one command.
#[test]
fn a_game_that_nobody_sees_costs_the_order_and_no_save() {
    let began = Instant::now();
    let trap = Trap::set();
    let newer = trap.newer();
    trap.a.once();
    assert_eq!(trap.a.save().as_ref(), Some(&newer), "nothing was seen, so it was put in place");
    let second = Bytes(counter_rom::play(Some(&trap.first)));
    trap.a.plays(&second);
    for device in [&trap.a, &trap.b] {
        assert_eq!(device.once()["questions"], json!([]));
    }
    assert_eq!(trap.b.save().as_ref(), Some(&second));
    let known = [(1, &trap.first), (2, &second), (6, &newer)];
    assert_eq!(told(&trap.b, &known), [2, 6, 1], "both versions are kept, each once");
    let history = trap.b.json(&["history", SAVE]);
    let version = history["versions"][1]["version"].as_str().unwrap()[..12].to_owned();
    trap.b.run(&["restore", SAVE, &version]).ends(0);
    trap.a.once();
    assert_eq!((trap.a.save().as_ref(), trap.b.save().as_ref()), (Some(&newer), Some(&newer)));
    tell("the stale save", "seen by nobody: both kept, nobody asked", 1, began);
}

#[test]
fn a_launch_hook_that_syncs_before_the_game_loses_no_order_at_all() {
    let began = Instant::now();
    let trap = Trap::set();
    let newer = trap.newer();
    // The hook: one sync before the game starts, one when it has ended.
    assert_eq!(trap.a.once()["questions"], json!([]));
    trap.emulator.play(&trap.a.card).unwrap();
    assert_eq!(trap.a.once()["questions"], json!([]));
    trap.b.once();
    let played = trap.a.save().unwrap();
    assert_eq!(counter_rom::launches(&played), Some(7), "1, then 5 there, then 1 here");
    assert_eq!(trap.b.save().as_ref(), Some(&played));
    assert_eq!(told(&trap.b, &[(1, &trap.first), (6, &newer), (7, &played)]), [7, 6, 1]);
    tell("the stale save", "with the launch hook: no question, no order lost", 1, began);
}

#[test]
fn a_flag_of_the_launcher_is_enough_to_keep_the_save_from_a_running_game() {
    let began = Instant::now();
    let trap = Trap::set();
    let flag = trap.a.card.root.join(".tmp_update/cmd_to_run.sh");
    fs::write(&flag, "retroarch").unwrap();
    let newer = trap.newer();
    assert_eq!(trap.a.run(&["once", "--json"]).json()["waiting"], json!([SAVE]));
    let second = Bytes(counter_rom::play(Some(&trap.first)));
    trap.a.plays(&second);
    fs::remove_file(&flag).unwrap();
    assert_eq!(trap.a.once_asks()["questions"].as_array().unwrap().len(), 1);
    assert_eq!((trap.a.save().as_ref(), trap.b.save().as_ref()), (Some(&second), Some(&newer)));
    assert_eq!(told(&trap.b, &[(1, &trap.first), (2, &second), (6, &newer)]), [2, 6, 1]);
    tell("the stale save", "the launcher's flag: two versions, one question", 1, began);
}
