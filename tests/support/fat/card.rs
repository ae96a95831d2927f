//! What is on the model's card and in its kernel's memory, and how the one becomes the other.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync::snapshot::Stamp;

use super::SECTOR;

pub(super) type Sector = [u8; SECTOR];
/// What a sector holds that was allocated and never written.
pub(super) const GARBAGE: Sector = [0xDD; SECTOR];

/// A file's sectors, shared until somebody writes: cards are copied often.
pub(super) type Sectors = Arc<Vec<Sector>>;

/// What a folder entry says: which chain, how many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Dirent {
    pub(super) chain: Option<usize>,
    pub(super) size: u64,
}

pub(super) const EMPTY: Dirent = Dirent { chain: None, size: 0 };

/// An inode in memory.
#[derive(Clone, Default)]
pub(super) struct Node {
    pub(super) dirent: Dirent,
    /// Clusters that the kernel believes it has, by its size.
    pub(super) clusters: usize,
    /// Where its entry is; none once it is removed.
    pub(super) home: Option<Home>,
    pub(super) dirty: bool,
    /// The power went during its `fsync`.
    pub(super) in_sync: bool,
    pub(super) mtime: i64,
    /// How many hold it open: the clusters of a removed one are free when the last lets go.
    pub(super) opens: usize,
}

/// A folder's number and a name in it.
pub(super) type Home = (usize, Arc<OsStr>);

#[derive(Clone, Default)]
pub(super) struct Chain {
    /// What is on the card of the sectors that were written since they were synced last, by number.
    pub(super) before: BTreeMap<usize, Sector>,
    /// How many of its sectors were ever on the card; the others hold garbage there.
    pub(super) durable: usize,
    /// How many clusters the table on the card links.
    pub(super) linked: usize,
    /// As the kernel has it: its length is that of the chain.
    pub(super) now: Sectors,
    pub(super) freed: bool,
    pub(super) freed_durably: bool,
}

impl Chain {
    /// Writes bytes there; where it grows for them, what they leave of its new sectors is garbage.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let sectors = offset / SECTOR..(offset + bytes.len()).div_ceil(SECTOR);
        self.remember(sectors.clone());
        let now = Arc::make_mut(&mut self.now);
        if now.len() == sectors.start && offset.is_multiple_of(SECTOR) {
            // Most of it is room for a log, long, and followed by more.
            let (whole, rest) = bytes.as_chunks();
            now.reserve(2 * whole.len());
            now.extend_from_slice(whole);
            now.resize(sectors.end, GARBAGE);
            now.as_flattened_mut()[offset + bytes.len() - rest.len()..][..rest.len()].copy_from_slice(rest);
        } else {
            now.resize(now.len().max(sectors.end), GARBAGE);
            now.as_flattened_mut()[offset..][..bytes.len()].copy_from_slice(bytes);
        }
    }

    /// In place: it has so many sectors and no more.
    pub(super) fn truncate(&mut self, keeps: usize) {
        self.remember(keeps..self.now.len());
        Arc::make_mut(&mut self.now).truncate(keeps);
    }

    /// Notes what is on the card of sectors that are about to differ from it.
    fn remember(&mut self, sectors: Range<usize>) {
        for at in sectors.start..sectors.end.min(self.durable).min(self.now.len()) {
            self.before.entry(at).or_insert(self.now[at]);
        }
    }

    /// What is on the card of a sector.
    pub(super) fn on_card(&self, at: usize) -> Sector {
        let is_durable = at < self.durable;
        let as_now = || self.now.get(at).filter(|_| is_durable).copied();
        self.before.get(&at).copied().or_else(as_now).unwrap_or(GARBAGE)
    }

    /// The sectors whose bytes a crash decides about, in their order.
    pub(super) fn dirty(&self) -> Vec<usize> {
        let written = self.before.range(..self.now.len()).map(|(at, _)| *at);
        let all = written.chain(self.durable.min(self.now.len())..self.now.len());
        all.filter(|at| self.on_card(*at) != self.now[*at]).collect()
    }

    /// All of it is on the card.
    pub(super) fn sync(&mut self) {
        self.before.clear();
        self.durable = self.now.len();
    }
}

