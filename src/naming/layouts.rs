//! PURE. The save folders as they are on this card: the profile's, moved and sorted as a live `retroarch.cfg` says.

use std::path::PathBuf;

use super::games::GameFolder;
use super::tables::{Core, tables};
use crate::profile::{Group, Holds, Layout, Live, NamedAfter, Profile, Site, StateStyle};
use crate::retroarch_cfg::{RetroarchCfg, folder};
use crate::snapshot::Place;

/// A save folder in force.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// Which root it is on.
    pub(crate) root: usize,
    /// The path from there; empty: the root itself.
    pub(crate) path: String,
    /// As the profile calls it, for people.
    pub(crate) number: usize,
    pub(crate) holds: Vec<Holds>,
    pub(crate) grouped_by: Vec<Group>,
    pub(crate) named_after: NamedAfter,
    pub(crate) save_extension: Option<String>,
    pub(crate) states: StateStyle,
    /// The player chooses how saves and states are called: all forms are read.
    pub(crate) nextui: bool,
    /// The one emulator that uses it.
    pub(crate) core: Option<&'static Core>,
    /// Its folders are those of the games: the path that stands before theirs.
    pub(crate) mirrors: Option<String>,
    /// It is for games of folders of this name only.
    pub(crate) word: Option<String>,
    /// It is not for games of folders of these names.
    pub(crate) except: Vec<String>,
}

impl InForce {
    /// Games lie in it too.
    pub(crate) fn among_games(&self) -> bool {
        self.mirrors.as_deref() == Some("")
    }

    /// Are files that no table knows kept by their path here? Not among games, nor among what else a frontend keeps.
    pub(crate) fn keeps_strangers(&self) -> bool {
        let whole = self.holds.contains(&Holds::Trees);
        self.mirrors.is_none() && !self.grouped_by.contains(&Group::SystemCore) && !whole
    }

    /// The folder where a game of that folder has its saves, if this is on the same root.
    pub(crate) fn beside(&self, folder: &GameFolder) -> Option<String> {
        let prefix = self.mirrors.as_deref()?;
        let (_, below) = folder.at.as_ref().filter(|(root, _)| *root == self.root)?;
        Some(if prefix.is_empty() { below.clone() } else { format!("{prefix}/{below}") })
    }

    /// Is it for games of a folder of this name?
    pub(crate) fn is_for(&self, word: &str) -> bool {
        let is = |own: &String| own.eq_ignore_ascii_case(word);
        self.word.as_ref().is_none_or(is) && !self.except.iter().any(is)
    }

    /// Is it this folder, of this root?
    pub(crate) fn is_at(&self, (root, path): &(usize, String)) -> bool {
        (self.root, &self.path) == (*root, path)
    }

    /// What follows this folder in a path of its root.
    pub(crate) fn below<'a>(&self, place: &'a Place) -> Option<&'a str> {
        let rest = Some(place.path.as_str()).filter(|_| place.root == self.root)?;
        if self.path.is_empty() { Some(rest) } else { rest.strip_prefix(&*self.path)?.strip_prefix('/') }
    }
}

/// A save folder with its absolute path, before it is known below which root it lies.
#[derive(PartialEq)]
struct Wanted {
    dir: PathBuf,
    grouped_by: Vec<Group>,
    holds: Vec<Holds>,
    mirrors: Option<String>,
    /// The card that it is on, where that is known.
    card: Option<PathBuf>,
    word: Option<String>,
    except: Vec<String>,
}

/// The save folders in force; those outside of all roots are left out (see [`outside`]).
pub(crate) fn in_force(profile: &Profile, site: &Site) -> Vec<InForce> {
    let mut list: Vec<InForce> = Vec::new();
    for (number, layout) in profile.layouts.iter().enumerate() {
        let core = layout.core.as_deref().and_then(|name| tables().core(name));
        for wanted in wanted(profile, layout, site) {
            let Some((root, path)) = site.place(&wanted.dir) else { continue };
            list.push(InForce {
                root,
                path,
                number,
                holds: wanted.holds,
                grouped_by: wanted.grouped_by,
                named_after: layout.named_after,
                save_extension: layout.save_extension.clone(),
                states: layout.states,
                nextui: site.minui.is_some(),
                core,
                mirrors: wanted.mirrors,
                word: wanted.word,
                except: wanted.except,
            });
        }
    }
    list
}

/// Does RetroArch here pack battery saves, states?
pub(crate) fn packs(profile: &Profile, site: &Site) -> (bool, bool) {
    let cfg = site.retroarch.first().filter(|_| profile.retroarch.is_some()).map(|live| &live.cfg);
    let is_on = |said: fn(&RetroarchCfg) -> Option<bool>| cfg.and_then(said).unwrap_or(false);
    (is_on(|cfg| cfg.save_file_compression), is_on(|cfg| cfg.savestate_file_compression))
}

/// The roots that save folders need which lie below none of the site's; and whether it is for an emulator of its own, which may
/// not be installed.
pub(crate) fn outside(profile: &Profile, site: &Site) -> Vec<(PathBuf, bool)> {
    let wanted = |layout| wanted(profile, layout, site).into_iter();
    let all = profile.layouts.iter().flat_map(|layout| {
        // RetroArch makes the folder of one system when it first saves a game of it.
        wanted(layout).map(|wanted| {
            let may_lack = layout.core.is_some() || wanted.word.is_some();
            (wanted, may_lack)
        })
    });
    let outside = all.filter(|(wanted, _)| site.place(&wanted.dir).is_none());
    outside.map(|(wanted, of_one_emulator)| (wanted.root(), of_one_emulator)).collect()
}

