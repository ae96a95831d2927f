//! PURE. Where a profile's folders are on this machine.

use std::path::{Path, PathBuf};

use super::Profile;
use super::cores::ChosenCores;
use super::minui::MinuiSettings;
use crate::retroarch_cfg::RetroarchCfg;

/// Where a profile's folders are on this machine. Made by `facts::locate`.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The roots; 0 is the card (the primary), further ones hold save folders that RetroArch's configuration names.
    pub roots: Vec<PathBuf>,
    /// Folders that hold one folder a system.
    pub games: Vec<PathBuf>,
    /// What paths of the device begin with, and where that is here (`/mnt/SDCARD`, `~` …).
    pub mounts: Vec<(String, PathBuf)>,
    /// The live configurations: those of all systems before those of one.
    pub retroarch: Vec<Live>,
    /// What NextUI's player has set.
    pub minui: Option<MinuiSettings>,
    /// Which cores Batocera's or Knulli's player has chosen.
    pub cores: ChosenCores,
}

/// A `retroarch.cfg` that counts.
#[derive(Clone, Debug)]
pub struct Live {
    /// The folder it lies in.
    pub dir: PathBuf,
    /// What it says.
    pub cfg: RetroarchCfg,
    /// For games of folders of this name only.
    pub word: Option<String>,
}

impl Site {
    /// The folder here that a path of the device or of the profile means: below the card, unless it is absolute, begins
    /// with `~` (home), or with `:` or `{config}` (where `retroarch.cfg` lies).
    pub fn resolve(&self, profile: &Profile, path: &str) -> PathBuf {
        let card = self.roots.first().cloned().unwrap_or_default();
        let beside_config = path.strip_prefix("{config}").or_else(|| path.strip_prefix(':'));
        if let Some(rest) = beside_config {
            let first = || profile.retroarch.as_ref().and_then(|spec| spec.config.first());
            let dir = match (self.retroarch.first(), first()) {
                (Some(live), _) => live.dir.clone(),
                (None, Some(config)) => self.resolve(profile, config).parent().unwrap_or(&card).to_owned(),
                (None, None) => card,
            };
            return dir.join(rest.trim_start_matches('/'));
        }
        let mut mounts = self.mounts.iter().filter_map(|(from, to)| Some((strip(path, from)?, to)));
        match mounts.next() {
            Some((rest, to)) => join(to, rest),
            None if path == "." => card,
            None => join(&card, path),
        }
    }
}

impl Site {
    /// A folder as the innermost root that holds it, and its path from there, which is empty for the root itself.
    pub fn place(&self, dir: &Path) -> Option<(usize, String)> {
        let below = self.roots.iter().enumerate();
        let below =
            below.filter_map(|(root, base)| Some((root, dir.strip_prefix(base).ok()?.to_str()?.to_owned())));
        below.min_by_key(|(_, path)| path.len())
    }
}

/// What follows `from` in `path`, on a boundary of names.
fn strip<'a>(path: &'a str, from: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(from)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
}

fn join(dir: &Path, rest: &str) -> PathBuf {
    // `join` of the empty path would leave a slash at the end.
    if rest.is_empty() { dir.to_owned() } else { dir.join(rest.trim_end_matches('/')) }
}
