//! Saves, versions and contents in SQL. A version's record is kept whole as JSON; the columns beside it are indexes.

use async_trait::async_trait;
use retrosync_protocol::{Content, DeviceId, Digest, Epoch, SaveId, Version, VersionId, WriterId};

use super::{Row, SqlTx, count, damaged, dialect, digest, failed, flag, get, int, json, parsed, raw};
use crate::catalog::columns::columns;
use crate::catalog::{
    CatalogError, Change, Figures, Result, SaveRecord, SaveRow, Saves, StoredVersion, UserId,
};

/// How many saves one query is about: few queries, and small ones.
const AT_ONCE: usize = 500;

fn save(row: &Row) -> Result<SaveRecord> {
    Ok(SaveRecord {
        row: SaveRow(get(row, "id")?),
        save: parsed(row, "save")?,
        change: count(row, "change")?,
    })
}

fn version(row: &Row) -> Result<StoredVersion> {
    let record: Version =
        serde_json::from_str(get::<&str>(row, "record")?).map_err(|why| damaged("record", why))?;
    Ok(StoredVersion {
        id: digest(row, "version")?,
        record,
        received_unix_s: get(row, "received_unix_s")?,
        device: get::<Option<&str>>(row, "device")?
            .map(str::parse)
            .transpose()
            .map_err(|why| damaged("device", why))?,
        device_name: get(row, "device_name")?,
        change: count(row, "change")?,
        leaf: flag(row, "leaf")?,
    })
}

fn content(row: &Row) -> Result<Content> {
    Ok(Content { digest: digest(row, "digest")?, size_bytes: count(row, "size_bytes")? })
}

fn change(row: &Row) -> Result<Change> {
    Ok(Change {
        number: count(row, "change")?,
        version: digest(row, "version")?,
        received_unix_s: get(row, "received_unix_s")?,
    })
}

#[async_trait]
impl Saves for SqlTx {
    async fn save(&mut self, user: UserId, id: &SaveId) -> Result<Option<SaveRecord>> {
        let row = sqlx::query("SELECT id, save, change FROM saves WHERE user_id = $1 AND save_key = $2")
            .bind(user.0)
            .bind(id.key());
        row.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(save).transpose()
    }

    async fn add_save(&mut self, user: UserId, id: &SaveId) -> Result<SaveRow> {
        let query =
            sqlx::query("INSERT INTO saves (user_id, save, save_key) VALUES ($1, $2, $3) RETURNING id")
                .bind(user.0)
                .bind(id.as_str())
                .bind(id.key());
        get(&query.fetch_one(&mut *self.tx).await.map_err(failed)?, "id").map(SaveRow)
    }

    async fn saves_since(&mut self, user: UserId, since: u64, limit: u32) -> Result<Vec<SaveRecord>> {
        let rows = sqlx::query(
            "SELECT id, save, change FROM saves WHERE user_id = $1 AND change > $2 ORDER BY change LIMIT $3",
        )
        .bind(user.0)
        .bind(int(since))
        .bind(i64::from(limit));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(save).collect()
    }

    async fn last_change(&mut self, user: UserId) -> Result<u64> {
        let query = sqlx::query("SELECT last_change FROM users WHERE id = $1").bind(user.0);
        let row = query.fetch_optional(&mut *self.tx).await.map_err(failed)?;
        row.map_or(Ok(0), |row| count(&row, "last_change"))
    }

    async fn standing(&mut self, user: UserId) -> Result<(Epoch, Option<Change>)> {
        let query = sqlx::query(
            "SELECT epoch, change, version, received_unix_s FROM server LEFT JOIN versions
             ON user_id = $1 AND change = (SELECT last_change FROM users WHERE id = $1)",
        )
        .bind(user.0);
        let row = query.fetch_one(&mut *self.tx).await.map_err(failed)?;
        let has_one = get::<Option<i64>>(&row, "change")?.is_some();
        Ok((parsed(&row, "epoch")?, has_one.then(|| change(&row)).transpose()?))
    }

    async fn nth_change(&mut self, user: UserId, number: u64) -> Result<Option<Change>> {
        let query = sqlx::query(
            "SELECT change, version, received_unix_s FROM versions WHERE user_id = $1 AND change = $2",
        )
        .bind(user.0)
        .bind(int(number));
        query.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(change).transpose()
    }

