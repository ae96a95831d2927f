//! Large contents: only the blocks that the server lacks travel, and a cut upload goes on where it was.
//!
//! A block counts as present when it is staged for this upload (durably, before the catalog says so) or when a large content
//! that the user already has contains it. The whole is verified when it is put together, so a wrong block can cost
//! another try and nothing else.

use bytes::Bytes;
use retrosync_protocol::{
    BLOCK_BYTES, Code, Content, Digest, INLINE_LIMIT_BYTES, MAX_CONTENT_BYTES, UploadReply, UploadRequest,
};

use super::store::quota_full;
use super::{Answer, Asker, Library, contents};
use crate::blobs::{BlobError, Piece};
use crate::catalog::{Access, Tx, Upload, UploadId};
use crate::refusal::Refusal;

/// How many bytes of blocks are held before they are staged.
const HELD_BYTES: usize = 4 << 20;

/// The blocks of one request, on their way in. What was staged before it is dropped is sent again.
pub struct BlockBatch {
    library: Library,
    asker: Asker,
    upload: Upload,
    held: Vec<(u64, Bytes)>,
    held_bytes: usize,
    staged: Vec<u64>,
}

/// What is there of an upload: for each block, where; `None`: nowhere yet.
type Places = Vec<Option<Piece>>;

impl Library {
    /// `POST /uploads`: starts an upload or tells what it still lacks. Asking again is harmless, so it needs no operation id.
    ///
    /// # Errors
    /// `malformed` when the block digests do not fit the size; `too_large`; `quota_full`.
    pub async fn upload(
        &self,
        asker: &Asker,
        request: &UploadRequest,
        now_unix_s: i64,
    ) -> Answer<UploadReply> {
        fits(request)?;
        // Asked before the transaction: a disk may be slow.
        let has_bytes = self.blobs.size_bytes(request.content.digest).await?.is_some();
        let mut tx = self.catalog.begin(Access::Write).await?;
        if tx.content(asker.user, request.content.digest).await?.is_some() {
            if has_bytes {
                contents::need(tx.as_mut(), asker.user, request.content.digest).await?;
                tx.commit().await?;
                return Ok(complete());
            }
            // Its blocks are as gone as the whole.
            tx.forget_blocks(request.content.digest).await?;
        }
        refuse_over_quota(tx.as_mut(), asker, request.content).await?;
        let mut forgotten = None;
        let had = match tx.upload(asker.user, request.content.digest).await? {
            Some(had) if had.block_digests != request.block_digests || had.content != request.content => {
                // The same whole in other blocks: one of the two was wrong. The newer one is believed.
                tx.remove_upload(had.id).await?;
                forgotten = Some(had.id);
                None
            }
            had => had,
        };
        let upload = match had {
            Some(had) => {
                tx.put_staged(had.id, &had.staged, now_unix_s).await?;
                had
            }
            None => started(tx.as_mut(), asker, request, now_unix_s).await?,
        };
        let places = places(tx.as_mut(), &upload).await?;
        tx.commit().await?;
        if let Some(id) = forgotten {
            self.blobs.drop_upload(id).await?;
        }
        self.complete_or_missing(asker, upload, places, now_unix_s).await
    }

