//! For clients that keep no records of their own: the server writes the version in their name, and remembers for them what
//! they held last. The rules are those of every version (`recorder`): nothing replaces what its writer had not seen.

use bytes::Bytes;
use retrosync_protocol::{
    BLOCK_BYTES, Content, Digest, Head, INLINE_LIMIT_BYTES, SaveId, StoreResult, UploadRequest, Version,
    VersionId,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::recorder::Recorder;
use super::store::quota_full;
use super::{Answer, Asker, Library, heads};
use crate::catalog::{Access, StoredVersion};
use crate::refusal::Refusal;

/// A file that came without a record.
pub(crate) struct Draft {
    /// Which save.
    pub(crate) save: SaveId,
    /// What the client is known to have held before.
    pub(crate) parents: Vec<VersionId>,
    /// Are the bytes doubted?
    pub(crate) suspect: bool,
    /// The client's program.
    pub(crate) client: String,
    /// For people.
    pub(crate) note: Option<String>,
}

/// What a save is now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Now {
    /// Its heads.
    pub(crate) heads: Vec<Head>,
    /// Its latest versions, newest first.
    pub(crate) recent: Vec<StoredVersion>,
}

/// How many of a save's versions are looked at for bytes that a client still has.
const RECENT: u32 = 1000;

impl Library {
    /// Keeps the bytes durably, then records them as a version of this asker.
    pub(crate) async fn adopt(
        &self,
        asker: &Asker,
        draft: Draft,
        bytes: Bytes,
        now_unix_s: i64,
    ) -> Answer<StoreResult> {
        let content = Content { digest: Digest::of(&bytes), size_bytes: bytes.len() as u64 };
        self.refuse_over_quota(asker, content).await?;
        if content.size_bytes > INLINE_LIMIT_BYTES {
            self.publish_large(asker, content, &bytes, now_unix_s).await?;
        } else {
            let staged = self.blobs.stage(content, bytes).await?;
            self.blobs.publish(vec![staged]).await?;
        }
        let mut tx = self.catalog.begin(Access::Write).await?;
        let sequence = tx.last_sequence(asker.user, &asker.writer).await? + 1;
        let mut parents = draft.parents;
        parents.sort();
        parents.dedup();
        let version = Version {
            save: draft.save,
            content: Some(content),
            parents,
            writer: asker.writer.clone(),
            sequence,
            played: None,
            suspect: draft.suspect,
            client: draft.client,
            profile: "retrosync".into(),
            core: None,
            note: draft.note,
        };
        let mut recorder = Recorder::new(tx.as_mut(), self.blobs.as_ref(), asker, now_unix_s).await?;
        let result = recorder.store(version.id(), &version, true).await?;
        let news = recorder.news();
        self.commit(tx, asker).await?;
        self.tell(asker, news);
        Ok(result)
    }

    async fn refuse_over_quota(&self, asker: &Asker, content: Content) -> Answer<()> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let Some(quota_bytes) = tx.user(asker.user).await?.and_then(|user| user.quota_bytes) else {
            return Ok(());
        };
        let known = tx.content(asker.user, content.digest).await?.is_some();
        let had_bytes = tx.figures(asker.user).await?.size_bytes;
        if known || had_bytes + content.size_bytes <= quota_bytes {
            Ok(())
        } else {
            Err(quota_full(quota_bytes))
        }
    }

    async fn publish_large(
        &self,
        asker: &Asker,
        content: Content,
        bytes: &Bytes,
        now_unix_s: i64,
    ) -> Answer<()> {
        let blocks: Vec<Bytes> = bytes
            .chunks(usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX))
            .map(|block| bytes.slice_ref(block))
            .collect();
        let block_digests: Vec<Digest> = blocks.iter().map(|block| Digest::of(block)).collect();
        let request = UploadRequest { content, block_digests: block_digests.clone() };
        let lacks = self.upload(asker, &request, now_unix_s).await?;
        if lacks.complete {
            return Ok(());
        }
        let mut batch = self.blocks(asker, content.digest).await?;
        for index in lacks.missing {
            let at = usize::try_from(index).unwrap_or(usize::MAX);
            if let (Some(block), Some(digest)) = (blocks.get(at), block_digests.get(at)) {
                batch.add(index, *digest, block.clone()).await?;
            }
        }
        batch.finish(now_unix_s).await.map(drop)
    }

    /// What each of these saves is now; its recent versions only where they are asked for.
    pub(crate) async fn now(&self, asker: &Asker, saves: &[SaveId], with_recent: bool) -> Answer<Vec<Now>> {
        let mut tx = self.catalog.begin(Access::Read).await?;
        let mut all = Vec::with_capacity(saves.len());
        for save in saves {
            let mut now = Now::default();
            if let Some(known) = tx.save(asker.user, save).await? {
                now.heads = heads::of(tx.as_mut(), known.row).await?.into_iter().map(heads::shown).collect();
                if with_recent {
                    now.recent = tx.history(known.row, u64::MAX, RECENT).await?;
                }
            }
            all.push(now);
        }
        Ok(all)
    }

    /// Versions of the user whose ids lie within these two.
    pub(crate) async fn versions_between(
        &self,
        asker: &Asker,
        first: VersionId,
        last: VersionId,
    ) -> Answer<Vec<StoredVersion>> {
        Ok(self.catalog.begin(Access::Read).await?.versions_between(asker.user, first, last).await?)
    }

    /// Which of these contents have lost their bytes, or had them thinned out: a client that still has them brings them.
    pub(crate) async fn lacking(&self, digests: Vec<Digest>) -> Answer<Vec<Digest>> {
        Ok(self.blobs.lacking(digests).await?)
    }

    /// One memo, read.
    pub(crate) async fn memo<T: DeserializeOwned>(
        &self,
        owner: &str,
        kind: &str,
        name: &str,
    ) -> Answer<Option<T>> {
        let text = self.catalog.begin(Access::Read).await?.memo(owner, kind, name).await?;
        text.map(|text| read(&text)).transpose()
    }

    /// All memos of an owner and kind, read, by name.
    pub(crate) async fn memos<T: DeserializeOwned>(&self, owner: &str, kind: &str) -> Answer<Vec<T>> {
        let texts = self.catalog.begin(Access::Read).await?.memos(owner, kind).await?;
        texts.iter().map(|(_, text)| read(text)).collect()
    }

    /// Writes memos; all or none.
    pub(crate) async fn put_memos<T: Serialize>(
        &self,
        owner: &str,
        kind: &str,
        memos: &[(&str, &T)],
    ) -> Answer<()> {
        let mut tx = self.catalog.begin(Access::Write).await?;
        for (name, memo) in memos {
            let text = serde_json::to_string(memo).map_err(|why| Refusal::internal("writing a memo", why))?;
            tx.put_memo(owner, kind, name, &text).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Forgets all memos of an owner and kind.
    pub(crate) async fn forget_memos(&self, owner: &str, kind: &str) -> Answer<()> {
        let mut tx = self.catalog.begin(Access::Write).await?;
        for (name, _) in tx.memos(owner, kind).await? {
            tx.remove_memo(owner, kind, &name).await?;
        }
        Ok(tx.commit().await?)
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Answer<T> {
    serde_json::from_str(text).map_err(|why| Refusal::internal("reading a memo", why))
}
