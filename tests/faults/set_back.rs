//! A server that is set back and does not know it: its folder was copied back (a snapshot of a NAS, of a machine or of a database is
//! the same to a handheld), so it has its old epoch and gives its old numbers again. And one whose disk lost bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::card::Firmware;
use crate::support::device::{Bytes, Device, bytes, read};
use crate::support::program::Running;
use crate::support::server::Server;
use crate::support::wait_for;
use crate::world::contents;

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";
/// How long a daemon waits with the server.
const LONG_POLL: Duration = Duration::from_secs(110);

fn paired() -> (Server, Device, Device) {
    let server = Server::start();
    let (a, c) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Onion, GAME));
    a.pair(&server);
    c.pair(&server);
    (server, a, c)
}

fn digest(bytes: &Bytes) -> String {
    retrosync_protocol::Digest::of(bytes).to_string()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// A copy of the server's folder, taken while it is down, as no backup is.
fn copied(server: &mut Server) -> PathBuf {
    server.kill();
    let aside = server.data().with_file_name("copy");
    copy(&server.data(), &aside);
    server.up();
    aside
}

/// The copy is put back, and nobody tells the server.
fn put_back(server: &mut Server, copied: &Path) {
    server.kill();
    fs::remove_dir_all(server.data()).unwrap();
    copy(copied, &server.data());
    server.up();
}

/// Another game on the card, beside the one that is there.
fn more(device: &Device, title: &str) -> PathBuf {
    let beside = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().replace(GAME, title);
        path.with_file_name(name)
    };
    fs::copy(device.card.rom(), beside(device.card.rom())).unwrap();
    let save = beside(device.card.save());
    fs::create_dir_all(save.parent().unwrap()).unwrap();
    save
}

fn tell(daemon: &Running, signal: i32) {
    // SAFETY: plain numbers; the daemon is ours and has not been waited for.
    assert_eq!(unsafe { libc::kill(daemon.id().cast_signed(), signal) }, 0);
}

fn questions(device: &Device) -> usize {
    device.json(&["status"])["questions"].as_array().unwrap().len()
}

/// What the handheld was told is stored lies on its card as it was played, is on the server again, and is one side of a question.
fn is_asked_about(a: &Device, c: &Device, played: &Bytes) {
    assert_eq!(a.save().as_ref(), Some(played), "nothing was replaced unasked");
    assert!(contents(c, SAVE).contains(&digest(played)), "what was acknowledged is on the server again");
    assert_eq!(questions(a), 1, "both lines of play are there, and a person chooses");
}

#[test]
fn a_save_that_a_copied_back_server_forgot_is_neither_replaced_nor_forgotten_by_its_handheld() {
    // How many saves the copy lacks, and how many of the other's come: with more the numbers pass those that were known.
    for (lost, others) in [(1, 1), (2, 1), (2, 3)] {
        let row = format!("{lost} lost, {others} of the other's");
        let (mut server, a, c) = paired();
        a.plays(&bytes("yesterday"));
        a.once();
        c.once();
        let copy = copied(&mut server);
        let mut last = Bytes(Vec::new());
        for number in 0..lost {
            last = bytes(&format!("acknowledged {number}"));
            a.plays(&last);
            assert_eq!(a.once()["uploaded"].as_array().unwrap().len(), 1, "{row}");
        }
        put_back(&mut server, &copy);
        for number in 0..others {
            c.plays(&bytes(&format!("of the other {number}")));
            c.once();
        }
        a.once_asks();
        is_asked_about(&a, &c, &last);
    }
}

#[test]
fn a_handheld_that_slept_while_the_server_was_copied_back_wakes_and_brings_what_it_was_told_is_stored() {
    let (mut server, a, c) = paired();
    a.plays(&bytes("yesterday"));
    a.once();
    c.once();
    let copy = copied(&mut server);
    let daemon = a.daemon();
    for played in ["today", "tonight"] {
        a.plays(&bytes(played));
        wait_for("it is stored", 120, || contents(&c, SAVE).contains(&digest(&bytes(played))).then_some(()));
        // What it was told it has noted, before it sleeps.
        wait_for("it is told so", 120, || (a.json(&["status"])["queued"] == 0).then_some(()));
    }
    tell(&daemon, libc::SIGSTOP);
    put_back(&mut server, &copy);
    for played in ["c1", "c2", "c3"] {
        c.plays(&bytes(played));
        c.once();
    }
    tell(&daemon, libc::SIGCONT);
    wait_for("it brings what the server forgot", 120, || {
        contents(&c, SAVE).contains(&digest(&bytes("tonight"))).then_some(())
    });
    wait_for("and asks", 120, || (questions(&a) == 1).then_some(()));
    is_asked_about(&a, &c, &bytes("tonight"));
}

