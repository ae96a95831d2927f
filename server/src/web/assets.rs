//! The stylesheet, the script and our pictures: compiled in, so that the server is one file.

use axum::http::header;
use axum::response::IntoResponse as _;
use retrosync_protocol::Code;

use super::page::{Named, PageReply};
use crate::refusal::Refusal;

const STYLE: &str = include_str!("../../assets/style.css");
const SCRIPT: &str = include_str!("../../assets/dashboard.js");
const MARK: &str = include_str!("../../assets/mark.svg");
const SYSTEMS: &str = include_str!("../../assets/systems.svg");
const ICONS: &str = include_str!("../../assets/icons.svg");
const MANIFEST: &str = include_str!("../../assets/manifest.json");

/// `GET /assets/{name}`
pub(super) async fn asset(Named(name): Named<String>) -> PageReply {
    let (kind, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "dashboard.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "mark.svg" => ("image/svg+xml", MARK),
        "systems.svg" => ("image/svg+xml", SYSTEMS),
        "icons.svg" => ("image/svg+xml", ICONS),
        "manifest.json" => ("application/manifest+json", MANIFEST),
        _ => return Err(Refusal::new(Code::NotFound, "there is no such file").into()),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600")];
    Ok((headers, text).into_response())
}
