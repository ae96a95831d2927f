//! Replies: a value as JSON, a refusal as a problem document. The causes of refusals go to the log and no further.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use retrosync_protocol::{Code, Digest, PROBLEM_CONTENT_TYPE, Problem};
use serde::Serialize;

use crate::blobs::BlobError;
use crate::catalog::CatalogError;
use crate::metrics::{BLOBS, CATALOG};
use crate::refusal::Refusal;
use crate::trace;

/// SHA-256 of the body, in hex.
const DIGEST: HeaderName = HeaderName::from_static("retrosync-digest");

/// What a handler answers.
pub(crate) type Reply = Result<Response, Refusal>;

/// A value as JSON, with status 200 and its digest: a listing that was damaged on its way must not be believed.
pub(crate) fn json(value: &impl Serialize) -> Reply {
    let text = serde_json::to_vec(value).map_err(|error| Refusal::internal("writing a reply", error))?;
    let digest = Digest::of(&text).to_string();
    let headers = [(header::CONTENT_TYPE, "application/json"), (DIGEST, digest.as_str())];
    Ok((headers, text).into_response())
}

/// A problem as it travels.
pub(crate) fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = serde_json::to_vec(problem).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, PROBLEM_CONTENT_TYPE)], text).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        log_cause(&self);
        let mut response = problem(self.problem());
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after().or((self.code() == Code::Unavailable).then_some(1)) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What only the owner of the server should read.
pub(crate) fn log_cause(refusal: &Refusal) {
    if let Some(cause) = refusal.cause() {
        if cause.is::<CatalogError>() {
            trace::failed(CATALOG);
        } else if cause.is::<BlobError>() {
            trace::failed(BLOBS);
        }
    }
    match refusal.code() {
        Code::Internal | Code::DiskFull | Code::Unavailable => log::error!("{refusal}"),
        _ => log::debug!("refused: {refusal}"),
    }
}
