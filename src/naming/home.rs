//! PURE. Where a save goes on this device: the other direction of `identify`.
//!
//! Every answer is asked back: a path that would not be identified as this very save is no home.

use retrosync_protocol::{Kind, SaveId};

use super::games::Game;
use super::layouts::InForce;
use super::names::{is_legal, state_name, title_of};
use super::tables::{Core, FileRule, Meaning, System, plain_meaning, tables};
use super::{Identified, MINARCH, Naming};
use crate::profile::{Group, Holds, NamedAfter, SaveNames, StateNames, StateStyle};
use crate::snapshot::{Place, RelativePath};

impl Naming {
    /// Where a save goes on this device, in its own spelling: only if its game is here.
    pub fn home(&self, save: &SaveId) -> Option<Place> {
        if save.kind() == Kind::File {
            return self.path_of(save);
        }
        let system = tables().system(save.system())?;
        if save.kind() == Kind::Tree {
            return self.tree_of(save);
        }
        let shared = (save.slot() == Some(SHARED)).then(|| self.games.any_of(system.name));
        let games = self.games_of(save).filter(|game| game.system == system.name);
        let games = games.chain(shared.flatten());
        let holds = if save.kind() == Kind::State { Holds::States } else { Holds::Saves };
        let layouts = || self.layouts.iter().filter(move |layout| layout.holds.contains(&holds));
        games
            .flat_map(|game| layouts().map(move |layout| (game, layout)))
            .flat_map(|(game, layout)| self.candidates(layout, game, system, save))
            .find(|place| self.identify(place) == Identified::Save(save.clone()))
    }

    /// What its name has to do with it that a save has no home here: too long for this card, or one that its game must bear
    /// in this card's spelling.
    pub fn why_homeless(&self, save: &SaveId) -> Option<String> {
        let is_path = save.kind() == Kind::File;
        if is_path && save.system() != self.family {
            return None;
        }
        let spelled = self.spelled(save.title());
        let file = if is_path { spelled.clone() } else { format!("{spelled}.srm") };
        if !file.split('/').all(|part| is_legal(self.file_names, part)) {
            return Some("this card takes no name as long".into());
        }
        let otherwise = spelled != save.title() && !is_path;
        otherwise
            .then(|| format!("this card takes no such name; call its game `{spelled}` here, and it comes"))
    }

    /// The home of a save that is known by its path: the same path, within its family of firmwares.
    fn path_of(&self, save: &SaveId) -> Option<Place> {
        let fits = |layout: &&InForce| layout.core.map(|core| core.name) == save.core();
        let places = self.layouts.iter().filter(fits).filter_map(|layout| {
            let below = self.spelled(save.title());
            let legal = below.split('/').all(|part| is_legal(self.file_names, part));
            let parts = [&*layout.path, &below].into_iter().filter(|part| !part.is_empty());
            let path = RelativePath::new(&parts.collect::<Vec<_>>().join("/")).filter(|_| legal)?;
            Some(Place { root: layout.root, path })
        });
        places.into_iter().find(|place| self.identify(place) == Identified::Save(save.clone()))
    }

    /// The home of a folder that is one save: it does not tell its game, so wherever games of its system are.
    fn tree_of(&self, save: &SaveId) -> Option<Place> {
        let layouts = self.layouts.iter().filter(|layout| layout.holds.contains(&Holds::Trees));
        let places = layouts.filter_map(|layout| {
            let spelled = self.spelled(save.title());
            let path = RelativePath::new(&format!("{}/{spelled}/*", layout.path))?;
            is_legal(self.file_names, &spelled).then_some(Place { root: layout.root, path })
        });
        let mut places = places.filter(|_| self.games.any_of(save.system()).is_some());
        places.find(|place| self.identify(place) == Identified::Save(save.clone()))
    }

