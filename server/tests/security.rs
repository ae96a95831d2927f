//! What somebody who is not meant to can try at the real server's door: headers that lie, tokens that were revoked or are
//! another's, and the data folder of a server that was stolen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::sync::Barrier;
use std::thread;

use retrosync_protocol::{Digest, Token};
use serde_json::{Value, json};
use support::{Device, Server, bearer, token, token_sha256, version};

const SAVE: &str = "gb/sram/Tetris";

/// A claim with a code that nobody has, from whom the headers say; the refusal's code.
fn guess(server: &Server, headers: &[(&str, &str)]) -> String {
    let claim = json!({"user_code": "AAAA-AAAA", "token_sha256": token_sha256(&token()), "device_name": "x",
        "profile": "", "client": ""});
    server.api("POST", "/pairing/claim", headers, Some(claim.to_string().as_bytes())).code()
}

#[test]
fn who_guesses_codes_cannot_hide_behind_a_header() {
    let server = Server::start();
    let mut answers = Vec::new();
    for number in 0..7 {
        let address = format!("203.0.113.{number}");
        let forwarded = format!("for={address}");
        answers.push(guess(&server, &[("x-forwarded-for", &address), ("forwarded", &forwarded)]));
    }
    assert_eq!(answers[..5], vec!["code_unknown"; 5]);
    assert_eq!(answers[5..], vec!["slow_down"; 2], "all of them came over one socket's address");
}

#[test]
fn behind_a_proxy_that_was_named_a_noisy_neighbour_stops_nobody_else() {
    let server = Server::start_with(&["--trusted-proxy", "127.0.0.0/8,::1"]);
    let from = |address: &str| guess(&server, &[("x-forwarded-for", address)]);
    for _ in 0..5 {
        assert_eq!(from("203.0.113.1"), "code_unknown");
    }
    assert_eq!(from("203.0.113.1"), "slow_down");
    assert_eq!(from("198.51.100.1, 203.0.113.1"), "slow_down", "what the client wrote itself does not count");
    assert_eq!(from("203.0.113.2"), "code_unknown");
    assert_eq!(guess(&server, &[("forwarded", "for=203.0.113.1;proto=https")]), "slow_down");
    let wrong = server.cli(&["serve", "--trusted-proxy", "nas"]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![std::fs::read(path).unwrap()] })
        .collect()
}

