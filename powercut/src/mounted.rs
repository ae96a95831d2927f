//! A crash as the daemon finds it: a volume over our own FAT reader, with what a kernel does to a damaged card.
//!
//! Reads go by the table, cluster by cluster, so names that share clusters really share bytes. Changes stay in memory. As
//! the kernel's vfat does, a chain that is shorter than its size, a cluster freed twice, or a chain that is longer than its
//! size and is to grow sets the card read-only; here that is also a fault, told by [`Mounted::faults`]. Folders change in
//! memory only: this card loses power no second time (that is what recording a recovery is for).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, EntryKind, Volume, VolumeFile};
use retrosync_protocol::Digest;

use crate::fat32::{Geometry, Link};
use crate::image::{ByNumber, Crash, SECTOR};
use crate::plan::Seen;

/// The mounted card.
#[derive(Clone)]
pub(crate) struct Mounted(Arc<Mutex<Card>>);

#[derive(Clone, Copy)]
enum Named {
    File(usize),
    Folder(usize),
}

#[derive(Default)]
struct Folder {
    /// By lower-case name: the name as it is shown, and what it names.
    names: BTreeMap<String, (String, Named)>,
    /// Short names of those that have a long one.
    shorts: BTreeMap<String, String>,
}

struct Node {
    first: u32,
    size_bytes: u64,
    /// Clusters that the kernel believes it has, by its size.
    clusters: u64,
    mtime: i64,
    opens: usize,
    gone: bool,
}

struct Card {
    crash: Crash,
    geometry: Geometry,
    links: ByNumber<u32, u32>,
    data: ByNumber<u32, Box<[u8]>>,
    mount: PathBuf,
    folders: Vec<Folder>,
    nodes: Vec<Node>,
    last_allocated: u32,
    clock: i64,
    read_only: bool,
    faults: Vec<String>,
    trace: Vec<&'static str>,
}

const FREE: u32 = 0;
const END: u32 = 0x0fff_ffff;
/// Folders below folders: more is a circle.
const DEEPEST: usize = 12;

impl Mounted {
    /// Mounts a crash at `mount`; nothing if it is no FAT32.
    pub(crate) fn new(crash: Crash, mount: &Path) -> Option<Mounted> {
        let geometry = Geometry::read(&crash)?;
        let hint = crash.sector(geometry.hint_sector);
        let hint = u32::from_le_bytes([hint[492], hint[493], hint[494], hint[495]]);
        let mut card = Card {
            crash,
            geometry,
            links: ByNumber::default(),
            data: ByNumber::default(),
            mount: mount.to_owned(),
            folders: Vec::new(),
            nodes: Vec::new(),
            last_allocated: if hint < geometry.end_cluster { hint.max(2) } else { 2 },
            clock: 1,
            read_only: false,
            faults: Vec::new(),
            trace: Vec::new(),
        };
        card.load(geometry.root, 0);
        Some(Mounted(Arc::new(Mutex::new(card))))
    }

    fn card(&self) -> MutexGuard<'_, Card> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What no file system should have been made to do.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.card().faults.clone()
    }

    /// The changes so far, by name.
    pub(crate) fn trace(&self) -> Vec<&'static str> {
        self.card().trace.clone()
    }

    /// Every file with its clusters; `false`: its chain is damaged or shorter than its size.
    pub(crate) fn chains(&self) -> Vec<(PathBuf, Vec<u32>, bool)> {
        let card = self.card();
        let mut chains = Vec::new();
        card.walk(0, &card.mount.clone(), &mut |path, node| {
            let wanted = card.nodes[node].size_bytes.div_ceil(card.geometry.cluster_bytes() as u64);
            let (clusters, whole) = card.chain(card.nodes[node].first);
            let whole = whole && clusters.len() as u64 >= wanted;
            chains.push((path, clusters, whole));
        });
        chains
    }

    /// Every file: its path below the mount, its size, the digest of its bytes if they can be read.
    pub(crate) fn seen(&self) -> Seen {
        let mut seen = Seen::new();
        for (path, _, _) in self.chains() {
            let mut bytes = Vec::new();
            let read = Volume::open(self, &path).and_then(|mut file| file.read_to_end(&mut bytes));
            let size_bytes = Volume::stamp(self, &path).map_or(0, |stamp| stamp.size_bytes);
            let shown = path.strip_prefix(&self.card().mount).unwrap_or(&path).to_string_lossy().into_owned();
            seen.push((shown, size_bytes, read.ok().map(|_| Digest::of(&bytes).to_string())));
        }
        seen.sort();
        seen
    }

    /// Clusters that belong to two names.
    pub(crate) fn shared(&self) -> Vec<(PathBuf, PathBuf)> {
        let (mut owner, mut shared) = (ByNumber::<u32, usize>::default(), BTreeSet::new());
        let chains = self.chains();
        for (at, (path, clusters, _)) in chains.iter().enumerate() {
            for cluster in clusters {
                if let Some(other) = owner.insert(*cluster, at).filter(|other| *other != at) {
                    shared.insert((chains[other].0.clone(), path.clone()));
                }
            }
        }
        shared.into_iter().collect()
    }
}

