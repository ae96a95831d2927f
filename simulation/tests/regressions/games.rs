//! What games had loaded, what people chose, and what the server forgot.

use crate::*;

/// A state that a crash emptied, and that was deleted on the dashboard: nothing is left of it, and nothing is to be asked.
#[test]
fn what_a_crash_emptied_of_a_deleted_state_is_no_question() {
    let restores = Some((1, Act::Restores, 0));
    keeps_its_promises(
        30618,
        2,
        &[
            starts(1, 2),
            exits(1),
            syncs(1),
            starts_unseen(0, 2),
            Event::Cycle {
                device: 0,
                trigger: Changed,
                fault: None,
                meanwhile: None,
                mishap: Some(Mishap::CallFails(45)),
            },
            waits(5),
            Event::Cycle { device: 0, trigger: Retry, fault: None, meanwhile: restores, mishap: None },
            Event::Crashes { device: 0, how: Crash::Truncated },
            Event::Retires { save: 2 },
        ],
    );
}

/// The game was started in the very tick in which what was chosen on the dashboard came.
#[test]
fn what_is_played_on_from_a_choice_may_replace_what_it_was_chosen_over() {
    keeps_its_promises(
        3177,
        2,
        &[
            starts_unseen(0, 1),
            exits(0),
            waits(70),
            syncs(0),
            starts(1, 1),
            exits(1),
            syncs(1),
            Event::Restores { save: 1, nth: 0 },
            syncs(0),
            starts_unseen(0, 1),
            waits(5),
            syncs(0),
            exits(0),
        ],
    );
}

#[test]
fn a_device_that_is_paired_again_still_knows_that_a_game_never_loaded_what_came_under_it() {
    keeps_its_promises(
        98,
        5,
        &[
            starts(3, 2),
            exits(3),
            syncs(3),
            starts_unseen(4, 2),
            syncs(4),
            waits(5),
            syncs(4),
            exits(4),
            Event::PairsAgain { device: 4, cut: Some(14) },
        ],
    );
}

#[test]
fn a_server_that_is_given_back_what_it_lost_does_not_take_a_game_for_having_loaded_that() {
    keeps_its_promises(
        16249,
        2,
        &[
            Event::BacksUp,
            starts(1, 1),
            exits(1),
            starts_unseen(0, 1),
            syncs(1),
            syncs(0),
            waits(70),
            Event::RestoresServer,
            syncs_all(0),
            exits(0),
        ],
    );
}

#[test]
fn a_game_that_is_begun_anew_after_a_deletion_does_not_go_on_from_what_was_deleted() {
    keeps_its_promises(
        17633,
        2,
        &[
            starts(1, 1),
            exits(1),
            syncs(1),
            Event::Retires { save: 1 },
            waits(4_000),
            syncs(1),
            starts(1, 1),
            Event::Crashes { device: 1, how: Crash::Half },
        ],
    );
}

/// What was set aside as damage was set aside again in every cycle: the record of it was kept beside another version.
#[test]
fn half_a_save_is_set_aside_once_whatever_its_game_had_loaded() {
    keeps_its_promises(
        66026,
        4,
        &[
            starts(1, 1),
            Event::Saves { device: 1, truncates: true },
            syncs(1),
            syncs(2),
            exits(1),
            syncs(1),
            syncs(2),
            starts(2, 1),
            Event::Resolves { device: 2, save: 2, this: false },
            Event::Crashes { device: 2, how: Crash::Half },
        ],
    );
}

/// Two versions came, one after the other, under a game that could not be seen yet.
#[test]
fn what_a_game_wrote_that_is_older_than_two_replacements_goes_on_from_neither() {
    keeps_its_promises(
        300040,
        2,
        &[
            starts_unseen(1, 2),
            exits(1),
            starts(1, 2),
            starts_unseen(0, 2),
            syncs(1),
            syncs_all(0),
            Event::Exits { device: 1, saves: true, truncates: true },
            syncs(1),
            syncs(0),
            waits(5),
            syncs(0),
            exits(0),
        ],
    );
}

/// A game that had been there before a state came had ended; another one was started, and a newer state came under it.
#[test]
fn what_a_game_wrote_that_nobody_saw_start_is_a_branch_although_one_before_it_had_ended() {
    let truncates = Event::Exits { device: 0, saves: true, truncates: true };
    keeps_its_promises(
        2_002_686,
        2,
        &[
            starts(1, 2),
            exits(1),
            starts(1, 1),
            exits(1),
            syncs(1),
            starts_unseen(0, 1),
            syncs(0),
            waits(5),
            syncs(0),
            exits(0),
            Event::Deletes { device: 0, save: 2 },
            starts(1, 2),
            exits(1),
            syncs(1),
            starts_unseen(0, 2),
            syncs(0),
            waits(5),
            syncs(0),
            truncates,
        ],
    );
}

/// The daemon was killed between putting a save in place and writing down that it had. A game that had been started before was
/// still playing when the next daemon settled that, and had ended when the one after looked.
#[test]
fn what_an_older_game_wrote_over_a_save_whose_placing_was_interrupted_is_a_question() {
    keeps_its_promises(
        936_049,
        2,
        &[
            starts(1, 1),
            Event::Saves { device: 1, truncates: true },
            syncs(1),
            starts_unseen(0, 1),
            Event::Cycle {
                device: 0,
                trigger: Full,
                fault: None,
                meanwhile: None,
                mishap: Some(Mishap::Killed(9)),
            },
            waits(4000),
            Event::Cycle { device: 0, trigger: Changed, fault: None, meanwhile: None, mishap: None },
            exits(0),
        ],
    );
}