    /// Paths in one save folder that may be the save's, best first.
    fn candidates(&self, layout: &InForce, game: &Game, system: &System, save: &SaveId) -> Vec<Place> {
        let by_core = layout.grouped_by.contains(&Group::Core);
        let cores: Vec<Option<&'static Core>> = match layout.core {
            Some(core) => vec![Some(core)],
            None if by_core => self.cores_for(layout, game, system, save).into_iter().map(Some).collect(),
            None => self.cores_by_word(game, system, save),
        };
        cores.into_iter().filter_map(|core| self.candidate(layout, game, system, save, core)).collect()
    }

    /// The cores whose folder the save may go to: its own; else the usual one if its folder exists, others whose folder
    /// exists, the usual one.
    fn cores_for(&self, layout: &InForce, game: &Game, system: &System, save: &SaveId) -> Vec<&'static Core> {
        if save.core().is_some() {
            return self.core_of(save).into_iter().collect();
        }
        let usual = self.likely_core(&self.games.folder_of(game).word, system);
        let above = self.above_core(layout, game);
        let mut existing: Vec<&Core> = self
            .games
            .folders_below(layout.root, &above)
            .filter_map(|folder| tables().core_of_folder(folder))
            .filter(|core| core.runs(game.system))
            .collect();
        existing.sort_by_key(|core| (usual.is_none_or(|usual| usual.name != core.name), core.name));
        existing.into_iter().chain(usual).collect()
    }

    /// The cores that may name the file where folders do not tell the core.
    fn cores_by_word(&self, game: &Game, system: &System, save: &SaveId) -> Vec<Option<&'static Core>> {
        if save.core().is_some() {
            return self.core_of(save).into_iter().map(Some).collect();
        }
        let usual = self.likely_core(&self.games.folder_of(game).word, system);
        let others = tables().cores.iter().filter(|core| core.runs(system.name));
        // Where the emulator is in use that names its saves in its own way, that is the one.
        let usual = self.games.alias_of(game).and_then(|_| tables().core("mupen64plus")).or(usual);
        usual.map(Some).into_iter().chain([None]).chain(others.map(Some)).collect()
    }

    fn candidate(
        &self,
        layout: &InForce,
        game: &Game,
        system: &System,
        save: &SaveId,
        core: Option<&'static Core>,
    ) -> Option<Place> {
        let folder = self.games.folder_of(game);
        if !layout.is_for(&folder.word) {
            return None;
        }
        let mut parts = Vec::new();
        if layout.mirrors.is_some() {
            parts.push(layout.beside(folder)?);
        } else {
            parts.push(layout.path.clone());
            for group in &layout.grouped_by {
                parts.push(match group {
                    Group::System => folder.word.clone(),
                    Group::Core => self.core_folder(layout.root, &self.above_core(layout, game), core?)?,
                    Group::SystemCore => format!("{}-{}", folder.word, core?.name),
                    Group::Game => return None,
                });
            }
        }
        let own = core.and_then(|core| rule_of(core, system, save)).map_or("", |rule| rule.folder);
        parts.extend(own.split('/').map(str::to_owned));
        parts.push(self.file_name(layout, game, system, save, core)?);
        let mut below = parts.iter().skip(1).filter(|part| !part.is_empty());
        let legal = below.all(|part| is_legal(self.file_names, part));
        let path = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let path = RelativePath::new(&path).filter(|_| legal)?;
        Some(Place { root: layout.root, path })
    }

    /// The folder that holds the folders of cores, for this game.
    fn above_core(&self, layout: &InForce, game: &Game) -> String {
        match layout.grouped_by.first() {
            Some(Group::System) => format!("{}/{}", layout.path, self.games.folder_of(game).word),
            _ => layout.path.clone(),
        }
    }

    /// The core's folder as it is spelled here, else as RetroArch spells it; none for an emulator that is not RetroArch's.
    fn core_folder(&self, root: usize, above: &str, core: &Core) -> Option<String> {
        let mut existing = self.games.folders_below(root, above);
        let here =
            existing.find(|folder| tables().core_of_folder(folder).is_some_and(|c| c.name == core.name));
        here.or(core.folders.first().copied()).map(str::to_owned)
    }

    fn file_name(
        &self,
        layout: &InForce,
        game: &Game,
        system: &System,
        save: &SaveId,
        core: Option<&Core>,
    ) -> Option<String> {
        let title = title_of(&game.file);
        let stem = match layout.named_after {
            NamedAfter::Title => title,
            NamedAfter::File => &game.file,
        };
        match save.kind() {
            Kind::State => {
                let minarch = save.core()?.starts_with(MINARCH);
                let same_form = minarch == (layout.states == StateStyle::Minarch);
                self.state_file(layout, title, stem, save.slot()?).filter(|_| same_form)
            }
            Kind::Rtc if save.core().is_none() => Some(format!("{stem}.rtc")),
            _ => self.save_file(layout, game, stem, system, save, core),
        }
    }

    fn state_file(&self, layout: &InForce, title: &str, stem: &str, slot: &str) -> Option<String> {
        match self.minui.map(|settings| settings.states) {
            None | Some(StateNames::File) => state_name(layout.states, stem, slot),
            Some(StateNames::Dotted) if slot != "auto" => {
                matches!(slot.as_bytes(), [b'0'..=b'8']).then(|| format!("{title}.state.{slot}"))
            }
            Some(_) => state_name(StateStyle::Retroarch, title, slot),
        }
    }

    /// A save that the frontend writes is named after `stem`; one that the core itself writes after the title.
    fn save_file(
        &self,
        layout: &InForce,
        game: &Game,
        stem: &str,
        system: &System,
        save: &SaveId,
        core: Option<&Core>,
    ) -> Option<String> {
        let title = title_of(&game.file);
        let by_frontend = || match self.minui.map(|settings| settings.saves) {
            None | Some(SaveNames::File) => {
                format!("{stem}.{}", layout.save_extension.as_deref().unwrap_or("srm"))
            }
            Some(SaveNames::Retroarch) => format!("{title}.srm"),
            Some(SaveNames::Generic) => format!("{title}.sav"),
        };
        match core {
            None => plain_meaning(system).filter(|meaning| is_of(meaning, save)).map(|_| by_frontend()),
            Some(core) => {
                let rule = rule_of(core, system, save)?;
                if !rule.title.is_empty() {
                    return Some(format!("{}.{}", rule.title, rule.extension));
                }
                let own = rule.extension != "srm";
                if rule.extension == "*" && self.by_catalogue {
                    return Some(format!("{}.*", self.games.alias_of(game)?));
                }
                Some(if own { format!("{title}.{}", rule.extension) } else { by_frontend() })
            }
        }
    }
}

/// The slot of a file that a core keeps for all games.
const SHARED: &str = "shared";

fn is_of(meaning: &Meaning, save: &SaveId) -> bool {
    (meaning.kind, meaning.slot, meaning.core) == (save.kind(), save.slot(), save.core())
}

/// The rule by which the core writes this save.
fn rule_of<'a>(core: &'a Core, system: &'a System, save: &'a SaveId) -> Option<&'a FileRule> {
    let named = |rule: &&FileRule| rule.title.is_empty() || rule.title.eq_ignore_ascii_case(save.title());
    core.files(system.name).filter(named).find(|rule| is_of(&core.meaning(rule, system), save))
}
