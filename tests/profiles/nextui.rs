//! NextUI's player chooses among four names for a save and three for a state: all are read, the one that is set is written.

use std::fs;
use std::sync::Arc;

use retrosync::naming::Identified;
use retrosync::scan::{Request, Scanner, Sweep};
use retrosync::snapshot::{Base, BaseEntry, Listing, RootState, Stamp};
use retrosync::volume::Os;
use retrosync_protocol::{Content, Digest};

use crate::card::{Card, at, profile, save};

const SETTINGS: &str = ".userdata/shared/minuisettings.txt";

#[test]
fn the_form_that_the_player_has_set_is_written() {
    for (lines, sav, state, auto) in [
        ("", "Tetris.gb.sav", "Tetris.gb.st3", "Tetris.gb.st9"),
        ("saveFormat=0\nstateFormat=0\n", "Tetris.gb.sav", "Tetris.gb.st3", "Tetris.gb.st9"),
        ("saveFormat=1\nstateFormat=1\n", "Tetris.srm", "Tetris.state.3", "Tetris.state.auto"),
        ("saveFormat=2\nstateFormat=2\n", "Tetris.sav", "Tetris.state.3", "Tetris.state.auto"),
        ("saveFormat=3\nstateFormat=3\n", "Tetris.srm", "Tetris.state3", "Tetris.state.auto"),
        ("saveFormat=3\nstateFormat=4\n", "Tetris.srm", "Tetris.state3", "Tetris.state.auto"),
    ] {
        let card = Card::new();
        card.file("Roms/Game Boy (GB)/Tetris.gb").text(SETTINGS, lines);
        let (naming, _) = card.naming(&profile("nextui"));
        let states = ".userdata/shared/GB-gambatte";
        for (id, path) in [
            ("gb/sram/Tetris", format!("Saves/GB/{sav}")),
            ("gb/rtc/Tetris", "Saves/GB/Tetris.gb.rtc".into()),
            ("gb/state.3@minarch-gambatte/Tetris", format!("{states}/{state}")),
            ("gb/state.auto@minarch-gambatte/Tetris", format!("{states}/{auto}")),
        ] {
            assert_eq!(naming.home(&save(id)), Some(at(&path)), "{lines:?}");
            assert_eq!(naming.identify(&at(&path)), Identified::Save(save(id)), "{lines:?}");
        }
    }
}

/// `Game.sav` and `Game.gb.sav` are told apart by the games that are there, not by how the name looks.
#[test]
fn every_form_is_the_save_of_the_game_that_is_there() {
    for (games, path, expected) in [
        (&["Tetris.gb"][..], "Tetris.gb.sav", "gb/sram/Tetris"),
        (&["Tetris.gb"], "Tetris.sav", "gb/sram/Tetris"),
        (&["Tetris.gb"], "Tetris.srm", "gb/sram/Tetris"),
        (&["Tetris.zip"], "Tetris.zip.sav", "gb/sram/Tetris"),
        (&["Mr. Do.gb"], "Mr. Do.sav", "gb/sram/Mr. Do"),
        (&["Mr. Do.gb"], "Mr. Do.gb.sav", "gb/sram/Mr. Do"),
        (&["Game v1.2a.gb"], "Game v1.2a.sav", "gb/sram/Game v1.2a"),
        (&["Game v1.2a.gb"], "Game v1.2a.srm", "gb/sram/Game v1.2a"),
        (&["Game.v12.gb", "Game.gb"], "Game.v12.sav", "gb/sram/Game.v12"),
        (&["Game.v12.gb", "Game.gb"], "Game.gb.sav", "gb/sram/Game"),
        (&[], "Gone.gb.sav", "gb/sram/Gone"),
        (&[], "Gone.sav", "gb/sram/Gone"),
    ] {
        let card = Card::new();
        card.file("Roms/Game Boy (GB)/.keep");
        games.iter().for_each(|game| {
            card.file(&format!("Roms/Game Boy (GB)/{game}"));
        });
        let (naming, _) = card.naming(&profile("nextui"));
        let found = naming.identify(&at(&format!("Saves/GB/{path}")));
        assert_eq!(found, Identified::Save(save(expected)), "{path} with {games:?}");
    }
}

#[test]
fn a_setting_that_changes_moves_the_home_and_loses_no_name() {
    let card = Card::new();
    card.file("Roms/Game Boy (GB)/Tetris.gb").text(SETTINGS, "saveFormat=0\n");
    let nextui = profile("nextui");
    let before = card.naming(&nextui).0.home(&save("gb/sram/Tetris")).unwrap();
    fs::write(card.path().join(SETTINGS), "saveFormat=3\n").unwrap();
    let (naming, _) = card.naming(&nextui);
    assert!(naming.names_are_chosen());
    assert_ne!(naming.home(&save("gb/sram/Tetris")), Some(before.clone()));
    assert_eq!(
        naming.identify(&before),
        Identified::Save(save("gb/sram/Tetris")),
        "the older file is still it"
    );
}

/// After the player has changed the setting, NextUI reads and writes the new name; the old file stays beside it.
#[test]
fn what_is_played_after_a_changed_setting_is_not_hidden_by_the_old_file() {
    let card = Card::new();
    card.file("Roms/Game Boy (GB)/Tetris.gb").text(SETTINGS, "saveFormat=3\n");
    card.text("Saves/GB/Tetris.gb.sav", "level 1").text("Saves/GB/Tetris.srm", "level 2");
    let (naming, site) = card.naming(&profile("nextui"));
    let old = BaseEntry {
        version: "0".repeat(64).parse().unwrap(),
        content: Some(Content { digest: Digest::of(b"level 1"), size_bytes: 7 }),
        place: at("Saves/GB/Tetris.gb.sav"),
        stamp: Stamp::default(),
        ancestors: [].into(),
        trusted: true,
        aside: None,
    };
    let tetris = save("gb/sram/Tetris");
    let base = Base { saves: [(tetris.clone(), old)].into_iter().collect(), ..Base::default() };
    let found = Scanner::new(Arc::new(Os)).scan(Request {
        roots: &[(site.roots[0].clone(), RootState::Online)],
        naming: &naming,
        base: &base,
        listing: &Listing::default(),
        sweep: Sweep::Full,
        named: &litemap::LiteMap::new(),
    });
    let here = found.local.saves.get(&tetris).unwrap();
    assert_eq!((&here.place, here.content.digest), (&at("Saves/GB/Tetris.srm"), Digest::of(b"level 2")));
}