/// What was played here could not be stored, and a person brought an older version back: it is not put over what only this card has.
#[test]
fn nothing_is_brought_back_over_a_play_that_the_server_could_not_take() {
    keeps_its_promises(
        1_107_716,
        2,
        &[
            starts(1, 1),
            Event::Saves { device: 1, truncates: false },
            Event::Cycle {
                device: 1,
                trigger: Changed,
                fault: Some((2, Fault::NoRoom)),
                meanwhile: None,
                mishap: None,
            },
            Event::Saves { device: 1, truncates: true },
            Event::Polls { device: 1 },
            Event::Exits { device: 1, saves: false, truncates: true },
            Event::RestoresHere { device: 1, save: 1, nth: 0 },
        ],
    );
}

/// A crash left nothing, half, or a blank in the place of a long-played save, the daemon asked about it, and the game was begun
/// anew over it: that replaces nobody's hundred hours.
#[test]
fn what_is_begun_over_what_a_crash_left_does_not_replace_the_save_that_was_played_for_long() {
    for how in [Crash::Truncated, Crash::Half, Crash::Blank] {
        let played = [starts(0, 0), exits(0), syncs(0), syncs(1), starts(1, 0)];
        let begun_anew = [syncs(1), starts(1, 0), exits(1), syncs(1), syncs(0)];
        let crash = [Event::Crashes { device: 1, how }];
        keeps_its_promises(1, 2, &[&played[..], &crash, &begun_anew].concat());
        // The power goes before the game is begun again, and the server cannot be reached meanwhile.
        let away = Event::Cycle {
            device: 1,
            trigger: Retry,
            fault: Some((0, Fault::Unreachable)),
            meanwhile: None,
            mishap: None,
        };
        let cut = [Event::PowerGoes { device: 1 }, starts(1, 0), exits(1), syncs(1), syncs(0)];
        keeps_its_promises(2, 2, &[&played[..], &crash, &[away], &cut].concat());
    }
}

/// The same, and then the server is restored from a backup that has neither: what is offered again first is not replaced either.
#[test]
fn what_is_begun_over_damage_does_not_replace_the_played_save_on_a_restored_server() {
    keep_their_promises(
        Theatre::new(),
        314_534,
        3,
        false,
        &[
            starts(2, 1),
            Event::Saves { device: 2, truncates: true },
            Event::BacksUp,
            syncs_all(2),
            Event::Crashes { device: 2, how: Crash::Blank },
            syncs(2),
            syncs(0),
            starts(2, 1),
            exits(2),
            syncs(2),
            Event::RestoresServer,
        ],
    );
}

/// What was played a moment ago was not stored yet when a person wanted the version before it back, and was stored just before that was put in
/// its place: that then looked like a play, by a player who had never seen what it replaced.
#[test]
fn what_is_brought_back_over_a_play_that_was_stored_only_then_is_a_choice() {
    keep_their_promises(
        Theatre::new(),
        379285,
        2,
        false,
        &[
            starts(0, 2),
            Event::Saves { device: 0, truncates: false },
            Event::Cycle { device: 0, trigger: GameEnded, fault: None, meanwhile: None, mishap: None },
            Event::Cycle {
                device: 0,
                trigger: GameEnded,
                fault: Some((1, Fault::BitFlipped)),
                meanwhile: None,
                mishap: None,
            },
            Event::Exits { device: 0, saves: true, truncates: true },
            Event::RestoresHere { device: 0, save: 2, nth: 0 },
        ],
    );
}

/// A kept copy was brought back over a play that was stored only then; the judge took it that nobody had seen that play.
#[test]
fn who_brings_a_kept_copy_back_has_seen_what_it_replaces() {
    keep_their_promises(
        Theatre::new(),
        388651,
        2,
        true,
        &[
            starts(0, 0),
            Event::SetsClock { device: 1, wall: Some(Wall { boot_unix_s: 0, drift: -50 }) },
            exits(0),
            syncs(0),
            syncs_all(1),
            starts(0, 0),
            Event::Exits { device: 0, saves: true, truncates: true },
            Event::Cycle { device: 0, trigger: Changed, fault: None, meanwhile: None, mishap: None },
            starts_unseen(1, 0),
            syncs(1),
            waits(5),
            Event::Exits { device: 1, saves: true, truncates: true },
            Event::RestoresKept { device: 1, save: 0, nth: 0 },
            starts(1, 0),
            exits(1),
        ],
    );
}

/// The one cycle that saw the game ended early, for a call to the card failed: it looked at games after the card.
#[test]
fn what_an_older_game_wrote_is_a_question_though_the_card_failed_while_it_was_seen() {
    keep_their_promises(
        Theatre::new(),
        2515969,
        4,
        false,
        &[
            starts_unseen(1, 1),
            Event::Cycle {
                device: 1,
                trigger: Full,
                fault: None,
                meanwhile: Some((0, Act::Brings, 1)),
                mishap: None,
            },
            waits(5),
            Event::Cycle {
                device: 1,
                trigger: Changed,
                fault: None,
                meanwhile: None,
                mishap: Some(Mishap::CallFails(4)),
            },
            exits(1),
        ],
    );
}
