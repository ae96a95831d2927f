//! From firmware to firmware: the save that one wrote lies where the other's emulator reads it.
//!
//! Where an emulator reads is told by `where.txt`, by hand; `naming` must come to the same for each line, and from each firmware
//! to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use retrosync::naming::{Identified, Naming};
use retrosync::profile::{Group, Holds, Layout, Profile};
use retrosync_protocol::{Kind, SaveId};

use crate::card::{Card, at, profile, profiles, save};

/// One line of `where.txt`.
pub(crate) struct Line {
    pub(crate) system: &'static str,
    /// The game.
    game: String,
    /// Where its save lies, and which that is; none: there is none.
    pub(crate) save: Option<(String, SaveId)>,
    /// Its emulator keeps saves that are not synced.
    pub(crate) unsynced: bool,
    /// The firmware's own files say so.
    pub(crate) sourced: bool,
}

/// The title of a system's game: odd, and of one system only.
pub(crate) fn title(system: &str) -> String {
    format!("Pokémon - Odd (U) [!] v1.2, No. 1 {system}")
}

/// `where.txt`, by firmware.
pub(crate) fn lines() -> BTreeMap<&'static str, Vec<Line>> {
    let mut firmwares = BTreeMap::new();
    let (mut firmware, mut source) = ("", "");
    for line in include_str!("where.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            (firmware, source) = name.split_once("] ").expect("a section names its source, or `?`");
            continue;
        }
        let mut cells: Vec<&'static str> = line.split(" | ").collect();
        let inferred = cells.len() == 5 && cells.pop() == Some("?");
        let system = cells[0];
        // The title is the only `T` that stands at the start of a name and before a dot.
        let titled = |path: &str| {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let rest = name.strip_prefix("T.").map(|rest| format!("{}.{rest}", title(system)));
            format!("{folder}/{}", rest.unwrap_or_else(|| name.to_owned()))
        };
        let found = match cells[2..] {
            ["-" | "?"] => None,
            [path, "tree"] => {
                let folder = path.strip_suffix("/*").unwrap().rsplit('/').next().unwrap();
                Some((path.to_owned(), save(&format!("{system}/tree/{folder}"))))
            }
            [path, what] if what.contains('/') => Some((titled(path), save(&format!("{system}/{what}")))),
            [path, what] => Some((titled(path), save(&format!("{system}/{what}/{}", title(system))))),
            _ => panic!("{line}"),
        };
        let lines: &mut Vec<Line> = firmwares.entry(firmware).or_default();
        let sourced = source != "?" && !inferred;
        lines.push(Line { system, game: titled(cells[1]), save: found, unsynced: cells[2] == "?", sourced });
    }
    firmwares
}

/// One firmware's card with a game of every system of its lines.
pub(crate) struct World {
    pub(crate) profile: Profile,
    pub(crate) naming: Naming,
    pub(crate) lines: Vec<Line>,
    _card: Card,
}

impl World {
    pub(crate) fn of(name: &str, lines: Vec<Line>) -> World {
        let profile = profile(name);
        let card = Card::new();
        for line in &lines {
            card.file(&line.game);
        }
        let (naming, _) = card.naming(&profile);
        World { profile, naming, lines, _card: card }
    }

    /// The core that this firmware runs a system with.
    pub(crate) fn core(&self, system: &str) -> Option<String> {
        let own = &self.profile.default_cores;
        let folder = self.line(system)?.game.rsplit_once('/')?.0;
        let folder = folder.rsplit('/').next()?;
        let word = folder.rsplit_once('(').map_or(folder, |(_, tag)| tag.trim_end_matches(')'));
        let usual = || table("systems.toml").get(system)?.get("core")?.as_str().map(str::to_owned);
        own.get(word).or_else(|| own.get(system)).cloned().or_else(usual)
    }

    /// Does the profile itself say which core runs a system of its lines?
    fn names_core_of(&self, line: &Line) -> bool {
        let Some((folder, _)) = line.game.rsplit_once('/') else { return false };
        let word = folder.rsplit('/').next().unwrap_or(folder);
        let word = word.rsplit_once('(').map_or(word, |(_, tag)| tag.trim_end_matches(')'));
        let own = &self.profile.default_cores;
        own.get(word).or_else(|| own.get(line.system)).is_some()
    }

    pub(crate) fn line(&self, system: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.system == system)
    }
}

