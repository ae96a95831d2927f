//! `GET /api/sync/download`: a version's bytes; and the links that `/api/saves/download` hands out.
//!
//! Their client writes whatever comes over the save, whatever the status. So a failure here announces more bytes than it
//! sends and ends: curl then fails, and the save stays. Who asks for JSON gets it whole.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::caller::{Asked, Device, name_of};
use super::envelope::{Failure, Reply};
use super::manifest::UPLOAD_FIRST_MS;
use super::shelf::{Given, Location};
use super::{Compat, names, times};
use crate::catalog::StoredVersion;
use crate::library::Asker;

#[derive(Default, Deserialize)]
pub(super) struct Which {
    #[serde(rename = "saveVersionId")]
    version: Option<String>,
}

/// `GET /api/sync/download?saveVersionId=`
pub(super) async fn by_version(
    State(compat): State<Arc<Compat>>,
    device: Result<Device, Failure>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        let device = device?;
        let uuid = which.version.filter(|uuid| !uuid.is_empty());
        let uuid = uuid.ok_or_else(|| Failure::new(400, "saveVersionId is required"))?;
        let version = find(&compat, &device.asker, &uuid).await?;
        send(&compat, &device, version).await
    };
    answer.await.unwrap_or_else(|failure| cut_short(failure, &headers))
}

async fn find(compat: &Compat, asker: &Asker, uuid: &str) -> Result<StoredVersion, Failure> {
    let missing = || Failure::new(401, "Save version not found");
    let uuid = uuid.to_ascii_lowercase();
    let (first, last) = names::version_range(&uuid).ok_or_else(missing)?;
    let found = compat.app.library.versions_between(asker, first, last).await?;
    found.into_iter().find(|version| names::version(version.id) == uuid).ok_or_else(missing)
}

async fn send(compat: &Arc<Compat>, device: &Device, version: StoredVersion) -> Reply {
    let failed = || Failure::new(500, "Failed to download file");
    let content = version.record.content.ok_or_else(failed)?;
    let library = &compat.app.library;
    let bytes =
        library.open(&device.asker, content.digest, 0..content.size_bytes).await.map_err(|_| failed())?;
    let shelf = compat.shelf(device.asker.user).await?;
    let brought = shelf.brought(version.id).map(|(_, brought)| brought);
    let received_ms = version.received_unix_s.saturating_mul(1000);
    let offered: Vec<Location> = shelf
        .locations
        .iter()
        .filter(|l| l.device == device.id && l.offered.is_some_and(|(offered, _)| offered == version.id))
        .cloned()
        .collect();
    let save = offered.first().map(|location| location.save.clone());
    let save = save.or_else(|| {
        let of = |save: &&super::shelf::Save| {
            save.library_id(&device.id).is_ok_and(|id| id == version.record.save)
        };
        shelf.saves.iter().find(of).map(|save| save.id.clone())
    });
    let modified_ms = offered.first().and_then(|location| location.offered).map(|(_, ms)| ms);
    let modified_ms = modified_ms.or(brought.map(|brought| brought.modified_ms)).unwrap_or(received_ms);
    let headers = [
        ("content-type", "application/octet-stream".to_owned()),
        ("content-length", content.size_bytes.to_string()),
        ("cache-control", "no-store".to_owned()),
        ("x-save-id", save.unwrap_or_default()),
        ("x-save-version-id", names::version(version.id)),
        ("x-save-hash", content.digest.to_string()),
        ("x-save-local-modified-at", times::iso(modified_ms)),
        ("x-save-uploaded-at", times::iso(brought.map_or(received_ms, |brought| brought.uploaded_ms))),
    ];
    let noted = Noted {
        compat: Arc::clone(compat),
        device: device.clone(),
        version: version.id,
        digest: content.digest,
        size_bytes: content.size_bytes,
        place: None,
    };
    let body =
        if content.size_bytes == 0 { Body::empty() } else { Body::from_stream(noted.before_the_end(bytes)) };
    Ok((headers, body).into_response())
}

/// Who gets which version.
pub(super) struct Noted {
    pub(super) compat: Arc<Compat>,
    pub(super) device: Device,
    pub(super) version: retrosync_protocol::VersionId,
    pub(super) digest: retrosync_protocol::Digest,
    pub(super) size_bytes: u64,
    /// Which place asked, where the request says so.
    pub(super) place: Option<String>,
}

impl Noted {
    /// The bytes; before the last of them go out, the place that was offered this version is noted to be given it.
    pub(super) fn before_the_end(
        self,
        bytes: crate::blobs::BlobStream,
    ) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + use<> {
        stream::unfold((self, bytes, 0_u64), |(noted, mut bytes, sent)| async move {
            let chunk = bytes.next().await?;
            let sent = sent + chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            if sent == noted.size_bytes
                && let Err(why) = noted.note().await
            {
                log::warn!("could not note a download: {}", why.body());
            }
            Some((chunk, (noted, bytes, sent)))
        })
    }

