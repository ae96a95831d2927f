//! Nobody needs a mouse.

use crate::browser::{Browser, ENTER, TAB, is_here};
use crate::support::card::Firmware;
use crate::support::device::{Device, bytes};
use crate::support::server::{PASSWORD, Server, USER};
use crate::{GAME, PAGE};

/// Goes on with Tab until the focus is on what says this; a page has fewer stops than a hundred.
#[track_caller]
fn tab_to(browser: &Browser, text: &str) {
    let mut seen = Vec::new();
    for _ in 0..100 {
        browser.keys(TAB);
        let at = browser.script(
            "const e = document.activeElement; return (e.getAttribute('aria-label') || e.textContent || '').trim();",
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
