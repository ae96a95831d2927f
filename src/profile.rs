//! PURE. A device and firmware as data: which device is this, where are its saves and games, when does a game run.
//!
//! A profile is one TOML file; `device-profiles/onion.toml` explains every key. The ones of this repository are compiled
//! in by `build.rs`, a `profiles/` folder beside the program overrides them by name. This module parses and judges;
//! it never looks at the machine (`facts.rs` does, and hands over [`Facts`] and [`Site`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::retroarch_cfg::RetroarchCfg;
use crate::table::Table;

/// One device and firmware.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The word for it: `onion`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Profiles are tried in this order; the first that fits is it.
    pub order: u32,
    /// Where the card may be mounted, best first. `~` is the user's home folder.
    pub card: Vec<String>,
    /// What must be on the card at that place, any of it (patterns); empty: nothing.
    #[serde(default)]
    pub card_has: Vec<String>,
    /// Which names the file system takes.
    #[serde(default)]
    pub file_names: FileNames,
    /// How this device is told from others; any one rule suffices.
    #[serde(default)]
    pub detect: Vec<Rule>,
    /// Where games are.
    pub games: GamesSpec,
    /// RetroArch's own configuration, if it is to be believed.
    pub retroarch: Option<RetroarchSpec>,
    /// The save folders.
    #[serde(rename = "layout")]
    pub layouts: Vec<Layout>,
    /// The core that runs a system unless the user chose another.
    #[serde(default)]
    pub default_cores: BTreeMap<String, String>,
    /// How to tell that a game runs.
    #[serde(default)]
    pub running: Running,
    /// While one of these exists on the card, nothing is synced.
    #[serde(default)]
    pub pause: Vec<Pause>,
    /// What else in save folders is no save.
    #[serde(default)]
    pub ignore: Ignore,
    /// Path and save, proved both ways by the tests.
    #[serde(default, rename = "example")]
    pub examples: Vec<Example>,
}

/// Which file names a card takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileNames {
    /// FAT32 and exFAT: no `" * / : < > ? \ |`, no dot or blank at the end, no reserved names.
    #[default]
    Fat,
    /// Anything but `/`.
    Posix,
}

/// All conditions of one rule must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// These exist. `{card}` stands for each place of [`Profile::card`]; `*` for any part of one name.
    #[serde(default)]
    pub all: Vec<String>,
    /// None of these exists.
    #[serde(default)]
    pub none: Vec<String>,
    /// `/etc/os-release` has these values.
    #[serde(default)]
    pub os_release: BTreeMap<String, String>,
    /// This rule counts only where a folder plays the card (`--root`).
    #[serde(default)]
    pub only_with_root: bool,
}

/// Where games are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GamesSpec {
    /// Folders that hold one folder a system: below the card, or absolute, or below `~`.
    pub folders: Vec<String>,
    /// Which columns of `systems.toml` name those folders, first match wins.
    pub names: Vec<String>,
    /// How a folder's name tells its system.
    #[serde(default)]
    pub named_by: FolderStyle,
}

/// How a game folder's name tells its system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderStyle {
    /// The whole name: `GB`.
    #[default]
    Name,
    /// The tag in the last parentheses: `Game Boy (GB)`.
    Tag,
}

/// RetroArch's own configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetroarchSpec {
    /// Where `retroarch.cfg` may be, best first: below the card, absolute, or below `~`.
    pub config: Vec<String>,
}

/// One save folder and how its files are named.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Below the card.
    pub folder: String,
    /// What lies in it.
    pub holds: Vec<Holds>,
    /// What its subfolders are named after, from the top; none: all files lie in it.
    #[serde(default)]
    pub grouped_by: Vec<Group>,
    /// What the files are named after.
    #[serde(default)]
    pub named_after: NamedAfter,
    /// The battery save's extension where it is the same for all cores (MinUI: `sav`).
    pub save_extension: Option<String>,
    /// How states are numbered, and whose form they have.
    #[serde(default)]
    pub states: StateStyle,
    /// The emulator that keeps this folder for itself.
    pub core: Option<String>,
}

/// What a save folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// Battery saves, clocks, memory cards.
    Saves,
    /// Save states.
    States,
}

/// What a level of subfolders is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// RetroArch's name of the core: `Gambatte`.
    Core,
    /// The folder that the game lies in, or its tag: `gb`, `GB`.
    System,
    /// Tag and core: `GB-gambatte`.
    SystemCore,
}

/// What a save file is named after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedAfter {
    /// The game file without its extension: `Game.srm`.
    #[default]
    Title,
    /// The whole game file: `Game.gb.sav`.
    File,
}

/// How states are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateStyle {
    /// `Game.state`, `Game.state1` …, `Game.state.auto`.
    #[default]
    Retroarch,
    /// `Game.gb.st0` … `st8`, `st9` is the automatic one; bare core data, which RetroArch does not write.
    Minarch,
}

/// How to tell that a game runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// One of these exists: below the card or absolute.
    #[serde(default)]
    pub flag_files: Vec<String>,
    /// A process of one of these names (the file name of its program) lives.
    #[serde(default)]
    pub process_names: Vec<String>,
}

/// Something on the card that stops syncing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// While this exists, below the card.
    pub path: String,
    /// Said to the user.
    pub why: String,
}

/// What in save folders is no save, besides what is ignored everywhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// Names of files and folders; `*` stands for any part.
    #[serde(default)]
    pub names: Vec<String>,
}

/// A path and its save.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The game, below the card.
    pub game: String,
    /// The save file, below the card.
    pub path: String,
    /// Its save; absent: the file is ignored or unknown.
    pub save: Option<String>,
    /// False: it is recognised, but this is not where it would be put.
    #[serde(default = "yes")]
    pub home: bool,
}

