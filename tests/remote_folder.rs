//! The folder as a store: the contract of every remote, and what a share or a stick may do besides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "../src/remote/suite.rs"]
#[allow(unreachable_pub, dead_code)]
mod suite;
mod support;

use std::fs;
use std::path::PathBuf;

use retrosync::error::Kind;
use retrosync::remote::{Folder, Remote, RemoteSettings};
use retrosync_protocol::{Ask, ChangesRequest, Content, Digest, WriterId};
use suite::{Ground, Handheld, SAVE};
use support::card::Firmware;
use support::device::{Bytes, Device};

/// A store in a folder of its own.
struct Share {
    dir: tempfile::TempDir,
}

impl Share {
    fn new() -> Share {
        let dir = tempfile::tempdir().unwrap();
        Folder::create(dir.path()).unwrap();
        Share { dir }
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("retrosync-store")
    }

    fn open(&self, settings: &RemoteSettings) -> Folder {
        Folder::open(self.dir.path(), settings).unwrap()
    }
}

impl Ground for Share {
    fn device(&mut self, name: &str, writer: &WriterId) -> Box<dyn Remote> {
        let settings = RemoteSettings {
            device_name: name.into(),
            writer: Some(writer.clone()),
            ..RemoteSettings::default()
        };
        Box::new(self.open(&settings))
    }
}

suite! { Share::new() }

#[test]
fn a_record_whose_bytes_a_power_cut_took_is_not_called_safe_and_takes_them_again() {
    let mut share = Share::new();
    let mut device = Handheld::new(&mut share, "A");
    device.put(SAVE, b"played", &[]);
    fs::remove_dir_all(share.store().join("blobs")).unwrap();
    let digest = Digest::of(b"played");
    let ask = vec![Ask { save: SAVE.parse().unwrap(), digest }];
    let request = ChangesRequest { ask, ..ChangesRequest::default() };
    let known = device.remote.list(&request).unwrap().known;
    assert_eq!(known, [false], "the attic would let go of the last copy");
    device.put(SAVE, b"played", &[]);
    assert_eq!(device.remote.list(&request).unwrap().known, [true]);
    assert_eq!(device.fetch(&[Content { digest, size_bytes: 6 }]).0[&digest], b"played");
}

