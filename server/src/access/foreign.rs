//! Accounts and pairing as RetroSync's own clients know them: an e-mail in place of a name, codes of six characters, and a
//! key that the server draws. Such a device is one like any other: its key `K` is our token `rst_K`.
//!
//! The key is kept in the clear only from the moment the device is let in until two minutes after it was first told;
//! afterwards only its SHA-256. A code opens one account for one device, once. Wrong codes are counted like all others.

use retrosync_protocol::{Code, DeviceId, Digest, Token, WriterId};
use serde::{Deserialize, Serialize};

use super::accounts::{answers_to, log, turns_a_line};
use super::pairing::refuse_over_quota;
use super::{Access, Address, Session, add_session, random, session_of};
use crate::catalog::{self, DeviceRecord, Tx, User, UserId};
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

/// How long a code lives after it was made, polled or linked.
const CODE_S: i64 = 15 * 60;
/// How long the key may be asked for again.
const KEY_S: i64 = 120;
/// A device that was switched off finds its code again for so long.
const FORGET_S: i64 = 30 * 24 * 3600;
/// The most codes at once, of all users.
const MOST: usize = 1000;
/// The most that one user has offered at once.
const MOST_OF_ONE: usize = 10;
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// The program of a device that speaks S3, with keys of its own.
pub(crate) const FIRST_GENERATION: &str = "retrosync-1";

/// Where codes are kept.
const OWNER: &str = "pairing";
const KIND: &str = "code";

/// A code and what hangs on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pairing {
    code: String,
    /// Who said yes, or made it.
    user: Option<i64>,
    /// Made on the dashboard: whoever knows it is in.
    offered: bool,
    /// The six digits that a device chose for itself.
    identifier: Option<String>,
    device_type: String,
    expires_unix_s: i64,
    device: Option<DeviceId>,
    /// The key, while it may be asked for.
    key: Option<String>,
    told_unix_s: Option<i64>,
}

/// A code to show.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) code: String,
    pub(crate) expires_unix_s: i64,
}

/// A device that was let in.
#[derive(Clone, Debug)]
pub(crate) struct LetIn {
    pub(crate) user: UserId,
    pub(crate) device: DeviceRecord,
    pub(crate) key: String,
    /// It was told before.
    pub(crate) again: bool,
}

/// How a device that shows or brings a code is known to pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By<'a> {
    /// The code itself.
    Code(&'a str),
    /// The six digits that it chose.
    Identifier(&'a str),
}

impl By<'_> {
    /// What is guessed by it: a code is none of the digits that a device chose.
    fn guess(self) -> String {
        format!("{self:?}")
    }
}

/// What a device brings along.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newcomer<'a> {
    /// Its name; one is drawn if it has none.
    pub(crate) name: Option<&'a str>,
    /// What kind of device it says it is.
    pub(crate) device_type: Option<&'a str>,
    /// Its program; the second generation's if it does not say.
    pub(crate) client: Option<&'static str>,
}

impl Access {
    /// Is this the user's password? Counts wrong tries, an address and in all.
    pub(crate) async fn verify(
        &self,
        name: &str,
        password: &str,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<User> {
        self.login_tries.count(from, now_unix_s)?;
        let user = self.by_name_or_email(name.trim()).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = self.passwords.verify(password, hash).await?;
        let user = user.filter(|_| right);
        let user = user.ok_or_else(|| Refusal::new(Code::Unauthorized, "Invalid email or password"))?;
        self.login_tries.forgive(from, now_unix_s);
        Ok(user)
    }

    /// The user of this name, or the only one of this e-mail.
    async fn by_name_or_email(&self, name: &str) -> Answer<Option<User>> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        if let Some(user) = tx.user_by_name(name).await? {
            return Ok(Some(user));
        }
        let mut users = tx.users().await?;
        users.retain(|user| answers_to(user, name));
        Ok(if users.len() == 1 { users.pop() } else { None })
    }

    /// Opens a session whose secret the caller drew: any text that nobody can guess. `user` is as it was when its password was
    /// right.
    pub(crate) async fn open_session(
        &self,
        user: User,
        secret: &str,
        expires_unix_s: i64,
    ) -> Answer<Session> {
        let token_sha256 = Digest::of(secret.as_bytes());
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        add_session(tx.as_mut(), &user, token_sha256, expires_unix_s).await?;
        tx.commit().await?;
        Ok(session_of(user, expires_unix_s))
    }

    /// The devices of a user as the catalog has them.
    pub(crate) async fn device_records(&self, user: UserId) -> Answer<Vec<DeviceRecord>> {
        Ok(self.catalog.begin(catalog::Access::Read).await?.devices(user).await?)
    }

