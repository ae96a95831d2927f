//! What a hunt has found, each as its shortest history: none of them may come back. What a hunt prints is pasted into one of the
//! modules as it is, and named after what the player would have lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::wildcard_imports, reason = "what a hunt prints finds its words in every module")]

mod cards;
mod games;
mod printed;
mod waiting;

pub(crate) use retrosync::pace::Trigger::{Changed, Full, GameEnded, Retry};
pub(crate) use retrosync_simulation::history::{History, Theatre};
pub(crate) use retrosync_simulation::story::{Act, Crash, Event, Fault, Mishap, Wall};

fn keeps_its_promises(seed: u64, devices: usize, events: &[Event]) {
    keep_their_promises(Theatre::new(), seed, devices, false, events);
}

fn keep_their_promises(theatre: Theatre, seed: u64, devices: usize, two_cards: bool, events: &[Event]) {
    let history = History { seed, devices, two_cards, events: events.to_vec() };
    if let Err(broken) = theatre.run(&history, None) {
        panic!("{}\n{}", broken.what, theatre.aloud(&history, None));
    }
}

fn starts(device: usize, save: usize) -> Event {
    Event::Starts { device, save, is_seen: true }
}

fn starts_unseen(device: usize, save: usize) -> Event {
    Event::Starts { device, save, is_seen: false }
}

fn exits(device: usize) -> Event {
    Event::Exits { device, saves: true, truncates: false }
}

fn syncs(device: usize) -> Event {
    Event::Cycle { device, trigger: Retry, fault: None, meanwhile: None, mishap: None }
}

fn syncs_all(device: usize) -> Event {
    Event::Cycle { device, trigger: Full, fault: None, meanwhile: None, mishap: None }
}

fn syncs_until_power_goes(device: usize, at: usize) -> Event {
    let mishap = Some(Mishap::PowerGoes(at));
    Event::Cycle { device, trigger: Retry, fault: None, meanwhile: None, mishap }
}

fn waits(seconds: u64) -> Event {
    Event::Waits { seconds }
}
