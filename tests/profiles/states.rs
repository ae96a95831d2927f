//! States: whose they are is told by the folder, by RetroArch's live settings or by the player's choice, never guessed; and the
//! ones of the other word size go nowhere.

use retrosync::facts;
use retrosync::naming::{Identified, Naming};
use retrosync::snapshot::{Place, RelativePath};
use retrosync::volume::Os;

use crate::card::{Card, at, profile, save};

/// A whole machine in a folder: the device's own paths lie below it.
fn machine(name: &str, files: &[(&str, &str)]) -> Naming {
    let (profile, machine) = (profile(name), Card::new());
    for (path, text) in files {
        machine.text(path, text);
    }
    let site = facts::locate(&profile, machine.path(), None).unwrap();
    let (games, problems) = facts::games(&Os, &profile, &site);
    assert_eq!(problems, [], "{name}");
    Naming::new(&profile, &site, games)
}

fn told(naming: &Naming, path: &str) -> Result<String, String> {
    let path = RelativePath::new(path).unwrap();
    let found = naming.folders().into_iter().map(|folder| folder.place.root).find_map(|root| {
        match naming.identify(&Place { root, path: path.clone() }) {
            Identified::Save(save) => Some(save),
            _ => None,
        }
    });
    let of = |save: retrosync_protocol::SaveId| {
        assert!(naming.home(&save).is_some(), "{save} has no home where it lies");
        save.to_string()
    };
    found.map(of).ok_or_else(|| format!("{:?}", naming.identify(&Place { root: 0, path })))
}

#[test]
fn the_player_s_choice_on_rocknix_tells_whose_states_are() {
    let settings = "nes.core=nestopia\nnes[\"Zelda.nes\"].core=fceumm\ngb.core=auto\n";
    let naming = machine(
        "rocknix",
        &[
            ("storage/roms/nes/Mario.nes", ""),
            ("storage/roms/nes/Zelda.nes", ""),
            ("storage/roms/gb/Tetris.gb", ""),
            ("storage/.config/system/configs/system.cfg", settings),
        ],
    );
    let of = |path| told(&naming, path);
    assert_eq!(of("savestates/nes/Mario.state1"), Ok("nes/state.1@nestopia/Mario".into()));
    assert_eq!(of("savestates/nes/Zelda.state"), Ok("nes/state.0@fceumm/Zelda".into()));
    let untold = of("savestates/gb/Tetris.state").unwrap_err();
    assert!(untold.contains("nothing tells which wrote it"), "{untold}");
}

/// Profile, where its games are, RetroArch's file, where states are, and the path of a state from the card.
const SORTED: [(&str, &str, &str, &str, &str); 5] = [
    (
        "arkos",
        "roms/gb/T.gb",
        "home/ark/.config/retroarch/retroarch.cfg",
        "/roms/states",
        "states/Gambatte/T.state1",
    ),
    (
        "amberelec",
        "storage/roms/gb/T.gb",
        "storage/.config/retroarch/retroarch.cfg",
        "/storage/roms/states",
        "states/Gambatte/T.state1",
    ),
    (
        "lakka",
        "storage/roms/gb/T.gb",
        "storage/.config/retroarch/retroarch.cfg",
        "/storage/savestates",
        "savestates/Gambatte/T.state1",
    ),
    (
        "retropie",
        "home/pi/RetroPie/roms/gb/T.gb",
        "opt/retropie/configs/all/retroarch.cfg",
        "/home/pi/RetroPie/states",
        "states/Gambatte/T.state1",
    ),
    (
        "linux-retroarch",
        "root/Emulation/roms/gb/T.gb",
        "root/.config/retroarch/retroarch.cfg",
        "~/states",
        "states/Gambatte/T.state1",
    ),
];

#[test]
fn where_retroarch_sorts_states_by_core_they_are_synced_on_every_firmware_that_lets_it() {
    for (name, game, cfg, folder, path) in SORTED {
        for (sorted, is_told) in [("true", true), ("false", false)] {
            let text = format!(
                "savestate_directory = \"{folder}\"\nsavestates_in_content_dir = \"false\"\nsort_savestates_enable = \"{sorted}\"\n"
            );
            let naming = machine(name, &[(game, ""), (cfg, &text)]);
            let path = if is_told { path.to_owned() } else { path.replace("Gambatte/", "") };
            let found = told(&naming, &path);
            match found {
                Ok(save) => assert!(is_told && save == "gb/state.1@gambatte/T", "{name}: {save}"),
                Err(why) => {
                    assert!(!is_told && why.contains("nothing tells which wrote it"), "{name}: {why}")
                }
            }
        }
    }
}

