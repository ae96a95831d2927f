//! A user's own account: name, e-mail, password, the end of it; and what the log is told.

use retrosync_protocol::Code;

use super::{Access, Address, passwords};
use crate::catalog::{self, Event, Tx, User, UserId};
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

const MOST_EMAIL_BYTES: usize = 254;

impl Access {
    /// The user who asks, as kept.
    ///
    /// # Errors
    /// `unauthorized` when the account is gone.
    pub async fn user(&self, id: UserId) -> Answer<User> {
        let user = self.catalog.begin(catalog::Access::Read).await?.user(id).await?;
        user.ok_or_else(gone)
    }

    /// Another name, and where to write to; an empty e-mail is none.
    ///
    /// # Errors
    /// `malformed` for what is no name or e-mail address, or is one of another user: either lets in.
    pub async fn change_account(
        &self,
        asker: &Asker,
        name: &str,
        email: &str,
        now_unix_s: i64,
    ) -> Answer<()> {
        let (name, email) = (fitting_name(name)?, fitting_email(email)?);
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let user = tx.user(asker.user).await?.ok_or_else(gone)?;
        let renamed = user.name != name;
        let others: Vec<User> = tx.users().await?.into_iter().filter(|other| other.id != user.id).collect();
        for taken in [Some(name), email.as_deref()].into_iter().flatten() {
            if others.iter().any(|other| answers_to(other, taken)) {
                return Err(is_taken(taken));
            }
        }
        if !tx.put_user(&User { name: name.into(), email, ..user }).await? {
            return Err(is_taken(name));
        }
        let text = if renamed { format!("is now called {name}") } else { String::new() };
        tx.add_event(asker.user, &by(asker, "account", text, now_unix_s)).await?;
        Ok(tx.commit().await?)
    }

    /// Another password, for who knows the old one; ends all sessions. A guess counts as one at the door.
    ///
    /// # Errors
    /// `access_denied` for a wrong old one; `malformed` for a new one under 8 characters; `slow_down`.
    pub async fn change_password(
        &self,
        asker: &Asker,
        old: &str,
        new: &str,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<()> {
        passwords::fits(new)?;
        self.prove(asker, old, from, now_unix_s).await?;
        self.set_password(asker.user, new).await?;
        self.tell(asker, "password", String::new(), now_unix_s).await
    }

    /// Ends the account: every record of it goes, and every device is out. What only it had is removed by the next check.
    ///
    /// # Errors
    /// `access_denied` for a wrong password, or for the only admin while there are others; `slow_down`.
    pub async fn delete_account(
        &self,
        asker: &Asker,
        password: &str,
        from: Address,
        now_unix_s: i64,
    ) -> Answer<()> {
        self.prove(asker, password, from, now_unix_s).await?;
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        let users = tx.users().await?;
        let alone = users.len() == 1;
        let other_admin = users.iter().any(|user| user.admin && user.id != asker.user);
        if !alone && !other_admin && users.iter().any(|user| user.admin && user.id == asker.user) {
            return Err(Refusal::new(Code::AccessDenied, "you are the only admin")
                .help("make another user an admin first, on the admin page"));
        }
        tx.remove_user(asker.user).await?;
        tx.commit().await?;
        self.ring();
        Ok(())
    }

    /// Is it this user's password? A wrong one counts as a try to log in.
    async fn prove(&self, asker: &Asker, password: &str, from: Address, now_unix_s: i64) -> Answer<()> {
        self.login_tries.count(from, now_unix_s)?;
        let user = self.user(asker.user).await?;
        if !self.passwords.verify(password, Some(user.password_hash)).await? {
            return Err(Refusal::new(Code::AccessDenied, "the password is wrong"));
        }
        self.login_tries.forgive(from, now_unix_s);
        Ok(())
    }

    /// Tells the user's log what happened.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn tell(&self, asker: &Asker, kind: &str, text: String, now_unix_s: i64) -> Answer<()> {
        let mut tx = self.catalog.begin(catalog::Access::Write).await?;
        tx.add_event(asker.user, &by(asker, kind, text, now_unix_s)).await?;
        tx.commit().await?;
        self.ring();
        Ok(())
    }
}

/// An event of this asker about no save.
pub(super) fn by(asker: &Asker, kind: &str, text: String, now_unix_s: i64) -> Event {
    Event {
        id: 0,
        at_unix_s: now_unix_s,
        kind: kind.into(),
        device_name: asker.device_name.clone(),
        save: None,
        version: None,
        text,
    }
}

/// Tells a user's log in the name of a device.
pub(super) async fn log(
    tx: &mut dyn Tx,
    user: UserId,
    device_name: &str,
    kind: &str,
    text: String,
    now_unix_s: i64,
) -> Answer<()> {
    let event = Event {
        id: 0,
        at_unix_s: now_unix_s,
        kind: kind.into(),
        device_name: device_name.into(),
        save: None,
        version: None,
        text,
    };
    Ok(tx.add_event(user, &event).await?)
}

/// Could this user log in with this text?
pub(super) fn answers_to(user: &User, text: &str) -> bool {
    // As the catalog finds a name.
    let same = |own: &str| own.to_lowercase() == text.to_lowercase();
    same(&user.name) || user.email.as_deref().is_some_and(same)
}

pub(super) fn is_taken(name: &str) -> Refusal {
    Refusal::new(Code::Malformed, format!("the name `{name}` is taken"))
}

pub(super) fn gone() -> Refusal {
    Refusal::new(Code::Unauthorized, "the account is gone").help("log in again")
}

/// A user's name, trimmed.
pub(super) fn fitting_name(name: &str) -> Answer<&str> {
    let name = name.trim();
    if name.is_empty() || name.len() > 80 || name.chars().any(is_unfit) {
        return Err(Refusal::new(Code::Malformed, "a name has 1 to 80 bytes and no control characters"));
    }
    Ok(name)
}

/// Characters that make one name look like another, or turn a line around.
fn is_unfit(c: char) -> bool {
    turns_a_line(c) || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Characters after which a line reads otherwise than it is, as on the page where a person lets a device in.
pub(super) fn turns_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

fn fitting_email(email: &str) -> Answer<Option<String>> {
    let email = email.trim();
    if email.is_empty() {
        return Ok(None);
    }
    let parts = email.rsplit_once('@');
    let fits = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || is_unfit(c));
    match parts {
        Some((left, right)) if fits(left) && fits(right) && email.len() <= MOST_EMAIL_BYTES => {
            Ok(Some(email.into()))
        }
        _ => Err(Refusal::new(Code::Malformed, "this is no e-mail address")),
    }
}
