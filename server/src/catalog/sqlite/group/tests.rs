//! What neighbours in one commit may not do to each other.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use retrosync_protocol::{ChoiceRequest, Content, DeviceId, Digest, Version, WriterId};

use crate::blobs::objects::ObjectBlobs;
use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::{Access, Catalog as _, CatalogError, Mark, Tx, suite};
use crate::library::{Answer, Asker, Library};
use crate::notice::Notice;

async fn open(folder: &tempfile::TempDir) -> Arc<SqliteCatalog> {
    let file = folder.path().join("catalog.sqlite");
    Arc::new(SqliteCatalog::open(&file, &crate::sample::epoch()).await.unwrap())
}

/// The names that a program that starts now finds.
async fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let again = open(folder).await;
    let mut tx = again.begin(Access::Read).await.unwrap();
    tx.users().await.unwrap().into_iter().map(|user| user.name).collect()
}

/// A writer that waits for its turn, adds a user, and commits or does not.
async fn writer(catalog: Arc<SqliteCatalog>, name: &'static str, commits: bool) -> Result<(), CatalogError> {
    let mut tx = catalog.begin(Access::Write).await?;
    suite::add_user(tx.as_mut(), name).await;
    if commits { tx.commit().await } else { Ok(()) }
}

/// All that runs in this thread has come as far as it can: who begins waits in the queue, for nothing lies before that.
async fn in_the_queue() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// The first has its turn; the others wait for theirs, in this order, when it commits.
async fn group(
    catalog: &Arc<SqliteCatalog>,
    others: &[(&'static str, bool)],
) -> Vec<Result<(), CatalogError>> {
    let mut first: Box<dyn Tx> = catalog.begin(Access::Write).await.unwrap();
    suite::add_user(first.as_mut(), "ada").await;
    let mut waiting = Vec::new();
    for (name, commits) in others {
        waiting.push(tokio::spawn(writer(catalog.clone(), name, *commits)));
        in_the_queue().await;
    }
    let mut answers = vec![first.commit().await];
    for one in waiting {
        answers.push(one.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn who_goes_away_half_way_takes_nobodys_save_along() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(&folder).await;
    let answers = group(&catalog, &[("ben", false), ("cy", true), ("dee", false)]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(names(&folder).await, ["ada", "cy"]);
}

#[tokio::test]
async fn what_was_answered_is_there_for_a_program_that_starts_then() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(&folder).await;
    let mut first = catalog.begin(Access::Write).await.unwrap();
    suite::add_user(first.as_mut(), "ada").await;
    assert!(
        catalog.begin(Access::Read).await.unwrap().users().await.unwrap().is_empty(),
        "nobody sees it before"
    );
    first.commit().await.unwrap();
    assert_eq!(names(&folder).await, ["ada"]);
}

#[tokio::test]
async fn a_writer_that_went_away_leaves_the_file_to_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(&folder).await;
    let mut dropped = catalog.begin(Access::Write).await.unwrap();
    suite::add_user(dropped.as_mut(), "ada").await;
    drop(dropped);
    // Another program's catalog: it waits for the lock of the file, and would be refused after ten seconds.
    writer(open(&folder).await, "ben", true).await.unwrap();
    assert_eq!(names(&folder).await, ["ben"]);
}

#[tokio::test]
async fn a_disk_that_refuses_a_group_is_told_to_each_and_keeps_none() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(&folder).await;
    let mut first = catalog.begin(Access::Write).await.unwrap();
    suite::add_user(first.as_mut(), "ada").await;
    let turn = tokio::spawn(breaker(catalog.clone()));
    in_the_queue().await;
    let answers = [first.commit().await, turn.await.unwrap()];
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    assert_eq!(names(&folder).await, [] as [&str; 0]);
    writer(catalog, "ben", true).await.unwrap();
    assert_eq!(names(&folder).await, ["ben"], "the next is taken in again");
}

/// A turn in which SQLite itself gives the whole transaction up, as on a full disk.
async fn breaker(catalog: Arc<SqliteCatalog>) -> Result<(), CatalogError> {
    let mut turn = catalog.writers.turn().await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut *turn).await.map_err(super::failed)?;
    turn.commit().await
}

/// So many wait for their turn while one has it. Each holds the queue twice: as it asks, and as it waits.
async fn wait_for_queue(catalog: &SqliteCatalog, waiting: usize) {
    let holders = 2 + 1 + 2 * waiting;
    let all_wait = async {
        while Arc::strong_count(&catalog.writers.0) < holders {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_wait).await.unwrap();
    in_the_queue().await;
}

/// A request that may be sent twice at once.
type Request = fn(Library, Asker, Version) -> BoxFuture<'static, Answer<()>>;

#[tokio::test]
async fn who_sends_it_again_is_told_no_earlier_than_the_first_that_it_is_kept() {
    let store: Request = |library, asker, first| {
        Box::pin(async move {
            let mut batch = library.batch(&asker);
            let next =
                Version { content: Some(content(b"next")), parents: vec![first.id()], sequence: 2, ..first };
            batch.add(next, Some(Bytes::from_static(b"next"))).await;
            batch.finish(Some("op-1".parse().unwrap()), 1000).await.map(drop)
        })
    };
    let choose: Request = |library, asker, first| {
        Box::pin(async move {
            let heads = vec![first.id()];
            let request = ChoiceRequest { save: first.save, version: None, heads, note: None };
            // A deletion is a person's.
            let asker = Asker { device: None, ..asker };
            library.retire(&asker, &request, Some("op-1".parse().unwrap()), 1000).await.map(drop)
        })
    };
    let mark: Request = |library, asker, first| {
        Box::pin(async move {
            let mark = Mark { version: first.id(), pinned: true, label: "the end".into() };
            library.mark(&asker, &first.save, mark, 1000).await
        })
    };
    for (what, request) in [("a save", store), ("a choice", choose), ("a pin", mark)] {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(&folder).await;
        let mut tx = catalog.begin(Access::Write).await.unwrap();
        let user = suite::add_user(tx.as_mut(), "ada").await;
        tx.commit().await.unwrap();
        let library =
            Library::new(catalog.clone(), Arc::new(ObjectBlobs::in_memory()), Arc::new(Notice::new()));
        let asker = Asker {
            user,
            user_name: "ada".into(),
            device: Some(DeviceId::from_random(&[1; 8])),
            device_name: "device".into(),
            writer: WriterId::from_random(&[2; 16]),
        };
        let first = first_version();
        let mut batch = library.batch(&asker);
        batch.add(first.clone(), Some(Bytes::from_static(b"save"))).await;
        batch.finish(None, 1000).await.unwrap();

        let held = catalog.writers.turn().await.unwrap();
        let mut waiting = Vec::new();
        for number in 1..=2 {
            waiting.push(tokio::spawn(request(library.clone(), asker.clone(), first.clone())));
            wait_for_queue(&catalog, number).await;
        }
        let breaker = tokio::spawn(breaker(catalog.clone()));
        wait_for_queue(&catalog, 3).await;
        held.commit().await.unwrap_err();
        breaker.await.unwrap().unwrap_err();
        for one in waiting {
            assert!(one.await.unwrap().is_err(), "{what}: nothing of it was kept");
        }
        let mut tx = catalog.begin(Access::Read).await.unwrap();
        let row = tx.save(user, &first.save).await.unwrap().unwrap().row;
        assert_eq!(tx.history(row, u64::MAX, 9).await.unwrap().len(), 1, "{what}");
    }
}

fn content(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

fn first_version() -> Version {
    Version {
        save: "gb/sram/Tetris".parse().unwrap(),
        content: Some(content(b"save")),
        parents: Vec::new(),
        writer: WriterId::from_random(&[2; 16]),
        sequence: 1,
        played: None,
        suspect: false,
        client: "test".into(),
        profile: "onion".into(),
        core: None,
        note: None,
    }
}

#[tokio::test]
async fn a_closed_catalog_has_written_everything_down() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(&folder).await;
    let answers = group(&catalog, &[("ben", true)]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    catalog.close().await;
    assert!(!folder.path().join("catalog.sqlite-wal").exists());
    assert_eq!(names(&folder).await, ["ada", "ben"]);
}
