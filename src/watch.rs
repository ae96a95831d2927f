//! "Something changed in a save folder": a thread that tells, and never looks inside a file.
//!
//! inotify where it works; a slow sweep over names and stamps beside it, for vendor file systems drop events; the same
//! sweep, faster, where inotify does not work at all. An event is a hint: the scan decides. Threads are never stopped
//! (crash-only); an idle one sleeps.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};

use crate::error::{Error, Kind, Result};

/// How to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// Events, and a slow sweep for those that get lost; only sweeps where events do not work.
    #[default]
    Auto,
    /// The same, and an error where events do not work.
    Inotify,
    /// Sweeps alone.
    Poll,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// That file was written, moved or removed.
    File(PathBuf),
    /// Events were lost, or a save folder appeared: anything may have changed.
    Anything,
}

/// How often names and stamps are swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweeps {
    /// Where events work too.
    pub slow: Duration,
    /// Where they do not.
    pub fast: Duration,
}

impl Default for Sweeps {
    fn default() -> Sweeps {
        Sweeps { slow: Duration::from_secs(12 * 60), fast: Duration::from_secs(30) }
    }
}

/// Folders this far below a save folder are watched too.
const DEPTH: usize = 4;
/// Our own folder in each root.
const OWN_FOLDER: &str = ".retrosync";
/// Small stacks: these threads do little.
const STACK_BYTES: usize = 128 << 10;

/// The running threads' common list of folders.
pub struct Watcher {
    targets: Arc<Mutex<Targets>>,
}

#[derive(Default)]
struct Targets {
    folders: Vec<PathBuf>,
    watches: Option<Watches>,
    /// What each watch is on.
    known: HashMap<WatchDescriptor, PathBuf>,
}

/// Starts watching; `tell` is called from other threads.
///
/// # Errors
/// With `How::Inotify` where it does not work, and where no thread can be started.
pub fn start(
    how: How,
    sweeps: Sweeps,
    folders: Vec<PathBuf>,
    tell: impl Fn(Change) + Clone + Send + 'static,
) -> Result<Watcher> {
    let targets = Arc::new(Mutex::new(Targets { folders, ..Targets::default() }));
    let watcher = Watcher { targets: Arc::clone(&targets) };
    let inotify = match how {
        How::Poll => None,
        How::Inotify => Some(Inotify::init().map_err(|e| failed(&e))?),
        How::Auto => Inotify::init().ok(),
    };
    let Some(inotify) = inotify else {
        spawn_sweeper(targets, sweeps.fast, tell)?;
        return Ok(watcher);
    };
    lock(&targets).watches = Some(inotify.watches());
    let added = lock(&targets).add_all();
    match added {
        Ok(()) => {
            spawn_sweeper(Arc::clone(&targets), sweeps.slow, tell.clone())?;
            spawn("events", move || listen(inotify, &targets, sweeps.fast, &tell))?;
        }
        Err(e) if how == How::Inotify => return Err(failed(&e)),
        Err(e) => {
            log::warn!("file events do not work here ({e}): looking every {} s", sweeps.fast.as_secs());
            lock(&targets).watches = None;
            spawn_sweeper(targets, sweeps.fast, tell)?;
        }
    }
    Ok(watcher)
}

impl Watcher {
    /// Watches these folders from now on too; one that was watched stays watched.
    pub fn retarget(&self, folders: Vec<PathBuf>) {
        let mut targets = lock(&self.targets);
        targets.folders = folders;
        if let Err(error) = targets.add_all() {
            log::warn!("cannot watch every save folder: {error}; the slow sweep finds what it misses");
        }
    }
}

fn failed(cause: &io::Error) -> Error {
    Error::new(Kind::Refused(retrosync_protocol::Code::Unavailable), "cannot watch the save folders", cause)
        .help("set `watch = \"poll\"`")
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let built = thread::Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(run);
    built.map(drop).map_err(|e| Error::io("cannot start a thread to watch the save folders", &e))
}

