//! A model of a FAT card that can lose power: what is durable, and what the kernel only holds in memory.
//!
//! Kept as separate dirty sets, as measured on real vfat: a file's sectors, its inode (which on FAT *is* the folder
//! entry's start and size, at the file's present entry), and the presence of entries in a folder. `fsync` of a file writes its
//! sectors and its inode; `fsync` of a folder writes presence only. So after `rename` + `fsync(folder)` the new name is durable
//! and holds what its entry held before: the replaced file's freed chain, or nothing. A crash keeps any subset of what is
//! dirty, sectors torn. After it, two names can share one chain; removing either frees the other's bytes, and touching a
//! freed chain is what makes the kernel set the card read-only: here a violation.
//!
//! Simpler than the real thing: folders are durable at once, and a chain is freed as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, EntryKind, Volume, VolumeFile};

pub(crate) const SECTOR: usize = 512;
type Sector = [u8; SECTOR];
/// What a sector holds that was allocated and never written.
const GARBAGE: Sector = [0xDD; SECTOR];

/// What a folder entry says: which chain, how many bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dirent {
    chain: Option<usize>,
    size: u64,
}

const EMPTY: Dirent = Dirent { chain: None, size: 0 };

/// An inode in memory.
#[derive(Clone)]
struct Node {
    dirent: Dirent,
    /// Where its entry is; none once it is removed.
    home: Option<PathBuf>,
    dirty: bool,
    mtime: i64,
}

#[derive(Clone, Default)]
struct Chain {
    durable: Vec<Sector>,
    now: Vec<Sector>,
    freed: bool,
    freed_durably: bool,
}

#[derive(Clone, Default)]
struct Card {
    folders: BTreeSet<PathBuf>,
    /// The durable entries.
    disk: BTreeMap<PathBuf, Dirent>,
    /// What an `fsync` of the folder would make of an entry: gone, or there with this in it.
    pending: BTreeMap<PathBuf, Option<Dirent>>,
    names: BTreeMap<PathBuf, usize>,
    nodes: Vec<Node>,
    chains: Vec<Chain>,
    clock: i64,
    violations: Vec<String>,
    /// Calls so far: those that change something, and all.
    changes: usize,
    calls: usize,
    cut_at: Option<usize>,
    fail_at: Option<(usize, io::ErrorKind)>,
    off: bool,
}

/// The card.
#[derive(Clone)]
pub(crate) struct Fat(Arc<Mutex<Card>>);

/// How a crash decides about each dirty thing.
pub(crate) trait Fate {
    /// Did it reach the card?
    fn reaches(&mut self) -> bool;
    /// Was this sector torn in the middle?
    fn tears(&mut self) -> bool;
}

impl Fat {
    pub(crate) fn new() -> Fat {
        Fat(Arc::default())
    }

