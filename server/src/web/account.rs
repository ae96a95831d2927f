//! The account: name, e-mail, password, everything as a zip, and the end of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect};
use retrosync_protocol::Code;
use serde::Deserialize;

use super::frame::Frame;
use super::page::{PageReply, Params, Trouble, see, show, show_refused};
use super::session::{Form, Visitor, no_cookie, session_cookie};
use super::words::{Told, grouped, size};
use crate::api::request::{Peer, to_the_end};
use crate::app::{App, SERVER_NAME};
use crate::library::Answer;
use crate::refusal::Refusal;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    email: String,
    saves: String,
    versions: String,
    size: String,
    quota: String,
    devices: String,
    quota_devices: String,
    server: &'static str,
    notice: &'static str,
    problem: Told,
}

#[derive(Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /account`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Params(Done { done }): Params<Done>,
) -> PageReply {
    let notice = match done.as_str() {
        "account" => "Saved.",
        "password" => "The password is changed, and every other browser is logged out.",
        _ => "",
    };
    show(&shown(&app, &visitor, notice, String::new()).await?)
}

async fn shown(app: &App, visitor: &Visitor, notice: &'static str, problem: String) -> Answer<AccountPage> {
    let frame = Frame::of(app, visitor).await?;
    let account = app.access.account(visitor.asker()).await?;
    let user = app.access.user(visitor.asker().user).await?;
    Ok(AccountPage {
        frame,
        email: user.email.unwrap_or_default(),
        saves: grouped(account.saves),
        versions: grouped(account.versions),
        size: size(account.size_bytes),
        quota: account.quota_bytes.map(size).unwrap_or_default(),
        devices: grouped(account.devices),
        quota_devices: user.quota_devices.map(|most| grouped(most.into())).unwrap_or_default(),
        server: SERVER_NAME,
        notice,
        problem: Told(problem),
    })
}

/// What the user can mend is told on the page; the rest is a page of its own.
async fn told(app: &App, visitor: &Visitor, refusal: Refusal) -> PageReply {
    if !matches!(refusal.code(), Code::AccessDenied | Code::Malformed | Code::SlowDown) {
        return Err(Trouble::from(refusal));
    }
    let code = refusal.code();
    let problem = refusal.into_problem();
    let text = match problem.help {
        Some(help) => format!("{}: {help}", problem.detail),
        None => problem.detail,
    };
    let page = shown(app, visitor, "", text).await?;
    show_refused(code, &AccountPage { frame: page.frame.still(), ..page })
}

#[derive(Deserialize)]
pub(super) struct Profile {
    name: String,
    #[serde(default)]
    email: String,
}

/// `POST /account`
pub(super) async fn change(State(app): State<Arc<App>>, form: Form<Profile>) -> PageReply {
    let Form { visitor, fields: Profile { name, email } } = form;
    match app.access.change_account(visitor.asker(), &name, &email, app.now_unix_s()).await {
        Ok(()) => see("/account?done=account"),
        Err(refusal) => told(&app, &visitor, refusal).await,
    }
}

#[derive(Deserialize)]
pub(super) struct Passwords {
    old: String,
    new: String,
}

/// `POST /account/password`
pub(super) async fn password(
    State(app): State<Arc<App>>,
    Peer(from): Peer,
    form: Form<Passwords>,
) -> PageReply {
    let Form { visitor, fields: Passwords { old, new } } = form;
    let now_unix_s = app.now_unix_s();
    let asker = visitor.asker().clone();
    if let Err(refusal) = app.access.change_password(&asker, &old, &new, from, now_unix_s).await {
        return told(&app, &visitor, refusal).await;
    }
    // All sessions ended, this one too: in again, by the new password.
    let login = app.access.login(&asker.user_name, &new, from, now_unix_s).await?;
    let cookie = [(header::SET_COOKIE, session_cookie(&app, &login))];
    Ok((cookie, Redirect::to("/account?done=password")).into_response())
}

#[derive(Deserialize)]
pub(super) struct Farewell {
    password: String,
}

/// `POST /account/delete`
pub(super) async fn delete(State(app): State<Arc<App>>, Peer(from): Peer, form: Form<Farewell>) -> PageReply {
    let Form { visitor, fields: Farewell { password } } = form;
    let (asker, now_unix_s, inner) = (visitor.asker().clone(), app.now_unix_s(), app.clone());
    let delete = async move { inner.access.delete_account(&asker, &password, from, now_unix_s).await };
    match to_the_end(delete).await {
        Ok(()) => Ok(([(header::SET_COOKIE, no_cookie(&app))], Redirect::to("/")).into_response()),
        Err(refusal) => told(&app, &visitor, refusal).await,
    }
}

/// `GET /account/export.zip`
pub(super) async fn export(State(app): State<Arc<App>>, visitor: Visitor) -> PageReply {
    let now_unix_s = app.now_unix_s();
    app.access.tell(visitor.asker(), "exported", String::new(), now_unix_s).await?;
    Ok(super::export::zip(&app, visitor.asker()).await?)
}