/// A poisoned lock is a panic elsewhere; the list is still good.
fn lock(targets: &Mutex<Targets>) -> MutexGuard<'_, Targets> {
    targets.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Targets {
    /// Watches every folder; one that is missing is awaited in the nearest folder above it.
    fn add_all(&mut self) -> io::Result<()> {
        let Some(mut watches) = self.watches.clone() else { return Ok(()) };
        for folder in self.folders.clone() {
            if folder.is_dir() {
                self.add(&mut watches, &folder, DEPTH)?;
            } else if let Some(above) = folder.ancestors().skip(1).find(|above| above.is_dir()) {
                let mask = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ONLYDIR | WatchMask::MASK_ADD;
                let watch = watches.add(above, mask)?;
                self.known.insert(watch, above.into());
            }
        }
        Ok(())
    }

    fn add(&mut self, watches: &mut Watches, folder: &Path, depth: usize) -> io::Result<()> {
        let mask = WatchMask::CLOSE_WRITE
            | WatchMask::MOVED_TO
            | WatchMask::MOVED_FROM
            | WatchMask::DELETE
            | WatchMask::CREATE
            | WatchMask::ONLYDIR
            | WatchMask::MASK_ADD;
        let watch = watches.add(folder, mask)?;
        self.known.insert(watch, folder.into());
        if depth == 0 {
            return Ok(());
        }
        for below in subfolders(folder) {
            self.add(watches, &below, depth - 1)?;
        }
        Ok(())
    }

    /// Is it a file that lies in (or below) a save folder?
    fn concerns(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()) && e.file_name() != OWN_FOLDER);
    folders.map(|entry| entry.path()).collect()
}

/// Turns events into changes, for ever; becomes a sweeper should the events end.
fn listen(
    mut inotify: Inotify,
    targets: &Arc<Mutex<Targets>>,
    fast: Duration,
    tell: &(impl Fn(Change) + Send + 'static),
) {
    let mut buffer = [0u8; 4096];
    loop {
        let events = match inotify.read_events_blocking(&mut buffer) {
            Ok(events) => events,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                log::warn!("file events ended ({e}): looking every {} s", fast.as_secs());
                break;
            }
        };
        let mut targets = lock(targets);
        for event in events {
            if event.mask.contains(EventMask::Q_OVERFLOW) {
                tell(Change::Anything);
            } else if event.mask.contains(EventMask::IGNORED) {
                targets.known.remove(&event.wd);
            } else if let (Some(name), Some(folder)) = (event.name, targets.known.get(&event.wd)) {
                let path = folder.join(name);
                if !event.mask.contains(EventMask::ISDIR) {
                    let written = !event.mask.contains(EventMask::CREATE);
                    if written && targets.concerns(&path) {
                        tell(Change::File(path));
                    }
                } else if name != OWN_FOLDER {
                    // A folder that came may hold files that came with it, before it was watched.
                    if let Err(error) = targets.add_all() {
                        log::warn!("cannot watch `{}`: {error}", path.display());
                    }
                    if targets.concerns(&path) || targets.folders.iter().any(|f| f.starts_with(&path)) {
                        tell(Change::Anything);
                    }
                }
            }
        }
    }
    sweep_for_ever(targets, Stamps::default(), fast, tell);
}

/// What lies there now is known when this returns; what comes later is told.
fn spawn_sweeper(
    targets: Arc<Mutex<Targets>>,
    every: Duration,
    tell: impl Fn(Change) + Send + 'static,
) -> Result<()> {
    let mut seen = Stamps::default();
    seen.differences(&lock(&targets).folders.clone());
    spawn("sweep", move || sweep_for_ever(&targets, seen, every, &tell))
}

fn sweep_for_ever(targets: &Mutex<Targets>, mut seen: Stamps, every: Duration, tell: &impl Fn(Change)) {
    loop {
        thread::sleep(every);
        let folders = lock(targets).folders.clone();
        for path in seen.differences(&folders) {
            tell(Change::File(path));
        }
    }
}

/// The stamps of all files, as two hashes a file: path and stamp.
#[derive(Default)]
struct Stamps(HashMap<u64, u64>);

impl Stamps {
    /// The files that differ from the last time, or are new. One that went is nobody's news: absence deletes nothing.
    fn differences(&mut self, folders: &[PathBuf]) -> Vec<PathBuf> {
        let mut now = HashMap::with_capacity(self.0.len());
        let mut different = Vec::new();
        for folder in folders {
            self.visit(folder, DEPTH, &mut now, &mut different);
        }
        self.0 = now;
        different
    }

