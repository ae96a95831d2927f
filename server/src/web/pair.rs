//! Pairing, on the user's side: type the code that a device shows, see which device it is, say yes or no; or make a
//! code for a device that has no screen.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use retrosync_protocol::{Code, UserCode};
use serde::Deserialize;

use super::frame::Frame;
use super::naming::firmware;
use super::page::{PageReply, Params, Trouble, show, show_refused};
use super::session::{Form, Visitor};
use crate::access::{Address, Applicant};
use crate::api::request::{Peer, malformed};
use crate::app::{App, is_plain_http};
use crate::library::Answer;
use crate::refusal::Refusal;
use crate::tls::in_groups;

#[derive(Template)]
#[template(path = "pair.html")]
struct PairPage {
    frame: Frame,
    typed: String,
    problem: String,
    /// The key that a device shows, for a person to compare; empty where it needs none.
    key: String,
    step: Step,
}

/// Who asks to be let in.
struct Asking {
    user_code: String,
    device_name: String,
    profile: String,
    client: String,
}

/// A code: of our devices, or of a device with RetroSync's own client.
enum Typed {
    Ours(UserCode),
    Theirs(String),
}

/// How far the user is.
enum Step {
    /// Type a code.
    Ask,
    /// Is this your device?
    Confirm(Asking),
    /// It is in.
    Approved(String),
    /// It stays out.
    Refused,
    /// Six digits for a client of the RetroSync project's first generation.
    Six { code: String, minutes: i64, server: String },
    /// A code for a device without a screen.
    Made { code: String, minutes: u64, server: String, plain: bool, pin: String },
}

async fn at(app: &App, visitor: &Visitor, step: Step) -> Answer<PairPage> {
    let key = app.pin().map(|pin| in_groups(&pin)).unwrap_or_default();
    let frame = Frame::of(app, visitor).await?;
    Ok(PairPage { frame, typed: String::new(), problem: String::new(), key, step })
}

impl PairPage {
    /// The answer to a form, which says what it says once.
    fn still(self) -> PairPage {
        PairPage { frame: self.frame.still(), ..self }
    }
}

fn read(text: &str) -> Option<Typed> {
    let letters: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let theirs = letters.len() == 6 && letters.bytes().all(|b| b.is_ascii_alphanumeric());
    if theirs { Some(Typed::Theirs(letters.to_uppercase())) } else { text.parse().ok().map(Typed::Ours) }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    code: String,
}

/// `GET /pair?code=…`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Peer(from): Peer,
    Params(Asked { code: typed }): Params<Asked>,
) -> PageReply {
    if typed.trim().is_empty() {
        return show(&at(&app, &visitor, Step::Ask).await?);
    }
    let Some(code) = read(&typed) else {
        let problem = "A code is 8 letters and digits, such as WXRT-4KQM.".to_owned();
        return show_refused(
            Code::Malformed,
            &PairPage { typed, problem, ..at(&app, &visitor, Step::Ask).await? },
        );
    };
    match asking(&app, &code, from).await {
        Ok(applicant) => show(&at(&app, &visitor, Step::Confirm(applicant)).await?),
        Err(refusal) => ask_again(&app, &visitor, typed, refusal).await,
    }
}

async fn asking(app: &App, code: &Typed, from: Address) -> Answer<Asking> {
    match code {
        Typed::Ours(code) => {
            let Applicant { user_code, device_name, profile, client, .. } =
                app.access.applicant(code, from, app.now_unix_s()).await?;
            let profile = firmware(&profile).to_owned();
            Ok(Asking { user_code: user_code.to_string(), device_name, profile, client })
        }
        Typed::Theirs(code) => {
            let profile = app.access.who_shows(code, from, app.now_unix_s()).await?;
            let profile = firmware(&profile).to_owned();
            let device_name = "A device with RetroSync's own client".into();
            Ok(Asking { user_code: code.clone(), device_name, profile, client: String::new() })
        }
    }
}

async fn ask_again(app: &App, visitor: &Visitor, typed: String, refusal: Refusal) -> PageReply {
    let problem = match refusal.code() {
        Code::CodeUnknown => "No device shows this code. Look again at its screen.",
        Code::ExpiredToken => "This code is over. The device shows a new one.",
        Code::SlowDown => "Too many wrong codes. Wait a minute, then try again.",
        _ => return Err(Trouble::from(refusal)),
    };
    let code = refusal.code();
    show_refused(code, &PairPage { typed, problem: problem.to_owned(), ..at(app, visitor, Step::Ask).await? })
}

#[derive(Deserialize)]
pub(super) struct YesOrNo {
    code: String,
    answer: String,
}

/// `POST /pair`
pub(super) async fn answer(State(app): State<Arc<App>>, Peer(from): Peer, form: Form<YesOrNo>) -> PageReply {
    let (visitor, typed) = (form.visitor, form.fields.code);
    let (user, now_unix_s) = (visitor.asker().user, app.now_unix_s());
    let code = read(&typed).ok_or_else(|| malformed("the form has no code"))?;
    let answered = match (form.fields.answer == "approve", code) {
        (true, Typed::Ours(code)) => {
            let approved = app.access.approve(user, &code, from, now_unix_s).await;
            approved.map(|paired| Step::Approved(paired.device_name))
        }
        (false, Typed::Ours(code)) => {
            app.access.deny(user, &code, from, now_unix_s).await.map(|()| Step::Refused)
        }
        (true, Typed::Theirs(code)) => {
            let linked = app.access.link_code(user, &code, from, now_unix_s).await;
            linked.map(|_| Step::Approved("Your device".into()))
        }
        // Nobody was asked for: the code ends by itself.
        (false, Typed::Theirs(_)) => Ok(Step::Refused),
    };
    match answered {
        Ok(step) => show(&at(&app, &visitor, step).await?.still()),
        Err(refusal) => ask_again(&app, &visitor, typed, refusal).await,
    }
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /pair/code`
pub(super) async fn make_code(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Form<Nothing>,
) -> PageReply {
    let Nothing {} = form.fields;
    let offer = app.access.make_code(form.visitor.asker().user, app.now_unix_s()).await?;
    let server = app.base_url(&headers);
    let made = Step::Made {
        code: offer.user_code.to_string(),
        minutes: offer.expires_in_s / 60,
        plain: is_plain_http(&server),
        pin: app.pin().map(|pin| pin.to_string()).unwrap_or_default(),
        server,
    };
    show(&at(&app, &form.visitor, made).await?.still())
}

/// `POST /pair/six`
pub(super) async fn make_six(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Form<Nothing>,
) -> PageReply {
    let Nothing {} = form.fields;
    let now_unix_s = app.now_unix_s();
    let shown = app.access.offer_code(form.visitor.asker().user, None, now_unix_s).await?;
    let minutes = (shown.expires_unix_s - now_unix_s) / 60;
    let made = Step::Six { code: shown.code, minutes, server: app.base_url(&headers) };
    show(&at(&app, &form.visitor, made).await?.still())
}
