//! The dashboard's records in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use retrosync_protocol::{DeviceId, Digest, SaveId};

use super::MemoryTx;
use crate::catalog::{
    Board, Event, EventFilter, Holding, Invitation, Mark, Result, SaveRow, SaveSize, User, UserId,
};

#[async_trait]
impl Board for MemoryTx {
    async fn put_user(&mut self, new: &User) -> Result<bool> {
        let state = self.change()?;
        let key = new.name.to_lowercase();
        if state.users.values().any(|user| user.id != new.id && user.name.to_lowercase() == key) {
            return Ok(false);
        }
        if let Some(user) = state.users.get_mut(&new.id) {
            *user = User {
                password_hash: user.password_hash.clone(),
                writer: user.writer.clone(),
                ..new.clone()
            };
        }
        Ok(true)
    }

    async fn remove_user(&mut self, id: UserId) -> Result<()> {
        let state = self.change()?;
        let theirs: BTreeSet<SaveRow> =
            state.saves.iter().filter(|(_, (user, _))| *user == id).map(|(row, _)| *row).collect();
        let scopes: BTreeSet<String> = state
            .devices
            .iter()
            .filter(|device| device.user == id)
            .map(|device| device.device.to_string())
            .chain([format!("user {}", id.0)])
            .collect();
        state.operations.retain(|(scope, _), _| !scopes.contains(scope));
        state.memos.retain(|(owner, _, _), _| !scopes.contains(owner));
        state.fetched.retain(|(device, _)| !scopes.contains(device.as_str()));
        state.marks.retain(|(row, _), _| !theirs.contains(row));
        state.events.retain(|(user, _)| *user != id);
        state.versions.retain(|(row, _), _| !theirs.contains(row));
        state.by_change.retain(|(user, _), _| *user != id);
        state.by_sequence.retain(|(user, _, _), _| *user != id);
        state.saves.retain(|row, _| !theirs.contains(row));
        state.save_keys.retain(|(user, _), _| *user != id);
        state.uploads.retain(|_, upload| upload.user != id);
        state.contents.retain(|(user, _), _| *user != id);
        state.pairings.retain(|pairing| pairing.user != Some(id));
        state.devices.retain(|device| device.user != id);
        state.sessions.retain(|_, session| session.user != id);
        state.changes.remove(&id);
        state.users.remove(&id);
        Ok(())
    }

