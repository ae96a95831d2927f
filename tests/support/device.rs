//! A handheld in a folder: a card laid out as its firmware lays it out, and the daemon on it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use super::card::{Card, Firmware, Game};
use super::program::{Ended, Program, Running};
use super::server::Server;
use super::wait_for;

/// How long a save must be quiet in these tests.
pub const SETTLE_MS: u64 = 200;

/// How long a program may say nothing that should speak.
const PATIENCE: Duration = Duration::from_secs(120);

/// One device with one card.
pub struct Device {
    folder: tempfile::TempDir,
    /// Its card, with one game.
    pub card: Card,
    settings: String,
}

impl Device {
    /// A device of this firmware with one game on its card.
    pub fn new(firmware: Firmware, title: &str) -> Device {
        Device::with(
            firmware,
            title,
            &format!("name = \"{firmware:?}\"\nsettle_ms = {SETTLE_MS}\nfresh_save_s = 0\n"),
        )
    }

    /// The same with these lines in its configuration, and the defaults for all else.
    pub fn with(firmware: Firmware, title: &str, lines: &str) -> Device {
        Device::playing(firmware, title, Game::Gambatte, lines)
    }

    /// The same with another game.
    pub fn playing(firmware: Firmware, title: &str, game: Game, lines: &str) -> Device {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("card");
        let card = Card::lay_out_for(&root, firmware, title, game).unwrap();
        let settings =
            format!("profile = \"{}\"\nroot = \"{}\"\n{lines}", firmware.profile(), root.display());
        let device = Device { folder, card, settings };
        device.set("");
        device
    }

    /// Adds lines to its configuration file.
    pub fn set(&self, more: &str) {
        std::fs::write(self.config(), format!("{}{more}", self.settings)).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("retrosync.toml")
    }

    /// A folder beside the card.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program as this device starts it.
    pub fn program(&self) -> Program {
        Program::new().config(&self.config())
    }

    /// Runs a command to its end.
    pub fn run(&self, words: &[&str]) -> Ended {
        self.program().run(words)
    }

    /// Runs a command with `--json`.
    pub fn json(&self, words: &[&str]) -> Value {
        self.program().run(words.iter().chain(&["--json"])).json()
    }

    /// Pairs as a person does: reads the code, approves it elsewhere, waits for the end.
    pub fn pair(&self, server: &Server) -> Value {
        let mut pairing = self.start_pairing(&server.url());
        server.approve(&pairing.code());
        pairing.end()
    }

    /// Starts to pair and stops where the code is shown.
    pub fn start_pairing(&self, url: &str) -> Pairing {
        let mut command = self.program().into_command();
        let mut child = command
            .args(["pair", url, "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut pairing = Pairing { running: Running::of(child), offer: Value::Null, lines };
        pairing.offer = serde_json::from_str(&pairing.line().unwrap_or_default()).unwrap_or_default();
        pairing
    }

    /// One cycle that must end well.
    #[track_caller]
    pub fn once(&self) -> Value {
        self.program().run(["once", "--json"]).ends(0).json()
    }

    /// One cycle that ends with problems or questions.
    #[track_caller]
    pub fn once_asks(&self) -> Value {
        self.program().run(["once", "--json"]).ends(3).json()
    }

    /// Starts the daemon and waits until it is in its loop.
    pub fn daemon(&self) -> Running {
        let log = self.folder.path().join("daemon.log");
        let before = std::fs::read_to_string(&log).unwrap_or_default().len();
        let mut running = self.program().env("RETROSYNC_LOG", "debug").start(["run"], &log);
        wait_for("the daemon runs", 120, || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(running.ended().is_none(), "the daemon ended: {said}");
            said.get(before..)?.contains("watching").then_some(())
        });
        running
    }

    /// `kill -9` of the daemon that `start` began, and of who would start it again.
    pub fn kill_daemon(&self) {
        for name in ["supervisor", "lock"] {
            let file = self.card.root.join(".retrosync").join(name);
            let text = std::fs::read_to_string(file).unwrap();
            let id: i32 = text.lines().next().unwrap().trim().parse().unwrap();
            // SAFETY: plain numbers; whoever has the lock wrote its own.
            unsafe { libc::kill(id, libc::SIGKILL) };
        }
    }

    /// What the daemon logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default()
    }

    /// The game's save, where the firmware has it.
    pub fn save(&self) -> Option<Bytes> {
        read(&self.card.save())
    }

    /// The emulator writes the game's save.
    pub fn plays(&self, bytes: &[u8]) {
        std::fs::create_dir_all(self.card.save().parent().unwrap()).unwrap();
        std::fs::write(self.card.save(), bytes).unwrap();
    }
}

/// `retrosync pair` while it waits.
pub struct Pairing {
    running: Running,
    /// What it showed.
    pub offer: Value,
    /// What it prints, as it prints it.
    lines: Receiver<String>,
}

impl Pairing {
    /// The code that it shows.
    pub fn code(&self) -> String {
        self.offer["code"].as_str().unwrap_or_else(|| panic!("no code: {}", self.offer)).to_owned()
    }

    /// Waits for the end; answers the last value that it printed.
    pub fn end(&mut self) -> Value {
        let mut last = Value::Null;
        while let Some(line) = self.line() {
            last = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        last
    }

    /// Its next line; `None` at its end. A program that hangs fails the test instead of hanging it.
    fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("`pair` says nothing for {PATIENCE:?}: it hangs"),
        }
    }
    /// Its exit code, after [`Pairing::end`].
    pub fn exit(&mut self) -> i32 {
        wait_for("the pairing ends", 120, || self.running.ended())
    }
}

/// A save's bytes; shown by their beginning and length.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = self.0.split(|byte| *byte == 0x5a).next().unwrap_or_default();
        write!(f, "{:?} ({} bytes)", String::from_utf8_lossy(&mark[..mark.len().min(60)]), self.0.len())
    }
}

/// The file's bytes, if it is there.
pub fn read(path: &Path) -> Option<Bytes> {
    std::fs::read(path).ok().map(Bytes)
}

/// A save of 8 KiB that begins with `mark`.
pub fn bytes(mark: &str) -> Bytes {
    let mut bytes = vec![0x5a; 8192];
    bytes[..mark.len()].copy_from_slice(mark.as_bytes());
    Bytes(bytes)
}

impl Drop for Device {
    /// What the daemon said is worth reading when a test failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("---- log of {:?} ----\n{}", self.card.firmware, self.log());
        }
    }
}
