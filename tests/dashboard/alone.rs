//! One person with one handheld: in, paired, played, dropped, restored; with scripts and without.

use crate::browser::{Browser, is_here};
use crate::support::card::Firmware;
use crate::support::device::{Device, bytes};
use crate::support::server::{PASSWORD, Server, USER};
use crate::support::wait_for;
use crate::{GAME, PAGE, enter, inside};

/// The line of the version on this place of the history, from 1.
fn version(place: usize) -> String {
    format!("//ol[@class='history']/li[{place}]")
}

#[test]
fn a_person_registers_pairs_by_the_phone_and_sees_the_save_arrive_without_a_reload() {
    if !is_here() {
        return;
    }
    let server = Server::start_empty();
    let browser = Browser::open(&server.url());
    browser.go("/");
    browser.shows("//h1", "Your saves follow you");
    browser.press_text("//main", "Make the first account");
    browser.fill("//main", "name", USER);
    browser.fill("//main", "password", PASSWORD);
    browser.press_text("//form", "Make account");
    browser.shows("//h1", "No saves yet");

    // The handheld's QR, scanned by a phone on which nobody is logged in.
    let device = Device::new(Firmware::Onion, GAME);
    let mut pairing = device.start_pairing(&server.url());
    let phone = Browser::open(&server.url());
    phone.size(390, 844, 2);
    phone.go(&format!("/pair?code={}", pairing.code()));
    phone.is_below("/login?next=");
    enter(&phone);
    phone.shows("//main", "Is this your device?");
    phone.shows("//main", &pairing.code());
    phone.press_text("//main", "Yes, let it in");
    phone.shows("//h1", "is in");
    pairing.end();
    assert_eq!(pairing.exit(), 0);
    phone.said_nothing();

    browser.shows("//main", "Your device is in");
    browser.script("window.stayed = true;", &serde_json::json!([]));
    let _daemon = device.daemon();
    device.plays(&bytes("first"));
    browser.shows("//main", GAME);
    let stayed = browser.script("return window.stayed === true;", &serde_json::json!([]));
    assert_eq!(stayed, true, "it came without a reload");
    browser.said_nothing();

    browser.press(&format!("//a[contains(., '{GAME}')]"));
    browser.shows("//h2[.='On your devices']/..", "the current version");
    browser.go("/devices");
    browser.shows("//article", "Game Boy");
    // Half a day from the server's clock: times and days are those of whoever looks.
    browser.devtools("Emulation.setTimezoneOverride", &serde_json::json!({"timezoneId": "Pacific/Auckland"}));
    browser.go("/activity");
    browser.shows("//ol", "was paired");
    browser.shows("//ol", "saved Counter");
    let days = "return [...document.querySelectorAll('section[data-day]')].every((day) =>
        [...day.querySelectorAll('time')].every((time) =>
            new Date(time.dateTime).toLocaleDateString('sv') === day.querySelector('h2').textContent));";
    assert_eq!(browser.script(days, &serde_json::json!([])), true, "each day has what happened on it here");
    browser.said_nothing();
}

#[test]
fn a_wrong_file_that_is_dropped_is_on_no_card_before_its_owner_is_sure() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let device = Device::new(Firmware::Onion, GAME);
    device.pair(&server);
    device.plays(&bytes("played"));
    device.once();
    let browser = inside(&server);
    browser.go(PAGE);
    browser.shows(&version(1), "current");
    let [wrong, other] = ["wrong.srm", "other.srm"].map(|name| device.folder().join(name));
    std::fs::write(&wrong, [0; 100]).unwrap();
    std::fs::write(&other, &bytes("other")[..]).unwrap();

    browser.drop_files(&[&wrong, &other], 300, 300);
    browser.shows("//form[@data-drop]", "One file at a time");
    assert!(browser.lacks("//ol[@class='history']/li[2]"), "and none was taken");
    browser.go("/");
    browser.shows("//h1", "Saves");
    browser.drop_files(&[&wrong, &other], 300, 300);
    browser.shows("//form[@data-drop]", "One file at a time");

    browser.go(PAGE);
    browser.shows(&version(1), "current");
    browser.drop_files(&[&wrong], 300, 300);
    browser.shows("//h1", "Is this really the save?");
    browser.shows("//main", "holds no game");
    device.once();
    assert_eq!(device.save(), Some(bytes("played")), "nobody has said yes");
    browser.press_text("//main", "No, leave it as it is");
    browser.shows(&version(1), "current");
    device.once();
    assert_eq!(device.save(), Some(bytes("played")), "somebody has said no");

    browser.drop_files(&[&wrong], 300, 300);
    browser.shows("//h1", "Is this really the save?");
    browser.press_text("//main", "Bring it all the same");
    browser.shows("//main", "Stored.");
    device.once();
    assert_eq!(device.save().unwrap().len(), 100, "then it is what they said");
    browser.press_text("//main", "Undo");
    browser.shows("//main", "Restored.");
    device.once();
    assert_eq!(device.save(), Some(bytes("played")));
    browser.said_nothing();
}