/// All firmwares, in the order in which they are tried.
pub(crate) fn worlds() -> Vec<World> {
    let mut lines = lines();
    let of = |profile: Profile| {
        let lines = lines.remove(&*profile.name).unwrap_or_default();
        World::of(&profile.name, lines)
    };
    profiles().into_iter().map(of).collect()
}

/// A data file of `protocol/`, read by a whole TOML reader.
pub(crate) fn table(name: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol").join(name);
    fs::read_to_string(path).unwrap().parse().unwrap()
}

#[test]
fn a_save_lies_where_the_firmware_s_own_emulator_keeps_it() {
    let mut wrong = Vec::new();
    for world in worlds() {
        let name = &world.profile.name;
        assert!(world.lines.len() >= 15, "{name}: only {} lines", world.lines.len());
        for line in &world.lines {
            let Some((path, id)) = &line.save else { continue };
            let found = world.naming.identify(&at(path));
            if found != Identified::Save(id.clone()) {
                wrong.push(format!("{name}: `{path}` is {id}, not {found:?}"));
            }
            let home = world.naming.home(id).map(|home| home.path.to_string());
            if home.as_ref() != Some(path) {
                wrong.push(format!("{name}: {id} goes to `{path}`, not to {home:?}"));
            }
        }
        for line in world.lines.iter().filter(|line| line.unsynced) {
            let battery = save(&format!("{}/sram/{}", line.system, title(line.system)));
            let card = save(&format!("{}/card.0/{}", line.system, title(line.system)));
            for id in [battery, card] {
                if let Some(home) = world.naming.home(&id) {
                    wrong.push(format!("{name}: {id} is not synced, but goes to {home:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where saves lie in folders of cores, a save goes where nobody reads it if the core is only the one that most firmwares take.
#[test]
fn where_saves_lie_by_core_no_save_goes_to_a_folder_that_is_only_guessed() {
    let mut guessed = Vec::new();
    for world in worlds() {
        let by_core = |layout: &&Layout| {
            let groups = &layout.grouped_by;
            layout.holds.contains(&Holds::Saves)
                && (groups.contains(&Group::Core) || groups.contains(&Group::SystemCore))
        };
        if world.profile.layouts.iter().filter(by_core).all(|layout| !layout.confirmed) {
            continue;
        }
        let battery = world
            .lines
            .iter()
            .filter(|line| line.sourced && line.save.as_ref().is_some_and(|(_, id)| id.kind() != Kind::Tree));
        let silent = battery.filter(|line| !world.names_core_of(line));
        guessed.extend(silent.map(|line| format!("{}: {}", world.profile.name, line.system)));
    }
    assert!(
        guessed.is_empty(),
        "name the core in [default_cores], or mark the line `| ?`:\n{}",
        guessed.join("\n")
    );
}

/// Each pair of firmwares, each system that both know: what the one's emulator wrote, the other's finds.
#[test]
fn a_save_of_one_firmware_lies_where_every_other_s_emulator_reads_it() {
    let worlds = worlds();
    let (mut pairs, mut apart) = (0, 0);
    let mut proved = BTreeSet::new();
    for from in &worlds {
        for (line, (path, _)) in from.lines.iter().filter_map(|line| Some((line, line.save.as_ref()?))) {
            // Whatever the program takes it for, the other must find it at the place that its own line says.
            let Identified::Save(told) = from.naming.identify(&at(path)) else { panic!("{path}") };
            for to in worlds.iter().filter(|to| to.profile.name != from.profile.name) {
                let Some((there, id)) = to.line(line.system).and_then(|line| line.save.as_ref()) else {
                    continue;
                };
                let home = to.naming.home(&told).map(|home| home.path.to_string());
                if *id == told {
                    assert_eq!(home.as_ref(), Some(there), "{told} of {}", from.profile.name);
                    // What no source says proves nothing: both sides are the same guess.
                    let sourced = line.sourced && to.line(line.system).is_some_and(|line| line.sourced);
                    pairs += usize::from(sourced);
                    if sourced {
                        proved.insert(line.system);
                    }
                } else {
                    // The bytes are of a core that one of the two does not run this system with.
                    assert!(told.core().or(id.core()).is_some(), "{told} is {id} on {}", to.profile.name);
                    assert_ne!(home.as_ref(), Some(there), "{told} on {}", to.profile.name);
                    apart += 1;
                }
            }
        }
    }
    println!("{pairs} pairs of {} systems agree, {apart} are of another core", proved.len());
    // Only those that both firmwares' own files tell.
    assert!(pairs > 7_000 && proved.len() >= 38, "only {pairs} pairs of {} systems", proved.len());
}
