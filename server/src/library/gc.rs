//! What no kept version needs any more is removed: in two steps, 30 days apart, and never under a store's feet.
//!
//! **Marking.** A user's content is needed when a version keeps its bytes (`retention`). One that no version needs is marked with
//! the time in its own record. Every write that speaks of a content takes the mark off in its own transaction: a store with or
//! without bytes, an upload, a choice, a pin. A later run that finds the mark 30 days old, in a write transaction, and still
//! unneeded, takes the content from the user. From then on the version is *thinned out*: history shows it, its bytes are refused
//! (`thinned`), and who still has them may bring them again.
//!
//! **Removing.** Bytes are shared by users, and a store publishes bytes before it records them (promise 5), so between a look
//! at the records and a removal somebody may come to rely on the bytes. The states of a digest that nobody has, in `strays`:
//!
//! ```text
//! found ──30 days──▶ condemned ──▶ (bytes are deleted) ──▶ removed ──1 day──▶ forgotten
//! ```
//!
//!   1. *condemned* is written in a transaction that sees no record of anybody. It is written alone (`Access::Write`), so every store either
//!      recorded before (and is seen) or comes after, and then `add_content` refuses it: it cannot know whether the bytes that it
//!      published were put before the deletion or after it. It answers "send them again in a moment" (503).
//!   2. Bytes are deleted only while *condemned*, only by the holder of the one turn (`catalog::turn`), and only well within it.
//!   3. *removed* is written when the deletion was answered. Nobody deletes from here on, so a look is worth something again: a
//!      store that meets it looks whether the bytes are there, in its write transaction, and records only then (`contents::keep`).
//!      Stores whose bytes went with the deletion are told to send them again; after a day there is none under way any more.
//!
//! Killed anywhere, the next run goes on: what is condemned is deleted again, which is harmless, for nobody could record it.
//! What remains is a process that is stopped for longer than its turn between its look at the clock and its request.
//!
//! Bytes that never got a record (a crash in between, an account that was removed) are found in the store itself, and wait their
//! 30 days too.
//!
//! **The clock.** Days are believed to have passed only where somebody looked at the clock meanwhile. After a jump (or a server
//! that was off for as long) every wait begins anew: a wrong clock costs room for a month, never a save.

mod clock;
mod marking;
mod strays;

use retrosync_protocol::{Code, Content, Digest};

use self::clock::FOR_EVER_S;
use super::retention::Retention;
use super::{Answer, Library};
use crate::catalog::turn::Turn;
use crate::catalog::{Access, Stray, StrayState, Tx};
use crate::refusal::Refusal;

/// How many digests are looked at or removed for one transaction.
const AT_ONCE: usize = 500;

/// What may go, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// Which versions keep their bytes; `None`: all.
    pub retention: Option<Retention>,
    /// How long something must have been unneeded.
    pub wait_s: i64,
    /// Only look.
    pub dry_run: bool,
}

impl Default for Upkeep {
    fn default() -> Upkeep {
        Upkeep { retention: Some(Retention::default()), wait_s: 30 * 24 * 3600, dry_run: false }
    }
}

/// How many contents, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub contents: u64,
    /// Their bytes.
    pub size_bytes: u64,
}

impl Amount {
    fn add(&mut self, content: Content) {
        self.contents += 1;
        self.size_bytes += content.size_bytes;
    }
}

/// What a run did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Marked as unneeded in this run.
    pub marked: Amount,
    /// Needed again.
    pub unmarked: Amount,
    /// Marked before, and not yet for long enough.
    pub waiting: Amount,
    /// Taken from a user: thinned out from here on.
    pub thinned: Amount,
    /// Bytes without a record, found in this run.
    pub found: Amount,
    /// Bytes that are gone.
    pub removed: u64,
    /// Bytes that could not be removed; a later run tries again.
    pub left: u64,
}

