//! The main job with the real programs: a save made on one handheld is on the other, and none is ever lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use support::card::Firmware;
use support::device::{Device, SETTLE_MS, bytes};
use support::server::Server;
use support::wait_for;

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";

fn pair_of(one: Firmware, other: Firmware) -> (Server, Device, Device) {
    let server = Server::start();
    let (a, b) = (Device::new(one, GAME), Device::new(other, GAME));
    a.pair(&server);
    b.pair(&server);
    (server, a, b)
}

/// Both hold the save `first`, in step.
fn in_step() -> (Server, Device, Device) {
    let (server, a, b) = pair_of(Firmware::Onion, Firmware::Minui);
    a.plays(&bytes("first"));
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("first")));
    (server, a, b)
}

/// Both played without hearing of each other; both know of the question.
fn in_conflict() -> (Server, Device, Device) {
    let (server, a, b) = in_step();
    a.plays(&bytes("played on a"));
    b.plays(&bytes("played on b"));
    a.once();
    assert_eq!(b.once_asks()["questions"][0]["save"], SAVE);
    assert_eq!(a.once_asks()["questions"][0]["save"], SAVE);
    assert_eq!(
        (a.save(), b.save()),
        (Some(bytes("played on a")), Some(bytes("played on b"))),
        "each plays on"
    );
    (server, a, b)
}

#[test]
fn pairing_shows_a_code_and_tells_what_it_found() {
    let server = Server::start();
    let device = Device::new(Firmware::Onion, GAME);
    device.plays(&bytes("first"));
    let mut pairing = device.start_pairing(&server.url());
    let code = pairing.code();
    assert_eq!(pairing.offer["url_complete"], format!("{}/pair?code={code}", server.url()));
    server.approve(&code);
    let end = pairing.end();
    assert_eq!(
        (&end["paired"], &end["user"], &end["saves"], &end["games"]),
        (&true.into(), &support::server::USER.into(), &1.into(), &1.into()),
        "{end}"
    );
    assert_eq!(pairing.exit(), 0);
    let again = device.run(&["pair", &server.url()]).ends(0);
    assert!(again.out.contains("is paired"), "{again:?}");
}

#[test]
fn a_change_is_on_every_other_firmware_within_settle_and_a_second() {
    let server = Server::start();
    let devices = [Firmware::Onion, Firmware::Muos, Firmware::Minui, Firmware::Knulli].map(|firmware| {
        let device = Device::new(firmware, GAME);
        device.pair(&server);
        device
    });
    let daemons = devices.each_ref().map(Device::daemon);
    let mut took_ms = Vec::new();
    for round in 0..8 {
        let played = bytes(&format!("round {round}"));
        let player = &devices[round % devices.len()];
        player.plays(&played);
        let closed = Instant::now();
        for device in &devices {
            wait_for(&format!("{:?} has round {round}", device.card.firmware), 30, || {
                assert!(device.save() == Some(played.clone()) || !device.log().contains("question"));
                (device.save() == Some(played.clone())).then_some(())
            });
        }
        took_ms.push(u64::try_from(closed.elapsed().as_millis()).unwrap());
    }
    drop(daemons);
    took_ms.sort_unstable();
    println!("from the emulator's write to three other cards, in ms: {took_ms:?}");
    if std::env::var_os("RETROSYNC_RUNNER").is_none() {
        let median_ms = took_ms[took_ms.len() / 2];
        assert!(median_ms <= SETTLE_MS + 1000, "{took_ms:?}");
    }
}

