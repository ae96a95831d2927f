//! A stand-in for the RetroSync project's own server, second generation: its answers to the letter and its documented faults, each by its
//! number and to be switched on. One account, in memory, on loopback.
//!
//! What is its nature and no fault is always so: a save is a flat name (S3), whoever comes last is shown (S10), there is no
//! history to ask for (S11), names with `..` and empty files are refused (S13), modes are kept and not obeyed (S17).

mod wire;

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use retrosync_protocol::Digest;
use serde_json::{Value, json};

/// What can be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// S1: the record is made, the bytes are not kept, and the answer is a success; for this many uploads.
    StoreFails(usize),
    /// S2: equal bytes make two games one.
    MergesEqualBytes,
    /// S5: bytes that a save had once are never its newest again.
    IgnoresRestores,
    /// S6: an upload that is dated before the device's last is thrown away.
    DropsOlder,
    /// S7, S8: dates out of bounds are replaced, and a fresh one ranks below every other of a week.
    RanksByDate,
    /// S12: the digest that was told is believed, and shown.
    ShowsWrongDigests,
    /// S16: from the third save on each is for its own device only.
    SharesTwoSaves,
    /// S12: what it says of a version's digest is none.
    ShowsNoDigests,
    /// An upload takes so many seconds to arrive, as it sees it.
    TakesLong(i64),
    /// A bit of what is downloaded is flipped on its way, this many times.
    Flips(usize),
    /// Its clock is this far off, in seconds.
    Clock(i64),
    /// Not it, but a captive portal answers: 200, and a page.
    Portal,
    /// Downloads tell no length and end in the middle.
    CutsDownloads,
    /// Right after an upload it stores, before it answers, another device's of the same name.
    Races(&'static [u8]),
    /// Right before an upload it stores, another device of ours registers another game under the same name.
    MeetsAnother(&'static str, &'static [u8]),
    /// It has no connection left for an upload: it is read and not stored, for this many.
    Silent(usize),
    /// What it answers to an upload is lost, and it is stored.
    LosesReplies,
    /// Uploads and downloads of this key are answered with a 500.
    Chokes(&'static str),
    /// The connection ends at every upload and download of this key.
    HangsUp(&'static str),
    /// S12: it says that every version has this size.
    SaysSize(u64),
    /// A download never ends.
    Endless,
    /// It is not it, but one of ours that speaks its protocol, too, and is not well: what it answers when asked how it is.
    IsOurs(Health),
}

/// How one of ours that is down answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// A proxy says that nobody is there.
    BadGateway,
    /// It says so itself.
    Unavailable,
    /// It knows no such page, and says who it is.
    NotFound,
    /// A log-in page of the network.
    Portal,
    /// Nothing.
    Silent,
}

#[derive(Clone)]
struct Version {
    id: String,
    device: usize,
    hash: String,
    size: u64,
    modified_ms: i64,
    uploaded_ms: i64,
    bytes: Option<Vec<u8>>,
}

struct Save {
    id: String,
    key: String,
    shared: bool,
    versions: Vec<Version>,
    locations: Vec<(usize, String, String)>,
}

#[derive(Default)]
struct State {
    bugs: Vec<Bug>,
    /// The keys of devices; an empty one was revoked.
    devices: Vec<String>,
    /// A code, whether it was typed, and whom it let in.
    codes: Vec<(String, bool, Option<usize>)>,
    saves: Vec<Save>,
    drawn: u64,
    asked: Vec<String>,
    /// How many bytes of a download that never ends were taken.
    poured: u64,
}

/// The server.
pub struct TheirServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl TheirServer {
    /// Starts one with these faults.
    pub fn start(bugs: &[Bug]) -> TheirServer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { bugs: bugs.to_vec(), ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || wire::serve(&stream, &state));
            }
        });
        TheirServer { port, state }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Has these faults from now on.
    pub fn set(&self, bugs: &[Bug]) {
        self.state().bugs = bugs.to_vec();
    }

    /// The user types a device's code.
    pub fn approve(&self, code: &str) {
        self.state().codes.iter_mut().find(|(known, ..)| known == code).unwrap().1 = true;
    }

    /// A code that the dashboard made: six digits.
    pub fn user_code(&self) -> String {
        let mut state = self.state();
        let code = format!("{:06}", 100_000 + state.draw());
        state.codes.push((code.clone(), true, None));
        code
    }

    /// A device that needs no pairing; its key.
    pub fn device(&self) -> String {
        self.state().add_device()
    }

    /// S9: the user removes the device, counted from 0, and with it goes every version that it brought.
    pub fn remove_device(&self, device: usize) {
        let mut state = self.state();
        state.devices[device] = String::new();
        state.saves.iter_mut().for_each(|save| save.versions.retain(|version| version.device != device));
        state.saves.iter_mut().for_each(|save| save.locations.retain(|(of, ..)| *of != device));
        state.saves.retain(|save| !save.versions.is_empty());
    }

    /// Another client uploads, as theirs does.
    pub fn other_uploads(&self, path: &str, bytes: &[u8], modified_ms: i64) -> Value {
        let mut state = self.state();
        let device = if state.devices.is_empty() { 0 } else { state.devices.len() - 1 };
        let name = path.rsplit('/').next().unwrap();
        let body = json!({
            "filePath": name, "action": "upload", "localPath": path, "fileSize": bytes.len(),
            "fileContent": BASE64.encode(bytes), "localModifiedAt": modified_ms,
        });
        state.upload(device, &body).unwrap()
    }

    /// The user sets a mode on the dashboard for every place of a save.
    pub fn set_mode(&self, key: &str, mode: &str) {
        let mut state = self.state();
        let save = state.saves.iter_mut().find(|save| save.key == key).unwrap();
        save.locations.iter_mut().for_each(|location| location.2 = mode.into());
    }

    /// The bytes of every version of the saves of this key, in the order in which they came.
    pub fn versions(&self, key: &str) -> Vec<Vec<u8>> {
        let state = self.state();
        let of_key = state.saves.iter().filter(|save| save.key == key);
        of_key.flat_map(|save| &save.versions).filter_map(|version| version.bytes.clone()).collect()
    }

    /// What it shows as the newest bytes of a key.
    pub fn shown(&self, key: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let save = state.saves.iter().find(|save| save.key == key)?;
        state.latest(save)?.bytes.clone()
    }

    /// The user deletes a save on the dashboard.
    pub fn delete(&self, key: &str) {
        self.state().saves.retain(|save| save.key != key);
    }

    /// How many bytes of a download that never ends were taken.
    pub fn poured(&self) -> u64 {
        self.state().poured
    }

    /// The keys of all saves.
    pub fn keys(&self) -> Vec<String> {
        self.state().saves.iter().map(|save| save.key.clone()).collect()
    }

    /// What it was asked since the last time: method and path.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }
}