#[derive(Clone, Default)]
pub(super) struct Folder {
    pub(super) path: Arc<[u8]>,
    pub(super) durable: bool,
    /// It was made since the card was mounted, and its folder not synced since: the kernel takes its entries for that one's,
    /// and an `fsync` of this one writes none of them.
    pub(super) claimed: bool,
    pub(super) names: BTreeMap<Arc<OsStr>, Name>,
}

/// One name in a folder.
#[derive(Clone, Copy, Default)]
pub(super) struct Name {
    /// The durable entry.
    pub(super) durable: Option<Dirent>,
    /// What an `fsync` of the folder would make of the entry: gone, or there with this in it.
    pub(super) pending: Option<Option<Dirent>>,
    /// What it would have made before the last change; the kernel may have written that.
    pub(super) passed: Option<Option<Dirent>>,
    /// The file that has the name now.
    pub(super) node: Option<usize>,
}

#[derive(Clone, Default)]
pub(super) struct Card {
    pub(super) folders: Vec<Folder>,
    pub(super) nodes: Vec<Node>,
    pub(super) chains: Vec<Chain>,
    /// Chains were made longer or shorter, or freed, since the table was written.
    pub(super) table_is_dirty: bool,
    pub(super) clock: i64,
    /// What the device's own clock says; without it each write has a time of its own.
    pub(super) told: Option<i64>,
    /// How many more sectors fit; none: no end of them.
    pub(super) room: Option<usize>,
    pub(super) violations: Vec<String>,
    /// Calls so far: those that change something, and all.
    pub(super) changes: usize,
    pub(super) calls: usize,
    /// Changes ever.
    pub(super) generation: u64,
    pub(super) cut_at: Option<usize>,
    pub(super) fail_at: Option<(usize, io::ErrorKind)>,
    pub(super) off: bool,
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

/// The path of a folder's folder.
fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|at| &path[..at])
}

/// The folder of a path, and the name in it.
fn split(path: &Path) -> (&[u8], &OsStr) {
    let bytes = path.as_os_str().as_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    (&bytes[..at], OsStr::from_bytes(&bytes[(at + 1).min(bytes.len())..]))
}

