//! From a template to a reply, and from a refusal to a page that says what to do.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use retrosync_protocol::Code;

use crate::api::reply::log_cause;
use crate::refusal::Refusal;

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
    detail: String,
    help: String,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let refusal = match self {
            Trouble::GoTo(path) => return Redirect::to(&path).into_response(),
            Trouble::Refused(refusal) => refusal,
        };
        log_cause(&refusal);
        let title = match refusal.code() {
            Code::NotFound => "Nothing here",
            Code::SlowDown => "One moment",
            Code::Internal | Code::Unavailable => "Something went wrong",
            _ => "That did not work",
        };
        let status = StatusCode::from_u16(refusal.problem().status).unwrap_or(StatusCode::BAD_REQUEST);
        let problem = refusal.into_problem();
        let page = TroublePage { title, detail: problem.detail, help: problem.help.unwrap_or_default() };
        (status, Html(page.render().unwrap_or_else(|_| title.to_owned()))).into_response()
    }
}

/// A template as a page.
pub(super) fn show(template: &impl Template) -> PageReply {
    show_as(StatusCode::OK, template)
}

/// A template as a page with another status.
pub(super) fn show_as(status: StatusCode, template: &impl Template) -> PageReply {
    let text = template.render().map_err(|error| Refusal::internal("writing a page", error))?;
    Ok((status, Html(text)).into_response())
}

/// Another page, after a form was taken in.
pub(super) fn see(path: &str) -> PageReply {
    Ok(Redirect::to(path).into_response())
}
