//! What daemons found that wait by themselves once all is over: the seed says what their first cycles meet.

use super::*;

/// The one call to the card that fails lies in its first cycle by itself.
#[test]
fn a_newer_save_that_the_card_failed_to_take_once_comes_before_tomorrow() {
    let events = [starts(1, 0), exits(1), syncs(1), syncs(0), starts(1, 0), exits(1), syncs_all(1)];
    keeps_its_promises(414, 2, &events);
}

/// The server says `Retry-After: 300` for an hour and a half, and a deletion waits for a save that was just played.
#[test]
fn a_save_that_waits_does_not_ask_four_times_a_minute_of_a_server_that_wants_to_be_left_alone() {
    let answers = Event::Resolves { device: 1, save: 0, this: false };
    let power_goes = Event::PowerGoes { device: 1 };
    let events = [power_goes, starts(1, 2), exits(1), syncs(1), Event::Retires { save: 2 }, answers];
    keep_their_promises(Theatre::new(), 12_194, 2, true, &events);
}

/// A reply was damaged and the card failed, both in the first cycle, in one round each: the second was taken for the second try.
#[test]
fn a_newer_save_that_failed_to_come_twice_in_one_cycle_comes_before_tomorrow() {
    let plays = |device, trigger, call, act, save| Event::Cycle {
        device,
        trigger,
        fault: None,
        meanwhile: Some((call, act, save)),
        mishap: None,
    };
    let events = [
        starts_unseen(1, 0),
        Event::Saves { device: 1, truncates: false },
        Event::Exits { device: 1, saves: false, truncates: false },
        starts(0, 0),
        Event::Cycle { device: 0, trigger: Changed, fault: None, meanwhile: None, mishap: None },
        Event::Saves { device: 0, truncates: false },
        plays(1, Retry, 0, Act::Plays, 2),
        plays(1, GameEnded, 1, Act::Restores, 1),
    ];
    keeps_its_promises(277_214, 2, &events);
}
