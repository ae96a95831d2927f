//! The card as the daemon reaches it.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, EntryKind, Volume, VolumeFile};

use super::Mounted;
use super::card::{Folder, Named, Node};

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
            _ if length == card.nodes[self.node].size_bytes => card.give_back(self.node)?,
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
