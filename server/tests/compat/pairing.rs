//! The ways in, and who must not come in.

use serde_json::{Value, json};

use crate::client::{Home, PASSWORD, data, error, post, register};

fn code(home: &Home) -> String {
    let made = post(&home.server, "/api/devices/code", &json!({"deviceType": "a toaster"}));
    data(&made)["code"].as_str().unwrap().into()
}

fn status(home: &Home, code: &str) -> crate::support::Reply {
    post(&home.server, "/api/devices/status", &json!({"code": code}))
}

#[test]
fn a_device_shows_a_code_and_is_in_once_the_user_typed_it() {
    let home = Home::new();
    let shown = code(&home);
    assert!(shown.len() == 6 && shown.bytes().all(|b| b.is_ascii_alphanumeric()), "{shown}");
    let waiting = status(&home, &shown).json();
    assert_eq!(
        waiting,
        json!({"success": true, "message": "Code not yet linked",
            "data": {"status": "waiting", "message": "Waiting for user to enter code on dashboard"}})
    );
    let typed = home.user("POST", "/api/devices/pair", Some(&json!({"code": shown.to_lowercase()})));
    assert_eq!(data(&typed), json!({"code": shown, "linked": true}));
    let paired = status(&home, &shown).json();
    assert_eq!(
        (&paired["message"], &paired["data"]["status"]),
        (&json!("Device paired successfully"), &json!("paired"))
    );
    let again = status(&home, &shown).json();
    assert_eq!(again["message"], "Device already paired");
    assert_eq!(again["data"], paired["data"], "a lost answer is given again for a while");
    let key = paired["data"]["apiKey"].as_str().unwrap();
    assert_eq!(home.server.bare("POST", "/api/sync/heartbeat", &[("x-api-key", key)], None).status, 200);
    let used = home.user("POST", "/api/devices/pair", Some(&json!({"code": shown})));
    assert_eq!(error(&used), (400, "Code has already been used".into()));
    let mallory = Home { login: register(&home.server, "mallory@example.com"), ..home };
    let other = mallory.user("POST", "/api/devices/pair", Some(&json!({"code": shown})));
    assert_eq!(error(&other), (400, "Code is already linked to another account".into()));
}

#[test]
fn a_key_is_told_for_two_minutes_and_is_nowhere_in_the_clear_after_that() {
    let mut home = Home::new();
    let shown = code(&home);
    home.user("POST", "/api/devices/pair", Some(&json!({"code": shown})));
    let key = data(&status(&home, &shown))["apiKey"].as_str().unwrap().to_owned();
    // As if it had been told three minutes ago.
    home.server.kill();
    change_memo(&home, &shown, |pairing| {
        pairing["told_unix_s"] = json!(pairing["told_unix_s"].as_i64().unwrap() - 180)
    });
    home.server.run(&["--open-registration"]);
    assert_eq!(error(&status(&home, &shown)), (400, "Code has expired".into()));
    home.server.stop();
    let catalog = std::fs::read(home.server.data().join("catalog.sqlite")).unwrap();
    let found = catalog.windows(64).filter(|bytes| *bytes == key.as_bytes()).count();
    assert!(found == 0 || is_free_space(&home, &key), "the key is in the catalog");
}

/// Is the key in no row any more? SQLite leaves what was removed in free space until it is written over.
fn is_free_space(home: &Home, key: &str) -> bool {
    let text = sqlite(home, "SELECT text FROM memos");
    !text.contains(key)
}

