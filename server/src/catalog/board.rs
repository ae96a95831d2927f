//! What the dashboard keeps beside saves: settings, invitations, marks, what a device holds, what happened.
//!
//! Records only, as all of `catalog`; who may see or change them is decided in `access` and `library`.

use async_trait::async_trait;
use retrosync_protocol::{DeviceId, Digest, SaveId, VersionId};

use super::{Result, SaveRow, User, UserId};

/// A link that lets one person make an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// SHA-256 of the code in the link; the code itself is never kept.
    pub code_sha256: Digest,
    /// For whom, in the admin's words.
    pub note: String,
    /// The new account's limit of bytes.
    pub quota_bytes: Option<u64>,
    /// The new account's limit of devices.
    pub quota_devices: Option<u32>,
    /// When it ends.
    pub expires_unix_s: i64,
}

/// What a person says of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which version.
    pub version: VersionId,
    /// Never thinned out.
    pub pinned: bool,
    /// A few words, or none.
    pub label: String,
}

/// The newest version of a save that a device sent or was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The device, not revoked.
    pub device: DeviceId,
    /// Its name now.
    pub device_name: String,
    /// What it holds, as far as the server knows.
    pub version: VersionId,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counts up; given by the catalog.
    pub id: u64,
    /// When.
    pub at_unix_s: i64,
    /// What, in one stable word.
    pub kind: String,
    /// Who did it: a device's name at the time, or `dashboard`.
    pub device_name: String,
    /// To which save.
    pub save: Option<SaveId>,
    /// Which version came of it.
    pub version: Option<VersionId>,
    /// More of it, for people.
    pub text: String,
}

/// Which events are asked for; what is empty does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of one of these kinds.
    pub kinds: Vec<String>,
    /// By this name.
    pub device_name: Option<String>,
    /// Part of the save's name.
    pub save: Option<String>,
}

/// What a save takes, all its versions together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveSize {
    /// Which save.
    pub row: SaveRow,
    /// How many versions.
    pub versions: u64,
    /// Bytes of distinct content.
    pub size_bytes: u64,
}

/// The dashboard's records.
#[async_trait]
pub trait Board {
    /// Replaces a user's name, e-mail, right and limits, found by id; `false`: the name is another's.
    async fn put_user(&mut self, user: &User) -> Result<bool>;
    /// Removes a user with all records; contents that nobody else has are left to the check.
    async fn remove_user(&mut self, id: UserId) -> Result<()>;

    /// A setting of the server.
    async fn setting(&mut self, name: &str) -> Result<Option<String>>;
    /// Sets it.
    async fn put_setting(&mut self, name: &str, value: &str) -> Result<()>;

    /// Adds an invitation.
    async fn add_invitation(&mut self, invitation: &Invitation) -> Result<()>;
    /// All invitations, in the order in which they end.
    async fn invitations(&mut self) -> Result<Vec<Invitation>>;
    /// Takes an invitation away, and answers it.
    async fn take_invitation(&mut self, code_sha256: Digest) -> Result<Option<Invitation>>;

    /// Replaces what is said of a version; not pinned and without words: nothing is.
    async fn put_mark(&mut self, row: SaveRow, mark: &Mark) -> Result<()>;
    /// What is said of a save's versions.
    async fn marks(&mut self, row: SaveRow) -> Result<Vec<Mark>>;

    /// Notes that a device was given contents. Idempotent.
    async fn add_fetched(&mut self, device: &DeviceId, contents: &[Digest], now_unix_s: i64) -> Result<()>;
    /// What each device of the user holds of a save, by name.
    async fn holdings(&mut self, user: UserId, row: SaveRow) -> Result<Vec<Holding>>;
    /// Which saves each device of the user sent or was given, by device.
    async fn reached(&mut self, user: UserId) -> Result<Vec<(DeviceId, SaveId)>>;
    /// What each save of the user takes.
    async fn sizes(&mut self, user: UserId) -> Result<Vec<SaveSize>>;

    /// Adds an event; the id given is ignored.
    async fn add_event(&mut self, user: UserId, event: &Event) -> Result<()>;
    /// Events with an id below `before`, newest first.
    async fn events(
        &mut self,
        user: UserId,
        filter: &EventFilter,
        before: u64,
        limit: u32,
    ) -> Result<Vec<Event>>;
    /// A number that is another one whenever an event was added or a device was given something; 0: nothing ever was.
    async fn stamp(&mut self, user: UserId) -> Result<u64>;
    /// Forgets events and invitations from before.
    async fn forget_events(
        &mut self,
        events_before_unix_s: i64,
        invitations_before_unix_s: i64,
    ) -> Result<()>;
}
