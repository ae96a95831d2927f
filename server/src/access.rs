//! Who may ask what: users, sessions of the dashboard, pairing, tokens, devices.
//!
//! Secrets are never kept: of a token only its SHA-256, of a password only its Argon2id hash. Wrong tries are counted in
//! memory, an address and in all, each of several servers for itself. Takes the time, reads no clock; random numbers come from the system.

mod accounts;
mod admin;
mod devices;
pub(crate) mod foreign;
mod pairing;
mod passwords;
mod sightings;
#[cfg(test)]
mod tests;
mod tries;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use retrosync_protocol::{Code, Digest, UserCode, WriterId};
use tokio::sync::watch;

use crate::catalog::{self, Catalog, SessionRecord, User, UserId};
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;
pub use admin::{Limits, UserFigures, drawn_password};
pub use devices::Report;
use passwords::Passwords;
use sightings::Sightings;
use tries::{Misuses, Tries};

/// How long a session of the dashboard lasts.
const SESSION_S: i64 = 30 * 24 * 3600;

/// How access is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessOptions {
    /// May anybody register, or only the first?
    pub open_registration: bool,
}

/// The address a request came from, for counting wrong tries only.
pub type Address = IpAddr;

/// Who may ask what.
pub struct Access {
    catalog: Arc<dyn Catalog>,
    options: AccessOptions,
    passwords: Passwords,
    /// Rings whenever a pairing is answered.
    answered: watch::Sender<u64>,
    code_tries: Tries,
    code_misuses: Misuses,
    login_tries: Tries,
    pairing_starts: Tries,
    sightings: Sightings,
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

/// Tries that were refused because there were too many: counts that go on.
#[derive(Debug)]
pub struct Refused {
    pairing: [Arc<AtomicU64>; 2],
    login: Arc<AtomicU64>,
}

impl Refused {
    /// Of pairings, of logins.
    pub fn told(&self) -> (u64, u64) {
        let pairing = self.pairing.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        (pairing, self.login.load(Ordering::Relaxed))
    }
}

impl Access {
    /// Access over its parts.
    pub fn new(catalog: Arc<dyn Catalog>, options: AccessOptions) -> Access {
        Access {
            catalog,
            options,
            passwords: Passwords::default(),
            answered: watch::Sender::new(0),
            // README 3: five wrong codes a minute from one address, or 20 in all of its kind.
            code_tries: Tries::new(5, 20),
            code_misuses: Misuses::default(),
            login_tries: Tries::new(10, 100),
            pairing_starts: Tries::new(20, 200),
            sightings: Sightings::default(),
        }
    }

    /// How many tries were refused because there were too many.
    pub fn refused(&self) -> Refused {
        let pairing = [&self.code_tries, &self.pairing_starts].map(Tries::refused);
        Refused { pairing, login: self.login_tries.refused() }
    }

    /// May somebody register now (nobody is there yet, or it is open)?
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn may_register(&self) -> Answer<bool> {
        Ok(self.is_registration_open().await? || self.users().await?.is_empty())
    }

