//! The catalog in one SQLite file.
//!
//! WAL with `synchronous=FULL`: a commit that was answered survives a power cut. One connection writes, for many at once
//! (`group`), a few read; a reader never waits for the writer. May assume a local file system; never holds a rule.

mod glances;
mod group;
mod place;
// The same file as in `postgres`, compiled for this database.
#[allow(clippy::duplicate_mod)]
#[path = "sql/mod.rs"]
mod sql;
#[cfg(test)]
mod tests;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use retrosync_protocol::Epoch;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Row as _, SqliteConnection, SqlitePool, Transaction};
use sqlx::{Sqlite as Db, sqlite::SqliteRow as Row};
use tokio::sync::OwnedMutexGuard;

use self::glances::Glances;
use self::group::{Turn, Writers};
use self::place::Place;
use self::sql::SqlTx;
use super::tables::{Rows, Tables};
use super::{Access, Catalog, CatalogError, Result, Tx};

/// Numbered changes of the schema; `PRAGMA user_version` counts how many a file has.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_library.sql"),
    include_str!("../../migrations/sqlite/0002_dashboard.sql"),
    include_str!("../../migrations/sqlite/0003_memos.sql"),
    include_str!("../../migrations/sqlite/0004_upkeep.sql"),
];
/// How long a writer waits for another process (a backup, a check).
const BUSY_TIMEOUT_S: u64 = 10;
/// How many read at once; each is a thread.
const READERS: u32 = 4;

/// An open SQLite catalog.
pub struct SqliteCatalog {
    writers: Writers,
    readers: SqlitePool,
    glances: Glances,
    options: SqliteConnectOptions,
    place: Place,
}

impl SqliteCatalog {
    /// Opens the catalog, or makes it with this epoch if the file is not there.
    ///
    /// # Errors
    /// When the file cannot be opened, is no catalog, or is of a newer server: told with the file and the next step.
    pub async fn open(file: &Path, first_epoch: &Epoch) -> Result<SqliteCatalog> {
        SqliteCatalog::open_as_it_is(file, first_epoch).await.map_err(|why| unopened(file, why))
    }

    async fn open_as_it_is(file: &Path, first_epoch: &Epoch) -> Result<SqliteCatalog> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(BUSY_TIMEOUT_S));
        let mut writer = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        // Before anything is changed, and be it only how the file is written: it may be another program's.
        changes_had(&mut writer).await?;
        sqlx::query("PRAGMA journal_mode = WAL").execute(&mut writer).await.map_err(failed)?;
        migrate(&mut writer, first_epoch).await?;
        let place = Place::of(file)?;
        // A connection that is made later finds the file, or it is gone: it makes no empty one.
        let options = options.create_if_missing(false).journal_mode(SqliteJournalMode::Wal);
        // A reader that writes is a bug; SQLite refuses it.
        let reading = options.clone().pragma("query_only", "ON");
        // A connection to a file does not go away; asking whether it did costs as much as a query.
        let readers = SqlitePoolOptions::new().max_connections(READERS).idle_timeout(None).max_lifetime(None);
        let readers =
            readers.test_before_acquire(false).connect_with(reading.clone()).await.map_err(failed)?;
        let glances = Glances::open(&reading).await?;
        Ok(SqliteCatalog { writers: Writers::new(writer), readers, glances, options, place })
    }

    async fn transaction(&self, access: Access) -> Result<SqlTx> {
        let tx = match access {
            Access::Read => Held::Reading(self.readers.begin().await.map_err(failed)?),
            Access::Glance => Held::Glancing(self.glances.lend().await),
            Access::WriteOf(_) | Access::Write => {
                self.place.check()?;
                Held::Writing(self.writers.turn().await?)
            }
        };
        Ok(SqlTx::new(tx))
    }
}

/// How many changes of the schema the file has; refuses what is not ours, or of a newer server.
async fn changes_had(connection: &mut SqliteConnection) -> Result<usize> {
    let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    let had = usize::try_from(row.try_get::<i64, _>(0).map_err(failed)?).unwrap_or(usize::MAX);
    let tables = sqlx::query("SELECT count(*), coalesce(sum(name = 'server'), 0) FROM sqlite_master");
    let tables = tables.fetch_one(&mut *connection).await.map_err(failed)?;
    let is_ours = tables.try_get::<i64, _>(1).map_err(failed)? > 0;
    let is_new = had == 0 && tables.try_get::<i64, _>(0).map_err(failed)? == 0;
    if !is_ours && !is_new {
        return Err(CatalogError::Damaged("it holds the tables of another program".into()));
    }
    if had > MIGRATIONS.len() {
        return Err(CatalogError::Unopened {
            why: format!("it is of a newer server (schema {had}, this one knows {})", MIGRATIONS.len()),
            help: "update retrosync-server",
        });
    }
    Ok(had)
}

