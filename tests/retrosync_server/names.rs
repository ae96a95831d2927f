//! Whose save is whose: equal bytes, equal names, other spellings.

use crate::*;

#[test]
fn two_games_whose_bytes_are_equal_stay_two() {
    let mut there = There::new(&[Bug::MergesEqualBytes]);
    let mut a = Handheld::new(&mut there, "A");
    play(&mut a, "gb/sram/One", b"fresh");
    play(&mut a, "gb/sram/Two", b"fresh");
    play(&mut a, "gb/sram/One", b"far");
    let mut b = Handheld::new(&mut there, "B");
    assert_eq!(there.server.keys(), ["One", "Two"]);
    assert_eq!(heads(&mut b, "gb/sram/One"), digests(&[b"far"]));
    assert_eq!(heads(&mut b, "gb/sram/Two"), digests(&[b"fresh"]));
}

#[test]
fn games_of_one_name_on_two_systems_stay_two() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    play(&mut a, "gb/sram/Tetris", b"on the handheld");
    play(&mut b, "nes/sram/Tetris", b"on the console");
    play(&mut b, "gb/rtc/Tetris", b"its clock");
    for device in [&mut a, &mut b] {
        assert_eq!(heads(device, "gb/sram/Tetris"), digests(&[b"on the handheld"]));
        assert_eq!(heads(device, "nes/sram/Tetris"), digests(&[b"on the console"]));
        assert_eq!(heads(device, "gb/rtc/Tetris"), digests(&[b"its clock"]));
    }
    assert_eq!(there.server.keys(), ["Tetris", "Tetris [nes]", "Tetris.rtc"]);
}

/// One game, as two cards spell it.
const SPELLED: [&str; 2] = ["gb/sram/Pok\u{e9}mon", "gb/sram/Poke\u{301}mon"];

#[test]
fn a_game_that_two_cards_spell_in_two_ways_stays_one() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    play(&mut a, SPELLED[0], b"first");
    play(&mut b, SPELLED[1], b"second");
    assert_eq!(heads(&mut a, SPELLED[0]), digests(&[b"second"]));
    // Its device is paired anew: what is registered is what the other registered.
    there.server.remove_device(0);
    let played = play(&mut b, SPELLED[1], b"third");
    assert!(matches!(played, StoreResult::Head { .. }), "{played:?}");
    assert_eq!(there.server.keys(), ["Pok\u{e9}mon"]);
}

#[test]
fn two_devices_never_swap_the_two_saves_that_one_game_has_there() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    play(&mut a, SPELLED[0], b"first");
    // In the same moment another of ours.
    there.server.other_uploads("/RetroSync/sram/gb/Poke\u{301}mon.srm", b"other", 2_000_000_000_000);
    assert_eq!(there.server.keys().len(), 2);
    for _ in 0..3 {
        assert_eq!(heads(&mut a, SPELLED[0]), digests(&[b"first", b"other"]), "a question, and no swap");
        assert_eq!(heads(&mut b, SPELLED[1]), digests(&[b"other"]));
        there.restart(0, &mut a);
        there.restart(1, &mut b);
    }
    let played = play(&mut a, SPELLED[0], b"answer");
    assert!(matches!(played, StoreResult::Head { .. }), "{played:?}");
    assert_eq!(heads(&mut b, SPELLED[1]), digests(&[b"answer"]));
}

#[test]
fn a_title_that_ends_in_dots_is_synced() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    for save in ["n64/sram/Super Smash Bros.", "gb/sram/What...", "gb/rtc/What..."] {
        let played = play(&mut a, save, save.as_bytes());
        assert!(matches!(played, StoreResult::Head { .. }), "{save}: {played:?}");
        assert_eq!(heads(&mut b, save), digests(&[save.as_bytes()]), "{save}");
    }
}

#[test]
fn games_of_one_name_that_are_stored_together_stay_as_many() {
    let mut there = There::new(&[]);
    let mut a = Handheld::new(&mut there, "A");
    let saves = [
        "gb/sram/Tetris",
        "nes/sram/Tetris",
        "gb/sram/Wait...What",
        "gb/sram/Wait._.What",
        "gb/sram/Wait._._What",
    ];
    let offers = saves.map(|save| a.version(save, Some(save.as_bytes()), &[]));
    let stored = offered(&mut a, &offers).unwrap();
    assert!(stored.iter().all(|result| matches!(result, StoreResult::Head { .. })), "{stored:?}");
    let mut b = Handheld::new(&mut there, "B");
    for save in saves {
        assert_eq!(heads(&mut b, save), digests(&[save.as_bytes()]), "{save}: {:?}", there.server.keys());
    }
}

#[test]
fn two_games_that_meet_under_one_name_part_again() {
    let mut there = There::new(&[Bug::MeetsAnother("/RetroSync/sram/nes/Tetris.srm", b"on the console")]);
    let (mut a, mut b) = (Handheld::new(&mut there, "A"), Handheld::new(&mut there, "B"));
    let played = play(&mut a, "gb/sram/Tetris", b"on the handheld");
    assert!(matches!(played, StoreResult::Head { .. }), "{played:?}");
    assert_eq!(heads(&mut b, "gb/sram/Tetris"), digests(&[b"on the handheld"]));
    assert_eq!(heads(&mut b, "nes/sram/Tetris"), [], "whose bytes they are is not sure any more");
    // Whose device has it sends it under a name of its own.
    let played = play(&mut b, "nes/sram/Tetris", b"on the console");
    assert!(matches!(played, StoreResult::Head { .. }), "{played:?}");
    assert_eq!(there.server.keys(), ["Tetris", "Tetris [gb]", "Tetris [nes]"]);
    for device in [&mut a, &mut b] {
        assert_eq!(heads(device, "gb/sram/Tetris"), digests(&[b"on the handheld"]));
        assert_eq!(heads(device, "nes/sram/Tetris"), digests(&[b"on the console"]));
    }
}
