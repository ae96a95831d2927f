//! strace as a hand that places a fault on one system call of a running program: an error, or a kill.
//!
//! Works on static programs too. Where it is not installed or not allowed, the tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::support::device::Device;
use crate::support::{not_allowed, wait_for};

/// How long a program may take that is stopped at every call.
const PATIENCE: Duration = Duration::from_secs(120);

/// Can faults be placed here? Says so where they cannot.
pub(crate) fn can_place() -> bool {
    let tried = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=openat",
            "-e",
            "inject=openat:error=EIO:when=9999",
        ])
        .arg("true")
        .output();
    let can =
        tried.is_ok_and(|output| output.status.success()) && std::env::var_os("RETROSYNC_RUNNER").is_none();
    if !can {
        not_allowed("a fault in the k-th system call", "trace a process");
    }
    can
}

/// `RETROSYNC_BIN`, else the program for cards if it was built from these sources (`scripts/build x86_64`), else the one
/// beside this test.
pub(crate) fn daemon() -> PathBuf {
    if let Ok(told) = std::env::var("RETROSYNC_BIN") {
        return told.into();
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let card = here.join("dist/retrosync-x86_64");
    let built = std::fs::metadata(&card).and_then(|metadata| metadata.modified());
    match built {
        Ok(built) if newest(&here.join("src")) <= built => card,
        _ => crate::support::program::BUILT.into(),
    }
}

fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let times = entries.map(|entry| match entry.path().is_dir() {
        true => newest(&entry.path()),
        false => entry.metadata().unwrap().modified().unwrap(),
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// `retrosync …` of this device, behind these words.
pub(crate) fn behind(device: &Device, words: &[&str], arguments: &[&str]) -> Command {
    let program = device.program().into_command();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(daemon()).args(arguments).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null());
    command
}

/// Words that give a program a `/proc` of its own, as empty as a handheld's: it looks at every process for a game, and the
/// number of its calls must not depend on what else this machine does. None where that is not allowed.
fn alone() -> &'static [&'static str] {
    const WORDS: [&str; 5] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    static CAN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let can =
        || Command::new(WORDS[0]).args(&WORDS[1..]).arg("true").output().is_ok_and(|o| o.status.success());
    if *CAN.get_or_init(can) { &WORDS } else { &[] }
}

/// How often a sync of this device calls each system call.
pub(crate) fn calls(device: &Device) -> Vec<(String, usize)> {
    let counts = device.folder().join("calls");
    let strace = ["strace", "-f", "-qq", "-c", "-o", counts.to_str().unwrap()];
    let ended = behind(device, &[alone(), &strace].concat(), &["once", "--json"]).output().unwrap();
    assert!([Some(0), Some(3)].contains(&ended.status.code()), "{ended:?}");
    let table = std::fs::read_to_string(counts).unwrap();
    let rows = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let calls = words.nth(3)?.parse().ok()?;
        Some((words.last()?.to_owned(), calls))
    });
    rows.filter(|(name, _)| name != "total").collect()
}

/// How a program ended that had a fault placed in it.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// By itself, with this code.
    Code(i32),
    /// By a signal: as good as a power cut.
    Signal,
}

/// Syncs the device; the call of this name and number fails.
pub(crate) fn sync_with_fault(device: &Device, call: &str, number: usize, error: &str) -> End {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:error={error}:when={number}");
    let words = ["strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let mut child = behind(device, &[alone(), &words].concat(), &["once", "--json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().map_or(End::Signal, End::Code);
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("call {number} of {call} fails with {error}: the program hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills a running process when it makes this call for the nth time on one of these files (on any, if there is none).
/// Ready when it returns; nothing where a running process may not be traced, and then it says so.
pub(crate) fn kill_at(pid: u32, call: &str, number: usize, file: Option<&Path>) -> Option<Hand> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string()]);
    command.arg("-e").arg(format!("trace={call}"));
    command.arg("-e").arg(format!("inject={call}:signal=KILL:when={number}"));
    if let Some(file) = file {
        command.arg("-P").arg(file);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut hand = Hand(child);
    let held = wait_for("strace holds every thread of the server", 60, || {
        if hand.0.try_wait().unwrap().is_some() {
            return Some(false);
        }
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let held = |task: std::fs::DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        tasks.flatten().all(held).then_some(true)
    });
    if !held {
        not_allowed("a server killed between bytes and record", "trace a running process");
    }
    held.then_some(hand)
}

/// Kills what this process started; strace ends with what it holds, but not the other way round.
pub(crate) fn kill_children(pid: u32) {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert!(!children.trim().is_empty(), "process {pid} has started nothing");
    for child in children.split_whitespace() {
        assert!(Command::new("kill").args(["-9", child]).status().unwrap().success());
    }
}

/// strace while it waits; lets go when dropped.
pub(crate) struct Hand(Child);

impl Drop for Hand {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
