//! One save: the question if there is one, the line of its versions, download and restore.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use retrosync_protocol::{ChoiceRequest, Code, Digest, HistoryEntry, OperationId, SaveId, VersionId};
use serde::Deserialize;

use super::frame::Frame;
use super::page::{PageReply, Params, Trouble, see, show};
use super::session::{Form, Visitor, escaped};
use super::words::{When, file_name, interval, kind, picture, short, size, system};
use crate::api::content;
use crate::api::request::{malformed, to_the_end};
use crate::app::App;
use crate::catalog::Mark;
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

/// Versions on one page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "save.html")]
struct SavePage {
    frame: Frame,
    /// The same form sent twice changes once: each form adds its place on the page.
    operation: String,
    save: String,
    link: String,
    title: String,
    system: String,
    kind: String,
    picture: &'static str,
    /// What the user saw, for the rule that nobody chooses over what they have not seen.
    heads: String,
    question: Vec<Line>,
    versions: Vec<Line>,
    holders: Vec<Holder>,
    /// To go back by one press, after a restore.
    undo: Option<VersionId>,
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
    /// When the bytes were changed, and for how long.
    played: String,
    size: String,
    digest: String,
    download: String,
    note: String,
    label: String,
    pinned: bool,
    /// What is to be seen only beside the other side of a question.
    best: Best,
    head: bool,
    suspect: bool,
    gone: bool,
    /// Its bytes are not kept any more.
    thinned: bool,
    can_restore: bool,
}

/// In what a side of a question is ahead of the others.
#[derive(Clone, Copy, Default)]
struct Best {
    latest: bool,
    largest: bool,
}

/// A device, and what it holds of this save.
struct Holder {
    device: String,
    version: String,
    state: &'static str,
    good: bool,
}

#[derive(Deserialize)]
pub(super) struct Which {
    id: SaveId,
    #[serde(default)]
    before: Option<VersionId>,
    #[serde(default)]
    done: String,
    #[serde(default)]
    undo: String,
}

