//! Memos in SQLite.

use async_trait::async_trait;

use super::{SqliteTx, failed, get};
use crate::catalog::{Memos, Result};

#[async_trait]
impl Memos for SqliteTx {
    async fn memo(&mut self, owner: &str, kind: &str, name: &str) -> Result<Option<String>> {
        let query = sqlx::query("SELECT text FROM memos WHERE owner = ? AND kind = ? AND name = ?");
        let row = query.bind(owner).bind(kind).bind(name).fetch_optional(&mut *self.tx).await;
        row.map_err(failed)?.map(|row| get(&row, "text")).transpose()
    }

    async fn memos(&mut self, owner: &str, kind: &str) -> Result<Vec<(String, String)>> {
        let query = sqlx::query("SELECT name, text FROM memos WHERE owner = ? AND kind = ? ORDER BY name");
        let rows = query.bind(owner).bind(kind).fetch_all(&mut *self.tx).await.map_err(failed)?;
        rows.iter().map(|row| Ok((get(row, "name")?, get(row, "text")?))).collect()
    }

    async fn put_memo(&mut self, owner: &str, kind: &str, name: &str, text: &str) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO memos (owner, kind, name, text) VALUES (?, ?, ?, ?)
             ON CONFLICT (owner, kind, name) DO UPDATE SET text = excluded.text",
        );
        let query = query.bind(owner).bind(kind).bind(name).bind(text);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn remove_memo(&mut self, owner: &str, kind: &str, name: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM memos WHERE owner = ? AND kind = ? AND name = ?");
        let query = query.bind(owner).bind(kind).bind(name);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }
}
