//! Every page, on a phone and on a laptop, in light and in dark: nothing is wider than the screen, and the console is silent.
//!
//! With `RETROSYNC_WRITE_PICTURES=1` the README's pictures are written anew to `docs/dashboard/`, and all others to `target/look/`: look at
//! each before you commit.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use retrosync_protocol::{Digest, encode_header};
use serde_json::{Value, json};

use crate::browser::{Browser, is_here};
use crate::support::server::{Server, USER};
use crate::{inside, log_in};

/// The narrowest phone, a phone and a laptop.
const SIZES: [(&str, u32, u32, u32); 3] =
    [("narrow", 320, 568, 2), ("phone", 390, 844, 2), ("laptop", 1180, 860, 1)];

/// How far apart the versions are in the pictures.
const AGE_S: i64 = 5413;

/// The pictures that the README shows; the others are in `target/look/`.
const README: [&str; 6] = [
    "saves-laptop-light",
    "conflict-laptop-dark",
    "history-laptop-light",
    "saves-phone-dark",
    "conflict-phone-light",
    "devices-phone-dark",
];

/// What the pages show: system, title, how many versions.
const SHELF: &[(&str, &str, u64)] = &[
    ("gb/sram", "Tetris (World)", 4),
    ("gb/sram", "Kirby's Dream Land 2 (USA, Europe)", 2),
    ("gbc/sram", "Wario Land 3 (World)", 6),
    ("gba/sram", "Metroid Fusion (Europe)", 9),
    ("gba/state.auto@mgba", "Metroid Fusion (Europe)", 3),
    ("gba/sram", "Advance Wars (Europe)", 5),
    ("snes/sram", "Chrono Trigger (USA)", 7),
    ("snes/sram", "EarthBound (USA)", 3),
    ("genesis/sram", "Phantasy Star IV (USA)", 2),
    ("nes/sram", "Kirby's Adventure (Europe)", 2),
    ("psx/card.0", "Final Fantasy VII (Disc 1)", 5),
    ("n64/sram", "Paper Mario (USA)", 2),
    ("nds/sram", "Mario & Luigi - Bowser's Inside Story (Europe)", 1),
];

/// A device that talks to the server by hand.
struct Hand {
    agent: ureq::Agent,
    url: String,
    token: String,
    writer: String,
    sequence: u64,
    profile: &'static str,
}

impl Hand {
    fn pair(server: &Server, number: u8, name: &str, profile: &'static str) -> Hand {
        let token = format!("rst_{}", Digest::of(&[number]));
        let hash = Digest::of(token.as_bytes()).to_string();
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let hand = Hand {
            agent: config.into(),
            url: format!("{}/api/v1", server.url()),
            token,
            writer: format!("{number:02x}").repeat(16),
            sequence: 0,
            profile,
        };
        let request = json!({"token_sha256": hash, "device_name": name, "profile": profile,
            "client": "retrosync/0.1.0 aarch64"});
        let reply = hand.agent.post(format!("{}/pairing", hand.url)).send(request.to_string());
        let offer: Value =
            serde_json::from_str(&reply.unwrap().body_mut().read_to_string().unwrap()).unwrap();
        server.approve(offer["user_code"].as_str().unwrap());
        hand
    }

    /// The code of a device that waits for its owner.
    fn asking(server: &Server) -> String {
        let hash = Digest::of(b"a token of nobody").to_string();
        let request = json!({"token_sha256": hash, "device_name": "Miyoo Flip", "profile": "spruce",
            "client": "retrosync/0.1.0 aarch64"});
        let reply = ureq::post(format!("{}/api/v1/pairing", server.url())).send(request.to_string());
        let offer: Value =
            serde_json::from_str(&reply.unwrap().body_mut().read_to_string().unwrap()).unwrap();
        offer["user_code"].as_str().unwrap().to_owned()
    }

