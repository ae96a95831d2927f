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

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, EntryKind, Volume, VolumeFile};

pub(crate) const SECTOR: usize = 512;
type Sector = [u8; SECTOR];
/// What a sector holds that was allocated and never written.
const GARBAGE: Sector = [0xDD; SECTOR];

/// A file's sectors, shared until somebody writes: cards are copied often.
type Sectors = Arc<Vec<Sector>>;

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
    home: Option<Home>,
    dirty: bool,
    mtime: i64,
}

/// A folder's number and a name in it.
type Home = (usize, Arc<OsStr>);

#[derive(Clone, Default)]
struct Chain {
    durable: Sectors,
    now: Sectors,
    freed: bool,
    freed_durably: bool,
}

#[derive(Clone, Default)]
struct Folder {
    path: Arc<[u8]>,
    names: BTreeMap<Arc<OsStr>, Name>,
}

/// One name in a folder.
#[derive(Clone, Copy, Default)]
struct Name {
    /// The durable entry.
    durable: Option<Dirent>,
    /// What an `fsync` of the folder would make of the entry: gone, or there with this in it.
    pending: Option<Option<Dirent>>,
    /// The file that has the name now.
    node: Option<usize>,
}

#[derive(Clone, Default)]
struct Card {
    folders: Vec<Folder>,
    nodes: Vec<Node>,
    chains: Vec<Chain>,
    clock: i64,
    /// What the device's own clock says; without it each write has a time of its own.
    told: Option<i64>,
    /// How many more sectors fit; none: no end of them.
    room: Option<usize>,
    violations: Vec<String>,
    /// Calls so far: those that change something, and all.
    changes: usize,
    calls: usize,
    /// Changes ever.
    generation: u64,
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
        card.generation += 1;
        for node in 0..card.nodes.len() {
            card.write_inode(node);
        }
        for folder in 0..card.folders.len() {
            card.write_names(folder);
        }
        for chain in 0..card.chains.len() {
            card.write_data(chain);
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

    /// From here on files get this time, in FAT's steps of two seconds: two writes may look alike.
    #[allow(dead_code, reason = "the simulation has clocks")]
    pub(crate) fn tell_time(&self, unix_s: Option<i64>) {
        self.card().told = unix_s.map(|unix_s| unix_s & !1);
    }

    /// What a firmware's file-system check does at boot: a file whose clusters are free, or too few, is emptied.
    #[allow(dead_code, reason = "the simulation's emulators lose power")]
    pub(crate) fn check(&self) {
        let mut card = self.card();
        card.generation += 1;
        for node in 0..card.nodes.len() {
            let Some((folder, name)) = card.nodes[node].home.clone() else { continue };
            if card.extent(node).is_none() {
                card.nodes[node].dirent = EMPTY;
                card.name(&(folder, name)).durable = Some(EMPTY);
            }
        }
    }

    /// From here on so many sectors fit, and no more.
    #[allow(dead_code, reason = "the simulation fills cards")]
    pub(crate) fn set_room(&self, sectors: Option<usize>) {
        self.card().room = sectors;
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
        let Ok(node) = card.node_at(path) else { return Vec::new() };
        let Some(mine) = card.nodes[node].dirent.chain else { return Vec::new() };
        let same =
            card.files().filter(|(_, other)| *other != node && card.nodes[*other].dirent.chain == Some(mine));
        same.map(|(name, _)| name).collect()
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
        card.files().filter_map(|(path, node)| Some((path, card.extent(node)?.bytes().to_vec()))).collect()
    }

    /// What a file holds, if it can be read; counts as no call.
    #[allow(dead_code, reason = "the simulation looks at many files, and often")]
    pub(crate) fn peek(&self, path: &Path) -> Option<Extent> {
        let card = self.card();
        if card.off { None } else { card.extent(card.node_at(path).ok()?) }
    }

    /// Grows with every change: between two equal ones nothing on this card has changed.
    #[allow(dead_code, reason = "the simulation looks only at what changed")]
    pub(crate) fn generation(&self) -> u64 {
        self.card().generation
    }

    /// All that decides what becomes of this card.
    #[allow(dead_code, reason = "the simulation compares cards")]
    pub(crate) fn fingerprint(&self, hasher: &mut impl std::hash::Hasher) {
        let card = self.card();
        for folder in &card.folders {
            for (name, of) in &folder.names {
                hasher.write(name.as_bytes());
                let dirents = [of.durable, of.pending.flatten(), of.node.map(|node| card.nodes[node].dirent)];
                for (at, dirent) in dirents.into_iter().enumerate() {
                    let Dirent { chain, size } = dirent.unwrap_or(EMPTY);
                    hasher.write_u64(size + at as u64);
                    if let Some(Chain { now, durable, freed, .. }) = chain.map(|chain| &card.chains[chain]) {
                        hasher.write(now.as_flattened());
                        hasher.write_u8(u8::from(*freed) * 2 + u8::from(now == durable));
                    }
                }
                let stamp = of.node.map(|node| (card.nodes[node].mtime, card.nodes[node].dirty));
                hasher.write_i64(stamp.map_or(0, |(mtime, dirty)| mtime * 2 + i64::from(dirty)));
            }
        }
    }

    /// Is it this very card, not a copy?
    #[allow(dead_code, reason = "the simulation swaps cards")]
    pub(crate) fn is(&self, other: &Fat) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Does something that no fault befalls: what was to fail or be cut is put off until after it.
    #[allow(dead_code, reason = "the simulation's emulators do not fail")]
    pub(crate) fn undisturbed<T>(&self, act: impl FnOnce(&Fat) -> T) -> T {
        let take = |card: &mut Card| {
            (card.cut_at.take(), card.fail_at.take(), card.room.take(), card.changes, card.calls)
        };
        let (cut_at, fail_at, room, changes, calls) = take(&mut self.card());
        let done = act(self);
        let mut card = self.card();
        (card.cut_at, card.fail_at, card.room, card.changes, card.calls) =
            (cut_at, fail_at, room, changes, calls);
        drop(card);
        done
    }

    /// Writes a file as an emulator or a test would; durable after [`Fat::settle`].
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let mut file = self.create_new(Path::new(path)).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    }
}

