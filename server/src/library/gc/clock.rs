//! Whether days have really passed.
//!
//! Believed only where somebody looked at the clock meanwhile; else every wait begins anew.

use retrosync_protocol::Digest;

use super::{EVERY_S, Run};
use crate::catalog::{Access, Stray, Tx};
use crate::library::{Answer, Library, Upkeep};

/// When anybody last looked at the clock.
const SEEN: &str = "upkeep_seen";
/// What is never over.
pub(super) const FOR_EVER_S: i64 = i64::MAX / 2;

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

impl<C: Fn() -> i64 + Send + Sync> Run<'_, C> {
    /// Where the clock is not to be believed, every wait begins anew and nothing is due in this run.
    pub(super) async fn look_at_clock(&mut self) -> Answer<()> {
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
