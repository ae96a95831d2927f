//! What `retrosync start` promises to the boot script that calls it and to the person who comes back: it returns at once
//! and keeps nothing of its caller's, there is one daemon a card, and one that keeps dying is left alone for an hour, or
//! until somebody looks (safe mode).
//!
//! The real program and server; a crash is a SIGKILL, placed as soon as the daemon has the card.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::card::Firmware;
use support::device::{Device, bytes};
use support::server::Server;
use support::wait_for;

const GAME: &str = "Tetris (World)";
/// How long anything may take, on a machine that does much else.
const PATIENCE_S: u64 = 90;

/// A paired device whose daemon was started in the background, and ends with the test.
struct Started {
    device: Device,
    _server: Server,
}

impl Started {
    fn new() -> Started {
        let (device, server) = (Device::new(Firmware::Onion, GAME), Server::start());
        device.pair(&server);
        let started = Started { device, _server: server };
        started.device.run(&["start"]).ends(0);
        started
    }

    fn state(&self, name: &str) -> PathBuf {
        self.device.card.root.join(".retrosync").join(name)
    }

    /// The process that has the card, if one has.
    fn daemon(&self) -> Option<u32> {
        let lock = File::open(self.state("lock")).ok()?;
        let is_held = matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock));
        is_held.then(|| fs::read_to_string(self.state("lock")).unwrap().trim().parse().ok())?
    }

    /// The one that has it now and is not `old`.
    fn next_daemon(&self, old: Option<u32>) -> u32 {
        wait_for("a daemon runs", PATIENCE_S, || self.daemon().filter(|id| Some(*id) != old))
    }

    /// The processes of this device, by their ids.
    fn processes(&self) -> Vec<u32> {
        let mine = format!("RETROSYNC_CONFIG={}", self.device.folder().join("retrosync.toml").display());
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_mine = |id: &u32| {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mine.as_bytes())
        };
        ids.filter(is_mine).collect()
    }

    /// The supervisor and the daemon, and no other; what forked them may take a moment to end.
    fn both(&self) -> Vec<u32> {
        wait_for("there are two processes", PATIENCE_S, || {
            Some(self.processes()).filter(|processes| processes.len() == 2)
        })
    }

    fn status(&self) -> serde_json::Value {
        self.device.run(&["status", "--json"]).json()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.device.run(&["stop"]);
    }
}

#[test]
fn a_daemon_that_keeps_dying_is_left_alone_until_a_person_starts_it_again() {
    let started = Started::new();
    let (mut deaths, mut daemon) = (vec![], None);
    for _ in 0..5 {
        daemon = Some(started.next_daemon(daemon));
        deaths.push(Instant::now());
        let killed = Command::new("sh").args(["-c", &format!("kill -KILL {}", daemon.unwrap())]).status();
        assert!(killed.unwrap().success());
    }
    // Ever longer pauses: a second, two, four, eight.
    for (least_s, pair) in [1, 2, 4, 8].into_iter().zip(deaths.windows(2)) {
        let paused = pair[1] - pair[0];
        assert!(paused >= Duration::from_secs(least_s), "{paused:?}, not {least_s} s");
    }
    let told = "safe mode: it ended 5 times within a minute of its start";
    wait_for("it is left alone", PATIENCE_S, || (started.status()["gave_up"] == told).then_some(()));
    // Who tries it again in an hour is all that is left.
    let waits = || wait_for("one waits", PATIENCE_S, || <[u32; 1]>::try_from(started.processes()).ok());
    let [waiting] = waits();
    let status = started.device.run(&["status"]).ends(3);
    assert!(
        status.out.contains(&format!("the daemon is not running ({told}): `retrosync start` tries it anew")),
        "{}",
        status.out
    );
    assert!(fs::read_to_string(started.state("log.txt")).unwrap().contains(told), "the log says why");

    // Whoever opens the app does this.
    started.device.run(&["start"]).ends(0);
    started.next_daemon(daemon);
    assert!(!started.both().contains(&waiting), "it makes room for who was asked now");
    let status = started.status();
    assert_eq!((&status["running"], &status["gave_up"]), (&true.into(), &serde_json::Value::Null));
    started.device.plays(&bytes("after it"));
    wait_for("it is sent again", PATIENCE_S, || (started.status()["queued"] == 0).then_some(()));
    started.device.run(&["stop"]).ends(0);
    assert_eq!(started.status()["gave_up"], serde_json::Value::Null, "stopped by a person, not by itself");
}

#[test]
fn a_card_has_one_daemon_however_often_it_is_started() {
    let started = Started::new();
    started.next_daemon(None);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| started.device.run(&["start"]).ends(0));
        }
    });
    let again = started.device.run(&["start"]).ends(0);
    assert_eq!(again.out, "it is running already\n");
    started.both();
    // Another's on the same card, as of a second package: the same lock.
    let refused = started.device.run(&["run"]).ends(1);
    assert!(refused.err.contains("another retrosync uses this card"), "{}", refused.err);
}

#[test]
fn who_starts_it_gets_its_own_back_at_once() {
    let (device, server) = (Device::new(Firmware::Onion, GAME), Server::start());
    device.pair(&server);
    let kept = device.folder().join("kept");
    fs::write(&kept, "").unwrap();
    // A firmware that reads what its hook says, has a file open, stands in a folder that it wants to take away, and has
    // signals ignored.
    let folder = device.folder().join("mounted");
    fs::create_dir(&folder).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP TERM; exec 7<\"$1\"; shift; exec \"$@\"", "sh"]).arg(&kept);
    let program = device.program().into_command();
    command.arg(program.get_program()).args(program.get_args()).arg("start");
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.current_dir(&folder).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "running in the background\n", "read to its end");
    let started = Started { device, _server: server };
    started.next_daemon(None);
    let own: PathBuf = fs::read_link("/proc/self").unwrap();
    let session = |id: &str| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().to_owned()
    };
    for id in started.both() {
        assert_ne!(session(&id.to_string()), session(own.to_str().unwrap()), "a session of its own");
        assert_eq!(fs::read_link(format!("/proc/{id}/cwd")).unwrap(), PathBuf::from("/"));
        let files: Vec<PathBuf> = fs::read_dir(format!("/proc/{id}/fd"))
            .unwrap()
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .collect();
        assert!(!files.contains(&kept), "{files:?}");
        assert_eq!(files.iter().filter(|file| file.as_os_str() == "/dev/null").count(), 3, "{files:?}");
    }
}
