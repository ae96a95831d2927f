//! Clients of the first generation: they pair with a code of the dashboard and then speak S3, with keys of their own.

use retrosync_protocol::{Digest, Hasher, Token};
use serde_json::{Value, json};

use crate::client::{Home, data, error, post, register, sha256};
use crate::support::Reply;

const BUCKET: &str = "retrosync-saves";

/// A device as it was let in.
pub struct Device<'a> {
    pub home: &'a Home,
    pub user: String,
    pub id: String,
    pub key: String,
    pub access: String,
    pub secret: String,
}

fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let hash = |pad: u8, parts: &[&[u8]]| {
        let mut hasher = Hasher::default();
        hasher.update(&block.map(|byte| byte ^ pad));
        parts.iter().for_each(|part| hasher.update(part));
        *hasher.finish().as_bytes()
    };
    let inner = hash(0x36, &[message.as_bytes()]);
    hash(0x5c, &[&inner])
}

/// `20261120T141448Z`, so many seconds from now.
pub fn date(from_now_s: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let output = std::process::Command::new("date")
        .args(["-u", "+%Y%m%dT%H%M%SZ", "-d", &format!("@{}", now + from_now_s)])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn pair<'a>(home: &'a Home, name: &str) -> Device<'a> {
    let code = data(&home.user("POST", "/api/devices/create-pairing-code", None))["code"].clone();
    let body = json!({"code": code, "deviceName": name, "deviceType": "rg35xx"});
    let paired = data(&post(&home.server, "/api/devices/pair", &body));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(
        (&paired["s3Config"]["bucket"], &paired["s3Config"]["endpoint"]),
        (&json!(BUCKET), &json!(home.server.url))
    );
    assert_eq!(
        (&paired["device"]["name"], &paired["device"]["deviceType"]),
        (&json!(name), &json!("rg35xx"))
    );
    let again = post(&home.server, "/api/devices/pair", &body);
    assert_eq!(error(&again), (400, "Pairing code has already been used".into()));
    Device {
        home,
        user: text(&paired["userId"]),
        id: text(&paired["device"]["id"]),
        key: text(&paired["apiKey"]),
        access: text(&paired["s3Config"]["accessKeyId"]),
        secret: text(&paired["s3Config"]["secretAccessKey"]),
    }
}

impl Device<'_> {
    fn object(&self, game: &str) -> String {
        format!("{}/{}/retroarch/{game}/{game}.srm", self.user, self.id)
    }

    /// Where the file beside a game's save lies.
    pub fn metadata(&self, game: &str) -> String {
        format!("/{BUCKET}/{}/{}/retroarch/{game}/metadata.json", self.user, self.id)
    }

    /// A signed request.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        self.ask_with(method, path, body, &sha256(body), &date(0), &self.secret)
    }

    fn ask_with(&self, method: &str, path: &str, body: &[u8], told: &str, at: &str, secret: &str) -> Reply {
        let signed = self.signed(method, path, told, at, secret);
        let headers: Vec<(&str, &str)> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.home.server.bare(method, path, &headers, (method == "PUT").then_some(body))
    }

    /// The headers of a signed request.
    pub fn signed(
        &self,
        method: &str,
        path: &str,
        told: &str,
        at: &str,
        secret: &str,
    ) -> [(&'static str, String); 4] {
        let host = self.home.server.url.strip_prefix("http://").unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        let scope = format!("{}/us-east-1/s3/aws4_request", &at[..8]);
        let request = format!(
            "{method}\n{path}\n{}\nhost:{host}\nx-amz-content-sha256:{told}\nx-amz-date:{at}\n\nhost;x-amz-content-sha256;x-amz-date\n{told}",
            pairs.join("&")
        );
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", Digest::of(request.as_bytes()));
        let key = scope
            .split('/')
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part).to_vec());
        let signature = Digest::from_bytes(hmac(&key, &text));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}",
            self.access
        );
        [
            ("host", host.to_owned()),
            ("x-amz-date", at.to_owned()),
            ("x-amz-content-sha256", told.to_owned()),
            ("authorization", authorization),
        ]
    }

    pub fn put(&self, game: &str, bytes: &[u8]) {
        let reply = self.ask("PUT", &format!("/{BUCKET}/{}", self.object(game)), bytes);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    pub fn get(&self, game: &str) -> Reply {
        self.ask("GET", &format!("/{BUCKET}/{}", self.object(game)), b"")
    }

    /// Fetches the game, and its client shows what came.
    fn take(&self, game: &str) -> Reply {
        let found = self.get(game);
        let path = format!("/{BUCKET}/{}", self.object(game));
        assert_eq!(self.ask("HEAD", &path, b"").header("x-amz-meta-hash"), "", "so that it is sent");
        self.put(game, &found.body);
        found
    }

    pub fn list(&self) -> String {
        let reply =
            self.ask("GET", &format!("/{BUCKET}?encoding-type=url&list-type=2&prefix={}%2F", self.user), b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text()
    }
}

fn code_of(reply: &Reply) -> (u16, String) {
    let text = reply.text();
    let code = text.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next()).unwrap_or_default();
    (reply.status, code.to_owned())
}

