//! Each of the server's documented faults, and each way in which an answer can fail to come: none costs a version.

use crate::*;

#[test]
fn each_fault_of_the_server_costs_no_version() {
    let rows: [(&[Bug], &str); 9] = [
        (&[], "no fault"),
        (&[Bug::RanksByDate, Bug::TakesLong(8)], "S8: what takes long to arrive is as if fresh"),
        (&[Bug::StoreFails(1)], "S1: the first upload is recorded without its bytes"),
        (&[Bug::IgnoresRestores, Bug::MergesEqualBytes], "S2, S5: known bytes are skipped"),
        (&[Bug::DropsOlder], "S6: an upload dated before the last is dropped"),
        (&[Bug::RanksByDate, Bug::DropsOlder], "S7, S8: fresh dates rank last"),
        (&[Bug::RanksByDate, Bug::DropsOlder, Bug::Clock(-40 * 365 * 86_400)], "its clock is in 1986"),
        (&[Bug::RanksByDate, Bug::DropsOlder, Bug::Clock(20 * 365 * 86_400)], "its clock is in 2046"),
        (&[Bug::IgnoresRestores, Bug::DropsOlder, Bug::RanksByDate, Bug::MergesEqualBytes], "all at once"),
    ];
    for (bugs, what) in rows {
        let has_clock = bugs.iter().any(|bug| matches!(bug, Bug::Clock(_)));
        let mut there = There::new(if has_clock { bugs } else { &[] });
        let (mut a, mut b) = two(&mut there);
        there.server.set(bugs);
        // On, back to old bytes, and on again, in turn.
        for (number, played) in
            [b"one".as_slice(), b"two", b"one", b"three", b"first"].into_iter().enumerate()
        {
            let (player, other) = if number % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
            let parents: Vec<_> = player.heads(SAVE).iter().map(|head| head.version).collect();
            let version = player.version(SAVE, Some(played), &parents);
            let offers = [version];
            let mut result = None;
            for _ in 0..3 {
                let shelf = player.bytes_of(&offers[0]);
                match player.remote.store(&offers, &|_| Ok(Box::new(std::io::Cursor::new(shelf.clone())))) {
                    Ok(mut results) => {
                        result = results.pop();
                        break;
                    }
                    Err(error) => {
                        println!("{what}, {number}: {error}");
                        assert_eq!(error.kind, Kind::Offline, "{what}: {error}");
                    }
                }
            }
            assert!(matches!(result, Some(StoreResult::Head { .. })), "{what}, {number}: {result:?}");
            assert_eq!(there.server.shown(GAME).as_deref(), Some(played), "{what}, {number}");
            assert_eq!(heads(other, SAVE), digests(&[played]), "{what}, {number}");
        }
    }
}

#[test]
fn what_the_server_says_and_does_not_give_is_not_believed() {
    let rows: [(&[Bug], &str); 3] = [
        (&[Bug::ShowsWrongDigests], "S12: another digest than that of the bytes"),
        (&[Bug::StoreFails(9)], "S1: no bytes at all"),
        (&[Bug::CutsDownloads], "half of the bytes, of no length"),
    ];
    for (bugs, what) in rows {
        let mut there = There::new(&[]);
        let (mut a, _b) = two(&mut there);
        let before = a.list(0, None);
        let wrong_upload =
            bugs.iter().filter(|bug| !matches!(bug, Bug::CutsDownloads)).copied().collect::<Vec<_>>();
        there.server.set(&wrong_upload);
        there.server.other_uploads("/x/Tetris (World).srm", b"farther", 2_000_000_000_000);
        there.server.set(bugs);
        let request =
            ChangesRequest { since: before.cursor, epoch: Some(before.epoch), ..ChangesRequest::default() };
        match a.remote.list(&request) {
            Ok(changes) => assert!(
                changes
                    .saves
                    .iter()
                    .all(|save| save.heads.iter().all(|h| h.content.unwrap().digest == Digest::of(b"first"))),
                "{what}: {changes:?}"
            ),
            Err(error) => assert_eq!(error.kind, Kind::Offline, "{what}: {error}"),
        }
    }
}