impl State {
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    fn id(&mut self) -> String {
        format!("{:08x}-0000-4000-8000-000000000000", self.draw())
    }

    fn add_device(&mut self) -> String {
        let key = Digest::of(&self.draw().to_le_bytes()).to_string();
        self.devices.push(key.clone());
        key
    }

    fn has(&self, bug: Bug) -> bool {
        self.bugs.contains(&bug)
    }

    fn now_ms(&self) -> i64 {
        let off_s = self.bugs.iter().find_map(|bug| match bug {
            Bug::Clock(off_s) => Some(*off_s),
            _ => None,
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        i64::try_from(now).unwrap() + off_s.unwrap_or(0) * 1000
    }

    fn latest<'a>(&self, save: &'a Save) -> Option<&'a Version> {
        if !self.has(Bug::RanksByDate) {
            return save.versions.last();
        }
        let is_real = |version: &&Version| (version.uploaded_ms - version.modified_ms).abs() > 5000;
        let real = save.versions.iter().filter(is_real).max_by_key(|version| version.modified_ms);
        let fallback = save.versions.iter().filter(|v| !is_real(v)).max_by_key(|version| version.uploaded_ms);
        match (real, fallback) {
            (Some(real), Some(fallback)) if fallback.uploaded_ms > real.modified_ms + 7 * 86_400_000 => {
                Some(fallback)
            }
            (Some(real), _) => Some(real),
            (None, fallback) => fallback,
        }
    }

