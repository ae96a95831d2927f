//! `retrosync-server restore`: a backup that was made of SQLite and files becomes a server over PostgreSQL, a bucket, or both.

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use crate::moving::{lived_in, said, seen};
use crate::support::bucket::Bucket;
use crate::support::{Server, cluster};

#[test]
fn a_backup_of_files_comes_back_in_postgres_in_a_bucket_and_in_both() {
    let (mut server, token) = lived_in();
    server.run(&[]);
    let (before, epoch) = (seen(&server, &token), server.get("/health", None));
    let backup = server.folder.path().join("backup");
    let backup = backup.to_str().unwrap();
    assert!(server.cli(&["backup", backup]).status.success(), "of a running server");
    assert_eq!(server.stop(), Some(0));
    for (place, in_postgres, in_bucket) in
        [("PostgreSQL", true, false), ("a bucket", false, true), ("both", true, true)]
    {
        let mut restored = Server::idle();
        if in_postgres {
            let Some(url) = cluster::database() else { return };
            restored.database = Some(url);
        }
        if in_bucket {
            let Some(bucket) = Bucket::start() else { return };
            restored.bucket = Some(bucket);
        }
        let output = restored.cli(&["restore", backup]);
        let text = said(&output);
        assert!(output.status.success() && text.contains("5 contents, 300017 bytes"), "{place}: {text}");
        let again = restored.cli(&["restore", backup]);
        assert_eq!(again.status.code(), Some(1), "{place}: {}", said(&again));
        assert!(said(&again).contains("nothing is overwritten"), "{place}: {}", said(&again));
        let checked = restored.cli(&["check"]);
        assert_eq!(said(&checked), "5 contents, 300017 bytes: all whole\n", "{place}");

        restored.run(&[]);
        let bearer = format!("Bearer {token}");
        let ask =
            |path: &str| restored.bare("GET", &format!("/api/v1{path}"), &[("authorization", &bearer)], None);
        let known = ask("/health").header("retrosync-epoch").to_owned();
        assert_ne!(known, epoch.header("retrosync-epoch"), "{place}: it is another history");
        let after: Value = ask(&format!("/changes?since=7&epoch={}", epoch.header("retrosync-epoch"))).ok();
        assert_eq!((&after["reset"], &after["saves"]), (&json!(true), &before["saves"]), "{place}");
        let read = ask(&format!("/content/{}", Digest::of(b"second")));
        assert_eq!(read.body, b"second", "{place}");
        assert_eq!(restored.stop(), Some(0));
    }
}

#[test]
fn nothing_is_restored_over_records_or_bytes_that_are_there() {
    let (server, _) = lived_in();
    let backup = server.folder.path().join("backup");
    let backup = backup.to_str().unwrap();
    assert!(server.cli(&["backup", backup]).status.success());
    let (Some(url), Some(used)) = (cluster::database(), Bucket::start()) else { return };
    let mut theirs = Server::idle();
    (theirs.database, theirs.bucket) = (Some(url), Some(used));
    theirs.add_user("somebody");

    let mut target = Server::idle();
    let refused = |target: &Server, why: &str| {
        let output = target.cli(&["restore", backup]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(why), "`{why}` is not in\n{}", said(&output));
    };
    target.bucket = theirs.bucket.take();
    refused(&target, "it was used before, and nothing is overwritten");
    theirs.bucket = target.bucket.take();
    (target.database, target.bucket) = (theirs.database.clone(), Bucket::start());
    refused(&target, "the target is not empty: its table `users` has rows");
    let checked = theirs.cli(&["check"]);
    assert_eq!(said(&checked), "0 contents, 0 bytes: all whole\n", "theirs is as it was");
}
