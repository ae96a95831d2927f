//! `retrosync-server migrate --bytes-to s3`: records to PostgreSQL and bytes to a bucket, and back; refusals, and a move that is cut
//! off between two of its bytes.

use std::process::{Command, Stdio};

use retrosync_protocol::Digest;

use crate::moving::{database_name, lived_in, migrate, refused, said, seen, sqlite};
use crate::support::bucket::Bucket;
use crate::support::wire::{End, Wire};
use crate::support::{Device, Server, cluster, version};

/// A new database and a new bucket.
fn places() -> Option<(String, Bucket)> {
    Some((cluster::database()?, Bucket::start()?))
}

fn users(url: &str) -> String {
    cluster::shared().unwrap().lock().unwrap().sql(&database_name(url), "SELECT count(*) FROM users")
}

#[test]
fn a_history_that_moved_to_postgres_and_a_bucket_and_back_is_the_same_to_a_device() {
    let Some((url, bucket)) = places() else { return };
    let (mut server, token) = lived_in();
    server.run(&[]);
    let before = seen(&server, &token);
    assert_eq!(server.stop(), Some(0));

    server.bucket = Some(bucket);
    let output = migrate(&server, &["--from", &sqlite(&server), "--to", &url, "--bytes-to", "s3"]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for line in ["5 contents, 300017 bytes\n", "all compared, all the same", "300017 bytes: all whole"] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    let files = server.folder.path().join("files");
    std::fs::rename(server.data(), &files).unwrap();
    server.database = Some(url.clone());
    server.run(&[]);
    assert_eq!(seen(&server, &token), before);
    assert_eq!(server.get(&format!("/content/{}", Digest::of(b"second")), Some(&token)).body, b"second");
    let device = Device { server: &server, token: token.clone(), id: String::new() };
    let third = device.store("op-6", &version("gb/sram/Zelda", Some(b"third"), &[], 1, 5), Some(b"third"));
    assert_eq!(third["outcome"], "head", "it goes on where it was");
    let before = seen(&server, &token);
    assert_eq!(server.stop(), Some(0));

    let home = server.folder.path().join("home");
    let to = format!("sqlite:{}", home.display());
    let arguments = ["--from", &url, "--to", &to, "--bytes-from", "s3", "--bytes-to", home.to_str().unwrap()];
    let output = migrate(&server, &arguments);
    let text = said(&output);
    assert!(output.status.success() && text.contains("6 contents, 300022 bytes: all whole"), "{text}");
    let _ = std::fs::remove_dir_all(server.data());
    std::fs::rename(home, server.data()).unwrap();
    (server.database, server.bucket) = (None, None);
    server.run(&[]);
    assert_eq!(seen(&server, &token), before);
    assert_eq!(server.get(&format!("/content/{}", Digest::of(b"third")), Some(&token)).body, b"third");
}

#[test]
fn a_move_into_a_bucket_that_was_cut_off_is_made_whole_by_the_same_command() {
    let Some((url, bucket)) = places() else { return };
    let (mut server, _) = lived_in();
    let (_, port) = bucket.endpoint().rsplit_once(':').unwrap();
    let wire = Wire::to(End::Port(port.parse().unwrap()));
    wire.cut_at(&format!("PUT /{}/blobs/", bucket.name()), 3);
    let through = bucket.by_way_of(format!("http://127.0.0.1:{}", wire.port()));
    let arguments = ["migrate", "--from", &sqlite(&server), "--to", &url, "--bytes-to", "s3"];
    let mut moving = Command::new(env!("CARGO_BIN_EXE_retrosync-server"))
        .args(arguments)
        .envs(through.environment())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wire.wait_for_cut();
    moving.kill().unwrap();
    moving.wait().unwrap();
    let arrived = bucket.keys().iter().filter(|key| key.starts_with("blobs/")).count();
    assert!(arrived < 5, "{arrived}: it was cut before the last");
    assert_eq!(users(&url), "0", "no record before its bytes");

    server.bucket = Some(bucket);
    for _ in 0..2 {
        let output = server.cli(&arguments);
        let text = said(&output);
        assert!(output.status.success() && text.contains("5 contents, 300017 bytes: all whole"), "{text}");
    }
}

#[test]
fn a_bucket_that_is_not_there_not_named_or_anothers_takes_nothing_and_no_record_moves() {
    let Some((url, bucket)) = places() else { return };
    let (mut server, _) = lived_in();
    let from = sqlite(&server);
    let to_s3 = ["--from", &from, "--to", &url, "--bytes-to", "s3"];
    refused(&server, &to_s3, 2, "s3.bucket");

    let gone = Bucket::start().unwrap();
    gone.vanish();
    server.bucket = Some(gone);
    refused(&server, &to_s3, 1, "make the bucket, or name another with `s3.bucket`");

    // Somebody else's saves are in it.
    let mut other = Server::idle();
    other.bucket = Some(bucket);
    other.run(&[]);
    assert_eq!(other.stop(), Some(0));
    server.bucket = other.bucket.take();
    refused(&server, &to_s3, 1, "it keeps the saves of another server's records");

    assert_eq!(users(&url), "0", "no record went before its bytes");
    assert!(migrate(&server, &["--from", &from, "--to", &url]).status.success());
    let home = format!("sqlite:{}", server.folder.path().join("home").display());
    let back = ["--from", &url, "--to", &home, "--bytes-to", "s3"];
    refused(&server, &back, 1, "say where the bytes are with `--bytes-from`");
    server.bucket = None;
    server.replace_bytes(b"first", None);
    server.bucket = Bucket::start();
    refused(&server, &to_s3, 1, "missing  content");
}
