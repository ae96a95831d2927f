//! What the dashboard asks of the library beside devices' verbs: an overview, a file that a person brings, marks on
//! versions, which device holds what, and what happened.

use std::collections::BTreeMap;

use bytes::Bytes;
use retrosync_protocol::{
    Code, Content, DeviceId, Digest, Doubt, SaveHeads, SaveId, StoreResult, Version, VersionId,
    keeps_its_size,
};

use super::choice::CLIENT;
use super::{Answer, Asker, Library, contents, heads, no_save, no_version};
use crate::catalog::{Access, Event, EventFilter, Holding, Mark, SaveSize, Tx, UserId};
use crate::notice::Listener;
use crate::refusal::Refusal;

/// A label is a few words.
const MOST_LABEL_BYTES: usize = 80;
/// A file is asked about when it is so many times as large as the save: emulators disagree about less.
const GROWN: u64 = 4;
/// As large as the largest chip of a cartridge, twice: that much is padding.
const UNASKED_BYTES: u64 = 256 << 10;
/// How often another of the user's own writes may come first.
const TRIES: u32 = 8;

/// A save as a list shows it.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The save with its heads.
    pub save: SaveHeads,
    /// How many versions are kept.
    pub versions: u64,
    /// Bytes of distinct content.
    pub size_bytes: u64,
}

/// A file that a person brings.
#[derive(Clone, Debug)]
pub struct Brought {
    /// As which save.
    pub save: SaveId,
    /// Its digest and size.
    pub content: Content,
    /// The bytes, up to 1 MiB; `None`: they came as an upload.
    pub body: Option<Bytes>,
    /// The heads that the person saw.
    pub heads: Vec<VersionId>,
    /// In the person's words.
    pub note: Option<String>,
    /// What is doubted of the bytes by themselves.
    pub doubt: Option<Doubt>,
    /// The person was asked about a doubt, and means it.
    pub sure: bool,
}

/// How many saves of a system a device sent or was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The device.
    pub device: DeviceId,
    /// The system.
    pub system: String,
    /// How many.
    pub saves: u64,
}

