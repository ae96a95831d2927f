//! The stop: who asks is told, who waits is answered, what is under way ends, and none of it for ever.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use crate::LONG;
use crate::numbers::{waits_for_news, watched};
use crate::support::{Device, Server, bearer, frames, version, wait_for};

/// SIGTERM, without waiting for anything.
fn tell_to_stop(server: &Server) {
    assert!(Command::new("kill").arg(server.id().to_string()).status().unwrap().success());
}

#[test]
fn a_hangup_ends_no_server_that_has_no_certificate_to_read_again() {
    let mut server = Server::start();
    let told = Command::new("kill").args(["-HUP", &server.id().to_string()]).status().unwrap();
    assert!(told.success());
    wait_for("a line about it", LONG, || {
        let log = std::fs::read_to_string(server.log()).unwrap();
        log.contains("SIGHUP: there is no certificate to read again").then_some(())
    });
    assert_eq!(server.get("/health", None).status, 200);
    assert_eq!(server.stop(), Some(0));
}

/// An upload whose body is half sent; the server has begun to read it.
struct HalfSent {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl HalfSent {
    fn start(device: &Device<'_>, save: &str) -> HalfSent {
        let bytes = b"played for hours".repeat(1000);
        let mut body = frames::store(&version(save, Some(&bytes), &[], 7, 1), Some(&bytes));
        let rest = body.split_off(body.len() / 2);
        let mut stream = TcpStream::connect(device.server.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let head = format!(
            "POST /api/v1/versions HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nIdempotency-Key: half\r\n\
             Content-Type: {}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            bearer(&device.token),
            retrosync_protocol::FRAMES_CONTENT_TYPE,
            body.len() + rest.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // Whoever says `100 Continue` is reading the body.
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 100 "), "{line}");
        reader.read_line(&mut line).unwrap();
        stream.write_all(&body).unwrap();
        HalfSent { stream, rest }
    }

    /// Sends the rest; the answer, head and body.
    fn end(mut self) -> String {
        self.stream.write_all(&self.rest).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn an_upload_that_is_under_way_is_taken_in_and_who_waits_is_answered() {
    let (mut server, at) = watched(&["--set", "limits.stop_s=600"]);
    server.add_user("ada");
    let (status, answer) = {
        let device = server.pair("Ada's Miyoo", "ada");
        let upload = HalfSent::start(&device, "gb/sram/Tetris");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| device.get("/changes?since=0&wait_s=300"));
            waits_for_news(&at, 1);
            tell_to_stop(&server);
            let told = waiting.join().unwrap();
            (told, upload.end())
        })
    };
    assert_eq!((status.status, status.code().as_str()), (503, "unavailable"), "a device comes again at once");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["results"][0]["outcome"], "head", "{body}");
    assert_eq!(server.ended(), Some(0));
    server.run(&[]);
    let output = server.cli(&["check"]);
    assert!(
        String::from_utf8_lossy(&output.stdout).starts_with("1 contents, 16000 bytes: all whole"),
        "{output:?}"
    );
}

#[test]
fn an_upload_that_never_ends_does_not_hold_the_stop_up() {
    let mut server = Server::start_with(&["--set", "limits.stop_s=1"]);
    server.add_user("ada");
    let upload = {
        let device = server.pair("Ada's Miyoo", "ada");
        HalfSent::start(&device, "gb/sram/Tetris")
    };
    tell_to_stop(&server);
    assert_eq!(server.ended(), Some(0));
    drop(upload);
    let log = std::fs::read_to_string(server.log()).unwrap();
    assert!(log.contains("info: stopping with connections open"), "{log}");
}

#[test]
fn a_balancer_has_time_to_notice_and_a_second_signal_waits_for_nobody() {
    let mut server = Server::start_with(&["--set", "limits.leave_s=3600"]);
    assert_eq!(server.bare("GET", "/health/ready", &[], None).status, 200);
    tell_to_stop(&server);
    let reply = wait_for("ready to say that it stops", LONG, || {
        Some(server.bare("GET", "/health/ready", &[], None)).filter(|reply| reply.status == 503)
    });
    assert_eq!(reply.code(), "unavailable");
    assert_eq!(reply.json()["detail"], "the server is about to stop");
    assert_eq!(server.get("/health", None).status, 200, "all else goes on as before");
    tell_to_stop(&server);
    assert_eq!(server.ended(), Some(1));
}
