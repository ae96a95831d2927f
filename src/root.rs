//! A root: a folder on one file system that holds save folders, its marker, and the lock that keeps a second daemon out.
//!
//! The marker (`.retrosync/root`) is written by pairing and never again: a root without its marker is a card that is not
//! mounted, or another card, and nothing of it is used (promise 4: an empty card stops us).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use retrosync_protocol::{Mistake, WriterId};

use crate::durable::{make_folder, seal, unseal};
use crate::error::{Error, Kind, Result};
use crate::snapshot::RootState;
use crate::volume::{O_NOFOLLOW, Volume};

/// No marker is longer.
const MARKER_MOST_BYTES: usize = 1024;

/// Our folder in every root.
pub const STATE_FOLDER: &str = ".retrosync";

/// A random id of one root on one card: 32 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RootId(WriterId);

impl RootId {
    /// The root id that 16 random bytes make.
    pub fn from_random(bytes: &[u8; 16]) -> RootId {
        RootId(WriterId::from_random(bytes))
    }
}

impl FromStr for RootId {
    type Err = retrosync_protocol::Malformed;

    fn from_str(text: &str) -> Result<RootId, Self::Err> {
        text.parse().map(RootId)
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A root as it was recorded; whether it is there now is for [`Root::state`] to say.
#[derive(Clone)]
pub struct Root {
    /// The folder.
    pub dir: PathBuf,
    /// What its marker must say.
    pub id: RootId,
    volume: Arc<dyn Volume>,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    root: RootId,
}

impl Root {
    /// The root that its marker says it is.
    ///
    /// # Errors
    /// `Unpaired` without a marker, `Damaged` when it cannot be read or is not whole.
    pub fn open(volume: Arc<dyn Volume>, dir: &Path) -> Result<Root> {
        let doing = || format!("cannot open `{}`", dir.display());
        match read_marker(&*volume, dir) {
            Ok(Some(id)) => Ok(Root { dir: dir.to_owned(), id, volume }),
            Ok(None) => Err(Error::new(Kind::Damaged, doing(), "its marker is not whole")
                .help("run `retrosync pair` again; no save is touched by that")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unmarked(&*volume, dir)),
            Err(error) => Err(Error::io(doing(), &error)),
        }
    }

    /// A root recorded earlier, there or not.
    pub fn recorded(volume: Arc<dyn Volume>, dir: &Path, id: RootId) -> Root {
        Root { dir: dir.to_owned(), id, volume }
    }

    /// Makes a root of `dir`, or opens it if it is one: for pairing only. Durable when it returns.
    ///
    /// # Errors
    /// When the folder is missing, or the card cannot take the marker.
    pub fn create(volume: Arc<dyn Volume>, dir: &Path) -> Result<Root> {
        let doing = || format!("cannot mark `{}` as a root", dir.display());
        match read_marker(&*volume, dir) {
            Ok(Some(id)) => return Ok(Root { dir: dir.to_owned(), id, volume }),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(doing(), &error)),
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::new(Kind::Damaged, doing(), error))?;
        let id = RootId::from_random(&random);
        write_marker(&*volume, dir, &id).map_err(|error| Error::io(doing(), &error))?;
        Ok(Root { dir: dir.to_owned(), id, volume })
    }

    /// Our folder in it.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join(STATE_FOLDER)
    }

    /// Is it there, and the one recorded? One small read; asked every cycle.
    ///
    /// Promise 4: whatever is not surely this card is offline, and then nothing of it is used.
    pub fn state(&self) -> RootState {
        match read_marker(&*self.volume, &self.dir) {
            Ok(Some(id)) if id == self.id => RootState::Online,
            Ok(Some(_)) => RootState::Offline("another card is in its place".into()),
            Ok(None) => RootState::Offline("its marker is not whole".into()),
            Err(_) if Mistake::UnmarkedIsOnline.is_made() => RootState::Online,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                RootState::Offline("its marker is missing: not mounted, or another card".into())
            }
            Err(error) => RootState::Offline(format!("its marker cannot be read: {error}")),
        }
    }

    /// Keeps every other daemon out until the lock is dropped or this process ends, however it ends.
    ///
    /// # Errors
    /// `Busy` with the other's process id when there is another.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.state_dir().join("lock");
        let doing = || format!("cannot lock `{}`", self.dir.display());
        let io = |error: &io::Error| Error::io(doing(), error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // Whoever had the card last may have put a link here; what it leads to is not ours to write.
            .custom_flags(O_NOFOLLOW)
            .open(path)
            .map_err(|e| io(&e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.take(20).read_to_string(&mut text);
                let by =
                    if text.trim().is_empty() { "another process".into() } else { text.trim().to_owned() };
                return Err(Error::new(
                    Kind::Busy,
                    doing(),
                    format!("another retrosync uses this card (process {by})"),
                )
                .help("one daemon serves a card; stop the other first"));
            }
            // Some FUSE mounts know no locks. Refusing would leave those cards unserved; the launch script starts one daemon.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(io(&error)),
        }
        // For the text above only: never read to decide anything.
        let pid = format!("{:<10}\n", std::process::id());
        file.write_all(pid.as_bytes()).map_err(|e| io(&e))?;
        Ok(Lock { _file: file })
    }
}