    async fn news(&mut self, user: UserId, since: u64, device: Option<&DeviceId>) -> Result<bool> {
        let query = sqlx::query(
            "SELECT 1 FROM versions WHERE user_id = $1 AND change > $2 AND device IS DISTINCT FROM $3 LIMIT 1",
        )
        .bind(user.0)
        .bind(int(since))
        .bind(device.map(DeviceId::as_str));
        Ok(query.fetch_optional(&mut *self.tx).await.map_err(failed)?.is_some())
    }

    async fn news_beside(&mut self, user: UserId, since: u64, writer: &WriterId) -> Result<bool> {
        let query =
            sqlx::query("SELECT 1 FROM versions WHERE user_id = $1 AND change > $2 AND writer <> $3 LIMIT 1")
                .bind(user.0)
                .bind(int(since))
                .bind(writer.as_str());
        Ok(query.fetch_optional(&mut *self.tx).await.map_err(failed)?.is_some())
    }

    async fn add_version(
        &mut self,
        user: UserId,
        row: SaveRow,
        version: &StoredVersion,
        superseded: &[VersionId],
    ) -> Result<()> {
        self.touched.users.insert(user.0);
        let record =
            serde_json::to_string(&version.record).map_err(|why| CatalogError::Failed(why.to_string()))?;
        sqlx::query(
            "INSERT INTO versions (save_id, user_id, version, change, content, writer, sequence, leaf,
             received_unix_s, device, device_name, record) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(row.0)
        .bind(user.0)
        .bind(raw(&version.id))
        .bind(int(version.change))
        .bind(version.record.content.map(|content| raw(&content.digest)))
        .bind(version.record.writer.as_str())
        .bind(int(version.record.sequence))
        .bind(i64::from(version.leaf))
        .bind(version.received_unix_s)
        .bind(version.device.as_ref().map(DeviceId::as_str))
        .bind(&version.device_name)
        .bind(record)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)?;
        let superseded = json(&superseded.iter().map(VersionId::to_string).collect::<Vec<_>>())?;
        for follows in dialect::FOLLOWS_A_VERSION {
            let query = sqlx::query(*follows).bind(row.0).bind(user.0).bind(int(version.change));
            query.bind(&superseded).execute(&mut *self.tx).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn version(&mut self, row: SaveRow, id: VersionId) -> Result<Option<StoredVersion>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(versions),
            " FROM versions WHERE save_id = $1 AND version = $2"
        ))
        .bind(row.0)
        .bind(raw(&id));
        query.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(version).transpose()
    }

    async fn versions_between(
        &mut self,
        user: UserId,
        first: VersionId,
        last: VersionId,
    ) -> Result<Vec<StoredVersion>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(versions),
            " FROM versions WHERE user_id = $1 AND version BETWEEN $2 AND $3 ORDER BY version LIMIT 16"
        ))
        .bind(user.0)
        .bind(raw(&first))
        .bind(raw(&last));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(version).collect()
    }

    async fn version_by_sequence(
        &mut self,
        user: UserId,
        writer: &WriterId,
        sequence: u64,
    ) -> Result<Option<VersionId>> {
        let query =
            sqlx::query("SELECT version FROM versions WHERE user_id = $1 AND writer = $2 AND sequence = $3")
                .bind(user.0)
                .bind(writer.as_str())
                .bind(int(sequence));
        let row = query.fetch_optional(&mut *self.tx).await.map_err(failed)?;
        row.map(|row| digest(&row, "version")).transpose()
    }

    async fn last_sequence(&mut self, user: UserId, writer: &WriterId) -> Result<u64> {
        let query = sqlx::query(
            "SELECT coalesce(max(sequence), 0) AS last FROM versions WHERE user_id = $1 AND writer = $2",
        )
        .bind(user.0)
        .bind(writer.as_str());
        count(&query.fetch_one(&mut *self.tx).await.map_err(failed)?, "last")
    }

    async fn leaves(&mut self, row: SaveRow) -> Result<Vec<StoredVersion>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(versions),
            " FROM versions WHERE save_id = $1 AND leaf = 1 ORDER BY change"
        ))
        .bind(row.0);
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(version).collect()
    }

    async fn leaves_of_each(&mut self, rows: &[SaveRow]) -> Result<Vec<Vec<StoredVersion>>> {
        let mut all: Vec<Vec<StoredVersion>> = Vec::new();
        all.resize_with(rows.len(), Vec::new);
        for (from, some) in (0..).step_by(AT_ONCE).zip(rows.chunks(AT_ONCE)) {
            let asked: Vec<i64> = some.iter().map(|row| row.0).collect();
            let found = sqlx::query(dialect::LEAVES_OF_EACH).bind(json(&asked)?);
            for row in found.fetch_all(&mut *self.tx).await.map_err(failed)? {
                let place = from + usize::try_from(count(&row, "place")?).unwrap_or(usize::MAX - from);
                if let Some(leaves) = all.get_mut(place) {
                    leaves.push(version(&row)?);
                }
            }
        }
        Ok(all)
    }

    async fn history(&mut self, row: SaveRow, before: u64, limit: u32) -> Result<Vec<StoredVersion>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(versions),
            " FROM versions WHERE save_id = $1 AND change < $2 ORDER BY change DESC LIMIT $3"
        ))
        .bind(row.0)
        .bind(int(before))
        .bind(i64::from(limit));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(version).collect()
    }

    async fn were_contents(&mut self, user: UserId, of: &[(&SaveId, Digest)]) -> Result<Vec<bool>> {
        let mut were = Vec::with_capacity(of.len());
        for some in of.chunks(AT_ONCE) {
            let asked: Vec<_> = some.iter().map(|(save, digest)| (save.key(), digest.to_string())).collect();
            let rows = sqlx::query(dialect::WERE_CONTENTS).bind(user.0).bind(json(&asked)?);
            for row in rows.fetch_all(&mut *self.tx).await.map_err(failed)? {
                were.push(get(&row, "was")?);
            }
        }
        Ok(were)
    }

    async fn add_content(&mut self, user: UserId, content: Content, now_unix_s: i64) -> Result<bool> {
        let added = sqlx::query(
            "INSERT INTO contents (user_id, digest, size_bytes, added_unix_s)
             SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM strays WHERE digest = $2 AND state <> 'found')
             ON CONFLICT (user_id, digest) DO UPDATE SET unneeded_unix_s = NULL",
        )
        .bind(user.0)
        .bind(raw(&content.digest))
        .bind(int(content.size_bytes))
        .bind(now_unix_s)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)?;
        Ok(added.rows_affected() > 0)
    }

    async fn content(&mut self, user: UserId, digest: Digest) -> Result<Option<Content>> {
        let query = sqlx::query("SELECT digest, size_bytes FROM contents WHERE user_id = $1 AND digest = $2")
            .bind(user.0)
            .bind(raw(&digest));
        query.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(content).transpose()
    }

    async fn all_contents(&mut self) -> Result<Vec<Content>> {
        let rows = sqlx::query("SELECT DISTINCT digest, size_bytes FROM contents ORDER BY digest");
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(content).collect()
    }

    async fn saves_with_content(&mut self, digest: Digest) -> Result<Vec<SaveId>> {
        let rows = sqlx::query(
            "SELECT DISTINCT saves.save FROM saves JOIN versions ON versions.save_id = saves.id
             WHERE versions.content = $1 ORDER BY saves.save",
        )
        .bind(raw(&digest));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(|row| parsed(row, "save")).collect()
    }

    async fn figures(&mut self, user: UserId) -> Result<Figures> {
        let query = sqlx::query(
            "SELECT (SELECT count(*) FROM saves WHERE user_id = $1) AS saves,
                    (SELECT count(*) FROM versions WHERE user_id = $1) AS versions,
                    (SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT) FROM contents WHERE user_id = $1) AS size_bytes,
                    (SELECT count(*) FROM devices WHERE user_id = $1 AND revoked = 0) AS devices",
        )
        .bind(user.0);
        let row = query.fetch_one(&mut *self.tx).await.map_err(failed)?;
        Ok(Figures {
            saves: count(&row, "saves")?,
            versions: count(&row, "versions")?,
            size_bytes: count(&row, "size_bytes")?,
            devices: count(&row, "devices")?,
        })
    }
}
