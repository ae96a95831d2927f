//! Thinning out and removal: whose turn and whose clock it is; and that whatever goes, every answer stays the same.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use retrosync_protocol::{Ask, ChangesRequest, ChoiceRequest, Code, Digest, StoreResult, Version, VersionId};

use super::backends::Backend;
use super::{Dice, SAVE, World, version, word};
use crate::library::{Asker, Collected, Upkeep};

pub(super) const DAY_S: i64 = 24 * 3600;

/// Memory tells when bytes were written by the machine's clock: the tests' time begins just after it.
pub(super) fn start_unix_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + 3600
}

pub(super) async fn store_at(
    world: &World,
    asker: &Asker,
    version: &Version,
    bytes: &[u8],
    now_unix_s: i64,
) -> StoreResult {
    let mut batch = world.library.batch(asker);
    batch.add(version.clone(), Some(Bytes::copy_from_slice(bytes))).await;
    batch.finish(None, now_unix_s).await.unwrap().results.remove(0)
}

pub(super) async fn collect(world: &World, now_unix_s: i64) -> Collected {
    world.library.collect(&Upkeep::default(), "test", || now_unix_s).await.unwrap()
}

/// A line of `count` versions, one a minute, over one another.
pub(super) async fn a_line(world: &World, count: u64, from_unix_s: i64) -> Vec<Version> {
    let mut all: Vec<Version> = Vec::new();
    for number in 1..=count {
        let bytes = format!("state {number}");
        let parents: Vec<VersionId> = all.last().map(Version::id).into_iter().collect();
        let next = version(1, number, bytes.as_bytes(), &parents);
        let at_unix_s = from_unix_s + 60 * number as i64;
        assert_eq!(
            word(&store_at(world, &world.device(1), &next, bytes.as_bytes(), at_unix_s).await).0,
            "head"
        );
        all.push(next);
    }
    all
}

pub(super) fn digest_of(version: &Version) -> Digest {
    version.content.unwrap().digest
}

pub(super) async fn thinned(world: &World) -> Vec<bool> {
    let history = world.library.history(&world.device(1), &SAVE.parse().unwrap(), None, 1000).await.unwrap();
    history.versions.into_iter().rev().map(|entry| entry.thinned).collect()
}

#[tokio::test]
async fn servers_over_one_database_go_by_its_clock_and_not_by_their_own() {
    let Some(on) = Backend::postgres_and_s3() else { return };
    let world = on.world().await;
    let real = start_unix_s();
    a_line(&world, 30, real - 800 * DAY_S).await;
    let marked = collect(&world, real - 5 * DAY_S).await.marked;
    assert!(marked.contents >= 27, "{marked:?}");
    let month_ahead = collect(&world, real + 30 * DAY_S).await;
    assert_eq!((month_ahead.waiting, month_ahead.removed), (marked, 0), "a month by its own clock only");
    let at_once = Upkeep { wait_s: 0, ..Upkeep::default() };
    let gone = world.library.collect(&at_once, "test", || real - DAY_S).await.unwrap();
    assert_eq!((gone.thinned, gone.removed, gone.left), (marked, marked.contents, 0));
}

#[tokio::test]
async fn two_servers_do_not_remove_at_once() {
    let world = World::new().await;
    let library = &world.library;
    let turn = crate::catalog::turn::Turn::take(library.catalog.as_ref(), "other", 1000).await.unwrap();
    assert!(turn.is_some());
    let refused = library.collect(&Upkeep::default(), "test", || 1001).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(
        library.collect(&Upkeep::default(), "test", || 1000 + 900).await.is_ok(),
        "who died is waited for"
    );
}

/// The same stores at two servers, one of which thins out now and then: every answer, head and history is the same.
struct Twins {
    thinning: World,
    keeping: World,
    dice: Dice,
    now_unix_s: i64,
    versions: Vec<Version>,
    sequences: [u64; 3],
}

