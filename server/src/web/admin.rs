//! The admin's page: who is here and what they take, who may come in, and whether the server is well.
//!
//! `access` looks at the right of whoever asks, on every verb; nothing here needs to.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use retrosync_protocol::{Code, Digest};
use serde::Deserialize;

use super::frame::Frame;
use super::page::{PageReply, Trouble, see, show, show_refused};
use super::session::{Form, Visitor, escaped};
use super::words::{Told, When, grouped, size};
use crate::access::{Limits, UserFigures};
use crate::api::request::{malformed, to_the_end};
use crate::app::{App, SERVER_NAME};
use crate::catalog::{Invitation, UserId};
use crate::library::Answer;

const GIB: u64 = 1 << 30;

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage {
    frame: Frame,
    health: Vec<Fact>,
    open: bool,
    /// An invitation that was just made: shown this once.
    link: String,
    /// A password that was just made, and whose: shown this once.
    renewed: Option<Renewed>,
    invitations: Vec<Guest>,
    users: Vec<Row>,
    problem: Told,
}

impl AdminPage {
    /// The answer to a form, which says what it says once.
    fn still(self) -> AdminPage {
        AdminPage { frame: self.frame.still(), ..self }
    }
}

/// A user's new password.
struct Renewed {
    name: String,
    password: String,
}

/// One line of the server's health.
struct Fact {
    name: &'static str,
    value: String,
    bad: bool,
}

struct Guest {
    id: String,
    note: String,
    ends: When,
    limits: String,
}

struct Row {
    id: i64,
    name: String,
    email: String,
    me: bool,
    admin: bool,
    since: When,
    saves: String,
    versions: String,
    size: String,
    devices: String,
    quota_gib: String,
    quota_devices: String,
    percent: Option<u64>,
}

/// `GET /admin`
pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> PageReply {
    show(&shown(&app, &visitor, String::new(), String::new()).await?)
}

async fn shown(app: &App, visitor: &Visitor, link: String, problem: String) -> Answer<AdminPage> {
    let frame = Frame::of(app, visitor).await?;
    let (asker, now_unix_s) = (visitor.asker(), app.now_unix_s());
    let users = app.access.users_with_figures(asker).await?;
    let invitations = app.access.invitations(asker, now_unix_s).await?;
    Ok(AdminPage {
        frame,
        health: health(app, &users, now_unix_s).await,
        open: app.access.is_registration_open().await?,
        link,
        renewed: None,
        invitations: invitations.iter().map(|one| guest(one, now_unix_s)).collect(),
        users: users.into_iter().map(|one| row(one, asker.user, now_unix_s)).collect(),
        problem: Told(problem),
    })
}

async fn health(app: &App, users: &[UserFigures], now_unix_s: i64) -> Vec<Fact> {
    let sum = |of: fn(&UserFigures) -> u64| users.iter().map(of).sum::<u64>();
    let fact = |name, value| Fact { name, value, bad: false };
    let catalog = match app.library.epoch().await {
        Ok(_) => fact("Catalog", "answers".into()),
        Err(_) => Fact { name: "Catalog", value: "does not answer: see the log".into(), bad: true },
    };
    let up_s = now_unix_s.saturating_sub(app.started_unix_s);
    let up = When::new(now_unix_s - up_s, now_unix_s);
    let mut facts = vec![
        catalog,
        fact("Started", up.near),
        fact(
            "Saves",
            format!(
                "{}, {} versions",
                grouped(sum(|u| u.figures.saves)),
                grouped(sum(|u| u.figures.versions))
            ),
        ),
        fact("Contents", size(sum(|u| u.figures.size_bytes))),
        fact("Devices", grouped(sum(|u| u.figures.devices))),
    ];
    if let Some(free) = app.free_bytes() {
        facts.push(Fact { name: "Free on the disk", value: size(free), bad: free < GIB / 2 });
    }
    facts.push(fact("Program", SERVER_NAME.into()));
    facts
}

fn guest(invitation: &Invitation, now_unix_s: i64) -> Guest {
    let bytes = invitation.quota_bytes.map(size);
    let devices = invitation.quota_devices.map(|most| format!("{most} devices"));
    let limits: Vec<String> = bytes.into_iter().chain(devices).collect();
    Guest {
        id: invitation.code_sha256.to_string(),
        note: if invitation.note.is_empty() { "for anybody".into() } else { invitation.note.clone() },
        ends: When::new(invitation.expires_unix_s, now_unix_s),
        limits: limits.join(", "),
    }
}

