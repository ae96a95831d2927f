//! One save: the question if there is one, the line of its versions, download and restore.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use retrosync_protocol::{ChoiceRequest, Code, Digest, HistoryEntry, OperationId, SaveId, VersionId};
use serde::Deserialize;

use super::page::{PageReply, Trouble, see, show};
use super::session::{Form, Visitor, escaped};
use super::words::{When, file_name, kind, short, size, system};
use crate::api::content;
use crate::api::request::{Params, malformed, to_the_end};
use crate::app::App;
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

/// Versions on one page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "save.html")]
struct SavePage {
    user: String,
    form_token: String,
    /// The same form sent twice changes once: each form adds its place on the page.
    operation: String,
    save: String,
    link: String,
    title: String,
    system: String,
    kind: String,
    /// What the user saw, for the rule that nobody chooses over what they have not seen.
    heads: String,
    question: Vec<Line>,
    versions: Vec<Line>,
    newest: bool,
    older: Option<String>,
    notice: &'static str,
}

/// A version on the page.
#[derive(Clone)]
struct Line {
    version: String,
    device: String,
    profile: String,
    when: When,
    played: Option<When>,
    size: String,
    digest: String,
    download: String,
    note: String,
    head: bool,
    suspect: bool,
    gone: bool,
    can_restore: bool,
}

#[derive(Deserialize)]
pub(super) struct Which {
    id: SaveId,
    #[serde(default)]
    before: Option<VersionId>,
    #[serde(default)]
    done: String,
}

/// `GET /save?id=…`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Params(which): Params<Which>,
) -> PageReply {
    let asker = visitor.asker();
    let history = app.library.history(asker, &which.id, which.before, PAGE).await?;
    let now_unix_s = app.now_unix_s();
    let heads = head_entries(&app, asker, &history).await?;
    let contents: Vec<Option<Digest>> = heads.iter().map(digest).collect();
    let asks = contents.windows(2).any(|pair| pair[0] != pair[1]);
    let settled = (!asks).then(|| contents.first().copied()).flatten();
    let line = |entry: &HistoryEntry| line(entry, settled, now_unix_s);
    let question = if asks { heads.iter().map(line).collect() } else { vec![] };
    let link = format!("/save?id={}", escaped(history.save.as_str()));
    let older = history.versions.last().filter(|_| history.more);
    let heads: Vec<String> = history.heads.iter().map(Digest::to_string).collect();
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Refusal::internal("drawing a random number", error.to_string()))?;
    show(&SavePage {
        user: asker.user_name.clone(),
        form_token: visitor.form_token(),
        operation: OperationId::from_random(&random).to_string(),
        title: history.save.title().to_owned(),
        system: system(history.save.system()).to_owned(),
        kind: kind(&history.save),
        heads: heads.join(" "),
        question,
        versions: history.versions.iter().map(line).collect(),
        newest: which.before.is_none(),
        older: older.map(|entry| format!("{link}&before={}", entry.version)),
        notice: notice(&which.done),
        link,
        save: history.save.to_string(),
    })
}

fn notice(done: &str) -> &'static str {
    match done {
        "restored" => "Restored. Your devices pick it up when they next sync.",
        "resolved" => "Settled. Your devices pick it up when they next sync; the other version stays below.",
        "moved" => {
            "Another version arrived while you were choosing. Nothing was changed; look again and choose."
        }
        _ => "",
    }
}

fn digest(entry: &HistoryEntry) -> Option<Digest> {
    entry.record.content.map(|content| content.digest)
}

