//! PURE. What a path on a device says of a save: its flat key, as their clients name it, and the folder that tells games of
//! one name apart. A folder is a core's or a system's name where the tables know it, and then it says which systems it can be of.

use std::collections::BTreeSet;

use crate::folders::systems_of;

/// Folders that only say "saves".
const PLAIN: &[&str] = &["saves", "save", "file", "battery saves", "savefiles", "srm", "sav"];

/// The longest path of a device: more than any of their file systems has.
pub(super) const MOST_PATH_BYTES: usize = 1024;

/// Where a file lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The folder that matters, in lower case; empty: none.
    pub(super) folder: String,
    /// The systems that it can be of; empty: it does not say.
    pub(super) systems: BTreeSet<String>,
    /// A copy that an emulator made for playing over a network.
    pub(super) netplay: bool,
}

/// The last part of a path, of either kind.
pub(super) fn basename(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// The flat key: the file's name, blanks joined, without `.srm` or `.sav`.
pub(super) fn save_key(path: &str) -> String {
    let name = basename(path).split_whitespace().collect::<Vec<_>>().join(" ");
    match name.rsplit_once('.') {
        Some((stem, end)) if end.eq_ignore_ascii_case("srm") || end.eq_ignore_ascii_case("sav") => {
            stem.trim_end().to_owned()
        }
        _ => name,
    }
}

/// What ends the file's name, in lower case; empty: nothing.
pub(super) fn extension(path: &str) -> String {
    basename(path).rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default()
}

/// Does a part of the path lead upwards? Two dots within a name do not.
pub(super) fn leads_out(path: &str) -> bool {
    path.split(['/', '\\']).any(|part| part == "..")
}

/// A device's path as it is kept: with a `/` before it, unless it is one of Windows.
pub(super) fn local_path(path: &str) -> String {
    let is_drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    if is_drive || path.starts_with(['/', '\\']) { path.to_owned() } else { format!("/{path}") }
}

impl Place {
    /// Where the file of this path lies.
    pub(super) fn of(path: &str) -> Place {
        let mut parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
        parts.pop();
        let netplay = parts.contains(&".netplay");
        parts.retain(|part| *part != ".netplay");
        let plain = |part: &&str| PLAIN.contains(&part.to_lowercase().as_str());
        let nearest = parts.last().copied().unwrap_or_default();
        let above = parts.iter().rev().copied().find(|part| !plain(part)).unwrap_or_default();
        // A plain folder between only counts as none where the tables know what is above it (`mGBA/Battery Saves`).
        let (folder, systems) = match (plain(&nearest), systems_of(above)) {
            (false, systems) => (nearest, systems.cloned().unwrap_or_default()),
            (true, Some(systems)) => (above, systems.clone()),
            (true, None) => ("", BTreeSet::new()),
        };
        let is_drive = folder.len() == 2 && folder.ends_with(':');
        Place { folder: if is_drive { String::new() } else { folder.to_lowercase() }, systems, netplay }
    }

    /// Can it be the same game, by the systems of both?
    pub(super) fn may_be(&self, systems: &BTreeSet<String>) -> bool {
        self.systems.is_empty() || systems.is_empty() || !self.systems.is_disjoint(systems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flat_key_is_the_files_name() {
        for (path, key) in [
            ("Pokemon Emerald.srm", "Pokemon Emerald"),
            ("/a/b/Pokemon  Emerald .sav", "Pokemon Emerald"),
            ("C:\\Saves\\Tetris.SAV", "Tetris"),
            ("Wait...What.srm", "Wait...What"),
            ("Game.srm.sav", "Game.srm"),
            ("Card.mcr", "Card.mcr"),
            (".srm", ""),
        ] {
            assert_eq!(save_key(path), key, "{path}");
        }
    }

    #[test]
    fn a_folder_tells_which_systems_it_can_be_of() {
        let rows = [
            ("/mnt/mmc/MUOS/save/file/mGBA/x.srm", "mgba", "gb gba gbc sgb", "muOS, by core"),
            ("/mnt/sdcard/Saves/saves/mGBA/x.sav", "mgba", "gb gba gbc sgb", "spruce, by core"),
            ("/x/OpenEmu/mGBA/Battery Saves/x.sav", "mgba", "gb gba gbc sgb", "a plain folder between"),
            ("/mnt/SDCARD/Saves/saves/FCEUmm/x.srm", "fceumm", "fds nes", "another core"),
            ("/roms/nes/x.srm", "nes", "nes", "by system"),
            ("/saves/x.srm", "", "", "unsorted"),
            ("/x.srm", "", "", "nothing said"),
            ("C:\\x.srm", "", "", "Windows"),
            ("/saves/My Games/x.srm", "my games", "", "a folder of their own"),
        ];
        for (path, folder, systems, what) in rows {
            let place = Place::of(path);
            let found: Vec<&str> = place.systems.iter().map(String::as_str).collect();
            assert_eq!((place.folder.as_str(), found.join(" ").as_str()), (folder, systems), "{what}");
            assert!(!place.netplay);
        }
        assert!(Place::of("/saves/mGBA/.netplay/x.srm").netplay);
    }

    #[test]
    fn only_two_dots_alone_lead_out() {
        assert!(leads_out("../x.srm") && leads_out("a\\..\\x.srm"));
        assert!(!leads_out("Wait...What.srm") && !leads_out("a/..b/x.srm"));
        assert_eq!(local_path("C:\\Saves\\x.srm"), "C:\\Saves\\x.srm");
        assert_eq!(local_path("x.srm"), "/x.srm");
    }
}