#[test]
fn who_read_the_catalog_can_sign_for_no_device() {
    let mut home = Home::new();
    home.server.add_user("ada");
    // What is kept of a device, and the name of its key, are in the catalog.
    let of_catalog = |token: &str| token.parse::<Token>().unwrap().digest();
    let (user, id, access, secret, hash) = {
        let one = pair(&home, "one");
        one.put("Tetris", b"hour 1");
        let hash = of_catalog(&format!("rst_{}", one.key));
        (one.user, one.id, one.access, one.secret, hash)
    };
    let (ordinary, ordinary_hash) = {
        let device = home.server.pair("Miyoo", "ada");
        (format!("RS{}", device.id.trim_start_matches("dev_").to_uppercase()), of_catalog(&device.token))
    };
    let computed = |hash: Digest| sha256(format!("retrosync.s3.1\n{hash}").as_bytes())[..40].to_owned();
    let drawn = std::fs::read(home.server.data().join("clients.key")).unwrap();
    let other_server = format!("{:064}\n", 7);
    let rows = [
        ("the device's own keys", None, &access, secret.clone(), (200, "")),
        ("computed from the catalog", None, &access, computed(hash), (403, "SignatureDoesNotMatch")),
        (
            "of a device that speaks no S3",
            None,
            &ordinary,
            computed(ordinary_hash),
            (403, "InvalidAccessKeyId"),
        ),
        (
            "at a server of the same backup",
            Some(other_server.as_bytes()),
            &access,
            secret.clone(),
            (403, "SignatureDoesNotMatch"),
        ),
        ("at the server again", Some(drawn.as_slice()), &access, secret, (200, "")),
    ];
    for (what, file, access, secret, expected) in rows {
        if let Some(bytes) = file {
            home.server.kill();
            std::fs::write(home.server.data().join("clients.key"), bytes).unwrap();
            home.server.run(&[]);
        }
        let (user, id) = (user.clone(), id.clone());
        let one = Device { home: &home, user, id, key: String::new(), access: access.clone(), secret };
        let (status, code) = code_of(&one.get("Tetris"));
        assert_eq!((status, code.as_str()), expected, "{what}");
    }
}

#[test]
fn two_handhelds_of_the_first_generation_sync_for_the_first_time() {
    let home = Home::new();
    let (one, two) = (pair(&home, "one"), pair(&home, "two"));
    one.put("Tetris", b"hour 1");
    let found = two.take("Tetris");
    assert_eq!((found.status, found.body.as_slice()), (200, &b"hour 1"[..]), "under its own id");
    assert_eq!(found.header("x-amz-meta-hash"), sha256(b"hour 1"));
    two.put("Tetris", b"hour 2");
    assert_eq!(one.take("Tetris").body, b"hour 2");
    one.put("Tetris", b"hour 3");
    assert_eq!(two.get("Tetris").body, b"hour 3");
    assert_eq!(home.saves().len(), 1, "no question in all that");
    assert_eq!(code_of(&one.get("Zelda")), (404, "NoSuchKey".into()));
}

#[test]
fn what_a_handheld_holds_is_dated_so_that_it_is_not_fetched_over_itself() {
    let home = Home::new();
    let (one, two) = (pair(&home, "one"), pair(&home, "two"));
    one.put("Tetris", b"hour 1");
    let path = format!("/{BUCKET}/{}", one.object("Tetris"));
    let own = one.ask("HEAD", &path, b"");
    assert_eq!((own.status, own.header("last-modified")), (200, "Thu, 01 Jan 2015 00:00:00 GMT"));
    assert_eq!((own.header("content-length"), own.header("x-amz-meta-hash").len()), ("6", 64));
    two.take("Tetris");
    two.put("Tetris", b"hour 2");
    let newer = one.ask("HEAD", &path, b"");
    assert_ne!(newer.header("last-modified"), "Thu, 01 Jan 2015 00:00:00 GMT");
    assert!(one.list().contains(&format!("<Key>{}</Key>", one.object("Tetris"))), "{}", one.list());
    assert!(one.list().contains(&two.object("Tetris")), "it learns of other devices' games");
}