    fn card(&self) -> MutexGuard<'_, Card> {
        self.0.lock().unwrap()
    }

    pub(crate) fn volume(&self) -> Arc<dyn Volume> {
        Arc::new(self.clone())
    }

    /// Everything reaches the card.
    pub(crate) fn settle(&self) {
        let mut card = self.card();
        for node in 0..card.nodes.len() {
            card.write_inode(node);
        }
        for path in card.pending.keys().cloned().collect::<Vec<_>>() {
            card.write_presence(&path);
        }
        for chain in &mut card.chains {
            chain.durable = chain.now.clone();
            chain.freed_durably = chain.freed;
        }
    }

    /// The power goes right before the `at`-th change from now.
    pub(crate) fn cut_at(&self, at: usize) {
        let mut card = self.card();
        (card.changes, card.cut_at) = (0, Some(at));
    }

    /// The `at`-th call from now fails, once.
    pub(crate) fn fail_at(&self, at: usize, kind: io::ErrorKind) {
        let mut card = self.card();
        (card.calls, card.fail_at) = (0, Some((at, kind)));
    }

    pub(crate) fn is_off(&self) -> bool {
        self.card().off
    }

    /// Did the call that was to fail come?
    pub(crate) fn has_failed(&self) -> bool {
        self.card().fail_at.is_none()
    }

    pub(crate) fn changes(&self) -> usize {
        self.card().changes
    }

    /// How many things are dirty: a crash decides about each.
    pub(crate) fn dirty(&self) -> usize {
        struct Count(usize);
        impl Fate for Count {
            fn reaches(&mut self) -> bool {
                self.0 += 1;
                false
            }
            fn tears(&mut self) -> bool {
                false
            }
        }
        let mut count = Count(0);
        self.crash(&mut count);
        count.0
    }

    /// The card as it is found after the power comes back.
    pub(crate) fn crash(&self, fate: &mut dyn Fate) -> Fat {
        let mut card = self.card().clone();
        card.crash(fate);
        Fat(Arc::new(Mutex::new(card)))
    }

    /// What no file system should have been made to do.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.card().violations.clone()
    }

    /// Which other names share the clusters of this one?
    pub(crate) fn shares(&self, path: &Path) -> Vec<PathBuf> {
        let card = self.card();
        let chain = |node: &usize| card.nodes[*node].dirent.chain;
        let Some(mine) = card.names.get(path).and_then(chain) else { return Vec::new() };
        let same = card.names.iter().filter(|(name, node)| *name != path && chain(node) == Some(mine));
        same.map(|(name, _)| name.clone()).collect()
    }

    /// The bytes of a file; none if there is none.
    pub(crate) fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match Volume::open(self, Path::new(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
        }
    }

    /// Every file that can be read, with its bytes; counts as no call.
    #[allow(dead_code, reason = "the simulation looks at whole cards")]
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let card = self.card();
        let bytes = |node: usize| -> Option<Vec<u8>> {
            let Dirent { chain, size } = card.nodes[node].dirent;
            let Some(chain) = chain else { return Some(Vec::new()) };
            let chain = &card.chains[chain];
            let size = usize::try_from(size).ok()?;
            (!chain.freed && chain.now.len() * SECTOR >= size).then(|| chain.now.concat()[..size].to_vec())
        };
        card.names.iter().filter_map(|(path, node)| Some((path.clone(), bytes(*node)?))).collect()
    }

    /// Does something that no fault befalls: what was to fail or be cut is put off until after it.
    #[allow(dead_code, reason = "the simulation's emulators do not fail")]
    pub(crate) fn undisturbed<T>(&self, act: impl FnOnce(&Fat) -> T) -> T {
        let take = |card: &mut Card| (card.cut_at.take(), card.fail_at.take(), card.changes, card.calls);
        let (cut_at, fail_at, changes, calls) = take(&mut self.card());
        let done = act(self);
        let mut card = self.card();
        (card.cut_at, card.fail_at, card.changes, card.calls) = (cut_at, fail_at, changes, calls);
        drop(card);
        done
    }

    /// Writes a file as an emulator or a test would; durable after [`Fat::settle`].
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let mut file = self.create_new(Path::new(path)).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    }
}

