//! The catalog: records in transactions. What every database must do, and nothing of how.
//!
//! A transaction sees one state of everything and, if it writes, is the only writer, of all or of one user's. What `commit` has answered
//! is durable; what was dropped without it never happened. The verbs are about single records; what may be
//! recorded when is decided in `library` and `access`. Never draws a random number; reads no clock but the one that several servers
//! share.

mod board;
#[cfg(feature = "serve")]
mod columns;
pub mod memory;
mod memos;
#[cfg(feature = "serve")]
pub mod postgres;
mod records;
#[cfg(feature = "serve")]
pub mod sqlite;
#[cfg(test)]
mod suite;
#[cfg(feature = "serve")]
pub mod tables;
pub mod turn;
mod upkeep;

use std::fmt;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use retrosync_protocol::{Content, DeviceId, Digest, Epoch, SaveId, UserCode, VersionId, WriterId};

pub use board::{Board, Event, EventFilter, Holding, Invitation, Mark, SaveSize};
pub use memos::Memos;
pub use records::{
    BlockPlace, Change, DeviceRecord, Figures, OperationRecord, Pairing, PairingState, SaveRecord, SaveRow,
    SessionRecord, StoredVersion, Upload, UploadId, User, UserId,
};
pub use upkeep::{OwnContent, Stray, StrayState, Upkeep};

/// What went wrong in a catalog, by what the caller can do about it.
#[derive(Clone, Debug)]
pub enum CatalogError {
    /// No room for the record; nothing was changed.
    DiskFull(String),
    /// Another writer holds the catalog for too long; try later.
    Busy(String),
    /// The database cannot be reached, or went away before it answered; try later.
    Gone(String),
    /// A record that cannot be read as what it should be.
    Damaged(String),
    /// It cannot be opened.
    Unopened {
        /// What, and why.
        why: String,
        /// What the server's owner can do.
        help: &'static str,
    },
    /// Anything else.
    Failed(String),
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogError::DiskFull(text) => write!(f, "no room for the catalog: {text}"),
            CatalogError::Busy(text) => write!(f, "the catalog is busy: {text}"),
            CatalogError::Gone(text) => write!(f, "the catalog's database cannot be reached: {text}"),
            CatalogError::Damaged(text) => write!(f, "the catalog holds a damaged record: {text}"),
            CatalogError::Unopened { why, help } => write!(f, "{why}; help: {help}"),
            CatalogError::Failed(text) => write!(f, "the catalog failed: {text}"),
        }
    }
}

impl std::error::Error for CatalogError {}

/// What a catalog answers.
pub type Result<T> = std::result::Result<T, CatalogError>;

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look only.
    Read,
    /// Look at single records, each as it is in its moment: not one state of everything, and half as dear.
    Glance,
    /// Look and change what is one user's, as the only one who changes that. A database that serves several servers lets those of
    /// other users go on beside it; a [`Access::Write`] never.
    WriteOf(UserId),
    /// Look and change, as the only one.
    Write,
}

/// A place for records.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Starts a transaction; a second writer waits for the first.
    async fn begin(&self, access: Access) -> Result<Box<dyn Tx>>;

    /// Writes a copy of everything, as of now, to a new SQLite file for a backup; `false` where the database has tools of its own.
    async fn copy_to(&self, file: &std::path::Path) -> Result<bool>;

    /// What other servers over the same database commit, without end and as soon as it is visible; nothing where there is but one.
    fn heard(&self) -> BoxStream<'static, Heard> {
        stream::pending().boxed()
    }

    /// Is it really there?
    async fn answers(&self) -> Result<()> {
        self.begin(Access::Read).await?.epoch().await.map(drop)
    }

    /// How many connections other servers, or commands, have to the same database.
    async fn others(&self) -> Result<u64> {
        Ok(0)
    }

    /// Ends what is open, once nothing is under way.
    async fn close(&self) {}
}

/// What a server hears of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// There is news of this user.
    News(UserId),
    /// Anything may have been missed: everybody looks again.
    Unsure,
}

