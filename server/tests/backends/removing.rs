//! `retrosync-server gc`, the real program, over SQLite and files and over PostgreSQL and a bucket: what it says, what it removes, and
//! whom it leaves alone. Time passes by moving what is recorded into the past.

use std::process::Command;

use retrosync_protocol::Digest;
use serde_json::Value;

use crate::moving::{database_name, said};
use crate::support::bucket::Bucket;
use crate::support::{Device, Server, cluster, version};

pub(crate) const DAY_S: i64 = 24 * 3600;

/// Changes the records as they are, whatever they are in.
pub(crate) fn sql(server: &Server, text: &str) {
    if let Some(url) = &server.database {
        cluster::shared().unwrap().lock().unwrap().sql(&database_name(url), text);
        return;
    }
    const RUN: &str =
        "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nc.execute(sys.argv[2])\nc.commit()";
    let file = server.data().join("catalog.sqlite");
    let output = Command::new("python3").args(["-c", RUN]).arg(file).arg(text).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[track_caller]
pub(crate) fn gc(server: &Server, arguments: &[&str], says: &str) {
    let output = server.cli(&[&["gc"], arguments].concat());
    let text = said(&output);
    assert!(output.status.success() && text.contains(says), "`{says}` is not in\n{text}");
}

/// Three versions of one save, one over the other.
fn played(device: &Device<'_>) {
    let mut parents: Vec<String> = Vec::new();
    for (number, bytes) in (1..).zip([b"oldest", b"middle", b"newest"]) {
        let parent: Vec<&str> = parents.last().map(String::as_str).into_iter().collect();
        let record = version("gb/sram/Tetris", Some(bytes), &parent, 1, number);
        let stored = device.store(&format!("op-{number}"), &record, Some(bytes));
        assert_eq!(stored["outcome"], "head");
        parents.push(stored["version"].as_str().unwrap().to_owned());
    }
}

fn marks_then_removes(server: &Server) {
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    played(&device);
    gc(server, &[], "thinned out 0 (0 bytes); marked as unneeded 0 (0 bytes)");
    sql(server, &format!("UPDATE versions SET received_unix_s = received_unix_s - {}", 800 * DAY_S));
    gc(server, &["--dry-run"], "would be marked as unneeded 1 (6 bytes)");
    gc(server, &[], "; marked as unneeded 1 (6 bytes), waiting 0");
    gc(server, &[], "thinned out 0 (0 bytes); marked as unneeded 0 (0 bytes), waiting 1 (6 bytes)");
    let oldest = format!("/content/{}", Digest::of(b"oldest"));
    assert_eq!(device.get(&oldest).body, b"oldest", "a mark takes nothing");

    sql(server, &format!("UPDATE contents SET unneeded_unix_s = unneeded_unix_s - {}", 31 * DAY_S));
    gc(server, &["--dry-run"], "would thin out 1 (6 bytes)");
    assert_eq!(device.get(&oldest).body, b"oldest", "a dry run takes nothing");
    // Another server, or a backup, has the turn.
    let later = "(SELECT max(received_unix_s) FROM versions)";
    let theirs = format!("'another ' || ({later} + {})", 800 * DAY_S + 600);
    sql(server, &format!("UPDATE settings SET value = {theirs} WHERE name = 'upkeep_turn'"));
    let waits = server.cli(&["gc"]);
    assert_eq!(waits.status.code(), Some(1), "{}", said(&waits));
    assert!(said(&waits).contains("another server removes what is unneeded, or a backup is made"));
    assert_eq!(device.get(&oldest).body, b"oldest", "whose turn it is not takes nothing");
    sql(server, "UPDATE settings SET value = '' WHERE name = 'upkeep_turn'");

    gc(server, &[], "thinned out 1 (6 bytes); marked as unneeded 0 (0 bytes)");
    let gone = device.get(&oldest);
    assert_eq!((gone.status, gone.code().as_str()), (410, "thinned"));
    for kept in [b"middle", b"newest"] {
        assert_eq!(device.get(&format!("/content/{}", Digest::of(kept))).body, kept);
    }
    let history: Value = device.get("/history?save=gb/sram/Tetris").ok();
    assert_eq!(history["versions"].as_array().unwrap().len(), 3, "the history is whole");
    assert_eq!(
        said(&server.cli(&["check"])),
        "2 contents, 12 bytes: all whole\n",
        "and nothing is left of it"
    );
}

#[test]
fn gc_takes_what_was_unneeded_for_a_month_and_nothing_else_from_files() {
    // Beside a server that runs.
    marks_then_removes(&Server::start_with(&["--set", "gc.daily=false"]));
}

#[test]
fn gc_takes_what_was_unneeded_for_a_month_and_nothing_else_from_a_bucket() {
    let (Some(url), Some(bucket)) = (cluster::database(), Bucket::start()) else { return };
    let server = Server::start_over(Some(url), Some(bucket), &["--set", "gc.daily=false"]);
    marks_then_removes(&server);
    let bucket = server.bucket.as_ref().unwrap();
    let left = bucket.keys().into_iter().filter(|key| key.starts_with("blobs/")).count();
    assert_eq!(left, 2);
}

#[test]
fn gc_makes_no_data_directory_and_says_what_it_misses() {
    let server = Server::idle();
    let output = server.cli(&["gc"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("is not a server's data directory"), "{}", said(&output));
    assert!(!server.data().exists());
}
