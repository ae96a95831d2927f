//! Saves that firmwares keep in different forms: each device finds the others' in its own, the emulator itself loads what
//! we placed, and changing hands makes no version that nobody played.
//!
//! Where RetroArch or a core is not installed a file writer plays, which is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;

use retrosync::formats::{Form, payload};
use retrosync_protocol::SaveId;
use support::card::{Firmware, Game};
use support::counter_rom;
use support::device::{Bytes, Device, SETTLE_MS};
use support::emulator::Emulator;
use support::server::Server;

const TITLE: &str = "Counter (World)";

fn device(firmware: Firmware, game: Game) -> Device {
    let lines = format!("name = \"{firmware:?} {game:?}\"\nsettle_ms = {SETTLE_MS}\nfresh_save_s = 0\n");
    Device::playing(firmware, TITLE, game, &lines)
}

/// How many versions the server has of a save.
fn versions(device: &Device, save: &str) -> usize {
    device.json(&["history", save])["versions"].as_array().map_or(0, Vec::len)
}

fn is_packed(device: &Device) -> bool {
    device.save().unwrap().starts_with(b"#RZIPv\x01#")
}

/// Launches in turns; each counts, none makes a version that nobody played.
fn launches_in_turns(devices: &[(Device, Emulator)], save: &str, launches: u32) {
    let server = Server::start();
    for (device, emulator) in devices {
        println!("{:?}: {}", device.card.firmware, emulator.describe());
        device.pair(&server);
    }
    for launch in 1..=launches {
        let (device, emulator) = &devices[launch as usize % devices.len()];
        device.once();
        assert_eq!(device.card.launches(), launch - 1, "{:?} before launch {launch}", device.card.firmware);
        emulator.play(&device.card).unwrap();
        assert_eq!(device.card.launches(), launch, "{:?} loads what was placed", device.card.firmware);
        device.once();
    }
    for (device, _) in devices {
        device.once();
        assert_eq!(device.card.launches(), launches, "{:?}", device.card.firmware);
        // A look at every byte on the card finds nothing to send: what lies there is what both sides agreed on.
        let said = device.program().run(["once", "--full", "--json"]).ends(0).json();
        assert_eq!(said["uploaded"], serde_json::json!([]), "{:?}", device.card.firmware);
        assert_eq!(device.json(&["status"])["questions"].as_array().map_or(0, Vec::len), 0);
    }
    assert_eq!(versions(&devices[0].0, save), launches as usize, "one version a launch");
}

#[test]
fn a_packed_save_and_raw_ones_on_three_firmwares_change_hands_twenty_times_without_an_extra_version() {
    let scratch = tempfile::tempdir().unwrap();
    let games =
        [Firmware::Onion, Firmware::Muos, Firmware::Minui].map(|firmware| device(firmware, Game::Gambatte));
    let emulators = [0, 1, 2].map(|at| Emulator::of(&scratch.path().join(at.to_string()), Game::Gambatte));
    let [onion, muos, minui] = emulators;
    let devices: Vec<(Device, Emulator)> = games.into_iter().zip([onion, muos.packing(), minui]).collect();
    launches_in_turns(&devices, "gb/sram/Counter (World)", 20);
    if !matches!(devices[1].1, Emulator::FileWriter) {
        let packed = devices.iter().map(|(device, _)| is_packed(device)).collect::<Vec<_>>();
        assert_eq!(packed, [false, true, false], "each has the form of its own firmware");
    }
}

#[test]
fn mgba_and_gambatte_play_one_game_boy_save_in_turns() {
    let scratch = tempfile::tempdir().unwrap();
    let devices = [
        (Firmware::Onion, Game::Gambatte),
        (Firmware::Muos, Game::MgbaGameBoy),
        (Firmware::Knulli, Game::Gambatte),
    ];
    let devices = devices.map(|(firmware, game)| {
        (device(firmware, game), Emulator::of(&scratch.path().join(format!("{firmware:?}")), game))
    });
    launches_in_turns(&devices, "gb/sram/Counter (World)", 6);
}

#[test]
fn an_advance_save_is_loaded_on_a_card_where_it_never_was() {
    let scratch = tempfile::tempdir().unwrap();
    let devices = [Firmware::Muos, Firmware::Onion, Firmware::Minui].map(|firmware| {
        let emulator = Emulator::of(&scratch.path().join(format!("{firmware:?}")), Game::Mgba);
        (
            device(firmware, Game::Mgba),
            if firmware == Firmware::Onion { emulator.packing() } else { emulator },
        )
    });
    launches_in_turns(&devices, "gba/sram/Counter (World)", 4);
}

#[test]
fn a_nes_save_goes_from_nestopia_to_nestopia_under_three_names() {
    let scratch = tempfile::tempdir().unwrap();
    let devices = [Firmware::Muos, Firmware::Knulli, Firmware::Minui].map(|firmware| {
        (
            device(firmware, Game::Nestopia),
            Emulator::of(&scratch.path().join(format!("{firmware:?}")), Game::Nestopia),
        )
    });
    launches_in_turns(&devices, "nes/sram/Counter (World)", 4);
}

