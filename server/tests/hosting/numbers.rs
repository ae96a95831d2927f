//! `/metrics`, read by Prometheus' own parser in Python, the strict one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::LONG;
use crate::support::{Server, frames, token, token_sha256, version, wait_for};

/// Reads OpenMetrics from standard input; prints a line of JSON for each sample.
const PARSER: &str = "import sys, json
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
for family in read(sys.stdin.read()):
    for s in family.samples: print(json.dumps([family.type, s.name, s.labels, s.value]))";

/// The interpreter that Debian's packages are for; another one may come first on the path.
const PYTHON: &str = "/usr/bin/python3";

/// Samples by name and labels.
type Samples = BTreeMap<(String, String), f64>;

/// What the parser makes of it; `None`: there is no parser.
fn parsed(text: &str) -> Option<Samples> {
    let there = Command::new(PYTHON).args(["-c", "import prometheus_client"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("what is counted: not parsed, for want of python3-prometheus-client");
        assert!(std::env::var_os("RETROSYNC_NO_SKIPS").is_none(), "for want of python3-prometheus-client");
        return None;
    }
    let mut python = Command::new(PYTHON);
    let mut child = python.args(["-c", PARSER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the parser refuses it:\n{text}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let samples = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    Some(samples.map(|s| ((text_of(&s[1]), s[2].to_string()), s[3].as_f64().unwrap())).collect())
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A server that counts, and where.
fn counting(more: &[&str]) -> (Server, String) {
    let arguments = [&["--set", "metrics.listen=127.0.0.1:0"], more].concat();
    let server = Server::start_with(&arguments);
    let log = std::fs::read_to_string(server.log()).unwrap();
    let at = log.lines().find_map(|line| line.strip_prefix("info: metrics are at ")).unwrap().to_owned();
    (server, at)
}

fn ask(url: &str, token: Option<&str>) -> (u16, String, String) {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(LONG)).build();
    let mut request = ureq::Agent::from(config).get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut reply = request.call().unwrap();
    let kind = reply.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    (reply.status().as_u16(), kind.unwrap_or_default(), reply.body_mut().read_to_string().unwrap())
}

/// What `/metrics` says where it listens.
pub(crate) fn text(at: &str) -> String {
    let (status, kind, text) = ask(at, None);
    assert_eq!((status, kind.as_str()), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    text
}

#[test]
fn what_is_counted_is_what_happened_and_names_nobody() {
    let (server, at) = counting(&[]);
    server.add_user("ada");
    let device = server.pair("Ada's Miyoo", "ada");
    let first = version("gb/sram/Tetris", Some(b"one"), &[], 1, 1);
    device.store("op-1", &first, Some(b"one"));
    let other = version("gb/sram/Tetris", Some(b"other"), &[], 2, 1);
    device.store("op-2", &other, Some(b"other"));
    device.send("/versions", "op-2", &frames::store(&other, Some(b"other")));
    for _ in 0..7 {
        let claim = json!({"user_code": "AAAA-AAAA", "token_sha256": token_sha256(&token()), "device_name": "x",
            "profile": "", "client": ""});
        server.post("/pairing/claim", None, &claim);
    }
    server.bare("TRACE", "/no/such/page", &[], None);
    let text = text(&at);
    for word in ["Tetris", "Miyoo", "ada", &device.id, &device.token, "127.0.0.1", "TRACE", "/no/such"] {
        assert!(!text.contains(word), "`{word}` is in\n{text}");
    }
    let Some(samples) = parsed(&text) else { return };
    let rows = [
        ("retrosync_versions_total", "{}", 2.0),
        ("retrosync_versions_bytes_total", "{}", 8.0),
        ("retrosync_stores_total", "{}", 2.0),
        ("retrosync_branches_total", "{}", 1.0),
        ("retrosync_refused_pairings_total", "{}", 2.0),
        ("retrosync_failures_total", r#"{"part":"blobs"}"#, 0.0),
        ("retrosync_requests_total", r#"{"class":"versions","method":"POST","status":"200"}"#, 3.0),
        ("retrosync_requests_total", r#"{"class":"none","method":"other","status":"404"}"#, 1.0),
        ("retrosync_request_duration_seconds_count", r#"{"class":"versions"}"#, 3.0),
        ("retrosync_waiting", "{}", 0.0),
    ];
    for (name, labels, expected) in rows {
        let found = samples.get(&(name.to_owned(), labels.to_owned()));
        assert_eq!(found, Some(&expected), "{name} {labels} in\n{text}");
    }
    let of = |name: &str| samples[&(name.to_owned(), "{}".to_owned())];
    assert!(of("retrosync_connections") >= 1.0 && of("process_open_fds") > 5.0);
    assert!(of("process_resident_memory_bytes") > 1e6 && of("process_max_fds") >= 64.0);
}

#[test]
fn there_are_never_more_labels_than_our_lists_are_long() {
    let (server, at) = counting(&[]);
    for number in 0..40 {
        server.bare("GET", &format!("/odd/{number}"), &[], None);
        server.bare("TRACE", &format!("/api/v1/odd/{number}"), &[], None);
        server.bare("GET", &format!("/retrosync-saves/{number}"), &[], None);
    }
    let text = text(&at);
    let lines = text.lines().filter(|line| line.starts_with("retrosync_requests_total{")).count();
    assert!(lines < 10, "{text}");
}

#[test]
fn numbers_are_nobodys_who_was_not_meant_to_have_them() {
    let server = Server::start();
    assert_eq!(server.bare("GET", "/metrics", &[], None).status, 404, "not on the public address");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "correct horse\n").unwrap();
    let set = format!("metrics.token_file={}", file.display());
    let (server, at) = counting(&["--set", &set]);
    assert_eq!(server.bare("GET", "/metrics", &[], None).status, 404);
    assert_eq!(ask(&at, None).0, 401);
    assert_eq!(ask(&at, Some("correct hors")).0, 401);
    assert_eq!(ask(&at, Some("correct horse")).0, 200);
    let base = at.strip_suffix("/metrics").unwrap();
    assert_eq!(ask(&format!("{base}/health/ready"), None).0, 200, "probes may ask there too");
    assert_eq!(ask(&format!("{base}/api/v1/health"), None).0, 404, "and nothing else is there");
}

/// Until so many requests wait for news.
pub(crate) fn waits_for_news(at: &str, how_many: u32) {
    let line = format!("retrosync_waiting {how_many}");
    wait_for("requests to wait", LONG, || text(at).lines().any(|found| found == line).then_some(()));
}

/// A server that counts, for other tests.
pub(crate) fn watched(more: &[&str]) -> (Server, String) {
    counting(more)
}