    /// A device that is not revoked, by its id: for who has proved to be it in another way than by its key.
    pub(crate) async fn device_itself(&self, id: &DeviceId) -> Answer<Option<(Asker, DeviceRecord)>> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let Some(record) = tx.device(id).await?.filter(|record| !record.revoked) else { return Ok(None) };
        let Some(user) = tx.user(record.user).await? else { return Ok(None) };
        let asker = Asker {
            user: user.id,
            user_name: user.name,
            device: Some(record.device.clone()),
            device_name: record.name.clone(),
            writer: record.writer.clone(),
        };
        Ok(Some((asker, record)))
    }

    /// A code for a device to show.
    pub(crate) async fn show_code(&self, device_type: &str, from: Address, now_unix_s: i64) -> Answer<Shown> {
        self.pairing_starts.count(from, now_unix_s)?;
        let tx = self.catalog.begin(catalog::Access::Write).await?;
        let code = String::from_utf8_lossy(&random::<6>()?.map(|byte| ALPHABET[usize::from(byte & 31)]))
            .into_owned();
        let pairing = Pairing { device_type: device_type.into(), ..fresh(code, now_unix_s) };
        keep_new(tx, pairing, now_unix_s).await
    }

    /// A code of six digits that lets one device into this account; with `identifier`, the device that chose it.
    pub(crate) async fn offer_code(
        &self,
        user: UserId,
        identifier: Option<&str>,
        now_unix_s: i64,
    ) -> Answer<Shown> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        if let Some(identifier) = identifier {
            let pending = open(tx.as_mut(), By::Identifier(identifier), now_unix_s).await?;
            if let Some(pending) = pending.filter(|pending| pending.user == Some(user.0)) {
                tx.commit().await?;
                return Ok(Shown { code: pending.code, expires_unix_s: pending.expires_unix_s });
            }
        }
        end_oldest(tx.as_mut(), user, now_unix_s).await?;
        let number = u32::from_le_bytes(random()?) % 900_000 + 100_000;
        let identifier = identifier.map(str::to_owned);
        let pairing = Pairing {
            user: Some(user.0),
            offered: true,
            identifier,
            ..fresh(number.to_string(), now_unix_s)
        };
        keep_new(tx, pairing, now_unix_s).await
    }

    /// What kind of device shows this code, for the page that asks yes or no. Counts wrong tries.
    ///
    /// # Errors
    /// `code_unknown`, `slow_down`.
    pub(crate) async fn who_shows(&self, code: &str, from: Address, now_unix_s: i64) -> Answer<String> {
        self.code_tries.count(from, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let shown = find(tx.as_mut(), By::Code(code)).await?;
        let shown = shown.filter(|pairing| !pairing.offered && pairing.device.is_none());
        let shown = shown.ok_or_else(|| Refusal::new(Code::CodeUnknown, "Invalid code"))?;
        self.code_tries.forgive(from, now_unix_s);
        Ok(shown.device_type)
    }

    /// The user types the code that a device shows.
    ///
    /// # Errors
    /// `code_unknown`, `expired_token`, `malformed` (used already, or linked to another account), `slow_down`.
    pub(crate) async fn link_code(
        &self,
        user: UserId,
        code: &str,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<Shown> {
        self.code_tries.count(from, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let found = find(tx.as_mut(), By::Code(code)).await?.filter(|pairing| pairing.identifier.is_none());
        let mut pairing = found.ok_or_else(|| Refusal::new(Code::CodeUnknown, "Invalid code"))?;
        if pairing.user.is_some_and(|linked| linked != user.0) {
            return Err(Refusal::new(Code::Malformed, "Code is already linked to another account"));
        }
        if pairing.device.is_some() {
            return Err(Refusal::new(Code::Malformed, "Code has already been used"));
        }
        if pairing.expires_unix_s <= now_unix_s {
            let text = "Code has expired. Please get a new code from your device.";
            return Err(Refusal::new(Code::ExpiredToken, text));
        }
        pairing.user = Some(user.0);
        pairing.expires_unix_s = now_unix_s + CODE_S;
        keep(tx.as_mut(), &pairing).await?;
        tx.commit().await?;
        self.code_tries.forgive(from, now_unix_s);
        Ok(Shown { code: pairing.code, expires_unix_s: pairing.expires_unix_s })
    }

    /// Is a code pending for the device that chose this identifier? Says no more than that.
    pub(crate) async fn is_expected(&self, identifier: &str, from: Address, now_unix_s: i64) -> Answer<bool> {
        let guess = By::Identifier(identifier).guess();
        let counted = self.code_tries.count_guess(from, &guess, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let expected = open(tx.as_mut(), By::Identifier(identifier), now_unix_s).await?.is_some();
        if expected {
            self.code_tries.forgive_guess(from, &guess, counted, now_unix_s);
        }
        Ok(expected)
    }

    /// A device asks whether it is in. `None`: not yet. The first answer lets it in and draws its key; the same is answered
    /// for two minutes more, then never again.
    ///
    /// # Errors
    /// `code_unknown`, `expired_token`, `slow_down`.
    pub(crate) async fn poll_code(
        &self,
        by: By<'_>,
        newcomer: &Newcomer<'_>,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<Option<LetIn>> {
        let guess = by.guess();
        let counted = self.code_tries.count_guess(from, &guess, now_unix_s)?;
        let forgive = || self.code_tries.forgive_guess(from, &guess, counted, now_unix_s);
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let found = find(tx.as_mut(), by).await?;
        let Some(mut pairing) = found else {
            return match by {
                // Who waits for its identifier to be typed has made no mistake yet, but a guesser asks the same: both are counted.
                By::Identifier(_) => Ok(None),
                By::Code(_) => Err(Refusal::new(Code::CodeUnknown, "Code not found")),
            };
        };
        let Some(user) = pairing.user.map(UserId) else {
            // Shown by a device that still asks: it lives on, however long that takes.
            // Written once a minute, not at each poll.
            if pairing.expires_unix_s < now_unix_s + CODE_S - 60 {
                pairing.expires_unix_s = now_unix_s + CODE_S;
                keep(tx.as_mut(), &pairing).await?;
                tx.commit().await?;
            }
            forgive();
            return Ok(None);
        };
        if let Some(device) = &pairing.device {
            let device = tx.device(device).await?.filter(|device| !device.revoked);
            let alive = pairing.told_unix_s.is_some_and(|told| (told..told + KEY_S).contains(&now_unix_s));
            let (Some(device), Some(key), true) = (device, pairing.key.clone(), alive) else {
                forget_key(tx, pairing).await?;
                return Err(over());
            };
            tx.commit().await?;
            forgive();
            return Ok(Some(LetIn { user, device, key, again: true }));
        }
        if pairing.expires_unix_s <= now_unix_s {
            return Err(over());
        }
        refuse_over_quota(tx.as_mut(), user).await?;
        let key = Digest::from_bytes(random()?).to_string();
        let device = newcomer_record(user, &pairing, newcomer, &key, now_unix_s)?;
        tx.add_device(&device).await?;
        let text = format!("{} {}", device.profile, device.client);
        log(tx.as_mut(), user, &device.name, "paired", text, now_unix_s).await?;
        pairing.device = Some(device.device.clone());
        pairing.key = Some(key.clone());
        pairing.told_unix_s = Some(now_unix_s);
        keep(tx.as_mut(), &pairing).await?;
        tx.commit().await?;
        forgive();
        Ok(Some(LetIn { user, device, key, again: false }))
    }

    /// Forgets keys that were told and codes that are long over. Call it now and then.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn sweep_codes(&self, now_unix_s: i64) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        forget_over(tx.as_mut(), now_unix_s).await?;
        Ok(tx.commit().await?)
    }
}

fn over() -> Refusal {
    Refusal::new(Code::ExpiredToken, "Code has expired")
}

fn fresh(code: String, now_unix_s: i64) -> Pairing {
    Pairing {
        code,
        user: None,
        offered: false,
        identifier: None,
        device_type: "other".into(),
        expires_unix_s: now_unix_s + CODE_S,
        device: None,
        key: None,
        told_unix_s: None,
    }
}

fn parsed(text: &str) -> Answer<Pairing> {
    serde_json::from_str(text).map_err(|why| Refusal::internal("reading a pairing code", why))
}

async fn keep(tx: &mut dyn Tx, pairing: &Pairing) -> Answer<()> {
    let text =
        serde_json::to_string(pairing).map_err(|why| Refusal::internal("keeping a pairing code", why))?;
    Ok(tx.put_memo(OWNER, KIND, &pairing.code, &text).await?)
}

async fn keep_new(mut tx: Box<dyn Tx>, pairing: Pairing, now_unix_s: i64) -> Answer<Shown> {
    let open = forget_over(tx.as_mut(), now_unix_s).await?;
    let taken = tx.memo(OWNER, KIND, &pairing.code).await?.is_some();
    if open >= MOST || taken {
        return Err(
            Refusal::new(Code::SlowDown, "Too many codes are open; try again later").retry_after_s(60)
        );
    }
    keep(tx.as_mut(), &pairing).await?;
    tx.commit().await?;
    Ok(Shown { code: pairing.code, expires_unix_s: pairing.expires_unix_s })
}

/// Forgets what is over; answers how many codes are left.
async fn forget_over(tx: &mut dyn Tx, now_unix_s: i64) -> Answer<usize> {
    let mut open = 0;
    for (name, text) in tx.memos(OWNER, KIND).await? {
        let mut pairing = parsed(&text)?;
        let lives_s = if pairing.user.is_some() { KEY_S } else { FORGET_S };
        if pairing.expires_unix_s + lives_s <= now_unix_s {
            tx.remove_memo(OWNER, KIND, &name).await?;
            continue;
        }
        open += usize::from(pairing.expires_unix_s > now_unix_s);
        if pairing.key.is_some() && pairing.told_unix_s.is_some_and(|told| told + KEY_S <= now_unix_s) {
            pairing.key = None;
            keep(tx, &pairing).await?;
        }
    }
    Ok(open)
}

/// Ends the oldest of a user's own open codes where there are many: nobody fills the table for everybody else.
async fn end_oldest(tx: &mut dyn Tx, user: UserId, now_unix_s: i64) -> Answer<()> {
    let mut own = Vec::new();
    for (name, text) in tx.memos(OWNER, KIND).await? {
        let pairing = parsed(&text)?;
        if pairing.offered && pairing.user == Some(user.0) && pairing.expires_unix_s > now_unix_s {
            own.push((pairing.expires_unix_s, name));
        }
    }
    own.sort();
    for (_, name) in own.iter().take((own.len() + 1).saturating_sub(MOST_OF_ONE)) {
        tx.remove_memo(OWNER, KIND, name).await?;
    }
    Ok(())
}

async fn forget_key(mut tx: Box<dyn Tx>, pairing: Pairing) -> Answer<()> {
    keep(tx.as_mut(), &Pairing { key: None, ..pairing }).await?;
    Ok(tx.commit().await?)
}

async fn find(tx: &mut dyn Tx, by: By<'_>) -> Answer<Option<Pairing>> {
    match by {
        By::Code(code) => {
            let text = tx.memo(OWNER, KIND, &code.trim().to_ascii_uppercase()).await?;
            text.map(|text| parsed(&text)).transpose()
        }
        By::Identifier(identifier) => {
            let mut latest: Option<Pairing> = None;
            for (_, text) in tx.memos(OWNER, KIND).await? {
                let pairing = parsed(&text)?;
                let is_later = latest.as_ref().is_none_or(|l| l.expires_unix_s < pairing.expires_unix_s);
                if pairing.identifier.as_deref() == Some(identifier) && is_later {
                    latest = Some(pairing);
                }
            }
            Ok(latest)
        }
    }
}

async fn open(tx: &mut dyn Tx, by: By<'_>, now_unix_s: i64) -> Answer<Option<Pairing>> {
    let found = find(tx, by).await?;
    Ok(found.filter(|pairing| pairing.device.is_none() && pairing.expires_unix_s > now_unix_s))
}

fn newcomer_record(
    user: UserId,
    pairing: &Pairing,
    newcomer: &Newcomer<'_>,
    key: &str,
    now_unix_s: i64,
) -> Answer<DeviceRecord> {
    let token: Token = format!("rst_{key}").parse().map_err(|_| over())?;
    let named = newcomer.name.map(str::trim).filter(|name| !name.is_empty());
    let fits = |name: &&str| name.len() <= 80 && !name.chars().any(turns_a_line);
    let name = match named.filter(fits) {
        Some(name) => name.to_owned(),
        None => some_name(random()?),
    };
    Ok(DeviceRecord {
        device: DeviceId::from_random(&random()?),
        user,
        name,
        profile: newcomer.device_type.unwrap_or(&pairing.device_type).chars().take(40).collect(),
        client: newcomer.client.unwrap_or("retrosync").into(),
        token_sha256: token.digest(),
        writer: WriterId::from_random(&random()?),
        paired_unix_s: now_unix_s,
        last_seen_unix_s: Some(now_unix_s),
        revoked: false,
        report: String::new(),
    })
}

/// A name for a device that has none.
fn some_name(dice: [u8; 4]) -> String {
    const FIRST: [&str; 16] = [
        "Amber", "Brave", "Calm", "Copper", "Eager", "Fuzzy", "Gentle", "Happy", "Jolly", "Keen", "Lucky",
        "Mellow", "Nimble", "Quiet", "Rusty", "Sunny",
    ];
    const SECOND: [&str; 16] = [
        "Badger", "Beetle", "Comet", "Falcon", "Ferret", "Heron", "Lantern", "Lynx", "Marmot", "Otter",
        "Pebble", "Puffin", "Raven", "Robin", "Turtle", "Walnut",
    ];
    let number = u32::from(u16::from_le_bytes([dice[2], dice[3]])) % 9999 + 1;
    format!("{} {} {number}", FIRST[usize::from(dice[0] & 15)], SECOND[usize::from(dice[1] & 15)])
}
