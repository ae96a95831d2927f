//! PURE. Local path ↔ save id, on each firmware: systems, cores and naming styles.
//!
//! The rules, in the order in which they are asked (`naming/identify.rs`):
//!
//! 1. Where saves are sorted by system, the folder is the system.
//! 2. Where they are sorted by core, the folder tells the core, by RetroArch's name of it. A core that runs several systems
//!    (Gambatte: Game Boy and Color) leaves the system open: it is that of the game folder that has a game of this name. So
//!    the save of a game that lies in the folder of Game Boy Color is `gbc`, whatever the cartridge was.
//! 3. In a flat folder the games tell the system.
//! 4. What no table knows (a core's folder, a core's own file) is kept by its path among firmwares of one family: a save
//!    of kind `file`.
//! 5. What cannot be told is `Unknown` with its reason: reported, never guessed, never touched.
//!
//! `home` is the way back (`naming/home.rs`), and only where the game is. Bytes that load in one core only carry the core in
//! their id; MinUI's states do not load in RetroArch and back, so they carry `minarch-` and the core.

mod elsewhere;
mod escape;
mod games;
mod home;
mod identify;
mod layouts;
mod names;
mod tables;

use litemap::LiteMap;
use std::path::PathBuf;

use retrosync_protocol::{Kind, SaveId};

pub use elsewhere::elsewhere;
use escape::{by_parts, escaped, unescaped};
use games::Game;
pub use games::{GameFolder, Games, game_folder, is_no_game_folder};
pub(crate) use names::fits;
pub(crate) use tables::{is_system, nearest_system};

use crate::formats::n64::Memory;
use crate::profile::{ChosenCores, FileNames, FolderStyle, MinuiSettings, Profile, Site};
use crate::snapshot::{Place, RelativePath};
use layouts::InForce;
use tables::{Core, System, tables};

/// What MinUI's states are keyed by, before the core's name.
const MINARCH: &str = "minarch-";

/// What follows the core in the key of a state that a 32-bit program wrote: it does not load in a 64-bit one, nor back.
const NARROW: &str = "-32";

/// What a path in a save folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// A save.
    Save(SaveId),
    /// No save, and known as such: why.
    Ignored(&'static str),
    /// Perhaps a save, but which cannot be told: why. Reported, never touched.
    Unknown(String),
}

/// A folder to scan and to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveFolder {
    /// Where.
    pub place: Place,
    /// How many levels of subfolders hold saves.
    pub depth: usize,
    /// How many of them are named after a core or a system.
    pub grouped: usize,
}

/// How deep files that are kept by their path may lie below what is named after a core or a system.
const OPAQUE_DEPTH: usize = 2;
/// The largest file that is kept by its path: what is larger is hardly a save, and cards are small.
pub const OPAQUE_MOST_BYTES: u64 = 4 << 20;

/// The names of one device.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    layouts: Vec<InForce>,
    columns: Vec<String>,
    /// By game folder or system, in lower case.
    default_cores: LiteMap<String, String>,
    ignore: Vec<String>,
    file_names: FileNames,
    folder_style: FolderStyle,
    family: String,
    minui: Option<MinuiSettings>,
    chosen: ChosenCores,
    /// The emulators here are 32-bit programs, as this one is.
    narrow: bool,
    /// mupen64plus names its saves by its catalogue.
    by_catalogue: bool,
    /// RetroArch packs battery saves, states.
    packs: (bool, bool),
    games: Games,
    learnt: u64,
}

impl Naming {
    /// The naming of this profile at this place, with these games.
    pub fn new(profile: &Profile, site: &Site, games: Games) -> Naming {
        let default_cores = profile.default_cores.iter();
        Naming {
            layouts: layouts::in_force(profile, site),
            columns: profile.games.names.clone(),
            default_cores: default_cores.map(|(word, core)| (word.to_lowercase(), core.clone())).collect(),
            ignore: profile.ignore.names.clone(),
            file_names: profile.file_names,
            folder_style: profile.games.named_by,
            family: profile.family.clone().unwrap_or_else(|| profile.name.clone()),
            minui: site.minui,
            chosen: site.cores.clone(),
            narrow: cfg!(target_pointer_width = "32"),
            by_catalogue: profile.mupen64plus.is_some(),
            packs: layouts::packs(profile, site),
            games,
            learnt: 0,
        }
    }

    /// The same with other games: the list of them was read again.
    pub fn learn(&mut self, games: Games) {
        if self.games != games {
            self.games = games;
            self.learnt += 1;
        }
    }

    /// How often it has learnt of other games: as long as that is the same, so is all that it says.
    pub fn learnt(&self) -> u64 {
        self.learnt
    }

    /// The save folders to scan and to watch; each once.
    pub fn folders(&self) -> Vec<SaveFolder> {
        let mut folders: LiteMap<Place, (usize, usize)> = LiteMap::new();
        let mut add = |root: usize, path: &str, depth: usize, grouped: usize| {
            let Some(path) = RelativePath::new(path) else { return };
            let known = folders.entry(Place { root, path }).or_insert((0, 0));
            *known = (known.0.max(depth), known.1.max(grouped));
        };
        for layout in &self.layouts {
            if layout.mirrors.is_some() {
                let games = self.games.folders().iter().filter_map(|folder| layout.beside(folder));
                games.for_each(|path| add(layout.root, &path, 0, 0));
            } else {
                let grouped = layout.grouped_by.len();
                let deeper = if layout.keeps_strangers() { OPAQUE_DEPTH } else { 0 };
                add(layout.root, &layout.path, grouped + deeper, grouped);
            }
        }
        let all = folders.into_iter();
        all.map(|(place, (depth, grouped))| SaveFolder { place, depth, grouped }).collect()
    }

