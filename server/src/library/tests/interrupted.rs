//! What a store meets that comes between two steps of a removal, and what a run leaves alone that another's took up meanwhile.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use retrosync_protocol::{Code, Content, Digest, Version};

use super::backends::{Backend, Parts, over_each_backend};
use super::upkeep::{DAY_S, a_line, collect, digest_of, start_unix_s, store_at};
use super::{World, version, word};
use crate::blobs::{self, BlobError, BlobStream, Blobs, Found, Piece, Staged};
use crate::catalog::turn::Turn;
use crate::catalog::{Access, Stray, StrayState, UploadId};
use crate::library::{Library, Upkeep};

over_each_backend!(
    of one clock:
    a_store_whose_bytes_are_removed_under_it_is_not_recorded_and_comes_again,
    bytes_of_a_removal_that_broke_off_are_relied_on_by_nobody,
    what_a_run_by_hand_left_half_removed_is_ended_by_a_server_that_makes_no_runs,
    where_nothing_can_be_deleted_no_save_is_refused_for_ever,
);

/// What another run does while ours looks through the store.
enum AtList {
    Says(Stray),
    Takes(String),
}

/// Blobs that let a collection run, or fail, at a chosen point of a store.
struct Between {
    inner: Arc<dyn Blobs>,
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
async fn interrupted(on: &Backend) -> (World, Arc<Between>, Vec<Version>, i64) {
    let parts = on.parts().await;
    let between = Arc::new(Between {
        inner: parts.blobs,
        library: OnceLock::new(),
        after_publish: AtomicBool::new(false),
        cannot_delete: AtomicBool::new(false),
        knows_it_cannot: AtomicBool::new(false),
        now_unix_s: AtomicI64::new(0),
        at_list: OnceLock::new(),
    });
    let world = World::over(Parts { blobs: between.clone(), ..parts }, None).await;
    assert!(between.library.set(world.library.clone()).is_ok());
    let start = start_unix_s();
    let line = a_line(&world, 30, start).await;
    collect(&world, start + 800 * DAY_S).await;
    let now = start + 830 * DAY_S;
    between.now_unix_s.store(now, Ordering::SeqCst);
    (world, between, line, now)
}

async fn a_store_whose_bytes_are_removed_under_it_is_not_recorded_and_comes_again(on: Backend) {
    let (world, between, line, now) = interrupted(&on).await;
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

async fn bytes_of_a_removal_that_broke_off_are_relied_on_by_nobody(on: Backend) {
    let (world, between, _, now) = interrupted(&on).await;
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

async fn what_a_run_by_hand_left_half_removed_is_ended_by_a_server_that_makes_no_runs(on: Backend) {
    let (world, between, _, now) = interrupted(&on).await;
    let (asker, library) = (world.device(2), &world.library);
    between.cannot_delete.store(true, Ordering::SeqCst);
    let broken = collect(&world, now).await;
    assert!(broken.left >= 20 && broken.removed == 0, "{broken:?}");
    let again = version(2, 1, b"state 5", &[]);
    let refused = store_at(&world, &asker, &again, b"state 5", now).await;
    assert_eq!(word(&refused).0, "unavailable", "as long as nobody ends it");
    between.cannot_delete.store(false, Ordering::SeqCst);
    let turn = Turn::take(library.catalog.as_ref(), "backup", now).await.unwrap().unwrap();
    assert_eq!(library.finish_removal("server", || now + 60).await.unwrap(), 0, "not in another's turn");
    turn.give_back(library.catalog.as_ref()).await.unwrap();
    assert_eq!(library.finish_removal("server", || now + 60).await.unwrap(), broken.left);
    assert_eq!(library.finish_removal("server", || now + 120).await.unwrap(), 0, "done is done");
    assert_eq!(word(&store_at(&world, &asker, &again, b"state 5", now + 180).await).0, "branch");
    assert_eq!(library.finish_removal("server", || now + 240).await.unwrap(), 0);
    assert!(world.bytes(&asker, digest_of(&again)).await.is_some(), "what came back stays");
}

async fn where_nothing_can_be_deleted_no_save_is_refused_for_ever(on: Backend) {
    let (world, between, _, now) = interrupted(&on).await;
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
        let (world, between, _, now) = interrupted(&Backend::in_memory().unwrap()).await;
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
    let (world, between, _, now) = interrupted(&Backend::in_memory().unwrap()).await;
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
