//! A volume that can be read and takes no write: for commands that look at a card while the daemon writes it.
//!
//! What is written vanishes, so that whoever opens a log may believe that it made it; nobody keeps what it said.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use crate::snapshot::Stamp;
use crate::volume::{Entry, Volume, VolumeFile};

/// The volume, over one that can be written.
pub(super) struct Still(pub(super) Arc<dyn Volume>);

struct StillFile<F>(F, Stamp);

impl<F: Read> Read for StillFile<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl<F: Seek> Seek for StillFile<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl<F: Read + Seek + Send> VolumeFile for StillFile<F> {
    fn write_all_at(&mut self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, _length: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(self.1)
    }
}

impl Volume for Still {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let file = self.0.open(path)?;
        let stamp = file.stamp()?;
        Ok(Box::new(StillFile(file, stamp)))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.open(path)
    }

    fn create_new(&self, _path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(Box::new(StillFile(Cursor::new(Vec::new()), Stamp::default())))
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_folder(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        match self.0.list(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries,
        }
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.0.stamp(path)
    }
}
