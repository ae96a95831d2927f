//! The types of values: what each accepts from a text or from TOML, and how it is written again. Pure. No message repeats a
//! value, for it may be a secret in the wrong place.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use toml::de::DeValue;

use super::table::Raw;
use crate::proxies::Network;

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "…";

/// A type of values.
pub(super) trait Setting: Sized {
    /// Is it shown to nobody?
    const SECRET: bool = false;
    /// What it accepts, in words.
    const WANTED: &'static str;

    /// From a text: an environment variable, an argument, or a TOML string.
    fn from_text(text: &str) -> Result<Self, String>;

    /// From TOML; most are strings there.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| unfit::<Self>(value))?;
        Self::from_text(text)
    }

    /// As TOML; `None`: not set, or not to be shown.
    fn toml(&self) -> Option<String>;

    /// Is there a value?
    fn is_set(&self) -> bool {
        true
    }

    /// From wherever it came.
    fn read(raw: Raw<'_>) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Self::from_text(text),
            Raw::Toml(value) => Self::from_toml(value),
        }
    }
}

fn unfit<T: Setting>(value: &DeValue<'_>) -> String {
    format!("expected {}, found a TOML {}", T::WANTED, value.type_str())
}

fn wanted<T: Setting>() -> String {
    format!("expected {}", T::WANTED)
}

/// A text as a TOML string: JSON's escapes are TOML's, but for one character.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

impl Setting for String {
    const WANTED: &'static str = "a text";

