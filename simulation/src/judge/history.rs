//! What the judge asks of whole histories, once all has come to rest.

use std::collections::BTreeSet;

use retrosync::plan::ConflictPolicy;
use retrosync_protocol::{Digest, HistoryEntry, Version, VersionId, heads_of};

use crate::server::name;
use crate::story::{Event, TITLES};
use crate::world::World;

impl World {
    /// What both sides agreed on both sides have, as soon as they have spoken: a server that was set back is offered again
    /// what it lost.
    pub(crate) fn judge_contact(&mut self, device: usize) -> Result<(), String> {
        let handheld = self.devices[device].handheld.clone();
        let Some(parts) = self.devices[device].parts() else { return Ok(()) };
        let base = parts.journal.base();
        for (save, id) in self.kind.saves.iter().enumerate() {
            let here = handheld.get().digest_on_card(save);
            let agreed = base.saves.get(id).filter(|entry| entry.trusted).and_then(|entry| entry.content);
            if let Some(agreed) = agreed.map(|content| content.digest)
                && Some(agreed) == here
                && !self.server.get().contents(id).contains(&agreed)
            {
                let content = self.truth.name(&agreed);
                return Err(format!("{}: {content} is agreed on and is not stored", name(device)));
            }
        }
        Ok(())
    }

    /// Does a version settle a question as a player's configuration says: one of its parents was surely played later
    /// than all others, and stays?
    pub(crate) fn is_newest(&self, record: &Version, history: &[HistoryEntry]) -> bool {
        let is_asked_for = self.devices.iter().any(|device| device.prefers == ConflictPolicy::Newest);
        let parents = history.iter().filter(|entry| record.parents.contains(&entry.version));
        let (kept, left): (Vec<_>, Vec<_>) =
            parents.partition(|entry| entry.record.content == record.content);
        let is_later = |left: &&HistoryEntry| {
            kept.iter().any(|kept| match (kept.record.played, left.record.played) {
                (Some(kept), Some(left)) => kept.from_unix_s > left.to_unix_s,
                _ => false,
            })
        };
        is_asked_for && left.iter().all(is_later)
    }

    /// Promise 1: of what a daemon put other bytes in the place of, its card keeps a copy, if anything was ever played in it.
    /// And it was stored before: that a copy is kept does not make up for a person who is not asked. Only what a person
    /// deleted need not be, and what its player chose another for on just that device.
    pub(crate) fn judge_replaced(&mut self, by: Option<&Event>) -> Result<(), String> {
        let chose = |event| {
            matches!(
                event,
                &Event::RestoresHere { .. } | &Event::RestoresKept { .. } | &Event::Resolves { .. }
            )
        };
        let is_meant = by.is_some_and(chose);
        for (number, device) in self.devices.iter().enumerate() {
            let replaced = std::mem::take(&mut device.handheld.get().replaced);
            let counts = |digest: &Digest| self.truth.is_kept(digest) && !self.truth.nothing.contains(digest);
            for (save, digest) in replaced.into_iter().filter(|(_, digest)| counts(digest)) {
                let broken = |what| {
                    let content = self.truth.name(&digest);
                    Err(format!("{}: {content} of {} is replaced, and {what}", name(number), TITLES[save]))
                };
                if !self.shelves[number].holds(&digest) {
                    return broken("no copy is kept");
                }
                let is_deleted = || self.truth.retired.values().any(|deleted| deleted.contains(&digest));
                let was_stored = self.ledger.has(save, &digest) || self.truth.heard.contains(&digest);
                let may_go = is_meant || was_stored;
                if !may_go && !is_deleted() {
                    return broken("was never stored");
                }
            }
        }
        Ok(())
    }

    /// A version is a head until a sound one names it as a parent, whatever came later; and parents are versions.
    pub(crate) fn judge_heads(&self) -> Result<(), String> {
        for save in self.kind.saves.iter() {
            let history = self.server.get().history(save);
            let versions: BTreeSet<VersionId> = history.iter().map(|entry| entry.version).collect();
            let told: BTreeSet<_> =
                history.iter().filter(|entry| entry.head).map(|entry| entry.version).collect();
            let heads = heads_of(history.iter().map(|entry| (entry.version, &entry.record)));
            if told != heads.into_iter().collect() {
                return Err(format!("{save}: the server has other heads than its versions make"));
            }
            let parents = history.iter().flat_map(|entry| &entry.record.parents);
            if self.server.get().share().is_none()
                && parents.into_iter().any(|parent| !versions.contains(parent))
            {
                return Err(format!("{save}: a version has a parent that is nowhere"));
            }
        }
        Ok(())
    }

    /// Damage never stands in the place of a save that was played, unless a person put it there.
    pub(crate) fn judge_damage(&self) -> Result<(), String> {
        for save in self.kind.saves.iter() {
            let history = self.server.get().history(save);
            let digest = |record: &Version| record.content.map(|content| content.digest);
            let is_damage =
                |record: &Version| digest(record).is_some_and(|digest| self.truth.damage.contains(&digest));
            for HistoryEntry { record, device_name, .. } in &history {
                let is_meant = record.suspect || record.note.is_some() || device_name == "dashboard";
                let is_chosen = digest(record).is_some_and(|digest| self.truth.chosen.contains(&digest));
                if !is_damage(record) || is_meant || is_chosen {
                    continue;
                }
                let parents = history.iter().filter(|entry| record.parents.contains(&entry.version));
                if let Some(parent) = parents
                    .map(|parent| &parent.record)
                    .find(|parent| digest(parent).is_some() && !is_damage(parent))
                {
                    let name =
                        |record| digest(record).map_or("nothing".into(), |digest| self.truth.name(&digest));
                    return Err(format!("{save}: {} replaces {}", name(record), name(parent)));
                }
            }
        }
        Ok(())
    }

    /// What was said once is stored once, however often it arrived.
    pub(crate) fn judge_echoes(&self) -> Result<(), String> {
        for save in self.kind.saves.iter().filter(|_| !self.copied) {
            let history = self.server.get().history(save);
            for (at, one) in history.iter().enumerate() {
                let (one, older) = (&one.record, &history[at + 1..]);
                let is_echo = |other: &Version| one.says_the_same_as(other);
                let is_meant = one.content.is_none() || one.note.is_some() || one.suspect;
                if !is_meant && older.iter().any(|other| is_echo(&other.record)) {
                    let content =
                        one.content.map_or("nothing".into(), |content| self.truth.name(&content.digest));
                    return Err(format!("{save}: {content} is stored twice"));
                }
            }
        }
        Ok(())
    }
}
