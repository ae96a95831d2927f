//! Saves, versions, contents, uploads and kept answers in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use retrosync_protocol::{BLOCK_BYTES, Content, DeviceId, Digest, Epoch, SaveId, VersionId, WriterId};

use super::MemoryTx;
use crate::catalog::{
    BlockPlace, CatalogError, Change, Figures, OperationRecord, Operations, OwnContent, Result, SaveRecord,
    SaveRow, Saves, StoredVersion, StrayState, Upload, UploadId, Uploads, UserId,
};

impl MemoryTx {
    pub(super) fn versions_of(&self, row: SaveRow) -> impl Iterator<Item = &StoredVersion> {
        let all = (row, Digest::from_bytes([0; 32]))..=(row, Digest::from_bytes([0xff; 32]));
        self.state.versions.range(all).map(|(_, version)| version.as_ref())
    }

    fn later(&self, user: UserId, since: u64) -> impl Iterator<Item = &StoredVersion> {
        let later = self.state.by_change.range((user, since.saturating_add(1))..=(user, u64::MAX));
        later.filter_map(|(_, made)| self.state.versions.get(made)).map(AsRef::as_ref)
    }
}

#[async_trait]
impl Saves for MemoryTx {
    async fn save(&mut self, user: UserId, save: &SaveId) -> Result<Option<SaveRecord>> {
        let row = self.state.save_keys.get(&(user, save.key().into()));
        Ok(row.and_then(|row| self.state.saves.get(row)).map(|(_, record)| record.clone()))
    }

    async fn add_save(&mut self, user: UserId, save: &SaveId) -> Result<SaveRow> {
        if self.save(user, save).await?.is_some() {
            return Err(CatalogError::Failed("the save is there already".into()));
        }
        let state = self.change()?;
        let row = SaveRow(state.next_key());
        state.save_keys.insert((user, save.key().into()), row);
        state.saves.insert(row, (user, SaveRecord { row, save: save.clone(), change: 0 }));
        Ok(row)
    }

    async fn saves_since(&mut self, user: UserId, since: u64, limit: u32) -> Result<Vec<SaveRecord>> {
        let theirs = self.state.saves.values().filter(|(whose, save)| *whose == user && save.change > since);
        let mut saves: Vec<SaveRecord> = theirs.map(|(_, save)| save.clone()).collect();
        saves.sort_by_key(|save| save.change);
        saves.truncate(limit as usize);
        Ok(saves)
    }

    async fn last_change(&mut self, user: UserId) -> Result<u64> {
        Ok(self.state.changes.get(&user).copied().unwrap_or(0))
    }

    async fn standing(&mut self, user: UserId) -> Result<(Epoch, Option<Change>)> {
        let last = self.last_change(user).await?;
        Ok((self.state.epoch.clone(), self.nth_change(user, last).await?))
    }

    async fn nth_change(&mut self, user: UserId, number: u64) -> Result<Option<Change>> {
        let made = self.state.by_change.get(&(user, number)).and_then(|made| self.state.versions.get(made));
        Ok(made.map(|made| Change { number, version: made.id, received_unix_s: made.received_unix_s }))
    }

    async fn news(&mut self, user: UserId, since: u64, device: Option<&DeviceId>) -> Result<bool> {
        Ok(self.later(user, since).any(|version| version.device.as_ref() != device))
    }

    async fn news_beside(&mut self, user: UserId, since: u64, writer: &WriterId) -> Result<bool> {
        Ok(self.later(user, since).any(|version| version.record.writer != *writer))
    }

    async fn add_version(
        &mut self,
        user: UserId,
        row: SaveRow,
        version: &StoredVersion,
        superseded: &[VersionId],
    ) -> Result<()> {
        let state = self.change()?;
        let by = (user, version.record.writer.clone(), version.record.sequence);
        let taken = state.versions.contains_key(&(row, version.id))
            || state.by_sequence.contains_key(&by)
            || state.by_change.contains_key(&(user, version.change));
        if taken {
            return Err(CatalogError::Failed(
                "the version, its sequence or its change is there already".into(),
            ));
        }
        state.by_sequence.insert(by, version.id);
        state.by_change.insert((user, version.change), (row, version.id));
        state.versions.insert((row, version.id), Arc::new(version.clone()));
        for parent in superseded {
            if let Some(parent) = state.versions.get_mut(&(row, *parent)) {
                Arc::make_mut(parent).leaf = false;
            }
        }
        if let Some((_, save)) = state.saves.get_mut(&row) {
            save.change = version.change;
        }
        state.changes.insert(user, version.change);
        Ok(())
    }

