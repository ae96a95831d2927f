//! Who asks: a device by its key, a user by the token of their login, or either.
//!
//! A login's token has the form of a JWT because their clients expect one, but nothing in it is believed: it is looked up by its
//! SHA-256 as any session of the dashboard, so a forged one is unknown and a log-out or another password ends it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::{header, request::Parts};
use retrosync_protocol::{Code, DeviceId, Digest};
use serde::de::DeserializeOwned;

use super::Compat;
use super::base64::encode_url;
use super::envelope::Failure;
use crate::access::Session;
use crate::library::Asker;
use crate::trace::asked_by;

/// A device, by its key.
#[derive(Clone)]
pub(super) struct Device {
    pub(super) asker: Asker,
    pub(super) id: DeviceId,
}

impl FromRequestParts<Arc<Compat>> for Device {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, compat: &Arc<Compat>) -> Result<Device, Failure> {
        let key = parts.headers.get("x-api-key").ok_or_else(|| Failure::new(401, "API key is required"))?;
        let wrong = || Failure::new(401, "Invalid API key");
        let key = key.to_str().map_err(|_| wrong())?.trim().to_ascii_lowercase();
        let token = format!("rst_{key}").parse().map_err(|_| wrong())?;
        let asker = match compat.app.access.device(&token, compat.app.now_unix_s()).await {
            Ok(asker) => asker,
            Err(why) if matches!(why.code(), Code::Unauthorized | Code::Revoked) => return Err(wrong()),
            Err(why) => return Err(why.into()),
        };
        asked_by(&asker);
        let id = asker.device.clone().ok_or_else(wrong)?;
        Ok(Device { asker, id })
    }
}

/// A user, by the token of their login.
pub(super) struct User {
    pub(super) asker: Asker,
    pub(super) session: Session,
    pub(super) secret: String,
}

impl FromRequestParts<Arc<Compat>> for User {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, compat: &Arc<Compat>) -> Result<User, Failure> {
        let refuse = || Failure::new(401, "Unauthorized");
        let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(refuse)?;
        let (scheme, secret) =
            value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(refuse)?;
        // The form keeps cookies of the dashboard out: a token stands for itself only.
        if !scheme.eq_ignore_ascii_case("bearer") || secret.matches('.').count() != 2 {
            return Err(refuse());
        }
        match compat.app.access.session(secret, compat.app.now_unix_s()).await {
            Ok(session) => {
                asked_by(&session.asker);
                Ok(User { asker: session.asker.clone(), session, secret: secret.to_owned() })
            }
            Err(why) if why.code() == Code::Unauthorized => Err(refuse()),
            Err(why) => Err(why.into()),
        }
    }
}

/// A device if there is a key, else a user.
pub(super) enum Either {
    Device(Device),
    User(User),
}

impl Either {
    pub(super) fn asker(&self) -> &Asker {
        match self {
            Either::Device(device) => &device.asker,
            Either::User(user) => &user.asker,
        }
    }
}

impl FromRequestParts<Arc<Compat>> for Either {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, compat: &Arc<Compat>) -> Result<Either, Failure> {
        if parts.headers.contains_key("x-api-key") {
            return Device::from_request_parts(parts, compat).await.map(Either::Device);
        }
        User::from_request_parts(parts, compat).await.map(Either::User)
    }
}

/// The parameters after `?`; what cannot be read counts as absent.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Failure> {
        Ok(Asked(Query::try_from_uri(&parts.uri).map(|Query(asked)| asked).unwrap_or_default()))
    }
}

/// A login's token: a JWT in form. Its signature is by a key that nobody keeps; `random` makes it one of its kind.
pub(super) fn login_token(
    user: &str,
    email: &str,
    now_unix_s: i64,
    expires_unix_s: i64,
    random: [u8; 32],
) -> String {
    let head = encode_url(br#"{"alg":"HS256","typ":"JWT"}"#);
    let email = serde_json::to_string(email).unwrap_or_default();
    let claims = format!(
        r#"{{"userId":"{user}","email":{email},"type":"user","iat":{now_unix_s},"exp":{expires_unix_s}}}"#
    );
    let signed = format!("{head}.{}", encode_url(claims.as_bytes()));
    let signature = super::hmac::sha256(&random, signed.as_bytes());
    format!("{signed}.{}", encode_url(&signature))
}

/// A random number of the system.
pub(super) fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Failure::new(500, "Internal server error"))?;
    Ok(bytes)
}

/// A digest's text of something secret, to be found by it.
pub(super) fn name_of(secret: &str) -> String {
    Digest::of(secret.as_bytes()).to_string()
}
