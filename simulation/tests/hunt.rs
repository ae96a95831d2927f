//! A short hunt, all the shortest histories, and a proof that a seed repeats itself: in the tests' slow build. The check hunts
//! longer with `scripts/simulate`. What proves that a hunt sees is in `bugs`; what a hunt has found, in `regressions`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use retrosync_simulation::exhaust::exhaust;
use retrosync_simulation::history::{History, STEPS, Theatre};
use retrosync_simulation::hunt::Hunt;
use retrosync_simulation::story::Classes;

/// The same histories on every machine, however fast it is.
fn hunt(threads: usize, twice_every: u64) -> Hunt {
    let (among, bug, until) = (Classes::all(), None, Duration::MAX);
    Hunt { first: 1, most: 120, until, steps: STEPS, among, bug, twice_every, shares: false, threads }
}

#[test]
fn no_history_loses_a_save() {
    let hunted = hunt(2, 4).run();
    if let Some(history) = hunted.failing {
        let (short, broken) = Theatre::new().shorten(&history, None);
        panic!("seed {}: {}\n{}\n{}", history.seed, broken.what, short.told(), short.as_test(false));
    }
    assert_eq!((hunted.histories, hunted.twice), (120, 30));
}

#[test]
fn a_hunt_tries_the_same_however_many_processors_there_are() {
    assert_eq!(hunt(1, u64::MAX).run().coverage, hunt(3, u64::MAX).run().coverage);
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

#[test]
fn no_two_events_of_two_devices_lose_a_save_at_any_crash_point() {
    let done = exhaust(2, None, 2);
    assert_eq!(done.broken, None);
    assert_eq!(done, exhaust(2, None, 1), "in any order");
}
