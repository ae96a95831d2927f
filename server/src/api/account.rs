//! What the user has, and whether the server is there.

use std::sync::Arc;

use axum::extract::State;
use retrosync_protocol::Health;

use super::reply::{Reply, json};
use super::request::Device;
use crate::app::{App, SERVER_NAME};

/// `GET /account`
pub(super) async fn account(State(app): State<Arc<App>>, Device(asker): Device) -> Reply {
    json(&app.access.account(&asker).await?)
}

/// `GET /health`
pub(super) async fn health() -> Reply {
    json(&Health { status: "ok".into(), server: SERVER_NAME.into(), protocol: 1 })
}
