//! `changes`, `history` and who may read what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use retrosync_protocol::{Ask, ChangesRequest, Code, Digest, Epoch, Version, WriterId};

use super::backends::{Backend, over_each_backend};
use super::{NOW_UNIX_S, SAVE, version, word};

over_each_backend!(
    each_changed_save_comes_once_in_pages,
    a_cursor_of_another_history_starts_over,
    a_landmark_of_what_did_not_happen_here_starts_over,
    what_was_ever_the_content_is_known,
    a_long_poll_hears_others_and_not_itself,
    a_long_poll_hears_the_twin_of_a_copied_card,
    history_is_newest_first_in_pages_and_keeps_the_first_spelling,
    another_users_library_does_not_exist,
);

fn named(save: &str, sequence: u64) -> Version {
    Version { save: save.parse().unwrap(), ..version(1, sequence, b"abc", &[]) }
}

fn since(since: u64) -> ChangesRequest {
    ChangesRequest { since, ..ChangesRequest::default() }
}

async fn each_changed_save_comes_once_in_pages(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    for (sequence, save) in (1..).zip(["gb/sram/A", "gb/sram/B", "gb/sram/C"]) {
        world.store(&asker, &named(save, sequence), Some(b"abc")).await;
    }
    world
        .store(&asker, &Version { note: Some("again".into()), suspect: true, ..named("gb/sram/A", 9) }, None)
        .await;
    let page = |request| async move { world.library.changes(&world.device(2), &request, NOW_UNIX_S).await };
    let first = page(ChangesRequest { limit: Some(2), ..since(0) });
    let first = first.await.unwrap();
    let names: Vec<_> = first.saves.iter().map(|save| save.save.as_str().to_owned()).collect();
    // The suspect says what the only head says already, so A did not change again.
    assert_eq!((names, first.more), (vec!["gb/sram/A".to_owned(), "gb/sram/B".to_owned()], true));
}

async fn a_cursor_of_another_history_starts_over(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    world.store(&asker, &named(SAVE, 1), Some(b"abc")).await;
    let epoch = world.library.epoch().await.unwrap();
    let rows = [
        ("the same epoch", ChangesRequest { epoch: Some(epoch), ..since(1) }, false, 0),
        ("no epoch", since(1), false, 0),
        ("another epoch", ChangesRequest { epoch: Some(Epoch::from_random(&[9; 16])), ..since(1) }, true, 1),
        ("a cursor beyond all that happened", since(2), true, 1),
    ];
    for (case, request, reset, saves) in rows {
        let changes = world.library.changes(&asker, &request, NOW_UNIX_S).await.unwrap();
        assert_eq!((changes.reset, changes.saves.len(), changes.cursor), (reset, saves, 1), "{case}");
        assert_eq!(changes.server_time_unix_s, NOW_UNIX_S);
    }
}

async fn a_landmark_of_what_did_not_happen_here_starts_over(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let page =
        async |request: ChangesRequest| world.library.changes(&asker, &request, NOW_UNIX_S).await.unwrap();
    assert_eq!(page(since(0)).await.landmark, None, "nothing was stored yet");
    world.store(&asker, &named("gb/sram/A", 1), Some(b"abc")).await;
    let first = page(since(0)).await.landmark;
    world.store(&asker, &named("gb/sram/B", 2), Some(b"abc")).await;
    let last = page(since(1)).await.landmark;
    assert!(first < last && first.is_some());
    let digits = |landmark: &Option<Epoch>| landmark.as_ref().unwrap().to_string();
    let of = |number: &Option<Epoch>, what: &Option<Epoch>| {
        Some(format!("{}{}", &digits(number)[..16], &digits(what)[16..]).parse::<Epoch>().unwrap())
    };
    let beyond: Epoch = format!("{:016x}{}", 3, &digits(&last)[16..]).parse().unwrap();
    let rows = [
        ("none: a device that knows of no landmarks", 1, None, false),
        ("the last change", 2, last.clone(), false),
        ("the last one, and the cursor before it", 1, last.clone(), false),
        ("an earlier one: others went on", 1, first.clone(), false),
        ("an earlier one, of who has read all", 2, first.clone(), false),
        ("another version in the last one's place", 2, of(&last, &first), true),
        ("another version in an earlier one's place", 1, of(&first, &last), true),
        ("a change that never was", 2, Some(beyond), true),
        ("no number of a change", 2, Some(Epoch::from_random(&[0xff; 16])), true),
    ];
    for (case, cursor, landmark, reset) in rows {
        let wait_s = 300;
        let request = ChangesRequest { landmark, ..since(cursor) };
        let changes = page(request.clone()).await;
        let saves = if reset { 2 } else { 2 - cursor };
        assert_eq!((changes.reset, changes.saves.len() as u64, changes.cursor), (reset, saves, 2), "{case}");
        assert_eq!(changes.landmark, last, "{case}");
        if reset {
            let waits = ChangesRequest { wait_s, ..request };
            let changes = world.library.changes_or_wait(&asker, &waits, || NOW_UNIX_S);
            let changes = tokio::time::timeout(Duration::from_secs(20), changes).await;
            assert!(changes.unwrap().unwrap().reset, "{case}: and nobody waits for that");
        }
    }
}

