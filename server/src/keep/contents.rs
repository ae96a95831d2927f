//! Contents from one store of bytes to another, whichever the two are: for backups, restores and moves.
//!
//! Every byte is hashed on its way: what is not what its name says is not handed on, but named. What the target has already stays as
//! it is, so a copy that broke off goes on where it was.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use retrosync_protocol::{BLOCK_BYTES, Content, INLINE_LIMIT_BYTES};

use super::KeepError;
use crate::blobs::{BlobError, Blobs, Piece};
use crate::catalog::UploadId;

/// How many contents are read at once, and published together.
const AT_ONCE: usize = 16;
/// How many blocks are held before they are staged.
const BLOCKS: usize = 64;
/// Staged blocks need a name; no catalog gives this one.
const COPYING: UploadId = UploadId(-1);

/// Copies these contents. `told` hears now and then how many are done, and their bytes. Answers those that could not be read
/// whole, with what is wrong.
///
/// # Errors
/// When the target fails, or the source cannot be used at all.
pub async fn copy_contents(
    from: &dyn Blobs,
    to: &dyn Blobs,
    contents: Vec<Content>,
    told: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Vec<(Content, String)>, KeepError> {
    let mut lost = Vec::new();
    let (mut done, mut done_bytes) = (0, 0);
    for some in contents.chunks(AT_ONCE * 4) {
        let lacking = stream::iter(some.to_vec()).map(|content| async move {
            let there = to.size_bytes(content.digest).await? == Some(content.size_bytes);
            Ok::<_, BlobError>((!there).then_some(content))
        });
        let lacking: Vec<Content> =
            lacking.buffered(AT_ONCE).try_filter_map(|lacks| async move { Ok(lacks) }).try_collect().await?;
        let (small, large): (Vec<Content>, Vec<Content>) =
            lacking.into_iter().partition(|content| content.size_bytes <= INLINE_LIMIT_BYTES);
        let read = stream::iter(small).map(|content| async move { (content, whole(from, content).await) });
        let read: Vec<_> = read.buffered(AT_ONCE).collect().await;
        let mut batch = Vec::new();
        for (content, bytes) in read {
            let staged = match bytes? {
                Ok(bytes) => to.stage(content, bytes).await,
                Err(why) => {
                    lost.push((content, why));
                    continue;
                }
            };
            match staged {
                Ok(staged) => batch.push(staged),
                Err(BlobError::Mismatch) => lost.push((content, "its bytes are others than recorded".into())),
                Err(why) => return Err(why.into()),
            }
        }
        to.publish(batch).await?;
        for content in large {
            if let Err(why) = copy_large(from, to, content).await? {
                lost.push((content, why));
            }
        }
        done += some.len() as u64;
        done_bytes += some.iter().map(|content| content.size_bytes).sum::<u64>();
        told(done, done_bytes);
    }
    Ok(lost)
}

/// Bytes, or what is wrong with just these.
type Read<T> = Result<Result<T, String>, KeepError>;

async fn open(from: &dyn Blobs, content: Content) -> Read<crate::blobs::BlobStream> {
    match from.open(content.digest, 0..content.size_bytes).await {
        Ok(Some(bytes)) => Ok(Ok(bytes)),
        Ok(None) => Ok(Err("its bytes are missing".into())),
        // The store as a whole.
        Err(why @ BlobError::Unavailable { .. }) => Err(why.into()),
        Err(why) => Ok(Err(why.to_string())),
    }
}

async fn whole(from: &dyn Blobs, content: Content) -> Read<Bytes> {
    let mut bytes = match open(from, content).await? {
        Ok(bytes) => bytes,
        Err(why) => return Ok(Err(why)),
    };
    let mut whole = BytesMut::new();
    while let Some(chunk) = bytes.next().await {
        match chunk {
            Ok(chunk) => whole.extend_from_slice(&chunk),
            Err(why) => return Ok(Err(format!("its bytes cannot be read: {why}"))),
        }
    }
    Ok(Ok(whole.freeze()))
}

/// A content of more than 1 MiB, block by block.
async fn copy_large(from: &dyn Blobs, to: &dyn Blobs, content: Content) -> Read<()> {
    let mut bytes = match open(from, content).await? {
        Ok(bytes) => bytes,
        Err(why) => return Ok(Err(why)),
    };
    let block_bytes = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
    let mut held = BytesMut::new();
    let mut blocks: Vec<(u64, Bytes)> = Vec::new();
    let mut count = 0;
    let mut ended = false;
    while !ended {
        match bytes.next().await {
            Some(Ok(chunk)) => held.extend_from_slice(&chunk),
            Some(Err(why)) => {
                to.drop_upload(COPYING).await?;
                return Ok(Err(format!("its bytes cannot be read: {why}")));
            }
            None => ended = true,
        }
        while held.len() >= block_bytes || (ended && !held.is_empty()) {
            let block = held.split_to(block_bytes.min(held.len())).freeze();
            blocks.push((count, block));
            count += 1;
        }
        if blocks.len() >= BLOCKS || ended {
            to.stage_blocks(COPYING, std::mem::take(&mut blocks)).await?;
        }
    }
    let pieces: Vec<Piece> = (0..count).map(Piece::Staged).collect();
    let assembled = to.assemble(COPYING, content, &pieces).await;
    to.drop_upload(COPYING).await?;
    match assembled {
        Ok(()) => Ok(Ok(())),
        Err(BlobError::Mismatch) => Ok(Err("its bytes are others than recorded".into())),
        Err(why) => Err(why.into()),
    }
}