impl Card {
    /// Counts a call; `Err` if the power is off, goes now, or the call is to fail.
    fn call(&mut self, is_change: bool) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        if is_change {
            if self.cut_at == Some(self.changes) {
                self.off = true;
                return Err(io::Error::other("the power is off"));
            }
            self.changes += 1;
        }
        self.calls += 1;
        match self.fail_at {
            Some((at, kind)) if at + 1 == self.calls => {
                self.fail_at = None;
                Err(kind.into())
            }
            _ => Ok(()),
        }
    }

    fn node_at(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The inode goes to the entry where the file is now.
    fn write_inode(&mut self, node: usize) {
        let Node { dirent, home, dirty, .. } = &mut self.nodes[node];
        if let Some(home) = home.clone().filter(|_| *dirty) {
            if let Some(entry) = self.disk.get_mut(&home) {
                *entry = *dirent;
            }
            if let Some(entry) = self.pending.get_mut(&home) {
                *entry = Some(*dirent);
            }
        }
        self.nodes[node].dirty = false;
    }

    fn write_presence(&mut self, path: &Path) {
        match self.pending.remove(path) {
            Some(Some(dirent)) => drop(self.disk.insert(path.to_owned(), dirent)),
            Some(None) => drop(self.disk.remove(path)),
            None => {}
        }
    }

    fn write_data(&mut self, chain: usize) {
        self.chains[chain].durable = self.chains[chain].now.clone();
        // The FAT goes with it: what was freed before is durably free.
        for chain in &mut self.chains {
            chain.freed_durably = chain.freed;
        }
    }

    fn free(&mut self, chain: Option<usize>, why: &Path) {
        let Some(chain) = chain else { return };
        if self.chains[chain].freed {
            self.violations.push(format!("clusters freed twice by `{}`", why.display()));
        }
        self.chains[chain].freed = true;
    }

    fn crash(&mut self, fate: &mut dyn Fate) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].dirty && self.nodes[node].home.is_some() && fate.reaches() {
                self.write_inode(node);
            }
        }
        for path in self.pending.keys().cloned().collect::<Vec<_>>() {
            if fate.reaches() {
                self.write_presence(&path);
            }
        }
        for chain in &mut self.chains {
            let Chain { durable, now, freed, freed_durably } = chain;
            durable.resize(durable.len().max(now.len()), GARBAGE);
            for (old, new) in durable.iter_mut().zip(now.iter()).filter(|(old, new)| old != new) {
                if fate.reaches() {
                    let upto = if fate.tears() { SECTOR / 2 } else { SECTOR };
                    old[..upto].copy_from_slice(&new[..upto]);
                }
            }
            *freed_durably |= *freed && fate.reaches();
            (*freed, *now) = (*freed_durably, durable.clone());
        }
        self.pending.clear();
        self.nodes.clear();
        self.names.clear();
        for (path, dirent) in self.disk.clone() {
            self.names.insert(path.clone(), self.nodes.len());
            self.nodes.push(Node { dirent, home: Some(path), dirty: false, mtime: self.clock });
        }
        (self.cut_at, self.fail_at, self.off) = (None, None, false);
    }
}

