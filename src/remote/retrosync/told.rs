//! What a RetroSync server said, read: the manifest and the list of saves. Nothing in it is believed before it is verified.
//!
//! An entry that is not of its form is left out: it says nothing, and what it hides stays as it is here.

use std::cmp::Ordering;

use retrosync_protocol::{Digest, SaveId};
use serde_json::Value;

use super::names;

/// A save in the manifest.
pub(super) struct Entry {
    /// Their id of the save.
    pub id: String,
    /// Their flat key.
    pub key: String,
    /// What it says is the newest version.
    pub latest: Option<Latest>,
    /// It says that there is one, and not in a form that can be read.
    pub is_odd: bool,
}

impl Entry {
    /// What stands for the newest version: its id, or that of the save where it cannot be read.
    pub(super) fn told(&self) -> Option<&String> {
        let latest = self.latest.as_ref().map(|latest| &latest.id);
        latest.or(self.is_odd.then_some(&self.id))
    }
}

/// The newest version of a save, as they say.
#[derive(Clone)]
pub(super) struct Latest {
    /// Their id of the version.
    pub id: String,
    /// The digest as they spell it.
    pub hash_text: String,
    /// The same, read.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// The time that its device gave it, Unix milliseconds.
    pub modified_ms: i64,
    /// When it came, Unix milliseconds.
    pub uploaded_ms: i64,
}

/// What the list of saves says of one.
pub(super) struct Known {
    /// Their id of the save.
    pub id: String,
    /// Their flat key.
    pub key: String,
    /// Whose it is: the one that our devices registered under its key.
    pub save: Option<SaveId>,
    /// None of our devices has registered anything under its key. Neither this nor `save`: two games that met there by a race; each
    /// goes on under another name.
    pub is_free: bool,
    /// The user said that this device neither sends nor takes it.
    pub disabled: bool,
    /// The user said that this device only sends it.
    pub upload_only: bool,
    /// Each device has its own.
    pub per_device: bool,
    /// Its newest version is of another client, which takes games of one name for one.
    pub is_foreign: bool,
    /// There is another of this save, and what was shown before may be of that.
    pub is_twice: bool,
}

impl Known {
    /// One that an upload has just made.
    pub(super) fn new(id: String, key: String, save: SaveId) -> Known {
        Known {
            id,
            key,
            save: Some(save),
            is_free: false,
            disabled: false,
            upload_only: false,
            per_device: false,
            is_foreign: false,
            is_twice: false,
        }
    }

    /// Goes what is sent there to no other device?
    pub(super) fn is_alone(&self) -> bool {
        self.per_device || self.upload_only
    }
}

/// The entries of a manifest, and this device's id.
pub(super) fn manifest(data: &Value) -> Option<(&Value, Vec<Entry>)> {
    let device = Some(&data["device"]["id"]).filter(|id| id.is_string())?;
    let entries = data["manifest"].as_array()?.iter().filter_map(|value| {
        let latest = latest(&value["latestVersion"]);
        Some(Entry {
            id: text(&value["saveId"])?,
            key: text(&value["saveKey"])?,
            is_odd: latest.is_none() && !value["latestVersion"].is_null(),
            latest,
        })
    });
    Some((device, entries.collect()))
}

fn latest(value: &Value) -> Option<Latest> {
    let hash_text = text(&value["contentHash"])?;
    Some(Latest {
        id: text(&value["id"]).filter(|id| is_id(id))?,
        digest: hash_text.to_ascii_lowercase().parse().ok()?,
        hash_text,
        size_bytes: value["byteSize"].as_u64()?,
        modified_ms: value["localModifiedAtMs"].as_i64().unwrap_or(0),
        uploaded_ms: value["uploadedAtMs"].as_i64().unwrap_or(0),
    })
}

/// The list of saves, in the order of their ids.
pub(super) fn saves(data: &Value, device: &Value) -> Option<Vec<Known>> {
    let mut known = Vec::new();
    for value in data["saves"].as_array()? {
        let (Some(id), Some(key)) = (text(&value["id"]), text(&value["saveKey"])) else { continue };
        let locations = value["locations"].as_array().map_or(&[][..], Vec::as_slice);
        let ours = |location: &Value| names::save_at(location["localPath"].as_str()?);
        let mut of_key = locations.iter().filter_map(ours).filter(|save| names::is_key(&key, save));
        let first = of_key.next();
        let is_one = of_key.all(|save| Some(&save) == first.as_ref());
        let any = |device: &Value, mode: Option<&str>| {
            locations.iter().any(|location| {
                location["deviceId"] == *device
                    && mode.is_none_or(|mode| location["syncMode"] == mode)
                    && ours(location).is_some()
            })
        };
        let last = &value["latestVersionDevice"]["id"];
        let found = Known {
            is_free: first.is_none(),
            save: first.filter(|_| is_one),
            disabled: any(device, Some("disabled")),
            upload_only: any(device, Some("upload_only")),
            per_device: value["syncStrategy"] == "per_device",
            is_foreign: last.is_string() && !any(last, None),
            is_twice: false,
            key,
            id,
        };
        known.push(found);
    }
    choose(&mut known);
    Some(known)
}

/// Of two of one save, whether it went on under a name of its own or two devices spell it in two ways, each device chooses the
/// same: that of the longer name. Leaves them in the order of their ids.
fn choose(known: &mut [Known]) {
    let sort = |known: &mut [Known], order: fn(&Known, &Known) -> Ordering| known.sort_unstable_by(order);
    sort(known, |a, b| (&a.save, b.key.len(), &a.key, &a.id).cmp(&(&b.save, a.key.len(), &b.key, &b.id)));
    let mut chosen = 0;
    for at in 1..known.len() {
        if known[at].save.is_none() || known[at].save != known[chosen].save {
            chosen = at;
            continue;
        }
        log::warn!("there are two of one save: what is called `{}` there is not synced", known[at].key);
        known[at].save = None;
        known[chosen].is_twice = true;
    }
    sort(known, |a, b| a.id.cmp(&b.id));
}

/// A text that is there and not of any length.
fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| (1..=1024).contains(&text.len())).map(str::to_owned)
}

/// The objects of versions, in order: their ids of the save and of the version. The server lists no more than a thousand.
pub(super) fn objects(data: &Value) -> Vec<(String, String)> {
    let files = data["files"].as_array().map_or(&[][..], Vec::as_slice);
    let object = |value: &Value| {
        let (_, rest) = value["key"].as_str()?.split_once("/saves/")?;
        let (save, version) = rest.split_once("/versions/")?;
        is_id(version).then(|| (save.into(), version.into()))
    };
    let mut objects: Vec<_> = files.iter().filter_map(object).take(1000).collect();
    objects.sort_unstable();
    objects
}

/// It becomes part of an address.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
