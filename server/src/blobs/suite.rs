//! What every store of bytes must do, as tests: each case gets a fresh, empty store.

#![allow(clippy::unwrap_used)]

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryStreamExt as _};
use retrosync_protocol::{BLOCK_BYTES, Content, Digest};

use super::{BlobError, Blobs, Piece};
use crate::catalog::UploadId;
use crate::sample::content;

pub(super) type Case = fn(Arc<dyn Blobs>) -> BoxFuture<'static, ()>;

pub(super) const CASES: &[Case] = &[
    |blobs| staged_is_not_found_and_published_is(blobs).boxed(),
    |blobs| wrong_bytes_are_refused_and_leave_nothing(blobs).boxed(),
    |blobs| any_range_is_read_and_cut_at_the_end(blobs).boxed(),
    |blobs| putting_twice_or_at_once_is_harmless(blobs).boxed(),
    |blobs| a_large_batch_is_there_as_a_whole(blobs).boxed(),
    |blobs| the_list_has_all_and_delete_takes_one(blobs).boxed(),
    |blobs| a_large_content_is_put_together_from_pieces(blobs).boxed(),
    |blobs| pieces_that_do_not_fit_leave_nothing_and_can_be_mended(blobs).boxed(),
    |blobs| a_dropped_upload_is_gone(blobs).boxed(),
];

/// Bytes that look like nothing: `length` of them, others for each seed.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

pub(super) async fn put(blobs: &dyn Blobs, bytes: &[u8]) -> Content {
    let content = content(bytes);
    let staged = blobs.stage(content, Bytes::copy_from_slice(bytes)).await.unwrap();
    blobs.publish(vec![staged]).await.unwrap();
    content
}

pub(super) async fn get(blobs: &dyn Blobs, digest: Digest, range: Range<u64>) -> Option<Vec<u8>> {
    let chunks: Vec<Bytes> = blobs.open(digest, range).await.unwrap()?.try_collect().await.unwrap();
    Some(chunks.concat())
}

async fn all(blobs: &dyn Blobs, digest: Digest) -> Option<Vec<u8>> {
    get(blobs, digest, 0..u64::MAX).await
}

async fn listed(blobs: &dyn Blobs) -> Vec<(Digest, u64)> {
    let found: Vec<_> = blobs.list().await.unwrap().try_collect().await.unwrap();
    let mut found: Vec<_> = found.into_iter().map(|blob| (blob.digest, blob.size_bytes)).collect();
    found.sort();
    found
}

async fn staged_is_not_found_and_published_is(blobs: Arc<dyn Blobs>) {
    for bytes in [b"a save".as_slice(), b"", &noise(1, 1 << 20)] {
        let content = content(bytes);
        let staged = blobs.stage(content, Bytes::copy_from_slice(bytes)).await.unwrap();
        assert_eq!(staged.content(), content);
        assert_eq!(blobs.size_bytes(content.digest).await.unwrap(), None);
        assert_eq!(all(blobs.as_ref(), content.digest).await, None);
        blobs.publish(vec![staged]).await.unwrap();
        assert_eq!(blobs.size_bytes(content.digest).await.unwrap(), Some(content.size_bytes));
        assert_eq!(all(blobs.as_ref(), content.digest).await.as_deref(), Some(bytes));
    }
}

async fn wrong_bytes_are_refused_and_leave_nothing(blobs: Arc<dyn Blobs>) {
    let named = content(b"what was named");
    let longer = Content { size_bytes: named.size_bytes + 1, ..named };
    for (claim, bytes, case) in [
        (named, b"what came now!".as_slice(), "other bytes"),
        (named, b"what was", "a part"),
        (longer, b"what was named", "another size"),
    ] {
        let refused = blobs.stage(claim, Bytes::copy_from_slice(bytes)).await;
        assert!(matches!(refused, Err(BlobError::Mismatch)), "{case}");
    }
    assert_eq!(listed(blobs.as_ref()).await, []);
}

async fn any_range_is_read_and_cut_at_the_end(blobs: Arc<dyn Blobs>) {
    let bytes = noise(2, 300_000);
    let content = put(blobs.as_ref(), &bytes).await;
    for range in [0..1, 0..300_000, 131_071..131_073, 299_999..300_000, 0..u64::MAX, 300_000..300_001, 7..7] {
        let (start, end) = (range.start.min(300_000) as usize, range.end.min(300_000) as usize);
        let read = get(blobs.as_ref(), content.digest, range.clone()).await;
        assert!(read.as_deref() == Some(&bytes[start..end]), "{range:?}");
    }
}

async fn putting_twice_or_at_once_is_harmless(blobs: Arc<dyn Blobs>) {
    let bytes = noise(3, 100_000);
    put(blobs.as_ref(), &bytes).await;
    let again = (0..8).map(|_| {
        let (blobs, bytes) = (Arc::clone(&blobs), bytes.clone());
        tokio::spawn(async move { put(blobs.as_ref(), &bytes).await })
    });
    for task in again.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(listed(blobs.as_ref()).await, [(Digest::of(&bytes), 100_000)]);
    assert!(all(blobs.as_ref(), Digest::of(&bytes)).await == Some(bytes));
}

