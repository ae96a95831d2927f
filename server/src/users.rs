//! `retrosync-server user …` and `approve`: what the machine's owner may do about users, by the right of being there.
//!
//! Works beside a server that runs. A password that is made is printed once, and kept nowhere.

use std::error::Error;
use std::io::BufRead as _;
use std::net::{IpAddr, Ipv4Addr};

use retrosync_protocol::UserCode;
use retrosync_server::access::{Access, drawn_password};
use retrosync_server::catalog::User;
use retrosync_server::config::{Config, Key, Source};
use retrosync_server::parts::{Parts, is_used};

use crate::{Outcome, now_unix_s, say};

/// Adds a user; the first is admin.
pub(crate) async fn add(config: &Config, name: &str, password_stdin: bool) -> Outcome {
    // Before the first start there may be nothing yet; but whoever did not say where meant the folder that is there.
    let is_named = |name| Key::of(name).is_some_and(|key| config.source(key) != Source::Default);
    if !is_named("data") {
        is_used(config)?;
    }
    let access = Parts::open(config).await?.access(true);
    let admin = access.users().await?.is_empty();
    let password = Password::of(password_stdin)?;
    access.add_user(name, password.text(), admin, now_unix_s()).await?;
    password.tell(&format!("added user `{name}`"))
}

/// Another password for who forgot it; the old one and all sessions of the dashboard end.
pub(crate) async fn set_password(config: &Config, name: &str, password_stdin: bool) -> Outcome {
    let access = Parts::open_existing(config).await?.access(false);
    let user = one_user(&access, Some(name)).await?;
    let password = Password::of(password_stdin)?;
    access.set_password(user.id, password.text()).await?;
    password.tell(&format!("`{}` has a new password, and is logged out everywhere", user.name))
}

/// All users, one a line.
pub(crate) async fn list(config: &Config) -> Outcome {
    let access = Parts::open_existing(config).await?.access(false);
    let users = access.all_with_figures().await?;
    let longest = users.iter().map(|one| one.user.name.chars().count()).max().unwrap_or_default();
    for one in &users {
        let (name, right) = (&one.user.name, if one.user.admin { "admin" } else { "user" });
        say(&format!(
            "{name:longest$}  {right:5}  devices {}, saves {}",
            one.figures.devices, one.figures.saves
        ))?;
    }
    if users.is_empty() {
        return Err("there is no user yet: add one with `retrosync-server user add NAME`".into());
    }
    Ok(std::process::ExitCode::SUCCESS)
}

/// A pairing code of this user's.
pub(crate) async fn make_code(config: &Config, name: &str) -> Outcome {
    let access = Parts::open_existing(config).await?.access(false);
    let user = one_user(&access, Some(name)).await?;
    let offer = access.make_code(user.id, now_unix_s()).await?;
    let minutes = offer.expires_in_s / 60;
    say(&format!("{}\n\nIt is good for one device and {minutes} minutes.", offer.user_code))
}

/// Lets in the device that shows this code.
pub(crate) async fn approve(config: &Config, code: &UserCode, user: Option<&str>) -> Outcome {
    let access = Parts::open_existing(config).await?.access(false);
    let user = one_user(&access, user).await?;
    let paired = access.approve(user.id, code, IpAddr::V4(Ipv4Addr::LOCALHOST), now_unix_s()).await?;
    say(&format!("`{}` is in: a device of `{}`", paired.device_name, paired.user))
}

async fn one_user(access: &Access, name: Option<&str>) -> Result<User, Box<dyn Error>> {
    let mut users = access.users().await?;
    if let Some(name) = name {
        let found = users.into_iter().find(|user| user.name.eq_ignore_ascii_case(name));
        return found.ok_or_else(|| {
            format!("no user `{name}`: `retrosync-server user list` names them, `user add {name}` adds one")
                .into()
        });
    }
    match (users.pop(), users.is_empty()) {
        (Some(user), true) => Ok(user),
        (Some(_), false) => Err("there are several users: say whose device it is with `--user NAME`".into()),
        (None, _) => Err("there is no user yet: add one with `retrosync-server user add NAME`".into()),
    }
}

/// A password that somebody said, or one of ours.
enum Password {
    Said(String),
    Made(String),
}

impl Password {
    fn of(stdin: bool) -> Result<Password, Box<dyn Error>> {
        if !stdin {
            return Ok(Password::Made(drawn_password()?));
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(Password::Said(line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn text(&self) -> &str {
        match self {
            Password::Said(text) | Password::Made(text) => text,
        }
    }

    /// Says what was done, and a password of ours this once.
    fn tell(&self, done: &str) -> Outcome {
        match self {
            Password::Said(_) => say(done),
            Password::Made(text) => {
                say(&format!("{done}\n\n  password  {text}\n\nIt is shown this once; write it down."))
            }
        }
    }
}
