//! Thinning the attic: rarely, and only of what the remote says that it holds (promise 1).

use litemap::LiteMap;
use retrosync_protocol::{Ask, ChangesRequest, Digest, SaveId};

use super::{ASK_MOST, Parts};
use crate::attic::{AtticEntry, Limits};
use crate::disk::Disk;
use crate::error::Result;

/// Lets go of the oldest entries of attics that are over their limits. Makes no request while none is.
///
/// # Errors
/// When the remote cannot be asked or a card fails; then nothing more is let go.
pub(super) fn thin(parts: &mut Parts, limits: &Limits) -> Result<()> {
    let full: Vec<Vec<AtticEntry>> =
        disks(parts).map(|disk| disk.attic().list(None)).filter(|entries| is_over(entries, limits)).collect();
    let mut wanted: Vec<(SaveId, Digest)> =
        full.into_iter().flatten().map(|entry| (entry.save, entry.content.digest)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(());
    }
    let ask = wanted.into_iter().take(ASK_MOST).map(|(save, digest)| Ask { save, digest });
    let ask: Vec<Ask> = ask.collect();
    let base = parts.journal.base();
    // What changed meanwhile is not taken in here: the cursor stays, and the next cycle hears it again.
    let changes = parts.remote.list(&ChangesRequest {
        since: base.cursor,
        epoch: base.epoch.clone(),
        limit: Some(1),
        ask: ask.clone(),
        ..ChangesRequest::default()
    })?;
    let pairs = ask.into_iter().zip(changes.known).filter(|(_, known)| *known);
    // In the order in which it was asked.
    let held: Vec<(SaveId, Digest)> = pairs.map(|(ask, _)| (ask.save, ask.digest)).collect();
    let holds = |save: &SaveId, digest: &Digest| {
        held.binary_search_by(|(of, known)| of.cmp(save).then_with(|| known.cmp(digest))).is_ok()
    };
    for disk in parts.cards.iter_mut().filter_map(|card| card.disk.as_mut()) {
        let gone = disk.attic_mut().thin(&holds, limits)?;
        if !gone.is_empty() {
            log::info!("the attic let go of {} old copies that the server holds", gone.len());
        }
    }
    Ok(())
}

fn disks(parts: &Parts) -> impl Iterator<Item = &Disk> {
    parts.cards.iter().filter_map(|card| card.disk.as_ref())
}

fn is_over(entries: &[AtticEntry], limits: &Limits) -> bool {
    let mut of_save: LiteMap<&SaveId, usize> = LiteMap::new();
    for entry in entries {
        *of_save.entry(&entry.save).or_default() += 1;
    }
    let total: u64 = entries.iter().map(|entry| entry.file.size_bytes).sum();
    total > limits.total_bytes || of_save.values().any(|count| *count > limits.entries_per_save)
}
