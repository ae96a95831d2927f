//! Is a game running? While one does, its save is its own: nothing is written into save folders.
//!
//! Three signs, each enough: a flag file of the firmware, a process with the name of an emulator, a process with a
//! game's path in its command line. What cannot be known counts as running. [`Launches`] remembers which saves were
//! replaced after a game had started, so that what that game writes descends from what it loaded, not from what we put
//! there. A fourth is the word of a firmware's hooks ([`Hooks`]), which knows better than the others when the game
//! loads its save. Our own app is no game, although some firmwares start it as one ([`Signs::is_ours`]). Reads `/proc`;
//! never signals, never stops anything.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use litemap::LiteMap;
use retrosync_protocol::SaveId;

use crate::machine;
use crate::snapshot::BaseEntry;

/// What a running game looks like on this firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Present while a game runs.
    pub flag_files: Vec<PathBuf>,
    /// Names of emulators.
    pub process_names: Vec<String>,
    /// Folders with games: a process with a path below one in its command line plays it.
    pub game_folders: Vec<PathBuf>,
    /// The card is a folder on a computer that may run other games: only processes that name a path below one of these
    /// count. `None`: all processes count.
    pub only_below: Option<Vec<PathBuf>>,
    /// Where our own app lies: its folder, and its places in the menu as the ends of their paths (`/ports/RetroSync.sh`).
    pub ours: Vec<String>,
}

impl Signs {
    /// Does a text (a command, an argument, a path) name our app? Firmwares that keep a list of games for what is no game
    /// too start it from there with the same hooks, and with the same flag.
    pub fn is_ours(&self, text: &str) -> bool {
        let ends = |rest: &str| rest.starts_with(['/', '"', '\'', ' ', ';', '\n', '\\']) || rest.is_empty();
        self.ours
            .iter()
            .any(|own| text.match_indices(own.as_str()).any(|(at, _)| ends(&text[at + own.len()..])))
    }

    /// A flag file that is there says so, unless its text starts our app.
    fn says_so(&self, flag: &Path) -> bool {
        let Ok(mut file) = File::open(flag) else { return flag.exists() };
        let mut text = [0; FLAG_BYTES];
        let count = file.read(&mut text).unwrap_or(0);
        !self.is_ours(&String::from_utf8_lossy(&text[..count]))
    }
}

/// A process that plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Game {
    /// Its id.
    pub pid: u32,
    /// What it is called.
    pub name: String,
    /// When it started, in milliseconds since this device booted.
    pub started_boot_ms: u64,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Playing {
    /// The processes that play.
    pub games: Vec<Game>,
    /// Why nothing may be written now, if so.
    pub reason: Option<String>,
}

/// The kernel counts process starts in hundredths of a second, on every architecture.
const TICK_MS: u64 = 10;
/// A command that starts a program is no longer.
const FLAG_BYTES: usize = 1024;
/// `comm` holds no more.
const COMM_BYTES: usize = 15;

/// A hook that never said the end is not believed for longer.
const SAID_MOST_MS: u64 = 12 * 3_600_000;

/// The word of a hook: a game runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    /// From this hour of the uptime on; before it, the firmware still waits for us.
    from_boot_ms: u64,
    /// A process was seen that plays.
    seen: bool,
}

/// What the hooks of this device's firmware said last. Its clones are one: who hears a hook tells who looks.
#[derive(Clone, Debug, Default)]
pub struct Hooks(Arc<Mutex<Option<Said>>>);

impl Hooks {
    /// A hook says that a game loads its save at that hour of the uptime and not before: until then nothing runs, whatever
    /// the processes look like, and from then on one does.
    pub fn game_starts(&self, from_boot_ms: u64) {
        *self.said() = Some(Said { from_boot_ms, seen: false });
    }

    /// What comes for the game that was to start at that hour is in place: it loads its save now. Nothing, if it has ended
    /// meanwhile or another one is about to start.
    pub fn game_may_start(&self, at_boot_ms: u64) {
        if let Some(word) = self.said().as_mut().filter(|word| word.from_boot_ms == at_boot_ms) {
            word.from_boot_ms = at_boot_ms.min(boot_ms() + 1);
        }
    }

