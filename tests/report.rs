//! What a device says of itself on the dashboard, with the real programs: where it looks and what is wrong, while it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::card::Firmware;
use support::device::{Device, bytes};
use support::fault_proxy::{Fault, FaultProxy, What};
use support::server::{PASSWORD, Server, USER};
use support::wait_for;

const GAME: &str = "Tetris (World)";
const SAVE: &str = "gb/sram/Tetris (World)";
const REPORT: &str = "POST /api/v1/report";

/// The server's whole reply to a request on a connection of its own.
fn ask(server: &Server, line: &str, more: &str, body: &str) -> String {
    let mut wire = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let host = format!("127.0.0.1:{}", server.port());
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n{more}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    wire.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut reply = String::new();
    wire.read_to_string(&mut reply).unwrap();
    reply
}

/// The dashboard of a user who is logged in.
struct Dashboard<'a> {
    server: &'a Server,
    cookie: String,
}

impl Dashboard<'_> {
    fn enter(server: &Server) -> Dashboard<'_> {
        let form = format!("name={USER}&password={}", PASSWORD.replace(' ', "+"));
        let reply = ask(server, "POST /login", "Accept: text/html", &form);
        let cookie = reply.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next().unwrap().to_owned())
        });
        Dashboard { server, cookie: cookie.unwrap_or_else(|| panic!("not let in: {reply}")) }
    }

    fn devices(&self) -> String {
        let page = ask(self.server, "GET /devices", &format!("Cookie: {}", self.cookie), "");
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        page
    }
}

/// How often the server was told.
fn reports(proxy: &FaultProxy) -> usize {
    proxy.sent().iter().filter(|sent| sent.line() == REPORT).count()
}

/// Plays, and waits until that is the save's version of this number.
fn plays(device: &Device, mark: &str, number: usize) {
    device.plays(&bytes(mark));
    wait_for("the save is stored", 60, || {
        let versions = device.json(&["history", SAVE])["versions"].as_array().map(Vec::len);
        (versions == Some(number)).then_some(())
    });
}

#[test]
fn the_dashboard_says_where_a_device_looks_and_what_is_wrong_until_it_is_mended() {
    let server = Server::start();
    let proxy = FaultProxy::to(server.port()).unwrap();
    let device = Device::new(Firmware::Onion, GAME);
    let save = |name: &str| device.card.save().with_file_name(format!("{name}.srm"));
    let names = ["one", "two", "three", "four"];
    device.plays(&bytes("first"));
    for name in names {
        let rom = device.card.rom().with_file_name(format!("{name}.gb"));
        std::fs::write(rom, name).unwrap();
        std::fs::write(save(name), bytes(name).to_vec()).unwrap();
    }
    device.set(&format!("server = \"{}\"\n", proxy.url()));
    device.run(&["pair", &proxy.url(), "--code", &server.user_code()]).ends(0);
    let dashboard = Dashboard::enter(&server);
    let folder = "<code>Saves/CurrentProfile/saves</code>";
    assert!(!dashboard.devices().contains(folder), "nobody has said it yet");

    let _daemon = device.daemon();
    let page = wait_for("the page names the folders", 60, || {
        Some(dashboard.devices()).filter(|page| page.contains(folder))
    });
    assert!(!page.contains("banner bad"), "{page}");
    let stored = |proxy: &FaultProxy| proxy.sent().iter().any(|sent| sent.line() == "POST /api/v1/versions");
    assert!(stored(&proxy), "the saves went first");

    names.iter().for_each(|name| std::fs::remove_file(save(name)).unwrap());
    wait_for("the page says what is wrong", 60, || {
        dashboard.devices().contains("4 of its 5 saves vanished").then_some(())
    });
    for name in names {
        std::fs::write(save(name), bytes(name).to_vec()).unwrap();
    }
    wait_for("the page says so no more", 60, || {
        let page = dashboard.devices();
        (page.contains(folder) && !page.contains("banner bad")).then_some(())
    });

    // Only what changed is told: what is played is no such news. What a cycle tells is told before the next one stores.
    plays(&device, "second", 2);
    let before = reports(&proxy);
    plays(&device, "third", 3);
    assert_eq!(reports(&proxy), before);
}

#[test]
fn a_server_that_knows_no_reports_gets_every_save_and_is_told_once() {
    let server = Server::start();
    let proxy = FaultProxy::to(server.port()).unwrap();
    let unknown = ask(&server, "POST /api/v1/older", "Accept: */*", "");
    assert!(unknown.starts_with("HTTP/1.1 404 "), "{unknown}");
    proxy.set(Fault::On(REPORT, What::Instead(unknown.into_bytes())));
    let device = Device::new(Firmware::Onion, GAME);
    device.run(&["pair", &proxy.url(), "--code", &server.user_code()]).ends(0);
    let _daemon = device.daemon();
    for round in 1..=3 {
        plays(&device, &format!("round {round}"), round);
    }
    assert_eq!(reports(&proxy), 1);
    let log = device.log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}
