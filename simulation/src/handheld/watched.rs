//! The card as the daemon reaches it: each change is counted, and judged; what planted bugs forget is forgotten here.

use std::cell::RefMut;
use std::io;
use std::path::{Path, PathBuf};

use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, Volume, VolumeFile};

use super::{Handheld, ROOT, Running, SECOND, Shared};
use crate::bug::Bug;

/// The card as the daemon reaches it: each change is counted, and judged.
pub struct Watched(pub Shared);

impl Watched {
    /// A change is about to be made to a path.
    fn changes(&self, path: &Path) {
        let mut handheld = self.0.get();
        handheld.changes += 1;
        let is_under_it = |game: &Running| handheld.paths[game.save] == path;
        if handheld.game.as_ref().is_some_and(|game| !game.is_seen && is_under_it(game)) {
            let game = handheld.game.as_mut();
            game.into_iter()
                .for_each(|game| (game.was_replaced, game.is_known, game.is_noted) = (true, false, false));
        }
        if handheld.game.as_ref().is_some_and(|game| game.is_seen) && handheld.is_save(path) {
            handheld.violations.push(format!("`{}` was written while its game ran", path.display()));
        }
    }

    /// Is the card there to look at?
    fn look(&self, path: &Path) -> io::Result<RefMut<'_, Handheld>> {
        let handheld = self.0.get();
        let is_believed = handheld.bug == Some(Bug::MarkerRecreated) && path.ends_with(".retrosync/root");
        if handheld.is_away(path) && !is_believed {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(handheld)
    }

