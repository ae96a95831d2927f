//! Asks the machine what the profiles want to know: which marker exists, where the card is, which games are on it.
//!
//! Reads only, and decides nothing: what it finds, `profile` and `naming` judge. Never writes, never follows a symbolic
//! link below a game folder.

mod n64;

use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use litemap::LiteMap;

use crate::error::{Error, Kind, Problem, Result};
use crate::naming::{self, GameFolder, Games, Naming};
use crate::profile::{self, ChosenCores, Live, MinuiSettings, Profile, RetroarchSpec};
pub use crate::profile::{Facts, Site};
use crate::retroarch_cfg::RetroarchCfg;
use crate::snapshot::{Place, RelativePath};
use crate::volume::{EntryKind, Volume};

/// How deep game folders are walked.
const GAMES_DEPTH: usize = 4;
/// Where a desktop keeps configurations, if not in `~/.config`.
const XDG: &str = "XDG_CONFIG_HOME";
/// More than any retroarch.cfg or os-release.
const TEXT_LIMIT_BYTES: u64 = 1 << 20;

/// The compiled-in profiles, those of `beside` (a `profiles/` folder) replacing or joining them by name.
pub fn profiles(beside: &Path) -> (Vec<Profile>, Vec<Problem>) {
    let mut profiles = profile::built_in();
    let mut problems = Vec::new();
    let mut paths: Vec<PathBuf> = entries(beside).into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    for path in paths {
        let name = path.display().to_string();
        let read = text(&path).ok_or_else(|| {
            Error::new(
                Kind::Misused,
                format!("cannot read device profile `{name}`"),
                "it is no text that can be read",
            )
        });
        match read.and_then(|text| Profile::parse(&text, &name)) {
            Ok(own) => {
                let doing = || format!("cannot use all of device profile `{name}`");
                let faults = naming::faults(&own).into_iter();
                problems.extend(faults.map(|fault| Error::new(Kind::Misused, doing(), fault).into()));
                profiles.retain(|other| other.name != own.name);
                profiles.push(own);
            }
            Err(error) => problems.push(error.into()),
        }
    }
    profile::sort(&mut profiles);
    (profiles, problems)
}

/// What the machine below `prefix` (normally `/`) says to the profiles' rules.
pub fn gather(prefix: &Path, profiles: &[Profile]) -> Facts {
    let asked = profiles.iter().flat_map(|profile| profile.patterns(&profile.card, false));
    let found = asked.filter(|pattern| exists(&device_path(prefix, pattern))).collect();
    let os_release = text(&prefix.join("etc/os-release")).unwrap_or_default();
    let rules = || profiles.iter().flat_map(|profile| &profile.detect);
    let contained = rules().flat_map(|rule| &rule.contains).filter(|(path, word)| {
        text(&device_path(prefix, path))
            .is_some_and(|text| text.to_lowercase().contains(&word.to_lowercase()))
    });
    let variables = rules().flat_map(|rule| rule.environment.keys());
    Facts {
        found,
        os_release: assignments(&os_release),
        contained: contained.map(|(path, word)| (path.clone(), word.clone())).collect(),
        environment: variables.filter_map(|name| Some((name.clone(), env::var(name).ok()?))).collect(),
        played_card: None,
    }
}

/// The same where the folder `card` plays the card (`--root`): then nothing of the machine itself is asked.
pub fn gather_card(card: &Path, profiles: &[Profile]) -> Facts {
    let name = card.display().to_string();
    let asked = profiles.iter().flat_map(|profile| profile.patterns(std::slice::from_ref(&name), true));
    // The card's own name is no pattern: only what follows it is.
    let here = |pattern: &String| {
        pattern.strip_prefix(&name).is_some_and(|rest| exists_below(card, rest.trim_start_matches('/')))
    };
    let found = asked.filter(here).collect();
    Facts { found, played_card: Some(name), ..Facts::default() }
}

/// Where this profile's folders are. `card`: the folder that plays the card (`--root`), else the machine's own is found
/// below `prefix` (normally `/`).
///
/// # Errors
/// `Busy` when no card is there.
pub fn locate(profile: &Profile, prefix: &Path, card: Option<&Path>) -> Result<Site> {
    let card = match card {
        Some(card) => fs::canonicalize(card).ok().filter(|card| card.is_dir()).ok_or_else(|| no_card(card)),
        None => mounted(profile, prefix).ok_or_else(|| {
            Error::new(Kind::Busy, format!("cannot find the card of {}", profile.title), "no such folder")
                .help(format!("looked for `{}`; name it with `--root DIR`", profile.card.join("`, `")))
        }),
    }?;
    let mut site = Site { mounts: mounts(profile, prefix, &card), roots: vec![card], ..Site::default() };
    site.retroarch = profile.retroarch.as_ref().map(|spec| live(profile, spec, &site)).unwrap_or_default();
    let settings = profile.minui.as_ref().map(|spec| text(&site.resolve(profile, &spec.settings)));
    site.minui = settings.map(|text| MinuiSettings::parse(&text.unwrap_or_default()));
    let cores = profile.core_settings.iter().find_map(|path| text(&site.resolve(profile, path)));
    site.cores = cores.map(|text| ChosenCores::parse(&text)).unwrap_or_default();
    let folders = profile.games.folders.iter().map(|folder| site.resolve(profile, folder));
    let mut games: Vec<PathBuf> = folders.filter(|folder| folder.is_dir()).collect();
    // Two names of one folder (a mount seen twice, a card that does not tell `roms` from `ROMs`).
    let mut seen = Vec::new();
    games.retain(|folder| {
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
        let is_new = !seen.contains(&folder);
        seen.push(folder);
        is_new
    });
    site.games = games;
    for (root, of_one_emulator) in naming::roots_outside(profile, &site) {
        if !site.roots.contains(&root) && (!of_one_emulator || root.is_dir()) {
            site.roots.push(root);
        }
    }
    Ok(site)
}

