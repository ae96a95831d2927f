//! What handlers ask of a request: who asks, the operation id, the JSON body, the parameters. Parsed here, at the edge,
//! into types that cannot be wrong; each refusal is a problem document. Never logs a token.

use std::error::Error;
use std::fmt::Display;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::{HeaderMap, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use retrosync_protocol::{Code, Digest, OperationId, Token};
use serde::de::DeserializeOwned;

use crate::access::Address;
use crate::app::App;
use crate::library::{Answer, Asker};
use crate::patience::TooSlow;
use crate::refusal::Refusal;
use crate::trace::{asked_by, carried, to_carry};

/// The largest JSON body (README section 7).
const MAX_JSON_BYTES: usize = 4 << 20;
/// The same, of who has no token.
const MAX_STRANGERS_BYTES: usize = 64 << 10;

/// Letters of a reason.
const MOST_REASON: usize = 300;

pub(crate) fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

/// A reason, without all of what came: some of them repeat it.
pub(crate) fn short(why: impl Display) -> String {
    let text = why.to_string();
    match text.char_indices().nth(MOST_REASON) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// The address a request came from; the connection puts it into each request (`listen`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) Address);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Peer> {
        let peer = parts.extensions.get::<Peer>().copied();
        Ok(peer.unwrap_or(Peer(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

/// The bearer token of a request.
pub(crate) struct Bearer(pub(crate) Token);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Bearer> {
        let refuse = || {
            Refusal::new(Code::Unauthorized, "the request has no device token")
                .help("pair this device: run `retrosync pair`")
        };
        let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(refuse)?;
        let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(refuse)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(refuse());
        }
        // The text of the error would repeat the token; it is left out.
        token.trim().parse().map(Bearer).map_err(|_| refuse())
    }
}

/// A paired device that asks.
pub(crate) struct Device(pub(crate) Asker);

impl FromRequestParts<Arc<App>> for Device {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Device> {
        let Bearer(token) = Bearer::from_request_parts(parts, app).await?;
        let asker = app.access.device(&token, app.now_unix_s()).await?;
        asked_by(&asker);
        Ok(Device(asker))
    }
}

/// The operation id that every mutation has.
pub(crate) struct Operation(pub(crate) OperationId);

impl<S: Sync> FromRequestParts<S> for Operation {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Operation> {
        let value = parts.headers.get("idempotency-key").ok_or_else(|| {
            malformed("the request changes something and has no `Idempotency-Key`")
                .help("send 1 to 64 of A-Z, a-z, 0-9, _ and -, the same when the same request is sent again")
        })?;
        let text = value.to_str().map_err(|_| malformed("the `Idempotency-Key` is not plain text"))?;
        text.parse().map(Operation).map_err(|error| malformed(format!("the `Idempotency-Key` {error}")))
    }
}

/// A JSON body of at most 4 MiB. The content type is not looked at.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Answer<Json<T>> {
        read_json(request, MAX_JSON_BYTES).await.map(Json)
    }
}

/// A JSON body of who has no token: a few short fields. Many strangers may hold theirs open at once.
pub(crate) struct StrangersJson<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for StrangersJson<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Answer<StrangersJson<T>> {
        read_json(request, MAX_STRANGERS_BYTES).await.map(StrangersJson)
    }
}

async fn read_json<T: DeserializeOwned>(request: Request, most_bytes: usize) -> Answer<T> {
    let (parts, body) = request.into_parts();
    let told = told_digest(&parts.headers)?;
    let bytes = collect(body, most_bytes).await?;
    if told.is_some_and(|told| told != Digest::of(&bytes)) {
        return Err(damaged());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| malformed(format!("the body is not the JSON asked for: {}", short(error))))
}

/// What whoever sent a request says of its body.
fn told_digest(headers: &HeaderMap) -> Answer<Option<Digest>> {
    let told = headers.get("retrosync-digest").map(|value| value.to_str().ok()?.parse().ok());
    told.map(|told| told.ok_or_else(|| malformed("the `RetroSync-Digest` is none"))).transpose()
}

/// The refusal of a request that is not what was sent.
pub(crate) fn damaged() -> Refusal {
    malformed("the request was damaged on its way").help("send the same again")
}

/// What is said of the records in a request, if anything is.
pub(crate) struct Told(pub(crate) Option<Digest>);

impl<S: Sync> FromRequestParts<S> for Told {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Told> {
        told_digest(&parts.headers).map(Told)
    }
}

/// A whole body of at most `most_bytes`.
pub(crate) async fn collect(body: Body, most_bytes: usize) -> Answer<Bytes> {
    let whole = Limited::new(body, most_bytes).collect().await;
    whole.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() { larger_than(most_bytes) } else { cut_short(&*error) }
    })
}

/// The refusal of a body that is larger than may be.
pub(crate) fn larger_than(most_bytes: usize) -> Refusal {
    Refusal::new(Code::TooLarge, format!("the body is larger than {most_bytes} bytes"))
}

/// The refusal of a body that ended in an error.
pub(crate) fn cut_short(error: &(dyn Error + 'static)) -> Refusal {
    if TooSlow::caused(error) {
        return Refusal::new(Code::TooSlow, "the request's body did not arrive in time")
            .help("send the same again where the network is better");
    }
    malformed(format!("the body did not arrive whole: {error}"))
}

/// The parameters after `?`.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Params<T>> {
        Query::try_from_uri(&parts.uri).map(|Query(params)| Params(params)).map_err(|error| {
            malformed(format!("the parameters cannot be read: {}", short(error.body_text())))
        })
    }
}

/// The one variable part of the path.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: FromStr<Err: Display> + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Named<T>> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|error: RawPathParamsRejection| malformed(error.body_text()))?;
        let (_, text) = params.iter().next().ok_or_else(|| malformed("the path lacks its last part"))?;
        text.parse().map(Named).map_err(|error: T::Err| malformed(error.to_string()))
    }
}

/// Runs a change to its end even when the client goes away in the middle.
pub(crate) async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Answer<T>> + Send + 'static,
) -> Answer<T> {
    tokio::spawn(carried(to_carry(), change))
        .await
        .map_err(|error| Refusal::internal("making a change", error))?
}

/// Runs something that waits, but not past the server's stop.
pub(crate) async fn until_stop<T>(app: &App, waiting: impl Future<Output = Answer<T>>) -> Answer<T> {
    let _waiting = app.metrics.waits();
    tokio::select! {
        answer = waiting => answer,
        () = app.stopping() => {
            Err(Refusal::new(Code::Unavailable, "the server is about to stop").retry_after_s(2))
        }
    }
}
