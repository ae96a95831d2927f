//! Bodies that come too slowly: whoever falls silent or dribbles is told so in their own form, and nothing came of it. How long that
//! is, the owner says (`limits.*`); here it is seconds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use retrosync_protocol::{BLOCK_BYTES, Digest};
use serde_json::{Value, json};

use crate::database::foreign_key;
use crate::held::{held, is_whole};
use crate::support::browser::{Browser, attribute, parts, registered};
use crate::support::{Device, Server, bearer, frames, version};
use crate::wire::connect;

/// Whose form an answer has.
#[derive(Clone, Copy, Debug)]
enum Voice {
    Document,
    Page,
    Envelope,
}

impl Voice {
    #[track_caller]
    fn says_too_slow(self, what: &str, answer: &str) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        assert!(head.starts_with("HTTP/1.1 408 "), "{what}: {answer}");
        let told = match self {
            Voice::Document => {
                head.contains("application/problem+json") && body.contains("\"code\":\"too_slow\"")
            }
            Voice::Page => {
                head.contains("text/html")
                    && head.contains("retrosync-code: too_slow")
                    && body.contains("<h1")
            }
            Voice::Envelope => body.starts_with("{\"success\":false,\"error\":\""),
        };
        assert!(told, "{what}: {answer}");
    }
}

