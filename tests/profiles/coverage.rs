//! `docs/COVERAGE.md`: what of which system goes from where to where, written from the data and held true.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use retrosync::naming::Identified;
use retrosync::profile::Holds;
use retrosync_protocol::Kind;

use crate::card::{at, profiles, save};
use crate::cross::{World, table, title};

const AGAIN: &str = "RETROSYNC_WRITE_DOCS=1 cargo test --test profiles coverage";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/COVERAGE.md")
}

/// One cell: the battery save or memory card, then the state.
fn cell(world: &World, system: &str, cores: &toml::Table) -> String {
    if !world.folders.contains_key(system) {
        return String::new();
    }
    let trees = world.profile.layouts.iter().any(|layout| layout.holds == [Holds::Trees]);
    if system == "psp" && trees {
        let folder = save("psp/tree/UCES00995DATA00");
        assert!(world.naming.home(&folder).is_some(), "{}: where are its folders?", world.profile.name);
        return "D".into();
    }
    let found = world.expected(system, cores).map(|path| world.naming.identify(&at(&path)));
    let battery = match &found {
        Some(Identified::Save(id)) => match (id.kind(), id.core().is_some()) {
            (Kind::Card, false) => "C",
            (Kind::Card, true) => "c",
            (Kind::File, _) => "f",
            (_, false) => "S",
            (_, true) => "s",
        },
        _ => "?",
    };
    let state = world.core(system).is_some_and(|core| {
        let of = |core: String| save(&format!("{system}/state.1@{core}/{}", title(system)));
        [of(core.clone()), of(format!("minarch-{core}"))].iter().any(|id| world.naming.home(id).is_some())
    });
    format!("{battery}{}", if state { "t" } else { "" })
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
    let (cores, systems) = (table("cores.toml"), table("systems.toml"));
    let worlds: Vec<World> = profiles().into_iter().map(|profile| World::new(profile, &systems)).collect();
    let mut text = format!(
        "# What goes from where to where\n\n\
         Written from `device-profiles/`, `protocol/systems.toml` and `protocol/cores.toml` by\n\n    {AGAIN}\n\n\
         and held true by the same test. For each system and firmware, with the core that it usually takes:\n\n\
         | mark | meaning |\n|---|---|\n\
         | `S` | the battery save goes to every firmware that has this mark in the row |\n\
         | `s` | the battery save loads in one core only: it goes where that core has a folder |\n\
         | `C` `c` | the same of the memory card |\n\
         | `D` | folders, each of which is one save, go to every firmware that has this mark in the row |\n\
         | `f` | nothing tells the core: kept by its path, among cards of one family |\n\
         | `?` | a save is seen and reported, not synced: its place does not tell the core |\n\
         | `t` | save states go too, to the same core of the same word size (32 or 64 bit) |\n\
         | (empty) | the firmware has no folder for the system |\n\n\
         A save is placed only where its game is.\n"
    );
    // Two tables that a page can hold.
    for some in worlds.chunks(worlds.len().div_ceil(2)) {
        let names: Vec<&str> = some.iter().map(|world| world.profile.name.as_str()).collect();
        write!(text, "\n| system | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len())).unwrap();
        for (system, about) in &systems {
            let cells: Vec<String> = some.iter().map(|world| cell(world, system, &cores)).collect();
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
