//! The catalog's contract, and the library's rules, over a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../tests/support/cluster.rs"]
pub(crate) mod cluster;
mod vanished;
#[path = "../../../tests/support/wire.rs"]
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use retrosync_protocol::{Content, DeviceId, Digest, SaveId, StoreResult, WriterId};

use self::schema::Migration;
use super::*;
use crate::blobs::objects::ObjectBlobs;
use crate::catalog::{EventFilter, SaveRow, Stray, StrayState, UserId, suite};
use crate::library::Library;
use crate::notice::Notice;
use crate::sample::{self, epoch};

const WAIT: Duration = Duration::from_secs(60);

async fn open(url: &str) -> PostgresCatalog {
    // More of them together than PostgreSQL takes: a test needs few.
    let options = PostgresOptions { connections: 6, patience: WAIT, ..PostgresOptions::default() };
    PostgresCatalog::open(url, options, &epoch()).await.unwrap()
}

/// A catalog for the tests of other modules; `None`: there is no PostgreSQL on this machine.
pub(crate) async fn fresh() -> Option<Arc<dyn Catalog>> {
    Some(Arc::new(open(&cluster::database()?).await))
}

async fn refused(url: &str, options: PostgresOptions) -> CatalogError {
    match PostgresCatalog::open(url, options, &epoch()).await {
        Ok(_) => panic!("it was opened"),
        Err(why) => why,
    }
}

