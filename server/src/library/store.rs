//! `POST /versions`: bytes first, then all records in one transaction, each judged on its own.
//!
//! Promise 5, *bytes before names*, at this floor: `add` stages bytes, `finish` publishes them all (durable, found by digest), and only then
//! opens the transaction that records versions. Killed in between, the server keeps bytes that nobody speaks of: harmless, and
//! `check` lists them.

use bytes::Bytes;
use retrosync_protocol::{
    Code, Digest, INLINE_LIMIT_BYTES, Problem, StoreReply, StoreResult, Version, VersionId,
};

use super::operations::Asked;
use super::recorder::Recorder;
use super::{Answer, Asker, Library, Operation};
use crate::blobs::Staged;
use crate::catalog::Access;
use crate::refusal::Refusal;

/// The frames of one request, on their way in. Dropped before `finish`, nothing was stored.
pub struct Batch {
    library: Library,
    asker: Asker,
    frames: Vec<Frame>,
}

/// One frame, as far as it got.
enum Frame {
    Refused(Refusal),
    Unjudged { id: VersionId, version: Box<Version>, staged: Option<Staged>, published: bool },
}

impl Batch {
    pub(super) fn new(library: Library, asker: Asker) -> Batch {
        Batch { library, asker, frames: Vec::new() }
    }

    /// Takes in the next frame. `body` is the content itself (inflated), at most 1 MiB; `None`: the server has it.
    /// What is wrong with it becomes this frame's result, never an error here.
    pub async fn add(&mut self, version: Version, body: Option<Bytes>) {
        let frame = match self.stage(&version, body).await {
            Ok(staged) => {
                Frame::Unjudged { id: version.id(), version: Box::new(version), staged, published: false }
            }
            Err(refusal) => Frame::Refused(refusal),
        };
        self.frames.push(frame);
    }

    /// Takes in a frame that could not even be read (a broken body): its result is this refusal.
    pub fn refuse(&mut self, problem: Problem) {
        self.frames.push(Frame::Refused(problem.into()));
    }

    /// How many frames were taken in.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Is there no frame yet?
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    async fn stage(&self, version: &Version, body: Option<Bytes>) -> Answer<Option<Staged>> {
        if let Some(fault) = version.fault() {
            return Err(Refusal::new(Code::Malformed, format!("the record of `{}`: {fault}", version.save)));
        }
        match (version.content, body) {
            (None, None) => self.asker.may_delete().map(|()| None),
            (Some(_), None) => Ok(None),
            (None, Some(_)) => Err(Refusal::new(Code::Malformed, "a tombstone has no body")),
            (Some(_), Some(bytes)) if bytes.len() as u64 > INLINE_LIMIT_BYTES => {
                Err(Refusal::new(Code::TooLarge, "a body in a frame is at most 1 MiB")
                    .help("send it as an upload first"))
            }
            (Some(content), Some(bytes)) => Ok(Some(self.library.blobs.stage(content, bytes).await?)),
        }
    }

