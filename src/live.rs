//! What the daemon is doing right now, for whoever watches: a screen beside it.
//!
//! Told from inside a cycle; whoever watches gets a line of JSON at once and one for each change. Without a watcher it costs
//! a lock and no write. A watcher that reads too slowly is let go: the daemon never waits for a screen.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::cycle::CycleReport;
use crate::error::Error;
use crate::playing::boot_ms;
use crate::report;

/// So many problems are told; the log has all.
const MOST: usize = 20;

/// What it does and how the last cycle ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Saves are being sent or fetched.
    pub moving: Option<Moving>,
    /// How many cycles have ended: another number means that the card is worth another look.
    pub cycles: u64,
    /// When the remote last answered, in milliseconds since this device booted.
    pub contact_boot_ms: Option<u64>,
    /// Why the last cycle could not use the remote.
    pub failed: Option<Trouble>,
    /// Why nothing is written into save folders: a game runs.
    pub playing: Option<String>,
    /// What went wrong with single saves and folders.
    pub problems: Vec<Trouble>,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// To the server; else from it.
    pub sends: bool,
    /// So many saves are through.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// An error, as it travels to a screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// [`report::kind_word`].
    pub kind: String,
    /// What could not be done.
    pub doing: String,
    /// Why.
    pub cause: String,
    /// What a person can do.
    pub help: Option<String>,
}

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Trouble {
        Trouble {
            kind: report::kind_word(error.kind).to_owned(),
            doing: error.doing.clone(),
            cause: error.cause.clone(),
            help: error.help.clone(),
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        let Trouble { kind, doing, cause, help } = trouble;
        Error { kind: report::kind_of(&kind), doing, cause, help }
    }
}

/// Where it is told and heard; its copies are one.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    now: Now,
    watchers: Vec<UnixStream>,
}

impl Live {
    /// Saves begin to move.
    pub fn begin(&self, sends: bool, total: usize) {
        self.change(|now| now.moving = Some(Moving { sends, done: 0, total: total as u64 }));
    }

    /// One more is through.
    pub fn one_more(&self) {
        self.change(|now| {
            if let Some(moving) = &mut now.moving {
                moving.done = (moving.done + 1).min(moving.total);
            }
        });
    }

    /// A cycle has ended like this.
    pub fn ended(&self, report: &CycleReport) {
        self.change(|now| {
            now.moving = None;
            now.cycles += 1;
            now.failed = report.failed.as_ref().map(Trouble::from);
            if report.failed.is_none() {
                now.contact_boot_ms = Some(boot_ms());
            }
            now.playing.clone_from(&report.playing);
            now.problems =
                report.problems.iter().take(MOST).map(|problem| Trouble::from(&problem.error)).collect();
        });
    }

    /// Tells this one from now on.
    pub fn watch(&self, watcher: UnixStream) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = line(&told.now);
        if watcher.set_nonblocking(true).is_ok() && tell(&watcher, &line) {
            told.watchers.push(watcher);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut told.now);
        if !told.watchers.is_empty() {
            let line = line(&told.now);
            told.watchers.retain(|watcher| tell(watcher, &line));
        }
    }
}

fn line(now: &Now) -> Vec<u8> {
    let mut line = serde_json::to_vec(now).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The whole line or nothing more: half a line cannot be mended.
fn tell(mut watcher: &UnixStream, line: &[u8]) -> bool {
    watcher.write_all(line).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{BufRead, BufReader};

    #[test]
    fn who_watches_hears_what_is_and_each_change() {
        let live = Live::default();
        live.begin(true, 3);
        let (here, there) = UnixStream::pair().unwrap();
        live.watch(there);
        live.one_more();
        live.ended(&CycleReport::default());
        let lines = BufReader::new(here).lines().take(3).map(Result::unwrap);
        let told: Vec<Now> = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
        assert_eq!(told[0].moving, Some(Moving { sends: true, done: 0, total: 3 }));
        assert_eq!(told[1].moving, Some(Moving { sends: true, done: 1, total: 3 }));
        assert_eq!((told[2].moving.as_ref(), told[2].cycles), (None, 1));
    }

    #[test]
    fn a_screen_that_does_not_read_holds_nobody_up_and_is_let_go() {
        let live = Live::default();
        let (_asleep, there) = UnixStream::pair().unwrap();
        live.watch(there);
        for _ in 0..100_000 {
            live.one_more();
        }
        assert!(live.0.lock().unwrap().watchers.is_empty());
    }
}
