//! A history as the dice draw it: mostly chance, and now and then what chance alone rarely plays.

use retrosync::pace::Trigger;

use super::{Act, Class, Classes, Crash, Event, Mishap, SAVES};
use crate::dice::Dice;
use crate::handheld::Wall;
use crate::link::Fault;

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
        Class::Server if dice.one_in(2) => Event::SetsServerBack,
        Class::Server => Event::RestoresServer,
        Class::Errors | Class::Newest => return None,
        Class::Games => {
            let how = [Crash::Idle, Crash::Truncated, Crash::Half, Crash::Blank][dice.below(4)];
            Event::Crashes { device, how }
        }
        Class::Full if dice.one_in(3) => Event::CardFills { device, sectors: None },
        Class::Full => Event::CardFills { device, sectors: Some(dice.below(12)) },
        Class::Clocks => Event::SetsClock { device, wall: wall(dice) },
        Class::Slots => match dice.below(4) {
            0 => Event::CardOut { device },
            1 => Event::CardIn { device },
            2 => Event::SecondOut { device },
            _ => Event::SecondIn { device },
        },
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
        93 if dice.one_in(2) => Event::Brings { save, is_stale: dice.one_in(4) },
        93 if dice.one_in(2) => Event::AcceptsMassChange { device },
        _ => cycle(dice, device, save, trouble),
    }
}

fn cycle(dice: &mut Dice, device: usize, save: usize, trouble: &Classes) -> Event {
    let trigger = [Trigger::Changed, Trigger::Changed, Trigger::Retry, Trigger::Full, Trigger::GameEnded];
    let fault = (trouble.has(Class::Network) && dice.one_in(3))
        .then(|| (dice.below(4), Fault::ALL[dice.below(Fault::ALL.len())]));
    let meanwhile = dice.one_in(6).then(|| {
        let act = [Act::Starts, Act::Plays, Act::Restores, Act::Brings][dice.below(4)];
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
