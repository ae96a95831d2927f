//! Transcripts: each endpoint's answer with what changes from run to run masked, field by field in its order.

use serde_json::json;

use crate::client::{EMAIL, Home, PASSWORD, THEN_MS, data, error, post};
use crate::support::{Reply, Server};

/// The body with ids, keys and times masked.
fn masked(reply: &Reply) -> String {
    let text = reply.text();
    let mut shown = String::new();
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            shown.push('"');
        }
        shown.push_str(&if index % 2 == 1 { mask(part) } else { mask_numbers(part) });
    }
    shown
}

fn mask(text: &str) -> String {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_uuid =
        |text: &str| text.len() == 36 && text.matches('-').count() == 4 && hex(&text.replace('-', ""));
    if text.contains('/') && text.split('/').any(is_uuid) {
        return text.split('/').map(mask).collect::<Vec<_>>().join("/");
    }
    match text {
        _ if is_uuid(text) => "<id>".into(),
        _ if text.len() == 64 && hex(text) => "<hex>".into(),
        _ if text.len() == 24 && text.ends_with('Z') && text.contains('T') => "<time>".into(),
        _ if text.starts_with("eyJ") && text.matches('.').count() == 2 => "<jwt>".into(),
        _ => text.into(),
    }
}

/// Times in milliseconds.
fn mask_numbers(text: &str) -> String {
    let mut shown = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        let rest = &part[digits.len()..];
        shown.push_str(if digits.len() == 13 { "<ms>" } else { digits });
        shown.push_str(rest);
    }
    shown
}

#[track_caller]
pub fn says(reply: &Reply, expected: &str) {
    assert_eq!((reply.status, masked(reply).as_str()), (200, expected));
}

