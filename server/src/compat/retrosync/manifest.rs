//! `GET /api/sync/manifest`: what each file of the device should be, and what other devices have besides.
//!
//! Their client uploads a file that is newer than the manifest says, and replaces one that is older; it asks twice, before the uploads
//! and after. So a file that should be replaced is first named with a time so old that the client uploads what it holds. Only when
//! that has come, and was what we thought or a branch by now, does the second answer name the new version, newer than
//! the file. A file whose device and another have both changed keeps its own until a person has chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use retrosync_protocol::{Digest, Head, SaveId, VersionId};

use super::Compat;
use super::caller::Device;
use super::envelope::{Failure, Json, Reply, data, object};
use super::names;
use super::shelf::{Location, Mode, Save, Shelf, Strategy};
use super::store::{fits, settled};
use crate::library::Now;

/// Older than any time that their client believes: 2014-12-31T23:58:00Z.
pub(super) const UPLOAD_FIRST_MS: i64 = 1_420_070_280_000;
/// The last time that their client believes: before 2035.
const LATEST_MS: i64 = 2_051_222_400_000;
/// What was shown longer ago may have changed since.
const SHOWN_S: i64 = 600;

pub(super) async fn show(State(compat): State<Arc<Compat>>, device: Device) -> Reply {
    let user = device.asker.user;
    let _turn = compat.turn(user).await;
    let shelf = compat.shelf(user).await?;
    let mut states = compat.states(&device, &shelf).await?;
    let mut mine: Vec<&Location> = shelf.locations.iter().filter(|l| l.device == device.id).collect();
    mine.sort_by_key(|location| std::cmp::Reverse(location.updated_ms));
    let kind = compat.device_type(&device).await?;
    let (mut entries, mut changed) = (Vec::new(), Vec::new());
    for location in &mine {
        let Some(save) = shelf.save(&location.save).filter(|save| save.strategy == Strategy::Shared) else {
            continue;
        };
        let now = states.get(&save.id).filter(|now| location.mode != Mode::Disabled && is_there(now));
        let named = now.and_then(|now| named(&shelf, location, now, compat.app.now_unix_s()));
        let offered = named.as_ref().map(|named| (named.version, named.modified_ms));
        // What was shown counts once: until the next time the file may change.
        if location.shown_unix_s.is_some() || location.offered != offered {
            changed.push(Location { shown_unix_s: None, offered, ..(*location).clone() });
        }
        if now.is_some() {
            entries.push(entry(save, Some(location), &kind, named));
        }
    }
    let mapped = entries.len();
    let is_mine = |save: &Save| mine.iter().any(|location| location.save == save.id);
    for save in shelf.saves.iter().filter(|save| save.strategy == Strategy::Shared && !is_mine(save)) {
        let Some(now) = states.remove(&save.id).filter(is_there) else { continue };
        let newest = now.heads.iter().max_by_key(|head| head.received_unix_s);
        entries.push(entry(save, None, &kind, newest.and_then(|head| plain(&shelf, head))));
    }
    compat.put_locations(user, &changed).await?;
    let count = entries.len();
    data(&[
        ("device", object(&[("id", names::device(&device.id).into()), ("deviceType", (&kind).into())])),
        ("manifest", Json::list(entries)),
        ("count", count.into()),
        ("mappedCount", mapped.into()),
        ("unmappedCount", (count - mapped).into()),
    ])
}

impl Compat {
    /// What each shared save is now, without versions whose bytes are lost.
    async fn states(&self, device: &Device, shelf: &Shelf) -> Result<BTreeMap<String, Now>, Failure> {
        let shared: Vec<&Save> =
            shelf.saves.iter().filter(|save| save.strategy == Strategy::Shared).collect();
        let ids: Vec<SaveId> = shared.iter().map(|save| save.shared_id()).collect::<Result<_, _>>()?;
        let mut nows = self.app.library.now(&device.asker, &ids, false).await?;
        let all: Vec<Digest> =
            nows.iter().flat_map(|now| &now.heads).filter_map(|head| Some(head.content?.digest)).collect();
        let lacking = self.app.library.lacking(all).await?;
        for now in &mut nows {
            now.heads.retain(|head| head.content.is_none_or(|content| !lacking.contains(&content.digest)));
        }
        Ok(shared.iter().map(|save| save.id.clone()).zip(nows).collect())
    }

    /// The word by which their clients know this device's kind.
    pub(super) async fn device_type(&self, device: &Device) -> Result<String, Failure> {
        let devices = self.app.access.device_records(device.asker.user).await?;
        let own = devices.into_iter().find(|record| record.device == device.id);
        Ok(own.map_or_else(|| "other".into(), |record| super::devices::kind(&record).to_owned()))
    }
}

/// Is the save there, not deleted?
fn is_there(now: &Now) -> bool {
    now.heads.is_empty() || now.heads.iter().any(|head| head.content.is_some())
}

/// What a manifest names: a version and the file's time that goes with it.
struct Named {
    version: VersionId,
    digest: Digest,
    size_bytes: u64,
    modified_ms: i64,
    uploaded_ms: i64,
}

/// The version that a place is told of.
fn named(shelf: &Shelf, location: &Location, now: &Now, now_unix_s: i64) -> Option<Named> {
    let own = now.heads.iter().find(|head| Some(head.version) == location.base);
    if let Some(own) = own {
        return plain(shelf, own).map(|named| Named { modified_ms: location.file_ms, ..named });
    }
    let head = settled(now).filter(|head| location.mode == Mode::Sync && fits(shelf, location, head))?;
    let named = plain(shelf, head)?;
    let shown = location.shown_unix_s.is_some_and(|at| (at..=at + SHOWN_S).contains(&now_unix_s));
    let modified_ms = if shown {
        // Newer than the file, in whole seconds, and older than anything that is played from now on.
        let above_ms = (location.file_ms.div_euclid(1000) + 1) * 1000;
        if above_ms < LATEST_MS { above_ms } else { named.modified_ms }
    } else {
        UPLOAD_FIRST_MS
    };
    Some(Named { modified_ms, ..named })
}

/// A head with the time that its device told, or with the time at which it came.
fn plain(shelf: &Shelf, head: &Head) -> Option<Named> {
    let content = head.content?;
    let received_ms = head.received_unix_s.saturating_mul(1000);
    let brought = shelf.brought(head.version).map(|(_, brought)| brought);
    Some(Named {
        version: head.version,
        digest: content.digest,
        size_bytes: content.size_bytes,
        modified_ms: brought.map_or(received_ms, |brought| brought.modified_ms),
        uploaded_ms: brought.map_or(received_ms, |brought| brought.uploaded_ms),
    })
}

fn entry(save: &Save, location: Option<&Location>, kind: &String, named: Option<Named>) -> Json {
    let latest = named.map_or_else(Json::null, |named| {
        object(&[
            ("id", names::version(named.version).into()),
            ("contentHash", named.digest.to_string().into()),
            ("byteSize", named.size_bytes.into()),
            ("localModifiedAt", Json::time(named.modified_ms)),
            ("localModifiedAtMs", named.modified_ms.into()),
            ("uploadedAt", Json::time(named.uploaded_ms)),
            ("uploadedAtMs", named.uploaded_ms.into()),
        ])
    });
    object(&[
        ("saveId", (&save.id).into()),
        ("saveKey", (&save.key).into()),
        ("displayName", (&save.key).into()),
        ("localPath", Json::or_null(location.map(|location| &location.path))),
        ("deviceType", kind.into()),
        ("needsMapping", location.is_none().into()),
        ("latestVersion", latest),
    ])
}
