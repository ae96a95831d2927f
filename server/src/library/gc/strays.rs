//! Removing: bytes that nobody has, from when they are found until they are forgotten (the states are in `gc`).

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use retrosync_protocol::{Content, Digest};

use super::{AT_ONCE, Run};
use crate::blobs::Found;
use crate::catalog::{Access, Stray, StrayState, Tx};
use crate::library::Answer;

/// How long a store may be under way between its bytes and its record.
const UNDER_WAY_S: i64 = 24 * 3600;

impl<C: Fn() -> i64 + Send + Sync> Run<'_, C> {
    /// Looks through the store itself for bytes that nobody has.
    pub(super) async fn strays(&mut self) -> Answer<()> {
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

    /// Deletes what is condemned, and looks for nothing else.
    pub(super) async fn finish(&mut self) -> Answer<()> {
        self.library.blobs.answers().await?;
        // In our turn nobody else takes one further; and still nobody has it, for it was refused to everybody.
        let mut tx = self.begin_write().await?;
        let found = condemned(tx.as_mut()).await?;
        let condemned = condemn(tx.as_mut(), &found, self.now()).await?;
        tx.commit().await?;
        self.remove(condemned).await
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

/// What is condemned.
pub(super) async fn condemned(tx: &mut dyn Tx) -> Answer<Vec<Digest>> {
    let strays = tx.strays().await?.into_iter();
    Ok(strays.filter(|stray| stray.state == StrayState::Condemned).map(|stray| stray.digest).collect())
}

/// Condemns those of them that nobody has. Within a write transaction.
pub(super) async fn condemn(
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
