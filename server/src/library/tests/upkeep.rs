//! Thinning out and removal: what a player keeps, what a device is told, and what a store meets that comes in between.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use retrosync_protocol::{
    Ask, ChangesRequest, ChoiceRequest, Code, Content, Digest, Epoch, StoreResult, Version, VersionId,
};

use super::{Dice, SAVE, World, ids, version, word};
use crate::blobs::objects::ObjectBlobs;
use crate::blobs::{self, BlobError, BlobStream, Blobs, Found, Piece, Staged};
use crate::catalog::memory::MemoryCatalog;
use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::{Access, Catalog, Mark, Stray, StrayState, UploadId};
use crate::library::{Asker, Collected, Library, Upkeep};
use crate::notice::Notice;

const DAY_S: i64 = 24 * 3600;

/// Memory tells when bytes were written by the machine's clock: the tests' time begins just after it.
fn start_unix_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + 3600
}

async fn store_at(
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

async fn collect(world: &World, now_unix_s: i64) -> Collected {
    world.library.collect(&Upkeep::default(), "test", || now_unix_s).await.unwrap()
}

/// A line of `count` versions, one a minute, over one another.
async fn a_line(world: &World, count: u64, from_unix_s: i64) -> Vec<Version> {
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

fn digest_of(version: &Version) -> Digest {
    version.content.unwrap().digest
}

async fn thinned(world: &World) -> Vec<bool> {
    let history = world.library.history(&world.device(1), &SAVE.parse().unwrap(), None, 1000).await.unwrap();
    history.versions.into_iter().rev().map(|entry| entry.thinned).collect()
}

async fn what_nobody_needs_goes_in_two_steps(world: World) {
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

#[tokio::test]
async fn nothing_goes_that_was_not_unneeded_for_a_month() {
    what_nobody_needs_goes_in_two_steps(World::new().await).await;
    let folder = tempfile::tempdir().unwrap();
    let epoch = Epoch::from_random(&[7; 16]);
    let catalog = SqliteCatalog::open(&folder.path().join("catalog.sqlite"), &epoch).await.unwrap();
    what_nobody_needs_goes_in_two_steps(World::over(Arc::new(catalog)).await).await;
}

#[tokio::test]
async fn servers_over_one_database_go_by_its_clock_and_not_by_their_own() {
    let Some(catalog) = crate::catalog::postgres::tests::fresh().await else { return };
    let world = World::over(catalog).await;
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
async fn what_comes_back_within_the_month_stays() {
    let world = World::new().await;
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

#[tokio::test]
async fn a_device_that_comes_back_after_a_year_loses_nothing_and_is_asked_nothing_new() {
    let world = World::new().await;
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

/// What another run does while ours looks through the store.
enum AtList {
    Says(Stray),
    Takes(String),
}

/// Blobs that let a collection run, or fail, at a chosen point of a store.
struct Between {
    inner: ObjectBlobs,
    library: OnceLock<Library>,
    after_publish: AtomicBool,
    cannot_delete: AtomicBool,
    knows_it_cannot: AtomicBool,
    now_unix_s: AtomicI64,
    at_list: OnceLock<AtList>,
}

#[async_trait]
impl Blobs for Between {
    async fn stage(&self, content: Content, bytes: Bytes) -> blobs::Result<Staged> {
        self.inner.stage(content, bytes).await
    }
    async fn publish(&self, batch: Vec<Staged>) -> blobs::Result<()> {
        self.inner.publish(batch).await?;
        if self.after_publish.swap(false, Ordering::SeqCst) {
            let now_unix_s = self.now_unix_s.load(Ordering::SeqCst);
            let library = self.library.get().unwrap().clone();
            library.collect(&Upkeep::default(), "between", || now_unix_s).await.unwrap();
        }
        Ok(())
    }
    async fn open(&self, digest: Digest, range: Range<u64>) -> blobs::Result<Option<BlobStream>> {
        self.inner.open(digest, range).await
    }
    async fn size_bytes(&self, digest: Digest) -> blobs::Result<Option<u64>> {
        self.inner.size_bytes(digest).await
    }
    async fn lacking(&self, digests: Vec<Digest>) -> blobs::Result<Vec<Digest>> {
        self.inner.lacking(digests).await
    }
    async fn delete(&self, digest: Digest) -> blobs::Result<()> {
        if self.cannot_delete.load(Ordering::SeqCst) {
            return Err(BlobError::Failed("a test says so".into()));
        }
        self.inner.delete(digest).await
    }
    fn can_delete(&self) -> bool {
        !self.knows_it_cannot.load(Ordering::SeqCst)
    }
    async fn list(&self) -> blobs::Result<BoxStream<'_, blobs::Result<Found>>> {
        if let Some(at_list) = self.at_list.get() {
            let mut tx = self.library.get().unwrap().catalog.begin(Access::Write).await.unwrap();
            match at_list {
                AtList::Says(stray) => tx.put_stray(stray).await.unwrap(),
                AtList::Takes(turn) => tx.put_setting("upkeep_turn", turn).await.unwrap(),
            }
            tx.commit().await.unwrap();
        }
        self.inner.list().await
    }
    async fn stage_blocks(&self, upload: UploadId, blocks: Vec<(u64, Bytes)>) -> blobs::Result<()> {
        self.inner.stage_blocks(upload, blocks).await
    }
    async fn assemble(&self, upload: UploadId, content: Content, pieces: &[Piece]) -> blobs::Result<()> {
        self.inner.assemble(upload, content, pieces).await
    }
    async fn drop_upload(&self, upload: UploadId) -> blobs::Result<()> {
        self.inner.drop_upload(upload).await
    }
}

/// A world in which a collection can come in between, with a line of versions marked long ago.
async fn interrupted() -> (World, Arc<Between>, Vec<Version>, i64) {
    let catalog: Arc<dyn Catalog> = Arc::new(MemoryCatalog::new(Epoch::from_random(&[7; 16])));
    let between = Arc::new(Between {
        inner: ObjectBlobs::in_memory(),
        library: OnceLock::new(),
        after_publish: AtomicBool::new(false),
        cannot_delete: AtomicBool::new(false),
        knows_it_cannot: AtomicBool::new(false),
        now_unix_s: AtomicI64::new(0),
        at_list: OnceLock::new(),
    });
    let mut world = World::over(catalog.clone()).await;
    world.library = Library::new(catalog, between.clone(), Arc::new(Notice::new()));
    assert!(between.library.set(world.library.clone()).is_ok());
    let start = start_unix_s();
    let line = a_line(&world, 30, start).await;
    collect(&world, start + 800 * DAY_S).await;
    let now = start + 830 * DAY_S;
    between.now_unix_s.store(now, Ordering::SeqCst);
    (world, between, line, now)
}

#[tokio::test]
async fn a_store_whose_bytes_are_removed_under_it_is_not_recorded_and_comes_again() {
    let (world, between, line, now) = interrupted().await;
    let asker = world.device(2);
    let again = Version { save: "gb/sram/Other".parse().unwrap(), ..version(2, 1, b"state 5", &[]) };
    between.after_publish.store(true, Ordering::SeqCst);
    let refused = store_at(&world, &asker, &again, b"state 5", now).await;
    assert_eq!(word(&refused).0, "unavailable", "its bytes went with the removal");
    assert_eq!(world.library.content(&asker, digest_of(&line[4])).await.unwrap_err().code(), Code::Thinned);
    assert_eq!(word(&store_at(&world, &asker, &again, b"state 5", now + 5).await).0, "head");
    assert_eq!(world.bytes(&asker, digest_of(&again)).await.as_deref(), Some(b"state 5".as_slice()));
    collect(&world, now + 10).await;
    collect(&world, now + 40 * DAY_S).await;
    assert_eq!(world.bytes(&asker, digest_of(&again)).await.as_deref(), Some(b"state 5".as_slice()));
}

#[tokio::test]
async fn bytes_of_a_removal_that_broke_off_are_relied_on_by_nobody() {
    let (world, between, _, now) = interrupted().await;
    let asker = world.device(2);
    between.cannot_delete.store(true, Ordering::SeqCst);
    let broken = collect(&world, now).await;
    assert!(broken.left >= 20 && broken.removed == 0, "{broken:?}");
    let again = version(2, 1, b"state 5", &[]);
    let refused = store_at(&world, &asker, &again, b"state 5", now).await;
    assert_eq!(word(&refused).0, "unavailable", "they may be deleted at any instant");
    between.cannot_delete.store(false, Ordering::SeqCst);
    assert_eq!(collect(&world, now + 3600).await.removed, broken.left, "the next run goes on");
    assert_eq!(word(&store_at(&world, &asker, &again, b"state 5", now + 3700).await).0, "branch");
    assert!(world.bytes(&asker, digest_of(&again)).await.is_some());
}

#[tokio::test]
async fn where_nothing_can_be_deleted_no_save_is_refused_for_ever() {
    let (world, between, _, now) = interrupted().await;
    between.knows_it_cannot.store(true, Ordering::SeqCst);
    let done = collect(&world, now).await;
    assert_eq!((done.thinned.contents, done.left), (0, 0), "{done:?}");
    let again = version(2, 1, b"state 5", &[]);
    assert_eq!(word(&store_at(&world, &world.device(2), &again, b"state 5", now).await).0, "branch");
}

#[tokio::test]
async fn what_another_run_says_meanwhile_is_not_unsaid() {
    let bytes = b"a crash came between";
    let digest = Digest::of(bytes);
    let days = 60 * DAY_S;
    let rows = [
        ("condemned: its deletion may be under way", StrayState::Condemned, None),
        ("removed: who comes now looks for the bytes", StrayState::Removed, None),
        ("condemned, and it was found before", StrayState::Condemned, Some(StrayState::Found)),
        ("removed, and it was condemned before", StrayState::Removed, Some(StrayState::Condemned)),
    ];
    for (case, state, before) in rows {
        let (world, between, _, now) = interrupted().await;
        let content = Content { digest, size_bytes: bytes.len() as u64 };
        let staged = between.stage(content, Bytes::from_static(bytes)).await.unwrap();
        between.publish(vec![staged]).await.unwrap();
        // Due, if nobody looks again.
        if let Some(state) = before {
            let mut tx = world.library.catalog.begin(Access::Write).await.unwrap();
            tx.put_stray(&Stray { digest, since_unix_s: now - days, state }).await.unwrap();
            tx.commit().await.unwrap();
        }
        let said = Stray { digest, since_unix_s: now, state };
        assert!(between.at_list.set(AtList::Says(said)).is_ok());
        collect(&world, now).await;
        let mut tx = world.library.catalog.begin(Access::Read).await.unwrap();
        assert_eq!(tx.stray(digest).await.unwrap(), Some(said), "{case}");
        assert!(between.size_bytes(digest).await.unwrap().is_some(), "{case}");
    }
}

#[tokio::test]
async fn a_run_whose_turn_is_anothers_by_now_ends() {
    let (world, between, _, now) = interrupted().await;
    let took = format!("another {}", now + 900);
    assert!(between.at_list.set(AtList::Takes(took)).is_ok());
    let content = Content { digest: Digest::of(b"orphan"), size_bytes: 6 };
    let staged = between.stage(content, Bytes::from_static(b"orphan")).await.unwrap();
    between.publish(vec![staged]).await.unwrap();
    let refused = world.library.collect(&Upkeep::default(), "test", || now).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let mut tx = world.library.catalog.begin(Access::Read).await.unwrap();
    assert_eq!(tx.stray(content.digest).await.unwrap(), None, "it wrote nothing of it");
}

#[tokio::test]
async fn bytes_without_a_record_wait_their_month_too() {
    let world = World::new().await;
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

#[tokio::test]
async fn a_clock_that_jumps_ahead_takes_nothing_before_its_month() {
    let world = World::new().await;
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

#[tokio::test]
async fn a_run_by_hand_every_other_month_removes_where_a_server_looked_at_the_clock_meanwhile() {
    for (looked, removed) in [(true, 1), (false, 0)] {
        let world = World::new().await;
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
            true => world.library.retire(&asker, &request, None, self.now_unix_s).await,
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
