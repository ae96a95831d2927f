//! Files that a person brings: whole, or refused whole.

use retrosync_protocol::Digest;
use serde_json::Value;

use crate::support::browser::{Browser, attribute, parts, registered};
use crate::support::{Reply, Server};

pub(crate) fn upload(browser: &Browser, path: &str, origin: &str, body: &[u8]) -> Reply {
    let kind = "multipart/form-data; boundary=b0undary";
    browser.send("POST", path, &[("origin", origin), ("content-type", kind)], Some(body))
}

#[test]
fn a_file_is_brought_whole_or_refused_whole() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let page = browser.page("/");
    let token = attribute(page.split("form_token\"").nth(1).unwrap(), "value");
    let site = server.url.clone();
    let named = [("form_token", token.as_str()), ("system", "gb"), ("title", "")];
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| ((n * 31) >> 3) as u8).collect();
    let brought =
        [("Small.srm", b"small".to_vec()), ("ポケモン \u{1f47e}.srm", b"odd".to_vec()), ("Large.srm", large)];
    for (name, bytes) in &brought {
        let reply = upload(&browser, "/upload", &site, &parts(&named, Some((name, bytes))));
        assert!(
            reply.status == 303 && reply.header("location").ends_with("&done=uploaded"),
            "{name}: {}",
            reply.text()
        );
        let got = device.get(&format!("/content/{}", Digest::of(bytes)));
        assert!(got.status == 200 && got.body == *bytes, "{name}");
    }
    let again = upload(&browser, "/upload", &site, &parts(&named, Some(("Small.srm", b"other"))));
    assert!(again.header("location").ends_with("&done=branched"), "what nobody saw is not replaced");
    let held = device.get("/account").ok::<Value>()["versions"].as_u64().unwrap();
    assert_eq!(held, 4);

    let foreign = [("form_token", "0"), ("system", "gb")];
    let huge = vec![0; (64 << 20) + 1];
    let mut cut = parts(&named, Some(("Cut.srm", b"cut in the middle")));
    cut.truncate(cut.len() - 20);
    let mut two = parts(&named, Some(("First.srm", b"first")));
    two.truncate(two.len() - "--b0undary--\r\n".len());
    two.extend(parts(&[], Some(("Second.srm", b"second"))));
    let refused: [(&str, u16, Vec<u8>, &str); 10] = [
        ("two files at once, neither of which is stored", 400, two, &site),
        ("another session", 403, parts(&foreign, Some(("a.srm", b"a"))), &site),
        ("no token", 403, parts(&[("system", "gb")], Some(("a.srm", b"a"))), &site),
        ("the file before the token", 403, parts(&[], Some(("a.srm", b"a"))), &site),
        ("another site", 403, parts(&named, Some(("a.srm", b"a"))), "http://evil.example"),
        ("no file", 400, parts(&named, None), &site),
        ("an empty file", 400, parts(&named, Some(("a.srm", b""))), &site),
        (
            "a way out",
            400,
            parts(&[named[0], ("system", "../.."), ("title", "..")], Some(("a.srm", b"a"))),
            &site,
        ),
        ("cut", 400, cut, &site),
        ("huge", 413, parts(&named, Some(("a.srm", &huge))), &site),
    ];
    for (what, status, body, origin) in refused {
        let reply = upload(&browser, "/upload", origin, &body);
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
    }
    assert!(server.peak_memory_bytes() < 128 << 20, "{} bytes", server.peak_memory_bytes());
    assert_eq!(device.get("/account").ok::<Value>()["versions"], held, "and nothing came of it");
}
