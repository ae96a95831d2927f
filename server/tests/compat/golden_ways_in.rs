//! Transcripts of how their devices come in: codes that a device shows or the dashboard makes, six digits of a device, and a
//! day of the first generation.

use serde_json::{Value, json};

use crate::client::{Home, PASSWORD, data, error, post, register};
use crate::golden::says;
use crate::pairing::sqlite;
use crate::support::Reply;

/// A field of the answer, as a text.
fn field(reply: &Reply, path: &str) -> String {
    reply.json().pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{}", reply.text())).into()
}

#[test]
fn a_code_that_a_device_shows_is_answered_to_the_letter() {
    let home = Home::new();
    let shown = post(&home.server, "/api/devices/code", &json!({"deviceType": "miyoo_flip"}));
    let code = field(&shown, "/data/code");
    let made = format!(
        r#"{{"success":true,"data":{{"code":"{code}","expiresAt":"<time>"}},"message":"Code generated successfully"}}"#
    );
    says(&shown, &made);
    let status = || post(&home.server, "/api/devices/status", &json!({"code": code}));
    let waiting = r#"{"success":true,"data":{"status":"waiting","message":"Waiting for user to enter code on dashboard"},"message":"Code not yet linked"}"#;
    says(&status(), waiting);
    let typed = home.user("POST", "/api/devices/pair", Some(&json!({"code": code})));
    let linked = format!(
        r#"{{"success":true,"data":{{"code":"{code}","linked":true}},"message":"Code linked to your account. Your device will connect automatically."}}"#
    );
    says(&typed, &linked);
    let paired = status();
    let name = field(&paired, "/data/device/name");
    let with = |message: &str| {
        format!(
            r#"{{"success":true,"data":{{"status":"paired","apiKey":"<hex>","userId":"<id>","device":{{"id":"<id>","name":"{name}","deviceType":"miyoo_flip"}}}},"message":"{message}"}}"#
        )
    };
    says(&paired, &with("Device paired successfully"));
    says(&status(), &with("Device already paired"));
    let rows = [
        (json!({"code": "ZZZZZZ"}), (404, "Code not found"), "a code of nobody"),
        (json!({"code": "ABC"}), (400, "Code must be 6 characters"), "half a code"),
        (json!({}), (400, "Required"), "none"),
        (json!({"code": 5}), (400, "Expected string, received number"), "a number"),
    ];
    for (body, (status, text), what) in rows {
        assert_eq!(error(&post(&home.server, "/api/devices/status", &body)), (status, text.into()), "{what}");
    }
    let unknown = home.user("POST", "/api/devices/pair", Some(&json!({"code": "ZZZZZZ"})));
    assert_eq!(error(&unknown), (404, "Invalid code".into()));
}

#[test]
fn a_code_of_the_dashboard_and_its_picture_are_answered_to_the_letter() {
    let home = Home::new();
    let made = home.user("POST", "/api/devices/create-pairing-code", None);
    let (code, picture) = (field(&made, "/data/code"), field(&made, "/data/qrCode"));
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
    let expected = format!(
        r#"{{"success":true,"data":{{"code":"{code}","expiresAt":"<time>","qrCode":"{picture}"}},"message":"Pairing code generated successfully"}}"#
    );
    says(&made, &expected);
    assert_eq!(read(&picture), format!(r#"{{"code":"{code}","apiUrl":"{}"}}"#, home.server.url));
    let paired = post(&home.server, "/api/devices/status", &json!({"code": code}));
    let name = field(&paired, "/data/device/name");
    says(
        &paired,
        &format!(
            r#"{{"success":true,"data":{{"status":"paired","apiKey":"<hex>","userId":"<id>","device":{{"id":"<id>","name":"{name}","deviceType":"other"}}}},"message":"Device paired successfully"}}"#
        ),
    );
}

/// What the QR code of a `data:` address says, read from the PNG's pixels.
fn read(address: &str) -> String {
    let file = unbase64(address.strip_prefix("data:image/png;base64,").unwrap());
    let mut rest = file.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap();
    let (mut side, mut rows) = (0, Vec::new());
    while let [a, b, c, d, n0, n1, n2, n3, after @ ..] = rest {
        let (bytes, tail) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        match &[*n0, *n1, *n2, *n3] {
            b"IHDR" => side = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize,
            b"IDAT" => rows = miniz_oxide::inflate::decompress_to_vec_zlib(bytes).unwrap(),
            _ => {}
        }
        rest = &tail[4..];
    }
    let grey = |x: usize, y: usize| rows[y * (side + 1) + 1 + x];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, grey);
    image.detect_grids().remove(0).decode().unwrap().1
}

fn unbase64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(text.len() % 4, 0, "padded");
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').chars() {
        word = word << 6 | ALPHABET.find(letter).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    bytes
}

