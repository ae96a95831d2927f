//! The catalog in PostgreSQL, for several servers over one database.
//!
//! A writer holds a lock of the database (`WRITERS`) to its end, whichever server it is of: alone, or, if it changes nothing but what
//! is one user's, with others of its kind and its user's lock beside. So each user's change numbers become visible in their order,
//! and who removes what nobody needs meets no store half way; readers see a snapshot and wait for nobody. A commit tells the other servers, with the same
//! commit (`rings`). A lost connection, a restart or a timeout is an error that clients try again after; nothing half-written is
//! left. May assume that a commit that PostgreSQL answers is durable, and asks it for that. Never holds a rule.

// The same file as in `sqlite`, compiled for this database.
#[allow(clippy::duplicate_mod)]
#[path = "sql/mod.rs"]
mod sql;

mod dialect;
mod line;
mod rings;
mod schema;
#[cfg(test)]
pub(crate) mod tests;

use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use retrosync_protocol::Epoch;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow as Row};
use sqlx::{Connection as _, PgPool, Postgres as Db};

use self::line::{Held, in_time};
use self::sql::SqlTx;
use super::tables::{self, Rows, Tables};
use super::{Access, Catalog, CatalogError, Heard, Result, Tx, sqlite::SqliteCatalog};

/// As what our connections name themselves in `pg_stat_activity`, before this process's own name.
const PROGRAM: &str = "retrosync-server ";
/// The advisory lock of the one who writes; of this database only.
const WRITERS: i64 = 0x5265_7472_6f53_7901;
/// The advisory locks of those who change what is one user's; the second number is the user's.
const WRITERS_OF_USER: i32 = 0x5265_7472;
/// The advisory lock of the one who removes strays.
const STRAYS: i64 = 0x5265_7472_6f53_7903;
/// The advisory lock of the one who changes the schema.
const SCHEMA: i64 = 0x5265_7472_6f53_7902;

/// How long the database may take for an answer; more than it takes by its own timeouts (below: 30 s a statement).
const ANSWER: Duration = Duration::from_secs(45);
/// How long a connection that was used may take to say that it can be used again, and all of them to be closed.
const GOODBYE: Duration = Duration::from_secs(10);

/// How to reach and use the database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The password, if it is not in the address.
    pub password: Option<String>,
    /// The most connections of this server, for requests; one more listens.
    pub connections: u32,
    /// How long a request waits for one of them, or for a database that does not answer.
    pub patience: Duration,
    /// How long it waits for the answer to a statement. A host that vanished sends nothing, not even an end.
    pub answer: Duration,
}

impl Default for PostgresOptions {
    fn default() -> PostgresOptions {
        PostgresOptions { password: None, connections: 16, patience: Duration::from_secs(5), answer: ANSWER }
    }
}

/// An open catalog in PostgreSQL.
pub struct PostgresCatalog {
    /// Half of the connections: those who wait to write leave the others to readers.
    writers: PgPool,
    readers: PgPool,
    listeners: PgPool,
    answer: Duration,
}

impl PostgresCatalog {
    /// Opens the database that a `postgres://` address names, and makes the tables, with this epoch, if there are none.
    ///
    /// # Errors
    /// When the address is none, the database cannot be reached, or it is of a newer server.
    pub async fn open(url: &str, options: PostgresOptions, first_epoch: &Epoch) -> Result<PostgresCatalog> {
        let catalog = PostgresCatalog::connect(url, options)?;
        schema::bring_up(&catalog, schema::MIGRATIONS, first_epoch).await.map_err(unopened)?;
        Ok(catalog)
    }

    /// Nothing is asked of the database yet.
    fn connect(url: &str, options: PostgresOptions) -> Result<PostgresCatalog> {
        // Not the cause: it may repeat the address, and with it the password.
        let unfit = || CatalogError::Unopened {
            why: "its address cannot be understood".into(),
            help: "write it as `postgres://USER@HOST/DATABASE`",
        };
        let is_ours = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let parsed = PgConnectOptions::from_str(url).ok().filter(|_| is_ours);
        let name = format!("{PROGRAM}{}", rings::own_name());
        let mut connect = parsed.ok_or_else(unfit)?.application_name(&name).options([
            // Whatever the database's own default is: what is answered is durable.
            ("synchronous_commit", "on"),
            ("statement_timeout", "30s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        if let Some(password) = &options.password {
            connect = connect.password(password);
        }
        let pool = |most: u32| {
            let pool = PgPoolOptions::new().max_connections(most.max(1)).acquire_timeout(options.patience);
            // Without it, a connection to a host that vanished would be waited for for ever, and never be replaced.
            let goodbye = GOODBYE.min(options.answer);
            let pool = pool.after_release(move |connection, _| {
                Box::pin(async move {
                    let answered = tokio::time::timeout(goodbye, connection.ping()).await;
                    answered.map_err(|_| sqlx::Error::Io(ErrorKind::TimedOut.into()))?.map(|()| true)
                })
            });
            pool.connect_lazy_with(connect.clone())
        };
        let writers = options.connections / 2;
        Ok(PostgresCatalog {
            writers: pool(writers),
            readers: pool(options.connections.saturating_sub(writers)),
            listeners: pool(1),
            answer: options.answer,
        })
    }

    async fn begin_on(&self, pool: &PgPool, begin: &'static str) -> Result<Held> {
        in_time(Some(self.answer), async {
            let tx = pool.begin_with(begin).await.map_err(failed)?;
            Ok(Held::new(tx, self.answer))
        })
        .await
    }

    async fn transaction(&self, access: Access) -> Result<Held> {
        match access {
            Access::Read | Access::Glance => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                self.begin_on(&self.readers, begin).await
            }
            Access::WriteOf(_) | Access::Write => {
                // Each statement sees what was committed before it, and the lock is given up after the commit: so whoever has
                // the lock sees everything that was written before. A snapshot would be of the time before the wait.
                let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
                let mut tx = self.begin_on(&self.writers, begin).await?;
                let of = match access {
                    Access::WriteOf(user) => Some(user),
                    _ => None,
                };
                schema::lock_to_write(&mut tx, of).await?;
                Ok(tx)
            }
        }
    }
}

#[async_trait]
impl Catalog for PostgresCatalog {
    async fn begin(&self, access: Access) -> Result<Box<dyn Tx>> {
        Ok(Box::new(SqlTx::new(self.transaction(access).await?)))
    }