    /// Registers a user; the first becomes admin.
    ///
    /// # Errors
    /// `access_denied` when closed; `malformed` for a bad or taken name or a password under 8 characters; `slow_down` after
    /// too many.
    pub async fn register(
        &self,
        name: &str,
        password: &str,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<UserId> {
        if !self.may_register().await? {
            return Err(closed());
        }
        // Each hash is slow on purpose: who makes accounts by the thousand waits as who guesses passwords.
        self.login_tries.count(from, now_unix_s)?;
        let password_hash = self.checked_hash(name, password).await?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        // Looked at again inside: two could come as the first at once.
        let first = tx.users().await?.is_empty();
        let set = tx.setting(admin::REGISTRATION).await?;
        if !first && !set.map_or(self.options.open_registration, |set| set == "open") {
            return Err(closed());
        }
        let id = add_user(tx.as_mut(), name, password_hash, first, now_unix_s).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Adds a user by right of the machine's owner (`retrosync-server user add`).
    ///
    /// # Errors
    /// `malformed` for a bad or taken name or a password under 8 characters.
    pub async fn add_user(&self, name: &str, password: &str, admin: bool, now_unix_s: i64) -> Answer<UserId> {
        let password_hash = self.checked_hash(name, password).await?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let id = add_user(tx.as_mut(), name, password_hash, admin, now_unix_s).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn users(&self) -> Answer<Vec<User>> {
        Ok(self.catalog.begin(catalog::Access::Read).await?.users().await?)
    }

    /// Another password; ends all sessions.
    ///
    /// # Errors
    /// `malformed` for a password under 8 characters.
    pub async fn set_password(&self, user: UserId, password: &str) -> Answer<()> {
        passwords::fits(password)?;
        let password_hash = self.passwords.hash(password).await?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        tx.set_password(user, &password_hash).await?;
        tx.remove_sessions(user).await?;
        Ok(tx.commit().await?)
    }

    /// Logs in.
    ///
    /// # Errors
    /// `access_denied` for a wrong name or password (the same text for both); `slow_down` after too many.
    pub async fn login(&self, name: &str, password: &str, from: Address, now_unix_s: i64) -> Answer<Login> {
        self.login_tries.count(from, now_unix_s)?;
        let user = self.catalog.begin(catalog::Access::Read).await?.user_by_name(name.trim()).await?;
        // An unknown name costs the same hash as a known one, so that time does not tell them apart.
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = self.passwords.verify(password, hash).await?;
        let Some(user) = user.filter(|_| right) else {
            return Err(Refusal::new(Code::AccessDenied, "the name or the password is wrong"));
        };
        self.login_tries.forgive(from, now_unix_s);
        let cookie = Digest::from_bytes(random()?).to_string();
        let expires_unix_s = now_unix_s + SESSION_S;
        let token_sha256 = Digest::of(cookie.as_bytes());
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        add_session(tx.as_mut(), &user, token_sha256, expires_unix_s).await?;
        accounts::log(tx.as_mut(), user.id, "dashboard", "login", format!("from {from}"), now_unix_s).await?;
        tx.commit().await?;
        Ok(Login { cookie, session: session_of(user, expires_unix_s) })
    }

    /// The session of a cookie.
    ///
    /// # Errors
    /// `unauthorized` when unknown or over.
    pub async fn session(&self, cookie: &str, now_unix_s: i64) -> Answer<Session> {
        let token_sha256 = Digest::of(cookie.as_bytes());
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let known = tx.session(token_sha256).await?;
        let alive = known.filter(|s| same(s.token_sha256, token_sha256) && s.expires_unix_s > now_unix_s);
        let over = || Refusal::new(Code::Unauthorized, "the session is over").help("log in again");
        let session = alive.ok_or_else(over)?;
        let user = tx.user(session.user).await?.ok_or_else(over)?;
        Ok(session_of(user, session.expires_unix_s))
    }

    /// Ends a session. Harmless when there is none.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn logout(&self, cookie: &str) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        tx.remove_session(Digest::of(cookie.as_bytes())).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets what is over: sessions at once, codes after a day (until then they answer `expired_token`). Call it now and then.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn sweep(&self, now_unix_s: i64) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        tx.forget_expired(now_unix_s, now_unix_s - 24 * 3600).await?;
        Ok(tx.commit().await?)
    }

    /// Rings whenever anything here changed that a page may show.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.answered.subscribe()
    }

    async fn checked_hash(&self, name: &str, password: &str) -> Answer<String> {
        accounts::fitting_name(name)?;
        passwords::fits(password)?;
        self.passwords.hash(password).await
    }
}

async fn add_user(
    tx: &mut dyn catalog::Tx,
    name: &str,
    password_hash: String,
    admin: bool,
    now_unix_s: i64,
) -> Answer<UserId> {
    let user = User {
        id: UserId(0),
        name: name.trim().into(),
        password_hash,
        admin,
        writer: WriterId::from_random(&random()?),
        quota_bytes: None,
        quota_devices: None,
        email: None,
        created_unix_s: now_unix_s,
    };
    if tx.users().await?.iter().any(|other| accounts::answers_to(other, &user.name)) {
        return Err(accounts::is_taken(&user.name));
    }
    tx.add_user(&user).await?.ok_or_else(|| accounts::is_taken(&user.name))
}

/// Opens a session for a user whose password was right: of this very record. Between the look at it and now another password
/// may have been set, which ended all sessions; one more must not come after them.
async fn add_session(
    tx: &mut dyn catalog::Tx,
    verified: &User,
    token_sha256: Digest,
    expires_unix_s: i64,
) -> Answer<()> {
    let now = tx.user(verified.id).await?.ok_or_else(accounts::gone)?;
    if now.password_hash != verified.password_hash {
        return Err(Refusal::new(Code::AccessDenied, "the password was just changed").help("log in again"));
    }
    Ok(tx.add_session(&SessionRecord { token_sha256, user: verified.id, expires_unix_s }).await?)
}

fn session_of(user: User, expires_unix_s: i64) -> Session {
    let asker = Asker {
        user: user.id,
        user_name: user.name,
        device: None,
        device_name: "dashboard".into(),
        writer: user.writer,
    };
    Session { asker, admin: user.admin, expires_unix_s }
}

fn closed() -> Refusal {
    Refusal::new(Code::AccessDenied, "registration is closed")
        .help("ask the server's owner for an account: `retrosync-server user add NAME`")
}

/// Random bytes from the system.
fn random<const N: usize>() -> Answer<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|why| Refusal::internal("drawing a random number", why.to_string()))?;
    Ok(bytes)
}

/// Are they the same? Takes as long whatever they are.
fn same(one: Digest, other: Digest) -> bool {
    let differences = one.as_bytes().iter().zip(other.as_bytes()).fold(0, |found, (a, b)| found | (a ^ b));
    std::hint::black_box(differences) == 0
}
