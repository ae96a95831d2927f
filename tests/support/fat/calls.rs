//! The model as the daemon reaches it: calls, each of which may be cut or fail.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, EntryKind, Volume, VolumeFile};

use super::card::{Chain, Dirent, EMPTY, Folder, Node};
use super::{Fat, SECTOR};

impl Fat {
    fn opened(&self, node: usize) -> Box<dyn VolumeFile> {
        self.card().nodes[node].opens += 1;
        Box::new(FatFile { fat: self.clone(), node, at: 0 })
    }
}

impl Volume for Fat {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let mut card = self.card();
        card.call(false)?;
        let node = card.node_at(path)?;
        drop(card);
        Ok(self.opened(node))
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
        name.node = Some(node);
        name.become_(Some(EMPTY));
        card.nodes.push(Node { dirent: EMPTY, clusters: 0, home: Some(home), mtime, ..Node::default() });
        drop(card);
        Ok(self.opened(node))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        let node = card.node_at(from)?;
        let (from, home) = (card.home_of(from)?, card.home_of(to)?);
        if let Some(replaced) = card.name(&home).node.replace(node) {
            // The entry stays and keeps pointing at this chain until the renamed inode is written into it.
            card.nodes[replaced].home = None;
            card.let_go(replaced, to);
        } else {
            card.name(&home).become_(Some(EMPTY));
        }
        let left = card.name(&from);
        left.node = None;
        left.become_(None);
        card.nodes[node].home = Some(home);
        card.nodes[node].dirty = true;
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        let node = card.node_at(path)?;
        let home = card.home_of(path)?;
        let left = card.name(&home);
        left.node = None;
        left.become_(None);
        card.nodes[node].home = None;
        card.let_go(node, path);
        Ok(())
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut card = self.card();
        card.call(true)?;
        let is_first = card.folders.is_empty();
        for folder in path.ancestors() {
            // There a card is mounted: the first is of the card as it came.
            let is_mount = folder.parent().is_none_or(|above| above.parent().is_none());
            let (path, claimed): (Arc<[u8]>, bool) =
                (folder.as_os_str().as_bytes().into(), !is_first && !is_mount);
            if card.folder_at(&path).is_err() {
                card.folders.push(Folder { path, durable: false, claimed, names: BTreeMap::new() });
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
        // The table goes with it.
        card.write_table();
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

struct FatFile {
    fat: Fat,
    node: usize,
    at: u64,
}

impl Drop for FatFile {
    fn drop(&mut self) {
        let Some(mut card) = self.fat.0.get_free() else { return };
        card.nodes[self.node].opens -= 1;
        // Once the power is off nothing more reaches the card.
        if !card.off {
            card.let_go(self.node, Path::new("a removed file"));
        }
    }
}

impl Read for FatFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut card = self.fat.card();
        card.call(false)?;
        let Dirent { chain, size } = card.nodes[self.node].dirent;
        let rest = size.saturating_sub(self.at) as usize;
        let count = rest.min(buffer.len());
        let Some(chain) = chain.filter(|_| count > 0) else { return Ok(0) };
        card.reach(self.node, self.at + count as u64)?;
        let at = self.at as usize;
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
        let Node { mut dirent, clusters, .. } = card.nodes[self.node].clone();
        card.reach(self.node, (clusters * SECTOR) as u64)?;
        let end = offset as usize + bytes.len();
        let needed = end.div_ceil(SECTOR);
        if needed > clusters && dirent.chain.is_some_and(|chain| card.chains[chain].now.len() > clusters) {
            return Err(card.hurt("grew a chain that is longer than its file", self.node));
        }
        card.take_room(needed.saturating_sub(clusters))?;
        card.clock = card.told.unwrap_or(card.clock + 1);
        let chain = dirent.chain.unwrap_or_else(|| {
            card.chains.push(Chain::default());
            card.chains.len() - 1
        });
        dirent = Dirent { chain: Some(chain), size: dirent.size.max(end as u64) };
        card.chains[chain].write(offset as usize, bytes);
        card.table_is_dirty |= needed > clusters;
        let mtime = card.clock;
        let node = &mut card.nodes[self.node];
        node.dirty |= node.dirent != dirent;
        (node.dirent, node.clusters, node.mtime) = (dirent, clusters.max(needed), mtime);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let mut card = self.fat.card();
        card.call(true)?;
        let Node { dirent, home, .. } = card.nodes[self.node].clone();
        assert!(length <= dirent.size, "the model does not grow files by set_len");
        let keeps = length.div_ceil(SECTOR as u64) as usize;
        if keeps == 0 {
            let name = home.map(|(_, name)| PathBuf::from(name.as_ref())).unwrap_or_default();
            card.free(dirent.chain, &name);
        } else if let Some(chain) = dirent.chain {
            // In place: what is too much goes, also what the entry never spoke of.
            card.reach(self.node, length)?;
            let given_back = card.chains[chain].now.len() - keeps;
            if given_back > 0 {
                card.chains[chain].truncate(keeps);
                card.table_is_dirty = true;
                card.room = card.room.map(|room| room + given_back);
            }
        }
        let node = &mut card.nodes[self.node];
        node.dirent = if keeps == 0 { EMPTY } else { Dirent { chain: dirent.chain, size: length } };
        (node.clusters, node.dirty) = (keeps, true);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut card = self.fat.card();
        let was_on = !card.off;
        let called = card.call(true);
        card.nodes[self.node].in_sync = was_on && card.off;
        called?;
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
