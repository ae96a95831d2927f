//! PURE. A device and firmware as data: which device is this, where are its saves and games, when does a game run.
//!
//! A profile is one TOML file; `device-profiles/onion.toml` explains every key. The ones of this repository are compiled
//! in by `build.rs`, a `profiles/` folder beside the program overrides them by name. This module parses and judges;
//! it never looks at the machine (`facts.rs` does, and hands over [`Facts`] and [`Site`]).

mod cores;
mod detect;
mod minui;
mod overrides;
mod site;

use litemap::LiteMap;

use crate::error::{Error, Kind, Result};
use crate::packed;
use crate::table::{Keys, Table, Words};

pub use cores::ChosenCores;
pub use detect::{Facts, detect};
pub use minui::{MinuiSettings, SaveNames, StateNames};
pub use overrides::{Overrides, sorting};
pub use site::{Live, Site};

/// One device and firmware.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The word for it: `onion`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Profiles are tried in this order; the first that fits is it.
    pub order: u32,
    /// Where the card may be mounted, best first. `~` is the user's home folder.
    pub card: Vec<String>,
    /// What must be on the card at that place, any of it (patterns); empty: nothing.
    pub card_has: Vec<String>,
    /// Of these places, one counts only if `/etc/fstab` mounts something there.
    pub card_in_fstab: Vec<String>,
    /// Firmwares of one family lay out their save folders alike: what no table knows is kept by its path among them.
    /// Absent: a family of its own, called as the profile.
    pub family: Option<String>,
    /// Which names the file system takes.
    pub file_names: FileNames,
    /// How this device is told from others; any one rule suffices.
    pub detect: Vec<Rule>,
    /// Where games are.
    pub games: GamesSpec,
    /// RetroArch's own configuration, if it is to be believed.
    pub retroarch: Option<RetroarchSpec>,
    /// NextUI's settings.
    pub minui: Option<MinuiSpec>,
    /// How mupen64plus calls the saves of Nintendo 64 games.
    pub mupen64plus: Option<Mupen64plusSpec>,
    /// Where Batocera and Knulli keep which core the player chose, best first: below the card.
    pub core_settings: Vec<String>,
    /// The save folders.
    pub layouts: Vec<Layout>,
    /// The core that runs a system unless the user chose another.
    pub default_cores: LiteMap<String, String>,
    /// How to tell that a game runs.
    pub running: Running,
    /// While one of these exists on the card, nothing is synced.
    pub pause: Vec<Pause>,
    /// Saves that this program leaves alone, and why.
    pub unsynced: Vec<Pause>,
    /// What else in save folders is no save.
    pub ignore: Ignore,
    /// Its screen and its buttons, the first that fits; for `retrosync screen`.
    pub screens: Vec<ScreenSpec>,
    /// Path and save, proved both ways by the tests.
    pub examples: Vec<Example>,
}

impl Profile {
    fn read(keys: &mut Keys<'_>) -> Profile {
        // Those are for the packages.
        keys.skip(&["app", "boot", "hooks"]);
        keys.must("layout");
        Profile {
            name: keys.text("name"),
            title: keys.text("title"),
            order: keys.number("order"),
            card: keys.texts("card"),
            card_has: keys.maybe_texts("card_has"),
            card_in_fstab: keys.maybe_texts("card_in_fstab"),
            family: keys.maybe_text("family"),
            file_names: keys.word("file_names", FILE_NAMES),
            detect: keys.many("detect", Rule::read),
            games: keys.one("games", GamesSpec::read),
            retroarch: keys.maybe_one("retroarch", RetroarchSpec::read),
            minui: keys.maybe_one("minui", |keys| MinuiSpec { settings: keys.text("settings") }),
            mupen64plus: keys.maybe_one("mupen64plus", Mupen64plusSpec::read),
            core_settings: keys.maybe_texts("core_settings"),
            layouts: keys.many("layout", Layout::read),
            default_cores: keys.pairs("default_cores"),
            running: keys.maybe_one("running", Running::read).unwrap_or_default(),
            pause: keys.many("pause", Pause::read),
            unsynced: keys.many("unsynced", Pause::read),
            ignore: keys
                .maybe_one("ignore", |keys| Ignore { names: keys.maybe_texts("names") })
                .unwrap_or_default(),
            screens: keys.many("screen", ScreenSpec::read),
            examples: keys.many("example", Example::read),
        }
    }
}

