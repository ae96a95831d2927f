//! Records versions within one transaction: the rules of README 1.2, 1.3 and 5 for a single record.
//!
//! Nothing is ever overwritten: a version is added beside all others, and only marks of leaves change. May assume that the
//! content of what is recorded is durable in the blobs (promise 5).

use retrosync_protocol::{Code, Content, Digest, Mistake, StoreResult, Version, VersionId};

use super::board::about;
use super::tally::News;
use super::{Answer, Asker, contents, heads};
use crate::blobs::Blobs;
use crate::catalog::{SaveRow, StoredVersion, Tx};
use crate::refusal::Refusal;

/// How many of a save's newest versions are searched for one whose answer was lost.
const LOST_ANSWERS: u32 = 200;

/// One transaction's hand that writes.
pub(super) struct Recorder<'a> {
    pub(super) tx: &'a mut dyn Tx,
    blobs: &'a dyn Blobs,
    asker: &'a Asker,
    now_unix_s: i64,
    change: u64,
    news: News,
    /// Contents that a record may speak of and whose bytes are gone.
    lost: Vec<Digest>,
    /// What the log calls it, where that is not told by the version itself.
    verb: Option<&'static str>,
}

impl<'a> Recorder<'a> {
    pub(super) async fn new(
        tx: &'a mut dyn Tx,
        blobs: &'a dyn Blobs,
        asker: &'a Asker,
        now_unix_s: i64,
    ) -> Answer<Recorder<'a>> {
        let change = tx.last_change(asker.user).await?;
        Ok(Recorder {
            tx,
            blobs,
            asker,
            now_unix_s,
            change,
            news: News::default(),
            lost: Vec::new(),
            verb: None,
        })
    }

    /// The same, for a person's choice: the log calls it by its verb.
    pub(super) fn choosing(self, verb: &'static str) -> Recorder<'a> {
        Recorder { verb: Some(verb), ..self }
    }

    /// The same, where the bytes of these contents are gone: they must come again.
    pub(super) fn without(self, lost: Vec<Digest>) -> Recorder<'a> {
        Recorder { lost, ..self }
    }

    /// What was written; others are told after the commit.
    pub(super) fn news(&self) -> News {
        self.news
    }

    /// Judges one record and writes it if it is new. `published`: its bytes came with it and are durable.
    pub(super) async fn store(
        &mut self,
        id: VersionId,
        version: &Version,
        published: bool,
    ) -> Answer<StoreResult> {
        let save = self.tx.save(self.asker.user, &version.save).await?;
        let row = save.map(|save| save.row);
        if let Some(row) = row
            && let Some(known) = self.tx.version(row, id).await?
        {
            return self.known(row, &known).await;
        }
        self.refuse_reused_sequence(version).await?;
        let parents = self.parents(row, version).await?;
        let leaves = match row {
            Some(row) => self.tx.leaves(row).await?,
            None => Vec::new(),
        };
        if let Some(head) = already_said(version, &parents, &leaves) {
            let heads = heads::among(leaves).into_iter().map(heads::shown).collect();
            return Ok(StoreResult::Head { version: head, heads });
        }
        if let Some(row) = row
            && let Some(twin) = self.said_before(row, version, &leaves).await?
        {
            return self.known(row, &twin).await;
        }
        if let Some(content) = version.content {
            self.have(content, published).await?;
        }
        let row = match row {
            Some(row) => row,
            None => self.tx.add_save(self.asker.user, &version.save).await?,
        };
        let leaves = self.add(row, id, version, leaves).await?;
        Ok(outcome(id, version, leaves))
    }

    /// Adds a version that was judged; answers the leaves as they are then.
    pub(super) async fn add(
        &mut self,
        row: SaveRow,
        id: VersionId,
        version: &Version,
        mut leaves: Vec<StoredVersion>,
    ) -> Answer<Vec<StoredVersion>> {
        let stored = StoredVersion {
            id,
            record: version.clone(),
            received_unix_s: self.now_unix_s,
            device: self.asker.device.clone(),
            device_name: self.asker.device_name.clone(),
            change: self.change + 1,
            // No child can be known before its parent (unknown_parent), so a new sound version is always a leaf.
            leaf: !version.suspect,
        };
        // A suspect supersedes nothing: fresh blank bytes never hide a long-played save.
        let yields = version.suspect && !Mistake::SuspectSupersedes.is_made();
        let superseded: &[VersionId] = if yields { &[] } else { &version.parents };
        self.tx.add_version(self.asker.user, row, &stored, superseded).await?;
        self.change += 1;
        self.news.versions += 1;
        self.news.bytes += version.content.map_or(0, |content| content.size_bytes);
        leaves.retain(|leaf| !superseded.contains(&leaf.id));
        if stored.leaf {
            leaves.push(stored);
        }
        let kind = self.verb.unwrap_or_else(|| what_happened(self.asker, version, &leaves));
        self.news.branches += u64::from(kind == BRANCHED);
        self.news.suspects += u64::from(version.suspect);
        let event = about(self.asker, kind, &version.save, Some(id), self.now_unix_s);
        self.tx.add_event(self.asker.user, &event).await?;
        Ok(leaves)
    }

    /// The answer for a version that is here already: sent again, it is the same version.
    async fn known(&mut self, row: SaveRow, known: &StoredVersion) -> Answer<StoreResult> {
        let leaves = self.tx.leaves(row).await?;
        let superseded = !known.record.suspect && !known.leaf;
        let settled = heads::among(leaves.clone());
        if superseded && settled.len() == 1 {
            // Something newer replaced it knowingly: there is no question, and the heads tell what to fetch.
            let heads = settled.into_iter().map(heads::shown).collect();
            return Ok(StoreResult::Head { version: known.id, heads });
        }
        Ok(outcome(known.id, &known.record, leaves))
    }

    /// The version by which the same was said from the same parents, where storing it again would make a branch: an
    /// answer or a note of it was lost, others went on from it, and nobody is to be asked whether to go back to it.
    async fn said_before(
        &mut self,
        row: SaveRow,
        version: &Version,
        leaves: &[StoredVersion],
    ) -> Answer<Option<StoredVersion>> {
        if leaves.iter().all(|leaf| version.parents.contains(&leaf.id)) || Mistake::SaidBeforeIsNew.is_made()
        {
            return Ok(None);
        }
        let recent = self.tx.history(row, u64::MAX, LOST_ANSWERS).await?;
        Ok(recent.into_iter().find(|other| version.says_the_same_as(&other.record)))
    }

    /// A sequence names one version only: two cards with one writer id (a copied card) must not go on as one.
    async fn refuse_reused_sequence(&mut self, version: &Version) -> Answer<()> {
        let used = self.tx.version_by_sequence(self.asker.user, &version.writer, version.sequence).await?;
        match used {
            None => Ok(()),
            Some(_) => Err(Refusal::new(
                Code::WriterReused,
                format!("the writer `{}` already used the sequence {}", version.writer, version.sequence),
            )
            .help("the card may be a copy of another; it draws a new writer and offers its saves again")),
        }
    }

    /// The parents, all of them versions of this save.
    async fn parents(&mut self, row: Option<SaveRow>, version: &Version) -> Answer<Vec<StoredVersion>> {
        let mut parents = Vec::with_capacity(version.parents.len());
        for id in &version.parents {
            let parent = match row {
                Some(row) => self.tx.version(row, *id).await?,
                None => None,
            };
            if parent.is_none() && Mistake::UnknownParentIsDropped.is_made() {
                continue;
            }
            let unknown = || {
                Refusal::new(
                    Code::UnknownParent,
                    format!("`{}` has no version `{id}` to be a parent", version.save),
                )
                .help("the server may be older than the device remembers; offer that version again first")
            };
            parents.push(parent.ok_or_else(unknown)?);
        }
        Ok(parents)
    }

    /// Makes sure that the user has this content, durably.
    async fn have(&mut self, content: Content, published: bool) -> Answer<()> {
        if published {
            let user = self.asker.user;
            return contents::keep(self.tx, self.blobs, user, content, self.now_unix_s).await;
        }
        let had = contents::need(self.tx, self.asker.user, content.digest).await?;
        match had.filter(|had| !self.lost.contains(&had.digest)) {
            Some(had) if had == content => Ok(()),
            Some(had) => Err(Refusal::new(
                Code::DigestMismatch,
                format!(
                    "the content `{}` has {} bytes, not {}",
                    had.digest, had.size_bytes, content.size_bytes
                ),
            )),
            None => Err(Refusal::new(
                Code::ContentMissing,
                format!("the content `{}` is not here and no body came", content.digest),
            )
            .help("send the bytes")),
        }
    }
}

