//! For ever: wait for an event or for pace, run a cycle.
//!
//! One channel, one loop. A thread each for file events, the slow sweep and the long poll, which only tell; all work is
//! done here, one cycle at a time. Idle, nothing wakes but the long poll. No shutdown path: any instant is a safe
//! instant to stop.

mod news;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use retrosync_protocol::Changes;

use crate::cycle::{self, CycleReport, Parts, Request};
use crate::error::{Error, Kind, Result};
use crate::live::Live;
use crate::network;
use crate::pace::{Event, Pace, Times, Trigger};
use crate::plan::Halt;
use crate::playing::{Hooks, boot_ms};
use crate::remote::Remote;
use crate::snapshot::{Place, RelativePath, RootState};
use crate::watch::{self, Change, How, Sweeps, Watcher};

use news::{Heard, Lister};

/// How the daemon runs.
pub struct Setup {
    /// How changes are noticed.
    pub watch: How,
    /// How often names and stamps are swept.
    pub sweeps: Sweeps,
    /// When cycles are due.
    pub times: Times,
    /// The long poll's own connection; `None`: the remote is asked with each retry and full sweep only.
    pub news: Option<Box<dyn Remote>>,
    /// How long a long poll waits, in seconds.
    pub wait_s: u64,
    /// Opens the door through which other commands get something done; it must return at once.
    pub door: Option<Box<dyn FnOnce(Jobs) + Send>>,
}

/// Something that another command wants done on the card, between two cycles.
/// It gets the reason instead while the card is not the one that we know.
pub type Job = Box<dyn FnOnce(Result<&mut Parts>) + Send>;

/// Where jobs are handed in.
pub struct Jobs {
    sender: Sender<Message>,
    /// What the daemon does right now.
    pub live: Live,
    /// What the firmware's hooks said of games: heard at the door, at once.
    pub hooks: Hooks,
}

impl Jobs {
    /// Hands one in; false if the daemon is ending.
    pub fn send(&self, job: Job) -> bool {
        self.sender.send(Message::Job(job)).is_ok()
    }
}

/// What the threads tell.
enum Message {
    /// Files changed.
    Changed(Change),
    /// The long poll was answered, or failed.
    Heard(Heard),
    /// Another command wants something done.
    Job(Job),
}

/// How often to look for a route while there is none.
const ROUTE_MS: u64 = 60_000;
/// How often to look for a card that is away: one marker that is not there.
const AWAY_MS: u64 = 2_000;
/// Between two starts because the card was away.
const LIFE_LEAST: Duration = Duration::from_secs(5);

/// Runs until the process ends, or until the card was away and is back: what this process holds of it may then be of
/// another time, for others may have had it, and only a new start reads it all. `told` gets every cycle's report.
///
/// # Errors
/// When the watching threads cannot be started.
pub fn run(parts: &mut Parts, setup: Setup, mut told: impl FnMut(&mut Parts, &CycleReport)) -> Result<()> {
    let (sender, receiver) = channel();
    let started = Instant::now();
    let now_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let watcher = {
        let sender = sender.clone();
        let tell = move |change| drop(sender.send(Message::Changed(change)));
        watch::start(setup.watch, setup.sweeps, folders(parts), tell)?
    };
    if let Some(open) = setup.door {
        let (live, hooks) = (parts.memory.live.clone(), parts.memory.hooks.clone());
        open(Jobs { sender: sender.clone(), live, hooks });
    }
    let lister = start_lister(parts, setup.news, setup.wait_s, sender)?;
    let mut daemon = Daemon {
        pace: Pace::new(setup.times, now_ms()),
        watcher,
        lister,
        news: None,
        no_route: false,
        current: false,
        was_away: false,
        tells_mounts: parts.journal.is_in_place(),
    };
    loop {
        daemon.wait(parts, &receiver, &now_ms)?;
        if daemon.was_away {
            // Not one cycle more, not even one that finds no card: it could come back in the middle of it, and be written by
            // what we remember of another time.
            if card_is_there(parts) {
                log::info!("the card is back: starting anew");
                // A contact that flickers must not make us start all the time.
                std::thread::sleep(LIFE_LEAST.saturating_sub(started.elapsed()));
                return Ok(());
            }
            continue;
        }
        daemon.look(parts, now_ms());
        if let Some(trigger) = daemon.pace.due(now_ms()) {
            // Taken out and put back between two cycles, while we slept: nothing has failed, and all that we hold is of another time.
            daemon.was_away = card_is_there(parts) && daemon.is_elsewhere(parts);
            if daemon.was_away {
                continue;
            }
            daemon.pace.begin(trigger, now_ms());
            let report = daemon.cycle(parts, trigger);
            daemon.pace.end(report.ending(), random(), now_ms());
            if let Some(pause_s) = report.retry_after_s {
                daemon.pace.stay_away(pause_s.saturating_mul(1_000), now_ms());
            }
            daemon.pace.note_game(report.playing.is_some() || !report.waiting.is_empty(), now_ms());
            told(parts, &report);
        }
    }
}

struct Daemon {
    pace: Pace,
    watcher: Watcher,
    lister: Option<Lister>,
    /// What the long poll brought and no cycle has taken yet.
    news: Option<(u64, Changes)>,
    /// The last cycle failed for want of a route.
    no_route: bool,
    /// A long poll is open behind the last cycle's listing.
    current: bool,
    /// The card was missing, or is another mount than the one whose journal is open.
    was_away: bool,
    /// The card's file system names a file that was just opened as the one that is open. Where it does not, nothing can be
    /// told by that, and we would start anew for ever.
    tells_mounts: bool,
}

