//! Wrong paths, methods and parameters everywhere: a person is answered by a page, a device by a problem document, RetroSync's clients in
//! their envelope, S3 in XML. Nothing is answered by a stack's own bare text.

use serde_json::Value;

use crate::support::browser::{Browser, registered};
use crate::support::{Reply, Server};

const ROUTER: &str = include_str!("../../src/web/mod.rs");

/// Does it say what is wrong, as a page?
fn is_page(reply: &Reply) -> bool {
    reply.header("content-type") == "text/html; charset=utf-8"
        && !reply.header("retrosync-code").is_empty()
        && reply.text().contains("<h1")
}

#[test]
fn what_a_person_asks_wrongly_is_answered_by_a_page() {
    let server = Server::start();
    let browser = registered(&server);
    let rows = [
        ("no such page", "GET", "/nowhere", 404),
        ("a way out", "GET", "/assets/../../etc/passwd", 404),
        ("a way out, encoded", "GET", "/assets/..%2f..%2fetc%2fpasswd", 404),
        ("a way out of another kind", "GET", "/assets/..%5c..%5cwindows", 404),
        ("a page of NUL", "GET", "/%00", 404),
        ("no text", "GET", "/%ff%fe", 404),
        ("a save that is none", "GET", "/save?id=nonsense", 400),
        ("a save without a name", "GET", "/save", 400),
        ("a save out of its folder", "GET", "/save?id=gb%2Fsram%2F..%2F..%2Fx", 400),
        ("a save of NUL", "GET", "/save?id=gb%2Fsram%2Fa%00b", 400),
        ("a save of no text", "GET", "/save?id=%ff", 400),
        ("a save that is not there", "GET", "/save?id=gb%2Fsram%2FNobody", 404),
        ("a version that is none", "GET", "/save/download?id=gb%2Fsram%2Fx&version=../../x", 400),
        ("a page before nothing", "GET", "/save?id=gb%2Fsram%2Fx&before=x", 400),
        ("a code that is none", "GET", "/pair?code=..%2F..", 400),
        ("a device that is none", "POST", "/devices/..%2f..%2fx/rename", 400),
        ("a form where a page is", "POST", "/storage", 404),
        ("a page where a form is", "GET", "/save/restore", 404),
        ("another verb", "DELETE", "/devices", 404),
        ("a verb that no page has", "OPTIONS", "/", 404),
        ("a form of no text", "POST", "/account", 403),
    ];
    for (what, method, path, status) in rows {
        let site = server.url.as_str();
        let headers = [("origin", site), ("content-type", "application/x-www-form-urlencoded")];
        let body = (method == "POST").then_some(b"name=%ff&form_token=\xff".as_slice());
        let reply = browser.send(method, path, if method == "POST" { &headers } else { &[] }, body);
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        assert!(is_page(&reply), "{what}: {} {}", reply.header("content-type"), reply.text());
    }
    let long = "name=".to_owned() + &"x".repeat(70_000);
    let headers = [("origin", server.url.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let reply = browser.send("POST", "/account", &headers, Some(long.as_bytes()));
    assert!(reply.status == 413 && is_page(&reply), "a form of 70 KB: {}", reply.text());
}

#[test]
fn every_page_bears_every_odd_parameter() {
    let server = Server::start();
    let browser = registered(&server);
    let names = [
        "id",
        "q",
        "system",
        "what",
        "device",
        "before",
        "after",
        "done",
        "undo",
        "next",
        "code",
        "version",
        "invitation",
        "page",
        "sort",
    ];
    let odd = [
        "",
        "%00",
        "%ff%fe",
        "..%2f..%2f",
        "%F0%9F%92%BE",
        "%E2%80%AE",
        "-1",
        "99999999999999999999",
        "%27%20OR%201%3D1",
        "%3Cscript%3E",
        "%0d%0aSet-Cookie:%20a=b",
        "a%26b",
        "%2F%2Fevil.example",
    ];
    let pages = ROUTER.lines().filter(|line| line.contains(".route(") && line.contains("get("));
    let pages: Vec<&str> = pages.map(|line| line.split('"').nth(1).unwrap()).collect();
    assert!(pages.len() > 12, "{pages:?}");
    for page in pages.into_iter().filter(|page| *page != "/live" && !page.contains('{')) {
        for value in odd {
            let query: Vec<String> = names.iter().map(|name| format!("{name}={value}")).collect();
            // All at once; and the oddest alone too, lest another one is refused first.
            let alone = ["%00", "%ff%fe", "-1"].contains(&value);
            let each = names.iter().filter(|_| alone).map(|name| format!("{name}={value}"));
            for query in each.chain([query.join("&")]) {
                // `Browser` holds each page against what all promise: its code, no script, nothing unescaped.
                let reply = browser.look(&format!("{page}?{query}"));
                assert!(reply.status < 500, "{page}?{query}: {} {}", reply.status, reply.text());
                assert!(!reply.text().contains("<script>"), "{page}?{query}");
                let to = reply.header("location");
                assert!(
                    !to.contains("evil.example") || to.starts_with("/login"),
                    "{page}?{query} leads to {to}"
                );
                assert!(reply.header("set-cookie").is_empty(), "{page}?{query}");
            }
        }
    }
}

#[test]
fn what_a_program_asks_wrongly_is_answered_in_its_own_form() {
    let server = Server::start();
    let document = |reply: &Reply| {
        reply.header("content-type") == "application/problem+json" && reply.json()["code"].is_string()
    };
    for (method, path) in [
        ("GET", "/api/v1/nowhere"),
        ("GET", "/api/v1/"),
        ("PUT", "/api/v1/changes"),
        ("OPTIONS", "/api/v1/health"),
        ("POST", "/api/v1/health"),
    ] {
        let reply = server.bare(method, path, &[], None);
        assert!(
            reply.status == 404 && document(&reply),
            "{method} {path}: {} {}",
            reply.status,
            reply.text()
        );
    }
    let envelope = |reply: &Reply| reply.json()["success"] == false && reply.json()["error"].is_string();
    for (method, path) in [
        ("GET", "/api/sync/manifest"),
        ("GET", "/api/saves"),
        ("POST", "/api/sync/files"),
        ("PATCH", "/api/account"),
    ] {
        let reply = server.bare(method, path, &[], (method != "GET").then_some(b"{}".as_slice()));
        assert!(
            reply.status == 401 && envelope(&reply),
            "{method} {path}: {} {}",
            reply.status,
            reply.text()
        );
    }
    for path in
        ["/retrosync-saves", "/retrosync-saves/a/b", "/retrosync-saves/..%2f..%2fx", "/retrosync-saves/%ff"]
    {
        let reply = server.bare("GET", path, &[], None);
        assert_eq!((reply.status, reply.header("content-type")), (403, "application/xml"), "{path}");
        assert!(reply.text().contains("<Code>AccessDenied</Code>"), "{path}: {}", reply.text());
    }
    let _: Value = server.get("/health", None).ok();
    let stranger = Browser::new(&server);
    assert!(is_page(&stranger.look("/nowhere")), "a page, without a session too");
}
