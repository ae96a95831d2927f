//! The owner's commands beside the real server: a backup, a check.

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use super::support::version;
use super::{SAVE, with_ada};

#[test]
fn a_backup_is_another_history_with_every_content() {
    let mut server = with_ada();
    let token = {
        let device = server.pair("Miyoo", "ada");
        device.store("op-1", &version(SAVE, Some(b"kept"), &[], 1, 1), Some(b"kept"));
        device.token
    };
    let epoch = server.get("/health", None).header("retrosync-epoch").to_owned();
    let backup = server.folder.path().join("backup");
    let output = server.cli(&["backup", backup.to_str().unwrap()]);
    assert!(output.status.success(), "of a running server: {output:?}");
    server.kill();
    // Over a database and a bucket there is none.
    if server.data().exists() {
        std::fs::rename(server.data(), server.folder.path().join("broken")).unwrap();
    }
    // A data directory is what a backup becomes, whatever it is of.
    (server.database, server.bucket) = (None, None);
    let output = server.cli(&["restore", backup.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    server.run(&[]);
    assert_ne!(server.get("/health", None).header("retrosync-epoch"), epoch);
    let news: Value = server.get(&format!("/changes?since=1&epoch={epoch}"), Some(&token)).ok();
    assert_eq!((&news["reset"], news["saves"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(server.get(&format!("/content/{}", Digest::of(b"kept")), Some(&token)).body, b"kept");
}

#[test]
fn a_check_names_what_is_damaged_or_missing() {
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    for (n, bytes) in [b"first", b"other"].into_iter().enumerate() {
        device.store(
            &format!("op-{n}"),
            &version(&format!("gb/sram/{n}"), Some(bytes), &[], 1, n as u64 + 1),
            Some(bytes),
        );
    }
    let check = || {
        let output = server.cli(&["check"]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check(), (Some(0), "2 contents, 10 bytes: all whole\n".into()), "beside a running server");
    server.replace_bytes(b"other", None);
    server.replace_bytes(b"first", Some(b"worse"));
    let (exit, said) = check();
    assert_eq!(exit, Some(1));
    let line =
        |what: &str| said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{said}"));
    assert!(line("damaged").contains(&Digest::of(b"first").to_string()), "{said}");
    assert!(line("missing").contains(&Digest::of(b"other").to_string()), "{said}");
    let gone = device.get(&format!("/content/{}", Digest::of(b"other")));
    assert!(gone.status >= 400, "{}", gone.status);
    let repair = server.cli(&["check", "--repair"]);
    assert!(String::from_utf8_lossy(&repair.stderr).contains("another server"), "not while a server runs");
}