    /// 1.4, in its order of evaluation.
    fn upload(&mut self, device: usize, body: &Value) -> Result<Value, (u16, &'static str)> {
        let file = body["filePath"].as_str().filter(|path| !path.is_empty());
        let Some(file) = file.filter(|_| body["action"].is_string()) else {
            return Err((400, "filePath and action are required"));
        };
        if file.contains("..") {
            return Err((400, "Invalid file path"));
        }
        let content = body["fileContent"].as_str().filter(|text| !text.is_empty());
        let Some(bytes) =
            content.map(|text| BASE64.decode(text).unwrap()).filter(|_| body["action"] == "upload")
        else {
            return Ok(
                json!({"message": "File sync logged (upload may have failed)", "s3Key": null, "uploaded": false}),
            );
        };
        let name = body["saveKey"].as_str().unwrap_or(file).rsplit('/').next().unwrap();
        let words: Vec<&str> = name.split_whitespace().collect();
        let key = words.join(" ");
        let key = key.strip_suffix(".srm").or(key.strip_suffix(".sav")).unwrap_or(&key).to_owned();
        if self.has_choked_on(&key) {
            return Err((500, "Failed to upload file"));
        }
        let told = body["contentHash"].as_str().map(str::to_owned);
        let mut hash = told.unwrap_or_else(|| Digest::of(&bytes).to_string());
        let mut at = self.saves.iter().position(|save| save.key == key);
        if at.is_none() && self.has(Bug::MergesEqualBytes) {
            at = self.saves.iter().position(|save| save.versions.iter().any(|version| version.hash == hash));
        }
        let at = at.unwrap_or_else(|| {
            let shared = !(self.has(Bug::SharesTwoSaves) && self.saves.len() >= 2);
            let id = self.id();
            self.saves.push(Save { id, key, shared, versions: Vec::new(), locations: Vec::new() });
            self.saves.len() - 1
        });
        let path = body["localPath"].as_str().unwrap_or(file);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let known = self.saves[at].locations.iter().any(|(of, known, _)| *of == device && *known == path);
        if !known {
            self.saves[at].locations.push((device, path, "sync".into()));
        }
        let takes_s = self.bugs.iter().find_map(|bug| match bug {
            Bug::TakesLong(takes_s) => Some(*takes_s),
            _ => None,
        });
        let now_ms = self.now_ms() + takes_s.unwrap_or(0) * 1000;
        let mut modified_ms = body["localModifiedAt"].as_i64().unwrap_or(now_ms);
        if self.has(Bug::RanksByDate) && !(1_577_836_800_000..=now_ms + 3_600_000).contains(&modified_ms) {
            modified_ms = now_ms;
        }
        let meets = self.bugs.iter().position(|bug| matches!(bug, Bug::MeetsAnother(..)));
        if let Some(Bug::MeetsAnother(path, bytes)) = meets.map(|at| self.bugs.remove(at)) {
            let (id, hash) = (self.id(), Digest::of(bytes).to_string());
            let device = self.add_device();
            let device = self.devices.iter().position(|known| *known == device).unwrap();
            let (modified_ms, size) = (modified_ms - 3000, bytes.len() as u64);
            let bytes = Some(bytes.to_vec());
            self.saves[at].locations.push((device, path.into(), "sync".into()));
            let uploaded_ms = now_ms;
            self.saves[at].versions.push(Version { id, device, hash, size, modified_ms, uploaded_ms, bytes });
        }
        let save = &self.saves[at];
        let skipped = |version: &Version, message: &str, path_added: bool| {
            let mut answer = json!({
                "message": message, "skipped": true, "uploaded": false, "saveId": save.id,
                "saveVersionId": version.id, "contentHash": hash,
            });
            if path_added {
                answer["pathAdded"] = true.into();
            }
            Ok(answer)
        };
        let same = save.versions.iter().find(|version| version.hash == hash);
        let is_latest = save.versions.last().is_some_and(|last| last.hash == hash);
        if let Some(same) = same.filter(|_| is_latest || self.has(Bug::IgnoresRestores)) {
            return skipped(same, "Path registered - content already exists", true);
        }
        let own = save.versions.iter().filter(|version| version.device == device);
        if let Some(newest) = own.max_by_key(|version| version.modified_ms)
            && newest.modified_ms > modified_ms + 2000
            && self.has(Bug::DropsOlder)
        {
            return skipped(newest, "Upload skipped - file is older than existing version", false);
        }
        let fails = self.bugs.iter_mut().find_map(|bug| match bug {
            Bug::StoreFails(left @ 1..) => {
                *left -= 1;
                Some(())
            }
            _ => None,
        });
        if self.has(Bug::ShowsWrongDigests) {
            hash = Digest::of(b"something else").to_string();
        }
        let kept = fails.is_none().then(|| bytes.clone());
        let size = body["fileSize"].as_u64().unwrap_or(bytes.len() as u64);
        let mut add = |device, hash: &str, size, modified_ms, bytes| {
            let id = self.id();
            let (uploaded_ms, hash) = (now_ms, hash.to_owned());
            let version = Version { id: id.clone(), device, hash, size, modified_ms, uploaded_ms, bytes };
            self.saves[at].versions.push(version);
            id
        };
        let id = add(device, &hash, size, modified_ms, kept);
        let races = self.bugs.iter().position(|bug| matches!(bug, Bug::Races(_)));
        if let Some(Bug::Races(other)) = races.map(|at| self.bugs.remove(at)) {
            let mut race = |after_ms| {
                let version = Version {
                    id: self.id(),
                    device: usize::MAX,
                    hash: Digest::of(other).to_string(),
                    size: other.len() as u64,
                    modified_ms: modified_ms + after_ms,
                    uploaded_ms: now_ms,
                    bytes: Some(other.to_vec()),
                };
                let last = self.saves[at].versions.len();
                // Just before ours, so that it is hidden behind ours.
                self.saves[at].versions.insert(last - 1, version);
            };
            race(-3000);
        }
        let save = &self.saves[at];
        let s3_key = format!("user/saves/{}/versions/{id}", save.id);
        if fails.is_some() {
            return Ok(
                json!({"message": "File sync logged (upload may have failed)", "s3Key": s3_key, "uploaded": false}),
            );
        }
        Ok(json!({
            "message": "File uploaded and indexed successfully", "s3Key": s3_key, "uploaded": true,
            "saveId": save.id, "saveVersionId": id, "contentHash": hash,
        }))
    }

