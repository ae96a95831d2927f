//! The user's devices: list, rename, revoke.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use retrosync_protocol::{DeviceChange, DeviceId};

use super::reply::{Reply, json};
use super::request::{Device, Json, Named, Operation};
use crate::access::Report;
use crate::app::App;

/// `GET /devices`
pub(super) async fn list(State(app): State<Arc<App>>, Device(asker): Device) -> Reply {
    json(&app.access.devices(&asker).await?)
}

/// `POST /report`
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Json(report): Json<Report>,
) -> Reply {
    app.access.report(&asker, &report, app.now_unix_s()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PATCH /devices/{device}`
pub(super) async fn rename(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Named(device): Named<DeviceId>,
    Operation(operation): Operation,
    Json(change): Json<DeviceChange>,
) -> Reply {
    let now_unix_s = app.now_unix_s();
    app.access.rename_device(&asker, &device, &change.name, Some(operation), now_unix_s).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /devices/{device}`
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Device(asker): Device,
    Named(device): Named<DeviceId>,
    Operation(operation): Operation,
) -> Reply {
    app.access.revoke_device(&asker, &device, Some(operation), app.now_unix_s()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
