//! A short hunt, and a proof that a seed repeats itself. What proves that a hunt sees is in `bugs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

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