#[test]
fn what_is_shown_and_does_not_come_is_not_hidden_behind_what_is_played_here() {
    let rows: [(&[Bug], &[Bug], &str); 4] = [
        (&[], &[Bug::CutsDownloads], "its download ends in the middle"),
        (&[Bug::StoreFails(1)], &[], "S1: it has no bytes"),
        (&[], &[Bug::ShowsNoDigests], "S12: no digest that can be read"),
        (&[Bug::ShowsWrongDigests], &[Bug::SaysSize(9)], "S12: another digest and another size"),
    ];
    for (stored_with, shown_with, what) in rows {
        let mut there = There::new(&[]);
        let (_a, mut b) = two(&mut there);
        let seen = b.heads(SAVE)[0].version;
        there.server.set(stored_with);
        there.server.other_uploads("/x/Tetris (World).srm", b"other", 2_000_000_000_000);
        let shown = there.server.shown(GAME);
        there.server.set(shown_with);
        let offer = [b.version(SAVE, Some(b"mine!"), &[seen])];
        for _ in 0..4 {
            let refused = offered(&mut b, &offer).unwrap().remove(0);
            assert!(matches!(refused, StoreResult::Refused { .. }), "{what}: {refused:?}");
        }
        assert_eq!(there.server.shown(GAME), shown, "{what}");
        if shown.is_none() || stored_with == [Bug::ShowsWrongDigests] {
            continue;
        }
        there.server.set(&[]);
        there.restart(1, &mut b);
        let asked = offered(&mut b, &offer).unwrap().remove(0);
        assert!(matches!(asked, StoreResult::Branch { .. }), "{what}: {asked:?}");
        assert_eq!(heads(&mut b, SAVE), digests(&[b"other", b"mine!"]), "{what}");
    }
}

#[test]
fn a_bit_that_flips_on_its_way_hides_no_version() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    play(&mut b, SAVE, b"second");
    there.server.set(&[Bug::Flips(1)]);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
    there.restart(0, &mut a);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"second"]));
}

#[test]
fn bytes_that_come_back_again_and_again_go_out_each_time() {
    let mut there = There::new(&[Bug::IgnoresRestores]);
    let (mut a, mut b) = two(&mut there);
    for round in 0..6 {
        let (player, other) = if round % 2 == 0 { (&mut b, &mut a) } else { (&mut a, &mut b) };
        let played: &[u8] = if round % 2 == 0 { b"one" } else { b"two" };
        let result = play(player, SAVE, played);
        assert!(matches!(result, StoreResult::Head { .. }), "{round}: {result:?}");
        assert_eq!(heads(other, SAVE), digests(&[played]), "{round}");
    }
}

#[test]
fn a_captive_portal_s_page_is_no_answer() {
    let mut there = There::new(&[]);
    let (mut a, _b) = two(&mut there);
    there.server.set(&[Bug::Portal]);
    let error = a.remote.list(&ChangesRequest::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Offline, "{error}");
}

#[test]
fn an_upload_that_failed_is_sent_again_and_counts_for_nothing_until_it_went() {
    let rows: [(&[Bug], &str); 5] = [
        (&[Bug::StoreFails(2), Bug::IgnoresRestores], "S1, S2: twice not kept, and so known"),
        (&[Bug::Silent(2)], "no answer"),
        (&[Bug::Chokes(GAME)], "a 500"),
        (&[Bug::StoreFails(2)], "S1: taken, and not kept"),
        (&[Bug::LosesReplies], "stored, and the answer lost"),
    ];
    for (bugs, what) in rows {
        let mut there = There::new(&[]);
        let (mut a, mut b) = two(&mut there);
        let seen = a.heads(SAVE)[0].version;
        let offer = [a.version(SAVE, Some(b"played"), &[seen])];
        there.server.set(bugs);
        let failed = offered(&mut a, &offer);
        assert!(!is_stored(&failed), "{what}: {failed:?}");
        let is_lasting = |bug: &&Bug| **bug == Bug::IgnoresRestores;
        there.server.set(&bugs.iter().filter(is_lasting).copied().collect::<Vec<_>>());
        if bugs == [Bug::LosesReplies] {
            // It is there after all: the next look finds it.
            assert_eq!(heads(&mut a, SAVE), digests(&[b"played"]), "{what}");
        } else {
            // With a restart, too: nothing on the card may say that it went.
            there.restart(0, &mut a);
            assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]), "{what}");
            assert!(!is_known(&mut a, SAVE, b"played"), "{what}");
        }
        let stored = offered(&mut a, &offer);
        assert!(is_stored(&stored), "{what}: {stored:?}");
        assert_eq!(there.server.shown(GAME), Some(b"played".to_vec()), "{what}");
        assert_eq!(heads(&mut b, SAVE), digests(&[b"played"]), "{what}");
    }
}

