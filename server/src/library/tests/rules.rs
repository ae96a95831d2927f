//! `store` and the choices, case by case.

use bytes::Bytes;
use retrosync_protocol::{ChoiceRequest, Code, OperationId, StoreResult, Version, VersionId};

use super::backends::{Backend, over_each_backend};
use super::{NOW_UNIX_S, SAVE, World, ids, version, word};

over_each_backend!(
    each_record_is_judged_on_its_own,
    a_stale_writer_makes_a_branch_and_both_are_kept,
    what_the_head_says_already_is_not_written_again,
    two_heads_of_one_content_are_no_question,
    a_superseded_version_sent_again_is_no_question,
    an_operation_id_is_of_one_request_and_of_one_device,
    a_full_quota_refuses_the_frame_and_keeps_no_byte_of_it,
    a_choice_settles_the_question_over_the_heads_that_were_seen,
    no_choice_and_no_store_makes_a_head_of_bytes_that_are_gone,
    forty_heads_are_settled_by_one_choice,
);

async fn each_record_is_judged_on_its_own(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let first = version(1, 1, b"one", &[]);
    let mut unsorted = version(1, 2, b"two", &[]);
    unsorted.parents = vec![first.id(), first.id()];
    let mut tombstone = version(1, 3, b"", &[first.id()]);
    tombstone.content = None;
    let missing = version(1, 4, b"never sent", &[first.id()]);
    let orphan = version(1, 5, b"five", &[VersionId::of(b"nobody")]);
    let reused = version(1, 1, b"other bytes", &[]);
    let second = version(1, 6, b"two", &[first.id()]);
    let large = vec![0; (1 << 20) + 1];
    let rows: [(&Version, Option<&[u8]>, &str); 11] = [
        (&first, Some(b"one"), "head"),
        (&unsorted, Some(b"two"), "malformed"),
        (&second, Some(b"too"), "digest_mismatch"),
        (&tombstone, Some(b"bytes"), "malformed"),
        (&tombstone, None, "access_denied"),
        (&missing, None, "content_missing"),
        (&orphan, Some(b"five"), "unknown_parent"),
        (&reused, Some(b"other bytes"), "writer_reused"),
        (&version(1, 7, &large, &[]), Some(&large), "too_large"),
        (&second, Some(b"two"), "head"),
        (&first, None, "head"),
    ];
    let mut batch = world.library.batch(&asker);
    for (version, body, _) in rows {
        batch.add(version.clone(), body.map(Bytes::copy_from_slice)).await;
    }
    let reply = batch.finish(None, NOW_UNIX_S).await.unwrap();
    let said: Vec<&str> = reply.results.iter().map(|result| word(result).0).collect();
    assert_eq!(said, rows.map(|(_, _, expected)| expected));
    assert_eq!(world.heads(&asker, SAVE).await, [second.id()]);
}

async fn a_stale_writer_makes_a_branch_and_both_are_kept(on: Backend) {
    let world = on.world().await;
    let [one, two] = [world.device(1), world.device(2)];
    let base = version(1, 1, b"base", &[]);
    let mine = version(1, 2, b"mine", &[base.id()]);
    let yours = version(2, 1, b"yours", &[base.id()]);
    assert_eq!(word(&world.store(&one, &base, Some(b"base")).await).0, "head");
    assert_eq!(word(&world.store(&one, &mine, Some(b"mine")).await).0, "head");
    let result = world.store(&two, &yours, Some(b"yours")).await;
    assert_eq!(word(&result), ("branch", Some(yours.id())));
    let StoreResult::Branch { heads, .. } = result else { panic!() };
    assert_eq!(ids(&heads), [mine.id(), yours.id()]);
    assert_eq!(heads[1].device_name, "device 2");
    assert_eq!(world.bytes(&one, yours.content.unwrap().digest).await.unwrap(), b"yours");
}

async fn what_the_head_says_already_is_not_written_again(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let base = version(1, 1, b"base", &[]);
    let head = version(1, 2, b"head", &[base.id()]);
    for (stored, bytes) in [(&base, b"base"), (&head, b"head")] {
        world.store(&asker, stored, Some(bytes)).await;
    }
    // Both have the same bytes: a device that lost its state, one with an old base, one that is up to date.
    for (sequence, parents) in
        [(1, vec![]), (2, vec![base.id()]), (3, vec![head.id()]), (4, vec![base.id(), head.id()])]
    {
        let same = version(2, sequence, b"head", &parents);
        assert_eq!(word(&world.store(&world.device(2), &same, None).await), ("head", Some(head.id())));
    }
    assert_eq!(
        world.library.history(&asker, &SAVE.parse().unwrap(), None, 10).await.unwrap().versions.len(),
        2
    );
    // But not when it settles something: a suspect parent is not below the head.
    let mut doubt = version(1, 3, b"00", &[head.id()]);
    doubt.suspect = true;
    assert_eq!(word(&world.store(&asker, &doubt, Some(b"00")).await).0, "branch");
    let settles = version(2, 5, b"head", &[head.id(), doubt.id()]);
    assert_eq!(word(&world.store(&asker, &settles, None).await), ("head", Some(settles.id())));
}

