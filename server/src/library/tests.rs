//! The rules, held against README 0 to 6, over every catalog and store of bytes (`backends`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backends;
mod histories;
mod interrupted;
mod reading;
mod replays;
mod rules;
mod speed;
mod thinning;
mod upkeep;
mod uploads;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use retrosync_protocol::{
    ChangesRequest, DeviceId, Digest, Head, Problem, StoreResult, Version, VersionId, WriterId,
};
use tempfile::TempDir;

use self::backends::{Backend, Parts};
use super::{Asker, Library};
use crate::catalog::{Access, User, UserId};
use crate::notice::Notice;
use crate::sample::{self, asker, user};

const NOW_UNIX_S: i64 = 1_790_000_000;
const SAVE: &str = "gb/sram/Tetris";

/// A library with two users.
struct World {
    library: Library,
    ada: UserId,
    bob: UserId,
    _folder: Option<TempDir>,
}

impl World {
    /// In memory.
    async fn new() -> World {
        Backend::in_memory().unwrap().world().await
    }

    async fn over(parts: Parts, quota_bytes: Option<u64>) -> World {
        let mut tx = parts.catalog.begin(Access::Write).await.unwrap();
        let mut ids = Vec::new();
        for name in ["ada", "bob"] {
            let user = User { quota_bytes, ..user(name) };
            ids.push(tx.add_user(&user).await.unwrap().unwrap());
        }
        tx.commit().await.unwrap();
        let library = Library::new(parts.catalog, parts.blobs, Arc::new(Notice::new()));
        World { library, ada: ids[0], bob: ids[1], _folder: parts.folder }
    }

    /// Device `number` of ada.
    fn device(&self, number: u8) -> Asker {
        Asker {
            device: Some(DeviceId::from_random(&[number; 8])),
            device_name: format!("device {number}"),
            writer: WriterId::from_random(&[number | 0x80; 16]),
            ..asker(self.ada, "ada")
        }
    }

    /// The user on the dashboard.
    fn person(&self) -> Asker {
        Asker { device: None, ..self.device(8) }
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
    sample::version(SAVE, writer, sequence, bytes, parents)
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
