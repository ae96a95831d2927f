//! The device profiles, proved: each one's examples both ways, which device a card is of, and that a save of one firmware
//! finds its way to every other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "profiles/card.rs"]
mod card;
#[path = "profiles/cores.rs"]
mod cores;
#[path = "profiles/cost.rs"]
mod cost;
#[path = "profiles/coverage.rs"]
mod coverage;
#[path = "profiles/cross.rs"]
mod cross;
#[path = "profiles/detect.rs"]
mod detect;
#[path = "profiles/explain.rs"]
mod explain;
#[path = "profiles/nextui.rs"]
mod nextui;
#[path = "profiles/put_right.rs"]
mod put_right;
#[path = "profiles/states.rs"]
mod states;
#[path = "profiles/strangers.rs"]
mod strangers;

use std::fs;
use std::path::Path;

use card::{Card, at, profile, profiles, save};
use retrosync::facts;
use retrosync::naming::{Identified, Naming};
use retrosync::profile::{self as device, Example, Profile};
use retrosync::snapshot::{Place, RelativePath};
use retrosync::volume::Os;

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
    let built_in: Vec<_> = device::built_in().into_iter().map(|p| (p.order, p.name)).collect();
    let folder: Vec<_> = profiles().into_iter().map(|p| (p.order, p.name)).collect();
    assert_eq!(built_in, folder);
    let names: Vec<_> = built_in.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "muos",
            "knulli",
            "batocera",
            "rocknix",
            "amberelec",
            "lakka",
            "arkos",
            "nextui",
            "minui",
            "onion",
            "allium",
            "koriki",
            "spruce",
            "crossmix",
            "trimui-stock",
            "miyoo-flip-stock",
            "miyoo-a30-stock",
            "garlicos",
            "anbernic-stock",
            "miyoo-mini-stock",
            "retropie",
            "retrodeck",
            "emudeck",
            "linux-retroarch"
        ],
        "the order in which they are tried"
    );
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
    let psp = (0, ".config/ppsspp/PSP/SAVEDATA".into(), 0);
    assert_eq!(
        folders,
        [psp, (1, "saves".into(), 2), (1, "states".into(), 3)],
        "and what no table knows below"
    );
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
    assert_eq!((onion.len(), profiles.len()), (1, device::built_in().len() + 1));
    let causes: Vec<_> = problems.iter().map(|problem| problem.error.cause.as_str()).collect();
    assert_eq!(causes.len(), 3, "{causes:?}");
    assert!(causes[0].starts_with("line 1: invalid type"), "{causes:?}");
    assert_eq!(causes[1..], ["no core `gambate` in cores.toml"; 2], "GB and GBC");
    assert!(onion[0].title.starts_with("My Onion"));
}
