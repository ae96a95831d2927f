//! Forms of other sites: no form of the dashboard does anything for a page that is not ours. Which forms there are is read from the
//! router and from the templates, so a new one cannot be forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use crate::held::{held, is_whole};
use crate::support::Server;
use crate::support::browser::{Browser, attribute, parts, registered};

const ROUTER: &str = include_str!("../../src/web/mod.rs");

/// Every path that takes a form: what the router says.
pub fn routes() -> BTreeSet<String> {
    let lines = ROUTER.lines().filter(|line| line.contains(".route(") && line.contains("post("));
    lines.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
}

/// The same: what the pages say.
fn forms() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for form in text.split("<form").skip(1).map(|part| part.split('>').next().unwrap()) {
            if form.contains("method=\"post\"") {
                let action = form.split("action=\"").nth(1).unwrap();
                found.extend(paths(action.rsplit_once('"').map_or(action, |(action, _)| action)));
            }
        }
    }
    found
}

/// The paths of an `action`, in which a template may choose and fill in.
fn paths(action: &str) -> Vec<String> {
    let action = action.split("\" ").next().unwrap();
    if let Some((_, rest)) = action.split_once("{% if register %}") {
        let (yes, no) = rest.split_once("{% else %}").unwrap();
        return vec![yes.into(), no.split("{%").next().unwrap().into()];
    }
    vec![action.replace("{{ device.id }}", "{device}")]
}

/// Forms at which nobody is logged in yet: there is no session whose token they could carry.
const DOORS: &[&str] = &["/login", "/register"];

#[test]
fn the_pages_send_their_forms_to_the_routes_that_are_tested_here() {
    assert_eq!(routes(), forms());
    assert!(routes().len() >= 18, "{:?}", routes());
    assert!(DOORS.iter().all(|door| routes().contains(*door)));
}

#[test]
fn no_form_of_another_site_or_session_changes_anything() {
    let server = Server::start_with(&["--open-registration"]);
    let ada = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let eve = Browser::new(&server);
    eve.submit("/register", &[("name", "eve"), ("password", "correct horse battery")]);
    let token_of = |browser: &Browser<'_>| {
        let page = browser.page("/account");
        attribute(page.split("form_token\"").nth(1).unwrap(), "value")
    };
    let (own, foreign) = (token_of(&ada), token_of(&eve));
    let site = server.url.as_str();
    let evil = "http://evil.example";
    // What would be a whole form for any of them.
    let filled = [
        ("name", "mallory"),
        ("email", "mallory@example.com"),
        ("password", "correct horse battery"),
        ("old", "correct horse battery"),
        ("new", "another horse battery"),
        ("again", "another horse battery"),
        ("open", "yes"),
        ("answer", "approve"),
        ("code", "AAAA-AAAA"),
        ("id", "2"),
        ("save", "gb/sram/Tetris"),
        ("system", "gb"),
        ("title", "Tetris"),
    ];
    let before = held(&device);
    for route in routes() {
        let path = route.replace("{device}", &device.id);
        let is_door = DOORS.contains(&route.as_str());
        let mut rows = vec![
            ("another site, with the right token", vec![("origin", evil)], Some(own.as_str()), 403),
            ("a page without an origin of its own", vec![("origin", "null")], Some(&own), 403),
            ("another site that hides its origin", vec![("sec-fetch-site", "cross-site")], Some(&own), 403),
            ("a neighbour of ours", vec![("sec-fetch-site", "same-site")], Some(&own), 403),
            (
                "our name with something after it",
                vec![("origin", "http://127.0.0.1.evil.example")],
                Some(&own),
                403,
            ),
        ];
        if !is_door {
            rows.extend([
                ("our site, without a token", vec![("origin", site)], None, 403),
                (
                    "our site, with another session's token",
                    vec![("origin", site)],
                    Some(foreign.as_str()),
                    403,
                ),
                ("a program, with an empty token", vec![], Some(""), 403),
            ]);
        }
        for (what, mut headers, token, status) in rows {
            let (kind, body) = written(&route, &filled, token);
            headers.push(("content-type", kind));
            let reply = ada.send("POST", &path, &headers, Some(&body));
            let told = (reply.status, reply.header("retrosync-code"), reply.header("content-type"));
            assert_eq!(
                told,
                (status, "access_denied", "text/html; charset=utf-8"),
                "{route}, {what}: {}",
                reply.text()
            );
            assert!(reply.header("set-cookie").is_empty(), "{route}, {what}: no session is begun or ended");
        }
        if !is_door {
            let (kind, body) = written(&route, &filled, Some(&own));
            let nobody = Browser::new(&server);
            let reply = nobody.send("POST", &path, &[("origin", site), ("content-type", kind)], Some(&body));
            assert_eq!(
                (reply.status, reply.header("location")),
                (303, "/login"),
                "{route}: without a session"
            );
        }
    }
    assert_eq!(held(&device), before);
    assert!(ada.page("/account").contains("ada"), "still logged in, still called so");
    let admin = ada.page("/admin");
    assert!(admin.contains("eve") && !admin.contains("mallory"), "{admin}");
    is_whole(&server);
}

/// The form as a browser writes it for this route: with a file or without.
fn written(route: &str, fields: &[(&str, &str)], token: Option<&str>) -> (&'static str, Vec<u8>) {
    let mut fields = fields.to_vec();
    if let Some(token) = token {
        fields.insert(0, ("form_token", token));
    }
    if !route.ends_with("upload") {
        let text = serde_urlencoded::to_string(&fields).unwrap();
        return ("application/x-www-form-urlencoded", text.into_bytes());
    }
    ("multipart/form-data; boundary=b0undary", parts(&fields, Some(("Tetris.srm", b"bytes"))))
}
