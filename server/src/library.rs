//! The library: the rules of README 0 to 6, free of HTTP, SQL and clock.
//!
//! Everything here is a question or a change of one [`Asker`]. A change is one transaction; it is answered after the commit,
//! and only then are the waiting told. What `access` has let in is trusted to be who it says, and nothing else is.

mod changes;
mod choice;
mod store;
mod uploads;

use std::ops::Range;
use std::sync::Arc;

use retrosync_protocol::{
    Content, DeviceId, Digest, Epoch, History, OperationId, SaveHeads, SaveId, VersionId, WriterId,
};

use crate::blobs::{BlobStream, Blobs};
use crate::catalog::{Catalog, UserId};
use crate::notice::Notice;
use crate::refusal::Refusal;

pub use store::Batch;
pub use uploads::BlockBatch;

/// Who asks: a device of a user, or the user on the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Whose library.
    pub user: UserId,
    /// The user's name.
    pub user_name: String,
    /// The device; `None`: the dashboard.
    pub device: Option<DeviceId>,
    /// The device's name, or `dashboard`.
    pub device_name: String,
    /// Who writes when the server writes for this asker.
    pub writer: WriterId,
}

/// A version of a save, and what it is: for a page or a download that has only the ids.
pub type Answer<T> = Result<T, Refusal>;

/// The rules over a catalog and blobs. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    catalog: Arc<dyn Catalog>,
    blobs: Arc<dyn Blobs>,
    notice: Arc<Notice>,
}

impl Library {
    /// A library over its parts.
    pub fn new(catalog: Arc<dyn Catalog>, blobs: Arc<dyn Blobs>, notice: Arc<Notice>) -> Library {
        Library { catalog, blobs, notice }
    }

    /// The server's epoch.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn epoch(&self) -> Answer<Epoch> {
        Err(unfinished())
    }

    /// Starts a `POST /versions`: add each frame, then finish.
    pub fn batch(&self, asker: &Asker) -> Batch {
        Batch::new(self.clone(), asker.clone())
    }

    /// A content of the user's own versions: its size.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's.
    pub async fn content(&self, _asker: &Asker, _digest: Digest) -> Answer<Content> {
        Err(unfinished())
    }

    /// A range of a content's bytes.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's.
    pub async fn open(&self, _asker: &Asker, _digest: Digest, _range: Range<u64>) -> Answer<BlobStream> {
        Err(unfinished())
    }

    /// A save's versions, newest first, at most `limit` (1 to 1,000) that came before `before`.
    ///
    /// # Errors
    /// `not_found` for the save or for `before`.
    pub async fn history(
        &self,
        _asker: &Asker,
        _save: &SaveId,
        _before: Option<VersionId>,
        _limit: u32,
    ) -> Answer<History> {
        Err(unfinished())
    }

    /// All saves of the user with their heads, by name: for the dashboard.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn saves(&self, _asker: &Asker) -> Answer<Vec<SaveHeads>> {
        Err(unfinished())
    }

    /// Forgets kept answers after 7 days and uploads not touched for 7 days. Call it now and then.
    ///
    /// # Errors
    /// When the catalog or the blobs fail.
    pub async fn sweep(&self, _now_unix_s: i64) -> Answer<()> {
        Err(unfinished())
    }
}

/// The operation id of a mutation, if one was given.
pub type Operation = Option<OperationId>;

fn unfinished() -> Refusal {
    Refusal::new(retrosync_protocol::Code::Unavailable, "not built yet")
}
