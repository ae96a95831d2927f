//! Which save or version a person means: a whole id, or a part that only one has; else the candidates.

use std::io::ErrorKind;

use retrosync_protocol::{Code, Kind as SaveKind, SaveId};

use crate::error::{Error, Kind, Problem, Result};
use crate::naming::Identified;
use crate::parts::Ground;
use crate::scan::LINK;
use crate::set::Set;
use crate::snapshot::{Place, RelativePath};
use crate::volume::EntryKind;
use crate::whole;

/// How many candidates are named in an error.
const SHOWN: usize = 8;

/// The save among `saves` that `word` means.
///
/// # Errors
/// Not found, or `Misused`, naming the candidates when there are several.
pub fn find<'a>(word: &str, saves: impl Iterator<Item = &'a SaveId>) -> Result<SaveId> {
    let doing = || format!("cannot tell which save `{word}` is");
    let mut saves: Vec<&SaveId> = saves.collect();
    saves.sort();
    saves.dedup();
    if let Ok(whole) = word.parse::<SaveId>() {
        // A whole id is taken at its word, in the spelling that is known if there is one.
        return Ok(saves.into_iter().find(|save| **save == whole).cloned().unwrap_or(whole));
    }
    let part = word.to_lowercase();
    let named: Vec<&SaveId> = saves.iter().copied().filter(|s| s.title().to_lowercase() == part).collect();
    let found: Vec<&SaveId> = if named.is_empty() {
        saves.iter().copied().filter(|save| save.as_str().to_lowercase().contains(&part)).collect()
    } else {
        named
    };
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Error::new(Kind::Refused(Code::NotFound), doing(), "no save has this in its title")
            .help("`retrosync history` lists the saves")),
        several => match battery(several) {
            Some(one) => Ok(one.clone()),
            None => Err(Error::new(Kind::Misused, doing(), format!("{} saves have it", several.len()))
                .help(format!("say which: {}", candidates(several)))),
        },
    }
}

/// Is it neither a state nor converted for other cores?
pub fn is_of_one_core(save: &SaveId) -> bool {
    !matches!(save.kind(), SaveKind::State | SaveKind::File) && save.core().is_some()
}

/// Has a file of this size a Game Boy's clock behind the save's own bytes? It stays on its device.
pub fn keeps_a_clock(save: &SaveId, size_bytes: u64) -> bool {
    let is_gb = matches!(save.system(), "gb" | "gbc" | "sgb") && save.kind() == SaveKind::Sram;
    is_gb && matches!(size_bytes % 0x200, 44 | 48)
}

/// How much is on the card.
pub struct Counted {
    /// Files that are saves.
    pub saves: usize,
    /// Games whose saves would be known.
    pub games: usize,
    /// Files that may be saves and are not synced, and why.
    pub left_out: Vec<(RelativePath, String)>,
    /// Saves whose bytes load in one core only: they are converted for no other.
    pub of_one_core: Vec<SaveId>,
    /// Saves with a clock behind their bytes: it goes nowhere.
    pub with_clock: Vec<SaveId>,
    /// Saves of others whose names keep them from this card, and why.
    pub homeless: Vec<(SaveId, String)>,
}

