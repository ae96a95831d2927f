//! The blobs in an object store: in memory for tests and simulations, in S3 and its like where one machine is not enough.
//!
//! Promise 5, *bytes before names*: an object appears whole or not at all, and is durable when its `put` answers; so staging
//! verifies in memory and publishing puts. May assume no conditional request: an object is put again only with the same bytes.
//!
//! Promise 3, *unknown is not absent*: "not found" is believed only while the marker is there that the store bears since it was
//! first used. A bucket that vanished, or that somebody emptied, answers "not found" to everything too. The marker says whose the
//! store is, too: what one catalog does not know, another may need.
//!
//! ```text
//! retrosync.json                 the marker
//! probe                          put and deleted at the start
//! blobs/ab/abcdef…               a content
//! uploads/7/000003               block 3 of upload 7
//! uploads/7/multipart/…          a multipart that was begun for upload 7, so that it can be ended whatever happens
//! damaged/abcdef…                what `check --repair` set aside
//! ```

use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    Error as StoreError, GetOptions, GetRange, MultipartId, ObjectStore, ObjectStoreExt as _,
};
use retrosync_protocol::{BLOCK_BYTES, Content, Digest, Epoch, Hasher};
use serde::{Deserialize, Serialize};

use super::object_errors::failed;
use super::{BlobError, BlobStream, Blobs, Found, Piece, Place, Result, Staged};
use crate::catalog::UploadId;

/// How many objects are asked about, put or read at once.
const AT_ONCE: usize = 16;
/// The size of a part when a content is put together; stores ask for 5 MiB at least.
const PART_BYTES: usize = 8 << 20;
/// What the store bears since it was first used.
const MARKER: &str = "retrosync.json";

/// What the marker says.
#[derive(Serialize, Deserialize)]
struct Marker {
    retrosync_blobs: u32,
    /// Of the catalog whose saves these are; not said by the first servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
}

/// Blobs in an object store.
pub struct ObjectBlobs {
    pub(super) store: Arc<dyn ObjectStore>,
    multiparts: Arc<dyn MultipartStore>,
    prefix: Path,
    /// What the marker must say before "not found" is believed; `None`: there is no marker.
    ours: Option<Epoch>,
    can_delete: bool,
}

/// A multipart that was begun: where it leads, and how the store calls it.
pub(super) struct Begun {
    path: Path,
    id: MultipartId,
    note: Path,
}

impl ObjectBlobs {
    /// Blobs in this store, below `prefix`.
    pub fn new<S: ObjectStore + MultipartStore>(store: Arc<S>, prefix: Path) -> ObjectBlobs {
        ObjectBlobs { store: store.clone(), multiparts: store, prefix, ours: None, can_delete: true }
    }

    /// Blobs in memory.
    pub fn in_memory() -> ObjectBlobs {
        ObjectBlobs::new(Arc::new(InMemory::new()), Path::default())
    }

    /// Looks whether the store can be read and written, and puts the marker. From here on "not found" is believed only
    /// where the marker is. True: the store was empty.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be used, or keeps the saves of another catalog than that of `epoch`, with what to do.
    pub async fn take_into_use(&mut self, epoch: &Epoch) -> Result<bool> {
        self.ours = Some(epoch.clone());
        let empty = match self.marker().await? {
            Some(marker) => self.is_of_ours(&marker).map(|()| false)?,
            None => self.list().await?.next().await.transpose()?.is_none(),
        };
        // Also where it is there already: whether the store may be written is better known now than at the first save.
        let marker = Marker { retrosync_blobs: 1, epoch: self.ours.clone() };
        let text = serde_json::to_vec(&marker).map_err(|why| BlobError::Failed(why.to_string()))?;
        self.store.put(&self.at([MARKER]), text.into()).await.map_err(failed)?;
        self.can_delete = self.try_delete().await?;
        Ok(empty)
    }

