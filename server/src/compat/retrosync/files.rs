//! `/api/sync/files`: an upload as base64 in JSON, and the list of what there is.
//!
//! Success is answered once the bytes are durable; whatever prevents that is a failure with its status, so that the client tries again.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use retrosync_protocol::{Digest, VersionId};
use serde::Deserialize;
use serde_json::Value;

use super::caller::{Asked, Device};
use super::envelope::{Failure, Fields, Json, Reply, data, object};
use super::store::{Outcome, Taken, Upload};
use super::{Compat, base64, journal, names, place, times};
use crate::catalog::UserId;

/// The largest body: a save of 48 MiB.
const MOST_BYTES: usize = 66 << 20;
const FAILED: &str = "Failed to upload file";

/// `POST /api/sync/files`
pub(super) async fn upload(State(compat): State<Arc<Compat>>, device: Device, body: Body) -> Reply {
    let whole = compat.bodies.read(device.asker.user, body, MOST_BYTES).await?;
    let fields = Fields::parse(&whole.bytes, FAILED)?;
    let both = "filePath and action are required";
    let given = |name| Ok::<_, Failure>(fields.text(name)?.filter(|text| !text.is_empty()));
    let (Some(file_path), Some(action)) = (given("filePath")?, given("action")?) else {
        return Err(Failure::new(400, both));
    };
    if place::leads_out(file_path) {
        return Err(Failure::new(400, "Invalid file path"));
    }
    let content = fields.text("fileContent")?;
    let is_empty_file = content == Some("") && fields.number("fileSize") == Some(0);
    let content = content.filter(|text| action == "upload" && (!text.is_empty() || is_empty_file));
    let Some(content) = content else {
        journal::note(&compat, &device, action, file_path, fields.number("fileSize"), "failed", None).await?;
        return data(&[
            ("message", "File sync logged (upload may have failed)".into()),
            ("s3Key", Json::null()),
            ("uploaded", false.into()),
        ]);
    };
    let bytes = base64::decode(content).ok_or_else(|| Failure::new(400, "Invalid file content"))?;
    if fields
        .text("contentHash")?
        .is_some_and(|told| !told.eq_ignore_ascii_case(&Digest::of(&bytes).to_string()))
    {
        return Err(Failure::new(400, "contentHash is not that of fileContent"));
    }
    let file_path = file_path.strip_prefix('/').unwrap_or(file_path);
    let path = place::local_path(fields.text("localPath")?.unwrap_or(file_path));
    if path.len() > place::MOST_PATH_BYTES {
        return Err(Failure::new(400, "Invalid file path"));
    }
    let upload = Upload {
        place: place::Place::of(&path),
        in_bucket: false,
        path,
        key: place::save_key(fields.text("saveKey")?.filter(|key| !key.is_empty()).unwrap_or(file_path)),
        bytes: Bytes::from(bytes),
        modified_ms: modified_ms(&fields),
        client: "retrosync-2",
    };
    let size_bytes = upload.bytes.len() as i64;
    let taken = compat.take_in_to_the_end(device.clone(), upload).await?;
    let status = if taken.outcome == Outcome::Stored { "success" } else { "skipped" };
    journal::note(&compat, &device, "upload", file_path, Some(size_bytes), status, Some(&taken)).await?;
    answer(device.asker.user, &taken)
}

/// Milliseconds, or a date as text; what cannot be read counts as absent.
fn modified_ms(fields: &Fields) -> Option<i64> {
    match fields.value("localModifiedAt") {
        Some(Value::String(text)) => times::read_iso(text),
        _ => fields.number("localModifiedAt").filter(|ms| *ms > 0),
    }
}

fn answer(user: UserId, taken: &Taken) -> Reply {
    let version = taken.version.map(names::version);
    let rest = [
        ("saveId", (&taken.save.id).into()),
        ("saveVersionId", Json::or_null(version.as_ref())),
        ("contentHash", taken.digest.to_string().into()),
    ];
    let first = match taken.outcome {
        Outcome::Stored => vec![
            ("message", "File uploaded and indexed successfully".into()),
            (
                "s3Key",
                taken.version.map_or_else(Json::null, |version| key_of(user, &taken.save.id, version).into()),
            ),
            ("uploaded", true.into()),
        ],
        Outcome::Known => vec![
            ("message", "Path registered - content already exists".into()),
            ("skipped", true.into()),
            ("uploaded", false.into()),
            ("pathAdded", true.into()),
        ],
        Outcome::Disabled => vec![
            ("message", "Upload skipped - sync is disabled for this path".into()),
            ("skipped", true.into()),
            ("uploaded", false.into()),
        ],
    };
    data(&first.into_iter().chain(rest).collect::<Vec<_>>())
}

/// Their name of a version's bytes.
fn key_of(user: UserId, save: &str, version: VersionId) -> String {
    format!("{}/saves/{save}/versions/{}", names::user(user), names::version(version))
}

#[derive(Default, Deserialize)]
pub(super) struct Filter {
    emulator: Option<String>,
    game: Option<String>,
}

/// `GET /api/sync/files`: the heads of all saves, each with its size.
pub(super) async fn list(
    State(compat): State<Arc<Compat>>,
    device: Device,
    Asked(filter): Asked<Filter>,
) -> Reply {
    let shelf = compat.shelf(device.asker.user).await?;
    let fits = |asked: &Option<String>, text: &str| {
        asked.as_ref().is_none_or(|asked| asked.is_empty() || asked.eq_ignore_ascii_case(text))
    };
    let saves: Vec<_> = shelf
        .saves
        .iter()
        .filter(|save| fits(&filter.emulator, &save.folder) && fits(&filter.game, &save.key))
        .collect();
    let ids = saves.iter().map(|save| save.library_id(&device.id)).collect::<Result<Vec<_>, _>>()?;
    let nows = compat.app.library.now(&device.asker, &ids, false).await?;
    let mut files = Vec::new();
    for (save, now) in saves.into_iter().zip(nows) {
        for head in now.heads {
            let Some(content) = head.content else { continue };
            files.push(object(&[
                ("key", key_of(device.asker.user, &save.id, head.version).into()),
                ("size", content.size_bytes.into()),
                ("lastModified", Json::time(head.received_unix_s * 1000)),
            ]));
        }
    }
    let count = files.len();
    data(&[("files", Json::list(files)), ("count", count.into())])
}
