//! Large contents: only the blocks that the server lacks travel, and a cut upload goes on where it was.

use bytes::Bytes;
use retrosync_protocol::{Digest, Problem, UploadReply, UploadRequest};

use super::{Answer, Asker, Library, unfinished};

/// The blocks of one request, on their way in.
pub struct BlockBatch {
    #[allow(dead_code)]
    library: Library,
}

impl Library {
    /// `POST /uploads`: starts an upload or tells what it still lacks. Asking again is harmless, so it needs no operation id.
    ///
    /// # Errors
    /// `malformed` when the block digests do not fit the size; `too_large`; `quota_full`.
    pub async fn upload(
        &self,
        _asker: &Asker,
        _request: &UploadRequest,
        _now_unix_s: i64,
    ) -> Answer<UploadReply> {
        Err(unfinished())
    }

    /// Starts a `POST /uploads/{digest}/blocks`: add each block, then finish. Sending a block again is harmless.
    ///
    /// # Errors
    /// `not_found` when no such upload was started.
    pub async fn blocks(&self, _asker: &Asker, _content: Digest, _now_unix_s: i64) -> Answer<BlockBatch> {
        Err(unfinished())
    }
}

impl BlockBatch {
    /// Takes in one block's bytes (inflated, at most 64 KiB); a few MiB are held before they are staged.
    ///
    /// # Errors
    /// `malformed` for an index that is not of the upload; `digest_mismatch`; `disk_full`.
    pub async fn add(&mut self, _index: u64, _digest: Digest, _bytes: Bytes) -> Answer<()> {
        Err(unfinished())
    }

    /// Makes the blocks durable; when it was the last, puts the whole together and verifies it.
    ///
    /// # Errors
    /// `digest_mismatch` when the whole is not what was named (the upload is dropped); `disk_full`.
    pub async fn finish(self, _now_unix_s: i64) -> Answer<UploadReply> {
        Err(unfinished())
    }
}

#[allow(dead_code)]
fn _unused(_: Problem) {}
