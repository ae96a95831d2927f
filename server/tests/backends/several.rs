//! Several servers over one database: what one commits, those who wait at another hear at once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::cluster;
use crate::support::{Device, Server, version};

/// A long poll waits as long as this; a ring that is heard ends it long before.
const WAIT_S: u64 = 60;

fn two() -> Option<(Server, Server)> {
    let database = cluster::database()?;
    let start = || Server::start_on(Some(database.clone()), tempfile::tempdir().unwrap(), &[]);
    let (one, other) = (start(), start());
    one.add_user("ada");
    Some((one, other))
}

/// The cookie of a session of ada's.
fn log_in(server: &Server) -> String {
    let form = "name=ada&password=correct+horse+battery";
    let headers = [("origin", server.url.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let login = server.bare("POST", "/login", &headers, Some(form.as_bytes()));
    login.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[test]
fn a_save_stored_at_one_server_wakes_the_sister_that_waits_at_the_other() {
    let Some((one, other)) = two() else { return };
    let miyoo = one.pair("Miyoo", "ada");
    let anbernic = one.pair("Anbernic", "ada");
    let anbernic = Device { server: &other, token: anbernic.token, id: anbernic.id };
    let start: Value = anbernic.get("/changes?since=0&epoch=").ok();
    let (since, epoch) = (start["cursor"].as_u64().unwrap(), start["epoch"].as_str().unwrap());
    let path = format!("/changes?since={since}&epoch={epoch}&wait_s={WAIT_S}");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| (anbernic.get(&path).ok(), Instant::now()));
        // Not to make it pass, but that it mostly waits by then.
        std::thread::sleep(Duration::from_millis(300));
        let record = version("gb/sram/Tetris", Some(b"save"), &[], 1, 1);
        assert_eq!(miyoo.store("op-1", &record, Some(b"save"))["outcome"], "head");
        let stored = Instant::now();
        let (changes, heard): (Value, Instant) = waiting.join().unwrap();
        assert_eq!(changes["saves"].as_array().unwrap().len(), 1, "{changes}");
        let took = heard.saturating_duration_since(stored);
        println!("heard at the other server {took:?} after the answer");
        assert!(took < Duration::from_secs(WAIT_S / 2), "{took:?}: it was not rung for");
    });
}

#[test]
fn the_dashboard_at_one_server_shows_what_came_at_the_other_without_a_reload() {
    let Some((one, other)) = two() else { return };
    let miyoo = one.pair("Miyoo", "ada");
    let cookie = log_in(&other);
    let address = other.url.strip_prefix("http://").unwrap();
    let mut live = TcpStream::connect(address).unwrap();
    live.set_read_timeout(Some(Duration::from_secs(WAIT_S))).unwrap();
    write!(live, "GET /live HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(live).lines().map(Result::unwrap);
    let mut stamp = || lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    let before = stamp();
    let record = version("gb/sram/Tetris", Some(b"save"), &[], 1, 1);
    assert_eq!(miyoo.store("op-1", &record, Some(b"save"))["outcome"], "head");
    let number = |stamp: &str| stamp.split(' ').next().unwrap().parse::<u64>().unwrap();
    while number(&stamp()) == number(&before) {}
}
