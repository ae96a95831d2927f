//! The contract of blobs, and what only a bucket can do to us, against a real S3 server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../tests/support/bucket.rs"]
pub(crate) mod bucket;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use retrosync_protocol::{BLOCK_BYTES, ChangesRequest, Code, Digest, StoreResult};

use self::bucket::Bucket;
use super::{S3Options, open};
use crate::blobs::objects::ObjectBlobs;
use crate::blobs::suite::{self, get, noise, put};
use crate::blobs::{BlobError, Blobs, Piece};
use crate::catalog::memory::MemoryCatalog;
use crate::catalog::{Access, Catalog as _, UploadId, UserId};
use crate::library::{Asker, Library};
use crate::notice::Notice;
use crate::sample::{asker, content, epoch, user, version};

pub(crate) fn options(bucket: &Bucket, prefix: &str) -> S3Options {
    S3Options {
        bucket: bucket.name().into(),
        endpoint: Some(bucket.endpoint().into()),
        region: Some("us-east-1".into()),
        prefix: prefix.into(),
        access_key: Some("key".into()),
        secret_key: Some("secret".into()),
        plain_http: true,
        ..S3Options::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_keeps_the_contract_of_blobs() {
    let Some(bucket) = Bucket::start() else { return };
    for (number, case) in suite::CASES.iter().enumerate() {
        let blobs = open(&options(&bucket, &format!("case {number}/below")), &epoch()).await.unwrap();
        case(Arc::new(blobs)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_content_goes_in_parts_and_parts_of_a_try_that_died_are_not_kept_for_ever() {
    let Some(bucket) = Bucket::start() else { return };
    let blobs = open(&options(&bucket, ""), &epoch()).await.unwrap();
    let bytes = noise(1, (18 << 20) + 5);
    let (upload, whole) = (UploadId(1), content(&bytes));
    let blocks = bytes.chunks(BLOCK_BYTES as usize).map(Bytes::copy_from_slice);
    let blocks: Vec<(u64, Bytes)> = (0..).zip(blocks).collect();
    let pieces: Vec<Piece> = blocks.iter().map(|(index, _)| Piece::Staged(*index)).collect();
    blobs.stage_blocks(upload, blocks).await.unwrap();
    // A try that is killed once it has begun; then one with a wrong end, which gives up by itself.
    let path = Path::from("blobs/00/never");
    assert!(blobs.begin_multipart(upload, &path).await.is_ok());
    let refused = blobs.assemble(upload, whole, &pieces[..pieces.len() - 1]).await.unwrap_err();
    assert!(matches!(refused, BlobError::Mismatch), "{refused}");
    assert_eq!(blobs.size_bytes(whole.digest).await.unwrap(), None);
    assert_eq!(bucket.says("?uploads").matches("<UploadId>").count(), 1, "only that of the killed one");
    blobs.assemble(upload, whole, &pieces).await.unwrap();
    assert!(get(&blobs, whole.digest, 0..u64::MAX).await.unwrap() == bytes);
    blobs.drop_upload(upload).await.unwrap();
    assert_eq!(bucket.says("?uploads").matches("<UploadId>").count(), 0, "all are ended");
    assert_eq!(bucket.says("?list-type=2&prefix=uploads").matches("<Key>").count(), 0);
    assert!(get(&blobs, whole.digest, 0..9).await.unwrap() == bytes[..9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_bytes_are_set_aside_and_come_again() {
    let Some(bucket) = Bucket::start() else { return };
    let blobs = open(&options(&bucket, ""), &epoch()).await.unwrap();
    let good = put(&blobs, b"good bytes").await;
    let name = good.digest.to_string();
    let path = Path::from(format!("blobs/{}/{name}", &name[..2]));
    blobs.store.put(&path, "evil bytes".into()).await.unwrap();
    assert!(blobs.set_aside(good.digest).await.unwrap());
    assert_eq!(blobs.lacking(vec![good.digest]).await.unwrap(), [good.digest]);
    let aside = blobs.store.get(&Path::from(format!("damaged/{name}"))).await.unwrap();
    assert_eq!(aside.bytes().await.unwrap(), "evil bytes");
    put(&blobs, b"good bytes").await;
    assert_eq!(get(&blobs, good.digest, 0..99).await.unwrap(), b"good bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_bucket_is_told_at_the_start() {
    let Some(bucket) = Bucket::start() else { return };
    let good = options(&bucket, "");
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rows = [
        (
            "no such bucket",
            S3Options { bucket: "other".into(), ..good.clone() },
            "make the bucket, or name another",
        ),
        (
            "nobody there",
            S3Options { endpoint: Some(format!("http://{nowhere}")), ..good.clone() },
            "look whether the store runs",
        ),
        ("plain HTTP", S3Options { plain_http: false, ..good.clone() }, "set `s3.plain_http = true`"),
        ("half a key", S3Options { secret_key: None, ..good.clone() }, "go together"),
        (
            "no authorities",
            S3Options { ca_file: Some("/nowhere.pem".into()), ..good.clone() },
            "cannot use `s3.ca_file` `/nowhere.pem`",
        ),
    ];
    for (case, options, expected) in rows {
        let Err(refused) = open(&options, &epoch()).await else { panic!("{case}: it was opened") };
        let text = refused.to_string();
        assert!(text.contains(expected) && text.contains("bucket `"), "{case}: {text}");
        assert!(!text.contains("secret "), "{case}: {text}");
    }
    assert_eq!(format!("{good:?}").matches("secret").count(), 0, "keys are shown to nobody");
}

/// Everything that is in the bucket, to be put back.
async fn objects(blobs: &ObjectBlobs) -> Vec<(Path, Bytes)> {
    let names: Vec<Path> = blobs.store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    let mut all = Vec::new();
    for name in names {
        let bytes = blobs.store.get(&name).await.unwrap().bytes().await.unwrap();
        all.push((name, bytes));
    }
    all
}

fn ada() -> Asker {
    asker(UserId(1), "ada")
}

async fn store(library: &Library, sequence: u64, bytes: &'static [u8]) -> Result<StoreResult, Code> {
    let mut batch = library.batch(&ada());
    let version = version(&format!("gb/sram/Game {sequence}"), 2, sequence, bytes, &[]);
    batch.add(version, Some(Bytes::from_static(bytes))).await;
    batch.finish(None, 0).await.map(|mut reply| reply.results.remove(0)).map_err(|refusal| refusal.code())
}

async fn read(library: &Library, bytes: &[u8]) -> Result<Vec<u8>, Code> {
    let stream = library.open(&ada(), Digest::of(bytes), 0..bytes.len() as u64).await;
    let chunks: Vec<Bytes> = stream.map_err(|refusal| refusal.code())?.try_collect().await.unwrap();
    Ok(chunks.concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_vanishes_costs_nothing_but_time() {
    let Some(bucket) = Bucket::start() else { return };
    let catalog = Arc::new(MemoryCatalog::new(epoch()));
    let mut tx = catalog.begin(Access::Write).await.unwrap();
    assert_eq!(tx.add_user(&user("ada")).await.unwrap(), Some(UserId(1)));
    tx.commit().await.unwrap();
    let blobs = Arc::new(open(&options(&bucket, ""), &epoch()).await.unwrap());
    let library = Library::new(catalog.clone(), blobs.clone(), Arc::new(Notice::new()));
    let stored = async |sequence, bytes| {
        matches!(store(&library, sequence, bytes).await, Ok(StoreResult::Head { .. }))
    };
    assert!(stored(1, b"first").await);
    let before = objects(&blobs).await;

    let ask_known = ChangesRequest {
        ask: vec![retrosync_protocol::Ask {
            save: "gb/sram/Game 1".parse().unwrap(),
            digest: Digest::of(b"first"),
        }],
        ..ChangesRequest::default()
    };
    let known = async || library.changes(&ada(), &ask_known, 0).await.map(|changes| changes.known);
    bucket.vanish();
    for there in ["no bucket", "another, empty one"] {
        assert!(blobs.answers().await.is_err(), "{there}: not ready");
        assert_eq!(store(&library, 2, b"second").await.err(), Some(Code::Unavailable), "{there}");
        assert_eq!(read(&library, b"first").await, Err(Code::Unavailable), "{there}");
        let refused = known().await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{there}: unknown is not absent");
        assert!(refused.cause().unwrap().to_string().contains("help: "), "{refused}");
        let listed = library.changes(&ada(), &ChangesRequest::default(), 0).await.unwrap();
        assert_eq!(listed.saves.len(), 1, "{there}: nothing is recorded whose bytes are not there");
        bucket.make();
    }

    for (name, bytes) in before {
        blobs.store.put(&name, bytes.into()).await.unwrap();
    }
    assert!(blobs.answers().await.is_ok(), "it is back");
    assert_eq!(read(&library, b"first").await.as_deref(), Ok(b"first".as_slice()));
    assert_eq!(known().await.unwrap(), [true]);
    assert!(stored(2, b"second").await, "what was refused comes again");
    assert_eq!(read(&library, b"second").await.as_deref(), Ok(b"second".as_slice()));

    // For good: a server that is started with the empty bucket asks devices for what they still have.
    bucket.vanish();
    bucket.make();
    let blobs = Arc::new(open(&options(&bucket, ""), &epoch()).await.unwrap());
    let library = Library::new(catalog, blobs, Arc::new(Notice::new()));
    let known = library.changes(&ada(), &ask_known, 0).await.unwrap().known;
    assert_eq!(known, [false], "whoever has it brings it again");
}
