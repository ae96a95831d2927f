//! The blobs in an object store: in memory for tests and simulations, in S3 and its like where one machine is not enough.
//!
//! Promise 5, *bytes before names*: an object appears whole or not at all, and is durable when its `put` answers; so staging
//! verifies in memory and publishing puts. May assume no conditional request: an object is put again only with the same bytes.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _};
use retrosync_protocol::{BLOCK_BYTES, Content, Digest, Hasher};

use super::{BlobError, BlobStream, Blobs, Found, Piece, Place, Result, Staged};
use crate::catalog::UploadId;

/// How many objects of a batch are put at once.
const PUTS_AT_ONCE: usize = 8;
/// The size of a part when a content is put together; stores ask for 5 MiB at least.
const PART_BYTES: usize = 8 << 20;

/// Blobs in an object store.
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
}

impl ObjectBlobs {
    /// Blobs in this store.
    pub fn new(store: Arc<dyn ObjectStore>) -> ObjectBlobs {
        ObjectBlobs { store }
    }

    /// Blobs in memory.
    pub fn in_memory() -> ObjectBlobs {
        ObjectBlobs::new(Arc::new(InMemory::new()))
    }

    /// Reads a range of an object; the object may be gone.
    async fn range(&self, path: &Path, range: Range<u64>) -> object_store::Result<BlobStream> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let got = self.store.get_opts(path, options).await?;
        Ok(got.into_stream().map_err(io::Error::other).boxed())
    }

    /// The bytes of a piece: at most a block or a copied range, as a stream.
    async fn piece(&self, upload: UploadId, piece: Piece) -> Result<BlobStream> {
        match piece {
            Piece::Staged(index) => match self.store.get(&block_path(upload, index)).await {
                Err(object_store::Error::NotFound { .. }) => Err(BlobError::Mismatch),
                got => Ok(got.map_err(failed)?.into_stream().map_err(io::Error::other).boxed()),
            },
            Piece::Copied { from, offset_bytes, length_bytes } => {
                match self.range(&path(from), offset_bytes..offset_bytes + length_bytes).await {
                    Err(object_store::Error::NotFound { .. }) => Err(BlobError::Missing(from)),
                    got => got.map_err(failed),
                }
            }
        }
    }

    /// Copies the pieces into `to`, part by part, hashing on the way.
    async fn copy_pieces(
        &self,
        upload: UploadId,
        content: Content,
        pieces: &[Piece],
        to: &mut dyn MultipartUpload,
    ) -> Result<()> {
        let mut hasher = Hasher::default();
        let mut done_bytes = 0;
        let mut part = BytesMut::new();
        for piece in pieces {
            let mut bytes = self.piece(upload, *piece).await?;
            while let Some(chunk) =
                bytes.try_next().await.map_err(|why| BlobError::Failed(why.to_string()))?
            {
                hasher.update(&chunk);
                done_bytes += chunk.len() as u64;
                part.extend_from_slice(&chunk);
                while part.len() >= PART_BYTES {
                    to.put_part(part.split_to(PART_BYTES).freeze().into()).await.map_err(failed)?;
                }
            }
        }
        if done_bytes != content.size_bytes || hasher.finish() != content.digest {
            return Err(BlobError::Mismatch);
        }
        to.put_part(part.freeze().into()).await.map_err(failed)
    }
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn stage(&self, content: Content, bytes: Bytes) -> Result<Staged> {
        if bytes.len() as u64 != content.size_bytes || Digest::of(&bytes) != content.digest {
            return Err(BlobError::Mismatch);
        }
        Ok(Staged { content, place: Place::Memory(bytes) })
    }

    async fn publish(&self, batch: Vec<Staged>) -> Result<()> {
        let puts = batch.into_iter().map(|staged| async move {
            match staged.place {
                Place::Memory(bytes) => {
                    self.store.put(&path(staged.content.digest), bytes.into()).await.map_err(failed).map(drop)
                }
                #[cfg(feature = "serve")]
                Place::File(_) => Err(BlobError::Failed("staged in another store".into())),
            }
        });
        stream::iter(puts).buffer_unordered(PUTS_AT_ONCE).try_collect().await
    }

    async fn open(&self, digest: Digest, range: Range<u64>) -> Result<Option<BlobStream>> {
        let Some(size_bytes) = self.size_bytes(digest).await? else { return Ok(None) };
        let range = range.start.min(size_bytes)..range.end.min(size_bytes);
        if range.is_empty() {
            // Stores refuse an empty range.
            return Ok(Some(stream::empty().boxed()));
        }
        match self.range(&path(digest), range).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            got => got.map(Some).map_err(failed),
        }
    }

    async fn size_bytes(&self, digest: Digest) -> Result<Option<u64>> {
        match self.store.head(&path(digest)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            got => got.map(|meta| Some(meta.size)).map_err(failed),
        }
    }

    async fn delete(&self, digest: Digest) -> Result<()> {
        match self.store.delete(&path(digest)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other.map_err(failed),
        }
    }

    async fn list(&self) -> Result<BoxStream<'_, Result<Found>>> {
        let all = self.store.list(Some(&Path::from("blobs")));
        let found = all.try_filter_map(|meta| async move {
            let digest = meta.location.filename().and_then(|name| name.parse().ok());
            Ok(digest.map(|digest| Found {
                digest,
                size_bytes: meta.size,
                written_unix_s: meta.last_modified.timestamp(),
            }))
        });
        Ok(found.map_err(failed).boxed())
    }

    async fn stage_blocks(&self, upload: UploadId, blocks: Vec<(u64, Bytes)>) -> Result<()> {
        let puts = blocks.into_iter().map(|(index, bytes)| async move {
            self.store.put(&block_path(upload, index), bytes.into()).await.map_err(failed).map(drop)
        });
        stream::iter(puts).buffer_unordered(PUTS_AT_ONCE).try_collect().await
    }

    async fn assemble(&self, upload: UploadId, content: Content, pieces: &[Piece]) -> Result<()> {
        let mut to = self.store.put_multipart(&path(content.digest)).await.map_err(failed)?;
        match self.copy_pieces(upload, content, pieces, to.as_mut()).await {
            Ok(()) => to.complete().await.map_err(failed).map(drop),
            Err(why) => {
                // Nothing of it is visible; what the store still holds of it is the store's to forget.
                let _ = to.abort().await;
                Err(why)
            }
        }
    }

    async fn drop_upload(&self, upload: UploadId) -> Result<()> {
        let staged = self.store.list(Some(&uploads_path(upload))).map_ok(|meta| meta.location).boxed();
        let removed = self.store.delete_stream(staged).try_for_each(|_| async { Ok(()) }).await;
        match removed {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other.map_err(failed),
        }
    }
}

fn path(digest: Digest) -> Path {
    let name = digest.to_string();
    Path::from_iter(["blobs", &name[..2], &name])
}

fn uploads_path(upload: UploadId) -> Path {
    Path::from_iter(["uploads", &upload.0.to_string()])
}

fn block_path(upload: UploadId, index: u64) -> Path {
    debug_assert!(index * BLOCK_BYTES <= retrosync_protocol::MAX_CONTENT_BYTES);
    uploads_path(upload).join(format!("{index:06}"))
}

/// What the store said; a full disk under it is told apart.
fn failed(why: object_store::Error) -> BlobError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&why);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::StorageFull) {
            return BlobError::DiskFull(why.to_string());
        }
        cause = error.source();
    }
    BlobError::Failed(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::suite;

    #[tokio::test]
    async fn an_object_store_keeps_the_contract_of_blobs() {
        for case in suite::CASES {
            case(Arc::new(ObjectBlobs::in_memory())).await;
        }
    }
}
