//! The dashboard driven as a person does, with a plain HTTP client and a cookie: no script runs here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod doubts;
mod files;
mod shelf;

use retrosync_protocol::{Digest, PairingOffer};
use serde_json::{Value, json};
use support::browser::{Browser, attribute, leads_to, registered};
use support::{Server, token, token_sha256, version};

const SAVE: &str = "gb/sram/Tetris <World>";

#[test]
fn the_first_user_registers_and_then_the_door_is_closed() {
    let server = Server::start();
    let browser = Browser::new(&server);
    let short = browser.submit("/register", &[("name", "ada"), ("password", "short")]);
    assert_eq!(short.status, 400);
    assert!(short.text().contains("value=\"ada\""), "what was typed stays");
    let browser = registered(&server);
    assert!(browser.page("/").contains("No saves yet"));
    assert!(browser.page("/account").contains("ada"));

    let stranger = Browser::new(&server);
    leads_to(&stranger.look("/register"), "/login");
    let closed = stranger.submit("/register", &[("name", "eve"), ("password", "correct horse battery")]);
    assert_eq!(closed.status, 403);
    leads_to(&stranger.look("/devices"), "/login?next=%2Fdevices");
    let wrong = stranger.submit("/login", &[("name", "ada"), ("password", "wrong horse battery")]);
    assert_eq!(wrong.status, 403);
    let unknown = stranger.submit("/login", &[("name", "eva"), ("password", "wrong horse battery")]);
    assert_eq!(
        (unknown.status, unknown.text().replace("eva", "ada")),
        (403, wrong.text()),
        "the same for both"
    );
    let page = browser.page("/account");
    leads_to(&browser.press(&page, "Log out", &[]), "/");
    leads_to(&browser.look("/account"), "/login?next=%2Faccount");
}

#[test]
fn with_open_registration_a_second_user_comes_in() {
    let server = Server::start_with(&["--open-registration", "--public-url", "https://saves.example.org/"]);
    let browser = Browser::new(&server);
    let site = "https://saves.example.org";
    let ada = [("name", "ada"), ("password", "correct horse battery")];
    leads_to(&browser.submit_from(site, "/register", &ada), "/");
    assert_eq!(browser.page("/").matches("No saves yet").count(), 1);
    let second = Browser::new(&server);
    assert!(second.page("/login").contains("/register"));
    let reply =
        second.submit_from(site, "/register", &[("name", "bob"), ("password", "correct horse battery")]);
    leads_to(&reply, "/");
    assert!(reply.header("set-cookie").contains("; Secure"), "behind https the cookie stays there");
    let taken =
        second.submit_from(site, "/register", &[("name", "ADA"), ("password", "correct horse battery")]);
    assert_eq!(taken.status, 400, "{}", taken.text());
}

#[test]
fn a_code_is_approved_after_logging_in_on_the_way() {
    let server = Server::start();
    drop(registered(&server));
    let token = token();
    let request = json!({"token_sha256": token_sha256(&token), "device_name": "Ada's <World> Miyoo",
        "profile": "onion", "client": "retrosync/0.1.0 armv7"});
    let offer: PairingOffer = server.post("/pairing", None, &request).ok();
    let link = format!("/pair?code={}", offer.user_code);

    let browser = Browser::new(&server);
    let door = browser.look(&link);
    assert_eq!(door.status, 303);
    let page = browser.page(door.header("location"));
    let fields = [("name", "ada"), ("password", "correct horse battery")];
    leads_to(&browser.press(&page, "Password", &fields), &link);
    let page = browser.page(&link);
    assert!(page.contains("Ada&#39;s &#60;World&#62; Miyoo"), "it says which device: {page}");
    assert!(page.contains(&offer.user_code.to_string()));
    assert_eq!(
        server.get("/pairing", Some(&token)).code(),
        "authorization_pending",
        "looking is not approving"
    );
    let done = browser.press(&page, "let it in", &[("answer", "approve")]);
    assert!(done.text().contains("is in"), "{}", done.text());
    let paired: Value = server.get("/pairing", Some(&token)).ok();
    assert_eq!(paired["user"], "ada");
    assert!(browser.page("/devices").contains("Miyoo"));
}

