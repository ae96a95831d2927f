//! The same promises where no server is, but a folder that all devices write: the daemon's own backend for folders, over
//! files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use retrosync_simulation::history::{History, STEPS, Theatre};

/// Files are slow.
const HISTORIES: u64 = 60;

#[test]
fn no_history_loses_a_save_on_a_share() {
    let theatre = Theatre::over_folder();
    for seed in 1..=HISTORIES {
        let history = History::of(seed, STEPS);
        if theatre.run(&history, None).is_err() {
            let (short, broken) = theatre.shorten(&history, None);
            panic!("seed {seed}: {}\n{}{:?}", broken.what, short.told(), short.events);
        }
    }
}

#[test]
fn a_seed_repeats_everything_on_a_share() {
    let theatre = Theatre::over_folder();
    for seed in 1..=4 {
        let history = History::of(seed, STEPS);
        let trace = theatre.run(&history, None).unwrap();
        assert_eq!(theatre.run(&history, None), Ok(trace), "seed {seed}");
    }
}
