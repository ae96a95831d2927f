//! check, backup and restore over a real data directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use retrosync_protocol::{ChangesRequest, Digest, Epoch};
use tempfile::TempDir;

use super::{
    Copied, KeepError, Records, backup, blobs_folder, catalog_file, check, is_backup, make_empty, restore,
};
use crate::blobs::Blobs as _;
use crate::blobs::disk::DiskBlobs;
use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::turn::Turn;
use crate::catalog::{self, Access, Catalog, Tx, UserId};
use crate::library::{Asker, Library};
use crate::notice::Notice;
use crate::sample::{asker, content, epoch, user, version};

struct Server {
    data: PathBuf,
    catalog: Arc<SqliteCatalog>,
    blobs: Arc<DiskBlobs>,
    library: Library,
}

impl Server {
    async fn open(data: &Path) -> Server {
        let catalog = Arc::new(SqliteCatalog::open(&catalog_file(data), &epoch()).await.unwrap());
        let blobs = Arc::new(DiskBlobs::open(&blobs_folder(data)).unwrap());
        let library = Library::new(catalog.clone(), blobs.clone(), Arc::new(Notice::new()));
        Server { data: data.into(), catalog, blobs, library }
    }

    /// A server with a user and saves of these bytes.
    async fn with_saves(data: &Path, saves: &[&'static [u8]]) -> Server {
        let server = Server::open(data).await;
        let mut tx = server.catalog.begin(Access::Write).await.unwrap();
        assert_eq!(tx.add_user(&user("ada")).await.unwrap(), Some(UserId(1)));
        tx.commit().await.unwrap();
        let mut batch = server.library.batch(&ada());
        for (sequence, bytes) in (1..).zip(saves) {
            let version = version(&format!("gb/sram/Game {sequence}"), 2, sequence, bytes, &[]);
            batch.add(version, Some(Bytes::from_static(bytes))).await;
        }
        batch.finish(None, 0).await.unwrap();
        server
    }

    async fn backup(&self, to: &Path) -> Result<Copied, KeepError> {
        backup(self.catalog.as_ref(), self.blobs.as_ref(), &self.data, to, || 1000).await
    }

    async fn check(&self, repair: bool, now_unix_s: i64) -> super::Report {
        let (catalog, blobs) = (self.catalog.as_ref(), self.blobs.as_ref());
        let report = if repair {
            super::repair(catalog, blobs, &move || now_unix_s).await
        } else {
            check(catalog, blobs).await
        };
        report.unwrap()
    }
}

/// As the command does: into a data directory that is empty or not there.
async fn put_back(from: &Path, data: &Path) -> Result<Copied, KeepError> {
    is_backup(from)?;
    make_empty(data)?;
    let blobs = DiskBlobs::open(&blobs_folder(data)).unwrap();
    restore(from, &blobs, Records::Folder(data), &drawn_epoch()).await
}

fn drawn_epoch() -> Epoch {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    Epoch::from_random(&bytes)
}

fn ada() -> Asker {
    asker(UserId(1), "ada")
}

fn blob(data: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let name = Digest::of(bytes).to_string();
    blobs_folder(data).join(&name[..2]).join(name)
}

fn folders() -> [TempDir; 2] {
    [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]
}

#[tokio::test]
async fn damage_is_told_by_the_save_that_it_hits() {
    let [data, _] = folders();
    let server = Server::with_saves(data.path(), &[b"whole", b"gone", b"rotten", b"shorter"]).await;
    let report = server.check(false, 0).await;
    assert!(report.is_sound());
    assert_eq!((report.contents, report.size_bytes), (4, 22));
    fs::remove_file(blob(data.path(), b"gone")).unwrap();
    fs::write(blob(data.path(), b"rotten"), b"rottem").unwrap();
    fs::write(blob(data.path(), b"shorter"), b"short").unwrap();
    let report = server.check(false, 0).await;
    assert!(!report.is_sound());
    let gone = Digest::of(b"gone");
    assert_eq!(
        report.missing,
        [format!("content `{gone}` (4 bytes) of `gb/sram/Game 2`: its bytes are missing")]
    );
    let mut damaged = [
        format!(
            "content `{}` (6 bytes) of `gb/sram/Game 3`: its bytes are others than recorded",
            Digest::of(b"rotten")
        ),
        format!("content `{}` (7 bytes) of `gb/sram/Game 4`: its bytes are 5, not 7", Digest::of(b"shorter")),
    ];
    damaged.sort();
    assert_eq!(report.damaged, damaged);
}

#[tokio::test]
async fn what_cannot_be_read_now_is_told_and_stays_where_it_is() {
    let [data, _] = folders();
    let server = Server::with_saves(data.path(), &[b"whole", b"rotten"]).await;
    fs::write(blob(data.path(), b"rotten"), b"rottem").unwrap();
    // Every read of a folder fails; as a store does that is slow or away for a while.
    let unreadable = blob(data.path(), b"whole");
    fs::remove_file(&unreadable).unwrap();
    fs::create_dir(&unreadable).unwrap();
    let report = server.check(true, 0).await;
    assert!(!report.is_sound());
    let told =
        format!("content `{}` (5 bytes) of `gb/sram/Game 1`: its bytes cannot be read", Digest::of(b"whole"));
    assert!(matches!(report.unreadable.as_slice(), [line] if line.starts_with(&told)), "{report:?}");
    assert_eq!((report.damaged.len(), report.set_aside), (1, 1), "what is proven");
    assert!(unreadable.exists(), "good bytes are not put out of reach");
    assert!(!blob(data.path(), b"rotten").exists());
}

/// A catalog that another server uses too.
struct Shared(Arc<SqliteCatalog>);

#[async_trait::async_trait]
impl Catalog for Shared {
    async fn begin(&self, access: Access) -> catalog::Result<Box<dyn Tx>> {
        self.0.begin(access).await
    }
    async fn copy_to(&self, file: &Path) -> catalog::Result<bool> {
        self.0.copy_to(file).await
    }
    async fn others(&self) -> catalog::Result<u64> {
        Ok(1)
    }
}

#[tokio::test]
async fn nothing_is_repaired_beside_a_server_or_while_another_removes_bytes() {
    let [data, _] = folders();
    let server = Server::with_saves(data.path(), &[b"rotten"]).await;
    fs::write(blob(data.path(), b"rotten"), b"rottem").unwrap();
    let blobs = server.blobs.as_ref();
    let refused = super::repair(&Shared(server.catalog.clone()), blobs, &|| 1000).await.unwrap_err();
    assert!(refused.to_string().contains("stop it first"), "{refused}");
    let turn = Turn::take(server.catalog.as_ref(), "gc", 1000).await.unwrap();
    let turn = turn.expect("a refused repair gave its turn back");
    let refused = super::repair(server.catalog.as_ref(), blobs, &|| 1000).await.unwrap_err();
    assert!(refused.to_string().contains("try again when it is done"), "{refused}");
    assert!(blob(data.path(), b"rotten").exists());
    turn.give_back(server.catalog.as_ref()).await.unwrap();
    assert_eq!(server.check(true, 1000).await.set_aside, 1);
}

#[tokio::test]
async fn an_orphan_is_told_and_left_to_gc_whatever_its_age() {
    let [data, _] = folders();
    let server = Server::with_saves(data.path(), &[b"whole"]).await;
    let bytes = b"a crash came between";
    let orphan = content(bytes);
    let staged = server.blobs.stage(orphan, Bytes::from_static(bytes)).await.unwrap();
    server.blobs.publish(vec![staged]).await.unwrap();
    for (repair, now_unix_s) in [(false, 0), (true, 0), (true, i64::MAX / 2)] {
        let report = server.check(repair, now_unix_s).await;
        assert!(report.is_sound(), "an orphan is harmless");
        let line = format!("content `{}` (20 bytes): no record speaks of it", orphan.digest);
        assert_eq!(report.orphans, [line]);
    }
    assert!(blob(data.path(), bytes).exists() && blob(data.path(), b"whole").exists());
}

#[tokio::test]
async fn a_restored_server_has_everything_and_another_epoch() {
    let [data, elsewhere] = folders();
    let server = Server::with_saves(data.path(), &[b"one", b"two"]).await;
    let copy = elsewhere.path().join("backup");
    // While the server runs.
    server.backup(&copy).await.unwrap();
    let old = server.library.changes(&ada(), &ChangesRequest::default(), 0).await.unwrap();
    let new_data = elsewhere.path().join("data");
    put_back(&copy, &new_data).await.unwrap();
    let restored = Server::open(&new_data).await;
    assert!(restored.check(false, 0).await.is_sound());
    let request =
        ChangesRequest { since: old.cursor, epoch: Some(old.epoch.clone()), ..ChangesRequest::default() };
    let new = restored.library.changes(&ada(), &request, 0).await.unwrap();
    assert_ne!(new.epoch, old.epoch);
    assert!(new.reset, "a device that read the old server starts over");
    assert_eq!(new.saves, old.saves);
    let two = put_back(&copy, &elsewhere.path().join("other")).await;
    assert!(two.is_ok());
    let third = Server::open(&elsewhere.path().join("other")).await;
    assert_ne!(third.library.epoch().await.unwrap(), new.epoch, "each restore is a history of its own");
}

/// A catalog of which somebody takes the turn while it is copied.
struct Robbed(Arc<SqliteCatalog>);

#[async_trait::async_trait]
impl Catalog for Robbed {
    async fn begin(&self, access: Access) -> catalog::Result<Box<dyn Tx>> {
        self.0.begin(access).await
    }
    async fn copy_to(&self, file: &Path) -> catalog::Result<bool> {
        let mut tx = self.0.begin(Access::Write).await?;
        tx.put_setting("upkeep_turn", "gc 1900").await?;
        tx.commit().await?;
        self.0.copy_to(file).await
    }
}

#[tokio::test]
async fn a_backup_under_which_bytes_may_have_been_removed_is_none() {
    let [data, elsewhere] = folders();
    let server = Server::with_saves(data.path(), &[b"one"]).await;
    let copy = elsewhere.path().join("backup");
    let robbed = Robbed(server.catalog.clone());
    let refused = backup(&robbed, server.blobs.as_ref(), &server.data, &copy, || 1000).await.unwrap_err();
    assert!(refused.to_string().contains("took the turn"), "{refused}");
    assert!(is_backup(&copy).is_err());
}

#[tokio::test]
async fn a_backup_at_the_moment_of_a_removal_is_made_after_it() {
    let [data, elsewhere] = folders();
    let server = Server::with_saves(data.path(), &[b"one"]).await;
    let catalog = server.catalog.as_ref();
    let turn = Turn::take(catalog, "gc", 1000).await.unwrap().unwrap();
    let copy = elsewhere.path().join("backup");
    let removal = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(is_backup(&copy).is_err(), "it waits");
        turn.give_back(catalog).await.unwrap();
    };
    let (copied, ()) = tokio::join!(server.backup(&copy), removal);
    assert_eq!(copied.unwrap().contents, 1);
    is_backup(&copy).unwrap();
}

