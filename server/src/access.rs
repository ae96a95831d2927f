//! Who may ask what: users, sessions of the dashboard, pairing, tokens, devices.
//!
//! Secrets are never kept: of a token only its SHA-256, of a password only its Argon2id hash. Wrong tries are counted in
//! memory, an address and in all. Takes the time, reads no clock; random numbers come from the system.

use std::sync::Arc;

use retrosync_protocol::{Account, ClaimRequest, DeviceId, Devices, Paired, PairingRequest, Token, UserCode};

use crate::catalog::{Catalog, User, UserId};
use crate::library::{Answer, Asker, Operation};
use crate::notice::Notice;
use crate::refusal::Refusal;

/// How access is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessOptions {
    /// May anybody register, or only the first?
    pub open_registration: bool,
}

/// The address a request came from, for counting wrong tries only.
pub type Address = std::net::IpAddr;

/// Who may ask what.
pub struct Access {
    #[allow(dead_code)]
    catalog: Arc<dyn Catalog>,
    #[allow(dead_code)]
    notice: Arc<Notice>,
    #[allow(dead_code)]
    options: AccessOptions,
}

/// A dashboard session, once its cookie was checked.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who asks.
    pub asker: Asker,
    /// May manage users.
    pub admin: bool,
    /// When it ends.
    pub expires_unix_s: i64,
}

/// A fresh session: the cookie's value is given once and not kept.
#[derive(Debug)]
pub struct Login {
    /// The cookie's value: 64 hex digits. Never log it.
    pub cookie: String,
    /// What it opens.
    pub session: Session,
}

/// A code for a device to show; the API adds the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The code.
    pub user_code: UserCode,
    /// How long it lives.
    pub expires_in_s: u64,
    /// The least pause between two polls.
    pub interval_s: u64,
}

/// A device that waits for a yes: what the approval page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// The code it shows.
    pub user_code: UserCode,
    /// What it calls itself.
    pub device_name: String,
    /// Its device profile.
    pub profile: String,
    /// Its program.
    pub client: String,
    /// When the code ends.
    pub expires_unix_s: i64,
}

impl Access {
    /// Access over its parts.
    pub fn new(catalog: Arc<dyn Catalog>, notice: Arc<Notice>, options: AccessOptions) -> Access {
        Access { catalog, notice, options }
    }

    /// May somebody register now (nobody is there yet, or it is open)?
    pub async fn may_register(&self) -> Answer<bool> {
        Err(unfinished())
    }

    /// Registers a user; the first becomes admin. `access_denied` when closed, `malformed` for a bad or taken name or a password under 8 characters.
    pub async fn register(&self, _name: &str, _password: &str, _now_unix_s: i64) -> Answer<UserId> {
        Err(unfinished())
    }

    /// Adds a user by right of the machine's owner (`retrosync-server user add`).
    pub async fn add_user(
        &self,
        _name: &str,
        _password: &str,
        _admin: bool,
        _now_unix_s: i64,
    ) -> Answer<UserId> {
        Err(unfinished())
    }

    /// All users, by name.
    pub async fn users(&self) -> Answer<Vec<User>> {
        Err(unfinished())
    }

    /// Another password; ends all sessions.
    pub async fn set_password(&self, _user: UserId, _password: &str) -> Answer<()> {
        Err(unfinished())
    }

    /// Logs in. `access_denied` for a wrong name or password (the same text for both), `slow_down` after too many.
    pub async fn login(
        &self,
        _name: &str,
        _password: &str,
        _from: Address,
        _now_unix_s: i64,
    ) -> Answer<Login> {
        Err(unfinished())
    }

    /// The session of a cookie; `unauthorized` when unknown or over.
    pub async fn session(&self, _cookie: &str, _now_unix_s: i64) -> Answer<Session> {
        Err(unfinished())
    }

    /// Ends a session. Harmless when there is none.
    pub async fn logout(&self, _cookie: &str) -> Answer<()> {
        Err(unfinished())
    }

    /// `POST /pairing`.
    pub async fn start_pairing(
        &self,
        _request: &PairingRequest,
        _from: Address,
        _now_unix_s: i64,
    ) -> Answer<Offer> {
        Err(unfinished())
    }

    /// `GET /pairing`, without waiting: `authorization_pending`, `access_denied`, `expired_token`, `unauthorized`.
    pub async fn poll_pairing(&self, _token: &Token, _now_unix_s: i64) -> Answer<Paired> {
        Err(unfinished())
    }

    /// `GET /pairing?wait_s=`: waits up to `wait_s` (at most 60) while it is pending.
    pub async fn wait_for_pairing(
        &self,
        token: &Token,
        _wait_s: u64,
        clock: impl Fn() -> i64 + Send + Sync,
    ) -> Answer<Paired> {
        self.poll_pairing(token, clock()).await
    }

    /// Which device shows this code: for the page that asks yes or no. Counts wrong tries.
    pub async fn applicant(&self, _code: &UserCode, _from: Address, _now_unix_s: i64) -> Answer<Applicant> {
        Err(unfinished())
    }

    /// The user says yes: the device is in.
    pub async fn approve(
        &self,
        _user: UserId,
        _code: &UserCode,
        _from: Address,
        _now_unix_s: i64,
    ) -> Answer<Paired> {
        Err(unfinished())
    }

    /// The user says no.
    pub async fn deny(
        &self,
        _user: UserId,
        _code: &UserCode,
        _from: Address,
        _now_unix_s: i64,
    ) -> Answer<()> {
        Err(unfinished())
    }

    /// A code for a headless device to claim (10 minutes).
    pub async fn make_code(&self, _user: UserId, _now_unix_s: i64) -> Answer<Offer> {
        Err(unfinished())
    }

    /// `POST /pairing/claim`.
    pub async fn claim(&self, _request: &ClaimRequest, _from: Address, _now_unix_s: i64) -> Answer<Paired> {
        Err(unfinished())
    }

    /// The device of a bearer token: `unauthorized` or `revoked`. Notes that it was seen, at most once a minute.
    pub async fn device(&self, _token: &Token, _now_unix_s: i64) -> Answer<Asker> {
        Err(unfinished())
    }

    /// The user's devices.
    pub async fn devices(&self, _asker: &Asker) -> Answer<Devices> {
        Err(unfinished())
    }

    /// Renames a device of the user: `not_found`, `malformed` (1 to 80 bytes), `operation_reused`.
    pub async fn rename_device(
        &self,
        _asker: &Asker,
        _device: &DeviceId,
        _name: &str,
        _operation: Operation,
        _now_unix_s: i64,
    ) -> Answer<()> {
        Err(unfinished())
    }

    /// Revokes a device of the user; its versions stay. Again is harmless.
    pub async fn revoke_device(
        &self,
        _asker: &Asker,
        _device: &DeviceId,
        _operation: Operation,
        _now_unix_s: i64,
    ) -> Answer<()> {
        Err(unfinished())
    }

    /// What the user has.
    pub async fn account(&self, _asker: &Asker) -> Answer<Account> {
        Err(unfinished())
    }

    /// Forgets what is over: sessions, codes. Call it now and then.
    pub async fn sweep(&self, _now_unix_s: i64) -> Answer<()> {
        Err(unfinished())
    }
}

fn unfinished() -> Refusal {
    Refusal::new(retrosync_protocol::Code::Unavailable, "not built yet")
}
