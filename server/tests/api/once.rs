//! What was answered happened, and happened once: plugs, stops, the same request many times.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use super::support::{Device, Server, frames, version};
use super::{SAVE, changes, with_ada};

#[test]
fn the_plug_is_pulled_between_two_requests_and_nothing_answered_is_lost() {
    let mut server = with_ada();
    let (token, id) = {
        let device = server.pair("Miyoo", "ada");
        (device.token, device.id)
    };
    let mut stored = vec![];
    for n in 1..=5u64 {
        let bytes = n.to_le_bytes();
        let frame =
            frames::store(&version(&format!("gb/sram/Game {n}"), Some(&bytes), &[], 1, n), Some(&bytes));
        let first: Value = {
            let device = Device { server: &server, token: token.clone(), id: id.clone() };
            device.send("/versions", &format!("op-{n}"), &frame).ok()
        };
        server.kill();
        server.run(&[]);
        let device = Device { server: &server, token: token.clone(), id: id.clone() };
        let again: Value = device.send("/versions", &format!("op-{n}"), &frame).ok();
        assert_eq!(again, first, "the reply was lost, the request is sent again");
        let reused = device.send(
            "/versions",
            &format!("op-{n}"),
            &frames::store(&version("gb/sram/z", None, &[], 9, n), None),
        );
        assert_eq!((reused.status, reused.code().as_str()), (422, "operation_reused"));
        stored.push(Digest::of(&bytes));
        for digest in &stored {
            assert_eq!(device.get(&format!("/content/{digest}")).status, 200);
        }
        assert_eq!(changes(&device, 0)["saves"].as_array().unwrap().len(), stored.len());
    }
    assert_eq!(server.stop(), Some(0), "asked to stop, it ends well");
    let output = server.cli(&["check"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_server_that_stops_tells_who_waits() {
    // Whoever is not told is waited for, for so long.
    let mut server = Server::start_with(&["--set", "limits.stop_s=120"]);
    server.add_user("ada");
    let (token, url) = (server.pair("Miyoo", "ada").token, server.url.clone());
    let mut waiting = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let path = "/api/v1/changes?since=0&wait_s=300";
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    waiting.write_all(request.as_bytes()).unwrap();
    // Until another request on another connection was answered, the first has surely arrived.
    assert_eq!(server.get("/account", Some(&token)).status, 200);
    let began = Instant::now();
    assert_eq!(server.stop(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "it does not wait for the long poll: {:?}",
        began.elapsed()
    );
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("unavailable"), "{answer}");
}

#[test]
fn the_same_change_sent_many_times_at_once_happens_once() {
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    let frame = frames::store(&version(SAVE, Some(b"once"), &[], 1, 1), Some(b"once"));
    let replies: Vec<Value> = std::thread::scope(|scope| {
        let send = || device.send("/versions", "op-1", &frame).ok();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:#?}");
    let head = replies[0]["results"][0]["version"].clone();
    let restore = json!({"save": SAVE, "version": head, "heads": [head]});
    let resolve = json!({"save": SAVE, "keep": head, "heads": [head]});
    let replies: Vec<Value> = std::thread::scope(|scope| {
        let send = || device.change("POST", "/saves/restore", "op-2", &restore).ok();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:#?}");
    assert_eq!(device.change("POST", "/saves/resolve", "op-2", &resolve).code(), "operation_reused");
    let account: Value = device.get("/account").ok();
    assert_eq!(account["versions"], 2);
}