fn row(one: UserFigures, me: UserId, now_unix_s: i64) -> Row {
    let UserFigures { user, figures } = one;
    let gib = |bytes: u64| {
        let text = format!("{:.3}", bytes as f64 / GIB as f64);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    Row {
        id: user.id.0,
        me: user.id == me,
        admin: user.admin,
        email: user.email.unwrap_or_default(),
        since: When::new(user.created_unix_s, now_unix_s),
        saves: grouped(figures.saves),
        versions: grouped(figures.versions),
        size: size(figures.size_bytes),
        devices: grouped(figures.devices),
        quota_gib: user.quota_bytes.map(gib).unwrap_or_default(),
        quota_devices: user.quota_devices.map(|most| most.to_string()).unwrap_or_default(),
        percent: user.quota_bytes.map(|most| (figures.size_bytes * 100 / most.max(1)).min(100)),
        name: user.name,
    }
}

#[derive(Deserialize)]
pub(super) struct Registration {
    open: String,
}

/// `POST /admin/registration`
pub(super) async fn registration(State(app): State<Arc<App>>, form: Form<Registration>) -> PageReply {
    app.access.open_registration(form.visitor.asker(), form.fields.open == "yes").await?;
    see("/admin")
}

#[derive(Deserialize)]
pub(super) struct Bounds {
    #[serde(default)]
    id: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    quota_gib: String,
    #[serde(default)]
    quota_devices: String,
    #[serde(default)]
    admin: String,
}

impl Bounds {
    fn limits(&self) -> Answer<Limits> {
        let gib = Some(self.quota_gib.trim())
            .filter(|text| !text.is_empty())
            .map(|text| text.replace(',', ".").parse::<f64>().ok().filter(|gib| (0.0..=1e6).contains(gib)));
        let devices = Some(self.quota_devices.trim()).filter(|text| !text.is_empty());
        let devices = devices.map(|text| text.parse::<u32>().ok());
        if gib == Some(None) || devices == Some(None) {
            return Err(malformed("a limit is a number, or nothing"));
        }
        Ok(Limits {
            quota_bytes: gib.flatten().map(|gib| (gib * GIB as f64) as u64),
            quota_devices: devices.flatten(),
            admin: self.admin == "yes",
        })
    }
}

/// `POST /admin/invite`
pub(super) async fn invite(State(app): State<Arc<App>>, headers: HeaderMap, form: Form<Bounds>) -> PageReply {
    let Form { visitor, fields } = form;
    let made = async {
        let limits = fields.limits()?;
        app.access.invite(visitor.asker(), &fields.note, limits, app.now_unix_s()).await
    };
    match made.await {
        Ok(code) => {
            let link = format!("{}/register?invitation={}", app.base_url(&headers), escaped(&code));
            show(&shown(&app, &visitor, link, String::new()).await?.still())
        }
        Err(refusal) if refusal.code() == Code::Malformed => show_refused(
            Code::Malformed,
            &shown(&app, &visitor, String::new(), refusal.into_problem().detail).await?.still(),
        ),
        Err(refusal) => Err(Trouble::from(refusal)),
    }
}

#[derive(Deserialize)]
pub(super) struct Which {
    id: Digest,
}

/// `POST /admin/withdraw`
pub(super) async fn withdraw(State(app): State<Arc<App>>, form: Form<Which>) -> PageReply {
    app.access.withdraw(form.visitor.asker(), form.fields.id).await?;
    see("/admin")
}

/// `POST /admin/limits`
pub(super) async fn limits(State(app): State<Arc<App>>, form: Form<Bounds>) -> PageReply {
    let Form { visitor, fields } = form;
    let bounded = async {
        let id = fields.id.parse().map_err(|_| malformed("which user?"))?;
        app.access.bound(visitor.asker(), UserId(id), fields.limits()?, app.now_unix_s()).await
    };
    told(&app, &visitor, bounded.await).await
}

#[derive(Deserialize)]
pub(super) struct Out {
    id: i64,
    name: String,
}

/// `POST /admin/remove`
pub(super) async fn remove(State(app): State<Arc<App>>, form: Form<Out>) -> PageReply {
    let Form { visitor, fields: Out { id, name } } = form;
    let (asker, inner) = (visitor.asker().clone(), app.clone());
    let removed = to_the_end(async move { inner.access.remove_user(&asker, UserId(id), &name).await });
    told(&app, &visitor, removed.await).await
}

#[derive(Deserialize)]
pub(super) struct Whom {
    id: i64,
}

/// `POST /admin/password`
pub(super) async fn password(State(app): State<Arc<App>>, form: Form<Whom>) -> PageReply {
    let Form { visitor, fields: Whom { id } } = form;
    let (asker, inner) = (visitor.asker().clone(), app.clone());
    let of = UserId(id);
    let now_unix_s = app.now_unix_s();
    let renewed = to_the_end(async move {
        let password = inner.access.renew_password(&asker, of, now_unix_s).await?;
        Ok(Renewed { name: inner.access.user(of).await?.name, password })
    });
    match renewed.await {
        Ok(renewed) => {
            let page = shown(&app, &visitor, String::new(), String::new()).await?;
            show(&AdminPage { renewed: Some(renewed), ..page }.still())
        }
        Err(refusal) => told(&app, &visitor, Err(refusal)).await,
    }
}

async fn told(app: &App, visitor: &Visitor, outcome: Answer<()>) -> PageReply {
    match outcome {
        Ok(()) => see("/admin"),
        Err(refusal) if refusal.code() == Code::Malformed => show_refused(
            Code::Malformed,
            &shown(app, visitor, String::new(), refusal.into_problem().detail).await?.still(),
        ),
        Err(refusal) => Err(Trouble::from(refusal)),
    }
}
