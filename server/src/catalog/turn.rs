//! Whose turn it is to remove bytes, or to rely on none being removed: one at a time, over all instances.
//!
//! A turn is a setting with its holder and its end. It is taken and prolonged in a write transaction; one who died loses it at its
//! end. Who holds it looks at the clock before each removal and stops well before the end.
//!
//! The end is told by the one clock that all instances share, the database's (`Tx::shared_unix_s`): theirs may be hours apart. How long
//! the turn has been held is counted from before it was asked for, by a clock that nobody sets.

use std::time::{Duration, Instant};

use super::{Access, Catalog, Result, Tx};

const SETTING: &str = "upkeep_turn";
/// For how long it is taken.
const LASTS_S: i64 = 900;
/// How long before its end nothing is begun any more: longer than any one request to a store takes.
const MARGIN_S: i64 = 300;

/// A turn that is held.
#[derive(Clone, Debug)]
pub struct Turn {
    holder: String,
    /// From before it was taken, by two clocks: one stands still while the machine sleeps, the other may be set.
    since: Instant,
    since_unix_s: i64,
    /// How far the shared clock is ahead of our own.
    ahead_s: i64,
}

impl Turn {
    /// Takes the turn, or prolongs it where `holder` has it; `None`: somebody else has it. `now_unix_s` is by our own clock.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn take(catalog: &dyn Catalog, holder: &str, now_unix_s: i64) -> Result<Option<Turn>> {
        let since = Instant::now();
        let mut tx = catalog.begin(Access::Write).await?;
        let shared_unix_s = tx.shared_unix_s().await?.unwrap_or(now_unix_s);
        let had = tx.setting(SETTING).await?;
        let had = had.as_deref().and_then(|text| text.split_once(' '));
        if let Some((other, end)) = had
            && other != holder
            // A clock that ran far ahead must not keep the turn for ever.
            && end.parse().is_ok_and(|end: i64| shared_unix_s < end && end <= shared_unix_s + 2 * LASTS_S)
        {
            return Ok(None);
        }
        let ahead_s = shared_unix_s.saturating_sub(now_unix_s);
        let turn = Turn { holder: holder.to_owned(), since, since_unix_s: now_unix_s, ahead_s };
        tx.put_setting(SETTING, &format!("{holder} {}", shared_unix_s + LASTS_S)).await?;
        tx.commit().await?;
        Ok(Some(turn))
    }

    /// Makes it last from now on; false: it is another's by now.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn prolong(&mut self, catalog: &dyn Catalog, now_unix_s: i64) -> Result<bool> {
        let taken = Turn::take(catalog, &self.holder, now_unix_s).await?;
        let held = taken.is_some();
        if let Some(turn) = taken {
            *self = turn;
        }
        Ok(held)
    }

    /// Is it ours, as of this transaction?
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn is_held(&self, tx: &mut dyn Tx) -> Result<bool> {
        let had = tx.setting(SETTING).await?;
        Ok(had.as_deref().and_then(|text| text.split_once(' ')).is_some_and(|(by, _)| by == self.holder))
    }

    /// May something still be begun?
    pub fn lasts(&self, now_unix_s: i64) -> bool {
        let most_s = LASTS_S - MARGIN_S;
        (0..most_s).contains(&now_unix_s.saturating_sub(self.since_unix_s))
            && self.since.elapsed() < Duration::from_secs(most_s.unsigned_abs())
    }

    /// The time that all instances agree on.
    pub fn shared_unix_s(&self, now_unix_s: i64) -> i64 {
        now_unix_s.saturating_add(self.ahead_s)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When the catalog fails; it ends by itself then.
    pub async fn give_back(self, catalog: &dyn Catalog) -> Result<()> {
        let mut tx = catalog.begin(Access::Write).await?;
        if self.is_held(tx.as_mut()).await? {
            tx.put_setting(SETTING, "").await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::catalog::memory::MemoryCatalog;

    #[tokio::test]
    async fn a_turn_is_one_whatever_the_servers_own_clocks_say() {
        let Some(catalog) = crate::catalog::postgres::tests::fresh().await else { return };
        let mut one = Turn::take(catalog.as_ref(), "one", 1000).await.unwrap().unwrap();
        for (case, own_unix_s) in [("an hour ahead", 1000 + 3600), ("a day behind", 1000 - 86400)] {
            let two = Turn::take(catalog.as_ref(), "two", own_unix_s).await.unwrap();
            assert!(two.is_none(), "{case}: two remove at once");
        }
        assert!(one.prolong(catalog.as_ref(), 2000).await.unwrap());
        assert!(one.lasts(2000));
        assert!(one.shared_unix_s(2000) > 1_700_000_000, "it is the database's time");
    }

    #[tokio::test]
    async fn a_clock_that_stands_still_does_not_make_a_turn_longer() {
        let catalog = MemoryCatalog::new(crate::sample::epoch());
        let mut one = Turn::take(&catalog, "one", 1000).await.unwrap().unwrap();
        assert!(one.lasts(1000));
        let long_ago = Duration::from_secs((LASTS_S - MARGIN_S) as u64);
        // A machine that runs for less than ten minutes knows no such moment.
        let Some(since) = one.since.checked_sub(long_ago) else { return };
        one.since = since;
        assert!(!one.lasts(1000), "the time that really passed counts");
    }

    #[tokio::test]
    async fn one_at_a_time_removes_and_who_died_is_waited_for() {
        let catalog = MemoryCatalog::new(crate::sample::epoch());
        let mut one = Turn::take(&catalog, "one", 1000).await.unwrap().unwrap();
        assert!(Turn::take(&catalog, "two", 1000 + LASTS_S - 1).await.unwrap().is_none());
        assert!(one.lasts(1000 + LASTS_S - MARGIN_S - 1) && !one.lasts(1000 + LASTS_S - MARGIN_S));
        assert!(!one.lasts(0), "a clock that went back proves nothing");
        assert!(one.prolong(&catalog, 1500).await.unwrap());
        assert!(one.lasts(1500));
        assert!(Turn::take(&catalog, "two", 1500 + LASTS_S - 1).await.unwrap().is_none());
        let two = Turn::take(&catalog, "two", 1500 + LASTS_S).await.unwrap().unwrap();
        assert!(!one.prolong(&catalog, 1500 + LASTS_S).await.unwrap(), "it is another's by now");
        one.give_back(&catalog).await.unwrap();
        assert!(Turn::take(&catalog, "three", 1500 + LASTS_S).await.unwrap().is_none());
        two.give_back(&catalog).await.unwrap();
        assert!(Turn::take(&catalog, "three", 1500 + LASTS_S).await.unwrap().is_some());
        assert!(
            Turn::take(&catalog, "four", 0).await.unwrap().is_some(),
            "a clock ran ahead and is right again"
        );
    }
}