    fn from_text(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for PathBuf {
    const WANTED: &'static str = "a path";

    fn from_text(text: &str) -> Result<PathBuf, String> {
        if text.is_empty() { Err(wanted::<PathBuf>()) } else { Ok(text.into()) }
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl Setting for SocketAddr {
    const WANTED: &'static str = "ADDR:PORT, such as 127.0.0.1:8377";

    fn from_text(text: &str) -> Result<SocketAddr, String> {
        text.parse().map_err(|_| wanted::<SocketAddr>())
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for bool {
    const WANTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<bool, String> {
        text.parse().map_err(|_| wanted::<bool>())
    }

    fn from_toml(value: &DeValue<'_>) -> Result<bool, String> {
        value.as_bool().ok_or_else(|| unfit::<bool>(value))
    }

    fn toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Vec<Network> {
    const WANTED: &'static str = "a list of addresses or networks, such as 172.16.0.0/12";

    fn from_text(text: &str) -> Result<Vec<Network>, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| word.parse().map_err(|_| wanted::<Vec<Network>>())).collect()
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Vec<Network>, String> {
        let list = value.as_array().ok_or_else(|| unfit::<Vec<Network>>(value))?;
        let read = |word: &str| word.parse().map_err(|_| wanted::<Vec<Network>>());
        list.iter()
            .map(|item| item.get_ref().as_str().ok_or_else(wanted::<Vec<Network>>).and_then(read))
            .collect()
    }

    fn toml(&self) -> Option<String> {
        let words: Vec<String> = self.iter().map(|network| quoted(&network.to_string())).collect();
        Some(format!("[{}]", words.join(", ")))
    }
}

/// An empty text unsets it.
impl<T: Setting> Setting for Option<T> {
    const SECRET: bool = T::SECRET;
    const WANTED: &'static str = T::WANTED;

    fn from_text(text: &str) -> Result<Option<T>, String> {
        if text.is_empty() { Ok(None) } else { T::from_text(text).map(Some) }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Option<T>, String> {
        if value.as_str() == Some("") { Ok(None) } else { T::from_toml(value).map(Some) }
    }

    fn toml(&self) -> Option<String> {
        self.as_ref().and_then(T::toml)
    }

    fn is_set(&self) -> bool {
        self.is_some()
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> Number<LEAST, MOST> {
    /// For defaults; outside the bounds it does not compile where it is a constant, and is the nearest bound elsewhere.
    pub const fn new(number: u64) -> Number<LEAST, MOST> {
        if number < LEAST {
            Number(LEAST)
        } else if number > MOST {
            Number(MOST)
        } else {
            Number(number)
        }
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The number, as what counts things in memory.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn within(number: Option<u64>) -> Result<Number<LEAST, MOST>, String> {
        match number {
            Some(number) if (LEAST..=MOST).contains(&number) => Ok(Number(number)),
            _ => Err(format!("expected a whole number from {LEAST} to {MOST}")),
        }
    }
}

impl<const LEAST: u64, const MOST: u64> Setting for Number<LEAST, MOST> {
    const WANTED: &'static str = "a whole number";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::within(text.parse().ok())
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let number = value.as_integer().ok_or_else(|| unfit::<Self>(value))?;
        Self::within(u64::from_str_radix(number.as_str(), number.radix()).ok())
    }

    fn toml(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A text that is shown to nobody: not in a log, not in a message, not by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whoever needs to prove something with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Setting for Secret {
    const SECRET: bool = true;
    const WANTED: &'static str = "a text";

    fn from_text(text: &str) -> Result<Secret, String> {
        match text {
            HIDDEN => {
                Err(format!("`{HIDDEN}` only says that a secret was here: put the secret in its place"))
            }
            text => Ok(Secret(text.to_owned())),
        }
    }

    fn toml(&self) -> Option<String> {
        None
    }
}

/// Where the records are.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file in the data folder.
    Sqlite,
    /// A PostgreSQL server.
    Postgres {
        /// How it is reached, without a password.
        url: String,
        /// The password that the URL had; [`Config::load`](super::Config::load) moves it to `database_password`.
        password: Option<Secret>,
    },
}

impl Database {
    fn postgres(text: &str) -> Result<Database, String> {
        let (scheme, rest) = text.split_once("://").ok_or_else(wanted::<Database>)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let misplaced = path.contains('@') || path.contains("password=");
        if misplaced {
            return Err("give the password in `database_password`, or percent-encoded before the `@`".into());
        }
        let (user, host) =
            authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let (user, password) = match user.and_then(|user| user.split_once(':')) {
            Some((user, password)) => (Some(user), Some(password)),
            None => (user, None),
        };
        let password = password.filter(|password| !password.is_empty()).map(|password| {
            percent_decode_str(password).decode_utf8().map_err(|_| "the password is not UTF-8".to_owned())
        });
        let password = password.transpose()?.map(|text| Secret::from_text(&text)).transpose()?;
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        Ok(Database::Postgres { url: format!("{scheme}://{user}{host}{path}"), password })
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite => f.write_str("sqlite"),
            Database::Postgres { url, .. } => f.write_str(url),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Database, String> {
        match text {
            "sqlite" => Ok(Database::Sqlite),
            text if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
                Database::postgres(text)
            }
            _ => Err(wanted::<Database>()),
        }
    }
}

impl Setting for Database {
    const WANTED: &'static str = "`sqlite`, or postgres://USER@HOST/NAME";

    fn from_text(text: &str) -> Result<Database, String> {
        text.parse()
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

/// Where to answer devices that look for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// On the usual port, where the server listens to more than this machine.
    Auto,
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

impl FromStr for Announce {
    type Err = String;

    fn from_str(text: &str) -> Result<Announce, String> {
        match text {
            "auto" => Ok(Announce::Auto),
            "off" => Ok(Announce::Off),
            text => text.parse().map(Announce::At).map_err(|_| wanted::<Announce>()),
        }
    }
}

impl fmt::Display for Announce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Announce::Auto => f.write_str("auto"),
            Announce::Off => f.write_str("off"),
            Announce::At(at) => fmt::Display::fmt(at, f),
        }
    }
}

impl Setting for Announce {
    const WANTED: &'static str = "`auto`, `off` or ADDR:PORT";

    fn from_text(text: &str) -> Result<Announce, String> {
        text.parse()
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

/// Scheme, host and port: the dashboard's own links start at the root, so a path would lead nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicUrl, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        let url = text.strip_suffix('/').unwrap_or(text);
        match url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) {
            Some(host) if !host.is_empty() && host.chars().all(fits) => Ok(PublicUrl(url.to_owned())),
            _ => Err(wanted::<PublicUrl>()),
        }
    }
}

impl Setting for PublicUrl {
    const WANTED: &'static str = "scheme, host and port, such as https://saves.example.org";

    fn from_text(text: &str) -> Result<PublicUrl, String> {
        text.parse()
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

/// An HTTP address of a service, without a user or a password in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Url {
    const WANTED: &'static str =
        "an address such as https://minio.example.org:9000, without a user or a password in it";

    fn from_text(text: &str) -> Result<Url, String> {
        let url = text.trim_end_matches('/');
        match url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) {
            Some(rest) if !rest.is_empty() && !rest.contains(['@', ' ', '?', '#']) => Ok(Url(url.to_owned())),
            _ => Err(wanted::<Url>()),
        }
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Setting for LogFormat {
    const WANTED: &'static str = "`text` or `json`";

    fn from_text(text: &str) -> Result<LogFormat, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(wanted::<LogFormat>()),
        }
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }))
    }
}

/// The least important lines to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub log::LevelFilter);

impl Default for LogLevel {
    fn default() -> LogLevel {
        LogLevel(log::LevelFilter::Info)
    }
}

impl Setting for LogLevel {
    const WANTED: &'static str = "`off`, `error`, `warn`, `info`, `debug` or `trace`";

    fn from_text(text: &str) -> Result<LogLevel, String> {
        text.parse().map(LogLevel).map_err(|_| wanted::<LogLevel>())
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.0.as_str().to_ascii_lowercase()))
    }
}
