//! From a template to a reply, and from a refusal to a page that says what to do.

use std::fmt::Display;
use std::str::FromStr;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Redirect, Response};
use retrosync_protocol::Code;
use serde::de::DeserializeOwned;

use super::words::Told;
use crate::api::reply::log_cause;
use crate::api::request;
use crate::refusal::Refusal;
use crate::trace::asked_on_the_dashboard;

/// The stable code of a refusal, for programs that read a page.
pub(super) const CODE: &str = "retrosync-code";

/// The parameters after `?`; what cannot be read is told as a page.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Params<T>, Trouble> {
        let request::Params(params) = request::Params::from_request_parts(parts, state).await?;
        Ok(Params(params))
    }
}

/// The one variable part of the path; the same.
pub(super) struct Named<T>(pub(super) T);

impl<T: FromStr<Err: Display> + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<T>, Trouble> {
        let request::Named(named) = request::Named::from_request_parts(parts, state).await?;
        Ok(Named(named))
    }
}

/// What a page answers.
pub(super) type PageReply = Result<Response, Trouble>;

/// Why there is no page as asked for.
pub(super) enum Trouble {
    /// Another page first: the door.
    GoTo(String),
    /// Refused, with what people read.
    Refused(Refusal),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble::Refused(refusal)
    }
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage {
    title: &'static str,
    detail: Told,
    help: Told,

    /// Who is logged in has the way to all pages here too.
    inside: bool,
    /// What does not change with the words.
    code: &'static str,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let refusal = match self {
            Trouble::GoTo(path) => return Redirect::to(&path).into_response(),
            Trouble::Refused(refusal) => refusal,
        };
        log_cause(&refusal);
        let code = refusal.code();
        let title = match code {
            Code::NotFound => "Nothing here",
            Code::SlowDown => "One moment",
            Code::Internal | Code::Unavailable => "Something went wrong",
            _ => "That did not work",
        };
        let problem = refusal.into_problem();
        let help = problem.help.unwrap_or_default();
        let page = TroublePage {
            title,
            detail: Told(problem.detail),
            help: Told(help),
            inside: asked_on_the_dashboard(),
            code: code.as_str(),
        };
        refused_as(code, page.render().unwrap_or_else(|_| title.to_owned()))
    }
}

/// A template as a page.
pub(super) fn show(template: &impl Template) -> PageReply {
    Ok(Html(rendered(template)?).into_response())
}

/// The same page again, for who can mend what was refused: with the refusal's status and its stable code.
pub(super) fn show_refused(code: Code, template: &impl Template) -> PageReply {
    Ok(refused_as(code, rendered(template)?))
}

fn rendered(template: &impl Template) -> Result<String, Refusal> {
    template.render().map_err(|error| Refusal::internal("writing a page", error))
}

fn refused_as(code: Code, text: String) -> Response {
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    (status, [(CODE, code.as_str())], Html(text)).into_response()
}

/// Another page, after a form was taken in.
pub(super) fn see(path: &str) -> PageReply {
    Ok(Redirect::to(path).into_response())
}
