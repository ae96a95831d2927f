//! The stylesheet, the script and our pictures: compiled in, so that the server is one file.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

const STYLE: &str = include_str!("../../assets/style.css");
const SCRIPT: &str = include_str!("../../assets/dashboard.js");
const MARK: &str = include_str!("../../assets/mark.svg");
const SYSTEMS: &str = include_str!("../../assets/systems.svg");
const ICONS: &str = include_str!("../../assets/icons.svg");
const MANIFEST: &str = include_str!("../../assets/manifest.json");

/// `GET /assets/{name}`
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "dashboard.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "mark.svg" => ("image/svg+xml", MARK),
        "systems.svg" => ("image/svg+xml", SYSTEMS),
        "icons.svg" => ("image/svg+xml", ICONS),
        "manifest.json" => ("application/manifest+json", MANIFEST),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, text).into_response()
}
