//! New bytes on the card before they take a save's place: streamed into `incoming/`, verified, durable, and in the form of the file
//! that they replace. Touches no save.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use retrosync_protocol::{Content, Hasher, SaveId};

use super::intent::{New, SPARE_BYTES, Spare};
use super::{Disk, steps};
use crate::attic::{look, measure};
use crate::error::{Error, Kind, Result};
use crate::formats::{self, AsNew, Form};
use crate::snapshot::RelativePath;
use crate::volume::{Appender, VolumeFile};

/// New bytes, verified and durable on the card, waiting to take a save's place. Dropped unused, the next bytes of their
/// size are staged in their file.
#[derive(Debug)]
pub struct Staged {
    /// The file's name in `incoming/`; empty once it is used.
    pub(super) name: String,
    pub(super) content: Content,
    /// How the emulator here writes where no file is yet.
    as_new: AsNew,
    unused: Unused,
}

/// Files of dropped [`Staged`]s.
pub(super) type Unused = Arc<Mutex<Vec<Spare>>>;

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.name.is_empty()
            && let Ok(mut unused) = self.unused.lock()
        {
            let (name, size_bytes) = (std::mem::take(&mut self.name), self.content.size_bytes);
            unused.push(Spare { name, size_bytes });
        }
    }
}

impl Staged {
    /// What it holds.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Where no file is yet, writes it as its emulator here would.
    #[must_use]
    pub fn written(mut self, as_new: AsNew) -> Staged {
        self.as_new = as_new;
        self
    }

    /// Takes the file out: from here on a record names it.
    pub(super) fn take(mut self) -> New {
        New { name: std::mem::take(&mut self.name), content: self.content }
    }
}

impl Disk {
    /// Streams a payload onto the card, verifies it, makes it durable. Touches no save.
    ///
    /// # Errors
    /// `Damaged` when it is not `content`; `Full`; what reading the payload failed with. Then nothing is left of it.
    pub fn stage(&mut self, content: &Content, payload: &mut dyn Read) -> Result<Staged> {
        let doing = || format!("cannot stage {} bytes", content.size_bytes);
        self.reclaim();
        let (name, mut file, is_new) = self.staging_file(content).map_err(|e| Error::io(doing(), &e))?;
        let staged =
            Staged { name, content: *content, as_new: AsNew::default(), unused: self.unused.clone() };
        let written = fill(&mut *file, content, payload).and_then(|()| {
            if is_new {
                // On FAT the table must be durable before the entry speaks of its clusters: the folder's sync writes it.
                self.volume.sync_folder(&self.incoming)?;
            }
            file.sync()
        });
        drop(file);
        match written {
            Ok(()) => Ok(staged),
            Err(error) => {
                if is_new {
                    // Made by this very call: no other name can share its clusters.
                    let _ = steps::remove(&*self.volume, &self.incoming.join(staged.take().name));
                }
                if error.kind() == io::ErrorKind::StorageFull {
                    self.give_back_spares();
                }
                Err(Error::io(doing(), &error))
            }
        }
    }

