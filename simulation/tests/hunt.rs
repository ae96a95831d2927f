//! A short hunt, and what proves that a hunt sees: a seed repeats itself, and planted bugs are found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use retrosync_simulation::bug::Bug;
use retrosync_simulation::history::{History, STEPS, Theatre};

/// How long one test hunts, whatever the machine.
const HUNT: Duration = Duration::from_secs(8);

#[test]
fn no_history_loses_a_save() {
    let theatre = Theatre::new();
    let (began, mut seed) = (Instant::now(), 1);
    while began.elapsed() < HUNT || seed < 20 {
        let history = History::of(seed, STEPS);
        if theatre.run(&history, None).is_err() {
            let (short, broken) = theatre.shorten(&history, None);
            panic!("seed {seed}: {}\n{}{:?}", broken.what, short.told(), short.events);
        }
        seed += 1;
    }
    println!("{} histories", seed - 1);
}

#[test]
fn a_seed_repeats_everything() {
    let theatre = Theatre::new();
    let mut traces = std::collections::BTreeSet::new();
    for seed in 1..=12 {
        let history = History::of(seed, STEPS);
        let trace = theatre.run(&history, None).unwrap();
        assert_eq!(theatre.run(&history, None), Ok(trace), "seed {seed}");
        traces.insert(trace);
    }
    assert_eq!(traces.len(), 12, "each seed tells another history");
}

/// A seed for each, so that the test is short; `scripts/simulate --bug NAME` finds it from any.
#[test]
fn planted_bugs_are_found() {
    let theatre = Theatre::new();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for (bug, seed) in SEEDS {
        let history = History::of(seed, STEPS);
        assert!(theatre.run(&history, Some(bug)).is_err(), "{bug:?} is not found by seed {seed}");
        assert!(theatre.run(&history, None).is_ok(), "seed {seed} breaks a promise without {bug:?}");
    }
    std::panic::set_hook(hook);
    assert_eq!(SEEDS.map(|(bug, _)| bug), Bug::ALL, "each has its seed");
}

/// Where each planted bug is found.
const SEEDS: [(Bug, u64); 11] = [
    (Bug::NoSyncAfterRename, 25),
    (Bug::AtticNotSynced, 1121),
    (Bug::SaveNotSynced, 181),
    (Bug::IntentNotSynced, 6231),
    (Bug::LeftoversRemoved, 1121),
    (Bug::WritesUnderGames, 2),
    (Bug::LaunchForgotten, 3),
    (Bug::StoresBlindly, 1),
    (Bug::BelievesAnyAnswer, 26),
    (Bug::DeletesOnAbsence, 10),
    (Bug::NumbersNotReserved, 32),
];
