//! Where versions are kept: the trait, and the one list of backends.
//!
//! Four verbs, none of which can overwrite: `list`, `fetch`, `store`, `history`. A tombstone and a choice are stored like
//! any other version. A backend may assume nothing of clocks, and must give the promises that `suite.rs` tests:
//! content durable before its record, a stale writer makes a branch, every store replayable.

use std::io::Read;

use retrosync_protocol::{
    Changes, ChangesRequest, Content, History, SaveId, StoreResult, Version, VersionId,
};

use crate::error::{Error, Result};

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
}
