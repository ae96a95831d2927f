//! Pairing (README section 3): a device shows a code, or claims one made on the dashboard.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use retrosync_protocol::{ClaimRequest, PairingOffer, PairingRequest};
use serde::Deserialize;

use super::reply::{Reply, json};
use super::request::{Bearer, Params, Peer, StrangersJson, to_the_end, until_stop};
use crate::app::App;

/// `POST /pairing`
pub(super) async fn start(
    State(app): State<Arc<App>>,
    Peer(from): Peer,
    headers: HeaderMap,
    StrangersJson(request): StrangersJson<PairingRequest>,
) -> Reply {
    let url = format!("{}/pair", app.base_url(&headers));
    let offer = app.access.start_pairing(&request, from, app.now_unix_s()).await?;
    json(&PairingOffer {
        verification_url_complete: format!("{url}?code={}", offer.user_code),
        verification_url: url,
        user_code: offer.user_code,
        expires_in_s: offer.expires_in_s,
        interval_s: offer.interval_s,
    })
}

#[derive(Deserialize)]
pub(super) struct Wait {
    #[serde(default)]
    wait_s: u64,
}

/// `GET /pairing`
pub(super) async fn poll(
    State(app): State<Arc<App>>,
    Bearer(token): Bearer,
    Params(Wait { wait_s }): Params<Wait>,
) -> Reply {
    let waiting = app.access.wait_for_pairing(&token, wait_s, || app.now_unix_s());
    json(&until_stop(&app, waiting).await?)
}

/// `POST /pairing/claim`
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    Peer(from): Peer,
    StrangersJson(request): StrangersJson<ClaimRequest>,
) -> Reply {
    let claim = async move { app.access.claim(&request, from, app.now_unix_s()).await };
    json(&to_the_end(claim).await?)
}