pub fn sqlite(home: &Home, sql: &str) -> String {
    let file = home.server.data().join("catalog.sqlite");
    let output = std::process::Command::new("python3")
        .args(["-c", "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nfor r in c.execute(sys.argv[2]): print(r[0])\nc.commit()"])
        .arg(file)
        .arg(sql)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn change_memo(home: &Home, code: &str, change: impl FnOnce(&mut Value)) {
    let text = sqlite(home, &format!("SELECT text FROM memos WHERE kind = 'code' AND name = '{code}'"));
    let mut pairing: Value = serde_json::from_str(text.trim()).unwrap();
    change(&mut pairing);
    sqlite(home, &format!("UPDATE memos SET text = '{pairing}' WHERE kind = 'code' AND name = '{code}'"));
}

#[test]
fn a_code_that_ran_out_while_the_handheld_was_off_works_again() {
    let mut home = Home::new();
    let shown = code(&home);
    home.server.kill();
    change_memo(&home, &shown, |pairing| {
        pairing["expires_unix_s"] = json!(pairing["expires_unix_s"].as_i64().unwrap() - 86_400)
    });
    home.server.run(&["--open-registration"]);
    let over = home.user("POST", "/api/devices/pair", Some(&json!({"code": shown})));
    assert_eq!(error(&over).0, 400);
    assert_eq!(data(&status(&home, &shown))["status"], "waiting");
    assert_eq!(data(&home.user("POST", "/api/devices/pair", Some(&json!({"code": shown}))))["linked"], true);
}

#[test]
fn a_guesser_of_codes_is_stopped_however_he_names_his_address() {
    let home = Home::new();
    let mut answers = Vec::new();
    for guess in 0..8 {
        let forwarded = format!("10.0.0.{guess}");
        let body = json!({"code": format!("{:06}", 111_111 + guess)}).to_string();
        let headers = [("x-forwarded-for", forwarded.as_str())];
        answers.push(home.server.bare("POST", "/api/devices/status", &headers, Some(body.as_bytes())).status);
    }
    assert_eq!(answers, [404, 404, 404, 404, 404, 429, 429, 429]);
    assert_eq!(error(&post(&home.server, "/api/devices/auto-pair", &json!({"deviceId": "111111"}))).0, 429);
    assert_eq!(
        error(&post(&home.server, "/api/devices/check-pairing", &json!({"deviceId": "111111"}))).0,
        429
    );
    let typed = home.user("POST", "/api/devices/pair", Some(&json!({"code": "AAAAAA"})));
    assert_eq!(error(&typed).0, 429);
}

#[test]
fn six_digits_of_a_device_let_one_device_in_and_tell_nobody_whose_they_are() {
    let home = Home::new();
    let auto = || post(&home.server, "/api/devices/auto-pair", &json!({"deviceId": "482913"}));
    let check = || data(&post(&home.server, "/api/devices/check-pairing", &json!({"deviceId": "482913"})));
    assert_eq!(data(&auto()), json!({"paired": false, "ready": false}));
    assert_eq!(check(), json!({"hasPairingCode": false}));
    let typed = home.user("POST", "/api/devices/pair-by-device-id", Some(&json!({"deviceId": "482913"})));
    assert_eq!(data(&typed)["deviceIdentifier"], "482913");
    assert_eq!(check(), json!({"hasPairingCode": true}), "neither the code nor the user");
    let paired = data(&auto());
    assert_eq!((&paired["paired"], paired["apiKey"].as_str().unwrap().len()), (&json!(true), 64));
    assert_eq!(check(), json!({"hasPairingCode": false}), "used once");
}

#[test]
fn nobody_comes_in_with_a_forged_login_or_after_another_password() {
    let home = Home::new();
    let parts: Vec<&str> = home.login.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let forged = [
        format!("{none}.{}.", parts[1]),
        format!("{}.{}.AAAA", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        "a.b.c".into(),
    ];
    for login in forged {
        let bearer = format!("Bearer {login}");
        let reply = home.server.bare("GET", "/api/saves", &[("authorization", &bearer)], None);
        assert_eq!(error(&reply), (401, "Unauthorized".into()), "{login}");
    }
    let other = data(&post(
        &home.server,
        "/api/auth/login",
        &json!({"email": "ada@example.com", "password": PASSWORD}),
    ));
    let wrong = json!({"currentPassword": "no", "newPassword": "Another horse 2"});
    assert_eq!(
        error(&home.user("PATCH", "/api/account", Some(&wrong))),
        (401, "Current password is incorrect".into())
    );
    let right = json!({"currentPassword": PASSWORD, "newPassword": "Another horse 2"});
    assert_eq!(data(&home.user("PATCH", "/api/account", Some(&right))), json!({"ok": true}));
    assert_eq!(home.user("GET", "/api/account", None).status, 200, "who changed it stays");
    let bearer = format!("Bearer {}", other["token"].as_str().unwrap());
    let reply = home.server.bare("GET", "/api/account", &[("authorization", &bearer)], None);
    assert_eq!(reply.status, 401, "everybody else is out");
}

#[test]
fn another_users_saves_are_as_good_as_none() {
    let home = Home::new();
    let one = home.device();
    let version = one.upload("/saves/mGBA/x.srm", b"mine", 1)["saveVersionId"].as_str().unwrap().to_owned();
    let place = home.saves()[0]["locations"][0]["id"].clone();
    let mallory = Home { login: register(&home.server, "mallory@example.com"), ..home };
    let theirs = mallory.device();
    assert_eq!(theirs.manifest(), [] as [Value; 0]);
    let headers = [("x-api-key", theirs.key.as_str()), ("accept", "application/json")];
    let path = format!("/api/sync/download?saveVersionId={version}");
    assert_eq!(error(&mallory.server.bare("GET", &path, &headers, None)).0, 401);
    let mode = json!({"saveLocationId": place, "syncMode": "disabled"});
    assert_eq!(error(&mallory.user("PATCH", "/api/saves/set-sync-mode", Some(&mode))).0, 404);
    for path in ["/api/debug/db-test", "/api/debug/s3-test"] {
        assert_eq!(mallory.server.bare("GET", path, &[], None).status, 404, "nothing to look around with");
    }
}

#[test]
fn another_sites_page_registers_nobody_and_pairs_nothing() {
    let home = Home::new();
    let body = json!({"email": "mallory@example.com", "password": PASSWORD}).to_string();
    let ask = |path: &str, headers: &[(&str, &str)]| {
        home.server.bare("POST", path, headers, Some(body.as_bytes())).status
    };
    let own = home.server.url.as_str();
    for path in ["/api/auth/register", "/api/auth/login", "/api/devices/code", "/api/devices/status"] {
        for foreign in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            assert_eq!(ask(path, &[foreign]), 403, "{path} {foreign:?}");
        }
    }
    assert_eq!(ask("/api/auth/register", &[("origin", own), ("sec-fetch-site", "same-origin")]), 200);
}

#[test]
fn who_has_no_key_sends_no_large_body() {
    let home = Home::new();
    let large = json!({"code": "ABC234", "email": "x".repeat(65 << 10)}).to_string();
    for path in ["/api/auth/register", "/api/auth/login", "/api/devices/code", "/api/devices/status"] {
        assert_eq!(home.server.bare("POST", path, &[], Some(large.as_bytes())).status, 413, "{path}");
    }
}