#[test]
fn a_stick_that_is_not_plugged_in_is_offline_and_no_new_store() {
    let mount = tempfile::tempdir().unwrap();
    let error = Folder::open(mount.path(), &RemoteSettings::default()).err().unwrap();
    assert_eq!(error.kind, Kind::Offline);
    assert_eq!(fs::read_dir(mount.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_stick_that_is_pulled_out_is_offline() {
    let mut share = Share::new();
    let mut a = Handheld::new(&mut share, "A");
    a.put(SAVE, b"one", &[]);
    fs::rename(share.store(), share.dir.path().join("gone")).unwrap();
    assert_eq!(a.remote.list(&ChangesRequest::default()).unwrap_err().kind, Kind::Offline);
    let content = Content { digest: Digest::of(b"one"), size_bytes: 3 };
    let fetched = a.remote.fetch(&[content], &mut |_, _| Ok(()));
    assert_eq!(fetched.unwrap_err().kind, Kind::Offline);
    fs::rename(share.dir.path().join("gone"), share.store()).unwrap();
    assert_eq!(a.list(0, None).saves.len(), 1, "back again");
}

#[test]
fn another_stick_is_another_epoch() {
    let mut share = Share::new();
    let mut a = Handheld::new(&mut share, "A");
    a.put(SAVE, b"one", &[]);
    let first = a.list(0, None);
    fs::remove_dir_all(share.store()).unwrap();
    Folder::create(share.dir.path()).unwrap();
    let second = a.list(first.cursor, Some(&first.epoch));
    assert_eq!((second.reset, second.saves.len()), (true, 0));
    assert_ne!(second.epoch, first.epoch);
}

#[test]
fn a_store_that_is_there_is_kept() {
    let share = Share::new();
    let epoch = fs::read(share.store().join("store.json")).unwrap();
    Folder::create(share.dir.path()).unwrap();
    assert_eq!(fs::read(share.store().join("store.json")).unwrap(), epoch);
}

#[test]
fn damaged_bytes_are_never_handed_over() {
    let mut share = Share::new();
    let mut a = Handheld::new(&mut share, "A");
    a.put(SAVE, b"the true bytes", &[]);
    let digest = Digest::of(b"the true bytes").to_string();
    let blob = share.store().join("blobs").join(&digest[..2]).join(&digest);
    for damaged in [&b"the tru"[..], b"the fals bytes", b"", b"the true bytes and more"] {
        fs::write(&blob, damaged).unwrap();
        let content = Content { digest: Digest::of(b"the true bytes"), size_bytes: 14 };
        let (came, failed) = a.fetch(&[content]);
        assert_eq!(came.len(), 0, "{damaged:?}");
        assert_eq!(failed[0].1.kind, Kind::Damaged, "{damaged:?}");
    }
    // Who still has the bytes mends them by storing them again.
    a.put("gb/sram/Copy", b"the true bytes", &[]);
    assert_eq!(fs::read(&blob).unwrap(), b"the true bytes");
}

#[test]
fn foreign_torn_and_forged_files_are_left_alone() {
    let mut share = Share::new();
    let mut a = Handheld::new(&mut share, "A");
    let version = a.put(SAVE, b"one", &[]);
    let log = share.store().join("log");
    let writer = fs::read_dir(&log).unwrap().next().unwrap().unwrap().path();
    let record = fs::read_dir(&writer).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&record).unwrap();
    fs::write(log.join("Thumbs.db"), "x").unwrap();
    fs::write(writer.join(".DS_Store"), "x").unwrap();
    fs::write(writer.join(format!("000000000002-{}.json", Digest::of(b"x"))), &text).unwrap();
    fs::write(writer.join("torn.json"), &text[..text.len() / 2]).unwrap();
    fs::write(writer.join("forged.json"), text.replace("Tetris", "Tetrix")).unwrap();
    let mut b = Handheld::new(&mut share, "B");
    let listed = b.list(0, None);
    assert_eq!(listed.saves.len(), 1);
    assert_eq!(listed.saves[0].heads[0].version, version);
}

#[test]
fn a_record_that_was_torn_by_a_power_cut_is_written_again() {
    let mut share = Share::new();
    let mut a = Handheld::new(&mut share, "A");
    let version = a.version(SAVE, Some(b"one"), &[]);
    a.store(std::slice::from_ref(&version));
    let name = format!("{:012}-{}.json", version.sequence, version.id());
    let path = share.store().join("log").join(version.writer.as_str()).join(name);
    fs::write(&path, "").unwrap();
    a.remote = share.device("A", &version.writer);
    assert_eq!(a.list(0, None).saves.len(), 0, "torn");
    a.store(std::slice::from_ref(&version));
    assert_eq!(Handheld::new(&mut share, "B").list(0, None).saves.len(), 1, "whole again");
}

#[test]
fn two_handhelds_share_a_stick_without_any_server() {
    let stick = tempfile::tempdir().unwrap();
    let store = format!("folder:{}", stick.path().display());
    let a = Device::new(Firmware::Onion, "Counter (World)");
    let b = Device::new(Firmware::Muos, "Counter (World)");
    for device in [&a, &b] {
        device.run(&["pair", &store]).ends(0);
    }
    a.plays(&[7; 8192]);
    a.once();
    b.once();
    assert_eq!(b.save(), Some(Bytes(vec![7; 8192])));
    b.plays(&[8; 8192]);
    b.once();
    a.once();
    assert_eq!(a.save(), Some(Bytes(vec![8; 8192])));

    // Both play while the stick is in a drawer: both versions are kept, and somebody is asked.
    let drawer = stick.path().join("in a drawer");
    fs::rename(stick.path().join("retrosync-store"), &drawer).unwrap();
    a.plays(&[9; 8192]);
    b.plays(&[10; 8192]);
    a.run(&["once"]).ends(1);
    assert!(!stick.path().join("retrosync-store").exists(), "no new store in its place");
    fs::rename(&drawer, stick.path().join("retrosync-store")).unwrap();
    a.once();
    b.once_asks();
    assert_eq!(
        (a.save(), b.save()),
        (Some(Bytes(vec![9; 8192])), Some(Bytes(vec![10; 8192]))),
        "each plays on"
    );
}