async fn two_heads_of_one_content_are_no_question(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let base = version(1, 1, b"base", &[]);
    world.store(&asker, &base, Some(b"base")).await;
    let one = version(1, 2, b"same", &[base.id()]);
    let two = version(2, 1, b"other", &[base.id()]);
    let three = version(3, 1, b"same", &[base.id(), two.id()]);
    assert_eq!(word(&world.store(&asker, &one, Some(b"same")).await).0, "head");
    assert_eq!(word(&world.store(&asker, &two, Some(b"other")).await).0, "branch");
    assert_eq!(word(&world.store(&asker, &three, None).await).0, "head");
    assert_eq!(world.heads(&asker, SAVE).await, [one.id(), three.id()]);
}

async fn a_superseded_version_sent_again_is_no_question(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let old = version(1, 1, b"old", &[]);
    let new = version(2, 1, b"new", &[old.id()]);
    world.store(&asker, &old, Some(b"old")).await;
    world.store(&world.device(2), &new, Some(b"new")).await;
    let again = world.store(&asker, &old, Some(b"old")).await;
    assert_eq!(word(&again), ("head", Some(old.id())));
    let StoreResult::Head { heads, .. } = again else { panic!() };
    assert_eq!(ids(&heads), [new.id()], "and the heads tell what to fetch");
}

async fn an_operation_id_is_of_one_request_and_of_one_device(on: Backend) {
    let world = on.world().await;
    let [asker, other] = [world.device(1), world.device(2)];
    let operation: OperationId = "op-1".parse().unwrap();
    let store = async |asker, version: Version, body: &'static [u8]| {
        let mut batch = world.library.batch(asker);
        batch.add(version, Some(Bytes::from_static(body))).await;
        batch.finish(Some(operation.clone()), NOW_UNIX_S).await
    };
    let first = store(&asker, version(1, 1, b"one", &[]), b"one").await.unwrap();
    assert_eq!(store(&asker, version(1, 1, b"one", &[]), b"one").await.unwrap(), first);
    let reused = store(&asker, version(1, 2, b"two", &[]), b"two").await.unwrap_err();
    assert_eq!(reused.code(), Code::OperationReused);
    assert!(store(&other, version(2, 1, b"two", &[]), b"two").await.is_ok());
    world.library.sweep(NOW_UNIX_S + 8 * 24 * 3600).await.unwrap();
    assert!(store(&asker, version(1, 2, b"two", &[]), b"two").await.is_ok(), "forgotten after a week");
}

async fn a_full_quota_refuses_the_frame_and_keeps_no_byte_of_it(on: Backend) {
    let world = on.world_with_quota(5).await;
    let asker = world.device(1);
    let said = |result: &StoreResult| word(result).0.to_owned();
    assert_eq!(said(&world.store(&asker, &version(1, 1, b"four", &[]), Some(b"four")).await), "head");
    assert_eq!(said(&world.store(&asker, &version(1, 2, b"more", &[]), Some(b"more")).await), "quota_full");
    assert_eq!(world.library.blobs.size_bytes(VersionId::of(b"more")).await.unwrap(), None);
    assert_eq!(
        said(&world.store(&asker, &version(1, 3, b"four", &[]), Some(b"four")).await),
        "head",
        "it is there"
    );
}

