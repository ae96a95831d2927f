//! The real server over HTTP: each endpoint's success and refusals, held against the published document. Other programs run these
//! tests again over other databases and stores, each with its own copy of `support`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod keeping;
mod once;
mod pairing;
mod people;
mod saves;
#[path = "../support/mod.rs"]
mod support;

use serde_json::Value;
use support::{Device, Server, token};

const SAVE: &str = "gb/sram/Tetris (World)";

fn with_ada() -> Server {
    let server = Server::start();
    server.add_user("ada");
    server
}

fn ids(heads: &Value) -> Vec<String> {
    heads.as_array().unwrap().iter().map(|head| head["version"].as_str().unwrap().to_owned()).collect()
}

fn changes(device: &Device<'_>, since: u64) -> Value {
    device.get(&format!("/changes?since={since}&epoch=")).ok()
}

fn outcome(result: &Value) -> &str {
    match result["outcome"].as_str().unwrap() {
        "refused" => result["problem"]["code"].as_str().unwrap(),
        outcome => outcome,
    }
}

#[test]
fn it_says_who_it_is_and_what_it_can() {
    let server = Server::start();
    let health: Value = server.get("/health", None).ok();
    assert_eq!(health["status"], "ok");
    assert!(health["server"].as_str().unwrap().starts_with("retrosync-server/"));
    assert_eq!(server.get("/nothing", None).code(), "not_found");
    assert_eq!(server.api("PUT", "/health", &[], Some(b"x")).code(), "not_found");
    assert_eq!(server.bare("HEAD", "/api/v1/health", &[], None).status, 200);
    assert_eq!(server.get("/account", None).code(), "unauthorized");
    assert_eq!(server.get("/account", Some(&token())).code(), "unauthorized");
}

#[test]
fn every_operation_of_the_document_is_an_endpoint() {
    let server = Server::start();
    let mut asked = 0;
    for operation in server.operations() {
        let (method, path) = operation.split_once(' ').unwrap();
        let path = path.replace("{digest}", &"0".repeat(64)).replace("{device}", "dev_0000000000000000");
        let body = matches!(method, "POST" | "PATCH").then_some(b"?".as_slice());
        let reply = server.api(method, &path, &[], body);
        let open = ["/health", "/openapi.json", "/pairing", "/pairing/claim"].contains(&path.as_str());
        let expected: &[u16] = if open { &[200, 400, 401] } else { &[401] };
        assert!(expected.contains(&reply.status), "{operation}: {} {}", reply.status, reply.text());
        asked += 1;
    }
    assert_eq!(asked, 21);
}
