//! The user's devices: when they were last seen, another name, and out they go when lost.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use retrosync_protocol::{Device, DeviceId};
use serde::Deserialize;

use super::page::{PageReply, see, show};
use super::session::{Form, Visitor};
use super::words::When;
use crate::api::request::Named;
use crate::app::App;

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    user: String,
    form_token: String,
    devices: Vec<Card>,
}

struct Card {
    id: String,
    name: String,
    profile: String,
    client: String,
    paired: When,
    seen: Option<When>,
}

/// `GET /devices`
pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> PageReply {
    let devices = app.access.devices(visitor.asker()).await?.devices;
    let now_unix_s = app.now_unix_s();
    show(&DevicesPage {
        user: visitor.asker().user_name.clone(),
        form_token: visitor.form_token(),
        devices: devices.into_iter().map(|device| card(device, now_unix_s)).collect(),
    })
}

fn card(device: Device, now_unix_s: i64) -> Card {
    Card {
        id: device.device.to_string(),
        name: device.name,
        profile: device.profile,
        client: device.client,
        paired: When::new(device.paired_unix_s, now_unix_s),
        seen: device.last_seen_unix_s.map(|seen| When::new(seen, now_unix_s)),
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
