//! `/api/auth` and `/api/account`: an account is one of ours, its e-mail is the name. There are no plans and nothing to pay.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Compat;
use super::caller::{User, login_token, random};
use super::envelope::{Failure, Fields, Json, KEYLESS_BYTES, Reply, data, data_and, object};
use super::names;
use super::shelf::owner;
use crate::api::request::Peer;
use crate::catalog;
use crate::refusal::Refusal;

const PROFILE: &str = "retrosync.profile";
const TOKEN_S: i64 = 7 * 24 * 3600;

/// What an account calls itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Profile {
    name: Option<String>,
}

/// `POST /api/auth/register`
pub(super) async fn register(State(compat): State<Arc<Compat>>, Peer(from): Peer, body: Body) -> Reply {
    let fields = Fields::read(body, KEYLESS_BYTES, "Failed to register user").await?;
    let email = email(fields.required("email")?)?;
    let password = fields.required("password")?;
    fits(password)?;
    let name = fields.text("name")?.map(|name| name.trim().chars().take(200).collect());
    let now_unix_s = compat.app.now_unix_s();
    let added = compat.app.access.register(&email, password, from, now_unix_s).await;
    let id = added.map_err(taken)?;
    compat.app.library.put_memos(&owner(id), PROFILE, &[("", &Profile { name })]).await?;
    let user = compat.app.access.user(id).await?;
    compat.let_in(user, "User registered successfully").await
}

fn taken(why: Refusal) -> Failure {
    match why.problem().detail.ends_with("is taken") {
        true => Failure::new(400, "User with this email already exists"),
        false => why.into(),
    }
}

/// `POST /api/auth/login`
pub(super) async fn login(State(compat): State<Arc<Compat>>, Peer(from): Peer, body: Body) -> Reply {
    let fields = Fields::read(body, KEYLESS_BYTES, "Failed to login").await?;
    let (email, password) = (fields.required("email")?, fields.required("password")?);
    let user = compat.app.access.verify(email, password, from, compat.app.now_unix_s()).await?;
    compat.let_in(user, "Login successful").await
}

impl Compat {
    async fn let_in(&self, user: catalog::User, message: &str) -> Reply {
        let now_unix_s = self.app.now_unix_s();
        let id = names::user(user.id);
        let secret = login_token(&id, &user.name, now_unix_s, now_unix_s + TOKEN_S, random()?);
        let profile: Profile = self.app.library.memo(&owner(user.id), PROFILE, "").await?.unwrap_or_default();
        let shown = object(&[
            ("id", id.into()),
            ("email", user.email.as_ref().unwrap_or(&user.name).into()),
            ("name", Json::or_null(profile.name.as_ref())),
            ("subscriptionTier", "paid".into()),
            ("createdAt", Json::time(user.created_unix_s * 1000)),
        ]);
        self.app.access.open_session(user, &secret, now_unix_s + TOKEN_S).await?;
        data_and(message, &[("user", shown), ("token", secret.into())])
    }
}

fn email(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let fits = text.len() <= 80
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text
            .split_once('@')
            .is_some_and(|(who, at)| !who.is_empty() && at.contains('.') && !at.contains('@'));
    if fits { Ok(text.to_lowercase()) } else { Err(Failure::new(400, "Invalid email address")) }
}

fn fits(password: &str) -> Result<(), Failure> {
    let has = |test: fn(char) -> bool| password.chars().any(test);
    let wrong = if password.chars().count() < 10 {
        "Password must be at least 10 characters"
    } else if !has(char::is_lowercase) {
        "Password must contain a lowercase letter"
    } else if !has(char::is_uppercase) {
        "Password must contain an uppercase letter"
    } else if !has(|c| c.is_ascii_digit()) {
        "Password must contain a number"
    } else {
        return Ok(());
    };
    Err(Failure::new(400, wrong))
}

/// `GET /api/account`
pub(super) async fn show(State(compat): State<Arc<Compat>>, user: User) -> Reply {
    let profile: Profile =
        compat.app.library.memo(&owner(user.asker.user), PROFILE, "").await?.unwrap_or_default();
    let account = compat.app.access.user(user.asker.user).await?;
    data(&[
        ("subscriptionTier", "paid".into()),
        ("email", account.email.unwrap_or(account.name).into()),
        ("name", Json::or_null(profile.name.as_ref())),
        ("createdAt", Json::time(account.created_unix_s * 1000)),
    ])
}

/// `PATCH /api/account`
pub(super) async fn change(
    State(compat): State<Arc<Compat>>,
    Peer(from): Peer,
    user: User,
    body: Body,
) -> Reply {
    let fields = Fields::read(body, KEYLESS_BYTES, "Invalid JSON").await;
    let fields = fields.map_err(|_| Failure::new(400, "Invalid JSON"))?;
    let (name, email) = (fields.text("name")?, fields.text("email")?);
    let (current, new) = (fields.text("currentPassword")?, fields.text("newPassword")?);
    if name.is_none() && email.is_none() && new.is_none() {
        return Err(Failure::new(400, "No updates provided"));
    }
    let account = compat.app.access.user(user.asker.user).await?;
    let email = email.map(self::email).transpose()?;
    if name.is_some_and(|name| name.chars().count() > 200) {
        return Err(Failure::new(400, "String must contain at most 200 character(s)"));
    }
    if let Some(new) = new {
        if new.chars().count() < 8 {
            return Err(Failure::new(400, "String must contain at least 8 character(s)"));
        }
        let now_unix_s = compat.app.now_unix_s();
        let right =
            compat.app.access.verify(&account.name, current.unwrap_or_default(), from, now_unix_s).await;
        right.map_err(|why| match why.code() {
            retrosync_protocol::Code::Unauthorized => Failure::new(401, "Current password is incorrect"),
            _ => why.into(),
        })?;
        compat.app.access.set_password(account.id, new).await?;
        // All sessions ended with the old password; who changed it stays in.
        let renewed = compat.app.access.user(account.id).await?;
        compat.app.access.open_session(renewed, &user.secret, user.session.expires_unix_s).await?;
    }
    if let Some(email) = email {
        // An account that was made by these clients is called by its e-mail.
        let name = if account.name.contains('@') { &email } else { &account.name };
        let changed =
            compat.app.access.change_account(&user.asker, name, &email, compat.app.now_unix_s()).await;
        changed.map_err(taken)?;
    }
    if let Some(name) = name {
        let profile = Profile { name: Some(name.trim().to_owned()) };
        compat.app.library.put_memos(&owner(account.id), PROFILE, &[("", &profile)]).await?;
    }
    data(&[("ok", true.into())])
}

/// `DELETE /api/account`
pub(super) async fn remove(
    State(compat): State<Arc<Compat>>,
    Peer(from): Peer,
    user: User,
    body: Body,
) -> Reply {
    let fields = Fields::read_if_any(body, KEYLESS_BYTES).await?;
    let password = fields.required("password")?;
    let now_unix_s = compat.app.now_unix_s();
    let removed = compat.app.access.delete_account(&user.asker, password, from, now_unix_s).await;
    removed.map_err(|why| match why.problem().detail.as_str() {
        "the password is wrong" => Failure::new(401, "Incorrect password"),
        _ => why.into(),
    })?;
    data(&[("ok", true.into())])
}

/// `POST /api/upgrade/…`
pub(super) async fn no_payments() -> Failure {
    Failure::new(503, "Payments are not configured")
}
