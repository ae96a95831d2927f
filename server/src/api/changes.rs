//! `GET` and `POST /changes`: what changed since a cursor; the long poll.

use std::sync::Arc;

use axum::extract::State;
use retrosync_protocol::{ChangesRequest, Epoch, Malformed};
use serde::Deserialize;

use super::reply::{Reply, json};
use super::request::{Device, Json, Params, malformed, until_stop};
use crate::app::App;
use crate::library::{Answer, Asker};

/// The same as [`ChangesRequest`] after a `?`, where an absent epoch may be an empty text.
#[derive(Deserialize)]
pub(super) struct ChangesParams {
    #[serde(default)]
    since: u64,
    #[serde(default)]
    epoch: String,
    #[serde(default)]
    landmark: String,
    #[serde(default)]
    wait_s: u64,
    limit: Option<u32>,
}

/// An absent one may be an empty text.
fn parsed(text: &str) -> Answer<Option<Epoch>> {
    let text = Some(text).filter(|text| !text.is_empty());
    text.map(str::parse).transpose().map_err(|error: Malformed| malformed(error.to_string()))
}

impl ChangesParams {
    fn parse(self) -> Answer<ChangesRequest> {
        let epoch = parsed(&self.epoch)?;
        let landmark = parsed(&self.landmark)?;
        let ChangesParams { since, wait_s, limit, .. } = self;
        Ok(ChangesRequest { since, epoch, landmark, writer: None, wait_s, limit, ask: vec![] })
    }
}

/// `GET /changes`
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Params(params): Params<ChangesParams>,
) -> Reply {
    answer(&app, &asker, &params.parse()?).await
}

/// `POST /changes`
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Json(request): Json<ChangesRequest>,
) -> Reply {
    answer(&app, &asker, &request).await
}

async fn answer(app: &App, asker: &Asker, request: &ChangesRequest) -> Reply {
    let waiting = app.library.changes_or_wait(asker, request, || app.now_unix_s());
    let changes = until_stop(app, waiting).await?;
    if request.wait_s > 0 && !changes.saves.is_empty() {
        app.access.is_still_in(asker).await?;
    }
    json(&changes)
}
