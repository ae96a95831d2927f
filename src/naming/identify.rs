//! PURE. What a path in a save folder is.
//!
//! The system comes from the path where the firmware sorts by system; where it sorts by core, from the games: the folder
//! of a game of that name, among the systems that the core runs. A core of one system needs no game.

use retrosync_protocol::{Kind, SaveId, Slot, System as SystemName};

use super::games::{GameFolder, is_no_game_folder, system_of};
use super::layouts::InForce;
use super::names::{dotted_state, fits, never, state, without};
use super::tables::{Core, FileRule, Meaning, System, plain_meaning, tables};
use super::{Identified, MINARCH, NARROW, Naming};
use crate::formats::AsNew;
use crate::profile::{Group, Holds, NamedAfter, StateStyle};
use crate::snapshot::Place;

/// What the folders above a file tell.
#[derive(Clone, Copy, Default)]
struct Above<'a> {
    system: Option<&'static System>,
    word: Option<&'a str>,
    core: Option<&'static Core>,
    /// The folder of a core's own files that it lies in.
    own: &'static str,
    /// `-32`, `-64`: a firmware with programs of both word sizes sets the states of the one aside so.
    word_size: &'static str,
}

/// Folders whose files make up saves together.
const WHOLE_FOLDERS: [&str; 4] = ["PSP", "SAVEDATA", "PPSSPP", "PPSSPP-Ext"];

/// A file's system, title and meaning.
type Named<'a> = (&'static System, &'a str, Meaning);

/// Why a path is no save that the tables know; the first that comes says most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    /// It may be one, but which cannot be told.
    Unknown(String),
    /// It is one of a single core, which nothing tells: it may be kept by its path.
    Untold(String),
    /// No table knows it: it may be kept by its path.
    Stranger(String),
    /// It is none.
    Ignored(&'static str),
}

type Found<T> = Result<T, Miss>;

fn unknown<T>(why: impl Into<String>) -> Found<T> {
    Err(Miss::Unknown(why.into()))
}

fn stranger<T>(why: impl Into<String>) -> Found<T> {
    Err(Miss::Stranger(why.into()))
}

/// Where the answer comes from that a path is no save.
pub(super) struct Missed<'a> {
    layout: &'a InForce,
    /// The path below its folder.
    below: &'a str,
    miss: Miss,
}

impl Missed<'_> {
    /// The innermost folder counts, and there the answer that says most.
    fn says_more(&self, other: &Missed<'_>) -> bool {
        let (own, its) = (self.layout.path.len(), other.layout.path.len());
        own > its || (own == its && self.miss < other.miss)
    }
}

impl Naming {
    /// What the file at `place` is.
    pub fn identify(&self, place: &Place) -> Identified {
        let Missed { layout, below, miss } = match self.read(place) {
            Ok((_, save)) => return Identified::Save(save),
            Err(None) => return Identified::Unknown("it is outside of the save folders".into()),
            Err(Some(missed)) => missed,
        };
        match miss {
            Miss::Unknown(why) => Identified::Unknown(why),
            Miss::Ignored(why) => Identified::Ignored(why),
            Miss::Untold(why) | Miss::Stranger(why) if !layout.keeps_strangers() => Identified::Unknown(why),
            Miss::Untold(_) | Miss::Stranger(_) => match self.by_path(layout, below) {
                Ok(save) => Identified::Save(save),
                Err(why) => Identified::Unknown(why),
            },
        }
    }

    /// The save folder that the answer comes from (its number in the profile), and why a file there is kept by its path.
    pub fn explain(&self, place: &Place) -> Option<(usize, Option<String>)> {
        match self.read(place) {
            Ok((layout, _)) => Some((layout.number, None)),
            Err(missed) => missed.map(|missed| match missed.miss {
                Miss::Untold(why) | Miss::Stranger(why) => (missed.layout.number, Some(why)),
                _ => (missed.layout.number, None),
            }),
        }
    }

