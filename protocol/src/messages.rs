//! Requests and replies, one pair an endpoint, in the order of the README.

use serde::{Deserialize, Serialize};

use crate::wire;
use crate::{
    Body, Content, DeviceId, Digest, Epoch, Landmark, Played, Problem, SaveId, UserCode, Version, VersionId,
    WriterId,
};

/// `POST /pairing`: the device wants in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingRequest {
    /// SHA-256 of the token that the device drew and keeps.
    pub token_sha256: Digest,
    /// What people will call it.
    pub device_name: String,
    /// Its device profile.
    #[serde(default)]
    pub profile: String,
    /// The program, as `retrosync/0.1.0 armv7`.
    #[serde(default)]
    pub client: String,
}

/// The answer to [`PairingRequest`]: what the device shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingOffer {
    /// The code to show.
    pub user_code: UserCode,
    /// Where the user types it.
    pub verification_url: String,
    /// The same with the code filled in: for the QR code.
    pub verification_url_complete: String,
    /// How long the code lives, in seconds.
    pub expires_in_s: u64,
    /// The least pause between two polls, in seconds.
    pub interval_s: u64,
}

/// `POST /pairing/claim`: a code made on the dashboard. On the wire the fields of both stand side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "wire::Claim", into = "wire::Claim")]
pub struct ClaimRequest {
    /// The code.
    pub user_code: UserCode,
    /// As in [`PairingRequest`].
    pub device: PairingRequest,
}

/// `GET /pairing` and `POST /pairing/claim`: the device is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {
    /// The device's id.
    pub device: DeviceId,
    /// Its name.
    pub device_name: String,
    /// Whose it is.
    pub user: String,
    /// The server's epoch.
    pub epoch: Epoch,
}

/// `GET /changes` and `POST /changes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesRequest {
    /// The cursor of the last answer, 0 at first.
    #[serde(default)]
    pub since: u64,
    /// The epoch that the cursor is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The landmark of the last answer: a history without it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landmark: Option<Landmark>,
    /// Whose versions are no news to who waits; without it, those of the device that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<WriterId>,
    /// How long to wait for news, in seconds.
    #[serde(default)]
    pub wait_s: u64,
    /// The most saves in one answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Which contents are in a save's history?
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<Ask>,
}

/// Is `digest` the content of any version of `save`?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Which save.
    pub save: SaveId,
    /// Which content.
    pub digest: Digest,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The server's epoch.
    pub epoch: Epoch,
    /// What to ask from next time.
    pub cursor: u64,
    /// There is more: ask again at once.
    pub more: bool,
    /// The cursor was of another epoch, or of a history that this one has parted from: every base is unknown.
    #[serde(default)]
    pub reset: bool,
    /// The last change of all; none where nothing was stored yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landmark: Option<Landmark>,
    /// The server's clock.
    pub server_time_unix_s: i64,
    /// Each changed save with all its heads.
    pub saves: Vec<SaveHeads>,
    /// The answers to [`ChangesRequest::ask`], in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<bool>,
    /// Contents whose bytes the server has lost, as far as it noticed: who has them offers them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<Digest>,
}

/// A save and its heads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveHeads {
    /// Which save, in the server's spelling.
    pub save: SaveId,
    /// One: settled. More: a question, unless all have one digest. None: only suspects are known.
    pub heads: Vec<Head>,
}

/// A head, with what a person wants to know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version.
    pub version: VersionId,
    /// Its content; `None` is a tombstone.
    pub content: Option<Content>,
    /// Who wrote it.
    pub writer: WriterId,
    /// The writer's count.
    pub sequence: u64,
    /// The device's name at the time.
    #[serde(default)]
    pub device_name: String,
    /// When the bytes were changed.
    #[serde(default)]
    pub played: Option<Played>,
    /// When the server learned it.
    #[serde(default)]
    pub received_unix_s: i64,
}