#[tokio::test]
async fn nothing_is_overwritten_and_half_a_backup_is_none() {
    let [data, elsewhere] = folders();
    let server = Server::with_saves(data.path(), &[b"one"]).await;
    let copy = elsewhere.path().join("backup");
    server.backup(&copy).await.unwrap();
    let again = server.backup(&copy).await.unwrap_err();
    let empty = "is not empty; name a new folder, nothing is overwritten";
    assert_eq!(again.to_string(), format!("`{}` {empty}", copy.display()));
    for within in ["", "x", "x/y", "../data/x"] {
        let within =
            data.path().join(within.replace("data", data.path().file_name().unwrap().to_str().unwrap()));
        let refused = server.backup(&within).await.unwrap_err().to_string();
        assert!(
            refused.contains("would be lost with it; help: name a folder elsewhere"),
            "{within:?}: {refused}"
        );
    }
    let over = put_back(&copy, data.path()).await.unwrap_err();
    assert_eq!(over.to_string(), format!("`{}` {empty}", data.path().display()));
    fs::write(copy.join("catalog.sqlite-wal"), b"what a server wrote that was started on it").unwrap();
    let served = put_back(&copy, &elsewhere.path().join("data")).await.unwrap_err();
    assert!(served.to_string().contains("holds what was written after the backup"), "{served}");
    fs::write(copy.join("catalog.sqlite-wal"), b"").unwrap();
    put_back(&copy, &elsewhere.path().join("as it was")).await.unwrap();
    fs::remove_file(copy.join("backup.json")).unwrap();
    let half = put_back(&copy, &elsewhere.path().join("data")).await.unwrap_err();
    assert!(half.to_string().contains("is no whole backup"), "{half}");
    assert!(!elsewhere.path().join("data").exists());
    assert!(server.check(false, 0).await.is_sound());
}
