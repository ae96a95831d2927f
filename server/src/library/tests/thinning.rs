//! Thinning out: what a player keeps, what a device is told, and that a month is a month.

use bytes::Bytes;
use retrosync_protocol::{Ask, ChangesRequest, ChoiceRequest, Code, Content, Digest, Version};

use super::backends::{Backend, over_each_backend};
use super::upkeep::{DAY_S, a_line, collect, digest_of, start_unix_s, store_at, thinned};
use super::{SAVE, ids, version, word};
use crate::catalog::{Access, Mark};
use crate::library::{Collected, Upkeep};

over_each_backend!(
    of one clock:
    nothing_goes_that_was_not_unneeded_for_a_month,
    what_comes_back_within_the_month_stays,
    a_device_that_comes_back_after_a_year_loses_nothing_and_is_asked_nothing_new,
    bytes_without_a_record_wait_their_month_too,
    a_clock_that_jumps_ahead_takes_nothing_before_its_month,
    a_run_by_hand_every_other_month_removes_where_a_server_looked_at_the_clock_meanwhile,
);

async fn nothing_goes_that_was_not_unneeded_for_a_month(on: Backend) {
    let world = on.world().await;
    let start = start_unix_s();
    let line = a_line(&world, 30, start).await;
    let asker = world.device(2);
    let old = digest_of(&line[4]);
    assert_eq!(collect(&world, start + DAY_S / 2).await, Collected::default(), "a day is kept whole");
    let marked = collect(&world, start + 800 * DAY_S).await;
    assert!(marked.marked.contents >= 27 && marked.thinned.contents == 0, "{marked:?}");
    assert!(world.bytes(&asker, old).await.is_some(), "a mark takes nothing");
    let waiting = collect(&world, start + 829 * DAY_S).await;
    assert_eq!((waiting.waiting, waiting.removed), (marked.marked, 0), "not yet");
    let upkeep = Upkeep { dry_run: true, ..Upkeep::default() };
    let looked = world.library.collect(&upkeep, "test", || start + 830 * DAY_S).await.unwrap();
    assert_eq!((looked.thinned, looked.removed), (marked.marked, 0), "a dry run says it");
    assert!(world.bytes(&asker, old).await.is_some(), "and does nothing");
    let gone = collect(&world, start + 830 * DAY_S).await;
    assert_eq!((gone.thinned, gone.removed, gone.left), (marked.marked, marked.marked.contents, 0));
    let refused = world.library.content(&asker, old).await.unwrap_err();
    assert_eq!(refused.code(), Code::Thinned, "{refused}");
    assert!(thinned(&world).await[4]);
    assert_eq!(thinned(&world).await[28..], [false, false], "the head, and what it replaced");
    let request = ChoiceRequest {
        save: SAVE.parse().unwrap(),
        version: Some(line[4].id()),
        heads: vec![line[29].id()],
        note: None,
    };
    let refused = world.library.restore(&asker, &request, None, start).await.unwrap_err();
    assert_eq!(refused.code(), Code::Thinned);
    let pin = Mark { version: line[4].id(), pinned: true, label: String::new() };
    let refused = world.library.mark(&asker, &line[4].save, pin, start).await.unwrap_err();
    assert_eq!(refused.code(), Code::Thinned, "a pin that promises nothing is none");
    assert_eq!(collect(&world, start + 831 * DAY_S).await.removed, 0, "done is done");
}

async fn what_comes_back_within_the_month_stays(on: Backend) {
    let world = on.world().await;
    let start = start_unix_s();
    let line = a_line(&world, 30, start).await;
    collect(&world, start + 800 * DAY_S).await;
    let (asker, before) = (world.device(1), start + 829 * DAY_S);
    // Pinned, stored again without bytes, and brought again with bytes.
    let pin = Mark { version: line[3].id(), pinned: true, label: String::new() };
    world.library.mark(&asker, &line[3].save, pin, before).await.unwrap();
    let other: Version = Version { save: "gb/sram/Copy".parse().unwrap(), ..version(2, 1, b"state 6", &[]) };
    assert_eq!(word(&world.store(&world.device(2), &other, None).await).0, "head");
    let another = Version { save: "gb/sram/Other".parse().unwrap(), ..version(2, 2, b"state 8", &[]) };
    let stored = store_at(&world, &world.device(2), &another, b"state 8", before).await;
    assert_eq!(word(&stored).0, "head");
    let gone = collect(&world, start + 830 * DAY_S).await;
    assert!(gone.thinned.contents >= 20, "{gone:?}");
    for number in [4, 6, 8] {
        let digest = digest_of(&line[number - 1]);
        assert!(world.bytes(&asker, digest).await.is_some(), "state {number} came back");
    }
}