    /// Is the card there to be changed? What is written into the empty folder in its place is a violation.
    fn touch(&self, path: &Path, makes_parents: bool) -> io::Result<()> {
        let mut handheld = self.0.get();
        if !handheld.is_away(path) {
            return Ok(());
        }
        // Where the card was is an empty folder: what lies deeper cannot be made there by itself.
        let is_in_root = path.parent().is_some_and(is_root);
        let is_deeper = !makes_parents && !is_in_root;
        if is_deeper && handheld.bug != Some(Bug::MarkerRecreated) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // Below a folder that is not there nothing can be made.
        let marked = Path::new(ROOT).join(".retrosync");
        let is_marked = handheld.bug == Some(Bug::MarkerRecreated) && path.parent() == Some(&marked);
        if is_marked || is_in_root {
            handheld.violations.push(format!("`{}` was made where no card is", path.display()));
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn file(&self, file: Box<dyn VolumeFile>, path: &Path) -> Box<dyn VolumeFile> {
        Box::new(WatchedFile { file, path: path.to_owned(), card: Watched(self.0.clone()) })
    }
}

impl Volume for Watched {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(self.file(self.look(path)?.fat.open(path)?, path))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(self.file(self.look(path)?.fat.open_write(path)?, path))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.touch(path, false)?;
        self.changes(path);
        Ok(self.file(self.0.get().fat.create_new(path)?, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.touch(to, false)?;
        self.changes(from);
        self.changes(to);
        let mut handheld = self.0.get();
        let leaves = handheld.leaves(from);
        handheld.fat.rename(from, to)?;
        if let Some((save, digest)) = leaves {
            handheld.taken[save] = digest;
            handheld.replaced.extend(digest.map(|digest| (save, digest)));
        }
        if let Some(save) = handheld.number_of(to) {
            handheld.taken[save] = None;
        }
        if handheld.is_save(to) && std::mem::take(&mut handheld.flips) {
            handheld.fat.undisturbed(|fat| fat.open_write(to)?.write_all_at(b"?", 0))?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        drop(self.look(path)?);
        self.changes(path);
        self.0.get().fat.remove(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.touch(path, true)?;
        self.0.get().fat.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.look(path)?.fat.sync_folder(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        match self.look(path) {
            // An empty folder is mounted, or left, where the card was.
            Err(_) if is_root(path) => Ok(Vec::new()),
            handheld => handheld?.fat.list(path),
        }
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.look(path)?.fat.stamp(path)
    }
}

fn is_root(path: &Path) -> bool {
    [ROOT, SECOND].map(Path::new).contains(&path)
}

struct WatchedFile {
    file: Box<dyn VolumeFile>,
    path: PathBuf,
    card: Watched,
}

impl WatchedFile {
    /// Does the planted bug forget this sync?
    fn is_forgotten(&self) -> bool {
        let handheld = self.card.0.get();
        if handheld.bug.is_none() {
            return false;
        }
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = self.path.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
        match handheld.bug {
            // The file is known by the name under which it was opened: renamed since, that name is gone.
            Some(Bug::NoSyncAfterRename) => handheld.fat.stamp(&self.path).is_err(),
            Some(Bug::AtticNotSynced) => folder == "attic",
            Some(Bug::SaveNotSynced) => handheld.is_save(&self.path),
            Some(Bug::IntentNotSynced) => name.starts_with("slot"),
            Some(Bug::NumbersNotReserved) => name.starts_with("identity"),
            Some(Bug::TokenBeforeSync) => handheld.pairs && name.starts_with("identity"),
            _ => false,
        }
    }
}

impl WatchedFile {
    /// A file of a card that is not in its slot any more fails.
    fn is_there(&self) -> io::Result<()> {
        if self.card.0.get().is_away(&self.path) { Err(io::Error::other("no such device")) } else { Ok(()) }
    }

    /// What planted bugs do to a write; true if it is done.
    fn is_mistaken(&mut self, offset: u64) -> io::Result<bool> {
        let (bug, is_save) = {
            let handheld = self.card.0.get();
            if handheld.bug.is_none() {
                return Ok(false);
            }
            (handheld.bug, handheld.is_save(&self.path))
        };
        let folder = self.path.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
        match bug {
            Some(Bug::AtticSkipped) => Ok(folder == "attic" && !self.path.ends_with("index")),
            Some(Bug::TruncatesFirst) if is_save && offset == 0 => self.file.set_len(0).map(|()| false),
            _ => Ok(false),
        }
    }

    /// What a planted bug syncs too late: a save, only once the journal is durable. True if it is put off.
    fn is_put_off(&self) -> io::Result<bool> {
        let mut handheld = self.card.0.get();
        if handheld.bug != Some(Bug::BaseBeforeData) {
            return Ok(false);
        }
        if handheld.is_save(&self.path) {
            handheld.put_off.push(self.path.clone());
            return Ok(true);
        }
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let late =
            if name.starts_with("journal") { std::mem::take(&mut handheld.put_off) } else { Vec::new() };
        let fat = handheld.fat.clone();
        drop(handheld);
        late.iter().try_for_each(|path| fat.open_write(path)?.sync()).map(|()| false)
    }
}

impl io::Read for WatchedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_there().or_else(|error| if self.path.ends_with("root") { Ok(()) } else { Err(error) })?;
        self.file.read(buffer)
    }
}

impl io::Seek for WatchedFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl VolumeFile for WatchedFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.is_there()?;
        self.card.changes(&self.path);
        if self.is_mistaken(offset)? {
            return Ok(());
        }
        let flips = {
            let mut handheld = self.card.0.get();
            if let Some((save, Some(digest))) = handheld.leaves(&self.path).filter(|_| offset == 0) {
                handheld.replaced.push((save, digest));
            }
            handheld.flips && handheld.is_save(&self.path) && std::mem::take(&mut handheld.flips)
        };
        match self.file.write_all_at(if flips { b"?" } else { bytes }, offset) {
            Err(error)
                if error.kind() == io::ErrorKind::StorageFull
                    && self.card.0.get().bug == Some(Bug::SwallowsAFullCard) =>
            {
                Ok(())
            }
            written => written,
        }
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.is_there()?;
        self.card.changes(&self.path);
        self.file.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.is_there()?;
        if self.is_forgotten() || self.is_put_off()? { Ok(()) } else { self.file.sync() }
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.is_there()?;
        self.file.stamp()
    }
}
