//! Little that claims to be much: deflated bodies that swell, archives, containers. The server reads no more than a limit, holds no
//! more than a little, and unpacks nothing that it was not asked to.

use retrosync_protocol::Digest;
use serde_json::{Value, json};

use crate::held::{held, is_whole};
use crate::support::browser::{attribute, parts, registered};
use crate::support::{Device, Reply, Server, frames, version};

/// What a server may hold while all of these come, in bytes.
const MOST_MEMORY_BYTES: u64 = 160 << 20;

/// So many MiB of nothing, deflated: a thousandth of it.
fn swollen(mib: usize) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; mib << 20], 9)
}

/// A frame of `POST /versions` with this on the wire, for a content of this size.
fn frame(save: &str, size_bytes: u64, digest: Digest, wire: &[u8]) -> Vec<u8> {
    let mut record = version(save, Some(b""), &[], 1, 1);
    record["content"] = json!({"digest": digest, "size_bytes": size_bytes});
    frames::frame(json!({"version": record}), Some(wire), "deflate")
}

fn stored(device: &Device<'_>, operation: &str, body: &[u8]) -> String {
    let reply = device.send("/versions", operation, body);
    if reply.status != 200 {
        return reply.code();
    }
    let result = reply.json()["results"][0].clone();
    result["problem"]["code"].as_str().map_or_else(|| result["outcome"].to_string(), str::to_owned)
}

#[test]
fn a_body_that_swells_beyond_what_its_record_says_is_refused_at_its_size() {
    let server = Server::start();
    server.add_user("ada");
    let device = server.pair("Miyoo", "ada");
    let before = held(&device);
    let bomb = swollen(256);
    assert!(bomb.len() < 300 << 10, "{}", bomb.len());
    let twice = miniz_oxide::deflate::compress_to_vec_zlib(&bomb, 9);
    let mut torn = bomb.clone();
    torn.truncate(bomb.len() / 2);
    let mib = 1 << 20;
    let zeros = |size: usize| Digest::of(&vec![0; size]);
    let rows = [
        ("256 MiB behind 8 KiB", frame("gb/sram/a", 8192, zeros(8192), &bomb), "digest_mismatch"),
        (
            "256 MiB behind the largest that travels so",
            frame("gb/sram/b", mib, zeros(1 << 20), &bomb),
            "digest_mismatch",
        ),
        ("256 MiB that say so", frame("gb/sram/c", 256 * mib, zeros(0), &bomb), "too_large"),
        ("more than any content", frame("gb/sram/d", 1 << 40, zeros(0), &bomb), "too_large"),
        ("a bomb in a bomb", frame("gb/sram/e", 8192, zeros(8192), &twice), "digest_mismatch"),
        ("half a bomb", frame("gb/sram/f", 8192, zeros(8192), &torn), "digest_mismatch"),
        (
            "less than it says",
            frame("gb/sram/g", 8193, zeros(8193), &miniz_oxide::deflate::compress_to_vec_zlib(&[0; 8192], 9)),
            "digest_mismatch",
        ),
        ("no deflate", frame("gb/sram/h", 8192, zeros(8192), &[0xff; 100]), "digest_mismatch"),
        (
            "bytes of another digest",
            frame("gb/sram/i", 3, Digest::of(b"xyz"), &miniz_oxide::deflate::compress_to_vec_zlib(b"abc", 9)),
            "digest_mismatch",
        ),
    ];
    for (number, (what, body, code)) in rows.into_iter().enumerate() {
        assert_eq!(stored(&device, &format!("op-{number}"), &body), code, "{what}");
    }
    // Fifty of them in one request, then the same as blocks of an upload.
    let many: Vec<u8> =
        (0..50).flat_map(|n| frame(&format!("gb/sram/{n}"), mib, zeros(1 << 20), &bomb)).collect();
    let replies: Value = device.send("/versions", "many", &many).ok();
    for result in replies["results"].as_array().unwrap() {
        assert_eq!(result["problem"]["code"], "digest_mismatch");
    }
    let blocks = vec![zeros(64 << 10); 32];
    let content = json!({"digest": zeros(2 << 20), "size_bytes": 2 << 20});
    let _: Value = device.post("/uploads", &json!({"content": content, "block_digests": blocks})).ok();
    let block = frames::frame(json!({"index": 0, "digest": zeros(64 << 10)}), Some(&bomb), "deflate");
    let path = format!("/uploads/{}/blocks", zeros(2 << 20));
    assert!(["too_large", "digest_mismatch"].contains(&device.send(&path, "x", &block).code().as_str()));
    assert_eq!(held(&device), before, "nothing came of any of it");
    assert!(server.peak_memory_bytes() < MOST_MEMORY_BYTES, "{} bytes", server.peak_memory_bytes());
    is_whole(&server);
}

