//! A save's history, and a person's choices about it: restore, resolve, retire.

use std::sync::Arc;

use axum::extract::State;
use retrosync_protocol::{ChoiceRequest, SaveId, VersionId};
use serde::Deserialize;

use super::reply::{Reply, json};
use super::request::{Device, Json, Operation, Params, malformed, to_the_end};
use crate::app::App;

#[derive(Deserialize)]
pub(super) struct HistoryParams {
    save: SaveId,
    before: Option<String>,
    limit: Option<u32>,
}

/// `GET /history`
pub(super) async fn history(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Params(params): Params<HistoryParams>,
) -> Reply {
    let before = params.before.as_deref().filter(|text| !text.is_empty()).map(str::parse::<VersionId>);
    let before = before.transpose().map_err(|error| malformed(error.to_string()))?;
    json(&app.library.history(&asker, &params.save, before, params.limit.unwrap_or(100)).await?)
}

/// `POST /saves/restore`
pub(super) async fn restore(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Operation(operation): Operation,
    Json(request): Json<ChoiceRequest>,
) -> Reply {
    let now_unix_s = app.now_unix_s();
    let change = async move { app.library.restore(&asker, &request, Some(operation), now_unix_s).await };
    json(&to_the_end(change).await?)
}

/// `POST /saves/resolve`
pub(super) async fn resolve(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Operation(operation): Operation,
    Json(request): Json<ChoiceRequest>,
) -> Reply {
    let now_unix_s = app.now_unix_s();
    let change = async move { app.library.resolve(&asker, &request, Some(operation), now_unix_s).await };
    json(&to_the_end(change).await?)
}

/// `POST /saves/retire`
pub(super) async fn retire(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Operation(operation): Operation,
    Json(request): Json<ChoiceRequest>,
) -> Reply {
    let now_unix_s = app.now_unix_s();
    let change = async move { app.library.retire(&asker, &request, Some(operation), now_unix_s).await };
    json(&to_the_end(change).await?)
}
