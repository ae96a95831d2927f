//! Their client as it is known to behave: a handheld's files with times, the rules by which it uploads and downloads, and
//! bare requests.

use std::collections::BTreeMap;

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use crate::support::{Reply, Server};

pub const EMAIL: &str = "ada@example.com";
pub const PASSWORD: &str = "Correct horse 1";
/// 2025-11-20T13:16:21Z
pub const THEN_MS: i64 = 1_763_644_581_000;

/// A server with ada's account.
pub struct Home {
    pub server: Server,
    pub login: String,
}

impl Home {
    pub fn new() -> Home {
        Home::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Home {
        // In memory where that can be had: these tests pull no plug, and there are many of them.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let server = Server::start_in(folder, &[&["--open-registration"], arguments].concat());
        let login = register(&server, EMAIL);
        Home { server, login }
    }

    /// A request of the logged-in user.
    pub fn user(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let bearer = format!("Bearer {}", self.login);
        let body = body.map(Value::to_string);
        self.server.bare(method, path, &[("authorization", &bearer)], body.as_deref().map(str::as_bytes))
    }

    /// A device, paired by a code of the dashboard.
    pub fn device(&self) -> Handheld<'_> {
        let code = data(&self.user("POST", "/api/devices/create-pairing-code", None))["code"].clone();
        let paired = post(&self.server, "/api/devices/status", &json!({"code": code}));
        let paired = data(&paired);
        Handheld {
            server: &self.server,
            key: paired["apiKey"].as_str().unwrap().into(),
            id: paired["device"]["id"].as_str().unwrap().into(),
            files: BTreeMap::new(),
            failures: 0,
            lost_downloads: 0,
            watches: true,
        }
    }

    /// The saves as the dashboard of theirs would list them.
    pub fn saves(&self) -> Vec<Value> {
        data(&self.user("GET", "/api/saves", None))["saves"].as_array().unwrap().clone()
    }
}

pub fn register(server: &Server, email: &str) -> String {
    let reply =
        post(server, "/api/auth/register", &json!({"email": email, "password": PASSWORD, "name": "Test"}));
    data(&reply)["token"].as_str().unwrap().into()
}

/// A request without a key.
pub fn post(server: &Server, path: &str, body: &Value) -> Reply {
    server.bare("POST", path, &[], Some(body.to_string().as_bytes()))
}

/// What a success says.
#[track_caller]
pub fn data(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json["success"], true, "{json}");
    json["data"].clone()
}

/// What a refusal says.
#[track_caller]
pub fn error(reply: &Reply) -> (u16, String) {
    let text = reply.text();
    assert!(reply.status >= 400, "{} {text}", reply.status);
    assert!(!text.contains(r#""success":true"#) && !text.contains(r#""skipped":true"#), "{text}");
    (reply.status, reply.json()["error"].as_str().unwrap().to_owned())
}

/// A handheld with their client.
pub struct Handheld<'a> {
    pub server: &'a Server,
    pub key: String,
    pub id: String,
    /// Path to bytes and time.
    pub files: BTreeMap<String, (Vec<u8>, i64)>,
    pub failures: usize,
    /// So many downloads from now do not arrive, though the server has sent all of them.
    pub lost_downloads: usize,
    /// Does their program in the background run, which uploads what changed?
    pub watches: bool,
}

impl Handheld<'_> {
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let body = body.map(Value::to_string);
        self.server.bare(method, path, &[("X-API-Key", &self.key)], body.as_deref().map(str::as_bytes))
    }

    /// Uploads bytes as their client does; the reply as it is.
    pub fn send(&self, path: &str, bytes: &[u8], modified_ms: i64) -> Reply {
        let name = path.rsplit(['/', '\\']).next().unwrap();
        let body = json!({"filePath": name, "fileSize": bytes.len(), "action": "upload",
            "fileContent": base64(bytes), "localPath": path, "localModifiedAt": modified_ms});
        self.ask("POST", "/api/sync/files", Some(&body))
    }

    #[track_caller]
    pub fn upload(&self, path: &str, bytes: &[u8], modified_ms: i64) -> Value {
        data(&self.send(path, bytes, modified_ms))
    }

    pub fn manifest(&self) -> Vec<Value> {
        data(&self.ask("GET", "/api/sync/manifest", None))["manifest"].as_array().unwrap().clone()
    }

    /// The manifest's line of a path.
    pub fn line(&self, path: &str) -> Option<Value> {
        let mut lines: Vec<Value> =
            self.manifest().into_iter().filter(|line| line["localPath"] == path).collect();
        assert!(lines.len() <= 1, "a path comes once: {lines:?}");
        lines.pop()
    }

    pub fn download(&self, version: &str) -> Reply {
        self.ask("GET", &format!("/api/sync/download?saveVersionId={version}"), None)
    }

    /// The player saves.
    pub fn play(&mut self, path: &str, bytes: &[u8], at_ms: i64) {
        self.files.insert(path.into(), (bytes.to_vec(), at_ms));
    }

    pub fn bytes(&self, path: &str) -> &[u8] {
        &self.files[path].0
    }

    /// The player presses Sync: everything newer goes up, then everything older comes down, by times in whole seconds.
    pub fn sync(&mut self) {
        let before = self.manifest();
        for (path, (bytes, at_ms)) in &self.files {
            let same_path = before.iter().find(|line| line["localPath"] == path.as_str());
            let cloud = same_path.and_then(|line| line["latestVersion"]["localModifiedAtMs"].as_i64());
            if cloud.is_none_or(|cloud| *at_ms > cloud + 65_000) && !bytes.is_empty() {
                self.failures += usize::from(self.send(path, bytes, *at_ms).status != 200);
            }
        }
        for line in self.manifest() {
            let Some(path) = line["localPath"].as_str() else { continue };
            let latest = &line["latestVersion"];
            let Some(cloud) = latest["localModifiedAtMs"].as_i64() else { continue };
            if self.files.get(path).is_some_and(|(_, at_ms)| cloud <= *at_ms) {
                continue;
            }
            let reply = self.download(latest["id"].as_str().unwrap());
            assert_eq!(reply.status, 200, "{}", reply.text());
            if self.lost_downloads > 0 {
                self.lost_downloads -= 1;
                continue;
            }
            let at_ms = cloud / 1000 * 1000;
            if self.watches {
                self.failures += usize::from(self.send(path, &reply.body, at_ms).status != 200);
            }
            self.files.insert(path.into(), (reply.body, at_ms));
        }
    }
}

pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_usize, |word, byte| word << 8 | usize::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = char::from(ALPHABET[word >> (18 - 6 * place) & 63]);
            text.push(if place <= three.len() { letter } else { '=' });
        }
    }
    text
}

pub fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

pub const GBA: &str = "/mnt/mmc/MUOS/save/file/mGBA/Pokemon Emerald.srm";
pub const GBA_ELSEWHERE: &str = "/mnt/sdcard/Saves/saves/mGBA/Pokemon Emerald.srm";
pub const HOUR_MS: i64 = 3_600_000;

pub fn version(stored: &Value) -> String {
    stored["saveVersionId"].as_str().unwrap().into()
}

/// All versions of ada's saves, as our own protocol has them: the bytes' digests by save.
pub fn kept(home: &Home) -> Vec<(String, Vec<String>)> {
    let device = home.server.pair("witness", EMAIL);
    let changes: Value = device.get("/changes?since=0&epoch=").ok();
    let saves =
        changes["saves"].as_array().unwrap().iter().map(|save| save["save"].as_str().unwrap().to_owned());
    let digests = |save: &str| {
        let name = save.replace('%', "%25").replace(' ', "%20").replace('/', "%2F").replace('@', "%40");
        let history: Value = device.get(&format!("/history?save={name}")).ok();
        let versions = history["versions"].as_array().unwrap().iter();
        versions
            .filter_map(|v| Some(v["record"]["content"]["digest"].as_str()?.to_owned()))
            .collect::<Vec<_>>()
    };
    saves.map(|save| (save.clone(), digests(&save))).collect()
}

/// A person chooses these bytes, on our dashboard or device, of two that differ.
#[track_caller]
pub fn choose(home: &Home, bytes: &[u8]) {
    let witness = home.server.pair("chooser", EMAIL);
    let changes: Value = witness.get("/changes?since=0&epoch=").ok();
    let save = changes["saves"][0].clone();
    let heads = save["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 2, "a question");
    let digest = sha256(bytes);
    let keep = heads.iter().find(|head| head["content"]["digest"] == digest.as_str()).unwrap();
    let versions: Vec<Value> = heads.iter().map(|head| head["version"].clone()).collect();
    let choice = json!({"save": save["save"], "keep": keep["version"], "heads": versions, "note": null});
    assert_eq!(witness.change("POST", "/saves/resolve", "choice", &choice).status, 200);
}

/// Is each of these the bytes of a version of some save?
#[track_caller]
pub fn all_kept(home: &Home, contents: &[&[u8]]) {
    let kept = kept(home);
    for bytes in contents {
        let digest = sha256(bytes);
        assert!(
            kept.iter().any(|(_, digests)| digests.contains(&digest)),
            "lost: {:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}
