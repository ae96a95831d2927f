//! When one machine is not enough: real handhelds, several real servers over one PostgreSQL and one bucket, nginx before them.
//! A save that one server took is on a card that waits at another; a server that dies costs a try and no save.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../server/tests/support/bucket.rs"]
mod bucket;
#[path = "../../server/tests/support/cluster.rs"]
mod cluster;
mod fleet;
mod gate;
#[path = "../support/mod.rs"]
mod support;

use fleet::Fleet;
use serde_json::{Value, json};
use support::card::Firmware;
use support::device::{Bytes, Device, bytes};
use support::wait_for;

const GAME: &str = "Counter";
/// The save's name.
const SAVE: &str = "gb/sram/Counter";

/// Two devices of one person; each knows only the address that it is told.
fn two_devices(fleet: &Fleet, urls: [&str; 2]) -> [Device; 2] {
    let devices = [Firmware::Onion, Firmware::Muos].map(|firmware| Device::new(firmware, GAME));
    for (device, url) in devices.iter().zip(urls) {
        fleet.pair(device, url);
    }
    devices
}

/// Syncs until a sync ends well: a server may be on its way down or up, and a proxy leaves one alone for seconds that it could not
/// reach. No question may come of it.
#[track_caller]
fn sync(device: &Device) -> Value {
    wait_for("a sync that ends well", 60, || {
        let ended = device.run(&["once", "--json"]);
        assert!(ended.code != 3 || ended.json()["questions"] == json!([]), "{ended:?}");
        (ended.code == 0).then(|| ended.json())
    })
}

/// Bytes that do not deflate.
fn noise(count: usize) -> Bytes {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    Bytes((0..count).map(|_| next()).collect())
}

/// How many versions of the save the servers know; asked again while the proxy still believes in a server that is gone.
#[track_caller]
fn versions(device: &Device) -> usize {
    wait_for("the servers tell the history", 60, || {
        let ended = device.run(&["history", SAVE, "--json"]);
        (ended.code == 0).then(|| ended.json()["versions"].as_array().unwrap().len())
    })
}

#[test]
fn a_save_that_one_server_took_is_on_a_card_that_waits_at_the_other() {
    let Some(fleet) = Fleet::up() else { return };
    let urls = fleet.servers.each_ref().map(|server| server.url());
    let [a, b] = two_devices(&fleet, [&urls[0], &urls[1]]);
    let daemons = [a.daemon(), b.daemon()];
    for (round, player, other) in [(0, &a, &b), (1, &b, &a), (2, &a, &b)] {
        let played = bytes(&format!("round {round}"));
        player.plays(&played);
        wait_for("the save is on the other card", 60, || {
            (other.save() == Some(played.clone())).then_some(())
        });
    }
    drop(daemons);
    assert_eq!(versions(&a), 3);
    assert!(!fleet.data().exists(), "a server of several keeps nothing of its own");
}

#[test]
fn an_upload_whose_server_dies_in_its_middle_is_taken_once_by_the_other() {
    let Some(mut fleet) = Fleet::new() else { return };
    fleet.start(0);
    let url = fleet.url();
    let [a, b] = two_devices(&fleet, [&url, &url]);
    let played = noise(400_000);
    a.plays(&played);
    fleet.servers[0].gate.hold_after(100_000);
    let ended = std::thread::scope(|scope| {
        let once = scope.spawn(|| a.run(&["once", "--json"]));
        wait_for("the upload is under way", 120, || fleet.servers[0].gate.is_held().then_some(()));
        // Only now is there another; the one that has half of it dies.
        fleet.start(1);
        fleet.kill(0);
        once.join().unwrap()
    });
    assert_ne!(ended.code, 3, "no question: {ended:?}");
    sync(&a);
    sync(&b);
    assert_eq!(b.save(), Some(played.clone()));
    assert_eq!((versions(&a), a.save()), (1, Some(played)));
    let checked = fleet.tell(&["check"], "");
    assert!(checked.contains("1 contents"), "{checked}");
}

#[test]
fn devices_play_on_while_their_servers_are_killed_in_turn() {
    let Some(mut fleet) = Fleet::up() else { return };
    let url = fleet.url();
    let devices = two_devices(&fleet, [&url, &url]);
    for round in 0..4 {
        let [player, other] =
            if round % 2 == 0 { [&devices[0], &devices[1]] } else { [&devices[1], &devices[0]] };
        let played = bytes(&format!("round {round}"));
        player.plays(&played);
        std::thread::scope(|scope| {
            let syncing = scope.spawn(|| sync(player));
            fleet.kill(round % 2);
            syncing.join().unwrap();
        });
        sync(other);
        assert_eq!(other.save(), Some(played), "round {round}");
        assert_eq!(versions(other), round + 1);
        fleet.start(round % 2);
    }
}

#[test]
fn servers_are_upgraded_one_by_one_under_their_devices() {
    let Some(mut fleet) = Fleet::up() else { return };
    let url = fleet.url();
    let [a, b] = two_devices(&fleet, [&url, &url]);
    a.plays(&bytes("before"));
    sync(&a);
    sync(&b);
    // What a newer server's migration does, one that the version before can go on with: it adds, and says since when a server may.
    let change = |oldest: &str| {
        format!(
            "BEGIN; ALTER TABLE versions ADD COLUMN IF NOT EXISTS newer BIGINT NOT NULL DEFAULT 0;
             UPDATE schema_state SET changes = changes + 1, oldest_server = {oldest}; COMMIT"
        )
    };
    fleet.cluster.sql(fleet.database_name(), &change("oldest_server"));
    for (which, mark) in ["during", "after"].into_iter().enumerate() {
        b.plays(&bytes(mark));
        sync(&b);
        fleet.stop(which);
        sync(&a);
        assert_eq!(a.save(), Some(bytes(mark)));
        fleet.start(which);
        assert!(fleet.said(which).contains("going on with it"), "{}", fleet.said(which));
        sync(&b);
    }
    assert_eq!(versions(&a), 3);

    // A migration that it cannot go on with: it takes nothing more, says why, and the card keeps what was played.
    fleet.cluster.sql(fleet.database_name(), &change("changes + 1"));
    a.plays(&bytes("too new"));
    assert_ne!(a.run(&["once"]).code, 0);
    assert_eq!(a.save(), Some(bytes("too new")));
    fleet.stop(0);
    let (started, said) = fleet.ask(&["serve", "--listen", "127.0.0.1:0", "--announce", "off"], "");
    assert!(!started && said.contains("update retrosync-server"), "{said}");
}
