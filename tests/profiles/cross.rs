//! From firmware to firmware: the save that one wrote lies where the other's emulator reads it.
//!
//! Where an emulator reads is told here once more, by a table of the firmwares' layouts and by what `cores.toml` says of
//! the core that the firmware runs: `naming` must come to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use retrosync::naming::{Identified, Naming};
use retrosync::profile::Profile;
use retrosync_protocol::{Kind, SaveId};

use crate::card::{Card, at, profiles};

/// Profile, where a game lies, where its save lies. `F`: the game's folder (or tag), `T`: the title, `C`: RetroArch's name of
/// the core, `E`: what the core calls its save; `X`: the same where the core writes it, `zip.sav` where MinUI does.
pub(crate) const LAYOUTS: [(&str, &str, &str); 24] = [
    ("allium", "Roms/F/T.zip", "Saves/CurrentProfile/saves/C/T.E"),
    ("amberelec", "F/T.zip", "F/T.E"),
    ("anbernic-stock", "Roms/F/T.zip", "saves_RA/Roms/F/T.E"),
    ("arkos", "F/T.zip", "F/T.E"),
    ("batocera", "roms/F/T.zip", "saves/F/T.E"),
    ("crossmix", "Roms/F/T.zip", "RetroArch/.retroarch/saves/F/C/T.E"),
    ("emudeck", "roms/F/T.zip", "saves/retroarch/saves/T.E"),
    ("garlicos", "Roms/F/T.zip", "Saves/C/T.E"),
    ("knulli", "roms/F/T.zip", "saves/F/T.E"),
    ("koriki", "Roms/F/T.zip", "Saves/RA_saves/C/T.E"),
    ("lakka", "roms/F/T.zip", "savefiles/T.E"),
    ("linux-retroarch", "Emulation/roms/F/T.zip", ".config/retroarch/saves/T.E"),
    ("minui", "Roms/Some Name (F)/T.zip", "Saves/F/T.X"),
    ("miyoo-a30-stock", "Roms/F/T.zip", "RetroArch/.retroarch/saves/C/T.E"),
    ("miyoo-flip-stock", "Roms/F/T.zip", "RetroArch/.retroarch/saves/C/T.E"),
    ("miyoo-mini-stock", "Roms/F/T.zip", "RetroArch/.retroarch/saves/C/T.E"),
    ("muos", "ROMS/F/T.zip", "MUOS/save/file/C/T.E"),
    ("nextui", "Roms/Some Name (F)/T.zip", "Saves/F/T.X"),
    ("onion", "Roms/F/T.zip", "Saves/CurrentProfile/saves/C/T.E"),
    ("retrodeck", "roms/F/T.zip", "saves/F/T.E"),
    ("retropie", "roms/F/T.zip", "roms/F/T.E"),
    ("rocknix", "F/T.zip", "F/T.E"),
    ("spruce", "Roms/F/T.zip", "Saves/saves/C/T.E"),
    ("trimui-stock", "Roms/F/T.zip", "RetroArch/.retroarch/saves/C/T.E"),
];

