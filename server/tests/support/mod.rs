//! The real server in a folder of its own, a plain HTTP client, and the published document as judge of every reply.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod backend;
pub mod browser;
pub mod bucket;
pub mod cluster;
pub mod document;
pub mod frames;
pub mod wire;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use retrosync_protocol::{Digest, Paired, PairingOffer, Token};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http;

use document::Document;

use crate::support::bucket::Bucket;

const PROGRAM: &str = env!("CARGO_BIN_EXE_retrosync-server");

/// A running server and its data directory.
pub struct Server {
    pub folder: TempDir,
    pub url: String,
    /// The address of its database; `None`: a file in the data directory.
    pub database: Option<String>,
    /// The bucket of its bytes; `None`: a folder in the data directory.
    pub bucket: Option<Bucket>,
    child: Option<Child>,
    agent: ureq::Agent,
    document: Option<Document>,
}

impl Server {
    /// Starts a server on a free port with nothing in it.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Server {
        Server::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    /// Starts a server with its data in `data` of a folder.
    pub fn start_in(folder: TempDir, arguments: &[&str]) -> Server {
        let mut server = Server::idle_in(folder);
        (server.database, server.bucket) = backend::places();
        server.first_run(arguments)
    }

    /// Starts a server with its records in a database and its bytes in a bucket.
    pub fn start_over(database: Option<String>, bucket: Option<Bucket>, arguments: &[&str]) -> Server {
        let mut server = Server::idle();
        (server.database, server.bucket) = (database, bucket);
        server.first_run(arguments)
    }

    /// Starts a server with its records in a database, and the rest in `data` of a folder.
    pub fn start_on(database: Option<String>, folder: TempDir, arguments: &[&str]) -> Server {
        let mut server = Server::idle_in(folder);
        server.database = database;
        server.first_run(arguments)
    }

    fn first_run(mut self, arguments: &[&str]) -> Server {
        let server = &mut self;
        server.run(arguments);
        let text = server.bare("GET", "/api/v1/openapi.json", &[], None).text();
        server.document = Some(Document::new(serde_json::from_str(&text).unwrap()));
        self
    }

    /// One that does not run yet, and whose replies nobody judges.
    pub fn idle() -> Server {
        Server::idle_in(tempfile::tempdir().unwrap())
    }