/// One transaction. Dropped without [`Tx::commit`], it never happened. After an error there is nothing to do but to drop it.
#[async_trait]
pub trait Tx: People + Saves + Uploads + Operations + Board + Memos + Upkeep + Send {
    /// The server's epoch.
    async fn epoch(&mut self) -> Result<Epoch>;
    /// Another epoch: after a restore from a backup.
    async fn set_epoch(&mut self, epoch: &Epoch) -> Result<()>;
    /// The time by the database's clock, where several servers share it; `None`: there is but one, whose own is as good.
    async fn shared_unix_s(&mut self) -> Result<Option<i64>> {
        Ok(None)
    }
    /// Makes all of it durable and visible. Who writes nothing, because what it was asked for is there already, commits too before
    /// it says so: what a writer sees may be of a neighbour that still waits for the disk.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// Users, sessions, devices and pairings.
#[async_trait]
pub trait People {
    /// Adds a user; the id given is ignored and the new one answered. `None`: the name is taken.
    async fn add_user(&mut self, user: &User) -> Result<Option<UserId>>;
    /// A user by key.
    async fn user(&mut self, id: UserId) -> Result<Option<User>>;
    /// A user by name, without regard to case.
    async fn user_by_name(&mut self, name: &str) -> Result<Option<User>>;
    /// All users, by name.
    async fn users(&mut self) -> Result<Vec<User>>;
    /// Another password.
    async fn set_password(&mut self, id: UserId, password_hash: &str) -> Result<()>;

    /// Adds a session.
    async fn add_session(&mut self, session: &SessionRecord) -> Result<()>;
    /// A session by its token's hash.
    async fn session(&mut self, token_sha256: Digest) -> Result<Option<SessionRecord>>;
    /// Ends a session.
    async fn remove_session(&mut self, token_sha256: Digest) -> Result<()>;
    /// Ends all sessions of a user.
    async fn remove_sessions(&mut self, user: UserId) -> Result<()>;

    /// Adds a device.
    async fn add_device(&mut self, device: &DeviceRecord) -> Result<()>;
    /// A device by its token's hash, revoked or not.
    async fn device_by_token(&mut self, token_sha256: Digest) -> Result<Option<DeviceRecord>>;
    /// The same with its user's name: what every request asks first, as one question.
    async fn device_and_user_by_token(
        &mut self,
        token_sha256: Digest,
    ) -> Result<Option<(DeviceRecord, String)>>;
    /// A device by its id, revoked or not.
    async fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRecord>>;
    /// A user's devices that are not revoked, in the order of pairing.
    async fn devices(&mut self, user: UserId) -> Result<Vec<DeviceRecord>>;
    /// Replaces what is known of a device (name, profile, client, last seen, revoked, report), found by its id.
    async fn put_device(&mut self, device: &DeviceRecord) -> Result<()>;
    /// When each of these devices was last seen, in Unix seconds; nothing else of them changes. Thousands at once are one question.
    async fn put_seen(&mut self, seen: &[(DeviceId, i64)]) -> Result<()>;

    /// Adds a pairing or replaces the one of the same code.
    async fn put_pairing(&mut self, pairing: &Pairing) -> Result<()>;
    /// A pairing by its code.
    async fn pairing(&mut self, code: &UserCode) -> Result<Option<Pairing>>;
    /// The latest pairing of a token.
    async fn pairing_by_token(&mut self, token_sha256: Digest) -> Result<Option<Pairing>>;
    /// How many pairings wait or are offered and end after `now`.
    async fn open_pairings(&mut self, now_unix_s: i64) -> Result<u64>;

    /// Forgets sessions and pairings that ended before.
    async fn forget_expired(
        &mut self,
        sessions_before_unix_s: i64,
        pairings_before_unix_s: i64,
    ) -> Result<()>;
}

/// Saves, their versions, and which contents a user has.
#[async_trait]
pub trait Saves {
    /// A user's save by its compare key.
    async fn save(&mut self, user: UserId, save: &SaveId) -> Result<Option<SaveRecord>>;
    /// Adds a save that is not there yet.
    async fn add_save(&mut self, user: UserId, save: &SaveId) -> Result<SaveRow>;
    /// Saves that changed after `since`, in the order of change.
    async fn saves_since(&mut self, user: UserId, since: u64, limit: u32) -> Result<Vec<SaveRecord>>;

    /// The user's last change number; 0 at first.
    async fn last_change(&mut self, user: UserId) -> Result<u64>;
    /// The server's epoch and the user's last change: what every poll asks, as one question.
    async fn standing(&mut self, user: UserId) -> Result<(Epoch, Option<Change>)>;
    /// The user's change of this number.
    async fn nth_change(&mut self, user: UserId, number: u64) -> Result<Option<Change>>;
    /// Did anybody but `device` add a version after `since`?
    async fn news(&mut self, user: UserId, since: u64, device: Option<&DeviceId>) -> Result<bool>;
    /// Did anybody but `writer`, which may be a copied card's twin, write a version after `since`?
    async fn news_beside(&mut self, user: UserId, since: u64, writer: &WriterId) -> Result<bool>;