#[test]
fn six_digits_of_a_device_are_answered_to_the_letter() {
    let home = Home::new();
    let digits = json!({"deviceId": "482913"});
    let ask = |path: &str| post(&home.server, path, &digits);
    let nothing = r#"{"success":true,"data":{"paired":false,"ready":false},"message":"No pairing code found. Waiting for user to enter code on dashboard."}"#;
    says(&ask("/api/devices/auto-pair"), nothing);
    let unexpected = r#"{"success":true,"data":{"hasPairingCode":false},"message":"No pairing code found"}"#;
    says(&ask("/api/devices/check-pairing"), unexpected);
    let typed = home.user("POST", "/api/devices/pair-by-device-id", Some(&digits));
    let code = field(&typed, "/data/code");
    says(
        &typed,
        &format!(
            r#"{{"success":true,"data":{{"message":"Pairing code created. Device will detect it automatically.","code":"{code}","deviceIdentifier":"482913"}},"message":"Device code registered successfully"}}"#
        ),
    );
    // Theirs also tells everybody the code and the user.
    let expected = r#"{"success":true,"data":{"hasPairingCode":true},"message":"Pairing code found"}"#;
    says(&ask("/api/devices/check-pairing"), expected);
    let paired = ask("/api/devices/auto-pair");
    let name = field(&paired, "/data/device/name");
    says(
        &paired,
        &format!(
            r#"{{"success":true,"data":{{"paired":true,"apiKey":"<hex>","device":{{"id":"<id>","name":"{name}","deviceType":"other"}}}},"message":"Device paired successfully"}}"#
        ),
    );
    let short = json!({"deviceId": "4829"});
    for path in ["/api/devices/auto-pair", "/api/devices/check-pairing"] {
        let refused = error(&post(&home.server, path, &short));
        assert_eq!(refused, (400, "Device ID must be 6 digits".into()), "{path}");
    }
}

#[test]
fn an_account_that_may_have_no_more_devices_is_told_402_in_their_envelope() {
    let mut home = Home::new();
    home.device();
    home.server.stop();
    sqlite(&home, "UPDATE users SET quota_devices = 1");
    home.server.run(&["--open-registration"]);
    let full = r#"{"success":false,"error":"the account's limit of 1 devices is reached"}"#;
    let shown = post(&home.server, "/api/devices/code", &json!({}));
    let body = json!({"code": field(&shown, "/data/code")});
    home.user("POST", "/api/devices/pair", Some(&body));
    let refused = post(&home.server, "/api/devices/status", &body);
    assert_eq!((refused.status, refused.text().as_str()), (402, full));
}

