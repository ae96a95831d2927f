//! A model of a FAT card that can lose power: what is durable, and what the kernel only holds in memory.
//!
//! Kept as separate dirty sets, as measured on real vfat: a file's sectors, the table (which clusters its chain has), its
//! inode (which on FAT *is* the folder entry's start and size, at the file's present entry), and the presence of entries in a
//! folder. `fsync` of a file writes its sectors, its inode and the table, in no order that a cut must respect; `fsync` of a
//! folder writes presence and the table. What nobody syncs may be written back by the kernel at any time. So after `rename` + `fsync(folder)` the new name is durable and holds what its
//! entry held before: the replaced file's freed chain, or nothing. A crash keeps any subset of what is dirty, sectors torn.
//!
//! What that leaves, as on a real card: an entry that speaks of more clusters than the table links (reading it makes the
//! kernel set the card read-only), or of fewer (growing it does the same); two names on one chain (removing either frees the
//! other's bytes); a long name of which only the short form is left, for its slots may lie in two sectors. Touching such a
//! thing is a violation here.
//!
//! Held against real vfat by `scripts/powercut`: every outcome that is seen there must be one that [`Fat::crash`] allows.
//! Simpler than the real thing: a cluster is a sector, a freed one is not given out again, a folder is there wholly or not,
//! and an inode that the kernel writes back by itself brings its links along: that it is cut in between, in the instant
//! between a write and our `fsync`, is left out.

#[path = "fat/alone.rs"]
mod alone;
#[path = "fat/calls.rs"]
mod calls;
#[path = "fat/card.rs"]
mod card;
#[path = "fat/crash.rs"]
mod crash;

use std::cell::RefMut;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync::volume::Volume;

pub(crate) use alone::Alone;
pub(crate) use card::Extent;
use card::{Card, Dirent, EMPTY};

pub(crate) const SECTOR: usize = 512;

/// The card.
#[derive(Clone)]
pub(crate) struct Fat(Arc<Alone<Card>>);

/// A file on the card.
#[allow(dead_code, reason = "held against real vfat")]
pub(crate) struct Held {
    pub(crate) path: PathBuf,
    /// What its entry says, in bytes.
    pub(crate) size: u64,
    /// None: its chain is too short, or free.
    pub(crate) bytes: Option<Vec<u8>>,
    /// Two of one number share their clusters.
    pub(crate) chain: Option<usize>,
    /// It has clusters that its size does not need.
    pub(crate) is_too_long: bool,
}

/// How a crash decides about each dirty thing.
pub(crate) trait Fate {
    /// Did it reach the card?
    fn reaches(&mut self) -> bool;
    /// Was it torn in the middle: half a sector, half of a chain's links, half of a name's slots?
    fn tears(&mut self) -> bool;
}

impl Fat {
    pub(crate) fn new() -> Fat {
        Fat(Arc::default())
    }

    fn card(&self) -> RefMut<'_, Card> {
        self.0.get()
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
            card.folders[folder].write();
            card.folders[folder].durable = true;
        }
        for chain in &mut card.chains {
            chain.sync();
        }
        card.write_table();
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

    /// What a firmware's file-system check does at boot: a file whose clusters are free, or too few, is emptied; one that has
    /// too many keeps those that its size speaks of.
    #[allow(dead_code, reason = "the simulation's emulators lose power")]
    pub(crate) fn check(&self) {
        let mut card = self.card();
        card.generation += 1;
        card.table_is_dirty = true;
        for node in 0..card.nodes.len() {
            let Some((folder, name)) = card.nodes[node].home.clone() else { continue };
            if card.extent(node).is_none() {
                (card.nodes[node].dirent, card.nodes[node].clusters) = (EMPTY, 0);
                card.name(&(folder, name)).durable = Some(EMPTY);
            } else if let Dirent { chain: Some(chain), size } = card.nodes[node].dirent {
                card.chains[chain].truncate(size.div_ceil(SECTOR as u64) as usize);
                card.chains[chain].sync();
            }
        }
        card.write_table();
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

    /// The same card once more, with all that the kernel holds of it in memory.
    #[allow(dead_code, reason = "sweeps begin again and again")]
    pub(crate) fn copy(&self) -> Fat {
        let card = self.card().clone();
        Fat(Arc::new(Alone::new(card)))
    }

    /// The card as it is found after the power comes back.
    pub(crate) fn crash(&self, fate: &mut dyn Fate) -> Fat {
        let mut card = self.card().clone();
        card.crash(fate);
        Fat(Arc::new(Alone::new(card)))
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

    /// Every file that can be read below one of these folders, with what it holds; counts as no call.
    #[allow(dead_code, reason = "the simulation looks at whole cards")]
    pub(crate) fn files_below(&self, folders: &[&str]) -> Vec<(PathBuf, Extent)> {
        let card = self.card();
        card.files_below(folders).filter_map(|(path, node)| Some((path, card.extent(node)?))).collect()
    }

    /// Every file, whatever its chain is; counts as no call.
    #[allow(dead_code, reason = "held against real vfat")]
    pub(crate) fn held(&self) -> Vec<Held> {
        let card = self.card();
        let held = |(path, node): (PathBuf, usize)| {
            let Dirent { chain, size } = card.nodes[node].dirent;
            let clusters = chain.map_or(0, |chain| card.chains[chain].now.len());
            let is_too_long = clusters as u64 > size.div_ceil(SECTOR as u64);
            let bytes = card.extent(node).map(|extent| extent.bytes().to_vec());
            Held { path, size, bytes, chain, is_too_long }
        };
        card.files().map(held).collect()
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
                hasher.write(name.as_encoded_bytes());
                let dirents = [of.durable, of.pending.flatten(), of.node.map(|node| card.nodes[node].dirent)];
                for (at, dirent) in dirents.into_iter().enumerate() {
                    let Dirent { chain, size } = dirent.unwrap_or(EMPTY);
                    hasher.write_u64(size + at as u64);
                    if let Some(chain) = chain.map(|chain| &card.chains[chain]) {
                        hasher.write(chain.now.as_flattened());
                        hasher.write_usize(chain.linked);
                        hasher.write_u8(u8::from(chain.freed) * 2 + u8::from(chain.freed_durably));
                        for at in chain.dirty() {
                            hasher.write_usize(at);
                            hasher.write(&chain.on_card(at));
                        }
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
