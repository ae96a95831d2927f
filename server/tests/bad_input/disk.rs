//! A disk that is full: told, and all that was answered stays.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use retrosync_protocol::{BLOCK_BYTES, Digest};
use serde_json::json;

use crate::held::{held, is_whole};
use crate::support::browser::{attribute, parts, registered};
use crate::support::{Device, Server, frames, version};

/// A small disk of its own, for who may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(at.to_owned()))
    }

    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.0).status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = self.0.parent().map(std::fs::remove_dir_all);
    }
}

#[test]
fn a_log_on_a_full_disk_drops_no_request() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("stderr")).unwrap();
    let server = Server::start_in(folder, &[]);
    for _ in 0..3 {
        let refused = server.bare("GET", "/api/v1/devices", &[], None);
        assert_eq!(refused.status, 401, "a refusal is logged, and told all the same");
    }
}

#[test]
fn a_full_disk_is_told_and_all_that_was_answered_stays() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&folder.path().join("data")) else {
        return crate::not_tried("mounting a small disk needs root");
    };
    let mut server = Server::start_in(folder, &[]);
    server.add_user("ada");
    let (token, id) = {
        let device = server.pair("Miyoo", "ada");
        (device.token, device.id)
    };
    let save = |n: u8| vec![n; 700 << 10];
    let record = |n: u8| version(&format!("gb/sram/{n}"), Some(&save(n)), &[], 1, u64::from(n));
    let store = |server: &Server, n: u8| {
        let device = Device { server, token: token.clone(), id: id.clone() };
        let result = device.store(&format!("op-{n}"), &record(n), Some(&save(n)));
        result["problem"]["code"].as_str().unwrap_or("stored").to_owned()
    };
    let answers: Vec<String> = (1..=30).map(|n| store(&server, n)).collect();
    let kept = answers.iter().take_while(|answer| *answer == "stored").count() as u8;
    assert!(kept > 3 && kept < 12, "21 MB on a disk of 8: {answers:?}");
    assert_eq!(answers[usize::from(kept)], "disk_full");
    for round in ["while it is full", "after the plug was pulled"] {
        for n in 1..=kept {
            let reply = server.get(&format!("/content/{}", Digest::of(&save(n))), Some(&token));
            assert!(reply.status == 200 && reply.body == save(n), "{round}: save {n}");
        }
        server.kill();
        server.run(&[]);
    }
    disk.grow();
    assert_eq!(store(&server, kept + 1), "stored", "the same operation again, now that there is room");
    is_whole(&server);
}

#[test]
fn a_full_disk_is_told_in_every_voice_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&folder.path().join("data")) else {
        return crate::not_tried("mounting a small disk needs root");
    };
    let server = Server::start_in(folder, &["--open-registration"]);
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let key = crate::database::foreign_key(&server);
    device.store("op-1", &version("gb/sram/Kept", Some(b"kept"), &[], 1, 1), Some(b"kept"));
    let token = attribute(browser.page("/").split("form_token\"").nth(1).unwrap(), "value");
    // The rest of the disk, but for what the catalog's log already holds.
    let ballast = server.data().join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[7; 64 << 10]).is_ok() {}
    while file.write_all(&[7; 512]).is_ok() {}
    drop(file);
    let before = held(&device);
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let small = &large[..200_000];
    let stored = device.store("op-2", &version("gb/sram/New", Some(small), &[], 1, 2), Some(small));
    assert_eq!(stored["problem"]["code"], "disk_full", "a device's save: {stored}");
    let blocks: Vec<Digest> = large.chunks(BLOCK_BYTES as usize).map(Digest::of).collect();
    let content = json!({"digest": Digest::of(&large), "size_bytes": large.len()});
    let begun = device.post("/uploads", &json!({"content": content, "block_digests": blocks}));
    let frames: Vec<u8> = (blocks.iter().zip(large.chunks(BLOCK_BYTES as usize)).enumerate())
        .flat_map(|(index, (digest, bytes))| {
            frames::frame(json!({"index": index, "digest": digest}), Some(bytes), "identity")
        })
        .collect();
    let sent = match begun.status {
        200 => device.send(&format!("/uploads/{}/blocks", Digest::of(&large)), "blocks", &frames),
        // Not even room for the list.
        _ => begun,
    };
    assert_eq!(
        (sent.status, sent.code().as_str()),
        (507, "disk_full"),
        "a device's large save: {}",
        sent.text()
    );
    for (what, bytes) in [("small", small), ("large", &large)] {
        let fields = [("form_token", token.as_str()), ("system", "gb"), ("title", "New")];
        let headers =
            [("origin", server.url.as_str()), ("content-type", "multipart/form-data; boundary=b0undary")];
        let reply =
            browser.send("POST", "/upload", &headers, Some(&parts(&fields, Some(("New.srm", bytes)))));
        assert_eq!(
            (reply.status, reply.header("retrosync-code")),
            (507, "disk_full"),
            "{what}: {}",
            reply.text()
        );
    }
    let body = json!({"filePath": "New.srm", "action": "upload", "localPath": "/saves/New.srm",
        "fileContent": crate::base64(small)});
    let reply =
        server.bare("POST", "/api/sync/files", &[("x-api-key", &key)], Some(body.to_string().as_bytes()));
    assert_eq!((reply.status, reply.json()["success"].clone()), (507, json!(false)), "{}", reply.text());
    assert_eq!(held(&device), before);
    assert_eq!(
        device.get(&format!("/content/{}", Digest::of(b"kept"))).body,
        b"kept",
        "what is there is given"
    );
    std::fs::remove_file(&ballast).unwrap();
    is_whole(&server);
    disk.grow();
    let stored = device.store("op-2", &version("gb/sram/New", Some(small), &[], 1, 2), Some(small));
    assert_eq!(stored["outcome"], "head", "the same operation, now that there is room");
    is_whole(&server);
}
