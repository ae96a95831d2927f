//! What proves that the hunt sees: every planted bug is found, and what finds it finds nothing without it.
//!
//! Each has a first seed, so that the test is short; `scripts/simulate --bug NAME` finds it from any.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use retrosync_simulation::bug::Bug;
use retrosync_simulation::history::{History, STEPS, Theatre};
use retrosync_simulation::story::Classes;

/// Within so many histories from its first seed a bug is found.
const WITHIN: u64 = 300;

#[test]
fn planted_bugs_are_found() {
    let theatre = Theatre::new();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let wrong: Vec<String> =
        SEEDS.iter().filter_map(|(bug, from)| find(&theatre, *bug, *from).err()).collect();
    std::panic::set_hook(hook);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(SEEDS.iter().map(|(bug, _)| *bug).collect::<Vec<_>>(), Bug::ALL, "each has its seed");
}

/// Finds a bug, with a history that breaks nothing without it.
fn find(theatre: &Theatre, bug: Bug, from: u64) -> Result<(), String> {
    let mut histories =
        (from..from + WITHIN).map(|seed| History::drawn(seed, STEPS, &Classes::all(), bug.needs()));
    let found = histories.find(|history| theatre.run(history, Some(bug)).is_err());
    let history = found.ok_or_else(|| format!("{bug:?} is not found within {WITHIN} histories"))?;
    theatre.run(&history, None).map(drop).map_err(|broken| {
        let (short, broken) = (theatre.shorten(&history, None).0, broken.what);
        format!("seed {} without {bug:?}: {broken}\n{}{:?}", history.seed, short.told(), short.events)
    })
}

/// Where the hunt for each begins.
const SEEDS: &[(Bug, u64)] = &[
    (Bug::NoSyncAfterRename, 17),
    (Bug::AtticNotSynced, 78),
    (Bug::AtticSkipped, 4),
    (Bug::SaveNotSynced, 93),
    (Bug::BaseBeforeData, 58),
    (Bug::TruncatesFirst, 282),
    (Bug::IntentNotSynced, 299),
    (Bug::LeftoversRemoved, 197),
    (Bug::SwallowsAFullCard, 243),
    (Bug::MarkerRecreated, 10),
    (Bug::NumbersNotReserved, 8),
    (Bug::TokenBeforeSync, 15),
    (Bug::WritesUnderGames, 5),
    (Bug::LaunchForgotten, 2),
    (Bug::NeverThaws, 4),
    (Bug::StoresBlindly, 2),
    (Bug::TrustsMtime, 2),
    (Bug::RetriesOverAMovedHead, 2),
    (Bug::SkipsBranchUpload, 2),
    (Bug::SuspectMovesAHead, 258),
    (Bug::DeletesOnAbsence, 1),
    (Bug::BelievesAnyAnswer, 218),
    (Bug::SettlesAFailedStore, 40),
    (Bug::SettlesBeforeStored, 1),
    (Bug::BelievesAnyBytes, 445),
    (Bug::CursorBeforeNews, 17),
    (Bug::ForgetsTheEpoch, 27),
    (Bug::KeepsTheWriter, 68),
    (Bug::DuplicateIsNew, 44),
    (Bug::RestoresWithoutEpoch, 27),
];
