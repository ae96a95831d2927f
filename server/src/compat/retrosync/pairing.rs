//! Pairing as their clients know it: a device shows a code (A), the dashboard makes one (C), or a device chose six digits
//! for itself (B, without the answer that lasts for ever). The rules are in `access::foreign`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use retrosync_protocol::Code;

use super::caller::User;
use super::envelope::{Failure, Fields, Json, KEYLESS_BYTES, Reply, data_and, object};
use super::{Compat, devices, names, picture};
use crate::access::foreign::{By, FIRST_GENERATION, LetIn, Newcomer};
use crate::api::request::Peer;
use crate::clients_key::ClientsKey;
use crate::refusal::Refusal;

const KINDS: &[&str] = &["rg35xx", "miyoo_flip", "miyoo_mini", "windows", "mac", "linux", "other"];

/// `POST /api/devices/code`
pub(super) async fn code(State(compat): State<Arc<Compat>>, Peer(from): Peer, body: Body) -> Reply {
    let fields = Fields::read_if_any(body, KEYLESS_BYTES).await?;
    // A kind that we do not know is another device, not a mistake.
    let kind = fields.text("deviceType").unwrap_or_default().filter(|kind| KINDS.contains(kind));
    let shown = compat.app.access.show_code(kind.unwrap_or("other"), from, compat.app.now_unix_s()).await?;
    let expires = Json::time(shown.expires_unix_s * 1000);
    data_and("Code generated successfully", &[("code", shown.code.into()), ("expiresAt", expires)])
}

/// `POST /api/devices/status`
pub(super) async fn status(State(compat): State<Arc<Compat>>, Peer(from): Peer, body: Body) -> Reply {
    let fields = Fields::read(body, KEYLESS_BYTES, "Failed to check pairing status").await?;
    let code = six(fields.required("code")?)?;
    let now_unix_s = compat.app.now_unix_s();
    let by = By::Code(&code);
    let polled = compat.app.access.poll_code(by, &Newcomer::default(), from, now_unix_s).await;
    let polled = polled.map_err(refused)?;
    let Some(let_in) = polled else {
        let waiting = "Waiting for user to enter code on dashboard";
        let fields = [("status", "waiting".into()), ("message", waiting.into())];
        return data_and("Code not yet linked", &fields);
    };
    let fields = [
        ("status", "paired".into()),
        ("apiKey", (&let_in.key).into()),
        ("userId", names::user(let_in.user).into()),
        ("device", device(&let_in)),
    ];
    data_and(message(&let_in), &fields)
}

/// An account that is bounded to so many devices answers as theirs does.
fn refused(why: Refusal) -> Failure {
    match why.code() {
        Code::QuotaFull => Failure::new(402, why.problem().detail.clone()),
        _ => why.into(),
    }
}

fn message(let_in: &LetIn) -> &'static str {
    if let_in.again { "Device already paired" } else { "Device paired successfully" }
}

fn device(let_in: &LetIn) -> Json {
    object(&[
        ("id", names::device(&let_in.device.device).into()),
        ("name", (&let_in.device.name).into()),
        ("deviceType", devices::kind(&let_in.device).into()),
    ])
}

/// A code as it was typed: six letters and digits.
fn six(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure::new(400, "Code must be 6 characters"));
    }
    Ok(text.to_ascii_uppercase())
}

fn digits(text: &str) -> Result<&str, Failure> {
    let fits = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(text) } else { Err(Failure::new(400, "Device ID must be 6 digits")) }
}

/// Somebody who is logged in, or nobody: the first generation's devices pair without.
pub(super) struct MaybeUser(Option<User>);

impl FromRequestParts<Arc<Compat>> for MaybeUser {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, compat: &Arc<Compat>) -> Result<MaybeUser, Failure> {
        if !parts.headers.contains_key("authorization") {
            return Ok(MaybeUser(None));
        }
        User::from_request_parts(parts, compat).await.map(|user| MaybeUser(Some(user)))
    }
}

