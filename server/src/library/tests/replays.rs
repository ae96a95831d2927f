//! What is sent again when nobody remembers any more that it was answered: kept answers are forgotten after a week.

use bytes::Bytes;
use retrosync_protocol::{ChoiceReply, ChoiceRequest, Code, OperationId, StoreReply, Version, VersionId};

use super::backends::{Backend, over_each_backend};
use super::{NOW_UNIX_S, SAVE, World, version, word};
use crate::library::{Answer, Asker};

over_each_backend!(no_verb_does_anything_a_second_time_when_it_comes_again_after_eight_days);

const LATER_UNIX_S: i64 = NOW_UNIX_S + 8 * 24 * 3600;

async fn store(
    world: &World,
    asker: &Asker,
    version: &Version,
    bytes: &'static [u8],
    now_unix_s: i64,
) -> StoreReply {
    let mut batch = world.library.batch(asker);
    batch.add(version.clone(), Some(Bytes::from_static(bytes))).await;
    batch.finish(Some("store".parse().unwrap()), now_unix_s).await.unwrap()
}

/// A person's choice, by its verb.
async fn choose(
    world: &World,
    verb: &str,
    version: Option<VersionId>,
    heads: &[VersionId],
    now_unix_s: i64,
) -> Answer<ChoiceReply> {
    let (library, asker) = (&world.library, world.device(1));
    let request = ChoiceRequest { save: SAVE.parse().unwrap(), version, heads: heads.to_vec(), note: None };
    let operation: Option<OperationId> = Some(verb.parse().unwrap());
    match verb {
        "resolve" => library.resolve(&asker, &request, operation, now_unix_s).await,
        "restore" => library.restore(&asker, &request, operation, now_unix_s).await,
        _ => library.retire(&world.person(), &request, operation, now_unix_s).await,
    }
}

async fn no_verb_does_anything_a_second_time_when_it_comes_again_after_eight_days(on: Backend) {
    let world = on.world().await;
    let [miyoo, anbernic] = [world.device(1), world.device(2)];
    let [one, two] = [version(1, 1, b"one", &[]), version(2, 1, b"two", &[])];
    store(&world, &miyoo, &one, b"one", NOW_UNIX_S).await;
    store(&world, &anbernic, &two, b"two", NOW_UNIX_S).await;
    let mut heads = vec![one.id(), two.id()];
    let mut chosen = Vec::new();
    for (verb, version) in [("resolve", Some(one.id())), ("restore", Some(two.id())), ("retire", None)] {
        let reply = choose(&world, verb, version, &heads, NOW_UNIX_S).await.unwrap();
        chosen.push((verb, version, std::mem::replace(&mut heads, vec![reply.version])));
    }
    let save = SAVE.parse().unwrap();
    let history = async || world.library.history(&miyoo, &save, None, 100).await.unwrap();
    let before = history().await;
    assert_eq!(before.versions.len(), 5);

    world.library.sweep(LATER_UNIX_S).await.unwrap();
    for (asker, version, bytes) in [(&miyoo, &one, b"one"), (&anbernic, &two, b"two")] {
        let reply = store(&world, asker, version, bytes, LATER_UNIX_S).await;
        assert_eq!(word(&reply.results[0]), ("head", Some(version.id())), "the version that it was");
    }
    for (verb, version, heads) in chosen {
        let refused = choose(&world, verb, version, &heads, LATER_UNIX_S).await.unwrap_err();
        assert_eq!(refused.code(), Code::HeadsMoved, "{verb}: {refused}");
    }
    assert_eq!(history().await, before, "nothing was added");
}
