//! Two handhelds and two browsers: a conflict is seen, settled once, and the same everywhere.

use crate::browser::is_here;
use crate::support::card::Firmware;
use crate::support::device::{Device, bytes};
use crate::support::server::Server;
use crate::{GAME, PAGE, inside};

/// Two devices that went on from the same save apart.
pub(crate) fn parted(server: &Server) -> [Device; 2] {
    let (a, b) = (Device::new(Firmware::Onion, GAME), Device::new(Firmware::Muos, GAME));
    a.pair(server);
    b.pair(server);
    a.plays(&bytes("together"));
    a.once();
    b.once();
    a.plays(&bytes("in the train"));
    b.plays(&bytes("on the sofa"));
    a.once();
    b.once_asks();
    [a, b]
}

/// The side of the question that a device brought.
fn side(device: &str) -> String {
    format!("//article[.//h3[.='{device}']]")
}

#[test]
fn a_conflict_is_settled_once_by_two_browsers_and_is_the_same_on_every_card() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let [a, b] = parted(&server);
    let (one, other) = (inside(&server), inside(&server));
    one.shows("//main", "Waits for your choice");
    // The second looks on without scripts, so that its page grows old.
    other.without_scripts();
    for browser in [&one, &other] {
        browser.go(PAGE);
        browser.shows("//h2[@id='question']", "Which one");
    }
    one.press_text(&side("Muos"), "Keep this");
    one.shows("//main", "Settled.");
    other.press_text(&side("Onion"), "Keep this");
    other.shows("//main", "Nothing was changed");
    assert!(other.lacks("//h2[@id='question']"), "and it sees that it is settled");
    for device in [&a, &b] {
        device.once();
        assert_eq!(device.save(), Some(bytes("on the sofa")));
    }
    one.said_nothing();
}

#[test]
fn keeping_both_pins_the_other_one() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let [a, b] = parted(&server);
    let browser = inside(&server);
    browser.go(PAGE);
    browser.press_text(&side("Onion"), "Keep both, go on with this");
    browser.shows("//main", "Both are kept");
    browser.shows("//ol[@class='history']/li[contains(@class, 'pinned')]", "Muos");
    for device in [&a, &b] {
        device.once();
        assert_eq!(device.save(), Some(bytes("in the train")));
    }
    browser.said_nothing();
}

#[test]
fn without_scripts_a_conflict_is_settled_and_the_other_one_taken_after_all() {
    if !is_here() {
        return;
    }
    let server = Server::start();
    let [a, b] = parted(&server);
    let browser = inside(&server);
    browser.without_scripts();
    browser.go(PAGE);
    browser.press_text(&side("Onion"), "Keep this");
    browser.shows("//main", "Settled.");
    for device in [&a, &b] {
        device.once();
        assert_eq!(device.save(), Some(bytes("in the train")));
    }
    browser.press_text("//main", "Take the other one");
    browser.shows("//main", "Restored.");
    for device in [&a, &b] {
        device.once();
        assert_eq!(device.save(), Some(bytes("on the sofa")));
    }
    browser.said_nothing();
}
