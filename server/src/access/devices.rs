//! Devices by their tokens, and what the user can do with them; the account's figures.

use retrosync_protocol::{Account, Code, Device, DeviceId, Devices, Token};

use super::{Access, same};
use crate::catalog::{self, DeviceRecord, Tx};
use crate::library::operations::Asked;
use crate::library::{Answer, Asker, Operation};
use crate::refusal::Refusal;

/// A device's last sign of life is written at most this often, so that a poll seldom writes.
const SEEN_EVERY_S: i64 = 60;

impl Access {
    /// The device of a bearer token. Notes that it was seen, at most once a minute.
    ///
    /// # Errors
    /// `unauthorized`, `revoked`.
    pub async fn device(&self, token: &Token, now_unix_s: i64) -> Answer<Asker> {
        let token_sha256 = token.digest();
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        // Found by its hash: whoever measures how long this takes learns of hashes, not of tokens.
        let device = tx.device_by_token(token_sha256).await?.filter(|d| same(d.token_sha256, token_sha256));
        let device = device.ok_or_else(unknown_token)?;
        if device.revoked {
            return Err(revoked());
        }
        let user = tx.user(device.user).await?.ok_or_else(unknown_token)?;
        drop(tx);
        let since_seen_s = device.last_seen_unix_s.map(|seen| now_unix_s.abs_diff(seen));
        if since_seen_s.is_none_or(|since| since >= SEEN_EVERY_S.unsigned_abs())
            && let Err(why) = self.note_seen(&device.device, now_unix_s).await
        {
            // Nice to know, no reason to refuse: a full disk must not stop downloads.
            log::warn!("could not note that `{}` was seen: {why}", device.name);
        }
        Ok(Asker {
            user: user.id,
            user_name: user.name,
            device: Some(device.device),
            device_name: device.name,
            writer: device.writer,
        })
    }

    async fn note_seen(&self, device: &DeviceId, now_unix_s: i64) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        // Read again as the only writer, so that a rename or a revocation meanwhile is not undone.
        if let Some(mut device) = tx.device(device).await? {
            device.last_seen_unix_s = Some(now_unix_s);
            tx.put_device(&device).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The user's devices that are not revoked, in the order of pairing.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn devices(&self, asker: &Asker) -> Answer<Devices> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let shown = |device: DeviceRecord| Device {
            this_device: asker.device.as_ref() == Some(&device.device),
            device: device.device,
            name: device.name,
            profile: device.profile,
            client: device.client,
            paired_unix_s: device.paired_unix_s,
            last_seen_unix_s: device.last_seen_unix_s,
        };
        Ok(Devices { devices: tx.devices(asker.user).await?.into_iter().map(shown).collect() })
    }

    /// Renames a device of the user.
    ///
    /// # Errors
    /// `not_found`, `malformed` (1 to 80 bytes), `operation_reused`.
    pub async fn rename_device(
        &self,
        asker: &Asker,
        device: &DeviceId,
        name: &str,
        operation: Operation,
        now_unix_s: i64,
    ) -> Answer<()> {
        let name = name.trim();
        if name.is_empty() || name.len() > 80 || name.chars().any(char::is_control) {
            return Err(Refusal::new(
                Code::Malformed,
                "a device's name has 1 to 80 bytes and no control characters",
            ));
        }
        let asked = Asked::new(asker, operation, "rename", &(device, name))?;
        self.change_device(asker, device, &asked, now_unix_s, |device| device.name = name.into()).await
    }

    /// Revokes a device of the user; its versions stay. Again is harmless.
    ///
    /// # Errors
    /// `not_found`, `operation_reused`.
    pub async fn revoke_device(
        &self,
        asker: &Asker,
        device: &DeviceId,
        operation: Operation,
        now_unix_s: i64,
    ) -> Answer<()> {
        let asked = Asked::new(asker, operation, "revoke", device)?;
        self.change_device(asker, device, &asked, now_unix_s, |device| device.revoked = true).await
    }

    async fn change_device(
        &self,
        asker: &Asker,
        device: &DeviceId,
        asked: &Asked,
        now_unix_s: i64,
        change: impl FnOnce(&mut DeviceRecord) + Send,
    ) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        if asked.recall::<()>(tx.as_mut()).await?.is_some() {
            return Ok(());
        }
        let mut record = device_of(tx.as_mut(), asker, device).await?;
        change(&mut record);
        tx.put_device(&record).await?;
        asked.keep(tx.as_mut(), &(), now_unix_s).await?;
        Ok(tx.commit().await?)
    }

    /// What the user has.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn account(&self, asker: &Asker) -> Answer<Account> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let figures = tx.figures(asker.user).await?;
        let user = tx.user(asker.user).await?.ok_or_else(unknown_token)?;
        Ok(Account {
            user: user.name,
            saves: figures.saves,
            versions: figures.versions,
            size_bytes: figures.size_bytes,
            quota_bytes: user.quota_bytes,
            devices: figures.devices,
        })
    }
}

/// A device of this user; another's is as good as none.
async fn device_of(tx: &mut dyn Tx, asker: &Asker, device: &DeviceId) -> Answer<DeviceRecord> {
    let known = tx.device(device).await?.filter(|known| known.user == asker.user);
    known.ok_or_else(|| Refusal::new(Code::NotFound, format!("you have no device `{device}`")))
}

pub(super) fn unknown_token() -> Refusal {
    Refusal::new(Code::Unauthorized, "the server does not know this token").help("pair this device again")
}

pub(super) fn revoked() -> Refusal {
    Refusal::new(Code::Revoked, "this device was revoked").help("pair it again to let it in")
}
