//! A file that is probably not this save is asked about once: until somebody says that they are sure, nothing is changed. And what was
//! brought or chosen is taken back by one press.

use retrosync_protocol::Digest;
use serde_json::Value;

use crate::files::upload;
use crate::support::browser::{Browser, attribute, leads_to, parts, registered};
use crate::support::{Device, Reply, Server, version};

const SAVE: &str = "gb/sram/Tetris";
const LINK: &str = "/save?id=gb%2Fsram%2FTetris";

/// What was played: 8 KiB that are no zeroes.
fn played() -> Vec<u8> {
    vec![0x5a; 8192]
}

/// Bytes that no rule knows.
fn noise(size_bytes: usize) -> Vec<u8> {
    (0..size_bytes).map(|n| (n * 31 + (n >> 8)) as u8 | 1).collect()
}

/// Drops a file on the save's page, as it is now.
fn drops(browser: &Browser, bytes: &[u8], more: &[(&str, &str)]) -> Reply {
    let page = browser.page(LINK);
    let form = page.split("<form").find(|form| form.contains("data-drop")).unwrap();
    let value = |name: &str| attribute(form.split(&format!("name=\"{name}\"")).nth(1).unwrap(), "value");
    let (token, save, heads) = (value("form_token"), value("save"), value("heads"));
    let mut fields = vec![
        ("form_token", token.as_str()),
        ("save", save.as_str()),
        ("heads", heads.as_str()),
        ("note", "by hand"),
    ];
    fields.extend_from_slice(more);
    upload(browser, "/save/upload", &browser.server.url, &parts(&fields, Some(("IMG_1.srm", bytes))))
}

/// The digest that devices are told to take.
fn head(device: &Device) -> String {
    let changes: Value = device.get("/changes").ok();
    let heads = changes["saves"][0]["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 1, "{changes}");
    heads[0]["content"]["digest"].as_str().unwrap_or("deleted").to_owned()
}

fn versions(device: &Device) -> Value {
    device.get("/account").ok::<Value>()["versions"].clone()
}

#[test]
fn a_wrong_file_reaches_no_handheld_before_its_owner_is_sure_and_is_undone_by_one_press() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    device.store("a-1", &version(SAVE, Some(&played()), &[], 1, 1), Some(&played()));
    let rows = [
        ("zeroes of its size", vec![0; 8192], "blank"),
        ("what a worn-out chip reads", vec![0xff; 8192], "blank"),
        ("100 bytes of something", noise(100), "smaller than the save"),
        ("another file", noise(400_000), "much larger than the save"),
        ("a larger one, which goes by blocks", noise(3_000_000), "much larger than the save"),
    ];
    for (what, bytes, why) in rows {
        let before = versions(&device);
        let asked = drops(&browser, &bytes, &[]);
        assert_eq!((asked.status, asked.header("retrosync-code")), (303, "doubted"), "{what}");
        let page = browser.page(asked.header("location"));
        assert!(page.contains("Is this really the save?") && page.contains(why), "{what}: {page}");
        assert_eq!(head(&device), Digest::of(&played()).to_string(), "{what}: no device takes it");
        assert_eq!(versions(&device), before, "{what}: no version was made");

        let done = browser.press(&page, "Bring it all the same", &[]);
        assert!(done.header("location").ends_with("&done=uploaded"), "{what}: {}", done.text());
        assert_eq!(head(&device), Digest::of(&bytes).to_string(), "{what}: then it goes on");
        let page = browser.page(done.header("location"));
        assert!(page.contains("by hand"), "{what}: with its note");
        let undone = browser.press(&page, ">Undo<", &[]);
        assert!(undone.header("location").ends_with("&done=restored"), "{what}: {}", undone.text());
        assert_eq!(head(&device), Digest::of(&played()).to_string(), "{what}: and back by one press");
    }
    let told = drops(&browser, &noise(100), &[("sure", "yes")]);
    assert!(told.header("location").ends_with("&done=uploaded"), "who says so at once is not asked");
    assert_eq!(head(&device), Digest::of(&noise(100)).to_string());
}

#[test]
fn a_photo_is_no_save_and_a_usual_file_is_not_asked_about() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    device.store("a-1", &version(SAVE, Some(&played()), &[], 1, 1), Some(&played()));
    for (what, begin) in [
        ("a photo", &b"\xff\xd8\xff\xe0"[..]),
        ("a picture", b"\x89PNG\r\n\x1a\n"),
        ("a document", b"%PDF-1.7"),
    ] {
        let reply = drops(&browser, &[begin, &noise(8188)].concat(), &[("sure", "yes")]);
        assert_eq!((reply.status, reply.header("retrosync-code")), (400, "malformed"), "{what}");
        assert!(reply.text().contains(&format!("this is {what}, not a save")), "{}", reply.text());
    }
    let page = browser.page(LINK);
    let token = attribute(page.split("form_token\"").nth(1).unwrap(), "value");
    let digest = Digest::of(&played()).to_string();
    let unsure = [("form_token", token.as_str()), ("save", SAVE), ("digest", &digest)];
    assert_eq!(browser.submit("/save/bring", &unsure).status, 400, "only who says so is sure");
    assert_eq!(browser.look(&format!("/save/bring?save={SAVE}&digest={}", Digest::of(b"x"))).status, 404);
    for bytes in [noise(8192), noise(8192 + 48), noise(32_768)] {
        let reply = drops(&browser, &bytes, &[]);
        assert!(reply.header("location").ends_with("&done=uploaded"), "{}", reply.header("location"));
        assert_eq!(head(&device), Digest::of(&bytes).to_string());
    }
}

#[test]
fn what_was_deleted_settled_or_kept_beside_is_taken_back_by_one_press() {
    let server = Server::start();
    let browser = registered(&server);
    let (miyoo, anbernic) = (server.pair("Miyoo", "ada"), server.pair("RG35XX", "ada"));
    miyoo.store("a-1", &version(SAVE, Some(b"first"), &[], 1, 1), Some(b"first"));
    let page = browser.page(LINK);
    let deleted = browser.press(&page, "Delete it", &[]);
    assert_eq!(head(&miyoo), "deleted");
    let page = browser.page(deleted.header("location"));
    browser.press(&page, ">Undo<", &[]);
    assert_eq!(head(&miyoo), Digest::of(b"first").to_string(), "a deletion");

    for (number, mark) in [(2, "Keep this"), (3, "Keep both, go on with this")] {
        let [left, right] = ["left", "right"].map(|side| format!("{side} {number}").into_bytes());
        let changes: Value = miyoo.get("/changes").ok();
        let root = [changes["saves"][0]["heads"][0]["version"].as_str().unwrap()];
        for (device, side, writer) in [(&miyoo, &left, 1), (&anbernic, &right, 2)] {
            let version = version(SAVE, Some(side), &root, writer, number);
            device.store(&format!("{writer}-{number}"), &version, Some(side));
        }
        let page = browser.page(LINK);
        let side = page.split("<article").find(|part| part.contains("<h3>RG35XX</h3>")).unwrap();
        let settled = browser.press(side, mark, &[]);
        assert_eq!(head(&miyoo), Digest::of(&right).to_string(), "{mark}");
        let page = browser.page(settled.header("location"));
        let other = browser.press(&page, "Take the other one", &[]);
        leads_to(&other, other.header("location"));
        assert_eq!(head(&miyoo), Digest::of(&left).to_string(), "{mark}, taken back");
    }
}