    /// The save that the tables tell; else why it is none, if it lies in a save folder.
    pub(super) fn read<'a>(&'a self, place: &'a Place) -> Result<(&'a InForce, SaveId), Option<Missed<'a>>> {
        let mut missed: Option<Missed<'_>> = None;
        for layout in &self.layouts {
            let Some(below) = layout.below(place) else { continue };
            let miss = match self.identify_in(layout, below) {
                Ok(save) => return Ok((layout, save)),
                Err(miss) => miss,
            };
            let one = Missed { layout, below, miss };
            if missed.as_ref().is_none_or(|other| one.says_more(other)) {
                missed = Some(one);
            }
        }
        Err(missed)
    }

    /// A save that is known by its path, within this family of firmwares.
    fn by_path(&self, layout: &InForce, below: &str) -> Result<SaveId, String> {
        let slot = if layout.holds.contains(&Holds::Saves) { "saves" } else { "states" };
        let core = layout.core.map(|core| format!("@{}", core.name)).unwrap_or_default();
        if below.split('/').any(|part| WHOLE_FOLDERS.iter().any(|whole| whole.eq_ignore_ascii_case(part))) {
            return Err("it is part of a folder that is one save: its files are not synced one by one".into());
        }
        if below.ends_with('*') {
            return Err("its name ends in `*`, which stands for several files".into());
        }
        let id = format!("{}/{}.{slot}{core}/{}", self.family, Kind::File, self.meant(below));
        id.parse().map_err(|error: retrosync_protocol::SaveIdError| error.to_string())
    }

    fn identify_in(&self, layout: &InForce, below: &str) -> Found<SaveId> {
        let parts: Vec<&str> = below.split('/').collect();
        for part in &parts {
            let own = self.ignore.iter().any(|pattern| fits(pattern, part));
            if let Some(why) = own.then_some("this firmware's own file").or_else(|| never(part)) {
                return Err(Miss::Ignored(why));
            }
        }
        let Some((name, folders)) = parts.split_last() else { return unknown("it has no name") };
        if let Some(core) = layout.core.filter(|_| layout.holds.contains(&Holds::Trees)) {
            let games = |folder: &GameFolder| folder.at.as_ref().is_some_and(|at| layout.is_at(at));
            let among_games = self.games.folders().iter().any(games);
            return self.tree(core, &parts, among_games);
        }
        // mupen64plus may have names of its own.
        let renamed = match name.strip_suffix(".*").filter(|_| self.by_catalogue) {
            Some(stem) => format!("{}.*", self.games.aliased(stem).ok_or_else(|| no_alias(stem))?),
            None => String::new(),
        };
        let name = if renamed.is_empty() { *name } else { &renamed };
        let state = state_in(layout, name);
        let only_states = !layout.holds.contains(&Holds::Saves);
        if state.is_none() && only_states {
            return Err(Miss::Ignored("not a save state"));
        }
        let (folders, own) = own_folder(layout, folders);
        let above = self.above_in(layout, folders).and_then(|above| match (above.core, own) {
            (Some(core), Some((own, _))) if core.name != own.name => stranger(nobodys(name)),
            (_, Some((core, own))) => Ok(Above { core: Some(core), own, ..above }),
            _ => Ok(above),
        });
        let above = above.map_err(|why| {
            // Among games, and beside MinUI's own folders, what is no save is nobody's worry.
            let quiet = layout.among_games() || layout.grouped_by.contains(&Group::SystemCore);
            if quiet { Miss::Ignored("not a folder of saves") } else { why }
        })?;
        let found = match state {
            Some((stem, slot)) if layout.holds.contains(&Holds::States) => {
                self.state(layout, above, stem, &slot)
            }
            Some(_) => unknown("it is a save state, and these lie elsewhere"),
            None => self.save(layout, above, name),
        };
        match found {
            Err(Miss::Stranger(_)) if layout.among_games() => Err(Miss::Ignored("not a save")),
            found => found,
        }
    }

    /// Where saves lie as the games do, the innermost folder that names a system tells it.
    fn above_mirrored<'a>(&self, folders: &[&'a str]) -> Found<Above<'a>> {
        if folders.iter().any(|folder| is_no_game_folder(folder)) {
            return Err(Miss::Ignored("not a folder of games"));
        }
        let named = |folder: &&'a str| system_of(self.folder_style, &self.columns, folder);
        match folders.iter().rev().find_map(named) {
            Some((system, word)) => Ok(Above { system: Some(system), word: Some(word), ..Above::default() }),
            None => unknown("it lies in the folder of no system"),
        }
    }

    /// What the folders of a path in this layout tell.
    fn above_in<'a>(&self, layout: &'a InForce, folders: &[&'a str]) -> Found<Above<'a>> {
        let mut above = match layout.mirrors {
            Some(_) => self.above_mirrored(folders),
            None => self.above(layout, folders),
        }?;
        if let (None, Some(word)) = (above.word, &layout.word) {
            above.system = tables().system_of_folder(&self.columns, word);
            above.word = Some(word);
        }
        match above.word {
            Some(word) if !layout.is_for(word) => Err(Miss::Ignored("RetroArch keeps these elsewhere")),
            _ => Ok(above),
        }
    }

    fn above<'a>(&self, layout: &InForce, folders: &[&'a str]) -> Found<Above<'a>> {
        let mut above = Above { core: layout.core, ..Above::default() };
        if folders.len() != layout.grouped_by.len() {
            if layout.holds == [Holds::States] && folders.len() < layout.grouped_by.len() {
                return unknown("it is not in the folder of a core, and nothing else tells which wrote it");
            }
            return stranger(match layout.grouped_by.first() {
                Some(Group::Core) => "it is not right in the folder of a core",
                Some(_) => "it is not right in the folder of a system",
                None => "it is in a subfolder",
            });
        }
        for (folder, group) in folders.iter().zip(&layout.grouped_by) {
            let (word, core) = match group {
                Group::System => (Some(*folder), None),
                Group::Core => (None, Some(*folder)),
                Group::SystemCore => match folder.split_once('-') {
                    Some((word, core)) => (Some(word), Some(core)),
                    None => return stranger("its folder is not a tag and a core"),
                },
                // Such folders are read by `above_mirrored`.
                Group::Game => (None, None),
            };
            if let Some(word) = word {
                let Some(system) = tables().system_of_folder(&self.columns, word) else {
                    return stranger(format!("no system is known whose folder is `{word}`"));
                };
                (above.system, above.word) = (Some(system), Some(word));
            }
            if let Some(core) = core {
                let known = match group {
                    Group::SystemCore => tables().core(core),
                    _ => tables().core_of_folder(core),
                };
                let Some(known) = known else {
                    return stranger(format!("no core is known whose save folder is `{core}`"));
                };
                above.core = Some(known);
                above.word_size =
                    ["-32", "-64"].into_iter().find(|size| core.ends_with(size)).unwrap_or_default();
            }
        }
        Ok(above)
    }

    fn state(&self, layout: &InForce, above: Above<'_>, stem: &str, slot: &str) -> Found<SaveId> {
        let system = self.system(above, self.title(layout, above, stem))?;
        // A firmware that sorts by system runs each with one core; in a flat folder any core may have written it.
        let title = self.title(layout, above, stem);
        // An emulator of its own, outside of RetroArch, writes no such file.
        let usual = || self.usual(above, system, title).filter(|core| !core.folders.is_empty());
        let Some(core) = above.core.or_else(usual) else {
            return unknown("states of several cores lie in this folder, and nothing tells which wrote it");
        };
        // A firmware with programs of both word sizes sets the others' states aside; else they are of the kind of this one.
        let size = match above.word_size {
            "" if self.narrow => NARROW,
            "-64" if self.narrow => "",
            told => told,
        };
        let minarch = if layout.states == StateStyle::Minarch { MINARCH } else { "" };
        let core = format!("{minarch}{}{size}", core.name);
        self.made(system, Kind::State, Some(slot), Some(&core), self.title(layout, above, stem))
    }

    /// The core that runs a game, where folders named after a system tell it.
    fn usual(&self, above: Above<'_>, system: &System, title: &str) -> Option<&'static Core> {
        let word = above.word?;
        let game = self.games.titled(title).iter().find(|game| game.system == system.name);
        // A core that the tables do not know is not the usual one either: then nothing tells.
        match self.chosen.of(word, game.map_or("", |game| &game.file)) {
            Some(chosen) => tables().core_spelled(chosen).filter(|core| core.runs(system.name)),
            None => self.default_core(word, system.name),
        }
    }

    /// How a save would be written to this place by its emulator.
    pub fn as_new(&self, place: &Place, save: &SaveId) -> AsNew {
        let core = self.layouts.iter().find_map(|layout| {
            let (folders, _) = layout.below(place)?.rsplit_once('/').unwrap_or_default();
            let folders: Vec<&str> = folders.split('/').filter(|folder| !folder.is_empty()).collect();
            let above = self.above_in(layout, &folders).ok()?;
            above.core.or_else(|| self.usual(above, tables().system(save.system())?, save.title()))
        });
        AsNew {
            packed: self.is_packed(place, save.kind() == Kind::State),
            block_clock: core.is_some_and(|core| core.has_block_clock),
        }
    }

    fn save(&self, layout: &InForce, above: Above<'_>, name: &str) -> Found<SaveId> {
        if let Some(stem) = without(name, "rtc") {
            let title = self.title(layout, above, stem);
            return self.made(self.system(above, title)?, Kind::Rtc, None, None, title);
        }
        if let Some(stem) = layout.save_extension.as_deref().and_then(|extension| without(name, extension)) {
            let title = self.title(layout, above, stem);
            let system = self.system(above, title)?;
            let Some(meaning) = self.battery(above, system) else { return stranger(nobodys(name)) };
            return self.made(system, meaning.kind, meaning.slot, meaning.core, title);
        }
        let (system, title, meaning) = self.by_extension(above, name)?;
        self.made(system, meaning.kind, meaning.slot, meaning.core, title)
    }

    /// What the frontend's own save file is, where all cores' are called the same.
    fn battery(&self, above: Above<'_>, system: &'static System) -> Option<Meaning> {
        match above.core.or_else(|| self.default_core(above.word.unwrap_or_default(), system.name)) {
            Some(core) => core.files(system.name).next().map(|rule| core.meaning(rule, system)),
            None => plain_meaning(system),
        }
    }

    /// What a file is by its extension. Where nothing tells the core: as the usual core names it, else as the form that
    /// loads in any core, else as the only core that names a file so.
    fn by_extension<'a>(&self, above: Above<'_>, name: &'a str) -> Found<Named<'a>> {
        if let Some(shared) = shared(above, name) {
            return Ok(shared);
        }
        if let Some(core) = above.core {
            return self
                .by_core(above, core, name, &mut Vec::new())?
                .ok_or_else(|| Miss::Stranger(nobodys(name)));
        }
        let mut reason = Miss::Stranger(nobodys(name));
        let mut found: Vec<(&str, Named<'a>)> = Vec::new();
        let mut known = Vec::new();
        for core in &tables().cores {
            match self.by_core(above, core, name, &mut known) {
                Ok(Some(named)) => found.push((core.name, named)),
                Ok(None) => {}
                Err(why) => reason = why,
            }
        }
        if let (Some(stem), Some(system)) = (without(name, "srm"), above.system) {
            found.extend(plain_meaning(system).map(|meaning| ("", (system, stem, meaning))));
        }
        let word = above.word.unwrap_or_default();
        let is_usual = |core: &str, system: &System| {
            self.default_core(word, system.name).is_some_and(|usual| usual.name == core)
        };
        if let Some(at) = found.iter().position(|(core, (system, ..))| is_usual(core, system)) {
            return Ok(found.swap_remove(at).1);
        }
        let mut named: Vec<Named<'a>> = found.into_iter().map(|(_, named)| named).collect();
        if named.iter().any(|(.., meaning)| meaning.core.is_none()) {
            named.retain(|(.., meaning)| meaning.core.is_none());
        }
        named.dedup();
        match named.len() {
            1 => named.pop().ok_or(reason),
            0 => Err(reason),
            _ => Err(Miss::Untold(
                "more than one core names a file so, and nothing tells which wrote it".into(),
            )),
        }
    }

    /// What a core means by a file name, if it names a file so. `known`: the systems of the stems that were asked for so far.
    fn by_core<'a>(
        &self,
        above: Above<'_>,
        core: &'static Core,
        name: &'a str,
        known: &mut Vec<(&'a str, Found<&'static System>)>,
    ) -> Found<Option<Named<'a>>> {
        if above.system.is_some_and(|system| !core.runs(system.name)) {
            return Ok(None);
        }
        // `Game.1.mcr` is a card of `Game`, not of `Game.1`.
        let here = core.files.iter().filter(|rule| rule.title.is_empty() && rule.folder == above.own);
        let stems = here.filter_map(|rule| without(name, rule.extension));
        let Some(stem) = stems.min_by_key(|stem| stem.len()) else { return Ok(None) };
        let at = known.iter().position(|(other, _)| *other == stem).unwrap_or_else(|| {
            known.push((stem, self.system(above, stem)));
            known.len() - 1
        });
        let system = known[at].1.clone()?;
        let fits = |rule: &&FileRule| rule.title.is_empty() && without(name, rule.extension) == Some(stem);
        let rule = core.files(system.name).find(fits);
        Ok(rule.map(|rule| (system, stem, core.meaning(rule, system))))
    }

    /// What the player calls the game: the stem, without the game file's extension where the firmware keeps it.
    fn title<'a>(&self, layout: &InForce, above: Above<'_>, stem: &'a str) -> &'a str {
        let Some((title, extension)) =
            stem.rsplit_once('.').filter(|_| layout.named_after == NamedAfter::File)
        else {
            return stem;
        };
        let system = above.system.map_or("", |system| system.name);
        if self.games.file(system, stem).is_some() {
            return title;
        }
        // Its game is not here: two to four letters and digits are an extension, unless a game has this very title.
        let is_extension = (2..=4).contains(&extension.len())
            && extension.bytes().all(|b| b.is_ascii_alphanumeric())
            && extension.bytes().any(|b| b.is_ascii_alphabetic());
        let whole = self.games.titled(stem).iter().any(|game| game.system == system);
        if is_extension && !whole { title } else { stem }
    }

    /// The system of a title: the path's; else that of a folder that has this game; else a core's only one.
    fn system(&self, above: Above<'_>, title: &str) -> Found<&'static System> {
        if let Some(system) = above.system {
            return Ok(system);
        }
        let here = self.games.titled(title);
        let Some(core) = above.core else {
            let mut systems: Vec<&str> = here.iter().map(|game| game.system).collect();
            systems.sort_unstable();
            systems.dedup();
            return match systems[..] {
                [system] => tables().system(system).ok_or(Miss::Unknown(no_game(title))),
                [] => unknown(no_game(title)),
                _ => unknown(format!("games of several systems are called `{title}`")),
            };
        };
        let of_core = |name: &&&str| here.iter().any(|game| game.system == **name);
        let name = match (core.systems.iter().find(of_core), &core.systems[..]) {
            (Some(name), _) | (None, [name]) => name,
            (None, _) => return unknown(no_game(title)),
        };
        tables().system(name).ok_or(Miss::Unknown(no_game(title)))
    }

    /// A folder that is one save. Among games it is one if it bears a disc's number and more.
    fn tree(&self, core: &Core, parts: &[&str], among_games: bool) -> Found<SaveId> {
        let is_numbered = |name: &str| {
            let (letters, rest) = name.as_bytes().split_at_checked(4).unwrap_or_default();
            let (digits, more) = rest.split_at_checked(5).unwrap_or_default();
            letters.iter().all(u8::is_ascii_uppercase)
                && digits.iter().all(u8::is_ascii_digit)
                && !more.is_empty()
        };
        if among_games && !parts.first().is_some_and(|name| is_numbered(name)) {
            return Err(Miss::Ignored("not a save"));
        }
        let system = core.systems.first().and_then(|name| tables().system(name));
        match (system, parts) {
            (Some(system), [title, "*"]) => self.made(system, Kind::Tree, None, None, title),
            (_, [_]) => unknown("it lies beside folders that are saves, and in none of them"),
            _ => Err(Miss::Ignored("a file of a folder that is one save")),
        }
    }

    /// The save of these words; its title as all devices call it, however this card spells it.
    fn made(
        &self,
        system: &System,
        kind: Kind,
        slot: Option<&str>,
        core: Option<&str>,
        title: &str,
    ) -> Found<SaveId> {
        let refused = Miss::Unknown;
        let name: SystemName = system.name.parse().map_err(|e| refused(format!("{e}")))?;
        let slot: Option<Slot> = slot.map(str::parse).transpose().map_err(|e| refused(format!("{e}")))?;
        let core = core.map(str::parse).transpose().map_err(|e| refused(format!("{e}")))?;
        let title = self.meant(title);
        SaveId::new(&name, kind, slot.as_ref(), core.as_ref(), &title).map_err(|e| refused(e.to_string()))
    }
}