/// Which file names a card takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileNames {
    /// FAT32 and exFAT: no `" * / : < > ? \ |`, no dot or blank at the end, no reserved names.
    #[default]
    Fat,
    /// Anything but `/`.
    Posix,
}

const FILE_NAMES: Words<FileNames> = &[("fat", FileNames::Fat), ("posix", FileNames::Posix)];

/// All conditions of one rule must hold.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// These exist. `{card}` stands for each place of [`Profile::card`]; `*` for any part of one name.
    pub all: Vec<String>,
    /// None of these exists.
    pub none: Vec<String>,
    /// `/etc/os-release` has these values.
    pub os_release: LiteMap<String, String>,
    /// These files (absolute) have these words in them, in any case.
    pub contains: LiteMap<String, String>,
    /// The environment has these values.
    pub environment: LiteMap<String, String>,
    /// This rule counts only where a folder plays the card (`--root`).
    pub only_with_root: bool,
    /// False: inferred.
    pub confirmed: bool,
    /// Why it is not confirmed.
    pub reason: Option<String>,
}

impl Rule {
    fn read(keys: &mut Keys<'_>) -> Rule {
        Rule {
            all: keys.maybe_texts("all"),
            none: keys.maybe_texts("none"),
            os_release: keys.pairs("os_release"),
            contains: keys.pairs("contains"),
            environment: keys.pairs("environment"),
            only_with_root: keys.truth("only_with_root", false),
            confirmed: keys.truth("confirmed", true),
            reason: keys.maybe_text("reason"),
        }
    }
}

/// Where games are.
#[derive(Clone, Debug)]
pub struct GamesSpec {
    /// Folders that hold one folder a system: below the card, or absolute, or below `~`.
    pub folders: Vec<String>,
    /// Which columns of `systems.toml` name those folders, first match wins.
    pub names: Vec<String>,
    /// How a folder's name tells its system.
    pub named_by: FolderStyle,
}

impl GamesSpec {
    fn read(keys: &mut Keys<'_>) -> GamesSpec {
        GamesSpec {
            folders: keys.texts("folders"),
            names: keys.texts("names"),
            named_by: keys.word("named_by", FOLDER_STYLES),
        }
    }
}

/// How a game folder's name tells its system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FolderStyle {
    /// The whole name: `GB`.
    #[default]
    Name,
    /// The tag in the last parentheses: `Game Boy (GB)`.
    Tag,
    /// The whole name, else the tag.
    Either,
}

const FOLDER_STYLES: Words<FolderStyle> =
    &[("name", FolderStyle::Name), ("tag", FolderStyle::Tag), ("either", FolderStyle::Either)];

/// RetroArch's own configuration.
#[derive(Clone, Debug)]
pub struct RetroarchSpec {
    /// Where `retroarch.cfg` may be, best first: below the card, absolute, or below `~`. `*` stands for any part of a
    /// name, and counts where one file fits, or one that has the environment's `PLATFORM` in its name.
    pub config: Vec<String>,
    /// All of them count, each for the programs that read it; else the first that is there.
    pub each: bool,
    /// One that goes before it for one system each: `*` is the game folder's name.
    pub by_system: Option<String>,
    /// False: inferred.
    pub confirmed: bool,
    /// Why it is not confirmed.
    pub reason: Option<String>,
}

impl RetroarchSpec {
    fn read(keys: &mut Keys<'_>) -> RetroarchSpec {
        RetroarchSpec {
            config: keys.texts("config"),
            each: keys.truth("each", false),
            by_system: keys.maybe_text("by_system"),
            confirmed: keys.truth("confirmed", true),
            reason: keys.maybe_text("reason"),
        }
    }
}

/// What NextUI's player has set.
#[derive(Clone, Debug)]
pub struct MinuiSpec {
    /// The file of settings, below the card.
    pub settings: String,
}