async fn migrate(writer: &mut SqliteConnection, first_epoch: &Epoch) -> Result<()> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let had = changes_had(&mut tx).await?;
    for migration in &MIGRATIONS[had..] {
        sqlx::raw_sql(*migration).execute(&mut *tx).await.map_err(failed)?;
    }
    if had < MIGRATIONS.len() {
        // PRAGMA takes no binds; the number is ours.
        let set = format!("PRAGMA user_version = {}", MIGRATIONS.len());
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut *tx).await.map_err(failed)?;
    }
    sqlx::query("INSERT OR IGNORE INTO server (only_row, epoch) VALUES (1, ?)")
        .bind(first_epoch.as_str())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    tx.commit().await.map_err(failed)
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn begin(&self, access: Access) -> Result<Box<dyn Tx>> {
        Ok(Box::new(self.transaction(access).await?))
    }

    async fn copy_to(&self, file: &Path) -> Result<bool> {
        let name =
            file.to_str().ok_or_else(|| CatalogError::Failed("the file's name is not UTF-8".into()))?;
        // A connection of its own: it reads for long, and writers go on meanwhile.
        let mut connection = SqliteConnection::connect_with(&self.options).await.map_err(failed)?;
        sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        Ok(true)
    }

    async fn answers(&self) -> Result<()> {
        // What is open goes on to be read when its file is gone, and takes nothing in.
        self.place.check()?;
        self.begin(Access::Read).await?.epoch().await.map(drop)
    }

    async fn close(&self) {
        self.readers.close().await;
        self.glances.close().await;
        if let Ok(spare) = SqliteConnection::connect("sqlite::memory:").await {
            let _ = self.writers.take(spare).await.close().await;
        }
    }
}

#[async_trait]
impl Tables for SqliteCatalog {
    async fn begin_rows(&self, access: Access) -> Result<Box<dyn Rows>> {
        Ok(Box::new(self.transaction(access).await?))
    }
}

/// A connection, for one transaction.
enum Held {
    Reading(Transaction<'static, Db>),
    Glancing(OwnedMutexGuard<SqliteConnection>),
    Writing(Turn),
}

impl Deref for Held {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match self {
            Held::Reading(tx) => tx,
            Held::Glancing(connection) => connection,
            Held::Writing(turn) => turn,
        }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match self {
            Held::Reading(tx) => tx,
            Held::Glancing(connection) => connection,
            Held::Writing(turn) => turn,
        }
    }
}

/// SQL that only SQLite understands.
mod dialect {
    use super::sql::Touched;
    use super::{Held, failed};
    use crate::catalog::Result;
    use crate::catalog::columns::columns;

    /// Leaves of a JSON list of saves: `place` in the list, and the version.
    pub(super) const LEAVES_OF_EACH: &str = concat!(
        "SELECT asked.key AS place, ",
        columns!(versions),
        " FROM json_each($1) AS asked
         JOIN versions ON versions.save_id = asked.value AND versions.leaf = 1 ORDER BY versions.change"
    );