#[test]
fn whoever_steals_the_servers_disk_has_no_token_and_no_password() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    device.store("op-1", &version(SAVE, Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let form = "name=ada&password=correct+horse+battery";
    let headers = [("origin", server.url.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let login = server.bare("POST", "/login", &headers, Some(form.as_bytes()));
    let cookie = login.header("set-cookie").split([';', '=']).nth(1).unwrap().to_owned();
    assert_eq!(cookie.len(), 64, "a session is 256 bits too");
    let token = &device.token;
    let raw = token.strip_prefix("rst_").unwrap();
    let bytes: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&raw[2 * at..2 * at + 2], 16).unwrap()).collect();
    let hash = token.parse::<Token>().unwrap().digest();
    let kept = files(&server.data());
    let holds = |secret: &[u8]| kept.iter().any(|file| file.windows(secret.len()).any(|part| part == secret));
    assert!(holds(hash.as_bytes()) || holds(hash.to_string().as_bytes()), "its hash is what is kept");
    for secret in [raw.as_bytes(), &bytes, cookie.as_bytes(), b"correct horse battery"] {
        assert!(!holds(secret), "{}", String::from_utf8_lossy(secret));
    }
    assert!(holds(b"$argon2id$v=19$m=19456,t=2,p=1$"));
}

/// What one hash of a password takes (`server/src/access/passwords.rs`), and how many are made at once.
const HASH_BYTES: u64 = 19 << 20;
const HASHES_AT_ONCE: u64 = 2;

/// All of them try to log in, at once; the answers, and how much more memory the server has held since it started.
fn log_in(server: &Server, names: &[&str]) -> (Vec<u16>, u64) {
    let before = server.peak_memory_bytes();
    let together = Barrier::new(names.len());
    let try_one = |name: &str| {
        let form = format!("name={name}&password=wrong+horse+battery");
        let headers =
            [("origin", server.url.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        together.wait();
        server.bare("POST", "/login", &headers, Some(form.as_bytes())).status
    };
    let answers = thread::scope(|scope| {
        let tries: Vec<_> = names.iter().map(|name| scope.spawn(|| try_one(name))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    (answers, server.peak_memory_bytes() - before)
}

#[test]
fn ten_who_log_in_at_once_take_the_memory_of_two_and_are_all_answered() {
    let server = Server::start();
    server.add_user("ada");
    let (answers, more_bytes) =
        log_in(&server, &["ada", "b", "ada", "d", "ada", "f", "ada", "h", "ada", "j"]);
    assert_eq!(answers, vec![answers[0]; 10]);
    assert!((400..404).contains(&answers[0]), "{answers:?}");
    println!("ten logins: {more_bytes} bytes more");
    // At its start it may have held a little that it has given back.
    assert!(more_bytes >= HASH_BYTES / 4 * 3, "{more_bytes}: hardly anything was hashed");
    // Less than a third hash would take, and what ten connections take beside.
    assert!(
        more_bytes < HASHES_AT_ONCE * HASH_BYTES + HASH_BYTES / 2,
        "{more_bytes}: {HASHES_AT_ONCE} at once"
    );
}

#[test]
fn a_name_that_nobody_has_costs_the_memory_of_a_hash() {
    let server = Server::start();
    server.add_user("ada");
    let (answers, more_bytes) = log_in(&server, &["nobody"]);
    assert!((400..404).contains(&answers[0]), "{answers:?}");
    assert!(more_bytes >= HASH_BYTES / 4 * 3, "{more_bytes}: who is not there is told by what it costs");
}

/// Every endpoint that wants a token, asked with this one; the refusals' codes.
fn everywhere(server: &Server, token: &str) -> Vec<String> {
    let open = ["/health", "/openapi.json", "/pairing", "/pairing/claim"];
    let asked = server.operations().into_iter().filter_map(|operation| {
        let (method, path) = operation.split_once(' ').unwrap();
        let path = path.replace("{digest}", &"0".repeat(64)).replace("{device}", "dev_0000000000000000");
        let bearer = bearer(token);
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "op-9")];
        let body = matches!(method, "POST" | "PATCH").then_some(b"{}".as_slice());
        (!open.contains(&path.as_str())).then(|| server.api(method, &path, &headers, body).code())
    });
    asked.collect()
}

#[test]
fn a_lost_device_is_out_of_everything_with_one_request() {
    let server = Server::start();
    server.add_user("ada");
    let (kept, lost) = (server.pair("Miyoo", "ada"), server.pair("Lost", "ada"));
    assert_eq!(kept.change("DELETE", &format!("/devices/{}", lost.id), "d-1", &Value::Null).status, 204);
    let refused = everywhere(&server, &lost.token);
    assert!(refused.len() > 12, "{refused:?}");
    assert_eq!(refused, vec!["revoked"; refused.len()]);
    assert_eq!(
        server.get("/pairing", Some(&lost.token)).code(),
        "revoked",
        "nor does it pair again by itself"
    );
    kept.get("/account").ok::<Value>();
}

#[test]
fn a_token_that_is_nearly_right_is_as_wrong_as_any() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let mut near = device.token.clone().into_bytes();
    let last = near.last_mut().unwrap();
    *last = if *last == b'0' { b'1' } else { b'0' };
    let near = String::from_utf8(near).unwrap();
    let hash = format!("rst_{}", device.token.parse::<Token>().unwrap().digest());
    for wrong in [near, hash, token()] {
        let refused = everywhere(&server, &wrong);
        assert_eq!(refused, vec!["unauthorized"; refused.len()]);
    }
}

#[test]
fn a_device_reaches_no_other_users_saves_contents_or_devices() {
    let server = Server::start();
    server.add_user("ada");
    server.add_user("eve");
    let (ada, eve) = (server.pair("Miyoo", "ada"), server.pair("Flip", "eve"));
    let stored = ada.store("op-1", &version(SAVE, Some(b"hers"), &[], 1, 1), Some(b"hers"));
    let id = stored["version"].as_str().unwrap();
    let digest = Digest::of(b"hers");
    let is_none = |device: &Device<'_>| {
        assert_eq!(device.get(&format!("/content/{digest}")).code(), "not_found");
        assert_eq!(device.get(&format!("/history?save={SAVE}")).code(), "not_found");
        let choice = json!({"save": SAVE, "version": id, "heads": [id]});
        assert_eq!(device.change("POST", "/saves/restore", "c-1", &choice).code(), "not_found");
        let device_of_ada = format!("/devices/{}", ada.id);
        assert_eq!(
            device.change("PATCH", &device_of_ada, "c-2", &json!({"name": "mine"})).code(),
            "not_found"
        );
        assert_eq!(device.change("DELETE", &device_of_ada, "c-3", &Value::Null).code(), "not_found");
    };
    is_none(&eve);
    // To know a digest is not to have its bytes.
    let claimed = eve.store("op-2", &version(SAVE, Some(b"hers"), &[], 2, 1), None);
    assert_eq!(claimed["problem"]["code"], "content_missing", "{claimed}");
    is_none(&eve);
    ada.get(&format!("/content/{digest}"));
    assert_eq!(ada.get("/devices").ok::<Value>()["devices"].as_array().unwrap().len(), 1);
}
