//! What is no save, what is kept by its path, and what cannot be told.

use retrosync::naming::Identified;

use crate::card::{Card, at, profile, save};

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
    let why = "no game called `Gone` is here that tells its system";
    let found = naming.identify(&at(&format!("{saves}/Gambatte/Gone.srm")));
    assert_eq!(found, Identified::Unknown(why.into()));
    assert_eq!(
        naming.identify(&at("Roms/GB/Both.gb")),
        Identified::Unknown("it is outside of the save folders".into())
    );
}

/// What no table knows is kept by its path among cards of one family, and nowhere else.
#[test]
fn a_save_of_an_unknown_core_is_kept_by_its_path() {
    let (card, other) = (Card::new(), Card::new());
    card.file("Roms/GB/Both.gb");
    let (onion, _) = card.naming(&profile("onion"));
    for (path, expected) in [
        ("saves/Nobody/Both.srm", "onion/file.saves/Nobody/Both.srm"),
        ("saves/Gambatte/Both.xyz", "onion/file.saves/Gambatte/Both.xyz"),
        ("saves/PicoDrive/deep/er/pcsx-card2.mcd", "onion/file.saves/PicoDrive/deep/er/pcsx-card2.mcd"),
        ("saves/Both.srm", "onion/file.saves/Both.srm"),
        ("saves/FAKE-08/celeste.p8d.txt", "onion/file.saves/FAKE-08/celeste.p8d.txt"),
        ("states/Nobody/Both.state1", "onion/file.states/Nobody/Both.state1"),
    ] {
        let place = at(&format!("Saves/CurrentProfile/{path}"));
        assert_eq!(onion.identify(&place), Identified::Save(save(expected)), "{path}");
        assert!(onion.explain(&place).unwrap().1.is_some(), "{path}: and it is said why");
        let (allium, _) = other.naming(&profile("allium"));
        assert_eq!(allium.home(&save(expected)), Some(place), "{path}: a card of the same family");
        let (koriki, _) = other.naming(&profile("koriki"));
        assert_eq!(koriki.home(&save(expected)), None, "{path}: another family");
    }
    for path in [
        "states/Nobody/Both.txt",
        "saves/Gambatte/notes.txt",
        "saves/Nobody/Both.srm.bak",
        "saves/Nobody/.hidden/x.dat",
    ] {
        let found = onion.identify(&at(&format!("Saves/CurrentProfile/{path}")));
        assert!(matches!(found, Identified::Ignored(_)), "{path} is {found:?}");
    }
}

/// A file that a table comes to know later is a save of its own then; the two never claim one place.
#[test]
fn a_path_is_one_save_only() {
    let card = Card::new();
    card.file("Roms/GB/Tetris.gb");
    let (naming, _) = card.naming(&profile("onion"));
    let path = "Saves/CurrentProfile/saves/Gambatte/Tetris.srm";
    assert_eq!(naming.identify(&at(path)), Identified::Save(save("gb/sram/Tetris")));
    assert_eq!(naming.home(&save("onion/file.saves/Gambatte/Tetris.srm")), None);
    for escape in ["onion/file.saves/.retrosync/identity", "onion/file.saves/a/.hidden"] {
        assert_eq!(naming.home(&save(escape)), None, "{escape}");
    }
}

/// Among games nothing is kept by its path: the games themselves would be.
#[test]
fn beside_the_games_only_saves_are_saves() {
    let card = Card::new();
    card.file("gb/Tetris.gb").file("gb/Hacks/Tetris 2.gb").file("bios/gb/x.srm");
    let (naming, _) = card.naming(&profile("rocknix"));
    for (path, expected) in [
        ("gb/Tetris.srm", Some("gb/sram/Tetris")),
        ("gb/Hacks/Tetris 2.srm", Some("gb/sram/Tetris 2")),
        ("gb/New.srm", Some("gb/sram/New")),
        ("gb/Tetris.gb", None),
        ("gb/Tetris.xyz", None),
        ("gb/images/Tetris.srm", None),
        ("bios/gb/x.srm", None),
        ("ports/x.srm", None),
    ] {
        let found = naming.identify(&at(path));
        match expected {
            Some(id) => assert_eq!(found, Identified::Save(save(id)), "{path}"),
            None => assert!(!matches!(found, Identified::Save(_)), "{path} is {found:?}"),
        }
    }
    let folders: Vec<_> = naming.folders().into_iter().map(|folder| folder.place.path.to_string()).collect();
    assert_eq!(folders, ["gb", "gb/Hacks", "psp", "savestates"], "only folders of systems are looked into");
}