impl Library {
    /// What each device syncs: systems with how many saves.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn synced(&self, asker: &Asker) -> Answer<Vec<Synced>> {
        let reached = self.catalog.begin(Access::Read).await?.reached(asker.user).await?;
        let mut counts: BTreeMap<(DeviceId, String), u64> = BTreeMap::new();
        for (device, save) in reached {
            *counts.entry((device, save.system().to_owned())).or_default() += 1;
        }
        Ok(counts.into_iter().map(|((device, system), saves)| Synced { device, system, saves }).collect())
    }

    /// All saves of the user with what they take, by name.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn overview(&self, asker: &Asker) -> Answer<Vec<Overview>> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let known = tx.saves_since(asker.user, 0, u32::MAX).await?;
        let mut sizes = tx.sizes(asker.user).await?;
        sizes.sort_by_key(|size| size.row);
        let rows: Vec<_> = known.iter().map(|save| save.row).collect();
        let leaves = tx.leaves_of_each(&rows).await?;
        let shown = |(known, leaves): (crate::catalog::SaveRecord, _)| {
            let size = sizes.binary_search_by_key(&known.row, |size| size.row).ok();
            let SaveSize { versions, size_bytes, .. } = size
                .and_then(|place| sizes.get(place).copied())
                .unwrap_or(SaveSize { row: known.row, versions: 0, size_bytes: 0 });
            let heads = heads::among(leaves).into_iter().map(heads::shown).collect();
            Overview { save: SaveHeads { save: known.save, heads }, versions, size_bytes }
        };
        let mut all: Vec<Overview> = known.into_iter().zip(leaves).map(shown).collect();
        all.sort_by(|one, other| one.save.save.cmp(&other.save.save));
        Ok(all)
    }

    /// Stores a file that a person brings, over the heads that they saw: with other heads by now it becomes a branch, as
    /// any store does (promise 2). Bringing the same again changes nothing. What is doubted moves no head before the person
    /// is sure of it.
    ///
    /// # Errors
    /// `doubted`, with what is odd about it; as a store: `quota_full`, `content_missing`, `unknown_parent`, `malformed`.
    pub async fn bring(&self, asker: &Asker, file: &Brought, now_unix_s: i64) -> Answer<StoreResult> {
        let (size_bytes, doubt) = (file.content.size_bytes, file.doubt);
        if let Some(why) = self.oddity(asker, &file.save, doubt, size_bytes).await?.filter(|_| !file.sure) {
            return Err(Refusal::new(Code::Doubted, why).help("nothing has changed; say that you are sure"));
        }
        let mut parents = file.heads.clone();
        parents.sort();
        parents.dedup();
        for _ in 0..TRIES {
            let mut tx = self.catalog.begin(Access::Read).await?;
            let sequence = tx.last_sequence(asker.user, &asker.writer).await? + 1;
            drop(tx);
            let version = Version {
                save: file.save.clone(),
                content: Some(file.content),
                parents: parents.clone(),
                writer: asker.writer.clone(),
                sequence,
                played: None,
                suspect: false,
                client: CLIENT.into(),
                profile: String::new(),
                core: None,
                note: file.note.clone(),
            };
            let mut batch = self.batch(asker);
            batch.add(version, file.body.clone()).await;
            match batch.finish(None, now_unix_s).await?.results.pop() {
                // Another page of this user took the number first.
                Some(StoreResult::Refused { problem }) if problem.code == Code::WriterReused => {}
                Some(StoreResult::Refused { problem }) => return Err(problem.into()),
                Some(result) => return Ok(result),
                None => break,
            }
        }
        Err(Refusal::new(Code::Unavailable, "too much is changed at once").retry_after_s(1))
    }

    /// Why a file of this size is probably not this save, for people: what all devices doubt (README 1.4), or much larger than a save
    /// that keeps its size. No device could bring another kind of file here, but a hand that slips can.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn oddity(
        &self,
        asker: &Asker,
        save: &SaveId,
        doubt: Option<Doubt>,
        size_bytes: u64,
    ) -> Answer<Option<&'static str>> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let heads = match tx.save(asker.user, save).await? {
            Some(known) => heads::of(tx.as_mut(), known.row).await?,
            None => vec![],
        };
        drop(tx);
        let had: Vec<u64> =
            heads.iter().filter_map(|head| head.record.content).map(|content| content.size_bytes).collect();
        Ok(odd(save, doubt, size_bytes, &had))
    }

    /// Pins a version or lets it go, and gives it a label or takes it away.
    ///
    /// # Errors
    /// `not_found`; `malformed` for a label over 80 bytes; `thinned` for a pin on what is not kept any more.
    pub async fn mark(&self, asker: &Asker, save: &SaveId, mark: Mark, now_unix_s: i64) -> Answer<()> {
        let label = mark.label.trim();
        if label.len() > MOST_LABEL_BYTES || label.chars().any(char::is_control) {
            return Err(Refusal::new(
                Code::Malformed,
                "a label has at most 80 bytes and no control characters",
            ));
        }
        let mark = Mark { label: label.to_owned(), ..mark };
        let mut tx = self.catalog.begin(Access::Write).await?;
        let known = tx.save(asker.user, save).await?.ok_or_else(|| no_save(save))?;
        let version = tx.version(known.row, mark.version).await?;
        let version = version.ok_or_else(|| no_version(save, mark.version))?;
        // Pinned is promised to stay: so it must be there, and be needed before anything is thinned out again.
        if let Some(content) = version.record.content.filter(|_| mark.pinned)
            && contents::need(tx.as_mut(), asker.user, content.digest).await?.is_none()
        {
            return Err(contents::thinned(content.digest));
        }
        let had = tx.marks(known.row).await?.into_iter().find(|had| had.version == mark.version);
        let (pinned, had_label) = had.map_or((false, String::new()), |had| (had.pinned, had.label));
        if (pinned, had_label.as_str()) == (mark.pinned, mark.label.as_str()) {
            tx.commit().await?;
            return Ok(());
        }
        tx.put_mark(known.row, &mark).await?;
        let kind = match (pinned, mark.pinned) {
            (false, true) => "pinned",
            (true, false) => "unpinned",
            _ => "marked",
        };
        let event = about(asker, kind, &known.save, Some(mark.version), now_unix_s);
        tx.add_event(asker.user, &Event { text: mark.label, ..event }).await?;
        tx.commit().await?;
        self.notice.ring(asker.user);
        Ok(())
    }

    /// What is said of a save's versions.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn marks(&self, asker: &Asker, save: &SaveId) -> Answer<Vec<Mark>> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let known = tx.save(asker.user, save).await?.ok_or_else(|| no_save(save))?;
        Ok(tx.marks(known.row).await?)
    }

    /// The newest version of a save that each device sent or was given.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn holdings(&self, asker: &Asker, save: &SaveId) -> Answer<Vec<Holding>> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let known = tx.save(asker.user, save).await?.ok_or_else(|| no_save(save))?;
        Ok(tx.holdings(asker.user, known.row).await?)
    }

    /// Notes that a device was given contents; a failure is the log's, for the device has its bytes.
    pub async fn note_fetched(&self, asker: &Asker, contents: &[Digest], now_unix_s: i64) {
        let Some(device) = &asker.device else { return };
        let noted = async {
            let mut tx = self.catalog.begin(Access::Write).await?;
            tx.add_fetched(device, contents, now_unix_s).await?;
            tx.commit().await
        };
        if contents.is_empty() {
            return;
        }
        match noted.await {
            Ok(()) => self.notice.ring(asker.user),
            Err(why) => log::warn!("could not note what `{}` was given: {why}", asker.device_name),
        }
    }

    /// What happened, newest first: at most `limit` events with an id below `before`.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn events(
        &self,
        asker: &Asker,
        filter: &EventFilter,
        before: u64,
        limit: u32,
    ) -> Answer<Vec<Event>> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        Ok(tx.events(asker.user, filter, before, limit).await?)
    }

    /// A number that tells whether a page is still what it shows: another one whenever anything happened.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn stamp(&self, asker: &Asker) -> Answer<u64> {
        Ok(self.catalog.begin(Access::Read).await?.stamp(asker.user).await?)
    }

    /// Wakes who listens for this user's news: somebody else has committed it.
    pub fn ring(&self, user: UserId) {
        self.notice.ring(user);
    }

    /// Wakes everybody who listens: anything may have happened.
    pub fn ring_all(&self) {
        self.notice.ring_all();
    }

    /// Listens for the user's news; look after this, not before.
    pub fn listen(&self, asker: &Asker) -> Listener {
        self.notice.listen(asker.user)
    }
}

