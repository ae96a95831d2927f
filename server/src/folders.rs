//! PURE. Which systems a folder's name stands for, by the tables of cores and systems that the programs share: for files that
//! come with a path and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const CORES: &str = include_str!("../../protocol/cores.toml");
const SYSTEMS: &str = include_str!("../../protocol/systems.toml");

/// The systems of a folder's name, if it is one of a core or of a system.
pub(crate) fn systems_of(folder: &str) -> Option<&'static BTreeSet<String>> {
    static FOLDERS: OnceLock<BTreeMap<String, BTreeSet<String>>> = OnceLock::new();
    let name = folder.to_lowercase();
    let name = name.strip_suffix("-32").or_else(|| name.strip_suffix("-64")).unwrap_or(&name);
    FOLDERS.get_or_init(read_tables).get(name)
}

/// Reads both tables: a name in brackets, then lists of names. Their form is checked where they are compacted for the programs.
fn read_tables() -> BTreeMap<String, BTreeSet<String>> {
    let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (system, lists) in tables(SYSTEMS) {
        let names = lists.into_iter().filter(|(key, _)| key != "files").flat_map(|(_, names)| names);
        for name in names.chain([system.clone()]) {
            folders.entry(name.to_lowercase()).or_default().insert(system.clone());
        }
    }
    for (core, mut lists) in tables(CORES) {
        let systems = lists.remove("systems").unwrap_or_default();
        for name in lists.remove("folders").unwrap_or_default().into_iter().chain([core]) {
            folders.entry(name.to_lowercase()).or_default().extend(systems.iter().cloned());
        }
    }
    folders
}

type Lists = BTreeMap<String, Vec<String>>;

fn tables(text: &str) -> Vec<(String, Lists)> {
    let mut tables: Vec<(String, Lists)> = Vec::new();
    let mut key = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            tables.push((name.trim_matches('"').to_owned(), Lists::new()));
            key.clear();
            continue;
        }
        if let Some((name, rest)) = line.split_once('=').filter(|_| !line.starts_with(['"', '{'])) {
            key = if rest.trim_start().starts_with('[') { name.trim().to_owned() } else { String::new() };
        }
        if let (false, Some((_, lists))) = (key.is_empty(), tables.last_mut()) {
            let names = line.split('"').skip(1).step_by(2).map(str::to_owned);
            lists.entry(key.clone()).or_default().extend(names);
        }
    }
    tables
}
