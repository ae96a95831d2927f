//! PURE. The games on the card: what tells a save's system where its path does not, and whether a save has a home.

use std::collections::BTreeMap;

use litemap::LiteMap;
use retrosync_protocol::compare_key;

use super::names::{state, title_of};
use super::tables::{System, tables};
use crate::profile::{FolderStyle, Profile, StateStyle};
use crate::snapshot::Place;

/// Extensions of files beside games that are none.
const NO_GAMES: [&str; 35] = [
    "png", "jpg", "jpeg", "gif", "bmp", "txt", "xml", "db", "dat", "cfg", "ini", "opt", "srm", "sav", "rtc",
    "state", "auto", "bak", "tmp", "pdf", "mp4", "log", "json", "sh", "nv", "brm", "eep", "flash", "ngf",
    "mcr", "mcd", "dsv", "bkr", "bcr", "smpc",
];

/// Folders among the games that hold pictures and the like.
const NO_GAME_FOLDERS: [&str; 17] = [
    "imgs",
    "images",
    "videos",
    "media",
    "manuals",
    "boxart",
    "screenshots",
    "downloaded_images",
    "downloaded_media",
    "bios",
    "themes",
    "music",
    "ports",
    "tools",
    "savestates",
    "saves",
    "System Volume Information",
];

/// A folder of games: its system and the word (folder name or tag) that names it on this firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameFolder {
    /// The canonical system.
    pub system: &'static str,
    /// `GB`
    pub word: String,
    /// Where it lies, if below a root: the root, and the path from there, which is empty for the root itself.
    pub at: Option<(usize, String)>,
}

/// A game file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Game {
    pub(crate) system: &'static str,
    pub(crate) file: Box<str>,
    /// The number of its folder.
    folder: usize,
}

/// The games on the card, by title, and the subfolders that its save folders have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Games {
    by_title: BTreeMap<Box<str>, Vec<Game>>,
    folders: Vec<GameFolder>,
    save_folders: LiteMap<Place, ()>,
    aliases: Vec<Alias>,
}

/// Another name by which an emulator knows a game.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alias {
    name: Box<str>,
    game: Box<str>,
    /// It is what the emulator would call a new save of it.
    in_use: bool,
}

impl Games {
    /// Adds a game file of a folder; what is no game by its name is passed over.
    pub fn add(&mut self, folder: &GameFolder, file_name: &str) {
        let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
        // A PICO-8 cartridge is a picture.
        let cartridge = file_name.to_ascii_lowercase().ends_with(".p8.png");
        let stray = NO_GAMES.iter().any(|no| no.eq_ignore_ascii_case(extension)) && !cartridge;
        if stray || file_name.starts_with('.') || state(StateStyle::Retroarch, file_name).is_some() {
            return;
        }
        let folder = self.add_folder(folder);
        let system = self.folders[folder].system;
        let game = Game { system, file: file_name.into(), folder };
        let games = self.by_title.entry(compare_key(title_of(file_name))).or_default();
        if !games.contains(&game) {
            games.push(game);
            // Any order of adding gives the same names: the file that is launched first, then by name and folder.
            let order = |game: &Game| (rank(&game.file), game.file.clone(), self.folders[game.folder].key());
            games.sort_by_cached_key(order);
        }
    }

    /// Tells that an emulator knows the game file by this name too.
    pub fn add_alias(&mut self, name: String, game_file: &str, in_use: bool) {
        self.aliases.push(Alias { name: name.into(), game: game_file.into(), in_use });
    }

    /// The title of the game that an emulator knows by this name.
    pub(crate) fn aliased(&self, name: &str) -> Option<&str> {
        let mut aliases = self.aliases.iter().filter(|alias| alias.name.eq_ignore_ascii_case(name));
        aliases.next().map(|alias| title_of(&alias.game))
    }

    /// What an emulator that has names of its own would call a new save of the game.
    pub(crate) fn alias_of(&self, game: &Game) -> Option<&str> {
        self.aliases.iter().find(|alias| alias.in_use && alias.game == game.file).map(|alias| &*alias.name)
    }

    /// A game of this system, if any is here.
    pub(crate) fn any_of(&self, system: &str) -> Option<&Game> {
        self.by_title.values().flatten().find(|game| game.system == system)
    }

    /// Adds a folder that games may lie in; its number.
    pub fn add_folder(&mut self, folder: &GameFolder) -> usize {
        // Games are added folder by folder.
        match self.folders.iter().rposition(|known| known == folder) {
            Some(number) => number,
            None => {
                self.folders.push(folder.clone());
                self.folders.len() - 1
            }
        }
    }

    /// The folders that games may lie in.
    pub(crate) fn folders(&self) -> &[GameFolder] {
        &self.folders
    }

    /// The folder of a game.
    pub(crate) fn folder_of(&self, game: &Game) -> &GameFolder {
        &self.folders[game.folder]
    }

    /// Tells that a subfolder of a save folder exists (where several cores would do, the one in use is preferred).
    pub fn add_save_folder(&mut self, place: Place) {
        self.save_folders.insert(place, ());
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
        self.save_folders.keys().filter(move |place| place.root == root).filter_map(move |place| {
            let name = place.path.as_str().strip_prefix(folder)?.strip_prefix('/')?;
            (!name.contains('/')).then_some(name)
        })
    }
}

impl GameFolder {
    fn key(&self) -> (String, Option<(usize, String)>) {
        (self.word.clone(), self.at.clone())
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
    let (system, word) = system_of(profile.games.named_by, &profile.games.names, folder_name)?;
    Some(GameFolder { system: system.name, word: word.to_owned(), at: None })
}

/// The system that a game folder's name tells, and the word in it that does.
pub(crate) fn system_of<'a>(
    style: FolderStyle,
    columns: &[String],
    folder_name: &'a str,
) -> Option<(&'static System, &'a str)> {
    let of = |word: &'a str| Some((tables().system_of_folder(columns, word)?, word));
    let tag = || folder_name.trim_end().strip_suffix(')')?.rsplit_once('(').map(|(_, tag)| tag.trim());
    match style {
        FolderStyle::Name => of(folder_name),
        FolderStyle::Tag => of(tag()?),
        FolderStyle::Either => of(folder_name).or_else(|| of(tag()?)),
    }
}

/// Does a folder among the games hold none (pictures, hidden)?
pub fn is_no_game_folder(folder_name: &str) -> bool {
    folder_name.starts_with('.') || NO_GAME_FOLDERS.iter().any(|no| no.eq_ignore_ascii_case(folder_name))
}
