//! A crash as the daemon finds it: a volume over our own FAT reader, with what a kernel does to a damaged card.
//!
//! Reads go by the table, cluster by cluster, so names that share clusters really share bytes. Changes stay in memory. As
//! the kernel's vfat does, a chain that is shorter than its size, a cluster freed twice, or a chain that is longer than its
//! size and is to grow sets the card read-only; here that is also a fault, told by [`Mounted::faults`]. Folders change in
//! memory only: this card loses power no second time (that is what recording a recovery is for).

mod calls;
mod card;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use retrosync::volume::Volume;
use retrosync_protocol::Digest;

use crate::fat32::Geometry;
use crate::image::{ByNumber, Crash};
use crate::plan::Seen;
use card::Card;

/// The mounted card.
#[derive(Clone)]
pub(crate) struct Mounted(Arc<Mutex<Card>>);

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
            torn: Vec::new(),
        };
        card.load(geometry.root, mount, 0);
        Some(Mounted(Arc::new(Mutex::new(card))))
    }

    fn card(&self) -> MutexGuard<'_, Card> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A folder that grew as the power failed: of its new cluster the card knows, of the chain's new end it does not. No
    /// program can prevent it, or mend it; a check of the card can.
    pub(crate) fn torn(&self) -> Option<PathBuf> {
        self.card().torn.first().cloned()
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
