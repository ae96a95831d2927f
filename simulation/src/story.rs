//! What happens in a history, as a list that is drawn before it begins. Any part of such a list is again a history:
//! what makes no sense when its turn comes does nothing. So a failing one can be made shorter.

use std::fmt;

use retrosync::pace::Trigger;

use crate::dice::Dice;
use crate::handheld::Wall;
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

/// A kind of trouble, which a history has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Requests and answers that are lost, late, doubled, damaged or refused.
    Network,
    /// Power that goes, daemons that are killed.
    Power,
    /// Cards that are copied, exchanged or set back.
    Cards,
    /// A server that is set back to its backup.
    Server,
    /// Calls to a card that fail.
    Errors,
    /// Emulators that crash.
    Games,
    /// Cards that are full.
    Full,
    /// Clocks that begin in 1970, jump and drift.
    Clocks,
    /// Cards that are taken out.
    Slots,
    /// Devices that are paired again.
    Pairing,
    /// Players who let the newest version win.
    Newest,
}

impl Class {
    /// All of them, and in how many histories one has it.
    const ODDS: [(Class, usize); 11] = [
        (Class::Network, 2),
        (Class::Power, 2),
        (Class::Cards, 3),
        (Class::Server, 3),
        (Class::Errors, 4),
        (Class::Games, 2),
        (Class::Full, 5),
        (Class::Clocks, 3),
        (Class::Slots, 5),
        (Class::Pairing, 6),
        (Class::Newest, 4),
    ];
}

/// The kinds of trouble of one history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes(Vec<Class>);

impl Classes {
    /// These.
    pub fn of(classes: &[Class]) -> Classes {
        Classes(classes.to_vec())
    }

    /// All that there are.
    pub fn all() -> Classes {
        Classes(Class::ODDS.iter().map(|(class, _)| *class).collect())
    }

    /// Those of these names, divided by commas; `None` if one is unknown.
    pub fn named(names: &str) -> Option<Classes> {
        let is_it = |name: &str, class: &Class| format!("{class:?}").eq_ignore_ascii_case(name);
        let all = Classes::all().0;
        let found = names.split(',').filter(|name| !name.is_empty());
        found
            .map(|name| all.iter().copied().find(|class| is_it(name, class)))
            .collect::<Option<_>>()
            .map(Classes)
    }

    /// A random part of these: some histories are calm and some are hell.
    pub fn draw(&self, dice: &mut Dice) -> Classes {
        let mut drawn = Classes::default();
        for (class, odds) in Class::ODDS {
            if dice.one_in(odds) && self.has(class) {
                drawn.0.push(class);
            }
        }
        drawn
    }

    /// These and those.
    #[must_use]
    pub fn with(mut self, classes: &[Class]) -> Classes {
        for class in classes {
            if !self.has(*class) {
                self.0.push(*class);
            }
        }
        self
    }

    /// Is it among them?
    pub fn has(&self, class: Class) -> bool {
        self.0.contains(&class)
    }
}

/// Draws a history of so many events, with this trouble.
pub fn draw(dice: &mut Dice, devices: usize, length: usize, trouble: &Classes) -> Vec<Event> {
    let mut events = Vec::with_capacity(length);
    for device in 0..devices {
        if trouble.has(Class::Clocks) && dice.one_in(2) {
            events.push(Event::SetsClock { device, wall: wall(dice) });
        }
        if trouble.has(Class::Newest) && !dice.one_in(3) {
            events.push(Event::Prefers { device, newest: true });
        }
    }
    while events.len() < length {
        if dice.one_in(60) {
            events.extend(stale_game(dice, devices));
        } else if trouble.has(Class::Power) && dice.one_in(40) {
            events.extend(cut_replacement(dice, devices));
        } else if dice.one_in(10) {
            events.extend(trouble_of(dice, devices, trouble));
        } else {
            events.push(event(dice, devices, trouble));
        }
    }
    events
}

