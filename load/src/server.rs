//! The server under load: its real program as a process of its own, and what the kernel says it takes.
//!
//! Ended by its id when dropped; never touches another process.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;
use crate::backends::Backends;
use crate::options::Options;

/// How long a start may take.
const START_TIME: Duration = Duration::from_secs(60);
/// How long an end may take that was asked for.
const END_TIME: Duration = Duration::from_secs(5);
/// The kernel counts CPU time in hundredths of a second, on all that we run on.
const TICKS_PER_S: f64 = 100.0;

/// A program that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    /// What it is asked by to end; none where it has no children of its own, which only it can end.
    asked_by: Option<Signal>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// A RetroSync server on a data folder, with what is asked for of database and bucket.
pub(crate) fn start(options: &Options, folder: &Path, backends: &Backends) -> Outcome<Running> {
    let (program, config) = (&options.server, options.config.as_deref());
    let ready = folder.join("ready");
    let _ = fs::remove_file(&ready);
    let log = fs::File::options().create(true).append(true).open(folder.join("server.log"))?;
    let child = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data(folder))
        .arg("--ready-file")
        .arg(&ready)
        .args(config.into_iter().flat_map(|file| [OsStr::new("--config"), file.as_os_str()]))
        .envs(backends.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|why| format!("cannot start `{}`: {why}", program.display()))?;
    let mut running = Running { child, asked_by: None, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
    let began = Instant::now();
    while began.elapsed() < START_TIME {
        if let Ok(url) = fs::read_to_string(&ready) {
            let address = url.trim().split_once("://").map_or(url.trim(), |(_, address)| address);
            running.address = address.parse()?;
            return Ok(running);
        }
        if running.child.try_wait()?.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("the server does not start; it says: {}", log_of(folder)).into())
}

/// Where the server's data is.
pub(crate) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// The last words of the server's log.
pub(crate) fn log_of(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}

impl Running {
    /// Watches over a program that was started already, listens there, and ends its own children when this signal asks it to end.
    pub(crate) fn watch(child: Child, address: SocketAddr, asked_by: Signal) -> Running {
        Running { child, asked_by: Some(asked_by), address }
    }

    /// Kills it, as a power cut would end it, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(signal) = self.asked_by
            && let Some(id) = Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = kill_process(id, signal);
            let began = Instant::now();
            while began.elapsed() < END_TIME && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How much memory it holds, in bytes.
    pub(crate) fn memory_bytes(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line
            .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .ok_or("cannot read how much memory the server holds")?;
        Ok(kib << 10)
    }

    /// How much CPU time it has taken so far, in seconds.
    pub(crate) fn cpu_s(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may hold blanks: state is the first field, user and system time the 12th and 13th.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) / TICKS_PER_S)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
