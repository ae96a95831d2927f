//! What answers may not be our server, or not well: each such answer has its kind and its text, and none is believed.
//!
//! A scripted stand-in on loopback plays captive portals, proxies, cut connections and liars.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use retrosync::error::{Error, Kind};
use retrosync::remote::{HttpRemote, PairingClient, Remote, RemoteSettings};
use retrosync_protocol::{
    ChangesRequest, Code, Content, Digest, PairingRequest, SaveId, Token, Version, WriterId, encode_header,
};

/// What the stand-in does with one request.
enum Act {
    /// Sends this and keeps the connection.
    Answer(Vec<u8>),
    /// Sends this and closes.
    Cut(Vec<u8>),
    /// Says nothing until the device gives up.
    Silence,
}

/// A stand-in: acts in turn, one a request, over however many connections; tells the requests' heads.
struct StandIn {
    port: u16,
    heads: mpsc::Receiver<String>,
}

impl StandIn {
    fn new(acts: Vec<Act>) -> StandIn {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heads) = mpsc::channel();
        thread::spawn(move || {
            let mut acts = acts.into_iter().peekable();
            while acts.peek().is_some() {
                let Ok((mut stream, _)) = listener.accept() else { return };
                while acts.peek().is_some() {
                    let Some(head) = read_request(&mut stream) else { break };
                    let _ = tell.send(head);
                    match acts.next() {
                        Some(Act::Answer(bytes)) => stream.write_all(&bytes).unwrap_or_default(),
                        Some(Act::Cut(bytes)) => {
                            stream.write_all(&bytes).unwrap_or_default();
                            break;
                        }
                        _ => {
                            let _ = stream.read(&mut [0; 1]);
                            break;
                        }
                    }
                }
            }
        });
        StandIn { port, heads }
    }

    fn settings(&self) -> RemoteSettings {
        RemoteSettings {
            server: format!("http://127.0.0.1:{}", self.port),
            token: Some(token()),
            client: "retrosync/test".into(),
            ..RemoteSettings::default()
        }
    }

    fn remote(&self) -> HttpRemote {
        HttpRemote::open(&self.settings()).unwrap()
    }
}

fn token() -> Token {
    Token::from_random(&[5; 32])
}

/// Reads one request to the end of its body; answers its head.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let ends = |bytes: &[u8], end: &[u8]| bytes.windows(end.len()).position(|window| window == end);
    let mut more = |bytes: &mut Vec<u8>| {
        let mut buffer = [0; 65_536];
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => {
                bytes.extend_from_slice(&buffer[..read]);
                Some(())
            }
            _ => None,
        }
    };
    let head = loop {
        if let Some(at) = ends(&bytes, b"\r\n\r\n") {
            break at + 4;
        }
        more(&mut bytes)?;
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let lower = text.to_lowercase();
    if let Some(length) = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()) {
        let length: usize = length.trim().parse().unwrap();
        while bytes.len() < head + length {
            more(&mut bytes)?;
        }
    } else if lower.contains("transfer-encoding: chunked") {
        while ends(&bytes[head..], b"0\r\n\r\n").is_none() {
            more(&mut bytes)?;
        }
    }
    Some(text)
}

const EPOCH: &str = "0123456789abcdef0123456789abcdef";

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn ours(kind: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!(
        "Content-Type: {kind}\r\nRetroSync-Epoch: {EPOCH}\r\nDate: Sun, 06 Nov 2033 08:49:37 GMT\r\n"
    );
    answer("200 OK", &headers, body)
}

fn json(body: &str) -> Vec<u8> {
    ours("application/json", body.as_bytes())
}

/// The same with the digest of what the server sent.
fn digested(body: &str) -> Vec<u8> {
    let headers = format!(
        "Content-Type: application/json\r\nRetroSync-Epoch: {EPOCH}\r\nRetroSync-Digest: {}\r\n",
        Digest::of(quiet().as_bytes())
    );
    answer("200 OK", &headers, body.as_bytes())
}

