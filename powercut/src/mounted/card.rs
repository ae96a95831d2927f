//! The card in memory: folders, nodes and chains over a crash, and what a kernel does where they are damaged.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use retrosync::snapshot::Stamp;

use crate::fat32::{Geometry, Link};
use crate::image::{ByNumber, Crash, SECTOR};

#[derive(Clone, Copy)]
pub(super) enum Named {
    File(usize),
    Folder(usize),
}

#[derive(Default)]
pub(super) struct Folder {
    /// By lower-case name: the name as it is shown, and what it names.
    pub(super) names: BTreeMap<String, (String, Named)>,
    /// Short names of those that have a long one.
    pub(super) shorts: BTreeMap<String, String>,
}

pub(super) struct Node {
    pub(super) first: u32,
    pub(super) size_bytes: u64,
    /// Clusters that the kernel believes it has, by its size.
    pub(super) clusters: u64,
    pub(super) mtime: i64,
    pub(super) opens: usize,
    pub(super) gone: bool,
}

pub(super) struct Card {
    pub(super) crash: Crash,
    pub(super) geometry: Geometry,
    pub(super) links: ByNumber<u32, u32>,
    pub(super) data: ByNumber<u32, Box<[u8]>>,
    pub(super) mount: PathBuf,
    pub(super) folders: Vec<Folder>,
    pub(super) nodes: Vec<Node>,
    pub(super) last_allocated: u32,
    pub(super) clock: i64,
    pub(super) read_only: bool,
    pub(super) faults: Vec<String>,
    pub(super) trace: Vec<&'static str>,
    /// Folders whose chain leads to a free cluster: the kernel cannot list them, and sets the card read-only.
    pub(super) torn: Vec<PathBuf>,
}

pub(super) const FREE: u32 = 0;
pub(super) const END: u32 = 0x0fff_ffff;
/// Folders below folders: more is a circle.
const DEEPEST: usize = 12;

