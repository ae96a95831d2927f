//! What is no HTTP, or too much of it, or comes too slowly: the connection ends, and nobody else notices.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::held::{held, is_whole};
use crate::support::{Server, bearer, version};

pub fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Sends bytes as they are and reads until the server closes.
pub fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // The server may close before all is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let server = Server::start();
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let wide = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "b".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(10_000));
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