/// When a run was last finished, by whichever instance.
const LAST: &str = "upkeep_last";
/// How long a running server waits for the next.
const EVERY_S: i64 = 24 * 3600;
impl Library {
    /// [`Library::collect`], if no instance has done so for a day; `None`: it was not due, or another does.
    ///
    /// # Errors
    /// As [`Library::collect`].
    pub async fn collect_daily(
        &self,
        upkeep: &Upkeep,
        holder: &str,
        clock: impl Fn() -> i64 + Send + Sync,
    ) -> Answer<Option<Collected>> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let last = tx.setting(LAST).await?;
        let now_unix_s = tx.shared_unix_s().await?.unwrap_or_else(&clock);
        drop(tx);
        let last_unix_s = last.and_then(|text| text.parse::<i64>().ok());
        if last_unix_s.is_some_and(|last_unix_s| (last_unix_s..last_unix_s + EVERY_S).contains(&now_unix_s)) {
            return Ok(None);
        }
        let collected = match self.collect(upkeep, holder, &clock).await {
            // Another does; what a store or database said of itself has a cause, and is an error.
            Err(refusal) if refusal.code() == Code::Unavailable && refusal.cause().is_none() => {
                return Ok(None);
            }
            collected => collected?,
        };
        let mut tx = self.catalog.begin(Access::Write).await?;
        let now_unix_s = tx.shared_unix_s().await?.unwrap_or_else(&clock);
        tx.put_setting(LAST, &now_unix_s.to_string()).await?;
        tx.commit().await?;
        Ok(Some(collected))
    }

    /// Marks what no kept version needs, and removes what has been marked for long enough. `holder` names this process.
    ///
    /// # Errors
    /// `unavailable` while another removes, or while a backup is made; when the catalog or the blobs fail: what was done by then
    /// stays done, and the next run goes on.
    pub async fn collect(
        &self,
        upkeep: &Upkeep,
        holder: &str,
        clock: impl Fn() -> i64 + Send + Sync,
    ) -> Answer<Collected> {
        let mut run = Run::begin(self, upkeep, holder, &clock).await?.ok_or_else(not_our_turn)?;
        let outcome = run.all().await;
        let collected = run.collected;
        run.turn.give_back(self.catalog.as_ref()).await?;
        outcome.map(|()| collected)
    }

    /// Ends what a run began and did not end: what is condemned, and refused to everybody until it is removed. For a server that makes
    /// no runs of its own. Answers how much was removed.
    ///
    /// # Errors
    /// When the catalog or the blobs fail.
    pub async fn finish_removal(&self, holder: &str, clock: impl Fn() -> i64 + Send + Sync) -> Answer<u64> {
        // Mostly there is nothing, and nobody's turn is taken for it.
        let condemned = strays::condemned(self.catalog.begin(Access::Read).await?.as_mut()).await?;
        if condemned.is_empty() || !self.blobs.can_delete() {
            return Ok(0);
        }
        let upkeep = Upkeep::default();
        let Some(mut run) = Run::begin(self, &upkeep, holder, &clock).await? else { return Ok(0) };
        let outcome = run.finish().await;
        let collected = run.collected;
        run.turn.give_back(self.catalog.as_ref()).await?;
        outcome.map(|()| collected.removed)
    }
}

fn not_our_turn() -> Refusal {
    Refusal::new(Code::Unavailable, "another server removes what is unneeded, or a backup is made")
        .help("try again when it is done")
        .retry_after_s(60)
}

/// One run.
struct Run<'a, C> {
    library: &'a Library,
    upkeep: &'a Upkeep,
    /// What is due is due by this: the clock may jump meanwhile.
    started_unix_s: i64,
    wait_s: i64,
    clock: &'a C,
    turn: Turn,
    collected: Collected,
}

impl<'a, C: Fn() -> i64 + Send + Sync> Run<'a, C> {
    /// `None`: it is another's turn.
    async fn begin(
        library: &'a Library,
        upkeep: &'a Upkeep,
        holder: &str,
        clock: &'a C,
    ) -> Answer<Option<Run<'a, C>>> {
        let turn = Turn::take(library.catalog.as_ref(), holder, clock()).await?;
        Ok(turn.map(|turn| Run {
            library,
            upkeep,
            started_unix_s: turn.shared_unix_s(clock()),
            wait_s: upkeep.wait_s,
            clock,
            turn,
            collected: Collected::default(),
        }))
    }

    async fn all(&mut self) -> Answer<()> {
        // Where the store is another's by now, what we do not know is not unneeded.
        self.library.blobs.answers().await?;
        self.look_at_clock().await?;
        if !self.library.blobs.can_delete() {
            self.wait_s = FOR_EVER_S;
        }
        let users = self.library.catalog.begin(Access::Read).await?.users().await?;
        for user in users {
            self.user(user.id).await?;
        }
        self.strays().await
    }

    /// The time that all instances agree on.
    fn now(&self) -> i64 {
        self.turn.shared_unix_s((self.clock)())
    }

    /// A transaction that writes, and does so only in our turn: what a run had read may be what another's has changed since.
    async fn begin_write(&self) -> Answer<Box<dyn Tx>> {
        let mut tx = self.library.catalog.begin(Access::Write).await?;
        match self.turn.is_held(tx.as_mut()).await? {
            true => Ok(tx),
            false => Err(not_our_turn()),
        }
    }

    /// Deletes bytes that are condemned, as long as the turn lasts.
    async fn remove(&mut self, condemned: Vec<Digest>) -> Answer<()> {
        let catalog = self.library.catalog.as_ref();
        for some in condemned.chunks(AT_ONCE) {
            let mut removed = Vec::new();
            if self.turn.prolong(catalog, (self.clock)()).await? {
                for digest in some {
                    if !self.turn.lasts((self.clock)()) {
                        break;
                    }
                    match self.library.blobs.delete(*digest).await {
                        Ok(()) => removed.push(*digest),
                        Err(why) => log::warn!("cannot remove the bytes of `{digest}`: {why}"),
                    }
                }
            }
            self.collected.removed += removed.len() as u64;
            self.collected.left += (some.len() - removed.len()) as u64;
            let mut tx = self.begin_write().await?;
            for digest in removed {
                let stray = Stray { digest, since_unix_s: self.now(), state: StrayState::Removed };
                tx.put_stray(&stray).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Goes on for as long as the turn is ours.
    async fn go_on(&mut self) -> Answer<()> {
        match self.turn.prolong(self.library.catalog.as_ref(), (self.clock)()).await? {
            true => Ok(()),
            false => Err(not_our_turn()),
        }
    }
}
