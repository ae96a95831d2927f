//! What the catalog keeps, as plain values.

use retrosync_protocol::{Content, DeviceId, Digest, SaveId, UserCode, Version, VersionId, WriterId};

/// A user, within one catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub i64);

/// A save, within one catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaveRow(pub i64);

/// An upload, within one catalog. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub i64);

/// Which version a change of a user's history was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The change's number, from 1.
    pub number: u64,
    /// The version that made it.
    pub version: VersionId,
    /// When it came.
    pub received_unix_s: i64,
}

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The key.
    pub id: UserId,
    /// The name, as it was typed; unique without regard to case.
    pub name: String,
    /// The password as an Argon2id PHC string.
    pub password_hash: String,
    /// May see and change what is not theirs alone: users, server settings.
    pub admin: bool,
    /// Who writes when they choose on the dashboard.
    pub writer: WriterId,
    /// The most bytes of distinct content, if there is a limit.
    pub quota_bytes: Option<u64>,
    /// The most devices, if there is a limit.
    pub quota_devices: Option<u32>,
    /// Where to write to them, if they said so.
    pub email: Option<String>,
    /// When they came.
    pub created_unix_s: i64,
}

/// A paired device, revoked or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Its id.
    pub device: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// What people call it.
    pub name: String,
    /// Its device profile.
    pub profile: String,
    /// Its program.
    pub client: String,
    /// SHA-256 of its token; the token itself is never seen.
    pub token_sha256: Digest,
    /// Who writes when it restores, resolves or retires.
    pub writer: WriterId,
    /// When it was paired.
    pub paired_unix_s: i64,
    /// When it last asked anything, to the minute.
    pub last_seen_unix_s: Option<i64>,
    /// Its token is worth nothing any more.
    pub revoked: bool,
    /// What it says of itself, as JSON; empty: nothing yet.
    pub report: String,
}

/// How far a pairing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingState {
    /// Shown by a device; nobody has said anything.
    Waiting,
    /// The user said no.
    Denied,
    /// Made on the dashboard, to be claimed by a device.
    Offered,
    /// Used up: the device is in.
    Used,
}

/// A pairing code and what hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// The code.
    pub code: UserCode,
    /// How far it is.
    pub state: PairingState,
    /// The token of the device that shows or claimed the code.
    pub token_sha256: Option<Digest>,
    /// Who made the code, or said yes or no.
    pub user: Option<UserId>,
    /// What the device calls itself.
    pub device_name: String,
    /// Its device profile.
    pub profile: String,
    /// Its program.
    pub client: String,
    /// When the code ends.
    pub expires_unix_s: i64,
}

/// A dashboard session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// SHA-256 of the cookie's token.
    pub token_sha256: Digest,
    /// Whose.
    pub user: UserId,
    /// When it ends.
    pub expires_unix_s: i64,
}

/// A save of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveRecord {
    /// The key.
    pub row: SaveRow,
    /// The first spelling that the server met.
    pub save: SaveId,
    /// The user's change number at which it last changed.
    pub change: u64,
}

/// A version with what the server adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The id of `record`.
    pub id: VersionId,
    /// As its writer sent it.
    pub record: Version,
    /// When the server learned it.
    pub received_unix_s: i64,
    /// The device that sent it; `None`: the dashboard.
    pub device: Option<DeviceId>,
    /// The device's name at the time.
    pub device_name: String,
    /// The user's change number that it made.
    pub change: u64,
    /// Sound, and no sound version names it as a parent. Heads are leaves, see `library::heads`.
    pub leaf: bool,
}

/// A large content on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The key.
    pub id: UploadId,
    /// Whose.
    pub user: UserId,
    /// The whole.
    pub content: Content,
    /// SHA-256 of each block.
    pub block_digests: Vec<Digest>,
    /// Which blocks are staged, durably.
    pub staged: Vec<bool>,
    /// When anything was last sent for it.
    pub touched_unix_s: i64,
}

/// Where a block's bytes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// In which content.
    pub content: Digest,
    /// From which byte.
    pub offset_bytes: u64,
    /// How many.
    pub length_bytes: u64,
}

/// An operation's answer, kept so that it can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRecord {
    /// Whose operation ids: a device's id, or a user of the dashboard.
    pub scope: String,
    /// The operation id.
    pub id: String,
    /// SHA-256 of what was asked.
    pub request: Digest,
    /// The answer, as JSON.
    pub reply: String,
    /// When it was given.
    pub at_unix_s: i64,
}

/// What a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many saves.
    pub saves: u64,
    /// How many versions.
    pub versions: u64,
    /// Bytes of distinct content.
    pub size_bytes: u64,
    /// Devices that are not revoked.
    pub devices: u64,
}
