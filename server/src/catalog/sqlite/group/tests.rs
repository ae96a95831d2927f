//! What neighbours in one commit may not do to each other.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use retrosync_protocol::Epoch;

use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::{Access, Catalog as _, CatalogError, Tx, suite};

async fn open(folder: &tempfile::TempDir) -> Arc<SqliteCatalog> {
    let file = folder.path().join("catalog.sqlite");
    Arc::new(SqliteCatalog::open(&file, &Epoch::from_random(&[7; 16])).await.unwrap())
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
    let turn = tokio::spawn({
        let catalog = catalog.clone();
        async move {
            let mut turn = catalog.writers.turn().await?;
            // As when SQLite itself gives up a transaction, on a full disk: the savepoint is gone.
            sqlx::raw_sql("ROLLBACK").execute(&mut *turn).await.map_err(super::failed)?;
            turn.commit().await
        }
    });
    in_the_queue().await;
    let answers = [first.commit().await, turn.await.unwrap()];
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    assert_eq!(names(&folder).await, [] as [&str; 0]);
    writer(catalog, "ben", true).await.unwrap();
    assert_eq!(names(&folder).await, ["ben"], "the next is taken in again");
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
