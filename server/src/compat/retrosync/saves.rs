//! `/api/saves`: a user's saves with their places, and what takes part in what. Deleting one writes a tombstone: every
//! version stays, and the dashboard brings it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use retrosync_protocol::{ChoiceRequest, DeviceId, Head, SaveId};
use serde::Deserialize;

use super::Compat;
use super::caller::{Asked, Either, User};
use super::devices::kind;
use super::envelope::{Failure, Fields, Json, Reply, SMALL_BYTES, data, object};
use super::names;
use super::shelf::{Location, Mode, Save, Shelf, Strategy};
use crate::catalog::DeviceRecord;
use crate::library::Asker;

/// What is there of one save: its heads, in the shared line and in each device's own.
#[derive(Default)]
struct Heads {
    heads: Vec<(SaveId, Head)>,
}

/// Which saves of the library it is.
fn lines(shelf: &Shelf, save: &Save) -> Result<Vec<SaveId>, Failure> {
    let mut ids = Vec::new();
    // Also what was shared before each device went on by itself.
    if !save.netplay {
        ids.push(save.shared_id()?);
    }
    for device in shelf.places(save).map(|place| &place.device) {
        let id = save.library_id(device)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

impl Compat {
    async fn heads_of(&self, asker: &Asker, shelf: &Shelf, save: &Save) -> Result<Heads, Failure> {
        Ok(self.heads_of_each(asker, shelf, [save]).await?.pop().unwrap_or_default())
    }

    /// The heads of these saves, in their order, within one transaction of the catalog.
    async fn heads_of_each<'a>(
        &self,
        asker: &Asker,
        shelf: &Shelf,
        saves: impl IntoIterator<Item = &'a Save>,
    ) -> Result<Vec<Heads>, Failure> {
        let lines: Vec<Vec<SaveId>> =
            saves.into_iter().map(|save| lines(shelf, save)).collect::<Result<_, _>>()?;
        let nows = self.app.library.now(asker, &lines.concat(), false).await?;
        let mut nows = nows.into_iter();
        let heads = lines.into_iter().map(|ids| {
            let of = ids.into_iter().zip(nows.by_ref());
            let heads = of.flat_map(|(id, now)| now.heads.into_iter().map(move |head| (id.clone(), head)));
            Heads { heads: heads.filter(|(_, head)| head.content.is_some()).collect() }
        });
        Ok(heads.collect())
    }
}

impl Heads {
    /// The newest by when it came.
    fn newest(&self) -> Option<&Head> {
        self.heads.iter().map(|(_, head)| head).max_by_key(|head| head.received_unix_s)
    }
}

/// `GET /api/saves`
pub(super) async fn list(State(compat): State<Arc<Compat>>, caller: Either) -> Reply {
    let asker = caller.asker();
    let shelf = compat.shelf(asker.user).await?;
    let records = compat.app.access.device_records(asker.user).await?;
    let devices: BTreeMap<&DeviceId, &DeviceRecord> =
        records.iter().map(|record| (&record.device, record)).collect();
    let mut shown = Vec::new();
    let states = compat.heads_of_each(asker, &shelf, &shelf.saves).await?;
    for (save, state) in shelf.saves.iter().zip(&states) {
        if let Some(newest) = state.newest() {
            let uploaded_ms = uploaded_ms(&shelf, newest);
            shown.push((uploaded_ms, shown_save(&shelf, &devices, save, newest)));
        }
    }
    shown.sort_by_key(|(uploaded_ms, _)| std::cmp::Reverse(*uploaded_ms));
    let count = shown.len();
    data(&[("saves", Json::list(shown.into_iter().map(|(_, save)| save))), ("count", count.into())])
}

fn uploaded_ms(shelf: &Shelf, head: &Head) -> i64 {
    let brought = shelf.brought(head.version).map(|(_, brought)| brought.uploaded_ms);
    brought.unwrap_or(head.received_unix_s * 1000)
}

fn shown_save(
    shelf: &Shelf,
    devices: &BTreeMap<&DeviceId, &DeviceRecord>,
    save: &Save,
    newest: &Head,
) -> Json {
    let brought = shelf.brought(newest.version);
    let uploaded_ms = uploaded_ms(shelf, newest);
    let modified_ms = brought.map_or(uploaded_ms, |(_, brought)| brought.modified_ms);
    let locations = shelf.places(save).filter_map(|place| {
        let device = devices.get(&place.device)?;
        let own = place.brought.map(|brought| (brought.modified_ms, brought.uploaded_ms));
        let (own_modified_ms, own_uploaded_ms) = own.unwrap_or((place.file_ms, place.updated_ms));
        Some(object(&[
            ("id", (&place.id).into()),
            ("deviceId", names::device(&place.device).into()),
            ("deviceName", (&device.name).into()),
            ("deviceType", kind(device).into()),
            ("localPath", (&place.path).into()),
            ("syncMode", place.mode.word().into()),
            ("isLatest", (place.base == Some(newest.version)).into()),
            ("latestModifiedAt", Json::time(modified_ms)),
            ("modifiedAt", Json::time(own_modified_ms)),
            ("uploadedAt", Json::time(own_uploaded_ms)),
        ]))
    });
    let by = brought.and_then(|(place, _)| devices.get(&place.device));
    let by = by.map_or_else(Json::null, |device| {
        object(&[
            ("id", names::device(&device.device).into()),
            ("name", (&device.name).into()),
            ("deviceType", kind(device).into()),
        ])
    });
    object(&[
        ("id", (&save.id).into()),
        ("saveKey", (&save.key).into()),
        ("displayName", (&save.key).into()),
        ("fileSize", newest.content.map_or(0, |content| content.size_bytes).into()),
        ("lastModifiedAt", Json::time(modified_ms)),
        ("uploadedAt", Json::time(uploaded_ms)),
        ("syncStrategy", save.strategy.word().into()),
        ("locations", Json::list(locations)),
        ("latestVersionDevice", by),
    ])
}

#[derive(Default, Deserialize)]
pub(super) struct WhichSave {
    #[serde(rename = "saveId")]
    id: Option<String>,
    #[serde(rename = "filePath")]
    key: Option<String>,
    #[serde(rename = "deviceId")]
    device: Option<String>,
}

/// The saves meant: one by its id, or all of a flat key.
fn meant<'a>(shelf: &'a Shelf, which: &WhichSave) -> Result<Vec<&'a Save>, Failure> {
    let found: Vec<&Save> = match (&which.id, &which.key) {
        (Some(id), _) => shelf.saves.iter().filter(|save| save.id == *id).collect(),
        (None, Some(key)) => {
            shelf.saves.iter().filter(|save| save.key == super::place::save_key(key)).collect()
        }
        (None, None) => return Err(Failure::new(400, "saveId or filePath is required")),
    };
    if found.is_empty() { Err(Failure::new(404, "Save file not found")) } else { Ok(found) }
}