    /// Adds a version, sets the save's and the user's change number to its own, and takes the leaf mark off `superseded`.
    async fn add_version(
        &mut self,
        user: UserId,
        row: SaveRow,
        version: &StoredVersion,
        superseded: &[VersionId],
    ) -> Result<()>;
    /// A version of a save.
    async fn version(&mut self, row: SaveRow, id: VersionId) -> Result<Option<StoredVersion>>;
    /// The user's versions whose ids lie within these two, both included, at most a few.
    async fn versions_between(
        &mut self,
        user: UserId,
        first: VersionId,
        last: VersionId,
    ) -> Result<Vec<StoredVersion>>;
    /// Which version a user's writer gave this sequence.
    async fn version_by_sequence(
        &mut self,
        user: UserId,
        writer: &WriterId,
        sequence: u64,
    ) -> Result<Option<VersionId>>;
    /// The writer's last sequence; 0: none.
    async fn last_sequence(&mut self, user: UserId, writer: &WriterId) -> Result<u64>;
    /// The save's leaves, in the order in which they came.
    async fn leaves(&mut self, row: SaveRow) -> Result<Vec<StoredVersion>>;
    /// The leaves of each of these saves: as [`Saves::leaves`], thousands at once for no more than a few queries.
    async fn leaves_of_each(&mut self, rows: &[SaveRow]) -> Result<Vec<Vec<StoredVersion>>>;
    /// Versions that came before change number `before`, newest first.
    async fn history(&mut self, row: SaveRow, before: u64, limit: u32) -> Result<Vec<StoredVersion>>;
    /// Of each: is it the content of any version of this user's save? Thousands at once cost no more than a few queries.
    async fn were_contents(&mut self, user: UserId, of: &[(&SaveId, Digest)]) -> Result<Vec<bool>>;

    /// Records that the user has this content, durably in the blobs by now, and needs it. Idempotent. `false`: nothing was
    /// recorded, for its bytes are being removed or were, and what was put may be gone (a stray that is more than found).
    async fn add_content(&mut self, user: UserId, content: Content, now_unix_s: i64) -> Result<bool>;
    /// A content of the user.
    async fn content(&mut self, user: UserId, digest: Digest) -> Result<Option<Content>>;
    /// All contents of all users, for a check: each once, by digest.
    async fn all_contents(&mut self) -> Result<Vec<Content>>;
    /// Which saves, of all users, have a version with this content: for a check.
    async fn saves_with_content(&mut self, digest: Digest) -> Result<Vec<SaveId>>;
    /// What the user has.
    async fn figures(&mut self, user: UserId) -> Result<Figures>;
}

/// Large contents on their way in, and where blocks are found.
#[async_trait]
pub trait Uploads {
    /// Adds an upload; the id given is ignored and the new one answered. One for a user and digest.
    async fn add_upload(&mut self, upload: &Upload) -> Result<UploadId>;
    /// The user's upload of this content.
    async fn upload(&mut self, user: UserId, digest: Digest) -> Result<Option<Upload>>;
    /// Records which blocks are staged, and when.
    async fn put_staged(&mut self, id: UploadId, staged: &[bool], touched_unix_s: i64) -> Result<()>;
    /// Forgets an upload.
    async fn remove_upload(&mut self, id: UploadId) -> Result<()>;
    /// Uploads not touched since.
    async fn idle_uploads(&mut self, before_unix_s: i64) -> Result<Vec<UploadId>>;

    /// Records a content's blocks in their order. Idempotent.
    async fn add_blocks(&mut self, content: Content, block_digests: &[Digest]) -> Result<()>;
    /// Forgets a content's blocks: it can no longer be read.
    async fn forget_blocks(&mut self, content: Digest) -> Result<()>;
    /// Where the user's contents have this block.
    async fn block(&mut self, user: UserId, digest: Digest) -> Result<Option<BlockPlace>>;
}

/// Answers kept for operations sent again.
#[async_trait]
pub trait Operations {
    /// What was answered.
    async fn operation(&mut self, scope: &str, id: &str) -> Result<Option<OperationRecord>>;
    /// Keeps an answer.
    async fn keep_operation(&mut self, operation: &OperationRecord) -> Result<()>;
    /// Forgets answers from before.
    async fn forget_operations(&mut self, before_unix_s: i64) -> Result<()>;
}