#[test]
fn a_day_of_the_first_generation_is_answered_to_the_letter() {
    let home = Home::new();
    let code = field(&home.user("POST", "/api/devices/create-pairing-code", None), "/data/code");
    let body = json!({"code": code, "deviceName": "Dev A", "deviceType": "linux"});
    let paired = post(&home.server, "/api/devices/pair", &body);
    let [key, access, secret] = ["apiKey", "s3Config/accessKeyId", "s3Config/secretAccessKey"]
        .map(|name| field(&paired, &format!("/data/{name}")));
    let url = &home.server.url;
    says(
        &paired,
        &format!(
            r#"{{"success":true,"data":{{"device":{{"id":"<id>","name":"Dev A","deviceType":"linux"}},"userId":"<id>","apiKey":"<hex>","s3Config":{{"endpoint":"{url}","accessKeyId":"{access}","secretAccessKey":"{secret}","bucket":"retrosync-saves"}}}},"message":"Device paired successfully"}}"#
        ),
    );
    let again = post(&home.server, "/api/devices/pair", &body);
    assert_eq!(error(&again), (400, "Pairing code has already been used".into()));
    let unknown = json!({"code": "999999", "deviceName": "Dev A", "deviceType": "linux"});
    let refused = post(&home.server, "/api/devices/pair", &unknown);
    assert_eq!(error(&refused), (404, "Invalid pairing code".into()));
    let ask = |method: &str, path: &str, body: Option<&Value>| {
        let body = body.map(Value::to_string);
        home.server.bare(method, path, &[("X-API-Key", &key)], body.as_deref().map(str::as_bytes))
    };
    says(
        &ask("POST", "/api/sync/heartbeat", None),
        r#"{"success":true,"data":{"deviceId":"<id>","deviceName":"Dev A","lastSyncAt":"<time>","scanPaths":[]},"message":"Heartbeat received"}"#,
    );
    // As their client writes it; its own server refuses the nulls.
    let event = json!({"action": "upload", "filePath": "/saves/a.srm", "fileSize": null, "status": "success",
        "errorMsg": null, "metadata": null});
    says(
        &ask("POST", "/api/sync/log", Some(&event)),
        r#"{"success":true,"data":{"logId":"<id>","createdAt":"<time>"},"message":"Sync event logged successfully"}"#,
    );
    let told = json!({"filePath": "a.srm", "fileSize": 4, "action": "upload"});
    says(
        &ask("POST", "/api/sync/files", Some(&told)),
        r#"{"success":true,"data":{"message":"File sync logged (upload may have failed)","s3Key":null,"uploaded":false}}"#,
    );
    says(&ask("GET", "/api/sync/files", None), r#"{"success":true,"data":{"files":[],"count":0}}"#);
}

#[test]
fn an_account_that_goes_is_answered_to_the_letter() {
    let home = Home::new();
    // The only admin cannot go.
    let home = Home { login: register(&home.server, "bob@example.com"), ..home };
    let ask = |body: &Value| home.user("DELETE", "/api/account", Some(body));
    assert_eq!(error(&ask(&json!({}))), (400, "Required".into()));
    assert_eq!(error(&ask(&json!({"password": "wrong"}))), (401, "Incorrect password".into()));
    says(&ask(&json!({"password": PASSWORD})), r#"{"success":true,"data":{"ok":true}}"#);
    assert_eq!(error(&home.user("GET", "/api/account", None)), (401, "Unauthorized".into()));
    let login = json!({"email": "bob@example.com", "password": PASSWORD});
    let gone = post(&home.server, "/api/auth/login", &login);
    assert_eq!(error(&gone), (401, "Invalid email or password".into()));
}

#[test]
fn the_switch_of_a_place_and_the_matching_are_answered_to_the_letter() {
    let home = Home::new();
    let (one, two) = (home.device(), home.device());
    let path = "/mnt/mmc/MUOS/save/file/mGBA/Hash.srm";
    one.upload(path, b"12345", crate::client::THEN_MS);
    two.upload(path, b"12345", crate::client::THEN_MS);
    one.upload("/mnt/mmc/MUOS/save/file/mGBA/Other.srm", b"678", crate::client::THEN_MS);
    let saves = home.saves();
    let place = saves.iter().find(|save| save["saveKey"] == "Hash").unwrap()["locations"][0].clone();
    let name = place["deviceName"].as_str().unwrap();
    for (enabled, mode) in [(false, "disabled"), (true, "sync")] {
        let body = json!({"saveLocationId": place["id"], "syncEnabled": enabled});
        let expected = format!(
            r#"{{"success":true,"data":{{"saveLocation":{{"id":"<id>","deviceId":"<id>","deviceName":"{name}","deviceType":"other","localPath":"{path}","syncEnabled":{enabled},"syncMode":"{mode}"}}}}}}"#
        );
        says(&home.user("PATCH", "/api/saves/toggle-sync", Some(&body)), &expected);
    }
    let odd = json!({"saveLocationId": place["id"], "syncEnabled": "yes"});
    assert_eq!(error(&home.user("PATCH", "/api/saves/toggle-sync", Some(&odd))).0, 400);
    let matching = home.user("GET", "/api/saves/verify-matching", None);
    let versions = data(&matching)["summary"]["totalVersions"].clone();
    assert_eq!(versions, 2, "two contents");
    says(
        &matching,
        r#"{"success":true,"data":{"summary":{"totalSaves":2,"multiDeviceSaves":1,"singleDeviceSaves":1,"totalVersions":2,"versionsWithRealMtime":2,"hashMismatches":0},"multiDeviceSaves":[{"saveId":"<id>","saveKey":"Hash","devices":2}],"hashMismatches":[],"timestampIssues":{}}}"#,
    );
}
