//! The blobs in a folder: `blobs/ab/abcdef…`, one file a content.
//!
//! How promise 5, *bytes before names*, is kept, step by step:
//!
//! 1. `stage` writes to a file in `incoming/`. It has no digest for a name, so nothing can find it.
//! 2. `publish` syncs the bytes of the whole batch. A power cut before or in this step leaves files without names.
//! 3. Only then it renames each to its digest. A power cut here leaves some names, each with all its bytes: step 2 is over.
//! 4. It syncs the directories, so that the names stay. Only then it answers, and only then may a record speak of them.
//!
//! A batch is synced with two `syncfs` instead of a sync for each file and directory: it says more than is needed and costs
//! two waits instead of hundreds. Batches that come at once are published together (`together`), else one at a time. A write error that the disk
//! reports is reported once only, to whoever syncs next; so after one, nothing is published any more until a restart.
//!
//! May assume a local POSIX file system, and that no other process writes here. Never overwrites with other bytes: a name is a digest, and what
//! replaces a file of that name was verified to be of that digest (so storing again heals a damaged file).

mod read;
#[cfg(test)]
mod tests;
mod together;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use retrosync_protocol::{BLOCK_BYTES, Content, Digest, Hasher};

use self::together::Queue;
use super::{BlobError, BlobStream, Blobs, Found, Piece, Place, Result, Staged};
use crate::catalog::UploadId;

/// From this many files on, one `syncfs` is cheaper than a sync for each.
const SYNC_TOGETHER: usize = 4;

/// Blobs in a folder.
pub struct DiskBlobs {
    folder: Arc<Folder>,
    queue: Arc<Queue>,
}

struct Folder {
    root: PathBuf,
    /// Names files in `incoming/`.
    next: AtomicU64,
    /// Held while syncing; `true` after a write error: what was written before is in doubt.
    in_doubt: Mutex<bool>,
}

/// A file in `incoming/`; removed when dropped, unless it was published.
#[derive(Debug)]
pub(super) struct Incoming {
    path: PathBuf,
    published: bool,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.published {
            // If it stays, the next start removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl DiskBlobs {
    /// Opens the folder, or makes it. Does not touch what is in it, so a check may run beside a server.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(root: &Path) -> Result<DiskBlobs> {
        let make = || {
            for folder in ["incoming", "uploads"] {
                fs::create_dir_all(root.join(folder))?;
            }
            for first in 0..=255_u8 {
                fs::create_dir_all(root.join(format!("{first:02x}")))?;
            }
            // The folders must outlive a power cut as surely as what is put into them.
            sync_folder(root)?;
            root.parent().map_or(Ok(()), sync_folder)
        };
        make().map_err(|why| unopened(root, why))?;
        let folder = Folder {
            root: root.into(),
            // Two processes (a server and a check) must not name the same file.
            next: AtomicU64::new(u64::from(std::process::id()) << 32),
            in_doubt: Mutex::new(false),
        };
        Ok(DiskBlobs { folder: Arc::new(folder), queue: Arc::default() })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = Arc::clone(&self.folder);
        tokio::task::spawn_blocking(move || work(&folder))
            .await
            .map_err(|why| BlobError::Failed(why.to_string()))?
    }
}

#[async_trait]
impl Blobs for DiskBlobs {
    async fn stage(&self, content: Content, bytes: Bytes) -> Result<Staged> {
        self.run(move |folder| {
            if bytes.len() as u64 != content.size_bytes || Digest::of(&bytes) != content.digest {
                return Err(BlobError::Mismatch);
            }
            let (incoming, mut file) = folder.incoming()?;
            file.write_all(&bytes).map_err(failed)?;
            Ok(Staged { content, place: Place::File(incoming) })
        })
        .await
    }

    async fn publish(&self, batch: Vec<Staged>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let (answer, lead) = self.queue.join(batch);
        if lead {
            let (queue, folder) = (Arc::clone(&self.queue), Arc::clone(&self.folder));
            tokio::task::spawn_blocking(move || queue.lead(&folder));
        }
        answer.await.map_err(|why| BlobError::Failed(why.to_string()))?
    }

    async fn open(&self, digest: Digest, range: Range<u64>) -> Result<Option<BlobStream>> {
        read::open(self.folder.path(digest), range).await
    }

    async fn size_bytes(&self, digest: Digest) -> Result<Option<u64>> {
        match tokio::fs::metadata(self.folder.path(digest)).await {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(failed(why)),
        }
    }

    async fn lacking(&self, digests: Vec<Digest>) -> Result<Vec<Digest>> {
        self.run(move |folder| {
            let mut lacking = Vec::new();
            for digest in digests {
                if !folder.path(digest).try_exists().map_err(failed)? {
                    lacking.push(digest);
                }
            }
            Ok(lacking)
        })
        .await
    }

    async fn set_aside(&self, digest: Digest) -> Result<bool> {
        self.run(move |folder| {
            let aside = folder.root.join("damaged");
            let set_aside = || {
                fs::create_dir_all(&aside)?;
                fs::rename(folder.path(digest), aside.join(digest.to_string()))?;
                sync_folder(&aside)
            };
            set_aside().map(|()| true).map_err(failed)
        })
        .await
    }

    async fn delete(&self, digest: Digest) -> Result<()> {
        self.run(move |folder| absent_is_fine(fs::remove_file(folder.path(digest)))).await
    }

