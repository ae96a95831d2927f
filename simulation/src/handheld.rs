//! One handheld as its daemon sees it: a card, a clock, a game that may run. Shared by the daemon's three seams.
//!
//! The card is a model of FAT ([`Fat`]); what the daemon does to saves while a game runs is a violation, noted here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use retrosync::machine::Machine;
use retrosync::playing::{Game, Playing, Signs};
use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, Volume, VolumeFile};
use retrosync_protocol::Digest;

use crate::bug::Bug;
use crate::dice::Dice;
use crate::fat::{Fat, Fate};

/// Where the card is on every device.
pub const ROOT: &str = "/card";

/// What a running game holds.
#[derive(Clone, Debug)]
pub struct Running {
    /// Which save, by number.
    pub save: usize,
    /// What it loaded, or wrote since.
    pub loaded: Option<Digest>,
    /// When it started, in uptime.
    pub started_ms: u64,
    /// Can its process be seen yet?
    pub is_seen: bool,
    /// Its save was replaced under it while it could not be seen.
    pub was_replaced: bool,
    /// The daemon has seen it since then.
    pub is_known: bool,
    /// What the daemon knew of that replacement is gone.
    pub is_forgotten: bool,
}

/// An emulator wrote.
#[derive(Clone, Debug)]
pub struct Written {
    /// Which save, by number.
    pub save: usize,
    /// What it wrote.
    pub digest: Digest,
    /// What its player had seen: what was loaded.
    pub saw: Option<Digest>,
    /// What it wrote over.
    pub over: Option<Digest>,
    /// The save had been replaced under its game.
    pub was_replaced: bool,
    /// Could the daemon know what was loaded?
    pub could_be_known: bool,
}

/// See the module.
pub struct Handheld {
    /// The card in its slot.
    pub fat: Fat,
    /// Uptime, in milliseconds.
    pub clock_ms: u64,
    /// The game that runs.
    pub game: Option<Running>,
    /// Random bytes of this device.
    pub dice: Dice,
    /// What emulators wrote and the world has not taken in yet.
    pub written: Vec<Written>,
    /// Changes that the daemon made to the card.
    pub changes: usize,
    /// What the daemon should never have done.
    pub violations: Vec<String>,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// Where each save lies.
    pub paths: Vec<PathBuf>,
}

/// A handheld, shared.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Handheld>>);

impl Shared {
    /// Shares a handheld.
    pub fn new(handheld: Handheld) -> Shared {
        Shared(Arc::new(Mutex::new(handheld)))
    }

    /// The handheld.
    pub fn get(&self) -> MutexGuard<'_, Handheld> {
        self.0.lock().unwrap()
    }
}

impl Handheld {
    /// What lies in a save's place.
    pub fn on_card(&self, save: usize) -> Option<Vec<u8>> {
        let path = self.paths[save].to_str().unwrap_or_default();
        self.fat.undisturbed(|fat| fat.read(path)).ok().flatten()
    }

    /// A game starts: it loads its save.
    pub fn start_game(&mut self, save: usize) {
        let loaded = self.on_card(save).map(|bytes| Digest::of(&bytes));
        let started_ms = self.clock_ms;
        let (is_seen, was_replaced, is_known, is_forgotten) = (true, false, false, false);
        self.game = Some(Running { save, loaded, started_ms, is_seen, was_replaced, is_known, is_forgotten });
    }

    /// The running game writes its save; it has reached the card when this returns.
    pub fn write_save(&mut self, bytes: &[u8], truncates: bool) -> io::Result<()> {
        let Some(game) = self.game.clone() else { return Ok(()) };
        let over = self.on_card(game.save).map(|bytes| Digest::of(&bytes));
        self.fat.undisturbed(|fat| put(fat, &self.paths[game.save], bytes, truncates))?;
        self.fat.settle();
        let digest = Digest::of(bytes);
        let could_be_known = !game.was_replaced || (game.is_known && !game.is_forgotten);
        let Running { save, loaded: saw, was_replaced, .. } = game;
        self.written.push(Written { save, digest, saw, over, was_replaced, could_be_known });
        if let Some(game) = &mut self.game {
            game.loaded = Some(digest);
        }
        Ok(())
    }

    fn is_save(&self, path: &Path) -> bool {
        self.paths.iter().any(|save| save == path)
    }
}

/// Writes a file as an emulator does.
fn put(fat: &Fat, path: &Path, bytes: &[u8], truncates: bool) -> io::Result<()> {
    let mut file = match fat.open_write(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fat.create_new(path)?,
        file => file?,
    };
    if truncates || file.stamp()?.size_bytes > bytes.len() as u64 {
        file.set_len(0)?;
    }
    file.write_all_at(bytes, 0)
}