fn quiet() -> String {
    format!(
        r#"{{"epoch":"{EPOCH}","cursor":3,"more":false,"reset":false,"server_time_unix_s":2015000000,"saves":[]}}"#
    )
}

fn problem(status: &str, code: &str, more: &str) -> Vec<u8> {
    let body = format!(r#"{{"type":"about:blank","code":"{code}","detail":"because of {code}"}}"#);
    answer(
        status,
        &format!("Content-Type: application/problem+json\r\nRetroSync-Epoch: {EPOCH}\r\n{more}"),
        body.as_bytes(),
    )
}

fn list(acts: Vec<Act>) -> Result<(), Error> {
    StandIn::new(acts).remote().list(&ChangesRequest::default()).map(|_| ())
}

#[test]
fn each_wrong_answer_has_its_kind_and_says_what_it_was() {
    let html = |status: &str, more: &str| {
        answer(status, &format!("Content-Type: text/html\r\n{more}"), b"<html>Welcome to Free Wi-Fi</html>")
    };
    let foreign = "is not a RetroSync server";
    let rows: Vec<(&str, Vec<u8>, Kind, &str)> = vec![
        ("a portal's page", html("200 OK", ""), Kind::Offline, foreign),
        (
            "a portal's redirect",
            html("302 Found", "Location: http://portal.example/\r\n"),
            Kind::Offline,
            foreign,
        ),
        ("511 of a network", html("511 Network Authentication Required", ""), Kind::Offline, foreign),
        (
            "JSON of somebody else",
            answer("200 OK", "Content-Type: application/json\r\n", quiet().as_bytes()),
            Kind::Offline,
            foreign,
        ),
        ("401 of somebody else", html("401 Unauthorized", ""), Kind::Offline, foreign),
        ("404 of a web server", html("404 Not Found", ""), Kind::Offline, foreign),
        ("502 of a proxy", html("502 Bad Gateway", ""), Kind::Offline, "(502, text/html)"),
        ("423 of a proxy", html("423 Locked", ""), Kind::Busy, "(423, text/html)"),
        ("507 of a proxy", html("507 Insufficient Storage", ""), Kind::Full, "(507, text/html)"),
        ("HTML that claims our mark", ours("text/html", b"<html>"), Kind::Offline, foreign),
        ("JSON that is none", json("{\"epoch\":"), Kind::Offline, "is not as agreed"),
        ("JSON of another form", json("{}"), Kind::Offline, "is not as agreed"),
        (
            "a cursor that was 3 when it was sent",
            digested(&quiet().replace(":3,", ":7,")),
            Kind::Offline,
            "was damaged",
        ),
        (
            "an unknown token",
            problem("401 Unauthorized", "unauthorized", ""),
            Kind::Unpaired,
            "because of unauthorized",
        ),
        ("a revoked token", problem("401 Unauthorized", "revoked", ""), Kind::Unpaired, "because of revoked"),
        (
            "a full server",
            problem("507 Insufficient Storage", "disk_full", ""),
            Kind::Full,
            "because of disk_full",
        ),
        (
            "a full quota",
            problem("507 Insufficient Storage", "quota_full", ""),
            Kind::Full,
            "because of quota_full",
        ),
        (
            "a server that starts",
            problem("503 Service Unavailable", "unavailable", ""),
            Kind::Offline,
            "because of unavailable",
        ),
        (
            "a network too slow for the server's patience",
            problem("408 Request Timeout", "too_slow", ""),
            Kind::Offline,
            "because of too_slow",
        ),
        (
            "too many tries",
            problem("429 Too Many Requests", "slow_down", "Retry-After: 7\r\n"),
            Kind::Offline,
            "because of slow_down",
        ),
        (
            "a code of a later version",
            problem("418 Teapot", "too_modern", ""),
            Kind::Refused(Code::Unknown),
            "because of too_modern",
        ),
        ("no HTTP at all", b"SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n".to_vec(), Kind::Offline, "127.0.0.1"),
        (
            "a huge header",
            answer("200 OK", &format!("X: {}\r\n", "y".repeat(1 << 20)), b""),
            Kind::Offline,
            "127.0.0.1",
        ),
        (
            "a length that is none",
            b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n".to_vec(),
            Kind::Offline,
            "127.0.0.1",
        ),
    ];
    for (what, bytes, kind, text) in rows {
        let error = list(vec![Act::Cut(bytes)]).expect_err(what);
        assert_eq!(error.kind, kind, "{what}: {error}");
        assert!(error.to_string().contains(text), "{what}: {error}");
        assert!(!format!("{error:?}").contains(&"05".repeat(8)), "the token shows: {error:?}");
    }
}

#[test]
fn an_answer_as_the_server_sent_it_is_believed() {
    list(vec![Act::Cut(digested(&quiet()))]).expect("its digest is right");
}

#[test]
fn an_answer_that_is_cut_anywhere_is_offline() {
    let whole = json(&quiet());
    for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let error = list(vec![Act::Cut(whole[..length].to_vec())]).expect_err("cut");
        assert_eq!(error.kind, Kind::Offline, "cut after {length}: {error}");
    }
}

