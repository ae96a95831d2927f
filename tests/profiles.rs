//! The device profiles, proved: each one's examples both ways, which device a card is of, and that a save of one firmware
//! finds its way to every other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use retrosync::facts;
use retrosync::naming::{Identified, Naming};
use retrosync::profile::{self, Example, Profile, Site};
use retrosync::snapshot::{Place, RelativePath};
use retrosync::volume::Os;
use retrosync_protocol::SaveId;

/// The profiles with their examples, which the binary leaves out.
fn profiles() -> Vec<Profile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("device-profiles");
    let (profiles, problems) = facts::profiles(&folder);
    assert_eq!(problems, [], "a profile cannot be read");
    profiles
}

fn profile(name: &str) -> Profile {
    profiles().into_iter().find(|profile| profile.name == name).unwrap()
}

/// A card in a folder.
struct Card {
    folder: tempfile::TempDir,
}

impl Card {
    fn new() -> Card {
        Card { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, path: &str) -> &Card {
        self.text(path, "")
    }

    fn text(&self, path: &str, text: &str) -> &Card {
        let path = self.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn naming(&self, profile: &Profile) -> (Naming, Site) {
        let site = facts::locate(profile, Path::new("/"), Some(self.path())).unwrap();
        let (games, problems) = facts::games(&Os, profile, &site);
        assert_eq!(problems, []);
        (Naming::new(profile, &site, games), site)
    }
}

fn at(path: &str) -> Place {
    Place { root: 0, path: RelativePath::new(path).unwrap() }
}

fn save(text: &str) -> SaveId {
    text.parse().unwrap()
}

fn prove(profile: &Profile, example: &Example) {
    let card = Card::new();
    card.file(&example.game);
    let (naming, _) = card.naming(profile);
    let what = format!("{}: {}", profile.name, example.path);
    let found = naming.identify(&at(&example.path));
    let Some(expected) = &example.save else {
        assert!(!matches!(found, Identified::Save(_)), "{what} is {found:?}");
        return;
    };
    assert_eq!(found, Identified::Save(save(expected)), "{what}");
    let home = naming.home(&save(expected)).map(|home| home.path.as_str().to_owned());
    match example.home {
        true => {
            assert_eq!(home.as_deref(), Some(&*example.path), "the home of {expected} on {}", profile.name)
        }
        false => assert_ne!(home.as_deref(), Some(&*example.path), "{what} is said to be no home"),
    }
    let elsewhere = Card::new();
    let (naming, _) = elsewhere.naming(profile);
    assert_eq!(naming.home(&save(expected)), None, "{what}: a home without its game");
}

#[test]
fn every_profile_s_examples_hold_both_ways() {
    for profile in profiles() {
        assert!(profile.examples.len() >= 3, "{} proves too little", profile.name);
        for example in &profile.examples {
            prove(&profile, example);
        }
    }
}

#[test]
fn the_profiles_in_the_binary_are_those_of_the_folder() {
    let built_in: Vec<_> = profile::built_in().into_iter().map(|p| (p.order, p.name)).collect();
    let folder: Vec<_> = profiles().into_iter().map(|p| (p.order, p.name)).collect();
    assert_eq!(built_in, folder);
    assert_eq!(
        built_in.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(),
        ["muos", "knulli", "minui", "onion", "linux-retroarch"]
    );
}

/// Each card and machine with its marks, and the leftovers of others that must not mislead.
#[test]
fn which_device_it_is() {
    let onion = ".tmp_update/onionVersion/version.txt";
    let minui = ".system/my282/paks/MinUI.pak/launch.sh";
    for (what, marks, expected) in [
        ("an empty card", &[][..], None),
        ("Onion", &[onion], Some("onion")),
        ("Onion with a stale spruce", &[onion, "spruce/spruce"], Some("onion")),
        ("MinUI", &[minui], Some("minui")),
        ("MinUI over an old Onion", &[minui, onion], Some("minui")),
        ("NextUI is not MinUI", &[minui, ".system/tg5040/bin/nextui.elf"], None),
        ("muOS", &["MUOS/save/file/.keep"], Some("muos")),
        ("muOS with leftovers", &["MUOS/log/x", onion, minui], Some("muos")),
        ("Knulli", &["system/batocera.conf"], Some("knulli")),
        ("new Knulli", &["system/knulli.conf"], Some("knulli")),
        ("RetroArch on a PC", &[".config/retroarch/retroarch.cfg"], Some("linux-retroarch")),
    ] {
        let card = Card::new();
        marks.iter().for_each(|mark| {
            card.file(mark);
        });
        let profiles = profiles();
        let facts = facts::gather_card(card.path(), &profiles);
        assert_eq!(profile::detect(&facts, &profiles).map(|p| p.name.as_str()), expected, "{what}");
    }
}

#[test]
fn which_machine_it_is() {
    let onion = "/mnt/SDCARD/.tmp_update/onionVersion/version.txt";
    let minui = "/mnt/SDCARD/.system/tg5040/paks/MinUI.pak/launch.sh";
    for (what, marks, os_release, expected) in [
        ("nothing known", &[][..], "", None),
        ("Onion", &[onion], "", Some("onion")),
        (
            "MinUI on its second place",
            &["/mnt/sdcard/.system/rg35xxplus/paks/MinUI.pak/x"],
            "",
            Some("minui"),
        ),
        (
            "muOS with an Onion card",
            &["/opt/muos/x", "/mnt/sdcard/.tmp_update/onionVersion/version.txt"],
            "",
            Some("muos"),
        ),
        ("muOS' folder alone is no muOS", &["/mnt/SDCARD/MUOS/save/x"], "", None),
        ("Knulli by its file", &["/usr/share/knulli/knulli.version"], "", Some("knulli")),
        ("Knulli by os-release", &[], "NAME=\"x\"\nOS_NAME=\"knulli\"\n", Some("knulli")),
        ("Batocera is not Knulli", &["/userdata/system/batocera.conf"], "OS_NAME=batocera\n", None),
        ("MinUI and Onion on one card", &[onion, minui], "", Some("minui")),
    ] {
        let machine = Card::new();
        machine.text("/etc/os-release", os_release);
        marks.iter().for_each(|mark| {
            machine.file(mark);
        });
        // The home folder of whoever runs this test is below the prefix too, and not there.
        let profiles = profiles();
        let facts = facts::gather(machine.path(), &profiles);
        assert_eq!(profile::detect(&facts, &profiles).map(|p| p.name.as_str()), expected, "{what}");
    }
}

#[test]
fn muos_prefers_the_card_that_holds_saves() {
    let muos = profile("muos");
    for (what, marks, expected) in [
        ("one card", &["/mnt/mmc/MUOS/save/x"][..], "mnt/mmc"),
        ("a second card with games only", &["/mnt/mmc/MUOS/save/x", "/mnt/sdcard/ROMS/gb/x.gb"], "mnt/mmc"),
        ("a second card with saves", &["/mnt/mmc/MUOS/save/x", "/mnt/sdcard/MUOS/save/x"], "mnt/sdcard"),
    ] {
        let machine = Card::new();
        marks.iter().for_each(|mark| {
            machine.file(mark);
        });
        let site = facts::locate(&muos, machine.path(), None).unwrap();
        assert_eq!(site.roots, [machine.path().join(expected)], "{what}");
    }
    let machine = Card::new();
    machine.file("/mnt/mmc/MUOS/save/x").file("/mnt/mmc/ROMS/gb/One.gb").file("/mnt/sdcard/ROMS/gb/Two.gb");
    let site = facts::locate(&muos, machine.path(), None).unwrap();
    let naming = Naming::new(&muos, &site, facts::games(&Os, &muos, &site).0);
    for title in ["One", "Two"] {
        let home = naming.home(&save(&format!("gb/sram/{title}")));
        assert_eq!(
            home,
            Some(at(&format!("MUOS/save/file/Gambatte/{title}.srm"))),
            "games of both cards count"
        );
    }
}

/// The folder names of each system on each firmware: read from the data, so that a new line is proved too.
fn game_folders(column: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/systems.toml");
    let systems: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let folder = |system: &toml::Value| Some(system.get(column)?.as_array()?.first()?.as_str()?.to_owned());
    systems.iter().filter_map(|(name, system)| Some((name.clone(), folder(system)?))).collect()
}

fn game_file(firmware: &str, folder: &str, title: &str) -> String {
    match firmware {
        "onion" => format!("Roms/{folder}/{title}.zip"),
        "minui" => format!("Roms/Some Name ({folder})/{title}.zip"),
        "muos" => format!("ROMS/{folder}/{title}.zip"),
        "knulli" => format!("roms/{folder}/{title}.zip"),
        _ => format!("Emulation/roms/{folder}/{title}.zip"),
    }
}

fn column(firmware: &str) -> &str {
    match firmware {
        "knulli" | "linux-retroarch" => "batocera",
        other => other,
    }
}

/// Systems whose battery save loads in any core, and that every firmware here with that system saves.
const PORTABLE: [&str; 17] = [
    "nes",
    "fds",
    "snes",
    "gb",
    "gbc",
    "gba",
    "genesis",
    "sms",
    "gamegear",
    "segacd",
    "sega32",
    "psx",
    "tg16",
    "turbografx-cd",
    "virtualboy",
    "wonderswan",
    "pokemon-mini",
];

#[test]
fn a_save_of_one_firmware_has_a_home_on_every_other_that_is_that_save() {
    const TITLE: &str = "Pokémon - Odd (U) [!] v1.2, No. 1";
    let profiles = profiles();
    let mut proved = BTreeSet::new();
    for from in &profiles {
        for (system, folder) in game_folders(column(&from.name)) {
            let card = Card::new();
            card.file(&game_file(&from.name, &folder, TITLE));
            let (naming, _) = card.naming(from);
            let kind = if system == "psx" { "card.0" } else { "sram" };
            let wanted = save(&format!("{system}/{kind}/{TITLE}"));
            let Some(home) = naming.home(&wanted) else {
                assert!(!PORTABLE.contains(&&*system), "{system} has no home on {}", from.name);
                continue;
            };
            let Identified::Save(there) = naming.identify(&home) else { panic!("{} {home:?}", from.name) };
            assert_eq!(there, wanted);
            for to in profiles.iter().filter(|to| to.name != from.name) {
                let known = game_folders(column(&to.name)).into_iter().find(|(name, _)| *name == system);
                let Some((_, folder)) = known else { continue };
                let card = Card::new();
                card.file(&game_file(&to.name, &folder, TITLE));
                let (naming, _) = card.naming(to);
                match naming.home(&there) {
                    Some(home) => {
                        assert_eq!(
                            naming.identify(&home),
                            Identified::Save(there.clone()),
                            "{} {home:?}",
                            to.name
                        );
                        proved.insert((from.name.clone(), to.name.clone(), system.clone()));
                    }
                    None => assert!(
                        !PORTABLE.contains(&&*system),
                        "{there} of {} has no home on {}",
                        from.name,
                        to.name
                    ),
                }
            }
        }
    }
    assert!(proved.len() > 400, "only {} pairs were proved", proved.len());
}

#[test]
fn odd_names_keep_their_save() {
    let onion = profile("onion");
    let minui = profile("minui");
    let long = "x".repeat(251);
    let titles = [
        "!#$%&'()+,-.;=@[]^_`{}~",
        "Ends with dots...",
        "  blanks  inside  ",
        "St. Game v1.2",
        "Pok\u{e9}mon",
        "Poke\u{301}mon",
        "ポケットモンスター 金",
        "CONSOLE",
        "a.srm",
        "Game.state",
        "Straße",
        long.as_str(),
    ];
    for title in titles {
        let card = Card::new();
        card.file(&format!("Roms/GB/{title}.gb"));
        let (naming, _) = card.naming(&onion);
        let wanted = save(&format!("gb/sram/{title}"));
        let home = naming.home(&wanted).unwrap_or_else(|| panic!("`{title}` has no home"));
        assert_eq!(home.path.as_str(), format!("Saves/CurrentProfile/saves/Gambatte/{title}.srm"));
        assert_eq!(naming.identify(&home), Identified::Save(wanted.clone()));
        let state = save(&format!("gb/state.auto@gambatte/{title}"));
        // A name with 255 letters has no room for `.state.auto`.
        if title.len() < 240 {
            let home = naming.home(&state).unwrap();
            assert_eq!(naming.identify(&home), Identified::Save(state));
        }
        let card = Card::new();
        card.file(&format!("Roms/Game Boy (GB)/{title}.gb"));
        let (naming, _) = card.naming(&minui);
        if title.len() < 240 {
            let home = naming.home(&wanted).unwrap();
            assert_eq!(home.path.as_str(), format!("Saves/GB/{title}.gb.sav"));
            assert_eq!(naming.identify(&home), Identified::Save(wanted));
        }
    }
}

#[test]
fn a_title_in_another_spelling_is_the_same_save_and_keeps_this_device_s_spelling() {
    let card = Card::new();
    card.file("Roms/GB/Poke\u{301}mon.gb");
    let (naming, _) = card.naming(&profile("onion"));
    let home = naming.home(&save("gb/sram/POK\u{c9}MON")).unwrap();
    assert_eq!(home.path.name(), "Poke\u{301}mon.srm");
}

#[test]
fn a_title_that_is_too_long_is_told_and_not_cut() {
    let card = Card::new();
    let (naming, _) = card.naming(&profile("knulli"));
    let long = "é".repeat(130);
    let found = naming.identify(&at(&format!("saves/gb/{long}.srm")));
    assert!(matches!(&found, Identified::Unknown(why) if why.contains("255")), "{found:?}");
}

#[test]
fn what_is_no_save_is_ignored_and_what_cannot_be_told_is_said() {
    let card = Card::new();
    card.file("Roms/GB/Both.gb").file("Roms/GBA/Metroid.gba");
    let (naming, _) = card.naming(&profile("onion"));
    let saves = "Saves/CurrentProfile/saves";
    for path in [
        "currentTime.txt",
        "playActivity.db",
        "PlayActivityBackup/playActivity.db",
        "gpSP/migration_status.log",
        "gpSP/Metroid.srm.bak",
        "gpSP/Metroid.srm.bak-2024",
        "gpSP/Metroid.srm.tmp",
        "gpSP/._Metroid.srm",
        ".netplay/Metroid.srm",
        "gpSP/Metroid_client.srm",
        "gpSP/.retrosync/slot1",
    ] {
        let found = naming.identify(&at(&format!("{saves}/{path}")));
        assert!(matches!(found, Identified::Ignored(_)), "{path} is {found:?}");
    }
    for (path, why) in [
        ("Nobody/Both.srm", "no core is known whose save folder is `Nobody`"),
        ("Gambatte/Gone.srm", "no game called `Gone` is here that tells its system"),
        ("Gambatte/Both.xyz", "no core of this folder names a save `Both.xyz`"),
        ("Both.srm", "it is not right in the folder of a core"),
    ] {
        let found = naming.identify(&at(&format!("{saves}/{path}")));
        assert_eq!(found, Identified::Unknown(why.into()), "{path}");
    }
    assert_eq!(
        naming.identify(&at("Roms/GB/Both.gb")),
        Identified::Unknown("it is outside of the save folders".into())
    );
}

#[test]
fn the_core_folder_that_is_in_use_is_preferred() {
    let card = Card::new();
    card.file("Roms/GBA/Metroid.gba").file("Saves/CurrentProfile/saves/MGBA/Other.srm");
    let (naming, _) = card.naming(&profile("onion"));
    let home = naming.home(&save("gba/sram/Metroid")).unwrap();
    assert_eq!(home.path.as_str(), "Saves/CurrentProfile/saves/MGBA/Metroid.srm", "as it is spelled here");
    card.file("Saves/CurrentProfile/saves/gpSP/Other.srm");
    let (naming, _) = card.naming(&profile("onion"));
    let home = naming.home(&save("gba/sram/Metroid")).unwrap();
    assert_eq!(
        home.path.as_str(),
        "Saves/CurrentProfile/saves/gpSP/Metroid.srm",
        "the usual core's, if it is there"
    );
}

#[test]
fn bytes_of_one_core_go_to_no_other() {
    let card = Card::new();
    card.file("Roms/NGP/Sonic.ngc").file("Roms/GBA/Metroid.gba");
    let (naming, _) = card.naming(&profile("onion"));
    for (text, home) in [
        (
            "neo-geo-pocket/sram@mednafen_ngp/Sonic",
            Some("Saves/CurrentProfile/saves/Beetle NeoPop/Sonic.flash"),
        ),
        ("neo-geo-pocket/sram@race/Sonic", Some("Saves/CurrentProfile/saves/RACE/Sonic.ngf")),
        ("neo-geo-pocket/sram/Sonic", None),
        ("gba/state.1@gpsp/Metroid", Some("Saves/CurrentProfile/states/gpSP/Metroid.state1")),
        ("gba/state.1@minarch-gpsp/Metroid", None),
        ("gba/state.1@nobody/Metroid", None),
        ("gba/tree/Metroid", None),
        ("unheard-of/sram/Metroid", None),
    ] {
        assert_eq!(naming.home(&save(text)), home.map(at), "{text}");
    }
}

#[test]
fn a_name_that_the_card_cannot_take_has_no_home() {
    // Only a file system that takes such a name can have such a game; a FAT card cannot.
    let onion = profile("onion");
    for title in ["What?", "a:b", "NUL"] {
        let card = Card::new();
        card.file(&format!("Roms/GB/{title}.gb"));
        let (naming, _) = card.naming(&onion);
        assert_eq!(naming.home(&save(&format!("gb/sram/{title}"))), None, "{title}");
    }
}

#[test]
fn a_live_retroarch_cfg_wins() {
    let onion = profile("onion");
    let cfg = "RetroArch/.retroarch/retroarch.cfg";
    for (what, lines, path, expected) in [
        ("silent", "", "Saves/CurrentProfile/saves/gpSP/Metroid.srm", "gba/sram/Metroid"),
        (
            "as shipped",
            "savefile_directory = \"/mnt/SDCARD/Saves/CurrentProfile/saves\"\nsort_savefiles_enable = \"true\"\n",
            "Saves/CurrentProfile/saves/gpSP/Metroid.srm",
            "gba/sram/Metroid",
        ),
        (
            "moved and flat",
            "savefile_directory = \"/mnt/SDCARD/My Saves/\"\nsort_savefiles_enable = \"false\"\n",
            "My Saves/Metroid.srm",
            "gba/sram/Metroid",
        ),
        (
            "by game folder and core",
            "sort_savefiles_by_content_enable = \"true\"\nsort_savefiles_enable = \"true\"\n",
            "Saves/CurrentProfile/saves/GBA/gpSP/Metroid.srm",
            "gba/sram/Metroid",
        ),
        (
            "beside the game",
            "savefiles_in_content_dir = \"true\"\n",
            "Roms/GBA/Metroid.srm",
            "gba/sram/Metroid",
        ),
        (
            "states beside the game: their core is the usual one",
            "savestates_in_content_dir = \"true\"\n",
            "Roms/GBA/Metroid.state",
            "gba/state.0@gpsp/Metroid",
        ),
    ] {
        let card = Card::new();
        card.text(cfg, lines).file("Roms/GBA/Metroid.gba");
        let (naming, site) = card.naming(&onion);
        assert_eq!(site.roots.len(), 1, "{what}");
        assert_eq!(naming.identify(&at(path)), Identified::Save(save(expected)), "{what}");
        assert_eq!(naming.home(&save(expected)), Some(at(path)), "{what}");
        if path.starts_with("Roms") {
            let game = naming.identify(&at("Roms/GBA/Metroid.gba"));
            assert!(matches!(game, Identified::Ignored(_)), "a game among saves: {game:?}");
        }
    }
}

#[test]
fn a_save_folder_outside_of_the_card_is_a_root_of_its_own() {
    let linux = profile("linux-retroarch");
    let (home, other) = (Card::new(), Card::new());
    let saves = other.path().canonicalize().unwrap().join("retroarch/saves");
    let states = other.path().canonicalize().unwrap().join("retroarch/states");
    home.file("Emulation/roms/gb/Tetris.gb").text(
        ".var/app/org.libretro.RetroArch/config/retroarch/retroarch.cfg",
        &format!(
            "savefile_directory = \"{}\"\nsavestate_directory = \"{}\"\nsort_savestates_enable = \"true\"\n",
            saves.display(),
            states.display()
        ),
    );
    let (naming, site) = home.naming(&linux);
    assert_eq!(site.roots[1..], [saves.parent().unwrap()], "one root for both");
    let path = RelativePath::new("saves/Tetris.srm").unwrap();
    assert_eq!(naming.home(&save("gb/sram/Tetris")), Some(Place { root: 1, path: path.clone() }));
    assert_eq!(naming.identify(&Place { root: 1, path }), Identified::Save(save("gb/sram/Tetris")));
    let folders: Vec<_> =
        naming.folders().into_iter().map(|f| (f.place.root, f.place.path.to_string(), f.depth)).collect();
    assert_eq!(folders, [(1, "saves".into(), 0), (1, "states".into(), 1)]);
}

#[test]
fn a_wrong_key_in_a_profile_is_refused_with_its_line_and_the_nearest_name() {
    let text = "name = \"x\"\ntitle = \"X\"\norder = 1\ncard = [\"/x\"]\ncard_hass = []\n";
    let error = Profile::parse(text, "profiles/x.toml").unwrap_err();
    assert_eq!(error.doing, "cannot read device profile `profiles/x.toml`");
    assert!(error.cause.starts_with("line 5: unknown field `card_hass`"), "{}", error.cause);
    assert_eq!(error.help.as_deref(), Some("did you mean `card_has`?"));
}

#[test]
fn a_profile_beside_the_program_replaces_the_built_in_one() {
    let folder = Card::new();
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("device-profiles/onion.toml")).unwrap();
    folder
        .text("onion.toml", &text.replace("OnionOS", "My Onion"))
        .text("broken.toml", "name = 3")
        .text(
            "mine.toml",
            &text.replace("name = \"onion\"", "name = \"mine\"").replace("\"gambatte\"", "\"gambate\""),
        )
        .text("x.txt", "");
    let (profiles, problems) = facts::profiles(folder.path());
    let onion: Vec<_> = profiles.iter().filter(|p| p.name == "onion").collect();
    assert_eq!((onion.len(), profiles.len()), (1, 6));
    let causes: Vec<_> = problems.iter().map(|problem| problem.error.cause.as_str()).collect();
    assert_eq!(causes.len(), 3, "{causes:?}");
    assert!(causes[0].starts_with("line 1: invalid type"), "{causes:?}");
    assert_eq!(causes[1..], ["no core `gambate` in cores.toml"; 2], "GB and GBC");
    assert!(onion[0].title.starts_with("My Onion"));
}
