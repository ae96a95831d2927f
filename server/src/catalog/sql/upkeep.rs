//! The records of upkeep.

use async_trait::async_trait;
use retrosync_protocol::{Content, Digest};
use sqlx::AssertSqlSafe;

use super::{Row, SqlTx, count, damaged, dialect, digest, failed, get, json, raw};
use crate::catalog::columns::columns;
use crate::catalog::{OwnContent, Result, Stray, StrayState, Upkeep, UserId};

/// How many digests one query is about.
const AT_ONCE: usize = 500;

fn own_content(row: &Row) -> Result<OwnContent> {
    Ok(OwnContent {
        content: Content { digest: digest(row, "digest")?, size_bytes: count(row, "size_bytes")? },
        added_unix_s: get(row, "added_unix_s")?,
        unneeded_unix_s: get(row, "unneeded_unix_s")?,
    })
}

fn stray(row: &Row) -> Result<Stray> {
    let state = match get(row, "state")? {
        "found" => StrayState::Found,
        "condemned" => StrayState::Condemned,
        "removed" => StrayState::Removed,
        other => return Err(damaged("state", other)),
    };
    Ok(Stray { digest: digest(row, "digest")?, since_unix_s: get(row, "since_unix_s")?, state })
}

/// Of a JSON list of digests: those of which a condition holds.
fn asked(condition: &str) -> AssertSqlSafe<String> {
    // Texts of our own only.
    AssertSqlSafe(format!("SELECT asked.digest FROM {} AS asked WHERE {condition}", dialect::DIGESTS))
}

fn names(digests: &[Digest]) -> Result<String> {
    json(&digests.iter().map(Digest::to_string).collect::<Vec<_>>())
}

#[async_trait]
impl Upkeep for SqlTx {
    async fn contents_of(&mut self, user: UserId) -> Result<Vec<OwnContent>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(contents),
            " FROM contents WHERE user_id = $1 ORDER BY digest"
        ))
        .bind(user.0);
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(own_content).collect()
    }

    async fn mark_contents(
        &mut self,
        user: UserId,
        digests: &[Digest],
        unneeded_unix_s: Option<i64>,
    ) -> Result<()> {
        for some in digests.chunks(AT_ONCE) {
            let text = format!(
                "UPDATE contents SET unneeded_unix_s = $2 WHERE user_id = $3
                 AND digest IN (SELECT asked.digest FROM {} AS asked)",
                dialect::DIGESTS
            );
            sqlx::query(AssertSqlSafe(text))
                .bind(names(some)?)
                .bind(unneeded_unix_s)
                .bind(user.0)
                .execute(&mut *self.tx)
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    async fn forget_content(&mut self, user: UserId, of: Digest) -> Result<()> {
        let query = sqlx::query("DELETE FROM contents WHERE user_id = $1 AND digest = $2")
            .bind(user.0)
            .bind(raw(&of));
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn without_content(&mut self, user: UserId, digests: &[Digest]) -> Result<Vec<Digest>> {
        let mut without = Vec::new();
        for some in digests.chunks(AT_ONCE) {
            let lacks = "NOT EXISTS (SELECT 1 FROM contents WHERE user_id = $2 AND digest = asked.digest)";
            let rows = sqlx::query(asked(lacks)).bind(names(some)?).bind(user.0);
            for row in rows.fetch_all(&mut *self.tx).await.map_err(failed)? {
                without.push(digest(&row, "digest")?);
            }
        }
        Ok(without)
    }

    async fn not_had(&mut self, digests: &[Digest]) -> Result<Vec<Digest>> {
        let mut not_had = Vec::new();
        for some in digests.chunks(AT_ONCE) {
            let lacks = "NOT EXISTS (SELECT 1 FROM contents WHERE digest = asked.digest)";
            let rows = sqlx::query(asked(lacks)).bind(names(some)?);
            for row in rows.fetch_all(&mut *self.tx).await.map_err(failed)? {
                not_had.push(digest(&row, "digest")?);
            }
        }
        Ok(not_had)
    }

    async fn has_version_with(&mut self, user: UserId, of: Digest) -> Result<bool> {
        let query = sqlx::query(
            "SELECT 1 AS found FROM saves JOIN versions ON versions.save_id = saves.id AND versions.content = $1
             WHERE saves.user_id = $2 LIMIT 1",
        )
        .bind(raw(&of))
        .bind(user.0);
        Ok(query.fetch_optional(&mut *self.tx).await.map_err(failed)?.is_some())
    }

    async fn strays(&mut self) -> Result<Vec<Stray>> {
        let rows = sqlx::query(concat!("SELECT ", columns!(strays), " FROM strays ORDER BY digest"));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(stray).collect()
    }

    async fn stray(&mut self, of: Digest) -> Result<Option<Stray>> {
        let query = sqlx::query(concat!("SELECT ", columns!(strays), " FROM strays WHERE digest = $1"))
            .bind(raw(&of));
        query.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(stray).transpose()
    }

    async fn put_stray(&mut self, stray: &Stray) -> Result<()> {
        let state = match stray.state {
            StrayState::Found => "found",
            StrayState::Condemned => "condemned",
            StrayState::Removed => "removed",
        };
        sqlx::query(
            "INSERT INTO strays (digest, since_unix_s, state) VALUES ($1, $2, $3)
             ON CONFLICT (digest) DO UPDATE SET since_unix_s = excluded.since_unix_s, state = excluded.state",
        )
        .bind(raw(&stray.digest))
        .bind(stray.since_unix_s)
        .bind(state)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)
        .map(drop)
    }

    async fn remove_stray(&mut self, of: Digest) -> Result<()> {
        dialect::alone_with_strays(&mut self.tx).await?;
        let query = sqlx::query("DELETE FROM strays WHERE digest = $1").bind(raw(&of));
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }
}
