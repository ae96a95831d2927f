//! PURE: what the records of a shared folder add up to: heads, changes, histories.
//!
//! Records come in any order and any of them may not have arrived yet; every reader of the same records comes to the
//! same heads.

use std::collections::{BTreeMap, VecDeque};

use litemap::LiteMap;
use retrosync_protocol::{
    Code, Content, Digest, Head, History, HistoryEntry, Problem, SaveHeads, SaveId, StoreResult, Version,
    VersionId, WriterId, heads_of,
};
use serde::{Deserialize, Serialize};

/// One record as it lies in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::remote) struct Record {
    /// Its id.
    pub version: VersionId,
    /// What it says.
    pub record: Version,
    /// The name of the device that wrote it.
    #[serde(default)]
    pub device_name: String,
    /// When, by that device's clock; for people only.
    #[serde(default)]
    pub stored_unix_s: i64,
}

/// All records that were read.
#[derive(Default)]
pub(in crate::remote) struct Index {
    records: BTreeMap<VersionId, Record>,
    saves: LiteMap<SaveId, OfSave>,
    /// The number of each writer's last change.
    writers: LiteMap<WriterId, u64>,
    /// The number of the last change.
    last: u64,
    /// The sum of all ids: the same for the same set of records, whoever read them in whatever order.
    fingerprint: u64,
    /// Where earlier fingerprints stood, newest last.
    earlier: VecDeque<(u64, u64)>,
}

struct OfSave {
    versions: Vec<VersionId>,
    changed: u64,
}

/// How many fingerprints are remembered.
const EARLIER: usize = 256;
const WHOLE: u64 = 1 << 63;

impl Index {
    /// Adds a record; one that is known already changes nothing.
    pub(in crate::remote) fn add(&mut self, record: Record) {
        let id = record.version;
        if self.records.contains_key(&id) {
            return;
        }
        self.last += 1;
        let of_save = self
            .saves
            .entry(record.record.save.clone())
            .or_insert_with(|| OfSave { versions: Vec::new(), changed: 0 });
        of_save.versions.push(id);
        of_save.changed = self.last;
        self.writers.insert(record.record.writer.clone(), self.last);
        self.records.insert(id, record);
        let first = id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.fingerprint = self.fingerprint.wrapping_add(first) & !WHOLE;
        self.earlier.push_back((self.fingerprint, self.last));
        if self.earlier.len() > EARLIER {
            self.earlier.pop_front();
        }
    }

    /// The number of the last change.
    pub(in crate::remote) fn last(&self) -> u64 {
        self.last
    }

    /// The cursor that says: all of these records were read. It means the same after a restart.
    pub(in crate::remote) fn cursor(&self) -> u64 {
        if self.records.is_empty() { 0 } else { self.fingerprint | WHOLE }
    }

    /// Which change a cursor stands at; one that is not known stands before all.
    pub(in crate::remote) fn position(&self, cursor: u64, page_of: u32) -> u64 {
        if cursor & WHOLE != 0 {
            let mut earlier = self.earlier.iter().rev();
            return earlier.find(|(fingerprint, _)| *fingerprint == cursor & !WHOLE).map_or(0, |(_, at)| *at);
        }
        if cursor >> 32 == u64::from(page_of) { (cursor & 0xffff_ffff).min(self.last) } else { 0 }
    }

    /// The saves that changed after a position, the earliest change first; the cursor to go on from, and is there more?
    pub(in crate::remote) fn changes(
        &self,
        after: u64,
        limit: usize,
        page_of: u32,
    ) -> (Vec<SaveHeads>, u64, bool) {
        let mut changed: Vec<(u64, &SaveId)> =
            self.saves.iter().filter(|(_, s)| s.changed > after).map(|(save, s)| (s.changed, save)).collect();
        changed.sort_unstable();
        let more = changed.len() > limit;
        changed.truncate(limit);
        let cursor = match changed.last() {
            Some((at, _)) if more => u64::from(page_of) << 32 | *at,
            _ => self.cursor(),
        };
        let saves = changed
            .iter()
            .map(|(_, save)| SaveHeads { save: (*save).clone(), heads: self.heads(save) })
            .collect();
        (saves, cursor, more)
    }

