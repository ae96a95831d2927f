//! What only a folder of blobs can show: the order of its system calls, a full disk, and what is left lying about.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::blobs::suite::{self, get, noise, put};
use crate::sample::content;

/// The environment variable that makes the traced test do its work.
const TRACED: &str = "RETROSYNC_TEST_PUBLISH_IN";

#[tokio::test]
async fn a_folder_keeps_the_contract_of_blobs() {
    for case in suite::CASES {
        let folder = tempfile::tempdir().unwrap();
        case(Arc::new(DiskBlobs::open(folder.path()).unwrap())).await;
    }
}

fn incoming(root: &Path) -> usize {
    fs::read_dir(root.join("incoming")).unwrap().count()
}

#[tokio::test]
async fn what_is_not_published_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::open(folder.path()).unwrap();
    let staged = blobs.stage(content(b"abc"), Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(incoming(folder.path()), 1);
    drop(staged);
    assert_eq!(incoming(folder.path()), 0);
    blobs.stage(content(b"abc"), Bytes::from_static(b"abd")).await.unwrap_err();
    assert_eq!(incoming(folder.path()), 0);
    fs::write(folder.path().join("incoming/left by a kill"), b"half").unwrap();
    blobs.clear_incoming().await.unwrap();
    assert_eq!(incoming(folder.path()), 0);
}

#[tokio::test]
async fn storing_again_heals_a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::open(folder.path()).unwrap();
    let good = put(&blobs, b"good bytes").await;
    fs::write(blobs.folder.path(good.digest), b"evil bytes").unwrap();
    put(&blobs, b"good bytes").await;
    assert_eq!(get(&blobs, good.digest, 0..99).await.as_deref(), Some(b"good bytes".as_slice()));
}

#[tokio::test]
async fn after_a_write_error_nothing_is_published_until_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::open(folder.path()).unwrap();
    *blobs.folder.in_doubt.lock().unwrap() = true;
    let staged = blobs.stage(content(b"abc"), Bytes::from_static(b"abc")).await.unwrap();
    let refused = blobs.publish(vec![staged]).await.unwrap_err();
    assert!(refused.to_string().contains("the disk reported a write error"), "{refused}");
    assert_eq!(blobs.size_bytes(Digest::of(b"abc")).await.unwrap(), None);
}

#[tokio::test]
async fn a_batch_that_cannot_get_its_name_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::open(folder.path()).unwrap();
    let mut group = Vec::new();
    for bytes in [b"one".as_slice(), b"two", b"three"] {
        group.push(vec![blobs.stage(content(bytes), Bytes::copy_from_slice(bytes)).await.unwrap()]);
    }
    // Where the second belongs is something that no file can take the place of.
    fs::create_dir(blobs.folder.path(Digest::of(b"two"))).unwrap();
    let answers = blobs.folder.publish(group);
    assert!(matches!(answers.as_slice(), [Ok(()), Err(BlobError::Failed(_)), Ok(())]), "{answers:?}");
    assert_eq!(get(&blobs, Digest::of(b"one"), 0..99).await.as_deref(), Some(b"one".as_slice()));
    assert_eq!(get(&blobs, Digest::of(b"three"), 0..99).await.as_deref(), Some(b"three".as_slice()));
    assert_eq!(incoming(folder.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_that_come_at_once_are_each_answered_when_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Arc::new(DiskBlobs::open(folder.path()).unwrap());
    let stored = (0..100_u64).map(|seed| {
        let blobs = blobs.clone();
        tokio::spawn(async move {
            let bytes = noise(seed, 1000);
            let content = put(blobs.as_ref(), &bytes).await;
            assert_eq!(get(blobs.as_ref(), content.digest, 0..9999).await, Some(bytes));
        })
    });
    for one in stored.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    assert_eq!(incoming(folder.path()), 0);
}

/// A file system of a few MiB, gone when dropped; needs root.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "could not unmount");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_apart_leaves_nothing_and_passes() {
    let Some(disk) = SmallDisk::mount("2m") else {
        eprintln!("skipped: a small file system cannot be mounted here (not root)");
        return;
    };
    let blobs = DiskBlobs::open(disk.0.path()).unwrap();
    let kept = put(&blobs, &noise(1, 500_000)).await;
    put(&blobs, &noise(2, 1_000_000)).await;
    let bytes = noise(3, 1_000_000);
    let refused = blobs.stage(content(&bytes), bytes.clone().into()).await.unwrap_err();
    assert!(matches!(refused, BlobError::DiskFull(_)), "{refused}");
    let block = Bytes::from(noise(4, BLOCK_BYTES as usize));
    let blocks = (0..16).map(|index| (index, block.clone())).collect();
    let refused = blobs.stage_blocks(UploadId(1), blocks).await.unwrap_err();
    assert!(matches!(refused, BlobError::DiskFull(_)), "{refused}");
    blobs.drop_upload(UploadId(1)).await.unwrap();
    assert_eq!(incoming(disk.0.path()), 0);
    assert_eq!(get(&blobs, kept.digest, 0..u64::MAX).await.map(|bytes| bytes.len()), Some(500_000));
    blobs.delete(Digest::of(&noise(2, 1_000_000))).await.unwrap();
    put(&blobs, &bytes).await;
}

/// The other half of the next test: publishes batches and says when each was answered.
#[tokio::test]
#[ignore = "runs under strace"]
async fn publish_and_say_so() {
    let Some(root) = std::env::var_os(TRACED).map(PathBuf::from) else { return };
    let blobs = DiskBlobs::open(&root).unwrap();
    for batch_size in [1, 20] {
        let mut batch = Vec::new();
        for seed in 0..batch_size {
            let bytes = noise(batch_size + seed, 1000);
            batch.push(blobs.stage(content(&bytes), bytes.into()).await.unwrap());
        }
        blobs.publish(batch).await.unwrap();
        fs::write(root.join(format!("answered-{batch_size}")), b"").unwrap();
    }
}

/// Durable before answered: in the order of system calls, every write is synced before any name, and the names before the answer.
#[test]
fn bytes_are_synced_before_names_and_names_before_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-y", "-e", "trace=openat,write,rename,renameat,renameat2,fsync,fdatasync,syncfs", "-o"])
        .arg(&trace);
    strace.arg(std::env::current_exe().unwrap());
    strace.args(["--exact", "blobs::disk::tests::publish_and_say_so", "--ignored", "--test-threads=1"]);
    let traced = strace.env(TRACED, folder.path().join("blobs")).output();
    if !traced.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: strace is not installed or not allowed here");
        return;
    }
    let trace = fs::read_to_string(&trace).unwrap();
    let (mut dirty_bytes, mut dirty_names, mut published) = (0, 0, 0);
    for call in trace.lines() {
        let synced = call.contains("sync(") || call.contains("syncfs(");
        if call.contains(" write(") && call.contains("/blobs/incoming/") {
            dirty_bytes += 1;
        } else if synced && call.contains("/blobs/incoming/") {
            dirty_bytes -= 1;
        } else if call.contains("syncfs(") {
            (dirty_bytes, dirty_names) = (0, 0);
        } else if synced && call.contains("/blobs/") {
            dirty_names = 0;
        } else if call.contains(" rename") && call.contains("/blobs/incoming/") {
            assert_eq!(dirty_bytes, 0, "a name before its bytes: {call}");
            dirty_names += 1;
            published += 1;
        } else if call.contains("answered-") {
            assert_eq!(dirty_names, 0, "answered before the names were durable: {call}");
        }
    }
    assert_eq!(published, 21, "{trace}");
}