#[test]
fn accounts_are_answered_to_the_letter() {
    let server = Server::start();
    let account = json!({"email": EMAIL, "password": PASSWORD, "name": "Test"});
    let user = r#""user":{"id":"<id>","email":"ada@example.com","name":"Test","subscriptionTier":"paid","createdAt":"<time>"},"token":"<jwt>""#;
    let reply = post(&server, "/api/auth/register", &account);
    says(
        &reply,
        &format!(r#"{{"success":true,"data":{{{user}}},"message":"User registered successfully"}}"#),
    );
    let reply = post(&server, "/api/auth/login", &account);
    says(&reply, &format!(r#"{{"success":true,"data":{{{user}}},"message":"Login successful"}}"#));
    let login = data(&reply)["token"].as_str().unwrap().to_owned();
    let home = Home { server, login };
    says(
        &home.user("GET", "/api/account", None),
        r#"{"success":true,"data":{"subscriptionTier":"paid","email":"ada@example.com","name":"Test","createdAt":"<time>"}}"#,
    );
    let rename = home.user("PATCH", "/api/account", Some(&json!({"name": "Ada"})));
    says(&rename, r#"{"success":true,"data":{"ok":true}}"#);
    let rows = [
        (json!({"email": "b@example.com", "password": "short"}), "Password must be at least 10 characters"),
        (json!({"email": "b@example.com"}), "Required"),
        (json!({"email": 5, "password": PASSWORD}), "Expected string, received number"),
    ];
    for (body, text) in rows {
        assert_eq!(error(&post(&home.server, "/api/auth/register", &body)), (400, text.into()));
    }
    let wrong = post(&home.server, "/api/auth/login", &json!({"email": EMAIL, "password": "wrong"}));
    assert_eq!(error(&wrong), (401, "Invalid email or password".into()));
    assert_eq!(
        error(&home.user("PATCH", "/api/account", Some(&json!({})))),
        (400, "No updates provided".into())
    );
    assert_eq!(error(&home.server.bare("GET", "/api/account", &[], None)), (401, "Unauthorized".into()));
    assert_eq!(error(&post(&home.server, "/api/upgrade/checkout", &json!({}))).0, 503);
}

#[test]
fn a_devices_day_is_answered_to_the_letter() {
    let home = Home::new();
    let one = home.device();
    let path = "/mnt/mmc/MUOS/save/file/mGBA/Pokemon Emerald.srm";
    let stored = one.send(path, b"AAAA", THEN_MS);
    says(
        &stored,
        r#"{"success":true,"data":{"message":"File uploaded and indexed successfully","s3Key":"<id>/saves/<id>/versions/<id>","uploaded":true,"saveId":"<id>","saveVersionId":"<id>","contentHash":"<hex>"}}"#,
    );
    says(
        &one.send(path, b"AAAA", THEN_MS),
        r#"{"success":true,"data":{"message":"Path registered - content already exists","skipped":true,"uploaded":false,"pathAdded":true,"saveId":"<id>","saveVersionId":"<id>","contentHash":"<hex>"}}"#,
    );
    let two = home.device();
    let latest = r#""latestVersion":{"id":"<id>","contentHash":"<hex>","byteSize":4,"localModifiedAt":"<time>","localModifiedAtMs":<ms>,"uploadedAt":"<time>","uploadedAtMs":<ms>}"#;
    says(
        &two.ask("GET", "/api/sync/manifest", None),
        &format!(
            r#"{{"success":true,"data":{{"device":{{"id":"<id>","deviceType":"other"}},"manifest":[{{"saveId":"<id>","saveKey":"Pokemon Emerald","displayName":"Pokemon Emerald","localPath":null,"deviceType":"other","needsMapping":true,{latest}}}],"count":1,"mappedCount":0,"unmappedCount":1}}}}"#
        ),
    );
    let line = two.manifest().remove(0);
    assert_eq!(line["latestVersion"]["localModifiedAtMs"], THEN_MS);
    assert_eq!(line["latestVersion"]["localModifiedAt"], "2025-11-20T13:16:21.000Z");
    let download = two.download(line["latestVersion"]["id"].as_str().unwrap());
    assert_eq!((download.status, download.body.as_slice()), (200, &b"AAAA"[..]));
    let headers = ["content-type", "content-length", "x-save-hash", "x-save-local-modified-at"];
    assert_eq!(
        headers.map(|name| download.header(name).to_owned()),
        [
            "application/octet-stream",
            "4",
            "63c1dd951ffedf6f7fd968ad4efa39b8ed584f162f46e715114ee184f8de9201",
            "2025-11-20T13:16:21.000Z"
        ]
    );
    assert_eq!(download.header("x-save-version-id"), line["latestVersion"]["id"]);
    assert_eq!(download.header("x-save-id"), line["saveId"]);
    says(
        &one.ask("GET", "/api/sync/files", None),
        r#"{"success":true,"data":{"files":[{"key":"<id>/saves/<id>/versions/<id>","size":4,"lastModified":"<time>"}],"count":1}}"#,
    );
    let event = json!({"action": "upload", "filePath": "/x/y.srm", "fileSize": 4, "status": "success",
        "errorMsg": null, "metadata": null});
    says(
        &one.ask("POST", "/api/sync/log", Some(&event)),
        r#"{"success":true,"data":{"logId":"<id>","createdAt":"<time>"},"message":"Sync event logged successfully"}"#,
    );
    let name =
        data(&home.user("GET", "/api/devices", None))["devices"][1]["name"].as_str().unwrap().to_owned();
    says(
        &home.user("GET", "/api/sync/log?limit=1", None),
        &format!(
            r#"{{"success":true,"data":{{"logs":[{{"id":"<id>","deviceId":"<id>","action":"upload","filePath":"/x/y.srm","fileSize":4,"status":"success","errorMsg":null,"metadata":null,"createdAt":"<time>","saveId":null,"saveVersionId":null,"device":{{"id":"<id>","name":"{name}","deviceType":"other"}}}}],"total":3,"limit":1,"offset":0}}}}"#
        ),
    );
}

#[test]
fn the_heartbeat_and_scan_paths_are_answered_to_the_letter() {
    let home = Home::new();
    let one = home.device();
    let name =
        data(&home.user("GET", "/api/devices", None))["devices"][0]["name"].as_str().unwrap().to_owned();
    let beat = |paths: &str| {
        format!(
            r#"{{"success":true,"data":{{"deviceId":"<id>","deviceName":"{name}","lastSyncAt":"<time>","scanPaths":[{paths}]}},"message":"Heartbeat received"}}"#
        )
    };
    says(&one.ask("POST", "/api/sync/heartbeat", None), &beat(""));
    let of = |path: &str, kind: &str, source: &str| {
        format!(
            r#"{{"id":"<id>","deviceId":"<id>","path":"{path}","kind":"{kind}","source":"{source}","createdAt":"<time>","updatedAt":"<time>"}}"#
        )
    };
    let sent = json!({"scanPaths": [{"path": " /mnt/mmc/MUOS/save/file/ ", "kind": "default"}, {"path": "/x", "kind": "odd"}]});
    let own = of("/mnt/mmc/MUOS/save/file", "default", "device");
    says(&one.ask("POST", "/api/sync/heartbeat", Some(&sent)), &beat(&own));
    let added = json!({"deviceId": one.id, "path": "/mnt/sdcard/x"});
    let theirs = of("/mnt/sdcard/x", "custom", "user");
    let reply = home.user("POST", "/api/devices/scan-paths", Some(&added));
    says(&reply, &format!(r#"{{"success":true,"data":{{"path":{theirs}}}}}"#));
    let sent = json!({"scanPaths": [{"path": "/other", "kind": "default"}]});
    let other = of("/other", "default", "device");
    let reply = one.ask("POST", "/api/sync/heartbeat", Some(&sent));
    says(&reply, &beat(&format!("{other},{theirs}")));
    says(
        &one.ask("GET", "/api/devices/scan-paths", None),
        &format!(r#"{{"success":true,"data":{{"paths":[{other},{theirs}]}}}}"#),
    );
    let id =
        data(&one.ask("GET", "/api/devices/scan-paths", None))["paths"][1]["id"].as_str().unwrap().to_owned();
    let gone = home.user("DELETE", &format!("/api/devices/scan-paths?pathId={id}"), None);
    says(&gone, r#"{"success":true,"data":{"success":true}}"#);
    assert_eq!(one.ask("POST", "/api/sync/heartbeat", Some(&json!("no object"))).status, 200);
}

#[test]
fn saves_and_devices_are_answered_to_the_letter() {
    let home = Home::new();
    let one = home.device();
    one.upload("/mnt/mmc/MUOS/save/file/mGBA/Hash.srm", b"12345", THEN_MS);
    let devices = home.user("GET", "/api/devices", None);
    let name = data(&devices)["devices"][0]["name"].as_str().unwrap().to_owned();
    says(
        &devices,
        &format!(
            r#"{{"success":true,"data":{{"devices":[{{"id":"<id>","name":"{name}","deviceType":"other","lastSyncAt":"<time>","isActive":true,"createdAt":"<time>","updatedAt":"<time>"}}]}}}}"#
        ),
    );
    let listed = home.user("GET", "/api/saves", None);
    let saves = data(&listed)["saves"].clone();
    says(
        &listed,
        &format!(
            r#"{{"success":true,"data":{{"saves":[{{"id":"<id>","saveKey":"Hash","displayName":"Hash","fileSize":5,"lastModifiedAt":"<time>","uploadedAt":"<time>","syncStrategy":"shared","locations":[{{"id":"<id>","deviceId":"<id>","deviceName":"{name}","deviceType":"other","localPath":"/mnt/mmc/MUOS/save/file/mGBA/Hash.srm","syncMode":"sync","isLatest":true,"latestModifiedAt":"<time>","modifiedAt":"<time>","uploadedAt":"<time>"}}],"latestVersionDevice":{{"id":"<id>","name":"{name}","deviceType":"other"}}}}],"count":1}}}}"#
        ),
    );
    let (save, place) = (saves[0]["id"].clone(), saves[0]["locations"][0]["id"].clone());
    let mode = json!({"saveLocationId": place, "syncMode": "upload_only"});
    says(
        &home.user("PATCH", "/api/saves/set-sync-mode", Some(&mode)),
        &format!(
            r#"{{"success":true,"data":{{"saveLocation":{{"id":"<id>","deviceId":"<id>","deviceName":"{name}","deviceType":"other","localPath":"/mnt/mmc/MUOS/save/file/mGBA/Hash.srm","syncEnabled":true,"syncMode":"upload_only"}}}}}}"#
        ),
    );
    let strategy = json!({"saveId": save, "syncStrategy": "per_device"});
    says(
        &home.user("PATCH", "/api/saves/set-sync-strategy", Some(&strategy)),
        r#"{"success":true,"data":{"save":{"id":"<id>","saveKey":"Hash","displayName":"Hash","syncStrategy":"per_device"}}}"#,
    );
    let rename = json!({"id": one.id, "name": "My Mini"});
    says(
        &home.user("PATCH", "/api/devices", Some(&rename)),
        r#"{"success":true,"data":{"message":"Device updated successfully"}}"#,
    );
    let link = data(&home.user("GET", "/api/saves/download?filePath=Hash", None))["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = link.strip_prefix(&home.server.url).unwrap();
    assert_eq!(home.server.bare("GET", path, &[], None).body, b"12345");
    let gone = home.user("DELETE", &format!("/api/saves?saveId={}", save.as_str().unwrap()), None);
    says(&gone, r#"{"success":true,"data":{"message":"Save file deleted successfully","deletedCount":1}}"#);
    let gone = home.user("DELETE", &format!("/api/devices?id={}", one.id), None);
    says(&gone, r#"{"success":true,"data":{"message":"Device deleted successfully"}}"#);
}

#[test]
fn refusals_are_answered_to_the_letter() {
    let home = Home::new();
    let one = home.device();
    let none = |method: &str, path: &str| home.server.bare(method, path, &[], Some(b"{}"));
    assert_eq!(error(&none("POST", "/api/sync/files")), (401, "API key is required".into()));
    let wrong = home.server.bare("GET", "/api/sync/manifest", &[("x-api-key", "nonsense")], None);
    assert_eq!(error(&wrong), (401, "Invalid API key".into()));
    let upload = |body: &str| {
        home.server.bare("POST", "/api/sync/files", &[("x-api-key", &one.key)], Some(body.as_bytes()))
    };
    assert_eq!(error(&upload("{")), (500, "Failed to upload file".into()));
    assert_eq!(error(&upload("{}")), (400, "filePath and action are required".into()));
    assert_eq!(
        error(&upload(r#"{"filePath":"../x.srm","action":"upload"}"#)),
        (400, "Invalid file path".into())
    );
    let cut = r#"{"filePath":"x.srm","action":"upload","fileContent":"QUFBQ"}"#;
    assert_eq!(error(&upload(cut)), (400, "Invalid file content".into()));
    says(
        &upload(r#"{"filePath":"x.srm","action":"delete"}"#),
        r#"{"success":true,"data":{"message":"File sync logged (upload may have failed)","s3Key":null,"uploaded":false}}"#,
    );
    let event = json!({"action": "dance", "filePath": "x"});
    assert_eq!(error(&one.ask("POST", "/api/sync/log", Some(&event))).0, 400);
    let json = [("x-api-key", one.key.as_str()), ("accept", "application/json")];
    let ask = |path: &str| home.server.bare("GET", path, &json, None);
    assert_eq!(error(&ask("/api/sync/download")), (400, "saveVersionId is required".into()));
    let unknown = "/api/sync/download?saveVersionId=63c1dd95-1ffe-4f6f-8fd9-68ad4efa39b8";
    assert_eq!(error(&ask(unknown)), (401, "Save version not found".into()));
    let missing = json!({"saveId": "nothing", "syncStrategy": "shared"});
    assert_eq!(error(&home.user("PATCH", "/api/saves/set-sync-strategy", Some(&missing))).0, 404);
    assert_eq!(home.server.bare("PUT", "/api/sync/files", &[], None).status, 405);
}
