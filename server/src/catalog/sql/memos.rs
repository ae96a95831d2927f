//! Memos in SQL.

use async_trait::async_trait;

use super::{SqlTx, failed, get};
use crate::catalog::{Memos, Result};

#[async_trait]
impl Memos for SqlTx {
    async fn memo(&mut self, owner: &str, kind: &str, name: &str) -> Result<Option<String>> {
        let query = sqlx::query("SELECT text FROM memos WHERE owner = $1 AND kind = $2 AND name = $3");
        let row = query.bind(owner).bind(kind).bind(name).fetch_optional(&mut *self.tx).await;
        row.map_err(failed)?.map(|row| get(&row, "text")).transpose()
    }

    async fn memos(&mut self, owner: &str, kind: &str) -> Result<Vec<(String, String)>> {
        let query = sqlx::query("SELECT name, text FROM memos WHERE owner = $1 AND kind = $2 ORDER BY name");
        let rows = query.bind(owner).bind(kind).fetch_all(&mut *self.tx).await.map_err(failed)?;
        rows.iter().map(|row| Ok((get(row, "name")?, get(row, "text")?))).collect()
    }

    async fn put_memo(&mut self, owner: &str, kind: &str, name: &str, text: &str) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO memos (owner, kind, name, text) VALUES ($1, $2, $3, $4)
             ON CONFLICT (owner, kind, name) DO UPDATE SET text = excluded.text",
        );
        let query = query.bind(owner).bind(kind).bind(name).bind(text);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn remove_memo(&mut self, owner: &str, kind: &str, name: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM memos WHERE owner = $1 AND kind = $2 AND name = $3");
        let query = query.bind(owner).bind(kind).bind(name);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }
}
