//! One handheld as its daemon sees it: a card, a clock, a game that may run. Shared by the daemon's three seams.
//!
//! The card is a model of FAT ([`Fat`]); what the daemon does to saves while a game runs is a violation, noted here.

mod watched;

use std::cell::RefMut;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync::machine::Machine;
use retrosync::playing::{Game, Playing, Signs};
use retrosync::volume::Volume as _;
use retrosync_protocol::Digest;

use crate::bug::Bug;
use crate::dice::Dice;
use crate::fat::{Alone, Extent, Fat, Fate};
use crate::story::SAVES;

pub use watched::Watched;

/// Where the card is on every device.
pub const ROOT: &str = "/card";
/// Where the second card is, on devices that have one.
pub const SECOND: &str = "/second";
/// The uptime when the daemon starts.
const BOOT_MS: u64 = 5_000;

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
    /// And has ended a cycle since: what it knows is on the card.
    pub is_noted: bool,
    /// What the daemon knew of that replacement is gone: it ended before it could note it.
    pub is_forgotten: bool,
    /// The daemon had asked about what was loaded, or about what was deleted before.
    pub was_doubted: bool,
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
    /// Could the daemon know what was loaded?
    pub could_be_known: bool,
    /// Had it seen that to be damage, before the game began?
    pub was_doubted: bool,
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
    /// What was last seen there.
    pub seen: [Option<(Extent, Digest)>; SAVES],
    /// What the daemon took from there and put nothing in its place.
    pub taken: [Option<Digest>; SAVES],
    /// The daemon has asked about what lies there: it looks like damage, and no game was writing it.
    pub doubted: [bool; SAVES],
    /// What the daemon put other bytes in the place of, since the world last looked: the save's number and the content.
    pub replaced: Vec<(usize, Digest)>,
    /// Its own clock, if that is not the right one.
    wall: Option<Wall>,
    /// When that was set, by the right clock and in uptime.
    set_at_ms: (u64, u64),
    /// What the right clock says, in Unix seconds.
    pub true_unix_s: i64,
    /// When each save was last written, by the own clock.
    pub written_unix_s: Vec<i64>,
    /// The card is not in its slot: an empty folder is where it was.
    pub is_out: bool,
    /// The same of the second card.
    pub is_second_out: bool,
    /// The device is being paired.
    pub pairs: bool,
    /// What a planted bug has not synced yet.
    pub put_off: Vec<PathBuf>,
    /// A game that has ended and that a planted bug still sees.
    pub ghost: bool,
    /// A planted bug has taken bytes for what they are not: the next save that is put in place is wrong.
    pub flips: bool,
}

/// A clock that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    /// What it says at each boot, in Unix seconds.
    pub boot_unix_s: i64,
    /// How much faster than the right one it and the uptime run, in thousandths.
    pub drift: i64,
}

/// A handheld, shared.
#[derive(Clone)]
pub struct Shared(Arc<Alone<Handheld>>);

impl Shared {
    /// Shares a handheld.
    pub fn new(handheld: Handheld) -> Shared {
        Shared(Arc::new(Alone::new(handheld)))
    }

    /// The handheld.
    pub fn get(&self) -> RefMut<'_, Handheld> {
        self.0.get()
    }
}

impl Handheld {
    /// A handheld that has just been switched on.
    pub fn new(fat: Fat, seed: u64, bug: Option<Bug>, paths: Vec<PathBuf>) -> Handheld {
        Handheld {
            fat,
            clock_ms: BOOT_MS,
            game: None,
            dice: Dice::new(seed),
            written: Vec::new(),
            changes: 0,
            violations: Vec::new(),
            bug,
            wall: None,
            set_at_ms: (0, 0),
            true_unix_s: 0,
            written_unix_s: vec![0; paths.len()],
            is_out: false,
            is_second_out: false,
            pairs: false,
            put_off: Vec::new(),
            ghost: false,
            flips: false,
            seen: Default::default(),
            taken: Default::default(),
            doubted: Default::default(),
            replaced: Vec::new(),
            paths,
        }
    }

    /// What its own clock says, in Unix seconds.
    pub fn wall_unix_s(&self) -> i64 {
        self.wall.map_or(self.true_unix_s, |wall| {
            wall.boot_unix_s + i64::try_from(self.uptime_ms() / 1_000).unwrap_or(0)
        })
    }

    /// Uptime as the device counts it: it never goes back.
    pub fn uptime_ms(&self) -> u64 {
        let drift = self.wall.map_or(0, |wall| wall.drift);
        let (clock_ms, uptime_ms) = self.set_at_ms;
        let since_ms = self.clock_ms - clock_ms;
        (uptime_ms + since_ms).saturating_add_signed(i64::try_from(since_ms).unwrap_or(0) / 1_000 * drift)
    }

