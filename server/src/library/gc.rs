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

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use retrosync_protocol::{Code, Content, Digest};

use super::retention::{Retention, needed};
use super::{Answer, Library};
use crate::blobs::Found;
use crate::catalog::turn::Turn;
use crate::catalog::{Access, OwnContent, Stray, StrayState, Tx, UserId};
use crate::refusal::Refusal;

/// How many digests are looked at or removed for one transaction.
const AT_ONCE: usize = 500;
/// How long a store may be under way between its bytes and its record.
const UNDER_WAY_S: i64 = 24 * 3600;

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
/// When anybody last looked at the clock.
const SEEN: &str = "upkeep_seen";
/// What is never over.
const FOR_EVER_S: i64 = i64::MAX / 2;

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
        let turn = Turn::take(self.catalog.as_ref(), holder, clock()).await?;
        let turn = turn.ok_or_else(not_our_turn)?;
        let mut run = Run {
            library: self,
            upkeep,
            started_unix_s: turn.shared_unix_s(clock()),
            wait_s: upkeep.wait_s,
            clock: &clock,
            turn,
            collected: Collected::default(),
        };
        let outcome = run.all().await;
        let collected = run.collected;
        run.turn.give_back(self.catalog.as_ref()).await?;
        outcome.map(|()| collected)
    }
}

