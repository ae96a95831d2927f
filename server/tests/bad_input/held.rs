//! What a server holds, so that a test can say of what was refused: nothing came of it.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Device, Server, wait_for};

/// All records of a device's user as its API tells them, without what only says when it was asked.
pub fn held(device: &Device<'_>) -> String {
    let mut changes: Value = device.get("/changes").ok();
    let mut told = vec![device.get("/account").ok::<Value>()];
    for save in changes["saves"].as_array().unwrap() {
        let name = serde_urlencoded::to_string([("save", save["save"].as_str().unwrap())]).unwrap();
        told.push(device.get(&format!("/history?{name}")).ok());
    }
    let mut devices: Value = device.get("/devices").ok();
    for device in devices["devices"].as_array_mut().unwrap() {
        device["last_seen_unix_s"] = Value::Null;
    }
    changes["server_time_unix_s"] = Value::Null;
    format!("{changes:#}\n{devices:#}\n{told:#?}")
}

/// `retrosync-server check` says that all is whole, no bytes lie about that no record speaks of, and nothing waits half-written.
#[track_caller]
pub fn is_whole(server: &Server) {
    let said = is_sound(server);
    assert!(!said.contains("orphan"), "{said}");
}

/// The same, but for bytes that no record speaks of; what the check said.
#[track_caller]
pub fn is_sound(server: &Server) -> String {
    let checked = server.cli(&["check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.ends_with("all whole\n"), "{said}{checked:?}");
    let incoming = server.data().join("blobs/incoming");
    // A body that was cut is let go of by the server in its own time.
    wait_for("the staging to be empty", Duration::from_secs(60), || {
        std::fs::read_dir(&incoming).unwrap().next().is_none().then_some(())
    });
    said
}
