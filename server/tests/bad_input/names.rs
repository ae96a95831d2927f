//! Names: every odd character is kept as it is or refused by name, and none leads out of its folder.

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use crate::held::{held, is_whole};
use crate::support::browser::{attribute, registered};
use crate::support::{Server, bearer, token, token_sha256, version};

#[test]
fn names_with_every_odd_character_are_kept_as_they_are() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let names = [
        "gb/sram/a?b&c=d#e%20f",
        "gb/sram/\"quotes\" 'and' `ticks` <b>&amp;",
        "gb/sram/ポケットモンスター 緑",
        "gb/sram/e\u{301} composed later",
        "gb/sram/ spaces at both ends ",
        "gb/sram/back\\slash;semi:colon*star|bar",
        "gb/sram/👾🕹️",
        "gb/sram/a/b/c",
        "psx/card.0/../",
    ];
    let mut refused = 0;
    for (n, name) in names.iter().enumerate() {
        let result = device.store(
            &format!("op-{n}"),
            &version(name, Some(name.as_bytes()), &[], 1, n as u64 + 1),
            Some(name.as_bytes()),
        );
        if result["outcome"] == "refused" {
            assert_eq!(result["problem"]["code"], "malformed", "{name}");
            refused += 1;
            continue;
        }
        let path = format!("/history?{}", serde_urlencoded::to_string([("save", name)]).unwrap());
        let history: Value = device.get(&path).ok();
        assert_eq!(history["save"], *name);
        assert_eq!(device.get(&format!("/content/{}", Digest::of(name.as_bytes()))).body, name.as_bytes());
    }
    assert_eq!(refused, 1, "only what would leave its folder");
}

/// Texts that are one in every way but one. Whether a name may be so is told beside it.
const TEXTS: &[(&str, &str, bool)] = &[
    ("four bytes a letter", "👾🕹️ 𝕿etris", true),
    ("right to left by nature", "تتريس", true),
    ("a letter and what stands above it", "Poke\u{301}mon", true),
    ("joined by nothing that is seen", "👨\u{200d}👩\u{200d}👧", true),
    ("a replacement", "Tetris \u{fffd}", true),
    ("outside of what is given out", "Tetris \u{10ffff}", true),
    ("HTML", "<script>alert(1)</script>", true),
    ("a template", "{{ 7*7 }}${7*7}", true),
    ("SQL", "'; DROP TABLE users; --", true),
    ("NUL", "Tet\u{0}ris", false),
    ("a line's end", "Tet\r\nris", false),
    ("a terminal's colour", "\u{1b}[31mTetris", false),
    ("another control character", "Tet\u{85}ris", false),
    ("turned around", "Tetris \u{202e}txt.exe", false),
    ("turned around within", "Tetris \u{2066}x\u{2069}", false),
    ("nothing", "", false),
    ("blanks", "   ", false),
    (
        "eighty-one bytes",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        false,
    ),
];

#[test]
fn a_devices_name_is_kept_as_it_is_or_refused_and_every_page_can_show_it() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    for (number, (what, name, fits)) in TEXTS.iter().enumerate() {
        let path = format!("/devices/{}", device.id);
        let reply = device.change("PATCH", &path, &format!("op-{number}"), &json!({"name": name}));
        let told = if *fits { 204 } else { 400 };
        assert_eq!(reply.status, told, "{what}: {}", reply.text());
        // The same name at the door, where a person reads it to decide.
        let token = token();
        let request =
            json!({"token_sha256": token_sha256(&token), "device_name": name, "profile": "", "client": ""});
        let offered = server.post("/pairing", None, &request);
        assert_eq!(offered.status, if *fits { 200 } else { 400 }, "{what}: {}", offered.text());
        if *fits {
            let devices: Value = device.get("/devices").ok();
            assert_eq!(devices["devices"][0]["name"], *name, "{what}");
            let code = offered.json()["user_code"].as_str().unwrap().to_owned();
            for page in ["/devices".to_owned(), "/activity".into(), format!("/pair?code={code}")] {
                let text = browser.page(&page);
                assert!(!text.contains("<script>alert"), "{what}, {page}");
            }
        } else {
            assert_eq!(reply.code(), "malformed", "{what}");
            assert_eq!(offered.code(), "malformed", "{what}");
        }
    }
    is_whole(&server);
}

