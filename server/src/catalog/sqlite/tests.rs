//! The contract of a catalog over a real file, and what can happen to that file.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::catalog::suite;
use crate::sample::epoch;

#[tokio::test]
async fn sqlite_keeps_the_contract_of_a_catalog() {
    let folder = tempfile::tempdir().unwrap();
    for (number, case) in suite::CASES.iter().enumerate() {
        let file = folder.path().join(format!("{number}.sqlite"));
        let catalog = SqliteCatalog::open(&file, &epoch()).await.unwrap();
        case(std::sync::Arc::new(catalog)).await;
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_start_and_the_first_epoch_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.sqlite");
    let catalog = SqliteCatalog::open(&file, &epoch()).await.unwrap();
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    let user = suite::add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
    // No close: as after a kill.
    let again = SqliteCatalog::open(&file, &Epoch::from_random(&[9; 16])).await.unwrap();
    let mut tx = again.begin(Access::Read).await.unwrap();
    assert_eq!(tx.epoch().await.unwrap(), epoch());
    assert_eq!(tx.user(user).await.unwrap().unwrap().name, "ada");
}

#[tokio::test]
async fn what_is_no_catalog_of_ours_is_left_as_it_is_and_told_with_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.sqlite");
    let ours = SqliteCatalog::open(&file, &epoch()).await.unwrap();
    ours.close().await;
    drop(ours);
    let whole = std::fs::read(&file).unwrap();
    let torn = || whole[..whole.len() / 2].to_vec();
    let after = async |sql: &'static str| {
        let file = folder.path().join("other.sqlite");
        let _ = std::fs::remove_file(&file);
        if !sql.contains("CREATE") {
            std::fs::write(&file, &whole).unwrap();
        }
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        std::fs::read(&file).unwrap()
    };
    let newer = after("PRAGMA user_version = 99").await;
    let theirs = after("CREATE TABLE users (theirs TEXT)").await;
    let their_99 = after("CREATE TABLE users (theirs TEXT); PRAGMA user_version = 99").await;
    let no_catalog = "it is damaged, or no catalog of a server: ";
    let rows = [
        ("of a newer server", newer, "it is of a newer server (schema 99, this one knows 4)", "update"),
        ("another program's", theirs, no_catalog, "`--data`"),
        ("another program's, with a number", their_99, no_catalog, "`--data`"),
        ("a text", b"dear diary, today ".repeat(400), no_catalog, "`retrosync-server restore BACKUP"),
        ("half of one", torn(), no_catalog, "`retrosync-server check`"),
    ];
    for (what, bytes, told, help) in rows {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("catalog.sqlite{end}")));
        }
        std::fs::write(&file, &bytes).unwrap();
        let Err(why) = SqliteCatalog::open(&file, &epoch()).await else { panic!("{what}: it was opened") };
        let begin = format!("cannot open the catalog `{}`: {told}", file.display());
        let (why, next) =
            why.to_string().split_once("; help: ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(why.starts_with(&begin) && next.contains(help), "{what}: {why}: {next}");
        assert!(std::fs::read(&file).unwrap() == bytes, "{what}: it was changed");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_nothing_of_the_transaction_stays() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(&folder.path().join("catalog.sqlite"), &epoch()).await.unwrap();
    // SQLite's own way to play a full disk: no page more than there are.
    let mut turn = catalog.writers.turn().await.unwrap();
    sqlx::raw_sql("PRAGMA max_page_count = 1").execute(&mut *turn).await.unwrap();
    drop(turn);
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    let mut user = suite::user("ada");
    user.password_hash = "x".repeat(100_000);
    let refused = tx.add_user(&user).await.unwrap_err();
    assert!(matches!(refused, CatalogError::DiskFull(_)), "{refused}");
    drop(tx);
    let mut tx = catalog.begin(Access::Read).await.unwrap();
    assert_eq!(tx.users().await.unwrap(), []);
    // SQLite has rolled back by itself; the next one is not mistaken for a part of that.
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    suite::add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_takes_nothing_in() {
    let folder = tempfile::tempdir().unwrap();
    let (file, aside) = (folder.path().join("catalog.sqlite"), folder.path().join("aside"));
    let catalog = SqliteCatalog::open(&file, &epoch()).await.unwrap();
    std::fs::rename(&file, &aside).unwrap();
    let refused = catalog.begin(Access::Write).await.err();
    assert!(matches!(refused, Some(CatalogError::Gone(_))), "{refused:?}");
    assert!(matches!(catalog.answers().await, Err(CatalogError::Gone(_))), "and it is not ready");
    std::fs::write(&file, "another").unwrap();
    let refused = catalog.begin(Access::Write).await.err();
    assert!(matches!(refused, Some(CatalogError::Gone(_))), "{refused:?}");
    assert!(matches!(catalog.answers().await, Err(CatalogError::Gone(_))), "nor is another's");
    std::fs::rename(&aside, &file).unwrap();
    catalog.begin(Access::Write).await.unwrap();
    catalog.answers().await.unwrap();
}
