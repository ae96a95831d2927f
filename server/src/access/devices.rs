//! Devices by their tokens, and what the user can do with them; the account's figures.

use retrosync_protocol::{Account, Code, Device, DeviceId, Devices, Token};

use super::accounts::{log, turns_a_line};
use super::{Access, same, sightings};
use crate::catalog::{self, DeviceRecord, Tx};
use crate::library::operations::Asked;
use crate::library::{Answer, Asker, Operation};
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};

/// A device's last sign of life is written at most this often, and together with others', so that a poll seldom writes.
const SEEN_EVERY_S: i64 = 60;

impl Access {
    /// The device of a bearer token. Notes that it was seen, at most once a minute.
    ///
    /// # Errors
    /// `unauthorized`, `revoked`.
    pub async fn device(&self, token: &Token, now_unix_s: i64) -> Answer<Asker> {
        let token_sha256 = token.digest();
        let mut tx = self.catalog.begin(catalog::Access::Glance).await?;
        // Found by its hash: whoever measures how long this takes learns of hashes, not of tokens.
        let known = tx.device_and_user_by_token(token_sha256).await?;
        drop(tx);
        let known = known.filter(|(device, _)| same(device.token_sha256, token_sha256));
        let (device, user_name) = known.ok_or_else(unknown_token)?;
        if device.revoked {
            return Err(revoked());
        }
        match device.last_seen_unix_s {
            Some(seen) if now_unix_s.abs_diff(seen) < SEEN_EVERY_S.unsigned_abs() => {}
            Some(_) => self.sightings.note(&self.catalog, &device.device, now_unix_s),
            None => self.first_seen(&device, now_unix_s).await,
        }
        Ok(Asker {
            user: device.user,
            user_name,
            device: Some(device.device),
            device_name: device.name,
            writer: device.writer,
        })
    }

    /// Is a device that has waited still let in? It may have been revoked meanwhile.
    ///
    /// # Errors
    /// `unauthorized`, `revoked`.
    pub async fn is_still_in(&self, asker: &Asker) -> Answer<()> {
        let Some(device) = &asker.device else { return Ok(()) };
        let mut tx = self.catalog.begin(catalog::Access::Glance).await?;
        match tx.device(device).await? {
            Some(device) if device.revoked => Err(revoked()),
            Some(_) => Ok(()),
            None => Err(unknown_token()),
        }
    }

    /// Noted at once: somebody looks at the dashboard to see whether the pairing worked.
    async fn first_seen(&self, device: &DeviceRecord, now_unix_s: i64) {
        let seen = [(device.device.clone(), now_unix_s)];
        if let Err(why) = sightings::write(self.catalog.as_ref(), seen).await {
            // Nice to know, no reason to refuse: a full disk must not stop downloads.
            log::warn!("could not note that `{}` was seen: {why}", device.name);
        }
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

    /// What each of the user's devices says of itself: its folders and problems, by id.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn reports(&self, asker: &Asker) -> Answer<Vec<(DeviceId, Report)>> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let devices = tx.devices(asker.user).await?;
        Ok(devices.into_iter().map(|device| (device.device, Report::read(&device.report))).collect())
    }

    /// Keeps what the device that asks says of itself; new problems are told to the log.
    ///
    /// # Errors
    /// `unauthorized` from who is no device; `malformed` when it is too long.
    pub async fn report(&self, asker: &Asker, report: &Report, now_unix_s: i64) -> Answer<()> {
        let text = report.write()?;
        let device = asker.device.as_ref().ok_or_else(unknown_token)?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let mut record = device_of(tx.as_mut(), asker, device).await?;
        if record.report == text {
            tx.commit().await?;
            return Ok(());
        }
        let had = Report::read(&record.report);
        for problem in report.problems.iter().filter(|problem| !had.problems.contains(problem)) {
            log(tx.as_mut(), asker.user, &record.name, "problem", problem.clone(), now_unix_s).await?;
        }
        record.report = text;
        tx.put_device(&record).await?;
        tx.commit().await?;
        self.ring();
        Ok(())
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
        if name.is_empty() || name.len() > 80 || name.chars().any(turns_a_line) {
            return Err(Refusal::new(
                Code::Malformed,
                "a device's name has 1 to 80 bytes and no control characters",
            ));
        }
        let asked = Asked::new(asker, operation, "rename", &(device, name))?;
        self.change_device(asker, device, &asked, now_unix_s, |device| {
            let text = format!("was called {}", device.name);
            device.name = name.into();
            ("renamed", text)
        })
        .await
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
        self.change_device(asker, device, &asked, now_unix_s, |device| {
            device.revoked = true;
            ("revoked", String::new())
        })
        .await
    }

    async fn change_device(
        &self,
        asker: &Asker,
        device: &DeviceId,
        asked: &Asked,
        now_unix_s: i64,
        change: impl FnOnce(&mut DeviceRecord) -> (&'static str, String) + Send,
    ) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        if asked.recall::<()>(tx.as_mut()).await?.is_some() {
            tx.commit().await?;
            return Ok(());
        }
        let mut record = device_of(tx.as_mut(), asker, device).await?;
        let (kind, text) = change(&mut record);
        tx.put_device(&record).await?;
        log(tx.as_mut(), asker.user, &record.name, kind, text, now_unix_s).await?;
        asked.keep(tx.as_mut(), &(), now_unix_s).await?;
        tx.commit().await?;
        self.ring();
        Ok(())
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

/// What a device says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which folders it looks into.
    #[serde(default)]
    pub folders: Vec<String>,
    /// What is wrong there, for people.
    #[serde(default)]
    pub problems: Vec<String>,
}

impl Report {
    /// As it was kept; what cannot be read says nothing.
    fn read(text: &str) -> Report {
        serde_json::from_str(text).unwrap_or_default()
    }

    fn write(&self) -> Answer<String> {
        let lines = || self.folders.iter().chain(&self.problems);
        if lines().count() > 200
            || lines().any(|line| line.len() > 1000 || line.chars().any(char::is_control))
        {
            return Err(Refusal::new(
                Code::Malformed,
                "a report has at most 200 lines of 1,000 bytes, without control characters",
            ));
        }
        serde_json::to_string(self).map_err(|why| Refusal::internal("keeping a report", why))
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
