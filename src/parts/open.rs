//! Takes the card for this process: the lock, recovery, then everything that is kept on it.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::apply::Card;

use crate::attic::Attic;
use crate::config::file::beside;
use crate::cycle::{Memory, Parts, Settings};
use crate::disk::Disk;
use crate::error::{Kind, Problem, Result};
use crate::identity::{self, Identity, Opened};
use crate::journal::{Entry, Journal};
use crate::parts::{self, Ground};
use crate::playing::Signs;
use crate::root::{Lock, Root, RootId};
use crate::snapshot::RootState;

/// The card, ours until this is dropped.
pub struct Taken {
    /// Who this device is.
    pub identity: Identity,
    /// What both sides last agreed on.
    pub journal: Journal,
    /// By root number.
    pub roots: Vec<Root>,
    /// By root number; none where the root is offline.
    pub disks: Vec<Option<Disk>>,
    /// What was odd on the way, recovery included.
    pub problems: Vec<Problem>,
    /// Keeps other processes out.
    pub locks: Vec<Lock>,
}

/// The parts, and the locks that make them ours.
pub struct Held {
    /// What a cycle works with.
    pub parts: Parts,
    /// What was odd on the way, recovery included.
    pub problems: Vec<Problem>,
    _locks: Vec<Lock>,
}

impl Deref for Held {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }
}

/// Is the server beyond a network?
pub fn needs_route(server: &str) -> bool {
    let host = server.split("://").nth(1).unwrap_or_default();
    let here = ["localhost", "127.", "[::1]"].iter().any(|near| host.starts_with(near));
    !here && !server.starts_with("folder:")
}

/// Where a package put our app: its folder, what it told of its places in the menu, and its script by whatever way these
/// go to it. Installed otherwise, there is none.
fn own_places() -> Vec<String> {
    let Some(menu) = beside("menu.files") else { return Vec::new() };
    let text = fs::read_to_string(&menu).unwrap_or_default();
    let app = menu.parent().and_then(Path::to_str).filter(|app| *app != "/").map(str::to_owned);
    let places = text.lines().filter(|line| !line.is_empty()).map(|line| format!("/{line}"));
    let script =
        app.as_deref().and_then(|app| app.rsplit('/').next()).map(|name| format!("/{name}/launch.sh"));
    script.into_iter().chain(app).chain(places).collect()
}

