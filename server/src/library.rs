//! The library: the rules of README 0 to 6, free of HTTP, SQL and clock.
//!
//! Everything here is a question or a change of one [`Asker`]. A change is one transaction; it is answered after the commit,
//! and only then are the waiting told. What `access` has let in is trusted to be who it says, and nothing else is.

#[cfg(feature = "serve")]
mod adopt;
mod board;
mod changes;
mod choice;
mod contents;
mod gc;
mod heads;
mod landmark;
mod lost;
pub(crate) mod operations;
mod recorder;
mod retention;
mod store;
mod tally;
#[cfg(test)]
mod tests;
mod uploads;

use std::ops::Range;
use std::sync::Arc;

use retrosync_protocol::{
    Code, Content, DeviceId, Digest, Epoch, History, HistoryEntry, OperationId, SaveHeads, SaveId, VersionId,
    WriterId,
};

use crate::blobs::{BlobError, BlobStream, Blobs};
use crate::catalog::{Access, Catalog, StoredVersion, Tx, UserId};
use crate::notice::Notice;
use crate::refusal::Refusal;

use self::lost::Lost;

#[cfg(feature = "serve")]
pub(crate) use adopt::{Draft, Now};
pub use board::{Brought, Overview, Synced};
pub use gc::{Amount, Collected, Upkeep};
pub use retention::Retention;
pub use store::Batch;
pub use tally::{News, Tally};
pub use uploads::BlockBatch;

/// Who asks: a device of a user, or the user on the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Whose library.
    pub user: UserId,
    /// The user's name.
    pub user_name: String,
    /// The device; `None`: the dashboard.
    pub device: Option<DeviceId>,
    /// The device's name, or `dashboard`.
    pub device_name: String,
    /// Who writes when the server writes for this asker.
    pub writer: WriterId,
}

impl Asker {
    /// A deletion is an act of a person at the dashboard: with the token of a card that was lost nobody takes a save off the
    /// other devices.
    fn may_delete(&self) -> Answer<()> {
        match self.device {
            None => Ok(()),
            Some(_) => Err(Refusal::new(Code::AccessDenied, "a device may not delete a save")
                .help("delete it on the dashboard; the file on the card is the player's own")),
        }
    }
}

/// How long the log of what happened is kept.
const EVENTS_S: i64 = 365 * 24 * 3600;

/// What the rules answer.
pub type Answer<T> = Result<T, Refusal>;

/// The operation id of a mutation, if one was given.
pub type Operation = Option<OperationId>;

/// The rules over a catalog and blobs. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    catalog: Arc<dyn Catalog>,
    blobs: Arc<dyn Blobs>,
    notice: Arc<Notice>,
    tally: Arc<Tally>,
    lost: Arc<Lost>,
}

impl Library {
    /// A library over its parts.
    pub fn new(catalog: Arc<dyn Catalog>, blobs: Arc<dyn Blobs>, notice: Arc<Notice>) -> Library {
        Library { catalog, blobs, notice, tally: Arc::default(), lost: Arc::default() }
    }

