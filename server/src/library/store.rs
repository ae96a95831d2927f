//! `POST /versions`: bytes first, then all records in one transaction, each judged on its own.

use bytes::Bytes;
use retrosync_protocol::{Problem, StoreReply, Version};

use super::{Answer, Asker, Library, Operation, unfinished};

/// The frames of one request, on their way in. Dropped before `finish`, nothing was stored.
pub struct Batch {
    #[allow(dead_code)]
    library: Library,
    #[allow(dead_code)]
    asker: Asker,
}

impl Batch {
    pub(super) fn new(library: Library, asker: Asker) -> Batch {
        Batch { library, asker }
    }

    /// Takes in the next frame. `body` is the content itself (inflated), at most 1 MiB; `None`: the server has it.
    /// What is wrong with it becomes this frame's result, never an error here.
    pub async fn add(&mut self, _version: Version, _body: Option<Bytes>) {}

    /// Takes in a frame that could not even be read (a broken body): its result is this refusal.
    pub fn refuse(&mut self, _problem: Problem) {}

    /// Makes the bytes durable, then records the versions in one transaction, then tells the waiting.
    /// Run it to its end even when the client goes away (spawn it).
    ///
    /// # Errors
    /// `operation_reused`; `disk_full` or a failure of the catalog, after which nothing was recorded.
    pub async fn finish(self, _operation: Operation, _now_unix_s: i64) -> Answer<StoreReply> {
        Err(unfinished())
    }
}
