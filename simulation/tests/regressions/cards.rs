//! What cuts left on cards, full ones among them, and what came of cards that were out.

use crate::*;

/// B had fetched it, and its power went before that was noted; then A played on.
#[test]
fn nobody_is_asked_whether_to_go_back_to_what_was_fetched_just_before_the_power_went() {
    let plays = |device, trigger, call, save, mishap| Event::Cycle {
        device,
        trigger,
        fault: None,
        meanwhile: Some((call, Act::Plays, save)),
        mishap,
    };
    keeps_its_promises(
        12784,
        2,
        &[
            plays(0, Full, 0, 1, None),
            syncs_all(0),
            exits(0),
            syncs(1),
            starts(0, 2),
            exits(0),
            syncs(0),
            syncs_until_power_goes(1, 16),
            plays(1, Retry, 3, 2, Some(Mishap::PowerGoes(10))),
            starts(0, 1),
            exits(0),
        ],
    );
}

/// The card was out when its player restored a version: from what the device last heard, and two versions with one content
/// stood as heads for ever.
#[test]
fn what_two_versions_say_alike_comes_to_every_device() {
    keeps_its_promises(
        18881,
        2,
        &[
            starts(0, 1),
            exits(0),
            syncs(0),
            Event::CardOut { device: 0 },
            starts(1, 1),
            syncs(1),
            exits(1),
            syncs(1),
            Event::RestoresHere { device: 0, save: 1, nth: 0 },
        ],
    );
}

/// The power went while the journal was made anew, with the old one still held open.
#[test]
fn a_journal_that_is_made_anew_when_the_power_goes_frees_nothing_twice() {
    let syncs = |at| Event::Cycle {
        device: 4,
        trigger: Full,
        fault: None,
        meanwhile: None,
        mishap: Some(Mishap::PowerGoes(at)),
    };
    keeps_its_promises(34763, 5, &[syncs(5), syncs(1)]);
}

/// A check at boot gives back the clusters that a cut left behind the end of a file: the next save may be longer.
#[test]
fn a_save_that_a_cut_left_too_many_clusters_can_grow_again() {
    keeps_its_promises(
        22496,
        2,
        &[
            starts(0, 2),
            Event::Saves { device: 0, truncates: true },
            Event::PowerGoesInSave { device: 0, truncates: false },
            starts_unseen(1, 1),
            exits(1),
            starts(0, 2),
            exits(0),
        ],
    );
}

#[test]
fn what_was_kept_is_not_lost_while_the_card_is_out() {
    keeps_its_promises(
        33437,
        2,
        &[
            starts(0, 2),
            starts(1, 2),
            Event::PowerGoesInSave { device: 0, truncates: true },
            syncs(0),
            exits(1),
            syncs(0),
            waits(4_000),
            syncs(1),
            syncs(0),
            Event::CardOut { device: 0 },
            syncs(0),
            starts(0, 2),
            exits(0),
        ],
    );
}

/// The card was full when the power was back, so that a replacement which the cut had interrupted could not be finished; then
/// there was room, and nothing tried again: that save came no more, and was sent no more, before the next start.
#[test]
fn a_save_that_could_not_be_finished_on_a_full_card_goes_on_as_soon_as_there_is_room() {
    keep_their_promises(
        Theatre::new(),
        3_005_707,
        2,
        true,
        &[
            starts(0, 0),
            exits(0),
            syncs(0),
            syncs_until_power_goes(1, 19),
            starts_unseen(0, 2),
            Event::CardFills { device: 1, sectors: Some(4) },
            Event::Saves { device: 0, truncates: true },
            Event::Cycle { device: 0, trigger: Changed, fault: None, meanwhile: None, mishap: None },
            syncs_until_power_goes(1, 11),
            exits(0),
        ],
    );
}

/// A state that a cut had left without its clusters was emptied by the firmware's check, and played again smaller than it was: the
/// model, not the program, believed that it still had the clusters of before, and took its next autosave for a broken card.
#[test]
fn a_state_that_a_check_has_emptied_is_played_on_like_a_new_one() {
    keeps_its_promises(
        1_000_077_909,
        2,
        &[
            starts(0, 2),
            Event::Saves { device: 0, truncates: false },
            Event::PowerGoesInSave { device: 0, truncates: true },
            starts(1, 0),
            Event::Exits { device: 1, saves: true, truncates: true },
            starts_unseen(0, 0),
            Event::Exits { device: 0, saves: true, truncates: true },
            Event::Cycle {
                device: 0,
                trigger: Retry,
                fault: Some((2, Fault::Unreachable)),
                meanwhile: Some((0, Act::Plays, 2)),
                mishap: None,
            },
            Event::Exits { device: 0, saves: true, truncates: false },
        ],
    );
}

/// The card was full when the power was back. The save that the cut had torn could have been written again, which takes no room; but a
/// copy of the torn bytes was to be kept first, for which there was none: a game would have loaded half of each version.
#[test]
fn a_save_that_a_cut_has_torn_on_a_full_card_is_whole_before_a_game_can_load_it() {
    let syncs =
        |trigger, fault, meanwhile, mishap| Event::Cycle { device: 1, trigger, fault, meanwhile, mishap };
    let card_fails = Some(Mishap::CallFails(49));
    keeps_its_promises(
        189_652,
        2,
        &[
            starts(1, 0),
            Event::Exits { device: 1, saves: true, truncates: false },
            starts(0, 1),
            syncs(Retry, Some((2, Fault::BitFlipped)), None, card_fails),
            Event::Exits { device: 0, saves: true, truncates: true },
            starts_unseen(0, 0),
            Event::Cycle { device: 0, trigger: GameEnded, fault: None, meanwhile: None, mishap: None },
            Event::PairsAgain { device: 1, cut: None },
            syncs(Changed, Some((2, Fault::TooMany)), Some((2, Act::Restores, 2)), None),
            Event::CardFills { device: 1, sectors: Some(9) },
            Event::Exits { device: 0, saves: true, truncates: false },
            starts(0, 1),
            Event::Exits { device: 0, saves: true, truncates: false },
            Event::Cycle { device: 0, trigger: Retry, fault: None, meanwhile: None, mishap: None },
            syncs(Retry, None, None, Some(Mishap::PowerGoes(17))),
        ],
    );
}