    /// Makes the bytes durable, then records the versions in one transaction, then tells the waiting.
    /// Run it to its end even when the client goes away (spawn it): the waiting are told last.
    ///
    /// # Errors
    /// `operation_reused`; `disk_full` or a failure of the catalog, after which nothing was recorded.
    pub async fn finish(mut self, operation: Operation, now_unix_s: i64) -> Answer<StoreReply> {
        let ids: Vec<Option<VersionId>> = self.frames.iter().map(Frame::id).collect();
        let asked = Asked::new(&self.asker, operation, "store", &ids)?;
        if let Some(reply) = self.look_before(&asked).await? {
            return Ok(reply);
        }
        self.publish().await?;
        let lost = self.lost().await?;
        let mut tx = self.library.catalog.begin(Access::WriteOf(self.asker.user)).await?;
        // Asked again inside: the same request may have been under way twice at once.
        if let Some(reply) = asked.recall(tx.as_mut()).await? {
            // What the other wrote may not be durable yet; an empty commit is answered when it is.
            tx.commit().await?;
            return Ok(reply);
        }
        let mut recorder = Recorder::new(tx.as_mut(), self.library.blobs.as_ref(), &self.asker, now_unix_s)
            .await?
            .without(lost);
        let mut results = Vec::with_capacity(self.frames.len());
        for frame in self.frames {
            let result = match frame {
                Frame::Refused(refusal) => refused(refusal),
                Frame::Unjudged { id, version, published, .. } => {
                    match recorder.store(id, &version, published).await {
                        // With a cause it is the catalog that failed: then nothing of this request happened.
                        Err(refusal) if refusal.cause().is_none() => refused(refusal),
                        other => other?,
                    }
                }
            };
            results.push(result);
        }
        let news = recorder.news();
        let reply = StoreReply { results };
        // A refusal is not kept: sent again when the cause is gone, it is judged again; what was stored is known by its id.
        if !reply.results.iter().any(|result| matches!(result, StoreResult::Refused { .. })) {
            asked.keep(tx.as_mut(), &reply, now_unix_s).await?;
        }
        self.library.commit(tx, &self.asker).await?;
        self.library.tell(&self.asker, news);
        Ok(reply)
    }

    /// Before any byte is made durable: was this answered already, and is there room for it in the quota?
    async fn look_before(&mut self, asked: &Asked) -> Answer<Option<StoreReply>> {
        let mut tx = self.library.catalog.begin(Access::Read).await?;
        if let Some(reply) = asked.recall(tx.as_mut()).await? {
            return Ok(Some(reply));
        }
        let user = tx.user(self.asker.user).await?;
        let Some(quota_bytes) = user.and_then(|user| user.quota_bytes) else { return Ok(None) };
        let mut had_bytes = tx.figures(self.asker.user).await?.size_bytes;
        for frame in &mut self.frames {
            let Frame::Unjudged { staged: Some(staged), .. } = frame else { continue };
            let content = staged.content();
            if tx.content(self.asker.user, content.digest).await?.is_some() {
                continue;
            }
            if had_bytes + content.size_bytes > quota_bytes {
                *frame = Frame::Refused(quota_full(quota_bytes));
            } else {
                had_bytes += content.size_bytes;
            }
        }
        Ok(None)
    }

    /// Publishes what was staged, together.
    async fn publish(&mut self) -> Answer<()> {
        let mut batch = Vec::new();
        for frame in &mut self.frames {
            if let Frame::Unjudged { staged, published, .. } = frame
                && let Some(staged) = staged.take()
            {
                *published = true;
                batch.push(staged);
            }
        }
        Ok(self.library.blobs.publish(batch).await?)
    }

    /// What is named without a body and is not among the bytes. Asked before the transaction: a store of bytes may be slow.
    async fn lost(&self) -> Answer<Vec<Digest>> {
        let named = self.frames.iter().filter_map(|frame| match frame {
            Frame::Unjudged { version, published: false, .. } => Some(version.content?.digest),
            _ => None,
        });
        let named: Vec<Digest> = named.collect();
        if named.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.library.blobs.lacking(named).await?)
    }
}

impl Frame {
    fn id(&self) -> Option<VersionId> {
        match self {
            Frame::Refused(_) => None,
            Frame::Unjudged { id, .. } => Some(*id),
        }
    }
}

pub(super) fn quota_full(quota_bytes: u64) -> Refusal {
    Refusal::new(Code::QuotaFull, format!("the account's limit of {quota_bytes} bytes is reached"))
        .help("ask the server's owner for more room; the device keeps the save queued")
}

/// A refusal of one frame becomes its result; its cause, if the server is at fault, goes to the log.
fn refused(refusal: Refusal) -> StoreResult {
    if let Some(cause) = refusal.cause() {
        log::error!("could not take in a version: {cause}");
    }
    StoreResult::Refused { problem: refusal.into_problem() }
}
