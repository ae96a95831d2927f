//! What cuts and file-system checks leave lying about: judged before anything is removed, and told where a person can act.

use std::io;
use std::path::Path;

use super::intent::SPARE_BYTES;
use super::{Disk, steps};
use crate::attic::measure;
use crate::error::{Error, Kind, Problem};
use crate::volume::{EntryKind, Volume};

impl Disk {
    /// Removes what a cut left of a large download. Never blindly: only a file that no record names (so it was never
    /// renamed, and shares its clusters with nothing), and only after all of it could be read (so its chain is whole). Small
    /// leftovers stay: they cost less than a mistake.
    pub(super) fn clear_leftovers(&self) -> io::Result<()> {
        let record = &self.slot.record;
        if record.keep_all || self.slot.is_new() {
            return Ok(());
        }
        for entry in self.volume.list(&self.incoming)? {
            let Some(name) = entry.name.to_str().filter(|_| entry.kind == EntryKind::File) else { continue };
            let named = record.spares.iter().any(|spare| spare.name == name)
                || record.strays.iter().any(|stray| stray == name)
                || record
                    .open
                    .as_ref()
                    .and_then(|open| open.new.as_ref())
                    .is_some_and(|new| new.name == name);
            let path = self.incoming.join(name);
            if named || self.volume.stamp(&path)?.size_bytes <= SPARE_BYTES {
                continue;
            }
            if measure(&*self.volume, &path).is_ok() {
                steps::remove(&*self.volume, &path)?;
            }
        }
        Ok(())
    }
}

/// What a file-system check found on this card and put aside: it may be somebody's save.
pub(super) fn found_by_checks(volume: &dyn Volume, root_dir: &Path) -> Option<Problem> {
    let listed = volume.list(root_dir).ok()?;
    let mut names: Vec<_> = listed
        .iter()
        .filter_map(|entry| entry.name.to_str())
        .filter(|name| {
            let name = name.to_ascii_uppercase();
            name.starts_with("FSCK") && name.ends_with(".REC") || name.starts_with("FOUND.")
        })
        .collect();
    names.sort_unstable();
    let first = names.first()?;
    let doing = format!("a file-system check put something aside in `{}`", root_dir.display());
    let cause =
        format!("`{first}` and the like, {} in all: pieces of files that a power cut damaged", names.len());
    let help = "if a save is missing or damaged, look there; `retrosync history` shows what is kept";
    Some(Error::new(Kind::Damaged, doing, cause).help(help).into())
}
