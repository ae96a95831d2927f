//! A profile that is wrong on somebody's device is put right by a line in `retrosync.toml`.

use retrosync::naming::{Identified, Naming};
use retrosync::profile::{Overrides, sorting};
use retrosync::volume::Os;
use retrosync::{facts, naming, profile as device};

use crate::card::{Card, at, profile, save};

#[test]
fn folders_and_sorting_are_as_the_user_says() {
    let folder = |text: &str| Some(text.to_owned());
    let sorted = |text: &str| Some(sorting(text).unwrap());
    for (name, game, said, path, id) in [
        (
            "garlicos",
            "Roms/GB/Tetris.gb",
            Overrides { saves_folder: folder("CFW/saves"), ..Overrides::default() },
            "CFW/saves/Gambatte/Tetris.srm",
            "gb/sram/Tetris",
        ),
        (
            "garlicos",
            "Roms/GB/Tetris.gb",
            Overrides { saves_sorted_by: sorted("none"), ..Overrides::default() },
            "Saves/Tetris.srm",
            "gb/sram/Tetris",
        ),
        (
            "anbernic-stock",
            "Roms/GB/Tetris.gb",
            Overrides { saves_folder: folder("."), ..Overrides::default() },
            "Roms/GB/Tetris.srm",
            "gb/sram/Tetris",
        ),
        (
            "trimui-stock",
            "Roms/GB/Tetris.gb",
            Overrides { states_sorted_by: sorted("system core"), ..Overrides::default() },
            "RetroArch/.retroarch/states/GB/Gambatte/Tetris.state1",
            "gb/state.1@gambatte/Tetris",
        ),
        (
            "knulli",
            "games/gb/Tetris.gb",
            Overrides { games_folder: folder("games"), ..Overrides::default() },
            "saves/gb/Tetris.srm",
            "gb/sram/Tetris",
        ),
        (
            "knulli",
            "roms/gb/Tetris.gb",
            Overrides { saves_folder: folder("my saves"), ..Overrides::default() },
            "my saves/gb/Tetris.srm",
            "gb/sram/Tetris",
        ),
    ] {
        let card = Card::new();
        card.file(game);
        let mut profile = profile(name);
        profile.put_right(&said);
        let site = facts::locate(&profile, std::path::Path::new("/"), Some(card.path())).unwrap();
        let naming = Naming::new(&profile, &site, facts::games(&Os, &profile, &site).0);
        assert_eq!(naming.identify(&at(path)), Identified::Save(save(id)), "{name} {said:?}");
        assert_eq!(naming.home(&save(id)), Some(at(path)), "{name} {said:?}");
    }
}

#[test]
fn a_state_stays_where_it_was_when_only_saves_are_moved() {
    let mut knulli = profile("knulli");
    knulli.put_right(&Overrides { saves_folder: Some("my saves".into()), ..Overrides::default() });
    let home = naming::elsewhere(&knulli, &save("gba/state.1@mgba/Metroid"), "Metroid.gba").unwrap();
    assert_eq!(home.as_str(), "saves/gba/Metroid.state1");
}

/// What `doctor --explain` says of other firmwares.
#[test]
fn where_a_save_would_lie_elsewhere_is_told() {
    let here = save("gb/sram/Tetris (World)");
    for (name, expected) in [
        ("onion", "Saves/CurrentProfile/saves/Gambatte/Tetris (World).srm"),
        ("nextui", "Saves/GB/Tetris (World).gb.sav"),
        ("muos", "MUOS/save/file/Gambatte/Tetris (World).srm"),
        ("crossmix", "RetroArch/.retroarch/saves/GB/Gambatte/Tetris (World).srm"),
        ("rocknix", "gb/Tetris (World).srm"),
        ("anbernic-stock", "saves_RA/Roms/GB/Tetris (World).srm"),
        ("emudeck", "saves/retroarch/saves/Tetris (World).srm"),
    ] {
        let profiles = device::built_in();
        let there = profiles.iter().find(|profile| profile.name == name).unwrap();
        let home = naming::elsewhere(there, &here, "Tetris (World).gb");
        assert_eq!(home.map(|path| path.to_string()).as_deref(), Some(expected), "{name}");
    }
}