#[test]
fn a_state_of_a_32_bit_emulator_is_another_one_than_a_64_bit_emulator_s() {
    let card = Card::new();
    card.file(".tmp_update/onionVersion/version.txt").file("Roms/GB/Tetris.gb").file("Roms/PS/Ridge.chd");
    for (name, path, narrow, wide) in [
        (
            "onion",
            "Saves/CurrentProfile/states/Gambatte/Tetris.state1",
            "gb/state.1@gambatte-32/Tetris",
            "gb/state.1@gambatte/Tetris",
        ),
        (
            "spruce",
            "Saves/states/PCSX-ReARMed/Ridge.state",
            "psx/state.0@pcsx_rearmed-32/Ridge",
            "psx/state.0@pcsx_rearmed/Ridge",
        ),
    ] {
        let naming = || card.naming(&profile(name)).0;
        for (naming, own, other) in
            [(naming().with_words_of(32), narrow, wide), (naming().with_words_of(64), wide, narrow)]
        {
            assert_eq!(naming.identify(&at(path)), Identified::Save(save(own)), "{name}");
            assert_eq!(naming.home(&save(own)), Some(at(path)), "{name}");
            assert_eq!(naming.home(&save(other)), None, "{name}: it would not load");
        }
    }
    let spruce = card.naming(&profile("spruce")).0.with_words_of(32);
    let aside = at("Saves/states/PCSX-ReARMed-64/Ridge.state");
    assert_eq!(spruce.identify(&aside), Identified::Save(save("psx/state.0@pcsx_rearmed/Ridge")));
    let minui = Card::new();
    minui.file("Roms/Game Boy (GB)/Tetris.gb");
    let minui = minui.naming(&profile("minui")).0.with_words_of(32);
    let path = at(".userdata/shared/GB-gambatte/Tetris.gb.st3");
    assert_eq!(minui.identify(&path), Identified::Save(save("gb/state.3@minarch-gambatte-32/Tetris")));
    assert_eq!(minui.home(&save("gb/state.3@minarch-gambatte-32/Tetris")), Some(path));
}

/// What is no save on any firmware, and what is said of it.
#[test]
fn what_is_ignored_everywhere_is_told_with_its_reason() {
    let card = Card::new();
    card.file("Roms/GB/Tetris.gb");
    // Koriki names none of these itself.
    let naming = card.naming(&profile("koriki")).0;
    for (name, why) in [
        (".netplay/Tetris.srm", "a hidden file"),
        (".srm_1234", "a hidden file"),
        ("._Tetris.srm", "a hidden file"),
        ("Tetris_client.srm", "a netplay guest's copy"),
        ("Tetris.srm.bak", "a backup"),
        ("Tetris.srm.bak-1730000000", "a backup"),
        ("Tetris.srm.tmp", "a temporary file"),
        ("Tetris.srm~", "a backup"),
        ("Tetris.srm.sum", "a checksum"),
        ("currentTime.txt", "a firmware's clock"),
        ("playActivity.db", "a firmware's statistics"),
        ("PlayActivityBackup/x.db", "a firmware's statistics"),
        ("migration_status.log", "a log"),
        ("Tetris.state.png", "a picture"),
        ("Tetris.bmp", "a picture"),
        ("Tetris.txt", "a text"),
        ("Tetris.opt", "options"),
        ("Tetris.cfg", "options"),
        ("Thumbs.db", "made by another system"),
        ("desktop.ini", "made by another system"),
    ] {
        let path = at(&format!("Saves/RA_saves/Gambatte/{name}"));
        assert_eq!(naming.identify(&path), Identified::Ignored(why), "{name}");
    }
}

#[test]
fn an_emulator_s_folder_outside_of_the_card_counts_where_the_emulator_is() {
    for (name, game, card, saves) in [
        (
            "emudeck",
            "Emulation/roms/psp/Patapon.iso",
            "Emulation/saves/retroarch/saves/.keep",
            ".var/app/org.ppsspp.PPSSPP/config/ppsspp/PSP/SAVEDATA",
        ),
        (
            "retropie",
            "RetroPie/roms/psp/Patapon.iso",
            "RetroPie/roms/.keep",
            "opt/retropie/configs/psp/PSP/SAVEDATA",
        ),
    ] {
        let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
        let below = |path: &str| match path.strip_prefix("opt/") {
            Some(_) => path.to_owned(),
            None => format!("{}/{path}", home.trim_start_matches('/')),
        };
        let (game, card) = (below(game), below(card));
        let folder = save("psp/tree/UCES00995DATA00");
        let without = machine(name, &[(&game, ""), (&card, "")]);
        assert_eq!(without.home(&folder), None, "{name}: PPSSPP is not installed");
        assert!(
            without.folders().iter().all(|folder| folder.place.root == 0),
            "{name}: no other root is asked for"
        );
        let with = machine(name, &[(&game, ""), (&card, ""), (&format!("{}/.keep", below(saves)), "")]);
        let home = with.home(&folder).unwrap();
        assert_eq!((home.root, home.path.as_str()), (1, "SAVEDATA/UCES00995DATA00/*"), "{name}");
    }
}