    /// A hook says that the game has ended.
    pub fn game_ended(&self) {
        *self.said() = None;
    }

    /// How long it still takes until the game loads its save that a hook says is about to start; nothing if none is.
    pub fn starts_in_ms(&self) -> Option<u64> {
        let from_boot_ms = (*self.said())?.from_boot_ms;
        from_boot_ms.checked_sub(boot_ms()).filter(|left_ms| *left_ms > 0)
    }

    /// Looks at the flag files and at every process, in the light of what was said.
    pub fn look(&self, signs: &Signs) -> Playing {
        machine::ask(|machine| machine.games(signs)).unwrap_or_else(|| {
            let seen = look_in(signs, Path::new("/proc"), std::process::id());
            judge(&mut self.said(), seen, boot_ms())
        })
    }

    fn said(&self) -> MutexGuard<'_, Option<Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was seen, in the light of what was said.
fn judge(said: &mut Option<Said>, mut seen: Playing, now_boot_ms: u64) -> Playing {
    let Some(word) = said else { return seen };
    if now_boot_ms < word.from_boot_ms {
        return Playing::default();
    }
    // The launcher is older than the game that it starts: what the game loaded, it loaded when the hook let it.
    for game in &mut seen.games {
        game.started_boot_ms = game.started_boot_ms.max(word.from_boot_ms);
    }
    let over = (word.seen && seen.reason.is_none()) || now_boot_ms - word.from_boot_ms > SAID_MOST_MS;
    word.seen |= seen.reason.is_some();
    if over {
        *said = None;
    } else {
        seen.reason.get_or_insert_with(|| "the firmware says that a game runs".into());
    }
    seen
}

/// Milliseconds since this device booted, sleep included; the clock of [`Game::started_boot_ms`].
pub fn boot_ms() -> u64 {
    machine::ask(|machine| machine.boot_ms()).unwrap_or_else(uptime_ms)
}

fn uptime_ms() -> u64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let mut parts = uptime.split([' ', '.']);
    let mut number = || parts.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    number() * 1_000 + number() * TICK_MS
}

fn look_in(signs: &Signs, proc: &Path, own_pid: u32) -> Playing {
    let mut playing = Playing::default();
    if let Some(flag) = signs.flag_files.iter().find(|path| signs.says_so(path)) {
        playing.reason = Some(format!("`{}` says that a game runs", flag.display()));
    }
    if signs.process_names.is_empty() && signs.game_folders.is_empty() {
        return playing;
    }
    let Ok(entries) = fs::read_dir(proc) else {
        playing.reason.get_or_insert_with(|| "`/proc` cannot be read, so a game may be running".into());
        return playing;
    };
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid.filter(|pid| *pid != own_pid) {
            playing.games.extend(game(signs, &entry.path(), pid));
        }
    }
    playing.games.sort_by_key(|game| game.pid);
    if let Some(game) = playing.games.first() {
        playing.reason = Some(format!("`{}` is running (process {})", game.name, game.pid));
    }
    playing
}

/// The process as a game, if it is one. A process that ended meanwhile is none.
fn game(signs: &Signs, folder: &Path, pid: u32) -> Option<Game> {
    let line = fs::read(folder.join("cmdline")).ok()?;
    if line.is_empty() {
        return None; // a kernel thread, or one that has exited
    }
    let words: Vec<String> =
        line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let base = words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    let is_ours =
        words.iter().take(2).any(|word| is_our_script(word)) || words.iter().any(|word| signs.is_ours(word));
    if base == "retrosync" || is_ours {
        return None;
    }
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let (comm, started_boot_ms) = name_and_start(&stat)?;
    let named = signs.process_names.iter().any(|name| {
        name == base || name == comm || (name.len() > COMM_BYTES && name.get(..COMM_BYTES) == Some(comm))
    });
    let below =
        |folders: &[PathBuf]| words.iter().skip(1).any(|word| folders.iter().any(|f| is_below(word, f)));
    let plays = below(&signs.game_folders) || named;
    let counts = signs.only_below.as_deref().is_none_or(|roots| {
        below(roots)
            || fs::read_link(folder.join("cwd")).is_ok_and(|cwd| roots.iter().any(|r| cwd.starts_with(r)))
    });
    (plays && counts).then(|| Game { pid, name: base.to_owned(), started_boot_ms })
}