    /// The staged payload in the form of the file that it replaces, or of a new file of its name: what is staged then is
    /// proved to hold this payload and no other.
    pub(super) fn formed(&mut self, path: &RelativePath, save: &SaveId, staged: Staged) -> Result<Staged> {
        let doing = || format!("cannot put another version into `{path}`");
        let form = match self.volume.open(&path.under(&self.root_dir)) {
            Ok(file) => Form::of(save, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Form::of_new(save, path.name(), staged.as_new))
            }
            Err(error) => Err(error),
        };
        let form = form.map_err(|error| Error::io(doing(), &error))?;
        let payload = staged.content;
        let staged = if form.is_plain() {
            staged
        } else {
            self.in_form(&form, &staged).map_err(|error| {
                let error = Error::io(doing(), &error);
                error.help("it stays as it is on this device; every version is kept on the server")
            })?
        };
        if !form.is_plain() || payload.size_bytes <= formats::SHAPED_MOST_BYTES as u64 {
            let looked = look(&*self.volume, &self.incoming.join(&staged.name), save)?;
            if looked.is_none_or(|(looked, _)| looked.payload != payload) {
                let error = Error::new(Kind::Damaged, doing(), "it would not come back as the same bytes");
                return Err(
                    error.help("it stays as it is on this device; every version is kept on the server")
                );
            }
        }
        Ok(staged)
    }

    /// A staged file that holds the payload of another in this form; durable.
    fn in_form(&mut self, form: &Form, staged: &Staged) -> io::Result<Staged> {
        let mut payload = self.volume.open(&self.incoming.join(&staged.name))?;
        let name = self.fresh_name();
        let path = self.incoming.join(&name);
        let mut file = self.volume.create_new(&path)?;
        let size_bytes = staged.content.size_bytes;
        let written =
            form.write(&mut payload, size_bytes, &mut Appender::new(&mut *file, 0)).and_then(|()| {
                file.sync()?;
                self.volume.sync_folder(&self.incoming)?;
                measure(&*self.volume, &path)
            });
        drop(file);
        match written {
            Ok(content) => {
                Ok(Staged { name, content, as_new: AsNew::default(), unused: self.unused.clone() })
            }
            Err(error) => {
                // Made by this very call: no other name can share its clusters.
                let _ = steps::remove(&*self.volume, &path);
                if error.kind() == io::ErrorKind::StorageFull {
                    self.give_back_spares();
                }
                Err(error)
            }
        }
    }

    /// A name in `incoming/` that neither a file nor the record has.
    pub(super) fn fresh_name(&mut self) -> String {
        self.last_name += 1;
        format!("{:08}", self.last_name)
    }

    /// A spare of just this size, or a new file.
    fn staging_file(&mut self, content: &Content) -> io::Result<(String, Box<dyn VolumeFile>, bool)> {
        let spares = &mut self.slot.record.spares;
        while let Some(at) = spares.iter().position(|spare| spare.size_bytes == content.size_bytes) {
            let Spare { name, size_bytes } = spares.remove(at);
            if let Ok(file) = self.volume.open_write(&self.incoming.join(&name))
                && file.stamp()?.size_bytes == size_bytes
            {
                return Ok((name, file, false));
            }
        }
        let name = self.fresh_name();
        let file = self.volume.create_new(&self.incoming.join(&name))?;
        Ok((name, file, true))
    }

    /// Takes back the files of staged bytes that were not wanted after all.
    pub(super) fn reclaim(&mut self) {
        let unused = self.unused.lock().map(|mut unused| std::mem::take(&mut *unused)).unwrap_or_default();
        for spare in unused {
            if spare.size_bytes > SPARE_BYTES {
                // Staged in this run and never renamed: no other name can share its clusters.
                let _ = steps::remove(&*self.volume, &self.incoming.join(spare.name));
            } else {
                self.slot.record.spares.push(spare);
            }
        }
    }

    /// The card is full: what lies ready to be written again is room for the next try.
    pub(super) fn give_back_spares(&mut self) {
        self.reclaim();
        for spare in std::mem::take(&mut self.slot.record.spares) {
            let _ = steps::remove(&*self.volume, &self.incoming.join(spare.name));
        }
    }
}

/// Writes a payload at the start of `file`, and proves that it is `content`.
fn fill(file: &mut dyn VolumeFile, content: &Content, payload: &mut dyn Read) -> io::Result<()> {
    let (mut hasher, mut offset) = (Hasher::default(), 0);
    let mut piece = vec![0; content.size_bytes.clamp(1, 64 << 10) as usize];
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    loop {
        let count = match payload.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            break;
        }
        if offset + count as u64 > content.size_bytes {
            return Err(wrong("more bytes came than were promised"));
        }
        hasher.update(&piece[..count]);
        file.write_all_at(&piece[..count], offset)?;
        offset += count as u64;
    }
    if offset < content.size_bytes {
        return Err(wrong("fewer bytes came than were promised"));
    }
    if hasher.finish() != content.digest {
        return Err(wrong("the bytes are not those of their digest"));
    }
    Ok(())
}
