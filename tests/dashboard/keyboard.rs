//! Nobody needs a mouse.

use crate::browser::{Browser, ENTER, ESCAPE, TAB, is_here};
use crate::support::card::Firmware;
use crate::support::device::{Device, bytes};
use crate::support::server::{PASSWORD, Server, USER};
use crate::together::parted;
use crate::{GAME, PAGE, inside};

/// Goes on with Tab until the focus is on what says this; a page has fewer stops than a hundred.
#[track_caller]
fn tab_to(browser: &Browser, text: &str) {
    let mut seen = Vec::new();
    for _ in 0..100 {
        browser.keys(TAB);
        let at = browser.script(
            "const e = document.activeElement; return (e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent || '').trim();",
            &serde_json::json!([]),
        );
        let at = at.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        if at.contains(text) {
            let outlined = browser.script(
                "return getComputedStyle(document.activeElement).outlineStyle !== 'none';",
                &serde_json::json!([]),
            );
            assert_eq!(outlined, true, "it is seen where the focus is: {text}");
            return;
        }
        seen.push(at);
    }
    panic!("no way by Tab to `{text}`: {seen:?}");
}

#[test]
fn by_keyboard_alone_a_person_logs_in_finds_a_save_and_restores_it() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let device = Device::new(Firmware::Knulli, GAME);
    device.pair(&server);
    for mark in ["first", "second"] {
        device.plays(&bytes(mark));
        device.once();
    }
    let browser = Browser::open(&server.url());
    browser.go("/login");
    // The name's field has the focus by itself.
    browser.shows("//h1", "Log in");
    browser.keys(&format!("{USER}{TAB}{PASSWORD}{ENTER}"));
    browser.shows("//h1", "Saves");
    tab_to(&browser, "Find a save");
    browser.keys("count");
    browser.shows("//main", GAME);
    tab_to(&browser, GAME);
    browser.keys(ENTER);
    browser.is_below(PAGE);
    tab_to(&browser, "Restore");
    browser.keys(ENTER);
    browser.shows("//main", "Restored.");
    device.once();
    assert_eq!(device.save(), Some(bytes("first")));
    tab_to(&browser, "To the content");
    browser.keys(ENTER);
    assert!(browser.place().ends_with("#content"), "{}", browser.place());
    browser.said_nothing();
}

#[test]
fn by_keyboard_alone_a_device_is_let_in() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let browser = inside(&server);
    let device = Device::new(Firmware::Knulli, GAME);
    let mut pairing = device.start_pairing(&server.url());
    tab_to(&browser, "Pair a device");
    browser.keys(ENTER);
    // The code's field has the focus by itself.
    browser.shows("//h1", "Pair a device");
    browser.keys(&format!("{}{ENTER}", pairing.code()));
    browser.shows("//h1", "Is this your device?");
    tab_to(&browser, "Yes, let it in");
    browser.keys(ENTER);
    browser.shows("//h1", "is in");
    pairing.end();
    assert_eq!(pairing.exit(), 0);
    browser.said_nothing();
}

#[test]
fn by_keyboard_alone_a_conflict_is_settled_a_version_marked_and_a_file_brought() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let [a, _b] = parted(&server);
    let browser = inside(&server);
    browser.go(PAGE);
    browser.shows("//h2[@id='question']", "Which one");
    tab_to(&browser, "Keep this");
    browser.keys(ENTER);
    browser.shows("//main", "Settled.");

    tab_to(&browser, "More about this version");
    browser.keys(ENTER);
    browser.shows("//details[@open]", "Pin");
    browser.keys(ESCAPE);
    assert!(browser.lacks("//details[@class='menu' and @open]"), "Esc closes it");
    browser.keys(ENTER);
    browser.shows("//details[@open]", "Pin");
    browser.keys(&format!("{TAB}before the boss{TAB} "));
    tab_to(&browser, "Note it");
    browser.keys(ENTER);
    browser.shows("//main", "Noted.");
    browser.shows("//ol[@class='history']/li[1]", "before the boss");
    browser.shows("//ol[@class='history']/li[1]", "pinned");

    let file = a.folder().join("brought.srm");
    std::fs::write(&file, &bytes("brought")[..]).unwrap();
    tab_to(&browser, "drop it anywhere");
    // The system's own dialogue is not the page's: what it would answer.
    browser.fill("//form[@action='/save/upload']", "file", file.to_str().unwrap());
    tab_to(&browser, "Upload");
    browser.keys(ENTER);
    browser.shows("//main", "Stored.");
    a.once();
    assert_eq!(a.save(), Some(bytes("brought")));
    browser.said_nothing();
}
