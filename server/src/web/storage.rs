//! What the saves take: by system, and the largest.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::frame::Frame;
use super::naming::{kind, picture, picture_of, system, title};
use super::page::{PageReply, show};
use super::session::{Visitor, escaped};
use super::words::{grouped, size};
use crate::app::App;

/// How many of the largest are shown.
const LARGEST: usize = 15;

#[derive(Template)]
#[template(path = "storage.html")]
struct StoragePage {
    frame: Frame,
    used: String,
    quota: String,
    quota_percent: u64,
    versions: String,
    systems: Vec<Bar>,
    largest: Vec<Bar>,
}

struct Bar {
    link: String,
    picture: &'static str,
    title: String,
    kind: String,
    size: String,
    facts: String,
    /// Of the longest bar, 1 to 100.
    percent: u64,
}

/// `GET /storage`
pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> PageReply {
    let frame = Frame::of(&app, &visitor).await?;
    let account = app.access.account(visitor.asker()).await?;
    let mut saves = app.library.overview(visitor.asker()).await?;
    let mut systems: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for save in &saves {
        let of = systems.entry(save.save.save.system()).or_default();
        *of = (of.0 + 1, of.1 + save.size_bytes);
    }
    let mut systems: Vec<_> = systems.into_iter().collect();
    systems.sort_by_key(|(_, (_, size_bytes))| std::cmp::Reverse(*size_bytes));
    let longest = systems.first().map_or(1, |(_, (_, size_bytes))| (*size_bytes).max(1));
    let bar = |(name, (count, size_bytes)): (&str, (u64, u64))| Bar {
        link: format!("/?system={}", escaped(name)),
        picture: picture_of(name),
        title: system(name).to_owned(),
        kind: String::new(),
        size: size(size_bytes),
        facts: format!("{} save{}", grouped(count), if count == 1 { "" } else { "s" }),
        percent: (size_bytes * 100 / longest).max(1),
    };
    let systems = systems.into_iter().map(bar).collect();
    saves.sort_by_key(|save| std::cmp::Reverse(save.size_bytes));
    let longest = saves.first().map_or(1, |save| save.size_bytes.max(1));
    let bar = |save: &crate::library::Overview| Bar {
        link: format!("/save?id={}", escaped(save.save.save.as_str())),
        picture: picture(&save.save.save),
        title: title(&save.save.save).to_owned(),
        kind: kind(&save.save.save),
        size: size(save.size_bytes),
        facts: format!("{} version{}", grouped(save.versions), if save.versions == 1 { "" } else { "s" }),
        percent: (save.size_bytes * 100 / longest).max(1),
    };
    show(&StoragePage {
        frame,
        used: size(account.size_bytes),
        quota: account.quota_bytes.map(size).unwrap_or_default(),
        quota_percent: account
            .quota_bytes
            .map_or(0, |most| (account.size_bytes * 100 / most.max(1)).min(100)),
        versions: grouped(account.versions),
        systems,
        largest: saves.iter().take(LARGEST).map(bar).collect(),
    })
}
