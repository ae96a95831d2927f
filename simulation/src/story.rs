//! What happens in a history, as a list that is drawn before it begins. Any part of such a list is again a history:
//! what makes no sense when its turn comes does nothing. So a failing one can be made shorter.

mod drawn;
mod told;
mod trouble;
mod written;

use retrosync::pace::Trigger;

pub use crate::handheld::Wall;
pub use crate::link::Fault;

pub use drawn::draw;
pub use trouble::{Class, Classes};

/// How many saves there are.
pub const SAVES: usize = 3;
/// What a person calls them.
pub const TITLES: [&str; SAVES] = ["Tetris", "Zelda", "the state of Tetris"];

/// What goes wrong on a card in the middle of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The power goes before this change to the card.
    PowerGoes(usize),
    /// The daemon is killed before this change to the card.
    Killed(usize),
    /// This call to the card fails.
    CallFails(usize),
}

/// What a player or the dashboard does in the middle of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A game starts.
    Starts,
    /// A game starts and saves at once.
    Plays,
    /// The oldest version is restored on the dashboard.
    Restores,
    /// A person drops a file onto the dashboard.
    Brings,
}

/// How an emulator comes to a bad end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// What was not saved is gone, no more.
    Idle,
    /// It had truncated its file and written nothing.
    Truncated,
    /// It had written half of its file.
    Half,
    /// It wrote a memory that was cleared already.
    Blank,
}

/// One thing that happens. `device` and `save` are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are in `Display`")]
pub enum Event {
    Waits {
        seconds: u64,
    },
    Starts {
        device: usize,
        save: usize,
        is_seen: bool,
    },
    Saves {
        device: usize,
        truncates: bool,
    },
    Exits {
        device: usize,
        saves: bool,
        truncates: bool,
    },
    Cycle {
        device: usize,
        trigger: Trigger,
        fault: Option<(usize, Fault)>,
        meanwhile: Option<(usize, Act, usize)>,
        mishap: Option<Mishap>,
    },
    Polls {
        device: usize,
    },
    Restarts {
        device: usize,
    },
    PowerGoes {
        device: usize,
    },
    Deletes {
        device: usize,
        save: usize,
    },
    Retires {
        save: usize,
    },
    Restores {
        save: usize,
        nth: usize,
    },
    Resolves {
        device: usize,
        save: usize,
        this: bool,
    },
    Brings {
        save: usize,
        is_stale: bool,
    },
    RestoresKept {
        device: usize,
        save: usize,
        nth: usize,
    },
    ClonesCard {
        from: usize,
        to: usize,
    },
    KeepsImage {
        device: usize,
    },
    PutsImage {
        device: usize,
    },
    ForgetsJournal {
        device: usize,
    },
    BacksUp,
    RestoresServer,
    SetsServerBack,
    Autosaves {
        device: usize,
    },
    Crashes {
        device: usize,
        how: Crash,
    },
    PowerGoesInSave {
        device: usize,
        truncates: bool,
    },
    CardFills {
        device: usize,
        sectors: Option<usize>,
    },
    SetsClock {
        device: usize,
        wall: Option<Wall>,
    },
    CardOut {
        device: usize,
    },
    CardIn {
        device: usize,
    },
    SecondOut {
        device: usize,
    },
    SecondIn {
        device: usize,
    },
    SwapsCards {
        one: usize,
        other: usize,
    },
    PairsAgain {
        device: usize,
        cut: Option<usize>,
    },
    Prefers {
        device: usize,
        newest: bool,
    },
    RestoresHere {
        device: usize,
        save: usize,
        nth: usize,
    },
    AcceptsMassChange {
        device: usize,
    },
    LateArrive,
}

impl Event {
    /// Whose card it may change, if only one's.
    pub fn device(&self) -> Option<usize> {
        match *self {
            Event::Starts { device, .. }
            | Event::Saves { device, .. }
            | Event::Exits { device, .. }
            | Event::Cycle { device, .. }
            | Event::Polls { device }
            | Event::Restarts { device }
            | Event::PowerGoes { device }
            | Event::Deletes { device, .. }
            | Event::Resolves { device, .. }
            | Event::RestoresKept { device, .. }
            | Event::ClonesCard { to: device, .. }
            | Event::KeepsImage { device }
            | Event::PutsImage { device }
            | Event::ForgetsJournal { device }
            | Event::Autosaves { device }
            | Event::Crashes { device, .. }
            | Event::PowerGoesInSave { device, .. }
            | Event::CardFills { device, .. }
            | Event::SetsClock { device, .. }
            | Event::CardOut { device }
            | Event::CardIn { device }
            | Event::SecondOut { device }
            | Event::SecondIn { device }
            | Event::PairsAgain { device, .. }
            | Event::Prefers { device, .. }
            | Event::RestoresHere { device, .. }
            | Event::AcceptsMassChange { device } => Some(device),
            _ => None,
        }
    }
}
