//! The blobs: bytes by their SHA-256. What every store of bytes must do, and nothing of how.
//!
//! Promise 5, *bytes before names*: a digest is found only when its bytes are whole and durable. So bytes come in two
//! moves: `stage` (no name yet, nothing promised) and `publish` (durable and named when it answers). A batch is published at
//! once, so that a store can sync many contents together. Nothing here is ever overwritten with other bytes.

#[cfg(feature = "serve")]
pub mod disk;
mod object_errors;
pub mod objects;
#[cfg(feature = "serve")]
pub mod s3;
#[cfg(test)]
mod suite;

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use retrosync_protocol::{Content, Digest};

use crate::catalog::UploadId;

/// What went wrong with bytes, by what the caller can do about it.
#[derive(Clone, Debug)]
pub enum BlobError {
    /// The bytes are not of the digest or size named; nothing of them is left.
    Mismatch,
    /// No room; nothing of them is left.
    DiskFull(String),
    /// Should be there and is not.
    Missing(Digest),
    /// The store cannot be used now (gone, unreachable, slow, not allowed): try later; nothing of them is there.
    Unavailable {
        /// What the store said.
        why: String,
        /// What the server's owner can do.
        help: &'static str,
    },
    /// Anything else.
    Failed(String),
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlobError::Mismatch => f.write_str("the bytes are not of the digest and size named"),
            BlobError::DiskFull(text) => write!(f, "no room for the bytes: {text}"),
            BlobError::Missing(digest) => write!(f, "the bytes of `{digest}` are missing"),
            BlobError::Unavailable { why, help } => {
                write!(f, "the store of bytes cannot be used: {why}; help: {help}")
            }
            BlobError::Failed(text) => write!(f, "the store of bytes failed: {text}"),
        }
    }
}

impl std::error::Error for BlobError {}

/// What a store of bytes answers.
pub type Result<T> = std::result::Result<T, BlobError>;

/// Bytes on their way out, in chunks of at most a few hundred KiB.
pub type BlobStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Verified bytes that have no name yet. Dropped without `publish`, nothing is left of them.
#[derive(Debug)]
pub struct Staged {
    content: Content,
    place: Place,
}

/// Where staged bytes are.
#[derive(Debug)]
enum Place {
    #[cfg(feature = "serve")]
    File(disk::Incoming),
    Memory(Bytes),
}

impl Staged {
    /// What the bytes are.
    pub fn content(&self) -> Content {
        self.content
    }
}

/// A piece of a content that is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The staged block of this index.
    Staged(u64),
    /// A range of a content that is there.
    Copied {
        /// Which content.
        from: Digest,
        /// From which byte.
        offset_bytes: u64,
        /// How many.
        length_bytes: u64,
    },
}

/// A blob as `list` finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub digest: Digest,
    /// How long it is.
    pub size_bytes: u64,
    /// When it was written.
    pub written_unix_s: i64,
}

/// A place for bytes.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Takes in a content of at most 1 MiB and verifies it; not yet durable, not yet found.
    async fn stage(&self, content: Content, bytes: Bytes) -> Result<Staged>;
    /// Makes all of them durable, then found. All or an error; again is harmless.
    async fn publish(&self, batch: Vec<Staged>) -> Result<()>;

    /// A range of a content's bytes; `None`: not there. The range is cut at the content's end.
    async fn open(&self, digest: Digest, range: Range<u64>) -> Result<Option<BlobStream>>;
    /// How long it is; `None`: not there.
    async fn size_bytes(&self, digest: Digest) -> Result<Option<u64>>;
    /// Which of these are not there. May cost no more than a look at each: a store that cannot tell cheaply says none.
    async fn lacking(&self, digests: Vec<Digest>) -> Result<Vec<Digest>> {
        drop(digests);
        Ok(Vec::new())
    }
    /// Takes bytes that are not what their name says out of the way, without removing them; false: it cannot. They are not there
    /// afterwards, and can be published again.
    async fn set_aside(&self, digest: Digest) -> Result<bool> {
        let _ = digest;
        Ok(false)
    }
    /// Did removal work when the store was opened? Where it does not, nothing is to be condemned: it would be refused for ever.
    fn can_delete(&self) -> bool {
        true
    }
    /// Removes a content; no record may speak of it.
    async fn delete(&self, digest: Digest) -> Result<()>;
    /// All contents, in any order.
    async fn list(&self) -> Result<BoxStream<'_, Result<Found>>>;

    /// Stages blocks of an upload at their index; durable when it answers.
    async fn stage_blocks(&self, upload: UploadId, blocks: Vec<(u64, Bytes)>) -> Result<()>;
    /// Puts a content together, verifies the whole, and publishes it; the pieces stay until `drop_upload`.
    async fn assemble(&self, upload: UploadId, content: Content, pieces: &[Piece]) -> Result<()>;
    /// Forgets an upload's staged blocks.
    async fn drop_upload(&self, upload: UploadId) -> Result<()>;

    /// Removes what a process that died left half-way. Only while nobody else writes here.
    async fn clear_incoming(&self) -> Result<()> {
        Ok(())
    }
    /// Is it really there? A store that vanished says so here, where a missing content would say only that it is missing.
    async fn answers(&self) -> Result<()> {
        self.size_bytes(Digest::of(b"")).await.map(drop)
    }
}