impl Ground {
    /// Marks every root of this device as ours: for pairing only. A folder that is missing is no root.
    ///
    /// # Errors
    /// When the card is missing or cannot take its marker.
    pub fn mark(&self) -> Result<()> {
        for (number, dir) in self.site.roots.iter().enumerate() {
            match Root::create(Arc::clone(&self.volume), dir) {
                Err(error) if number == 0 => return Err(error),
                // On a PC the home folder is the card, and others may look into it: the token is kept there. FAT knows no modes.
                Ok(root) => drop(fs::set_permissions(root.state_dir(), fs::Permissions::from_mode(0o700))),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Takes the card: locks it, finishes what a power cut interrupted, opens what is kept.
    ///
    /// # Errors
    /// `Unpaired` when the card has no marker (or is not there), `Busy` when another process has it, `Damaged`.
    pub fn take(&self) -> Result<Taken> {
        let primary = Root::open(Arc::clone(&self.volume), self.primary()?)?;
        let mut locks = vec![primary.lock()?];
        let state_dir = primary.state_dir();
        let hardware = identity::hardware(Path::new("/"));
        let (identity, opened) = Identity::open(Arc::clone(&self.volume), &state_dir, &hardware)?;
        let (mut journal, mut problems) = Journal::open(Arc::clone(&self.volume), &state_dir)?;
        if let Opened::Doubted(why) = opened {
            log::warn!("a new writer was drawn: {why}; what was agreed on is asked again");
            journal.record(Entry::Distrusted)?;
            journal.sync()?;
        }
        if journal.is_in_doubt() {
            log::warn!("the journal is not whole; what was agreed on is asked again");
            journal.record(Entry::Distrusted)?;
        }
        problems.extend(self.problems.iter().cloned());
        let (mut roots, mut disks) = (Vec::new(), Vec::new());
        for (number, dir) in self.site.roots.iter().enumerate() {
            let (root, disk) = if number == 0 {
                let disk = self.open_disk(&primary, &mut problems)?;
                (primary.clone(), Some(disk))
            } else {
                self.further_root(dir, &identity, &mut locks, &mut problems)?
            };
            roots.push(root);
            disks.push(disk);
        }
        Ok(Taken { identity, journal, roots, disks, problems, locks })
    }

    /// A root besides the card: offline where its marker is not the one that pairing saw.
    fn further_root(
        &self,
        dir: &Path,
        identity: &Identity,
        locks: &mut Vec<Lock>,
        problems: &mut Vec<Problem>,
    ) -> Result<(Root, Option<Disk>)> {
        let root = match identity.facts.roots.get(dir) {
            Some(id) => Root::recorded(Arc::clone(&self.volume), dir, id.clone()),
            None => match Root::open(Arc::clone(&self.volume), dir) {
                Ok(root) => root,
                Err(error) => {
                    problems.push(error.into());
                    // An id that no marker has: offline until it is paired.
                    let nobody = RootId::from_random(&[0; 16]);
                    return Ok((Root::recorded(Arc::clone(&self.volume), dir, nobody), None));
                }
            },
        };
        if root.state() != RootState::Online {
            return Ok((root, None));
        }
        match root.lock() {
            Ok(lock) => locks.push(lock),
            Err(error) if error.kind == Kind::Busy => return Err(error),
            Err(error) => problems.push(error.into()),
        }
        match self.open_disk(&root, problems) {
            Ok(disk) => Ok((root, Some(disk))),
            Err(error) => {
                problems.push(error.into());
                Ok((root, None))
            }
        }
    }

    fn open_disk(&self, root: &Root, problems: &mut Vec<Problem>) -> Result<Disk> {
        let (attic, odd) = Attic::open(Arc::clone(&self.volume), &root.dir)?;
        problems.extend(odd);
        let (disk, odd) = Disk::open(Arc::clone(&self.volume), &root.dir, attic)?;
        problems.extend(odd);
        Ok(disk)
    }

    /// All that a cycle works with.
    ///
    /// # Errors
    /// As [`Ground::remote`].
    pub fn parts(&self, taken: Taken) -> Result<Held> {
        let remote = self.remote(&taken.identity)?;
        let server = self.remote_settings(&taken.identity)?.server;
        let (naming, odd) = self.naming();
        for problem in &odd {
            log::warn!("{}", problem.error);
        }
        let cards =
            taken.roots.into_iter().zip(taken.disks).map(|(root, disk)| Card { root, disk }).collect();
        let parts = Parts {
            volume: Arc::clone(&self.volume),
            profile: self.profile.clone(),
            site: self.site.clone(),
            naming,
            cards,
            identity: taken.identity,
            journal: taken.journal,
            remote,
            signs: self.signs(),
            settings: Settings {
                conflict: self.config.conflict,
                fresh_save_s: self.config.fresh_save_s,
                leave_out: self.config.leave_out.clone(),
                rests_while_playing: self.config.rests_while_playing,
                accept_mass_change: false,
                needs_route: needs_route(&server),
                client: parts::client(),
            },
            memory: Memory::new(Arc::clone(&self.volume)),
        };
        Ok(Held { parts, problems: taken.problems, _locks: taken.locks })
    }

    /// How to see that a game runs on this device.
    pub fn signs(&self) -> Signs {
        // Where a folder plays the card, the machine's own flags are another's.
        let played = self.config.root.is_some();
        let asked = |path: &&String| !(played && path.starts_with('/'));
        let flag_files = self.profile.running.flag_files.iter().filter(asked);
        Signs {
            flag_files: flag_files.map(|path| self.site.resolve(&self.profile, path)).collect(),
            process_names: self.profile.running.process_names.clone(),
            game_folders: self.site.games.clone(),
            only_below: self.config.root.as_ref().map(|_| self.site.roots.clone()),
            ours: own_places(),
        }
    }

    /// Finishes what a power cut interrupted, on every root that is there: the boot hook.
    ///
    /// # Errors
    /// When the card is there and its recovery fails, or another process has it.
    pub fn recover(&self) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        for (number, dir) in self.site.roots.iter().enumerate() {
            let root = match Root::open(Arc::clone(&self.volume), dir) {
                Ok(root) => root,
                // Never paired: nothing of ours can be open on it.
                Err(error) if error.kind == Kind::Unpaired => continue,
                Err(error) if number == 0 => return Err(error),
                Err(error) => {
                    problems.push(error.into());
                    continue;
                }
            };
            let _lock = root.lock()?;
            problems.extend(crate::disk::recover(Arc::clone(&self.volume), dir)?);
        }
        Ok(problems)
    }
}
