//! `retrosync-server migrate`: all records from SQLite to PostgreSQL and back, refusals, and a move that is cut off.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use crate::support::{Server, cluster, frames, token, token_sha256, version, wait_for};

const WAIT: Duration = Duration::from_secs(60);

/// A server on SQLite with a history, stopped; and its device's token.
pub(crate) fn lived_in() -> (Server, String) {
    let mut server = Server::start_on(None, tempfile::tempdir().unwrap(), &[]);
    server.add_user("ada");
    server.add_user("Zoë");
    let device = server.pair("Miyoo", "ada");
    let first = device.store("op-1", &version("gb/sram/Tetris", Some(b"first"), &[], 1, 1), Some(b"first"));
    let parent = first["version"].as_str().unwrap();
    device.store("op-2", &version("gb/sram/Tetris", Some(b"second"), &[parent], 1, 2), Some(b"second"));
    device.store("op-3", &version("gb/sram/Tetris", Some(b"branch"), &[parent], 2, 1), Some(b"branch"));
    device.store("op-4", &version("nes/sram/Ünïcode", Some(b""), &[], 1, 3), Some(b""));
    large(&device);
    let token = device.token;
    // Waits for a code: it must be approved after the move.
    let request = json!({"token_sha256": token_sha256(&self::token()), "device_name": "Anbernic",
        "profile": "muos", "client": "retrosync/0.1.0 test"});
    assert_eq!(server.post("/pairing", None, &request).status, 200);
    assert_eq!(server.stop(), Some(0));
    (server, token)
}

/// A save of several blocks.
fn large(device: &crate::support::Device<'_>) {
    let bytes = vec![7; 300_000];
    let blocks: Vec<&[u8]> = bytes.chunks(64 << 10).collect();
    let digests: Vec<Digest> = blocks.iter().map(|block| Digest::of(block)).collect();
    let content = json!({"digest": Digest::of(&bytes), "size_bytes": bytes.len()});
    let started = device.post("/uploads", &json!({"content": content, "block_digests": digests}));
    assert_eq!(started.status, 200, "{}", started.text());
    let body: Vec<u8> = blocks
        .iter()
        .zip(&digests)
        .enumerate()
        .flat_map(|(index, (block, digest))| {
            frames::frame(json!({"index": index, "digest": digest}), Some(block), "identity")
        })
        .collect();
    let path = format!("/uploads/{}/blocks", Digest::of(&bytes));
    assert_eq!(device.send(&path, "op-blocks", &body).status, 200);
    let record = version("psx/card.0/Big", Some(&bytes), &[], 1, 4);
    assert_eq!(device.store("op-5", &record, None)["outcome"], "head");
}