async fn a_device_that_comes_back_after_a_year_loses_nothing_and_is_asked_nothing_new(on: Backend) {
    let world = on.world().await;
    let start = start_unix_s();
    let line = a_line(&world, 30, start).await;
    collect(&world, start + 800 * DAY_S).await;
    collect(&world, start + 830 * DAY_S).await;
    let (asker, now) = (world.device(2), start + 830 * DAY_S);
    let old = &line[4];
    assert!(thinned(&world).await[4]);
    // It knows nothing any more and asks: its bytes are in the history, so it goes on to the head.
    let ask = Ask { save: old.save.clone(), digest: digest_of(old) };
    let request = ChangesRequest { ask: vec![ask], ..ChangesRequest::default() };
    let changes = world.library.changes(&asker, &request, now).await.unwrap();
    assert_eq!(changes.known, [true]);
    assert_eq!(ids(&changes.saves[0].heads), [line[29].id()]);
    // It played on from the thinned version: a branch, as ever, and both sides are there.
    let played = version(2, 1, b"played on the train", &[old.id()]);
    let stored = store_at(&world, &asker, &played, b"played on the train", now).await;
    assert_eq!(word(&stored), ("branch", Some(played.id())));
    // It offers the old bytes themselves: kept again.
    let offered = version(2, 2, b"state 5", &[]);
    assert_eq!(word(&store_at(&world, &asker, &offered, b"state 5", now + 5).await).0, "branch");
    assert!(world.bytes(&asker, digest_of(old)).await.is_some());
}

async fn bytes_without_a_record_wait_their_month_too(on: Backend) {
    let world = on.world().await;
    let start = start_unix_s();
    let bytes = b"a crash came between";
    let content = Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 };
    let staged = world.library.blobs.stage(content, Bytes::from_static(bytes)).await.unwrap();
    world.library.blobs.publish(vec![staged]).await.unwrap();
    for (days, removed, there) in
        [(0, 0, true), (29, 0, true), (30, 1, false), (31, 0, false), (40, 0, false)]
    {
        let collected = collect(&world, start + days * DAY_S).await;
        assert_eq!(collected.removed, removed, "day {days}");
        assert_eq!(
            world.library.blobs.size_bytes(content.digest).await.unwrap().is_some(),
            there,
            "day {days}"
        );
    }
    let mut tx = world.library.catalog.begin(Access::Read).await.unwrap();
    assert_eq!(tx.strays().await.unwrap(), [], "nothing is remembered of it");
}

async fn a_clock_that_jumps_ahead_takes_nothing_before_its_month(on: Backend) {
    let world = on.world().await;
    let start = start_unix_s();
    let bytes = b"a crash came between";
    let content = Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 };
    let staged = world.library.blobs.stage(content, Bytes::from_static(bytes)).await.unwrap();
    world.library.blobs.publish(vec![staged]).await.unwrap();
    let line = a_line(&world, 30, start).await;
    let old = digest_of(&line[4]);
    let marked = start + 3 * DAY_S;
    assert!(collect(&world, marked).await.marked.contents >= 20);
    let dry = Upkeep { dry_run: true, ..Upkeep::default() };
    // (days after the mark by the clock, thinned, removed): ten years ahead, back again, and a month that really passes.
    let wait = "waits";
    for (days, expected) in [(3650, wait), (3651, wait), (1, wait), (2, wait), (20, wait), (31, "is gone")] {
        let now = marked + days * DAY_S;
        let looked = world.library.collect(&dry, "test", || now).await.unwrap().thinned;
        let done = collect(&world, now).await;
        assert_eq!(looked, done.thinned, "day {days}: a dry run tells the same");
        let gone = done.thinned.contents > 0 && done.removed > done.thinned.contents;
        assert_eq!(if gone { "is gone" } else { wait }, expected, "day {days}: {done:?}");
        let left = world.library.blobs.size_bytes(content.digest).await.unwrap().is_some();
        let kept = world.bytes(&world.device(2), old).await.is_some();
        assert_eq!((left, kept), (expected == wait, expected == wait), "day {days}");
    }
}

async fn a_run_by_hand_every_other_month_removes_where_a_server_looked_at_the_clock_meanwhile(on: Backend) {
    for (looked, removed) in [(true, 1), (false, 0)] {
        let world = on.world().await;
        let mut now = start_unix_s();
        let bytes = b"a crash came between";
        let content = Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 };
        let staged = world.library.blobs.stage(content, Bytes::from_static(bytes)).await.unwrap();
        world.library.blobs.publish(vec![staged]).await.unwrap();
        assert_eq!(collect(&world, now).await.found.contents, 1);
        for _ in 0..60 {
            now += DAY_S;
            if looked {
                world.library.note_time(&Upkeep::default(), now).await.unwrap();
            }
        }
        assert_eq!(collect(&world, now).await.removed, removed, "looked: {looked}");
    }
}
