//! PURE. The games on the card: what tells a save's system where its path does not, and whether a save has a home.

use std::collections::{BTreeMap, BTreeSet};

use retrosync_protocol::compare_key;

use super::names::title_of;
use super::tables::tables;
use crate::profile::{FolderStyle, GamesSpec, Profile};
use crate::snapshot::Place;

/// File names beside games that are none.
const NO_GAMES: [&str; 24] = [
    "png", "jpg", "jpeg", "gif", "bmp", "txt", "xml", "db", "dat", "cfg", "ini", "opt", "srm", "sav", "rtc",
    "state", "auto", "bak", "tmp", "pdf", "mp4", "log", "json", "sh",
];

/// Folders among the games that hold pictures and the like.
const NO_GAME_FOLDERS: [&str; 8] =
    ["imgs", "images", "videos", "media", "manuals", "boxart", "screenshots", "downloaded_images"];

/// A folder of games: its system and the word (folder name or tag) that names it on this firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameFolder {
    /// The canonical system.
    pub system: &'static str,
    /// `GB`
    pub word: String,
}

/// A game file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Game {
    pub(crate) system: &'static str,
    pub(crate) word: Box<str>,
    pub(crate) file: Box<str>,
}

/// The games on the card, by title, and the subfolders that its save folders have.
#[derive(Clone, Debug, Default)]
pub struct Games {
    by_title: BTreeMap<Box<str>, Vec<Game>>,
    save_folders: BTreeSet<Place>,
}

impl Games {
    /// Adds a game file of a folder; what is no game by its name is passed over.
    pub fn add(&mut self, folder: &GameFolder, file_name: &str) {
        let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
        // A PICO-8 cartridge is a picture.
        let cartridge = file_name.to_ascii_lowercase().ends_with(".p8.png");
        let stray = NO_GAMES.iter().any(|no| no.eq_ignore_ascii_case(extension)) && !cartridge;
        if stray || file_name.starts_with('.') {
            return;
        }
        let game = Game { system: folder.system, word: folder.word.as_str().into(), file: file_name.into() };
        let games = self.by_title.entry(compare_key(title_of(file_name))).or_default();
        if !games.contains(&game) {
            games.push(game);
            // Any order of adding gives the same names: the file that is launched first, then by name.
            games.sort_by(|a, b| (rank(&a.file), &a.file, &a.word).cmp(&(rank(&b.file), &b.file, &b.word)));
        }
    }

    /// Tells that a subfolder of a save folder exists (where several cores would do, the one in use is preferred).
    pub fn add_save_folder(&mut self, place: Place) {
        self.save_folders.insert(place);
    }

    /// How many games there are.
    pub fn count(&self) -> usize {
        self.by_title.values().map(Vec::len).sum()
    }

    /// The games of a title, in any spelling of it.
    pub(crate) fn titled(&self, title: &str) -> &[Game] {
        self.by_title.get(&compare_key(title)).map_or(&[], Vec::as_slice)
    }

    /// The game with exactly this file name (in any spelling) in a folder of this system.
    pub(crate) fn file(&self, system: &str, file_name: &str) -> Option<&Game> {
        let key = compare_key(file_name);
        let mut games = self.titled(title_of(file_name)).iter();
        games.find(|game| game.system == system && compare_key(&game.file) == key)
    }

    /// The subfolders that exist right below a save folder: their names.
    pub(crate) fn folders_below<'a>(&'a self, root: usize, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.save_folders.iter().filter(move |place| place.root == root).filter_map(move |place| {
            let name = place.path.as_str().strip_prefix(folder)?.strip_prefix('/')?;
            (!name.contains('/')).then_some(name)
        })
    }
}

/// Of several files of one title, which one a launcher starts: a play list, then a disc's sheet, then the rest.
fn rank(file_name: &str) -> usize {
    let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "m3u" => 0,
        "cue" | "gdi" | "ccd" | "toc" | "mds" => 1,
        "bin" | "img" | "sub" | "mdf" | "sbi" => 3,
        _ => 2,
    }
}

/// The system of a game folder by its name, if the firmware knows it.
pub fn game_folder(profile: &Profile, folder_name: &str) -> Option<GameFolder> {
    let word = word_of(&profile.games, folder_name)?;
    let system = tables().system_of_folder(&profile.games.names, word)?;
    Some(GameFolder { system: system.name, word: word.to_owned() })
}

/// Does a folder among the games hold none (pictures, hidden)?
pub fn is_no_game_folder(folder_name: &str) -> bool {
    folder_name.starts_with('.') || NO_GAME_FOLDERS.iter().any(|no| no.eq_ignore_ascii_case(folder_name))
}

fn word_of<'a>(spec: &GamesSpec, folder_name: &'a str) -> Option<&'a str> {
    match spec.named_by {
        FolderStyle::Name => Some(folder_name),
        FolderStyle::Tag => {
            folder_name.trim_end().strip_suffix(')')?.rsplit_once('(').map(|(_, tag)| tag.trim())
        }
    }
}