impl Card {
    fn load(&mut self, first: u32, depth: usize) -> usize {
        let at = self.folders.len();
        self.folders.push(Folder::default());
        for entry in self.geometry.folder(&self.crash, first) {
            let key = entry.name.to_lowercase();
            if self.folders[at].names.contains_key(&key) {
                self.faults.push(format!("two entries are named `{}`", entry.name));
                continue;
            }
            let named = if !entry.is_folder {
                let clusters = entry.size_bytes.div_ceil(self.geometry.cluster_bytes() as u64);
                let (first, size_bytes) = (entry.first, entry.size_bytes);
                self.nodes.push(Node { first, size_bytes, clusters, mtime: 0, opens: 0, gone: false });
                Named::File(self.nodes.len() - 1)
            } else if depth < DEEPEST {
                Named::Folder(self.load(entry.first, depth + 1))
            } else {
                continue;
            };
            let folder = &mut self.folders[at];
            folder.shorts.insert(entry.short.to_lowercase(), key.clone());
            folder.names.insert(key, (entry.name, named));
        }
        at
    }

    fn walk(&self, folder: usize, at: &Path, each: &mut dyn FnMut(PathBuf, usize)) {
        for (name, named) in self.folders[folder].names.values() {
            match named {
                Named::File(node) => each(at.join(name), *node),
                Named::Folder(below) => self.walk(*below, &at.join(name), each),
            }
        }
    }

    fn fault<T>(&mut self, what: &str) -> io::Result<T> {
        self.faults.push(what.to_owned());
        self.read_only = true;
        Err(io::Error::other(format!("{what}: file system set read-only")))
    }

