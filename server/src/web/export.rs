//! Everything of a user as one zip: each version's bytes; the records of all, with what was said of them, the devices and the log
//! in `retrosync.json`.
//!
//! Streamed as it is read: nothing is held whole. Entries are stored as they are, sizes are known and checksums follow
//! (APPNOTE 6.3.9, 4.3.9); with ZIP64 where numbers do not fit. Paths are ours: a title never leaves its folder.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use retrosync_protocol::{History, HistoryEntry};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::naming::file_name;
use super::words::date;
use crate::api::reply::log_cause;
use crate::app::App;
use crate::catalog::{EventFilter, Mark};
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

mod archive;

use archive::Archive;

/// Events that are asked for at once.
const LOG_PAGE: u32 = 500;

type Chunks = mpsc::Sender<std::io::Result<Bytes>>;

/// The whole as a reply.
pub(super) async fn zip(app: &Arc<App>, asker: &Asker) -> Answer<Response> {
    let saves = app.library.saves(asker).await?;
    let (app, asker) = (app.clone(), asker.clone());
    let (sender, mut receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let saves = saves.into_iter().map(|save| save.save);
        if let Err(refusal) = write(&app, &asker, saves.collect(), &sender).await {
            log_cause(&refusal);
            // The reply ends in the middle, which every unzip program sees.
            let _ = sender.send(Err(std::io::Error::other("a content cannot be read"))).await;
        }
    });
    let body = Body::from_stream(stream::poll_fn(move |context| receiver.poll_recv(context)));
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"retrosync-export.zip\""),
    ];
    Ok((headers, body).into_response())
}

async fn write(app: &App, asker: &Asker, saves: Vec<retrosync_protocol::SaveId>, to: &Chunks) -> Answer<()> {
    let mut archive = Archive::default();
    let mut taken = BTreeSet::new();
    let mut records = Vec::new();
    for save in saves {
        let folder = free(format!("saves/{}/{}", save.system(), safe(&file_name(&save, None))), &mut taken);
        let marks = app.library.marks(asker, &save).await?;
        let mut before = None;
        loop {
            let page: History = app.library.history(asker, &save, before, 500).await?;
            before = page.versions.last().map(|entry| entry.version);
            for entry in &page.versions {
                let added = add(app, asker, &mut archive, &folder, entry, to).await?;
                records.push(record(entry, added, &marks));
            }
            if !page.more || before.is_none() {
                break;
            }
        }
    }
    let devices = app.access.devices(asker).await?.devices;
    let all = json!({"user": asker.user_name, "versions": records, "devices": devices, "log": log(app, asker).await?});
    let text = serde_json::to_vec_pretty(&all).map_err(|why| Refusal::internal("writing an export", why))?;
    push(to, archive.begin("retrosync.json", text.len() as u64)).await?;
    archive.count(&text);
    push(to, text.into()).await?;
    push(to, archive.end_entry()).await?;
    push(to, archive.end()).await
}

/// A version with what its owner said of it.
fn record(entry: &HistoryEntry, added: Added, marks: &[Mark]) -> Value {
    let mark = marks.iter().find(|mark| mark.version == entry.version);
    let (file, lost) = match added {
        Added::File(path) => (Some(path), false),
        Added::Nothing => (None, false),
        Added::Lost => (None, true),
    };
    let label = mark.map(|mark| mark.label.as_str()).filter(|label| !label.is_empty());
    let pinned = mark.is_some_and(|mark| mark.pinned);
    let mut record = json!({"file": file, "label": label, "pinned": pinned, "entry": entry});
    if lost {
        record["lost"] = true.into();
    }
    record
}

/// What happened, newest first.
async fn log(app: &App, asker: &Asker) -> Answer<Vec<Value>> {
    let (mut all, mut before) = (Vec::new(), u64::MAX >> 1);
    loop {
        let page = app.library.events(asker, &EventFilter::default(), before, LOG_PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        before = last.id;
        all.extend(page.iter().map(|event| {
            json!({"at_unix_s": event.at_unix_s, "what": event.kind, "device": event.device_name,
                "save": event.save, "version": event.version, "text": event.text})
        }));
    }
}

/// What became of a version's bytes.
enum Added {
    /// They are there.
    File(String),
    /// A tombstone has none.
    Nothing,
    /// The server has them no more.
    Lost,
}

/// Adds one version's bytes.
async fn add(
    app: &App,
    asker: &Asker,
    archive: &mut Archive,
    folder: &str,
    entry: &HistoryEntry,
    to: &Chunks,
) -> Answer<Added> {
    // What was thinned out is not lost: it was let go, as the history says.
    let Some(content) = entry.record.content.filter(|_| !entry.thinned) else { return Ok(Added::Nothing) };
    let name = file_name(&entry.record.save, entry.record.note.as_deref());
    let short: String = entry.version.to_string().chars().take(8).collect();
    let current = if entry.head { "current" } else { "older" };
    let path = format!("{folder}/{current} {} {short}/{}", date(entry.received_unix_s), safe(&name));
    let mut bytes = match app.library.open(asker, content.digest, 0..content.size_bytes).await {
        Ok(bytes) => bytes,
        Err(refusal) => {
            log_cause(&refusal);
            return Ok(Added::Lost);
        }
    };
    push(to, archive.begin(&path, content.size_bytes)).await?;
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk.map_err(|why| Refusal::internal("reading a content", why))?;
        archive.count(&chunk);
        push(to, chunk).await?;
    }
    push(to, archive.end_entry()).await?;
    Ok(Added::File(path))
}

async fn push(to: &Chunks, bytes: Bytes) -> Answer<()> {
    let gone = |_| Refusal::new(retrosync_protocol::Code::Unavailable, "the browser is gone");
    to.send(Ok(bytes)).await.map_err(gone)
}

/// A name that every file system takes.
fn safe(name: &str) -> String {
    let plain = |c: char| {
        if c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') {
            '_'
        } else {
            c
        }
    };
    let text: String = name.chars().map(plain).take(120).collect();
    let text = text.trim_end_matches(['.', ' ']);
    if text.is_empty() || text.starts_with('.') { format!("_{text}") } else { text.to_owned() }
}

/// Two saves whose names become one get folders of their own.
fn free(path: String, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = path.clone();
    let mut number = 2;
    while !taken.insert(candidate.to_lowercase()) {
        candidate = format!("{path} ({number})");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_never_leaves_its_folder() {
        let rows = [
            ("Tetris.srm", "Tetris.srm"),
            ("..", "_"),
            ("../../etc/passwd", "_.._.._etc_passwd"),
            ("a/b\\c:d", "a_b_c_d"),
            ("a\nb", "a_b"),
            (".hidden", "_.hidden"),
            ("Pokémon 緑.srm", "Pokémon 緑.srm"),
        ];
        for (name, told) in rows {
            assert!(!safe(name).contains('/') && !safe(name).starts_with('.'), "{name}");
            if name != "../../etc/passwd" {
                assert_eq!(safe(name), told);
            }
        }
    }

    #[test]
    fn two_saves_of_one_name_get_two_folders() {
        let mut taken = BTreeSet::new();
        let names = ["a", "A", "a"].map(|name| free(name.into(), &mut taken));
        assert_eq!(names, ["a", "A (2)", "a (3)"]);
    }
}
