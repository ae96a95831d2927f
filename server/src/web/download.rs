//! A version's bytes, under the name that its file has on a card.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use retrosync_protocol::{Code, HistoryEntry, SaveId, VersionId};
use serde::Deserialize;

use super::naming::file_name;
use super::page::{PageReply, Params};
use super::session::Visitor;
use crate::api::content;
use crate::app::App;
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

#[derive(Deserialize)]
pub(super) struct Download {
    id: SaveId,
    version: VersionId,
}

/// `GET /save/download?id=…&version=…`
pub(super) async fn download(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
    Params(which): Params<Download>,
) -> PageReply {
    let entry = entry_of(&app, visitor.asker(), &which).await?;
    let digest = entry.record.content.map(|content| content.digest);
    let digest =
        digest.ok_or_else(|| Refusal::new(Code::NotFound, "this version is a deletion: it has no bytes"))?;
    let mut response = content::serve(&app, visitor.asker(), digest, &headers).await?;
    let value = HeaderValue::from_str(&disposition(&file_name(&which.id, entry.record.note.as_deref())));
    let value = value.map_err(|error| Refusal::internal("writing a file name", error))?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    // Not for the browser's cache: it would still be there after logging out.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn entry_of(app: &App, asker: &Asker, which: &Download) -> Answer<HistoryEntry> {
    let mut before = None;
    loop {
        let page = app.library.history(asker, &which.id, before, 1000).await?;
        before = page.versions.last().map(|entry| entry.version);
        if let Some(entry) = page.versions.into_iter().find(|entry| entry.version == which.version) {
            return Ok(entry);
        }
        if !page.more || before.is_none() {
            return Err(Refusal::new(Code::NotFound, "no such version of this save"));
        }
    }
}

/// `attachment` with the name as it is (RFC 6266, RFC 8187), and one for programs that read ASCII only.
fn disposition(name: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');
    let plain =
        |c: char| if c.is_ascii() && !c.is_control() && !matches!(c, '"' | '\\' | '%') { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(name, KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_never_leaves_its_header() {
        let rows = [
            ("Tetris.srm", "attachment; filename=\"Tetris.srm\"; filename*=UTF-8''Tetris.srm"),
            ("Pokémon.srm", "attachment; filename=\"Pok_mon.srm\"; filename*=UTF-8''Pok%C3%A9mon.srm"),
            (
                "a\"; x=\"b.srm",
                "attachment; filename=\"a_; x=_b.srm\"; filename*=UTF-8''a%22%3B%20x%3D%22b.srm",
            ),
            (
                "a\r\nSet-Cookie: b",
                "attachment; filename=\"a__Set-Cookie: b\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b",
            ),
        ];
        for (name, value) in rows {
            assert_eq!(disposition(name), value);
        }
    }
}