    fn manifest(&self, device: usize) -> Value {
        let mut entries = Vec::new();
        for save in self.saves.iter().filter(|save| save.shared) {
            let latest = self.latest(save).map(|version| {
                let hash = if self.has(Bug::ShowsNoDigests) { "none" } else { &version.hash };
                json!({
                    "id": version.id, "contentHash": hash, "byteSize": self.said(version.size),
                    "localModifiedAt": "2026-11-20T13:16:21.000Z", "localModifiedAtMs": version.modified_ms,
                    "uploadedAt": "2026-11-20T14:16:34.347Z", "uploadedAtMs": version.uploaded_ms,
                })
            });
            let mut paths: Vec<Value> = save
                .locations
                .iter()
                .filter(|(of, ..)| *of == device)
                .map(|(_, path, _)| path.clone().into())
                .collect();
            if paths.is_empty() {
                paths.push(Value::Null);
            }
            for path in paths {
                entries.push(json!({
                    "saveId": save.id, "saveKey": save.key, "displayName": save.key, "deviceType": "other",
                    "needsMapping": path.is_null(), "localPath": path, "latestVersion": latest,
                }));
            }
        }
        let count = entries.len();
        json!({
            "device": {"id": format!("device {device}"), "deviceType": "other"}, "manifest": entries, "count": count,
            "mappedCount": count, "unmappedCount": 0,
        })
    }