#[test]
fn what_both_played_is_kept_and_each_plays_on_with_its_own() {
    let home = Home::new();
    let (one, two) = (pair(&home, "one"), pair(&home, "two"));
    one.put("Tetris", b"together");
    two.get("Tetris");
    one.put("Tetris", b"one alone");
    two.put("Tetris", b"two alone");
    assert_eq!(
        (one.get("Tetris").body, two.get("Tetris").body),
        (b"one alone".to_vec(), b"two alone".to_vec())
    );
}

#[test]
fn a_download_that_did_not_arrive_in_the_bucket_is_no_parent() {
    let home = Home::new();
    let (one, two) = (pair(&home, "one"), pair(&home, "two"));
    one.put("Tetris", b"together");
    two.take("Tetris");
    one.put("Tetris", b"one, later");
    assert_eq!(two.get("Tetris").body, b"one, later");
    two.put("Tetris", b"two, on together");
    assert_eq!(
        (one.get("Tetris").body, two.get("Tetris").body),
        (b"one, later".to_vec(), b"two, on together".to_vec())
    );
}

#[test]
fn both_generations_sync_with_one_another() {
    let home = Home::new();
    let (old, new) = (pair(&home, "old"), home.device());
    old.put("Tetris", b"hour 1");
    new.upload("/saves/Gambatte/Tetris.srm", b"hour 1", 1);
    new.upload("/saves/Gambatte/Tetris.srm", b"hour 2", 2);
    assert_eq!(old.get("Tetris").body, b"hour 2");
    let beat = |body: Option<&Value>| {
        let body = body.map(Value::to_string);
        home.server.bare(
            "POST",
            "/api/sync/heartbeat",
            &[("x-api-key", &old.key)],
            body.as_deref().map(str::as_bytes),
        )
    };
    assert_eq!(data(&beat(None))["deviceName"], "old");
    let told = json!({"filePath": "x", "fileSize": 3, "action": "upload"}).to_string();
    let logged =
        home.server.bare("POST", "/api/sync/files", &[("x-api-key", &old.key)], Some(told.as_bytes()));
    assert!(data(&logged)["message"].is_string());
    let event = json!({"action": "upload", "filePath": "x", "fileSize": null, "status": "success", "errorMsg": null, "metadata": null});
    let logged = home.server.bare(
        "POST",
        "/api/sync/log",
        &[("x-api-key", &old.key)],
        Some(event.to_string().as_bytes()),
    );
    assert_eq!(data(&logged)["logId"].as_str().unwrap().len(), 36, "nulls are borne");
}

#[test]
fn a_devices_keys_open_its_own_users_saves_and_nothing_else() {
    let home = Home::new();
    let (one, two) = (pair(&home, "one"), pair(&home, "two"));
    one.put("Tetris", b"hour 1");
    let own = format!("/{BUCKET}/{}", one.object("Tetris"));
    let at = date(0);
    let empty = sha256(b"");
    assert_eq!(code_of(&home.server.bare("GET", &own, &[], None)), (403, "AccessDenied".into()), "no keys");
    assert_eq!(code_of(&one.ask_with("GET", &own, b"", &empty, &at, &two.secret)).1, "SignatureDoesNotMatch");
    assert_eq!(
        code_of(&one.ask_with("GET", &own, b"", &empty, &date(-3600), &one.secret)).1,
        "RequestTimeTooSkewed"
    );
    let other = one.ask_with("PUT", &own, b"swapped on its way", &sha256(b"another"), &at, &one.secret);
    assert_eq!(code_of(&other), (400, "XAmzContentSHA256Mismatch".into()));
    let theirs = two.ask("PUT", &own, b"over another's");
    assert_eq!(code_of(&theirs), (403, "AccessDenied".into()), "a device writes below its own id");
    assert_eq!(two.ask("GET", &own, b"").body, b"hour 1", "and reads what is its user's");
    assert_eq!(two.ask("DELETE", &own, b"").status, 405);
    let mallory = Home { login: register(&home.server, "mallory@example.com"), ..home };
    let stranger = pair(&mallory, "stranger");
    assert_eq!(code_of(&stranger.ask("GET", &own, b"")), (403, "AccessDenied".into()));
    let all = stranger.ask("GET", &format!("/{BUCKET}?list-type=2&prefix="), b"");
    assert_eq!(code_of(&all), (403, "AccessDenied".into()));
}

#[test]
fn a_removed_devices_keys_open_nothing_and_its_saves_stay() {
    let home = Home::new();
    let (one, two) = (pair(&home, "one"), pair(&home, "two"));
    one.put("Tetris", b"hour 1");
    data(&home.user("DELETE", &format!("/api/devices?id={}", one.id), None));
    assert_eq!(code_of(&one.get("Tetris")), (403, "InvalidAccessKeyId".into()));
    assert_eq!(two.get("Tetris").body, b"hour 1");
}

