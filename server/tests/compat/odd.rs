//! Whatever comes in, each endpoint answers in their envelope and refuses what it cannot use; nothing falls over.

use serde_json::{Value, json};

use crate::client::{Home, THEN_MS};

/// Every field that any endpoint reads.
const FIELDS: &[&str] = &[
    "action",
    "code",
    "contentHash",
    "currentPassword",
    "deviceId",
    "deviceName",
    "deviceType",
    "email",
    "errorMsg",
    "fileContent",
    "filePath",
    "fileSize",
    "id",
    "localModifiedAt",
    "localPath",
    "metadata",
    "name",
    "newPassword",
    "password",
    "path",
    "saveId",
    "saveKey",
    "saveLocationId",
    "scanPaths",
    "status",
    "syncEnabled",
    "syncMode",
    "syncStrategy",
];

const OF_AN_UPLOAD: &[&str] = &[
    "action",
    "contentHash",
    "fileContent",
    "filePath",
    "fileSize",
    "localModifiedAt",
    "localPath",
    "saveKey",
];

const ENDPOINTS: &[(&str, &str)] = &[
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/register"),
    ("PATCH", "/api/account"),
    ("POST", "/api/devices/code"),
    ("POST", "/api/devices/status"),
    ("POST", "/api/devices/pair"),
    ("POST", "/api/devices/pair-by-device-id"),
    ("POST", "/api/devices/check-pairing"),
    ("POST", "/api/devices/auto-pair"),
    ("PATCH", "/api/devices"),
    ("POST", "/api/devices/scan-paths"),
    ("POST", "/api/sync/heartbeat"),
    ("POST", "/api/sync/files"),
    ("POST", "/api/sync/log"),
    ("PATCH", "/api/saves/set-sync-mode"),
    ("PATCH", "/api/saves/set-sync-strategy"),
    ("PATCH", "/api/saves/toggle-sync"),
];

fn odd_values() -> Vec<Value> {
    let long = "x".repeat(5000);
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!([]),
        json!([{"path": 5, "kind": []}, null, "x"]),
        json!({"a": {"b": []}}),
        json!(""),
        json!(long),
        json!("a\u{0}b\r\n"),
        json!("../../etc/passwd"),
        json!("\\\\?\\C:\\x"),
        json!("💾 \u{202e} Ａ\u{301}"),
        json!("."),
        json!(".srm"),
        json!("/"),
        json!("2026-99-99T99:99:99Z"),
        json!("2026-11-20T13:16:21.11éZ"),
    ]
}

#[test]
fn odd_values_in_every_field_of_every_endpoint_are_refused_or_borne() {
    let home = Home::new();
    let one = home.device();
    let bearer = format!("Bearer {}", home.login);
    let headers = [("authorization", bearer.as_str()), ("x-api-key", one.key.as_str())];
    let whole = json!({"action": "upload", "filePath": "x.srm", "fileContent": "QUFBQQ==", "localPath": "/saves/x.srm",
        "localModifiedAt": THEN_MS, "status": "success"});
    for (method, path) in ENDPOINTS {
        for odd in odd_values() {
            // All at once, and one after the other in an upload that is right otherwise.
            let mut bodies =
                vec![Value::Object(FIELDS.iter().map(|field| ((*field).to_owned(), odd.clone())).collect())];
            if *path == "/api/sync/files" {
                for field in OF_AN_UPLOAD {
                    let mut body = whole.clone();
                    body[*field] = odd.clone();
                    bodies.push(body);
                }
            }
            for body in bodies {
                let reply = home.server.bare(method, path, &headers, Some(body.to_string().as_bytes()));
                let what = format!("{method} {path} {}: {} {}", shortened(&body), reply.status, reply.text());
                assert!(reply.status < 500, "{what}");
                let said = reply.json();
                assert_eq!(said["success"], reply.status == 200, "{what}");
                assert!(said["success"] == true || said["error"].is_string(), "{what}");
            }
        }
        for text in ["", "{", "[]", "5", "\u{0}", "{\"a\":"] {
            let reply = home.server.bare(method, path, &headers, Some(text.as_bytes()));
            assert!(
                [200, 400, 401, 429, 500].contains(&reply.status),
                "{method} {path} {text:?}: {}",
                reply.text()
            );
        }
    }
    // What was borne can still be read.
    assert_eq!(one.ask("GET", "/api/sync/manifest", None).status, 200);
    assert_eq!(home.user("GET", "/api/saves", None).status, 200);
    assert_eq!(home.user("GET", "/api/sync/log?limit=x&offset=-1", None).status, 200);
}

fn shortened(body: &Value) -> String {
    body.to_string().chars().take(200).collect()
}

#[test]
fn odd_parameters_are_refused_or_borne() {
    let home = Home::new();
    let one = home.device();
    let bearer = format!("Bearer {}", home.login);
    let headers =
        [("authorization", bearer.as_str()), ("x-api-key", one.key.as_str()), ("accept", "application/json")];
    let odd = [
        "",
        "%00",
        "%ff%fe",
        "../..",
        "'%20OR%201=1",
        "%F0%9F%92%BE",
        "00000000-0000-4000-8000-000000000000",
    ];
    for (method, path) in [
        ("GET", "/api/sync/download?saveVersionId="),
        ("GET", "/api/sync/files?emulator="),
        ("GET", "/api/saves/download?filePath="),
        ("GET", "/api/saves/object?ticket="),
        ("GET", "/api/devices/scan-paths?deviceId="),
        ("DELETE", "/api/devices/scan-paths?pathId="),
        ("DELETE", "/api/devices?id="),
        ("DELETE", "/api/saves?saveId="),
        ("GET", "/retrosync-saves?prefix="),
        ("GET", "/retrosync-saves/"),
        ("PUT", "/retrosync-saves/x"),
    ] {
        for value in odd {
            let reply = home.server.bare(method, &format!("{path}{value}"), &headers, None);
            assert!(reply.status < 500, "{method} {path}{value}: {} {}", reply.status, reply.text());
        }
    }
}