    async fn setting(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.state.settings.get(name).cloned())
    }

    async fn put_setting(&mut self, name: &str, value: &str) -> Result<()> {
        self.change()?.settings.insert(name.into(), value.into());
        Ok(())
    }

    async fn add_invitation(&mut self, invitation: &Invitation) -> Result<()> {
        self.change()?.invitations.push(invitation.clone());
        Ok(())
    }

    async fn invitations(&mut self) -> Result<Vec<Invitation>> {
        let mut all = self.state.invitations.clone();
        all.sort_by_key(|invitation| (invitation.expires_unix_s, invitation.code_sha256));
        Ok(all)
    }

    async fn take_invitation(&mut self, code_sha256: Digest) -> Result<Option<Invitation>> {
        let state = self.change()?;
        let place = state.invitations.iter().position(|invitation| invitation.code_sha256 == code_sha256);
        Ok(place.map(|place| state.invitations.remove(place)))
    }

    async fn put_mark(&mut self, row: SaveRow, mark: &Mark) -> Result<()> {
        let marks = &mut self.change()?.marks;
        if mark.pinned || !mark.label.is_empty() {
            marks.insert((row, mark.version), mark.clone());
        } else {
            marks.remove(&(row, mark.version));
        }
        Ok(())
    }

    async fn marks(&mut self, row: SaveRow) -> Result<Vec<Mark>> {
        let all = self.state.marks.iter().filter(|((of, _), _)| *of == row);
        Ok(all.map(|(_, mark)| mark.clone()).collect())
    }

    async fn add_fetched(&mut self, device: &DeviceId, contents: &[Digest], _now_unix_s: i64) -> Result<()> {
        let fetched = &mut self.change()?.fetched;
        fetched.extend(contents.iter().map(|content| (device.clone(), *content)));
        Ok(())
    }

    async fn holdings(&mut self, user: UserId, row: SaveRow) -> Result<Vec<Holding>> {
        let mut versions: Vec<_> = self.versions_of(row).collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.change));
        let mut all = Vec::new();
        for device in self.state.devices.iter().filter(|device| device.user == user && !device.revoked) {
            let given = |content: Digest| self.state.fetched.contains(&(device.device.clone(), content));
            let held = versions.iter().find(|version| {
                version.device.as_ref() == Some(&device.device)
                    || version.record.content.is_some_and(|content| given(content.digest))
            });
            all.extend(held.map(|version| Holding {
                device: device.device.clone(),
                device_name: device.name.clone(),
                version: version.id,
            }));
        }
        all.sort_by(|one, other| (&one.device_name, &one.device).cmp(&(&other.device_name, &other.device)));
        Ok(all)
    }

    async fn reached(&mut self, user: UserId) -> Result<Vec<(DeviceId, SaveId)>> {
        let saves: Vec<(SaveRow, SaveId)> = self
            .state
            .saves
            .iter()
            .filter(|(_, (whose, _))| *whose == user)
            .map(|(row, (_, record))| (*row, record.save.clone()))
            .collect();
        let mut all = Vec::new();
        for (row, save) in saves {
            let held = self.holdings(user, row).await?;
            all.extend(held.into_iter().map(|held| (held.device, save.clone())));
        }
        all.sort();
        Ok(all)
    }

    async fn sizes(&mut self, user: UserId) -> Result<Vec<SaveSize>> {
        let theirs = self.state.saves.iter().filter(|(_, (whose, _))| *whose == user);
        let size = |row: SaveRow| {
            let contents: BTreeSet<_> = self
                .versions_of(row)
                .filter_map(|version| version.record.content)
                .map(|content| (content.digest, content.size_bytes))
                .collect();
            SaveSize {
                row,
                versions: self.versions_of(row).count() as u64,
                size_bytes: contents.iter().map(|(_, size_bytes)| size_bytes).sum(),
            }
        };
        Ok(theirs.map(|(row, _)| size(*row)).collect())
    }

    async fn add_event(&mut self, user: UserId, event: &Event) -> Result<()> {
        let state = self.change()?;
        state.last_event += 1;
        let event = Event { id: state.last_event, ..event.clone() };
        state.events.push((user, Arc::new(event)));
        Ok(())
    }

    async fn events(
        &mut self,
        user: UserId,
        filter: &EventFilter,
        before: u64,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let wanted = |event: &Event| {
            let part = filter.save.as_ref().map(|part| part.to_lowercase());
            event.id < before
                && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
                && filter.device_name.as_ref().is_none_or(|name| *name == event.device_name)
                && part.is_none_or(|part| {
                    event.save.as_ref().is_some_and(|save| save.as_str().to_lowercase().contains(&part))
                })
        };
        let theirs = self.state.events.iter().rev().filter(|(whose, event)| *whose == user && wanted(event));
        Ok(theirs.take(limit as usize).map(|(_, event)| event.as_ref().clone()).collect())
    }

    async fn stamp(&mut self, user: UserId) -> Result<u64> {
        let last = self.state.events.iter().rev().find(|(whose, _)| *whose == user);
        let theirs = |id: &DeviceId| self.state.devices.iter().any(|d| d.device == *id && d.user == user);
        let given = self.state.fetched.iter().filter(|(device, _)| theirs(device)).count() as u64;
        Ok(last.map_or(0, |(_, event)| event.id) + given)
    }

    async fn forget_events(
        &mut self,
        events_before_unix_s: i64,
        invitations_before_unix_s: i64,
    ) -> Result<()> {
        let state = self.change()?;
        state.events.retain(|(_, event)| event.at_unix_s >= events_before_unix_s);
        state.invitations.retain(|invitation| invitation.expires_unix_s >= invitations_before_unix_s);
        Ok(())
    }
}