#[test]
fn a_saves_name_and_note_are_kept_as_they_are_or_refused_and_every_page_can_show_them() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    for (number, (what, text, _)) in TEXTS.iter().enumerate() {
        let save = format!("gb/sram/{text}");
        let fits = !text.is_empty() && !text.chars().any(char::is_control);
        let bytes = format!("save {number}");
        let mut record = version(&save, Some(bytes.as_bytes()), &[], 1, number as u64 + 1);
        record["note"] = json!(text);
        let before = held(&device);
        let result = device.store(&format!("op-{number}"), &record, Some(bytes.as_bytes()));
        if !fits {
            assert_eq!(result["problem"]["code"], "malformed", "{what}: {result}");
            assert_eq!(held(&device), before, "{what}");
            continue;
        }
        assert_eq!(result["outcome"], "head", "{what}: {result}");
        let query = serde_urlencoded::to_string([("save", &save)]).unwrap();
        let history: Value = device.get(&format!("/history?{query}")).ok();
        assert_eq!(
            (&history["save"], &history["versions"][0]["record"]["note"]),
            (&json!(save), &json!(text)),
            "{what}"
        );
        let id = serde_urlencoded::to_string([("id", &save)]).unwrap();
        for page in ["/".to_owned(), "/activity".into(), "/storage".into(), format!("/save?{id}")] {
            assert!(!browser.page(&page).contains("<script>alert"), "{what}, {page}");
        }
        let of = result["version"].as_str().unwrap();
        let file = browser.look(&format!("/save/download?{id}&version={of}"));
        assert_eq!(file.body, bytes.as_bytes(), "{what}");
        assert!(file.header("content-disposition").starts_with("attachment; filename=\""), "{what}");
    }
    is_whole(&server);
}