/// How mupen64plus calls the saves of Nintendo 64 games: by its catalogue, not after the game's file. Absolute, or below the
/// card.
#[derive(Clone, Debug)]
pub struct Mupen64plusSpec {
    /// The catalogue, `mupen64plus.ini`.
    pub catalogue: String,
    /// Its settings, `mupen64plus.cfg`, which say in which of its three ways it names saves.
    pub settings: String,
    /// Where the player chooses the emulator: it counts unless its `default` is one of RetroArch's (`lr-…`).
    pub chosen: String,
}

impl Mupen64plusSpec {
    fn read(keys: &mut Keys<'_>) -> Mupen64plusSpec {
        Mupen64plusSpec {
            catalogue: keys.text("catalogue"),
            settings: keys.text("settings"),
            chosen: keys.text("chosen"),
        }
    }
}

/// One save folder and how its files are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Below the card; `.` is the card itself.
    pub folder: String,
    /// What lies in it.
    pub holds: Vec<Holds>,
    /// What its subfolders are named after, from the top; none: all files lie in it.
    pub grouped_by: Vec<Group>,
    /// What the files are named after.
    pub named_after: NamedAfter,
    /// The battery save's extension where it is the same for all cores (MinUI: `sav`).
    pub save_extension: Option<String>,
    /// How states are numbered, and whose form they have.
    pub states: StateStyle,
    /// The emulator that keeps this folder for itself.
    pub core: Option<String>,
    /// The firmware sets this folder itself at each start of a game: a live `retroarch.cfg` does not move it.
    pub fixed: bool,
    /// False: inferred, not seen on a device or in the firmware's source.
    pub confirmed: bool,
    /// Why it is not confirmed, for people.
    pub reason: Option<String>,
}

impl Layout {
    fn read(keys: &mut Keys<'_>) -> Layout {
        keys.must("holds");
        Layout {
            folder: keys.text("folder"),
            holds: keys.words("holds", HOLDS),
            grouped_by: keys.words("grouped_by", GROUPS),
            named_after: keys.word("named_after", NAMED_AFTER),
            save_extension: keys.maybe_text("save_extension"),
            states: keys.word("states", STATE_STYLES),
            core: keys.maybe_text("core"),
            fixed: keys.truth("fixed", false),
            confirmed: keys.truth("confirmed", true),
            reason: keys.maybe_text("reason"),
        }
    }
}

/// What a save folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Battery saves, clocks, memory cards.
    Saves,
    /// Save states.
    States,
    /// Folders, each of which is one save, of the system of the layout's `core`.
    Trees,
}

const HOLDS: Words<Holds> = &[("saves", Holds::Saves), ("states", Holds::States), ("trees", Holds::Trees)];

/// What a level of subfolders is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// RetroArch's name of the core: `Gambatte`.
    Core,
    /// The folder that the game lies in, or its tag: `gb`, `GB`.
    System,
    /// Tag and core: `GB-gambatte`.
    SystemCore,
    /// The path from the card to the folder that the game lies in: `Roms/GBA/Hacks`. With the folder `.` that is beside
    /// the game.
    Game,
}

const GROUPS: Words<Group> = &[
    ("core", Group::Core),
    ("system", Group::System),
    ("system-core", Group::SystemCore),
    ("game", Group::Game),
];

/// What a save file is named after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamedAfter {
    /// The game file without its extension: `Game.srm`.
    #[default]
    Title,
    /// The whole game file: `Game.gb.sav`.
    File,
}

const NAMED_AFTER: Words<NamedAfter> = &[("title", NamedAfter::Title), ("file", NamedAfter::File)];

/// How states are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateStyle {
    /// `Game.state`, `Game.state1` …, `Game.state.auto`.
    #[default]
    Retroarch,
    /// `Game.gb.st0` … `st8`, `st9` is the automatic one; bare core data, which RetroArch does not write.
    Minarch,
}

const STATE_STYLES: Words<StateStyle> =
    &[("retroarch", StateStyle::Retroarch), ("minarch", StateStyle::Minarch)];