/// Counts saves and games by their names, and which of the saves that the server knows have none here; reads no save.
pub fn count<'a>(ground: &Ground, known: impl Iterator<Item = &'a SaveId>) -> (Counted, Vec<Problem>) {
    let (naming, mut problems) = ground.naming();
    let games_count = naming.games().count();
    let (mut found, mut left_out, mut with_clock) = (Set::default(), Vec::new(), Vec::new());
    for left in &ground.profile.unsynced {
        let path = RelativePath::new(&left.path)
            .filter(|_| ground.site.resolve(&ground.profile, &left.path).exists());
        left_out.extend(path.map(|path| (path, left.why.clone())));
    }
    for folder in naming.folders() {
        let Some(root) = ground.site.roots.get(folder.place.root) else { continue };
        let mut walk = vec![(folder.place.path.clone(), folder.depth)];
        while let Some((path, depth)) = walk.pop() {
            let entries = match ground.volume().list(&path.under(root)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    problems.push(Error::io(format!("cannot read save folder `{path}`"), &error).into());
                    continue;
                }
            };
            for entry in entries {
                let name = entry.name.to_string_lossy();
                let Some(below) = RelativePath::new(&format!("{path}/{name}")) else { continue };
                let place = Place { root: folder.place.root, path: below.clone() };
                let whole = match entry.kind {
                    EntryKind::Folder => naming.set_of_folder(&place),
                    _ => naming.set_of_file(&place),
                };
                match entry.kind {
                    EntryKind::Folder | EntryKind::File if let Some(whole) = whole => {
                        match (
                            naming.identify(&whole),
                            whole::open(&*ground.volume(), &whole.path.under(root)),
                        ) {
                            (_, Err(error)) if error.kind() == ErrorKind::InvalidData => {
                                left_out.push((whole.path, error.to_string()));
                            }
                            (Identified::Save(save), Ok(_)) => drop(found.insert(save)),
                            _ => {}
                        }
                    }
                    EntryKind::Folder if depth > 0 => walk.push((below, depth - 1)),
                    EntryKind::File => match naming.identify(&place) {
                        Identified::Save(save) => {
                            let stamp = ground.volume().stamp(&place.path.under(root));
                            let clock = stamp.is_ok_and(|stamp| keeps_a_clock(&save, stamp.size_bytes));
                            with_clock.extend(clock.then(|| save.clone()));
                            found.insert(save);
                        }
                        Identified::Unknown(why) => left_out.push((place.path, why)),
                        Identified::Ignored(_) => {}
                    },
                    EntryKind::Other => left_out.push((below, LINK.to_owned())),
                    EntryKind::Folder => {}
                }
            }
        }
    }
    let homeless = known.filter(|save| !found.contains(*save) && naming.home(save).is_none());
    let homeless: Vec<_> =
        homeless.filter_map(|save| Some((save.clone(), naming.why_homeless(save)?))).collect();
    let saves = found.len();
    let of_one_core = found.into_iter().filter(is_of_one_core).collect();
    (Counted { saves, games: games_count, left_out, of_one_core, with_clock, homeless }, problems)
}

/// The one battery save among several saves of one game: what people mean by the game's name.
fn battery<'a>(saves: &[&'a SaveId]) -> Option<&'a SaveId> {
    let (first, rest) = saves.split_first()?;
    let of_one_game = rest.iter().all(|s| s.system() == first.system() && s.title() == first.title());
    let mut batteries = saves.iter().filter(|save| save.kind() == retrosync_protocol::Kind::Sram);
    let one = batteries.next()?;
    (of_one_game && batteries.next().is_none()).then_some(*one)
}

fn candidates(saves: &[&SaveId]) -> String {
    let shown: Vec<String> = saves.iter().take(SHOWN).map(|save| format!("`{save}`")).collect();
    let more = saves.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_person_says_no_more_than_needed() {
        let saves: Vec<SaveId> = [
            "gb/sram/Tetris (World)",
            "gba/sram/Metroid Fusion (Europe)",
            "gba/sram/Metroid - Zero Mission (Europe)",
            "gba/sram/Zelda",
            "gba/state.0@mgba/Zelda",
            "nes/sram/Zelda II",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let rows = [
            ("a part of a title", "tetris", Ok("gb/sram/Tetris (World)")),
            ("a whole id in another case", "GB/sram/tetris (world)", Ok("gb/sram/Tetris (World)")),
            ("a whole id", "gb/sram/tetris (world)", Ok("gb/sram/Tetris (World)")),
            ("a whole id that is not known", "gb/sram/Other", Ok("gb/sram/Other")),
            ("a title that two have", "metroid", Err("2 saves have it")),
            (
                "a title in full goes before parts; the battery save before states",
                "zelda",
                Ok("gba/sram/Zelda"),
            ),
            ("nothing", "pong", Err("no save has this in its title")),
        ];
        for (row, word, expected) in rows {
            match (find(word, saves.iter()), expected) {
                (Ok(save), Ok(text)) => assert_eq!(save.as_str(), text, "{row}"),
                (Err(error), Err(text)) => assert_eq!(error.cause, text, "{row}"),
                (found, _) => unreachable!("{row}: {found:?}"),
            }
        }
        let error = find("metroid", saves.iter()).unwrap_err();
        assert_eq!(
            error.help.unwrap(),
            "say which: `gba/sram/Metroid - Zero Mission (Europe)`, `gba/sram/Metroid Fusion (Europe)`"
        );
    }
}
