//! Where versions are kept: the trait, and the one list of backends.
//!
//! Four verbs, none of which can overwrite: `list`, `fetch`, `store`, `history`. A tombstone and a choice are stored like
//! any other version. A backend may assume nothing of clocks, and must give the promises that `suite.rs` tests:
//! content durable before its record, a stale writer makes a branch, every store replayable.

mod address;
mod folder;
mod http;
mod pairing;
mod retrosync;
mod roots;
mod signatures;
mod tls;
mod trust;
mod verify;

use std::io::Read;
use std::path::{Path, PathBuf};

use retrosync_protocol::{
    Changes, ChangesRequest, Content, Digest, History, SaveId, StoreResult, Token, Version, VersionId,
    WriterId,
};
use serde::Serialize;

use crate::error::{Error, Result};

pub use address::ServerAddress;
pub use folder::Folder;
pub use http::HttpRemote;
pub use pairing::{Answer, PairingClient};
pub use retrosync::{Letter, PREFIX as RETROSYNC, Retrosync, is_code, let_in, show_code, speaks_it};
pub use trust::{is_plausible, is_untrusted, key_of_server};

/// Where the remote is and how to reach it: what configuration and identity say.
#[derive(Clone, Debug, Default)]
pub struct RemoteSettings {
    /// `http://…` or `https://…` of our server, `retrosync:` and one of theirs, or `folder:` and an absolute path.
    pub server: String,
    /// This device's token; a folder needs none.
    pub token: Option<Token>,
    /// This device's name: a folder has nobody else to remember it.
    pub device_name: String,
    /// Our folder on the card, for a remote that keeps no graph of versions.
    pub state_dir: Option<PathBuf>,
    /// This card's writer: its own versions are no news to a folder that waits.
    pub writer: Option<WriterId>,
    /// The user allows plain HTTP to private addresses; to loopback it always is, to others never.
    pub plain_http: bool,
    /// A PEM file with certificates of authorities that are trusted besides the compiled-in ones.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the server's public key; if set, only this key is trusted, and no date or name is asked of it.
    pub pinned_key: Option<Digest>,
    /// The last good server time, as kept on the card.
    pub server_time_unix_s: Option<i64>,
    /// The program, as `retrosync/0.1.0 armv7`.
    pub client: String,
}

/// What the answers said besides what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The server's clock at its last answer.
    pub server_time_unix_s: Option<i64>,
    /// The last answer asked us to stay away this long.
    pub retry_after_s: Option<u64>,
}

/// Makes what pairing has to make: the store in a folder, where there is none yet. Our server needs nothing.
///
/// # Errors
/// `Misused` for a path that is not absolute; `Offline` when the folder is not there; `Full` or `Damaged` when it cannot
/// be written.
pub fn make(settings: &RemoteSettings) -> Result<()> {
    match settings.server.strip_prefix("folder:") {
        Some(dir) => Folder::create(Path::new(dir)).map(|_| ()),
        None => Ok(()),
    }
}

/// Refuses an address that cannot be a remote here, before anything is made for it. Sends nothing.
///
/// # Errors
/// `Misused` as [`open`], and for plain HTTP to where it may not go; `Offline` for a folder that is not there.
pub fn check(settings: &RemoteSettings) -> Result<()> {
    match settings.server.strip_prefix("folder:") {
        Some(dir) => Folder::check(Path::new(dir)).map(drop),
        None if settings.server.starts_with(RETROSYNC) => Retrosync::check(settings),
        None => HttpRemote::open(settings)?.check(settings),
    }
}

/// Opens the remote that the settings name: the one list of backends. Asks nothing of the network yet.
///
/// # Errors
/// `Misused` for an address of no known form, a certificate file that cannot be read, or plain HTTP that is not allowed;
/// `Offline` for a folder that is not there.
pub fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>> {
    match settings.server.strip_prefix("folder:") {
        Some(dir) => Ok(Box::new(Folder::open(Path::new(dir), settings)?)),
        None if settings.server.starts_with(RETROSYNC) => Ok(Box::new(Retrosync::open(settings)?)),
        None => Ok(Box::new(HttpRemote::open(settings)?)),
    }
}

/// What this device says of itself, for its page on the dashboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which save folders it looks into.
    pub folders: Vec<String>,
    /// What is wrong on it, one line each.
    pub problems: Vec<String>,
}

/// Opens the payload of an offered version. Called anew for each pass; what it reads is verified by its digest.
pub type Source<'a> = dyn Fn(&Version) -> Result<Box<dyn Read + 'a>> + 'a;

/// Takes one fetched payload, streaming; must itself verify digest and size.
pub type Sink<'a> = dyn FnMut(&Content, &mut dyn Read) -> Result<()> + 'a;

/// A store of versions.
pub trait Remote: Send {
    /// What changed since a cursor; may wait for news as long as the request says.
    ///
    /// # Errors
    /// `Offline`, `Unpaired`, `Refused`.
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes>;

    /// Brings contents, in any order; what could not be brought is returned, and never stops the others.
    ///
    /// # Errors
    /// When nothing (more) could be brought at all.
    fn fetch(&mut self, wanted: &[Content], sink: &mut Sink<'_>) -> Result<Vec<(Content, Error)>>;

    /// Keeps versions: the bytes first, then the record. One result an offer, in order. Batches as it sees fit.
    ///
    /// # Errors
    /// When the remote could not be reached; what was stored before stays stored, and offering it again is harmless.
    fn store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>>;

    /// The versions of one save, newest first; `before` continues an earlier answer.
    ///
    /// # Errors
    /// `Offline`, `Unpaired`, `Refused(NotFound)`.
    fn history(&mut self, save: &SaveId, before: Option<VersionId>) -> Result<History>;

    /// Tells what this device says of itself, in place of what it said before; most remotes have nobody to tell.
    ///
    /// # Errors
    /// `Offline`, `Unpaired`, `Refused`. Nothing depends on it.
    fn report(&mut self, _report: &Report) -> Result<()> {
        Ok(())
    }

    /// What the last answers said of the server's clock and of waiting.
    fn heard(&self) -> Heard {
        Heard::default()
    }
}