/// A script of ours: the firmware's hooks run it with the game's path, before and after the game.
fn is_our_script(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("retrosync")) && name.ends_with(".sh")
}

/// Is the argument a path below the folder? An option like `--config=/path` counts too.
fn is_below(word: &str, folder: &Path) -> bool {
    let path = word.find('/').map_or("", |at| &word[at..]);
    Path::new(path).strip_prefix(folder).is_ok_and(|rest| rest.components().next().is_some())
}

/// The name and the start of `/proc/PID/stat`; `None` for one that has exited. The name may contain anything, `)` too.
fn name_and_start(stat: &str) -> Option<(&str, u64)> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, comm) = head.split_once('(')?;
    let mut fields = tail.split_ascii_whitespace();
    let state = fields.next()?;
    // After the state, the start is field 22 of the whole, counted from 1.
    let ticks: u64 = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some((comm, ticks * TICK_MS))
}

/// How long a replaced save is remembered once no game runs.
const REMEMBER_MS: u64 = 60_000;

/// What each save was before we replaced it, as long as a game may still hold the old bytes in memory.
#[derive(Clone, Debug, Default)]
pub struct Launches {
    replaced: LiteMap<SaveId, Replaced>,
}

#[derive(Clone, Debug)]
struct Replaced {
    /// What the base said before each replacement, and when that was; the oldest first.
    before: Vec<(Option<BaseEntry>, u64)>,
    /// The first replacement that a game was seen to be older than.
    loaded: Option<usize>,
}

impl Launches {
    /// A save was replaced at that time; `before` is what the base said until then.
    pub fn replaced(&mut self, save: &SaveId, before: Option<BaseEntry>, at_boot_ms: u64) {
        let none = Replaced { before: Vec::new(), loaded: None };
        self.replaced.entry(save.clone()).or_insert(none).before.push((before, at_boot_ms));
    }

    /// What was kept across a restart: a game loaded what was there before.
    pub fn recall(&mut self, save: &SaveId, before: Option<&BaseEntry>) {
        let recalled = || Replaced { before: vec![(before.cloned(), 0)], loaded: Some(0) };
        self.replaced.entry(save.clone()).or_insert_with(recalled).loaded.get_or_insert(0);
    }

    /// Compares what was replaced with the games that run now.
    pub fn look(&mut self, playing: &Playing, now_boot_ms: u64) {
        let started = playing.games.iter().map(|game| game.started_boot_ms).min();
        for (_, replaced) in &mut self.replaced {
            let older = started.and_then(|at| replaced.before.iter().position(|(_, then)| at <= *then));
            replaced.loaded = older.into_iter().chain(replaced.loaded).min();
        }
        self.replaced.retain(|_, replaced| {
            let last = replaced.before.last().map_or(0, |(_, at)| *at);
            replaced.loaded.is_some()
                || playing.reason.is_some()
                || now_boot_ms < last.saturating_add(REMEMBER_MS)
        });
    }

    /// What a running game loaded, where that is not what the base says: the save, and its entry then (`None`: it had
    /// none).
    pub fn loaded(&self) -> impl Iterator<Item = (&SaveId, Option<&BaseEntry>)> {
        self.replaced.iter().filter_map(|(save, replaced)| {
            let (before, _) = replaced.before.get(replaced.loaded?)?;
            Some((save, before.as_ref()))
        })
    }

    /// The games that were seen have ended without writing the save. One that no sign shows yet may still hold it.
    pub fn ended(&mut self, save: &SaveId) {
        self.replaced.get_mut(save).into_iter().for_each(|replaced| replaced.loaded = None);
    }

    /// What the game wrote is stored: from here on the base is right.
    pub fn forget(&mut self, save: &SaveId) {
        self.replaced.remove(save);
    }
}

#[cfg(test)]
#[path = "playing_tests.rs"]
mod tests;