async fn what_was_ever_the_content_is_known(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let old = version(1, 1, b"old", &[]);
    world.store(&asker, &old, Some(b"old")).await;
    world.store(&asker, &version(1, 2, b"new", &[old.id()]), Some(b"new")).await;
    let ask = |save: &str, bytes: &[u8]| Ask { save: save.parse().unwrap(), digest: Digest::of(bytes) };
    let asks = vec![
        ask(SAVE, b"old"),
        ask("GB/sram/tetris".to_lowercase().as_str(), b"new"),
        ask(SAVE, b"other"),
        ask("gb/sram/Other", b"old"),
    ];
    let request = ChangesRequest { ask: asks, ..since(2) };
    let changes = world.library.changes_or_wait(&asker, &request, || NOW_UNIX_S).await.unwrap();
    assert_eq!(changes.known, [true, true, false, false]);
    for limit in [0, 5001] {
        let refused =
            world.library.changes(&asker, &ChangesRequest { limit: Some(limit), ..since(0) }, 0).await;
        assert_eq!(refused.unwrap_err().code(), Code::Malformed);
    }
}

async fn a_long_poll_hears_others_and_not_itself(on: Backend) {
    let world = on.world().await;
    let library = world.library.clone();
    let waiting = ChangesRequest { wait_s: 300, ..since(0) };
    let asker = world.device(2);
    let own_stored = Arc::new(AtomicBool::new(false));
    let stored = own_stored.clone();
    let poll = tokio::spawn(async move {
        let changes = library.changes_or_wait(&asker, &waiting, || NOW_UNIX_S).await.unwrap();
        assert!(stored.load(Ordering::SeqCst));
        changes
    });
    tokio::task::yield_now().await;
    world.store(&world.device(2), &named("gb/sram/Own", 1), Some(b"abc")).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!poll.is_finished(), "a device's own version is no news to it");
    own_stored.store(true, Ordering::SeqCst);
    world.store(&world.device(1), &named("gb/sram/Other", 2), Some(b"abc")).await;
    let changes = tokio::time::timeout(Duration::from_secs(20), poll).await.unwrap().unwrap();
    assert_eq!((changes.cursor, changes.saves.len()), (2, 2));
}

async fn a_long_poll_hears_the_twin_of_a_copied_card(on: Backend) {
    let world = on.world().await;
    let asker = world.device(2);
    let own = WriterId::from_random(&[1; 16]);
    let waiting = ChangesRequest { wait_s: 300, writer: Some(own.clone()), ..since(0) };
    let (library, poller) = (world.library.clone(), asker.clone());
    let poll = tokio::spawn(async move { library.changes_or_wait(&poller, &waiting, || NOW_UNIX_S).await });
    tokio::task::yield_now().await;
    world.store(&asker, &Version { writer: own, ..named("gb/sram/Own", 1) }, Some(b"abc")).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!poll.is_finished(), "a writer's own version is no news to it");
    let twin = WriterId::from_random(&[2; 16]);
    world.store(&asker, &Version { writer: twin, ..named("gb/sram/Twin", 1) }, Some(b"abc")).await;
    let changes = tokio::time::timeout(Duration::from_secs(20), poll).await.unwrap().unwrap().unwrap();
    assert_eq!((changes.cursor, changes.saves.len()), (2, 2));
}

async fn history_is_newest_first_in_pages_and_keeps_the_first_spelling(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let mut parents = Vec::new();
    for sequence in 1..=5 {
        let next = version(1, sequence, &[sequence as u8], &parents);
        parents = vec![next.id()];
        world.store(&asker, &next, Some(&[sequence as u8])).await;
    }
    let save = "gb/sram/TETRIS".parse().unwrap();
    let first = world.library.history(&asker, &save, None, 3).await.unwrap();
    let sequences = |history: &retrosync_protocol::History| -> Vec<(u64, bool)> {
        history.versions.iter().map(|entry| (entry.record.sequence, entry.head)).collect()
    };
    assert_eq!((first.save.as_str(), first.more, &first.heads), (SAVE, true, &parents));
    assert_eq!(sequences(&first), [(5, true), (4, false), (3, false)]);
    let before = first.versions.last().map(|entry| entry.version);
    let rest = world.library.history(&asker, &save, before, 3).await.unwrap();
    assert_eq!((sequences(&rest), rest.more), (vec![(2, false), (1, false)], false));
    let unknown = world.library.history(&asker, &save, Some(Digest::of(b"?")), 3).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

async fn another_users_library_does_not_exist(on: Backend) {
    let world = on.world().await;
    let theirs = version(1, 1, b"secret", &[]);
    world.store(&world.device(1), &theirs, Some(b"secret")).await;
    let stranger = world.stranger();
    assert_eq!(world.bytes(&stranger, Digest::of(b"secret")).await, None);
    assert!(world.library.history(&stranger, &SAVE.parse().unwrap(), None, 9).await.is_err());
    assert!(world.library.saves(&stranger).await.unwrap().is_empty());
    assert_eq!(
        word(&world.store(&stranger, &version(2, 1, b"secret", &[]), None).await).0,
        "content_missing"
    );
    let child = version(2, 2, b"x", &[theirs.id()]);
    assert_eq!(word(&world.store(&stranger, &child, Some(b"x")).await).0, "unknown_parent");
}
