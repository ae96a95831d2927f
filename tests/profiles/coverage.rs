//! `docs/COVERAGE.md`: what of which system goes from where to where, written from the data and held true.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use retrosync::naming::Identified;
use retrosync_protocol::Kind;

use crate::card::{at, save};
use crate::cross::{Line, World, table, title, worlds};

const AGAIN: &str = "RETROSYNC_WRITE_DOCS=1 cargo test --test profiles coverage";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/COVERAGE.md")
}

/// Cores that have no save states (libretro/docs).
const NO_STATES: [&str; 4] = ["bluemsx", "gw", "scummvm", "virtualjaguar"];

/// One cell: the battery save or memory card, then the state.
fn cell(world: &World, line: &Line) -> String {
    let battery = match &line.save {
        None if line.unsynced => "?",
        None => "",
        Some((path, id)) => match (world.naming.identify(&at(path)), id.kind(), id.core().is_some()) {
            (Identified::Save(_), Kind::Tree, _) => "D",
            (Identified::Save(_), Kind::Card, false) => "C",
            (Identified::Save(_), Kind::Card, true) => "c",
            (Identified::Save(_), _, false) => "S",
            (Identified::Save(_), _, true) => "s",
            _ => "?",
        },
    };
    let state = world.core(line.system).filter(|core| !NO_STATES.contains(&&**core)).is_some_and(|core| {
        let of = |core: String| save(&format!("{}/state.1@{core}/{}", line.system, title(line.system)));
        [of(core.clone()), of(format!("minarch-{core}"))].iter().any(|id| world.naming.home(id).is_some())
    });
    let doubt = if line.save.is_some() && !line.sourced { "?" } else { "" };
    match format!("{battery}{doubt}{}", if state { "t" } else { "" }) {
        nothing if nothing.is_empty() => "–".into(),
        cell => cell,
    }
}

/// Everything in a profile that is marked `confirmed = false`, with where it stands.
fn unconfirmed(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("device-profiles/{name}.toml"));
    let profile: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let mut found = Vec::new();
    for (key, value) in &profile {
        let tables: Vec<&toml::Table> = match value {
            toml::Value::Table(table) => vec![table],
            toml::Value::Array(list) => list.iter().filter_map(toml::Value::as_table).collect(),
            _ => Vec::new(),
        };
        for table in tables {
            let doubted = table.get("confirmed").and_then(toml::Value::as_bool) == Some(false);
            let reason = table.get("reason").and_then(toml::Value::as_str);
            assert_eq!(doubted, reason.is_some(), "{name}: [{key}]: what is not confirmed has a reason");
            let folder = table.get("folder").and_then(toml::Value::as_str);
            let what = folder.map_or_else(|| format!("`[{key}]`"), |folder| format!("`{folder}`"));
            found.extend(reason.map(|reason| format!("{what}: {reason}")));
        }
    }
    found.dedup();
    found
}

fn text() -> String {
    let systems = table("systems.toml");
    let worlds = worlds();
    let mut text = format!(
        "# What goes from where to where\n\n\
         Written from `tests/profiles/where.txt`, which says by hand where each firmware's emulators keep their saves, and\n\
         from what the program makes of these paths, by\n\n    {AGAIN}\n\n\
         and held true by the same test. For each system and firmware, with the core that it usually takes:\n\n\
         | mark | meaning |\n|---|---|\n\
         | `S` | the battery save goes to every firmware that has this mark in the row |\n\
         | `s` | the battery save loads in one core only: it goes where that core has a folder |\n\
         | `C` `c` | the same of the memory card |\n\
         | `D` | folders, each of which is one save, go to every firmware that has this mark in the row |\n\
         | `t` | save states go too, to the same core of the same word size (32 or 64 bit) |\n\
         | `S?` and the like | the same, but which core the firmware runs the system with, and so the save's folder, was not read in its \
         own files: it is the one that most firmwares take. A folder of another core on the card counts before it |\n\
         | `?` | its emulator keeps saves that are not synced: the firmware's page says why |\n\
         | `–` | the core keeps no save in a file named after the game. What it leaves under other names is kept by its path, among \
         cards of one family, where saves have folders of their own |\n\
         | (empty) | the firmware has no folder for the system, or where its emulator saves is not known |\n\n\
         A save is placed only where its game is. Some cores keep one memory for all games unless they are set otherwise, and a \
         mark then speaks of a file that is there only if they are: Dreamcast (Flycast, “Per-Game VMUs”). Genesis Plus GX \
         keeps one memory for all Sega CD games of a region (`scd_U.brm`, `scd_E.brm`, `scd_J.brm`) unless its option “CD System BRAM” is \
         “per game”: only then it reads `Game.brm`, where a game’s memory from PicoDrive comes to lie. That one, NeoCD’s and the second card of PCSX-ReARMed go as they are, from core to same core.\n\n\
         **Not converted**, because it would not be exact: the clock *behind* the bytes of a Game Boy save (mGBA’s and VBA’s own \
         programs; `status` and `doctor` name such saves): it stays on its device, the save itself goes everywhere. A clock in a \
         `.rtc` file goes from Gambatte to mGBA and VBA-M and back where all three read it alike, else only to the same form. \
         A Saturn’s memory goes between Beetle Saturn and Yabause; its cartridge and clock, and what Kronos keeps, load in \
         their own core only.\n"
    );
    // Two tables that a page can hold.
    for some in worlds.chunks(worlds.len().div_ceil(2)) {
        let names: Vec<&str> = some.iter().map(|world| world.profile.name.as_str()).collect();
        write!(text, "\n| system | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len())).unwrap();
        for (system, about) in &systems {
            let of = |world: &World| world.line(system).map(|line| cell(world, line)).unwrap_or_default();
            let cells: Vec<String> = some.iter().map(of).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                let title = about.get("title").and_then(toml::Value::as_str).unwrap_or(system);
                writeln!(text, "| {title} | {} |", cells.join(" | ")).unwrap();
            }
        }
    }
    let doubts: BTreeMap<&str, Vec<String>> = worlds
        .iter()
        .map(|world| (world.profile.name.as_str(), unconfirmed(&world.profile.name)))
        .filter(|(_, doubts)| !doubts.is_empty())
        .collect();
    text.push_str(
        "\n## Not confirmed on a device\n\n\
         Each can be put right in `retrosync.toml` (`saves_folder`, `states_folder`, `saves_sorted_by`, `states_sorted_by`,\n\
         `games_folder`, `retroarch_cfg`, `game_processes`) or by a whole profile in `profiles/` beside the program.\n",
    );
    for (name, doubts) in doubts {
        write!(text, "\n**{name}**\n\n").unwrap();
        for doubt in doubts {
            writeln!(text, "- {doubt}").unwrap();
        }
    }
    text
}

#[test]
fn the_page_of_coverage_is_true() {
    let (page, text) = (page(), text());
    if std::env::var_os("RETROSYNC_WRITE_DOCS").is_some() {
        fs::create_dir_all(page.parent().unwrap()).unwrap();
        fs::write(&page, &text).unwrap();
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    let line = text.lines().zip(written.lines()).position(|(is, was)| is != was);
    assert!(
        written == text,
        "docs/COVERAGE.md is not what the data say, from line {:?} on; write it anew: {AGAIN}",
        line.map(|at| at + 1)
    );
}
