//! The HTTP API: one file a resource, exactly `protocol/README.md`. It parses at the edge, asks `access` who it is and
//! `library` what holds, and writes the answer. It decides nothing about saves.

mod account;
mod changes;
pub(crate) mod content;
mod devices;
pub(crate) mod frames;
mod openapi;
mod pairing;
pub(crate) mod reply;
pub(crate) mod request;
mod saves;
mod uploads;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get, patch, post};
use retrosync_protocol::{BASE_PATH, Code};

use crate::app::App;
use crate::refusal::Refusal;

/// All endpoints of the protocol, below its base path.
pub fn router(app: Arc<App>) -> Router {
    let endpoints = Router::new()
        .route("/pairing", post(pairing::start).get(pairing::poll))
        .route("/pairing/claim", post(pairing::claim))
        .route("/changes", get(changes::get).post(changes::post))
        .route("/history", get(saves::history))
        .route("/content", post(content::many))
        .route("/content/{digest}", get(content::one))
        .route("/versions", post(versions::store))
        .route("/saves/restore", post(saves::restore))
        .route("/saves/resolve", post(saves::resolve))
        .route("/saves/retire", post(saves::retire))
        .route("/uploads", post(uploads::start))
        .route("/uploads/{digest}/blocks", post(uploads::blocks))
        .route("/devices", get(devices::list))
        .route("/devices/{device}", patch(devices::rename).delete(devices::revoke))
        .route("/report", post(devices::report))
        .route("/account", get(account::account))
        .route("/health", get(account::health))
        .route("/openapi.json", get(openapi::document))
        .fallback(no_endpoint)
        .method_not_allowed_fallback(no_endpoint)
        .layer(from_fn_with_state(app.clone(), every_answer));
    // With a slash at its end the base path is below no endpoint, and would be taken for a page.
    let bare = Router::new()
        .route(&format!("{BASE_PATH}/"), any(no_endpoint))
        .layer(from_fn_with_state(app.clone(), every_answer));
    Router::new().nest(BASE_PATH, endpoints).merge(bare).with_state(app)
}

async fn no_endpoint(method: Method, uri: Uri) -> Refusal {
    Refusal::new(Code::NotFound, format!("`{method} {}` is not an endpoint", uri.path()))
        .help("the endpoints are listed at `/api/v1/openapi.json`")
}

/// What every answer carries.
async fn every_answer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Ok(epoch) = HeaderValue::from_str(app.epoch.as_str()) {
        response.headers_mut().insert("retrosync-epoch", epoch);
    }
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response.headers_mut().entry("cache-control").or_insert(HeaderValue::from_static("no-store"));
    response
}
