//! Bounds on what their clients can make the server keep or read; and the account's end.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::{EMAIL, GBA, Home, PASSWORD, THEN_MS, data, error, post};
use crate::support::{Reply, Server, frames, version};

/// Asks the catalog of a server that does not run; rows of one column.
fn sqlite(server: &Server, sql: &str) -> String {
    const ASK: &str = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nfor r in c.execute(sys.argv[2]).fetchall(): print(r[0])\nc.commit()";
    let file = server.data().join("catalog.sqlite");
    let output = Command::new("python3").args(["-c", ASK]).arg(file).arg(sql).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_handheld_names_two_hundred_folders_and_none_longer_than_a_path() {
    let home = Home::new();
    let one = home.device();
    let path = |number: usize| json!({"path": format!("/roms/{number}"), "kind": "default"});
    let many: Vec<Value> = (0..250).map(path).collect();
    let beat =
        |paths: Value| data(&one.ask("POST", "/api/sync/heartbeat", Some(&json!({"scanPaths": paths}))));
    let kept = beat(json!(many));
    assert_eq!(kept["scanPaths"].as_array().unwrap().len(), 200);
    let add = |path: &str| {
        home.user("POST", "/api/devices/scan-paths", Some(&json!({"deviceId": one.id, "path": path})))
    };
    assert_eq!(error(&add("/one/more")), (400, "Too many paths".into()));
    let kept = beat(json!([path(1)]));
    assert_eq!(kept["scanPaths"].as_array().unwrap().len(), 1, "what is no longer sent is forgotten");
    assert_eq!(error(&add(&format!("/{}", "x".repeat(1024)))), (400, "Invalid path".into()));
    assert_eq!(data(&add(&format!("/{}", "x".repeat(1023))))["path"]["kind"], "custom");
    let long = json!({"path": format!("/{}", "x".repeat(5000)), "kind": "default"});
    let kept = beat(json!([path(1), long]));
    assert_eq!(kept["scanPaths"].as_array().unwrap().len(), 2, "the long one is left out");
}

#[test]
fn a_log_keeps_its_last_thousand_lines_and_the_beginning_of_long_texts() {
    let mut home = Home::new();
    let key = home.device().key;
    let told = |home: &Home, number: usize, error: &str| {
        let line = json!({"action": "upload", "filePath": format!("file {number}"), "status": "failed", "errorMsg": error});
        let body = line.to_string();
        data(&home.server.bare("POST", "/api/sync/log", &[("x-api-key", &key)], Some(body.as_bytes())));
    };
    told(&home, 0, &"é".repeat(5000));
    let page = |home: &Home, query: &str| data(&home.user("GET", &format!("/api/sync/log{query}"), None));
    let first = page(&home, "?limit=1");
    assert_eq!(first["logs"][0]["errorMsg"].as_str().unwrap().chars().count(), 2000);
    // As if a thousand had come since.
    home.server.kill();
    let copy = "INSERT INTO memos (owner, kind, name, text) WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
        SELECT m.owner, m.kind, printf('%04d', n.i % 1000), json_set(m.text, '$.number', n.i) FROM memos AS m, n WHERE m.kind = 'retrosync.log' RETURNING 1";
    assert_eq!(sqlite(&home.server, copy).lines().count(), 999);
    sqlite(&home.server, "UPDATE memos SET text = '1000' WHERE kind = 'retrosync.log.count' RETURNING 1");
    home.server.run(&["--open-registration"]);
    for number in 1..4 {
        told(&home, number, "x");
    }
    let all = page(&home, "?limit=5000");
    assert_eq!((&all["total"], &all["limit"]), (&json!(1000), &json!(1000)));
    assert_eq!(all["logs"][0]["filePath"], "file 3", "the newest first, the oldest are gone");
}

#[test]
fn four_thousand_files_beside_saves_are_enough() {
    let mut home = Home::new();
    let one = crate::bucket::pair(&home, "one");
    let path = one.metadata("Tetris");
    assert_eq!(one.ask("PUT", &path, b"{}").status, 200);
    let (user, id, access, secret, key) =
        (one.user.clone(), one.id.clone(), one.access.clone(), one.secret.clone(), one.key.clone());
    home.server.kill();
    let copy = "INSERT INTO memos (owner, kind, name, text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3999) \
        SELECT m.owner, m.kind, m.name || n.i, json_set(m.text, '$.key', m.name || n.i) FROM memos AS m, n WHERE m.kind = 'retrosync.metadata' RETURNING 1";
    assert_eq!(sqlite(&home.server, copy).lines().count(), 3999);
    home.server.run(&["--open-registration"]);
    let one = crate::bucket::Device { home: &home, user, id, access, secret, key };
    let full = one.ask("PUT", &one.metadata("Zelda"), b"{}");
    assert!(
        full.status == 507 && full.text().contains("<Code>InsufficientStorage</Code>"),
        "{}",
        full.text()
    );
    assert_eq!(one.ask("PUT", &path, b"{\"a\":1}").status, 200, "one that is there may change");
    one.put("Zelda", b"hour 1");
    assert_eq!(one.get("Zelda").body, b"hour 1", "and no save is refused for it");
}

#[test]
fn a_thousand_codes_wait_at_most() {
    let mut home = Home::new();
    let code = |home: &Home| post(&home.server, "/api/devices/code", &json!({}));
    data(&code(&home));
    home.server.kill();
    let copy = "INSERT INTO memos (owner, kind, name, text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
        SELECT m.owner, m.kind, m.name || n.i, json_set(m.text, '$.code', m.name || n.i) FROM memos AS m, n WHERE m.kind = 'code' RETURNING 1";
    assert_eq!(sqlite(&home.server, copy).lines().count(), 999);
    home.server.run(&["--open-registration"]);
    let refused = error(&code(&home));
    assert!([429, 503].contains(&refused.0), "{refused:?}");
}

/// More than a page of S3 holds.
const MANY: usize = 1100;

#[test]
fn a_library_of_more_than_a_thousand_games_is_listed_whole() {
    let mut home = Home::new();
    let old = crate::bucket::pair(&home, "old");
    old.put("game-0", b"0");
    let (user, id, access, secret, key) =
        (old.user.clone(), old.id.clone(), old.access.clone(), old.secret.clone(), old.key.clone());
    {
        let own = home.server.pair("our own", EMAIL);
        let changes: Value = own.get("/changes?since=0&epoch=").ok();
        let first = changes["saves"][0]["save"].as_str().unwrap().to_owned();
        let frames: Vec<Vec<u8>> = (1..MANY)
            .map(|number| {
                let save = first.replace("game-0", &format!("game-{number}"));
                let bytes = number.to_string().into_bytes();
                frames::store(&version(&save, Some(&bytes), &[], 1, number as u64), Some(&bytes))
            })
            .collect();
        for (number, frames) in frames.chunks(500).enumerate() {
            let stored: Value = own.send("/versions", &format!("op-{number}"), &frames.concat()).ok();
            assert!(stored["results"].as_array().unwrap().iter().all(|result| result["outcome"] == "head"));
        }
    }
    home.server.kill();
    // Each as if its handheld had named it.
    for (kind, fields) in [
        ("save", "'$.id', 'save-' || n.i, '$.key', 'game-' || n.i"),
        (
            "location",
            "'$.id', 'place-' || n.i, '$.save', 'save-' || n.i, '$.base', NULL, '$.brought', NULL,
             '$.path', '/retroarch/game-' || n.i || '/game-' || n.i || '.srm'",
        ),
    ] {
        let copy = format!(
            "INSERT INTO memos (owner, kind, name, text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
             SELECT m.owner, m.kind, '{kind}-' || n.i, json_set(m.text, {fields}) FROM memos AS m, n WHERE m.kind = 'retrosync.{kind}' RETURNING 1",
            MANY - 1
        );
        assert_eq!(sqlite(&home.server, &copy).lines().count(), MANY - 1);
    }
    home.server.run(&["--open-registration"]);
    let new = home.device();
    let files = data(&new.ask("GET", "/api/sync/files", None));
    assert_eq!((files["files"].as_array().unwrap().len(), &files["count"]), (MANY, &json!(MANY)));
    let keys =
        |lines: &[Value]| lines.iter().map(|line| line["saveKey"].to_string()).collect::<BTreeSet<_>>();
    let manifest = new.manifest();
    assert_eq!((manifest.len(), keys(&manifest).len()), (MANY, MANY), "each once");
    assert_eq!(home.saves().len(), MANY);
    let old = crate::bucket::Device { home: &home, user, id, access, secret, key };
    let listed = old.list();
    assert_eq!(listed.matches("<Key>").count(), MANY);
    assert!(listed.contains("<IsTruncated>false</IsTruncated>"), "and says so");
}

/// A body of so many bytes.
fn upload_of(home: &Home, key: &str, bytes: usize) -> Reply {
    let body =
        json!({"filePath": "x.srm", "action": "upload", "fileContent": "QUFB".repeat(bytes / 4)}).to_string();
    home.server.bare("POST", "/api/sync/files", &[("x-api-key", key)], Some(body.as_bytes()))
}

#[test]
fn a_save_larger_than_any_console_has_is_refused_and_five_large_ones_at_once_are_not() {
    let home = Home::new();
    let one = home.device();
    assert_eq!(error(&upload_of(&home, &one.key, 70 << 20)).0, 413);
    std::thread::scope(|scope| {
        let uploads: Vec<_> =
            (0..5).map(|_| scope.spawn(|| upload_of(&home, &one.key, 8 << 20).status)).collect();
        for upload in uploads {
            assert_eq!(upload.join().unwrap(), 200, "it waits for its turn");
        }
    });
    let peak = home.server.peak_memory_bytes();
    assert!(peak < 512 << 20, "{peak} bytes");
}

#[test]
fn an_account_ends_with_its_password_only_and_takes_nothing_of_others_along() {
    let home = Home::new();
    let device = home.device();
    device.upload(GBA, b"mine", THEN_MS);
    let mallory = crate::client::register(&home.server, "mallory@example.com");
    let theirs = |method: &str, path: &str, body: Option<Value>| {
        let bearer = format!("Bearer {mallory}");
        let body = body.map(|body| body.to_string());
        home.server.bare(method, path, &[("authorization", &bearer)], body.as_deref().map(str::as_bytes))
    };
    assert_eq!(error(&theirs("DELETE", "/api/account", None)), (400, "Required".into()));
    let wrong = json!({"password": "Wrong horse 1"});
    assert_eq!(error(&theirs("DELETE", "/api/account", Some(wrong))), (401, "Incorrect password".into()));
    assert_eq!(theirs("GET", "/api/account", None).status, 200, "still there");
    let nobody = home.server.bare("DELETE", "/api/account", &[], Some(b"{\"password\":\"x\"}"));
    assert_eq!(error(&nobody), (401, "Unauthorized".into()));
    assert_eq!(
        data(&theirs("DELETE", "/api/account", Some(json!({"password": PASSWORD})))),
        json!({"ok": true})
    );
    assert_eq!(error(&theirs("GET", "/api/account", None)), (401, "Unauthorized".into()));
    let login = json!({"email": "mallory@example.com", "password": PASSWORD});
    assert_eq!(error(&post(&home.server, "/api/auth/login", &login)).0, 401);
    assert_eq!(device.line(GBA).unwrap()["latestVersion"]["byteSize"], 4, "ada's is as it was");
    // Ada's own: her handheld is out with it.
    assert_eq!(
        data(&home.user("DELETE", "/api/account", Some(&json!({"password": PASSWORD})))),
        json!({"ok": true})
    );
    assert_eq!(error(&device.send(GBA, b"more", THEN_MS)), (401, "Invalid API key".into()));
    let again = json!({"email": EMAIL, "password": PASSWORD, "name": "Ada"});
    assert_eq!(post(&home.server, "/api/auth/register", &again).status, 200, "the address is free again");
    assert_eq!(home.server.cli(&["check"]).status.code(), Some(0));
}

#[test]
fn a_server_of_ones_own_starts_from_nothing_or_from_an_empty_database() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/catalog.sqlite"), b"").unwrap();
    let server = Server::start_in(folder, &["--open-registration"]);
    let login = crate::client::register(&server, EMAIL);
    let home = Home { server, login };
    let (one, two) = (home.device(), home.device());
    one.upload(GBA, b"hour 1", THEN_MS);
    let found = two.manifest();
    assert_eq!(found.len(), 1, "every table is there");
    one.ask(
        "POST",
        "/api/sync/heartbeat",
        Some(&json!({"scanPaths": [{"path": "/roms", "kind": "default"}]})),
    );
    let version = found[0]["latestVersion"]["id"].as_str().unwrap();
    assert_eq!(two.download(version).body, b"hour 1");
}