impl Card {
    /// Counts a call; `Err` if the power is off, goes now, or the call is to fail.
    pub(super) fn call(&mut self, is_change: bool) -> io::Result<()> {
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

    pub(super) fn folder_at(&self, path: &[u8]) -> io::Result<usize> {
        let found = self.folders.iter().position(|folder| *folder.path == *path);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn node_at(&self, path: &Path) -> io::Result<usize> {
        let (folder, name) = split(path);
        let name = self.folders[self.folder_at(folder)?].names.get(name);
        name.and_then(|name| name.node).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn name(&mut self, (folder, name): &Home) -> &mut Name {
        self.folders[*folder].names.entry(Arc::clone(name)).or_default()
    }

    pub(super) fn home_of(&self, path: &Path) -> io::Result<Home> {
        let (folder, name) = split(path);
        let folder = self.folder_at(folder)?;
        let known = self.folders[folder].names.get_key_value(name).map(|(name, _)| Arc::clone(name));
        Ok((folder, known.unwrap_or_else(|| name.into())))
    }

    /// Every name with its file.
    pub(super) fn files(&self) -> impl Iterator<Item = (PathBuf, usize)> {
        self.files_below(&[""])
    }

    /// The same of what lies in one of these folders, or deeper.
    pub(super) fn files_below(&self, folders: &[&str]) -> impl Iterator<Item = (PathBuf, usize)> {
        let is_below = |path: &[u8], above: &str| {
            path.strip_prefix(above.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        let below = move |folder: &&Folder| folders.iter().any(|above| is_below(&folder.path, above));
        self.folders.iter().filter(below).flat_map(|folder| {
            let named = folder.names.iter().filter_map(|(name, of)| Some((name, of.node?)));
            named.map(|(name, node)| (Path::new(OsStr::from_bytes(&folder.path)).join(&**name), node))
        })
    }

    pub(super) fn extent(&self, node: usize) -> Option<Extent> {
        let Dirent { chain, size } = self.nodes[node].dirent;
        let Some(chain) = chain else { return Some(Extent { sectors: Sectors::default(), size: 0 }) };
        let (Chain { now, freed, .. }, size) = (&self.chains[chain], usize::try_from(size).ok()?);
        (!freed && now.len() * SECTOR >= size).then(|| Extent { sectors: Arc::clone(now), size })
    }

    /// The inode goes to the entry where the file is now.
    pub(super) fn write_inode(&mut self, node: usize) {
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

    /// The presence of a folder's entries, of folders in it too.
    pub(super) fn write_names(&mut self, folder: usize) {
        let is_claimed = self.folders[folder].claimed;
        if !is_claimed {
            self.folders[folder].write();
        }
        let path = Arc::clone(&self.folders[folder].path);
        let news = self.folders.iter_mut().filter(|below| below.claimed || !below.durable);
        for below in news.filter(|below| parent(&below.path) == Some(&path)) {
            below.write();
            // Its own entry is one of this folder's.
            (below.durable, below.claimed) = (below.durable || !is_claimed, false);
        }
    }

    pub(super) fn write_data(&mut self, chain: usize) {
        self.chains[chain].sync();
        self.write_table();
    }

    /// What is linked and what is free.
    pub(super) fn write_table(&mut self) {
        if !std::mem::take(&mut self.table_is_dirty) {
            return;
        }
        for chain in &mut self.chains {
            (chain.freed_durably, chain.linked) = (chain.freed, chain.now.len());
        }
    }

    /// Nobody has the file any more: its clusters are free.
    pub(super) fn let_go(&mut self, node: usize, why: &Path) {
        if self.nodes[node].home.is_none() && self.nodes[node].opens == 0 {
            self.free(self.nodes[node].dirent.chain, why);
        }
    }

    pub(super) fn free(&mut self, chain: Option<usize>, why: &Path) {
        let Some(chain) = chain else { return };
        if self.chains[chain].freed {
            self.violations.push(format!("clusters freed twice by `{}`", why.display()));
        }
        (self.chains[chain].freed, self.table_is_dirty) = (true, true);
        let sectors = self.chains[chain].now.len();
        self.room = self.room.map(|room| room + sectors);
    }

    /// What makes a kernel set the card read-only.
    pub(super) fn hurt(&mut self, what: &str, node: usize) -> io::Error {
        let name = self.nodes[node].home.as_ref().map(|(_, name)| name.to_string_lossy().into_owned());
        self.violations.push(format!("{what}: `{}`", name.unwrap_or_default()));
        io::Error::other(format!("{what}: file system set read-only"))
    }

    /// The chain must link the file's first `bytes`.
    pub(super) fn reach(&mut self, node: usize, bytes: u64) -> io::Result<()> {
        let Some(chain) = self.nodes[node].dirent.chain else { return Ok(()) };
        if self.chains[chain].freed {
            return Err(self.hurt("touched free clusters", node));
        }
        if self.chains[chain].now.len() < bytes.div_ceil(SECTOR as u64) as usize {
            return Err(self.hurt("went past the end of a chain that is shorter than its file", node));
        }
        Ok(())
    }

    /// Takes so many more sectors, if they fit.
    pub(super) fn take_room(&mut self, sectors: usize) -> io::Result<()> {
        match &mut self.room {
            Some(room) if *room < sectors => Err(io::ErrorKind::StorageFull.into()),
            Some(room) => {
                *room -= sectors;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Folder {
    pub(super) fn write(&mut self) {
        self.names.values_mut().for_each(Name::write);
    }
}

impl Name {
    /// What an `fsync` of the folder is to make of it from now on.
    pub(super) fn become_(&mut self, entry: Option<Dirent>) {
        self.passed = self.pending.replace(entry).or(self.passed);
    }

    pub(super) fn write(&mut self) {
        if let Some(entry) = self.pending.take() {
            (self.durable, self.passed) = (entry, None);
        }
    }
}

impl Card {
    pub(super) fn stamp(&self, node: usize) -> Stamp {
        let Node { dirent, mtime, .. } = &self.nodes[node];
        Stamp { size_bytes: dirent.size, mtime_s: *mtime, mtime_ns: 0, inode: node as u64 }
    }
}