/// What a file holds: shared with the card until the file is written again.
#[derive(Clone)]
pub(crate) struct Extent {
    sectors: Sectors,
    size: usize,
}

impl Extent {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.sectors.as_flattened()[..self.size]
    }

    /// Surely the same bytes? Sectors that somebody still holds are never written, so equal ones are equal for ever.
    #[allow(dead_code, reason = "the simulation looks only at what changed")]
    pub(crate) fn is(&self, other: &Extent) -> bool {
        self.size == other.size && Arc::ptr_eq(&self.sectors, &other.sectors)
    }
}

/// The folder of a path, and the name in it.
fn split(path: &Path) -> (&[u8], &OsStr) {
    let bytes = path.as_os_str().as_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    (&bytes[..at], OsStr::from_bytes(&bytes[(at + 1).min(bytes.len())..]))
}

impl Card {
    /// Counts a call; `Err` if the power is off, goes now, or the call is to fail.
    fn call(&mut self, is_change: bool) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        if is_change {
            self.generation += 1;
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

    fn folder_at(&self, path: &[u8]) -> io::Result<usize> {
        let found = self.folders.iter().position(|folder| *folder.path == *path);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn node_at(&self, path: &Path) -> io::Result<usize> {
        let (folder, name) = split(path);
        let name = self.folders[self.folder_at(folder)?].names.get(name);
        name.and_then(|name| name.node).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn name(&mut self, (folder, name): &Home) -> &mut Name {
        self.folders[*folder].names.entry(Arc::clone(name)).or_default()
    }

    fn home_of(&self, path: &Path) -> io::Result<Home> {
        let (folder, name) = split(path);
        let folder = self.folder_at(folder)?;
        let known = self.folders[folder].names.get_key_value(name).map(|(name, _)| Arc::clone(name));
        Ok((folder, known.unwrap_or_else(|| name.into())))
    }

    /// Every name with its file.
    fn files(&self) -> impl Iterator<Item = (PathBuf, usize)> {
        self.folders.iter().flat_map(|folder| {
            let named = folder.names.iter().filter_map(|(name, of)| Some((name, of.node?)));
            named.map(|(name, node)| (Path::new(OsStr::from_bytes(&folder.path)).join(&**name), node))
        })
    }

    fn extent(&self, node: usize) -> Option<Extent> {
        let Dirent { chain, size } = self.nodes[node].dirent;
        let Some(chain) = chain else { return Some(Extent { sectors: Sectors::default(), size: 0 }) };
        let (Chain { now, freed, .. }, size) = (&self.chains[chain], usize::try_from(size).ok()?);
        (!freed && now.len() * SECTOR >= size).then(|| Extent { sectors: Arc::clone(now), size })
    }

    /// The inode goes to the entry where the file is now.
    fn write_inode(&mut self, node: usize) {
        let Node { dirent, home, dirty, .. } = &mut self.nodes[node];
        if !std::mem::take(dirty) {
            return;
        }
        if let Some((folder, name)) = home
            && let Some(name) = self.folders[*folder].names.get_mut(name)
        {
            name.durable = name.durable.map(|_| *dirent);
            // An entry that an `fsync` of the folder would remove gets it too: the file is there by that name now.
            name.pending = name.pending.map(|_| Some(*dirent));
        }
    }

    /// The presence of a folder's entries.
    fn write_names(&mut self, folder: usize) {
        for name in self.folders[folder].names.values_mut() {
            name.write();
        }
    }

    fn write_data(&mut self, chain: usize) {
        self.chains[chain].durable = Arc::clone(&self.chains[chain].now);
        self.write_fat();
    }

    /// What was freed is durably free.
    fn write_fat(&mut self) {
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
        let sectors = self.chains[chain].now.len();
        self.room = self.room.map(|room| room + sectors);
    }

    /// Takes so many more sectors, if they fit.
    fn take_room(&mut self, sectors: usize) -> io::Result<()> {
        match &mut self.room {
            Some(room) if *room < sectors => Err(io::ErrorKind::StorageFull.into()),
            Some(room) => {
                *room -= sectors;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn crash(&mut self, fate: &mut dyn Fate) {
        self.generation += 1;
        for node in 0..self.nodes.len() {
            if self.nodes[node].dirty && self.nodes[node].home.is_some() && fate.reaches() {
                self.write_inode(node);
            }
        }
        for folder in &mut self.folders {
            for name in folder.names.values_mut() {
                if name.pending.is_some() && fate.reaches() {
                    name.write();
                }
                name.pending = None;
            }
        }
        for Chain { durable, now, freed, freed_durably } in &mut self.chains {
            if !Arc::ptr_eq(durable, now) {
                let durable = Arc::make_mut(durable);
                durable.resize(durable.len().max(now.len()), GARBAGE);
                for (old, new) in durable.iter_mut().zip(now.iter()).filter(|(old, new)| old != new) {
                    if fate.reaches() {
                        let upto = if fate.tears() { SECTOR / 2 } else { SECTOR };
                        old[..upto].copy_from_slice(&new[..upto]);
                    }
                }
            }
            *freed_durably |= *freed && fate.reaches();
            (*freed, *now) = (*freed_durably, Arc::clone(durable));
        }
        self.mount();
        (self.cut_at, self.fail_at, self.off) = (None, None, false);
    }

    /// Only what is durable is there.
    fn mount(&mut self) {
        self.nodes.clear();
        for (folder, of) in self.folders.iter_mut().enumerate() {
            of.names.retain(|_, name| name.durable.is_some());
            for (name, Name { durable, node, .. }) in &mut of.names {
                let (dirent, home) = (durable.unwrap_or(EMPTY), Some((folder, Arc::clone(name))));
                *node = Some(self.nodes.len());
                self.nodes.push(Node { dirent, home, dirty: false, mtime: self.clock });
            }
        }
    }
}

impl Name {
    fn write(&mut self) {
        if let Some(entry) = self.pending.take() {
            self.durable = entry;
        }
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
        let home = card.home_of(path)?;
        let (node, mtime) = (card.nodes.len(), card.clock);
        let name = card.name(&home);
        if name.node.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        (name.node, name.pending) = (Some(node), Some(Some(EMPTY)));
        card.nodes.push(Node { dirent: EMPTY, home: Some(home), dirty: false, mtime });
        drop(card);
        Ok(Box::new(FatFile { fat: self.clone(), node, at: 0 }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        let node = card.node_at(from)?;
        let (from, home) = (card.home_of(from)?, card.home_of(to)?);
        if let Some(replaced) = card.name(&home).node.replace(node) {
            // The entry stays and keeps pointing at this chain until the renamed inode is written into it.
            let dirent = card.nodes[replaced].dirent;
            card.nodes[replaced].home = None;
            card.free(dirent.chain, to);
        } else {
            card.name(&home).pending = Some(Some(EMPTY));
        }
        let left = card.name(&from);
        (left.node, left.pending) = (None, Some(None));
        card.nodes[node].home = Some(home);
        card.nodes[node].dirty = true;
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        let node = card.node_at(path)?;
        let chain = card.nodes[node].dirent.chain;
        card.free(chain, path);
        let home = card.home_of(path)?;
        let left = card.name(&home);
        (left.node, left.pending) = (None, Some(None));
        card.nodes[node].home = None;
        Ok(())
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        for folder in path.ancestors() {
            let path: Arc<[u8]> = folder.as_os_str().as_bytes().into();
            if card.folder_at(&path).is_err() {
                card.folders.push(Folder { path, names: BTreeMap::new() });
            }
        }
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        if let Ok(folder) = card.folder_at(path.as_os_str().as_bytes()) {
            card.write_names(folder);
        }
        // The FAT goes with it.
        card.write_fat();
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut card = self.card();
        card.call(false)?;
        let path = path.as_os_str().as_bytes();
        let names = &card.folders[card.folder_at(path)?].names;
        let files = names.iter().filter(|(_, name)| name.node.is_some());
        let files = files.map(|(name, _)| Entry { name: name.as_ref().to_owned(), kind: EntryKind::File });
        let folders = card.folders.iter().filter_map(|folder| {
            let below = Some(folder.path.strip_prefix(path)?.strip_prefix(b"/")?);
            below.filter(|name| !name.is_empty() && !name.contains(&b'/'))
        });
        let folders =
            folders.map(|name| Entry { name: OsStr::from_bytes(name).to_owned(), kind: EntryKind::Folder });
        Ok(files.chain(folders).collect())
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
        let rest = size.saturating_sub(self.at) as usize;
        let (at, count) = (self.at as usize, rest.min(buffer.len()));
        buffer[..count].copy_from_slice(&card.chains[chain].now.as_flattened()[at..at + count]);
        self.at += count as u64;
        Ok(count)
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
        let held = card.nodes[self.node].dirent.chain.map_or(0, |chain| card.chains[chain].now.len());
        let needed = (offset as usize + bytes.len()).div_ceil(SECTOR);
        card.take_room(needed.saturating_sub(held))?;
        card.clock = card.told.unwrap_or(card.clock + 1);
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
        let sectors = Arc::make_mut(&mut card.chains[chain].now);
        sectors.resize(sectors.len().max(end.div_ceil(SECTOR)), GARBAGE);
        sectors.as_flattened_mut()[offset as usize..end].copy_from_slice(bytes);
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
            let name = home.map(|(_, name)| PathBuf::from(name.as_ref())).unwrap_or_default();
            card.free(dirent.chain, &name);
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
