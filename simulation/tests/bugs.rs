//! What proves that the hunt sees: every planted bug is found from the first seed on, and what finds it finds nothing without
//! it. `scripts/simulate --bug all` does the same with the fast build, and with mistakes in the product's own code, of which
//! the code that is tested here knows nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use retrosync_simulation::bug::Bug;
use retrosync_simulation::history::{History, STEPS, Theatre};
use retrosync_simulation::story::Classes;

/// Within so many histories each is found.
const WITHIN: u64 = 2_000;

#[test]
fn planted_bugs_are_found() {
    let theatre = Theatre::new();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let wrong: Vec<String> = Bug::all().filter_map(|bug| find(&theatre, bug).err()).collect();
    std::panic::set_hook(hook);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Finds a bug, with a history that breaks nothing without it.
fn find(theatre: &Theatre, bug: Bug) -> Result<(), String> {
    let mut histories = (1..=WITHIN).map(|seed| History::drawn(seed, STEPS, &Classes::all(), bug.needs()));
    let found = histories.find(|history| theatre.run(history, Some(bug)).is_err());
    let history = found.ok_or_else(|| format!("{bug} is not found within {WITHIN} histories"))?;
    theatre.run(&history, None).map(drop).map_err(|broken| {
        let (short, broken) = (theatre.shorten(&history, None).0, broken.what);
        format!("seed {} without {bug}: {broken}\n{}{:?}", history.seed, short.told(), short.events)
    })
}
