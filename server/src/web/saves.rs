//! The first page: all saves, by system, with what waits for a choice on top.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use retrosync_protocol::{Head, SaveHeads};
use serde::Deserialize;

use super::page::{PageReply, show};
use super::session::{Visitor, escaped};
use super::words::{When, kind, size, system};
use crate::api::request::Params;
use crate::app::App;

/// The most rows on the page; the search finds the rest.
const MAX_ROWS: usize = 500;

#[derive(Template)]
#[template(path = "saves.html")]
struct SavesPage {
    user: String,
    query: String,
    /// All saves of the user, before the search.
    count: usize,
    questions: Vec<Row>,
    groups: Vec<Group>,
    left_out: usize,
}

struct Group {
    system: String,
    rows: Vec<Row>,
}

/// A save on the page.
struct Row {
    link: String,
    title: String,
    kind: String,
    system: String,
    device: String,
    when: When,
    size: String,
    question: bool,
    heads: usize,
    gone: bool,
}

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

/// `GET /`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Params(Search { q }): Params<Search>,
) -> PageReply {
    let saves = app.library.saves(visitor.asker()).await?;
    let count = saves.len();
    let (wanted, now_unix_s) = (q.trim().to_lowercase(), app.now_unix_s());
    let mut rows: Vec<Row> =
        saves.iter().map(|save| row(save, now_unix_s)).filter(|row| matches(row, &wanted)).collect();
    let left_out = rows.len().saturating_sub(MAX_ROWS);
    rows.truncate(MAX_ROWS);
    let (questions, settled): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.question);
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in settled {
        groups.entry(row.system.clone()).or_default().push(row);
    }
    let groups = groups.into_iter().map(|(system, mut rows)| {
        rows.sort_by_cached_key(|row| (row.title.to_lowercase(), row.kind.clone()));
        Group { system, rows }
    });
    let groups = groups.collect();
    let user = visitor.asker().user_name.clone();
    show(&SavesPage { user, query: q, count, questions, groups, left_out })
}

/// Is it a question: heads of more than one content?
pub(super) fn is_question(heads: &[Head]) -> bool {
    let digest = |head: &Head| head.content.map(|content| content.digest);
    heads.windows(2).any(|pair| digest(&pair[0]) != digest(&pair[1]))
}

fn row(save: &SaveHeads, now_unix_s: i64) -> Row {
    let latest = save.heads.iter().max_by_key(|head| head.received_unix_s);
    let content = latest.and_then(|head| head.content);
    Row {
        link: format!("/save?id={}", escaped(save.save.as_str())),
        title: save.save.title().to_owned(),
        kind: kind(&save.save),
        system: system(save.save.system()).to_owned(),
        device: latest.map(|head| head.device_name.clone()).unwrap_or_default(),
        when: When::new(latest.map_or(now_unix_s, |head| head.received_unix_s), now_unix_s),
        size: content.map(|content| size(content.size_bytes)).unwrap_or_default(),
        question: is_question(&save.heads),
        heads: save.heads.len(),
        gone: latest.is_some() && content.is_none(),
    }
}

fn matches(row: &Row, wanted: &str) -> bool {
    let text = format!("{} {} {} {}", row.title, row.system, row.kind, row.device).to_lowercase();
    wanted.split_whitespace().all(|word| text.contains(word))
}
