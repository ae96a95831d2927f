//! The doors: make an account, log in, log out.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Redirect};
use retrosync_protocol::Code;
use serde::Deserialize;

use super::page::{PageReply, Params, see, show, show_refused};
use super::session::{DoorForm, Form, no_cookie, own_path, session_cookie, visitor};
use super::words::Told;
use crate::access::Address;
use crate::api::request::Peer;
use crate::app::App;
use crate::refusal::Refusal;

#[derive(Template)]
#[template(path = "door.html")]
struct DoorPage {
    /// Make an account; else log in.
    register: bool,
    /// Nobody has an account yet.
    first: bool,
    /// Accounts can be made by anybody.
    open: bool,
    name: String,
    next: String,
    problem: Told,
    /// The code of the link by which somebody was let in.
    invitation: String,
}

#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
    #[serde(default)]
    invitation: String,
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
    #[serde(default)]
    invitation: String,
}

/// `GET /login`
pub(super) async fn login_page(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Params(Next { next, .. }): Params<Next>,
) -> PageReply {
    if visitor(&app, &headers).await?.is_some() {
        return see(own_path(&next));
    }
    if app.access.users().await?.is_empty() {
        return see("/register");
    }
    let open = app.access.may_register().await?;
    show(&DoorPage {
        register: false,
        first: false,
        open,
        name: String::new(),
        next,
        problem: Told::default(),
        invitation: String::new(),
    })
}

/// `POST /login`
pub(super) async fn login(
    State(app): State<Arc<App>>,
    Peer(from): Peer,
    DoorForm(form): DoorForm<Credentials>,
) -> PageReply {
    let refusal = match enter(&app, &form, from).await {
        Ok(reply) => return reply,
        Err(refusal) => told(refusal)?,
    };
    let open = app.access.may_register().await?;
    let code = refusal.code();
    let problem = refusal.into_problem().detail;
    show_refused(
        code,
        &DoorPage {
            register: false,
            first: false,
            open,
            name: form.name,
            next: form.next,
            problem: Told(problem),
            invitation: String::new(),
        },
    )
}

/// `GET /register`
pub(super) async fn register_page(
    State(app): State<Arc<App>>,
    Peer(from): Peer,
    Params(Next { next, invitation }): Params<Next>,
) -> PageReply {
    let (mut invitation, mut problem) = (invitation, String::new());
    if !invitation.is_empty() && !app.access.is_invited(&invitation, from, app.now_unix_s()).await? {
        problem = "this invitation was used, withdrawn, or is over".into();
        invitation = String::new();
    }
    if invitation.is_empty() && !app.access.may_register().await? {
        if problem.is_empty() {
            return see("/login");
        }
        return Err(Refusal::new(Code::AccessDenied, problem).help("ask for another link").into());
    }
    let first = app.access.users().await?.is_empty();
    show(&DoorPage {
        register: true,
        first,
        open: true,
        name: String::new(),
        next,
        problem: Told(problem),
        invitation,
    })
}

/// `POST /register`
pub(super) async fn register(
    State(app): State<Arc<App>>,
    Peer(from): Peer,
    DoorForm(form): DoorForm<Credentials>,
) -> PageReply {
    let now_unix_s = app.now_unix_s();
    let Credentials { name, password, invitation, .. } = &form;
    let registered = if invitation.is_empty() {
        app.access.register(name, password, from, now_unix_s).await
    } else {
        app.access.register_invited(invitation, name, password, from, now_unix_s).await
    };
    let refusal = match registered {
        Ok(_) => match enter(&app, &form, from).await {
            Ok(reply) => return reply,
            Err(refusal) => refusal,
        },
        Err(refusal) => told(refusal)?,
    };
    let first = app.access.users().await?.is_empty();
    let code = refusal.code();
    let problem = refusal.into_problem().detail;
    let Credentials { name, next, invitation, .. } = form;
    show_refused(
        code,
        &DoorPage { register: true, first, open: true, name, next, problem: Told(problem), invitation },
    )
}

/// What the user can mend is told beside the form; the rest is a page of its own.
fn told(refusal: Refusal) -> Result<Refusal, Refusal> {
    match refusal.code() {
        Code::AccessDenied | Code::Malformed | Code::SlowDown => Ok(refusal),
        _ => Err(refusal),
    }
}

async fn enter(app: &App, form: &Credentials, from: Address) -> Result<PageReply, Refusal> {
    let login = app.access.login(&form.name, &form.password, from, app.now_unix_s()).await?;
    let cookie = [(header::SET_COOKIE, session_cookie(app, &login))];
    Ok(Ok((cookie, Redirect::to(own_path(&form.next))).into_response()))
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /logout`
pub(super) async fn logout(State(app): State<Arc<App>>, form: Form<Nothing>) -> PageReply {
    let Nothing {} = form.fields;
    app.access.logout(form.visitor.cookie()).await?;
    Ok(([(header::SET_COOKIE, no_cookie(&app))], Redirect::to("/")).into_response())
}