#[test]
fn a_wait_and_the_servers_clock_are_heard() {
    let stand_in = StandIn::new(vec![
        Act::Answer(problem(
            "429 Too Many Requests",
            "slow_down",
            "Retry-After: 7\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        )),
        Act::Answer(json(&quiet())),
    ]);
    let mut remote = stand_in.remote();
    assert!(remote.list(&ChangesRequest::default()).is_err());
    assert_eq!(remote.heard().retry_after_s, Some(7));
    assert_eq!(remote.heard().server_time_unix_s, Some(784_111_777));
    remote.list(&ChangesRequest::default()).unwrap();
    assert_eq!(remote.heard().retry_after_s, None);
    assert_eq!(remote.heard().server_time_unix_s, Some(2_015_000_000));
}

#[test]
fn a_save_does_not_wait_again_for_what_an_answer_long_ago_asked_for() {
    let stand_in = StandIn::new(vec![
        Act::Answer(problem("503 Service Unavailable", "unavailable", "Retry-After: 3600\r\n")),
        Act::Cut(Vec::new()),
    ]);
    let mut remote = stand_in.remote();
    assert!(remote.list(&ChangesRequest::default()).is_err());
    assert_eq!(remote.heard().retry_after_s, Some(3_600));
    assert!(remote.list(&ChangesRequest::default()).is_err());
    assert_eq!(remote.heard().retry_after_s, None, "nobody answered this time");
}

#[test]
fn a_connection_that_went_stale_is_replaced_unseen_and_once() {
    // The second request meets a connection that closes without a word.
    let stand_in = StandIn::new(vec![
        Act::Answer(json(&quiet())),
        Act::Cut(Vec::new()),
        Act::Answer(json(&quiet())),
        Act::Cut(Vec::new()),
        Act::Cut(Vec::new()),
    ]);
    let mut remote = stand_in.remote();
    for _ in 0..2 {
        remote.list(&ChangesRequest::default()).unwrap();
    }
    assert_eq!(remote.list(&ChangesRequest::default()).unwrap_err().kind, Kind::Offline);
    assert_eq!(stand_in.heads.iter().count(), 5);
}

#[test]
fn a_lost_answer_is_asked_for_again_under_the_same_operation() {
    let version = version(b"bytes");
    let stored = json(r#"{"results":[{"outcome":"refused","problem":{"code":"internal"}}]}"#);
    let stand_in = StandIn::new(vec![Act::Cut(Vec::new()), Act::Answer(stored.clone()), Act::Answer(stored)]);
    let mut remote = stand_in.remote();
    let source = |_: &Version| -> Result<Box<dyn Read>, Error> { Ok(Box::new(&b"bytes"[..])) };
    let offers = [version];
    assert!(remote.store(&offers, &source).is_err(), "the answer is lost");
    remote.store(&offers, &source).unwrap();
    remote.store(&offers, &source).unwrap();
    let operation = |head: String| {
        head.to_lowercase().split("idempotency-key: ").nth(1).map(|rest| rest[..64].to_owned())
    };
    let operations: Vec<_> = stand_in.heads.iter().map(operation).collect();
    assert!(operations[0].is_some());
    assert_eq!(operations[0], operations[1], "the same operation, sent again");
    assert_ne!(
        operations[1], operations[2],
        "an answer came: a stale refusal must not be replayed for a week"
    );
}

fn version(bytes: &[u8]) -> Version {
    Version {
        save: "gb/sram/Tetris".parse::<SaveId>().unwrap(),
        content: Some(Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }),
        parents: vec![],
        writer: WriterId::from_random(&[1; 16]),
        sequence: 1,
        played: None,
        suspect: false,
        client: String::new(),
        profile: String::new(),
        core: None,
        note: None,
    }
}

fn content_of(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

fn frame(header: &str, body: &[u8]) -> Vec<u8> {
    let mut frame = encode_header(header.as_bytes()).unwrap();
    frame.extend_from_slice(body);
    frame
}

fn content_frame(bytes: &[u8], claims: &[u8]) -> Vec<u8> {
    let header = format!(
        r#"{{"digest":"{}","body":{{"length_bytes":{},"encoding":"identity"}}}}"#,
        Digest::of(claims),
        bytes.len()
    );
    frame(&header, bytes)
}

const FRAMES: &str = "application/vnd.retrosync.frames";

/// Fetches; what came, and the kinds of what failed.
fn fetch(stand_in: &StandIn, wanted: &[Content]) -> Result<(Vec<Vec<u8>>, Vec<Kind>), Error> {
    let mut came = Vec::new();
    let failed = stand_in.remote().fetch(wanted, &mut |_, payload| {
        let mut bytes = Vec::new();
        payload.read_to_end(&mut bytes).map_err(|error| Error::io("cannot take", &error))?;
        came.push(bytes);
        Ok(())
    })?;
    Ok((came, failed.into_iter().map(|(_, error)| error.kind).collect()))
}

#[test]
fn bytes_that_are_not_the_ones_asked_for_are_never_taken() {
    let bytes = b"the bytes asked for";
    for lie in [&b"other bytes, longer than those asked for"[..], b"short", b"", b"the bytes asked fox"] {
        let mut body = content_frame(lie, bytes);
        body.extend(content_frame(b"second", b"second"));
        let stand_in = StandIn::new(vec![Act::Answer(ours(FRAMES, &body))]);
        let (came, failed) = fetch(&stand_in, &[content_of(bytes), content_of(b"second")]).unwrap();
        assert_eq!((came, failed), (vec![b"second".to_vec()], vec![Kind::Damaged]), "{lie:?}");
    }
}

#[test]
fn a_packed_body_that_never_ends_is_bounded_by_what_was_asked_for() {
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 64 << 20], 9);
    let wanted = content_of(&[0; 1000]);
    let header = format!(
        r#"{{"digest":"{}","body":{{"length_bytes":{},"encoding":"deflate"}}}}"#,
        wanted.digest,
        bomb.len()
    );
    let stand_in = StandIn::new(vec![Act::Answer(ours(FRAMES, &frame(&header, &bomb)))]);
    let mut most = 0;
    let failed = stand_in
        .remote()
        .fetch(&[wanted], &mut |_, payload| {
            let mut buffer = [0; 4096];
            loop {
                match payload.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(read) => most += read,
                    Err(error) => return Err(Error::io("cannot take", &error)),
                }
            }
        })
        .unwrap();
    assert_eq!(failed[0].1.kind, Kind::Damaged);
    assert!(most <= 1000, "{most}");
}

