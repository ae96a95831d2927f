//! `/api/devices` and the heartbeat: a user's devices, and the folders that each looks at.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use retrosync_protocol::{DeviceId, OperationId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Compat;
use super::caller::{Asked, Device, Either, User, random};
use super::envelope::{Failure, Fields, Json, Reply, SMALL_BYTES, data, data_and, object};
use super::names;
use super::shelf::owner;
use crate::access::Report;
use crate::catalog::DeviceRecord;
use crate::library::Asker;

const PATHS: &str = "retrosync.paths";
const MOST_PATHS: usize = 200;
const MOST_PATH: usize = 1024;

/// The word by which their clients know a device's kind.
pub(super) fn kind(record: &DeviceRecord) -> &str {
    let theirs = ["rg35xx", "miyoo_flip", "miyoo_mini", "windows", "mac", "linux"];
    theirs.into_iter().find(|kind| *kind == record.profile).unwrap_or("other")
}

/// `GET /api/devices`
pub(super) async fn list(State(compat): State<Arc<Compat>>, user: User) -> Reply {
    let mut records = compat.app.access.device_records(user.asker.user).await?;
    records.reverse();
    let shown = records.iter().map(|record| {
        let seen_ms = record.last_seen_unix_s.map(|seen| seen * 1000);
        let paired = Json::time(record.paired_unix_s * 1000);
        object(&[
            ("id", names::device(&record.device).into()),
            ("name", (&record.name).into()),
            ("deviceType", kind(record).into()),
            ("lastSyncAt", seen_ms.map_or_else(Json::null, Json::time)),
            ("isActive", true.into()),
            ("createdAt", paired.clone()),
            ("updatedAt", seen_ms.map_or(paired, Json::time)),
        ])
    });
    let devices = Json::list(shown);
    data(&[("devices", devices)])
}

/// The user's device of this id.
pub(super) async fn of_user(compat: &Compat, asker: &Asker, id: &str) -> Result<DeviceRecord, Failure> {
    let records = compat.app.access.device_records(asker.user).await?;
    let found = records.into_iter().find(|record| names::device(&record.device) == id);
    found.ok_or_else(|| Failure::new(404, "Device not found"))
}

/// `PATCH /api/devices`
pub(super) async fn rename(State(compat): State<Arc<Compat>>, user: User, body: Body) -> Reply {
    let fields = Fields::read_if_any(body, SMALL_BYTES).await?;
    let (id, name) = (fields.required("id")?, fields.required("name")?);
    let record = of_user(&compat, &user.asker, id).await?;
    let operation = Some(OperationId::from_random(&first(random()?)));
    let now_unix_s = compat.app.now_unix_s();
    compat.app.access.rename_device(&user.asker, &record.device, name, operation, now_unix_s).await?;
    data(&[("message", "Device updated successfully".into())])
}

fn first(random: [u8; 32]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&random[..16]);
    bytes
}

#[derive(Default, Deserialize)]
pub(super) struct WhichDevice {
    id: Option<String>,
    #[serde(rename = "deviceId")]
    device_id: Option<String>,
}

/// `DELETE /api/devices?id=`: its key is worth nothing any more; its versions stay.
pub(super) async fn remove(
    State(compat): State<Arc<Compat>>,
    user: User,
    Asked(which): Asked<WhichDevice>,
) -> Reply {
    let id = which.id.or(which.device_id).ok_or_else(|| Failure::new(400, "Device ID is required"))?;
    let record = of_user(&compat, &user.asker, &id).await?;
    let operation = Some(OperationId::from_random(&first(random()?)));
    compat.app.access.revoke_device(&user.asker, &record.device, operation, compat.app.now_unix_s()).await?;
    data(&[("message", "Device deleted successfully".into())])
}

/// A folder that a device looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ScanPath {
    path: String,
    kind: String,
    /// `device` or `user`.
    source: String,
    created_ms: i64,
    updated_ms: i64,
}

impl ScanPath {
    fn shown(&self, device: &DeviceId) -> Json {
        object(&[
            ("id", names::scan_path(device, &self.kind, &self.path).into()),
            ("deviceId", names::device(device).into()),
            ("path", (&self.path).into()),
            ("kind", (&self.kind).into()),
            ("source", (&self.source).into()),
            ("createdAt", Json::time(self.created_ms)),
            ("updatedAt", Json::time(self.updated_ms)),
        ])
    }
}

fn tidy(path: &str) -> Option<String> {
    let path = path.trim();
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let fits = !path.is_empty() && path.len() <= MOST_PATH && !path.chars().any(char::is_control);
    fits.then(|| path.to_owned())
}

impl Compat {
    async fn scan_paths(&self, asker: &Asker, device: &DeviceId) -> Result<Vec<ScanPath>, Failure> {
        let library = &self.app.library;
        let mut paths: Vec<ScanPath> =
            library.memo(&owner(asker.user), PATHS, device.as_str()).await?.unwrap_or_default();
        paths.sort_by(|one, other| (&other.kind, &one.path).cmp(&(&one.kind, &other.path)));
        Ok(paths)
    }

    async fn put_scan_paths(
        &self,
        asker: &Asker,
        device: &DeviceId,
        paths: &[ScanPath],
    ) -> Result<(), Failure> {
        let paths = paths.to_vec();
        Ok(self.app.library.put_memos(&owner(asker.user), PATHS, &[(device.as_str(), &paths)]).await?)
    }
}