/// RetroArch's configurations that count.
fn live(profile: &Profile, spec: &RetroarchSpec, site: &Site) -> Vec<Live> {
    let read = |path: &Path| Some((path.parent()?.to_owned(), text(path)?));
    let general = spec.config.iter().filter_map(|path| read(&the_one(&site.resolve(profile, path))?));
    let general: Vec<(PathBuf, String)> = general.take(if spec.each { usize::MAX } else { 1 }).collect();
    let of_all = general.first().map_or("", |(_, said)| said);
    let own = spec.by_system.iter().flat_map(|pattern| matching(&site.resolve(profile, pattern)));
    let own = own.filter_map(|path| {
        let (dir, said) = read(&path)?;
        let word = dir.file_name()?.to_str()?.to_owned();
        // The first line of a key counts, and what it does not say is said by that of all.
        let cfg = RetroarchCfg::parse(&format!("{said}\n{of_all}"));
        let says = RetroarchCfg::parse(&said) != RetroarchCfg::default();
        (says && word != "all").then_some(Live { dir, cfg, word: Some(word) })
    });
    let general = general.iter().map(|(dir, said)| {
        let cfg = RetroarchCfg::parse(said);
        Live { dir: dir.clone(), cfg, word: None }
    });
    general.chain(own).collect()
}

/// The folder that was to play the card is not there.
pub fn no_card(card: &Path) -> Error {
    Error::new(Kind::Busy, format!("cannot find the card `{}`", card.display()), "there is no such folder")
        .help("is it in its slot and mounted? `root` names it")
}

/// The games on the card, by walking the game folders, and which folders the save folders have.
pub fn games(volume: &dyn Volume, profile: &Profile, site: &Site) -> (Games, Vec<Problem>) {
    games_again(volume, profile, site, &Naming::new(profile, site, Games::default()))
}

/// The same for whoever has a naming already, with whatever games.
pub fn games_again(
    volume: &dyn Volume,
    profile: &Profile,
    site: &Site,
    naming: &Naming,
) -> (Games, Vec<Problem>) {
    let catalogue = n64::Catalogue::read(profile, site);
    let mut walk = Walk { volume, profile, site, catalogue, games: Games::default(), problems: Vec::new() };
    for folder in &site.games {
        walk.games(folder, None, GAMES_DEPTH);
    }
    for folder in naming.folders() {
        if let Some(root) = site.roots.get(folder.place.root) {
            walk.save_folders(root, &folder.place, folder.grouped);
        }
    }
    (walk.games, walk.problems)
}

/// A walk through game folders and save folders.
struct Walk<'a> {
    volume: &'a dyn Volume,
    profile: &'a Profile,
    site: &'a Site,
    catalogue: Option<n64::Catalogue>,
    games: Games,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn games(&mut self, dir: &Path, within: Option<&GameFolder>, depth: usize) {
        let entries = match self.volume.list(dir) {
            Ok(entries) => entries,
            Err(error) => {
                let doing = format!("cannot read game folder `{}`", dir.display());
                self.problems.push(Error::io(doing, &error).into());
                return;
            }
        };
        let within = within.map(|folder| GameFolder { at: self.site.place(dir), ..folder.clone() });
        if let Some(folder) = &within {
            self.games.add_folder(folder);
        }
        for entry in entries {
            let Some(name) = entry.name.to_str() else { continue };
            match (entry.kind, &within) {
                (EntryKind::Folder, _) if depth > 0 && !naming::is_no_game_folder(name) => {
                    let own = naming::game_folder(self.profile, name);
                    self.games(&dir.join(name), own.as_ref().or(within.as_ref()), depth - 1);
                }
                (EntryKind::File, Some(folder)) => {
                    self.games.add(folder, name);
                    if let Some(catalogue) = self.catalogue.as_ref().filter(|_| folder.system == "n64") {
                        catalogue.add(self.volume, &dir.join(name), name, &mut self.games);
                    }
                }
                _ => {}
            }
        }
    }

    /// The subfolders of a save folder, as deep as they are named after something.
    fn save_folders(&mut self, root: &Path, place: &Place, depth: usize) {
        if depth == 0 {
            return;
        }
        for entry in self.volume.list(&place.path.under(root)).unwrap_or_default() {
            let name = entry.name.to_str().filter(|_| entry.kind == EntryKind::Folder);
            let path = name.and_then(|name| RelativePath::new(&format!("{}/{name}", place.path)));
            if let Some(path) = path {
                let below = Place { root: place.root, path };
                self.save_folders(root, &below, depth - 1);
                self.games.add_save_folder(below);
            }
        }
    }
}