/// What `file` holds for `save`.
fn held(save: &str, file: &[u8]) -> Vec<u8> {
    let save: SaveId = save.parse().unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut payload(&save, file), &mut bytes).unwrap();
    bytes
}

#[test]
fn a_card_whose_retroarch_packs_gets_a_new_save_packed() {
    let server = Server::start();
    let a = device(Firmware::Muos, Game::Gambatte);
    let b = device(Firmware::Onion, Game::Gambatte);
    let cfg = b.card.root.join("RetroArch/.retroarch");
    fs::create_dir_all(&cfg).unwrap();
    fs::write(cfg.join("retroarch.cfg"), "save_file_compression = \"true\"\n").unwrap();
    a.pair(&server);
    b.pair(&server);
    a.plays(&support::device::bytes("first"));
    a.once();
    b.once();
    assert!(is_packed(&b));
    assert_eq!(held("gb/sram/x", &b.save().unwrap()), support::device::bytes("first").0);
    b.once();
    assert_eq!(versions(&b, "gb/sram/Counter (World)"), 1);
}

#[test]
fn the_clock_behind_a_game_boy_save_stays_this_devices_own() {
    let server = Server::start();
    let (a, b) = (device(Firmware::Onion, Game::Gambatte), device(Firmware::Minui, Game::Gambatte));
    a.pair(&server);
    b.pair(&server);
    let clock: Vec<u8> =
        [1u32, 2, 3, 4, 0, 1, 2, 3, 4, 0, 0x6955_b900, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
    let with_clock = |mark: &str| Bytes([support::device::bytes(mark).0, clock.clone()].concat());
    b.plays(&with_clock("first"));
    b.once();
    // Who plays on b is told, before anything is missed.
    let status = b.json(&["status"]);
    assert_eq!(status["clock_stays"], serde_json::json!(["gb/sram/Counter (World)"]), "{status}");
    assert!(b.run(&["status"]).out.contains("which stays on this device"));
    assert!(b.run(&["doctor"]).out.contains("the clock in the file of `gb/sram/Counter (World)`"));
    assert_eq!(a.json(&["status"])["clock_stays"], serde_json::json!([]));
    a.once();
    assert_eq!(
        a.save(),
        Some(support::device::bytes("first")),
        "no clock where the emulator keeps it elsewhere"
    );
    a.plays(&support::device::bytes("second"));
    a.once();
    b.once();
    assert_eq!(b.save(), Some(with_clock("second")));
    let mut later = with_clock("second");
    later.0[8192] = 30;
    b.plays(&later);
    b.once();
    assert_eq!(versions(&b, "gb/sram/Counter (World)"), 2, "a clock that went on is no other save");
    // The attic has the whole file, clock and all.
    let kept = b.json(&["history", "gb/sram/Counter (World)"]);
    assert_eq!(kept["attic"].as_array().map_or(0, Vec::len), 1, "{kept}");
}

fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A launch, and that the clock in the cartridge shows what has gone by since `zero_s`. Without RetroArch nobody looks.
fn plays_by_the_clock(device: &Device, emulator: &Emulator, zero_s: u64) {
    let before_s = now_s();
    emulator.play(&device.card).unwrap();
    if matches!(emulator, Emulator::FileWriter) {
        return;
    }
    let shown_s = counter_rom::clock_s(&fs::read(device.card.save()).unwrap()).unwrap();
    let gone_by = before_s - zero_s..=now_s() - zero_s;
    assert!(gone_by.contains(&shown_s), "{:?}: {shown_s} is not in {gone_by:?}", device.card.firmware);
}

#[test]
fn the_clock_of_a_cartridge_goes_from_gambatte_to_mgba_and_back_and_both_read_the_same_time() {
    let scratch = tempfile::tempdir().unwrap();
    let server = Server::start();
    let of = |firmware, game| {
        let emulator = Emulator::of(&scratch.path().join(format!("{game:?}")), game);
        println!("{firmware:?}: {}", emulator.describe());
        let device = device(firmware, game);
        device.pair(&server);
        (device, emulator)
    };
    let (gambatte, its) = of(Firmware::Onion, Game::ClockGambatte);
    let (mgba, mgbas) = of(Firmware::Muos, Game::ClockMgba);
    let clock = |device: &Device| device.card.save().with_extension("rtc");
    // 300 days, 4 hours, 5 minutes and 6 seconds ago the clock stood at zero.
    let zero_s = now_s() - (((300 * 24 + 4) * 60 + 5) * 60 + 6);
    fs::create_dir_all(clock(&gambatte).parent().unwrap()).unwrap();
    fs::write(clock(&gambatte), zero_s.to_le_bytes()).unwrap();
    plays_by_the_clock(&gambatte, &its, zero_s);
    assert_eq!(fs::read(clock(&gambatte)).unwrap(), zero_s.to_le_bytes(), "what Gambatte itself writes");

    gambatte.once();
    mgba.once();
    assert_eq!(fs::read(clock(&mgba)).unwrap().len(), 48, "where mGBA plays its block is placed");
    // A clock that was latched in another second than it was written in is not converted: that is told elsewhere.
    let is_exact = || held("gb/rtc/x", &fs::read(clock(&mgba)).unwrap()).len() == 8;
    for launch in 0.. {
        plays_by_the_clock(&mgba, &mgbas, zero_s);
        if is_exact() {
            break;
        }
        assert!(launch < 50, "mGBA wrote fifty clocks that Gambatte could not be told");
    }

    mgba.once();
    gambatte.once();
    assert_eq!(gambatte.card.launches(), mgba.card.launches());
    assert_eq!(
        fs::read(clock(&gambatte)).unwrap(),
        zero_s.to_le_bytes(),
        "the same clock in Gambatte's form"
    );
    plays_by_the_clock(&gambatte, &its, zero_s);
    gambatte.once();
    mgba.once();
    assert_eq!(versions(&gambatte, "gb/rtc/Counter (World)"), 1, "it went on by itself: nobody set it");
}

#[test]
fn what_cannot_be_kept_in_a_devices_form_stays_and_is_told() {
    let server = Server::start();
    let (a, b) = (device(Firmware::Muos, Game::Mgba), device(Firmware::Onion, Game::Mgba));
    a.pair(&server);
    b.pair(&server);
    let mut eeprom = vec![0xff; 0x22000];
    eeprom[0x20000..0x20005].copy_from_slice(b"hello");
    b.plays(&eeprom);
    b.once();
    a.once();
    assert_eq!(a.save().unwrap().len(), 512, "the EEPROM alone");
    let flash = vec![0x5a; 0x10000];
    a.plays(&flash);
    a.once();
    let said = b.once_asks();
    let problem = &said["problems"][0];
    assert!(problem.to_string().contains("do not fit"), "{said}");
    assert_eq!(b.save(), Some(Bytes(eeprom)), "what is there stays");
    assert!(Form::of(&"gba/sram/x".parse().unwrap(), &b.save().unwrap()[..]).is_ok());
}

/// Where RetroArch keeps the automatic state of the game.
fn automatic_state(device: &Device) -> std::path::PathBuf {
    let states = match device.card.firmware {
        Firmware::Onion => "Saves/CurrentProfile/states",
        _ => "MUOS/save/state",
    };
    device.card.root.join(states).join("Gambatte").join(format!("{TITLE}.state.auto"))
}

/// The server learns of what comes next in a later second.
fn a_second_passes() {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let began = now();
    support::wait_for("a second passes", 60, || (now() > began).then_some(()));
}

#[test]
fn an_old_automatic_state_does_not_hide_the_newer_save_that_came_and_can_be_brought_back() {
    const STATE: &str = "gb/state.auto@gambatte/Counter (World)";
    let server = Server::start();
    let (a, b) = (device(Firmware::Onion, Game::Gambatte), device(Firmware::Muos, Game::Gambatte));
    let state = |device: &Device| fs::read(automatic_state(device)).ok();
    a.pair(&server);
    b.pair(&server);
    b.plays(&support::device::bytes("first"));
    fs::create_dir_all(automatic_state(&b).parent().unwrap()).unwrap();
    fs::write(automatic_state(&b), b"left on b").unwrap();
    b.once();
    a.once();
    assert_eq!(state(&a).as_deref(), Some(&b"left on b"[..]), "what was left together is resumed together");

    a_second_passes();
    a.plays(&support::device::bytes("second"));
    a.once();
    b.once();
    assert_eq!(
        (b.save(), state(&b)),
        (Some(support::device::bytes("second")), None),
        "the game starts from the newer save"
    );
    let quiet = b.once();
    assert_eq!((&quiet["downloaded"], state(&b)), (&serde_json::json!([]), None), "it stays away");

    b.run(&["restore", STATE, "attic:1"]).ends(0);
    assert_eq!(state(&b).as_deref(), Some(&b"left on b"[..]), "it was only moved aside");
    assert_eq!(b.once()["retired"], serde_json::json!([]), "what a person brought back stays");

    a_second_passes();
    fs::write(automatic_state(&a), b"left on a").unwrap();
    a.once();
    b.once();
    assert_eq!(state(&b).as_deref(), Some(&b"left on a"[..]), "a newer state comes");

    // A card that never had the state gets none that is older than the save.
    a_second_passes();
    a.plays(&support::device::bytes("third"));
    a.once();
    let c = device(Firmware::Muos, Game::Gambatte);
    c.pair(&server);
    c.once();
    assert_eq!((c.save(), state(&c)), (Some(support::device::bytes("third")), None));
    assert_eq!(c.once()["downloaded"], serde_json::json!([]));
}