    /// Starts a `POST /uploads/{digest}/blocks`: add each block, then finish. Sending a block again is harmless.
    ///
    /// # Errors
    /// `not_found` when no such upload was started.
    pub async fn blocks(&self, asker: &Asker, content: Digest) -> Answer<BlockBatch> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let upload = tx.upload(asker.user, content).await?.ok_or_else(|| no_upload(content))?;
        Ok(BlockBatch {
            library: self.clone(),
            asker: asker.clone(),
            upload,
            held: Vec::new(),
            held_bytes: 0,
            staged: Vec::new(),
        })
    }

    /// Puts the whole together when every block has a place.
    async fn complete_or_missing(
        &self,
        asker: &Asker,
        upload: Upload,
        places: Places,
        now_unix_s: i64,
    ) -> Answer<UploadReply> {
        let missing: Vec<u64> =
            (0_u64..).zip(&places).filter(|(_, place)| place.is_none()).map(|(index, _)| index).collect();
        if !missing.is_empty() {
            return Ok(UploadReply { missing, complete: false });
        }
        let pieces: Vec<Piece> = places.into_iter().flatten().collect();
        if let Err(why) = self.blobs.assemble(upload.id, upload.content, &pieces).await {
            return self.assembly_failed(asker, upload, &pieces, why).await;
        }
        // The bytes are durable and found by digest; now the names (promise 5).
        let mut tx = self.catalog.begin(Access::Write).await?;
        // Asked again: other uploads that fitted at their start may have been completed meanwhile.
        if tx.content(asker.user, upload.content.digest).await?.is_none() {
            refuse_over_quota(tx.as_mut(), asker, upload.content).await?;
        }
        contents::keep(tx.as_mut(), self.blobs.as_ref(), asker.user, upload.content, now_unix_s).await?;
        if upload.content.size_bytes > INLINE_LIMIT_BYTES {
            tx.add_blocks(upload.content, &upload.block_digests).await?;
        }
        tx.remove_upload(upload.id).await?;
        tx.commit().await?;
        self.blobs.drop_upload(upload.id).await?;
        Ok(complete())
    }

    /// The whole is not what was named: the upload is dropped, and no block is taken from the same places again.
    async fn assembly_failed(
        &self,
        asker: &Asker,
        upload: Upload,
        pieces: &[Piece],
        why: BlobError,
    ) -> Answer<UploadReply> {
        if !matches!(why, BlobError::Mismatch | BlobError::Missing(_)) {
            return Err(why.into());
        }
        let has_bytes = self.blobs.size_bytes(upload.content.digest).await?.is_some();
        let mut tx = self.catalog.begin(Access::Write).await?;
        if tx.content(asker.user, upload.content.digest).await?.is_some() && has_bytes {
            // The same upload was completed by another request meanwhile.
            tx.commit().await?;
            return Ok(complete());
        }
        let mut copied: Vec<Digest> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Copied { from, .. } => Some(*from),
                Piece::Staged(_) => None,
            })
            .collect();
        copied.sort();
        copied.dedup();
        for content in copied {
            log::warn!("blocks of `{content}` may be damaged; run `retrosync-server check`");
            tx.forget_blocks(content).await?;
        }
        tx.remove_upload(upload.id).await?;
        tx.commit().await?;
        self.blobs.drop_upload(upload.id).await?;
        Err(BlobError::Mismatch.into())
    }
}

impl BlockBatch {
    /// Takes in one block's bytes (inflated, at most 64 KiB); a few MiB are held before they are staged.
    ///
    /// # Errors
    /// `malformed` for an index that is not of the upload; `digest_mismatch`; `disk_full`.
    pub async fn add(&mut self, index: u64, digest: Digest, bytes: Bytes) -> Answer<()> {
        let named = usize::try_from(index).ok().and_then(|index| self.upload.block_digests.get(index));
        let Some(named) = named else {
            return Err(Refusal::new(Code::Malformed, format!("the upload has no block {index}")));
        };
        let length_bytes = BLOCK_BYTES.min(self.upload.content.size_bytes - index * BLOCK_BYTES);
        if *named != digest || bytes.len() as u64 != length_bytes || Digest::of(&bytes) != digest {
            return Err(BlobError::Mismatch.into());
        }
        self.held_bytes += bytes.len();
        self.held.push((index, bytes));
        if self.held_bytes >= HELD_BYTES { self.stage().await } else { Ok(()) }
    }

