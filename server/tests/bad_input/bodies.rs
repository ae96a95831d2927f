//! Bodies and heads that are not what was asked for: wrong JSON, wrong types, missing fields, too much, cut off.

use retrosync_protocol::{Digest, FRAMES_CONTENT_TYPE};
use serde_json::{Value, json};

use crate::held::{held, is_whole};
use crate::support::browser::registered;
use crate::support::{Server, bearer, frames, version};
use crate::wire::raw;

const SAVE: &str = "gb/sram/Tetris";

#[test]
fn bodies_that_are_not_what_was_asked_for() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let authorization = bearer(&device.token);
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "op-1")];
    let deep = "[".repeat(100_000);
    let rows: Vec<(&str, &str, Vec<u8>, &str)> = vec![
        ("no JSON", "/changes", b"since=0".to_vec(), "malformed"),
        ("no text", "/changes", vec![0xff, 0xfe, 0x00], "malformed"),
        ("nested without end", "/changes", deep.into_bytes(), "malformed"),
        ("a negative number", "/changes", br#"{"since":-1}"#.to_vec(), "malformed"),
        ("a number that does not fit", "/changes", br#"{"since":1e300}"#.to_vec(), "malformed"),
        ("another epoch's form", "/changes", br#"{"epoch":"x"}"#.to_vec(), "malformed"),
        ("an empty body", "/content", vec![], "malformed"),
        (
            "digests in capitals",
            "/content",
            format!(r#"{{"digests":["{}"]}}"#, "A".repeat(64)).into_bytes(),
            "malformed",
        ),
        ("4 MiB and a byte", "/changes", vec![b' '; (4 << 20) + 1], "too_large"),
        (
            "heads that are no ids",
            "/saves/retire",
            br#"{"save":"gb/sram/x","heads":["y"]}"#.to_vec(),
            "malformed",
        ),
        (
            "a save out of its folder",
            "/saves/retire",
            br#"{"save":"gb/sram/../x","heads":[]}"#.to_vec(),
            "malformed",
        ),
        ("no frame", "/versions", b"hello, here is my save".to_vec(), "malformed"),
        ("17 MiB of frames", "/versions", big_frames(), "too_large"),
        ("501 frames", "/versions", frames::frame(json!({}), None, "").repeat(501), "too_large"),
        ("blocks that do not fit the size", "/uploads", upload(10, 3), "malformed"),
        ("a content of 1 TiB", "/uploads", upload(1 << 40, 1), "too_large"),
    ];
    for (what, path, body, code) in rows {
        let reply = server.api("POST", path, &headers, Some(&body));
        assert_eq!(reply.code(), code, "{what}: {}", reply.text());
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.len() > 10 && detail.len() < 600, "{what}: {detail}");
    }
    let none: Value = device.send("/versions", "op-none", b"").ok();
    assert_eq!(none["results"], json!([]), "no frames, no results");
    let account: Value = device.get("/account").ok();
    assert_eq!(account["versions"], 0, "nothing of it was stored");
    is_whole(&server);
}

fn big_frames() -> Vec<u8> {
    let bytes = vec![1; 1 << 20];
    (1..=17)
        .flat_map(|n| frames::store(&version(&format!("gb/sram/{n}"), Some(&bytes), &[], 1, n), Some(&bytes)))
        .collect()
}

fn upload(size_bytes: u64, blocks: usize) -> Vec<u8> {
    json!({"content": {"digest": Digest::of(b"x"), "size_bytes": size_bytes},
        "block_digests": vec![Digest::of(b"y"); blocks]})
    .to_string()
    .into_bytes()
}

#[test]
fn heads_that_are_not_what_was_asked_for() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let authorization = bearer(&device.token);
    let frame = frames::store(&version(SAVE, Some(b"x"), &[], 1, 1), Some(b"x"));
    let keys = ["", "with space", "ümlaut", &"k".repeat(65)];
    for key in keys {
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", key)];
        assert_eq!(server.api("POST", "/versions", &headers, Some(&frame)).code(), "malformed", "{key:?}");
    }
    let tokens =
        ["", "Bearer", "Bearer rst_", "Basic YTpi", "Bearer rst_zz", &format!("Bearer {}x", device.token)];
    for token in tokens {
        let reply = server.api("GET", "/account", &[("authorization", token)], None);
        assert_eq!((reply.status, reply.code().as_str()), (401, "unauthorized"), "{token:?}");
        assert!(!reply.text().contains(&device.token), "a reply repeats the token");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    let paths = [
        "/history",
        "/history?save=",
        "/history?save=%ff",
        "/history?save=gb%2Fsram%2Fa%00b",
        "/content/..%2f..%2fetc",
    ];
    for path in paths {
        assert_eq!(device.get(path).code(), "malformed", "{path}");
    }
    assert_eq!(device.get("/devices/../account").code(), "not_found");
}

#[test]
fn a_refused_body_is_read_away_so_that_the_refusal_arrives() {
    let server = Server::start();
    let body = vec![b'x'; 15 << 20];
    let headers = [("authorization", "Bearer rst_0"), ("content-type", FRAMES_CONTENT_TYPE)];
    let reply = server.api("POST", "/versions", &headers, Some(&body));
    assert_eq!(reply.code(), "unauthorized", "and not a reset connection");
}

#[test]
fn a_body_cut_in_the_middle_stores_nothing() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let whole = frames::store(&version(SAVE, Some(&[7; 5000]), &[], 1, 1), Some(&[7; 5000]));
    for cut in [1, 3, 10, whole.len() - 5000, whole.len() - 1] {
        let head = format!(
            "POST /api/v1/versions HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\nidempotency-key: op\r\ncontent-length: {}\r\n\r\n",
            bearer(&device.token),
            whole.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(&whole[..cut]);
        let answer = raw(&server, &request);
        assert!(!answer.contains(" 200 "), "cut at {cut}: {answer}");
        let account: Value = device.get("/account").ok();
        assert_eq!(account["versions"], 0, "cut at {cut}");
    }
    let stored: Value = device.send("/versions", "op", &whole).ok();
    assert_eq!(stored["results"][0]["outcome"], "head", "the same operation, whole at last");
    is_whole(&server);
}

/// A body that is right, for each endpoint that takes JSON.
fn right_bodies() -> Vec<(&'static str, &'static str, Value)> {
    let digest = Digest::of(b"x");
    let choice = json!({"save": SAVE, "version": digest, "heads": [digest], "note": null});
    let claim = json!({"user_code": "AAAA-AAAA", "token_sha256": digest, "device_name": "x", "profile": "", "client": ""});
    vec![
        (
            "POST",
            "/pairing",
            json!({"token_sha256": digest, "device_name": "x", "profile": "", "client": ""}),
        ),
        ("POST", "/pairing/claim", claim),
        ("POST", "/changes", json!({"since": 0, "epoch": null, "wait_s": 0, "limit": 1, "ask": []})),
        ("POST", "/content", json!({"digests": [digest]})),
        ("POST", "/saves/restore", choice.clone()),
        ("POST", "/saves/resolve", choice.clone()),
        ("POST", "/saves/retire", choice),
        (
            "POST",
            "/uploads",
            json!({"content": {"digest": digest, "size_bytes": 1}, "block_digests": [digest]}),
        ),
        ("PATCH", "/devices/dev_0000000000000000", json!({"name": "x"})),
        ("POST", "/report", json!({"folders": [], "problems": []})),
    ]
}

/// Every way to make one field of a body wrong: each other type, and gone.
fn wrong(body: &Value) -> Vec<(String, Value)> {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("\u{0}"),
        json!([]),
        json!([null]),
        json!([[[]]]),
        json!({}),
        json!({"digest": 5}),
        json!("9".repeat(5000)),
    ];
    let mut rows = vec![];
    for name in body.as_object().unwrap().keys() {
        for value in &values {
            let mut body = body.clone();
            body[name] = value.clone();
            rows.push((
                format!("`{name}` is {}", value.to_string().chars().take(40).collect::<String>()),
                body,
            ));
        }
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(name);
        rows.push((format!("`{name}` is missing"), body));
    }
    rows.extend(values.iter().map(|value| (format!("the whole is {value}"), value.clone())));
    rows
}

#[test]
fn every_field_of_every_body_in_every_wrong_type_or_missing() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    // News of another device, so that no poll waits for some.
    let sister = server.pair("RG35XX", "ada");
    sister.store("op-first", &version(SAVE, Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let before = held(&device);
    let authorization = bearer(&device.token);
    let mut refused = 0;
    for (method, path, body) in right_bodies() {
        for (number, (what, body)) in wrong(&body).into_iter().enumerate() {
            let operation = format!("op-{number}");
            let headers =
                [("authorization", authorization.as_str()), ("idempotency-key", operation.as_str())];
            let full = format!("/api/v1{path}");
            let reply = server.bare(method, &full, &headers, Some(body.to_string().as_bytes()));
            assert!(reply.status < 500, "{method} {path}, {what}: {}", reply.text());
            if reply.status >= 400 {
                refused += 1;
                assert_eq!(
                    reply.header("content-type"),
                    "application/problem+json",
                    "{method} {path}, {what}"
                );
                let known = [
                    "malformed",
                    "not_found",
                    "code_unknown",
                    "too_large",
                    "slow_down",
                    "quota_full",
                    "heads_moved",
                    "access_denied",
                ];
                assert!(known.contains(&reply.code().as_str()), "{method} {path}, {what}: {}", reply.text());
                assert!(reply.text().len() < 2000, "{what}: it repeats what came: {}", reply.text());
            }
        }
    }
    assert!(refused > 400, "{refused}");
    assert_eq!(held(&device), before, "what was borne changed nothing");
    is_whole(&server);
}

#[test]
fn a_body_that_is_larger_than_may_be_is_refused_in_the_form_of_who_asked() {
    let server = Server::start_with(&["--open-registration"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let before = held(&device);
    let json = |bytes: usize| format!("{{\"x\":\"{}\"}}", "x".repeat(bytes)).into_bytes();
    for path in ["/changes", "/content", "/saves/retire", "/uploads", "/report", "/pairing"] {
        let headers = [("authorization", bearer(&device.token)), ("idempotency-key", "op".into())];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(server.api("POST", path, &headers, Some(&json(5 << 20))).code(), "too_large", "{path}");
    }
    for path in ["/account", "/login", "/save/mark", "/devices/x/rename"] {
        let headers =
            [("origin", server.url.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let reply = browser.send("POST", path, &headers, Some(&vec![b'x'; 70 << 10]));
        let told = (reply.status, reply.header("retrosync-code"));
        assert!([(413, "too_large"), (400, "malformed")].contains(&told), "{path}: {}", reply.text());
    }
    let key = &device.token[4..];
    for (path, bytes) in
        [("/api/sync/heartbeat", 2 << 20), ("/api/sync/log", 2 << 20), ("/api/sync/files", 70 << 20)]
    {
        let reply = server.bare("POST", path, &[("x-api-key", key)], Some(&json(bytes)));
        assert_eq!((reply.status, reply.json()["success"].clone()), (413, json!(false)), "{path}");
    }
    assert_eq!(held(&device), before);
    assert!(server.peak_memory_bytes() < 400 << 20, "{} bytes", server.peak_memory_bytes());
    is_whole(&server);
}
