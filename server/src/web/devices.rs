//! The user's devices: when they were last seen, what they sync and what is wrong there, another name, and out they go
//! when lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use retrosync_protocol::{Device, DeviceId};
use serde::Deserialize;

use super::frame::Frame;
use super::page::{Named, PageReply, see, show};
use super::session::{Form, Visitor};
use super::naming::{firmware, picture_of, system};
use super::words::{When, grouped};
use crate::access::Report;
use crate::app::App;
use crate::library::Synced;

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
    profile: String,
    client: String,
    paired: When,
    seen: Option<When>,
    here: bool,
    saves: String,
    /// Which systems it syncs, with how many saves.
    systems: Vec<Of>,
    folders: Vec<String>,
    problems: Vec<String>,
}

struct Of {
    picture: &'static str,
    title: String,
    count: String,
}

/// `GET /devices`
pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> PageReply {
    let frame = Frame::of(&app, &visitor).await?;
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
    show(&DevicesPage { frame, devices: devices.into_iter().map(card).collect() })
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
        name: device.name,
        profile: firmware(&device.profile).to_owned(),
        client: device.client,
        paired: When::new(device.paired_unix_s, now_unix_s),
        seen: device.last_seen_unix_s.map(|seen| When::new(seen, now_unix_s)),
        here,
        saves: grouped(synced.iter().map(|synced| synced.saves).sum()),
        systems: synced.iter().map(of).collect(),
        folders: report.folders,
        problems: report.problems,
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
    app.access.rename_device(asker, &device, name, None, app.now_unix_s()).await?;
    see("/devices")
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
