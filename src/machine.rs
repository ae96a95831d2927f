//! What the daemon asks of the machine besides its card and its remote: uptime, its clock, random bytes, running games.
//!
//! One door for what no seed could repeat, so that a simulation can stand behind it: [`play`] lets another machine answer
//! in this thread. Nobody calls it on a card, and then the real one answers. Decides nothing.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::playing::{Playing, Signs};

/// A machine that is not this one.
pub trait Machine {
    /// Milliseconds since it booted.
    fn boot_ms(&self) -> u64;
    /// What its clock shows, in Unix seconds: set or not, right or not.
    fn unix_s(&self) -> i64;
    /// Fills with bytes that nobody can guess.
    fn random(&self, bytes: &mut [u8]);
    /// Which games run.
    fn games(&self, signs: &Signs) -> Playing;
}

thread_local! {
    static PLAYED: RefCell<Option<Arc<dyn Machine>>> = const { RefCell::new(None) };
}

/// In this thread `machine` answers from here on; with `None`, the real one. Returns who answered before.
pub fn play(machine: Option<Arc<dyn Machine>>) -> Option<Arc<dyn Machine>> {
    PLAYED.with(|played| played.replace(machine))
}

/// The answer of the machine that plays this one, if one does.
pub(crate) fn ask<T>(question: impl FnOnce(&dyn Machine) -> T) -> Option<T> {
    let played = PLAYED.with(|played| played.borrow().clone());
    played.map(|machine| question(&*machine))
}

/// What the clock shows, in Unix seconds. For people: never compared with another.
pub(crate) fn unix_s() -> i64 {
    let shown = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
    };
    ask(|machine| machine.unix_s()).unwrap_or_else(shown)
}

/// Random bytes.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    if ask(|machine| machine.random(bytes)).is_some() {
        return Ok(());
    }
    getrandom::fill(bytes)
}