    /// Stores a version; answers its id.
    fn store(&mut self, save: &str, bytes: &[u8], parents: &[String], ago_s: i64) -> String {
        self.sequence += 1;
        let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let played = json!({"from_unix_s": now_unix_s - ago_s - 1740, "to_unix_s": now_unix_s - ago_s});
        let version = json!({"save": save, "content": {"digest": Digest::of(bytes), "size_bytes": bytes.len()},
            "parents": parents, "writer": self.writer, "sequence": self.sequence, "played": played,
            "suspect": false, "client": "retrosync/0.1.0", "profile": self.profile, "core": null, "note": null});
        let header =
            json!({"version": version, "body": {"length_bytes": bytes.len(), "encoding": "identity"}});
        let mut frames = encode_header(header.to_string().as_bytes()).unwrap();
        frames.extend_from_slice(bytes);
        let reply = self
            .agent
            .post(format!("{}/versions", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("idempotency-key", format!("op-{}", self.sequence))
            .send(&frames[..]);
        let text = reply.unwrap().body_mut().read_to_string().unwrap();
        let reply: Value = serde_json::from_str(&text).unwrap();
        reply["results"][0]["version"].as_str().unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    fn fetch(&self, bytes: &[u8]) {
        let request = self.agent.get(format!("{}/content/{}", self.url, Digest::of(bytes)));
        request.header("authorization", format!("Bearer {}", self.token)).call().unwrap();
    }

    /// Tells the server what it looks into, and what is wrong there.
    fn report(&self, folders: &[&str], problems: &[&str]) {
        let report = json!({"folders": folders, "problems": problems});
        let reply = self
            .agent
            .post(format!("{}/report", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .send(report.to_string());
        assert_eq!(reply.unwrap().status(), 204);
    }
}

/// A library as somebody has it who likes to play.
fn furnished() -> Server {
    let server = Server::start();
    let mut hands = [
        Hand::pair(&server, 1, "Miyoo Mini Plus", "onion"),
        Hand::pair(&server, 2, "RG35XX H", "muos"),
        Hand::pair(&server, 3, "Steam Deck", "emudeck"),
    ];
    // As the ages that `age` gives the versions.
    let total = SHELF.iter().map(|(.., versions)| *versions as i64).sum::<i64>() + 3;
    let mut stored = 0;
    for (kind, title, versions) in SHELF {
        let save = format!("{kind}/{title}");
        let mut parents = vec![];
        let mut bytes = vec![];
        for n in 0..*versions {
            bytes =
                vec![
                    n as u8 + 1;
                    if kind.starts_with("psx") || kind.starts_with("gba/state") { 131_072 } else { 32_768 }
                ];
            bytes[..title.len()].copy_from_slice(title.as_bytes());
            let hand = &mut hands[(n % 3) as usize];
            stored += 1;
            parents = vec![hand.store(&save, &bytes, &parents, (total - stored) * AGE_S + 240)];
        }
        hands[0].fetch(&bytes);
        hands[1].fetch(&bytes);
    }
    let save = "gba/sram/The Minish Cap (Europe)";
    let root = hands[0].store(save, &[1; 8192], &[], 2 * AGE_S);
    hands[0].store(save, &[2; 8192], std::slice::from_ref(&root), AGE_S + 900);
    hands[1].store(save, &[3; 8192], &[root], 240);
    hands[0].report(&["Saves/CurrentProfile/saves", "Saves/CurrentProfile/states"], &[]);
    hands[1].report(
        &["MUOS/save/file", "MUOS/save/state"],
        &["`MUOS/save/file/mGBA` cannot be read: the card may be failing"],
    );
    server
}

/// Makes the times of a library as if it had grown over weeks; for pictures only.
fn age(server: &mut Server) {
    server.kill();
    let change = "import sqlite3, sys\n\
        db = sqlite3.connect(sys.argv[1])\n\
        last = db.execute('SELECT max(change) FROM versions').fetchone()[0]\n\
        db.execute('UPDATE versions SET received_unix_s = received_unix_s - (? - change) * ?', (last, int(sys.argv[2])))\n\
        db.execute('UPDATE events SET at_unix_s = (SELECT received_unix_s FROM versions v WHERE v.version = events.version) WHERE version IS NOT NULL')\n\
        db.execute('UPDATE events SET at_unix_s = at_unix_s - 400000 WHERE version IS NULL AND kind = \"paired\"')\n\
        db.execute('UPDATE devices SET paired_unix_s = paired_unix_s - 2000000, last_seen_unix_s = last_seen_unix_s - 7200 * (id = 3)')\n\
        db.execute('UPDATE users SET created_unix_s = created_unix_s - 2100000, quota_bytes = 2147483648')\n\
        db.commit()\n";
    let catalog = server.data().join("catalog.sqlite");
    let done =
        Command::new("python3").args(["-c", change]).arg(catalog).arg(AGE_S.to_string()).status().unwrap();
    assert!(done.success());
    server.up();
}

fn write(browser: &Browser, name: &str) {
    let below = if README.contains(&name) { "docs/dashboard" } else { "target/look/dashboard" };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), bytes_of(&browser.picture())).unwrap();
}

/// Base64, read (RFC 4648, 4).
fn bytes_of(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|c| *c != b'=').map(|c| u32::from(digit(c))).collect();
    let group = |group: &[u32]| {
        let whole = group.iter().enumerate().fold(0, |sum, (place, digit)| sum | digit << (18 - 6 * place));
        whole.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

#[test]
fn every_page_fits_a_phone_and_a_laptop_in_light_and_dark() {
    if !is_here() {
        return;
    }
    let mut server = furnished();
    let writes = std::env::var_os("RETROSYNC_WRITE_PICTURES").is_some();
    if writes {
        age(&mut server);
    }
    let browser = inside(&server);
    let pages = [
        ("saves", "/"),
        ("conflict", "/save?id=gba/sram/The%20Minish%20Cap%20(Europe)"),
        ("history", "/save?id=gba/sram/Metroid%20Fusion%20(Europe)"),
        ("devices", "/devices"),
        ("pair", "/pair"),
        ("activity", "/activity"),
        ("storage", "/storage"),
        ("account", "/account"),
        ("admin", "/admin"),
    ];
    for (name, path) in pages {
        browser.go(path);
        browser.shows("//header", USER);
        look(&browser, name, writes);
    }
    one_time_pages(&server, &browser, writes);
    browser.said_nothing();
    browser.go("/save?id=gb/sram/Nope");
    look(&browser, "refusal", writes);
    let said = browser.console();
    assert!(said.iter().all(|line| line.contains("404")), "of nothing but the refusal: {said:?}");
    browser.go("/account");
    browser.press_text("//main", "Log out");
    browser.shows("//h1", "Your saves follow you");
    look(&browser, "landing", writes);
    browser.go("/login");
    look(&browser, "login", writes);
    log_in(&browser);
    browser.said_nothing();
}

/// What is only there once, or after a press.
fn one_time_pages(server: &Server, browser: &Browser, writes: bool) {
    browser.go("/pair");
    browser.press_text("//main", "The device has no screen, or no way to show a code");
    browser.press_text("//main", "Make a code");
    browser.shows("//h1", "A code for your device");
    look(browser, "code", writes);
    browser.go(&format!("/pair?code={}", Hand::asking(server)));
    browser.shows("//h1", "Is this your device?");
    look(browser, "confirm", writes);
    browser.go("/admin");
    browser.fill("//form[@action='/admin/invite']", "note", "Bob");
    browser.press_text("//main", "Make an invitation");
    browser.shows("//main", "Send this link");
    look(browser, "invitation", writes);
    browser.go("/save?id=gba/sram/Metroid%20Fusion%20(Europe)");
    browser.press("//ol[@class='history']/li[2]//summary");
    browser.shows("//details[@open]", "Pin");
    look(browser, "menu", writes);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("IMG_2041.srm");
    std::fs::write(&file, [0; 100]).unwrap();
    browser.go("/save?id=gb/sram/Tetris%20(World)");
    browser.fill("//form[@action='/save/upload']", "file", file.to_str().unwrap());
    browser.press_text("//form[@action='/save/upload']", "Upload");
    browser.shows("//h1", "Is this really the save?");
    look(browser, "doubt", writes);
}

fn look(browser: &Browser, name: &str, writes: bool) {
    for (size, width, height, scale) in SIZES {
        browser.size(width, height, scale);
        for scheme in ["light", "dark"] {
            browser.likes(scheme);
            let wide = browser.script("return document.documentElement.scrollWidth;", &json!([]));
            assert!(wide.as_u64().unwrap() <= u64::from(width), "{name} is {wide} wide on a {size}");
            let dark = browser.script("return getComputedStyle(document.body).backgroundColor;", &json!([]));
            assert_eq!(dark == json!("rgb(21, 23, 28)"), scheme == "dark", "{name} in {scheme}: {dark}");
            if writes {
                write(browser, &format!("{name}-{size}-{scheme}"));
            }
        }
    }
}
