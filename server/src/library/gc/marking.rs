//! Marking: which of a user's contents no kept version needs, and taking from the user what was unneeded for long enough.

use std::collections::{BTreeMap, BTreeSet};

use retrosync_protocol::{Content, Digest};

use super::strays::condemn;
use super::{Amount, Run};
use crate::catalog::{Access, OwnContent, Tx, UserId};
use crate::library::Answer;
use crate::library::retention::needed;

/// What is to be done about a user's contents.
#[derive(Default)]
struct Judged {
    mark: Vec<Content>,
    unmark: Vec<Content>,
    due: Vec<Content>,
    waiting: Amount,
}

impl<C: Fn() -> i64 + Send + Sync> Run<'_, C> {
    /// Marks a user's contents, and takes those away that are due.
    pub(super) async fn user(&mut self, user: UserId) -> Answer<()> {
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
}

fn digests(contents: &[Content]) -> Vec<Digest> {
    contents.iter().map(|content| content.digest).collect()
}
