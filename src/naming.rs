//! PURE. Local path ↔ save id, on each firmware: systems, cores and naming styles.

use retrosync_protocol::SaveId;

use crate::profile::{Profile, Site};
use crate::snapshot::Place;

/// The games on the card, by system, and the subfolders that its save folders have.
#[derive(Clone, Debug, Default)]
pub struct Games {}

/// A folder of games: its system and the word (folder name or tag) that names it on this firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameFolder {
    /// The canonical system.
    pub system: &'static str,
    /// `GB`
    pub word: String,
}

impl Games {
    /// Adds a game file of a folder.
    pub fn add(&mut self, _folder: &GameFolder, _file_name: &str) {}

    /// Tells that a subfolder of a save folder exists (where several cores would do, the one in use is preferred).
    pub fn add_save_folder(&mut self, _place: Place) {}

    /// How many games there are.
    pub fn count(&self) -> usize {
        0
    }
}

/// The system of a game folder by its name, if the firmware knows it.
pub fn game_folder(_profile: &Profile, _folder_name: &str) -> Option<GameFolder> {
    None
}

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
}

/// The names of one device.
#[derive(Clone, Debug, Default)]
pub struct Naming {}

impl Naming {
    /// The naming of this profile at this place, with these games.
    pub fn new(_profile: &Profile, _site: &Site, _games: Games) -> Naming {
        Naming::default()
    }

    /// What the file at `place` is.
    pub fn identify(&self, _place: &Place) -> Identified {
        Identified::Ignored("not built yet")
    }

    /// Where a save goes on this device: only if its game is here.
    pub fn home(&self, _save: &SaveId) -> Option<Place> {
        None
    }

    /// The save folders to scan and to watch.
    pub fn folders(&self) -> Vec<SaveFolder> {
        Vec::new()
    }
}
