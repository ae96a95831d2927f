//! Pairing (README 3): a device shows a code and the user says yes, or the user makes a code and a device claims it.
//!
//! The device drew its token before; only the token's SHA-256 is ever seen here, so no answer carries a secret and every
//! request may be sent again.

use std::time::Duration;

use retrosync_protocol::{
    ClaimRequest, Code, DeviceId, Digest, Paired, PairingRequest, Token, UserCode, WriterId,
};
use tokio::time::Instant;

use super::accounts::turns_a_line;
use super::{Access, Address, Applicant, Offer, random, same};
use crate::catalog::{self, DeviceRecord, Pairing, PairingState, Tx, UserId};
use crate::library::Answer;
use crate::refusal::Refusal;

/// How long a code lives.
const CODE_S: i64 = 600;
/// The least pause between two polls.
const INTERVAL_S: u64 = 5;
/// The longest wait in a poll.
const MOST_WAIT_S: u64 = 60;
/// The most codes that are open at once, of all users.
const MOST_OPEN: u64 = 1000;
/// How often a waiting poll looks by itself: the owner may approve at the command line, in another process.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Access {
    /// `POST /pairing`: a code for the device to show. The same token gets the same code while it lives.
    ///
    /// # Errors
    /// `malformed`; `slow_down`.
    pub async fn start_pairing(
        &self,
        request: &PairingRequest,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<Offer> {
        fits(request)?;
        self.pairing_starts.count(from, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        refuse_used_token(tx.as_mut(), request.token_sha256).await?;
        let open = tx.pairing_by_token(request.token_sha256).await?;
        let lives = |p: &Pairing| {
            p.state == PairingState::Waiting && p.expires_unix_s > now_unix_s && !self.is_void(p)
        };
        if let Some(open) = open.filter(lives) {
            tx.commit().await?;
            return Ok(offer(open.code, open.expires_unix_s - now_unix_s));
        }
        let pairing = Pairing {
            code: free_code(tx.as_mut(), now_unix_s).await?,
            state: PairingState::Waiting,
            token_sha256: Some(request.token_sha256),
            user: None,
            device_name: request.device_name.clone(),
            profile: request.profile.clone(),
            client: request.client.clone(),
            expires_unix_s: now_unix_s + CODE_S,
        };
        tx.put_pairing(&pairing).await?;
        tx.commit().await?;
        Ok(offer(pairing.code, CODE_S))
    }

    /// `GET /pairing`, without waiting.
    ///
    /// # Errors
    /// `authorization_pending`, `access_denied`, `expired_token`, `revoked`, `unauthorized`.
    pub async fn poll_pairing(&self, token: &Token, now_unix_s: i64) -> Answer<Paired> {
        let token_sha256 = token.digest();
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        if let Some(device) =
            tx.device_by_token(token_sha256).await?.filter(|d| same(d.token_sha256, token_sha256))
        {
            return paired(tx.as_mut(), &device).await;
        }
        let pairing = tx.pairing_by_token(token_sha256).await?;
        Err(match pairing.map(|pairing| (pairing.state, pairing.expires_unix_s > now_unix_s)) {
            None => super::devices::unknown_token(),
            Some((PairingState::Denied, _)) => Refusal::new(Code::AccessDenied, "the pairing was refused"),
            Some((_, false)) => expired(),
            Some((_, true)) => Refusal::new(Code::AuthorizationPending, "the pairing is not approved yet")
                .help("type the code on the dashboard, or scan it"),
        })
    }

    /// `GET /pairing?wait_s=`: waits up to `wait_s` (at most 60) while it is pending. `clock` gives Unix seconds.
    ///
    /// # Errors
    /// As [`Access::poll_pairing`].
    pub async fn wait_for_pairing(
        &self,
        token: &Token,
        wait_s: u64,
        clock: impl Fn() -> i64 + Send + Sync,
    ) -> Answer<Paired> {
        let deadline = Instant::now() + Duration::from_secs(wait_s.min(MOST_WAIT_S));
        // Listen first, look then, so that no answer falls between.
        let mut listener = self.answered.subscribe();
        loop {
            let answer = self.poll_pairing(token, clock()).await;
            let pending = matches!(&answer, Err(why) if why.code() == Code::AuthorizationPending);
            if !pending || Instant::now() >= deadline {
                return answer;
            }
            let next_look = deadline.min(Instant::now() + LOOK_AGAIN);
            // Woken or not: look again.
            let _ = tokio::time::timeout_at(next_look, listener.changed()).await;
        }
    }

    /// Which device shows this code: for the page that asks yes or no. Counts wrong tries.
    ///
    /// # Errors
    /// `code_unknown`, `expired_token`, `slow_down`.
    pub async fn applicant(&self, code: &UserCode, from: Address, now_unix_s: i64) -> Answer<Applicant> {
        self.code_tries.count(from, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let pairing = self.waiting(tx.pairing(code).await?, now_unix_s)?;
        self.code_tries.forgive(from, now_unix_s);
        Ok(Applicant {
            user_code: pairing.code,
            device_name: pairing.device_name,
            profile: pairing.profile,
            client: pairing.client,
            expires_unix_s: pairing.expires_unix_s,
        })
    }

    /// The user says yes: the device is in. Again is harmless.
    ///
    /// # Errors
    /// `code_unknown`, `expired_token`, `slow_down`.
    pub async fn approve(
        &self,
        user: UserId,
        code: &UserCode,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<Paired> {
        self.code_tries.count(from, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let pairing = tx.pairing(code).await?;
        if let Some(done) = used_by(tx.as_mut(), pairing.as_ref(), |device| device.user == user).await? {
            let answer = paired(tx.as_mut(), &done).await?;
            tx.commit().await?;
            self.code_tries.forgive(from, now_unix_s);
            return Ok(answer);
        }
        let mut pairing = self.waiting(pairing, now_unix_s)?;
        let token_sha256 = pairing.token_sha256.ok_or_else(unknown_code)?;
        pairing.user = Some(user);
        let answer = let_in(tx.as_mut(), user, pairing, token_sha256, now_unix_s).await?;
        tx.commit().await?;
        self.code_tries.forgive(from, now_unix_s);
        self.ring();
        Ok(answer)
    }

    /// The user says no.
    ///
    /// # Errors
    /// `code_unknown`, `expired_token`, `slow_down`.
    pub async fn deny(&self, user: UserId, code: &UserCode, from: Address, now_unix_s: i64) -> Answer<()> {
        self.code_tries.count(from, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let pairing = self.waiting(tx.pairing(code).await?, now_unix_s)?;
        tx.put_pairing(&Pairing { state: PairingState::Denied, user: Some(user), ..pairing }).await?;
        tx.commit().await?;
        self.code_tries.forgive(from, now_unix_s);
        self.ring();
        Ok(())
    }

    /// A code for a headless device to claim (10 minutes, one use).
    ///
    /// # Errors
    /// `slow_down` when too many codes are open.
    pub async fn make_code(&self, user: UserId, now_unix_s: i64) -> Answer<Offer> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let pairing = Pairing {
            code: free_code(tx.as_mut(), now_unix_s).await?,
            state: PairingState::Offered,
            token_sha256: None,
            user: Some(user),
            device_name: String::new(),
            profile: String::new(),
            client: String::new(),
            expires_unix_s: now_unix_s + CODE_S,
        };
        tx.put_pairing(&pairing).await?;
        tx.commit().await?;
        Ok(offer(pairing.code, CODE_S))
    }

    /// `POST /pairing/claim`. The same device may send it again.
    ///
    /// # Errors
    /// `code_unknown`, `expired_token`, `slow_down`, `malformed`.
    pub async fn claim(&self, request: &ClaimRequest, from: Address, now_unix_s: i64) -> Answer<Paired> {
        let device = &request.device;
        fits(device)?;
        self.code_tries.count(from, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let pairing = tx.pairing(&request.user_code).await?;
        let same_token = |had: &DeviceRecord| same(had.token_sha256, device.token_sha256);
        if let Some(done) = used_by(tx.as_mut(), pairing.as_ref(), same_token).await? {
            let answer = paired(tx.as_mut(), &done).await?;
            tx.commit().await?;
            self.code_tries.forgive(from, now_unix_s);
            return Ok(answer);
        }
        let pairing = self.in_state(pairing, PairingState::Offered, now_unix_s)?;
        let user = pairing.user.ok_or_else(unknown_code)?;
        refuse_used_token(tx.as_mut(), device.token_sha256).await?;
        let pairing = Pairing {
            token_sha256: Some(device.token_sha256),
            device_name: device.device_name.clone(),
            profile: device.profile.clone(),
            client: device.client.clone(),
            ..pairing
        };
        let answer = let_in(tx.as_mut(), user, pairing, device.token_sha256, now_unix_s).await?;
        tx.commit().await?;
        self.code_tries.forgive(from, now_unix_s);
        Ok(answer)
    }

    /// The pairing, if a device shows its code and nobody has said anything.
    fn waiting(&self, pairing: Option<Pairing>, now_unix_s: i64) -> Answer<Pairing> {
        self.in_state(pairing, PairingState::Waiting, now_unix_s)
    }

    /// The pairing, if its code is there for this use. All others get one answer: no such code.
    fn in_state(&self, pairing: Option<Pairing>, state: PairingState, now_unix_s: i64) -> Answer<Pairing> {
        let pairing = pairing.filter(|pairing| !self.is_void(pairing)).ok_or_else(unknown_code)?;
        if pairing.state != state {
            self.code_misuses.count(&pairing.code);
            return Err(unknown_code());
        }
        if pairing.expires_unix_s <= now_unix_s { Err(expired()) } else { Ok(pairing) }
    }

    fn is_void(&self, pairing: &Pairing) -> bool {
        self.code_misuses.is_void(&pairing.code)
    }

    pub(crate) fn ring(&self) {
        self.answered.send_modify(|rings| *rings = rings.wrapping_add(1));
    }
}

fn fits(request: &PairingRequest) -> Answer<()> {
    let long = |text: &str| text.len() > 80 || text.chars().any(turns_a_line);
    if request.device_name.trim().is_empty() || long(&request.device_name) {
        return Err(Refusal::new(
            Code::Malformed,
            "a device's name has 1 to 80 bytes and no control characters",
        ));
    }
    if long(&request.profile) || long(&request.client) {
        return Err(Refusal::new(Code::Malformed, "profile and client have at most 80 bytes"));
    }
    Ok(())
}

/// A token is of one device for ever.
async fn refuse_used_token(tx: &mut dyn Tx, token_sha256: Digest) -> Answer<()> {
    match tx.device_by_token(token_sha256).await? {
        None => Ok(()),
        Some(_) => Err(Refusal::new(Code::Malformed, "this token is of a device that is paired already")
            .help("draw a new token to pair again")),
    }
}

async fn free_code(tx: &mut dyn Tx, now_unix_s: i64) -> Answer<UserCode> {
    if tx.open_pairings(now_unix_s).await? >= MOST_OPEN {
        return Err(Refusal::new(Code::SlowDown, "too many pairings are open")
            .help("wait a minute")
            .retry_after_s(60));
    }
    loop {
        let code = UserCode::from_random(&random()?);
        if tx.pairing(&code).await?.is_none() {
            return Ok(code);
        }
    }
}

fn offer(user_code: UserCode, left_s: i64) -> Offer {
    Offer { user_code, expires_in_s: left_s.max(0).unsigned_abs(), interval_s: INTERVAL_S }
}

/// The device that a code was used for, if it is the one meant: the same request came again.
async fn used_by(
    tx: &mut dyn Tx,
    pairing: Option<&Pairing>,
    is_meant: impl Fn(&DeviceRecord) -> bool + Send,
) -> Answer<Option<DeviceRecord>> {
    match pairing {
        Some(Pairing { state: PairingState::Used, token_sha256: Some(token), .. }) => {
            Ok(tx.device_by_token(*token).await?.filter(is_meant))
        }
        _ => Ok(None),
    }
}

/// Adds the device and uses the code up.
async fn let_in(
    tx: &mut dyn Tx,
    user: UserId,
    pairing: Pairing,
    token_sha256: Digest,
    now_unix_s: i64,
) -> Answer<Paired> {
    refuse_over_quota(tx, user).await?;
    let device = DeviceRecord {
        device: DeviceId::from_random(&random()?),
        user,
        name: pairing.device_name.trim().into(),
        profile: pairing.profile.clone(),
        client: pairing.client.clone(),
        token_sha256,
        writer: WriterId::from_random(&random()?),
        paired_unix_s: now_unix_s,
        last_seen_unix_s: None,
        revoked: false,
        report: String::new(),
    };
    tx.add_device(&device).await?;
    let text = [device.profile.as_str(), device.client.as_str()].join(" ").trim().to_owned();
    super::accounts::log(tx, user, &device.name, "paired", text, now_unix_s).await?;
    tx.put_pairing(&Pairing { state: PairingState::Used, ..pairing }).await?;
    paired(tx, &device).await
}

/// An account may be bounded to so many devices.
pub(super) async fn refuse_over_quota(tx: &mut dyn Tx, user: UserId) -> Answer<()> {
    let Some(most) = tx.user(user).await?.and_then(|user| user.quota_devices) else { return Ok(()) };
    if tx.figures(user).await?.devices < u64::from(most) {
        return Ok(());
    }
    Err(Refusal::new(Code::QuotaFull, format!("the account's limit of {most} devices is reached"))
        .help("remove a device that you no longer use, or ask the server's owner for more"))
}

async fn paired(tx: &mut dyn Tx, device: &DeviceRecord) -> Answer<Paired> {
    if device.revoked {
        return Err(super::devices::revoked());
    }
    let user = tx.user(device.user).await?.ok_or_else(super::devices::unknown_token)?;
    Ok(Paired {
        device: device.device.clone(),
        device_name: device.name.clone(),
        user: user.name,
        epoch: tx.epoch().await?,
    })
}

fn unknown_code() -> Refusal {
    Refusal::new(Code::CodeUnknown, "there is no such pairing code")
        .help("look at the code again; it works once only")
}

fn expired() -> Refusal {
    Refusal::new(Code::ExpiredToken, "the pairing code is over").help("start pairing again for a new code")
}