impl Card {
    pub(super) fn load(&mut self, first: u32, path: &Path, depth: usize) -> usize {
        let at = self.folders.len();
        self.folders.push(Folder::default());
        match self.chain(first) {
            (_, true) => {}
            // It did not grow: it was made, or removed, in a wrong order.
            (chain, _) if chain.is_empty() => {
                self.faults.push(format!("the folder `{}` lies on a free cluster", path.display()));
            }
            _ => self.torn.push(path.to_owned()),
        }
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
                Named::Folder(self.load(entry.first, &path.join(&entry.name), depth + 1))
            } else {
                continue;
            };
            let folder = &mut self.folders[at];
            folder.shorts.insert(entry.short.to_lowercase(), key.clone());
            folder.names.insert(key, (entry.name, named));
        }
        at
    }

    pub(super) fn walk(&self, folder: usize, at: &Path, each: &mut dyn FnMut(PathBuf, usize)) {
        for (name, named) in self.folders[folder].names.values() {
            match named {
                Named::File(node) => each(at.join(name), *node),
                Named::Folder(below) => self.walk(*below, &at.join(name), each),
            }
        }
    }

    pub(super) fn fault<T>(&mut self, what: &str) -> io::Result<T> {
        self.faults.push(what.to_owned());
        self.read_only = true;
        Err(io::Error::other(format!("{what}: file system set read-only")))
    }

    pub(super) fn change(&mut self, what: &'static str) -> io::Result<()> {
        self.trace.push(what);
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    pub(super) fn link(&self, cluster: u32) -> Link {
        match self.links.get(&cluster) {
            None => self.geometry.link(&self.crash, cluster),
            Some(&FREE) => Link::Free,
            Some(&END) => Link::End,
            Some(next) => Link::Next(*next),
        }
    }

    /// The chain's clusters, and whether it ends as it should.
    pub(super) fn chain(&self, first: u32) -> (Vec<u32>, bool) {
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
    pub(super) fn clusters(&mut self, node: usize, upto: u64) -> io::Result<Vec<u32>> {
        let wanted = upto.div_ceil(self.geometry.cluster_bytes() as u64) as usize;
        let (mut chain, _) = self.chain(self.nodes[node].first);
        if chain.len() < wanted {
            return self.fault("a chain is shorter than its file");
        }
        chain.truncate(wanted);
        Ok(chain)
    }

    pub(super) fn read_cluster(&self, cluster: u32, from: usize, buffer: &mut [u8]) {
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

    pub(super) fn write_cluster(&mut self, cluster: u32, from: usize, bytes: &[u8]) {
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
    pub(super) fn allocate(&mut self) -> io::Result<u32> {
        let end = self.geometry.end_cluster;
        let after = self.last_allocated + 1;
        let free = (after..end).chain(2..after.min(end)).find(|cluster| self.link(*cluster) == Link::Free);
        let free = free.ok_or(io::ErrorKind::StorageFull)?;
        self.links.insert(free, END);
        self.last_allocated = free;
        Ok(free)
    }

    pub(super) fn grow(&mut self, node: usize) -> io::Result<()> {
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

    pub(super) fn free(&mut self, node: usize) -> io::Result<()> {
        let first = std::mem::take(&mut self.nodes[node].first);
        self.nodes[node].clusters = 0;
        let (chain, whole) = self.chain(first);
        for cluster in chain {
            self.links.insert(cluster, FREE);
        }
        if whole { Ok(()) } else { self.fault("a chain is freed that leads to free clusters") }
    }

    /// Clusters beyond those that its size needs are free again.
    pub(super) fn give_back(&mut self, node: usize) -> io::Result<()> {
        let Node { first, size_bytes, .. } = self.nodes[node];
        let keeps = size_bytes.div_ceil(self.geometry.cluster_bytes() as u64) as usize;
        let (chain, _) = self.chain(first);
        if chain.len() < keeps {
            return self.fault("a chain is shorter than its file");
        }
        for cluster in &chain[keeps..] {
            self.links.insert(*cluster, FREE);
        }
        if chain.len() > keeps && keeps > 0 {
            self.links.insert(chain[keeps - 1], END);
        }
        self.nodes[node].clusters = keeps as u64;
        Ok(())
    }

    pub(super) fn parts(&self, path: &Path) -> io::Result<Vec<String>> {
        let below = path.strip_prefix(&self.mount).map_err(|_| io::ErrorKind::NotFound)?;
        Ok(below.iter().map(|part| part.to_string_lossy().into_owned()).collect())
    }

    pub(super) fn named(&self, folder: usize, name: &str) -> Option<Named> {
        let (folder, name) = (&self.folders[folder], name.to_lowercase());
        let found = folder.names.get(&name);
        found.or_else(|| folder.names.get(folder.shorts.get(&name)?)).map(|(_, named)| *named)
    }

    pub(super) fn folder_at(&self, parts: &[String]) -> io::Result<usize> {
        parts.iter().try_fold(0, |folder, part| match self.named(folder, part) {
            Some(Named::Folder(below)) => Ok(below),
            Some(Named::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    /// The folder of a path, and the last part.
    pub(super) fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let mut parts = self.parts(path)?;
        let name = parts.pop().ok_or(io::ErrorKind::IsADirectory)?;
        Ok((self.folder_at(&parts)?, name))
    }

    pub(super) fn node_at(&self, path: &Path) -> io::Result<usize> {
        let (folder, name) = self.place(path)?;
        match self.named(folder, &name) {
            Some(Named::File(node)) => Ok(node),
            Some(Named::Folder(_)) => Err(io::ErrorKind::InvalidInput.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn forget(&mut self, folder: usize, name: &str) {
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

    pub(super) fn unlink(&mut self, node: usize) {
        self.nodes[node].gone = true;
        if self.nodes[node].opens == 0 {
            // A fault of this kind is told by `faults`; the kernel answers no error here.
            drop(self.free(node));
        }
    }

    pub(super) fn stamp(&self, node: usize) -> Stamp {
        let Node { size_bytes, mtime, .. } = self.nodes[node];
        Stamp { size_bytes, mtime_s: mtime, mtime_ns: 0, inode: node as u64 }
    }
}