/// `GET /history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Which save.
    pub save: SaveId,
    /// Its heads.
    pub heads: Vec<VersionId>,
    /// Newest first, as the server learned them.
    pub versions: Vec<HistoryEntry>,
    /// There are older ones: ask with `before` = the last version here.
    pub more: bool,
}

/// One version in a save's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The version.
    pub version: VersionId,
    /// Its record.
    pub record: Version,
    /// When the server learned it.
    pub received_unix_s: i64,
    /// The device's name at the time.
    #[serde(default)]
    pub device_name: String,
    /// Is it a head?
    pub head: bool,
    /// Its bytes are not kept any more; the record stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub thinned: bool,
}

/// `POST /content`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentRequest {
    /// Which contents, at most 1,000.
    pub digests: Vec<Digest>,
}

/// The header of a frame in the answer to [`ContentRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFrame {
    /// Which content.
    pub digest: Digest,
    /// The body; `None`: not known.
    pub body: Option<Body>,
}

/// The header of a frame of `POST /versions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFrame {
    /// The record.
    pub version: Version,
    /// The content's bytes; `None`: the server has them.
    pub body: Option<Body>,
}

/// The answer to `POST /versions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreReply {
    /// One a frame, in order.
    pub results: Vec<StoreResult>,
}

/// What became of one version. An outcome that this program does not know is read as a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase", try_from = "wire::Stored")]
pub enum StoreResult {
    /// It, or one with the same content, is the save's only head.
    Head {
        /// The head.
        version: VersionId,
        /// All heads now.
        heads: Vec<Head>,
    },
    /// It is stored, and there are other heads, or it is suspect.
    Branch {
        /// This version.
        version: VersionId,
        /// All heads now.
        heads: Vec<Head>,
    },
    /// It is not stored.
    Refused {
        /// Why.
        problem: Problem,
    },
}

/// `POST /saves/restore`, `/saves/resolve` (there the version is called `keep`) and `/saves/retire` (without version).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceRequest {
    /// Which save.
    pub save: SaveId,
    /// What to restore or to keep.
    #[serde(default, alias = "keep", skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// The heads that the user saw.
    pub heads: Vec<VersionId>,
    /// A person's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The answer to [`ChoiceRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceReply {
    /// The version that was written.
    pub version: VersionId,
    /// All heads now.
    pub heads: Vec<Head>,
}

/// `POST /uploads`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRequest {
    /// The whole.
    pub content: Content,
    /// SHA-256 of each block of [`crate::BLOCK_BYTES`].
    pub block_digests: Vec<Digest>,
}

/// What an upload still lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadReply {
    /// Indexes of missing blocks, ascending.
    pub missing: Vec<u64>,
    /// The whole is there and verified.
    pub complete: bool,
}

/// The header of a frame of `POST /uploads/{digest}/blocks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockFrame {
    /// Which block.
    pub index: u64,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its bytes.
    pub body: Body,
}

/// `GET /devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// All devices that are not revoked.
    pub devices: Vec<Device>,
}

/// A paired device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// Its device profile.
    pub profile: String,
    /// Its program.
    pub client: String,
    /// When it was paired.
    pub paired_unix_s: i64,
    /// When it last asked anything.
    pub last_seen_unix_s: Option<i64>,
    /// It is the one that asks.
    pub this_device: bool,
}

/// `PATCH /devices/{device}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceChange {
    /// The new name, 1 to 80 bytes.
    pub name: String,
}

/// `GET /account`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The user's name.
    pub user: String,
    /// How many saves.
    pub saves: u64,
    /// How many versions.
    pub versions: u64,
    /// How many bytes of distinct content.
    pub size_bytes: u64,
    /// The limit, if there is one.
    pub quota_bytes: Option<u64>,
    /// How many devices.
    pub devices: u64,
}

/// `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// `retrosync-server/` and its version: tells a captive portal from us.
    pub server: String,
    /// The protocol's version: 1.
    pub protocol: u32,
}