#[test]
fn one_save_that_the_server_cannot_give_keeps_no_other_from_coming() {
    let rows: [(&[Bug], bool, &str); 4] = [
        (&[Bug::Chokes("One")], false, "a 500 for one"),
        (&[Bug::HangsUp("One")], false, "the connection ends at one"),
        (&[Bug::SaysSize(u64::MAX)], true, "S12: sizes that nothing has"),
        (&[Bug::SaysSize(0)], true, "S12: no size"),
    ];
    for (bugs, one_comes, what) in rows {
        let mut there = There::new(&[]);
        let mut a = Handheld::new(&mut there, "A");
        for save in ["gb/sram/One", "gb/sram/Two"] {
            play(&mut a, save, save.as_bytes());
        }
        there.server.set(bugs);
        let mut b = Handheld::new(&mut there, "B");
        // A connection that ends may be the network: then it is the next look.
        let _ = b.remote.list(&ChangesRequest::default());
        assert_eq!(heads(&mut b, "gb/sram/Two"), digests(&[b"gb/sram/Two"]), "{what}");
        let one = if one_comes { digests(&[b"gb/sram/One"]) } else { Vec::new() };
        assert_eq!(heads(&mut b, "gb/sram/One"), one, "{what}");
        let played = play(&mut b, "gb/sram/Two", b"farther");
        assert!(matches!(played, StoreResult::Head { .. }), "{what}: {played:?}");
        there.server.set(&[]);
        there.restart(1, &mut b);
        assert_eq!(heads(&mut b, "gb/sram/One"), digests(&[b"gb/sram/One"]), "{what}");
    }
}

#[test]
fn one_save_that_the_server_does_not_take_keeps_no_other_from_going() {
    for (bug, what) in
        [(Bug::Chokes("One"), "a 500 for one"), (Bug::HangsUp("One"), "the connection ends at one")]
    {
        let mut there = There::new(&[bug]);
        let mut a = Handheld::new(&mut there, "A");
        let saves = ["gb/sram/One", "gb/sram/Two", "gb/sram/Three"];
        let offers = saves.map(|save| a.version(save, Some(save.as_bytes()), &[]));
        for _ in 0..2 {
            let _ = offered(&mut a, &offers);
        }
        for (key, save) in [("Two", saves[1]), ("Three", saves[2])] {
            assert_eq!(there.server.shown(key).as_deref(), Some(save.as_bytes()), "{what}");
            assert_eq!(heads(&mut a, save), digests(&[save.as_bytes()]), "{what}");
        }
        assert_eq!(heads(&mut a, saves[0]), [], "{what}");
        there.server.set(&[]);
        let stored = offered(&mut a, &offers).unwrap();
        assert!(stored.iter().all(|result| matches!(result, StoreResult::Head { .. })), "{what}: {stored:?}");
        assert_eq!(there.server.shown("One").as_deref(), Some(saves[0].as_bytes()), "{what}");
    }
}

#[test]
fn a_download_without_an_end_fills_no_memory_and_costs_no_save() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    play(&mut b, SAVE, b"second");
    there.server.set(&[Bug::Endless]);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
    support::wait_for("the server sees that nobody listens", 60, || {
        (there.server.poured() > 0).then_some(())
    });
    assert!(there.server.poured() < 64 << 20, "{} bytes were taken", there.server.poured());
}

#[test]
fn what_the_server_lost_is_sent_again_by_who_has_it() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    assert!(is_known(&mut b, SAVE, b"first"));
    // S9, S11: with a device, or by one click, goes the whole history.
    there.server.delete(GAME);
    assert_eq!(heads(&mut b, SAVE), digests(&[b"first"]), "what is not there is not deleted here");
    assert!(!is_known(&mut b, SAVE, b"first"), "but it is not called safe");
    let head = b.heads(SAVE)[0].version;
    let offer = [b.version(SAVE, Some(b"first"), &[head])];
    let stored = offered(&mut b, &offer);
    assert!(is_stored(&stored), "{stored:?}");
    assert_eq!(there.server.shown(GAME), Some(b"first".to_vec()));
    assert!(is_known(&mut b, SAVE, b"first"));
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
}