    async fn list(&self) -> Result<BoxStream<'_, Result<Found>>> {
        Ok(read::list(self.folder.root.clone()))
    }

    async fn stage_blocks(&self, upload: UploadId, blocks: Vec<(u64, Bytes)>) -> Result<()> {
        self.run(move |folder| {
            let path = folder.upload(upload);
            let write = || {
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
                for (index, bytes) in &blocks {
                    file.write_all_at(bytes, index * BLOCK_BYTES)?;
                }
                // The catalog will say that these blocks are here: first they are, then it says so.
                file.sync_all()?;
                sync_folder(&folder.root.join("uploads"))
            };
            write().map_err(failed)
        })
        .await
    }

    async fn assemble(&self, upload: UploadId, content: Content, pieces: &[Piece]) -> Result<()> {
        let pieces = pieces.to_vec();
        let staged = self.run(move |folder| {
            let (incoming, file) = folder.incoming()?;
            folder.copy_pieces(upload, content, &pieces, file)?;
            Ok(Staged { content, place: Place::File(incoming) })
        });
        self.publish(vec![staged.await?]).await
    }

    async fn drop_upload(&self, upload: UploadId) -> Result<()> {
        self.run(move |folder| absent_is_fine(fs::remove_file(folder.upload(upload)))).await
    }

    async fn clear_incoming(&self) -> Result<()> {
        self.run(|folder| {
            for entry in fs::read_dir(folder.root.join("incoming")).map_err(failed)? {
                fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
            }
            Ok(())
        })
        .await
    }

    async fn answers(&self) -> Result<()> {
        self.run(|folder| {
            // Held: it is syncing, so it is there.
            if folder.in_doubt.try_lock().is_ok_and(|in_doubt| *in_doubt) {
                return Err(in_doubt_after_an_error());
            }
            fs::metadata(folder.root.join("incoming")).map(drop).map_err(failed)
        })
        .await
    }
}

impl Folder {
    fn path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(&name[..2]).join(name)
    }

    fn upload(&self, upload: UploadId) -> PathBuf {
        self.root.join("uploads").join(upload.0.to_string())
    }

    fn incoming(&self) -> Result<(Incoming, File)> {
        let name = format!("{:x}", self.next.fetch_add(1, Ordering::Relaxed));
        let path = self.root.join("incoming").join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
        Ok((Incoming { path, published: false }, file))
    }

    /// Puts a content together in `to`, hashing on the way.
    fn copy_pieces(&self, upload: UploadId, content: Content, pieces: &[Piece], mut to: File) -> Result<()> {
        let staged = match File::open(self.upload(upload)) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.map_err(failed)?),
        };
        let mut source: Option<(Digest, File)> = None;
        let mut buffer = vec![0; BLOCK_BYTES as usize];
        let mut hasher = Hasher::default();
        let mut done_bytes = 0;
        for piece in pieces {
            let (file, offset_bytes, length_bytes) = match *piece {
                Piece::Staged(index) => {
                    let file = staged.as_ref().ok_or(BlobError::Mismatch)?;
                    let offset_bytes = index * BLOCK_BYTES;
                    (file, offset_bytes, BLOCK_BYTES.min(content.size_bytes.saturating_sub(offset_bytes)))
                }
                Piece::Copied { from, offset_bytes, length_bytes } => {
                    if source.as_ref().is_none_or(|(digest, _)| *digest != from) {
                        let missing = |why: io::Error| match why.kind() {
                            io::ErrorKind::NotFound => BlobError::Missing(from),
                            _ => failed(why),
                        };
                        source = Some((from, File::open(self.path(from)).map_err(missing)?));
                    }
                    let (_, file) = source.as_ref().ok_or(BlobError::Missing(from))?;
                    (file, offset_bytes, length_bytes)
                }
            };
            let length = usize::try_from(length_bytes).unwrap_or(usize::MAX).min(buffer.len());
            let part = &mut buffer[..length];
            file.read_exact_at(part, offset_bytes).map_err(short_is_mismatch)?;
            hasher.update(part);
            to.write_all(part).map_err(failed)?;
            done_bytes += length as u64;
        }
        if done_bytes != content.size_bytes || hasher.finish() != content.digest {
            return Err(BlobError::Mismatch);
        }
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // An empty parent is the current directory.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

fn in_doubt_after_an_error() -> BlobError {
    BlobError::Failed(
        "the disk reported a write error; check it, run `retrosync-server check`, then start again".into(),
    )
}

fn absent_is_fine(result: io::Result<()>) -> Result<()> {
    match result {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed),
    }
}

fn short_is_mismatch(why: io::Error) -> BlobError {
    match why.kind() {
        io::ErrorKind::UnexpectedEof => BlobError::Mismatch,
        _ => failed(why),
    }
}

/// What the file system said, by what can be done about it.
/// Why a folder was not opened, and what to do next.
fn unopened(root: &Path, why: io::Error) -> BlobError {
    let told = format!("cannot make `{}`: {why}", root.display());
    match failed(why) {
        BlobError::DiskFull(_) => BlobError::DiskFull(told),
        _ => BlobError::Unavailable {
            why: told,
            help: "look whether this user may write there, and at the disk",
        },
    }
}

fn failed(why: io::Error) -> BlobError {
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::DiskFull(why.to_string()),
        _ => BlobError::Failed(why.to_string()),
    }
}