/// `DELETE /api/saves?saveId=`. By a flat key that several games have, nothing is deleted.
pub(super) async fn remove(
    State(compat): State<Arc<Compat>>,
    user: User,
    Asked(which): Asked<WhichSave>,
) -> Reply {
    let _turn = compat.turn(user.asker.user).await;
    let shelf = compat.shelf(user.asker.user).await?;
    let [save] = meant(&shelf, &which)?[..] else {
        return Err(Failure::new(400, "Several saves have this name; use saveId"));
    };
    let state = compat.heads_of(&user.asker, &shelf, save).await?;
    let mut ids: Vec<SaveId> = state.heads.iter().map(|(id, _)| id.clone()).collect();
    ids.dedup();
    if ids.is_empty() {
        return Err(Failure::new(404, "Save file not found"));
    }
    for id in ids {
        let heads = state.heads.iter().filter(|(of, _)| *of == id).map(|(_, head)| head.version).collect();
        let request = ChoiceRequest { save: id, version: None, heads, note: None };
        compat.app.library.retire(&user.asker, &request, None, compat.app.now_unix_s()).await?;
    }
    data(&[("message", "Save file deleted successfully".into()), ("deletedCount", 1_usize.into())])
}

/// `GET /api/saves/download?filePath=`: a link to the newest version, good for ten minutes.
pub(super) async fn link(
    State(compat): State<Arc<Compat>>,
    user: User,
    headers: HeaderMap,
    Asked(which): Asked<WhichSave>,
) -> Reply {
    let shelf = compat.shelf(user.asker.user).await?;
    let mut newest: Option<(Head, String)> = None;
    let saves = meant(&shelf, &which)?;
    let states = compat.heads_of_each(&user.asker, &shelf, saves.iter().copied()).await?;
    for (save, state) in saves.into_iter().zip(&states) {
        let asked = |head: &&(SaveId, Head)| {
            which.device.as_ref().is_none_or(|device| {
                shelf
                    .brought(head.1.version)
                    .is_some_and(|(place, _)| names::device(&place.device) == *device)
            })
        };
        let of_this =
            state.heads.iter().filter(asked).map(|(_, head)| head).max_by_key(|head| head.received_unix_s);
        if let Some(head) = of_this
            && newest.as_ref().is_none_or(|(known, _)| known.received_unix_s < head.received_unix_s)
        {
            let name =
                shelf.brought(head.version).map(|(place, _)| super::place::basename(&place.path).to_owned());
            newest = Some((head.clone(), name.unwrap_or_else(|| format!("{}.srm", save.key))));
        }
    }
    let (head, name) = newest.ok_or_else(|| Failure::new(404, "Save file not found"))?;
    let ticket = compat.link(&user.asker, names::version(head.version), &name).await?;
    data(&[("url", format!("{}/api/saves/object?ticket={ticket}", compat.app.base_url(&headers)).into())])
}