    fn visit(&self, folder: &Path, depth: usize, now: &mut HashMap<u64, u64>, different: &mut Vec<PathBuf>) {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth > 0 && entry.file_name() != OWN_FOLDER {
                self.visit(&entry.path(), depth - 1, now, different);
            }
            let (true, Ok(data)) = (kind.is_file(), entry.metadata()) else { continue };
            let path = entry.path();
            let stamp = hash(&(data.size(), data.mtime(), data.mtime_nsec(), data.ino()));
            let key = hash(&path);
            if now.insert(key, stamp).is_none() && self.0.get(&key) != Some(&stamp) {
                different.push(path);
            }
        }
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::fs;
    use std::sync::mpsc::{Receiver, channel};

    const PATIENCE: Duration = Duration::from_secs(20);
    const SWEEPS: Sweeps = Sweeps { slow: Duration::from_secs(3600), fast: Duration::from_millis(20) };

    fn watched(how: How, folders: Vec<PathBuf>) -> (Watcher, Receiver<Change>) {
        let (sender, receiver) = channel();
        let tell = move |change| drop(sender.send(change));
        (start(how, SWEEPS, folders, tell).unwrap(), receiver)
    }

    /// Waits for that change; others (a folder's) may come first.
    fn awaits(changes: &Receiver<Change>, wanted: &Change) {
        while changes.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{wanted:?} never came")) != *wanted {}
    }

    #[test]
    fn a_written_save_is_told_with_and_without_events() {
        for how in [How::Inotify, How::Poll, How::Auto] {
            let card = tempfile::tempdir().unwrap();
            let core = card.path().join("saves/Gambatte");
            fs::create_dir_all(&core).unwrap();
            let (_watcher, changes) = watched(how, vec![card.path().join("saves")]);
            fs::write(core.join("x.srm"), "1").unwrap();
            awaits(&changes, &Change::File(core.join("x.srm")));
        }
    }

    #[test]
    fn a_save_folder_that_comes_later_is_watched_then() {
        let card = tempfile::tempdir().unwrap();
        let (_watcher, changes) = watched(How::Inotify, vec![card.path().join("Saves/saves")]);
        fs::create_dir_all(card.path().join("Saves/saves/mGBA")).unwrap();
        awaits(&changes, &Change::Anything);
        // Until the new folder's watch stands, a write may pass unseen: write until it is told.
        let file = card.path().join("Saves/saves/mGBA/x.srm");
        let told = (0..200).any(|_| {
            fs::write(&file, "1").unwrap();
            changes.recv_timeout(Duration::from_millis(100)) == Ok(Change::File(file.clone()))
        });
        assert!(told);
    }

    #[test]
    fn files_outside_the_save_folders_and_our_own_are_not_told() {
        let card = tempfile::tempdir().unwrap();
        fs::create_dir_all(card.path().join("saves/.retrosync")).unwrap();
        let (_watcher, changes) =
            watched(How::Inotify, vec![card.path().join("saves"), card.path().join("states")]);
        fs::write(card.path().join("saves/.retrosync/journal"), "1").unwrap();
        fs::write(card.path().join("notes.txt"), "1").unwrap();
        fs::write(card.path().join("saves/x.srm"), "1").unwrap();
        assert_eq!(changes.recv_timeout(PATIENCE), Ok(Change::File(card.path().join("saves/x.srm"))));
    }

    #[test]
    fn a_sweep_finds_what_changed_and_only_that() {
        let card = tempfile::tempdir().unwrap();
        let (one, two) = (card.path().join("one.srm"), card.path().join("two.srm"));
        fs::write(&one, "1").unwrap();
        fs::write(&two, "2").unwrap();
        let folders = [card.path().to_path_buf()];
        let mut stamps = Stamps::default();
        assert_eq!(stamps.differences(&folders).len(), 2, "all is new at first");
        assert_eq!(stamps.differences(&folders), [] as [PathBuf; 0], "nothing changed");
        fs::write(&two, "two").unwrap();
        fs::remove_file(&one).unwrap();
        assert_eq!(stamps.differences(&folders), [two], "one changed, one went");
    }
}