    /// Of a user, for each pair of a JSON list (save key, digest in hex): `was` it ever that save's content?
    pub(super) const WERE_CONTENTS: &str =
        "SELECT EXISTS (SELECT 1 FROM saves JOIN versions ON versions.save_id = saves.id
             WHERE saves.user_id = $1 AND saves.save_key = asked.value ->> 0
             AND versions.content = unhex(asked.value ->> 1)) AS was
         FROM json_each($2) AS asked ORDER BY asked.key";

    /// A JSON list of digests in hex, as `digest`.
    pub(super) const DIGESTS: &str = "(SELECT unhex(value) AS digest FROM json_each($1))";

    /// What a new version brings with it, for a save ($1), a user ($2), a change ($3) and a JSON list of versions in hex that it
    /// supersedes ($4).
    pub(super) const FOLLOWS_A_VERSION: &[&str] = &[
        "UPDATE versions SET leaf = 0 WHERE save_id = $1 AND leaf = 1
         AND version IN (SELECT unhex(value) FROM json_each($4))",
        "UPDATE saves SET change = $3 WHERE id = $1",
        "UPDATE users SET last_change = $3 WHERE id = $2",
    ];

    /// A JSON list of pairs: a device, and when it was last seen.
    pub(super) const PUT_SEEN: &str =
        "UPDATE devices SET last_seen_unix_s = seen.value ->> 1 FROM json_each($1) AS seen
         WHERE devices.device = seen.value ->> 0";

    /// Events of a user before an id, of kinds (JSON list), of a device's name, with a part of a save's name; at most so many.
    pub(super) const EVENTS: &str = concat!(
        "SELECT ",
        columns!(events),
        " FROM events WHERE user_id = $1 AND id < $2
         AND ($3 = '[]' OR kind IN (SELECT value FROM json_each($3)))
         AND ($4 IS NULL OR device_name = $4)
         AND ($5 IS NULL OR instr(lower(save), lower($5)) > 0)
         ORDER BY id DESC LIMIT $6"
    );

    /// There is but one server over this database: its own clock is as good.
    pub(super) async fn shared_unix_s(_: &mut Held) -> Result<Option<i64>> {
        Ok(None)
    }

    /// Whoever writes is alone anyway.
    pub(super) async fn alone_with_strays(_: &mut Held) -> Result<()> {
        Ok(())
    }

    /// The last number that a table with numbers of its own has given.
    pub(super) async fn last_number(tx: &mut Held, table: &str) -> Result<i64> {
        let query = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = $1")
            .bind(table);
        query.fetch_one(&mut **tx).await.map_err(failed)
    }

    /// The next number is above this one, for a table that never gives one again; others go on above what they hold.
    pub(super) async fn set_last_number(tx: &mut Held, table: &str, last: i64) -> Result<()> {
        sqlx::query("DELETE FROM sqlite_sequence WHERE name = $1")
            .bind(table)
            .execute(&mut **tx)
            .await
            .map_err(failed)?;
        let query =
            sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)").bind(table).bind(last);
        query.execute(&mut **tx).await.map_err(failed).map(drop)
    }

    /// Makes it durable and visible. Nobody else serves from this file: there is nobody to tell.
    pub(super) async fn commit(tx: Held, _: &Touched) -> Result<()> {
        match tx {
            Held::Reading(tx) => tx.commit().await.map_err(failed),
            Held::Glancing(_) => Ok(()),
            Held::Writing(turn) => turn.commit().await,
        }
    }
}

/// Why a file was not opened, and what to do next.
fn unopened(file: &Path, why: CatalogError) -> CatalogError {
    let (why, help) = match why {
        CatalogError::Damaged(text) => (
            format!("it is damaged, or no catalog of a server: {text}"),
            "name the right folder with `--data`; if it is this one, move the folder aside and put a backup into a new one: \
             `retrosync-server restore BACKUP --data FOLDER`, then `retrosync-server check`; devices bring what the backup lacks",
        ),
        CatalogError::Busy(text) => (text, "another program holds it: end that one, and try again"),
        CatalogError::DiskFull(text) => {
            (format!("there is no room: {text}"), "free some space, and try again")
        }
        CatalogError::Unopened { why, help } => (why, help),
        CatalogError::Gone(text) | CatalogError::Failed(text) => {
            (text, "look whether this user may read and write it and its folder, and at the disk")
        }
    };
    CatalogError::Unopened { why: format!("cannot open the catalog `{}`: {why}", file.display()), help }
}

/// What SQLite said, by what can be done about it.
fn failed(error: sqlx::Error) -> CatalogError {
    let text = error.to_string();
    let primary = match &error {
        sqlx::Error::Database(cause) => {
            cause.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff)
        }
        sqlx::Error::PoolTimedOut => return CatalogError::Busy(text),
        sqlx::Error::ColumnDecode { .. } => return CatalogError::Damaged(text),
        _ => None,
    };
    match primary {
        Some(13) => CatalogError::DiskFull(text),
        Some(5 | 6) => CatalogError::Busy(text),
        // It became read-only, or cannot be opened any more.
        Some(8 | 14) => CatalogError::Gone(text),
        Some(11 | 26) => CatalogError::Damaged(text),
        _ => CatalogError::Failed(text),
    }
}