    async fn version(&mut self, row: SaveRow, id: VersionId) -> Result<Option<StoredVersion>> {
        Ok(self.state.versions.get(&(row, id)).map(|version| version.as_ref().clone()))
    }

    async fn versions_between(
        &mut self,
        user: UserId,
        first: VersionId,
        last: VersionId,
    ) -> Result<Vec<StoredVersion>> {
        let within = |(row, id): &(SaveRow, VersionId)| {
            (first..=last).contains(id) && self.state.saves.get(row).is_some_and(|(whose, _)| *whose == user)
        };
        let found = self.state.versions.iter().filter(|(key, _)| within(key));
        let mut found: Vec<StoredVersion> = found.map(|(_, version)| version.as_ref().clone()).collect();
        found.sort_by_key(|version| version.id);
        found.truncate(16);
        Ok(found)
    }

    async fn version_by_sequence(
        &mut self,
        user: UserId,
        writer: &WriterId,
        sequence: u64,
    ) -> Result<Option<VersionId>> {
        Ok(self.state.by_sequence.get(&(user, writer.clone(), sequence)).copied())
    }

    async fn last_sequence(&mut self, user: UserId, writer: &WriterId) -> Result<u64> {
        let theirs =
            self.state.by_sequence.range((user, writer.clone(), 0)..=(user, writer.clone(), u64::MAX));
        Ok(theirs.last().map_or(0, |((_, _, sequence), _)| *sequence))
    }

    async fn leaves(&mut self, row: SaveRow) -> Result<Vec<StoredVersion>> {
        let mut leaves: Vec<_> = self.versions_of(row).filter(|version| version.leaf).cloned().collect();
        leaves.sort_by_key(|version| version.change);
        Ok(leaves)
    }

    async fn leaves_of_each(&mut self, rows: &[SaveRow]) -> Result<Vec<Vec<StoredVersion>>> {
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            all.push(self.leaves(*row).await?);
        }
        Ok(all)
    }

    async fn history(&mut self, row: SaveRow, before: u64, limit: u32) -> Result<Vec<StoredVersion>> {
        let mut older: Vec<_> = self.versions_of(row).filter(|version| version.change < before).collect();
        older.sort_by_key(|version| std::cmp::Reverse(version.change));
        Ok(older.into_iter().take(limit as usize).cloned().collect())
    }

    async fn were_contents(&mut self, user: UserId, of: &[(&SaveId, Digest)]) -> Result<Vec<bool>> {
        let was = |(save, digest): &(&SaveId, Digest)| {
            let row = self.state.save_keys.get(&(user, save.key().into()));
            let mut versions = row.into_iter().flat_map(|row| self.versions_of(*row));
            versions.any(|v| v.record.content.is_some_and(|content| content.digest == *digest))
        };
        Ok(of.iter().map(was).collect())
    }

    async fn add_content(&mut self, user: UserId, content: Content, now_unix_s: i64) -> Result<bool> {
        let state = self.change()?;
        if state.strays.get(&content.digest).is_some_and(|stray| stray.state != StrayState::Found) {
            return Ok(false);
        }
        let new = OwnContent { content, added_unix_s: now_unix_s, unneeded_unix_s: None };
        state.contents.entry((user, content.digest)).or_insert(new).unneeded_unix_s = None;
        Ok(true)
    }

    async fn content(&mut self, user: UserId, digest: Digest) -> Result<Option<Content>> {
        Ok(self.state.contents.get(&(user, digest)).map(|own| own.content))
    }

    async fn all_contents(&mut self) -> Result<Vec<Content>> {
        let mut contents: Vec<Content> = self.state.contents.values().map(|own| own.content).collect();
        contents.sort();
        contents.dedup();
        Ok(contents)
    }

    async fn saves_with_content(&mut self, digest: Digest) -> Result<Vec<SaveId>> {
        let with =
            self.state.versions.iter().filter(|(_, version)| {
                version.record.content.is_some_and(|content| content.digest == digest)
            });
        let rows: BTreeSet<SaveRow> = with.map(|((row, _), _)| *row).collect();
        let saves =
            rows.iter().filter_map(|row| self.state.saves.get(row)).map(|(_, save)| save.save.clone());
        let mut saves: Vec<SaveId> = saves.collect();
        saves.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        saves.dedup_by(|one, other| one.as_str() == other.as_str());
        Ok(saves)
    }

    async fn figures(&mut self, user: UserId) -> Result<Figures> {
        let state = &self.state;
        let contents = state.contents.iter().filter(|((whose, _), _)| *whose == user);
        Ok(Figures {
            saves: state.saves.values().filter(|(whose, _)| *whose == user).count() as u64,
            versions: state.by_change.range((user, 0)..=(user, u64::MAX)).count() as u64,
            size_bytes: contents.map(|(_, own)| own.content.size_bytes).sum(),
            devices: state.devices.iter().filter(|d| d.user == user && !d.revoked).count() as u64,
        })
    }
}

