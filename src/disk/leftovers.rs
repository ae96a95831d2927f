//! What cuts and file-system checks leave lying about: judged before anything is removed, and told where a person can act.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use litemap::LiteMap;
use retrosync_protocol::{Digest, Hasher, SaveId};

use super::intent::SPARE_BYTES;
use super::{Disk, steps};
use crate::attic::{Attic, measure};
use crate::error::{Error, Kind, Problem};
use crate::journal::Journal;
use crate::root::STATE_FOLDER;
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
            let named = record.names().any(|known| known == name);
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

/// What a file-system check found on this card and put aside: it may be somebody's save. Named where its bytes are ones that
/// the attic holds or both sides agreed on; then nothing of it is lost.
pub fn found_by_checks(volume: &Arc<dyn Volume>, root_dir: &Path, attic: &Attic) -> Option<Problem> {
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
    let mut cause =
        format!("`{first}` and the like, {} in all: pieces of files that a power cut damaged", names.len());
    let known = known(volume, root_dir, attic);
    let mut unknown = names.len();
    for name in &names {
        if let Some(save) = recognised(&**volume, &root_dir.join(name), &known) {
            cause.push_str(&format!("; `{name}` is {save}"));
            unknown -= 1;
        }
    }
    let help = match unknown {
        0 => "nothing of them is lost: `retrosync history` shows what is kept",
        _ => "if a save is missing or damaged, look there; `retrosync history` shows what is kept",
    };
    Some(Error::new(Kind::Damaged, doing, cause).help(help).into())
}

/// Contents that can be given back, by their size in bytes: a check restores whole clusters, and only the beginning of
/// them was the save.
fn known(volume: &Arc<dyn Volume>, root_dir: &Path, attic: &Attic) -> LiteMap<u64, Vec<(Digest, SaveId)>> {
    let journal = Journal::open(Arc::clone(volume), &root_dir.join(STATE_FOLDER));
    let base = journal.ok().map(|(journal, _)| journal.base().saves.clone()).unwrap_or_default();
    let agreed = base.into_iter().filter_map(|(save, entry)| Some((entry.content?, save)));
    let kept = attic.list(None).into_iter().map(|entry| (entry.file, entry.save));
    let mut known: LiteMap<u64, Vec<(Digest, SaveId)>> = LiteMap::new();
    for (content, save) in agreed.chain(kept).filter(|(content, _)| content.size_bytes > 0) {
        known.entry(content.size_bytes).or_default().push((content.digest, save));
    }
    known
}

/// Whose bytes the file begins with; reads no further than the largest that it could be.
fn recognised<'a>(
    volume: &dyn Volume,
    path: &Path,
    known: &'a LiteMap<u64, Vec<(Digest, SaveId)>>,
) -> Option<&'a SaveId> {
    let mut file = volume.open(path).ok()?;
    let (mut hasher, mut read_bytes) = (Hasher::default(), 0);
    let mut buffer = [0; 4096];
    for (size_bytes, saves) in known {
        while read_bytes < *size_bytes {
            let left = usize::try_from(size_bytes - read_bytes).unwrap_or(usize::MAX);
            let count = file.read(&mut buffer[..left.min(4096)]).ok().filter(|count| *count > 0)?;
            hasher.update(&buffer[..count]);
            read_bytes += count as u64;
        }
        let digest = hasher.clone().finish();
        if let Some((_, save)) = saves.iter().find(|(known, _)| *known == digest) {
            return Some(save);
        }
    }
    None
}