/// A zip of one entry that says to be this long.
fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let deflated = miniz_oxide::deflate::compress_to_vec(bytes, 9);
    let mut zip = b"PK\x03\x04\x14\x00\x00\x00\x08\x00\x00\x00\x21\x00\x00\x00\x00\x00".to_vec();
    zip.extend((deflated.len() as u32).to_le_bytes());
    zip.extend((bytes.len() as u32).to_le_bytes());
    zip.extend((name.len() as u16).to_le_bytes());
    zip.extend([0, 0]);
    zip.extend(name.as_bytes());
    zip.extend(deflated);
    zip
}

/// RetroArch's container, with a total of its own telling.
fn container(total_bytes: u64, chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"#RZIPv\x01#".to_vec();
    bytes.extend((128_u32 << 10).to_le_bytes());
    bytes.extend(total_bytes.to_le_bytes());
    for chunk in chunks {
        bytes.extend((chunk.len() as u32).to_le_bytes());
        bytes.extend(chunk);
    }
    bytes
}

#[test]
fn an_archive_is_no_save_and_is_not_unpacked() {
    let server = Server::start();
    let browser = registered(&server);
    let device = server.pair("Miyoo", "ada");
    let page = browser.page("/");
    let token = attribute(page.split("form_token\"").nth(1).unwrap(), "value");
    let fields = [("form_token", token.as_str()), ("system", "gb"), ("title", "Tetris")];
    let bring = |name: &str, bytes: &[u8]| -> Reply {
        let headers =
            [("origin", server.url.as_str()), ("content-type", "multipart/form-data; boundary=b0undary")];
        browser.send("POST", "/upload", &headers, Some(&parts(&fields, Some((name, bytes)))))
    };
    let before = held(&device);
    let zeros = vec![0; 32 << 20];
    let rows = [
        ("a zip bomb", "Tetris.srm", zip("Tetris.srm", &zeros)),
        ("a zip with a way out", "Tetris.srm", zip("../../../etc/cron.d/x", b"* * * * *")),
        ("a zip by its name", "Tetris.zip", zip("Tetris.srm", b"save")),
        ("an empty zip", "Tetris.srm", b"PK\x05\x06".iter().chain(&[0; 18]).copied().collect()),
        ("gzip", "Tetris.srm", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()),
        ("7z", "Tetris.srm", b"7z\xbc\xaf\x27\x1c\0\x04".to_vec()),
        ("rar", "Tetris.srm", b"Rar!\x1a\x07\x01\0".to_vec()),
        ("zstandard", "Tetris.srm", b"\x28\xb5\x2f\xfd\0\0".to_vec()),
        ("RetroArch's container that says 4 EiB", "Tetris.srm", container(1 << 62, &[swollen(8)])),
        (
            "RetroArch's container",
            "Tetris.srm",
            container(4, &[miniz_oxide::deflate::compress_to_vec_zlib(b"save", 9)]),
        ),
    ];
    for (what, name, bytes) in rows {
        let reply = bring(name, &bytes);
        assert_eq!(
            (reply.status, reply.header("retrosync-code")),
            (400, "malformed"),
            "{what}: {}",
            reply.text()
        );
        let text = reply.text();
        assert!(text.contains("not a save") && text.contains("class=\"quiet sentence\""), "{what}: {text}");
    }
    assert_eq!(held(&device), before);
    // Bytes that only look a little like one are a save.
    let reply = bring("Tetris.srm", b"PK is how this save begins");
    assert!(reply.header("location").ends_with("&done=uploaded"), "{}", reply.text());
    assert!(server.peak_memory_bytes() < MOST_MEMORY_BYTES, "{} bytes", server.peak_memory_bytes());
    is_whole(&server);
}
