//! What pairing may never cost: the pairing that stands, a token in other hands, a mark on a card for nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::TcpListener;

use support::card::Firmware;
use support::device::{Device, bytes};
use support::server::Server;

const GAME: &str = "Tetris (World)";

fn paired() -> (Server, Device) {
    let server = Server::start();
    let device = Device::new(Firmware::Onion, GAME);
    device.pair(&server);
    (server, device)
}

#[test]
fn a_pairing_that_fails_leaves_the_one_that_stands() {
    let (server, device) = paired();
    device.run(&["pair", &server.url(), "--code", "AAAA-AAAA", "--again"]).ends(1);
    device.run(&["pair", "http://127.0.0.1:9", "--again"]).ends(1);
    device.plays(&bytes("after"));
    assert_eq!(device.once()["uploaded"].as_array().unwrap().len(), 1);
}

#[test]
fn a_token_goes_to_no_other_server() {
    let (_server, device) = paired();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let address = format!("http://{}", other.local_addr().unwrap());
    for words in [&["once", "--server", &address][..], &["devices", "--server", &address]] {
        let refused = device.run(words).ends(1);
        assert!(refused.err.contains("this device is not paired"), "{}", refused.err);
    }
    assert!(other.accept().is_err(), "nothing was said to it");
}

#[test]
fn what_was_agreed_when_pairing_is_not_asked_again() {
    let server = Server::start();
    let device = Device::new(Firmware::Onion, GAME);
    device.run(&["pair", &server.url(), "--plain-http", "true", "--code", &server.user_code()]).ends(0);
    let doctor = device.run(&["doctor"]).ends(0);
    // In columns as wide as they must be.
    let told: Vec<String> =
        doctor.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [format!("server {} (pairing)", server.url()), "plain_http true (pairing)".into()] {
        assert!(told.contains(&line), "{line} is not in\n{}", doctor.out);
    }
}

#[test]
fn a_code_that_nobody_approved_is_no_pairing() {
    let server = Server::start();
    let device = Device::new(Firmware::Onion, GAME);
    drop(device.start_pairing(&server.url()));
    let once = device.run(&["once"]).ends(1);
    assert!(once.err.contains("this device is not paired"), "it does not wait for ever: {}", once.err);
    let status = device.run(&["status"]).ends(3);
    assert!(status.out.starts_with("not paired"), "{}", status.out);
}

#[test]
fn others_on_this_machine_cannot_read_the_token() {
    use std::os::unix::fs::PermissionsExt;
    let (server, device) = paired();
    for folder in [device.card.root.join(".retrosync"), server.data()] {
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", folder.display());
    }
}

#[test]
fn without_an_address_nothing_is_written() {
    let device = Device::new(Firmware::Onion, GAME);
    device.run(&["pair"]).ends(1);
    assert!(!device.card.root.join(".retrosync").exists());
}

#[test]
fn who_leaves_the_account_keeps_every_save_and_can_come_back() {
    let (server, device) = paired();
    device.plays(&bytes("mine"));
    device.once();
    let left = device.run(&["unpair"]).ends(0);
    assert_eq!(left.out, "not paired any more; no save was touched\n");
    assert_eq!(device.save(), Some(bytes("mine")));
    assert_eq!(device.json(&["status"])["paired"], false);
    device.run(&["once"]).ends(1);
    device.pair(&server);
    assert_eq!(device.once()["in_step"], 1, "what the server has is known again");

    // Without the server it is forgotten here, and the person is told what is left to do.
    drop(server);
    let left = device.run(&["unpair"]).ends(3);
    assert!(left.err.contains("remove the device on the dashboard"), "{}", left.err);
    assert_eq!(device.save(), Some(bytes("mine")));
}