#[test]
fn frames_that_lie_are_offline_and_end() {
    let wanted = content_of(b"asked");
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("nothing at all", Vec::new()),
        ("a header of 4 GiB", vec![0xff; 64]),
        ("a header that is no JSON", frame("nonsense", b"")),
        ("another content than asked for", content_frame(b"other", b"other")),
        (
            "more contents than asked for",
            [content_frame(b"asked", b"asked"), content_frame(b"x", b"x")].concat(),
        ),
        ("a body that ends early", content_frame(b"asked", b"asked")[..40].to_vec()),
    ];
    for (what, body) in rows {
        let stand_in = StandIn::new(vec![Act::Answer(ours(FRAMES, &body))]);
        assert_eq!(fetch(&stand_in, &[wanted]).expect_err(what).kind, Kind::Offline, "{what}");
    }
}

fn large() -> Vec<u8> {
    (0..600_000u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_large_content_goes_on_where_it_was_cut() {
    let bytes = large();
    let part = |from: usize, to: usize| {
        let mut answer = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Type: application/octet-stream\r\nRetroSync-Epoch: {EPOCH}\r\n\r\n",
            bytes.len() - from,
            bytes.len() - 1,
            bytes.len()
        )
        .into_bytes();
        answer.extend_from_slice(&bytes[from..to]);
        answer
    };
    let mut first = ours("application/octet-stream", &bytes);
    first.truncate(first.len() - bytes.len() + 1_000_000);
    let stand_in = StandIn::new(vec![
        Act::Cut(first),
        Act::Cut(part(1_000_000, 1_900_000)),
        Act::Answer(part(1_900_000, bytes.len())),
    ]);
    let (came, failed) = fetch(&stand_in, &[content_of(&bytes)]).unwrap();
    assert_eq!(failed, []);
    assert!(came == [bytes.clone()]);
    let ranges: Vec<Option<String>> = stand_in
        .heads
        .iter()
        .map(|head| {
            head.to_lowercase().split("range: ").nth(1).and_then(|rest| rest.lines().next().map(String::from))
        })
        .collect();
    assert_eq!(ranges, [None, Some("bytes=1000000-".into()), Some("bytes=1900000-".into())]);
}

#[test]
fn a_server_that_knows_no_ranges_sends_all_again() {
    let bytes = large();
    let whole = ours("application/octet-stream", &bytes);
    let cut = whole[..whole.len() - 100_000].to_vec();
    let stand_in = StandIn::new(vec![Act::Cut(cut), Act::Answer(whole)]);
    let (came, failed) = fetch(&stand_in, &[content_of(&bytes)]).unwrap();
    assert_eq!(failed, []);
    assert!(came == [bytes]);
}

#[test]
fn a_connection_that_is_cut_again_and_again_is_given_up() {
    let bytes = large();
    let whole = ours("application/octet-stream", &bytes);
    let cut = |at: usize| Act::Cut(whole[..whole.len() - bytes.len() + at].to_vec());
    // It brings next to nothing each time: this is not the moment.
    let stand_in = StandIn::new((0..50).map(|_| cut(1000)).collect());
    assert_eq!(fetch(&stand_in, &[content_of(&bytes)]).unwrap_err().kind, Kind::Offline);
    drop(stand_in.heads.try_iter().take(5).collect::<Vec<_>>());
    assert_eq!(stand_in.heads.try_iter().count(), 0, "no tight loop");
}

#[test]
fn a_part_of_another_place_is_not_believed() {
    let bytes = large();
    let whole = ours("application/octet-stream", &bytes);
    let cut = Act::Cut(whole[..whole.len() - 400_000].to_vec());
    let wrong = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nContent-Range: bytes 2399990-2399999/2400000\r\nContent-Type: application/octet-stream\r\nRetroSync-Epoch: {EPOCH}\r\n\r\n0123456789"
    );
    let stand_in = StandIn::new(vec![cut, Act::Answer(wrong.into_bytes())]);
    assert_eq!(fetch(&stand_in, &[content_of(&bytes)]).unwrap_err().kind, Kind::Offline);
}