/// What is odd about a file of this size beside heads of those: for people, or nothing.
fn odd(save: &SaveId, doubt: Option<Doubt>, size_bytes: u64, had: &[u64]) -> Option<&'static str> {
    let keeps = keeps_its_size(save);
    let shrank = keeps && had.iter().min().is_some_and(|least| size_bytes < *least);
    let grew = keeps
        && had.iter().max().is_some_and(|most| size_bytes > most.saturating_mul(GROWN).max(UNASKED_BYTES));
    match doubt.or(shrank.then_some(Doubt::Shrunk)) {
        Some(Doubt::Empty) => Some("the file is empty"),
        Some(Doubt::Blank) => Some("the file is blank: every byte of it is the same, so it holds no game"),
        Some(Doubt::Shrunk) => Some("the file is smaller than the save"),
        Some(Doubt::Torn) => Some("the file is torn: it ends early"),
        None => grew.then_some("the file is much larger than the save"),
    }
}

/// An event of this asker about a save.
pub(super) fn about(
    asker: &Asker,
    kind: &str,
    save: &SaveId,
    version: Option<VersionId>,
    now_unix_s: i64,
) -> Event {
    Event {
        id: 0,
        at_unix_s: now_unix_s,
        kind: kind.into(),
        device_name: asker.device_name.clone(),
        save: Some(save.clone()),
        version,
        text: String::new(),
    }
}

/// Keeps both: what was not chosen is pinned, so that no thinning ever takes it.
pub(super) async fn pin_others(
    tx: &mut dyn Tx,
    row: crate::catalog::SaveRow,
    heads: &[crate::catalog::StoredVersion],
    kept: Option<VersionId>,
) -> Answer<()> {
    let marks = tx.marks(row).await?;
    for head in heads.iter().filter(|head| Some(head.id) != kept) {
        let had = marks.iter().find(|mark| mark.version == head.id);
        let label = had.map(|mark| mark.label.clone()).filter(|label| !label.is_empty());
        let label = label.unwrap_or_else(|| "kept beside the other".into());
        tx.put_mark(row, &Mark { version: head.id, pinned: true, label }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_that_is_probably_not_this_save_is_odd() {
        let larger = Some("the file is much larger than the save");
        let smaller = Some("the file is smaller than the save");
        let blank = Some("the file is blank: every byte of it is the same, so it holds no game");
        /// What it is, of which save, how it looks, its size, the sizes of the heads, and what is said.
        type Row = (&'static str, &'static str, Option<Doubt>, u64, &'static [u64], Option<&'static str>);
        let rows: [Row; 11] = [
            ("the same size", "gb/sram/T", None, 8192, &[8192], None),
            ("one byte less", "gb/sram/T", None, 8191, &[8192], smaller),
            ("with the clock that another emulator adds", "gb/sram/T", None, 8192 + 48, &[8192], None),
            ("padded to a larger chip", "gba/sram/T", None, 131_072, &[8192], None),
            ("a photo", "gb/sram/T", None, 3 << 20, &[8192], larger),
            ("the first of its name", "gb/sram/T", None, 3 << 20, &[], None),
            ("as large as one side of a question", "gb/sram/T", None, 8192, &[8192, 32_768], None),
            ("smaller than both sides", "gb/sram/T", None, 4096, &[8192, 32_768], smaller),
            ("a state, whose size changes", "gb/state.auto@x/T", None, 10, &[8192], None),
            ("zeroes of the right size", "gb/sram/T", Some(Doubt::Blank), 8192, &[8192], blank),
            ("zeroes where nothing is", "gb/sram/T", Some(Doubt::Blank), 8192, &[], blank),
        ];
        for (what, save, doubt, size_bytes, had, told) in rows {
            assert_eq!(odd(&save.parse().unwrap(), doubt, size_bytes, had), told, "{what}");
        }
    }
}
