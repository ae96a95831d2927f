//! The HTTP API of the RetroSync project, so that its clients sync with this server unchanged: the second generation
//! (accounts, codes, manifest, base64 in JSON) and the first (a shared bucket, `s3`).
//!
//! Towards those clients every name, status and envelope is theirs. Underneath, each upload is a version in our history with the
//! parent that the device is known to have held (`store`), so what diverges becomes a branch and nothing vanishes.
//! Their clients decide by one number, `localModifiedAtMs` against their file's time; `manifest` uses it as a lever,
//! so that a file is only replaced after the device has shown what it holds.

mod accounts;
mod base64;
mod bodies;
mod bucket;
mod caller;
mod devices;
mod download;
mod envelope;
mod files;
mod hmac;
mod journal;
mod manifest;
mod names;
mod pairing;
mod picture;
mod place;
mod saves;
mod shelf;
mod signature;
mod store;
mod times;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, patch, post};

use crate::app::App;
use crate::catalog::UserId;
use crate::web::check_origin;

/// What these requests share.
pub(crate) struct Compat {
    app: Arc<App>,
    /// One upload of a user after the other, at this server: each looks at what the one before has left. At two servers at once they
    /// become branches.
    turns: Turns,
    bodies: bodies::Bodies,
}

impl Compat {
    /// Waits for this user's turn.
    async fn turn(&self, user: UserId) -> tokio::sync::OwnedMutexGuard<()> {
        self.turns.turn(user).await
    }
}

/// One after the other, of each user.
#[derive(Default)]
struct Turns(Mutex<HashMap<UserId, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for this user's turn.
    async fn turn(&self, user: UserId) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() > 10_000 {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(user).or_default())
        };
        turn.lock_owned().await
    }
}

/// All their endpoints.
pub fn router(app: Arc<App>) -> Router {
    let compat = Arc::new(Compat { app, turns: Turns::default(), bodies: bodies::Bodies::new() });
    Router::new()
        .route("/api/auth/register", post(accounts::register))
        .route("/api/auth/login", post(accounts::login))
        .route("/api/account", get(accounts::show).patch(accounts::change).delete(accounts::remove))
        .route("/api/upgrade/checkout", post(accounts::no_payments))
        .route("/api/upgrade/portal", post(accounts::no_payments))
        .route("/api/devices/code", post(pairing::code))
        .route("/api/devices/status", post(pairing::status))
        .route("/api/devices/pair", post(pairing::pair))
        .route("/api/devices/create-pairing-code", post(pairing::create))
        .route("/api/devices/pair-by-device-id", post(pairing::pair_by_identifier))
        .route("/api/devices/check-pairing", post(pairing::check))
        .route("/api/devices/auto-pair", post(pairing::auto))
        .route("/api/devices", get(devices::list).patch(devices::rename).delete(devices::remove))
        .route(
            "/api/devices/scan-paths",
            get(devices::paths).post(devices::add_path).delete(devices::remove_path),
        )
        .route("/api/sync/heartbeat", post(devices::heartbeat))
        .route("/api/sync/files", get(files::list).post(files::upload))
        .route("/api/sync/manifest", get(manifest::show))
        .route("/api/sync/download", get(download::by_version))
        .route("/api/sync/log", get(journal::list).post(journal::add))
        .route("/api/saves", get(saves::list).delete(saves::remove))
        .route("/api/saves/download", get(saves::link))
        .route("/api/saves/object", get(download::by_ticket))
        .route("/api/saves/set-sync-mode", patch(saves::set_mode))
        .route("/api/saves/set-sync-strategy", patch(saves::set_strategy))
        .route("/api/saves/toggle-sync", patch(saves::toggle))
        .route("/api/saves/verify-matching", get(saves::verify))
        .route("/retrosync-saves", any(bucket::any))
        .route("/retrosync-saves/", any(bucket::any))
        .route("/retrosync-saves/{*key}", any(bucket::any))
        .layer(from_fn_with_state(Arc::clone(&compat), of_this_site))
        .with_state(compat)
}

/// Without a key, accounts and pairing are for programs and our own pages: no other site's page may register the first user.
async fn of_this_site(State(compat): State<Arc<Compat>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let guarded = path.starts_with("/api/auth/") || path.starts_with("/api/devices");
    if guarded
        && !request.headers().contains_key("x-api-key")
        && let Err(refusal) = check_origin(&compat.app, request.headers())
    {
        return envelope::Failure::from(refusal).into_response();
    }
    next.run(request).await
}
