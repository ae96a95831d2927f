//! A database that is locked, gone, damaged or of a newer server: told in each of the three voices (a document to devices, a page to
//! people, their envelope to RetroSync's clients), and whole when it is back.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::held::{held, is_whole};
use crate::support::browser::{Browser, registered};
use crate::support::{Device, Server, frames, version};

/// Asks the server's catalog directly; one line a row, of the first column.
pub fn sqlite(server: &Server, sql: &str) -> String {
    const ASK: &str = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nfor r in c.execute(sys.argv[2]).fetchall(): print(r[0])\nc.commit()";
    let file = server.data().join("catalog.sqlite");
    let output = Command::new("python3").args(["-c", ASK]).arg(file).arg(sql).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Another program that holds the database, until it is dropped.
struct Holder(Child);

impl Holder {
    fn of(server: &Server) -> Holder {
        const HOLD: &str = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],isolation_level=None)\n\
            c.execute('BEGIN EXCLUSIVE')\nprint('held',flush=True)\nsys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", HOLD])
            .arg(server.data().join("catalog.sqlite"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A key of one of RetroSync's own clients, of a user of its own.
pub fn foreign_key(server: &Server) -> String {
    let ask = |path: &str, bearer: &str, body: Value| {
        let reply =
            server.bare("POST", path, &[("authorization", bearer)], Some(body.to_string().as_bytes()));
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()["data"].clone()
    };
    let account = json!({"email": "bob@example.com", "password": "Correct horse 1", "name": "Bob"});
    let bearer = format!("Bearer {}", ask("/api/auth/register", "", account)["token"].as_str().unwrap());
    let code = ask("/api/devices/create-pairing-code", &bearer, json!({}))["code"].clone();
    ask("/api/devices/status", "", json!({"code": code}))["apiKey"].as_str().unwrap().to_owned()
}

/// What each kind of caller is told who would change something: a device, a person, one of RetroSync's clients.
pub fn asked(
    server: &Server,
    device: &Device<'_>,
    browser: &Browser<'_>,
    key: &str,
    page: &str,
) -> [(u16, String); 3] {
    let frame = frames::store(&version("gb/sram/New", Some(b"new"), &[], 9, 1), Some(b"new"));
    let upload = json!({"filePath": "New.srm", "action": "upload", "fileContent": "bmV3", "localPath": "/saves/New.srm"});
    std::thread::scope(|scope| {
        // All at once: each waits for the lock.
        let stored = scope.spawn(|| {
            let reply = device.send("/versions", "op-new", &frame);
            let code = match reply.status {
                200 => reply.json()["results"][0]["problem"]["code"].as_str().unwrap_or("stored").to_owned(),
                _ => reply.code(),
            };
            (reply.status, code)
        });
        let uploaded = scope.spawn(|| {
            let body = upload.to_string();
            let reply = server.bare("POST", "/api/sync/files", &[("x-api-key", key)], Some(body.as_bytes()));
            let said = reply.json();
            assert_eq!(said["success"], reply.status == 200, "{}", reply.text());
            (reply.status, if reply.status == 200 { "stored" } else { "refused" }.to_owned())
        });
        let pressed = browser.press(page, "Make a code", &[]);
        assert!(pressed.header("content-type").starts_with("text/html"), "{}", pressed.text());
        let pressed = (pressed.status, pressed.header("retrosync-code").to_owned());
        [stored.join().unwrap(), pressed, uploaded.join().unwrap()]
    })
}

#[test]
fn while_another_program_holds_the_database_each_is_told_to_come_again_and_reads_go_on() {
    let server = Server::start_with(&["--open-registration"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let key = foreign_key(&server);
    // It was looked at while all was well.
    let page = browser.page("/pair");
    device.store("op-1", &version("gb/sram/Tetris", Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let before = held(&device);
    let holder = Holder::of(&server);
    let began = Instant::now();
    let told = asked(&server, &device, &browser, &key, &page);
    assert!(began.elapsed() < Duration::from_secs(90), "nobody waits for ever: {:?}", began.elapsed());
    let busy = |text: &str| (503, text.to_owned());
    assert_eq!(told, [busy("unavailable"), busy("unavailable"), busy("refused")]);
    assert_eq!(held(&device), before, "and what is read is read meanwhile");
    drop(holder);
    let told = asked(&server, &device, &browser, &key, &page);
    assert_eq!(told.map(|(_, said)| said), ["stored", "", "stored"], "the same requests again");
    is_whole(&server);
}

#[test]
fn a_database_that_somebody_removed_takes_nothing_in_that_would_be_gone() {
    let mut server = Server::start_with(&["--open-registration"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let key = foreign_key(&server);
    // It was looked at while all was well.
    let page = browser.page("/pair");
    device.store("op-1", &version("gb/sram/Tetris", Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let (token, id, before) = (device.token.clone(), device.id.clone(), held(&device));
    let aside = server.folder.path().join("aside");
    std::fs::create_dir(&aside).unwrap();
    let names = ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"];
    let moved = |from: &std::path::Path, to: &std::path::Path| {
        names.iter().filter(|name| from.join(name).exists()).for_each(|name| {
            std::fs::rename(from.join(name), to.join(name)).unwrap();
        });
    };
    moved(&server.data(), &aside);
    let told = asked(&server, &device, &browser, &key, &page);
    let gone = |text: &str| (503, text.to_owned());
    assert_eq!(
        told,
        [gone("unavailable"), gone("unavailable"), gone("refused")],
        "not into a file without a name"
    );
    moved(&aside, &server.data());
    let told = asked(&server, &device, &browser, &key, &page);
    assert_eq!(told.map(|(_, said)| said), ["stored", "", "stored"], "it is back");
    drop((device, browser));
    server.kill();
    server.run(&["--open-registration"]);
    let device = Device { server: &server, token, id };
    let after = held(&device);
    assert!(after != before && after.contains("gb/sram/New"), "and what was answered outlives a pulled plug");
    is_whole(&server);
}

#[test]
fn a_folder_of_bytes_that_is_gone_is_told_and_no_record_speaks_of_what_did_not_arrive() {
    let server = Server::start_with(&["--open-registration"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let key = foreign_key(&server);
    // It was looked at while all was well.
    let page = browser.page("/pair");
    let before = held(&device);
    let (blobs, aside) = (server.data().join("blobs"), server.data().join("aside"));
    std::fs::rename(&blobs, &aside).unwrap();
    let [stored, _, uploaded] = asked(&server, &device, &browser, &key, &page);
    assert!(
        stored.1 == "internal" && uploaded.1 == "refused" && uploaded.0 >= 500,
        "{stored:?} {uploaded:?}"
    );
    assert_eq!(held(&device), before);
    std::fs::rename(&aside, &blobs).unwrap();
    let [stored, _, uploaded] = asked(&server, &device, &browser, &key, &page);
    assert_eq!((stored.1.as_str(), uploaded.1.as_str()), ("stored", "stored"));
    is_whole(&server);
}

#[test]
fn a_server_does_not_start_on_what_it_does_not_know_and_leaves_it_as_it_was() {
    let mut server = Server::start();
    server.add_user("ada");
    server.stop();
    let file = server.data().join("catalog.sqlite");
    let whole = std::fs::read(&file).unwrap();
    let newer = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        sqlite(&server, "PRAGMA user_version = 99");
        std::fs::read(&file).unwrap()
    };
    let mut torn = whole.clone();
    torn.truncate(whole.len() / 2 + 100);
    let rows = [
        ("of a newer server", newer(&whole), "newer server (schema 99", "update retrosync-server"),
        ("a diary", b"dear diary, today ".repeat(400), "not a database", ""),
        ("half of it", torn, "malformed", ""),
    ];
    for (what, bytes, told, help) in rows {
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["check"], &["user", "add", "bob"]] {
            let _ = std::fs::remove_file(server.data().join("catalog.sqlite-wal"));
            let _ = std::fs::remove_file(server.data().join("catalog.sqlite-shm"));
            std::fs::write(&file, &bytes).unwrap();
            let output = server.cli(command);
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{what}, {command:?}: {text}");
            assert!(
                text.starts_with("error: ") && text.contains(told) && text.contains(help),
                "{what}: {text}"
            );
            assert!(std::fs::read(&file).unwrap() == bytes, "{what}, {command:?}: it was changed");
        }
    }
    std::fs::write(&file, &whole).unwrap();
    server.run(&[]);
    assert_eq!(server.get("/health", None).status, 200);
    is_whole(&server);
}

#[test]
fn a_server_whose_database_is_held_at_its_start_says_so() {
    let mut server = Server::start();
    server.stop();
    let holder = Holder::of(&server);
    let output = server.cli(&["serve", "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && text.contains("locked"), "{text}");
    drop(holder);
    server.run(&[]);
    assert_eq!(server.get("/health", None).status, 200);
}