    async fn note(&self) -> Result<(), Failure> {
        let user = self.device.asker.user;
        let _turn = self.compat.turn(user).await;
        let shelf = self.compat.shelf(user).await?;
        let given = Given { version: self.version, digest: self.digest };
        let mut taken = shelf.locations;
        taken.retain(|location| {
            // What was only named so that the device uploads first is not what it fetches.
            let named = location.offered.filter(|(_, modified_ms)| *modified_ms != UPLOAD_FIRST_MS);
            location.device == self.device.id
                && named.is_some_and(|(version, _)| version == self.version)
                && self.place.as_ref().is_none_or(|place| *place == location.id)
                && location.base != Some(self.version)
                && location.given != Some(given)
        });
        // In the manifest's order, a file a download.
        taken.sort_by_key(|location| std::cmp::Reverse(location.updated_ms));
        taken.truncate(1);
        let taken: Vec<Location> =
            taken.into_iter().map(|location| Location { given: Some(given), ..location }).collect();
        self.compat.put_locations(user, &taken).await?;
        self.compat
            .app
            .library
            .note_fetched(&self.device.asker, &[self.digest], self.compat.app.now_unix_s())
            .await;
        Ok(())
    }
}

/// The failure, ending before its announced length unless JSON was asked for.
fn cut_short(failure: Failure, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") {
        return failure.into_response();
    }
    let (status, text) = (failure.status(), failure.body());
    let length = [(header::CONTENT_LENGTH, (text.len() + 64).to_string())];
    let kind = [(header::CONTENT_TYPE, "application/json")];
    // What was said goes out while the end is awaited.
    let end = async {
        tokio::time::sleep(SAY_FIRST).await;
        Err(std::io::Error::other("the download failed"))
    };
    let parts = stream::iter([Ok(Bytes::from(text))]).chain(stream::once(end));
    (status, kind, length, Body::from_stream(parts)).into_response()
}

const SAY_FIRST: std::time::Duration = std::time::Duration::from_millis(50);
const TICKET: &str = "retrosync.ticket";
/// How long a link lives.
const TICKET_S: i64 = 600;

/// What a link is good for.
#[derive(Serialize, Deserialize)]
struct Link {
    asker: (i64, String, String),
    version: String,
    name: String,
    expires_unix_s: i64,
}

impl Compat {
    /// A link to a version's bytes, good for ten minutes.
    pub(super) async fn link(&self, asker: &Asker, version: String, name: &str) -> Result<String, Failure> {
        let secret = retrosync_protocol::Digest::from_bytes(super::caller::random()?).to_string();
        let link = Link {
            asker: (asker.user.0, asker.user_name.clone(), asker.writer.to_string()),
            version,
            name: name
                .chars()
                .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\'))
                .take(100)
                .collect(),
            expires_unix_s: self.app.now_unix_s() + TICKET_S,
        };
        let library = &self.app.library;
        let old: Vec<Link> = library.memos("links", TICKET).await?;
        if old.iter().all(|link| link.expires_unix_s <= self.app.now_unix_s()) || old.len() > 10_000 {
            library.forget_memos("links", TICKET).await?;
        }
        library.put_memos("links", TICKET, &[(&name_of(&secret), &link)]).await?;
        Ok(secret)
    }
}

#[derive(Default, Deserialize)]
pub(super) struct Ticket {
    ticket: Option<String>,
}

/// `GET /api/saves/object?ticket=`
pub(super) async fn by_ticket(
    State(compat): State<Arc<Compat>>,
    Asked(Ticket { ticket }): Asked<Ticket>,
) -> Reply {
    let gone = || Failure::new(404, "Save file not found");
    let link: Option<Link> =
        compat.app.library.memo("links", TICKET, &name_of(&ticket.unwrap_or_default())).await?;
    let link = link.filter(|link| link.expires_unix_s > compat.app.now_unix_s()).ok_or_else(gone)?;
    let (user, user_name, writer) = link.asker;
    let asker = Asker {
        user: crate::catalog::UserId(user),
        user_name,
        device: None,
        device_name: "dashboard".into(),
        writer: writer.parse().map_err(|_| gone())?,
    };
    let version = find(&compat, &asker, &link.version).await?;
    let content = version.record.content.ok_or_else(gone)?;
    let bytes = compat.app.library.open(&asker, content.digest, 0..content.size_bytes).await?;
    let headers = [
        ("content-type", "application/octet-stream".to_owned()),
        ("content-length", content.size_bytes.to_string()),
        ("content-disposition", format!("attachment; filename=\"{}\"", link.name)),
        ("x-content-type-options", "nosniff".to_owned()),
        ("content-security-policy", "sandbox".to_owned()),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}
