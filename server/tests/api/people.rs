//! Whose devices and saves are whose.

use std::time::Duration;

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use super::support::{bearer, frames, version};
use super::{SAVE, changes, outcome, with_ada};

#[test]
fn devices_are_listed_renamed_and_revoked() {
    let server = with_ada();
    let (miyoo, lost) = (server.pair("Miyoo", "ada"), server.pair("Lost", "ada"));
    lost.store("op-1", &version(SAVE, Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let path = format!("/devices/{}", lost.id);
    assert_eq!(miyoo.change("PATCH", &path, "n-1", &json!({"name": "Old one"})).status, 204);
    assert_eq!(miyoo.change("PATCH", &path, "n-1", &json!({"name": "Old one"})).status, 204);
    assert_eq!(miyoo.change("PATCH", &path, "n-1", &json!({"name": "Else"})).code(), "operation_reused");
    assert_eq!(miyoo.change("PATCH", &path, "n-2", &json!({"name": ""})).code(), "malformed");
    let listed: Value = miyoo.get("/devices").ok();
    let devices = listed["devices"].as_array().unwrap();
    let names: Vec<&str> = devices.iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Miyoo", "Old one"]);
    assert_eq!(devices.iter().map(|d| d["this_device"] == true).collect::<Vec<_>>(), [true, false]);
    assert_eq!(miyoo.change("DELETE", &path, "d-1", &Value::Null).status, 204);
    assert_eq!(miyoo.change("DELETE", &path, "d-1", &Value::Null).status, 204, "sent again");
    assert_eq!(
        miyoo.change("DELETE", "/devices/dev_0000000000000000", "d-2", &Value::Null).code(),
        "not_found"
    );
    let refused = lost.get("/changes");
    assert_eq!((refused.status, refused.code().as_str()), (401, "revoked"));
    let account: Value = miyoo.get("/account").ok();
    assert_eq!((&account["devices"], &account["versions"]), (&json!(1), &json!(1)), "its versions stay");
    let quiet = bearer(&miyoo.token);
    let no_key = server.api("PATCH", &path, &[("authorization", &quiet)], Some(b"{\"name\":\"x\"}"));
    assert_eq!(no_key.code(), "malformed", "a change without an operation id");
}

#[test]
fn a_device_that_is_revoked_while_it_waits_hears_of_no_save_any_more() {
    let server = with_ada();
    let (miyoo, lost) = (server.pair("Miyoo", "ada"), server.pair("Lost", "ada"));
    let refused = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| lost.get("/changes?since=0&wait_s=120"));
        // Time to begin to wait; should it come late, it is refused at its door.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(miyoo.change("DELETE", &format!("/devices/{}", lost.id), "d-1", &Value::Null).status, 204);
        miyoo.store("op-1", &version(SAVE, Some(b"secret"), &[], 1, 1), Some(b"secret"));
        waiting.join().unwrap()
    });
    assert_eq!((refused.status, refused.code().as_str()), (401, "revoked"));
}

#[test]
fn users_do_not_see_each_other() {
    let server = with_ada();
    server.add_user("eve");
    let (ada, eve) = (server.pair("Miyoo", "ada"), server.pair("Spy", "eve"));
    let stored = ada.store("op-1", &version(SAVE, Some(b"secret"), &[], 1, 1), Some(b"secret"));
    let content = format!("/content/{}", Digest::of(b"secret"));
    assert_eq!(eve.get(&content).code(), "not_found");
    let frames = frames::read(&eve.post("/content", &json!({"digests": [Digest::of(b"secret")]})).body);
    assert_eq!(frames[0].1, None);
    assert_eq!(changes(&eve, 0)["saves"], json!([]));
    assert_eq!(eve.get("/history?save=gb/sram/Tetris%20(World)").code(), "not_found");
    let claimed = eve.store("op-1", &version(SAVE, Some(b"secret"), &[], 2, 1), None);
    assert_eq!(outcome(&claimed), "content_missing", "knowing a digest is not having the bytes");
    let restore = json!({"save": SAVE, "version": stored["version"], "heads": [stored["version"]]});
    assert_eq!(eve.change("POST", "/saves/restore", "op-2", &restore).code(), "not_found");
    assert_eq!(
        eve.change("DELETE", &format!("/devices/{}", ada.id), "op-3", &Value::Null).code(),
        "not_found"
    );
}