/// A card that has no marker: it is not there, or it is new.
fn unmarked(volume: &dyn Volume, dir: &Path) -> Error {
    let doing = format!("cannot use the card `{}`", dir.display());
    if volume.list(dir).is_err() {
        return Error::new(Kind::Unpaired, doing, "it is not there").help("is it in its slot and mounted?");
    }
    Error::new(Kind::Unpaired, doing, "it is not paired yet").help(
        "run `retrosync pair https://your.server`; if it was paired before, another card is in its place",
    )
}

/// Holds a root's lock.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// `Ok(None)`: a marker is there and is not whole.
fn read_marker(volume: &dyn Volume, dir: &Path) -> io::Result<Option<RootId>> {
    let mut bytes = Vec::with_capacity(MARKER_MOST_BYTES);
    let file = volume.open(&dir.join(STATE_FOLDER).join("root"))?;
    file.take(MARKER_MOST_BYTES as u64).read_to_end(&mut bytes)?;
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(unseal::<Marker>(0, line).map(|(marker, _)| marker.root))
}

fn write_marker(volume: &dyn Volume, dir: &Path, id: &RootId) -> io::Result<()> {
    // Never makes the root itself: a missing folder is a card that is not there.
    volume.list(dir)?;
    let folder = dir.join(STATE_FOLDER);
    make_folder(volume, &folder)?;
    let path = folder.join("root");
    let mut file = match volume.open_write(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => volume.create_new(&path)?,
        file => file?,
    };
    let (line, _) = seal(0, &Marker { root: id.clone() })?;
    file.write_all_at(&line, 0)?;
    // On FAT the table must be durable before the entry speaks of its cluster: the folder's sync writes it.
    volume.sync_folder(&folder)?;
    file.sync()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::volume::Os;

    #[test]
    fn a_root_is_offline_unless_it_is_surely_the_one_recorded() {
        let card = tempfile::tempdir().unwrap();
        assert_eq!(Root::open(Arc::new(Os), card.path()).map(|_| ()).unwrap_err().kind, Kind::Unpaired);
        let root = Root::create(Arc::new(Os), card.path()).unwrap();
        assert_eq!(root.state(), RootState::Online);
        assert_eq!(Root::create(Arc::new(Os), card.path()).unwrap().id, root.id, "paired again");
        let marker = card.path().join(".retrosync/root");
        let whole = std::fs::read(&marker).unwrap();

        let other = Root::recorded(Arc::new(Os), card.path(), RootId::from_random(&[1; 16]));
        assert_eq!(other.state(), RootState::Offline("another card is in its place".into()));
        std::fs::write(&marker, &whole[..20]).unwrap();
        assert_eq!(root.state(), RootState::Offline("its marker is not whole".into()));
        std::fs::remove_file(&marker).unwrap();
        let missing = RootState::Offline("its marker is missing: not mounted, or another card".into());
        assert_eq!(root.state(), missing);
        assert!(Root::create(Arc::new(Os), &card.path().join("not mounted")).is_err());
    }

    #[test]
    fn a_second_daemon_is_kept_out_and_told_by_whom() {
        let card = tempfile::tempdir().unwrap();
        let root = Root::create(Arc::new(Os), card.path()).unwrap();
        let lock = root.lock().unwrap();
        let error = root.lock().unwrap_err();
        assert_eq!(error.kind, Kind::Busy);
        let by = format!("another retrosync uses this card (process {})", std::process::id());
        assert_eq!(error.cause, by);
        drop(lock);
        root.lock().unwrap();
    }
}
