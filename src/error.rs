//! One error for the daemon: callers act on its kind, people read its text.
//!
//! Text is lower case, without a full stop, names in backticks: what we were doing, the cause, the next step.
//! Never holds a secret.

use std::fmt;

use retrosync_protocol::{Code, SaveId};

/// What callers act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No route, no name, no answer, or an answer that is not our server's: wait and try again.
    Offline,
    /// Somebody else holds it, or it changed while we looked: the next cycle looks again.
    Busy,
    /// The other side said no, with a reason: trying the same again is useless.
    Refused(Code),
    /// Bytes that are not what they should be, or a card that fails: nothing is changed, a person is told.
    Damaged,
    /// No room on the card or on the server: it stays queued.
    Full,
    /// TLS could not be judged because this device's clock cannot be trusted.
    ClockWrong,
    /// This device is not paired, or no longer.
    Unpaired,
    /// The arguments or the configuration are wrong.
    Misused,
}

impl Kind {
    /// Does it wait for room? Here ([`Kind::Full`]), or at a remote that refused one save.
    pub fn is_for_want_of_room(self) -> bool {
        matches!(self, Kind::Full | Kind::Refused(Code::QuotaFull | Code::DiskFull))
    }
}

/// An error with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What callers act on.
    pub kind: Kind,
    /// What we were doing: `cannot read save folder …`.
    pub doing: String,
    /// Why it failed.
    pub cause: String,
    /// The next step.
    pub help: Option<String>,
}

/// The result of what may fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of what we were doing and its cause.
    pub fn new(kind: Kind, doing: impl Into<String>, cause: impl fmt::Display) -> Error {
        Error { kind, doing: doing.into(), cause: cause.to_string(), help: None }
    }

    /// An input/output error: a full card is `Full`, a busy one `Busy`, all else `Damaged`.
    pub fn io(doing: impl Into<String>, cause: &std::io::Error) -> Error {
        use std::io::ErrorKind;
        let kind = match cause.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::Full,
            ErrorKind::ResourceBusy | ErrorKind::WouldBlock | ErrorKind::Interrupted => Kind::Busy,
            _ => Kind::Damaged,
        };
        let error = Error::new(kind, doing, cause);
        if kind == Kind::Full {
            error.help("make some room there; what waits goes on by itself")
        } else {
            error
        }
    }

    /// Adds the next step.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Error {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Error {
    /// `doing: cause`, one line; the command line prints the full form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

impl std::error::Error for Error {}

/// Something that went wrong with one save or one folder and stopped nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which save, if it is one save's.
    pub save: Option<SaveId>,
    /// What happened.
    pub error: Error,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem { save: None, error }
    }
}

impl Problem {
    /// A problem of one save.
    pub fn of(save: &SaveId, error: Error) -> Problem {
        Problem { save: Some(save.clone()), error }
    }
}