#[test]
fn a_file_that_is_dropped_is_on_the_card_and_a_restore_is_taken_back() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let device = Device::new(Firmware::Onion, GAME);
    device.pair(&server);
    device.plays(&bytes("played"));
    device.once();
    let _daemon = device.daemon();
    let browser = inside(&server);
    browser.go(PAGE);
    browser.shows(&version(1), "current");

    let file = device.folder().join("from a friend.srm");
    std::fs::write(&file, &bytes("dropped")[..]).unwrap();
    browser.drop_files(&[&file], 300, 300);
    browser.shows("//main", "Stored.");
    browser.shows(&version(1), "You, here");
    let on_the_card = |mark: &str| {
        wait_for(&format!("{mark} on the card"), 60, || (device.save() == Some(bytes(mark))).then_some(()));
    };
    on_the_card("dropped");
    browser.shows("//h2[.='On your devices']/..", "the current version");

    browser.press_text(&version(2), "Restore");
    browser.shows("//main", "Restored.");
    on_the_card("played");
    let restored = browser.place();
    browser.press_text("//main", "Undo");
    wait_for("another page after the undo", 60, || (browser.place() != restored).then_some(()));
    on_the_card("dropped");

    browser.press(&format!("{}//summary", version(1)));
    browser.fill(&version(1), "label", "before the boss");
    browser.press(&format!("{}//input[@type='checkbox']", version(1)));
    browser.press_text(&version(1), "Note it");
    browser.shows(&version(1), "pinned");
    browser.shows(&version(1), "before the boss");
    browser.said_nothing();
}

#[test]
fn where_a_proxy_swallows_the_stream_news_come_by_asking() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let device = Device::new(Firmware::Minui, GAME);
    device.pair(&server);
    let browser = inside(&server);
    browser.devtools("Network.enable", &serde_json::json!({}));
    browser.devtools("Network.setBlockedURLs", &serde_json::json!({"urls": ["*/live"]}));
    browser.go("/");
    browser.shows("//h1", "No saves yet");
    device.plays(&bytes("first"));
    device.once();
    browser.shows("//main", GAME);
    let said = browser.console();
    assert!(said.iter().all(|line| line.contains("/live")), "of nothing but the stream: {said:?}");
}

#[test]
fn without_scripts_everything_is_done_too() {
    if !is_here() {
        return;
    }
    let server = Server::start_empty();
    let device = Device::new(Firmware::Muos, GAME);
    let browser = Browser::open(&server.url());
    browser.without_scripts();
    browser.go("/register");
    browser.fill("//main", "name", USER);
    browser.fill("//main", "password", PASSWORD);
    browser.press_text("//form", "Make account");
    browser.shows("//h1", "No saves yet");

    let mut pairing = device.start_pairing(&server.url());
    browser.press_text("//main", "Pair a device");
    browser.fill("//main", "code", &pairing.code());
    browser.press_text("//form", "Go on");
    browser.press_text("//main", "Yes, let it in");
    browser.shows("//h1", "is in");
    pairing.end();
    device.plays(&bytes("first"));
    device.once();
    device.plays(&bytes("second"));
    device.once();

    browser.go("/");
    browser.press(&format!("//a[contains(., '{GAME}')]"));
    browser.press_text(&version(2), "Restore");
    browser.shows("//main", "Restored.");
    device.once();
    assert_eq!(device.save(), Some(bytes("first")));

    let file = device.folder().join("Counter.srm");
    std::fs::write(&file, &bytes("brought")[..]).unwrap();
    browser.fill("//form[@action='/save/upload']", "file", file.to_str().unwrap());
    browser.fill("//form[@action='/save/upload']", "note", "from the attic");
    browser.press_text("//form[@action='/save/upload']", "Upload");
    browser.shows("//main", "Stored.");
    browser.shows(&version(1), "from the attic");
    device.once();
    assert_eq!(device.save(), Some(bytes("brought")));

    browser.go("/?q=nothing+like+it");
    browser.shows("//main", "Nothing matches");
    browser.go("/activity?what=choices");
    browser.shows("//ol", "restored Counter");
    browser.said_nothing();
}