/// The heads as entries, also those that are not on this page of the history.
async fn head_entries(
    app: &App,
    asker: &Asker,
    history: &retrosync_protocol::History,
) -> Answer<Vec<HistoryEntry>> {
    let mut found: Vec<HistoryEntry> = history.versions.iter().filter(|entry| entry.head).cloned().collect();
    let (mut before, mut more) = (None, found.len() < history.heads.len());
    while more && found.len() < history.heads.len() {
        let page = app.library.history(asker, &history.save, before, 1000).await?;
        let new = page.versions.iter().filter(|e| e.head && found.iter().all(|f| f.version != e.version));
        found.extend(new.cloned().collect::<Vec<_>>());
        (before, more) = (page.versions.last().map(|entry| entry.version), page.more);
    }
    Ok(found)
}

fn line(entry: &HistoryEntry, settled: Option<Option<Digest>>, now_unix_s: i64) -> Line {
    let record = &entry.record;
    let save = escaped(record.save.as_str());
    Line {
        version: entry.version.to_string(),
        device: entry.device_name.clone(),
        profile: record.profile.clone(),
        when: When::new(entry.received_unix_s, now_unix_s),
        played: record.played.map(|played| When::new(played.to_unix_s, now_unix_s)),
        size: record.content.map(|content| size(content.size_bytes)).unwrap_or_default(),
        digest: record.content.map(|content| short(content.digest)).unwrap_or_default(),
        download: format!("/save/download?id={save}&version={}", entry.version),
        note: record.note.clone().unwrap_or_default(),
        head: entry.head,
        suspect: record.suspect,
        gone: record.content.is_none(),
        can_restore: record.content.is_some() && settled != Some(digest(entry)),
    }
}

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
    let content = content_of(&app, visitor.asker(), &which).await?;
    let mut response = content::serve(&app, visitor.asker(), content, &headers).await?;
    let value = HeaderValue::from_str(&disposition(&file_name(&which.id)));
    let value = value.map_err(|error| Refusal::internal("writing a file name", error))?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    // Not for the browser's cache: it would still be there after logging out.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn content_of(app: &App, asker: &Asker, which: &Download) -> Answer<Digest> {
    let mut before = None;
    loop {
        let page = app.library.history(asker, &which.id, before, 1000).await?;
        if let Some(entry) = page.versions.iter().find(|entry| entry.version == which.version) {
            return digest(entry)
                .ok_or_else(|| Refusal::new(Code::NotFound, "this version is a deletion: it has no bytes"));
        }
        before = page.versions.last().map(|entry| entry.version);
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

#[derive(Deserialize)]
pub(super) struct Choice {
    save: SaveId,
    version: VersionId,
    heads: String,
    operation: OperationId,
}

impl Choice {
    fn request(&self) -> Answer<ChoiceRequest> {
        let heads = self.heads.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        let heads = heads.map_err(|error| malformed(format!("the form cannot be read: {error}")))?;
        Ok(ChoiceRequest { save: self.save.clone(), version: Some(self.version), heads, note: None })
    }
}

/// `POST /save/restore`
pub(super) async fn restore(State(app): State<Arc<App>>, form: Form<Choice>) -> PageReply {
    choose(app, form, true).await
}

/// `POST /save/resolve`
pub(super) async fn resolve(State(app): State<Arc<App>>, form: Form<Choice>) -> PageReply {
    choose(app, form, false).await
}

async fn choose(app: Arc<App>, form: Form<Choice>, restore: bool) -> PageReply {
    let request = form.fields.request()?;
    let link = format!("/save?id={}", escaped(request.save.as_str()));
    let (asker, operation) = (form.visitor.asker().clone(), Some(form.fields.operation));
    let now_unix_s = app.now_unix_s();
    let change = async move {
        if restore {
            app.library.restore(&asker, &request, operation, now_unix_s).await
        } else {
            app.library.resolve(&asker, &request, operation, now_unix_s).await
        }
    };
    match to_the_end(change).await {
        Ok(_) => see(&format!("{link}&done={}", if restore { "restored" } else { "resolved" })),
        Err(refusal) if refusal.code() == Code::HeadsMoved => see(&format!("{link}&done=moved")),
        Err(refusal) => Err(Trouble::from(refusal)),
    }
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
