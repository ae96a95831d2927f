//! What is remembered of their clients beside the library: their saves, and each place on a device where one lies.
//!
//! Only that: which version a place holds is a pointer into our history, and losing all of it costs questions, never bytes.

use std::collections::BTreeSet;

use retrosync_protocol::{DeviceId, Digest, SaveId, VersionId};
use serde::{Deserialize, Serialize};

use super::Compat;
use super::envelope::Failure;
use super::names;
use crate::catalog::UserId;
use crate::library::Answer;
use crate::refusal::Refusal;

const SAVE: &str = "retrosync.save";
const LOCATION: &str = "retrosync.location";

/// Whose memos.
pub(super) fn owner(user: UserId) -> String {
    format!("user {}", user.0)
}

/// Is a save of all devices, or has each device its own?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Strategy {
    Shared,
    PerDevice,
}

impl Strategy {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Strategy::Shared => "shared",
            Strategy::PerDevice => "per_device",
        }
    }
}

/// What a place takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Sync,
    UploadOnly,
    Disabled,
}

impl Mode {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Mode::Sync => "sync",
            Mode::UploadOnly => "upload_only",
            Mode::Disabled => "disabled",
        }
    }
}

/// A save as their clients see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Save {
    /// Their id.
    pub(super) id: String,
    /// Their flat key: the same for games of one name.
    pub(super) key: String,
    /// What tells it from those.
    pub(super) folder: String,
    pub(super) systems: BTreeSet<String>,
    pub(super) strategy: Strategy,
    /// Copies for playing over a network: kept for each device, offered to none.
    pub(super) netplay: bool,
    pub(super) created_ms: i64,
}

impl Save {
    /// A new save of this key and folder.
    pub(super) fn new(user: UserId, key: &str, folder: &str, netplay: bool, now_ms: i64) -> Save {
        let id = names::save(user, &format!("{}/{folder}/{key}", if netplay { "netplay" } else { "" }));
        let strategy = if netplay { Strategy::PerDevice } else { Strategy::Shared };
        Save {
            id,
            key: key.into(),
            folder: folder.into(),
            systems: BTreeSet::new(),
            strategy,
            netplay,
            created_ms: now_ms,
        }
    }

    /// Which save of the library it is, for this device.
    pub(super) fn library_id(&self, device: &DeviceId) -> Answer<SaveId> {
        let slot = match self.strategy {
            Strategy::Shared => "saves",
            Strategy::PerDevice => &device.as_str()["dev_".len().."dev_".len() + 8],
        };
        self.in_slot(slot)
    }

    /// Which save of the library all devices share.
    pub(super) fn shared_id(&self) -> Answer<SaveId> {
        self.in_slot("saves")
    }

    fn in_slot(&self, slot: &str) -> Answer<SaveId> {
        let netplay = if self.netplay { "netplay/" } else { "" };
        let folder = if self.folder.is_empty() { String::new() } else { format!("{}/", self.folder) };
        let text = format!("retrosync/file.{slot}/{netplay}{folder}{}", self.key);
        text.parse().map_err(|why| {
            Refusal::new(retrosync_protocol::Code::Malformed, format!("Invalid file path: {why}"))
        })
    }
}

/// A version that a place brought, with the time that its device told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Brought {
    pub(super) version: VersionId,
    pub(super) modified_ms: i64,
    pub(super) uploaded_ms: i64,
    pub(super) size_bytes: u64,
    #[serde(default)]
    pub(super) digest: Option<Digest>,
}

/// A version that was sent to a place. Whether it arrived, only the place's next upload shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) version: VersionId,
    pub(super) digest: Digest,
}

/// A file of a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Location {
    /// Their id.
    pub(super) id: String,
    pub(super) device: DeviceId,
    pub(super) path: String,
    /// Their id of the save.
    pub(super) save: String,
    pub(super) mode: Mode,
    /// The version that the file is known to hold.
    pub(super) base: Option<VersionId>,
    /// What it downloaded since, and has not shown to hold.
    #[serde(default)]
    pub(super) given: Option<Given>,
    /// What it uploaded last.
    pub(super) brought: Option<Brought>,
    /// The file's time, as its device told it or was told it.
    pub(super) file_ms: i64,
    pub(super) size_bytes: u64,
    /// What the last manifest offered it: the version, and the time that the file is to have.
    pub(super) offered: Option<(VersionId, i64)>,
    /// Its device showed what it holds, and has asked for no manifest since.
    pub(super) shown_unix_s: Option<i64>,
    /// It is an object of the first generation's bucket.
    pub(super) in_bucket: bool,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
}

impl Location {
    pub(super) fn new(device: &DeviceId, path: &str, save: &str, now_ms: i64) -> Location {
        Location {
            id: names::location(device, path),
            device: device.clone(),
            path: path.into(),
            save: save.into(),
            mode: Mode::Sync,
            base: None,
            given: None,
            brought: None,
            file_ms: now_ms,
            size_bytes: 0,
            offered: None,
            shown_unix_s: None,
            in_bucket: false,
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    }
}

/// All of a user's saves and places.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) saves: Vec<Save>,
    pub(super) locations: Vec<Location>,
}

impl Shelf {
    pub(super) fn save(&self, id: &str) -> Option<&Save> {
        self.saves.iter().find(|save| save.id == id)
    }

    pub(super) fn location(&self, id: &str) -> Option<&Location> {
        self.locations.iter().find(|location| location.id == id)
    }

    /// A save's places.
    pub(super) fn places<'a>(&'a self, save: &'a Save) -> impl Iterator<Item = &'a Location> + 'a {
        self.locations.iter().filter(|location| location.save == save.id)
    }

    /// What a place brought as this version.
    pub(super) fn brought(&self, version: VersionId) -> Option<(&Location, Brought)> {
        let all = self.locations.iter().filter_map(|place| Some((place, place.brought?)));
        all.into_iter().find(|(_, brought)| brought.version == version)
    }

    /// The places of a save that brought this content, as this version or as one that a person chose since.
    pub(super) fn brought_content<'a>(
        &'a self,
        save: &'a str,
        version: VersionId,
        digest: Digest,
    ) -> impl Iterator<Item = &'a Location> + 'a {
        let is_it = move |brought: Brought| brought.version == version || brought.digest == Some(digest);
        self.locations.iter().filter(move |place| place.save == save && place.brought.is_some_and(is_it))
    }
}

impl Compat {
    /// All that is remembered of this user's clients.
    pub(super) async fn shelf(&self, user: UserId) -> Result<Shelf, Failure> {
        let (owner, library) = (owner(user), &self.app.library);
        Ok(Shelf {
            saves: library.memos(&owner, SAVE).await?,
            locations: library.memos(&owner, LOCATION).await?,
        })
    }

    pub(super) async fn put_save(&self, user: UserId, save: &Save) -> Result<(), Failure> {
        Ok(self.app.library.put_memos(&owner(user), SAVE, &[(&save.id, save)]).await?)
    }

    pub(super) async fn put_locations(&self, user: UserId, locations: &[Location]) -> Result<(), Failure> {
        if locations.is_empty() {
            return Ok(());
        }
        let memos: Vec<(&str, &Location)> =
            locations.iter().map(|location| (location.id.as_str(), location)).collect();
        Ok(self.app.library.put_memos(&owner(user), LOCATION, &memos).await?)
    }
}
