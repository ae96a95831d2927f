//! `/api/sync/log`: what clients did, as they told it, and what we saw them do. The last thousand lines of each user.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Compat;
use super::caller::{Asked, Device, User, random};
use super::envelope::{Failure, Fields, Json, Reply, SMALL_BYTES, data, data_and, object};
use super::shelf::owner;
use super::store::Taken;
use super::{devices, names};

const LINE: &str = "retrosync.log";
const COUNT: &str = "retrosync.log.count";
/// How many lines are kept.
const MOST: u64 = 1000;
const MOST_TEXT: usize = 2000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    number: u64,
    id: String,
    device: retrosync_protocol::DeviceId,
    action: String,
    path: String,
    size: Option<i64>,
    status: String,
    error: Option<String>,
    metadata: Option<String>,
    save: Option<String>,
    version: Option<String>,
    at_ms: i64,
}

/// `POST /api/sync/log`
pub(super) async fn add(State(compat): State<Arc<Compat>>, device: Device, body: Body) -> Reply {
    let fields = Fields::read(body, SMALL_BYTES, "Failed to log sync event").await?;
    let action = fields.required("action")?;
    one_of(action, &["upload", "download", "delete", "conflict"])?;
    let path = fields.required("filePath")?;
    if path.is_empty() {
        return Err(Failure::new(400, "String must contain at least 1 character(s)"));
    }
    // The first generation leaves it out where all went well.
    let status = fields.text("status")?.unwrap_or("success");
    one_of(status, &["success", "failed", "pending"])?;
    let line = Line {
        error: fields.text("errorMsg")?.map(short),
        metadata: fields.text("metadata")?.map(short),
        ..line(&compat, &device, action, path, fields.number("fileSize"), status)?
    };
    let line = keep(&compat, &device, line).await?;
    data_and(
        "Sync event logged successfully",
        &[("logId", line.id.into()), ("createdAt", Json::time(line.at_ms))],
    )
}

fn one_of(word: &str, words: &[&str]) -> Result<(), Failure> {
    if words.contains(&word) {
        return Ok(());
    }
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let word: String = word.chars().take(40).collect();
    Err(Failure::new(400, format!("Invalid enum value. Expected {}, received '{word}'", words.join(" | "))))
}

fn short(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

fn line(
    compat: &Compat,
    device: &Device,
    action: &str,
    path: &str,
    size: Option<i64>,
    status: &str,
) -> Result<Line, Failure> {
    Ok(Line {
        number: 0,
        id: names::event(&random()?),
        device: device.id.clone(),
        action: short(action),
        path: short(path),
        size,
        status: status.into(),
        error: None,
        metadata: None,
        save: None,
        version: None,
        at_ms: compat.app.now_unix_ms(),
    })
}

/// Notes what an upload came to.
pub(super) async fn note(
    compat: &Compat,
    device: &Device,
    action: &str,
    path: &str,
    size: Option<i64>,
    status: &str,
    taken: Option<&Taken>,
) -> Result<(), Failure> {
    let line = Line {
        save: taken.map(|taken| taken.save.id.clone()),
        version: taken.and_then(|taken| taken.version).map(names::version),
        ..line(compat, device, action, path, size, status)?
    };
    // Nice to have, no reason to refuse: the save is durable by now.
    if let Err(why) = keep(compat, device, line).await {
        log::warn!("could not note what `{}` did: {}", device.asker.device_name, why.body());
    }
    Ok(())
}

async fn keep(compat: &Compat, device: &Device, mut line: Line) -> Result<Line, Failure> {
    let (library, owner) = (&compat.app.library, owner(device.asker.user));
    let count: u64 = library.memo(&owner, COUNT, "").await?.unwrap_or(0) + 1;
    line.number = count;
    library.put_memos(&owner, LINE, &[(&format!("{:04}", count % MOST), &line)]).await?;
    library.put_memos(&owner, COUNT, &[("", &count)]).await?;
    Ok(line)
}

#[derive(Default, Deserialize)]
pub(super) struct Page {
    #[serde(rename = "deviceId")]
    device: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

/// `GET /api/sync/log`, newest first.
pub(super) async fn list(State(compat): State<Arc<Compat>>, user: User, Asked(page): Asked<Page>) -> Reply {
    let mut lines: Vec<Line> = compat.app.library.memos(&owner(user.asker.user), LINE).await?;
    let known = compat.app.access.device_records(user.asker.user).await?;
    let of = |line: &Line| known.iter().find(|record| record.device == line.device);
    lines.retain(|line| page.device.as_ref().is_none_or(|asked| *asked == names::device(&line.device)));
    lines.sort_by_key(|line| std::cmp::Reverse(line.number));
    let total = lines.len();
    let (limit, offset) = (page.limit.unwrap_or(50).clamp(1, 1000), page.offset.unwrap_or(0));
    let shown = lines.iter().skip(offset).take(limit).map(|line| {
        let device = object(&[
            ("id", names::device(&line.device).into()),
            ("name", of(line).map_or("", |record| &record.name).into()),
            ("deviceType", of(line).map_or("other", devices::kind).into()),
        ]);
        object(&[
            ("id", (&line.id).into()),
            ("deviceId", names::device(&line.device).into()),
            ("action", (&line.action).into()),
            ("filePath", (&line.path).into()),
            ("fileSize", Json::or_null(line.size)),
            ("status", (&line.status).into()),
            ("errorMsg", Json::or_null(line.error.as_ref())),
            ("metadata", Json::or_null(line.metadata.as_ref())),
            ("createdAt", Json::time(line.at_ms)),
            ("saveId", Json::or_null(line.save.as_ref())),
            ("saveVersionId", Json::or_null(line.version.as_ref())),
            ("device", device),
        ])
    });
    let logs = Json::list(shown);
    data(&[("logs", logs), ("total", total.into()), ("limit", limit.into()), ("offset", offset.into())])
}
