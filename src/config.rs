//! The user's file, the environment and the flags: every key and its refusal. What each is stands in `config/keys.toml`.
//!
//! Order: flags, environment, file, default; each value remembers where it came from. Two lines suffice. Unknown
//! keys are refused with their line and the nearest name. Never prints a secret. The file is written in `file.rs` alone, a line at a time.

pub mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use litemap::LiteMap;
use retrosync_protocol::{Token, UserCode};

use crate::error::{Error, Kind, Problem, Result};
use crate::nearest::nearest;
use crate::packed;
use crate::plan::ConflictPolicy;
use crate::profile::{Overrides, sorting};
use crate::remote::is_code;
use crate::selection::{SAVES, STATES, Selection};
use crate::table::{Table, Value};
use crate::watch::How;

/// One key: its name in the file; the flag is the same with dashes, the variable `RETROSYNC_` and the same in capitals.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in the file.
    pub name: &'static str,
    /// Never shown.
    pub secret: bool,
}

/// Every key, in the order in which `retrosync doctor` shows them; `config/keys.toml` tells what each is.
pub const KEYS: &[Key] = &[
    key("server"),
    secret("token"),
    secret("code"),
    key("name"),
    key("profile"),
    key("root"),
    key("profiles"),
    key("saves_folder"),
    key("states_folder"),
    key("saves_sorted_by"),
    key("states_sorted_by"),
    key("games_folder"),
    key("retroarch_cfg"),
    key("game_processes"),
    key("watch"),
    key("conflict"),
    key("leave_out"),
    key("sync_while_playing"),
    key("language"),
    key("settle_ms"),
    key("fresh_save_s"),
    key("plain_http"),
    key("ca_file"),
    key("pin"),
    key("log"),
];

const fn key(name: &'static str) -> Key {
    Key { name, secret: false }
}

const fn secret(name: &'static str) -> Key {
    Key { name, secret: true }
}

impl Key {
    /// What holds without it, and what it is, one line each, for people.
    pub fn told(&self) -> (String, String) {
        let all = packed::unpack(TOLD);
        let mine = all.split('\u{1}').filter_map(|told| told.split_once('\0'));
        let told = mine.filter(|(name, _)| *name == self.name).find_map(|(_, rest)| rest.split_once('\0'));
        told.map(|(default, meaning)| (default.to_owned(), meaning.to_owned())).unwrap_or_default()
    }

    fn help(&self) -> String {
        format!("`{}` is {}", self.name, self.told().1)
    }
}

static TOLD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/keys.z"));

/// The languages of the screen: `build.rs` packs a file of texts for each.
pub const LANGUAGES: [&str; 7] = ["en", "es", "de", "fr", "pt", "ja", "zh"];

/// Where a value came from that nobody gave.
pub const DEFAULT: &str = "default";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment,
    /// The file, with its line (from 1).
    File(usize),
}

/// All that the user may say; `None` is "as the default has it".
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The server's address or `folder:/path`.
    pub server: Option<String>,
    /// A token given by hand.
    pub token: Option<Token>,
    /// A pairing code made on the dashboard.
    pub code: Option<String>,
    /// The device's name.
    pub name: Option<String>,
    /// The profile's name.
    pub profile: Option<String>,
    /// The folder that plays the card.
    pub root: Option<PathBuf>,
    /// A folder of profiles.
    pub profiles: Option<PathBuf>,
    /// Where the profile is wrong.
    pub overrides: Overrides,
    /// How changes are noticed.
    pub watch: How,
    /// What conflicts do.
    pub conflict: ConflictPolicy,
    /// What is not synced.
    pub leave_out: Selection,
    /// Nothing is sent while a game runs.
    pub rests_while_playing: bool,
    /// The language of the screen.
    pub language: Option<String>,
    /// Quiet before a read.
    pub settle_ms: u64,
    /// Quiet before a download.
    pub fresh_save_s: u64,
    /// Token over plain HTTP in the local network.
    pub plain_http: Option<bool>,
    /// The user's own certificate authority.
    pub ca_file: Option<PathBuf>,
    /// A pinned public key, 64 hex digits.
    pub pin: Option<String>,
    /// How much is logged.
    pub log: Option<log::LevelFilter>,
    /// Lines of the file that mean nothing, for which the default holds.
    pub problems: Vec<Problem>,
    shown: LiteMap<&'static str, (String, Origin)>,
    flags: Vec<(&'static str, String)>,
}