#[test]
fn a_quiet_round_writes_nothing() {
    let (_server, a, _b) = in_step();
    a.once();
    let stamps = || {
        let mut found = Vec::new();
        let mut folders = vec![a.card.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let metadata = entry.metadata().unwrap();
                found.push((entry.path(), metadata.len(), metadata.modified().unwrap()));
                if metadata.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        found.sort();
        // The lock of the only daemon names its process.
        found.retain(|(path, ..)| !path.ends_with(".retrosync/lock"));
        found
    };
    let before = stamps();
    let said = a.once();
    assert_eq!(stamps(), before);
    assert_eq!(said["uploaded"], serde_json::json!([]));
    assert_eq!(said["downloaded"], serde_json::json!([]));
}

#[test]
fn an_edit_that_kept_size_and_date_is_not_overwritten() {
    let (_server, a, b) = in_step();
    let file = b.card.save();
    let date = std::fs::metadata(&file).unwrap().modified().unwrap();
    b.plays(&bytes("played on b"));
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(date).unwrap();
    a.plays(&bytes("played on a"));
    a.once();
    // The date and the size promise the old bytes; the look right before the write finds others.
    assert_eq!(b.once_asks()["questions"][0]["save"], SAVE);
    assert_eq!(b.save(), Some(bytes("played on b")));
    assert_eq!(
        a.once_asks()["questions"][0]["versions"].as_array().unwrap().len(),
        2,
        "both are on the server"
    );
}

#[test]
fn both_versions_of_a_conflict_are_kept_and_one_answer_settles_it_everywhere() {
    let (_server, a, b) = in_conflict();
    let shown = a.run(&["resolve", "tetris"]).ends(3);
    assert!(shown.out.contains("Onion") && shown.out.contains("Minui"), "{}", shown.out);
    a.run(&["resolve", "tetris", "other", "--note", "got further"]).ends(0);
    assert_eq!(a.once()["questions"], serde_json::json!([]));
    assert_eq!(b.once()["questions"], serde_json::json!([]));
    assert_eq!((a.save(), b.save()), (Some(bytes("played on b")), Some(bytes("played on b"))));
    let history = a.json(&["history", "tetris"]);
    assert!(history["versions"].as_array().unwrap().len() >= 4, "{history}");
}

#[test]
fn this_and_a_version_by_its_digits_settle_a_question_too() {
    let (_server, a, b) = in_conflict();
    a.run(&["resolve", "tetris", "this"]).ends(0);
    b.once();
    assert_eq!(b.save(), Some(bytes("played on a")));
    let (_server, a, b) = in_conflict();
    let heads = a.json(&["resolve", "tetris"]);
    let theirs = heads["versions"].as_array().unwrap().iter().find(|v| v["here"] == false).unwrap();
    let digits = &theirs["version"].as_str().unwrap()[..10];
    a.run(&["resolve", "tetris", digits]).ends(0);
    a.once();
    b.once();
    assert_eq!((a.save(), b.save()), (Some(bytes("played on b")), Some(bytes("played on b"))));
}

#[test]
fn an_older_version_comes_back_and_the_restore_can_be_undone() {
    let (mut server, a, b) = in_step();
    a.plays(&bytes("second"));
    a.once();
    b.once();
    let history = b.json(&["history", SAVE]);
    let first =
        history["versions"].as_array().unwrap().last().unwrap()["version"].as_str().unwrap().to_owned();
    b.run(&["restore", SAVE, &first[..12]]).ends(0);
    assert_eq!(b.save(), Some(bytes("first")));
    a.once();
    assert_eq!(a.save(), Some(bytes("first")), "the other device follows");

    server.kill();
    let attic = a.json(&["history", SAVE]);
    let kept = attic["attic"].as_array().unwrap();
    assert!(!kept.is_empty(), "{attic}");
    let number = kept[0]["number"].as_u64().unwrap();
    let offline = a.run(&["restore", SAVE, &format!("attic:{number}")]).ends(3);
    assert!(offline.out.contains("at the next contact"), "{}", offline.out);
    assert_eq!(a.save(), Some(bytes("second")), "from the attic, without a network");
    server.up();
    a.once();
    b.once();
    assert_eq!(b.save(), Some(bytes("second")));
}

#[test]
fn a_running_daemon_does_what_another_command_asks() {
    let (_server, a, b) = in_conflict();
    let _daemons = (a.daemon(), b.daemon());
    a.run(&["resolve", "tetris", "other"]).ends(0);
    assert_eq!(a.save(), Some(bytes("played on b")), "in place when the command ends");
    wait_for("nobody asks any more", 30, || {
        (b.json(&["status"])["questions"] == serde_json::json!([])).then_some(())
    });
    let attic = a.json(&["history", SAVE])["attic"].clone();
    let mine = attic[0]["label"].as_str().unwrap().to_owned();
    a.run(&["restore", SAVE, &mine]).ends(0);
    assert_eq!(a.save(), Some(bytes("played on a")), "the version that was not chosen");
    wait_for("the other device follows", 30, || (b.save() == Some(bytes("played on a"))).then_some(()));
    let refused = a.run(&["restore", SAVE, "attic:9999"]).ends(1);
    assert!(refused.err.contains("the attic has no number 9999"), "{}", refused.err);
}

#[test]
fn a_card_that_was_tidied_under_a_running_daemon_goes_on_storing_once_a_person_says_so() {
    let server = Server::start();
    let a = Device::new(Firmware::Onion, GAME);
    let save = |name: &str| a.card.save().with_file_name(format!("{name}.srm"));
    let rom = |name: &str| a.card.rom().with_file_name(format!("{name}.gb"));
    for name in ["one", "two", "three", "four"] {
        std::fs::write(rom(name), name).unwrap();
        std::fs::write(save(name), bytes(name).to_vec()).unwrap();
    }
    a.plays(&bytes("first"));
    a.pair(&server);
    a.once();
    for name in ["one", "two", "three", "four"] {
        std::fs::remove_file(rom(name)).unwrap();
        std::fs::remove_file(save(name)).unwrap();
    }
    let _daemon = a.daemon();
    wait_for("it stops", 30, || a.log().contains("4 of its 5 saves vanished").then_some(()));
    a.plays(&bytes("played on"));
    a.run(&["once", "--accept-mass-change"]).ends(0);
    let versions = || a.json(&["history", SAVE])["versions"].as_array().map(Vec::len);
    assert_eq!(versions(), Some(2), "what was played meanwhile is stored");
    a.plays(&bytes("played on and on"));
    wait_for("the daemon stores again", 30, || (versions() == Some(3)).then_some(()));
}

#[test]
fn a_restore_that_was_regretted_is_undone() {
    let (_server, a, _b) = in_step();
    a.plays(&bytes("second"));
    a.once();
    let versions = a.json(&["history", SAVE])["versions"].clone();
    let first = versions.as_array().unwrap().last().unwrap()["version"].as_str().unwrap()[..12].to_owned();
    a.run(&["restore", SAVE, &first]).ends(0);
    assert_eq!(a.save(), Some(bytes("first")));
    let undo = a.json(&["history", SAVE])["attic"][0]["label"].as_str().unwrap().to_owned();
    a.run(&["restore", SAVE, &undo]).ends(0);
    assert_eq!(a.save(), Some(bytes("second")));
}

#[test]
fn what_was_played_offline_follows_when_the_server_is_back() {
    let (mut server, a, b) = in_step();
    let _daemons = (a.daemon(), b.daemon());
    server.kill();
    a.plays(&bytes("on the train"));
    std::thread::sleep(Duration::from_millis(2 * SETTLE_MS));
    let status = a.json(&["status"]);
    assert_eq!(status["queued"], 1, "{status}");
    server.up();
    wait_for("the save of the train is on the other device", 60, || {
        (b.save() == Some(bytes("on the train"))).then_some(())
    });
}

#[test]
fn a_game_that_is_copied_to_the_card_while_the_daemon_runs_is_known() {
    let (_server, a, _b) = in_step();
    let _daemon = a.daemon();
    // Gambatte runs two systems: only the game tells which.
    std::fs::write(a.card.root.join("Roms/GB/New Game.gb"), b"game").unwrap();
    std::fs::write(a.card.save().with_file_name("New Game.srm"), bytes("played at once").0).unwrap();
    wait_for("the new game's save is stored", 30, || {
        a.json(&["status"])["safe"].as_u64().filter(|safe| *safe == 2)
    });
}

#[test]
fn a_revoked_device_is_told_to_pair_again_and_loses_nothing() {
    let (_server, a, b) = in_step();
    let listed = b.json(&["devices"]);
    assert_eq!(listed["devices"].as_array().unwrap().len(), 2, "{listed}");
    b.run(&["devices", "rename", "Onion", "Living room"]).ends(0);
    b.run(&["devices", "revoke", "Living room"]).ends(0);
    a.plays(&bytes("after"));
    let refused = a.run(&["once"]).ends(1);
    assert!(refused.err.contains("revoked") && refused.err.contains("retrosync pair"), "{}", refused.err);
    assert_eq!(a.save(), Some(bytes("after")));
}

#[test]
fn a_code_of_the_dashboard_pairs_without_a_person_and_a_wrong_one_is_refused() {
    let server = Server::start();
    let device = Device::new(Firmware::Knulli, GAME);
    let wrong = device.run(&["pair", &server.url(), "--code", "AAAA-AAAA"]).ends(1);
    assert!(wrong.err.starts_with("error: ") && wrong.err.contains("\n  help: "), "{}", wrong.err);
    device.set(&format!("server = \"{}\"\ncode = \"{}\"\n", server.url(), server.user_code()));
    let _daemon = device.daemon();
    device.plays(&bytes("headless"));
    wait_for("the headless device stores its save", 30, || {
        let versions = device.json(&["history", SAVE])["versions"].as_array().map_or(0, Vec::len);
        (versions == 1).then_some(())
    });
}

#[test]
fn a_device_with_only_an_address_pairs_by_itself() {
    let server = Server::start();
    let device = Device::new(Firmware::Muos, GAME);
    device.set(&format!("server = \"{}\"\n", server.url()));
    let log = device.folder().join("daemon.log");
    let _daemon = device.program().start(["run"], &log);
    let code = wait_for("the daemon logs its code", 30, || {
        let said = device.log();
        let words = said.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.map(str::to_owned).find(|word| {
            word.len() == 9
                && word.as_bytes()[4] == b'-'
                && word.parse::<retrosync_protocol::UserCode>().is_ok()
        })
    });
    server.approve(&code);
    wait_for("it goes on by itself", 30, || device.log().contains("watching").then_some(()));
}

#[test]
fn two_daemons_on_one_card_do_not_run() {
    let (_server, a, _b) = in_step();
    let first = a.daemon();
    let second = a.run(&["run"]).ends(1);
    assert!(second.err.contains(&first.id().to_string()) || second.err.contains("already"), "{}", second.err);
    assert!(second.err.contains("\n  cause: "), "{}", second.err);
}

#[test]
fn an_unmounted_card_halts_and_deletes_nothing() {
    let (_server, a, b) = in_step();
    let aside = a.folder().join("aside");
    std::fs::rename(&a.card.root, &aside).unwrap();
    std::fs::create_dir(&a.card.root).unwrap();
    let halted = a.run(&["once"]);
    assert!(halted.code == 1 || halted.code == 3, "{halted:?}");
    assert!(halted.err.contains("card") || halted.err.contains("root"), "{}", halted.err);
    assert_eq!(
        std::fs::read_dir(&a.card.root).unwrap().count(),
        0,
        "nothing is written below an empty mount point"
    );
    std::fs::remove_dir(&a.card.root).unwrap();
    std::fs::rename(&aside, &a.card.root).unwrap();
    a.once();
    b.once();
    assert_eq!((a.save(), b.save()), (Some(bytes("first")), Some(bytes("first"))));
}

/// Its journal says so: nothing of others waits for its place there.
fn knows_what_came(device: &Device) -> bool {
    device.json(&["status"])["incoming_saves"].as_array().unwrap().is_empty()
}

#[test]
fn killed_at_any_time_both_sides_converge_and_lose_nothing() {
    let (mut server, a, b) = in_step();
    let mut daemons = [a.daemon(), b.daemon()];
    for round in 0..12u64 {
        let played = bytes(&format!("round {round}"));
        let (player, other) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        player.plays(&played);
        // A different instant each round: before settling, while storing, while the other fetches.
        std::thread::sleep(Duration::from_millis(SETTLE_MS / 2 + round * 37));
        match round % 3 {
            0 => daemons[0].kill(),
            1 => daemons[1].kill(),
            _ => server.kill(),
        }
        match round % 3 {
            0 => daemons[0] = a.daemon(),
            1 => daemons[1] = b.daemon(),
            _ => server.up(),
        }
        wait_for(&format!("round {round} is on the other device"), 90, || {
            assert_eq!(player.save(), Some(played.clone()), "the player's own save stands");
            // Nobody plays on in the instant in which it comes: whoever was killed just then could not know what was loaded.
            let is_there = other.save() == Some(played.clone()) && knows_what_came(other);
            is_there.then_some(())
        });
    }
    drop(daemons);
    a.once();
    let history = b.json(&["history", SAVE]);
    assert_eq!(history["versions"].as_array().unwrap().len(), 13, "each round once: {history}");
}