pub(crate) fn migrate(server: &Server, arguments: &[&str]) -> Output {
    server.cli(&[&["migrate"], arguments].concat())
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn sqlite(server: &Server) -> String {
    format!("sqlite:{}", server.data().display())
}

/// It does nothing, and says why.
#[track_caller]
pub(crate) fn refused(server: &Server, arguments: &[&str], exit: i32, why: &str) {
    let output = migrate(server, arguments);
    assert_eq!(output.status.code(), Some(exit), "{}", said(&output));
    assert!(said(&output).contains(why), "`{why}` is not in\n{}", said(&output));
}

/// All that a device sees, but for the clock.
pub(crate) fn seen(server: &Server, token: &str) -> Value {
    let mut seen: Value = server.get("/changes?since=0&epoch=", Some(token)).ok();
    seen.as_object_mut().unwrap().remove("server_time_unix_s");
    seen
}

#[test]
fn a_history_that_moved_to_postgres_and_back_is_the_same_to_a_device() {
    let Some(url) = cluster::database() else { return };
    let (mut server, token) = lived_in();
    server.run(&[]);
    let before = seen(&server, &token);
    assert_eq!(server.stop(), Some(0));

    let output = migrate(&server, &["--from", &sqlite(&server), "--to", &url]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for line in [
        "  users                 2 rows",
        "all compared, all the same",
        "5 contents, 300017 bytes: all whole",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    let again = migrate(&server, &["--from", &sqlite(&server), "--to", &url]);
    assert!(
        again.status.success() && said(&again).contains("the records were moved before"),
        "{}",
        said(&again)
    );

    server.database = Some(url.clone());
    server.run(&[]);
    assert_eq!(seen(&server, &token), before);
    assert_eq!(server.get(&format!("/content/{}", Digest::of(b"second")), Some(&token)).body, b"second");
    let device = crate::support::Device { server: &server, token: token.clone(), id: String::new() };
    let third = device.store("op-6", &version("gb/sram/Zelda", Some(b"third"), &[], 1, 5), Some(b"third"));
    assert_eq!(third["outcome"], "head", "it goes on where it was");
    let before = seen(&server, &token);
    assert_eq!(server.stop(), Some(0));

    let home = server.folder.path().join("home");
    let (to, old) = (format!("sqlite:{}", home.display()), server.data());
    let (old, home) = (old.to_str().unwrap(), home.to_str().unwrap());
    let output = migrate(&server, &["--from", &url, "--to", &to, "--bytes-from", old, "--bytes-to", home]);
    let text = said(&output);
    assert!(output.status.success() && text.contains("6 contents, 300022 bytes: all whole"), "{text}");
    std::fs::rename(old, server.folder.path().join("old")).unwrap();
    std::fs::rename(home, old).unwrap();
    server.database = None;
    server.run(&[]);
    assert_eq!(seen(&server, &token), before);
    assert_eq!(server.get(&format!("/content/{}", Digest::of(b"third")), Some(&token)).body, b"third");
}

#[test]
fn what_is_in_use_or_holds_something_else_is_left_alone() {
    let Some(url) = cluster::database() else { return };
    let (mut server, _) = lived_in();
    let from = sqlite(&server);
    refused(&server, &["--from", "sqlite:/nowhere", "--to", &url], 1, "it has no `catalog.sqlite`");
    refused(&server, &["--from", "mysql://x", "--to", &url], 2, "expected `sqlite:DIR` or `postgres://");
    refused(&server, &["--from", &url, "--to", &from], 1, "is empty: there is nothing to move");
    server.run(&[]);
    refused(&server, &["--from", &from, "--to", &url], 1, "stop it first");
    assert_eq!(server.stop(), Some(0));

    let other = Server::start_on(Some(url.clone()), tempfile::tempdir().unwrap(), &[]);
    refused(&server, &["--from", &from, "--to", &url], 1, "stop all of them first");
    other.add_user("somebody");
    let mut other = other;
    assert_eq!(other.stop(), Some(0));
    refused(&server, &["--from", &from, "--to", &url], 1, "the target holds something else");
    std::fs::remove_file(
        crate::support::find_below(&server.data(), &Digest::of(b"first").to_string()).unwrap(),
    )
    .unwrap();
    let empty = cluster::database().unwrap();
    refused(&server, &["--from", &from, "--to", &empty], 1, "missing  content");
}

#[test]
fn a_move_that_was_cut_off_left_nothing_and_is_made_whole_by_the_same_command() {
    let Some(url) = cluster::database() else { return };
    let (server, _) = lived_in();
    let name = database_name(&url);
    let sql = |text: &str| cluster::shared().unwrap().lock().unwrap().sql(&name, text);
    // The tables are there, and one of the last takes no rows for now: the move stands still in the middle.
    let mut tables = Command::new(env!("CARGO_BIN_EXE_retrosync-server"));
    assert!(
        tables
            .args(["check", "--data"])
            .arg(server.folder.path().join("none"))
            .env("RETROSYNC_DATABASE", &url)
            .status()
            .unwrap()
            .success()
    );
    let mut lock = cluster::shared().unwrap().lock().unwrap().session(&name);
    let mut hold = lock.stdin.take().unwrap();
    writeln!(hold, "BEGIN; LOCK TABLE events IN SHARE MODE; SELECT 'locked';").unwrap();
    let mut answers = BufReader::new(lock.stdout.take().unwrap()).lines();
    assert_eq!(answers.next().unwrap().unwrap(), "locked");

    let mut moving = Command::new(env!("CARGO_BIN_EXE_retrosync-server"))
        .args(["migrate", "--from", &sqlite(&server), "--to", &url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(moving.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("  fetched")), "it did not come so far");
    moving.kill().unwrap();
    moving.wait().unwrap();
    drop(hold);
    lock.wait().unwrap();
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'retrosync%'";
    wait_for("its connections to end", WAIT, || (sql(others) == "0").then_some(()));
    assert_eq!(sql("SELECT count(*) FROM users"), "0");

    let output = migrate(&server, &["--from", &sqlite(&server), "--to", &url]);
    assert!(output.status.success() && said(&output).contains("all whole"), "{}", said(&output));
}

pub(crate) fn database_name(url: &str) -> String {
    let path = url.split('?').next().unwrap();
    path.rsplit('/').next().unwrap().to_owned()
}