    /// Keys may be allowed everything but to delete.
    async fn try_delete(&self) -> Result<bool> {
        let path = self.at(["probe"]);
        self.store.put(&path, "retrosync\n".into()).await.map_err(failed)?;
        match self.store.delete(&path).await {
            Err(why) if !is_not_found(&why) => {
                log::warn!(
                    "nothing will be removed from the bucket, for it refuses that; allow its keys to delete: {why}"
                );
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Is there nothing in it, and was it never used?
    ///
    /// # Errors
    /// `Unavailable` when it cannot be used.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(self.marker().await?.is_none() && self.list().await?.next().await.transpose()?.is_none())
    }

    async fn marker(&self) -> Result<Option<Marker>> {
        let path = self.at([MARKER]);
        match self.store.get(&path).await {
            Ok(got) => {
                let text = got.bytes().await.map_err(failed)?;
                let marker = serde_json::from_slice(&text);
                marker.map(Some).map_err(|why| BlobError::Unavailable {
                    why: format!("`{path}` cannot be understood: {why}"),
                    help: "name a bucket, or an `s3.prefix`, that no other program uses; if it is this server's own and damaged, \
                           remove that object, restart the server, and run `retrosync-server check`",
                })
            }
            Err(why) if is_not_found(&why) => Ok(None),
            Err(why) => Err(failed(why)),
        }
    }

    fn is_of_ours(&self, marker: &Marker) -> Result<()> {
        if marker.epoch.is_none() || marker.epoch == self.ours {
            return Ok(());
        }
        Err(BlobError::Unavailable {
            why: format!("it keeps the saves of another server's records: so says `{}`", self.at([MARKER])),
            help: "name a bucket, or an `s3.prefix`, of its own for each server; two would remove each other's saves",
        })
    }

    fn at<const N: usize>(&self, parts: [&str; N]) -> Path {
        parts.into_iter().fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn path(&self, digest: Digest) -> Path {
        let name = digest.to_string();
        self.at(["blobs", &name[..2], &name])
    }

    fn upload_path(&self, upload: UploadId) -> Path {
        self.at(["uploads", &upload.0.to_string()])
    }

    fn block_path(&self, upload: UploadId, index: u64) -> Path {
        debug_assert!(index * BLOCK_BYTES <= retrosync_protocol::MAX_CONTENT_BYTES);
        self.upload_path(upload).join(format!("{index:06}"))
    }

    /// Comes back well only when the store is the one that it was, so that "not found" may be believed.
    async fn is_ours(&self) -> Result<()> {
        if self.ours.is_none() {
            return Ok(());
        }
        match self.marker().await? {
            Some(marker) => self.is_of_ours(&marker),
            None => Err(BlobError::Unavailable {
                why: format!(
                    "the bucket is gone, or is another one: there is no `{}` in it",
                    self.at([MARKER])
                ),
                help: "bring the bucket back; for one that is empty on purpose restart the server, then run `retrosync-server check`",
            }),
        }
    }

    /// An answer that may be "not found", which is `None` then.
    async fn if_there<T>(&self, answer: object_store::Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(why) if is_not_found(&why) => self.is_ours().await.map(|()| None),
            Err(why) => Err(failed(why)),
        }
    }

    /// Reads a range of an object; the object may be gone.
    async fn range(&self, path: &Path, range: Range<u64>) -> object_store::Result<BlobStream> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let got = self.store.get_opts(path, options).await?;
        Ok(got.into_stream().map_err(io::Error::other).boxed())
    }

    /// The bytes of a piece: at most a block.
    async fn piece(&self, upload: UploadId, piece: Piece) -> Result<Bytes> {
        let (path, range, absent) = match piece {
            Piece::Staged(index) => (self.block_path(upload, index), 0..BLOCK_BYTES, BlobError::Mismatch),
            Piece::Copied { from, offset_bytes, length_bytes } => {
                (self.path(from), offset_bytes..offset_bytes + length_bytes, BlobError::Missing(from))
            }
        };
        let got = self.store.get_range(&path, range).await;
        self.if_there(got).await?.ok_or(absent)
    }

    /// Puts the pieces together at `path`: in one object at once where they are few, else part by part. What is not the
    /// content named never appears.
    async fn put_together(&self, upload: UploadId, content: Content, pieces: &[Piece]) -> Result<()> {
        let path = self.path(content.digest);
        let pieces = stream::iter(pieces.to_vec());
        let mut bytes = pieces.map(|piece| self.piece(upload, piece)).buffered(AT_ONCE);
        let mut hasher = Hasher::default();
        let mut done_bytes = 0;
        let mut part = BytesMut::new();
        let mut begun: Option<Begun> = None;
        let mut parts = Vec::new();
        let gathered = async {
            while let Some(piece) = bytes.try_next().await? {
                hasher.update(&piece);
                done_bytes += piece.len() as u64;
                part.extend_from_slice(&piece);
                if part.len() > PART_BYTES {
                    let multipart = match begun.take() {
                        Some(multipart) => multipart,
                        None => self.begin_multipart(upload, &path).await?,
                    };
                    let multipart = begun.insert(multipart);
                    parts.push(self.put_part(multipart, parts.len(), part.split_to(PART_BYTES)).await?);
                }
            }
            if done_bytes != content.size_bytes || hasher.finish() != content.digest {
                return Err(BlobError::Mismatch);
            }
            match &begun {
                None => self.store.put(&path, part.freeze().into()).await.map_err(failed).map(drop),
                Some(multipart) => {
                    parts.push(self.put_part(multipart, parts.len(), part).await?);
                    let done = self.multiparts.complete_multipart(&path, &multipart.id, parts).await;
                    done.map_err(failed).map(drop)
                }
            }
        };
        let done = gathered.await;
        if let (Err(_), Some(multipart)) = (&done, &begun) {
            // Nothing of it is visible. Should this fail too, its note is there for `drop_upload`.
            let _ = self.end_multipart(multipart).await;
        }
        done
    }

    async fn put_part(
        &self,
        to: &Begun,
        index: usize,
        bytes: BytesMut,
    ) -> Result<object_store::multipart::PartId> {
        let part = self.multiparts.put_part(&to.path, &to.id, index, bytes.freeze().into()).await;
        part.map_err(failed)
    }

    /// Begins a multipart, and notes it before anything is put into it: the store keeps parts for ever unless it is told.
    pub(super) async fn begin_multipart(&self, upload: UploadId, path: &Path) -> Result<Begun> {
        let id = self.multiparts.create_multipart(path).await.map_err(failed)?;
        let name = Digest::of(id.as_bytes()).to_string();
        let note = self.upload_path(upload).join("multipart").join(name);
        let begun = Begun { path: path.clone(), id, note };
        let text = format!("{}\n{}", begun.path, begun.id);
        match self.store.put(&begun.note, text.into()).await {
            Ok(_) => Ok(begun),
            Err(why) => {
                let _ = self.multiparts.abort_multipart(path, &begun.id).await;
                Err(failed(why))
            }
        }
    }

    async fn end_multipart(&self, begun: &Begun) -> Result<()> {
        match self.multiparts.abort_multipart(&begun.path, &begun.id).await {
            // Completed or ended before.
            Err(why) if !is_not_found(&why) => return Err(failed(why)),
            _ => {}
        }
        self.remove(&begun.note).await
    }

    /// Ends what the note speaks of.
    async fn end_noted(&self, note: Path) -> Result<()> {
        let Some(got) = self.if_there(self.store.get(&note).await).await? else { return Ok(()) };
        let text = got.bytes().await.map_err(failed)?;
        match std::str::from_utf8(&text).ok().and_then(|text| text.split_once('\n')) {
            Some((path, id)) => {
                self.end_multipart(&Begun { path: Path::from(path), id: id.into(), note }).await
            }
            None => self.remove(&note).await,
        }
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        match self.store.delete(path).await {
            Err(why) if is_not_found(&why) => self.is_ours().await,
            other => other.map_err(failed),
        }
    }
}

/// Not there; a bucket that is not there says so in its answer, and is another matter.
fn is_not_found(why: &StoreError) -> bool {
    matches!(why, StoreError::NotFound { .. }) && !why.to_string().contains("NoSuchBucket")
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
                    let path = self.path(staged.content.digest);
                    self.store.put(&path, bytes.into()).await.map_err(failed).map(drop)
                }
                #[cfg(feature = "serve")]
                Place::File(_) => Err(BlobError::Failed("staged in another store".into())),
            }
        });
        let put = stream::iter(puts).buffer_unordered(AT_ONCE).try_collect::<()>();
        // Into another bucket than ours nothing is stored: it would not be found when ours is back.
        tokio::try_join!(put, self.is_ours()).map(drop)
    }

    async fn open(&self, digest: Digest, range: Range<u64>) -> Result<Option<BlobStream>> {
        let path = self.path(digest);
        if !range.is_empty()
            && let Ok(bytes) = self.range(&path, range.clone()).await
        {
            return Ok(Some(bytes));
        }
        // Not there, or a range that stores refuse: past the end, or of nothing.
        let Some(size_bytes) = self.size_bytes(digest).await? else { return Ok(None) };
        let range = range.start.min(size_bytes)..range.end.min(size_bytes);
        if range.is_empty() {
            return Ok(Some(stream::empty().boxed()));
        }
        let read = self.range(&path, range).await;
        self.if_there(read).await
    }

    async fn size_bytes(&self, digest: Digest) -> Result<Option<u64>> {
        let found = self.store.head(&self.path(digest)).await;
        Ok(self.if_there(found).await?.map(|meta| meta.size))
    }

    async fn lacking(&self, digests: Vec<Digest>) -> Result<Vec<Digest>> {
        let looks = digests.into_iter().map(|digest| async move {
            match self.store.head(&self.path(digest)).await {
                Ok(_) => Ok(None),
                Err(why) if is_not_found(&why) => Ok(Some(digest)),
                Err(why) => Err(failed(why)),
            }
        });
        let found: Vec<Option<Digest>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        let lacking: Vec<Digest> = found.into_iter().flatten().collect();
        if !lacking.is_empty() {
            self.is_ours().await?;
        }
        Ok(lacking)
    }

    async fn set_aside(&self, digest: Digest) -> Result<bool> {
        let (from, aside) = (self.path(digest), self.at(["damaged", &digest.to_string()]));
        self.store.copy(&from, &aside).await.map_err(failed)?;
        // Only when the copy is there.
        self.remove(&from).await?;
        Ok(true)
    }

    fn can_delete(&self) -> bool {
        self.can_delete
    }

    async fn delete(&self, digest: Digest) -> Result<()> {
        self.remove(&self.path(digest)).await
    }

    async fn list(&self) -> Result<BoxStream<'_, Result<Found>>> {
        let all = self.store.list(Some(&self.at(["blobs"])));
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
            let put = self.store.put(&self.block_path(upload, index), bytes.into()).await;
            put.map_err(failed).map(drop)
        });
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn assemble(&self, upload: UploadId, content: Content, pieces: &[Piece]) -> Result<()> {
        self.put_together(upload, content, pieces).await
    }

    async fn answers(&self) -> Result<()> {
        self.is_ours().await
    }

    async fn drop_upload(&self, upload: UploadId) -> Result<()> {
        let staged = self.store.list(Some(&self.upload_path(upload))).map_ok(|meta| meta.location);
        let staged: Vec<Path> = staged.try_collect().await.map_err(failed)?;
        let is_note = |path: &Path| path.parts().any(|part| part.as_ref() == "multipart");
        let (notes, blocks): (Vec<Path>, Vec<Path>) = staged.into_iter().partition(is_note);
        for note in notes {
            self.end_noted(note).await?;
        }
        let removed = stream::iter(blocks).map(|path| async move { self.remove(&path).await });
        removed.buffer_unordered(AT_ONCE).try_collect().await
    }
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

    #[tokio::test]
    async fn a_bucket_is_not_shared_by_servers_that_know_nothing_of_each_other() {
        let store = Arc::new(InMemory::new());
        let (epoch, other) = (Epoch::from_random(&[7; 16]), Epoch::from_random(&[8; 16]));
        let at = |prefix| ObjectBlobs::new(store.clone(), Path::from(prefix));
        let marker = Path::from("saves/retrosync.json");
        assert!(store.put(&marker, "{\"retrosync_blobs\":1}\n".into()).await.is_ok());
        let mut ours = at("saves");
        assert!(ours.take_into_use(&epoch).await.is_ok(), "of the first servers, and ours from now on");
        assert!(
            at("saves").take_into_use(&epoch).await.is_ok_and(|empty| !empty),
            "again, or a second instance"
        );
        let refused = at("saves").take_into_use(&other).await;
        assert!(matches!(refused, Err(BlobError::Unavailable { .. })), "{refused:?}");
        assert!(ours.answers().await.is_ok(), "who was refused has changed nothing");
        assert!(at("other").take_into_use(&other).await.is_ok_and(|empty| empty), "there is room beside");
        assert!(
            matches!(at("saves").is_empty().await, Ok(false))
                && matches!(at("new").is_empty().await, Ok(true))
        );
        // Another's from now on, whatever happened: nothing is believed and nothing removed.
        let text = format!("{{\"retrosync_blobs\":1,\"epoch\":\"{other}\"}}");
        assert!(store.put(&marker, text.into()).await.is_ok());
        assert!(matches!(ours.answers().await, Err(BlobError::Unavailable { .. })));
    }

    #[tokio::test]
    async fn an_emptied_store_does_not_say_that_it_never_had_a_save() {
        let store = Arc::new(InMemory::new());
        let mut blobs = ObjectBlobs::new(store.clone(), Path::from("saves"));
        assert!(blobs.take_into_use(&Epoch::from_random(&[7; 16])).await.is_ok_and(|empty| empty));
        let there = suite::put(&blobs, b"a save").await;
        let absent = Digest::of(b"another");
        assert!(
            matches!(blobs.lacking(vec![there.digest, absent]).await.as_deref(), Ok([one]) if *one == absent)
        );
        assert!(store.delete(&Path::from("saves/retrosync.json")).await.is_ok());
        assert!(matches!(blobs.lacking(vec![absent]).await, Err(BlobError::Unavailable { .. })));
        assert!(matches!(blobs.size_bytes(absent).await, Err(BlobError::Unavailable { .. })));
        assert!(matches!(blobs.open(absent, 0..9).await.map(drop), Err(BlobError::Unavailable { .. })));
        assert!(
            matches!(blobs.lacking(vec![there.digest]).await.as_deref(), Ok([])),
            "what is there is there"
        );
    }
}