/// `GET /save?id=…`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Params(which): Params<Which>,
) -> PageReply {
    let frame = Frame::of(&app, &visitor).await?;
    let asker = visitor.asker();
    let history = app.library.history(asker, &which.id, which.before, PAGE).await?;
    let now_unix_s = app.now_unix_s();
    let heads = head_entries(&app, asker, &history).await?;
    let contents: Vec<Option<Digest>> = heads.iter().map(digest).collect();
    let asks = contents.windows(2).any(|pair| pair[0] != pair[1]);
    let settled = (!asks).then(|| contents.first().copied()).flatten();
    let marks = app.library.marks(asker, &history.save).await?;
    let line = |entry: &HistoryEntry| line(entry, settled, &marks, now_unix_s);
    let question = if asks { sides(&heads, line) } else { vec![] };
    let holders = holders(&app, asker, &history, &heads).await?;
    // Only what is here can be gone back to, and only from where it was left.
    let undo = which.undo.parse::<VersionId>().ok().filter(|undo| {
        which.done == "restored" && history.versions.iter().any(|entry| entry.version == *undo && !entry.head)
    });
    let link = format!("/save?id={}", escaped(history.save.as_str()));
    let older = history.versions.last().filter(|_| history.more);
    let heads: Vec<String> = history.heads.iter().map(Digest::to_string).collect();
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Refusal::internal("drawing a random number", error.to_string()))?;
    show(&SavePage {
        frame,
        operation: OperationId::from_random(&random).to_string(),
        title: history.save.title().to_owned(),
        system: system(history.save.system()).to_owned(),
        kind: kind(&history.save),
        picture: picture(history.save.system()),
        holders,
        undo,
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
        "both" => "Both are kept: one goes on, the other is pinned below and never thinned out.",
        "uploaded" => "Stored. Your devices pick it up when they next sync.",
        "branched" => "Stored beside what is here: nobody had seen both, so you choose which one goes on.",
        "marked" => "Noted.",
        "deleted" => {
            "Deleted on your devices when they next sync. Every version stays here, and can be restored."
        }
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

/// The sides of a question, each with what it is ahead in.
fn sides(heads: &[HistoryEntry], line: impl Fn(&HistoryEntry) -> Line) -> Vec<Line> {
    let played = |entry: &HistoryEntry| entry.record.played.map(|played| played.to_unix_s);
    let size = |entry: &HistoryEntry| entry.record.content.map(|content| content.size_bytes);
    let ahead = |of: &dyn Fn(&HistoryEntry) -> Option<i64>, entry: &HistoryEntry| {
        let mine = of(entry);
        mine.is_some()
            && heads.iter().filter(|other| other.version != entry.version).all(|other| of(other) < mine)
    };
    let side = |entry: &HistoryEntry| Line {
        best: Best {
            latest: ahead(&played, entry),
            largest: ahead(&|entry| size(entry).and_then(|size| i64::try_from(size).ok()), entry),
        },
        ..line(entry)
    };
    heads.iter().map(side).collect()
}

/// What each device holds: as far as the server was asked for it, or was told.
async fn holders(
    app: &App,
    asker: &Asker,
    history: &retrosync_protocol::History,
    heads: &[HistoryEntry],
) -> Answer<Vec<Holder>> {
    let held = app.library.holdings(asker, &history.save).await?;
    let content = |version: VersionId| {
        let entry = history.versions.iter().find(|entry| entry.version == version);
        entry.map(digest)
    };
    let current: Vec<Option<Digest>> = heads.iter().map(digest).collect();
    let holder = |device: retrosync_protocol::Device| {
        let version = held.iter().find(|held| held.device == device.device).map(|held| held.version);
        let is_current = version.is_some_and(|version| {
            history.heads.contains(&version) || content(version).is_some_and(|of| current.contains(&of))
        });
        let state = match (version, is_current, current.len()) {
            (None, ..) => "not there yet",
            (_, false, _) => "an older version",
            (_, true, 0 | 1) => "the current version",
            (_, true, _) => "one of the versions to choose from",
        };
        Holder {
            device: device.name,
            version: version
                .map(|version| short(content(version).flatten().unwrap_or(version)))
                .unwrap_or_default(),
            state,
            good: is_current,
        }
    };
    Ok(app.access.devices(asker).await?.devices.into_iter().map(holder).collect())
}

fn line(entry: &HistoryEntry, settled: Option<Option<Digest>>, marks: &[Mark], now_unix_s: i64) -> Line {
    let mark = marks.iter().find(|mark| mark.version == entry.version);
    let record = &entry.record;
    let save = escaped(record.save.as_str());
    Line {
        version: entry.version.to_string(),
        device: if entry.device_name == "dashboard" { "You, here".into() } else { entry.device_name.clone() },
        profile: record.profile.clone(),
        when: When::new(entry.received_unix_s, now_unix_s),
        played: record.played.map(|played| interval(played, now_unix_s)).unwrap_or_default(),
        size: record.content.map(|content| size(content.size_bytes)).unwrap_or_default(),
        digest: record.content.map(|content| short(content.digest)).unwrap_or_default(),
        download: format!("/save/download?id={save}&version={}", entry.version),
        note: record.note.clone().unwrap_or_default(),
        label: mark.map(|mark| mark.label.clone()).unwrap_or_default(),
        pinned: mark.is_some_and(|mark| mark.pinned),
        best: Best::default(),
        head: entry.head,
        suspect: record.suspect,
        gone: record.content.is_none(),
        thinned: entry.thinned,
        can_restore: !entry.thinned && record.content.is_some() && settled != Some(digest(entry)),
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
    /// Keep both: `yes`.
    #[serde(default)]
    both: String,
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
    choose(app, form, Verb::Restore).await
}

/// `POST /save/resolve`
pub(super) async fn resolve(State(app): State<Arc<App>>, form: Form<Choice>) -> PageReply {
    let verb = if form.fields.both == "yes" { Verb::Both } else { Verb::Resolve };
    choose(app, form, verb).await
}

/// `POST /save/retire`
pub(super) async fn retire(State(app): State<Arc<App>>, form: Form<Choice>) -> PageReply {
    choose(app, form, Verb::Retire).await
}

/// What a person chose to do.
#[derive(Clone, Copy)]
enum Verb {
    Restore,
    Resolve,
    Both,
    Retire,
}

async fn choose(app: Arc<App>, form: Form<Choice>, verb: Verb) -> PageReply {
    let mut request = form.fields.request()?;
    let before = request.heads.first().copied();
    let link = format!("/save?id={}", escaped(request.save.as_str()));
    let (asker, operation) = (form.visitor.asker().clone(), Some(form.fields.operation));
    let now_unix_s = app.now_unix_s();
    let change = async move {
        match verb {
            Verb::Restore => app.library.restore(&asker, &request, operation, now_unix_s).await,
            Verb::Resolve => app.library.resolve(&asker, &request, operation, now_unix_s).await,
            Verb::Both => app.library.keep_both(&asker, &request, operation, now_unix_s).await,
            Verb::Retire => {
                request.version = None;
                app.library.retire(&asker, &request, operation, now_unix_s).await
            }
        }
    };
    let done = match (verb, before) {
        (Verb::Restore, Some(before)) => format!("restored&undo={before}"),
        (Verb::Restore, None) => "restored".into(),
        (Verb::Resolve, _) => "resolved".into(),
        (Verb::Both, _) => "both".into(),
        (Verb::Retire, _) => "deleted".into(),
    };
    match to_the_end(change).await {
        Ok(_) => see(&format!("{link}&done={done}")),
        Err(refusal) if refusal.code() == Code::HeadsMoved => see(&format!("{link}&done=moved")),
        Err(refusal) => Err(Trouble::from(refusal)),
    }
}

#[derive(Deserialize)]
pub(super) struct Words {
    save: SaveId,
    version: VersionId,
    #[serde(default)]
    pinned: String,
    #[serde(default)]
    label: String,
}

/// `POST /save/mark`
pub(super) async fn mark(State(app): State<Arc<App>>, form: Form<Words>) -> PageReply {
    let Form { visitor, fields: Words { save, version, pinned, label } } = form;
    let mark = Mark { version, pinned: pinned == "yes", label };
    app.library.mark(visitor.asker(), &save, mark, app.now_unix_s()).await?;
    see(&format!("/save?id={}&done=marked", escaped(save.as_str())))
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