#[test]
fn texts_that_are_no_unicode_are_no_names() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let before = held(&device);
    let authorization = bearer(&device.token);
    let path = format!("/devices/{}", device.id);
    let rows: [(&str, &[u8]); 8] = [
        ("half a pair", br#"{"name":"a\ud83d"}"#),
        ("the other half first", br#"{"name":"\udc7e\ud83d"}"#),
        ("half a pair and a letter", br#"{"name":"\ud83dx"}"#),
        ("an escape that ends", br#"{"name":"\u00"}"#),
        ("a slash in two bytes", b"{\"name\":\"a\xc0\xafb\"}"),
        ("NUL in two bytes", b"{\"name\":\"a\xc0\x80b\"}"),
        ("half a pair as bytes", b"{\"name\":\"a\xed\xa0\xbd\"}"),
        ("beyond the last", b"{\"name\":\"a\xf4\x90\x80\x80\"}"),
    ];
    for (number, (what, body)) in rows.into_iter().enumerate() {
        let operation = format!("op-{number}");
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", operation.as_str())];
        assert_eq!(server.api("PATCH", &path, &headers, Some(body)).code(), "malformed", "{what}");
    }
    for query in ["%c0%af", "%ed%a0%bd", "%f4%90%80%80", "%ff", "gb%2Fsram%2Fa%00"] {
        assert_eq!(device.get(&format!("/history?save={query}")).code(), "malformed", "{query}");
    }
    assert_eq!(held(&device), before);
}

/// Names that would lead somewhere else, for whoever is careless with them.
const WAYS_OUT: &[&str] = &[
    "..",
    ".",
    "../x",
    "a/../../x",
    "/etc/passwd",
    "a//b",
    "./x",
    "x/.",
    "x/..",
    "~/x",
    "C:\\x",
    "\\\\server\\x",
    "..\\x",
    "a/..\\..\\x",
    "%2e%2e%2f",
    "..%2f..%2fx",
    "CON",
    "NUL.srm",
    "x.",
    "x ",
    " x",
    "-rf",
    "$(id)",
    "`id`",
    "x;id",
    "x|y",
    "*",
    "?",
    "x\ty",
    "x\ny",
    "file:///etc/passwd",
    "http://evil.example/x",
];

#[test]
fn names_that_lead_out_lead_nowhere() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let mut kept = vec![];
    for (number, name) in WAYS_OUT.iter().enumerate() {
        for kind in ["sram", "tree", "file.saves"] {
            let save = format!("gb/{kind}/{name}");
            let bytes = save.clone().into_bytes();
            let sequence = kept.len() as u64 + 1;
            let record = version(&save, Some(&bytes), &[], 1, sequence);
            let result = device.store(&format!("op-{number}-{}", &kind[..2]), &record, Some(&bytes));
            match result["problem"]["code"].as_str() {
                None => kept.push(save),
                Some(code) => assert_eq!(code, "malformed", "{save}: {result}"),
            }
        }
        for path in [format!("/content/{name}"), format!("/history?save={name}"), format!("/devices/{name}")]
        {
            let path = path.replace([' ', '\n', '\t', '`', '|', '\\'], "%20");
            if !path.contains("/../")
                && !path.ends_with("/..")
                && !path.ends_with("/.")
                && !path.contains("/./")
            {
                let reply = device.get(&path);
                assert!(
                    ["malformed", "not_found"].contains(&reply.code().as_str()),
                    "{path}: {}",
                    reply.text()
                );
            }
        }
    }
    assert!(kept.iter().all(|save| !save.split('/').any(|part| part == "..")), "{kept:?}");
    assert!(kept.len() > 20, "what only looks odd is kept: {kept:?}");
    let zip = browser.look("/account/export.zip");
    assert_eq!(zip.status, 200);
    let names = unzipped(&zip.body);
    assert_eq!(names.len(), kept.len() + 1, "{names:?}");
    let lower: std::collections::BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), names.len(), "no two of them are one file anywhere");
    for name in &names {
        let parts: Vec<&str> = name.split('/').collect();
        let is_plain = |part: &&str| {
            !part.is_empty()
                && !part.starts_with('.')
                && !part.ends_with(['.', ' '])
                && !part.contains(['\\', ':', '*', '?', '|'])
                && !part.chars().any(char::is_control)
        };
        assert!(parts.iter().all(is_plain), "{name}");
        assert!(name == "retrosync.json" || (parts[0] == "saves" && parts.len() == 5), "{name}");
    }
    is_whole(&server);
}

/// The names in a zip, whose every entry is whole: what another program reads.
fn unzipped(bytes: &[u8]) -> Vec<String> {
    const READ: &str = "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nfor i in z.infolist(): print(repr(i.orig_filename))";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let output = std::process::Command::new("python3").args(["-c", READ]).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line[1..line.len() - 1].replace("\\\\", "\\")).collect()
}

#[test]
fn odd_names_of_people_are_kept_as_they_are_or_refused() {
    let server = Server::start();
    let admin = registered(&server);
    for (what, name, fits) in TEXTS {
        // Two people must not look like one: joiners that are not seen are no part of a person's name.
        let fits = *fits && !name.contains('\u{200d}');
        let changed =
            admin.press(&admin.page("/account"), "name=\"email\"", &[("name", name), ("email", "")]);
        assert_eq!(changed.status, if fits { 303 } else { 400 }, "{what}: {}", changed.text());
        let account = admin.page("/account");
        assert!(!account.contains("<script>alert"), "{what}");
        if fits {
            assert_eq!(attribute(account.split("name=\"name\"").nth(1).unwrap(), "value"), *name, "{what}");
        }
        let refused = name.len() > 80 || (!fits && name.chars().any(|c| !c.is_whitespace() && c != 'x'));
        let invited = admin.press(&admin.page("/admin"), "name=\"note\"", &[("note", name)]);
        let noted = !refused || name.contains('\u{200d}');
        assert_eq!(invited.status, if noted { 200 } else { 400 }, "{what}: {}", invited.text());
    }
    let admin_page = admin.page("/admin");
    assert!(admin_page.contains("DROP TABLE"), "and the table is there to say so");
}