    /// Was anything added after a position that `writer` did not write?
    pub(in crate::remote) fn has_news(&self, after: u64, writer: Option<&WriterId>) -> bool {
        self.writers.iter().any(|(other, last)| *last > after && Some(other) != writer)
    }

    /// The versions of a save by this writer, the last of its numbers first.
    pub(in crate::remote) fn by(&self, writer: &WriterId, save: &SaveId) -> Vec<&Record> {
        let mut found: Vec<&Record> =
            self.versions(save).filter(|record| record.record.writer == *writer).collect();
        found.sort_by_key(|record| std::cmp::Reverse(record.record.sequence));
        found
    }

    /// The first number that this writer has not used.
    pub(in crate::remote) fn next_of(&self, writer: &WriterId) -> u64 {
        let used = self.records.values().filter(|record| record.record.writer == *writer);
        used.map(|record| record.record.sequence).max().unwrap_or(0) + 1
    }

    /// What is noted of the last version of each save by this writer.
    pub(in crate::remote) fn notes_of(&self, writer: &WriterId) -> Vec<&str> {
        let last = |save| Some(self.by(writer, save).first()?.record.note.as_deref().unwrap_or_default());
        self.saves.keys().filter_map(last).collect()
    }

    fn versions(&self, save: &SaveId) -> impl Iterator<Item = &Record> + Clone {
        let ids = self.saves.get(save).map_or(&[][..], |of_save| &of_save.versions);
        ids.iter().filter_map(|id| self.records.get(id))
    }

    /// The heads of a save, in the order of their ids.
    pub(in crate::remote) fn heads(&self, save: &SaveId) -> Vec<Head> {
        let mut ids = heads_of(self.versions(save).map(|record| (record.version, &record.record)));
        ids.sort_unstable();
        ids.iter().filter_map(|id| self.records.get(id)).map(head_of).collect()
    }

    /// The content of this digest, if any version of the save has it.
    pub(in crate::remote) fn content(&self, save: &SaveId, digest: &Digest) -> Option<Content> {
        self.versions(save)
            .filter_map(|record| record.record.content)
            .find(|content| content.digest == *digest)
    }

    /// A version of this writer with these bytes.
    pub(in crate::remote) fn with(&self, writer: &WriterId, content: Content) -> Option<&Record> {
        let is_it =
            |record: &&Record| record.record.content == Some(content) && record.record.writer == *writer;
        self.records.values().find(is_it)
    }

    /// Is there a record of this id?
    pub(in crate::remote) fn holds(&self, version: &VersionId) -> bool {
        self.records.contains_key(version)
    }

    /// Why a version cannot be stored, whatever its bytes.
    pub(in crate::remote) fn refuses(&self, version: &Version) -> Option<Problem> {
        let id = version.id();
        if let Some(fault) = version.fault() {
            return Some(Problem::new(Code::Malformed, format!("the record of `{}`: {fault}", version.save)));
        }
        let is_other = |other: &Record| {
            other.record.sequence == version.sequence
                && other.record.writer == version.writer
                && other.version != id
        };
        if self.records.values().any(is_other) {
            let detail = format!("writer {} already used sequence {}", version.writer, version.sequence);
            return Some(Problem::new(Code::WriterReused, detail));
        }
        let unknown = version.parents.iter().find(|parent| !self.holds(parent))?;
        Some(Problem::new(
            Code::UnknownParent,
            format!("version {unknown} of `{}` is not known here", version.save),
        ))
    }