/// FinalBurn Neo keeps its files in a folder of its own, which lies elsewhere on each firmware.
#[test]
fn a_core_s_own_folder_is_found_on_every_layout() {
    for (name, game, path) in [
        ("onion", "Roms/ARCADE/mslug.zip", "Saves/CurrentProfile/saves/FinalBurn Neo/fbneo/mslug.nv"),
        ("knulli", "roms/fbneo/mslug.zip", "saves/fbneo/fbneo/mslug.nv"),
        ("minui", "Roms/Arcade (FBN)/mslug.zip", "Saves/FBN/fbneo/mslug.nv"),
        ("lakka", "roms/arcade/mslug.zip", "savefiles/fbneo/mslug.nv"),
        ("rocknix", "arcade/mslug.zip", "arcade/fbneo/mslug.nv"),
    ] {
        let card = Card::new();
        card.file(game).file(path);
        let (naming, _) = card.naming(&profile(name));
        let id = save("arcade/sram@fbneo/mslug");
        assert_eq!(naming.identify(&at(path)), Identified::Save(id.clone()), "{name}");
        assert_eq!(naming.home(&id), Some(at(path)), "{name}");
    }
}

/// Half a folder of a PSP game is worse than none.
#[test]
fn a_folder_that_is_one_save_is_not_taken_apart() {
    let card = Card::new();
    let (naming, _) = card.naming(&profile("muos"));
    for path in [
        "MUOS/save/file/PPSSPP-Ext/ULUS10041DATA00/PARAM.SFO",
        "MUOS/save/file/PPSSPP/PSP/SAVEDATA/ULUS10041DATA00/DATA.BIN",
    ] {
        let found = naming.identify(&at(path));
        assert!(!matches!(found, Identified::Save(_)), "{path} is {found:?}");
    }
}

#[test]
fn a_stranger_whose_name_ends_in_a_star_is_told_and_never_taken_for_several_files() {
    // Only a file system that is no card's takes such a name.
    let card = Card::new();
    card.file("savefiles/Nobody/x*").file("roms/gb/Tetris.gb");
    let (naming, _) = card.naming(&profile("lakka"));
    for name in ["x*", "*", "x.*"] {
        let found = naming.identify(&at(&format!("savefiles/Nobody/{name}")));
        assert!(matches!(&found, Identified::Unknown(why) if why.contains("`*`")), "{name}: {found:?}");
        assert_eq!(naming.home(&save(&format!("lakka/file.saves/Nobody/{name}"))), None, "{name}");
    }
}

/// What a core keeps under names of its own is known where its place is known, and else kept by its path: nothing is lost because a
/// table is short.
#[test]
fn files_of_cores_that_keep_no_plain_save_are_known_or_kept_by_their_path() {
    let card = Card::new();
    card.file("Roms/ARCADE/pacman.zip").file("Roms/ATARI/Pitfall.a26").file("Roms/SEGACD/Sonic CD.chd");
    let (naming, _) = card.naming(&profile("onion"));
    let saves = "Saves/CurrentProfile/saves";
    for (path, expected) in [
        ("MAME 2003-Plus/mame2003-plus/nvram/pacman.nv", "arcade/sram@mame2003_plus/pacman"),
        ("MAME 2003-Plus/mame2003-plus/hi/pacman.hi", "arcade/card.hi@mame2003_plus/pacman"),
        ("MAME 2003/mame2003/hi/pacman.hi", "arcade/card.hi@mame2003/pacman"),
        (
            "MAME 2003-Plus/mame2003-plus/diff/pacman.dif",
            "onion/file.saves/MAME 2003-Plus/mame2003-plus/diff/pacman.dif",
        ),
        ("ScummVM/monkey.s00", "onion/file.saves/ScummVM/monkey.s00"),
        ("Stella 2014/Pitfall.srm", "onion/file.saves/Stella 2014/Pitfall.srm"),
        ("PUAE 2021/Game.save5.adf", "onion/file.saves/PUAE 2021/Game.save5.adf"),
        ("Genesis Plus GX/scd_E.brm", "segacd/card.shared@genesis_plus_gx/scd_E"),
        ("Genesis Plus GX/Sonic CD.brm", "segacd/sram/Sonic CD"),
    ] {
        let place = at(&format!("{saves}/{path}"));
        assert_eq!(naming.identify(&place), Identified::Save(save(expected)), "{path}");
        if !expected.contains("segacd/sram") {
            assert_eq!(naming.home(&save(expected)), Some(place), "{path}");
        }
    }
}
