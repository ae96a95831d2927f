//! Restore, resolve, retire: a person's choice, written as a version over the heads that the person saw.
//!
//! Promise 2, *no blind store*: if the heads are others by now, nothing is written and the person looks again.

use retrosync_protocol::{ChoiceReply, ChoiceRequest, Code, Digest, Head, MAX_PARENTS, Version, VersionId};

use super::board::pin_others;
use super::operations::Asked;
use super::recorder::Recorder;
use super::{Answer, Asker, Library, Operation, contents, heads, no_save, no_version};
use crate::catalog::{Access, SaveRecord, StoredVersion};
use crate::refusal::Refusal;

/// Who writes a choice, for people.
pub(super) const CLIENT: &str = concat!("retrosync-server/", env!("CARGO_PKG_VERSION"));
/// How every version begins to name itself that the server wrote for a person, by whichever version of it.
pub(super) const BY_THE_SERVER: &str = "retrosync-server/";

impl Library {
    /// `POST /saves/restore`: a version with the content of `request.version` and all heads as parents.
    ///
    /// # Errors
    /// `not_found`, `thinned`, `heads_moved` (with the heads), `malformed` without a version, `operation_reused`.
    pub async fn restore(
        &self,
        asker: &Asker,
        request: &ChoiceRequest,
        operation: Operation,
        now_unix_s: i64,
    ) -> Answer<ChoiceReply> {
        let asked = Asked::new(asker, operation, "restore", request)?;
        let how = How { verb: "restored", keep: Some(chosen(request)?), both: false };
        self.choose(asker, request, how, &asked, now_unix_s).await
    }

    /// `POST /saves/resolve`: the same, for a question.
    ///
    /// # Errors
    /// As [`Library::restore`].
    pub async fn resolve(
        &self,
        asker: &Asker,
        request: &ChoiceRequest,
        operation: Operation,
        now_unix_s: i64,
    ) -> Answer<ChoiceReply> {
        let asked = Asked::new(asker, operation, "resolve", request)?;
        let how = How { verb: "resolved", keep: Some(chosen(request)?), both: false };
        self.choose(asker, request, how, &asked, now_unix_s).await
    }

    /// Keeps both: goes on with one, and pins the others.
    ///
    /// # Errors
    /// As [`Library::restore`].
    pub async fn keep_both(
        &self,
        asker: &Asker,
        request: &ChoiceRequest,
        operation: Operation,
        now_unix_s: i64,
    ) -> Answer<ChoiceReply> {
        let asked = Asked::new(asker, operation, "keep both", request)?;
        let how = How { verb: "resolved", keep: Some(chosen(request)?), both: true };
        self.choose(asker, request, how, &asked, now_unix_s).await
    }

    /// `POST /saves/retire`: a tombstone over all heads. Every version stays. Only for a person, never for a device.
    ///
    /// # Errors
    /// As [`Library::restore`]; `access_denied` to a device.
    pub async fn retire(
        &self,
        asker: &Asker,
        request: &ChoiceRequest,
        operation: Operation,
        now_unix_s: i64,
    ) -> Answer<ChoiceReply> {
        asker.may_delete()?;
        let asked = Asked::new(asker, operation, "retire", request)?;
        let how = How { verb: "deleted", keep: None, both: false };
        self.choose(asker, request, how, &asked, now_unix_s).await
    }

    /// Writes the choice: `keep`'s content, or a tombstone.
    async fn choose(
        &self,
        asker: &Asker,
        request: &ChoiceRequest,
        how: How,
        asked: &Asked,
        now_unix_s: i64,
    ) -> Answer<ChoiceReply> {
        // Asked before the transaction: a store of bytes may be slow.
        let lost = self.lost_choice(asker, request, how.keep).await?;
        let mut tx = self.catalog.begin(Access::Write).await?;
        if let Some(reply) = asked.recall(tx.as_mut()).await? {
            tx.commit().await?;
            return Ok(reply);
        }
        let known = tx.save(asker.user, &request.save).await?.ok_or_else(|| no_save(&request.save))?;
        let kept = match how.keep {
            Some(id) => Some(tx.version(known.row, id).await?.ok_or_else(|| no_version(&request.save, id))?),
            None => None,
        };
        // An old deletion brought back is a deletion.
        if kept.as_ref().is_some_and(|kept| kept.record.content.is_none()) {
            asker.may_delete()?;
        }
        let leaves = tx.leaves(known.row).await?;
        let heads = heads::among(leaves.clone());
        refuse_moved_heads(request, &heads)?;
        if let Some(content) = kept.as_ref().and_then(|kept| kept.record.content)
            && contents::need(tx.as_mut(), asker.user, content.digest).await?.is_none()
        {
            return Err(contents::thinned(content.digest));
        }
        if let Some(digest) = lost {
            return Err(contents::lost(digest));
        }
        let sequence = tx.last_sequence(asker.user, &asker.writer).await? + 1;
        let template = written(asker, request, &known, kept.as_ref(), sequence);
        if let Some(fault) = template.fault() {
            return Err(Refusal::new(Code::Malformed, format!("the choice: {fault}")));
        }
        if how.both {
            pin_others(tx.as_mut(), known.row, &heads, how.keep).await?;
        }
        let recorder = Recorder::new(tx.as_mut(), self.blobs.as_ref(), asker, now_unix_s).await?;
        let mut recorder = recorder.choosing(how.verb);
        let reply = write_over(&mut recorder, &known, template, leaves).await?;
        let news = recorder.news();
        asked.keep(tx.as_mut(), &reply, now_unix_s).await?;
        self.commit(tx, asker).await?;
        self.tell(asker, news);
        Ok(reply)
    }