impl Library {
    /// Notes that time passes, for the next [`Library::collect`], where the server itself makes none.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn note_time(&self, upkeep: &Upkeep, now_unix_s: i64) -> Answer<()> {
        let mut tx = self.catalog.begin(Access::Write).await?;
        let now_unix_s = tx.shared_unix_s().await?.unwrap_or(now_unix_s);
        // A jump stays to be seen by the run.
        if is_believable(seen(tx.as_mut()).await?, now_unix_s, upkeep.wait_s) {
            tx.put_setting(SEEN, &now_unix_s.to_string()).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

async fn seen(tx: &mut dyn Tx) -> Answer<Option<i64>> {
    Ok(tx.setting(SEEN).await?.and_then(|text| text.parse().ok()))
}

/// Did the clock go on from where it was last seen, rather than jump?
fn is_believable(seen_unix_s: Option<i64>, now_unix_s: i64, wait_s: i64) -> bool {
    let most_s = wait_s.max(2 * EVERY_S);
    // Backwards a little: the clocks of two instances.
    seen_unix_s
        .is_some_and(|seen_unix_s| (-EVERY_S..=most_s).contains(&now_unix_s.saturating_sub(seen_unix_s)))
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

/// What is to be done about a user's contents.
#[derive(Default)]
struct Judged {
    mark: Vec<Content>,
    unmark: Vec<Content>,
    due: Vec<Content>,
    waiting: Amount,
}

impl<C: Fn() -> i64 + Send + Sync> Run<'_, C> {
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

    /// Where the clock is not to be believed, every wait begins anew and nothing is due in this run.
    async fn look_at_clock(&mut self) -> Answer<()> {
        let now_unix_s = self.started_unix_s;
        let mut tx = self.begin_write().await?;
        if !is_believable(seen(tx.as_mut()).await?, now_unix_s, self.upkeep.wait_s) {
            self.wait_s = FOR_EVER_S;
            begin_waits_anew(tx.as_mut(), now_unix_s).await?;
        }
        if !self.upkeep.dry_run {
            tx.put_setting(SEEN, &now_unix_s.to_string()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Marks a user's contents, and takes those away that are due.
    async fn user(&mut self, user: UserId) -> Answer<()> {
        let now_unix_s = self.now();
        let due_unix_s = self.started_unix_s - self.wait_s;
        let mut tx = self.library.catalog.begin(Access::Read).await?;
        let judged = self.judge(tx.as_mut(), user, now_unix_s, due_unix_s).await?;
        drop(tx);
        judged.mark.iter().for_each(|content| self.collected.marked.add(*content));
        judged.unmark.iter().for_each(|content| self.collected.unmarked.add(*content));
        self.collected.waiting.contents += judged.waiting.contents;
        self.collected.waiting.size_bytes += judged.waiting.size_bytes;
        if self.upkeep.dry_run {
            judged.due.iter().for_each(|content| self.collected.thinned.add(*content));
            return Ok(());
        }
        if judged.mark.is_empty() && judged.unmark.is_empty() && judged.due.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin_write().await?;
        tx.mark_contents(user, &digests(&judged.mark), Some(now_unix_s)).await?;
        tx.mark_contents(user, &digests(&judged.unmark), None).await?;
        let condemned = self.take_away(tx.as_mut(), user, &judged.due, due_unix_s, now_unix_s).await?;
        tx.commit().await?;
        self.remove(condemned).await
    }

    /// What of a user's contents is needed, and since when the rest is not.
    async fn judge(&self, tx: &mut dyn Tx, user: UserId, now_unix_s: i64, due_unix_s: i64) -> Answer<Judged> {
        let had = tx.contents_of(user).await?;
        let needed = self.needed_by(tx, user, &had, now_unix_s).await?;
        let mut judged = Judged::default();
        for own in had {
            match (needed.contains(&own.content.digest), own.unneeded_unix_s) {
                (true, None) => {}
                (true, Some(_)) => judged.unmark.push(own.content),
                (false, None) => judged.mark.push(own.content),
                (false, Some(since_unix_s)) if since_unix_s <= due_unix_s => judged.due.push(own.content),
                (false, Some(_)) => judged.waiting.add(own.content),
            }
        }
        Ok(judged)
    }

    async fn needed_by(
        &self,
        tx: &mut dyn Tx,
        user: UserId,
        had: &[OwnContent],
        now_unix_s: i64,
    ) -> Answer<BTreeSet<Digest>> {
        let bytes: BTreeSet<Digest> = had.iter().map(|own| own.content.digest).collect();
        let mut all = BTreeSet::new();
        for save in tx.saves_since(user, 0, u32::MAX).await? {
            let versions = tx.history(save.row, u64::MAX, u32::MAX).await?;
            let Some(retention) = &self.upkeep.retention else {
                all.extend(versions.iter().filter_map(|version| Some(version.record.content?.digest)));
                continue;
            };
            let marks = tx.marks(save.row).await?.into_iter().map(|mark| mark.version);
            let held = tx.holdings(user, save.row).await?.into_iter().map(|held| held.version);
            let spared = marks.chain(held).collect();
            all.extend(needed(&versions, &spared, |digest| bytes.contains(&digest), retention, now_unix_s));
        }
        Ok(all)
    }

    /// Takes from the user what is still unneeded; answers what nobody has any more, condemned.
    async fn take_away(
        &mut self,
        tx: &mut dyn Tx,
        user: UserId,
        due: &[Content],
        due_unix_s: i64,
        now_unix_s: i64,
    ) -> Answer<Vec<Digest>> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        // Looked at again, as the only writer: who came to need one has taken its mark off.
        let now: BTreeMap<Digest, OwnContent> =
            tx.contents_of(user).await?.into_iter().map(|own| (own.content.digest, own)).collect();
        let mut taken = Vec::new();
        for content in due {
            let since_unix_s = now.get(&content.digest).and_then(|own| own.unneeded_unix_s);
            if since_unix_s.is_some_and(|since_unix_s| since_unix_s <= due_unix_s) {
                tx.forget_content(user, content.digest).await?;
                self.collected.thinned.add(*content);
                taken.push(content.digest);
            }
        }
        Ok(condemn(tx, &taken, now_unix_s).await?)
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

    /// Looks through the store itself for bytes that nobody has.
    async fn strays(&mut self) -> Answer<()> {
        // What could not be removed above is met again here.
        self.collected.left = 0;
        let strays = self.library.catalog.begin(Access::Read).await?.strays().await?;
        let mut known: BTreeMap<Digest, Stray> =
            strays.into_iter().map(|stray| (stray.digest, stray)).collect();
        let library = self.library;
        let mut list = library.blobs.list().await?;
        let mut some: Vec<Found> = Vec::new();
        let mut more = true;
        while more {
            match list.next().await.transpose()? {
                Some(found) => some.push(found),
                None => more = false,
            }
            if some.len() == AT_ONCE || !more {
                self.look_at(std::mem::take(&mut some), &mut known).await?;
            }
        }
        self.forget_gone(known).await
    }

    /// Goes on for as long as the turn is ours.
    async fn go_on(&mut self) -> Answer<()> {
        match self.turn.prolong(self.library.catalog.as_ref(), (self.clock)()).await? {
            true => Ok(()),
            false => Err(not_our_turn()),
        }
    }

    /// Some of what is in the store; takes out of `known` what it has dealt with.
    async fn look_at(&mut self, some: Vec<Found>, known: &mut BTreeMap<Digest, Stray>) -> Answer<()> {
        let asked: Vec<Digest> = some.iter().map(|found| found.digest).collect();
        self.go_on().await?;
        let not_had = self.library.catalog.begin(Access::Read).await?.not_had(&asked).await?;
        let not_had: BTreeSet<Digest> = not_had.into_iter().collect();
        let now_unix_s = self.now();
        let (mut new, mut due) = (Vec::new(), Vec::new());
        for found in some.into_iter().filter(|found| not_had.contains(&found.digest)) {
            let stray = known.remove(&found.digest);
            match stray {
                // Somebody put it again since: the wait begins anew.
                Some(Stray { state: StrayState::Found, since_unix_s, .. })
                    if found.written_unix_s <= since_unix_s =>
                {
                    if since_unix_s <= self.started_unix_s - self.wait_s {
                        due.push((found.digest, stray));
                    }
                }
                Some(Stray { state: StrayState::Condemned, .. }) => due.push((found.digest, stray)),
                Some(Stray { state: StrayState::Removed, since_unix_s, .. })
                    if now_unix_s - since_unix_s < UNDER_WAY_S => {}
                _ => new.push((found, stray)),
            }
        }
        for (found, _) in &new {
            self.collected.found.add(Content { digest: found.digest, size_bytes: found.size_bytes });
        }
        if self.upkeep.dry_run || (new.is_empty() && due.is_empty()) {
            return Ok(());
        }
        let mut tx = self.begin_write().await?;
        // What was said of one since it was read is not unsaid.
        for (found, known) in new {
            if tx.stray(found.digest).await? == known {
                let stray =
                    Stray { digest: found.digest, since_unix_s: now_unix_s, state: StrayState::Found };
                tx.put_stray(&stray).await?;
            }
        }
        let mut still_due = Vec::new();
        for (digest, known) in due {
            if tx.stray(digest).await? == known {
                still_due.push(digest);
            }
        }
        let condemned = condemn(tx.as_mut(), &still_due, now_unix_s).await?;
        tx.commit().await?;
        self.remove(condemned).await
    }

    /// Strays that are in the store no more, or that somebody has by now.
    async fn forget_gone(&mut self, known: BTreeMap<Digest, Stray>) -> Answer<()> {
        if self.upkeep.dry_run || known.is_empty() {
            return Ok(());
        }
        let now_unix_s = self.now();
        let mut tx = self.begin_write().await?;
        for stray in known.into_values() {
            if tx.stray(stray.digest).await? != Some(stray) {
                continue;
            }
            match stray.state {
                StrayState::Condemned => {
                    let removed = Stray { since_unix_s: now_unix_s, state: StrayState::Removed, ..stray };
                    tx.put_stray(&removed).await?;
                }
                StrayState::Removed if now_unix_s - stray.since_unix_s < UNDER_WAY_S => {}
                StrayState::Found | StrayState::Removed => tx.remove_stray(stray.digest).await?,
            }
        }
        Ok(tx.commit().await?)
    }
}

/// Everything that waits has waited for nothing yet.
async fn begin_waits_anew(tx: &mut dyn Tx, now_unix_s: i64) -> Answer<()> {
    for user in tx.users().await? {
        let had = tx.contents_of(user.id).await?;
        let marked = had.iter().filter(|own| own.unneeded_unix_s.is_some());
        let marked: Vec<Digest> = marked.map(|own| own.content.digest).collect();
        tx.mark_contents(user.id, &marked, Some(now_unix_s)).await?;
    }
    for stray in tx.strays().await? {
        tx.put_stray(&Stray { since_unix_s: now_unix_s, ..stray }).await?;
    }
    Ok(())
}

fn digests(contents: &[Content]) -> Vec<Digest> {
    contents.iter().map(|content| content.digest).collect()
}

/// Condemns those of them that nobody has. Within a write transaction.
pub(crate) async fn condemn(
    tx: &mut dyn Tx,
    digests: &[Digest],
    now_unix_s: i64,
) -> crate::catalog::Result<Vec<Digest>> {
    let condemned = tx.not_had(digests).await?;
    for digest in &condemned {
        tx.put_stray(&Stray { digest: *digest, since_unix_s: now_unix_s, state: StrayState::Condemned })
            .await?;
        // Its blocks are as gone as the whole.
        tx.forget_blocks(*digest).await?;
    }
    Ok(condemned)
}