#[async_trait]
impl Uploads for MemoryTx {
    async fn add_upload(&mut self, upload: &Upload) -> Result<UploadId> {
        if self.upload(upload.user, upload.content.digest).await?.is_some() {
            return Err(CatalogError::Failed("the upload is there already".into()));
        }
        let state = self.change()?;
        let id = UploadId(state.next_key());
        state.uploads.insert(id, Upload { id, ..upload.clone() });
        Ok(id)
    }

    async fn upload(&mut self, user: UserId, digest: Digest) -> Result<Option<Upload>> {
        let mut uploads = self.state.uploads.values();
        Ok(uploads.find(|upload| upload.user == user && upload.content.digest == digest).cloned())
    }

    async fn put_staged(&mut self, id: UploadId, staged: &[bool], touched_unix_s: i64) -> Result<()> {
        if let Some(upload) = self.change()?.uploads.get_mut(&id) {
            upload.staged = staged.to_vec();
            upload.touched_unix_s = touched_unix_s;
        }
        Ok(())
    }

    async fn remove_upload(&mut self, id: UploadId) -> Result<()> {
        self.change()?.uploads.remove(&id);
        Ok(())
    }

    async fn idle_uploads(&mut self, before_unix_s: i64) -> Result<Vec<UploadId>> {
        let idle = self.state.uploads.values().filter(|upload| upload.touched_unix_s < before_unix_s);
        Ok(idle.map(|upload| upload.id).collect())
    }

    async fn add_blocks(&mut self, content: Content, block_digests: &[Digest]) -> Result<()> {
        let state = self.change()?;
        let offsets = (0..content.size_bytes).step_by(BLOCK_BYTES as usize);
        for (offset_bytes, digest) in offsets.zip(block_digests) {
            let length_bytes = BLOCK_BYTES.min(content.size_bytes - offset_bytes);
            let place = BlockPlace { content: content.digest, offset_bytes, length_bytes };
            let places = state.blocks.entry(*digest).or_default();
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(())
    }

    async fn forget_blocks(&mut self, content: Digest) -> Result<()> {
        self.change()?.blocks.values_mut().for_each(|places| places.retain(|place| place.content != content));
        Ok(())
    }

    async fn block(&mut self, user: UserId, digest: Digest) -> Result<Option<BlockPlace>> {
        let places = self.state.blocks.get(&digest).into_iter().flatten();
        let mut theirs = places.filter(|place| self.state.contents.contains_key(&(user, place.content)));
        Ok(theirs.next().copied())
    }
}

#[async_trait]
impl Operations for MemoryTx {
    async fn operation(&mut self, scope: &str, id: &str) -> Result<Option<OperationRecord>> {
        Ok(self.state.operations.get(&(scope.into(), id.into())).cloned())
    }

    async fn keep_operation(&mut self, operation: &OperationRecord) -> Result<()> {
        if self.operation(&operation.scope, &operation.id).await?.is_some() {
            return Err(CatalogError::Failed("the operation is there already".into()));
        }
        let key = (operation.scope.clone(), operation.id.clone());
        self.change()?.operations.insert(key, operation.clone());
        Ok(())
    }

    async fn forget_operations(&mut self, before_unix_s: i64) -> Result<()> {
        self.change()?.operations.retain(|_, operation| operation.at_unix_s >= before_unix_s);
        Ok(())
    }
}
