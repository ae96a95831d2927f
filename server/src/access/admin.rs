//! What an admin may do: see the users, bound what they take, let others in by a link or all, put somebody out.
//!
//! Every verb looks at the right itself; a page that forgets to ask changes nothing.

use retrosync_protocol::{Code, Digest, UserCode};

use super::accounts::{by, gone, turns_a_line};
use super::{Access, Address, add_user, random};
use crate::catalog::{self, Figures, Invitation, Tx, User, UserId};
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

/// How long an invitation lives.
const INVITATION_S: i64 = 7 * 24 * 3600;
/// The most invitations that are open at once.
const MOST_INVITATIONS: usize = 200;
/// The setting that lets anybody register.
pub(super) const REGISTRATION: &str = "registration";

/// A user with what they have.
#[derive(Clone, Debug)]
pub struct UserFigures {
    /// The user; never show the hash.
    pub user: User,
    /// What they have.
    pub figures: Figures,
}

/// What bounds a user, as an admin sets it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// The most bytes of distinct content.
    pub quota_bytes: Option<u64>,
    /// The most devices.
    pub quota_devices: Option<u32>,
    /// May do all this too.
    pub admin: bool,
}

impl Access {
    /// All users with what they have.
    ///
    /// # Errors
    /// `access_denied` for who is no admin.
    pub async fn users_with_figures(&self, asker: &Asker) -> Answer<Vec<UserFigures>> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        admin(tx.as_mut(), asker).await?;
        drop(tx);
        self.all_with_figures().await
    }

    /// The same, by right of the machine's owner.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn all_with_figures(&self) -> Answer<Vec<UserFigures>> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let mut all = Vec::new();
        for user in tx.users().await? {
            let figures = tx.figures(user.id).await?;
            all.push(UserFigures { user, figures });
        }
        Ok(all)
    }

    /// Bounds a user.
    ///
    /// # Errors
    /// `access_denied` for who is no admin; `not_found`; `malformed` when nobody would be admin any more.
    pub async fn bound(&self, asker: &Asker, of: UserId, limits: Limits, now_unix_s: i64) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        admin(tx.as_mut(), asker).await?;
        let user = tx.user(of).await?.ok_or_else(no_user)?;
        if user.admin && !limits.admin && !has_other_admin(tx.as_mut(), of).await? {
            return Err(Refusal::new(Code::Malformed, "somebody must be admin"));
        }
        let Limits { quota_bytes, quota_devices, admin } = limits;
        tx.put_user(&User { quota_bytes, quota_devices, admin, ..user }).await?;
        tx.add_event(of, &by(asker, "account", "the limits were changed".into(), now_unix_s)).await?;
        tx.commit().await?;
        self.ring();
        Ok(())
    }

    /// A new password for who forgot theirs; it is answered this once. Their sessions end, their devices stay.
    ///
    /// # Errors
    /// `access_denied` for who is no admin; `not_found`; `malformed` for oneself, whose page asks for the old one.
    pub async fn renew_password(&self, asker: &Asker, of: UserId, now_unix_s: i64) -> Answer<String> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        admin(tx.as_mut(), asker).await?;
        tx.user(of).await?.ok_or_else(no_user)?;
        drop(tx);
        if of == asker.user {
            return Err(Refusal::new(Code::Malformed, "to change your own password, go to your account"));
        }
        let password = drawn_password()?;
        self.set_password(of, &password).await?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let told = by(asker, "password", "an admin made a new one".into(), now_unix_s);
        tx.add_event(of, &told).await?;
        tx.commit().await?;
        self.ring();
        Ok(password)
    }

    /// Puts a user out, with every record of theirs.
    ///
    /// # Errors
    /// `access_denied` for who is no admin; `not_found`; `malformed` for oneself, or without the user's name typed again.
    pub async fn remove_user(&self, asker: &Asker, of: UserId, typed_name: &str) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        admin(tx.as_mut(), asker).await?;
        let user = tx.user(of).await?.ok_or_else(no_user)?;
        if of == asker.user {
            return Err(Refusal::new(Code::Malformed, "to delete your own account, go to its page"));
        }
        if typed_name.trim() != user.name {
            return Err(Refusal::new(Code::Malformed, "the name that you typed is not this user's"));
        }
        tx.remove_user(of).await?;
        tx.commit().await?;
        self.ring();
        Ok(())
    }

    /// May anybody register, by the setting or by how the server was started?
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn is_registration_open(&self) -> Answer<bool> {
        let set = self.catalog.begin(catalog::Access::Read).await?.setting(REGISTRATION).await?;
        Ok(set.map_or(self.options.open_registration, |set| set == "open"))
    }

    /// Opens or closes registration, also for the next start.
    ///
    /// # Errors
    /// `access_denied` for who is no admin.
    pub async fn open_registration(&self, asker: &Asker, open: bool) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        admin(tx.as_mut(), asker).await?;
        tx.put_setting(REGISTRATION, if open { "open" } else { "closed" }).await?;
        Ok(tx.commit().await?)
    }

    /// A code that lets one person make an account; it is shown this once.
    ///
    /// # Errors
    /// `access_denied` for who is no admin; `malformed` for a long note; `slow_down` with too many open.
    pub async fn invite(&self, asker: &Asker, note: &str, limits: Limits, now_unix_s: i64) -> Answer<String> {
        let note = note.trim();
        if note.len() > 80 || note.chars().any(turns_a_line) {
            return Err(Refusal::new(
                Code::Malformed,
                "a note has at most 80 bytes and no control characters",
            ));
        }
        let code = drawn_password()?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        admin(tx.as_mut(), asker).await?;
        if tx.invitations().await?.len() >= MOST_INVITATIONS {
            return Err(Refusal::new(Code::SlowDown, "too many invitations are open")
                .help("withdraw some, or wait until they end"));
        }
        let invitation = Invitation {
            code_sha256: hash_of(&code),
            note: note.into(),
            quota_bytes: limits.quota_bytes,
            quota_devices: limits.quota_devices,
            expires_unix_s: now_unix_s + INVITATION_S,
        };
        tx.add_invitation(&invitation).await?;
        tx.commit().await?;
        Ok(code)
    }

    /// The invitations that are open.
    ///
    /// # Errors
    /// `access_denied` for who is no admin.
    pub async fn invitations(&self, asker: &Asker, now_unix_s: i64) -> Answer<Vec<Invitation>> {
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        admin(tx.as_mut(), asker).await?;
        let mut all = tx.invitations().await?;
        all.retain(|invitation| invitation.expires_unix_s > now_unix_s);
        Ok(all)
    }

    /// Takes an invitation back. Harmless when it was used.
    ///
    /// # Errors
    /// `access_denied` for who is no admin.
    pub async fn withdraw(&self, asker: &Asker, code_sha256: Digest) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        admin(tx.as_mut(), asker).await?;
        tx.take_invitation(code_sha256).await?;
        Ok(tx.commit().await?)
    }

    /// Is it the code of an open invitation? Wrong ones count as wrong pairing codes do.
    ///
    /// # Errors
    /// `slow_down` after too many.
    pub async fn is_invited(&self, code: &str, from: Address, now_unix_s: i64) -> Answer<bool> {
        self.code_tries.count(from, now_unix_s)?;
        let mut tx = self.catalog.begin(catalog::Access::Read).await?;
        let all = tx.invitations().await?;
        let hash = hash_of(code);
        let open = all.iter().any(|one| one.code_sha256 == hash && one.expires_unix_s > now_unix_s);
        if open {
            self.code_tries.forgive(from, now_unix_s);
        }
        Ok(open)
    }

    /// Makes the account of an invitation, and uses it up.
    ///
    /// # Errors
    /// `access_denied` when the invitation is not there; `malformed` for a bad or taken name or a password under 8
    /// characters (the invitation stays); `slow_down`.
    pub async fn register_invited(
        &self,
        code: &str,
        name: &str,
        password: &str,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<UserId> {
        if !self.is_invited(code, from, now_unix_s).await? {
            return Err(not_invited());
        }
        self.login_tries.count(from, now_unix_s)?;
        let password_hash = self.checked_hash(name, password).await?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let invitation = tx.take_invitation(hash_of(code)).await?.ok_or_else(not_invited)?;
        let id = add_user(tx.as_mut(), name, password_hash, false, now_unix_s).await?;
        let user = tx.user(id).await?.ok_or_else(gone)?;
        let Invitation { quota_bytes, quota_devices, .. } = invitation;
        tx.put_user(&User { quota_bytes, quota_devices, ..user }).await?;
        tx.commit().await?;
        self.ring();
        Ok(id)
    }
}

async fn admin(tx: &mut dyn Tx, asker: &Asker) -> Answer<()> {
    match tx.user(asker.user).await? {
        Some(user) if user.admin && asker.device.is_none() => Ok(()),
        _ => Err(Refusal::new(Code::AccessDenied, "this page is for the server's admin")),
    }
}

async fn has_other_admin(tx: &mut dyn Tx, than: UserId) -> Answer<bool> {
    Ok(tx.users().await?.iter().any(|user| user.admin && user.id != than))
}

/// A secret that a person can type: two codes of 40 bits each, in letters that are not mistaken for one another.
///
/// # Errors
/// When the system gives no random numbers.
pub fn drawn_password() -> Answer<String> {
    Ok(format!("{}-{}", UserCode::from_random(&random()?), UserCode::from_random(&random()?)))
}

fn hash_of(code: &str) -> Digest {
    Digest::of(code.trim().to_uppercase().as_bytes())
}

fn no_user() -> Refusal {
    Refusal::new(Code::NotFound, "there is no such user")
}

fn not_invited() -> Refusal {
    Refusal::new(Code::AccessDenied, "this invitation was used, withdrawn, or is over")
        .help("ask the server's owner for another link")
}
