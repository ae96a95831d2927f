//! What is no HTTP, or too much of it, or comes too slowly: the connection ends, and nobody else notices.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::held::{held, is_whole};
use crate::support::{Server, bearer, version};

/// How long the server reads away what is left of a head that it refused.
const HEAD_DRAIN_TIME: Duration = Duration::from_secs(5);

pub fn connect(server: &Server) -> TcpStream {
    connect_to(server.url.trim_start_matches("http://"))
}

fn connect_to(place: &str) -> TcpStream {
    let stream = TcpStream::connect(place).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Sends bytes as they are and reads until the server closes.
pub fn raw(server: &Server, bytes: &[u8]) -> String {
    raw_at(server.url.trim_start_matches("http://"), bytes)
}

fn raw_at(place: &str, bytes: &[u8]) -> String {
    let (mut stream, began) = (connect_to(place), Instant::now());
    let written = stream.write_all(bytes);
    // What is refused is read away, so that the refusal arrives and not a reset; but not for ever, if we come to write that late.
    assert!(written.is_ok() || began.elapsed() >= HEAD_DRAIN_TIME, "{written:?}");
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A server that counts too, and the addresses of both listeners.
fn two_listeners(more: &[&str]) -> (Server, [String; 2]) {
    let server = Server::start_with(&[&["--set", "metrics.listen=127.0.0.1:0"], more].concat());
    let log = std::fs::read_to_string(server.log()).unwrap();
    let counts = log.lines().find_map(|line| line.strip_prefix("info: metrics are at http://"));
    let places = [
        server.url.trim_start_matches("http://").to_owned(),
        counts.unwrap().trim_end_matches("/metrics").to_owned(),
    ];
    (server, places)
}

#[test]
fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let (server, places) = two_listeners(&[]);
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let wide = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "b".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(10_000));
    let many_wide = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "cookie: retrosync=b\r\n".repeat(10_000));
    let smuggled = "POST /api/v1/changes HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x";
    let rows = [
        ("noise", "\u{1}\u{2}\u{3}\r\n\r\n", "HTTP/1.1 400 "),
        ("TLS to a plain port", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n", "HTTP/1.1 400 "),
        ("a long path", &long, "HTTP/1.1 431 "),
        ("a wide head", &wide, "HTTP/1.1 431 "),
        ("10,000 headers", &many, "HTTP/1.1 431 "),
        ("10,000 headers of 200 KB", &many_wide, "HTTP/1.1 431 "),
        ("two lengths", smuggled, ""),
        ("half a head", "GET / HTTP/1.1\r\nho", ""),
    ];
    for place in &places {
        for (what, sent, status) in rows {
            let answer = raw_at(place, sent.as_bytes());
            assert!(!answer.contains(" 200 ") && answer.starts_with(status), "{what}, {place}: {answer}");
            assert_eq!(server.get("/health", None).status, 200, "{what}: still there");
        }
    }
}

#[test]
fn who_dawdles_over_a_head_is_cut_off() {
    let (server, places) = two_listeners(&["--set", "limits.head_s=5"]);
    let dawdle = |place: &str| {
        let mut stream = connect_to(place);
        let mut dribbling = stream.try_clone().unwrap();
        let began = Instant::now();
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n").unwrap();
        // A header now and then does not help.
        let dribbled = std::thread::spawn(move || {
            while dribbling.write_all(b"a: b\r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer);
        let waited = began.elapsed();
        assert!(waited > Duration::from_secs(3) && waited < Duration::from_secs(50), "{place}: {waited:?}");
        assert_eq!(String::from_utf8_lossy(&answer), "", "{place}");
        dribbled.join().unwrap();
    };
    std::thread::scope(|scope| {
        places.iter().for_each(|place| {
            scope.spawn(|| dawdle(place));
        });
    });
    assert_eq!(server.get("/health", None).status, 200);
}

#[test]
fn who_sends_a_body_byte_by_byte_holds_up_nobody_and_stores_nothing() {
    let server = Server::start_with(&["--open-registration"]);
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let before = held(&device);
    let authorization = bearer(&device.token);
    // More at once than any limit on what is read at the same time.
    let slow: Vec<TcpStream> = ["/api/v1/versions", "/api/v1/changes", "/api/sync/files", "/upload", "/login", "/api/auth/login"]
        .iter()
        .cycle()
        .take(60)
        .map(|path| {
            let mut stream = connect(&server);
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\nx-api-key: {}\r\n\
                 idempotency-key: slow\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 5000000\r\n\r\n",
                &device.token[4..]
            )
            .unwrap();
            stream.write_all(b"-").unwrap();
            stream
        })
        .collect();
    for (round, mut stream) in slow.iter().enumerate() {
        let _ = stream.write_all(b"-");
        let bytes = format!("save {round}");
        let record = version(&format!("gb/sram/{round}"), Some(bytes.as_bytes()), &[], 1, round as u64 + 1);
        let began = Instant::now();
        assert_eq!(device.store(&format!("op-{round}"), &record, Some(bytes.as_bytes()))["outcome"], "head");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
    drop(slow);
    assert_ne!(held(&device), before);
    let account: serde_json::Value = device.get("/account").ok();
    assert_eq!(account["versions"], 60, "what came whole, and nothing else");
    is_whole(&server);
}
