//! The records in SQL, once for every database: compiled into `sqlite` and into `postgres`, each with its own `Db`.
//!
//! Written in what both understand: `$1` binds, `ON CONFLICT`, `RETURNING`, whole numbers of 64 bits (a flag is 0 or 1), texts
//! compared by their bytes. Where they differ, the text is in `super::dialect`. Never holds a rule, never starts a transaction.

mod board;
mod memos;
mod people;
mod rows;
mod saves;
mod upkeep;
mod uploads;

use std::collections::BTreeSet;

use async_trait::async_trait;
use retrosync_protocol::{Digest, Epoch};
use sqlx::Row as _;

use super::{Db, Held, Row, dialect, failed};
use crate::catalog::{CatalogError, Result, Tx};

/// One transaction of this database.
pub(super) struct SqlTx {
    pub(super) tx: Held,
    touched: Touched,
}

/// Whose news a transaction made, for those who wait at other instances.
#[derive(Default)]
pub(super) struct Touched {
    /// Users by key.
    pub(super) users: BTreeSet<i64>,
    /// Devices by id; their users are meant.
    pub(super) devices: BTreeSet<String>,
}

impl SqlTx {
    pub(super) fn new(tx: Held) -> SqlTx {
        SqlTx { tx, touched: Touched::default() }
    }
}

#[async_trait]
impl Tx for SqlTx {
    async fn epoch(&mut self) -> Result<Epoch> {
        let row = sqlx::query("SELECT epoch FROM server").fetch_one(&mut *self.tx).await.map_err(failed)?;
        parsed(&row, "epoch")
    }

    async fn set_epoch(&mut self, epoch: &Epoch) -> Result<()> {
        let query = sqlx::query("UPDATE server SET epoch = $1").bind(epoch.as_str());
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn shared_unix_s(&mut self) -> Result<Option<i64>> {
        dialect::shared_unix_s(&mut self.tx).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        dialect::commit(self.tx, &self.touched).await
    }
}

fn damaged(column: &str, why: impl std::fmt::Display) -> CatalogError {
    CatalogError::Damaged(format!("column `{column}`: {why}"))
}

/// A column as it is.
fn get<'r, T>(row: &'r Row, column: &str) -> Result<T>
where
    T: sqlx::Decode<'r, Db> + sqlx::Type<Db>,
{
    row.try_get(column).map_err(failed)
}

/// A column that is 0 or 1.
fn flag(row: &Row, column: &str) -> Result<bool> {
    Ok(get::<i64>(row, column)? != 0)
}

/// A column of text that has a form.
fn parsed<T>(row: &Row, column: &str) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    get::<&str>(row, column)?.parse().map_err(|why| damaged(column, why))
}

/// A column that counts something.
fn count(row: &Row, column: &str) -> Result<u64> {
    u64::try_from(get::<i64>(row, column)?).map_err(|why| damaged(column, why))
}

/// A column of 32 bytes.
fn digest(row: &Row, column: &str) -> Result<Digest> {
    digest_of(get::<&[u8]>(row, column)?, column)
}

fn digest_of(bytes: &[u8], column: &str) -> Result<Digest> {
    <[u8; 32]>::try_from(bytes).map(Digest::from_bytes).map_err(|why| damaged(column, why))
}

/// A digest as it is bound.
fn raw(digest: &Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

/// A count as it is bound: the databases' integers have a sign; nothing here comes near the end.
fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A list as both databases take it apart: one bind, however many they are.
fn json(list: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(list).map_err(|why| CatalogError::Failed(why.to_string()))
}
