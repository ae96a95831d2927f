//! `GET /changes`: what changed since a cursor, with every save's heads as they are now.
//!
//! The cursor is the user's change number: each version makes the next one, and a save carries the last that befell it. So
//! each changed save comes once, however often it changed, and a page is cut at any save.

use std::time::Duration;

use retrosync_protocol::{Changes, ChangesRequest, Code, Digest, Epoch, SaveHeads};
use tokio::time::Instant;

use super::{Answer, Asker, Library, heads, landmark};
use crate::catalog::{Access, Change, SaveRecord, Tx};
use crate::refusal::Refusal;

/// The most saves in an answer, and the most questions in a request.
const MOST: u32 = 5000;
const USUAL_LIMIT: u32 = 1000;
/// The longest wait for news.
const MOST_WAIT_S: u64 = 300;

impl Library {
    /// What changed, without waiting.
    ///
    /// # Errors
    /// `malformed` for an `ask` or limit over 5,000; when the catalog fails.
    pub async fn changes(&self, asker: &Asker, request: &ChangesRequest, now_unix_s: i64) -> Answer<Changes> {
        let limit = fits(request)?;
        if request.ask.is_empty() {
            // The usual question and the usual answer: nothing new. Not even a transaction is needed for that.
            let (epoch, last) = self.standing(asker).await?;
            if is_quiet(request, &epoch, last.as_ref()) && self.lost.is_none(asker.user) {
                return Ok(nothing_new(epoch, last, now_unix_s));
            }
        }
        let mut tx = self.catalog.begin(Access::Read).await?;
        let (epoch, last) = tx.standing(asker.user).await?;
        let reset = is_of_another_history(tx.as_mut(), asker, request, &epoch, last.as_ref()).await?;
        let since = if reset { 0 } else { request.since };
        let mut changed = tx.saves_since(asker.user, since, limit.saturating_add(1)).await?;
        let more = changed.len() > limit as usize;
        changed.truncate(limit as usize);
        let cursor = match changed.last() {
            Some(save) if more => save.change,
            _ => number(last.as_ref()),
        };
        let saves = with_heads(tx.as_mut(), changed).await?;
        let known = self.known(tx.as_mut(), asker, request).await?;
        // Asking a bucket takes its time: nobody waits for that reader.
        drop(tx);
        let lacking = self.found_lost(asker).await?;
        let landmark = last.as_ref().map(landmark::of);
        let server_time_unix_s = now_unix_s;
        Ok(Changes { epoch, cursor, more, reset, landmark, server_time_unix_s, saves, known, lacking })
    }

    /// What changed; with nothing new from others, waits up to `wait_s` (at most 300) for it. `clock` gives Unix seconds.
    /// Needs a tokio runtime with time. Safe to drop half way.
    ///
    /// # Errors
    /// As [`Library::changes`].
    pub async fn changes_or_wait(
        &self,
        asker: &Asker,
        request: &ChangesRequest,
        clock: impl Fn() -> i64 + Send + Sync,
    ) -> Answer<Changes> {
        fits(request)?;
        let wait_s = if request.ask.is_empty() { request.wait_s.min(MOST_WAIT_S) } else { 0 };
        if wait_s == 0 {
            return self.changes(asker, request, clock()).await;
        }
        let deadline = Instant::now() + Duration::from_secs(wait_s);
        // Listen first, look then: what is stored between the two rings the bell that is already heard.
        let mut listener = self.notice.listen(asker.user);
        loop {
            let (epoch, last) = self.standing(asker).await?;
            if self.lost.is_untold(asker.user, asker.device.as_ref())
                || self.has_news(asker, request, &epoch, last.as_ref()).await?
            {
                break;
            }
            if tokio::time::timeout_at(deadline, listener.ring()).await.is_err() {
                if is_quiet(request, &epoch, last.as_ref()) {
                    // Nobody rang since that look, so it holds: most waits end here, and cost no second one. Who was told of lost
                    // bytes and cannot help is not told again.
                    return Ok(nothing_new(epoch, last, clock()));
                }
                break;
            }
        }
        self.changes(asker, request, clock()).await
    }

    /// Which of the contents asked for are in their save's history, with their bytes: what the disk lost is offered again.
    async fn known(&self, tx: &mut dyn Tx, asker: &Asker, request: &ChangesRequest) -> Answer<Vec<bool>> {
        if request.ask.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = request.ask.iter().map(|ask| (&ask.save, ask.digest)).collect();
        let mut known = tx.were_contents(asker.user, &asked).await?;
        let recorded = request.ask.iter().zip(&known).filter(|(_, known)| **known);
        let recorded: Vec<_> = recorded.map(|(ask, _)| ask.digest).collect();
        let mut lacking = self.blobs.lacking(recorded).await?;
        // What was thinned out is in the history as before: who still has it goes on from it, and need not bring it again.
        let thinned = tx.without_content(asker.user, &lacking).await?;
        lacking.retain(|digest| !thinned.contains(digest));
        for (ask, known) in request.ask.iter().zip(&mut known) {
            *known &= !lacking.contains(&ask.digest);
        }
        Ok(known)
    }

