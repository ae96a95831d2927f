//! Uploads, blocks and kept answers in SQL.

use async_trait::async_trait;
use retrosync_protocol::{BLOCK_BYTES, Content, Digest};

use super::{SqlTx, count, digest, digest_of, failed, get, int, raw};
use crate::catalog::columns::columns;
use crate::catalog::{BlockPlace, OperationRecord, Operations, Result, Upload, UploadId, Uploads, UserId};

#[async_trait]
impl Uploads for SqlTx {
    async fn add_upload(&mut self, upload: &Upload) -> Result<UploadId> {
        let digests: Vec<u8> = upload.block_digests.iter().flat_map(|digest| *digest.as_bytes()).collect();
        let query = sqlx::query(
            "INSERT INTO uploads (user_id, digest, size_bytes, block_digests, staged, touched_unix_s)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        )
        .bind(upload.user.0)
        .bind(raw(&upload.content.digest))
        .bind(int(upload.content.size_bytes))
        .bind(digests)
        .bind(flags(&upload.staged))
        .bind(upload.touched_unix_s);
        get(&query.fetch_one(&mut *self.tx).await.map_err(failed)?, "id").map(UploadId)
    }

    async fn upload(&mut self, user: UserId, of: Digest) -> Result<Option<Upload>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(uploads),
            " FROM uploads WHERE user_id = $1 AND digest = $2"
        ))
        .bind(user.0)
        .bind(raw(&of));
        let Some(row) = query.fetch_optional(&mut *self.tx).await.map_err(failed)? else { return Ok(None) };
        let digests: &[u8] = get(&row, "block_digests")?;
        let staged: &[u8] = get(&row, "staged")?;
        Ok(Some(Upload {
            id: UploadId(get(&row, "id")?),
            user,
            content: Content { digest: digest(&row, "digest")?, size_bytes: count(&row, "size_bytes")? },
            block_digests: digests
                .chunks(32)
                .map(|bytes| digest_of(bytes, "block_digests"))
                .collect::<Result<_>>()?,
            staged: staged.iter().map(|flag| *flag != 0).collect(),
            touched_unix_s: get(&row, "touched_unix_s")?,
        }))
    }

    async fn put_staged(&mut self, id: UploadId, staged: &[bool], touched_unix_s: i64) -> Result<()> {
        let query = sqlx::query("UPDATE uploads SET staged = $1, touched_unix_s = $2 WHERE id = $3")
            .bind(flags(staged))
            .bind(touched_unix_s)
            .bind(id.0);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn remove_upload(&mut self, id: UploadId) -> Result<()> {
        let query = sqlx::query("DELETE FROM uploads WHERE id = $1").bind(id.0);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn idle_uploads(&mut self, before_unix_s: i64) -> Result<Vec<UploadId>> {
        let rows =
            sqlx::query("SELECT id FROM uploads WHERE touched_unix_s < $1 ORDER BY id").bind(before_unix_s);
        let rows = rows.fetch_all(&mut *self.tx).await.map_err(failed)?;
        rows.iter().map(|row| get(row, "id").map(UploadId)).collect()
    }

    async fn add_blocks(&mut self, content: Content, block_digests: &[Digest]) -> Result<()> {
        let offsets = (0..content.size_bytes).step_by(BLOCK_BYTES as usize);
        for (offset_bytes, digest) in offsets.zip(block_digests) {
            sqlx::query(
                "INSERT INTO blocks (digest, content, offset_bytes, length_bytes) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(raw(digest))
            .bind(raw(&content.digest))
            .bind(int(offset_bytes))
            .bind(int(BLOCK_BYTES.min(content.size_bytes - offset_bytes)))
            .execute(&mut *self.tx)
            .await
            .map_err(failed)?;
        }
        Ok(())
    }

    async fn forget_blocks(&mut self, content: Digest) -> Result<()> {
        let query = sqlx::query("DELETE FROM blocks WHERE content = $1").bind(raw(&content));
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn block(&mut self, user: UserId, of: Digest) -> Result<Option<BlockPlace>> {
        // Only in contents that this user has: whether another user has a block is nobody's business.
        let query = sqlx::query(
            "SELECT blocks.content, blocks.offset_bytes, blocks.length_bytes FROM blocks
             JOIN contents ON contents.digest = blocks.content AND contents.user_id = $1
             WHERE blocks.digest = $2 LIMIT 1",
        )
        .bind(user.0)
        .bind(raw(&of));
        let Some(row) = query.fetch_optional(&mut *self.tx).await.map_err(failed)? else { return Ok(None) };
        Ok(Some(BlockPlace {
            content: digest(&row, "content")?,
            offset_bytes: count(&row, "offset_bytes")?,
            length_bytes: count(&row, "length_bytes")?,
        }))
    }
}

#[async_trait]
impl Operations for SqlTx {
    async fn operation(&mut self, scope: &str, id: &str) -> Result<Option<OperationRecord>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(operations),
            " FROM operations WHERE scope = $1 AND id = $2"
        ))
        .bind(scope)
        .bind(id);
        let Some(row) = query.fetch_optional(&mut *self.tx).await.map_err(failed)? else { return Ok(None) };
        Ok(Some(OperationRecord {
            scope: get(&row, "scope")?,
            id: get(&row, "id")?,
            request: digest(&row, "request")?,
            reply: get(&row, "reply")?,
            at_unix_s: get(&row, "at_unix_s")?,
        }))
    }

    async fn keep_operation(&mut self, operation: &OperationRecord) -> Result<()> {
        sqlx::query(
            "INSERT INTO operations (scope, id, request, reply, at_unix_s) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&operation.scope)
        .bind(&operation.id)
        .bind(raw(&operation.request))
        .bind(&operation.reply)
        .bind(operation.at_unix_s)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)
        .map(drop)
    }

    async fn forget_operations(&mut self, before_unix_s: i64) -> Result<()> {
        let query = sqlx::query("DELETE FROM operations WHERE at_unix_s < $1").bind(before_unix_s);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }
}

fn flags(staged: &[bool]) -> Vec<u8> {
    staged.iter().map(|flag| u8::from(*flag)).collect()
}