/// The place of the card that is mounted and has what the profile wants there; else one that is mounted.
fn mounted(profile: &Profile, prefix: &Path) -> Option<PathBuf> {
    let fstab = text(&prefix.join("etc/fstab")).unwrap_or_default();
    let in_fstab = |card: &String| {
        let mut points = fstab.lines().filter_map(|line| line.split_whitespace().nth(1));
        !profile.card_in_fstab.contains(card) || points.any(|point| point == card.as_str())
    };
    let places = profile.card.iter().filter(|card| in_fstab(card));
    let there: Vec<PathBuf> =
        places.flat_map(|card| matching(&device_path(prefix, card))).filter(|card| card.is_dir()).collect();
    let has = |card: &&PathBuf| profile.card_has.iter().any(|pattern| exists_below(card, pattern));
    there.iter().find(has).or_else(|| there.first()).cloned()
}

/// The one file that fits: the only one, or the one of this kind of device where the environment tells it.
fn the_one(pattern: &Path) -> Option<PathBuf> {
    let mut found = matching(pattern);
    if found.len() > 1 {
        let platform = env::var("PLATFORM").ok().filter(|word| !word.is_empty())?;
        found.retain(|path| path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(&platform)));
    }
    if found.len() == 1 { found.pop() } else { None }
}

/// What the device's paths begin with: the card's usual places, home, and the machine itself.
fn mounts(profile: &Profile, prefix: &Path, card: &Path) -> Vec<(String, PathBuf)> {
    let played =
        !profile.card.iter().any(|usual| matching(&device_path(prefix, usual)).iter().any(|at| at == card));
    let home = if played { card.to_owned() } else { device_path(prefix, "~") };
    let config = if played { card.join(".config") } else { device_path(prefix, &format!("${XDG}")) };
    let mut mounts = vec![
        (card.display().to_string(), card.to_owned()),
        ("~".to_owned(), home),
        (format!("${XDG}"), config),
    ];
    for usual in &profile.card {
        if usual.contains('*') {
            continue;
        }
        // On the machine a second place is another card; where a folder plays the card, it plays all of them.
        let here = if played { card.to_owned() } else { device_path(prefix, usual) };
        mounts.push((usual.clone(), here));
    }
    mounts.push((String::new(), prefix.to_owned()));
    mounts
}

/// The path below `prefix` that a device's path (absolute, or below `~`) means.
fn device_path(prefix: &Path, path: &str) -> PathBuf {
    let home = || env::var("HOME").unwrap_or_else(|_| "/root".into());
    let config = || env::var(XDG).ok().filter(|folder| folder.starts_with('/'));
    let path = match (path.strip_prefix('~'), path.strip_prefix('$').and_then(|path| path.strip_prefix(XDG)))
    {
        (Some(rest), _) => home() + rest,
        (_, Some(rest)) => config().unwrap_or_else(|| home() + "/.config") + rest,
        _ => path.to_owned(),
    };
    prefix.join(path.trim_start_matches('/'))
}

/// Does anything fit the path, whose names may have `*`?
fn exists(pattern: &Path) -> bool {
    !matching(pattern).is_empty()
}

fn exists_below(dir: &Path, pattern: &str) -> bool {
    !matching_below(dir, pattern).is_empty()
}

/// Everything that fits an absolute path, whose names may have `*`.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let below =
        pattern.to_str().map(|pattern| matching_below(Path::new("/"), pattern.trim_start_matches('/')));
    below.unwrap_or_default()
}

fn matching_below(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let (name, rest) = pattern.split_once('/').map_or((pattern, None), |(name, rest)| (name, Some(rest)));
    let fits = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|own| naming::fits(name, own));
    let mut here: Vec<PathBuf> = match name.contains('*') {
        true => entries(dir).iter().filter(|entry| fits(entry)).map(fs::DirEntry::path).collect(),
        false => vec![dir.join(name)],
    };
    here.sort();
    match rest {
        Some(rest) => here.iter().flat_map(|path| matching_below(path, rest)).collect(),
        None => here.into_iter().filter(|path| path.exists()).collect(),
    }
}

fn entries(dir: &Path) -> Vec<fs::DirEntry> {
    fs::read_dir(dir).map(|entries| entries.flatten().collect()).unwrap_or_default()
}

fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(TEXT_LIMIT_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `NAME="value"` lines.
fn assignments(text: &str) -> LiteMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
        .collect()
}