#[test]
fn a_refused_device_stays_out_and_wrong_codes_are_explained() {
    let server = Server::start();
    let browser = registered(&server);
    let token = token();
    let request = json!({"token_sha256": token_sha256(&token), "device_name": "Stranger"});
    let offer: PairingOffer = server.post("/pairing", None, &request).ok();
    let page = browser.page(&format!("/pair?code={}", offer.user_code.to_string().to_lowercase()));
    assert!(browser.press(&page, "let it in", &[("answer", "refuse")]).text().contains("stays out"));
    assert_eq!(server.get("/pairing", Some(&token)).code(), "access_denied");
    let nonsense = browser.look("/pair?code=abc");
    assert!(nonsense.status == 400 && nonsense.text().contains("8 letters and digits"));
    let unknown = browser.look("/pair?code=AAAA-AAAA");
    assert!(unknown.status == 404 && unknown.text().contains("No device shows this code"));
}

#[test]
fn a_code_made_on_the_page_lets_a_headless_device_in() {
    let server = Server::start();
    let browser = registered(&server);
    let page = browser.page("/pair");
    let made = browser.press(&page, "Make a code", &[]).text();
    let (_, rest) = made.split_once("--code ").unwrap();
    let token = token();
    let claim = json!({"user_code": &rest[..9], "token_sha256": token_sha256(&token), "device_name": "NAS",
        "profile": "linux", "client": "test"});
    let paired: Value = server.post("/pairing/claim", None, &claim).ok();
    assert_eq!(paired["user"], "ada");
    let page = browser.page("/devices");
    leads_to(&browser.press(&page, "Rename", &[("name", "Attic NAS")]), "/devices");
    let page = browser.page("/devices");
    assert!(page.contains("Attic NAS"));
    leads_to(&browser.press(&page, "Remove this device", &[]), "/devices");
    assert_eq!(server.get("/account", Some(&token)).code(), "revoked");
    assert!(!browser.page("/devices").contains("Attic NAS"));
}

#[test]
fn a_conflict_is_chosen_and_an_old_version_is_downloaded_and_restored() {
    let server = Server::start();
    let browser = registered(&server);
    let (miyoo, anbernic) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    let first = miyoo.store("a-1", &version(SAVE, Some(b"first"), &[], 1, 1), Some(b"first"));
    let root = first["version"].as_str().unwrap();
    miyoo.store("a-2", &version(SAVE, Some(b"left"), &[root], 1, 2), Some(b"left"));
    anbernic.store("b-1", &version(SAVE, Some(b"right"), &[root], 2, 1), Some(b"right"));
    miyoo.store("a-3", &version("gba/state.auto@mgba/Metroid", Some(b"m"), &[], 1, 3), Some(b"m"));

    let saves = browser.page("/");
    assert!(saves.contains("Waits for your choice") && saves.contains("2 versions"), "{saves}");
    assert!(saves.contains("Game Boy Advance") && saves.contains("auto state"));
    assert!(!browser.page("/?q=metroid").contains("Tetris"));
    assert!(browser.page("/?q=zelda").contains("Nothing matches"));

    let link = "/save?id=gb%2Fsram%2FTetris%20%3CWorld%3E";
    assert!(saves.contains(link));
    let page = browser.page(link);
    assert!(page.contains("Which one do you want to go on with?"));
    for device in ["Miyoo", "RG35XX"] {
        assert!(page.contains(&format!("<h3>{device}</h3>")), "both sides are shown");
    }
    let right = page.split("<article").find(|part| part.contains("<h3>RG35XX</h3>")).unwrap();
    let keep = browser.press(right, "Keep this", &[]);
    let resolved = keep.header("location");
    assert!(
        resolved.starts_with(&format!("{link}&undo=")) && resolved.ends_with("&done=resolved"),
        "{resolved}"
    );
    leads_to(&browser.press(right, "Keep this", &[]), resolved);
    let page = browser.page(keep.header("location"));
    assert!(page.contains("Settled") && !page.contains("Which one"), "{page}");
    assert!(page.contains("Take the other one"), "one press away");
    let heads: Value = miyoo.get("/changes").ok();
    assert_eq!(head_digest(&heads), Digest::of(b"right").to_string(), "the devices see the choice");
    assert_eq!(browser.page(link).matches("class=\"what\"").count(), 4, "once, though it was pressed twice");

    let oldest = page.rsplit("class=\"what\"").next().unwrap();
    let download = browser.look(&attribute(oldest, "href"));
    assert_eq!((download.status, download.body.as_slice()), (200, b"first".as_slice()));
    let name = download.header("content-disposition");
    assert!(name.contains("filename*=UTF-8''Tetris%20%3CWorld%3E.srm"), "{name}");
    let before = attribute(oldest.split("name=\"heads\"").nth(1).unwrap(), "value");
    let restored = browser.press(oldest, "Restore", &[]);
    leads_to(&restored, &format!("{link}&undo={before}&done=restored"));
    let heads: Value = miyoo.get("/changes").ok();
    assert_eq!(head_digest(&heads), Digest::of(b"first").to_string());
    leads_to(
        &browser.press(page.split("class=\"what\"").nth(3).unwrap(), "Restore", &[]),
        &format!("{link}&done=moved"),
    );
    assert!(browser.page(&format!("{link}&done=moved")).contains("Nothing was changed"));
    assert!(browser.page("/account").contains("<dd>6</dd>"), "six versions are kept");
}

