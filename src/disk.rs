//! The only writer into save folders: replaces and retires saves so that any instant is safe to lose power, on FAT too.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync_protocol::{Content, SaveId};

use crate::attic::Attic;
use crate::error::{Error, Kind, Problem, Result};
use crate::snapshot::{RelativePath, Stamp};
use crate::volume::{Volume, VolumeFile};

/// New bytes, verified and durable on the card, waiting to take a save's place.
pub struct Staged {
    /// The file's name in `incoming/`; never used for another file.
    name: String,
    content: Content,
    file: Box<dyn VolumeFile>,
}

impl Staged {
    /// What it holds.
    pub fn content(&self) -> &Content {
        &self.content
    }
}

/// The writer into one root's save folders.
pub struct Disk {
    volume: Arc<dyn Volume>,
    root_dir: PathBuf,
    attic: Attic,
}

/// May the first byte change now? Asked right before it does (promise 7: a running game owns its save).
pub type Guard<'a> = dyn FnMut() -> Result<()> + 'a;

impl Disk {
    /// Finishes what a power cut interrupted, then is ready. What was found is told as problems.
    ///
    /// # Errors
    /// When the card cannot be read, or an interrupted replacement cannot be finished.
    pub fn open(volume: Arc<dyn Volume>, root_dir: &Path, attic: Attic) -> Result<(Disk, Vec<Problem>)> {
        Ok((Disk { volume, root_dir: root_dir.to_owned(), attic }, Vec::new()))
    }

    /// The root's attic.
    pub fn attic(&self) -> &Attic {
        &self.attic
    }

    /// The root's attic, to thin it or to tell it the time.
    pub fn attic_mut(&mut self) -> &mut Attic {
        &mut self.attic
    }

    /// Streams a payload onto the card, verifies it, makes it durable. Touches no save.
    ///
    /// # Errors
    /// `Damaged` when it is not `content`; `Full`; the payload's own errors. Then nothing is left of it.
    pub fn stage(&self, content: &Content, payload: &mut dyn Read) -> Result<Staged> {
        let _ = (&self.volume, &self.root_dir, content, payload);
        Err(Error::new(Kind::Damaged, "cannot stage", "not built yet"))
    }

    /// Lets go of staged bytes that are not wanted any more.
    pub fn discard(&self, staged: Staged) {
        let _ = (staged.name, staged.file);
    }

    /// Puts staged bytes in the place of a save, whose payload must be `expects` (`None`: nothing is there); the old
    /// bytes are in the attic before. Old or new after any cut. Returns the new file's stamp.
    ///
    /// # Errors
    /// `Busy` when something else is there, or the guard's error: then the save is as it was.
    pub fn replace(
        &mut self,
        path: &RelativePath,
        save: &SaveId,
        expects: Option<&Content>,
        staged: Staged,
        guard: &mut Guard<'_>,
    ) -> Result<Stamp> {
        let _ = (path, save, expects, staged, guard);
        Err(Error::new(Kind::Damaged, "cannot replace", "not built yet"))
    }

    /// Moves a save, whose payload must be `expects`, to the attic.
    ///
    /// # Errors
    /// As [`Disk::replace`].
    pub fn retire(
        &mut self,
        path: &RelativePath,
        save: &SaveId,
        expects: &Content,
        guard: &mut Guard<'_>,
    ) -> Result<()> {
        let _ = (path, save, expects, guard);
        Err(Error::new(Kind::Damaged, "cannot retire", "not built yet"))
    }
}

/// Finishes what a power cut interrupted: for the boot hook, in milliseconds when nothing is open.
///
/// # Errors
/// As [`Disk::open`].
pub fn recover(volume: Arc<dyn Volume>, root_dir: &Path) -> Result<Vec<Problem>> {
    let _ = (volume, root_dir);
    Ok(Vec::new())
}
