//! The rules, held against README 0 to 6, over the catalog and blobs in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod histories;
mod reading;
mod rules;
mod speed;
mod upkeep;
mod uploads;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use retrosync_protocol::{
    ChangesRequest, Content, DeviceId, Digest, Epoch, Head, Problem, StoreResult, Version, VersionId,
    WriterId,
};

use super::{Asker, Library};
use crate::blobs::objects::ObjectBlobs;
use crate::catalog::memory::MemoryCatalog;
use crate::catalog::{Access, Catalog, User, UserId};
use crate::notice::Notice;

const NOW_UNIX_S: i64 = 1_790_000_000;
const SAVE: &str = "gb/sram/Tetris";

/// A library in memory with two users.
struct World {
    library: Library,
    ada: UserId,
    bob: UserId,
}

impl World {
    async fn new() -> World {
        World::over(Arc::new(MemoryCatalog::new(Epoch::from_random(&[7; 16])))).await
    }

    async fn over(catalog: Arc<dyn Catalog>) -> World {
        World::with_quota(catalog, None).await
    }

    async fn with_quota(catalog: Arc<dyn Catalog>, quota_bytes: Option<u64>) -> World {
        let mut tx = catalog.begin(Access::Write).await.unwrap();
        let mut ids = Vec::new();
        for name in ["ada", "bob"] {
            let user = User {
                id: UserId(0),
                name: name.into(),
                password_hash: String::new(),
                admin: false,
                writer: WriterId::from_random(&[0xdd; 16]),
                quota_bytes,
                quota_devices: None,
                email: None,
                created_unix_s: 0,
            };
            ids.push(tx.add_user(&user).await.unwrap().unwrap());
        }
        tx.commit().await.unwrap();
        let blobs = Arc::new(ObjectBlobs::in_memory());
        let library = Library::new(catalog, blobs, Arc::new(Notice::new()));
        World { library, ada: ids[0], bob: ids[1] }
    }

    /// Device `number` of ada.
    fn device(&self, number: u8) -> Asker {
        Asker {
            user: self.ada,
            user_name: "ada".into(),
            device: Some(DeviceId::from_random(&[number; 8])),
            device_name: format!("device {number}"),
            writer: WriterId::from_random(&[number | 0x80; 16]),
        }
    }

    fn stranger(&self) -> Asker {
        Asker { user: self.bob, user_name: "bob".into(), ..self.device(9) }
    }

    /// Stores one version with its bytes.
    async fn store(&self, asker: &Asker, version: &Version, body: Option<&[u8]>) -> StoreResult {
        let mut batch = self.library.batch(asker);
        batch.add(version.clone(), body.map(Bytes::copy_from_slice)).await;
        let mut reply = batch.finish(None, NOW_UNIX_S).await.unwrap();
        assert_eq!(reply.results.len(), 1);
        reply.results.remove(0)
    }

    async fn heads(&self, asker: &Asker, save: &str) -> Vec<VersionId> {
        let changes = self.library.changes(asker, &ChangesRequest::default(), NOW_UNIX_S).await.unwrap();
        let found = changes.saves.into_iter().find(|heads| heads.save == save.parse().unwrap());
        found.map(|found| ids(&found.heads)).unwrap_or_default()
    }

    async fn bytes(&self, asker: &Asker, digest: Digest) -> Option<Vec<u8>> {
        let stream = self.library.open(asker, digest, 0..u64::MAX).await.ok()?;
        let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
        Some(chunks.concat())
    }
}

/// A version of writer `writer` with these bytes.
fn version(writer: u8, sequence: u64, bytes: &[u8], parents: &[VersionId]) -> Version {
    let mut parents = parents.to_vec();
    parents.sort();
    parents.dedup();
    Version {
        save: SAVE.parse().unwrap(),
        content: Some(Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }),
        parents,
        writer: WriterId::from_random(&[writer; 16]),
        sequence,
        played: None,
        suspect: false,
        client: "test".into(),
        profile: "onion".into(),
        core: None,
        note: None,
    }
}

fn ids(heads: &[Head]) -> Vec<VersionId> {
    heads.iter().map(|head| head.version).collect()
}

/// `head`, `branch` or the refusal's code, and the version answered.
fn word(result: &StoreResult) -> (&str, Option<VersionId>) {
    match result {
        StoreResult::Head { version, .. } => ("head", Some(*version)),
        StoreResult::Branch { version, .. } => ("branch", Some(*version)),
        StoreResult::Refused { problem: Problem { code, .. } } => (code.as_str(), None),
    }
}

/// Random numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
