//! The other place for versions: a folder that all devices write, over the daemon's own backend for such folders.
//!
//! The folder lies in the machine's memory where it has one (`/dev/shm`), and is gone with the history. Nobody serves it:
//! what a history's judge wants to know it reads as one more device would.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use retrosync::remote::{Folder, Remote as _, RemoteSettings};
use retrosync_protocol::{Digest, HistoryEntry, SaveId};

use crate::fat::Alone;

/// See the module.
pub struct Share {
    dir: PathBuf,
    reader: Alone<Folder>,
}

/// Tells the shares of one process apart.
static SHARES: AtomicU64 = AtomicU64::new(0);

impl Share {
    /// An empty store.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn new() -> Share {
        let memory = Path::new("/dev/shm");
        let under = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let number = SHARES.fetch_add(1, Ordering::Relaxed);
        let dir = under.join(format!("retrosync-simulation-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Folder::create(&dir).unwrap();
        let reader = Alone::new(open(&dir));
        Share { dir, reader }
    }

    /// A device opens it.
    pub fn open(&self) -> Folder {
        open(&self.dir)
    }

    /// A save's versions, newest first.
    pub fn history(&self, save: &SaveId) -> Vec<HistoryEntry> {
        let mut reader = self.reader.get();
        let (mut entries, mut before): (Vec<HistoryEntry>, _) = (Vec::new(), None);
        while let Ok(page) = reader.history(save, before) {
            entries.extend(page.versions);
            before = entries.last().map(|entry| entry.version);
            if !page.more {
                break;
            }
        }
        entries
    }

    /// A content's bytes, as they lie there.
    pub fn bytes(&self, digest: Digest) -> Option<Vec<u8>> {
        let name = digest.to_string();
        fs::read(self.store().join("blobs").join(&name[..2]).join(&name)).ok()
    }

    /// A copy of all that is stored; gone with the share.
    pub fn back_up(&self) {
        let backup = self.dir.join("backup");
        let _ = fs::remove_dir_all(&backup);
        copy(&self.store(), &backup);
    }

    /// The copy is put back, under another epoch.
    pub fn restore(&self) {
        let backup = self.dir.join("backup");
        fs::remove_dir_all(self.store()).unwrap();
        copy(&backup, &self.store());
        fs::remove_file(self.store().join("store.json")).unwrap();
        Folder::create(&self.dir).unwrap();
        *self.reader.get() = open(&self.dir);
    }

    fn store(&self) -> PathBuf {
        self.dir.join("retrosync-store")
    }
}

impl Default for Share {
    fn default() -> Share {
        Share::new()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn open(dir: &Path) -> Folder {
    Folder::open(dir, &RemoteSettings::default()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