impl Config {
    /// Reads flags (by key name), environment and file.
    ///
    /// # Errors
    /// `Misused`: a file that cannot be read or is no TOML, an unknown key, a value of a wrong form.
    pub fn load(
        flags: &[(&'static str, String)],
        environment: &dyn Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Config> {
        let mut config = Config {
            settle_ms: 2500,
            fresh_save_s: 60,
            file: file.map(Path::to_path_buf),
            flags: flags.to_vec(),
            ..Config::default()
        };
        if let Some(path) = file {
            let text = file::read(path).map_err(|cause| {
                Error::new(Kind::Misused, doing(path), &cause).help(match cause.kind() {
                    std::io::ErrorKind::InvalidData => "write it as plain text in UTF-8",
                    _ => "name a file that can be read with `--config FILE`",
                })
            })?;
            for (key, text, line) in entries(path, &text)? {
                match config.set(key, &text, Origin::File(line)) {
                    // What the screen speaks is no reason to sync nothing: nobody sees the refusal on a handheld.
                    Err(error) if key.name == "language" => config.problems.push(error.into()),
                    done => done?,
                }
            }
        }
        for key in KEYS {
            if let Some(text) = environment(&variable(key.name)).filter(|text| !text.is_empty()) {
                config.set(key, &text, Origin::Environment)?;
            }
        }
        for (name, text) in flags {
            if let Some(key) = find(name) {
                config.set(key, text, Origin::Flag)?;
            }
        }
        Ok(config)
    }

    /// The same flags over the environment and the file as they are now.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn again(&self) -> Result<Config> {
        let file = self.file.clone().or_else(file::usual);
        Config::load(&self.flags, &|name| std::env::var(name).ok(), file.as_deref())
    }

    /// Was it given by flag or environment, so that the file cannot change it?
    pub fn is_given(&self, name: &str) -> bool {
        matches!(self.shown.get(name), Some((_, Origin::Flag | Origin::Environment)))
    }

    /// Sets a key as if its flag had been given.
    ///
    /// # Errors
    /// `Misused`: a value of a wrong form.
    pub fn override_with(&mut self, name: &str, text: &str) -> Result<()> {
        let Some(key) = find(name) else { return Ok(()) };
        self.flags.push((key.name, text.to_owned()));
        self.set(key, text, Origin::Flag)
    }

    /// Each key with its value for people and where it came from; a secret shows as `…`.
    pub fn shown(&self) -> Vec<(&'static Key, String, String)> {
        KEYS.iter()
            .map(|key| match self.shown.get(key.name) {
                Some((text, origin)) => (key, text.clone(), self.tell(key, origin)),
                None => (key, key.told().0, DEFAULT.to_owned()),
            })
            .collect()
    }

    fn tell(&self, key: &Key, origin: &Origin) -> String {
        match (origin, &self.file) {
            (Origin::Flag, _) => format!("--{}", key.name.replace('_', "-")),
            (Origin::Environment, _) => variable(key.name),
            (Origin::File(line), Some(path)) => format!("{} line {line}", path.display()),
            (Origin::File(line), None) => format!("line {line}"),
        }
    }

    fn set(&mut self, key: &'static Key, text: &str, origin: Origin) -> Result<()> {
        self.assign(key.name, text).map_err(|cause| {
            let shown = if key.secret { "…" } else { text };
            self.refusal(key, &origin, &format!("`{shown}`: {cause}"))
        })?;
        let shown = if key.secret { "…".to_owned() } else { text.to_owned() };
        self.shown.insert(key.name, (shown, origin));
        Ok(())
    }

    fn refusal(&self, key: &Key, origin: &Origin, cause: &str) -> Error {
        let place = self.tell(key, origin);
        Error::new(Kind::Misused, format!("cannot use `{}` of {place}", key.name), cause).help(key.help())
    }

    /// What `leave_out` names that is neither a kind nor one of the systems that are known: it is synced, so it is told. The
    /// other words hold.
    pub fn misspelled(
        &self,
        is_system: &dyn Fn(&str) -> bool,
        near: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<Problem> {
        let (Some(key), Some((_, origin))) = (find("leave_out"), self.shown.get("leave_out")) else {
            return Vec::new();
        };
        let strange = self.leave_out.systems().filter(|(_, system)| !is_system(system));
        let told = strange.map(|(word, system)| {
            let error = self.refusal(key, origin, &format!("`{word}`: no system is called so"));
            match near(system).or_else(|| nearest(system, [STATES, SAVES].into_iter()).map(str::to_owned)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        });
        told.map(Problem::from).collect()
    }

    fn assign(&mut self, name: &str, text: &str) -> std::result::Result<(), String> {
        match name {
            "server" => self.server = Some(address(text)?),
            "token" => {
                self.token = Some(text.parse().map_err(|_| "not `rst_` and 64 hex digits".to_owned())?)
            }
            "code" if text.parse::<UserCode>().is_ok() || is_code(text) => self.code = Some(text.into()),
            "code" => return Err("not 8 letters and digits, nor 6 of a RetroSync server".into()),
            "name" if text.is_empty() || text.len() > 80 => return Err("not 1 to 80 bytes".into()),
            "name" => self.name = Some(text.into()),
            "profile" => self.profile = Some(text.into()),
            "root" => self.root = Some(absolute(text)?),
            "profiles" => self.profiles = Some(absolute(text)?),
            "saves_folder" => self.overrides.saves_folder = Some(folder(text)?),
            "states_folder" => self.overrides.states_folder = Some(folder(text)?),
            "saves_sorted_by" => self.overrides.saves_sorted_by = Some(sorting(text)?),
            "states_sorted_by" => self.overrides.states_sorted_by = Some(sorting(text)?),
            "games_folder" => self.overrides.games_folder = Some(folder(text)?),
            "retroarch_cfg" => self.overrides.retroarch_cfg = Some(folder(text)?),
            "game_processes" => {
                self.overrides.game_processes = text.split_whitespace().map(str::to_owned).collect();
            }
            "watch" => {
                self.watch =
                    one_of(text, &[("auto", How::Auto), ("inotify", How::Inotify), ("poll", How::Poll)])?;
            }
            "conflict" => {
                self.conflict =
                    one_of(text, &[("ask", ConflictPolicy::Ask), ("newest", ConflictPolicy::Newest)])?;
            }
            "leave_out" => self.leave_out = Selection::parse(text),
            "sync_while_playing" => {
                self.rests_while_playing = one_of(text, &[("true", false), ("false", true)])?;
            }
            "language" => {
                let words = LANGUAGES.map(|word| (word, word));
                one_of(text.split(['_', '-', '.']).next().unwrap_or_default(), &words)?;
                self.language = Some(text.into());
            }
            "settle_ms" => self.settle_ms = number(text, 0, 600_000)?,
            "fresh_save_s" => self.fresh_save_s = number(text, 0, 86_400)?,
            "plain_http" => self.plain_http = Some(one_of(text, &[("true", true), ("false", false)])?),
            "ca_file" => self.ca_file = Some(absolute(text)?),
            "pin" if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                self.pin = Some(text.to_ascii_lowercase());
            }
            "pin" => return Err("not 64 hex digits".into()),
            "log" => {
                let levels = ["error", "warn", "info", "debug"].map(|word| (word, word));
                self.log = log::LevelFilter::from_str(one_of(text, &levels)?).ok();
            }
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Environment => f.write_str("environment"),
            Origin::File(line) => write!(f, "line {line}"),
        }
    }
}

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The environment variable of a key.
pub fn variable(name: &str) -> String {
    format!("RETROSYNC_{}", name.to_ascii_uppercase())
}

fn doing(path: &Path) -> String {
    format!("cannot read the configuration `{}`", path.display())
}

/// The file's keys, each with its value as text and its line.
fn entries(path: &Path, text: &str) -> Result<Vec<(&'static Key, String, usize)>> {
    let refuse =
        |line: usize, cause: &str| Error::new(Kind::Misused, doing(path), format!("line {line}: {cause}"));
    let table = Table::parse(text).map_err(|error| {
        Error::new(Kind::Misused, doing(path), error)
            .help("a line has the form `server = \"https://saves.example\"`")
    })?;
    let mut found = Vec::new();
    for entry in table.entries() {
        let (name, line) = (entry.key.as_str(), entry.line);
        let Some(key) = find(name) else {
            let error = refuse(line, &format!("unknown key `{name}`"));
            return Err(match nearest(name, KEYS.iter().map(|key| key.name)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("the keys are {}", names())),
            });
        };
        let value = match &entry.node.value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Truth(truth) => truth.to_string(),
            _ => {
                let error = refuse(line, &format!("`{}` is not a text, a number or a truth", key.name));
                return Err(error.help(key.help()));
            }
        };
        found.push((key, value, line));
    }
    Ok(found)
}

fn names() -> String {
    KEYS.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ")
}

/// The address with a scheme and without a slash at its end.
fn address(text: &str) -> std::result::Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    if let Some(path) = text.strip_prefix("folder:") {
        return if Path::new(path).is_absolute() {
            Ok(text.into())
        } else {
            Err("the folder's path is not absolute".into())
        };
    }
    let url = text.strip_prefix("retrosync:").unwrap_or(text);
    let host = url.strip_prefix("https://").or(url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(text.into()),
        Some(_) => Err("it has no host".into()),
        None => Err("it does not begin with `https://`, `http://`, `retrosync:` or `folder:`".into()),
    }
}

/// A folder or file of the device: absolute, in the home folder, or below the card.
fn folder(text: &str) -> std::result::Result<String, String> {
    let text = text.trim_end_matches('/');
    match text.split('/').any(|part| part == "..") {
        true => Err("it has `..` in it".into()),
        false if text.is_empty() => Err("it is empty".into()),
        false => Ok(text.to_owned()),
    }
}

fn absolute(text: &str) -> std::result::Result<PathBuf, String> {
    std::path::absolute(text).map_err(|cause| cause.to_string())
}

fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> std::result::Result<T, String> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        format!("not one of {}", words.join(", "))
    })
}

fn number(text: &str, least: u64, most: u64) -> std::result::Result<u64, String> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("not a whole number from {least} to {most}"))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