/// On a Steam Deck all states lie in one folder: nothing tells the core, unless the player has RetroArch sort them.
#[test]
fn states_on_a_steam_deck_are_told_and_go_as_soon_as_they_are_sorted_by_core() {
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
    let below = |path: &str| format!("{}/{path}", home.trim_start_matches('/'));
    let cfg = below(".var/app/org.libretro.RetroArch/config/retroarch/retroarch.cfg");
    let game = below("Emulation/roms/gb/Tetris.gb");
    let keep = below("Emulation/saves/retroarch/states/.keep");
    let flat =
        machine("emudeck", &[(&game, ""), (&keep, ""), (&cfg, "sort_savestates_enable = \"false\"\n")]);
    let state = save("gb/state.1@gambatte/Tetris");
    let untold = told(&flat, "saves/retroarch/states/Tetris.state1").unwrap_err();
    assert!(untold.contains("nothing tells which wrote it"), "{untold}");
    assert_eq!(flat.home(&state), None, "nor is another device's placed where another core may load it");
    let sorted =
        machine("emudeck", &[(&game, ""), (&keep, ""), (&cfg, "sort_savestates_enable = \"true\"\n")]);
    let path = "saves/retroarch/states/Gambatte/Tetris.state1";
    assert_eq!(told(&sorted, path), Ok("gb/state.1@gambatte/Tetris".into()));
    assert_eq!(sorted.home(&state), Some(at(path)));
}

/// Where the save of this game is on this machine: root's folder and path.
fn saves_of(naming: &Naming, id: &str) -> Option<(usize, String)> {
    naming.home(&save(id)).map(|home| (home.root, home.path.to_string()))
}

#[test]
fn both_of_arkos_s_retroarchs_are_asked_where_saves_are() {
    let (wide, narrow) =
        ("home/ark/.config/retroarch/retroarch.cfg", "home/ark/.config/retroarch32/retroarch.cfg");
    let beside = "savefiles_in_content_dir = \"true\"\n";
    let moved = "savefile_directory = \"/roms/saves32\"\nsavefiles_in_content_dir = \"false\"\n";
    let files = |one, other| [("roms/gb/T.gb", ""), ("roms/psx/R.chd", ""), (wide, one), (narrow, other)];
    let same = machine("arkos", &files(beside, beside));
    assert_eq!(same.folders().iter().filter(|folder| folder.place.path.as_str() == "gb").count(), 1);
    let both = machine("arkos", &files(beside, moved));
    assert_eq!(told(&both, "gb/T.srm"), Ok("gb/sram/T".into()), "the 64-bit programs'");
    assert_eq!(told(&both, "saves32/R.srm"), Ok("psx/card.0/R".into()), "the 32-bit programs'");
    let narrow_only = machine("arkos", &[("roms/gb/T.gb", ""), (narrow, moved)]);
    assert_eq!(saves_of(&narrow_only, "gb/sram/T"), Some((0, "saves32/T.srm".into())));
}

#[test]
fn a_system_of_retropie_has_its_saves_where_its_own_retroarch_cfg_says() {
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
    let below = |path: &str| format!("{}/RetroPie/{path}", home.trim_start_matches('/'));
    let (gb, snes) = (below("roms/gb/T.gb"), below("roms/snes/Z.sfc"));
    let all = "opt/retropie/configs/all/retroarch.cfg";
    let own = "opt/retropie/configs/gb/retroarch.cfg";
    let moved = format!("savefile_directory = \"{home}/RetroPie/saves/gb\"\n#include \"/{all}\"\n");
    let with = |own_says: &str, all_says: &str| {
        machine("retropie", &[(&gb, ""), (&snes, ""), (own, own_says), (all, all_says)])
    };
    let usual = with("input_remapping_directory = \"/opt/retropie/configs/gb/\"\n", "");
    assert_eq!(saves_of(&usual, "gb/sram/T"), Some((0, "roms/gb/T.srm".into())));

    let one = with(&moved, "");
    assert_eq!(saves_of(&one, "gb/sram/T"), Some((0, "saves/gb/T.srm".into())));
    assert_eq!(
        saves_of(&one, "snes/sram/Z"),
        Some((0, "roms/snes/Z.srm".into())),
        "others stay beside their games"
    );
    assert_eq!(told(&one, "saves/gb/T.srm"), Ok("gb/sram/T".into()));
    assert!(told(&one, "roms/gb/T.srm").is_err(), "what lies where RetroArch does not look is not its save");

    let general = with("", &format!("savefile_directory = \"{home}/RetroPie/saves\"\n"));
    assert_eq!(saves_of(&general, "gb/sram/T"), Some((0, "saves/T.srm".into())), "that of all counts too");
    let both = with(&moved, &format!("savefile_directory = \"{home}/RetroPie/saves\"\n"));
    assert_eq!(saves_of(&both, "gb/sram/T"), Some((0, "saves/gb/T.srm".into())));
    assert_eq!(saves_of(&both, "snes/sram/Z"), Some((0, "saves/Z.srm".into())));
}
