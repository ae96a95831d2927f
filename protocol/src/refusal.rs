//! Refusals: RFC 9457 problem details with a stable code (README 2.1).

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::Head;

/// The content type of a refusal.
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $status:literal $title:literal,)*) => {
        /// Why a request was refused. Stable; programs act on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
            /// A code that this program does not know.
            #[serde(other)]
            Unknown,
        }

        impl Code {
            /// Every code that the protocol names.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* Code::Unknown => "unknown" }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Code::$name => $status,)* Code::Unknown => 500 }
            }

            /// The status in words.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* Code::Unknown => "Unknown" }
            }
        }
    };
}

codes! {
    /// Not the JSON, frame, id or header asked for.
    Malformed "malformed" 400 "Bad Request",
    /// No token, or an unknown one.
    Unauthorized "unauthorized" 401 "Unauthorized",
    /// The token's device was revoked.
    Revoked "revoked" 401 "Unauthorized",
    /// Pairing is not yet approved.
    AuthorizationPending "authorization_pending" 403 "Forbidden",
    /// Refused by the user, or not allowed to this account.
    AccessDenied "access_denied" 403 "Forbidden",
    /// The pairing code is over.
    ExpiredToken "expired_token" 410 "Gone",
    /// No such pairing code.
    CodeUnknown "code_unknown" 404 "Not Found",
    /// No such thing of this user.
    NotFound "not_found" 404 "Not Found",
    /// The version is known, its bytes were thinned out.
    Thinned "thinned" 410 "Gone",
    /// The heads are others than the request named.
    HeadsMoved "heads_moved" 409 "Conflict",
    /// The writer used that sequence for other bytes.
    WriterReused "writer_reused" 409 "Conflict",
    /// The operation id was used for another request.
    OperationReused "operation_reused" 422 "Unprocessable Content",
    /// A parent that the server does not know.
    UnknownParent "unknown_parent" 422 "Unprocessable Content",
    /// No body came and the content is not known.
    ContentMissing "content_missing" 422 "Unprocessable Content",
    /// The bytes are not of the digest named.
    DigestMismatch "digest_mismatch" 422 "Unprocessable Content",
    /// A person brought bytes that are doubted: asked once whether they are meant.
    Doubted "doubted" 422 "Unprocessable Content",
    /// Over a limit.
    TooLarge "too_large" 413 "Content Too Large",
    /// The request's body did not arrive in time.
    TooSlow "too_slow" 408 "Request Timeout",
    /// Too many tries.
    SlowDown "slow_down" 429 "Too Many Requests",
    /// The user's quota is full.
    QuotaFull "quota_full" 507 "Insufficient Storage",
    /// The server's disk is full.
    DiskFull "disk_full" 507 "Insufficient Storage",
    /// Starting, restoring, overloaded.
    Unavailable "unavailable" 503 "Service Unavailable",
    /// A fault of the server.
    Internal "internal" 500 "Internal Server Error",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`: the code says it all.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The status in words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What programs act on.
    pub code: Code,
    /// What people read: what was refused and why.
    #[serde(default)]
    pub detail: String,
    /// The next step, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// With [`Code::HeadsMoved`]: the heads as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Head>,
}

impl Problem {
    /// A refusal with its text.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem {
            kind: "about:blank".into(),
            title: code.title().into(),
            status: code.status(),
            code,
            detail: detail.into(),
            help: None,
            heads: Vec::new(),
        }
    }

    /// Adds the next step.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

impl std::error::Error for Problem {}