/// The machine that a daemon asks.
pub struct Stage(pub Shared);

impl Machine for Stage {
    fn boot_ms(&self) -> u64 {
        self.0.get().clock_ms
    }

    /// In 1970, as on a handheld without a clock.
    fn unix_s(&self) -> i64 {
        i64::try_from(self.0.get().clock_ms / 1_000).unwrap_or(0)
    }

    fn random(&self, bytes: &mut [u8]) {
        let mut handheld = self.0.get();
        bytes.iter_mut().for_each(|byte| *byte = handheld.dice.throw() as u8);
    }

    fn games(&self, _: &Signs) -> Playing {
        let mut handheld = self.0.get();
        let bug = handheld.bug;
        let game = handheld.game.as_mut().filter(|game| game.is_seen);
        let Some(game) = game.filter(|_| bug != Some(Bug::WritesUnderGames)) else {
            return Playing::default();
        };
        game.is_known = true;
        let started_boot_ms = if bug == Some(Bug::LaunchForgotten) { u64::MAX } else { game.started_ms };
        let game = Game { pid: 7, name: "emulator".into(), started_boot_ms };
        Playing { reason: Some("`emulator` is running (process 7)".into()), games: vec![game] }
    }
}

/// The card as the daemon reaches it: each change is counted, and judged.
pub struct Watched(pub Shared);

impl Watched {
    fn fat(&self) -> Fat {
        self.0.get().fat.clone()
    }

    /// A change is about to be made to a path.
    fn changes(&self, path: &Path) {
        let mut handheld = self.0.get();
        handheld.changes += 1;
        let is_under_it = |game: &Running| handheld.paths[game.save] == path;
        if handheld.game.as_ref().is_some_and(|game| !game.is_seen && is_under_it(game)) {
            let game = handheld.game.as_mut();
            game.into_iter().for_each(|game| (game.was_replaced, game.is_known) = (true, false));
        }
        if handheld.game.as_ref().is_some_and(|game| game.is_seen) && handheld.is_save(path) {
            handheld.violations.push(format!("`{}` was written while its game ran", path.display()));
        }
    }

    fn file(&self, file: Box<dyn VolumeFile>, path: &Path) -> Box<dyn VolumeFile> {
        Box::new(WatchedFile { file, path: path.to_owned(), card: Watched(self.0.clone()) })
    }
}

impl Volume for Watched {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(self.file(self.fat().open(path)?, path))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(self.file(self.fat().open_write(path)?, path))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.changes(path);
        Ok(self.file(self.fat().create_new(path)?, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changes(from);
        self.changes(to);
        self.fat().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.changes(path);
        self.fat().remove(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.fat().create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.fat().sync_folder(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.fat().list(path)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.fat().stamp(path)
    }
}

struct WatchedFile {
    file: Box<dyn VolumeFile>,
    path: PathBuf,
    card: Watched,
}

impl WatchedFile {
    /// Does the planted bug forget this sync?
    fn is_forgotten(&self) -> bool {
        let handheld = self.card.0.get();
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = self.path.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
        match handheld.bug {
            // The file is known by the name under which it was opened: renamed since, that name is gone.
            Some(Bug::NoSyncAfterRename) => handheld.fat.stamp(&self.path).is_err(),
            Some(Bug::AtticNotSynced) => folder == "attic",
            Some(Bug::SaveNotSynced) => handheld.is_save(&self.path),
            Some(Bug::IntentNotSynced) => name.starts_with("slot"),
            Some(Bug::NumbersNotReserved) => name.starts_with("identity"),
            _ => false,
        }
    }
}

impl io::Read for WatchedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl io::Seek for WatchedFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl VolumeFile for WatchedFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.card.changes(&self.path);
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.card.changes(&self.path);
        self.file.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.is_forgotten() { Ok(()) } else { self.file.sync() }
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.file.stamp()
    }
}

/// What of the unwritten reaches the card when the power goes, by the dice.
pub struct Chance<'a>(pub &'a mut Dice);

impl Fate for Chance<'_> {
    fn reaches(&mut self) -> bool {
        self.0.one_in(2)
    }

    fn tears(&mut self) -> bool {
        self.0.one_in(4)
    }
}

/// Everything reaches the card: a daemon that is killed, or a card that is copied.
pub struct Everything;

impl Fate for Everything {
    fn reaches(&mut self) -> bool {
        true
    }

    fn tears(&mut self) -> bool {
        false
    }
}
