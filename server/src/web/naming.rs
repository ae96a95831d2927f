//! PURE. What people call a save, a system and a firmware, and which picture shows it.

use std::sync::LazyLock;

use retrosync_protocol::{Kind, SaveId};

use crate::folders::systems_of;

/// The system of saves that RetroSync's own clients brought: they tell a path, and no system.
const THEIRS: &str = "retrosync";

/// A save's title: the game's name.
pub(super) fn title(save: &SaveId) -> &str {
    if save.system() == THEIRS { last(save.title()) } else { save.title() }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder that RetroSync's own clients keep a save in.
fn folder(save: &SaveId) -> Option<&str> {
    let (folders, _) = save.title().rsplit_once('/').filter(|_| save.system() == THEIRS)?;
    Some(last(folders)).filter(|folder| *folder != "netplay")
}

/// What a save of RetroSync's own clients is besides its title: where it lies, and whose it is if not everybody's.
fn theirs(save: &SaveId) -> String {
    let netplay = save.title().starts_with("netplay/").then_some("for playing over a network");
    let own = save.slot().filter(|slot| *slot != "saves").map(|_| "one device’s own");
    [folder(save), netplay, own].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// What a save is besides its title; empty for the usual battery save.
pub(super) fn kind(save: &SaveId) -> String {
    if save.system() == THEIRS {
        return theirs(save);
    }
    let slot = save.slot().unwrap_or_default();
    let core = save.core().map(|core| format!(" · {core}")).unwrap_or_default();
    let word = match save.kind() {
        Kind::Sram => String::new(),
        Kind::Rtc => "clock".into(),
        Kind::Card => format!("memory card {slot}"),
        Kind::State if slot == "auto" => "auto state".into(),
        Kind::State => format!("state {slot}"),
        Kind::Tree => "folder".into(),
        Kind::File => "kept as it is".into(),
        Kind::Newer => "of a newer program".into(),
    };
    format!("{}{core}", word.trim_end()).trim_start_matches(" · ").to_owned()
}

/// The name under which a content is downloaded. RetroSync's own clients note the path at which it lay: its ending is what that
/// device looks for.
pub(super) fn file_name(save: &SaveId, note: Option<&str>) -> String {
    let title = last(save.title());
    if save.system() == THEIRS {
        let name = note.map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default());
        let is_its = |name: &&str| name.strip_prefix(title).is_some_and(|ending| ending.starts_with('.'));
        return name.filter(is_its).map_or_else(|| format!("{title}.srm"), str::to_owned);
    }
    let ending = match save.kind() {
        Kind::Sram => "srm",
        Kind::Rtc => "rtc",
        Kind::Card => "mcr",
        Kind::State => "state",
        Kind::Tree => "tree",
        // Its title is a file's name.
        Kind::File => return title.to_owned(),
        Kind::Newer => "bin",
    };
    format!("{title}.{ending}")
}

/// Firmwares as people call them: the titles of `device-profiles/`, and what RetroSync's own clients call themselves.
const FIRMWARES: &[(&str, &str)] = &[
    ("allium", "Allium"),
    ("amberelec", "AmberELEC"),
    ("anbernic-stock", "Anbernic stock firmware"),
    ("arkos", "ArkOS and dArkOS"),
    ("batocera", "Batocera"),
    ("crossmix", "CrossMix-OS"),
    ("emudeck", "EmuDeck"),
    ("garlicos", "GarlicOS"),
    ("knulli", "Knulli"),
    ("koriki", "Koriki"),
    ("lakka", "Lakka"),
    ("linux-retroarch", "RetroArch on Linux"),
    ("minui", "MinUI"),
    ("miyoo-a30-stock", "Miyoo A30 stock firmware"),
    ("miyoo-flip-stock", "Miyoo Flip stock firmware"),
    ("miyoo-mini-stock", "Miyoo Mini and Mini Plus stock firmware"),
    ("muos", "muOS"),
    ("nextui", "NextUI"),
    ("onion", "OnionOS"),
    ("retrodeck", "RetroDECK"),
    ("retropie", "RetroPie"),
    ("rocknix", "ROCKNIX"),
    ("spruce", "spruceOS"),
    ("trimui-stock", "TrimUI stock firmware"),
    ("retrosync", "RetroSync’s own client"),
    ("rg35xx", "Anbernic RG35XX"),
    ("miyoo_flip", "Miyoo Flip"),
    ("miyoo_mini", "Miyoo Mini"),
    ("windows", "Windows"),
    ("mac", "macOS"),
    ("linux", "Linux"),
    ("other", "another kind of device"),
];

/// A firmware as people call it; unknown ones as they are.
pub(super) fn firmware(profile: &str) -> &str {
    FIRMWARES.iter().find(|(id, _)| *id == profile).map_or(profile, |(_, title)| title)
}

/// The table of systems that the programs share, for people's names of them.
const SYSTEMS: &str = include_str!("../../../protocol/systems.toml");

/// Names of systems and people's names for them, in the table's order.
pub(super) fn systems() -> &'static [(&'static str, &'static str)] {
    static ALL: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
        let mut all = Vec::new();
        let mut name = "";
        for line in SYSTEMS.lines() {
            if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name = head;
            }
            let title = line.strip_prefix("title = \"").and_then(|rest| rest.strip_suffix('"'));
            all.extend(title.map(|title| (name, title)));
        }
        all
    });
    &ALL
}