async fn with_mode(compat: &Compat, user: &User, id: &str, mode: Mode) -> Result<Json, Failure> {
    let _turn = compat.turn(user.asker.user).await;
    let shelf = compat.shelf(user.asker.user).await?;
    let missing = || Failure::new(404, "Save location not found");
    let location = shelf.location(id).ok_or_else(missing)?;
    let records = compat.app.access.device_records(user.asker.user).await?;
    let device = records.iter().find(|record| record.device == location.device).ok_or_else(missing)?;
    compat.put_locations(user.asker.user, &[Location { mode, ..location.clone() }]).await?;
    Ok(object(&[
        ("id", (&location.id).into()),
        ("deviceId", names::device(&location.device).into()),
        ("deviceName", (&device.name).into()),
        ("deviceType", kind(device).into()),
        ("localPath", (&location.path).into()),
        ("syncEnabled", (mode != Mode::Disabled).into()),
        ("syncMode", mode.word().into()),
    ]))
}

/// `PATCH /api/saves/set-sync-mode`
pub(super) async fn set_mode(State(compat): State<Arc<Compat>>, user: User, body: Body) -> Reply {
    let fields = Fields::read_if_any(body, SMALL_BYTES).await?;
    let mode = match fields.required("syncMode")? {
        "sync" => Mode::Sync,
        "upload_only" => Mode::UploadOnly,
        "disabled" => Mode::Disabled,
        _ => return Err(Failure::new(400, "Invalid syncMode")),
    };
    data(&[("saveLocation", with_mode(&compat, &user, fields.required("saveLocationId")?, mode).await?)])
}

/// `PATCH /api/saves/toggle-sync`
pub(super) async fn toggle(State(compat): State<Arc<Compat>>, user: User, body: Body) -> Reply {
    let fields = Fields::read_if_any(body, SMALL_BYTES).await?;
    let enabled = fields.value("syncEnabled").and_then(serde_json::Value::as_bool);
    let enabled = enabled.ok_or_else(|| Failure::new(400, "Required"))?;
    let mode = if enabled { Mode::Sync } else { Mode::Disabled };
    data(&[("saveLocation", with_mode(&compat, &user, fields.required("saveLocationId")?, mode).await?)])
}

/// `PATCH /api/saves/set-sync-strategy`
pub(super) async fn set_strategy(State(compat): State<Arc<Compat>>, user: User, body: Body) -> Reply {
    let fields = Fields::read_if_any(body, SMALL_BYTES).await?;
    let id = fields.required("saveId")?;
    let strategy = match fields.required("syncStrategy")? {
        "shared" => Strategy::Shared,
        "per_device" => Strategy::PerDevice,
        _ => return Err(Failure::new(400, "Invalid syncStrategy")),
    };
    let _turn = compat.turn(user.asker.user).await;
    let shelf = compat.shelf(user.asker.user).await?;
    let save = shelf.save(id).ok_or_else(|| Failure::new(404, "Save not found"))?;
    if save.netplay && strategy == Strategy::Shared {
        return Err(Failure::new(400, "Netplay copies stay on their device"));
    }
    compat.put_save(user.asker.user, &Save { strategy, ..save.clone() }).await?;
    let shown = object(&[
        ("id", (&save.id).into()),
        ("saveKey", (&save.key).into()),
        ("displayName", (&save.key).into()),
        ("syncStrategy", strategy.word().into()),
    ]);
    data(&[("save", shown)])
}

/// `GET /api/saves/verify-matching`
pub(super) async fn verify(State(compat): State<Arc<Compat>>, user: User) -> Reply {
    let shelf = compat.shelf(user.asker.user).await?;
    let devices = |save: &Save| {
        let mut devices: Vec<&DeviceId> = shelf.places(save).map(|place| &place.device).collect();
        devices.sort();
        devices.dedup();
        devices.len()
    };
    let several: Vec<&Save> = shelf.saves.iter().filter(|save| devices(save) > 1).collect();
    let versions = compat.app.access.account(&user.asker).await?.versions;
    let summary = object(&[
        ("totalSaves", shelf.saves.len().into()),
        ("multiDeviceSaves", several.len().into()),
        ("singleDeviceSaves", (shelf.saves.len() - several.len()).into()),
        ("totalVersions", versions.into()),
        ("versionsWithRealMtime", versions.into()),
        // Each content was verified when it came.
        ("hashMismatches", 0_usize.into()),
    ]);
    let shown = several.iter().map(|save| {
        object(&[
            ("saveId", (&save.id).into()),
            ("saveKey", (&save.key).into()),
            ("devices", devices(save).into()),
        ])
    });
    data(&[
        ("summary", summary),
        ("multiDeviceSaves", Json::list(shown)),
        ("hashMismatches", Json::list([])),
        ("timestampIssues", object(&[])),
    ])
}
