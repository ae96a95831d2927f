//! The server's own misfortunes: set back to yesterday, a full disk, bytes that rotted or vanished.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::card::Firmware;
use crate::support::device::{Bytes, Device, bytes};
use crate::support::not_allowed;
use crate::support::server::Server;
use crate::world::contents;

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";

fn paired() -> (Server, Device, Device) {
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    a.pair(&server);
    b.pair(&server);
    (server, a, b)
}

fn digest(bytes: &Bytes) -> String {
    retrosync_protocol::Digest::of(bytes).to_string()
}

#[test]
fn a_server_that_was_restored_from_yesterdays_backup_is_refilled_by_its_devices() {
    let (mut server, a, b) = paired();
    a.plays(&bytes("yesterday"));
    a.once();
    b.once();
    let backup = server.data().with_file_name("backup");
    server.tell(&["backup", backup.to_str().unwrap()], "");
    for played in ["today", "tonight"] {
        b.plays(&bytes(played));
        b.once();
        a.once();
    }
    // One of them goes on while the server is down.
    server.kill();
    fs::rename(server.data(), server.data().with_file_name("burnt")).unwrap();
    server.tell(&["restore", backup.to_str().unwrap()], "");
    a.plays(&bytes("played on"));
    server.up();
    for device in [&b, &a, &b] {
        assert_eq!(device.once()["questions"], json!([]), "nobody is asked about one line of play");
    }
    assert_eq!((a.save(), b.save()), (Some(bytes("played on")), Some(bytes("played on"))));
    let known = contents(&a, SAVE);
    for kept in ["yesterday", "tonight", "played on"] {
        assert_eq!(known.iter().filter(|one| **one == digest(&bytes(kept))).count(), 1, "{kept}: {known:?}");
    }
    // What was a version in between and is no file any more is in the attic of the card that it was replaced on.
    let attic = a.json(&["history", SAVE])["attic"].to_string();
    assert!(known.contains(&digest(&bytes("today"))) || attic.contains(&digest(&bytes("today"))), "{attic}");
    assert!(server.tell(&["check"], "").contains("all whole"));
}

/// The server's data on a small file system of its own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn under(server: &mut Server) -> Option<SmallDisk> {
        server.kill();
        let (data, aside) = (server.data(), server.data().with_file_name("aside"));
        fs::rename(&data, &aside).unwrap();
        fs::create_dir(&data).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&data).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            not_allowed("a server whose disk is full", "mount");
            return None;
        }
        let disk = SmallDisk(data.clone());
        assert!(Command::new("cp").arg("-a").arg(aside.join(".")).arg(&data).status().unwrap().success());
        server.up();
        Some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_server_whose_disk_is_full_says_so_and_takes_the_save_when_there_is_room() {
    let (mut server, a, b) = paired();
    a.plays(&bytes("first"));
    a.once();
    b.once();
    let Some(disk) = SmallDisk::under(&mut server) else { return };
    let filler = disk.0.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 1024]).is_ok() {}
    drop(file);
    a.plays(&bytes("second"));
    for _ in 0..2 {
        let full = a.run(&["once"]);
        assert!([1, 3].contains(&full.code), "{full:?}");
        assert!(full.err.contains("  cause: "), "{full:?}");
        assert_eq!(a.save(), Some(bytes("second")));
    }
    assert_eq!(a.json(&["status"])["queued"], 1);
    fs::remove_file(&filler).unwrap();
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("second")));
    assert_eq!(contents(&a, SAVE), [digest(&bytes("second")), digest(&bytes("first"))]);
    server.kill();
}

fn blob(server: &Server, bytes: &[u8]) -> PathBuf {
    let name = retrosync_protocol::Digest::of(bytes).to_string();
    server.data().join("blobs").join(&name[..2]).join(name)
}

/// A save over 1 MiB travels as blocks, a small one with its record.
fn noise(size_bytes: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    Bytes(std::iter::repeat_with(byte).take(size_bytes).collect())
}

#[test]
fn bytes_that_rotted_or_vanished_on_the_server_come_back_from_a_handheld_that_has_them() {
    type Misfortune = fn(&Path);
    let rot: Misfortune = |blob| {
        let mut bytes = fs::read(blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(blob, bytes).unwrap();
    };
    let shorten: Misfortune = |blob| fs::write(blob, &fs::read(blob).unwrap()[..100]).unwrap();
    let vanish: Misfortune = |blob| fs::remove_file(blob).unwrap();
    let rows: [(&str, Bytes, Misfortune); 4] = [
        ("a flipped bit", bytes("first"), rot),
        ("cut short", bytes("second"), shorten),
        ("gone", bytes("third"), vanish),
        ("a flipped bit in a large save", noise(1_300_000), rot),
    ];
    let (mut server, a, b) = paired();
    for (row, played, misfortune) in rows {
        a.plays(&played);
        a.once();
        misfortune(&blob(&server, &played));
        let (code, told) = server.says(&["check"]);
        assert!(code == 1 && told.contains(SAVE) && told.contains(&digest(&played)), "{row}: {told}");
        server.kill();
        server.says(&["check", "--repair"]);
        server.up();
        // The other handheld wants the bytes that nobody can give, and keeps what it has.
        let before = b.save();
        let wanting = b.run(&["once", "--json"]);
        assert!(wanting.code != 0, "{row}: {wanting:?}");
        assert_eq!(b.save(), before, "{row}");
        let versions = contents(&a, SAVE).len();
        // As the daemon does at its start and once a day: it asks whether all that was agreed on is still there.
        assert_eq!(a.run(&["once", "--full", "--json"]).ends(0).json()["problems"], json!([]), "{row}");
        let (code, told) = server.says(&["check"]);
        assert!(code == 0 && told.contains("all whole"), "{row}: {told}");
        assert_eq!(contents(&a, SAVE).len(), versions, "{row}: no version is doubled");
        assert_eq!(b.once()["problems"], json!([]), "{row}");
        assert_eq!(b.save(), Some(played), "{row}: and whoever waited for it has it");
        assert_eq!(a.once()["uploaded"], json!([]), "{row}: once is enough");
    }
}
