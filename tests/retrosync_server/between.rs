//! What devices have of one another over such a server, and what its user chose there.

use crate::*;

#[test]
fn what_one_device_stores_the_other_has_back_and_forth() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    for round in 0..4u8 {
        let (player, other) = if round % 2 == 0 { (&mut b, &mut a) } else { (&mut a, &mut b) };
        let played = [round + 1; 100];
        assert!(matches!(play(player, SAVE, &played), StoreResult::Head { .. }), "{round}");
        assert_eq!(heads(other, SAVE), digests(&[&played]), "{round}");
        let content = other.heads(SAVE)[0].content.unwrap();
        assert_eq!(other.fetch(&[content]).0[&content.digest], played);
    }
}

#[test]
fn a_quiet_look_is_one_request() {
    let mut there = There::new(&[]);
    let (mut a, _b) = two(&mut there);
    let known = a.list(0, None);
    there.server.asked();
    let again = a.list(known.cursor, Some(&known.epoch));
    assert_eq!((again.saves.len(), there.server.asked()), (0, vec!["GET /api/sync/manifest".to_owned()]));
}

#[test]
fn who_had_not_seen_the_newest_is_asked_and_sends_nothing_before_the_answer() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    let seen = b.heads(SAVE)[0].version;
    play(&mut a, SAVE, b"played on a");
    let late = b.version(SAVE, Some(b"played on b"), &[seen]);
    let results = b.store(std::slice::from_ref(&late));
    assert!(matches!(results[0], StoreResult::Branch { .. }), "{results:?}");
    assert_eq!(heads(&mut b, SAVE), digests(&[b"played on a", b"played on b"]));
    assert_eq!(there.server.shown(GAME), Some(b"played on a".to_vec()));
    // The answer settles it for both.
    assert!(matches!(play(&mut b, SAVE, b"played on b"), StoreResult::Head { .. }));
    assert_eq!(heads(&mut a, SAVE), digests(&[b"played on b"]));
    let history = a.remote.history(&SAVE.parse().unwrap(), None).unwrap();
    assert!(history.versions.iter().any(|v| v.record.content.unwrap().digest == Digest::of(b"played on a")));
}

#[test]
fn a_mode_that_the_user_chose_there_is_obeyed() {
    for (mode, sends, what) in
        [("upload_only", true, "only sent"), ("disabled", false, "neither sent nor taken")]
    {
        let mut there = There::new(&[]);
        let (mut a, _b) = two(&mut there);
        there.server.set_mode(GAME, mode);
        there.server.other_uploads("/x/Tetris (World).srm", b"theirs", 1_763_644_581_000);
        assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]), "{what}");
        let result = play(&mut a, SAVE, b"mine");
        assert_eq!(matches!(result, StoreResult::Head { .. }), sends, "{what}: {result:?}");
        assert_eq!(there.server.versions(GAME).contains(&b"mine".to_vec()), sends, "{what}: {result:?}");
    }
}

#[test]
fn a_save_that_the_server_keeps_for_one_device_is_kept_there() {
    let mut there = There::new(&[Bug::SharesTwoSaves]);
    let mut a = Handheld::new(&mut there, "A");
    for save in ["gb/sram/One", "gb/sram/Two", "gb/sram/Three"] {
        assert!(matches!(play(&mut a, save, save.as_bytes()), StoreResult::Head { .. }), "{save}");
    }
    assert_eq!(there.server.versions("Three"), [b"gb/sram/Three".to_vec()]);
}