#[test]
fn a_save_that_changed_under_a_number_that_was_read_already_still_arrives() {
    let (mut server, a, c) = paired();
    let other = "Other (World)";
    let (on_a, on_c) = (more(&a, other), more(&c, other));
    a.plays(&bytes("y0"));
    fs::write(&on_a, &*bytes("y1")).unwrap();
    a.once();
    c.once();
    assert_eq!(read(&on_c), Some(bytes("y1")));
    let copy = copied(&mut server);
    for played in ["t0", "t0b"] {
        a.plays(&bytes(played));
        a.once();
    }
    put_back(&mut server, &copy);
    fs::write(&on_c, &*bytes("c1")).unwrap();
    c.once();
    c.plays(&bytes("c0"));
    c.once();
    a.once_asks();
    assert_eq!(read(&on_a), Some(bytes("c1")), "the number at which it changed was another save's before");
    is_asked_about(&a, &c, &bytes("t0b"));
}

/// Four saves on A and the server, none on C yet, and the bytes of the one whose digest comes first are gone from the server.
fn one_of_four_gone() -> (Server, Device, Device, Vec<(String, Bytes)>, PathBuf) {
    let (server, a, c) = paired();
    let mut saves = Vec::new();
    for title in ["One (World)", "Two (World)", "Three (World)", "Four (World)"] {
        let played = bytes(title);
        fs::write(more(&a, title), &*played).unwrap();
        more(&c, title);
        saves.push((title.to_owned(), played));
    }
    a.once();
    saves.sort_by_key(|(_, played)| digest(played));
    let first = digest(&saves[0].1);
    let blob = server.data().join("blobs").join(&first[..2]).join(&first);
    fs::remove_file(&blob).unwrap();
    (server, a, c, saves, blob)
}

fn has(device: &Device, saves: &[(String, Bytes)]) -> Vec<bool> {
    let beside = |title: &str| device.card.save().to_str().unwrap().replace(GAME, title);
    saves.iter().map(|(title, played)| read(Path::new(&beside(title))).as_ref() == Some(played)).collect()
}

#[test]
fn one_save_whose_bytes_the_server_lost_keeps_none_of_the_others_from_a_new_handheld() {
    let (_server, a, c, saves, blob) = one_of_four_gone();
    let said: Value = c.run(&["once", "--json"]).ends(3).json();
    assert_eq!(said["problems"].as_array().unwrap().len(), 1, "it is one save's problem: {said}");
    assert_eq!(has(&c, &saves), [false, true, true, true]);
    // Who has it and looks gives it: it is told, without the question of each day.
    assert_eq!(a.once()["problems"], json!([]));
    assert!(blob.exists());
    c.once();
    assert_eq!(has(&c, &saves), [true; 4]);
    assert_eq!(a.once()["uploaded"], json!([]), "once is enough");
}

#[test]
fn a_daemon_gives_the_bytes_that_the_server_is_found_to_lack_at_once() {
    let (_server, a, c, saves, blob) = one_of_four_gone();
    let _daemon = a.daemon();
    // At its start it looks whether all is there, and heals it; so they are lost again, under its eyes.
    wait_for("the bytes come back at its start", 120, || blob.exists().then_some(()));
    wait_for("it is through with that", 120, || a.log().contains("stored").then_some(()));
    fs::remove_file(&blob).unwrap();
    let asked = Instant::now();
    c.run(&["once"]).ends(3);
    wait_for("the bytes are back", 120, || blob.exists().then_some(()));
    assert!(asked.elapsed() < LONG_POLL, "it was told, and did not wait for the end of its poll");
    c.once();
    assert_eq!(has(&c, &saves), [true; 4]);
}
