//! `GET /metrics`, on an address of its own: who reaches the API and the dashboard does not reach it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use retrosync_protocol::{Code, Digest};

use crate::app::App;
use crate::config::Secret;
use crate::refusal::Refusal;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The one page, and the two of `health`. With a token, who asks for numbers must show it.
pub fn router(app: Arc<App>, token: Option<Secret>) -> Router {
    let token = token.map(|token| Digest::of(token.reveal().as_bytes()));
    let metrics = Router::new().route("/metrics", get(metrics)).with_state((app.clone(), token));
    metrics.merge(crate::health::router(app)).fallback(|| async { StatusCode::NOT_FOUND })
}

async fn metrics(State((app, token)): State<(Arc<App>, Option<Digest>)>, headers: HeaderMap) -> Response {
    // Digests, so that how long the comparison takes tells nothing.
    if token.is_some_and(|token| bearer(&headers) != Some(token)) {
        return Refusal::new(Code::Unauthorized, "this needs the token of `metrics.token`").into_response();
    }
    match app.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => Refusal::internal("writing what was counted", error).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<Digest> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Digest::of(token.trim().as_bytes()))
}