/// What one file of all games is.
fn shared<'a>(above: Above<'_>, name: &str) -> Option<Named<'a>> {
    let fits = |rule: &FileRule| {
        let stem = without(name, rule.extension).filter(|_| rule.folder == above.own);
        stem.is_some_and(|stem| stem.eq_ignore_ascii_case(rule.title))
    };
    let (core, rule) = tables().shared(above.core, above.system, fits)?;
    let system = tables().system(rule.systems.first()?)?;
    Some((system, rule.title, core.meaning(rule, system)))
}

/// The folders without those in which a core keeps its own files; that core, and what these are called.
fn own_folder<'a, 'b>(
    layout: &InForce,
    folders: &'a [&'b str],
) -> (&'a [&'b str], Option<(&'static Core, &'static str)>) {
    let above = if layout.mirrors.is_some() { 1 } else { layout.grouped_by.len() };
    let found = tables().core_of_subfolder(folders.get(above..).unwrap_or_default());
    let deep = found.map_or(0, |(_, own)| own.split('/').count());
    let before = &folders[..folders.len() - deep];
    let whole = layout.mirrors.is_some() || before.len() == above;
    if whole { (before, found) } else { (folders, None) }
}

/// What a state is named after, and its slot; NextUI's player chooses among three forms, all of which are read.
fn state_in<'a>(layout: &InForce, name: &'a str) -> Option<(&'a str, String)> {
    let retroarch = || state(StateStyle::Retroarch, name);
    match (layout.states, layout.nextui) {
        (StateStyle::Retroarch, _) => retroarch(),
        (StateStyle::Minarch, false) => state(StateStyle::Minarch, name),
        (StateStyle::Minarch, true) => {
            state(StateStyle::Minarch, name).or_else(|| dotted_state(name)).or_else(retroarch)
        }
    }
}

fn no_game(title: &str) -> String {
    format!("no game called `{title}` is here that tells its system")
}

fn no_alias(stem: &str) -> Miss {
    Miss::Unknown(format!("no game is here that mupen64plus calls `{stem}`"))
}

fn nobodys(name: &str) -> String {
    format!("no core of this folder names a save `{name}`")
}
