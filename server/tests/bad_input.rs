//! What nobody should send: each is refused with a clear text, the server stays up, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use retrosync_protocol::{Digest, FRAMES_CONTENT_TYPE};
use serde_json::{Value, json};
use support::{Server, bearer, frames, version};

const SAVE: &str = "gb/sram/Tetris";

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Sends bytes as they are and reads until the server closes.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // The server may close before all is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

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
fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let server = Server::start();
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let wide = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "b".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(5000));
    let smuggled = "POST /api/v1/changes HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x";
    let rows = [
        ("noise", "\u{1}\u{2}\u{3}\r\n\r\n", ""),
        ("TLS to a plain port", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n", ""),
        ("a long path", &long, "HTTP/1.1 4"),
        ("a wide head", &wide, "HTTP/1.1 4"),
        ("many heads", &many, "HTTP/1.1 4"),
        ("two lengths", smuggled, ""),
        ("half a head", "GET / HTTP/1.1\r\nho", ""),
    ];
    for (what, sent, status) in rows {
        let answer = raw(&server, sent.as_bytes());
        assert!(!answer.contains(" 200 ") && answer.starts_with(status), "{what}: {answer}");
        assert_eq!(server.get("/health", None).status, 200, "{what}: still there");
    }
}

#[test]
fn who_dawdles_over_a_head_is_cut_off() {
    let server = Server::start();
    let mut stream = connect(&server);
    let began = Instant::now();
    stream.write_all(b"GET /api/v1/health HTTP/1.1\r\nhost: x\r\n").unwrap();
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(10) && waited < Duration::from_secs(40), "{waited:?}");
    assert_eq!(server.get("/health", None).status, 200);
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
}

#[test]
fn names_with_every_odd_character_are_kept_as_they_are() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let names = [
        "gb/sram/a?b&c=d#e%20f",
        "gb/sram/\"quotes\" 'and' `ticks` <b>&amp;",
        "gb/sram/ポケットモンスター 緑",
        "gb/sram/e\u{301} composed later",
        "gb/sram/ spaces at both ends ",
        "gb/sram/back\\slash;semi:colon*star|bar",
        "gb/sram/👾🕹️",
        "gb/sram/a/b/c",
        "psx/card.0/../",
    ];
    let mut refused = 0;
    for (n, name) in names.iter().enumerate() {
        let result = device.store(
            &format!("op-{n}"),
            &version(name, Some(name.as_bytes()), &[], 1, n as u64 + 1),
            Some(name.as_bytes()),
        );
        if result["outcome"] == "refused" {
            assert_eq!(result["problem"]["code"], "malformed", "{name}");
            refused += 1;
            continue;
        }
        let path = format!("/history?{}", serde_urlencoded::to_string([("save", name)]).unwrap());
        let history: Value = device.get(&path).ok();
        assert_eq!(history["save"], *name);
        assert_eq!(device.get(&format!("/content/{}", Digest::of(name.as_bytes()))).body, name.as_bytes());
    }
    assert_eq!(refused, 1, "only what would leave its folder");
}

#[test]
fn a_command_line_that_is_wrong_says_what_and_exits_2_or_1() {
    let server = Server::start();
    let rows: [(&[&str], i32, &str); 6] = [
        (&["serv"], 2, "serve"),
        (&["serve", "--listen", "everywhere"], 2, "everywhere"),
        (&["approve", "ABC"], 2, "pairing code"),
        (&["approve", "AAAA-AAAA"], 1, "user add"),
        (&["user", "code", "nobody"], 1, "nobody"),
        (&["user", "add", "ada", "--password-stdin"], 1, "password"),
    ];
    for (arguments, exit, told) in rows {
        let output = server.cli_with_input(arguments, "short\n");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {text}");
        assert!(text.contains(told), "{arguments:?}: {text}");
    }
    let second = server.cli(&["serve", "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && text.contains("another server"), "{text}");
    let made = server.cli(&["user", "add", "bob"]);
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success() && text.contains("password  "), "{text}");
}

/// A small disk of its own, for who may mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &std::path::Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(at.to_owned()))
    }

    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.0).status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = self.0.parent().map(std::fs::remove_dir_all);
    }
}

#[test]
fn a_log_on_a_full_disk_drops_no_request() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("stderr")).unwrap();
    let server = Server::start_in(folder, &[]);
    for _ in 0..3 {
        let refused = server.bare("GET", "/api/v1/devices", &[], None);
        assert_eq!(refused.status, 401, "a refusal is logged, and told all the same");
    }
}

#[test]
fn a_full_disk_is_told_and_all_that_was_answered_stays() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&folder.path().join("data")) else {
        println!("skipped: mounting a small disk needs root");
        return;
    };
    let mut server = Server::start_in(folder, &[]);
    server.add_user("ada");
    let (token, id) = {
        let device = server.pair("Miyoo", "ada");
        (device.token, device.id)
    };
    let save = |n: u8| vec![n; 700 << 10];
    let record = |n: u8| version(&format!("gb/sram/{n}"), Some(&save(n)), &[], 1, u64::from(n));
    let store = |server: &Server, n: u8| {
        let device = support::Device { server, token: token.clone(), id: id.clone() };
        let result = device.store(&format!("op-{n}"), &record(n), Some(&save(n)));
        result["problem"]["code"].as_str().unwrap_or("stored").to_owned()
    };
    let answers: Vec<String> = (1..=30).map(|n| store(&server, n)).collect();
    let kept = answers.iter().take_while(|answer| *answer == "stored").count() as u8;
    assert!(kept > 3 && kept < 12, "21 MB on a disk of 8: {answers:?}");
    assert_eq!(answers[usize::from(kept)], "disk_full");
    for round in ["while it is full", "after the plug was pulled"] {
        for n in 1..=kept {
            let reply = server.get(&format!("/content/{}", Digest::of(&save(n))), Some(&token));
            assert!(reply.status == 200 && reply.body == save(n), "{round}: save {n}");
        }
        server.kill();
        server.run(&[]);
    }
    disk.grow();
    assert_eq!(store(&server, kept + 1), "stored", "the same operation again, now that there is room");
}
