//! Cookies, tokens and keys that nobody was given, or that were given for something else: each is as good as none.

use serde_json::{Value, json};

use crate::held::{held, is_whole};
use crate::support::browser::{Browser, registered};
use crate::support::{Server, bearer, token_sha256, version};

/// A key of RetroSync's own clients and a login's token of theirs.
fn foreign_login(server: &Server) -> String {
    let body = json!({"email": "bob@example.com", "password": "Correct horse 1", "name": "Bob"}).to_string();
    let reply = server.bare("POST", "/api/auth/register", &[], Some(body.as_bytes()));
    reply.json()["data"]["token"].as_str().unwrap_or_else(|| panic!("{}", reply.text())).to_owned()
}

#[test]
fn whoever_forges_a_cookie_stands_before_the_door() {
    let server = Server::start_with(&["--open-registration"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let jwt = foreign_login(&server);
    let cookie = browser.cookie.borrow().clone();
    let secret = cookie.strip_prefix("retrosync=").unwrap();
    let mut near = secret.to_owned();
    let last = if near.pop() == Some('0') { '1' } else { '0' };
    near.push(last);
    let hash = retrosync_protocol::Digest::of(secret.as_bytes()).to_string();
    let rows = [
        ("nothing", String::new()),
        ("an empty value", "retrosync=".into()),
        ("one that nobody has", format!("retrosync={}", "a".repeat(64))),
        ("nearly the right one", format!("retrosync={near}")),
        ("its hash, as the catalog keeps it", format!("retrosync={hash}")),
        ("half of it", format!("retrosync={}", &secret[..32])),
        ("more than it", format!("retrosync={secret}{secret}")),
        ("with something after it", format!("retrosync={secret}%00")),
        ("another name", format!("retrosync2={secret}")),
        ("a device's token", format!("retrosync={}", device.token)),
        ("a device's token without its mark", format!("retrosync={}", &device.token[4..])),
        ("the login of another program", format!("retrosync={jwt}")),
        ("a forged one before the right one", format!("retrosync={}; {cookie}", "b".repeat(64))),
        ("a quotation", format!("retrosync=\"{secret}\"")),
        ("SQL", "retrosync=' OR 1=1 --".into()),
        ("64 KiB of noise", format!("retrosync={}", "x".repeat(60_000))),
    ];
    for (what, forged) in rows {
        let headers = [("cookie", forged.as_str())];
        for page in
            ["/devices", "/account", "/admin", "/account/export.zip", "/live", "/save?id=gb%2Fsram%2Fx"]
        {
            let reply = server.bare("GET", page, &headers, None);
            let told = (reply.status, reply.header("location").starts_with("/login?next="));
            assert_eq!(told, (303, true), "{what}, {page}: {}", reply.text());
        }
        let home = server.bare("GET", "/", &headers, None);
        assert!(!home.text().contains("form_token"), "{what}");
    }
    assert!(browser.page("/account").contains("ada"), "the right one still is");
}

#[test]
fn whoever_forges_a_token_or_brings_one_of_another_kind_is_nobody() {
    let server = Server::start_with(&["--open-registration"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    device.store("op-1", &version("gb/sram/Tetris", Some(b"hers"), &[], 1, 1), Some(b"hers"));
    let jwt = foreign_login(&server);
    let secret = browser.cookie.borrow().strip_prefix("retrosync=").unwrap().to_owned();
    let hash = token_sha256(&device.token);
    let before = held(&device);
    let rows = [
        ("the cookie of a browser", bearer(&secret)),
        ("the cookie as a token", bearer(&format!("rst_{secret}"))),
        ("the login of another program", bearer(&jwt)),
        ("the token's hash, as the catalog keeps it", bearer(&format!("rst_{hash}"))),
        ("in capitals", bearer(&device.token.to_uppercase())),
        ("twice", bearer(&format!("{0}, {0}", device.token))),
        ("another scheme", format!("Basic {}", device.token)),
        ("no scheme", device.token.clone()),
        ("nothing", String::new()),
    ];
    for (what, forged) in rows {
        let headers = [("authorization", forged.as_str()), ("idempotency-key", "op-2")];
        for (method, path) in
            [("GET", "/changes"), ("POST", "/versions"), ("GET", "/devices"), ("POST", "/report")]
        {
            let body = (method == "POST").then_some(b"{}".as_slice());
            let reply = server.api(method, path, &headers, body);
            assert_eq!((reply.status, reply.code().as_str()), (401, "unauthorized"), "{what}, {path}");
        }
        // RetroSync's own clients: a device by its key, a user by the token of a login.
        let theirs = [("authorization", forged.as_str())];
        let reply = server.bare("GET", "/api/saves", &theirs, None);
        let right = forged == bearer(&jwt);
        assert_eq!(reply.status, if right { 200 } else { 401 }, "{what}: {}", reply.text());
    }
    for key in
        [secret.as_str(), &hash, &jwt, "", "0", &"0".repeat(64), &format!("rst_{}", &device.token[4..])]
    {
        let reply = server.bare("GET", "/api/sync/manifest", &[("x-api-key", key)], None);
        assert_eq!((reply.status, reply.json()["success"].clone()), (401, json!(false)), "{key}");
    }
    assert_eq!(held(&device), before);
    is_whole(&server);
}

#[test]
fn a_session_that_is_over_opens_nothing() {
    let mut server = Server::start();
    let browser = registered(&server);
    let cookie = browser.cookie.borrow().clone();
    assert!(browser.page("/account").contains("ada"));
    drop(browser);
    server.kill();
    // As if a year had passed.
    let over = crate::database::sqlite(
        &server,
        "UPDATE sessions SET expires_unix_s = expires_unix_s - 31536000 RETURNING 1",
    );
    assert_eq!(over.lines().count(), 1, "{over}");
    server.run(&[]);
    let again = Browser::new(&server);
    *again.cookie.borrow_mut() = cookie.clone();
    assert_eq!(again.look("/account").header("location"), "/login?next=%2Faccount");
    // Nor one that was ended by logging out, or by another password.
    let form = [("name", "ada"), ("password", "correct horse battery")];
    let (one, two) = (Browser::new(&server), Browser::new(&server));
    for browser in [&one, &two] {
        assert_eq!(browser.submit("/login", &form).status, 303);
    }
    let left = one.cookie.borrow().clone();
    one.press(&one.page("/account"), "Log out", &[]);
    let returned = Browser::new(&server);
    *returned.cookie.borrow_mut() = left;
    assert_eq!(returned.look("/account").status, 303, "logged out");
    let page = two.page("/account");
    let stale = two.cookie.borrow().clone();
    let changed = [("old", "correct horse battery"), ("new", "another horse battery")];
    let reply = two.press(&page, "name=\"new\"", &changed);
    assert!(reply.status < 400, "{}", reply.text());
    let other = Browser::new(&server);
    *other.cookie.borrow_mut() = stale;
    assert_eq!(other.look("/account").status, 303, "another password ended it");
}

#[test]
fn whoever_claims_to_be_a_device_of_somebody_else_is_nobody() {
    let server = Server::start();
    server.add_user("ada");
    server.add_user("eve");
    let (ada, eve) = (server.pair("Miyoo", "ada"), server.pair("Hers", "eve"));
    ada.store("op-1", &version("gb/sram/Tetris", Some(b"hers"), &[], 1, 1), Some(b"hers"));
    let before = held(&ada);
    // Her ids, named by another: in the path, in the record, in a choice.
    let record = version("gb/sram/Tetris", Some(b"eve's"), &[], 1, 2);
    let stored: Value =
        eve.send("/versions", "op-1", &crate::support::frames::store(&record, Some(b"eve's"))).ok();
    assert_eq!(stored["results"][0]["heads"].as_array().unwrap().len(), 1, "into eve's own: {stored}");
    for (method, path) in
        [("PATCH", format!("/devices/{}", ada.id)), ("DELETE", format!("/devices/{}", ada.id))]
    {
        let refused = eve.change(method, &path, "op-2", &json!({"name": "mine"}));
        assert_eq!(refused.code(), "not_found", "{method}");
    }
    assert_eq!(held(&ada), before);
    is_whole(&server);
}