    /// What this server found to be lacking, and still is.
    async fn found_lost(&self, asker: &Asker) -> Answer<Vec<Digest>> {
        let lost = self.lost.tell(asker.user, asker.device.as_ref());
        if lost.is_empty() {
            return Ok(lost);
        }
        let still = self.blobs.lacking(lost).await?;
        self.lost.keep(asker.user, &still);
        Ok(still)
    }

    /// Is there anything that this asker did not store itself?
    async fn has_news(
        &self,
        asker: &Asker,
        request: &ChangesRequest,
        epoch: &Epoch,
        last: Option<&Change>,
    ) -> Answer<bool> {
        if is_quiet(request, epoch, last) {
            return Ok(false);
        }
        let mut tx = self.catalog.begin(Access::Glance).await?;
        if is_of_another_history(tx.as_mut(), asker, request, epoch, last).await? {
            return Ok(true);
        }
        Ok(match &request.writer {
            Some(writer) => tx.news_beside(asker.user, request.since, writer).await?,
            None => tx.news(asker.user, request.since, asker.device.as_ref()).await?,
        })
    }

    /// The server's epoch and the user's last change.
    async fn standing(&self, asker: &Asker) -> Answer<(Epoch, Option<Change>)> {
        Ok(self.catalog.begin(Access::Glance).await?.standing(asker.user).await?)
    }
}

fn nothing_new(epoch: Epoch, last: Option<Change>, now_unix_s: i64) -> Changes {
    Changes {
        epoch,
        cursor: number(last.as_ref()),
        more: false,
        reset: false,
        landmark: last.as_ref().map(landmark::of),
        server_time_unix_s: now_unix_s,
        saves: Vec::new(),
        known: Vec::new(),
        lacking: Vec::new(),
    }
}

fn number(last: Option<&Change>) -> u64 {
    last.map_or(0, |last| last.number)
}

/// The page's limit, once the request is within the protocol's limits.
fn fits(request: &ChangesRequest) -> Answer<u32> {
    let limit = request.limit.unwrap_or(USUAL_LIMIT);
    if limit == 0 || limit > MOST {
        return Err(Refusal::new(Code::Malformed, format!("the limit is 1 to {MOST}, not {limit}")));
    }
    if request.ask.len() > MOST as usize {
        return Err(Refusal::new(
            Code::Malformed,
            format!("at most {MOST} contents can be asked for at once"),
        ));
    }
    Ok(limit)
}

/// The asker has read all that there is, by a landmark that is the last change's: the usual case, judged without another look.
fn is_quiet(request: &ChangesRequest, epoch: &Epoch, last: Option<&Change>) -> bool {
    request.epoch.as_ref().is_none_or(|of| of == epoch)
        && request.since == number(last)
        && request.landmark.as_ref().is_none_or(|of| last.is_some_and(|last| landmark::of(last) == *of))
}

/// A cursor of another epoch, or beyond all that ever happened here, or a landmark of what did not happen here: this server was
/// restored, or set back unawares, and what the device knows of it may be gone.
async fn is_of_another_history(
    tx: &mut dyn Tx,
    asker: &Asker,
    request: &ChangesRequest,
    epoch: &Epoch,
    last: Option<&Change>,
) -> Answer<bool> {
    if request.epoch.as_ref().is_some_and(|of| of != epoch) || request.since > number(last) {
        return Ok(true);
    }
    let Some(known) = &request.landmark else { return Ok(false) };
    let change = tx.nth_change(asker.user, landmark::number(known)).await?;
    Ok(change.is_none_or(|change| landmark::of(&change) != *known))
}

async fn with_heads(tx: &mut dyn Tx, saves: Vec<SaveRecord>) -> Answer<Vec<SaveHeads>> {
    let rows: Vec<_> = saves.iter().map(|known| known.row).collect();
    let leaves = tx.leaves_of_each(&rows).await?;
    let shown = |(known, leaves): (SaveRecord, _)| SaveHeads {
        save: known.save,
        heads: heads::among(leaves).into_iter().map(heads::shown).collect(),
    };
    Ok(saves.into_iter().zip(leaves).map(shown).collect())
}
