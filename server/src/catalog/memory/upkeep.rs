//! The records of upkeep in memory.

use async_trait::async_trait;
use retrosync_protocol::Digest;

use super::MemoryTx;
use crate::catalog::{OwnContent, Result, Stray, Upkeep, UserId};

#[async_trait]
impl Upkeep for MemoryTx {
    async fn contents_of(&mut self, user: UserId) -> Result<Vec<OwnContent>> {
        let all = (user, Digest::from_bytes([0; 32]))..=(user, Digest::from_bytes([0xff; 32]));
        Ok(self.state.contents.range(all).map(|(_, own)| *own).collect())
    }

    async fn mark_contents(
        &mut self,
        user: UserId,
        digests: &[Digest],
        unneeded_unix_s: Option<i64>,
    ) -> Result<()> {
        let contents = &mut self.change()?.contents;
        for digest in digests {
            if let Some(own) = contents.get_mut(&(user, *digest)) {
                own.unneeded_unix_s = unneeded_unix_s;
            }
        }
        Ok(())
    }

    async fn forget_content(&mut self, user: UserId, digest: Digest) -> Result<()> {
        self.change()?.contents.remove(&(user, digest));
        Ok(())
    }

    async fn without_content(&mut self, user: UserId, digests: &[Digest]) -> Result<Vec<Digest>> {
        let has = |digest: &Digest| self.state.contents.contains_key(&(user, *digest));
        Ok(digests.iter().filter(|digest| !has(digest)).copied().collect())
    }

    async fn not_had(&mut self, digests: &[Digest]) -> Result<Vec<Digest>> {
        let had = |digest: &Digest| self.state.contents.keys().any(|(_, had)| had == digest);
        Ok(digests.iter().filter(|digest| !had(digest)).copied().collect())
    }

    async fn has_version_with(&mut self, user: UserId, digest: Digest) -> Result<bool> {
        let theirs = self.state.saves.iter().filter(|(_, (whose, _))| *whose == user);
        let has = |row| {
            self.versions_of(row).any(|version| version.record.content.is_some_and(|c| c.digest == digest))
        };
        Ok(theirs.map(|(row, _)| *row).any(has))
    }

    async fn strays(&mut self) -> Result<Vec<Stray>> {
        Ok(self.state.strays.values().copied().collect())
    }

    async fn stray(&mut self, digest: Digest) -> Result<Option<Stray>> {
        Ok(self.state.strays.get(&digest).copied())
    }

    async fn put_stray(&mut self, stray: &Stray) -> Result<()> {
        self.change()?.strays.insert(stray.digest, *stray);
        Ok(())
    }

    async fn remove_stray(&mut self, digest: Digest) -> Result<()> {
        self.change()?.strays.remove(&digest);
        Ok(())
    }
}
