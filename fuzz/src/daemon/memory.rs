//! A card in memory: every path that is asked for must lie on it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, EntryKind, Volume, VolumeFile};

/// Where it is mounted.
pub const CARD: &str = "/card";
/// A reader that writes beyond this was made to by what it read.
const MOST_BYTES: u64 = 64 << 20;

type Bytes = Arc<Mutex<Vec<u8>>>;

/// The card; clones are the same card.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Tree>>);

#[derive(Default)]
struct Tree {
    files: BTreeMap<PathBuf, Bytes>,
    folders: BTreeSet<PathBuf>,
}

struct Open {
    bytes: Bytes,
    at: u64,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Promise of every reader: whatever a record says, no path leaves the card.
fn on_card(path: &Path) -> &Path {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    assert!(plain && path.starts_with(CARD), "left the card: {}", path.display());
    path
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Memory {
    /// A card with these files.
    pub fn with(files: &[(&str, &[u8])]) -> Memory {
        let card = Memory::default();
        for (path, bytes) in files {
            let path = Path::new(CARD).join(path);
            card.make_folder(path.parent().unwrap_or(Path::new(CARD)));
            lock(&card.0).files.insert(path, Arc::new(Mutex::new(bytes.to_vec())));
        }
        card
    }

    fn make_folder(&self, path: &Path) {
        let above = path.ancestors().take_while(|path| path.starts_with(CARD));
        lock(&self.0).folders.extend(above.map(Path::to_owned));
    }

    /// As a seam.
    pub fn volume(&self) -> Arc<dyn Volume> {
        Arc::new(self.clone())
    }

    /// Does any file hold just these bytes?
    pub fn holds(&self, bytes: &[u8]) -> bool {
        lock(&self.0).files.values().any(|file| *lock(file) == bytes)
    }

    fn file(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let bytes = lock(&self.0).files.get(on_card(path)).cloned().ok_or_else(missing)?;
        Ok(Box::new(Open { bytes, at: 0 }))
    }
}

impl Volume for Memory {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.file(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.file(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let mut tree = lock(&self.0);
        let has_folder = on_card(path).parent().is_some_and(|folder| tree.folders.contains(folder));
        if tree.files.contains_key(path) || tree.folders.contains(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        has_folder.then_some(()).ok_or_else(missing)?;
        tree.files.insert(path.to_owned(), Bytes::default());
        drop(tree);
        self.file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = lock(&self.0);
        let has_folder = on_card(to).parent().is_some_and(|folder| tree.folders.contains(folder));
        if tree.folders.contains(to) || !has_folder {
            return Err(missing());
        }
        let file = tree.files.remove(on_card(from)).ok_or_else(missing)?;
        tree.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).files.remove(on_card(path)).map(drop).ok_or_else(missing)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.make_folder(on_card(path));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).folders.contains(on_card(path)).then_some(()).ok_or_else(missing)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let tree = lock(&self.0);
        tree.folders.contains(on_card(path)).then_some(()).ok_or_else(missing)?;
        let files = tree.files.keys().map(|file| (file, EntryKind::File));
        let folders = tree.folders.iter().map(|folder| (folder, EntryKind::Folder));
        let here = files.chain(folders).filter(|(below, _)| below.parent() == Some(path));
        Ok(here
            .filter_map(|(below, kind)| Some(Entry { name: below.file_name()?.to_owned(), kind }))
            .collect())
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.file(path)?.stamp()
    }
}

impl Read for Open {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = lock(&self.bytes);
        let rest = usize::try_from(self.at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Open {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.at = at;
        Ok(at)
    }
}

impl VolumeFile for Open {
    fn write_all_at(&mut self, written: &[u8], offset: u64) -> io::Result<()> {
        assert!(offset + (written.len() as u64) < MOST_BYTES, "wrote at {offset}");
        let (mut bytes, offset) = (lock(&self.bytes), offset as usize);
        let end = offset + written.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(written);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        assert!(length < MOST_BYTES, "made {length} bytes long");
        lock(&self.bytes).resize(length as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp { size_bytes: lock(&self.bytes).len() as u64, ..Stamp::default() })
    }
}