    /// Has it a clock of its own?
    pub fn has_own_clock(&self) -> bool {
        self.wall.is_some()
    }

    /// From now on its own clock is this one.
    pub fn set_clock(&mut self, wall: Option<Wall>) {
        self.set_at_ms = (self.clock_ms, self.uptime_ms());
        self.wall = wall;
    }

    /// It is switched on: no game runs, uptime begins.
    pub fn boots(&mut self) {
        (self.game, self.clock_ms, self.set_at_ms) = (None, BOOT_MS, (0, 0));
    }

    /// What lies in a save's place.
    pub fn on_card(&self, save: usize) -> Option<Vec<u8>> {
        self.fat.peek(&self.paths[save]).map(|extent| extent.bytes().to_vec())
    }

    /// What lies in a save's place, by its digest.
    pub fn digest_on_card(&mut self, save: usize) -> Option<Digest> {
        let extent = self.fat.peek(&self.paths[save])?;
        match &self.seen[save] {
            Some((seen, digest)) if seen.is(&extent) => Some(*digest),
            _ => {
                let digest = Digest::of(extent.bytes());
                self.seen[save] = Some((extent, digest));
                Some(digest)
            }
        }
    }

    /// A game starts: it loads its save.
    pub fn start_game(&mut self, save: usize) {
        let loaded = self.digest_on_card(save);
        let started_ms = self.uptime_ms();
        self.game = Some(Running {
            save,
            loaded,
            started_ms,
            is_seen: true,
            was_replaced: false,
            is_known: false,
            is_noted: false,
            is_forgotten: false,
            was_doubted: self.doubted[save],
        });
    }

    /// The running game writes its save; it has reached the card when this returns.
    pub fn write_save(&mut self, bytes: &[u8], truncates: bool) -> io::Result<()> {
        let Some(game) = self.game.clone() else { return Ok(()) };
        let over = self.digest_on_card(game.save);
        self.fat.undisturbed(|fat| put(fat, &self.paths[game.save], bytes, truncates))?;
        self.fat.settle();
        self.written_unix_s[game.save] = self.wall_unix_s();
        let digest = self.digest_on_card(game.save).unwrap_or_else(|| Digest::of(bytes));
        let could_be_known = !game.was_replaced || (game.is_known && !game.is_forgotten);
        let Running { save, loaded: saw, was_doubted, .. } = game;
        self.written.push(Written { save, digest, saw, over, could_be_known, was_doubted });
        self.doubted[save] = false;
        if let Some(game) = &mut self.game {
            game.loaded = Some(digest);
        }
        Ok(())
    }

    /// Is the card that the path lies on out of its slot?
    pub fn is_away(&self, path: &Path) -> bool {
        // Asked at every call: as bytes, not part by part.
        let is_second = || path.as_os_str().as_encoded_bytes().starts_with(SECOND.as_bytes());
        match (self.is_out, self.is_second_out) {
            (out, second) if out == second => out,
            (out, _) => out != is_second(),
        }
    }

    fn is_save(&self, path: &Path) -> bool {
        self.number_of(path).is_some()
    }

    fn number_of(&self, path: &Path) -> Option<usize> {
        self.paths.iter().position(|save| save.as_os_str() == path.as_os_str())
    }

    /// The save that is in this place, and what it holds.
    fn leaves(&mut self, path: &Path) -> Option<(usize, Option<Digest>)> {
        let save = self.number_of(path)?;
        Some((save, self.digest_on_card(save)))
    }
}

/// Writes a file as an emulator does.
pub(crate) fn put(fat: &Fat, path: &Path, bytes: &[u8], truncates: bool) -> io::Result<()> {
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
        self.0.get().uptime_ms()
    }

    fn unix_s(&self) -> i64 {
        self.0.get().wall_unix_s()
    }

    fn random(&self, bytes: &mut [u8]) {
        let mut handheld = self.0.get();
        bytes.iter_mut().for_each(|byte| *byte = handheld.dice.throw() as u8);
    }

    fn games(&self, _: &Signs) -> Playing {
        let mut handheld = self.0.get();
        let bug = handheld.bug;
        handheld.ghost |= bug == Some(Bug::NeverThaws) && handheld.game.is_some();
        if handheld.ghost && handheld.game.is_none() {
            let game = Game { pid: 8, name: "ghost".into(), started_boot_ms: u64::MAX };
            return Playing { reason: Some("`ghost` is running (process 8)".into()), games: vec![game] };
        }
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

/// All or nothing reaches the card.
pub struct Sure(pub bool);

impl Fate for Sure {
    fn reaches(&mut self) -> bool {
        self.0
    }

    fn tears(&mut self) -> bool {
        false
    }
}
