//! Saves of RetroSync's own clients, met and never overwritten unseen.

use crate::*;

#[test]
fn another_client_s_save_is_met_by_name_and_never_overwritten_unseen() {
    let mut there = There::new(&[]);
    let mut a = Handheld::new(&mut there, "A");
    there.server.device();
    there.server.other_uploads(
        "/mnt/mmc/MUOS/save/file/mGBA/Tetris (World).srm",
        b"from muOS",
        1_763_644_581_000,
    );
    assert_eq!(heads(&mut a, SAVE), [], "which system it is of nobody has said");
    let mine = a.version(SAVE, Some(b"mine"), &[]);
    let results = a.store(&[mine]);
    assert!(matches!(results[0], StoreResult::Branch { .. }), "{results:?}");
    assert_eq!(
        there.server.versions(GAME),
        [b"from muOS".to_vec()],
        "nothing is sent before a person answers"
    );
    assert!(matches!(play(&mut a, SAVE, b"mine"), StoreResult::Head { .. }));
    assert_eq!(there.server.shown(GAME), Some(b"mine".to_vec()));
    there.server.other_uploads("/mnt/mmc/MUOS/save/file/mGBA/Tetris (World).srm", b"next", 2_000_000_000_000);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"next"]));
}

#[test]
fn a_blank_save_of_another_client_replaces_no_game() {
    let mut there = There::new(&[]);
    let mut a = Handheld::new(&mut there, "A");
    play(&mut a, SAVE, b"far");
    there.server.other_uploads("/x/Tetris (World).srm", &[0; 3], 2_000_000_000_000);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"far"]));
    assert!(matches!(play(&mut a, SAVE, b"farther"), StoreResult::Head { .. }));
    assert_eq!(there.server.shown(GAME), Some(b"farther".to_vec()));
}

#[test]
fn what_came_between_the_look_and_the_upload_is_a_question() {
    let mut there = There::new(&[]);
    let (_a, mut b) = two(&mut there);
    there.server.set(&[Bug::Races(b"played elsewhere")]);
    let result = play(&mut b, SAVE, b"played on b");
    assert!(matches!(result, StoreResult::Branch { .. }), "{result:?}");
    assert_eq!(heads(&mut b, SAVE), digests(&[b"played elsewhere", b"played on b"]));
}

#[test]
fn an_older_version_that_the_server_shows_again_is_a_question() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    play(&mut b, SAVE, b"second");
    assert_eq!(heads(&mut a, SAVE), digests(&[b"second"]));
    there.server.remove_device(1);
    assert_eq!(there.server.shown(GAME), Some(b"first".to_vec()), "S9: with the device went its versions");
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first", b"second"]), "the progress is kept and asked about");
    assert!(matches!(play(&mut a, SAVE, b"second"), StoreResult::Head { .. }));
    assert_eq!(there.server.shown(GAME), Some(b"second".to_vec()), "and is there again");
}

#[test]
fn another_client_s_game_of_the_same_name_is_a_question_and_replaces_nothing() {
    let mut there = There::new(&[]);
    let mut a = Handheld::new(&mut there, "A");
    play(&mut a, "gb/sram/Tetris", &[1; 32]);
    there.server.device();
    there.server.other_uploads("/mnt/mmc/MUOS/save/file/Nestopia/Tetris.srm", &[2; 8], 2_000_000_000_000);
    assert_eq!(heads(&mut a, "gb/sram/Tetris"), digests(&[&[1; 32], &[2; 8]]), "S3: another size");
}