    /// Has no block come whole?
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.staged.is_empty()
    }

    async fn stage(&mut self) -> Answer<()> {
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        let indexes: Vec<u64> = held.iter().map(|(index, _)| *index).collect();
        self.library.blobs.stage_blocks(self.upload.id, held).await?;
        self.staged.extend(indexes);
        Ok(())
    }

    /// Makes the blocks durable; when it was the last, puts the whole together and verifies it.
    ///
    /// # Errors
    /// `digest_mismatch` when the whole is not what was named (the upload is dropped); `disk_full`.
    pub async fn finish(mut self, now_unix_s: i64) -> Answer<UploadReply> {
        if !self.held.is_empty() {
            self.stage().await?;
        }
        let content = self.upload.content.digest;
        let mut tx = self.library.catalog.begin(Access::Write).await?;
        // Looked up again: another request may have staged other blocks, or completed it.
        let Some(mut upload) =
            tx.upload(self.asker.user, content).await?.filter(|now| now.id == self.upload.id)
        else {
            let known = tx.content(self.asker.user, content).await?.is_some();
            tx.commit().await?;
            return if known { Ok(complete()) } else { Err(no_upload(content)) };
        };
        for index in self.staged {
            if let Some(flag) = usize::try_from(index).ok().and_then(|index| upload.staged.get_mut(index)) {
                *flag = true;
            }
        }
        tx.put_staged(upload.id, &upload.staged, now_unix_s).await?;
        let places = places(tx.as_mut(), &upload).await?;
        tx.commit().await?;
        self.library.complete_or_missing(&self.asker, upload, places, now_unix_s).await
    }
}

fn complete() -> UploadReply {
    UploadReply { missing: Vec::new(), complete: true }
}

fn no_upload(content: Digest) -> Refusal {
    Refusal::new(Code::NotFound, format!("no upload of `{content}` was started"))
        .help("start it with POST /uploads")
}

fn fits(request: &UploadRequest) -> Answer<()> {
    let size_bytes = request.content.size_bytes;
    if size_bytes > MAX_CONTENT_BYTES {
        return Err(Refusal::new(Code::TooLarge, format!("{size_bytes} bytes are more than 512 MiB")));
    }
    let blocks = size_bytes.div_ceil(BLOCK_BYTES);
    if request.block_digests.len() as u64 != blocks {
        return Err(Refusal::new(
            Code::Malformed,
            format!("{size_bytes} bytes are {blocks} blocks, not {}", request.block_digests.len()),
        ));
    }
    Ok(())
}

async fn refuse_over_quota(tx: &mut dyn Tx, asker: &Asker, content: Content) -> Answer<()> {
    let Some(quota_bytes) = tx.user(asker.user).await?.and_then(|user| user.quota_bytes) else {
        return Ok(());
    };
    let had_bytes = tx.figures(asker.user).await?.size_bytes;
    if had_bytes + content.size_bytes > quota_bytes { Err(quota_full(quota_bytes)) } else { Ok(()) }
}

async fn started(tx: &mut dyn Tx, asker: &Asker, request: &UploadRequest, now_unix_s: i64) -> Answer<Upload> {
    let mut upload = Upload {
        id: UploadId(0),
        user: asker.user,
        content: request.content,
        block_digests: request.block_digests.clone(),
        staged: vec![false; request.block_digests.len()],
        touched_unix_s: now_unix_s,
    };
    upload.id = tx.add_upload(&upload).await?;
    Ok(upload)
}

/// Where each block is: staged, or in a content of the user.
async fn places(tx: &mut dyn Tx, upload: &Upload) -> Answer<Places> {
    let mut places = Vec::with_capacity(upload.staged.len());
    for ((index, staged), digest) in (0_u64..).zip(&upload.staged).zip(&upload.block_digests) {
        let place = if *staged {
            Some(Piece::Staged(index))
        } else {
            tx.block(upload.user, *digest).await?.map(|found| Piece::Copied {
                from: found.content,
                offset_bytes: found.offset_bytes,
                length_bytes: found.length_bytes,
            })
        };
        places.push(place);
    }
    Ok(places)
}
