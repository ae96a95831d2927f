//! The user's devices: when they were last seen, what they sync and what is wrong there, another name, and out they go
//! when lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use retrosync_protocol::{Code, Device, DeviceId};
use serde::Deserialize;

use super::frame::Frame;
use super::naming::{firmware, picture_of, system};
use super::page::{Named, PageReply, see, show, show_refused};
use super::session::{Form, Visitor};
use super::words::{Told, When, grouped};
use crate::access::Report;
use crate::app::App;
use crate::library::{Answer, Synced};

/// Somebody who was seen as lately counts as there.
const HERE_S: i64 = 300;

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    frame: Frame,
    devices: Vec<Card>,
}

struct Card {
    id: String,
    name: String,
    /// The new name that was typed, and why it cannot be.
    typed: String,
    refused: Told,
    profile: String,
    client: String,
    paired: When,
    seen: Option<When>,
    here: bool,
    saves: String,
    /// Which systems it syncs, with how many saves.
    systems: Vec<Of>,
    folders: Vec<String>,
    problems: Vec<Told>,
}

struct Of {
    picture: &'static str,
    title: String,
    count: String,
}

/// `GET /devices`
pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> PageReply {
    show(&shown(&app, &visitor).await?)
}

async fn shown(app: &App, visitor: &Visitor) -> Answer<DevicesPage> {
    let frame = Frame::of(app, visitor).await?;
    let devices = app.access.devices(visitor.asker()).await?.devices;
    let reports: BTreeMap<DeviceId, Report> =
        app.access.reports(visitor.asker()).await?.into_iter().collect();
    let synced = app.library.synced(visitor.asker()).await?;
    let now_unix_s = app.now_unix_s();
    let card = |device: Device| {
        let report = reports.get(&device.device).cloned().unwrap_or_default();
        let of = synced.iter().filter(|synced| synced.device == device.device);
        let of = of.collect();
        card(device, report, of, now_unix_s)
    };
    Ok(DevicesPage { frame, devices: devices.into_iter().map(card).collect() })
}

fn card(device: Device, report: Report, synced: Vec<&Synced>, now_unix_s: i64) -> Card {
    let of = |synced: &&Synced| Of {
        picture: picture_of(&synced.system),
        title: system(&synced.system).to_owned(),
        count: grouped(synced.saves),
    };
    let here = device.last_seen_unix_s.is_some_and(|seen| now_unix_s.saturating_sub(seen) < HERE_S);
    Card {
        id: device.device.to_string(),
        typed: device.name.clone(),
        name: device.name,
        refused: Told::default(),
        profile: firmware(&device.profile).to_owned(),
        client: device.client,
        paired: When::new(device.paired_unix_s, now_unix_s),
        seen: device.last_seen_unix_s.map(|seen| When::new(seen, now_unix_s)),
        here,
        saves: grouped(synced.iter().map(|synced| synced.saves).sum()),
        systems: synced.iter().map(of).collect(),
        folders: report.folders,
        problems: report.problems.into_iter().map(Told).collect(),
    }
}

#[derive(Deserialize)]
pub(super) struct NewName {
    name: String,
}

/// `POST /devices/{device}/rename`
pub(super) async fn rename(
    State(app): State<Arc<App>>,
    Named(device): Named<DeviceId>,
    form: Form<NewName>,
) -> PageReply {
    let (asker, name) = (form.visitor.asker(), form.fields.name.trim());
    let refusal = match app.access.rename_device(asker, &device, name, None, app.now_unix_s()).await {
        Ok(_) => return see("/devices"),
        Err(refusal) if refusal.code() == Code::Malformed => refusal,
        Err(refusal) => return Err(refusal.into()),
    };
    let mut page = shown(&app, &form.visitor).await?;
    page.frame = page.frame.still();
    for card in page.devices.iter_mut().filter(|card| card.id == device.as_str()) {
        card.refused = Told(refusal.problem().detail.clone());
        card.typed = name.to_owned();
    }
    show_refused(Code::Malformed, &page)
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /devices/{device}/revoke`
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Named(device): Named<DeviceId>,
    form: Form<Nothing>,
) -> PageReply {
    let Nothing {} = form.fields;
    app.access.revoke_device(form.visitor.asker(), &device, None, app.now_unix_s()).await?;
    see("/devices")
}