#[test]
fn who_answers_nobody_is_offline_at_once() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = RemoteSettings { server, token: Some(token()), ..RemoteSettings::default() };
    let began = Instant::now();
    let error = HttpRemote::open(&settings).unwrap().list(&ChangesRequest::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Offline, "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_device_without_a_token_sends_nothing() {
    let stand_in = StandIn::new(vec![Act::Silence]);
    let settings = RemoteSettings { token: None, ..stand_in.settings() };
    let error = HttpRemote::open(&settings).unwrap().list(&ChangesRequest::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Unpaired);
    assert!(stand_in.heads.try_recv().is_err());
}

#[test]
fn a_token_never_leaves_in_clear_for_addresses_of_others() {
    // Addresses for documentation: nobody is there, and nobody is asked.
    for (server, plain_http) in [
        ("http://192.0.2.1:8377", true),
        ("http://[2001:db8::1]:8377", true),
        ("http://192.168.77.77:8377", false),
    ] {
        let settings = RemoteSettings {
            server: server.into(),
            token: Some(token()),
            plain_http,
            ..RemoteSettings::default()
        };
        let began = Instant::now();
        let error = HttpRemote::open(&settings).unwrap().list(&ChangesRequest::default()).unwrap_err();
        assert_eq!(error.kind, Kind::Misused, "{server}: {error}");
        assert!(error.help.as_deref().unwrap_or_default().contains("https://"), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "no connection was tried");
    }
    assert!(
        !format!("{:?}", RemoteSettings { token: Some(token()), ..RemoteSettings::default() })
            .contains("0505")
    );
}