#[tokio::test]
async fn postgres_keeps_the_contract_of_a_catalog() {
    for case in suite::CASES {
        let Some(url) = cluster::database() else { return };
        let catalog = Arc::new(open(&url).await);
        case(catalog.clone()).await;
        catalog.close().await;
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_start_and_the_first_epoch_stays() {
    let Some(url) = cluster::database() else { return };
    let catalog = open(&url).await;
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    let user = suite::add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
    let options = PostgresOptions::default();
    let again = PostgresCatalog::open(&url, options, &Epoch::from_random(&[9; 16])).await.unwrap();
    let mut tx = again.begin(Access::Read).await.unwrap();
    assert_eq!(tx.epoch().await.unwrap(), epoch());
    assert_eq!(tx.user(user).await.unwrap().unwrap().name, "ada");
}

#[tokio::test]
async fn servers_that_start_at_once_make_one_schema() {
    let Some(url) = cluster::database() else { return };
    let catalogs = join_all((0..8).map(|_| open(&url))).await;
    let mut tx = catalogs[0].begin(Access::Write).await.unwrap();
    suite::add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
    for catalog in &catalogs {
        assert_eq!(catalog.begin(Access::Read).await.unwrap().users().await.unwrap().len(), 1);
    }
}

/// The next change of the schema, as a newer server would make it.
fn newer(oldest_server: i64) -> Vec<Migration> {
    with("ALTER TABLE users ADD COLUMN nickname TEXT NOT NULL DEFAULT ''", oldest_server)
}

/// Today's changes of the schema, and one more.
fn with(sql: &'static str, oldest_server: i64) -> Vec<Migration> {
    let known = schema::MIGRATIONS
        .iter()
        .map(|known| Migration { sql: known.sql, oldest_server: known.oldest_server });
    known.chain([Migration { sql, oldest_server }]).collect()
}

#[tokio::test]
async fn an_older_server_goes_on_while_a_newer_one_has_added_to_the_schema() {
    let Some(url) = cluster::database() else { return };
    let older = open(&url).await;
    schema::bring_up(&older, &newer(1), &epoch()).await.unwrap();
    let mut tx = older.begin(Access::Write).await.unwrap();
    suite::add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
    let restarted = open(&url).await;
    assert_eq!(restarted.begin(Access::Read).await.unwrap().users().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_of_a_large_database_takes_as_long_as_it_takes() {
    let Some(url) = cluster::database() else { return };
    open(&url).await;
    let answer = Duration::from_secs(3);
    let options = PostgresOptions { connections: 2, patience: WAIT, answer, ..PostgresOptions::default() };
    let newer = PostgresCatalog::connect(&url, options).unwrap();
    let long =
        with("DO $$ BEGIN ASSERT current_setting('statement_timeout') = '0'; PERFORM pg_sleep(4); END $$", 1);
    // What comes before the change has to be answered in time; on a busy machine, perhaps not at the first try.
    let began = tokio::time::Instant::now();
    let made = loop {
        match schema::bring_up(&newer, &long, &epoch()).await {
            Err(CatalogError::Gone(_)) if began.elapsed() < WAIT => {}
            made => break made,
        }
    };
    made.unwrap();
}

/// Everything that is read, once.
async fn read_all(catalog: &PostgresCatalog, user: UserId) {
    let mut tx = catalog.begin(Access::Read).await.unwrap();
    let (digest, row) = (Digest::of(b"?"), SaveRow(1));
    let save: SaveId = "gb/sram/Tetris".parse().unwrap();
    tx.users().await.unwrap();
    tx.user(user).await.unwrap();
    tx.user_by_name("ada").await.unwrap();
    tx.session(digest).await.unwrap();
    tx.device_by_token(digest).await.unwrap();
    tx.device_and_user_by_token(digest).await.unwrap();
    tx.standing(user).await.unwrap();
    tx.nth_change(user, 1).await.unwrap();
    tx.news_beside(user, 0, &WriterId::from_random(&[1; 16])).await.unwrap();
    tx.device(&DeviceId::from_random(&[1; 8])).await.unwrap();
    tx.devices(user).await.unwrap();
    tx.pairing(&"AAAAAAAA".parse().unwrap()).await.unwrap();
    tx.pairing_by_token(digest).await.unwrap();
    tx.save(user, &save).await.unwrap();
    tx.saves_since(user, 0, 10).await.unwrap();
    tx.version(row, digest).await.unwrap();
    tx.versions_between(user, digest, digest).await.unwrap();
    tx.leaves(row).await.unwrap();
    tx.leaves_of_each(&[row]).await.unwrap();
    tx.history(row, 9, 9).await.unwrap();
    tx.were_contents(user, &[(&save, digest)]).await.unwrap();
    tx.content(user, digest).await.unwrap();
    tx.all_contents().await.unwrap();
    tx.figures(user).await.unwrap();
    tx.contents_of(user).await.unwrap();
    tx.strays().await.unwrap();
    tx.stray(digest).await.unwrap();
    tx.upload(user, digest).await.unwrap();
    tx.block(user, digest).await.unwrap();
    tx.operation("a", "b").await.unwrap();
    tx.invitations().await.unwrap();
    tx.marks(row).await.unwrap();
    tx.holdings(user, row).await.unwrap();
    tx.reached(user).await.unwrap();
    tx.sizes(user).await.unwrap();
    tx.events(user, &EventFilter::default(), 9, 9).await.unwrap();
    tx.stamp(user).await.unwrap();
    tx.memos("a", "b").await.unwrap();
}

#[tokio::test]
async fn what_an_older_server_has_prepared_still_works_on_wider_tables() {
    let Some(url) = cluster::database() else { return };
    // One connection that reads, so that it is the same before and after.
    let options = PostgresOptions { connections: 2, patience: WAIT, ..PostgresOptions::default() };
    let older = PostgresCatalog::open(&url, options, &epoch()).await.unwrap();
    let mut tx = older.begin(Access::Write).await.unwrap();
    let ada = suite::add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
    read_all(&older, ada).await;
    let newer = open(&url).await;
    for table in tables::TABLES {
        let wider = format!("ALTER TABLE {} ADD COLUMN nickname TEXT NOT NULL DEFAULT ''", table.name);
        sqlx::query(sqlx::AssertSqlSafe(wider)).execute(&newer.writers).await.unwrap();
    }
    read_all(&older, ada).await;
}

#[tokio::test]
async fn a_server_too_old_for_the_schema_neither_starts_nor_writes() {
    let Some(url) = cluster::database() else { return };
    let older = open(&url).await;
    let known = schema::MIGRATIONS.len();
    schema::bring_up(&older, &newer(99), &epoch()).await.unwrap();
    let text = format!(
        "it is of a newer server (schema {}, this one knows {known}); help: update retrosync-server",
        known + 1
    );
    assert_eq!(refused(&url, PostgresOptions::default()).await.to_string(), text);
    let Err(why) = older.begin(Access::Write).await else { panic!("it may write") };
    assert_eq!(why.to_string(), text);
}

#[tokio::test]
async fn another_programs_database_is_told_and_left_as_it_was() {
    let Some(url) = cluster::database() else { return };
    let theirs = PostgresCatalog::connect(&url, PostgresOptions::default()).unwrap();
    sqlx::raw_sql("CREATE TABLE users (theirs TEXT)").execute(&theirs.writers).await.unwrap();
    let why = refused(&url, PostgresOptions::default()).await.to_string();
    assert!(
        why.contains("it holds the tables of another program") && why.contains("; help: name a database"),
        "{why}"
    );
    let tables = "SELECT string_agg(table_name, ' ') FROM information_schema.tables WHERE table_schema = current_schema()";
    let tables: String = sqlx::query_scalar(tables).fetch_one(&theirs.readers).await.unwrap();
    assert_eq!(tables, "users");
}

#[tokio::test]
async fn the_address_and_its_password_are_in_no_error() {
    let options = || PostgresOptions { patience: Duration::from_millis(300), ..PostgresOptions::default() };
    for url in [
        "postgres://ada:s3cret@127.0.0.1:1/none",
        "postgres://ada:s3cret@localhost/none?host=/nowhere",
        "postgres://ada:s3cret@host:port/none",
        "ada:s3cret",
    ] {
        let why = refused(url, options()).await;
        assert!(!why.to_string().contains("s3cret"), "{why}");
        let unfit = !url.starts_with("postgres") || url.contains(":port");
        let help = if unfit { "write it as `postgres://" } else { "look whether it runs and can be reached" };
        assert!(why.to_string().contains(&format!("; help: {help}")), "{url}: {why}");
    }
}

#[tokio::test]
async fn a_writer_that_waits_too_long_is_told_to_try_again_and_spoils_nothing() {
    let Some(url) = cluster::database() else { return };
    let catalog = open(&url).await;
    let mut first = catalog.begin(Access::Write).await.unwrap();
    suite::add_user(first.as_mut(), "ada").await;
    let impatient = format!("{url}&options=-c%20lock_timeout%3D200");
    let other = PostgresCatalog::connect(&impatient, PostgresOptions::default()).unwrap();
    let mut tx = other.begin_on(&other.writers, "BEGIN").await.unwrap();
    sqlx::query("SET LOCAL lock_timeout = 100").execute(&mut *tx).await.unwrap();
    let why = schema::lock_to_write(&mut tx, None).await.unwrap_err();
    assert!(matches!(why, CatalogError::Busy(_)), "{why}");
    drop(tx);
    first.commit().await.unwrap();
    let mut tx = other.begin(Access::Write).await.unwrap();
    assert_eq!(tx.users().await.unwrap().len(), 1, "the same connection is well again");
}

/// Does it still wait for its turn, once PostgreSQL says that it does?
async fn waits(catalog: &PostgresCatalog, writer: &tokio::task::JoinHandle<Result<Box<dyn Tx>>>) -> bool {
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let began = tokio::time::Instant::now();
    while began.elapsed() < WAIT && !writer.is_finished() {
        let query = sqlx::query_scalar::<_, i64>(waiting).fetch_one(&catalog.readers);
        if query.await.unwrap() > 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_store_waits_for_one_of_the_same_user_and_for_upkeep_and_for_nobody_else() {
    let Some(url) = cluster::database() else { return };
    let catalog = Arc::new(open(&url).await);
    let one = Access::WriteOf(UserId(1));
    for (row, first, second, beside) in [
        ("two users' stores", one, Access::WriteOf(UserId(2)), true),
        ("one user's stores", one, one, false),
        ("upkeep after a store", one, Access::Write, false),
        ("a store after upkeep", Access::Write, one, false),
        ("upkeep twice", Access::Write, Access::Write, false),
    ] {
        let first = catalog.begin(first).await.unwrap();
        let again = catalog.clone();
        let second = tokio::spawn(async move { again.begin(second).await });
        assert_ne!(waits(&catalog, &second).await, beside, "{row}");
        first.commit().await.unwrap();
        second.await.unwrap().unwrap().commit().await.unwrap();
    }
}

#[tokio::test]
async fn two_users_who_bring_the_same_removed_saves_in_opposite_order_both_keep_them() {
    let Some(url) = cluster::database() else { return };
    let catalog = Arc::new(open(&url).await);
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    let (ada, bob) = (suite::add_user(tx.as_mut(), "ada").await, suite::add_user(tx.as_mut(), "bob").await);
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    for digest in [one, two] {
        let stray = Stray { digest, since_unix_s: 0, state: StrayState::Removed };
        tx.put_stray(&stray).await.unwrap();
    }
    tx.commit().await.unwrap();
    // As `library::contents::keep` does where the bytes have come again.
    async fn keep(tx: &mut dyn Tx, user: UserId, digest: Digest) -> Result<bool> {
        let content = Content { digest, size_bytes: 3 };
        if tx.add_content(user, content, 9).await? {
            return Ok(true);
        }
        tx.remove_stray(digest).await?;
        tx.add_content(user, content, 9).await
    }
    let mut adas = catalog.begin(Access::WriteOf(ada)).await.unwrap();
    assert!(keep(adas.as_mut(), ada, one).await.unwrap());
    let again = catalog.clone();
    let bobs = tokio::spawn(async move {
        let mut tx = again.begin(Access::WriteOf(bob)).await?;
        assert!(keep(tx.as_mut(), bob, two).await? && keep(tx.as_mut(), bob, one).await?);
        Ok(tx)
    });
    assert!(
        waits(&catalog, &bobs).await,
        "bob's store waits for ada's before it has anything that she waits for"
    );
    assert!(keep(adas.as_mut(), ada, two).await.unwrap());
    adas.commit().await.unwrap();
    bobs.await.unwrap().unwrap().commit().await.unwrap();
    let mut tx = catalog.begin(Access::Read).await.unwrap();
    assert!(tx.strays().await.unwrap().is_empty());
    for (user, digest) in [(ada, one), (ada, two), (bob, one), (bob, two)] {
        assert!(tx.content(user, digest).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_save_is_taken_in_that_another_user_brought_again_at_the_same_moment() {
    let Some(url) = cluster::database() else { return };
    let catalog = Arc::new(open(&url).await);
    let version = sample::version("gb/sram/Tetris", 1, 1, b"one", &[]);
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    let ada = suite::add_user(tx.as_mut(), "ada").await;
    let stray = Stray { digest: Digest::of(b"one"), since_unix_s: 0, state: StrayState::Removed };
    tx.put_stray(&stray).await.unwrap();
    tx.commit().await.unwrap();
    // As if the other's store were committed right after this one's first look.
    let other = "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM strays; RETURN NULL; END $$;
        CREATE TRIGGER other AFTER INSERT ON contents FOR EACH STATEMENT EXECUTE FUNCTION other()";
    sqlx::raw_sql(other).execute(&catalog.writers).await.unwrap();
    let library = Library::new(catalog, Arc::new(ObjectBlobs::in_memory()), Arc::new(Notice::new()));
    let mut batch = library.batch(&sample::asker(ada, "ada"));
    batch.add(version, Some(Bytes::from_static(b"one"))).await;
    let results = batch.finish(None, 9).await.unwrap().results;
    assert!(matches!(results[..], [StoreResult::Head { .. }]), "{results:?}");
}

#[tokio::test]
async fn a_transaction_that_failed_half_way_cannot_be_taken_for_committed() {
    let Some(url) = cluster::database() else { return };
    let catalog = open(&url).await;
    let mut tx = catalog.transaction(Access::Write).await.unwrap();
    assert!(sqlx::query("SELECT 1 / 0").execute(&mut *tx).await.is_err());
    let tx: Box<dyn Tx> = Box::new(SqlTx::new(tx));
    assert!(tx.commit().await.is_err(), "a bare COMMIT would have said yes");
}

#[tokio::test]
async fn a_full_disk_is_told_apart() {
    let Some(url) = cluster::database() else { return };
    let catalog = open(&url).await;
    let mut tx = catalog.transaction(Access::Write).await.unwrap();
    let full = "DO $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$";
    let why = failed(sqlx::raw_sql(full).execute(&mut *tx).await.unwrap_err());
    assert!(matches!(why, CatalogError::DiskFull(_)), "{why}");
}

#[tokio::test]
async fn another_server_hears_of_news_with_the_commit_and_a_lost_connection_is_told() {
    let Some(url) = cluster::database() else { return };
    let catalog = open(&url).await;
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    let ada = suite::add_user(tx.as_mut(), "ada").await;
    tx.commit().await.unwrap();
    let mut heard = catalog.heard();
    let mut next = async || tokio::time::timeout(WAIT, heard.next()).await.unwrap().unwrap();
    assert_eq!(next().await, Heard::Unsure, "what was before it listened it cannot know");

    // As another server's: this one's own rings are not for itself.
    let ring = format!("SELECT pg_notify('retrosync', 'other {}')", ada.0);
    let mut own = catalog.transaction(Access::Write).await.unwrap();
    let touched = sql::Touched { users: [5].into(), ..sql::Touched::default() };
    rings::ring(&mut own, &touched).await.unwrap();
    own.commit().await.unwrap();
    let mut other = catalog.transaction(Access::Write).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(ring)).execute(&mut *other).await.unwrap();
    other.commit().await.unwrap();
    assert_eq!(next().await, Heard::News(ada));

    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%LISTEN%' AND pid <> pg_backend_pid()";
    sqlx::query(end).fetch_all(&catalog.readers).await.unwrap();
    assert_eq!(next().await, Heard::Unsure, "something may have been missed");
}

#[tokio::test]
async fn a_copy_in_sqlite_holds_every_record_and_goes_back() {
    let Some(url) = cluster::database() else { return };
    let catalog = open(&url).await;
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    for name in ["ada", "Zoë", "Émile", "b"] {
        suite::add_user(tx.as_mut(), name).await;
    }
    tx.commit().await.unwrap();
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    tx.remove_user(UserId(4)).await.unwrap();
    tx.commit().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.sqlite");
    assert!(catalog.copy_to(&file).await.unwrap());

    let copy = SqliteCatalog::open(&file, &Epoch::from_random(&[9; 16])).await.unwrap();
    let mut from = copy.begin_rows(Access::Read).await.unwrap();
    assert_eq!(from.epoch().await.unwrap(), epoch());
    let back = open(&cluster::database().unwrap()).await;
    let mut to = back.begin_rows(Access::Write).await.unwrap();
    let sums = tables::copy(from.as_mut(), to.as_mut(), &mut |_, _| {}).await.unwrap();
    assert_eq!(sums[0].rows, 3);
    let to: Box<dyn Tx> = to;
    to.commit().await.unwrap();
    let mut original = catalog.begin_rows(Access::Read).await.unwrap();
    let mut arrived = back.begin_rows(Access::Write).await.unwrap();
    assert_eq!(tables::sums(original.as_mut()).await.unwrap(), tables::sums(arrived.as_mut()).await.unwrap());
    let id = suite::add_user(arrived.as_mut(), "new").await;
    assert_eq!(id, UserId(5), "a removed user's number is not given again");
}

#[tokio::test]
async fn every_table_and_column_is_one_that_is_copied() {
    let Some(url) = cluster::database() else { return };
    let catalog = open(&url).await;
    let text = "SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name NOT IN ('server', 'schema_state')";
    let mut postgres: Vec<String> = sqlx::query_scalar(text).fetch_all(&catalog.readers).await.unwrap();
    postgres.sort();
    let mut known: Vec<String> = tables::TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(move |(column, kind)| (table.name, column, kind)))
        .map(|(table, column, kind)| {
            let kind = match kind {
                tables::Kind::Int => "bigint",
                tables::Kind::Text => "text",
                tables::Kind::Bytes => "bytea",
            };
            format!("{table}.{column} {kind}")
        })
        .collect();
    known.sort();
    assert_eq!(postgres, known);
}