    fn said(&self, size: u64) -> u64 {
        let says = |bug: &Bug| if let Bug::SaysSize(size) = bug { Some(*size) } else { None };
        self.bugs.iter().find_map(says).unwrap_or(size)
    }

    fn has_choked_on(&self, key: &str) -> bool {
        self.bugs.iter().any(|bug| matches!(bug, Bug::Chokes(of) if *of == key))
    }

    fn list(&self) -> Value {
        let saves = self.saves.iter().map(|save| {
            let location = |(device, path, mode): &(usize, String, String)| {
                json!({"deviceId": format!("device {device}"), "localPath": path, "syncMode": mode})
            };
            json!({
                "id": save.id, "saveKey": save.key, "displayName": save.key,
                "syncStrategy": if save.shared { "shared" } else { "per_device" },
                "locations": save.locations.iter().map(location).collect::<Vec<_>>(),
                "latestVersionDevice": save.versions.last().map(|version| {
                    json!({"id": format!("device {}", version.device), "name": "Mega Core", "deviceType": "other"})
                }),
            })
        });
        json!({"saves": saves.collect::<Vec<_>>(), "count": self.saves.len()})
    }

    fn objects(&self) -> Value {
        let of = |save: &Save| {
            let id = save.id.clone();
            let versions = save.versions.clone().into_iter().filter(|version| version.bytes.is_some());
            versions.map(move |version| {
                json!({
                    "key": format!("user/saves/{id}/versions/{}", version.id), "size": self.said(version.size),
                    "lastModified": "2026-11-20T14:16:34.000Z",
                })
            })
        };
        let files: Vec<Value> = self.saves.iter().flat_map(of).take(1000).collect();
        json!({"count": files.len(), "files": files})
    }

    fn answer(&mut self, line: &str, key: Option<&str>, body: &Value) -> Result<Value, (u16, &'static str)> {
        let device = key.and_then(|key| self.devices.iter().position(|known| known == key));
        let paired = device.ok_or((401, "Invalid API key"));
        match line {
            "POST /api/devices/code" => {
                let code = format!("K{:05}", self.draw());
                self.codes.push((code.clone(), false, None));
                Ok(json!({"code": code, "expiresAt": "2026-11-20T14:29:54.146Z"}))
            }
            "POST /api/devices/status" => {
                let code = body["code"].as_str().unwrap_or_default();
                let at =
                    self.codes.iter().position(|(known, ..)| known == code).ok_or((404, "Code not found"))?;
                if !self.codes[at].1 {
                    return Ok(
                        json!({"status": "waiting", "message": "Waiting for user to enter code on dashboard"}),
                    );
                }
                let device = self.codes[at].2.unwrap_or_else(|| {
                    self.add_device();
                    self.devices.len() - 1
                });
                self.codes[at].2 = Some(device);
                Ok(json!({
                    "status": "paired", "apiKey": self.devices[device], "userId": "user",
                    "device": {"id": format!("device {device}"), "name": "Mega Core 6704", "deviceType": "other"},
                }))
            }
            "GET /api/sync/manifest" => Ok(self.manifest(paired?)),
            "GET /api/sync/files" => paired.map(|_| self.objects()),
            "POST /api/sync/files" => self.upload(paired?, body),
            "GET /api/saves" => paired.map(|_| self.list()),
            "POST /api/sync/heartbeat" => {
                paired.map(|device| json!({"deviceId": format!("device {device}")}))
            }
            _ => Err((404, "")),
        }
    }
}
