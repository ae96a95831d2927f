//! Users, sessions, devices and pairings in memory.

use async_trait::async_trait;
use retrosync_protocol::{DeviceId, Digest, UserCode};

use super::MemoryTx;
use crate::catalog::{
    CatalogError, DeviceRecord, Pairing, PairingState, People, Result, SessionRecord, User, UserId,
};

#[async_trait]
impl People for MemoryTx {
    async fn add_user(&mut self, user: &User) -> Result<Option<UserId>> {
        if self.user_by_name(&user.name).await?.is_some() {
            return Ok(None);
        }
        let state = self.change()?;
        let id = UserId(state.next_key());
        state.users.insert(id, User { id, ..user.clone() });
        Ok(Some(id))
    }

    async fn user(&mut self, id: UserId) -> Result<Option<User>> {
        Ok(self.state.users.get(&id).cloned())
    }

    async fn user_by_name(&mut self, name: &str) -> Result<Option<User>> {
        let key = name.to_lowercase();
        Ok(self.state.users.values().find(|user| user.name.to_lowercase() == key).cloned())
    }

    async fn users(&mut self) -> Result<Vec<User>> {
        let mut users: Vec<User> = self.state.users.values().cloned().collect();
        users.sort_by_key(|user| user.name.to_lowercase());
        Ok(users)
    }

    async fn set_password(&mut self, id: UserId, password_hash: &str) -> Result<()> {
        if let Some(user) = self.change()?.users.get_mut(&id) {
            user.password_hash = password_hash.into();
        }
        Ok(())
    }

    async fn add_session(&mut self, session: &SessionRecord) -> Result<()> {
        self.change()?.sessions.insert(session.token_sha256, session.clone());
        Ok(())
    }

    async fn session(&mut self, token_sha256: Digest) -> Result<Option<SessionRecord>> {
        Ok(self.state.sessions.get(&token_sha256).cloned())
    }

    async fn remove_session(&mut self, token_sha256: Digest) -> Result<()> {
        self.change()?.sessions.remove(&token_sha256);
        Ok(())
    }

    async fn remove_sessions(&mut self, user: UserId) -> Result<()> {
        self.change()?.sessions.retain(|_, session| session.user != user);
        Ok(())
    }

    async fn add_device(&mut self, device: &DeviceRecord) -> Result<()> {
        let state = self.change()?;
        if state.devices.iter().any(|d| d.device == device.device || d.token_sha256 == device.token_sha256) {
            return Err(CatalogError::Failed("the device or its token is there already".into()));
        }
        state.devices.push(device.clone());
        Ok(())
    }

    async fn device_by_token(&mut self, token_sha256: Digest) -> Result<Option<DeviceRecord>> {
        Ok(self.state.devices.iter().find(|device| device.token_sha256 == token_sha256).cloned())
    }

    async fn device_and_user_by_token(
        &mut self,
        token_sha256: Digest,
    ) -> Result<Option<(DeviceRecord, String)>> {
        let Some(device) = self.device_by_token(token_sha256).await? else { return Ok(None) };
        Ok(self.user(device.user).await?.map(|user| (device, user.name)))
    }

    async fn device(&mut self, id: &DeviceId) -> Result<Option<DeviceRecord>> {
        Ok(self.state.devices.iter().find(|device| device.device == *id).cloned())
    }

    async fn devices(&mut self, user: UserId) -> Result<Vec<DeviceRecord>> {
        let devices = self.state.devices.iter().filter(|device| device.user == user && !device.revoked);
        Ok(devices.cloned().collect())
    }

    async fn put_device(&mut self, new: &DeviceRecord) -> Result<()> {
        let state = self.change()?;
        if let Some(device) = state.devices.iter_mut().find(|device| device.device == new.device) {
            device.name = new.name.clone();
            device.profile = new.profile.clone();
            device.client = new.client.clone();
            device.last_seen_unix_s = new.last_seen_unix_s;
            device.revoked = new.revoked;
            device.report = new.report.clone();
        }
        Ok(())
    }

    async fn put_seen(&mut self, seen: &[(DeviceId, i64)]) -> Result<()> {
        for device in &mut self.change()?.devices {
            if let Some((_, at_unix_s)) = seen.iter().find(|(id, _)| *id == device.device) {
                device.last_seen_unix_s = Some(*at_unix_s);
            }
        }
        Ok(())
    }

    async fn put_pairing(&mut self, new: &Pairing) -> Result<()> {
        let state = self.change()?;
        match state.pairings.iter_mut().find(|pairing| pairing.code == new.code) {
            Some(pairing) => *pairing = new.clone(),
            None => state.pairings.push(new.clone()),
        }
        Ok(())
    }

    async fn pairing(&mut self, code: &UserCode) -> Result<Option<Pairing>> {
        Ok(self.state.pairings.iter().find(|pairing| pairing.code == *code).cloned())
    }

    async fn pairing_by_token(&mut self, token_sha256: Digest) -> Result<Option<Pairing>> {
        let mut latest_first = self.state.pairings.iter().rev();
        Ok(latest_first.find(|pairing| pairing.token_sha256 == Some(token_sha256)).cloned())
    }

    async fn open_pairings(&mut self, now_unix_s: i64) -> Result<u64> {
        let is_open = |pairing: &&Pairing| {
            matches!(pairing.state, PairingState::Waiting | PairingState::Offered)
                && pairing.expires_unix_s > now_unix_s
        };
        Ok(self.state.pairings.iter().filter(is_open).count() as u64)
    }

    async fn forget_expired(
        &mut self,
        sessions_before_unix_s: i64,
        pairings_before_unix_s: i64,
    ) -> Result<()> {
        let state = self.change()?;
        state.sessions.retain(|_, session| session.expires_unix_s >= sessions_before_unix_s);
        state.pairings.retain(|pairing| pairing.expires_unix_s >= pairings_before_unix_s);
        Ok(())
    }
}