/// A data file of `protocol/`, read by a whole TOML reader.
pub(crate) fn table(name: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol").join(name);
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn texts(value: Option<&toml::Value>) -> Vec<String> {
    let list = value.and_then(toml::Value::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// One firmware's card with a game of every system that it knows.
pub(crate) struct World {
    pub(crate) profile: Profile,
    pub(crate) naming: Naming,
    /// By system: the game folder's name (or tag).
    pub(crate) folders: BTreeMap<String, String>,
    /// By system: the core that most firmwares take.
    cores: BTreeMap<String, String>,
    save: &'static str,
    _card: Card,
}

/// The title of a system's game: odd, and of one system only.
pub(crate) fn title(system: &str) -> String {
    format!("Pokémon - Odd (U) [!] v1.2, No. 1 {system}")
}

impl World {
    pub(crate) fn new(profile: Profile, systems: &toml::Table) -> World {
        let (_, game, save) = LAYOUTS.into_iter().find(|(name, ..)| *name == profile.name).unwrap();
        let word = |system: &toml::Value| {
            profile.games.names.iter().find_map(|column| texts(system.get(column)).into_iter().next())
        };
        let folders: BTreeMap<String, String> =
            systems.iter().filter_map(|(name, system)| Some((name.clone(), word(system)?))).collect();
        let card = Card::new();
        for (system, folder) in &folders {
            card.file(&game.replace('F', folder).replace("T.", &format!("{}.", title(system))));
        }
        let (naming, _) = card.naming(&profile);
        let usual = |system: &toml::Value| Some(system.get("core")?.as_str()?.to_owned());
        let cores =
            systems.iter().filter_map(|(name, system)| Some((name.clone(), usual(system)?))).collect();
        World { profile, naming, folders, cores, save, _card: card }
    }

    /// The core that this firmware runs a system with.
    pub(crate) fn core(&self, system: &str) -> Option<String> {
        let own = &self.profile.default_cores;
        let folder = self.folders.get(system)?;
        own.get(folder).or_else(|| own.get(system)).or_else(|| self.cores.get(system)).cloned()
    }

    /// Where that core's emulator reads the battery save, by the layout and the core's own way of naming.
    pub(crate) fn expected(&self, system: &str, cores: &toml::Table) -> Option<String> {
        let name = self.core(system)?;
        let core = cores.get(&name)?;
        let folders = texts(core.get("folders"));
        let files = core.get("files").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        let of_system = |file: &&toml::Value| {
            let only = texts(file.get("systems"));
            only.is_empty() || only.iter().any(|one| one == system)
        };
        let own = files.iter().find(of_system).and_then(|file| file.get("extension")?.as_str());
        let own = own.filter(|extension| *extension != "srm");
        let mut path = String::new();
        // An emulator of its own keeps a folder of its own.
        let alone = self.profile.layouts.iter().find(|layout| layout.core.as_ref() == Some(&name));
        if let Some(layout) = alone {
            return Some(format!("{}/{}.{}", layout.folder, title(system), own?));
        }
        for part in self.save.split('/') {
            let part = match part {
                "F" => self.folders.get(system)?.clone(),
                "C" => folders.first()?.clone(),
                "T.E" => format!("{}.{}", title(system), own.unwrap_or("srm")),
                "T.X" => format!("{}.{}", title(system), own.unwrap_or("zip.sav")),
                other => other.to_owned(),
            };
            let below = core
                .get("subfolder")
                .and_then(toml::Value::as_str)
                .filter(|_| part.starts_with(&title(system)));
            let part = below.map_or_else(|| part.clone(), |below| format!("{below}/{part}"));
            path = if path.is_empty() { part } else { format!("{path}/{part}") };
        }
        Some(path)
    }
}

/// Each pair of firmwares, each system that both know: what the one's emulator wrote, the other's finds.
#[test]
fn a_save_of_one_firmware_lies_where_every_other_s_emulator_reads_it() {
    let (cores, systems) = (table("cores.toml"), table("systems.toml"));
    let worlds: Vec<World> = profiles().into_iter().map(|profile| World::new(profile, &systems)).collect();
    assert_eq!(worlds.len(), LAYOUTS.len());
    let mut written: BTreeMap<String, BTreeMap<String, SaveId>> = BTreeMap::new();
    for world in &worlds {
        for system in world.folders.keys() {
            let Some(path) = world.expected(system, &cores) else { continue };
            match world.naming.identify(&at(&path)) {
                Identified::Save(save) if save.kind() != Kind::File => {
                    assert_eq!(save.system(), system, "{} {path}", world.profile.name);
                    written.entry(system.clone()).or_default().insert(world.profile.name.clone(), save);
                }
                // Bytes of one core only, in a folder that does not tell the core: kept by the path, or told.
                Identified::Save(_) | Identified::Unknown(_) => {
                    let keyed = systems.get(system).and_then(|system| system.get("keyed"));
                    assert!(keyed.is_some(), "{} {path}", world.profile.name);
                }
                other => panic!("{} does not know its own {path}: {other:?}", world.profile.name),
            }
        }
    }
    let (mut pairs, mut apart) = (0, 0);
    let mut proved = BTreeSet::new();
    for to in &worlds {
        let mut homes: BTreeMap<SaveId, Option<String>> = BTreeMap::new();
        for (system, by) in &written {
            if !to.folders.contains_key(system) {
                continue;
            }
            for save in by.iter().filter(|(from, _)| **from != to.profile.name).map(|(_, save)| save) {
                let find = || to.naming.home(save).map(|home| home.path.to_string());
                let home = homes.entry(save.clone()).or_insert_with(find);
                let same_form = by.get(&to.profile.name) == Some(save);
                if same_form {
                    let expected = to.expected(system, &cores);
                    assert_eq!(*home, expected, "{save} on {}", to.profile.name);
                    pairs += 1;
                    proved.insert(system.clone());
                } else {
                    // The bytes are of a core that one of the two does not run this system with.
                    let here = by.get(&to.profile.name);
                    let of_one_core = here.is_none_or(|here| save.core().or(here.core()).is_some());
                    assert!(of_one_core, "{save} is another save on {}", to.profile.name);
                    apart += 1;
                }
            }
        }
    }
    println!("{pairs} pairs of {} systems agree, {apart} are of another core", proved.len());
    assert!(pairs > 12_000 && proved.len() >= 40, "only {pairs} pairs of {} systems", proved.len());
}
