//! The same in tmux: somebody who came by ssh pairs, answers a question and goes back, with a real keyboard's keys.
//!
//! What is read is what tmux would show; each step waits for its text. The server of tmux has a socket of its own, in a
//! folder of its own, and is ended by it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::person::{Wire, end_daemon};
use super::stories::Home;
use super::support::device::{Device, bytes};
use super::support::wait_for;

/// How long a step may take on a busy machine, in seconds.
const PATIENCE_S: u64 = 90;

/// One window with `retrosync screen` in it.
struct Window<'a> {
    device: &'a Device,
    socket: PathBuf,
}

impl<'a> Window<'a> {
    fn open(device: &'a Device, wire: &Wire) -> Window<'a> {
        let window = Window { device, socket: device.folder().join("tmux") };
        let program = device.program().into_command();
        let mut tmux = window.tmux();
        // Without anybody's configuration.
        tmux.args(["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24"]);
        tmux.arg("env");
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                tmux.arg(format!("{}={}", name.to_str().unwrap(), value.to_str().unwrap()));
            }
        }
        tmux.arg(program.get_program()).args(program.get_args());
        tmux.args(["screen", "--text", "--language", "en", "--find", wire.ask()]);
        // Whoever reads its end sees how it ended.
        tmux.args([";", "set-option", "-w", "remain-on-exit", "on"]);
        let mut ended = tmux.output().unwrap();
        // Its server sometimes does not come up on a busy machine; then there is no session yet.
        for _ in 0..3 {
            if !String::from_utf8_lossy(&ended.stderr).contains("server exited unexpectedly") {
                break;
            }
            ended = tmux.output().unwrap();
        }
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        window
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
        command.arg("-S").arg(&self.socket).stdin(Stdio::null());
        command
    }

    fn text(&self) -> String {
        let shown = self.tmux().args(["capture-pane", "-p"]).output().unwrap();
        String::from_utf8_lossy(&shown.stdout).into_owned()
    }

    /// The program has ended, whether its terminal has taken note of that or not.
    fn has_ended(&self) -> bool {
        let panes = self.tmux().args(["list-panes", "-F", "#{pane_pid}"]).output().unwrap();
        let id = String::from_utf8_lossy(&panes.stdout).trim().to_owned();
        assert!(!id.is_empty(), "there is no pane");
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
    }

    fn press(&self, keys: &[&str]) {
        for key in keys {
            assert!(self.tmux().args(["send-keys", key]).status().unwrap().success());
        }
    }

    /// Waits until all of these are shown; answers the whole text.
    #[track_caller]
    fn shows(&self, texts: &[&str]) -> String {
        let mut last = String::new();
        let began = std::time::Instant::now();
        while began.elapsed().as_secs() < PATIENCE_S {
            last = self.text();
            if texts.iter().all(|text| last.contains(text)) {
                return last;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{texts:?} are not shown:\n{last}");
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").status();
        end_daemon(self.device);
    }
}

fn is_installed() -> bool {
    Command::new("tmux").arg("-V").output().is_ok_and(|ended| ended.status.success())
}

#[test]
fn a_person_pairs_and_answers_a_question_in_tmux() {
    if !is_installed() {
        let must = std::env::var_os("RETROSYNC_NO_SKIPS").is_some();
        assert!(!must, "there is no tmux: `. scripts/setup terminal`");
        eprintln!("SKIPPED: there is no tmux, so the screen in a terminal was not driven");
        return;
    }
    let home = Home::new();
    let window = Window::open(&home.first, &home.wire);
    window.shows(&["Which is your server?", &home.wire.url(), "Type an address"]);
    window.press(&["Enter"]);
    let text =
        window.shows(&["Scan the square, or type the code at", "Waiting for your approval", "Esc: Back"]);
    // The code, as it is read: `W X R T - 4 K Q M` below the line.
    let code: String = text.lines().nth(2).unwrap().split(' ').collect();
    assert_eq!(code, home.wire.code());
    home.server.approve(&code);
    window.shows(&["Your save is safe", "Safe to switch off", "Sync now"]);
    home.second.pair(&home.server);
    home.second.once();
    assert_eq!(home.second.save(), Some(bytes("of the first")), "the sync was not only shown");

    // Somebody stops the daemon, and both play.
    home.first.run(&["stop"]).ends(0);
    window.shows(&["RetroSync is not running"]);
    home.part();
    window.press(&["Escape"]);
    wait_for("the end", PATIENCE_S, || window.has_ended().then_some(()));
    drop(window);

    let window = Window::open(&home.first, &home.wire);
    window.shows(&["Choose a version"]);
    window.press(&["Enter"]);
    window.shows(&["Both are kept. Which one goes on?", "This device", "Anbernic"]);
    window.press(&["Right", "Enter"]);
    window.shows(&["The version of Anbernic goes on everywhere."]);
    window.press(&["Enter"]);
    window.shows(&["Done", "It is in place on this device."]);
    home.has("of the second");
    window.press(&["Escape", "Escape"]);
    window.shows(&["Your save is safe", "Saves"]);
}