fn yes() -> bool {
    true
}

/// What the machine says, as far as the profiles asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The patterns of profiles (with `{card}` filled in) that something fits.
    pub found: BTreeSet<String>,
    /// `/etc/os-release`.
    pub os_release: BTreeMap<String, String>,
    /// A folder that plays the card (`--root`): then nothing of the machine itself is asked.
    pub played_card: Option<String>,
}

/// Where a profile's folders are on this machine. Made by `facts::locate`.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The roots; 0 is the card (the primary), further ones hold save folders that RetroArch's configuration names.
    pub roots: Vec<PathBuf>,
    /// Folders that hold one folder a system.
    pub games: Vec<PathBuf>,
    /// What paths of the device begin with, and where that is here (`/mnt/SDCARD`, `~` …).
    pub mounts: Vec<(String, PathBuf)>,
    /// The live configuration and the folder it lies in.
    pub retroarch: Option<(PathBuf, RetroarchCfg)>,
}

impl Profile {
    /// Reads a profile; `source` names it in errors.
    ///
    /// # Errors
    /// `Misused`, with line and nearest name.
    pub fn parse(text: &str, source: &str) -> Result<Profile> {
        Table::parse(text).and_then(|table| table.read()).map_err(|error| {
            let refused = Error::new(Kind::Misused, format!("cannot read device profile `{source}`"), &error);
            match meant(&error.cause) {
                Some(name) => refused.help(format!("did you mean `{name}`?")),
                None => refused.help("`device-profiles/onion.toml` explains every key"),
            }
        })
    }

    /// Every pattern that this profile asks the machine for, where its card may be at any of `cards`.
    pub fn patterns(&self, cards: &[String], with_root: bool) -> BTreeSet<String> {
        let asked = self.detect.iter().filter(|rule| rule.counts(with_root));
        let patterns = asked.flat_map(|rule| rule.all.iter().chain(&rule.none));
        patterns.flat_map(|pattern| cards.iter().map(|card| pattern.replace("{card}", card))).collect()
    }
}

impl Rule {
    /// Can this rule be asked? With `--root` only what is on the card can.
    fn counts(&self, with_root: bool) -> bool {
        let on_card = |pattern: &String| pattern.starts_with("{card}/");
        if with_root {
            self.os_release.is_empty() && self.all.iter().chain(&self.none).all(on_card)
        } else {
            !self.only_with_root
        }
    }

    fn holds(&self, card: &str, facts: &Facts) -> bool {
        let found = |pattern: &String| facts.found.contains(&pattern.replace("{card}", card));
        let says = |(key, value): (&String, &String)| facts.os_release.get(key) == Some(value);
        self.all.iter().all(found) && !self.none.iter().any(found) && self.os_release.iter().all(says)
    }
}

/// The name that an unknown one was probably meant to be, from the list in the reader's message.
fn meant(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    crate::nearest::nearest(unknown, names)
}

impl Site {
    /// The folder here that a path of the device or of the profile means: below the card, unless it is absolute, begins
    /// with `~` (home), or with `:` or `{config}` (where `retroarch.cfg` lies).
    pub fn resolve(&self, profile: &Profile, path: &str) -> PathBuf {
        let card = self.roots.first().cloned().unwrap_or_default();
        let beside_config = path.strip_prefix("{config}").or_else(|| path.strip_prefix(':'));
        if let Some(rest) = beside_config {
            let first = || profile.retroarch.as_ref().and_then(|spec| spec.config.first());
            let dir = match (&self.retroarch, first()) {
                (Some((dir, _)), _) => dir.clone(),
                (None, Some(config)) => card.join(config).parent().unwrap_or(&card).to_owned(),
                (None, None) => card,
            };
            return dir.join(rest.trim_start_matches('/'));
        }
        let mut mounts = self.mounts.iter().filter_map(|(from, to)| Some((strip(path, from)?, to)));
        match mounts.next() {
            Some((rest, to)) => join(to, rest),
            None => join(&card, path),
        }
    }
}

/// What follows `from` in `path`, on a boundary of names.
fn strip<'a>(path: &'a str, from: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(from)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
}

fn join(dir: &Path, rest: &str) -> PathBuf {
    // `join` of the empty path would leave a slash at the end.
    if rest.is_empty() { dir.to_owned() } else { dir.join(rest.trim_end_matches('/')) }
}

/// The profiles that are compiled in, in the order in which they are tried.
pub fn built_in() -> Vec<Profile> {
    const TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));
    // The tests prove that each of them parses; a broken one would be left out.
    let mut profiles: Vec<Profile> =
        TEXTS.iter().filter_map(|(name, text)| Profile::parse(text, name).ok()).collect();
    sort(&mut profiles);
    profiles
}

/// Puts profiles in the order in which they are tried.
pub fn sort(profiles: &mut [Profile]) {
    profiles.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
}

/// Which device is this: the first profile, in their order, one of whose rules holds.
pub fn detect<'a>(facts: &Facts, profiles: &'a [Profile]) -> Option<&'a Profile> {
    let mut in_order: Vec<&Profile> = profiles.iter().collect();
    in_order.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
    in_order.into_iter().find(|profile| {
        let played = facts.played_card.as_ref();
        let cards = played.map_or(&profile.card[..], std::slice::from_ref);
        let rules = profile.detect.iter().filter(|rule| rule.counts(played.is_some()));
        rules.into_iter().any(|rule| cards.iter().any(|card| rule.holds(card, facts)))
    })
}