/// When clocks that have no battery begin, and where one that is set wrong may stand.
const EPOCHS_UNIX_S: [i64; 5] = [0, 946_684_800, 1_790_000_000, 2_147_483_000, 4_102_444_800];

fn wall(dice: &mut Dice) -> Option<Wall> {
    let boot_unix_s = EPOCHS_UNIX_S[dice.below(5)];
    let drift = [0, 0, 50, -50][dice.below(4)];
    (!dice.one_in(5)).then_some(Wall { boot_unix_s, drift })
}

/// One thing that goes wrong in one of the ways that this history has, beside those that befall cycles.
fn trouble_of(dice: &mut Dice, devices: usize, trouble: &Classes) -> Option<Event> {
    let device = dice.below(devices);
    let class = *trouble.0.get(dice.below(trouble.0.len()))?;
    Some(match class {
        Class::Network => Event::LateArrive,
        Class::Power if dice.one_in(3) => Event::PowerGoesInSave { device, truncates: dice.one_in(2) },
        Class::Power => Event::PowerGoes { device },
        Class::Cards => match dice.below(5) {
            0 => Event::ClonesCard { from: device, to: dice.below(devices) },
            1 => Event::KeepsImage { device },
            2 => Event::PutsImage { device },
            3 => Event::ForgetsJournal { device },
            _ => Event::SwapsCards { one: device, other: dice.below(devices) },
        },
        Class::Server if dice.one_in(2) => Event::BacksUp,
        Class::Server => Event::RestoresServer,
        Class::Errors | Class::Newest => return None,
        Class::Games => {
            let how = [Crash::Idle, Crash::Truncated, Crash::Half, Crash::Blank][dice.below(4)];
            Event::Crashes { device, how }
        }
        Class::Full if dice.one_in(3) => Event::CardFills { device, sectors: None },
        Class::Full => Event::CardFills { device, sectors: Some(dice.below(12)) },
        Class::Clocks => Event::SetsClock { device, wall: wall(dice) },
        Class::Slots if dice.one_in(2) => Event::CardOut { device },
        Class::Slots => Event::CardIn { device },
        Class::Pairing => Event::PairsAgain { device, cut: (!dice.one_in(3)).then(|| dice.below(16)) },
    })
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

/// And this: a save that both know is replaced, and the power goes in the middle of just that.
fn cut_replacement(dice: &mut Dice, devices: usize) -> [Event; 8] {
    let (one, save) = (dice.below(devices), dice.below(SAVES));
    let other = (one + 1) % devices;
    let cycle = |device, mishap| Event::Cycle {
        device,
        trigger: Trigger::Retry,
        fault: None,
        meanwhile: None,
        mishap,
    };
    [
        Event::Exits { device: one, saves: true, truncates: false },
        Event::Exits { device: other, saves: true, truncates: false },
        Event::Waits { seconds: 70 },
        cycle(other, None),
        Event::Starts { device: one, save, is_seen: true },
        Event::Exits { device: one, saves: true, truncates: false },
        cycle(one, None),
        cycle(other, Some(Mishap::PowerGoes(dice.below(22)))),
    ]
}

fn event(dice: &mut Dice, devices: usize, trouble: &Classes) -> Event {
    let (device, save) = (dice.below(devices), dice.below(SAVES));
    match dice.below(100) {
        0..=5 => Event::Waits { seconds: [1, 5, 70, 4_000][dice.below(4)] },
        6..=19 => Event::Starts { device, save, is_seen: !dice.one_in(4) },
        20..=26 => Event::Saves { device, truncates: dice.one_in(2) },
        27..=42 => Event::Exits { device, saves: !dice.one_in(4), truncates: dice.one_in(2) },
        43..=77 => cycle(dice, device, save, trouble),
        78..=79 => Event::Polls { device },
        80..=81 => Event::Restarts { device },
        82 => Event::Autosaves { device },
        83 => Event::RestoresHere { device, save, nth: dice.below(4) },
        84..=85 => Event::Deletes { device, save },
        86 => Event::Retires { save },
        87..=88 => Event::Restores { save, nth: dice.below(5) },
        89..=91 => Event::Resolves { device, save, this: dice.one_in(2) },
        92 => Event::RestoresKept { device, save, nth: dice.below(3) },
        93 if dice.one_in(4) => Event::AcceptsMassChange { device },
        _ => cycle(dice, device, save, trouble),
    }
}

fn cycle(dice: &mut Dice, device: usize, save: usize, trouble: &Classes) -> Event {
    let trigger = [Trigger::Changed, Trigger::Changed, Trigger::Retry, Trigger::Full, Trigger::GameEnded];
    let fault = (trouble.has(Class::Network) && dice.one_in(3))
        .then(|| (dice.below(4), Fault::ALL[dice.below(Fault::ALL.len())]));
    let meanwhile = dice.one_in(6).then(|| {
        let act = [Act::Starts, Act::Plays, Act::Restores][dice.below(3)];
        (dice.below(4), act, save)
    });
    let mishap = if trouble.has(Class::Power) && dice.one_in(4) {
        let at = dice.below(40);
        Some(if dice.one_in(3) { Mishap::Killed(at) } else { Mishap::PowerGoes(at) })
    } else {
        (trouble.has(Class::Errors) && dice.one_in(5)).then(|| Mishap::CallFails(dice.below(120)))
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
            | Event::ForgetsJournal { device }
            | Event::Autosaves { device }
            | Event::Crashes { device, .. }
            | Event::PowerGoesInSave { device, .. }
            | Event::CardFills { device, .. }
            | Event::SetsClock { device, .. }
            | Event::CardOut { device }
            | Event::CardIn { device }
            | Event::PairsAgain { device, .. }
            | Event::Prefers { device, .. }
            | Event::RestoresHere { device, .. }
            | Event::AcceptsMassChange { device } => Some(device),
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
            Event::Autosaves { device } => {
                write!(f, "{}: the game writes what it wrote before", name(*device))
            }
            Event::Crashes { device, how } => write!(f, "{}: the game crashes ({how:?})", name(*device)),
            Event::PowerGoesInSave { device, truncates } => {
                write!(f, "{}: the power goes while the game saves{}", name(*device), how(*truncates))
            }
            Event::CardFills { device, sectors: Some(sectors) } => {
                write!(f, "{}: the card is full but for {sectors} sectors", name(*device))
            }
            Event::CardFills { device, .. } => write!(f, "{}: there is room on the card", name(*device)),
            Event::SetsClock { device, wall: None } => write!(f, "{}: the clock is right", name(*device)),
            Event::SetsClock { device, wall: Some(Wall { boot_unix_s, drift }) } => {
                write!(f, "{}: the clock begins at {boot_unix_s}, off by {drift} in 1,000", name(*device))
            }
            Event::CardOut { device } => write!(f, "{}: the card is taken out", name(*device)),
            Event::CardIn { device } => write!(f, "{}: the card is put in again", name(*device)),
            Event::SwapsCards { one, other } => {
                write!(f, "{} and {} exchange their cards", name(*one), name(*other))
            }
            Event::PairsAgain { device, cut } => {
                write!(f, "{}: is paired again", name(*device))?;
                cut.map_or(Ok(()), |at| write!(f, ", the power goes before change {at}"))
            }
            Event::Prefers { device, newest } => {
                let what = if *newest { "the newest version win" } else { "itself be asked" };
                write!(f, "{}: lets {what}", name(*device))
            }
            Event::RestoresHere { device, save, nth } => {
                write!(f, "{}: restores version {nth} of {}", name(*device), title(save))
            }
            Event::AcceptsMassChange { device } => {
                write!(f, "{}: says that all of it is meant", name(*device))
            }
            Event::LateArrive => write!(f, "what was on its way to the server arrives"),
            Event::BacksUp => write!(f, "server: backs up"),
            Event::RestoresServer => write!(f, "server: is restored from its backup"),
        }
    }
}

fn how(truncates: bool) -> &'static str {
    if truncates { ", truncating" } else { "" }
}
