//! PURE. The save folders as they are on this card: the profile's, moved and sorted as a live `retroarch.cfg` says.

use std::path::{Path, PathBuf};

use super::tables::{Core, tables};
use crate::profile::{Group, Holds, Layout, NamedAfter, Profile, Site, StateStyle};
use crate::retroarch_cfg::{RetroarchCfg, folder};
use crate::snapshot::{Place, RelativePath};

/// A save folder in force.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) place: Place,
    pub(crate) holds: Vec<Holds>,
    pub(crate) grouped_by: Vec<Group>,
    pub(crate) named_after: NamedAfter,
    pub(crate) save_extension: Option<String>,
    pub(crate) states: StateStyle,
    /// The one emulator that uses it.
    pub(crate) core: Option<&'static Core>,
    /// Games lie in it too.
    pub(crate) among_games: bool,
}

/// A save folder with its absolute path, before it is known below which root it lies.
struct Wanted {
    dir: PathBuf,
    grouped_by: Vec<Group>,
    holds: Vec<Holds>,
    among_games: bool,
}

/// The save folders in force; those outside of all roots are left out (see [`outside`]).
pub(crate) fn in_force(profile: &Profile, site: &Site) -> Vec<InForce> {
    let mut list: Vec<InForce> = Vec::new();
    for layout in &profile.layouts {
        let core = layout.core.as_deref().and_then(|name| tables().core(name));
        for wanted in wanted(profile, layout, site) {
            let Some(place) = place_of(site, &wanted.dir) else { continue };
            list.push(InForce {
                place,
                holds: wanted.holds,
                grouped_by: wanted.grouped_by,
                named_after: layout.named_after,
                save_extension: layout.save_extension.clone(),
                states: layout.states,
                core,
                among_games: wanted.among_games,
            });
        }
    }
    list
}

/// Save folders that lie below none of the site's roots.
pub(crate) fn outside(profile: &Profile, site: &Site) -> Vec<PathBuf> {
    let wanted = profile.layouts.iter().flat_map(|layout| wanted(profile, layout, site));
    wanted.map(|wanted| wanted.dir).filter(|dir| place_of(site, dir).is_none()).collect()
}

/// The folder as a place below the innermost root that holds it.
fn place_of(site: &Site, dir: &Path) -> Option<Place> {
    let below = site.roots.iter().enumerate().filter_map(|(root, base)| {
        let path = RelativePath::new(dir.strip_prefix(base).ok()?.to_str()?)?;
        Some(Place { root, path })
    });
    below.min_by_key(|place| place.path.as_str().len())
}

fn wanted(profile: &Profile, layout: &Layout, site: &Site) -> Vec<Wanted> {
    let usual = || site.resolve(profile, &layout.folder);
    let as_written = || Wanted {
        dir: usual(),
        grouped_by: layout.grouped_by.clone(),
        holds: layout.holds.clone(),
        among_games: false,
    };
    // A standalone emulator's folder, or a firmware whose retroarch.cfg has no say.
    let live = profile.retroarch.is_some() && layout.core.is_none();
    let Some((_, cfg)) = site.retroarch.as_ref().filter(|_| live) else { return vec![as_written()] };
    let moved = |holds: Holds| {
        let rule = Rule::of(cfg, holds);
        if rule.beside_game {
            // The sorting does not count there.
            let folders = site.games.iter().cloned();
            let beside =
                |dir| Wanted { dir, grouped_by: vec![Group::System], holds: vec![holds], among_games: true };
            return folders.map(beside).collect();
        }
        let dir = rule.folder.map_or_else(usual, |path| site.resolve(profile, path));
        vec![Wanted {
            dir,
            grouped_by: rule.groups(&layout.grouped_by),
            holds: vec![holds],
            among_games: false,
        }]
    };
    layout.holds.iter().copied().flat_map(moved).collect()
}

/// What `retroarch.cfg` says of saves, or of states.
struct Rule<'a> {
    folder: Option<&'a str>,
    beside_game: bool,
    by_core: Option<bool>,
    by_content: Option<bool>,
}

impl Rule<'_> {
    fn of(cfg: &RetroarchCfg, holds: Holds) -> Rule<'_> {
        match holds {
            Holds::Saves => Rule {
                folder: folder(cfg.savefile_directory.as_deref()),
                beside_game: cfg.savefiles_in_content_dir.unwrap_or(false),
                by_core: cfg.sort_savefiles_enable,
                by_content: cfg.sort_savefiles_by_content_enable,
            },
            Holds::States => Rule {
                folder: folder(cfg.savestate_directory.as_deref()),
                beside_game: cfg.savestates_in_content_dir.unwrap_or(false),
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