async fn a_choice_settles_the_question_over_the_heads_that_were_seen(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let [one, two] = [version(1, 1, b"one", &[]), version(2, 1, b"two", &[])];
    for (stored, bytes) in [(&one, b"one"), (&two, b"two")] {
        world.store(&asker, stored, Some(bytes)).await;
    }
    let heads = vec![two.id(), one.id()];
    let request = ChoiceRequest {
        save: SAVE.parse().unwrap(),
        version: Some(one.id()),
        heads,
        note: Some("mine".into()),
    };
    let library = &world.library;
    let reply = library.resolve(&asker, &request, None, NOW_UNIX_S).await.unwrap();
    assert_eq!(ids(&reply.heads), [reply.version]);
    assert_eq!(reply.heads[0].content, one.content);
    let moved = library.resolve(&asker, &request, None, NOW_UNIX_S).await.unwrap_err();
    assert_eq!((moved.code(), ids(&moved.problem().heads)), (Code::HeadsMoved, vec![reply.version]));
    let now = ChoiceRequest { version: None, heads: vec![reply.version], ..request.clone() };
    assert_eq!(library.restore(&asker, &now, None, NOW_UNIX_S).await.unwrap_err().code(), Code::Malformed);
    let unknown = ChoiceRequest { version: Some(VersionId::of(b"?")), ..now.clone() };
    assert_eq!(library.restore(&asker, &unknown, None, NOW_UNIX_S).await.unwrap_err().code(), Code::NotFound);
    let elsewhere = ChoiceRequest { save: "gb/sram/Other".parse().unwrap(), ..now.clone() };
    let bob = crate::library::Asker { device: None, ..world.stranger() };
    assert_eq!(
        library.retire(&world.person(), &elsewhere, None, NOW_UNIX_S).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(library.retire(&bob, &now, None, NOW_UNIX_S).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(
        library.retire(&asker, &now, None, NOW_UNIX_S).await.unwrap_err().code(),
        Code::AccessDenied,
        "a device deletes nothing"
    );
    let retired = library.retire(&world.person(), &now, None, NOW_UNIX_S).await.unwrap();
    assert_eq!(retired.heads[0].content, None);
    let again = ChoiceRequest { version: Some(retired.version), heads: vec![retired.version], ..now.clone() };
    assert_eq!(
        library.restore(&asker, &again, None, NOW_UNIX_S).await.unwrap_err().code(),
        Code::AccessDenied,
        "nor brings a deletion back"
    );
    let restore = ChoiceRequest { version: Some(two.id()), heads: vec![retired.version], ..request };
    let restored = library.restore(&asker, &restore, None, NOW_UNIX_S).await.unwrap();
    assert_eq!(restored.heads[0].content, two.content, "a deletion deletes nothing");
}

async fn no_choice_and_no_store_makes_a_head_of_bytes_that_are_gone(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let [one, two] = [version(1, 1, b"one", &[]), version(2, 1, b"two", &[])];
    for (stored, bytes) in [(&one, b"one"), (&two, b"two")] {
        world.store(&asker, stored, Some(bytes)).await;
    }
    world.library.blobs.delete(one.content.unwrap().digest).await.unwrap();
    let heads = vec![one.id(), two.id()];
    let request = ChoiceRequest { save: SAVE.parse().unwrap(), version: Some(one.id()), heads, note: None };
    let refused = world.library.resolve(&asker, &request, None, NOW_UNIX_S).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    let again = version(1, 2, b"one", &[one.id(), two.id()]);
    assert_eq!(word(&world.store(&asker, &again, None).await).0, "content_missing");
    assert_eq!(world.heads(&asker, SAVE).await, [one.id(), two.id()], "the question stays");
    assert_eq!(word(&world.store(&asker, &again, Some(b"one")).await), ("head", Some(again.id())));
    let back = ChoiceRequest { heads: vec![again.id()], ..request };
    let restored = world.library.restore(&asker, &back, None, NOW_UNIX_S).await.unwrap();
    assert_eq!(restored.heads[0].content, one.content, "brought again, it can be chosen again");
}

async fn forty_heads_are_settled_by_one_choice(on: Backend) {
    let world = on.world().await;
    let asker = world.device(1);
    let mut heads = Vec::new();
    for writer in 0..40 {
        let branch = version(writer, 1, &[writer; 3], &[]);
        world.store(&asker, &branch, Some(&[writer; 3])).await;
        heads.push(branch.id());
    }
    let request = ChoiceRequest { save: SAVE.parse().unwrap(), version: Some(heads[7]), heads, note: None };
    let reply = world.library.resolve(&asker, &request, None, NOW_UNIX_S).await.unwrap();
    assert_eq!(ids(&reply.heads), [reply.version]);
    assert_eq!(reply.heads[0].content, version(7, 1, &[7; 3], &[]).content);
}

#[test]
fn a_library_in_memory_needs_no_runtime_and_waits_for_nothing() {
    // What a deterministic simulation relies on: no thread, no timer, nothing to be woken by.
    let mut work = std::pin::pin!(async {
        let world = World::new().await;
        let asker = world.device(1);
        assert_eq!(word(&world.store(&asker, &version(1, 1, b"one", &[]), Some(b"one")).await).0, "head");
        assert_eq!(world.heads(&asker, SAVE).await.len(), 1);
        assert_eq!(world.bytes(&asker, VersionId::of(b"one")).await.unwrap(), b"one");
    });
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(work.as_mut(), &mut context).is_ready());
}