impl Volume for Fat {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let mut card = self.card();
        card.call(false)?;
        let node = card.node_at(path)?;
        drop(card);
        Ok(Box::new(FatFile { fat: self.clone(), node, at: 0 }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Volume::open(self, path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let mut card = self.card();
        card.call(true)?;
        if card.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|folder| card.folders.contains(folder)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let node = card.nodes.len();
        let (home, mtime) = (Some(path.to_owned()), card.clock);
        card.nodes.push(Node { dirent: EMPTY, home, dirty: false, mtime });
        card.names.insert(path.to_owned(), node);
        card.pending.insert(path.to_owned(), Some(EMPTY));
        drop(card);
        Ok(Box::new(FatFile { fat: self.clone(), node, at: 0 }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        let node = card.node_at(from)?;
        if let Some(replaced) = card.names.remove(to) {
            // The entry stays and keeps pointing at this chain until the renamed inode is written into it.
            let dirent = card.nodes[replaced].dirent;
            card.nodes[replaced].home = None;
            card.free(dirent.chain, to);
        } else {
            card.pending.insert(to.to_owned(), Some(EMPTY));
        }
        card.names.remove(from);
        card.names.insert(to.to_owned(), node);
        card.pending.insert(from.to_owned(), None);
        card.nodes[node].home = Some(to.to_owned());
        card.nodes[node].dirty = true;
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        let node = card.node_at(path)?;
        let chain = card.nodes[node].dirent.chain;
        card.free(chain, path);
        card.names.remove(path);
        card.nodes[node].home = None;
        card.pending.insert(path.to_owned(), None);
        Ok(())
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        for folder in path.ancestors() {
            card.folders.insert(folder.to_owned());
        }
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        for name in
            card.pending.keys().filter(|name| name.parent() == Some(path)).cloned().collect::<Vec<_>>()
        {
            card.write_presence(&name);
        }
        // The FAT goes with it.
        for chain in &mut card.chains {
            chain.freed_durably = chain.freed;
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut card = self.card();
        card.call(false)?;
        if !card.folders.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let of = |names: Vec<&PathBuf>, kind| {
            let here = names.into_iter().filter(|name| name.parent() == Some(path));
            here.map(|name| Entry { name: name.file_name().unwrap().to_owned(), kind }).collect::<Vec<_>>()
        };
        let mut listed = of(card.names.keys().collect(), EntryKind::File);
        listed.extend(of(card.folders.iter().collect(), EntryKind::Folder));
        Ok(listed)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let mut card = self.card();
        card.call(false)?;
        let node = card.node_at(path)?;
        Ok(card.stamp(node))
    }
}

impl Card {
    fn stamp(&self, node: usize) -> Stamp {
        let Node { dirent, mtime, .. } = &self.nodes[node];
        Stamp { size_bytes: dirent.size, mtime_s: *mtime, mtime_ns: 0, inode: node as u64 }
    }
}

struct FatFile {
    fat: Fat,
    node: usize,
    at: u64,
}

impl Read for FatFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut card = self.fat.card();
        card.call(false)?;
        let Dirent { chain, size } = card.nodes[self.node].dirent;
        let Some(chain) = chain else { return Ok(0) };
        if card.chains[chain].freed {
            return Err(io::Error::other("the clusters are free: file system set read-only"));
        }
        let mut read = 0;
        while read < buffer.len() && self.at < size {
            let (sector, within) = (self.at as usize / SECTOR, self.at as usize % SECTOR);
            let count = (SECTOR - within).min(buffer.len() - read).min((size - self.at) as usize);
            let bytes = &card.chains[chain].now[sector][within..within + count];
            buffer[read..read + count].copy_from_slice(bytes);
            read += count;
            self.at += count as u64;
        }
        Ok(read)
    }
}

impl Seek for FatFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.at = at;
        Ok(at)
    }
}

impl VolumeFile for FatFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut card = self.fat.card();
        card.call(true)?;
        card.clock += 1;
        let mut dirent = card.nodes[self.node].dirent;
        let chain = dirent.chain.unwrap_or_else(|| {
            card.chains.push(Chain::default());
            card.chains.len() - 1
        });
        if card.chains[chain].freed {
            card.violations.push("written to free clusters".into());
            return Err(io::Error::other("file system set read-only"));
        }
        let end = offset as usize + bytes.len();
        dirent = Dirent { chain: Some(chain), size: dirent.size.max(end as u64) };
        let sectors = &mut card.chains[chain].now;
        sectors.resize(sectors.len().max(end.div_ceil(SECTOR)), GARBAGE);
        for (at, byte) in (offset as usize..).zip(bytes) {
            sectors[at / SECTOR][at % SECTOR] = *byte;
        }
        let mtime = card.clock;
        let node = &mut card.nodes[self.node];
        node.dirty |= node.dirent != dirent;
        (node.dirent, node.mtime) = (dirent, mtime);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let mut card = self.fat.card();
        card.call(true)?;
        let Node { dirent, home, .. } = card.nodes[self.node].clone();
        assert!(length <= dirent.size, "the model does not grow files by set_len");
        if length == 0 {
            card.free(dirent.chain, &home.unwrap_or_default());
            card.nodes[self.node].dirent = EMPTY;
        } else {
            card.nodes[self.node].dirent.size = length;
        }
        card.nodes[self.node].dirty = true;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut card = self.fat.card();
        card.call(true)?;
        if let Some(chain) = card.nodes[self.node].dirent.chain {
            card.write_data(chain);
        }
        card.write_inode(self.node);
        Ok(())
    }

    fn stamp(&self) -> io::Result<Stamp> {
        let mut card = self.fat.card();
        card.call(false)?;
        Ok(card.stamp(self.node))
    }
}
