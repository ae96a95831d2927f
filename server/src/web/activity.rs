//! What happened, newest first, with filters.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::frame::Frame;
use super::naming::{kind, picture, system, title};
use super::page::{PageReply, Params, show};
use super::session::{Visitor, escaped};
use super::words::{Told, When};
use crate::app::App;
use crate::catalog::{Event, EventFilter};

/// Events on one page.
const PAGE: u32 = 60;

/// What the filter offers: its word, what people read, and the kinds of events.
const GROUPS: &[(&str, &str, &[&str])] = &[
    ("saves", "Saves", &["saved", "uploaded", "deleted"]),
    ("choices", "Choices", &["branched", "restored", "resolved", "pinned", "unpinned", "marked"]),
    ("devices", "Devices", &["paired", "renamed", "revoked"]),
    ("problems", "Problems", &["problem", "doubted", "branched"]),
    ("account", "Account", &["login", "password", "account", "exported"]),
];

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    frame: Frame,
    groups: Vec<Choice>,
    devices: Vec<Choice>,
    query: String,
    days: Vec<Day>,
    filtered: bool,
    older: Option<String>,
}

/// One choice of a filter.
struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

struct Day {
    date: String,
    rows: Vec<Row>,
}

struct Row {
    /// The save's system; empty: it is about something else, and `icon` says what.
    picture: &'static str,
    icon: &'static str,
    tone: &'static str,
    device: String,
    did: String,
    title: String,
    kind: String,
    link: String,
    text: Told,
    when: When,
}

#[derive(Deserialize)]
pub(super) struct Filter {
    #[serde(default)]
    what: String,
    #[serde(default)]
    device: String,
    #[serde(default)]
    q: String,
    before: Option<u64>,
}

/// `GET /activity`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Params(asked): Params<Filter>,
) -> PageReply {
    let frame = Frame::of(&app, &visitor).await?;
    let (asker, now_unix_s) = (visitor.asker(), app.now_unix_s());
    let kinds = GROUPS.iter().find(|(word, ..)| *word == asked.what).map_or(&[][..], |(.., kinds)| kinds);
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = EventFilter {
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        device_name: some(&asked.device),
        save: some(&asked.q),
    };
    let filtered = filter != EventFilter::default();
    let before = asked.before.unwrap_or(u64::MAX >> 1);
    let mut events = app.library.events(asker, &filter, before, PAGE + 1).await?;
    let more = events.len() > PAGE as usize;
    events.truncate(PAGE as usize);
    let older = events.last().filter(|_| more).map(|last| {
        let Filter { what, device, q, .. } = &asked;
        let (what, device, q) = (escaped(what), escaped(device), escaped(q));
        format!("/activity?what={what}&device={device}&q={q}&before={}", last.id)
    });
    let mut days: Vec<Day> = Vec::new();
    for event in &events {
        let row = row(event, now_unix_s);
        let date = row.when.exact.chars().take(10).collect::<String>();
        match days.last_mut() {
            Some(day) if day.date == date => day.rows.push(row),
            _ => days.push(Day { date, rows: vec![row] }),
        }
    }
    let names = app.access.devices(asker).await?.devices.into_iter().map(|device| device.name);
    let mut names: Vec<String> = names.chain(["dashboard".to_owned()]).collect();
    names.extend(filter.device_name.filter(|name| !names.contains(name)));
    let choice = |value: &str, text: &str, now: &str| Choice {
        value: value.to_owned(),
        text: text.to_owned(),
        chosen: value == now,
    };
    show(&ActivityPage {
        frame,
        groups: GROUPS.iter().map(|(word, text, _)| choice(word, text, &asked.what)).collect(),
        devices: names.iter().map(|name| choice(name, name, asked.device.trim())).collect(),
        query: asked.q,
        days,
        filtered,
        older,
    })
}

fn row(event: &Event, now_unix_s: i64) -> Row {
    let (did, tone, icon) = told(&event.kind);
    let save = event.save.as_ref();
    Row {
        picture: save.map_or("", picture),
        icon,
        tone,
        device: if event.device_name == "dashboard" { "You".into() } else { event.device_name.clone() },
        did: did.to_owned(),
        title: save.map(|save| title(save).to_owned()).unwrap_or_default(),
        kind: save.map(|save| format!("{} {}", system(save.system()), kind(save))).unwrap_or_default(),
        link: save.map(|save| format!("/save?id={}", escaped(save.as_str()))).unwrap_or_default(),
        text: Told(event.text.clone()),
        when: When::new(event.at_unix_s, now_unix_s),
    }
}

/// What people read, its colour, and what it is about if not a save.
fn told(kind: &str) -> (&'static str, &'static str, &'static str) {
    let icon = match kind {
        "login" | "password" | "account" | "exported" => "account",
        "problem" => "alert",
        _ => "devices",
    };
    let (did, tone) = match kind {
        "saved" => ("saved", "good"),
        "uploaded" => ("uploaded", "good"),
        "branched" => ("played on from an older version of", "warn"),
        "doubted" => ("sent something that looks damaged of", "warn"),
        "deleted" => ("deleted", ""),
        "restored" => ("restored", "good"),
        "resolved" => ("chose a version of", "good"),
        "pinned" => ("pinned a version of", ""),
        "unpinned" => ("let go of a pinned version of", ""),
        "marked" => ("marked a version of", ""),
        "paired" => ("was paired", "good"),
        "renamed" => ("got a new name", ""),
        "revoked" => ("was removed", "warn"),
        "problem" => ("has a problem", "warn"),
        "login" => ("logged in", ""),
        "password" => ("changed the password", ""),
        "account" => ("changed the account", ""),
        "exported" => ("exported everything", ""),
        _ => ("told", ""),
    };
    (did, tone, icon)
}