/// A request that will not be finished: where it goes, and what of its body is sent.
struct Half {
    what: &'static str,
    voice: Voice,
    path: String,
    headers: Vec<(&'static str, String)>,
    whole_bytes: usize,
    sent: Vec<u8>,
}

impl Half {
    fn new(
        what: &'static str,
        voice: Voice,
        path: &str,
        whole: &[u8],
        headers: Vec<(&'static str, String)>,
    ) -> Half {
        let sent = whole[..whole.len() / 2].to_vec();
        // So much that no dribbling makes it whole.
        Half { what, voice, path: path.to_owned(), headers, whole_bytes: whole.len() + 10_000, sent }
    }

    /// Sends the first half.
    fn begin(&self, server: &Server) -> TcpStream {
        let mut stream = connect(server);
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let host = server.url.trim_start_matches("http://");
        write!(stream, "POST {} HTTP/1.1\r\nhost: {host}\r\n{headers}", self.path).unwrap();
        write!(stream, "content-length: {}\r\n\r\n", self.whole_bytes).unwrap();
        // On a busy machine, this half may be too slow already.
        let _ = stream.write_all(&self.sent);
        stream
    }
}

/// What the server says before it ends the connection.
fn answer(stream: &mut TcpStream) -> String {
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// One for each way in which a body is read: JSON, frames, blocks, a form, a form with a file, their clients' JSON.
fn halves(device: &Device<'_>, browser: &Browser<'_>, key: &str) -> Vec<Half> {
    let server = device.server;
    let own = |operation: &str| {
        vec![("authorization", bearer(&device.token)), ("idempotency-key", operation.to_owned())]
    };
    let cookie = browser.cookie.borrow().clone();
    let page = |kind: &str| {
        vec![("cookie", cookie.clone()), ("origin", server.url.clone()), ("content-type", kind.to_owned())]
    };
    let (form, file) = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b0undary");
    let theirs = || vec![("x-api-key", key.to_owned())];
    let token = attribute(browser.page("/").split("form_token\"").nth(1).unwrap(), "value");
    let fields = [("form_token", token.as_str()), ("system", "gb"), ("title", "Slow")];
    let large = vec![7; 3 << 20];
    let content = json!({"digest": Digest::of(&large), "size_bytes": large.len()});
    let blocks: Vec<Digest> = large.chunks(BLOCK_BYTES as usize).map(Digest::of).collect();
    let _: Value = device.post("/uploads", &json!({"content": content, "block_digests": blocks})).ok();
    let block = frames::frame(
        json!({"index": 0, "digest": blocks[0]}),
        Some(&large[..BLOCK_BYTES as usize]),
        "identity",
    );
    let frame =
        frames::store(&version("gb/sram/Slow", Some(&large[..5000]), &[], 1, 9), Some(&large[..5000]));
    let choice = json!({"save": "gb/sram/Kept", "heads": [], "note": "gone"}).to_string();
    let upload = |bytes: &[u8]| {
        json!({"filePath": "Slow.srm", "action": "upload", "localPath": "/saves/Slow.srm", "fileContent": crate::base64(bytes)})
            .to_string()
    };
    let pairing = json!({"token_sha256": Digest::of(b"x"), "device_name": "Slow"}).to_string();
    use Voice::{Document, Envelope, Page};
    vec![
        Half::new("a question", Document, "/api/v1/changes", br#"{"since":0,"wait_s":0}"#, own("a")),
        Half::new("a stranger's pairing", Document, "/api/v1/pairing", pairing.as_bytes(), vec![]),
        Half::new("a change", Document, "/api/v1/saves/retire", choice.as_bytes(), own("b")),
        Half::new("a save", Document, "/api/v1/versions", &frame, own("c")),
        Half::new(
            "a block of a large save",
            Document,
            &format!("/api/v1/uploads/{}/blocks", Digest::of(&large)),
            &block,
            own("d"),
        ),
        Half::new("a login", Page, "/login", b"name=ada&password=correct+horse+battery", page(form)),
        Half::new("a form", Page, "/account", b"name=mallory&email=mallory%40example.com", page(form)),
        Half::new(
            "a small file",
            Page,
            "/upload",
            &parts(&fields, Some(("Slow.srm", &large[..9000]))),
            page(file),
        ),
        Half::new("a large file", Page, "/upload", &parts(&fields, Some(("Slow.srm", &large))), page(file)),
        Half::new(
            "a login of theirs",
            Envelope,
            "/api/auth/login",
            br#"{"email":"bob@example.com"}"#,
            vec![],
        ),
        Half::new("a heartbeat of theirs", Envelope, "/api/sync/heartbeat", br#"{"scanPaths":[]}"#, theirs()),
        Half::new(
            "a save of theirs",
            Envelope,
            "/api/sync/files",
            upload(&large[..9000]).as_bytes(),
            theirs(),
        ),
        Half::new(
            "a large save of theirs",
            Envelope,
            "/api/sync/files",
            upload(&[7; 6 << 20]).as_bytes(),
            theirs(),
        ),
    ]
}

#[test]
fn who_falls_silent_within_a_body_is_told_so_and_nothing_came_of_it() {
    let server = Server::start_with(&["--open-registration", "--set", "limits.silence_s=5"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let key = foreign_key(&server);
    device.store("op-1", &version("gb/sram/Kept", Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let halves = halves(&device, &browser, &key);
    let before = held(&device);
    let began = Instant::now();
    let mut streams: Vec<TcpStream> = halves.iter().map(|half| half.begin(&server)).collect();
    for (half, stream) in halves.iter().zip(&mut streams) {
        half.voice.says_too_slow(half.what, &answer(stream));
    }
    assert!(began.elapsed() >= Duration::from_secs(5), "no sooner than the owner said");
    assert_eq!(held(&device), before);
    let saves = server.bare("GET", "/api/sync/manifest", &[("x-api-key", &key)], None);
    assert_eq!(saves.json()["data"]["manifest"], json!([]), "nor of theirs");
    is_whole(&server);
}

#[test]
fn who_dribbles_has_so_long_for_the_whole_and_is_told_so() {
    let server = Server::start_with(&["--open-registration", "--set", "limits.body_s=6"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let key = foreign_key(&server);
    let halves = halves(&device, &browser, &key);
    let before = held(&device);
    std::thread::scope(|scope| {
        for half in &halves {
            let server = &server;
            scope.spawn(move || {
                let mut stream = half.begin(server);
                let mut dribbling = stream.try_clone().unwrap();
                // Blanks, until nobody takes them any more: that of a file is never its end.
                scope.spawn(move || {
                    while dribbling.write_all(b" ").is_ok() {
                        std::thread::sleep(Duration::from_millis(300));
                    }
                });
                half.voice.says_too_slow(half.what, &answer(&mut stream));
            });
        }
    });
    assert_eq!(held(&device), before);
    is_whole(&server);
}

#[test]
fn of_two_saves_of_which_one_came_too_slowly_each_is_kept_once_when_they_are_sent_again() {
    let server = Server::start_with(&["--set", "limits.silence_s=5"]);
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let store = |number: u64| {
        let save = format!("gb/sram/{number}");
        frames::store(&version(&save, Some(b"bytes"), &[], 1, number), Some(b"bytes"))
    };
    let whole = [store(1), store(2)].concat();
    let cut = Half {
        what: "two saves",
        voice: Voice::Document,
        path: "/api/v1/versions".into(),
        headers: vec![("authorization", bearer(&device.token)), ("idempotency-key", "op".into())],
        whole_bytes: whole.len(),
        sent: whole[..store(1).len() + 40].to_vec(),
    };
    cut.voice.says_too_slow(cut.what, &answer(&mut cut.begin(&server)));
    let results: Value = device.send("/versions", "op", &whole).ok();
    let outcomes: Vec<&Value> =
        results["results"].as_array().unwrap().iter().map(|result| &result["outcome"]).collect();
    assert_eq!(outcomes, ["head", "head"]);
    let account: Value = device.get("/account").ok();
    assert_eq!((&account["saves"], &account["versions"]), (&json!(2), &json!(2)));
    is_whole(&server);
}

#[test]
fn of_a_large_save_on_a_line_that_breaks_what_came_whole_is_not_sent_again() {
    let server = Server::start_with(&["--set", "limits.silence_s=5"]);
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let large: Vec<u8> = (0..6 * BLOCK_BYTES / 4).flat_map(|n| (n as u32).to_le_bytes()).collect();
    let blocks: Vec<&[u8]> = large.chunks(BLOCK_BYTES as usize).collect();
    let digests: Vec<Digest> = blocks.iter().map(|block| Digest::of(block)).collect();
    let content = json!({"digest": Digest::of(&large), "size_bytes": large.len()});
    let start = json!({"content": content, "block_digests": digests});
    let missing = || device.post("/uploads", &start).ok::<Value>()["missing"].clone();
    let frames = |numbers: &[usize]| -> Vec<u8> {
        let frame = |n: &usize| {
            frames::frame(json!({"index": n, "digest": digests[*n]}), Some(blocks[*n]), "identity")
        };
        numbers.iter().flat_map(frame).collect()
    };
    let path = format!("/api/v1/uploads/{}/blocks", Digest::of(&large));
    let half = |numbers: &[usize]| {
        let mut half =
            Half::new("blocks", Voice::Document, &path, b"", vec![("authorization", bearer(&device.token))]);
        half.sent = frames(numbers);
        // Into the next block.
        half.sent.extend(&frames(&[5])[..9_000]);
        half.whole_bytes = half.sent.len() + 10_000;
        half
    };
    assert_eq!(missing(), json!([0, 1, 2, 3, 4, 5]));
    let silent = half(&[0, 1]);
    silent.voice.says_too_slow(silent.what, &answer(&mut silent.begin(&server)));
    assert_eq!(missing(), json!([2, 3, 4, 5]), "the line fell silent");
    // Who is gone is told nothing; the next request may come before this one has ended.
    drop(half(&[2, 3]).begin(&server));
    let began = Instant::now();
    while missing() != json!([4, 5]) {
        assert!(began.elapsed() < Duration::from_secs(60), "the line broke: {}", missing());
        std::thread::sleep(Duration::from_millis(50));
    }
    let _: Value = device.send(&path["/api/v1".len()..], "op", &frames(&[4, 5])).ok();
    assert_eq!(missing(), json!([]));
    is_whole(&server);
}

#[test]
fn strangers_who_hold_their_bodies_open_hold_little_memory() {
    let server = Server::start();
    let large = format!("{{\"token_sha256\":\"{}\"", "x".repeat(4 << 20));
    let body = &large.as_bytes()[..(4 << 20) - 1];
    for path in ["/pairing", "/pairing/claim"] {
        assert_eq!(server.api("POST", path, &[], Some(body)).code(), "too_large", "{path}");
    }
    let streams: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = connect(&server);
            write!(stream, "POST /api/v1/pairing HTTP/1.1\r\nhost: x\r\ncontent-length: 4194304\r\n\r\n")
                .unwrap();
            // Refused before all is sent, it may be.
            let _ = stream.write_all(body);
            stream
        })
        .collect();
    let peak_bytes = server.peak_memory_bytes();
    assert!(peak_bytes < 120 << 20, "{peak_bytes} bytes for 400 MiB");
    drop(streams);
    assert_eq!(server.get("/health", None).status, 200);
}