    fn change(&mut self, what: &'static str) -> io::Result<()> {
        self.trace.push(what);
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn link(&self, cluster: u32) -> Link {
        match self.links.get(&cluster) {
            None => self.geometry.link(&self.crash, cluster),
            Some(&FREE) => Link::Free,
            Some(&END) => Link::End,
            Some(next) => Link::Next(*next),
        }
    }

    /// The chain's clusters, and whether it ends as it should.
    fn chain(&self, first: u32) -> (Vec<u32>, bool) {
        let (mut chain, mut at) = (Vec::new(), first);
        if !(2..self.geometry.end_cluster).contains(&first) {
            return (chain, first == 0);
        }
        while chain.len() < self.geometry.end_cluster as usize {
            let link = self.link(at);
            match link {
                Link::Free | Link::Wrong => return (chain, false),
                Link::End | Link::Next(_) => chain.push(at),
            }
            let Link::Next(next) = link else { return (chain, true) };
            at = next;
        }
        (chain, false)
    }

    /// The clusters that a read of `upto` bytes walks over.
    fn clusters(&mut self, node: usize, upto: u64) -> io::Result<Vec<u32>> {
        let wanted = upto.div_ceil(self.geometry.cluster_bytes() as u64) as usize;
        let (mut chain, _) = self.chain(self.nodes[node].first);
        if chain.len() < wanted {
            return self.fault("a chain is shorter than its file");
        }
        chain.truncate(wanted);
        Ok(chain)
    }

    fn read_cluster(&self, cluster: u32, from: usize, buffer: &mut [u8]) {
        if let Some(data) = self.data.get(&cluster) {
            buffer.copy_from_slice(&data[from..from + buffer.len()]);
            return;
        }
        let (mut at, mut done) = (from, 0);
        while done < buffer.len() {
            let sector = self.crash.sector(self.geometry.sector_of(cluster) + (at / SECTOR) as u64);
            let count = (SECTOR - at % SECTOR).min(buffer.len() - done);
            buffer[done..done + count].copy_from_slice(&sector[at % SECTOR..at % SECTOR + count]);
            (at, done) = (at + count, done + count);
        }
    }

    fn write_cluster(&mut self, cluster: u32, from: usize, bytes: &[u8]) {
        let size = self.geometry.cluster_bytes();
        if !self.data.contains_key(&cluster) {
            let mut data = vec![0; size];
            if bytes.len() < size {
                self.read_cluster(cluster, 0, &mut data);
            }
            self.data.insert(cluster, data.into());
        }
        if let Some(data) = self.data.get_mut(&cluster) {
            data[from..from + bytes.len()].copy_from_slice(bytes);
        }
    }

    /// A free cluster, searched from the last one on, as the kernel does.
    fn allocate(&mut self) -> io::Result<u32> {
        let end = self.geometry.end_cluster;
        let after = self.last_allocated + 1;
        let free = (after..end).chain(2..after.min(end)).find(|cluster| self.link(*cluster) == Link::Free);
        let free = free.ok_or(io::ErrorKind::StorageFull)?;
        self.links.insert(free, END);
        self.last_allocated = free;
        Ok(free)
    }

    fn grow(&mut self, node: usize) -> io::Result<()> {
        let cluster = self.allocate()?;
        let first = self.nodes[node].first;
        if first == 0 {
            self.nodes[node].first = cluster;
        } else {
            let (chain, whole) = self.chain(first);
            if !whole {
                return self.fault("a damaged chain is to grow");
            }
            if let Some(last) = chain.last() {
                self.links.insert(*last, cluster);
            }
            if chain.len() as u64 != self.nodes[node].clusters {
                self.nodes[node].clusters += 1;
                // The kernel says so, sets the card read-only, and lets this one write pass.
                drop(
                    self.fault::<()>("clusters badly computed: a chain is longer than its file, which grows"),
                );
                return Ok(());
            }
        }
        self.nodes[node].clusters += 1;
        Ok(())
    }

    fn free(&mut self, node: usize) -> io::Result<()> {
        let first = std::mem::take(&mut self.nodes[node].first);
        self.nodes[node].clusters = 0;
        let (chain, whole) = self.chain(first);
        for cluster in chain {
            self.links.insert(cluster, FREE);
        }
        if whole { Ok(()) } else { self.fault("a chain is freed that leads to free clusters") }
    }

    fn parts(&self, path: &Path) -> io::Result<Vec<String>> {
        let below = path.strip_prefix(&self.mount).map_err(|_| io::ErrorKind::NotFound)?;
        Ok(below.iter().map(|part| part.to_string_lossy().into_owned()).collect())
    }

    fn named(&self, folder: usize, name: &str) -> Option<Named> {
        let (folder, name) = (&self.folders[folder], name.to_lowercase());
        let found = folder.names.get(&name);
        found.or_else(|| folder.names.get(folder.shorts.get(&name)?)).map(|(_, named)| *named)
    }

    fn folder_at(&self, parts: &[String]) -> io::Result<usize> {
        parts.iter().try_fold(0, |folder, part| match self.named(folder, part) {
            Some(Named::Folder(below)) => Ok(below),
            Some(Named::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    /// The folder of a path, and the last part.
    fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let mut parts = self.parts(path)?;
        let name = parts.pop().ok_or(io::ErrorKind::IsADirectory)?;
        Ok((self.folder_at(&parts)?, name))
    }

    fn node_at(&self, path: &Path) -> io::Result<usize> {
        let (folder, name) = self.place(path)?;
        match self.named(folder, &name) {
            Some(Named::File(node)) => Ok(node),
            Some(Named::Folder(_)) => Err(io::ErrorKind::InvalidInput.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn forget(&mut self, folder: usize, name: &str) {
        let folder = &mut self.folders[folder];
        let mut key = name.to_lowercase();
        if !folder.names.contains_key(&key)
            && let Some(long) = folder.shorts.get(&key)
        {
            key.clone_from(long);
        }
        folder.names.remove(&key);
        folder.shorts.retain(|_, long| *long != key);
    }

    fn unlink(&mut self, node: usize) {
        self.nodes[node].gone = true;
        if self.nodes[node].opens == 0 {
            // A fault of this kind is told by `faults`; the kernel answers no error here.
            drop(self.free(node));
        }
    }

    fn stamp(&self, node: usize) -> Stamp {
        let Node { size_bytes, mtime, .. } = self.nodes[node];
        Stamp { size_bytes, mtime_s: mtime, mtime_ns: 0, inode: node as u64 }
    }
}

impl Mounted {
    fn opened(&self, node: usize) -> Box<dyn VolumeFile> {
        self.card().nodes[node].opens += 1;
        Box::new(Open { mounted: self.clone(), node, at: 0 })
    }
}

impl Volume for Mounted {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let node = self.card().node_at(path)?;
        Ok(self.opened(node))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        if self.card().read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.open(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let mut card = self.card();
        card.change("create")?;
        let (folder, name) = card.place(path)?;
        if card.named(folder, &name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mtime = card.clock;
        card.nodes.push(Node { first: 0, size_bytes: 0, clusters: 0, mtime, opens: 0, gone: false });
        let node = card.nodes.len() - 1;
        card.folders[folder].names.insert(name.to_lowercase(), (name, Named::File(node)));
        drop(card);
        Ok(self.opened(node))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.change("rename")?;
        let node = card.node_at(from)?;
        let (folder, name) = card.place(to)?;
        let replaced = card.node_at(to).ok();
        let (old_folder, old_name) = card.place(from)?;
        card.forget(old_folder, &old_name);
        card.forget(folder, &name);
        card.folders[folder].names.insert(name.to_lowercase(), (name, Named::File(node)));
        if let Some(replaced) = replaced {
            card.unlink(replaced);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.change("remove")?;
        let node = card.node_at(path)?;
        let (folder, name) = card.place(path)?;
        card.forget(folder, &name);
        card.unlink(node);
        Ok(())
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        let mut folder = 0;
        for part in card.parts(path)? {
            folder = match card.named(folder, &part) {
                Some(Named::Folder(below)) => below,
                Some(Named::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    card.change("create folder")?;
                    card.folders.push(Folder::default());
                    let below = card.folders.len() - 1;
                    card.folders[folder].names.insert(part.to_lowercase(), (part, Named::Folder(below)));
                    below
                }
            };
        }
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let card = self.card();
        card.folder_at(&card.parts(path)?).map(|_| ())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let card = self.card();
        let folder = card.folder_at(&card.parts(path)?)?;
        let names = card.folders[folder].names.values();
        let kind = |named: &Named| match named {
            Named::File(_) => EntryKind::File,
            Named::Folder(_) => EntryKind::Folder,
        };
        Ok(names.map(|(name, named)| Entry { name: name.into(), kind: kind(named) }).collect())
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let card = self.card();
        card.node_at(path).map(|node| card.stamp(node))
    }
}

struct Open {
    mounted: Mounted,
    node: usize,
    at: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut card = self.mounted.card();
        let node = &mut card.nodes[self.node];
        node.opens -= 1;
        if node.gone && node.opens == 0 {
            drop(card.free(self.node));
        }
    }
}

impl Read for Open {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut card = self.mounted.card();
        let size_bytes = card.nodes[self.node].size_bytes;
        let count = size_bytes.saturating_sub(self.at).min(buffer.len() as u64);
        if count == 0 {
            return Ok(0);
        }
        let clusters = card.clusters(self.node, self.at + count)?;
        let each = card.geometry.cluster_bytes();
        let (mut at, mut done) = (self.at as usize, 0);
        while done < count as usize {
            let piece = (each - at % each).min(count as usize - done);
            card.read_cluster(clusters[at / each], at % each, &mut buffer[done..done + piece]);
            (at, done) = (at + piece, done + piece);
        }
        self.at += count;
        Ok(done)
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
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut card = self.mounted.card();
        card.change("write")?;
        let (end, each) = (offset + bytes.len() as u64, card.geometry.cluster_bytes());
        while card.nodes[self.node].clusters * (each as u64) < end {
            card.grow(self.node)?;
        }
        let clusters = card.clusters(self.node, end)?;
        let (mut at, mut done) = (offset as usize, 0);
        while done < bytes.len() {
            let piece = (each - at % each).min(bytes.len() - done);
            card.write_cluster(clusters[at / each], at % each, &bytes[done..done + piece]);
            (at, done) = (at + piece, done + piece);
        }
        card.clock += 1;
        let mtime = card.clock;
        let node = &mut card.nodes[self.node];
        (node.size_bytes, node.mtime) = (node.size_bytes.max(end), mtime);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let mut card = self.mounted.card();
        card.change("set length")?;
        match length {
            0 => card.free(self.node)?,
            _ if length == card.nodes[self.node].size_bytes => {}
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        card.nodes[self.node].size_bytes = length;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.mounted.card().read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(self.mounted.card().stamp(self.node))
    }
}