impl Daemon {
    /// Sleeps until something may be due, and takes in all that was told.
    fn wait(
        &mut self,
        parts: &mut Parts,
        receiver: &Receiver<Message>,
        now_ms: &impl Fn() -> u64,
    ) -> Result<()> {
        let mut wait_ms = self.pace.wait_ms(now_ms());
        if self.no_route && self.lister.is_none() {
            wait_ms = wait_ms.min(ROUTE_MS);
        }
        if self.was_away {
            wait_ms = AWAY_MS;
        }
        match receiver.recv_timeout(Duration::from_millis(wait_ms)) {
            Ok(message) => self.take_in(parts, message, now_ms()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::new(
                    Kind::Busy,
                    "cannot watch the save folders",
                    "the watching threads ended",
                ));
            }
        }
        while let Ok(message) = receiver.try_recv() {
            self.take_in(parts, message, now_ms());
        }
        if self.no_route && network::has_route() {
            self.no_route = false;
            self.pace.note(Event::RouteUp, now_ms());
        }
        Ok(())
    }

    fn take_in(&mut self, parts: &mut Parts, message: Message, now_ms: u64) {
        match message {
            Message::Changed(Change::Anything) => self.pace.note(Event::Changed, now_ms),
            // Our own writing raises events too. They cost a reading and no request, and a game that wrote in the same
            // moment is not overlooked.
            Message::Changed(Change::File(path)) => {
                if let Some(place) = place_of(parts, &path) {
                    let place = parts.naming.whole(&place).unwrap_or(place);
                    log::debug!("`{}` changes", place.path);
                    parts.memory.name(place, boot_ms());
                    self.pace.note(Event::Changed, now_ms);
                }
            }
            Message::Heard(Heard::News(since, changes)) => {
                self.news = Some((since, changes));
                self.pace.note(Event::News, now_ms);
            }
            Message::Heard(Heard::Back) => self.pace.note(Event::Back, now_ms),
            // What the journal knows may be old.
            Message::Heard(Heard::Nothing) => self.current = false,
            Message::Job(job) => {
                self.was_away |= !card_is_there(parts) || self.is_elsewhere(parts);
                job(if self.was_away { Err(away()) } else { Ok(parts) });
                // It may be a person's first deed in a while, or a network's.
                self.pace.note(Event::RouteUp, now_ms);
            }
        }
    }

    /// While a game runs (or a save is too fresh), looks now and then whether what waits can go on.
    fn look(&mut self, parts: &Parts, now_ms: u64) {
        if self.pace.looks(now_ms) {
            let runs = parts.memory.hooks.look(&parts.signs).reason.is_some();
            self.pace.note_game(runs, now_ms);
        }
    }

    /// Is what lies at the root another mount than the one whose journal is open?
    fn is_elsewhere(&self, parts: &Parts) -> bool {
        self.tells_mounts && !parts.journal.is_in_place()
    }

    fn cycle(&mut self, parts: &mut Parts, trigger: Trigger) -> CycleReport {
        let request = Request { news: self.news.take(), current: self.current, ..Request::new(trigger) };
        let report = cycle::run(parts, request);
        self.no_route = report.failed.as_ref().is_some_and(|error| error.kind == Kind::Offline)
            && parts.settings.needs_route
            && !network::has_route();
        let is_odd = !report.halts.is_empty() || !report.problems.is_empty();
        self.was_away |= is_odd && (!card_is_there(parts) || self.is_elsewhere(parts));
        self.watcher.retarget(folders(parts));
        self.current = report.failed.is_none() && self.lister.is_some();
        let base = parts.journal.base();
        // What no cycle could take in would be told again at once, for as long as a guest plays: a retry asks by itself.
        let is_away = report.halts.iter().any(|halt| matches!(halt, Halt::Offline { root: 0, .. }));
        if let Some(lister) = self.lister.as_ref().filter(|_| !is_away) {
            lister.listen_from(base, report.is_deaf);
        }
        // That there is no network is no news for a person; whoever tells the reports says the rest.
        if let Some(error) = report.failed.as_ref().filter(|error| error.kind == Kind::Offline) {
            log::info!("{error}");
        }
        report
    }
}

fn away() -> Error {
    Error::new(Kind::Busy, "cannot do this now", "the card was taken out")
        .help("put it in, and ask again in a few seconds")
}

fn card_is_there(parts: &Parts) -> bool {
    parts.cards.first().is_none_or(|card| card.root.state() == RootState::Online)
}

/// The file as a place below a root.
fn place_of(parts: &Parts, path: &Path) -> Option<Place> {
    parts.cards.iter().enumerate().find_map(|(root, card)| {
        let below = path.strip_prefix(&card.root.dir).ok()?.to_str()?;
        Some(Place { root, path: RelativePath::new(below)? })
    })
}

/// The save folders on this machine.
fn folders(parts: &Parts) -> Vec<PathBuf> {
    let folders = parts.naming.folders();
    let found = folders.iter().filter_map(|folder| {
        let card = parts.cards.get(folder.place.root)?;
        Some(folder.place.path.under(&card.root.dir))
    });
    found.collect()
}

fn start_lister(
    parts: &Parts,
    remote: Option<Box<dyn Remote>>,
    wait_s: u64,
    sender: Sender<Message>,
) -> Result<Option<Lister>> {
    let needs_route = parts.settings.needs_route;
    let tell = move |heard| drop(sender.send(Message::Heard(heard)));
    remote.map(|remote| Lister::start(remote, wait_s, needs_route, tell)).transpose()
}

/// Chance for pace; without any, the pauses are merely all alike.
fn random() -> u32 {
    let mut bytes = [0; 4];
    let _ = getrandom::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