impl Twins {
    async fn store(&mut self) {
        let writer = self.dice.below(3);
        let mut parents = Vec::new();
        for _ in 0..self.dice.below(3).min(self.versions.len()) {
            // Often a recent one; now and then a base of years ago.
            let recent = 3.min(self.versions.len());
            let back = if self.dice.one_in(3) { self.versions.len() } else { recent };
            parents.push(self.versions[self.versions.len() - 1 - self.dice.below(back)].id());
        }
        self.sequences[writer] += 1;
        let bytes = vec![self.dice.below(200) as u8; 5];
        let mut new = version(writer as u8, self.sequences[writer], &bytes, &parents);
        new.suspect = self.dice.one_in(8);
        let asker = self.thinning.device(writer as u8);
        let one = store_at(&self.thinning, &asker, &new, &bytes, self.now_unix_s).await;
        let other = store_at(&self.keeping, &asker, &new, &bytes, self.now_unix_s).await;
        assert_eq!(one, other);
        if word(&one).1 == Some(new.id()) {
            self.versions.push(new);
        }
    }

    /// A person goes back to something, or deletes the save: the same on both, but for what is not kept any more.
    async fn choose(&mut self) {
        let Some(version) = self.versions.get(self.dice.below(self.versions.len())).map(Version::id) else {
            return;
        };
        let asker = self.thinning.device(0);
        let heads = self.thinning.heads(&asker, SAVE).await;
        let request =
            ChoiceRequest { save: SAVE.parse().unwrap(), version: Some(version), heads, note: None };
        let retire = self.dice.one_in(3);
        let choose = async |world: &World| match retire {
            true => world.library.retire(&world.person(), &request, None, self.now_unix_s).await,
            false => world.library.restore(&asker, &request, None, self.now_unix_s).await,
        };
        match choose(&self.thinning).await {
            Ok(one) => assert_eq!(one, choose(&self.keeping).await.unwrap()),
            Err(refusal) => assert_eq!(refusal.code(), Code::Thinned, "{refusal}"),
        }
    }

    async fn compare(&self) {
        let asker = self.thinning.device(7);
        let ask = (0..200_u8).map(|byte| Ask { save: SAVE.parse().unwrap(), digest: Digest::of(&[byte; 5]) });
        let request = ChangesRequest { ask: ask.collect(), ..ChangesRequest::default() };
        let changes = async |world: &World| world.library.changes(&asker, &request, 0).await.unwrap();
        assert_eq!(changes(&self.thinning).await, changes(&self.keeping).await, "heads, and what is known");
        let history =
            async |world: &World| world.library.history(&asker, &SAVE.parse().unwrap(), None, 1000).await;
        let (Ok(mut one), Ok(other)) = (history(&self.thinning).await, history(&self.keeping).await) else {
            return;
        };
        let mut kept = BTreeSet::new();
        for entry in &mut one.versions {
            let Some(content) = entry.record.content else { continue };
            let day_old = self.now_unix_s - entry.received_unix_s < DAY_S;
            assert!(!entry.thinned || !(entry.head || day_old), "{entry:?}");
            if !entry.thinned {
                kept.insert(content.digest);
            }
            entry.thinned = false;
        }
        assert_eq!(one, other, "the graph is whole");
        for digest in kept {
            assert!(self.thinning.bytes(&asker, digest).await.is_some(), "what is not thinned out is there");
        }
    }
}

#[tokio::test]
async fn whatever_is_thinned_out_heads_ancestry_and_every_answer_stay_the_same() {
    let mut thinned_out = 0;
    for seed in 1..=12 {
        eprintln!("seed {seed}");
        let mut twins = Twins {
            thinning: World::new().await,
            keeping: World::new().await,
            dice: Dice(seed),
            now_unix_s: start_unix_s(),
            versions: Vec::new(),
            sequences: [0; 3],
        };
        for _ in 0..60 {
            let pause_s = [30, 600, 7200, DAY_S, 20 * DAY_S, 100 * DAY_S][twins.dice.below(6)];
            let then_unix_s = twins.now_unix_s + pause_s;
            while twins.now_unix_s < then_unix_s {
                twins.now_unix_s = then_unix_s.min(twins.now_unix_s + 25 * DAY_S);
                twins.thinning.library.note_time(&Upkeep::default(), twins.now_unix_s).await.unwrap();
            }
            match twins.dice.below(10) {
                0..=5 => twins.store().await,
                6 => twins.choose().await,
                _ => thinned_out += collect(&twins.thinning, twins.now_unix_s).await.thinned.contents,
            }
            twins.compare().await;
        }
    }
    assert!(thinned_out > 30, "{thinned_out}: a test that thins nothing out proves nothing");
}