async fn a_large_batch_is_there_as_a_whole(blobs: Arc<dyn Blobs>) {
    let mut batch = Vec::new();
    for seed in 0..300 {
        let bytes = noise(seed, 500);
        batch.push(blobs.stage(content(&bytes), bytes.into()).await.unwrap());
    }
    blobs.publish(batch).await.unwrap();
    for seed in 0..300 {
        let bytes = noise(seed, 500);
        assert_eq!(all(blobs.as_ref(), Digest::of(&bytes)).await, Some(bytes));
    }
    blobs.publish(Vec::new()).await.unwrap();
}

async fn the_list_has_all_and_delete_takes_one(blobs: Arc<dyn Blobs>) {
    let mut expected = Vec::new();
    for seed in 0..20 {
        let content = put(blobs.as_ref(), &noise(seed, 10 + seed as usize)).await;
        expected.push((content.digest, content.size_bytes));
    }
    expected.sort();
    assert_eq!(listed(blobs.as_ref()).await, expected);
    let (gone, _) = expected.remove(7);
    blobs.delete(gone).await.unwrap();
    blobs.delete(gone).await.unwrap();
    assert_eq!(listed(blobs.as_ref()).await, expected);
    assert_eq!(blobs.size_bytes(gone).await.unwrap(), None);
}

fn block(bytes: &[u8], index: usize) -> (u64, Bytes) {
    let size = BLOCK_BYTES as usize;
    (index as u64, Bytes::copy_from_slice(&bytes[index * size..bytes.len().min((index + 1) * size)]))
}

async fn a_large_content_is_put_together_from_pieces(blobs: Arc<dyn Blobs>) {
    let earlier = noise(4, 900_000);
    let from = put(blobs.as_ref(), &earlier).await.digest;
    // Block 1 comes from the earlier content, the others travel; the last is short.
    let mut bytes = noise(5, 4 * BLOCK_BYTES as usize + 17);
    let one = BLOCK_BYTES as usize..2 * BLOCK_BYTES as usize;
    bytes[one.clone()].copy_from_slice(&earlier[100..100 + one.len()]);
    let upload = UploadId(1);
    // In any order, in several requests, one of them sent twice.
    for indexes in [&[4, 0][..], &[2], &[3, 2]] {
        let blocks = indexes.iter().map(|index| block(&bytes, *index)).collect();
        blobs.stage_blocks(upload, blocks).await.unwrap();
    }
    let copied = Piece::Copied { from, offset_bytes: 100, length_bytes: BLOCK_BYTES };
    let pieces = [Piece::Staged(0), copied, Piece::Staged(2), Piece::Staged(3), Piece::Staged(4)];
    for _ in 0..2 {
        // Again, because the answer may have been lost.
        blobs.assemble(upload, content(&bytes), &pieces).await.unwrap();
        assert!(all(blobs.as_ref(), Digest::of(&bytes)).await.as_deref() == Some(&bytes));
    }
    blobs.drop_upload(upload).await.unwrap();
    assert!(all(blobs.as_ref(), Digest::of(&bytes)).await == Some(bytes), "what was published stays");
}

async fn pieces_that_do_not_fit_leave_nothing_and_can_be_mended(blobs: Arc<dyn Blobs>) {
    let bytes = noise(6, 2 * BLOCK_BYTES as usize);
    let upload = UploadId(2);
    blobs.stage_blocks(upload, vec![block(&bytes, 0)]).await.unwrap();
    let both = [Piece::Staged(0), Piece::Staged(1)];
    let twice = [Piece::Staged(0), Piece::Staged(0)];
    for (pieces, case) in
        [(&both[..], "a block is not staged"), (&twice, "a wrong block"), (&both[..1], "too short")]
    {
        let refused = blobs.assemble(upload, content(&bytes), pieces).await;
        assert!(matches!(refused, Err(BlobError::Mismatch)), "{case}: {refused:?}");
        assert_eq!(listed(blobs.as_ref()).await, [], "{case}");
    }
    let from = Digest::of(b"nowhere");
    let gone = [Piece::Staged(0), Piece::Copied { from, offset_bytes: 0, length_bytes: BLOCK_BYTES }];
    let refused = blobs.assemble(upload, content(&bytes), &gone).await;
    assert!(matches!(refused, Err(BlobError::Missing(digest)) if digest == from), "{refused:?}");
    blobs.stage_blocks(upload, vec![block(&bytes, 1)]).await.unwrap();
    blobs.assemble(upload, content(&bytes), &both).await.unwrap();
}

async fn a_dropped_upload_is_gone(blobs: Arc<dyn Blobs>) {
    let bytes = noise(7, BLOCK_BYTES as usize);
    let (dropped, other) = (UploadId(3), UploadId(30));
    for upload in [dropped, other] {
        blobs.stage_blocks(upload, vec![block(&bytes, 0)]).await.unwrap();
    }
    blobs.drop_upload(dropped).await.unwrap();
    blobs.drop_upload(dropped).await.unwrap();
    let refused = blobs.assemble(dropped, content(&bytes), &[Piece::Staged(0)]).await;
    assert!(matches!(refused, Err(BlobError::Mismatch)), "{refused:?}");
    blobs.assemble(other, content(&bytes), &[Piece::Staged(0)]).await.unwrap();
}
