//! One save's page: the question if there is one, the line of its versions, which device has what.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use retrosync_protocol::{Digest, HistoryEntry, OperationId, SaveId, VersionId};
use serde::Deserialize;

use super::frame::Frame;
use super::naming::{firmware, kind, picture, system, title};
use super::page::{PageReply, Params, show};
use super::question::{Best, best, is_believable};
use super::session::{Visitor, escaped};
use super::words::{When, interval, short, size};
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
    /// To go back by one press, after what was just done.
    undo: Option<VersionId>,
    undo_word: &'static str,
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
    /// Nobody else's clock says so.
    by_its_own_clock: bool,
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
    let side = |entry: &HistoryEntry| Line { best: best(entry, &heads), ..line(entry) };
    let question = if asks { heads.iter().map(side).collect() } else { vec![] };
    let holders = holders(&app, asker, &history, &heads).await?;
    // Only what is here can be gone back to, and only from where it was left.
    let undo = which.undo.parse::<VersionId>().ok().filter(|undo| {
        let is_left = |entry: &HistoryEntry| entry.version == *undo && !entry.head && !entry.thinned;
        !asks && UNDONE.contains(&which.done.as_str()) && history.versions.iter().any(is_left)
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
        title: title(&history.save).to_owned(),
        system: system(history.save.system()).to_owned(),
        kind: kind(&history.save),
        picture: picture(&history.save),
        holders,
        undo,
        undo_word: if matches!(which.done.as_str(), "resolved" | "both") {
            "Take the other one"
        } else {
            "Undo"
        },
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

/// What can be taken back by one press.
const UNDONE: [&str; 5] = ["restored", "resolved", "both", "uploaded", "deleted"];

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
        profile: firmware(&record.profile).to_owned(),
        when: When::new(entry.received_unix_s, now_unix_s),
        played: record.played.map(|played| interval(played, now_unix_s)).unwrap_or_default(),
        by_its_own_clock: record.played.is_some_and(|played| !is_believable(played, entry.received_unix_s)),
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