    fn idle_in(folder: TempDir) -> Server {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(120)))
            .build();
        let (url, agent) = (String::new(), config.into());
        Server { folder, url, database: None, bucket: None, child: None, agent, document: None }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs the server on the data directory; the port is another one each time.
    pub fn run(&mut self, arguments: &[&str]) {
        let ready = self.folder.path().join("ready");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        // A test may have put something else there for the log to go to.
        let stderr = std::fs::OpenOptions::new().append(true).open(self.folder.path().join("stderr"));
        let stderr = stderr.unwrap_or_else(|_| log.try_clone().unwrap());
        let child = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.data())
            .arg("--ready-file")
            .arg(&ready)
            .args(arguments)
            .env("RETROSYNC_LOG", "debug")
            // As in a container: there is no folder but the data directory.
            .env("TMPDIR", self.folder.path().join("none"))
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(stderr)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.url = wait_for("the server to listen", Duration::from_secs(30), || {
            std::fs::read_to_string(&ready).ok().map(|text| text.trim().to_owned())
        });
    }

    /// What the server has said on its terminal.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Pulls the plug.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to stop (SIGTERM) and waits; answers its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(stopped.success());
        child.wait().unwrap().code()
    }

    /// Waits until it ends by itself; answers its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.take().unwrap().wait().unwrap().code()
    }

    /// The most memory that the process has held so far, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Runs a subcommand on the same data directory.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.cli_with_input(arguments, "")
    }

    pub fn cli_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .env("TMPDIR", self.folder.path().join("none"))
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses its arguments may be gone before it has read anything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// A user with a password that the tests know.
    pub fn add_user(&self, name: &str) {
        let output =
            self.cli_with_input(&["user", "add", name, "--password-stdin"], "correct horse battery\n");
        assert!(output.status.success(), "{output:?}");
    }

    /// A paired device of a user.
    pub fn pair(&self, name: &str, user: &str) -> Device<'_> {
        let token = token();
        let request = json!({"token_sha256": token_sha256(&token), "device_name": name,
            "profile": "onion", "client": "retrosync/0.1.0 test"});
        let offer: PairingOffer = self.post("/pairing", None, &request).ok();
        let output = self.cli(&["approve", &offer.user_code.to_string(), "--user", user]);
        assert!(output.status.success(), "{output:?}");
        let paired: Paired = self.get("/pairing", Some(&token)).ok();
        Device { server: self, token, id: paired.device.to_string() }
    }

    /// A request as it is, judged by nobody.
    pub fn bare(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body.to_vec()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        }
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let headers = response.headers().clone();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Reply { status, headers, body }
    }

    /// Every operation of the published document.
    pub fn operations(&self) -> Vec<String> {
        self.document.as_ref().unwrap().operations()
    }

    /// A request to the API; the reply is held against the published document.
    pub fn api(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let reply = self.bare(method, &format!("/api/v1{path}"), headers, body);
        self.document.as_ref().unwrap().judge(method, path, body, &reply);
        reply
    }

    pub fn get(&self, path: &str, token: Option<&str>) -> Reply {
        let bearer = token.map(bearer).unwrap_or_default();
        let headers = [("authorization", bearer.as_str())];
        self.api("GET", path, if token.is_some() { &headers } else { &[] }, None)
    }

    pub fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Reply {
        let bearer = token.map(bearer).unwrap_or_default();
        let headers = [("authorization", bearer.as_str())];
        let headers: &[_] = if token.is_some() { &headers } else { &[] };
        self.api("POST", path, headers, Some(body.to_string().as_bytes()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("--- the server said:\n{log}---");
        } else {
            assert!(!log.contains("rst_"), "a token is in the log:\n{log}");
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// A device that talks to the server by hand.
pub struct Device<'a> {
    pub server: &'a Server,
    pub token: String,
    pub id: String,
}

impl Device<'_> {
    pub fn get(&self, path: &str) -> Reply {
        self.server.get(path, Some(&self.token))
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.server.post(path, Some(&self.token), body)
    }

    /// A change, with its operation id.
    pub fn change(&self, method: &str, path: &str, operation: &str, body: &Value) -> Reply {
        let bearer = bearer(&self.token);
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", operation)];
        let body = body.to_string();
        let body = (method != "DELETE").then_some(body.as_bytes());
        self.server.api(method, path, &headers, body)
    }

    /// `POST` of frames.
    pub fn send(&self, path: &str, operation: &str, frames: &[u8]) -> Reply {
        let bearer = bearer(&self.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("idempotency-key", operation),
            ("content-type", retrosync_protocol::FRAMES_CONTENT_TYPE),
        ];
        self.server.api("POST", path, &headers, Some(frames))
    }

    /// Stores one version with its bytes; answers its result.
    pub fn store(&self, operation: &str, version: &Value, bytes: Option<&[u8]>) -> Value {
        let reply: Value = self.send("/versions", operation, &frames::store(version, bytes)).ok();
        reply["results"][0].clone()
    }
}

/// A version as a device would write it.
pub fn version(save: &str, bytes: Option<&[u8]>, parents: &[&str], writer: u8, sequence: u64) -> Value {
    let content = bytes.map(|bytes| json!({"digest": Digest::of(bytes), "size_bytes": bytes.len()}));
    let mut parents = parents.to_vec();
    parents.sort_unstable();
    json!({"save": save, "content": content, "parents": parents, "writer": format!("{writer:02x}").repeat(16),
        "sequence": sequence, "played": {"from_unix_s": 1_790_000_000, "to_unix_s": 1_790_000_060},
        "suspect": false, "client": "retrosync/0.1.0 test", "profile": "onion", "core": "gambatte", "note": null})
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A fresh token's text.
pub fn token() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    format!("rst_{}", Digest::from_bytes(bytes))
}

pub fn token_sha256(token: &str) -> String {
    token.parse::<Token>().unwrap().digest().to_string()
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// What a 200 says.
    #[track_caller]
    pub fn ok<T: serde::de::DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The stable code of a refusal.
    #[track_caller]
    pub fn code(&self) -> String {
        assert!(self.status >= 400, "{} {}", self.status, self.text());
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

/// Looks until it is there; the deadline is for a broken program, not for luck.
pub fn wait_for<T>(what: &str, most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + most;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The file of this name somewhere below `folder`.
pub fn find_below(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        if entry.file_name() == name { Some(entry.path()) } else { find_below(&entry.path(), name) }
    })
}