/// A person brought back from the attic what a cut had torn, which is kept for nobody else: the judge took it for bytes that the
/// program had mixed up.
#[test]
fn what_a_cut_had_torn_comes_back_if_a_person_wants_it() {
    keeps_its_promises(
        194_591,
        3,
        &[
            starts(0, 1),
            exits(0),
            syncs(0),
            syncs_until_power_goes(1, 16),
            starts(0, 1),
            exits(0),
            syncs(0),
            syncs_until_power_goes(1, 13),
            Event::RestoresKept { device: 1, save: 1, nth: 0 },
        ],
    );
}

/// The card had been filled where it was mounted, `.retrosync` too, and not by us: the name of the record that a save is being replaced
/// was not durable when its `fsync` said so. After the cut nobody knew whose the torn bytes were.
#[test]
fn a_save_that_a_cut_has_torn_is_whole_again_on_a_card_that_was_filled_while_it_was_mounted() {
    keep_their_promises(
        Theatre::new(),
        293_527,
        2,
        true,
        &[
            starts(1, 2),
            exits(1),
            syncs(1),
            syncs_until_power_goes(0, 1),
            starts_unseen(0, 2),
            Event::Resolves { device: 0, save: 1, this: true },
            exits(0),
            waits(70),
            starts(0, 2),
            exits(0),
            syncs(0),
            syncs_until_power_goes(1, 15),
        ],
    );
}

/// What a file was when it was last read was kept by its stamp, and a newer save was put in its place since. What was then played over
/// that, by a clock that had been set back by the power cut, had the old stamp: the old bytes were stored as what was played.
#[test]
fn what_is_played_by_a_clock_that_went_back_is_not_taken_for_what_lay_there_before() {
    keeps_its_promises(
        359_907,
        2,
        &[
            Event::SetsClock { device: 0, wall: Some(Wall { boot_unix_s: 2147483000, drift: -50 }) },
            starts(1, 2),
            Event::Exits { device: 1, saves: true, truncates: true },
            Event::Cycle {
                device: 1,
                trigger: GameEnded,
                fault: None,
                meanwhile: Some((0, Act::Brings, 1)),
                mishap: None,
            },
            Event::PowerGoes { device: 0 },
            waits(70),
            syncs(0),
            starts(1, 2),
            exits(1),
            syncs(1),
            syncs_until_power_goes(0, 2),
            Event::Cycle { device: 0, trigger: Changed, fault: None, meanwhile: None, mishap: None },
            waits(70),
            starts(0, 2),
            exits(0),
        ],
    );
}

/// A person deleted a save, and while it was brought back the power went: what was torn of it, and taken away, the judge took for what
/// that person had deleted.
#[test]
fn who_deleted_a_save_and_begins_anew_has_seen_it() {
    keeps_its_promises(
        1_036_333,
        2,
        &[
            starts(0, 0),
            exits(0),
            syncs(0),
            starts(1, 2),
            exits(1),
            syncs(1),
            syncs_until_power_goes(0, 4),
            Event::Deletes { device: 1, save: 0 },
            Event::Cycle {
                device: 1,
                trigger: Full,
                fault: Some((3, Fault::BitFlipped)),
                meanwhile: None,
                mishap: Some(Mishap::PowerGoes(11)),
            },
            starts(1, 0),
            exits(1),
        ],
    );
}

/// A device had heard of a newer save when its server was set back, and took it: what that replaced had been stored, and the judge looked for
/// it at a server that knew nothing of it any more.
#[test]
fn news_of_before_a_server_was_set_back_may_still_be_taken() {
    keeps_its_promises(
        305_656,
        2,
        &[
            starts(0, 1),
            Event::Saves { device: 0, truncates: true },
            Event::BacksUp,
            syncs_all(0),
            syncs_all(1),
            exits(0),
            Event::Cycle { device: 0, trigger: Changed, fault: None, meanwhile: None, mishap: None },
            Event::Polls { device: 1 },
            Event::SetsServerBack,
            syncs(0),
            Event::Cycle { device: 1, trigger: Changed, fault: None, meanwhile: None, mishap: None },
        ],
    );
}

/// A copied card met its twin's number first with a person's answer: that was refused, and the card went on as the same writer.
#[test]
fn a_copied_card_whose_player_answers_first_becomes_a_writer_of_its_own() {
    keep_their_promises(
        Theatre::new(),
        487513,
        3,
        false,
        &[
            starts(2, 1),
            Event::Exits { device: 2, saves: true, truncates: true },
            Event::Cycle { device: 2, trigger: Changed, fault: None, meanwhile: None, mishap: None },
            starts_unseen(0, 1),
            syncs(0),
            waits(5),
            syncs(0),
            Event::ClonesCard { from: 0, to: 2 },
            Event::Exits { device: 0, saves: true, truncates: true },
            syncs(0),
            Event::Resolves { device: 2, save: 1, this: true },
            starts(0, 1),
            starts(2, 0),
            exits(2),
            exits(0),
        ],
    );
}