#[test]
fn metadata_beside_a_save_comes_back_as_it_was() {
    let home = Home::new();
    let one = pair(&home, "one");
    one.put("Tetris", b"hour 1");
    let text = br#"{"filename":"Tetris.srm","emulator":"retroarch","game_id":"Tetris"}"#;
    let path = format!("/{BUCKET}/{}/{}/retroarch/Tetris/metadata.json", one.user, one.id);
    assert_eq!(one.ask("PUT", &path, text).status, 200);
    assert_eq!(one.ask("GET", &path, b"").body, text);
    assert!(one.list().contains("metadata.json"));
    assert_eq!(one.ask("PUT", &path, &[b' '; 5000]).status, 400);
    assert_eq!(home.saves().len(), 1, "it is no save");
}

#[test]
fn a_body_in_chunks_is_the_save_and_no_wrapping() {
    let home = Home::new();
    let one = pair(&home, "one");
    let path = format!("/{BUCKET}/{}", one.object("Tetris"));
    let body = b"6\r\nhour 1\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    let put = one.ask_with("PUT", &path, body, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", &date(0), &one.secret);
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(one.get("Tetris").body, b"hour 1");
}

#[test]
fn odd_queries_of_signed_requests_are_answered_or_refused_in_xml() {
    let home = Home::new();
    let one = pair(&home, "one");
    one.put("Tetris", b"hour 1");
    let user = &one.user;
    // As S3 has it: sorted, each with a `=`, whatever is in them; what is signed as it was sent is right.
    let right = [
        format!("list-type=2&prefix={user}%2F"),
        format!("prefix={user}%2F&list-type=2"),
        format!("list-type=2&prefix={user}%2F&prefix=other"),
        format!("list-type=2&prefix={user}%2F&empty="),
        format!("list-type=2&prefix={user}%2F&x=%00%ff"),
        format!("list-type=2&prefix={user}%2F&x=%2F..%2F..%2F"),
        format!("list-type=2&max-keys=-1&prefix={user}%2F"),
        format!("list-type=2&prefix={user}%2F&start-after=%F0%9F%91%BE"),
    ];
    for query in right {
        let reply = one.ask("GET", &format!("/{BUCKET}?{query}"), b"");
        assert!(reply.status == 200 && reply.text().contains("Tetris.srm"), "{query}: {}", reply.text());
    }
    let wrong = ["", "prefix=", "prefix=%ff", "prefix=..%2F..", "list-type=2", "prefix=%25", "&&&==="];
    for query in wrong {
        let reply = one.ask("GET", &format!("/{BUCKET}?{query}"), b"");
        assert!([400, 403].contains(&reply.status), "{query}: {} {}", reply.status, reply.text());
        assert_eq!(reply.header("content-type"), "application/xml", "{query}");
    }
    let own = format!("/{BUCKET}/{}", one.object("Tetris"));
    for path in [
        format!("{own}?partNumber=1"),
        format!("{own}?uploads"),
        format!("{own}?uploadId=x&partNumber=99999"),
    ] {
        let reply = one.ask("POST", &path, b"");
        assert!([403, 405].contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
        assert_eq!(reply.header("content-type"), "application/xml", "{path}");
    }
    assert_eq!(one.get("Tetris").body, b"hour 1");
}

#[test]
fn keys_that_lead_out_of_their_user_are_refused() {
    let home = Home::new();
    let one = pair(&home, "one");
    let (user, id) = (&one.user, &one.id);
    let rows = [
        format!("{user}/{id}/../x/y"),
        format!("{user}/{id}/a/../y"),
        format!("{user}/{id}/a/b/.."),
        format!("{user}/{id}/a/b/%00"),
        format!("{user}/{id}/a/b/%0a"),
        format!("{user}/{id}//b/c"),
        format!("{user}/{id}/a/b"),
        format!("{user}/{id}/a/b/c/d"),
        format!("../{id}/a/b/c"),
        format!("{user}x/{id}/a/b/c"),
        format!("{user}/..%2F{id}/a/b/c"),
        format!("{user}/{id}/a/b/{}", "x".repeat(2000)),
        format!("{user}/{id}/a/b/%ff%fe"),
    ];
    for key in rows {
        let reply = one.ask("PUT", &format!("/{BUCKET}/{key}"), b"bytes");
        assert!([400, 403, 404].contains(&reply.status), "{key}: {} {}", reply.status, reply.text());
        assert_eq!(reply.header("content-type"), "application/xml", "{key}");
    }
    assert!(home.saves().is_empty(), "{:?}", home.saves());
}