/// How to tell that a game runs.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// One of these exists: below the card or absolute.
    pub flag_files: Vec<String>,
    /// A process of one of these names (the file name of its program) lives.
    pub process_names: Vec<String>,
    /// False: inferred.
    pub confirmed: bool,
    /// Why it is not confirmed.
    pub reason: Option<String>,
}

impl Running {
    fn read(keys: &mut Keys<'_>) -> Running {
        Running {
            flag_files: keys.maybe_texts("flag_files"),
            process_names: keys.maybe_texts("process_names"),
            confirmed: keys.truth("confirmed", true),
            reason: keys.maybe_text("reason"),
        }
    }
}

/// Something on the card that stops syncing, or is not synced.
#[derive(Clone, Debug)]
pub struct Pause {
    /// If this exists, below the card.
    pub path: String,
    /// Said to the user.
    pub why: String,
}

impl Pause {
    fn read(keys: &mut Keys<'_>) -> Pause {
        Pause { path: keys.text("path"), why: keys.text("why") }
    }
}

/// What in save folders is no save, besides what is ignored everywhere.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    /// Names of files and folders; `*` stands for any part.
    pub names: Vec<String>,
}

/// A path and its save.
#[derive(Clone, Debug)]
pub struct Example {
    /// The game, below the card.
    pub game: String,
    /// The save file, below the card.
    pub path: String,
    /// Its save; absent: the file is ignored or unknown.
    pub save: Option<String>,
    /// False: it is recognised, but this is not where it would be put.
    pub home: bool,
}

impl Example {
    fn read(keys: &mut Keys<'_>) -> Example {
        Example {
            game: keys.text("game"),
            path: keys.text("path"),
            save: keys.maybe_text("save"),
            home: keys.truth("home", true),
        }
    }
}

/// What a device's screen and buttons are like, where they are not as usual.
#[derive(Clone, Debug, Default)]
pub struct ScreenSpec {
    /// It is this device if this path exists; absent: any.
    pub has: Option<String>,
    /// And that file has this text in it.
    pub says: Option<String>,
    /// It is this panel: `640x480`, as it lies in memory; absent: any.
    pub size: Option<String>,
    /// By how many degrees a picture is turned clockwise in memory so that it is upright in the hand.
    pub rotation: Option<u32>,
    /// On this firmware B confirms and A goes back.
    pub b_confirms: bool,
    /// Which key of evdev is which button: `a 57, b 29, x 42, start 28`.
    pub buttons: String,
}

impl ScreenSpec {
    fn read(keys: &mut Keys<'_>) -> ScreenSpec {
        ScreenSpec {
            has: keys.maybe_text("has"),
            says: keys.maybe_text("says"),
            size: keys.maybe_text("size"),
            rotation: keys.maybe_number("rotation"),
            b_confirms: keys.truth("b_confirms", false),
            buttons: keys.maybe_text("buttons").unwrap_or_default(),
        }
    }
}

impl Profile {
    /// Reads a profile; `source` names it in errors.
    ///
    /// # Errors
    /// `Misused`, with line and nearest name.
    pub fn parse(text: &str, source: &str) -> Result<Profile> {
        Table::parse(text).and_then(|table| table.read(Profile::read)).map_err(|error| {
            let refused = Error::new(Kind::Misused, format!("cannot read device profile `{source}`"), &error);
            match meant(&error.cause) {
                Some(name) => refused.help(format!("did you mean `{name}`?")),
                None => refused.help("`device-profiles/onion.toml` explains every key"),
            }
        })
    }
}

/// The name that an unknown one was probably meant to be, from the list in the reader's message.
fn meant(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    crate::nearest::nearest(unknown, names)
}

/// The profiles that are compiled in, in the order in which they are tried.
pub fn built_in() -> Vec<Profile> {
    static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/profiles.z"));
    let texts = packed::unpack(PACKED);
    // The tests prove that each of them parses; a broken one would be left out.
    let mut profiles: Vec<Profile> =
        texts.split('\0').filter_map(|text| Profile::parse(text, "built in").ok()).collect();
    sort(&mut profiles);
    profiles
}

/// Puts profiles in the order in which they are tried.
pub fn sort(profiles: &mut [Profile]) {
    profiles.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
}
