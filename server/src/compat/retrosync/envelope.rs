//! What goes in and out: their envelope to the letter, fields in their order, and JSON bodies read as leniently as theirs.
//!
//! A failure never says `"success":true` nor `"skipped":true`: their background client greps for those.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use retrosync_protocol::Code;
use serde::Serialize;
use serde_json::Value;

use super::times;
use crate::api::reply::log_cause;
use crate::api::request::collect;
use crate::refusal::Refusal;

/// What a handler answers.
pub(super) type Reply = Result<Response, Failure>;

/// A refusal in their envelope.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    text: String,
}

impl Failure {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Failure {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Failure { status, text: text.into() }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn body(&self) -> String {
        object(&[("success", Json::from(false)), ("error", Json::from(self.text.as_str()))]).0
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        log_cause(&refusal);
        let status = match refusal.code() {
            Code::ExpiredToken => 400,
            Code::Unauthorized | Code::Revoked => 401,
            _ => refusal.problem().status,
        };
        Failure::new(status, refusal.problem().detail.clone())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.body()).into_response()
    }
}

/// A value as JSON text; objects keep the order in which their fields were named.
#[derive(Clone, Debug)]
pub(super) struct Json(String);

impl Json {
    pub(super) fn null() -> Json {
        Json("null".into())
    }

    /// As it is sent.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// A time in milliseconds, as a text.
    pub(super) fn time(unix_ms: i64) -> Json {
        Json::from(times::iso(unix_ms))
    }

    pub(super) fn list(items: impl IntoIterator<Item = Json>) -> Json {
        let items: Vec<String> = items.into_iter().map(|item| item.0).collect();
        Json(format!("[{}]", items.join(",")))
    }

    pub(super) fn or_null<T>(value: Option<T>) -> Json
    where
        Json: From<T>,
    {
        value.map_or_else(Json::null, Json::from)
    }
}

/// Anything that cannot fail to be written: texts, numbers, flags.
macro_rules! from_plain {
    ($($plain:ty),*) => {$(
        impl From<$plain> for Json {
            fn from(value: $plain) -> Json {
                Json(text_of(&value))
            }
        }
    )*};
}
from_plain!(&str, String, &String, bool, i64, u64, usize);

fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

/// An object with these fields in this order.
pub(super) fn object(fields: &[(&str, Json)]) -> Json {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{}", value.0)).collect();
    Json(format!("{{{}}}", fields.join(",")))
}

/// Success without a message.
pub(super) fn data(fields: &[(&str, Json)]) -> Reply {
    Ok(sent(&object(&[("success", Json::from(true)), ("data", object(fields))])))
}

/// Success with a message.
pub(super) fn data_and(message: &str, fields: &[(&str, Json)]) -> Reply {
    let fields = [("success", Json::from(true)), ("data", object(fields)), ("message", Json::from(message))];
    Ok(sent(&object(&fields)))
}

fn sent(body: &Json) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body.0.clone()).into_response()
}

/// A JSON body's fields. `null` is as good as absent.
#[derive(Debug, Default)]
pub(super) struct Fields(Value);

impl Fields {
    /// Reads a body of at most `most_bytes`; what is no JSON fails with their text for this route.
    pub(super) async fn read(body: Body, most_bytes: usize, failed: &str) -> Result<Fields, Failure> {
        Fields::parse(&collect(body, most_bytes).await?, failed)
    }

    /// The same of a body that is here.
    pub(super) fn parse(bytes: &[u8], failed: &str) -> Result<Fields, Failure> {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value @ Value::Object(_)) => Ok(Fields(value)),
            _ => Err(Failure::new(500, failed)),
        }
    }

    /// Reads a body where anything else counts as `{}`.
    pub(super) async fn read_if_any(body: Body, most_bytes: usize) -> Result<Fields, Failure> {
        let bytes = collect(body, most_bytes).await?;
        Ok(serde_json::from_slice::<Value>(&bytes).map(Fields).unwrap_or_default())
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that may be absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Failure::new(400, format!("Expected string, received {}", kind(other)))),
        }
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.text(name)?.ok_or_else(|| Failure::new(400, "Required"))
    }

    /// A whole number that may be absent; anything else is absent as well.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let value = self.value(name)?;
        value.as_i64().or_else(|| value.as_f64().filter(|n| n.abs() < 9e15).map(|n| n as i64))
    }
}

/// The most of a body that holds no save.
pub(super) const SMALL_BYTES: usize = 1 << 20;
/// The most of a body from who has no key: a few short fields. JSON takes many times its length in memory.
pub(super) const KEYLESS_BYTES: usize = 64 << 10;

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
