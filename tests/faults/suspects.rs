//! Bytes that are probably damage: they never move a head, and the game that was played comes back.

use std::time::Instant;

use serde_json::json;

use crate::support::card::Firmware;
use crate::support::device::{Bytes, Device, bytes};
use crate::support::server::Server;
use crate::support::wait_for;
use crate::world::{contents, tell};

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";
/// Where the firmware's hooks say that the game is.
const ROM: &str = "/mnt/SDCARD/Roms/GB/Tetris (World).gb";
/// How long a daemon may take, on a machine that does much else.
const PATIENCE_S: u64 = 120;

/// What a power cut or a file-system check leaves of a save that was played for long.
fn damaged(played: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    [("zeros", vec![0; 8192]), ("empty", Vec::new()), ("half", played[..4096].to_vec())]
}

/// The kinds of questions that a device's reply or status has, and nothing of it for none.
fn asked(said: &serde_json::Value) -> Vec<String> {
    let questions = said["questions"].as_array().unwrap_or_else(|| panic!("no questions: {said}"));
    questions.iter().map(|question| question["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

fn wait_until_asked(device: &Device, what: &str, kinds: &[&str]) {
    wait_for(what, PATIENCE_S, || (asked(&device.json(&["status"])) == kinds).then_some(()));
}

/// A container as RetroArch writes it, and where it was torn.
fn torn_rzip() -> Vec<u8> {
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&bytes("long played, and on"), 6);
    let mut file = b"#RZIPv\x01#".to_vec();
    file.extend_from_slice(&8192u32.to_le_bytes());
    file.extend_from_slice(&8192u64.to_le_bytes());
    file.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
    file.extend_from_slice(&packed[..packed.len() - 9]);
    file
}

#[test]
fn a_save_that_is_probably_damage_is_kept_aside_and_the_played_one_comes_back() {
    let began = Instant::now();
    let rows: [(&str, Vec<u8>, bool); 5] = [
        ("0 bytes", Vec::new(), false),
        ("all 0x00", vec![0; 8192], true),
        ("all 0xFF", vec![0xff; 8192], true),
        ("shrunk", bytes("long played")[..100].to_vec(), true),
        ("a torn container", torn_rzip(), true),
    ];
    let count = rows.len();
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    a.pair(&server);
    b.pair(&server);
    for (row, damaged, is_stored) in rows {
        let played = bytes(&format!("long played before {row}"));
        a.plays(&played);
        a.once();
        b.once();
        a.plays(&damaged);
        for _ in 0..2 {
            let said = a.once_asks();
            assert_eq!(said["questions"][0]["kind"], "suspect", "{row}: {said}");
            assert_eq!(said["questions"].as_array().unwrap().len(), 1, "{row}: {said}");
            assert_eq!(a.save(), Some(Bytes(damaged.clone())), "{row}: the file is a person's to judge");
        }
        assert_eq!(b.once()["downloaded"], json!([]), "{row}");
        assert_eq!(b.save(), Some(played.clone()), "{row}: nobody else gets the damage");
        let mut expected = vec![retrosync_protocol::Digest::of(&played).to_string()];
        if is_stored {
            expected.insert(0, retrosync_protocol::Digest::of(&damaged).to_string());
        }
        assert_eq!(contents(&a, SAVE)[..expected.len()], expected, "{row}: kept aside, once");
        // The other handheld plays on: the damage stops nobody.
        let further = bytes(&format!("played on after {row}"));
        b.plays(&further);
        b.once();
        let versions = a.json(&["history", SAVE])["versions"].clone();
        let newest = versions[0]["version"].as_str().unwrap()[..12].to_owned();
        a.run(&["restore", SAVE, &newest]).ends(0);
        assert_eq!(a.save(), Some(further), "{row}: and it comes back");
        assert_eq!(a.once()["questions"], json!([]), "{row}");
    }
    tell("suspects", "0 bytes, 0x00, 0xFF, shrunk, torn RZIP", count, began);
}

#[test]
fn a_blank_save_on_a_new_card_never_replaces_a_long_played_one() {
    let began = Instant::now();
    for (row, blank) in [("0x00", vec![0; 8192]), ("0xFF", vec![0xff; 8192]), ("empty", Vec::new())] {
        let server = Server::start();
        let a = Device::new(Firmware::Onion, GAME);
        a.pair(&server);
        a.plays(&bytes("long played"));
        a.once();
        // The game was started once on the new card before it was paired.
        let new = Device::new(Firmware::Minui, GAME);
        new.plays(&blank);
        new.pair(&server);
        let said = new.once();
        assert_eq!(
            (new.save(), &said["questions"]),
            (Some(bytes("long played")), &json!([])),
            "{row}: {said}"
        );
        assert_eq!(a.once()["downloaded"], json!([]), "{row}");
        assert_eq!(a.save(), Some(bytes("long played")), "{row}");
        let attic = new.json(&["history", SAVE])["attic"].clone();
        let digest = retrosync_protocol::Digest::of(&blank).to_string();
        assert!(attic.to_string().contains(&digest), "{row}: what was replaced is kept: {attic}");
    }
    tell("suspects", "a fresh blank save against a long-played one", 3, began);
}

/// The hundred hours are on both handhelds, then one of them has damage in their place, and its game is begun anew.
#[test]
fn a_game_begun_over_a_damaged_save_never_takes_the_hundred_hours_from_the_other_handheld() {
    let began = Instant::now();
    let mut server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    a.pair(&server);
    b.pair(&server);
    for (row, damage) in damaged(&bytes("100 hours")) {
        for is_away in [false, true] {
            let row = format!("{row}, the server {}", if is_away { "is away" } else { "is there" });
            let (played, minute) =
                (bytes(&format!("100 hours, {row}")), bytes(&format!("minute one, {row}")));
            let damage = if damage.len() == 4096 { played[..4096].to_vec() } else { damage.clone() };
            a.plays(&played);
            a.once();
            b.once();
            assert_eq!(b.save(), Some(played.clone()), "{row}");
            b.plays(&damage);
            if is_away {
                server.kill();
                b.run(&["once"]);
                server.up();
            } else {
                assert_eq!(asked(&b.once_asks()), ["suspect"], "{row}");
            }
            b.plays(&minute);
            for _ in 0..2 {
                assert_eq!(asked(&b.once_asks()), ["conflict"], "{row}: one question");
                assert_eq!(asked(&a.once_asks()), ["conflict"], "{row}: and the other handheld knows of it");
                assert_eq!(a.save(), Some(played.clone()), "{row}: whoever has them keeps them");
                assert_eq!(b.save(), Some(minute.clone()), "{row}: and who began anew plays on");
            }
            b.run(&["resolve", SAVE, "other"]).ends(0);
            assert_eq!(b.save(), Some(played), "{row}: the answer brings them back");
            assert_eq!(asked(&b.once()), [""; 0], "{row}");
            assert_eq!(asked(&a.once()), [""; 0], "{row}");
            let further = bytes(&format!("101 hours, {row}"));
            b.plays(&further);
            assert_eq!(asked(&b.once()), [""; 0], "{row}: played on from the good ones");
            assert_eq!(asked(&a.once()), [""; 0], "{row}");
            assert_eq!(a.save(), Some(further), "{row}: and the other handheld follows");
        }
    }
    tell("suspects", "a game begun over zeros, nothing and half, with and without a server", 6, began);
}

#[test]
fn a_damaged_save_that_a_person_made_good_again_is_played_on_without_a_question() {
    let began = Instant::now();
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    a.pair(&server);
    b.pair(&server);
    for (row, damage) in damaged(&bytes("100 hours")) {
        // From a computer, from the server, from the card's own kept copies.
        for how in ["copied back", "restored", "restored without a network"] {
            let row = format!("{row}, {how}");
            let (before, played) = (bytes(&format!("99 hours, {row}")), bytes(&format!("100 hours, {row}")));
            a.plays(&before);
            a.once();
            b.once();
            a.plays(&played);
            a.once();
            b.once();
            b.plays(&damage);
            assert_eq!(asked(&b.once_asks()), ["suspect"], "{row}");
            let good = match how {
                "copied back" => {
                    b.plays(&played);
                    played
                }
                "restored" => {
                    let digest = retrosync_protocol::Digest::of(&before).to_string();
                    let versions = b.json(&["history", SAVE])["versions"].clone();
                    let of_before =
                        versions.as_array().unwrap().iter().find(|v| v.to_string().contains(&digest));
                    let id = of_before.unwrap()["version"].as_str().unwrap()[..12].to_owned();
                    b.run(&["restore", SAVE, &id]).ends(0);
                    before
                }
                _ => {
                    let kept = b.json(&["history", SAVE])["attic"].clone();
                    let number = kept.as_array().unwrap().iter().find_map(|kept| {
                        let is_it =
                            kept.to_string().contains(&retrosync_protocol::Digest::of(&before).to_string());
                        is_it.then(|| kept["label"].as_str().unwrap().to_owned())
                    });
                    b.run(&["restore", SAVE, &number.expect("the 99 hours are kept")]).ends(0);
                    before
                }
            };
            assert_eq!(asked(&b.once()), [""; 0], "{row}");
            let further = bytes(&format!("played on, {row}"));
            b.plays(&further);
            assert_eq!(asked(&b.once()), [""; 0], "{row}");
            assert_eq!(asked(&a.once()), [""; 0], "{row}");
            assert_eq!(a.save(), Some(further), "{row}: {good:?} was played on, and nobody is asked");
        }
    }
    tell("suspects", "damage made good again and played on", 9, began);
}

/// With daemons and the firmware's hooks, as it is on a handheld.
#[test]
fn a_game_started_over_a_damaged_save_is_a_question_and_one_that_empties_its_own_save_is_none() {
    let began = Instant::now();
    let server = Server::start();
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Minui, GAME));
    a.pair(&server);
    b.pair(&server);
    a.plays(&bytes("100 hours"));
    a.once();
    let (_a_runs, _b_runs) = (a.daemon(), b.daemon());
    let has = |device: &Device, what: &[u8]| device.save().is_some_and(|save| *save == *what);
    wait_for("the hundred hours are on both", PATIENCE_S, || has(&b, &bytes("100 hours")).then_some(()));
    for (row, damage) in damaged(&bytes("100 hours")) {
        let (played, minute) = (a.save().unwrap(), bytes(&format!("minute one, {row}")));
        b.plays(&damage);
        wait_until_asked(&b, "b asks about the damage", &["suspect"]);
        for moment in ["game-start", "game-stop"] {
            b.run(&["hook", moment, ROM]).ends(0);
            if moment == "game-start" {
                b.plays(&minute);
            }
        }
        wait_until_asked(&b, "b asks which of the two goes on", &["conflict"]);
        wait_until_asked(&a, "a asks which of the two goes on", &["conflict"]);
        assert_eq!(
            (a.save(), b.save()),
            (Some(played.clone()), Some(minute)),
            "{row}: both are as they were"
        );
        b.run(&["resolve", SAVE, "other"]).ends(0);
        wait_for("the hundred hours are back", PATIENCE_S, || has(&b, &played).then_some(()));
        for device in [&a, &b] {
            wait_until_asked(device, "nobody asks any more", &[]);
        }
        // And now a game that empties its own save before it writes it, and is looked at in between.
        let further = bytes(&format!("played on, {row}"));
        b.run(&["hook", "game-start", ROM]).ends(0);
        let changes = || b.log().matches("` changes").count();
        let before = changes();
        b.plays(&[]);
        wait_for("the daemon hears of the write", PATIENCE_S, || (changes() > before).then_some(()));
        b.run(&["hook", "power-off"]).ends(0);
        b.plays(&further);
        b.run(&["hook", "game-stop", ROM]).ends(0);
        wait_for("the other handheld follows", PATIENCE_S, || has(&a, &further).then_some(()));
        for device in [&a, &b] {
            assert_eq!(
                asked(&device.json(&["status"])),
                [""; 0],
                "{row}: a game that writes its save is no question"
            );
        }
    }
    tell("suspects", "games over damage and games that empty their saves, with hooks", 6, began);
}