#[test]
fn pairing_tells_waiting_from_refused() {
    let paired =
        format!(r#"{{"device":"dev_0123456789abcdef","device_name":"A","user":"ada","epoch":"{EPOCH}"}}"#);
    let stand_in = StandIn::new(vec![
        Act::Answer(json(
            r#"{"user_code":"WXRT-4KQM","verification_url":"http://nas/pair","verification_url_complete":"http://nas/pair?code=WXRT-4KQM","expires_in_s":600,"interval_s":5}"#,
        )),
        Act::Answer(problem("403 Forbidden", "authorization_pending", "")),
        Act::Answer(problem("410 Gone", "expired_token", "")),
        Act::Answer(json(&paired)),
    ]);
    let mut client = PairingClient::open(&stand_in.settings()).unwrap();
    let request = PairingRequest {
        token_sha256: token().digest(),
        device_name: "A".into(),
        profile: "onion".into(),
        client: "test".into(),
    };
    assert_eq!(client.start(&request).unwrap().user_code.to_string(), "WXRT-4KQM");
    assert_eq!(client.wait(&token(), 1).unwrap(), retrosync::remote::Answer::Pending);
    assert_eq!(client.wait(&token(), 1).unwrap_err().kind, Kind::Refused(Code::ExpiredToken));
    assert!(matches!(client.wait(&token(), 1).unwrap(), retrosync::remote::Answer::Paired(_)));
    let heads: Vec<String> = stand_in.heads.iter().collect();
    assert!(!heads[0].contains("rst_"), "only the hash travels: {}", heads[0]);
    assert!(heads[1].starts_with("GET /api/v1/pairing?wait_s=1 "), "{}", heads[1]);
}

/// Keeps all that is logged, by us and by what we use.
struct Everything(std::sync::Mutex<String>);

static LOGGED: Everything = Everything(std::sync::Mutex::new(String::new()));

impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push_str(&format!("{} {}\n", record.target(), record.args()));
    }

    fn flush(&self) {}
}

#[test]
fn the_token_is_in_no_log_at_any_level() {
    log::set_logger(&LOGGED).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let stand_in =
        StandIn::new(vec![Act::Answer(json(&quiet())), Act::Cut(b"HTTP/1.1 302 Found\r\n\r\n".to_vec())]);
    let mut remote = stand_in.remote();
    remote.list(&ChangesRequest::default()).unwrap();
    assert!(remote.list(&ChangesRequest::default()).is_err());
    let secret = "05".repeat(32);
    assert!(stand_in.heads.iter().all(|head| head.contains(&secret)), "it was sent");
    let logged = LOGGED.0.lock().unwrap();
    assert!(logged.contains("ureq"), "the log is listened to: {logged}");
    assert!(!logged.contains(&secret));
}
