//! PURE. What the pages know: the card as it was last looked at, and what the daemon says.

use retrosync_protocol::{SaveId, VersionId};

use crate::boot;
use crate::choice::{Done, Wish};
use crate::config::Config;
use crate::error::Error;
use crate::live::Now;
use crate::plan::{Halt, Question};
use crate::survey::Unsafe;

/// All that pages tell of.
#[derive(Default)]
pub struct Known {
    /// The last look at the card; `None`: it goes on.
    pub card: Option<Card>,
    /// Why there is nothing to see.
    pub failed: Option<Error>,
    /// What the daemon does.
    pub now: Now,
    /// The daemon is there.
    pub runs: bool,
    /// There is a way out of this device.
    pub route: bool,
    /// This device's uptime.
    pub boot_ms: u64,
    /// There is a pad whose buttons can be learned.
    pub has_pad: bool,
    /// Why the last errand failed.
    pub errand: Option<Error>,
}

/// What lies on the card.
#[derive(Default)]
pub struct Card {
    /// Connected with an account, or a folder is used.
    pub paired: bool,
    /// Whose account.
    pub user: String,
    /// The server's address.
    pub server: String,
    /// What people call this device.
    pub device: String,
    /// The firmware.
    pub firmware: String,
    /// Its profile's name.
    pub profile: String,
    /// Every save that this card knows of, by system, then by title.
    pub saves: Vec<Shown>,
    /// So many are here and on the server.
    pub safe: usize,
    /// So many are on this card only: they wait to be sent, or for a person, or cannot be read.
    pub queued: usize,
    /// What a person should decide.
    pub questions: Vec<Question>,
    /// What was left alone until a person has looked.
    pub halts: Vec<Halt>,
    /// What was odd when the card was looked at.
    pub problems: Vec<Error>,
    /// So many files in save folders are not synced.
    pub strangers: usize,
    /// Why it should not be switched off yet.
    pub unsafe_because: Option<Unsafe>,
    /// When the journal last learnt something, by this device's clock.
    pub last_exchange_unix_s: Option<i64>,
    /// What the user said.
    pub config: Config,
    /// What starts us at boot; `None`: nothing that we know to install here.
    pub boot: Option<boot::State>,
    /// Why the daemon was given up, in its supervisor's own words; empty: it was not.
    pub given_up: String,
}

/// One save in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which.
    pub save: SaveId,
    /// How it is.
    pub state: State,
}

/// How a save is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Here and on the server.
    Safe,
    /// Waits to be sent.
    Queued,
    /// Waits to be put in place here.
    Comes,
    /// A person should decide.
    Asked,
    /// Not synced, as the user said.
    LeftOut,
    /// Not on this device.
    Away,
}

/// A version in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Where its bytes are.
    pub source: Source,
    /// When the server learned of it, or when it was kept.
    pub unix_s: i64,
    /// The device it is from; empty for a kept copy.
    pub device: String,
    /// `None`: a deletion.
    pub size_bytes: Option<u64>,
    /// It is what is here now.
    pub here: bool,
    /// It is a head.
    pub newest: bool,
    /// It looks damaged.
    pub doubted: bool,
}

/// Where the bytes of a version are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the server.
    Server(VersionId),
    /// In the attic of that root, under that number.
    Kept(usize, u64),
}

impl Past {
    /// What brings it back.
    pub fn wish(&self, save: &SaveId) -> Wish {
        let save = save.clone();
        match self.source {
            Source::Server(version) => Wish::Restore { save, digits: version.to_string() },
            Source::Kept(root, number) => Wish::RestoreKept { save, root, number },
        }
    }
}

/// What became of a wish, and what undoes it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What became of it.
    pub done: Result<Done, Error>,
    /// What was here before, if it was replaced and is kept.
    pub undo: Option<Wish>,
}
