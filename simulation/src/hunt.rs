//! Many histories on all processors. Which seed is told as the first that fails does not depend on how fast they are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bug::Bug;
use crate::coverage::Coverage;
use crate::history::{History, Theatre};
use crate::story::Classes;

/// What to hunt for, and how long.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The first seed.
    pub first: u64,
    /// At most so many histories.
    pub most: u64,
    /// No new history begins after this.
    pub until: Duration,
    /// Events in a history.
    pub steps: usize,
    /// Which kinds of trouble there may be.
    pub among: Classes,
    /// A planted bug.
    pub bug: Option<Bug>,
    /// Each history whose seed is divided by this is run twice: it must leave the same behind.
    pub twice_every: u64,
    /// A folder is the store, not a server.
    pub shares: bool,
    /// How many processors.
    pub threads: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Hunted {
    /// How many histories were run to their end.
    pub histories: u64,
    /// How many of them were run twice.
    pub twice: u64,
    /// The first that breaks a promise.
    pub failing: Option<History>,
    /// What was tried.
    pub coverage: Coverage,
    /// The sum of what they left behind: two builds that tell the same number played the same.
    pub traces: u64,
}

impl Hunt {
    /// Hunts until a promise is broken, the time is over or the last seed was tried.
    pub fn run(&self) -> Hunted {
        let began = Instant::now();
        let (next, end) = (AtomicU64::new(0), AtomicU64::new(self.most));
        let hunted = Mutex::new(Hunted::default());
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    let own = self.run_some(&next, &end, began);
                    if let Ok(mut all) = hunted.lock() {
                        all.add(own);
                    }
                });
            }
        });
        hunted.into_inner().unwrap_or_default()
    }

    /// Where its histories are played.
    pub fn theatre(&self) -> Theatre {
        if self.shares { Theatre::over_folder() } else { Theatre::new() }
    }

    /// One processor's part: takes the next seed until there is none. Of those before a failing one none is left out.
    fn run_some(&self, next: &AtomicU64, end: &AtomicU64, began: Instant) -> Hunted {
        let theatre = self.theatre();
        let mut own = Hunted::default();
        let needs = self.bug.map_or(&[][..], Bug::needs);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end.load(Ordering::Relaxed) || began.elapsed() >= self.until {
                return own;
            }
            let history = History::drawn(self.first + number, self.steps, &self.among, needs);
            let ran = theatre.run_counting(&history, self.bug, &mut own.coverage);
            own.histories += 1;
            let is_twice = history.seed.is_multiple_of(self.twice_every);
            own.twice += u64::from(is_twice);
            own.traces = own.traces.wrapping_add(*ran.as_ref().unwrap_or(&0));
            if ran.is_err() || (is_twice && theatre.run(&history, self.bug) != ran) {
                end.fetch_min(number, Ordering::Relaxed);
                own.failing = Some(history);
                return own;
            }
        }
    }
}

impl Hunted {
    fn add(&mut self, other: Hunted) {
        self.histories += other.histories;
        self.twice += other.twice;
        self.coverage.add(&other.coverage);
        self.traces = self.traces.wrapping_add(other.traces);
        let seeds = |history: &History| history.seed;
        if other
            .failing
            .as_ref()
            .map(seeds)
            .is_some_and(|seed| self.failing.as_ref().is_none_or(|own| seed < own.seed))
        {
            self.failing = other.failing;
        }
    }
}