/// A system as people call it; where a save is of none that is known, whose save it is.
pub(super) fn system(name: &str) -> &str {
    match systems().iter().find(|(id, _)| *id == name) {
        Some((_, title)) => title,
        None if name == THEIRS => "RetroSync’s own clients",
        None => firmware(name),
    }
}

/// Which of our pictures shows a save: its system's, or what its folder stands for.
pub(super) fn picture(save: &SaveId) -> &'static str {
    let known = folder(save).and_then(systems_of).filter(|systems| systems.len() == 1);
    let known = known.and_then(|systems| systems.first());
    known.map_or_else(|| picture_of(save.system()), |system| picture_of(system))
}

/// Which of our pictures (`assets/systems.svg`) shows a system.
pub(super) fn picture_of(name: &str) -> &'static str {
    match name {
        "gb" | "sgb" | "mega-duck-slash-cougar-boy" => "gb",
        "gbc" => "gbc",
        "gba" => "gba",
        "nds" => "nds",
        "nes" => "nes",
        "snes" | "satellaview" | "sufami-turbo" => "snes",
        "n64" | "jaguar" => "n64",
        "virtualboy" => "vb",
        "pokemon-mini" | "arduboy" => "mini",
        "genesis" | "sega32" => "md",
        "sms" | "sg1000" => "sms",
        "gamegear" => "gg",
        "psx" => "psx",
        "psp" => "psp",
        "dc" | "saturn" => "dc",
        "tg16" | "supergrafx" => "pce",
        "segacd" | "turbografx-cd" | "pc-fx" | "neo-geo-cd" | "3do" => "cd",
        "arcade" | "neogeoaes" => "arcade",
        "neo-geo-pocket" => "ngp",
        "wonderswan" | "lynx" | "g-and-w" | "supervision" => "wide",
        "atari2600"
        | "atari5200"
        | "atari7800"
        | "colecovision"
        | "vectrex"
        | "intellivision"
        | "odyssey"
        | "fairchild-channel-f" => "stick",
        "fds" | "amiga" | "c64" | "dos" | "scummvm" | "msx" | "vic-20" | "zxs" | "acpc" | "atari-st"
        | "atari800" | "sharp-x68000" | "pc-9800-series" => "disk",
        _ => "cart",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn saves_by_what_they_are() {
        let rows = [
            ("gb/sram/Tetris", "", "Tetris.srm"),
            ("gba/state.auto@mgba/Metroid", "auto state · mgba", "Metroid.state"),
            ("psx/card.0/Final Fantasy VII (Disc 1)", "memory card 0", "Final Fantasy VII (Disc 1).mcr"),
            ("gb/sram@gambatte/a/b", "gambatte", "b.srm"),
        ];
        for (save, word, name) in rows {
            let save = save.parse().unwrap();
            assert_eq!((kind(&save).as_str(), file_name(&save, None).as_str()), (word, name));
        }
    }
    #[test]
    fn saves_of_retrosyncs_own_clients_are_no_strangers() {
        let rows = [
            (
                "retrosync/file.saves/mgba/Pokemon Emerald",
                Some("/saves/mGBA/Pokemon Emerald.sav"),
                "mgba",
                "cart",
                "sav",
            ),
            ("retrosync/file.saves/nes/Tetris", Some("C:\\Saves\\nes\\Tetris.srm"), "nes", "nes", "srm"),
            ("retrosync/file.saves/Tetris", None, "", "cart", "srm"),
            ("retrosync/file.saves/nes/Tetris", Some("restored by hand"), "nes", "nes", "srm"),
            ("retrosync/file.0123abcd/gb/Tetris", None, "gb · one device’s own", "gb", "srm"),
            (
                "retrosync/file.saves/netplay/nes/Tetris",
                None,
                "nes · for playing over a network",
                "nes",
                "srm",
            ),
        ];
        for (save, note, facts, shown, ending) in rows {
            let save = save.parse().unwrap();
            let name = title(&save).to_owned();
            assert!(matches!(name.as_str(), "Tetris" | "Pokemon Emerald"), "{name}");
            assert_eq!((kind(&save).as_str(), picture(&save)), (facts, shown), "{save}");
            assert_eq!(file_name(&save, note), format!("{name}.{ending}"));
            assert_eq!(system(save.system()), "RetroSync’s own clients");
        }
    }

    #[test]
    fn each_firmware_has_the_name_that_its_profile_gives_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../device-profiles");
        let value = |text: &str, key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.unwrap().trim_end_matches('"').to_owned()
        };
        let mut profiles = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                let text = std::fs::read_to_string(path).unwrap();
                let title = value(&text, "title");
                assert_eq!(firmware(&value(&text, "name")), title.split(" (").next().unwrap());
                profiles += 1;
            }
        }
        assert!(profiles > 20 && firmware("of tomorrow") == "of tomorrow");
    }
}
