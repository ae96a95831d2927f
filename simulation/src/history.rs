//! One history from its seed: run, judged, and made shorter when it fails.

use std::fmt::Write as _;
use std::hash::Hasher as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::bug::Bug;
use crate::coverage::Coverage;
use crate::device::{Kind, onion, onion_with_two_cards};
use crate::dice::Dice;
use crate::story::{self, Class, Classes, Event};
use crate::world::World;

/// How many events a history has.
pub const STEPS: usize = 40;

/// What runs histories: it holds what all devices have in common.
pub struct Theatre {
    kind: Arc<Kind>,
    with_two_cards: Arc<Kind>,
}

/// A history as it was drawn.
#[derive(Clone, Debug)]
pub struct History {
    /// Its seed.
    pub seed: u64,
    /// How many devices.
    pub devices: usize,
    /// Their states lie on a second card.
    pub two_cards: bool,
    /// What happens.
    pub events: Vec<Event>,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// After so many events; more than there are: when all should have come to rest.
    pub after: usize,
    /// Which.
    pub what: String,
}

impl History {
    /// The history of a seed.
    pub fn of(seed: u64, steps: usize) -> History {
        History::drawn(seed, steps, &Classes::all(), &[])
    }

    /// The history of a seed with a random part of these kinds of trouble, and surely with those that it needs.
    pub fn drawn(seed: u64, steps: usize, among: &Classes, needs: &[Class]) -> History {
        let mut dice = Dice::new(seed);
        let devices = [2, 2, 2, 2, 3, 3, 4, 5][dice.below(8)];
        let trouble = among.draw(&mut dice).with(needs);
        let two_cards = Dice::new(!seed).one_in(4);
        History { seed, devices, two_cards, events: story::draw(&mut dice, devices, steps, &trouble) }
    }

    /// As a test that keeps it from coming back: for `tests/regressions`, under the name of what the player lost.
    pub fn as_test(&self, over_folder: bool) -> String {
        let theatre = if over_folder { "over_folder" } else { "new" };
        let History { seed, devices, two_cards, events } = self;
        let mut text = format!(
            "#[test]\nfn what_the_player_would_have_lost() {{\n    keep_their_promises(\n        Theatre::{theatre}(),\n        \
             {seed},\n        {devices},\n        {two_cards},\n        &[\n"
        );
        for event in events {
            let _ = writeln!(text, "            {},", event.as_rust());
        }
        text.push_str("        ],\n    );\n}\n");
        text
    }

    /// In plain words.
    pub fn told(&self) -> String {
        let mut text = String::new();
        for event in &self.events {
            let _ = writeln!(text, "  {event}");
        }
        text
    }
}

impl Default for Theatre {
    fn default() -> Theatre {
        Theatre::new()
    }
}

impl Theatre {
    /// Sets up what all histories share.
    pub fn new() -> Theatre {
        Theatre { kind: Arc::new(onion()), with_two_cards: Arc::new(onion_with_two_cards()) }
    }

    /// The same without a server: the devices share a folder.
    pub fn over_folder() -> Theatre {
        let (kind, with_two_cards) = (onion(), onion_with_two_cards());
        let shares = |kind: Kind| Arc::new(Kind { shares: true, ..kind });
        Theatre { kind: shares(kind), with_two_cards: shares(with_two_cards) }
    }

    fn world(&self, history: &History, bug: Option<Bug>) -> World {
        let kind = if history.two_cards { &self.with_two_cards } else { &self.kind };
        World::new(kind, history.devices, history.seed, bug)
    }

    /// Runs a history; the hash of all that it left behind.
    ///
    /// # Errors
    /// The promise that it broke.
    pub fn run(&self, history: &History, bug: Option<Bug>) -> Result<u64, Broken> {
        self.run_counting(history, bug, &mut Coverage::default())
    }

    /// The same, and counts what was tried.
    ///
    /// # Errors
    /// The promise that it broke.
    pub fn run_counting(
        &self,
        history: &History,
        bug: Option<Bug>,
        coverage: &mut Coverage,
    ) -> Result<u64, Broken> {
        let mut after = 0;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut world = self.world(history, bug);
            for event in &history.events {
                after += 1;
                world.step(event)?;
            }
            after += 1;
            world.settle()?;
            coverage.add(&world.coverage);
            Ok(world.trace.finish())
        }));
        let what = match ran {
            Ok(Ok(trace)) => return Ok(trace),
            Ok(Err(what)) => what,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                format!("panicked: {}", text.unwrap_or_default())
            }
        };
        retrosync::machine::play(None);
        Err(Broken { after, what })
    }

    /// A history event by event, with what each of them left in the saves' places and on the server.
    pub fn aloud(&self, history: &History, bug: Option<Bug>) -> String {
        let mut text = String::new();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut world = self.world(history, bug);
            world.said = Some(String::new());
            for event in &history.events {
                let stepped = world.step(event);
                let _ = write!(text, "  {event}\n{}", world.told());
                stepped?;
            }
            let settled = world.settle();
            text.push_str(&world.told());
            text.push_str(&world.versions_told());
            settled
        }));
        retrosync::machine::play(None);
        if let Ok(Err(what)) = ran {
            let _ = writeln!(text, "broken: {what}");
        }
        text
    }

    /// The shortest history found that still breaks a promise: events are left out as long as one does.
    pub fn shorten(&self, history: &History, bug: Option<Bug>) -> (History, Broken) {
        let mut best = history.clone();
        let Err(mut broken) = self.run(&best, bug) else {
            return (best, Broken { after: 0, what: "it breaks nothing".into() });
        };
        best.events.truncate(broken.after);
        let mut piece = best.events.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            let mut is_shorter = false;
            while at < best.events.len() {
                let mut less = best.clone();
                less.events.drain(at..(at + piece).min(best.events.len()));
                match self.run(&less, bug) {
                    Err(again) => {
                        (best, broken, is_shorter) = (less, again, true);
                    }
                    Ok(_) => at += piece,
                }
            }
            if piece == 1 && !is_shorter {
                return (best, broken);
            }
            piece = piece.div_ceil(2).max(1);
        }
    }
}
