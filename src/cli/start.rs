//! `retrosync start` and `retrosync stop`: the daemon in the background, started again if it ends.
//!
//! What a firmware's boot script calls: it returns at once, with recovery done, and asks nothing of the shell. The
//! supervisor holds a lock of its own, so that there is one of them a card; the daemon's lock is another.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::{Call, Command, run};
use crate::error::{Error, Kind, Result};
use crate::logging;
use crate::parts::Ground;
use crate::report::Exit;
use crate::root::STATE_FOLDER;
use crate::supervise::{self, Ended};

/// How long what was told to end may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// `retrosync start`.
pub const START: Command = Command {
    name: "start",
    summary: "finish what a power cut interrupted, then `run` in the background; for boot scripts",
    words: (0, 0),
    flags: &[],
    run: start,
};

/// `retrosync stop`.
pub const STOP: Command =
    Command { name: "stop", summary: "end what `start` began", words: (0, 0), flags: &[], run: stop };

fn start(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let running = |already: bool| {
        call.output.value(&json!({ "running": true, "already": already }));
        call.output.line(if already { "it is running already" } else { "running in the background" });
        Ok(Exit::Well)
    };
    // Without an address there is nothing to run, and nothing is written.
    ground.remote_settings(&ground.identity_as_it_is()?)?;
    ground.mark()?;
    if daemon(&ground).1.is_some() {
        // One that tries once an hour only: now a person is there.
        end(&supervisor(&ground)?)?;
    }
    let locked = lock(&ground)?;
    if locked.is_none() || ground.is_taken() {
        return running(true);
    }
    drop(locked);
    for problem in ground.recover()? {
        log::warn!("{}", problem.error);
    }
    let doing = "cannot go to the background";
    supervise::in_background(|| supervise(call, &ground)).map_err(|error| Error::io(doing, &error))?;
    running(false)
}

/// The supervisor's whole life.
fn supervise(call: &Call, ground: &Ground) {
    let Ok(Some(lock)) = lock(ground) else { return };
    if let Ok(card) = ground.primary() {
        logging::keep_in(card.join(STATE_FOLDER).join("log.txt"));
    }
    let mut daemon = || match run::daemon(call) {
        Err(error) => {
            log::error!("{error}");
            match error.kind {
                Kind::Misused | Kind::Unpaired | Kind::Refused(_) => Ended::ForGood,
                _ => Ended::Again,
            }
        }
        Ok(_) => Ended::Again,
    };
    // Below the id: `status` tells it.
    let mut tell = |why: Option<&str>| {
        if let Some(why) = why {
            log::error!("the daemon is left alone: {why}; `retrosync start` tries it anew");
        }
        let _ = lock.write_all_at(&lines(why.unwrap_or_default()), 0);
    };
    let why = supervise::keep_running(&mut daemon, &mut tell);
    tell(Some(&why));
}

/// What is in a supervisor's lock: its id, and why its daemon is left alone, if it is. Always of one length: on FAT a file
/// that neither grows nor shrinks cannot be half there.
fn lines(why: &str) -> Vec<u8> {
    format!("{:<10}\n{why:<80}\n", std::process::id()).into_bytes()
}

/// Does the daemon run, and if it does not, has its supervisor given up, and why?
pub(crate) fn daemon(ground: &Ground) -> (bool, Option<String>) {
    let running = ground.is_taken();
    let said = || std::fs::read_to_string(supervisor(ground).ok()?).ok();
    let why = said().and_then(|text| text.lines().nth(1).map(|why| why.trim_end().to_owned()));
    (running, why.filter(|why| !running && !why.is_empty()))
}

/// The same for people.
pub(crate) fn daemon_text(ground: &Ground) -> String {
    match daemon(ground) {
        (true, _) => "is running".into(),
        (false, None) => "is not running".into(),
        (false, Some(why)) => format!("is not running ({why}): `retrosync start` tries it anew"),
    }
}

/// The supervisor's lock with this process's id in it; `None` if another has it.
fn lock(ground: &Ground) -> Result<Option<File>> {
    let path = supervisor(ground)?;
    let failed = |error: &std::io::Error| Error::io("cannot lock the card for a supervisor", error);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(|e| failed(&e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) if error.kind() != std::io::ErrorKind::Unsupported => {
            return Err(failed(&error));
        }
        _ => {}
    }
    file.write_all(&lines("")).map_err(|e| failed(&e))?;
    Ok(Some(file))
}

fn supervisor(ground: &Ground) -> Result<PathBuf> {
    Ok(ground.primary()?.join(STATE_FOLDER).join("supervisor"))
}

fn stop(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let state = ground.primary()?.join(STATE_FOLDER);
    // The supervisor first, or it would start the daemon again.
    let mut stopped = false;
    for name in ["supervisor", "lock"] {
        stopped |= end(&state.join(name))?;
    }
    if stopped {
        // Why it was left alone is no news any more.
        lock(&ground)?;
    }
    call.output.value(&json!({ "running": false, "was_running": stopped }));
    call.output.line(if stopped { "stopped" } else { "it was not running" });
    Ok(Exit::Well)
}

/// Ends the process that has this lock, and waits until it has it no more; false if there was none.
fn end(lock: &Path) -> Result<bool> {
    let Ok(mut file) = File::open(lock) else { return Ok(false) };
    let is_held = |file: &File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    if !is_held(&file) {
        return Ok(false);
    }
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    let began = Instant::now();
    // The id was written by who held the lock then; what is not one of us is left alone.
    let id = text.lines().next().unwrap_or_default().trim();
    if let Some(pid) = id.parse().ok().filter(|pid| is_ours(*pid)) {
        // SAFETY: plain numbers.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        while began.elapsed() < GOODBYE {
            if !is_held(&file) {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Err(Error::new(Kind::Busy, "cannot end the running daemon", "it still has the card")
        .help("switch the device off and on; any instant is a safe one"))
}

fn is_ours(pid: i32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    program.rsplit(|byte| *byte == b'/').next() == Some(b"retrosync")
}
