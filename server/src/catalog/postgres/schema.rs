//! The schema in PostgreSQL: numbered changes, made by whichever server comes first, and who may go on with what.
//!
//! Servers are upgraded one by one, so for a while an older one works on the schema of a newer. Hence the rule for every
//! migration: **the version before must be able to go on reading and writing**. It adds tables, columns with a default and indexes;
//! what it takes away, no version that still runs uses. `oldest_server` says since when that holds: the lowest number of changes
//! that a server must know to go on. Who knows fewer refuses to start, and to write.

use retrosync_protocol::Epoch;
use sqlx::Row as _;

use super::{Held, PostgresCatalog, SCHEMA, WRITERS, WRITERS_OF_USER, failed};
use crate::catalog::{CatalogError, Result, UserId};

/// A numbered change; its number is its place in the list, from 1.
pub(super) struct Migration {
    pub(super) sql: &'static str,
    /// How many changes a server must know to go on after this one.
    pub(super) oldest_server: i64,
}

/// All changes, in their order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { sql: include_str!("../../../migrations/postgres/0001_library.sql"), oldest_server: 1 },
    // An older server would record contents whose bytes are being removed.
    Migration { sql: include_str!("../../../migrations/postgres/0002_upkeep.sql"), oldest_server: 2 },
];

/// The schema's state; the only table that no migration may change.
const STATE: &str = "CREATE TABLE IF NOT EXISTS schema_state (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1), changes BIGINT NOT NULL, oldest_server BIGINT NOT NULL)";

/// Makes what is missing of the schema, one server at a time and all or nothing.
pub(super) async fn bring_up(
    catalog: &PostgresCatalog,
    migrations: &[Migration],
    first_epoch: &Epoch,
) -> Result<()> {
    let known = number(migrations.len());
    let mut tx = catalog.begin_on(&catalog.writers, "BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    lock(&mut tx, SCHEMA).await?;
    sqlx::raw_sql("SET LOCAL client_min_messages = warning").execute(&mut *tx).await.map_err(failed)?;
    sqlx::query(STATE).execute(&mut *tx).await.map_err(failed)?;
    let had = state(&mut tx).await?;
    refuse_older(had, known)?;
    let had = had.map_or(0, |state| state.changes);
    if had > known {
        log::warn!(
            "the database is of a newer server (schema {had}, this one knows {known}); going on with it"
        );
    }
    let missing = migrations.get(usize::try_from(had).unwrap_or(usize::MAX)..).unwrap_or_default();
    if !missing.is_empty() {
        // Whoever is writing finishes first.
        lock(&mut tx, WRITERS).await?;
        // An index over a large table takes as long as it takes.
        sqlx::raw_sql("SET LOCAL statement_timeout = 0").execute(&mut *tx).await.map_err(failed)?;
        tx.wait_for_ever();
        for migration in missing {
            sqlx::raw_sql(migration.sql).execute(&mut *tx).await.map_err(failed)?;
        }
        let oldest = migrations.iter().map(|migration| migration.oldest_server).max().unwrap_or(1);
        sqlx::query(
            "INSERT INTO schema_state (only_row, changes, oldest_server) VALUES (1, $1, $2)
             ON CONFLICT (only_row) DO UPDATE SET changes = excluded.changes, oldest_server = excluded.oldest_server",
        )
        .bind(known)
        .bind(oldest)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    }
    let first = sqlx::query("INSERT INTO server (only_row, epoch) VALUES (1, $1) ON CONFLICT DO NOTHING");
    first.bind(first_epoch.as_str()).execute(&mut *tx).await.map_err(failed)?;
    tx.commit().await
}

/// Waits to be the only one who writes, or who writes what is this user's; refuses if the schema has become too new for this server
/// meanwhile.
pub(super) async fn lock_to_write(tx: &mut Held, of: Option<UserId>) -> Result<()> {
    match of {
        None => lock(tx, WRITERS).await?,
        Some(user) => lock_of_user(tx, user).await?,
    }
    // A statement of its own: what it sees is of after the wait.
    refuse_older(state(tx).await?, number(MIGRATIONS.len()))
}

#[derive(Clone, Copy)]
struct State {
    changes: i64,
    oldest_server: i64,
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn refuse_older(state: Option<State>, known: i64) -> Result<()> {
    match state {
        Some(state) if state.oldest_server > known => Err(CatalogError::Unopened {
            why: format!("it is of a newer server (schema {}, this one knows {known})", state.changes),
            help: "update retrosync-server",
        }),
        _ => Ok(()),
    }
}

async fn lock(tx: &mut Held, which: i64) -> Result<()> {
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(which);
    query.execute(&mut **tx).await.map_err(failed).map(drop)
}

/// Whoever wants to be the only one of all is not overtaken: PostgreSQL's locks are given in the order in which they are asked for.
async fn lock_of_user(tx: &mut Held, user: UserId) -> Result<()> {
    // Its lower half is enough of a number: two users who share it only wait for each other.
    let lower_half = user.0 as i32;
    let query = sqlx::query("SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock($2, $3)");
    let query = query.bind(WRITERS).bind(WRITERS_OF_USER).bind(lower_half);
    query.execute(&mut **tx).await.map_err(failed).map(drop)
}

async fn state(tx: &mut Held) -> Result<Option<State>> {
    let row = sqlx::query("SELECT changes, oldest_server FROM schema_state").fetch_optional(&mut **tx).await;
    row.map_err(failed)?
        .map(|row| {
            Ok(State {
                changes: row.try_get("changes").map_err(failed)?,
                oldest_server: row.try_get("oldest_server").map_err(failed)?,
            })
        })
        .transpose()
}