    async fn copy_to(&self, file: &Path) -> Result<bool> {
        let mut from = self.begin_rows(Access::Read).await?;
        let copy = SqliteCatalog::open(file, &from.epoch().await?).await?;
        let mut to = copy.begin_rows(Access::Write).await?;
        tables::copy(from.as_mut(), to.as_mut(), &mut |_, _| {}).await?;
        let to: Box<dyn Tx> = to;
        to.commit().await?;
        copy.close().await;
        Ok(true)
    }

    async fn others(&self) -> Result<u64> {
        let query = sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND starts_with(application_name, $1) AND application_name <> $1 || $2",
        );
        let mut tx = self.transaction(Access::Glance).await?;
        let query = query.bind(PROGRAM).bind(rings::own_name());
        let others = query.fetch_one(&mut *tx).await.map_err(failed)?;
        Ok(u64::try_from(others).unwrap_or(0))
    }

    async fn close(&self) {
        let closed = async {
            self.listeners.close().await;
            self.readers.close().await;
            self.writers.close().await;
        };
        if tokio::time::timeout(GOODBYE, closed).await.is_err() {
            log::warn!("the database did not say goodbye; going without");
        }
    }

    fn heard(&self) -> BoxStream<'static, Heard> {
        rings::heard(self.listeners.clone())
    }
}

#[async_trait]
impl Tables for PostgresCatalog {
    async fn begin_rows(&self, access: Access) -> Result<Box<dyn Rows>> {
        let mut tx = self.transaction(access).await?;
        // A large catalog takes as long as it takes.
        let patient = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        sqlx::raw_sql(patient).execute(&mut *tx).await.map_err(failed)?;
        tx.wait_for_ever();
        Ok(Box::new(SqlTx::new(tx)))
    }
}

/// Why a database was not opened, and what to do next. Who opens it says which: there may be a password in its address.
fn unopened(why: CatalogError) -> CatalogError {
    let (why, help) = match why {
        CatalogError::Unopened { why, help } => (why, help),
        CatalogError::Gone(text) => {
            (text, "look whether it runs and can be reached from here, and at the host in its address")
        }
        CatalogError::Busy(text) => {
            (text, "another server holds its tables, or changes them: try again in a minute")
        }
        CatalogError::DiskFull(text) => {
            (format!("there is no room: {text}"), "free some space there, and try again")
        }
        CatalogError::Damaged(text) => (
            format!("it is damaged: {text}"),
            "make a new database and put a backup into it: `retrosync-server restore BACKUP`, then `retrosync-server check`",
        ),
        CatalogError::Failed(text) if text.contains("already exists") => (
            format!("it holds the tables of another program: {text}"),
            "name a database of its own for each program",
        ),
        CatalogError::Failed(text) => (
            text,
            "look at the user and the database in its address, at `database_password`, and at what the user may do there",
        ),
    };
    CatalogError::Unopened { why, help }
}

/// What PostgreSQL said, or that it said nothing, by what can be done about it.
fn failed(error: sqlx::Error) -> CatalogError {
    let text = error.to_string();
    let code = match &error {
        sqlx::Error::Database(cause) => cause.code().unwrap_or_default().into_owned(),
        // Every connection is in use, or none can be made; which of the two is not told.
        sqlx::Error::PoolTimedOut => {
            return CatalogError::Gone("no connection to the database in time".into());
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            return CatalogError::Gone(text);
        }
        sqlx::Error::ColumnDecode { .. } => return CatalogError::Damaged(text),
        _ => return CatalogError::Failed(text),
    };
    // SQLSTATE: PostgreSQL's manual, appendix A.
    match (code.get(..2).unwrap_or_default(), code.as_str()) {
        (_, "53100") => CatalogError::DiskFull(text),
        // Lock and statement timeouts, deadlocks, idle for too long.
        (_, "55P03" | "57014" | "25P03") | ("40", _) => CatalogError::Busy(text),
        // Out of connections or memory; starting or stopping; a connection that broke; a stand-by that takes no writes.
        ("53" | "08", _) | (_, "57P01" | "57P02" | "57P03" | "57P05" | "25006") => CatalogError::Gone(text),
        (_, "XX001" | "XX002") => CatalogError::Damaged(text),
        _ => CatalogError::Failed(text),
    }
}
