//! The counting game: on one card, and carried from card to card by the real programs.
//!
//! The file writer and the real emulator must leave the same bytes, or a test that
//! plays with one would say nothing about the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;

use support::card::{Card, Firmware};
use support::counter_rom;
use support::device::Device;
use support::emulator::Emulator;
use support::server::Server;

const FIRMWARES: [Firmware; 4] = [Firmware::Onion, Firmware::Muos, Firmware::Minui, Firmware::Knulli];

#[test]
fn three_launches_count_to_three_on_every_firmware() {
    let scratch = tempfile::tempdir().unwrap();
    let emulator = Emulator::find(scratch.path());
    println!("{}", emulator.describe());
    for firmware in FIRMWARES {
        let root = tempfile::tempdir().unwrap();
        let card = Card::lay_out(root.path(), firmware, "Counter (World)").unwrap();
        let mut expected = None;
        for launch in 1..=3 {
            emulator.play(&card).unwrap();
            expected = Some(counter_rom::play(expected.as_deref()));
            assert_eq!(card.launches(), launch, "{firmware:?} after launch {launch}");
            assert_eq!(fs::read(card.save()).ok(), expected, "{firmware:?}: the bytes of the file writer");
        }
    }
}

#[test]
fn the_counter_carries_and_fresh_or_foreign_memory_counts_as_none() {
    let mut save = counter_rom::play(None);
    save[..4].copy_from_slice(&0x0000_FFFFu32.to_le_bytes());
    let rows: [(&str, Option<&[u8]>, u32); 4] = [
        ("no save yet", None, 1),
        ("a carry into the third byte", Some(&save), 0x0001_0000),
        ("memory as it came from the factory", Some(&[0xFF; counter_rom::SAVE_BYTES]), 1),
        ("a file that was cut off", Some(&save[..100]), 1),
    ];
    for (case, before, launches) in rows {
        assert_eq!(counter_rom::launches(&counter_rom::play(before)), Some(launches), "{case}");
    }
}

#[test]
fn twenty_launches_in_turns_on_three_firmwares_count_to_exactly_twenty() {
    let scratch = tempfile::tempdir().unwrap();
    let emulator = Emulator::find(scratch.path());
    println!("{}", emulator.describe());
    let server = Server::start();
    let devices = [Firmware::Onion, Firmware::Muos, Firmware::Minui]
        .map(|firmware| Device::new(firmware, "Counter (World)"));
    for device in &devices {
        device.pair(&server);
    }
    let mut seen = [0; 3];
    for launch in 1..=20 {
        let turn = launch as usize % devices.len();
        // The player picks the handheld up: it looks for news, then the game starts.
        devices[turn].once();
        assert_eq!(devices[turn].card.launches(), launch - 1, "before launch {launch}");
        emulator.play(&devices[turn].card).unwrap();
        devices[turn].once();
        for (device, seen) in devices.iter().zip(&mut seen) {
            let launches = device.card.launches();
            assert!(launches >= *seen, "{launches} after {seen} on {:?}", device.card.firmware);
            *seen = launches;
        }
    }
    for device in &devices {
        device.once();
        assert_eq!(device.card.launches(), 20, "{:?}", device.card.firmware);
        assert_eq!(device.json(&["status"])["questions"].as_array().map_or(0, Vec::len), 0);
    }
}
