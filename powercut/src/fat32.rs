//! Reads FAT32 from sectors, on its own: nothing here is shared with the daemon or taken from a kernel.
//!
//! Written after Microsoft's "FAT32 File System Specification" (1.03): the boot sector, the file allocation table, folder
//! entries with long names. Whatever it reads may be the result of a crash: a chain may end early, run into free clusters
//! or in a circle, a long name may have lost its parts. Such things are values here, never panics.

use crate::image::{Crash, SECTOR};

/// Where things are on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// The first sector of the first table.
    pub(crate) fat_sector: u64,
    /// The first sector of cluster 2.
    pub(crate) data_sector: u64,
    /// Sectors of a cluster.
    pub(crate) cluster_sectors: u64,
    /// The number after the last cluster's.
    pub(crate) end_cluster: u32,
    /// Where the root folder begins.
    pub(crate) root: u32,
    /// The sector that hints at free clusters.
    pub(crate) hint_sector: u64,
}

/// What a table entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The cluster belongs to nothing.
    Free,
    /// The chain goes on there.
    Next(u32),
    /// It ends here.
    End,
    /// A number that leads nowhere.
    Wrong,
}

/// A folder entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dirent {
    /// The long name if it is whole, else the short one.
    pub(crate) name: String,
    /// The short name.
    pub(crate) short: String,
    /// A folder.
    pub(crate) is_folder: bool,
    /// Its first cluster; 0: none.
    pub(crate) first: u32,
    /// Its size.
    pub(crate) size_bytes: u64,
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from(bytes[at]) | u32::from(bytes[at + 1]) << 8
}

fn word(bytes: &[u8], at: usize) -> u32 {
    half(bytes, at) | half(bytes, at + 2) << 16
}

impl Geometry {
    /// Reads the boot sector; nothing if this is no FAT32.
    pub(crate) fn read(card: &Crash) -> Option<Geometry> {
        let boot = card.sector(0);
        if half(boot, 510) != 0xaa55 || half(boot, 11) != SECTOR as u32 || half(boot, 22) != 0 {
            return None;
        }
        let (reserved, tables) = (u64::from(half(boot, 14)), u64::from(boot[16]));
        let (table_sectors, sectors) = (u64::from(word(boot, 36)), u64::from(word(boot, 32)));
        let cluster_sectors = u64::from(boot[13]);
        let data_sector = reserved + tables * table_sectors;
        let clusters = sectors.checked_sub(data_sector)?.checked_div(cluster_sectors)?;
        Some(Geometry {
            fat_sector: reserved,
            data_sector,
            cluster_sectors,
            end_cluster: u32::try_from(clusters).ok()? + 2,
            root: word(boot, 44),
            hint_sector: u64::from(half(boot, 48)),
        })
    }

    /// The first sector of a cluster.
    pub(crate) fn sector_of(&self, cluster: u32) -> u64 {
        self.data_sector + u64::from(cluster - 2) * self.cluster_sectors
    }

    /// Bytes of a cluster.
    pub(crate) fn cluster_bytes(&self) -> usize {
        self.cluster_sectors as usize * SECTOR
    }

    /// What the table says of a cluster.
    pub(crate) fn link(&self, card: &Crash, cluster: u32) -> Link {
        let at = cluster as usize * 4;
        let sector = card.sector(self.fat_sector + (at / SECTOR) as u64);
        match word(sector, at % SECTOR) & 0x0fff_ffff {
            0 => Link::Free,
            0x0fff_fff8.. => Link::End,
            next if (2..self.end_cluster).contains(&next) => Link::Next(next),
            _ => Link::Wrong,
        }
    }

    /// The clusters from `first` on until the chain ends, and whether it ended as it should.
    pub(crate) fn chain(&self, card: &Crash, first: u32) -> (Vec<u32>, bool) {
        let (mut chain, mut at) = (Vec::new(), first);
        if !(2..self.end_cluster).contains(&first) {
            return (chain, first == 0);
        }
        while chain.len() < self.end_cluster as usize {
            match self.link(card, at) {
                Link::Free | Link::Wrong => return (chain, false),
                Link::End => {
                    chain.push(at);
                    return (chain, true);
                }
                Link::Next(next) => {
                    chain.push(at);
                    at = next;
                }
            }
        }
        (chain, false)
    }

    /// The entries of a folder.
    pub(crate) fn folder(&self, card: &Crash, first: u32) -> Vec<Dirent> {
        let (mut entries, mut long) = (Vec::new(), LongName::default());
        for cluster in self.chain(card, first).0 {
            let sectors = self.sector_of(cluster)..self.sector_of(cluster) + self.cluster_sectors;
            for slot in sectors.flat_map(|sector| card.sector(sector).chunks_exact(32)) {
                match (slot[0], slot[11] & 0x3f) {
                    (0, _) => return entries,
                    (0xe5, _) => long = LongName::default(),
                    (_, 0x0f) => long.take(slot),
                    (_, kind) => {
                        let long = std::mem::take(&mut long).of(slot);
                        if kind & 0x08 == 0 && slot[0] != b'.' {
                            entries.push(dirent(slot, long));
                        }
                    }
                }
            }
        }
        entries
    }
}

fn dirent(slot: &[u8], long: Option<String>) -> Dirent {
    let part = |bytes: &[u8], is_lower: bool| {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let text = text.trim_end().to_owned();
        if is_lower { text.to_lowercase() } else { text }
    };
    let (base, end) = (part(&slot[..8], slot[12] & 0x08 != 0), part(&slot[8..11], slot[12] & 0x10 != 0));
    let short = if end.is_empty() { base } else { format!("{base}.{end}") };
    Dirent {
        name: long.unwrap_or_else(|| short.clone()),
        short,
        is_folder: slot[11] & 0x10 != 0,
        first: half(slot, 26) | half(slot, 20) << 16,
        size_bytes: u64::from(word(slot, 28)),
    }
}

/// The parts of a long name, last part first on the card.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// Parts that are still to come before the short entry.
    left: u8,
    checksum: u8,
}

impl LongName {
    fn take(&mut self, slot: &[u8]) {
        let number = slot[0] & 0x3f;
        if slot[0] & 0x40 != 0 {
            *self = LongName { units: Vec::new(), left: number, checksum: slot[13] };
        }
        if self.left == 0 || number != self.left || slot[13] != self.checksum {
            *self = LongName::default();
            return;
        }
        self.left -= 1;
        let at = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        let units: Vec<u16> = at.map(|at| half(slot, at) as u16).take_while(|unit| *unit != 0).collect();
        self.units.splice(0..0, units);
    }

    /// The name, if all parts of it belong to this short entry.
    fn of(self, slot: &[u8]) -> Option<String> {
        let sum = slot[..11].iter().fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        (self.left == 0 && !self.units.is_empty() && sum == self.checksum)
            .then(|| String::from_utf16_lossy(&self.units))
    }
}
