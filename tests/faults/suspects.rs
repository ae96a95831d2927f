//! Bytes that are probably damage: they never move a head, and the game that was played comes back.

use std::time::Instant;

use serde_json::json;

use crate::support::card::Firmware;
use crate::support::device::{Bytes, Device, bytes};
use crate::support::server::Server;
use crate::world::{contents, tell};

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";

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
