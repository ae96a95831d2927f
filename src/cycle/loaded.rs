//! What a running game loaded before we replaced its save, also when the daemon is started anew under the game.
//!
//! [`Launches`](crate::playing::Launches) finds out; the journal keeps it. Here the two are brought together, and the base
//! is told as the game knows it. Decides nothing.

use std::borrow::Cow;

use retrosync_protocol::{Mistake, SaveHeads, SaveId};

use super::Parts;
use crate::error::Result;
use crate::journal::Entry;
use crate::scan::Found;
use crate::snapshot::{Base, BaseEntry};

/// Takes up what an earlier run had found out.
pub(super) fn recall(parts: &mut Parts) {
    for (save, before) in parts.journal.loaded() {
        parts.memory.launches.recall(save, before.as_ref());
    }
}

/// Makes the journal say what is known now; durable with its next sync.
///
/// # Errors
/// When the journal cannot take it.
pub(super) fn keep(parts: &mut Parts) -> Result<()> {
    let known: Vec<(SaveId, _)> =
        parts.memory.launches.loaded().map(|(save, before)| (save.clone(), before.cloned())).collect();
    let loaded = parts.journal.loaded().iter().map(|(save, _)| save);
    let ended = loaded.filter(|save| known.iter().all(|(known, _)| known != *save));
    for save in ended.cloned().collect::<Vec<_>>() {
        let heads = parts.journal.listing().saves.get(&save).cloned().unwrap_or_default();
        let entry = match parts.journal.base().saves.get(&save) {
            Some(entry) => Entry::Settled { entry: entry.clone(), save: save.clone() },
            None => Entry::Forgotten { save: save.clone() },
        };
        parts.journal.record(entry)?;
        // What is settled is taken for a head: what the remote has said since then stands.
        parts.journal.record(Entry::Heads(SaveHeads { save, heads }))?;
    }
    for (save, before) in known.into_iter().filter(|_| !Mistake::LaunchIsNotNoted.is_made()) {
        parts.journal.record(Entry::Loaded { save, before })?;
    }
    Ok(())
}

/// The base, but for saves that a running game loaded before we replaced them: what it wrote descends from those.
pub(super) fn base<'a>(parts: &'a Parts, found: &Found) -> Cow<'a, Base> {
    let mut base = Cow::Borrowed(parts.journal.base());
    for (save, loaded) in parts.memory.launches.loaded() {
        let agreed = base.saves.get(save);
        let (put, is_trusted) = (agreed.and_then(|e| e.content), agreed.is_some_and(|e| e.trusted));
        // Set aside is what lies here, whatever it was made from.
        let aside = agreed.and_then(|e| e.aside);
        let here = found.local.saves.get(save).map(|here| here.content);
        if here.is_some() && here != put && !Mistake::ParentFromTheJournal.is_made() {
            match loaded {
                Some(entry) => {
                    let trusted = entry.trusted && is_trusted;
                    base.to_mut().saves.insert(save.clone(), BaseEntry { trusted, aside, ..entry.clone() })
                }
                None => base.to_mut().saves.remove(save),
            };
        }
    }
    base
}