fn head_digest(changes: &Value) -> String {
    let saves = changes["saves"].as_array().unwrap();
    let save = saves.iter().find(|save| save["save"] == SAVE).unwrap();
    assert_eq!(save["heads"].as_array().unwrap().len(), 1);
    save["heads"][0]["content"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn forms_of_other_sites_change_nothing() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let page = browser.page("/devices");
    let token = attribute(page.split("form_token\"").nth(1).unwrap(), "value");
    let path = format!("/devices/{}/revoke", device.id);
    let refused = [
        ("another site", browser.submit_from("http://evil.example", &path, &[("form_token", &token)])),
        ("no site that is told", browser.submit_from("null", &path, &[("form_token", &token)])),
        ("no token", browser.submit(&path, &[])),
        ("another token", browser.submit(&path, &[("form_token", &"0".repeat(64))])),
        (
            "log in from elsewhere",
            browser.submit_from("http://evil.example", "/login", &[("name", "ada"), ("password", "x")]),
        ),
    ];
    for (what, reply) in refused {
        assert_eq!(reply.status, 403, "{what}: {}", reply.text());
    }
    assert_eq!(device.get("/account").status, 200, "still in");
    let forged = Browser::new(&server);
    *forged.cookie.borrow_mut() = format!("retrosync={}", "a".repeat(64));
    leads_to(&forged.look("/devices"), "/login?next=%2Fdevices");
    assert_eq!(browser.look("/save?id=nonsense").status, 400);
    assert_eq!(browser.look("/save?id=gb/sram/Unknown").status, 404);
    assert_eq!(browser.look("/nothing").status, 404);
    assert_eq!(browser.look("/assets/style.css").status, 200);
}

#[test]
fn two_pages_that_choose_at_once_make_one_choice() {
    let server = Server::start();
    let browser = registered(&server);
    let (miyoo, anbernic) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    miyoo.store("a-1", &version(SAVE, Some(b"left"), &[], 1, 1), Some(b"left"));
    anbernic.store("b-1", &version(SAVE, Some(b"right"), &[], 2, 1), Some(b"right"));
    let link = "/save?id=gb%2Fsram%2FTetris%20%3CWorld%3E";
    let page = browser.page(link);
    let cookie = browser.cookie.borrow().clone();
    let sides: Vec<&str> = page.split("<article").skip(1).collect();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = sides
            .iter()
            .map(|side| {
                let (server, cookie) = (&server, cookie.clone());
                scope.spawn(move || {
                    let one = Browser::new(server);
                    *one.cookie.borrow_mut() = cookie;
                    one.press(side, "Keep this", &[]).header("location").to_owned()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let done = |word: &str| answers.iter().filter(|answer| answer.ends_with(word)).count();
    assert_eq!((done("&done=resolved"), done("&done=moved")), (1, 1), "{answers:?}");
    assert_eq!(head_digests(&miyoo.get("/changes").ok()), 1);
}

fn head_digests(changes: &Value) -> usize {
    changes["saves"][0]["heads"].as_array().unwrap().len()
}

#[test]
fn news_come_by_a_stream_and_to_nobody_else() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let server = Server::start();
    let browser = registered(&server);
    server.add_user("bob");
    let device = server.pair("Miyoo", "ada");
    let other = server.pair("Bob's", "bob");
    let stranger = Browser::new(&server);
    leads_to(&stranger.look("/live"), "/login?next=%2Flive");
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let cookie = browser.cookie.borrow().clone();
    write!(stream, "GET /live HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut next = || lines.find(|line| line.starts_with("data: ")).unwrap();
    let first = next();
    assert!(first.ends_with(" 0"), "{first}");
    other.store("b-1", &version(SAVE, Some(b"bobs"), &[], 2, 1), Some(b"bobs"));
    device.store("a-1", &version(SAVE, Some(b"first"), &[], 1, 1), Some(b"first"));
    let stamp = |line: &str| line[6..].split(' ').next().unwrap().to_owned();
    assert_ne!(stamp(&next()), stamp(&first), "by what ada's own device did");
    assert_eq!(
        browser.page("/stamp"),
        stamp(&{
            let page = browser.page("/");
            format!("data: {} ", attribute(page.split("<body").nth(1).unwrap(), "data-stamp"))
        })
    );
}
