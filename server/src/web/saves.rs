//! The first page: all saves, by system, with what waits for a choice on top; to a stranger, what this is.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use retrosync_protocol::Head;
use serde::Deserialize;

use super::frame::Frame;
use super::naming::{kind, picture, picture_of, system, systems, title};
use super::page::{PageReply, Params, see, show};
use super::session::{Visitor, escaped, visitor};
use super::words::{When, grouped, size};
use crate::app::App;
use crate::library::Overview;

/// Saves on one page.
const PAGE: usize = 500;

#[derive(Template)]
#[template(path = "landing.html")]
struct LandingPage {
    /// Nobody has an account yet.
    first: bool,
    /// Accounts can be made by anybody.
    open: bool,
}

#[derive(Template)]
#[template(path = "saves.html")]
struct SavesPage {
    frame: Frame,
    query: String,
    chosen: String,
    /// All saves of the user, before the search.
    count: usize,
    devices: u64,
    /// What is here, to choose from.
    filters: Vec<Filter>,
    questions: Vec<Row>,
    groups: Vec<Group>,
    /// Where this page is among all.
    place: Place,
    /// For a file that a person brings.
    systems: &'static [(&'static str, &'static str)],
}

/// Which page of how many, and its neighbours.
struct Place {
    page: usize,
    pages: usize,
    newer: Option<String>,
    older: Option<String>,
}

struct Filter {
    link: String,
    picture: &'static str,
    title: String,
    count: String,
    chosen: bool,
}

struct Group {
    system: String,
    picture: &'static str,
    rows: Vec<Row>,
}

/// A save on the page.
struct Row {
    link: String,
    title: String,
    kind: String,
    name: String,
    system: String,
    picture: &'static str,
    device: String,
    when: When,
    size: String,
    versions: u64,
    question: bool,
    heads: usize,
    gone: bool,
}

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    system: String,
    /// From 1.
    #[serde(default)]
    page: usize,
}

/// `GET /`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Params(search): Params<Search>,
) -> PageReply {
    match visitor(&app, &headers).await? {
        Some(visitor) => inside(&app, &visitor, search).await,
        None => {
            let first = app.access.users().await?.is_empty();
            show(&LandingPage { first, open: app.access.may_register().await? })
        }
    }
}

/// `GET /saves`: the first page, for who has its name in mind.
pub(super) async fn elsewhere() -> PageReply {
    see("/")
}

async fn inside(app: &App, visitor: &Visitor, Search { q, system: chosen, page }: Search) -> PageReply {
    let frame = Frame::of(app, visitor).await?;
    let saves = app.library.overview(visitor.asker()).await?;
    let devices = app.access.account(visitor.asker()).await?.devices;
    let (count, now_unix_s) = (saves.len(), app.now_unix_s());
    let filters = filters(&saves, &chosen, &q);
    let wanted = q.trim().to_lowercase();
    let mut rows: Vec<Row> = saves
        .iter()
        .filter(|save| chosen.is_empty() || save.save.save.system() == chosen)
        .map(|save| row(save, now_unix_s))
        .filter(|row| matches(row, &wanted))
        .collect();
    // What waits for a choice stands first, however many saves there are.
    rows.sort_by_cached_key(|row| {
        (!row.question, row.system.clone(), row.title.to_lowercase(), row.kind.clone())
    });
    let place = Place::new(rows.len(), page, &q, &chosen);
    let rows = rows.into_iter().skip((place.page - 1) * PAGE).take(PAGE);
    let (questions, settled): (Vec<Row>, Vec<Row>) = rows.partition(|row| row.question);
    let mut groups: Vec<Group> = Vec::new();
    for row in settled {
        match groups.last_mut() {
            Some(group) if group.system == row.system => group.rows.push(row),
            _ => groups.push(Group {
                system: row.system.clone(),
                picture: picture_of(&row.name),
                rows: vec![row],
            }),
        }
    }
    let systems = systems();
    show(&SavesPage { frame, query: q, chosen, count, devices, filters, questions, groups, place, systems })
}

impl Place {
    fn new(rows: usize, page: usize, query: &str, chosen: &str) -> Place {
        let pages = rows.div_ceil(PAGE).max(1);
        let page = page.clamp(1, pages);
        let link = |page: usize| format!("/?q={}&system={}&page={page}", escaped(query), escaped(chosen));
        Place {
            page,
            pages,
            newer: (page > 1).then(|| link(page - 1)),
            older: (page < pages).then(|| link(page + 1)),
        }
    }
}

fn filters(saves: &[Overview], chosen: &str, query: &str) -> Vec<Filter> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for save in saves {
        *counts.entry(save.save.save.system()).or_default() += 1;
    }
    let q = escaped(query);
    let filter = |(name, count): (&str, u64)| Filter {
        link: if name == chosen { format!("/?q={q}") } else { format!("/?q={q}&system={}", escaped(name)) },
        picture: picture_of(name),
        title: system(name).to_owned(),
        count: grouped(count),
        chosen: name == chosen,
    };
    let mut all: Vec<Filter> = counts.into_iter().map(filter).collect();
    all.sort_by_cached_key(|filter| filter.title.to_lowercase());
    all
}

/// Is it a question: heads of more than one content?
pub(super) fn is_question(heads: &[Head]) -> bool {
    let digest = |head: &Head| head.content.map(|content| content.digest);
    heads.windows(2).any(|pair| digest(&pair[0]) != digest(&pair[1]))
}

fn row(save: &Overview, now_unix_s: i64) -> Row {
    let (id, heads) = (&save.save.save, &save.save.heads);
    let latest = heads.iter().max_by_key(|head| head.received_unix_s);
    let content = latest.and_then(|head| head.content);
    Row {
        link: format!("/save?id={}", escaped(id.as_str())),
        title: title(id).to_owned(),
        kind: kind(id),
        name: id.system().to_owned(),
        system: system(id.system()).to_owned(),
        picture: picture(id),
        device: latest.map(|head| head.device_name.clone()).unwrap_or_default(),
        when: When::new(latest.map_or(now_unix_s, |head| head.received_unix_s), now_unix_s),
        size: content.map(|content| size(content.size_bytes)).unwrap_or_default(),
        versions: save.versions,
        question: is_question(heads),
        heads: heads.len(),
        gone: latest.is_some() && content.is_none(),
    }
}

fn matches(row: &Row, wanted: &str) -> bool {
    let text =
        format!("{} {} {} {} {}", row.title, row.system, row.name, row.kind, row.device).to_lowercase();
    wanted.split_whitespace().all(|word| text.contains(word))
}
