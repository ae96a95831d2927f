//! Why the server does not do what was asked: the one error of `access` and `library`.
//!
//! A refusal carries the problem as it travels, and beside it the cause, which is for the log and never travels.

use std::error::Error;
use std::fmt;

use retrosync_protocol::{Code, Head, Problem};

use crate::blobs::BlobError;
use crate::catalog::CatalogError;

/// A refusal: [`Problem`] for the asker, a cause for the log.
#[derive(Debug)]
pub struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    problem: Problem,
    retry_after_s: Option<u64>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Refusal {
    /// A refusal with a code and what people read.
    pub fn new(code: Code, detail: impl Into<String>) -> Refusal {
        Refusal(Box::new(Parts { problem: Problem::new(code, detail), retry_after_s: None, cause: None }))
    }

    /// A fault of the server: `doing` says what it was at, `cause` goes to the log only.
    pub fn internal(doing: &str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Refusal {
        let mut refusal = Refusal::new(Code::Internal, format!("the server failed while {doing}"))
            .help("nothing was changed; try again, and look at the server's log");
        refusal.0.cause = Some(cause.into());
        refusal
    }

    /// Adds the next step.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Refusal {
        self.0.problem.help = Some(help.into());
        self
    }

    /// Adds when to try again, in seconds.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u64) -> Refusal {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// Adds the heads as they are, for [`Code::HeadsMoved`].
    #[must_use]
    pub fn heads(mut self, heads: Vec<Head>) -> Refusal {
        self.0.problem.heads = heads;
        self
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Refusal {
        self.0.cause = Some(cause.into());
        self
    }

    /// What programs act on.
    pub fn code(&self) -> Code {
        self.0.problem.code
    }

    /// What the asker is told.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// What the asker is told, without the rest.
    pub fn into_problem(self) -> Problem {
        self.0.problem
    }

    /// The `Retry-After` header's value, if there is one.
    pub fn retry_after(&self) -> Option<u64> {
        self.0.retry_after_s
    }

    /// What the log is told beside it.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal(Box::new(Parts { problem, retry_after_s: None, cause: None }))
    }
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Refusal {
        match error {
            CatalogError::DiskFull(_) => disk_full().caused_by(error),
            CatalogError::Busy(_) => Refusal::new(Code::Unavailable, "the server is busy")
                .help("it will try again by itself")
                .retry_after_s(5)
                .caused_by(error),
            // Unopened: the tables became too new for this server while it ran.
            CatalogError::Gone(_) | CatalogError::Unopened { .. } => {
                Refusal::new(Code::Unavailable, "the server cannot reach its database")
                    .help("it will try again by itself")
                    .retry_after_s(5)
                    .caused_by(error)
            }
            CatalogError::Damaged(_) | CatalogError::Failed(_) => {
                Refusal::internal("using its catalog", error)
            }
        }
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Refusal {
        match error {
            BlobError::Mismatch => {
                Refusal::new(Code::DigestMismatch, "the bytes that came are not of the digest and size named")
                    .help("the save may have changed while it was read; read it again")
            }
            BlobError::DiskFull(_) => disk_full().caused_by(error),
            BlobError::Unavailable { .. } => Refusal::new(
                Code::Unavailable,
                "the server cannot reach its store of saves; nothing was changed",
            )
            .help("it will try again by itself; the server's log tells its owner more")
            .retry_after_s(30)
            .caused_by(error),
            BlobError::Missing(_) | BlobError::Failed(_) => {
                Refusal::internal("using its stored bytes", error)
            }
        }
    }
}

/// No room for what came.
pub(crate) fn disk_full() -> Refusal {
    Refusal::new(Code::DiskFull, "the server's disk is full; nothing was changed")
        .help("free some space on the server; devices keep their saves queued until then")
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.problem, f)?;
        match &self.0.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl Error for Refusal {}