/// What the log calls a version that became a question.
const BRANCHED: &str = "branched";

/// What the log calls a version that came, with the leaves as they are then.
fn what_happened(asker: &Asker, version: &Version, leaves: &[StoredVersion]) -> &'static str {
    let mut heads = heads::among(leaves.to_vec()).into_iter().map(|head| head.record.content);
    let first = heads.next();
    let asks = heads.any(|content| Some(content) != first);
    match (version.suspect, asks, version.content.is_some(), asker.device.is_some()) {
        (true, ..) => "doubted",
        (_, true, ..) => BRANCHED,
        (_, _, false, _) => "deleted",
        (.., true) => "saved",
        (.., false) => "uploaded",
    }
}

/// The head that already says what this record would: same content, and the record supersedes nothing that it does not.
fn already_said(version: &Version, parents: &[StoredVersion], leaves: &[StoredVersion]) -> Option<VersionId> {
    let heads = heads::among(leaves.to_vec());
    let [head] = heads.as_slice() else { return None };
    let same = head.record.content.map(|c| c.digest) == version.content.map(|c| c.digest);
    // Below the only head lies every sound version that is no leaf.
    let below = |parent: &StoredVersion| parent.id == head.id || (!parent.leaf && !parent.record.suspect);
    (same && parents.iter().all(below)).then_some(head.id)
}

/// `head` when the save's heads all have this version's content, else `branch`.
fn outcome(id: VersionId, version: &Version, leaves: Vec<StoredVersion>) -> StoreResult {
    let heads = heads::among(leaves);
    let digest = version.content.map(|content| content.digest);
    let agreed =
        !heads.is_empty() && heads.iter().all(|head| head.record.content.map(|c| c.digest) == digest);
    let heads = heads.into_iter().map(heads::shown).collect();
    if agreed && !version.suspect {
        StoreResult::Head { version: id, heads }
    } else {
        StoreResult::Branch { version: id, heads }
    }
}
