//! What the rules are held over: memory, which the simulation plays with, and the databases and stores of bytes that people run, real
//! ones. Which they are is said here, once.

use std::sync::Arc;

use tempfile::TempDir;

use super::World;
use crate::blobs::Blobs;
use crate::blobs::disk::DiskBlobs;
use crate::blobs::objects::ObjectBlobs;
use crate::blobs::s3::{self, tests::bucket::Bucket};
use crate::catalog::Catalog;
use crate::catalog::memory::MemoryCatalog;
use crate::catalog::postgres;
use crate::catalog::sqlite::SqliteCatalog;
use crate::sample::epoch;

/// Makes of each of these functions a test for each backend: `async fn case(on: Backend)` is `case::in_memory`, `case::sqlite_and_s3` …
///
/// Where time passes as a test says (`of one clock`), there is no PostgreSQL: servers over it go by its own clock.
macro_rules! over_each_backend {
    (@case $case:ident: $($backend:ident)+) => {
        mod $case {
            $(#[tokio::test]
            async fn $backend() {
                if let Some(on) = $crate::library::tests::backends::Backend::$backend() {
                    super::$case(on).await;
                }
            })+
        }
    };
    (of one clock: $($case:ident),+ $(,)?) => {
        $(over_each_backend!(@case $case: in_memory sqlite_and_files sqlite_and_s3);)+
    };
    ($($case:ident),+ $(,)?) => {
        $(over_each_backend!(@case $case: in_memory sqlite_and_files sqlite_and_s3 postgres_and_s3);)+
    };
}
pub(super) use over_each_backend;

enum Records {
    Memory,
    Sqlite,
    Postgres,
}

enum Bytes {
    Memory,
    Files,
    Bucket,
}

/// A kind of database and a kind of store of bytes.
pub(super) struct Backend {
    records: Records,
    bytes: Bytes,
}

/// The table: `None` where this machine lacks what it takes.
impl Backend {
    pub(super) fn in_memory() -> Option<Backend> {
        Some(Backend { records: Records::Memory, bytes: Bytes::Memory })
    }

    pub(super) fn sqlite_and_files() -> Option<Backend> {
        Some(Backend { records: Records::Sqlite, bytes: Bytes::Files })
    }

    pub(super) fn sqlite_and_s3() -> Option<Backend> {
        Bucket::start().map(|_| Backend { records: Records::Sqlite, bytes: Bytes::Bucket })
    }

    pub(super) fn postgres_and_s3() -> Option<Backend> {
        postgres::tests::cluster::shared()?;
        Bucket::start().map(|_| Backend { records: Records::Postgres, bytes: Bytes::Bucket })
    }
}

/// A database and a store of bytes with nothing in them.
pub(super) struct Parts {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) blobs: Arc<dyn Blobs>,
    /// What lies in it goes with the last who needs it.
    pub(super) folder: Option<TempDir>,
}

impl Backend {
    /// How many histories, and of how many steps, are worth their time here: memory tells thousands of steps a second.
    pub(super) fn histories(&self) -> (u64, usize) {
        match (&self.records, &self.bytes) {
            (Records::Memory, _) => (150, 40),
            (_, Bytes::Bucket) => (2, 25),
            _ => (4, 40),
        }
    }

    /// New ones.
    pub(super) async fn parts(&self) -> Parts {
        let in_folder = matches!(self.records, Records::Sqlite) || matches!(self.bytes, Bytes::Files);
        let folder = in_folder.then(|| tempfile::tempdir().unwrap());
        let within = |name: &str| folder.as_ref().unwrap().path().join(name);
        let catalog: Arc<dyn Catalog> = match self.records {
            Records::Memory => Arc::new(MemoryCatalog::new(epoch())),
            Records::Sqlite => {
                Arc::new(SqliteCatalog::open(&within("catalog.sqlite"), &epoch()).await.unwrap())
            }
            Records::Postgres => postgres::tests::fresh().await.unwrap(),
        };
        let blobs: Arc<dyn Blobs> = match self.bytes {
            Bytes::Memory => Arc::new(ObjectBlobs::in_memory()),
            Bytes::Files => Arc::new(DiskBlobs::open(&within("blobs")).unwrap()),
            Bytes::Bucket => {
                let bucket = Bucket::start().unwrap();
                Arc::new(s3::open(&s3::tests::options(&bucket, ""), &epoch()).await.unwrap())
            }
        };
        Parts { catalog, blobs, folder }
    }

    /// A library over new ones, with two users.
    pub(super) async fn world(&self) -> World {
        World::over(self.parts().await, None).await
    }

    /// The same, where each user may have no more bytes than that.
    pub(super) async fn world_with_quota(&self, quota_bytes: u64) -> World {
        World::over(self.parts().await, Some(quota_bytes)).await
    }
}