/// `POST /api/devices/pair`: the user types the code of a device. Without a login and with a name and a kind, it is a device
/// of the first generation that brings a code of the dashboard.
pub(super) async fn pair(
    State(compat): State<Arc<Compat>>,
    Peer(from): Peer,
    MaybeUser(user): MaybeUser,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let fields = Fields::read(body, KEYLESS_BYTES, "Failed to pair device").await?;
    let now_unix_s = compat.app.now_unix_s();
    if let Some(user) = user {
        let code = six(fields.required("code")?)?;
        let linked = compat.app.access.link_code(user.asker.user, &code, from, now_unix_s).await?;
        let message = "Code linked to your account. Your device will connect automatically.";
        return data_and(message, &[("code", linked.code.into()), ("linked", true.into())]);
    }
    let (Some(name), Some(kind)) = (fields.text("deviceName")?, fields.text("deviceType")?) else {
        return Err(Failure::new(401, "Unauthorized"));
    };
    let code = six(fields.required("code")?)?;
    // Before the code is used up.
    let key = compat.app.clients_key().ok_or_else(|| {
        Failure::new(503, "This server takes no such device: its owner has set no `clients_key`")
    })?;
    let newcomer = Newcomer { name: Some(name), device_type: Some(kind), client: Some(FIRST_GENERATION) };
    let polled = compat.app.access.poll_code(By::Code(&code), &newcomer, from, now_unix_s).await;
    let gone = |text| Failure::new(404, text);
    let let_in = match polled {
        Ok(Some(let_in)) if !let_in.again => let_in,
        Ok(Some(_)) => return Err(Failure::new(400, "Pairing code has already been used")),
        Ok(None) => return Err(gone("Invalid pairing code")),
        Err(why) => {
            return Err(match why.code() {
                Code::CodeUnknown => gone("Invalid pairing code"),
                Code::ExpiredToken => Failure::new(400, "Pairing code has expired"),
                _ => refused(why),
            });
        }
    };
    first_generation(&compat, key, &headers, &let_in)
}

fn first_generation(compat: &Compat, key: &ClientsKey, headers: &HeaderMap, let_in: &LetIn) -> Reply {
    let s3 = super::signature::credentials(key, &let_in.device);
    let config = object(&[
        ("endpoint", compat.app.base_url(headers).into()),
        ("accessKeyId", s3.id.into()),
        ("secretAccessKey", s3.secret.into()),
        ("bucket", super::bucket::BUCKET.into()),
    ]);
    let fields = [
        ("device", device(let_in)),
        ("userId", names::user(let_in.user).into()),
        ("apiKey", (&let_in.key).into()),
        ("s3Config", config),
    ];
    data_and(message(let_in), &fields)
}

/// `POST /api/devices/create-pairing-code`: with its picture, which the first generation's page shows.
pub(super) async fn create(State(compat): State<Arc<Compat>>, headers: HeaderMap, user: User) -> Reply {
    let shown = compat.app.access.offer_code(user.asker.user, None, compat.app.now_unix_s()).await?;
    let server = compat.app.base_url(&headers);
    let told = object(&[("code", (&shown.code).into()), ("apiUrl", server.into())]);
    let fields = [
        ("code", shown.code.into()),
        ("expiresAt", Json::time(shown.expires_unix_s * 1000)),
        ("qrCode", Json::or_null(picture::address(told.text()))),
    ];
    data_and("Pairing code generated successfully", &fields)
}

/// `POST /api/devices/pair-by-device-id`
pub(super) async fn pair_by_identifier(
    State(compat): State<Arc<Compat>>,
    user: User,
    body: Body,
) -> Result<Response, Failure> {
    let fields = Fields::read(body, KEYLESS_BYTES, "Failed to pair device").await?;
    let identifier = digits(fields.required("deviceId")?)?;
    let now_unix_s = compat.app.now_unix_s();
    let shown = compat.app.access.offer_code(user.asker.user, Some(identifier), now_unix_s).await?;
    let fields = [
        ("message", "Pairing code created. Device will detect it automatically.".into()),
        ("code", shown.code.into()),
        ("deviceIdentifier", identifier.into()),
    ];
    data_and("Device code registered successfully", &fields)
}

/// `POST /api/devices/check-pairing`: whether, and neither the code nor whose it is.
pub(super) async fn check(State(compat): State<Arc<Compat>>, Peer(from): Peer, body: Body) -> Reply {
    let fields = Fields::read(body, KEYLESS_BYTES, "Failed to check pairing").await?;
    let identifier = digits(fields.required("deviceId")?)?;
    let expected = compat.app.access.is_expected(identifier, from, compat.app.now_unix_s()).await?;
    let message = if expected { "Pairing code found" } else { "No pairing code found" };
    data_and(message, &[("hasPairingCode", expected.into())])
}

/// `POST /api/devices/auto-pair`
pub(super) async fn auto(State(compat): State<Arc<Compat>>, Peer(from): Peer, body: Body) -> Reply {
    let fields = Fields::read(body, KEYLESS_BYTES, "Failed to auto-pair device").await?;
    let identifier = digits(fields.required("deviceId")?)?;
    let now_unix_s = compat.app.now_unix_s();
    let by = By::Identifier(identifier);
    let polled = compat.app.access.poll_code(by, &Newcomer::default(), from, now_unix_s).await;
    let Some(let_in) = polled.map_err(refused)? else {
        let message = "No pairing code found. Waiting for user to enter code on dashboard.";
        return data_and(message, &[("paired", false.into()), ("ready", false.into())]);
    };
    let fields = [("paired", true.into()), ("apiKey", (&let_in.key).into()), ("device", device(&let_in))];
    data_and(message(&let_in), &fields)
}
