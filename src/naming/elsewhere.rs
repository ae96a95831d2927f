//! PURE. Where a save would lie on another firmware: asked by people, and by the table of what goes from where to where.
//!
//! A card of that firmware is imagined as it is shipped, with this one game on it, in the folder that is usual there.

use std::path::PathBuf;

use retrosync_protocol::SaveId;

use super::escape::escaped;
use super::tables::tables;
use super::{GameFolder, Games, Naming};
use crate::profile::{FileNames, FolderStyle, Profile, Site};
use crate::snapshot::RelativePath;

/// A card of this firmware as it is shipped, with one game: in which folder of games that system's games lie there. None: the
/// firmware has no folder for the system.
fn imagined(profile: &Profile, system: &str, game_file: &str) -> Option<Naming> {
    let system = tables().system(system)?;
    let word = system.usual_folder(&profile.games.names)?;
    let card = PathBuf::from("/card");
    let mut site = Site { roots: vec![card.clone()], ..Site::default() };
    let below = profile.games.folders.iter().find(|folder| !folder.starts_with(['/', '~']))?;
    site.games = vec![site.resolve(profile, below)];
    let name = match profile.games.named_by {
        FolderStyle::Tag => format!("{} ({word})", system.name),
        FolderStyle::Name | FolderStyle::Either => word.to_owned(),
    };
    let at = site.games.first().and_then(|games| site.place(&games.join(name)));
    let mut games = Games::default();
    let folder = GameFolder { system: system.name, word: word.to_owned(), at };
    match game_file.rsplit_once('.').filter(|_| profile.file_names == FileNames::Fat) {
        Some((title, extension)) => games.add(&folder, &format!("{}.{extension}", escaped(title))),
        None => games.add(&folder, game_file),
    }
    Some(Naming::new(profile, &site, games))
}

/// Where the save of the game `game_file` would lie below the card of another firmware, if that firmware has a place for it.
pub fn elsewhere(profile: &Profile, save: &SaveId, game_file: &str) -> Option<RelativePath> {
    imagined(profile, save.system(), game_file)?.home(save).map(|place| place.path)
}
