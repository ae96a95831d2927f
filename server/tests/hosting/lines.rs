//! The log as programs read it: an object a line, one line a request, and what went wrong bears the request's id.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use crate::LONG;
use crate::support::{Device, Server, frames, version, wait_for};

/// All lines of the log that are objects; what the server says to people is between them.
fn lines(server: &Server) -> Vec<Value> {
    let log = std::fs::read_to_string(server.log()).unwrap();
    let objects = log.lines().filter(|line| line.starts_with('{'));
    objects.map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
}

/// The line of the request with this id, once it is there.
fn line_of(server: &Server, id: &str) -> Value {
    wait_for("the request's line", LONG, || {
        let mut of =
            lines(server).into_iter().filter(|line| line["request"] == id && line["message"] == "answered");
        let found = of.next()?;
        assert_eq!(of.next(), None, "one line a request");
        Some(found)
    })
}

fn store(device: &Device<'_>, id: &str, save: &str, sequence: u64) -> u16 {
    let bearer = format!("Bearer {}", device.token);
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", id), ("x-request-id", id)];
    let body = frames::store(&version(save, Some(b"bytes"), &[], 1, sequence), Some(b"bytes"));
    server_of(device).api("POST", "/versions", &headers, Some(&body)).status
}

fn server_of<'a>(device: &Device<'a>) -> &'a Server {
    device.server
}

#[test]
fn each_request_has_a_line_that_names_its_route_and_nobodys_secrets() {
    let server = Server::start_with(&["--set", "log.format=json"]);
    server.add_user("ada");
    let device = server.pair("Ada's Miyoo", "ada");
    assert_eq!(store(&device, "store-1", "gb/sram/Tetris", 1), 200);
    let line = line_of(&server, "store-1");
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (text("level"), text("method"), text("route")),
        ("info".into(), "POST".into(), "/api/v1/versions".into())
    );
    assert_eq!((line["status"].as_u64(), text("device")), (Some(200), device.id.clone()));
    assert!(line["user"].is_i64() && line["duration_ms"].is_u64() && line["time_unix_ms"].is_u64(), "{line}");
    assert!(line["received_bytes"].as_u64() > Some(100) && line["sent_bytes"].as_u64() > Some(50), "{line}");
    let whole = line.to_string();
    for word in ["Tetris", "Miyoo", "ada\"", &device.token] {
        assert!(!whole.contains(word), "`{word}` is in {whole}");
    }
    let digest = "0".repeat(64);
    let reply = device.get(&format!("/content/{digest}"));
    let line = line_of(&server, reply.header("x-request-id"));
    assert_eq!(line["route"], "/api/v1/content/{digest}", "a route, not what was asked for");
    assert_eq!(line["status"], 404);
}

#[test]
fn an_id_is_kept_if_it_is_a_plain_word_and_drawn_otherwise() {
    let server = Server::start_with(&["--set", "log.format=json"]);
    let answered = |sent: &str| {
        let reply = server.bare("GET", "/api/v1/account", &[("x-request-id", sent)], None);
        reply.header("x-request-id").to_owned()
    };
    assert_eq!(answered("6f1c-proxy.7_A"), "6f1c-proxy.7_A");
    let long = "a".repeat(65);
    for sent in ["", "two words", "quote\"", "rst_0000", &long] {
        let drawn = answered(sent);
        assert!(drawn != sent && drawn.len() == 16, "{sent}: {drawn}");
    }
    assert_ne!(answered(""), answered(""));
}

#[test]
fn what_went_wrong_is_found_by_the_requests_id() {
    let server = Server::start_with(&["--set", "log.format=json"]);
    server.add_user("ada");
    let device = server.pair("Ada's Miyoo", "ada");
    std::fs::rename(server.data().join("blobs"), server.data().join("away")).unwrap();
    assert!(store(&device, "fails-1", "gb/sram/Tetris", 1) < 600);
    std::fs::rename(server.data().join("away"), server.data().join("blobs")).unwrap();
    line_of(&server, "fails-1");
    let lines = lines(&server);
    let told = lines.iter().find(|line| line["request"] == "fails-1" && line["level"] == "error");
    let told = told.unwrap_or_else(|| panic!("no error with the id in {lines:#?}"));
    assert!(told["message"].as_str().unwrap().contains("No such file"), "{told}");
}

#[test]
fn lines_of_requests_can_be_left_out() {
    let server = Server::start_with(&["--set", "log.requests=false"]);
    for _ in 0..3 {
        assert_eq!(server.get("/health", None).status, 200);
    }
    let mut server = server;
    assert_eq!(server.stop(), Some(0));
    let log = std::fs::read_to_string(server.log()).unwrap();
    assert!(log.contains("info: stopping") && !log.contains("answered"), "{log}");
}

#[test]
fn what_is_counted_of_a_body_is_what_came_of_it_not_what_its_head_says() {
    let server = Server::start_with(&["--set", "log.format=json"]);
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nX-Request-Id: claims\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9223372036854775807\r\n\r\nname=ada";
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let line = line_of(&server, "claims");
    assert!(line["received_bytes"].as_u64() <= Some(8), "{line}");
}
