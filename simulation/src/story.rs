//! What happens in a history, as a list that is drawn before it begins. Any part of such a list is again a history:
//! what makes no sense when its turn comes does nothing. So a failing one can be made shorter.

use std::fmt;

use retrosync::pace::Trigger;

use crate::dice::Dice;
use crate::link::Fault;
use crate::server::name;

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
}

/// Which kinds of trouble a history has.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    network: bool,
    power: bool,
    cards: bool,
    server: bool,
    errors: bool,
}

/// Draws a history of so many events.
pub fn draw(dice: &mut Dice, devices: usize, length: usize) -> Vec<Event> {
    let trouble = Trouble {
        network: dice.one_in(2),
        power: dice.one_in(2),
        cards: dice.one_in(3),
        server: dice.one_in(3),
        errors: dice.one_in(4),
    };
    let mut events = Vec::with_capacity(length);
    while events.len() < length {
        if dice.one_in(60) {
            events.extend(stale_game(dice, devices));
        } else {
            events.push(event(dice, devices, trouble));
        }
    }
    events
}

/// What chance alone rarely plays: a game is started before the newer save arrives, and writes the older one back.
fn stale_game(dice: &mut Dice, devices: usize) -> [Event; 9] {
    let (one, save) = (dice.below(devices), dice.below(SAVES));
    let other = (one + 1) % devices;
    let cycle =
        |device, trigger| Event::Cycle { device, trigger, fault: None, meanwhile: None, mishap: None };
    [
        Event::Waits { seconds: 70 },
        Event::Starts { device: one, save, is_seen: true },
        Event::Exits { device: one, saves: true, truncates: dice.one_in(2) },
        cycle(one, Trigger::Changed),
        Event::Starts { device: other, save, is_seen: false },
        cycle(other, Trigger::Retry),
        Event::Waits { seconds: 5 },
        cycle(other, Trigger::Retry),
        Event::Exits { device: other, saves: true, truncates: dice.one_in(2) },
    ]
}

fn event(dice: &mut Dice, devices: usize, trouble: Trouble) -> Event {
    let (device, save) = (dice.below(devices), dice.below(SAVES));
    match dice.below(100) {
        0..=5 => Event::Waits { seconds: [1, 5, 70, 4_000][dice.below(4)] },
        6..=19 => Event::Starts { device, save, is_seen: !dice.one_in(4) },
        20..=26 => Event::Saves { device, truncates: dice.one_in(2) },
        27..=42 => Event::Exits { device, saves: !dice.one_in(4), truncates: dice.one_in(2) },
        43..=77 => cycle(dice, device, save, trouble),
        78..=79 => Event::Polls { device },
        80..=81 => Event::Restarts { device },
        82..=83 if trouble.power => Event::PowerGoes { device },
        84..=85 => Event::Deletes { device, save },
        86 => Event::Retires { save },
        87..=88 => Event::Restores { save, nth: dice.below(5) },
        89..=91 => Event::Resolves { device, save, this: dice.one_in(2) },
        92 => Event::RestoresKept { device, save, nth: dice.below(3) },
        93 if trouble.cards => Event::ClonesCard { from: device, to: dice.below(devices) },
        94 if trouble.cards => Event::KeepsImage { device },
        95 if trouble.cards => Event::PutsImage { device },
        96 if trouble.cards => Event::ForgetsJournal { device },
        97 if trouble.server => Event::BacksUp,
        98 if trouble.server => Event::RestoresServer,
        _ => cycle(dice, device, save, trouble),
    }
}

fn cycle(dice: &mut Dice, device: usize, save: usize, trouble: Trouble) -> Event {
    let trigger = [Trigger::Changed, Trigger::Changed, Trigger::Retry, Trigger::Full, Trigger::GameEnded];
    let fault = (trouble.network && dice.one_in(3)).then(|| {
        let faults = [Fault::Unreachable, Fault::ReplyLost, Fault::Twice, Fault::Portal];
        (dice.below(4), faults[dice.below(4)])
    });
    let meanwhile = dice.one_in(6).then(|| {
        let act = [Act::Starts, Act::Plays, Act::Restores][dice.below(3)];
        (dice.below(4), act, save)
    });
    let mishap = if trouble.power && dice.one_in(4) {
        let at = dice.below(40);
        Some(if dice.one_in(3) { Mishap::Killed(at) } else { Mishap::PowerGoes(at) })
    } else {
        (trouble.errors && dice.one_in(5)).then(|| Mishap::CallFails(dice.below(120)))
    };
    Event::Cycle { device, trigger: trigger[dice.below(5)], fault, meanwhile, mishap }
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
            | Event::ForgetsJournal { device } => Some(device),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = |save: &usize| TITLES[*save % SAVES];
        match self {
            Event::Waits { seconds } => write!(f, "{seconds} s go by"),
            Event::Starts { device, save, is_seen } => {
                let unseen = if *is_seen { "" } else { ", not to be seen yet" };
                write!(f, "{}: starts {}{unseen}", name(*device), title(save))
            }
            Event::Saves { device, truncates } => {
                write!(f, "{}: saves in the game{}", name(*device), how(*truncates))
            }
            Event::Exits { device, saves: true, truncates } => {
                write!(f, "{}: saves and ends the game{}", name(*device), how(*truncates))
            }
            Event::Exits { device, .. } => write!(f, "{}: ends the game without saving", name(*device)),
            Event::Cycle { device, trigger, fault, meanwhile, mishap } => {
                write!(f, "{}: syncs ({trigger:?})", name(*device))?;
                if let Some((call, fault)) = fault {
                    write!(f, ", call {call}: {fault:?}")?;
                }
                if let Some((call, act, save)) = meanwhile {
                    write!(f, ", during call {call}: {act:?} {}", title(save))?;
                }
                match mishap {
                    None => Ok(()),
                    Some(mishap) => write!(f, ", {mishap:?}"),
                }
            }
            Event::Polls { device } => write!(f, "{}: hears what is new", name(*device)),
            Event::Restarts { device } => write!(f, "{}: the daemon starts again", name(*device)),
            Event::PowerGoes { device } => write!(f, "{}: the power goes", name(*device)),
            Event::Deletes { device, save } => {
                write!(f, "{}: deletes the file of {}", name(*device), title(save))
            }
            Event::Retires { save } => write!(f, "dashboard: deletes {}", title(save)),
            Event::Restores { save, nth } => {
                write!(f, "dashboard: restores version {nth} of {}", title(save))
            }
            Event::Resolves { device, save, this } => {
                let keep = if *this { "its own" } else { "the other" };
                write!(f, "{}: answers for {}: keep {keep}", name(*device), title(save))
            }
            Event::RestoresKept { device, save, nth } => {
                write!(f, "{}: restores kept copy {nth} of {}", name(*device), title(save))
            }
            Event::ClonesCard { from, to } => {
                write!(f, "{}: gets a copy of the card of {}", name(*to), name(*from))
            }
            Event::KeepsImage { device } => write!(f, "{}: its card is copied to a computer", name(*device)),
            Event::PutsImage { device } => write!(f, "{}: its card is set back to that copy", name(*device)),
            Event::ForgetsJournal { device } => write!(f, "{}: its journal is deleted", name(*device)),
            Event::BacksUp => write!(f, "server: backs up"),
            Event::RestoresServer => write!(f, "server: is restored from its backup"),
        }
    }
}

fn how(truncates: bool) -> &'static str {
    if truncates { ", truncating" } else { "" }
}