    /// The server's epoch.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn epoch(&self) -> Answer<Epoch> {
        Ok(self.catalog.begin(Access::Read).await?.epoch().await?)
    }

    /// What was recorded since the start.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Does the catalog answer?
    ///
    /// # Errors
    /// When it does not.
    pub async fn catalog_answers(&self) -> Answer<()> {
        Ok(self.catalog.answers().await?)
    }

    /// Do the blobs answer?
    ///
    /// # Errors
    /// When they do not.
    pub async fn blobs_answer(&self) -> Answer<()> {
        Ok(self.blobs.answers().await?)
    }

    /// Commits a version. Those who wait look also where that fails: it may be only the answer that was lost on its way from a
    /// database, and nobody else would ever wake them.
    async fn commit(&self, tx: Box<dyn Tx>, asker: &Asker) -> Answer<()> {
        let done = tx.commit().await;
        if done.is_err() {
            self.notice.ring(asker.user);
        }
        Ok(done?)
    }

    /// After a commit: counts it, and wakes who waits for this user's news.
    fn tell(&self, asker: &Asker, news: News) {
        if news.is_any() {
            self.tally.add(news);
            self.notice.ring(asker.user);
        }
    }

    /// Starts a `POST /versions`: add each frame, then finish.
    pub fn batch(&self, asker: &Asker) -> Batch {
        Batch::new(self.clone(), asker.clone())
    }

    /// A content of the user's own versions: its size.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's; `thinned`.
    pub async fn content(&self, asker: &Asker, digest: Digest) -> Answer<Content> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        match tx.content(asker.user, digest).await? {
            Some(content) => Ok(content),
            None => Err(contents::absent(tx.as_mut(), asker.user, digest).await?),
        }
    }

    /// A range of a content's bytes, cut at its end.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's; `thinned`.
    pub async fn open(&self, asker: &Asker, digest: Digest, range: Range<u64>) -> Answer<BlobStream> {
        self.content(asker, digest).await?;
        let bytes = self.blobs.open(digest, range).await?;
        if bytes.is_none() && self.lost.note(asker.user, digest) {
            // Who waits may have them.
            self.notice.ring(asker.user);
        }
        bytes.ok_or_else(|| BlobError::Missing(digest).into())
    }

    /// A save's versions, newest first, at most `limit` (1 to 1,000) that came before `before`.
    ///
    /// # Errors
    /// `not_found` for the save or for `before`.
    pub async fn history(
        &self,
        asker: &Asker,
        save: &SaveId,
        before: Option<VersionId>,
        limit: u32,
    ) -> Answer<History> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let known = tx.save(asker.user, save).await?.ok_or_else(|| no_save(save))?;
        let before = match before {
            None => u64::MAX,
            Some(id) => tx.version(known.row, id).await?.ok_or_else(|| no_version(save, id))?.change,
        };
        let limit = limit.clamp(1, 1000);
        let heads: Vec<VersionId> =
            heads::of(tx.as_mut(), known.row).await?.iter().map(|head| head.id).collect();
        let mut versions = tx.history(known.row, before, limit + 1).await?;
        let more = versions.len() > limit as usize;
        versions.truncate(limit as usize);
        let digests: Vec<Digest> =
            versions.iter().filter_map(|version| Some(version.record.content?.digest)).collect();
        let thinned = tx.without_content(asker.user, &digests).await?;
        let entry = |version: StoredVersion| HistoryEntry {
            version: version.id,
            head: heads.contains(&version.id),
            thinned: version.record.content.is_some_and(|content| thinned.contains(&content.digest)),
            received_unix_s: version.received_unix_s,
            device_name: version.device_name,
            record: version.record,
        };
        let versions = versions.into_iter().map(entry).collect();
        Ok(History { save: known.save, heads, versions, more })
    }

    /// All saves of the user with their heads, by name: for the dashboard.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn saves(&self, asker: &Asker) -> Answer<Vec<SaveHeads>> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let mut saves = Vec::new();
        for known in tx.saves_since(asker.user, 0, u32::MAX).await? {
            let heads = heads::of(tx.as_mut(), known.row).await?;
            saves.push(SaveHeads { save: known.save, heads: heads.into_iter().map(heads::shown).collect() });
        }
        saves.sort_by(|one, other| one.save.cmp(&other.save));
        Ok(saves)
    }

    /// Forgets kept answers and uploads not touched after 7 days, and the log after a year. Call it now and then.
    ///
    /// # Errors
    /// When the catalog or the blobs fail.
    pub async fn sweep(&self, now_unix_s: i64) -> Answer<()> {
        let week_ago_unix_s = now_unix_s - 7 * 24 * 3600;
        let mut tx = self.catalog.begin(Access::Write).await?;
        tx.forget_operations(week_ago_unix_s).await?;
        tx.forget_events(now_unix_s - EVENTS_S, now_unix_s).await?;
        let idle = tx.idle_uploads(week_ago_unix_s).await?;
        for upload in &idle {
            tx.remove_upload(*upload).await?;
        }
        tx.commit().await?;
        // Forgotten first, removed then: an upload's id is never used again, so nobody can be writing to it.
        for upload in idle {
            self.blobs.drop_upload(upload).await?;
        }
        Ok(())
    }
}

fn no_save(save: &SaveId) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no save `{save}`"))
}

fn no_version(save: &SaveId, id: VersionId) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no version `{id}` of `{save}`"))
}
