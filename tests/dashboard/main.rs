//! The dashboard as people use it: in a real browser, with real daemons on cards, against the real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod browser;
mod keyboard;
mod pictures;
mod together;

use browser::Browser;
use support::server::{PASSWORD, Server, USER};

/// The game on every card here.
const GAME: &str = "Counter";
/// Its save's page.
const PAGE: &str = "/save?id=gb%2Fsram%2FCounter";

/// Logs the tests' user in.
#[track_caller]
fn log_in(browser: &Browser) {
    browser.go("/login");
    enter(browser);
    browser.is_at("/");
    browser.shows("//header", USER);
}

/// Fills in the door's form, wherever it leads.
#[track_caller]
fn enter(browser: &Browser) {
    browser.fill("//main", "name", USER);
    browser.fill("//main", "password", PASSWORD);
    browser.press("//main//button");
}

/// A browser that is logged in.
fn inside(server: &Server) -> Browser {
    let browser = Browser::open(&server.url());
    log_in(&browser);
    browser
}