    /// What was said already: by a version with the same bytes and parents whose answer, or a note of it, was lost, or by the
    /// head (the same bytes, and no parent that it does not descend from).
    pub(in crate::remote) fn said_already(&self, version: &Version) -> Option<StoreResult> {
        let heads = self.heads(&version.save);
        // Others went on from it: nobody is to be asked whether to go back to it.
        let would_branch = heads.iter().any(|head| !version.parents.contains(&head.version));
        let twin = self.versions(&version.save).find(|other| version.says_the_same_as(&other.record));
        if let (true, Some(twin)) = (would_branch, twin) {
            return Some(match heads.len() {
                1 if !version.suspect => StoreResult::Head { version: twin.version, heads },
                _ => StoreResult::Branch { version: twin.version, heads },
            });
        }
        let [head] = heads.as_slice() else { return None };
        if version.suspect || head.content != version.content {
            return None;
        }
        let ancestors = self.ancestors(head.version);
        if !version.parents.iter().all(|parent| ancestors.contains(parent)) {
            return None;
        }
        Some(StoreResult::Head { version: head.version, heads })
    }

    /// A version and all that it descends from.
    fn ancestors(&self, version: VersionId) -> Vec<VersionId> {
        let save = self.records.get(&version).map(|record| &record.record.save);
        let of_save = save.and_then(|save| self.saves.get(save));
        let mut left = of_save.map_or_else(Vec::new, |of_save| of_save.versions.clone());
        left.sort_unstable();
        let mut is_found = vec![false; left.len()];
        let mut next = vec![version];
        while let Some(id) = next.pop() {
            let Ok(at) = left.binary_search(&id) else { continue };
            if !std::mem::replace(&mut is_found[at], true) {
                next.extend(self.records.get(&id).map_or(&[][..], |record| &record.record.parents));
            }
        }
        let found = left.into_iter().zip(is_found);
        found.filter(|(_, is_found)| *is_found).map(|(id, _)| id).collect()
    }

    /// What became of a version that is stored.
    pub(in crate::remote) fn outcome(&self, version: &Version) -> StoreResult {
        let heads = self.heads(&version.save);
        match heads.as_slice() {
            [head] if !version.suspect && head.content == version.content => {
                StoreResult::Head { version: head.version, heads }
            }
            _ => StoreResult::Branch { version: version.id(), heads },
        }
    }

    /// The versions of a save, newest first: no version stands above one that descends from it.
    pub(in crate::remote) fn history(
        &self,
        save: &SaveId,
        before: Option<VersionId>,
        limit: usize,
    ) -> Option<History> {
        let at = self.saves.find_index(save).ok()?;
        let save = self.saves.get_indexed(at)?.0.clone();
        let heads: Vec<VersionId> = self.heads(&save).iter().map(|head| head.version).collect();
        let mut ordered: Vec<(usize, &Record)> =
            self.versions(&save).map(|record| (self.ancestors(record.version).len(), record)).collect();
        ordered.sort_by_key(|(depth, record)| (*depth, record.stored_unix_s, record.version));
        let mut newest = ordered.into_iter().rev().map(|(_, record)| record).peekable();
        if let Some(before) = before {
            newest.by_ref().find(|record| record.version == before)?;
        }
        let entry = |record: &Record| HistoryEntry {
            version: record.version,
            record: record.record.clone(),
            received_unix_s: record.stored_unix_s,
            device_name: record.device_name.clone(),
            head: heads.contains(&record.version),
            thinned: false,
        };
        let versions = newest.by_ref().take(limit).map(entry).collect();
        let more = newest.peek().is_some();
        Some(History { save, heads: heads.clone(), versions, more })
    }
}

fn head_of(record: &Record) -> Head {
    Head {
        version: record.version,
        content: record.record.content,
        writer: record.record.writer.clone(),
        sequence: record.record.sequence,
        device_name: record.device_name.clone(),
        played: record.record.played,
        received_unix_s: record.stored_unix_s,
    }
}