    /// The content of the chosen version, if its bytes are not where they should be: no device could ever fetch such a head.
    async fn lost_choice(
        &self,
        asker: &Asker,
        request: &ChoiceRequest,
        chosen: Option<VersionId>,
    ) -> Answer<Option<Digest>> {
        let Some(chosen) = chosen else { return Ok(None) };
        let mut tx = self.catalog.begin(Access::Read).await?;
        let Some(known) = tx.save(asker.user, &request.save).await? else { return Ok(None) };
        let version = tx.version(known.row, chosen).await?;
        drop(tx);
        let Some(content) = version.and_then(|version| version.record.content) else { return Ok(None) };
        let is_there = self.blobs.size_bytes(content.digest).await? == Some(content.size_bytes);
        Ok((!is_there).then_some(content.digest))
    }
}

/// What is chosen.
struct How {
    /// What the log calls it.
    verb: &'static str,
    /// Whose content goes on; `None`: a tombstone.
    keep: Option<VersionId>,
    /// The other heads are pinned.
    both: bool,
}

fn chosen(request: &ChoiceRequest) -> Answer<VersionId> {
    request.version.ok_or_else(|| Refusal::new(Code::Malformed, "the version to choose is missing"))
}

fn refuse_moved_heads(request: &ChoiceRequest, heads: &[StoredVersion]) -> Answer<()> {
    let mut seen = request.heads.clone();
    let mut now: Vec<VersionId> = heads.iter().map(|head| head.id).collect();
    seen.sort();
    seen.dedup();
    now.sort();
    if seen == now {
        return Ok(());
    }
    let heads: Vec<Head> = heads.iter().cloned().map(heads::shown).collect();
    Err(Refusal::new(Code::HeadsMoved, format!("`{}` has other heads than those you saw", request.save))
        .help("look at the save again and choose")
        .heads(heads))
}

/// The version that says the choice; its parents come later.
fn written(
    asker: &Asker,
    request: &ChoiceRequest,
    known: &SaveRecord,
    kept: Option<&StoredVersion>,
    sequence: u64,
) -> Version {
    Version {
        save: known.save.clone(),
        content: kept.and_then(|kept| kept.record.content),
        parents: Vec::new(),
        writer: asker.writer.clone(),
        sequence,
        played: kept.and_then(|kept| kept.record.played),
        suspect: false,
        client: CLIENT.into(),
        profile: String::new(),
        core: kept.and_then(|kept| kept.record.core.clone()),
        note: request.note.clone(),
    }
}

/// Writes the version over all heads, and over the tombstones that they hid: else those would come up again one day as heads
/// beside it. With more of them than a version has parents, it is a chain of versions.
async fn write_over(
    recorder: &mut Recorder<'_>,
    known: &SaveRecord,
    template: Version,
    mut leaves: Vec<StoredVersion>,
) -> Answer<ChoiceReply> {
    let mut left: Vec<VersionId> = leaves.iter().map(|leaf| leaf.id).collect();
    let mut version = template;
    loop {
        version.parents = left.split_off(left.len().saturating_sub(MAX_PARENTS));
        version.parents.sort();
        let id = version.id();
        leaves = recorder.add(known.row, id, &version, leaves).await?;
        if left.is_empty() {
            let heads = heads::among(leaves).into_iter().map(heads::shown).collect();
            return Ok(ChoiceReply { version: id, heads });
        }
        left.push(id);
        version.sequence += 1;
    }
}