    /// The game file that a save is of, if it is here.
    pub fn game_file(&self, save: &SaveId) -> Option<String> {
        let mut games = self.games_of(save);
        games.find(|game| game.system == save.system()).map(|game| game.file.to_string())
    }

    /// The games of a save's title, as this card may spell it.
    fn games_of<'a>(&'a self, save: &SaveId) -> impl Iterator<Item = &'a Game> {
        let title = save.title();
        let spelled = self.spelled(title);
        let otherwise = if spelled == title { &[] } else { self.games.titled(&spelled) };
        self.games.titled(title).iter().chain(otherwise)
    }

    /// A title as this card spells it.
    fn spelled(&self, title: &str) -> String {
        if self.file_names == FileNames::Fat { by_parts(title, escaped) } else { title.into() }
    }

    /// What this card's spelling of a title stands for.
    pub fn meant(&self, spelled: &str) -> String {
        if self.file_names == FileNames::Fat { by_parts(spelled, unescaped) } else { spelled.into() }
    }

    /// Does the player choose how saves are called? Then the form that is set now tells which of two files is in use.
    pub fn names_are_chosen(&self) -> bool {
        self.minui.is_some()
    }

    /// Does RetroArch pack what it writes at this place? A container is always read, so this only makes it feel at home.
    fn is_packed(&self, place: &Place, is_state: bool) -> bool {
        let (saves, states) = self.packs;
        let retroarchs = |layout: &InForce| layout.core.is_none() && layout.below(place).is_some();
        (if is_state { states } else { saves }) && self.layouts.iter().any(retroarchs)
    }

    /// The same on a device whose emulators are 32-bit programs, or 64-bit ones.
    #[must_use]
    pub fn with_words_of(mut self, bits: u32) -> Naming {
        self.narrow = bits == 32;
        self
    }

    /// The core that is meant by the key of a state or save: without what only sets states apart; none where a state is of
    /// programs of another kind than those here.
    fn core_of(&self, save: &SaveId) -> Option<&'static Core> {
        let key = save.core()?;
        let key = key.strip_prefix(MINARCH).unwrap_or(key);
        let name = key.strip_suffix(NARROW).filter(|_| save.kind() == Kind::State);
        let fits = save.kind() != Kind::State || name.is_some() == self.narrow;
        tables().core(name.unwrap_or(key)).filter(|_| fits)
    }

    /// The place of the save that this file is one of several of, or this folder all of.
    pub fn whole(&self, place: &Place) -> Option<Place> {
        let path = place.path.as_str();
        let folders = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut folders = folders.filter_map(|at| self.set(place.root, &format!("{}/*", &path[..at])));
        folders.next().or_else(|| self.set_of_file(place))
    }

    /// The same for a folder alone.
    pub fn set_of_folder(&self, place: &Place) -> Option<Place> {
        let has_trees =
            self.layouts.iter().any(|layout| layout.holds.contains(&crate::profile::Holds::Trees));
        has_trees.then(|| self.set(place.root, &format!("{}/*", place.path)))?
    }

    /// The same for a file that may hold one of a game's memories.
    pub fn set_of_file(&self, place: &Place) -> Option<Place> {
        let (stem, _) = place.path.as_str().rsplit_once('.')?;
        Memory::of_file(place.path.name()).and_then(|_| self.set(place.root, &format!("{stem}.*")))
    }

    fn set(&self, root: usize, path: &str) -> Option<Place> {
        let place = Place { root, path: RelativePath::new(path)? };
        self.read(&place).is_ok().then_some(place)
    }

    /// The games that this naming knows of.
    pub fn games(&self) -> &Games {
        &self.games
    }

    /// The core that the profile says runs a game folder, or a system, unless the player chose another.
    fn default_core(&self, word: &str, system: &str) -> Option<&'static Core> {
        let word = self.default_cores.get(&word.to_lowercase());
        let name = word.or_else(|| self.default_cores.get(system))?;
        tables().core(name)
    }

    /// The same; where the profile is silent, the one that most firmwares take. Good enough to place a save that loads in
    /// any core, not to tell which core wrote a state.
    fn likely_core(&self, word: &str, system: &System) -> Option<&'static Core> {
        self.default_core(word, system.name).or_else(|| tables().core(system.core))
    }
}

/// What a profile names that the tables do not have: a misspelt core, column or folder would match nothing in silence.
pub fn faults(profile: &Profile) -> Vec<String> {
    let columns = &profile.games.names;
    let named = profile.default_cores.values().chain(profile.layouts.iter().filter_map(|l| l.core.as_ref()));
    let cores = named.filter(|name| tables().core(name).is_none());
    let words = profile
        .default_cores
        .keys()
        .filter(|word| tables().system(word).is_none() && tables().system_of_folder(columns, word).is_none());
    let unknown = columns.iter().filter(|column| !tables().has_column(column));
    cores
        .map(|name| format!("no core `{name}` in cores.toml"))
        .chain(
            words.map(|word| format!("`default_cores` has `{word}`, which is no system and no game folder")),
        )
        .chain(unknown.map(|column| format!("no column `{column}` in systems.toml")))
        .collect()
}

/// The roots that the profile's save folders (as a live `retroarch.cfg` moves them) need beside the site's; and whether it is for
/// an emulator of its own, which may not be installed.
pub fn roots_outside(profile: &Profile, site: &Site) -> Vec<(PathBuf, bool)> {
    layouts::outside(profile, site)
}