/// `POST /api/sync/heartbeat`
pub(super) async fn heartbeat(State(compat): State<Arc<Compat>>, device: Device, body: Body) -> Reply {
    let fields = Fields::read_if_any(body, SMALL_BYTES).await?;
    let _turn = compat.turn(device.asker.user).await;
    let mut paths = compat.scan_paths(&device.asker, &device.id).await?;
    let now_ms = compat.app.now_unix_ms();
    if let Some(Value::Array(sent)) = fields.value("scanPaths") {
        let before = paths.clone();
        merge(&mut paths, sent, now_ms);
        if paths != before {
            compat.put_scan_paths(&device.asker, &device.id, &paths).await?;
            paths = compat.scan_paths(&device.asker, &device.id).await?;
        }
    }
    let folders = paths.iter().map(|path| path.path.clone()).collect();
    let report = Report { folders, problems: Vec::new() };
    if let Err(why) = compat.app.access.report(&device.asker, &report, compat.app.now_unix_s()).await {
        log::debug!("the folders of `{}` are not shown: {why}", device.asker.device_name);
    }
    data_and(
        "Heartbeat received",
        &[
            ("deviceId", names::device(&device.id).into()),
            ("deviceName", (&device.asker.device_name).into()),
            ("lastSyncAt", Json::time(now_ms)),
            ("scanPaths", Json::list(paths.iter().map(|path| path.shown(&device.id)))),
        ],
    )
}

/// Takes in what the device sent. What it no longer sends is forgotten, but never the last of a kind, nor what the user added.
fn merge(paths: &mut Vec<ScanPath>, sent: &[Value], now_ms: i64) {
    let read = |entry: &Value| {
        let kind = entry.get("kind")?.as_str().filter(|kind| ["default", "custom"].contains(kind))?;
        Some((tidy(entry.get("path")?.as_str()?)?, kind.to_owned()))
    };
    let sent: Vec<(String, String)> = sent.iter().take(MOST_PATHS).filter_map(read).collect();
    for kind in ["default", "custom"] {
        if sent.iter().any(|(_, of)| of == kind) {
            paths.retain(|known| {
                let still = sent.iter().any(|(path, of)| *path == known.path && *of == known.kind);
                known.kind != kind || still || (kind == "custom" && known.source == "user")
            });
        }
    }
    for (path, kind) in sent {
        if let Some(known) = paths.iter_mut().find(|known| known.path == path && known.kind == kind) {
            known.source = "device".into();
        } else if paths.len() < MOST_PATHS {
            paths.push(ScanPath {
                path,
                kind,
                source: "device".into(),
                created_ms: now_ms,
                updated_ms: now_ms,
            });
        }
    }
}

#[derive(Default, Deserialize)]
pub(super) struct WhichPath {
    #[serde(rename = "deviceId")]
    device: Option<String>,
    #[serde(rename = "pathId")]
    path: Option<String>,
}

/// `GET /api/devices/scan-paths`
pub(super) async fn paths(
    State(compat): State<Arc<Compat>>,
    caller: Either,
    Asked(which): Asked<WhichPath>,
) -> Reply {
    let device = match &caller {
        Either::Device(device) => device.id.clone(),
        Either::User(user) => {
            let id = which.device.ok_or_else(|| Failure::new(400, "deviceId is required"))?;
            of_user(&compat, &user.asker, &id).await?.device
        }
    };
    let paths = compat.scan_paths(caller.asker(), &device).await?;
    data(&[("paths", Json::list(paths.iter().map(|path| path.shown(&device))))])
}

/// `POST /api/devices/scan-paths`
pub(super) async fn add_path(State(compat): State<Arc<Compat>>, user: User, body: Body) -> Reply {
    let fields = Fields::read_if_any(body, SMALL_BYTES).await?;
    let device = of_user(&compat, &user.asker, fields.required("deviceId")?).await?.device;
    let path = tidy(fields.required("path")?).ok_or_else(|| Failure::new(400, "Invalid path"))?;
    let _turn = compat.turn(user.asker.user).await;
    let mut paths = compat.scan_paths(&user.asker, &device).await?;
    let now_ms = compat.app.now_unix_ms();
    let known = paths.iter().find(|known| known.path == path && known.kind == "custom").cloned();
    let added = match known {
        Some(known) => known,
        None if paths.len() >= MOST_PATHS => return Err(Failure::new(400, "Too many paths")),
        None => {
            let added = ScanPath {
                path,
                kind: "custom".into(),
                source: "user".into(),
                created_ms: now_ms,
                updated_ms: now_ms,
            };
            paths.push(added.clone());
            compat.put_scan_paths(&user.asker, &device, &paths).await?;
            added
        }
    };
    data(&[("path", added.shown(&device))])
}

/// `DELETE /api/devices/scan-paths?pathId=`
pub(super) async fn remove_path(
    State(compat): State<Arc<Compat>>,
    user: User,
    Asked(which): Asked<WhichPath>,
) -> Reply {
    let id = which.path.ok_or_else(|| Failure::new(400, "pathId is required"))?;
    let _turn = compat.turn(user.asker.user).await;
    for record in compat.app.access.device_records(user.asker.user).await? {
        let mut paths = compat.scan_paths(&user.asker, &record.device).await?;
        let is_it = |path: &ScanPath| {
            path.kind == "custom" && names::scan_path(&record.device, &path.kind, &path.path) == id
        };
        if paths.iter().any(is_it) {
            paths.retain(|path| !is_it(path));
            compat.put_scan_paths(&user.asker, &record.device, &paths).await?;
            return data(&[("success", true.into())]);
        }
    }
    Err(Failure::new(404, "Path not found"))
}