impl Wanted {
    /// The folder that holds it; the folder itself right below `/`.
    fn root(self) -> PathBuf {
        let above = self.card.or_else(|| self.dir.parent().map(PathBuf::from));
        above.filter(|above| above.parent().is_some()).unwrap_or(self.dir)
    }
}

fn wanted(profile: &Profile, layout: &Layout, site: &Site) -> Vec<Wanted> {
    let usual = || site.resolve(profile, &layout.folder);
    let as_written = |holds: &[Holds]| match layout.grouped_by[..] {
        [Group::Game] => beside(site, &layout.folder, holds),
        _ => vec![Wanted {
            dir: usual(),
            grouped_by: layout.grouped_by.clone(),
            holds: holds.to_vec(),
            mirrors: None,
            card: None,
            word: None,
            except: Vec::new(),
        }],
    };
    // A standalone emulator's folder, or a firmware whose retroarch.cfg has no say.
    let live = profile.retroarch.is_some() && layout.core.is_none() && !layout.fixed;
    let moved = |cfg: &RetroarchCfg, holds: Holds| {
        let rule = Rule::of(cfg, holds);
        let usually_beside = layout.grouped_by == [Group::Game];
        if rule.beside_game.unwrap_or(usually_beside && rule.folder.is_none()) {
            // The sorting does not count there.
            return beside(site, ".", &[holds]);
        }
        let dir = match (rule.folder, usually_beside) {
            (Some(path), _) => site.resolve(profile, path),
            (None, false) => usual(),
            (None, true) => return Vec::new(),
        };
        let grouped_by = rule.groups(&layout.grouped_by);
        let (mirrors, card, word, except) = (None, None, None, Vec::new());
        vec![Wanted { dir, grouped_by, holds: vec![holds], mirrors, card, word, except }]
    };
    let by = |live: &Live| -> Vec<Wanted> {
        layout.holds.iter().flat_map(|holds| moved(&live.cfg, *holds)).collect()
    };
    let (of_all, of_one): (Vec<&Live>, Vec<&Live>) =
        site.retroarch.iter().filter(|_| live).partition(|live| live.word.is_none());
    let mut all: Vec<Wanted> = Vec::new();
    for one in of_all.into_iter().flat_map(by) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    if all.is_empty() {
        all = as_written(&layout.holds);
    }
    let mut own = Vec::new();
    for live in of_one {
        let its = by(live);
        if its.iter().any(|one| !all.contains(one)) {
            all.iter_mut().for_each(|one| one.except.extend(live.word.clone()));
            own.push((its, &live.word));
        }
    }
    for (its, word) in own {
        all.extend(its.into_iter().map(|one| Wanted { word: word.clone(), ..one }));
    }
    all
}

/// One save folder for each folder of games, on the games' own card: `folder` there, and in it the games' path. With `.`
/// that is beside the games.
fn beside(site: &Site, folder: &str, holds: &[Holds]) -> Vec<Wanted> {
    let folder = if folder == "." { "" } else { folder };
    let of = |games: &PathBuf| {
        let (card, below) = match site.place(games) {
            Some((root, below)) => (site.roots.get(root).cloned().unwrap_or_default(), below),
            // Another card; its root is the folder that holds the games' folder.
            None => {
                let card = games.parent().unwrap_or(games).to_owned();
                (card, games.file_name().unwrap_or_default().to_string_lossy().into_owned())
            }
        };
        let parts = [folder, &below].into_iter().filter(|part| !part.is_empty());
        let dir = parts.fold(card.clone(), |dir, part| dir.join(part));
        let mirrors = Some(folder.to_owned());
        let (word, except) = (None, Vec::new());
        let (grouped_by, holds) = (vec![Group::Game], holds.to_vec());
        Wanted { dir, grouped_by, holds, mirrors, card: Some(card), word, except }
    };
    site.games.iter().map(of).collect()
}

/// What `retroarch.cfg` says of saves, or of states.
struct Rule<'a> {
    folder: Option<&'a str>,
    beside_game: Option<bool>,
    by_core: Option<bool>,
    by_content: Option<bool>,
}

impl Rule<'_> {
    fn of(cfg: &RetroarchCfg, holds: Holds) -> Rule<'_> {
        match holds {
            Holds::Saves | Holds::Trees => Rule {
                folder: folder(cfg.savefile_directory.as_deref()),
                beside_game: cfg.savefiles_in_content_dir,
                by_core: cfg.sort_savefiles_enable,
                by_content: cfg.sort_savefiles_by_content_enable,
            },
            Holds::States => Rule {
                folder: folder(cfg.savestate_directory.as_deref()),
                beside_game: cfg.savestates_in_content_dir,
                by_core: cfg.sort_savestates_enable,
                by_content: cfg.sort_savestates_by_content_enable,
            },
        }
    }

    /// RetroArch appends the game's folder first, then the core's.
    fn groups(&self, usual: &[Group]) -> Vec<Group> {
        let on = |said: Option<bool>, group| said.unwrap_or(usual.contains(&group)).then_some(group);
        [on(self.by_content, Group::System), on(self.by_core, Group::Core)].into_iter().flatten().collect()
    }
}
