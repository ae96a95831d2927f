//! Large contents over HTTP: only what the server lacks travels, and memory does not grow with size.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use retrosync_protocol::Digest;
use serde_json::{Value, json};
use support::{Server, frames, version};

fn with_ada() -> Server {
    let server = Server::start();
    server.add_user("ada");
    server
}

#[test]
fn a_cut_upload_goes_on_where_it_was() {
    const BLOCK: usize = 64 << 10;
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    let bytes = noise(1, 20 * BLOCK + 100);
    let start = upload_request(&bytes);
    let path = format!("/uploads/{}/blocks", Digest::of(&bytes));
    let state: Value = device.post("/uploads", &start).ok();
    assert_eq!(state["missing"].as_array().unwrap().len(), 21);

    let first = block_frames(&bytes, 0..8);
    let some: Value = device.send(&path, "x", &first).ok();
    assert_eq!(some["missing"][0], 8);
    // Cut in the middle of a frame: what came whole before it is kept.
    let second = block_frames(&bytes, 8..16);
    assert_eq!(device.send(&path, "x", &second[..second.len() - 10]).code(), "malformed");
    let missing: Vec<usize> = (15..21).collect();
    assert_eq!(device.post("/uploads", &start).ok::<Value>()["missing"], json!(missing));
    let wrong = device.send(
        &path,
        "x",
        &frames::frame(json!({"index": 9, "digest": Digest::of(b"a")}), Some(b"b"), "identity"),
    );
    assert_eq!(wrong.code(), "digest_mismatch");
    let rest: Vec<u8> = missing.iter().flat_map(|n| block_frames(&bytes, *n..*n + 1)).collect();
    let done: Value = device.send(&path, "x", &rest).ok();
    assert_eq!(done, json!({"missing": [], "complete": true}));
    let record = version("psx/card.0/Big", Some(&bytes), &[], 1, 1);
    assert_eq!(device.store("op-1", &record, None)["outcome"], "head");
    assert_eq!(device.get(&format!("/content/{}", Digest::of(&bytes))).body, bytes);

    // A card that changes in one place sends one block.
    let mut changed = bytes.clone();
    changed[5 * BLOCK + 7] ^= 1;
    let state: Value = device.post("/uploads", &upload_request(&changed)).ok();
    assert_eq!(state["missing"], json!([5]));
    let path = format!("/uploads/{}/blocks", Digest::of(&changed));
    let done: Value = device.send(&path, "x", &block_frames(&changed, 5..6)).ok();
    assert_eq!(done["complete"], true);
    let known: Value = device.post("/uploads", &upload_request(&changed)).ok();
    assert_eq!(known, json!({"missing": [], "complete": true}), "known already");
    let nothing = format!("/uploads/{}/blocks", Digest::of(b"?"));
    assert_eq!(device.send(&nothing, "x", &block_frames(&changed, 5..6)).code(), "not_found");
}

#[test]
fn a_hundred_megabytes_pass_through_a_small_server() {
    const SIZE: usize = 100_000_000;
    const MOST: u64 = 128 << 20;
    if support::backend::is_repeated() {
        // Long, and the blobs' own suite has large contents in every store.
        return;
    }
    let server = with_ada();
    let device = server.pair("Miyoo", "ada");
    let before = server.peak_memory_bytes();
    let bytes = noise(2, SIZE);
    let _: Value = device.post("/uploads", &upload_request(&bytes)).ok();
    let path = format!("/uploads/{}/blocks", Digest::of(&bytes));
    let blocks = SIZE.div_ceil(64 << 10);
    for first in (0..blocks).step_by(200) {
        let _: Value = device.send(&path, "x", &block_frames(&bytes, first..blocks.min(first + 200))).ok();
    }
    let record = version("psp/tree/ULUS", Some(&bytes), &[], 1, 1);
    assert_eq!(device.store("op-1", &record, None)["outcome"], "head");
    let back = device.get(&format!("/content/{}", Digest::of(&bytes)));
    assert_eq!(Digest::of(&back.body), Digest::of(&bytes));
    let many = frames::read(&device.post("/content", &json!({"digests": [Digest::of(&bytes)]})).body);
    assert!(many[0].1.as_ref() == Some(&bytes));
    let peak = server.peak_memory_bytes();
    println!("peak memory: {} KiB idle, {} KiB after 100 MB in and 200 MB out", before >> 10, peak >> 10);
    assert!(peak < MOST, "{peak} bytes");
}

fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn upload_request(bytes: &[u8]) -> Value {
    let blocks: Vec<Digest> = bytes.chunks(64 << 10).map(Digest::of).collect();
    json!({"content": {"digest": Digest::of(bytes), "size_bytes": bytes.len()}, "block_digests": blocks})
}

fn block_frames(bytes: &[u8], blocks: std::ops::Range<usize>) -> Vec<u8> {
    let all: Vec<&[u8]> = bytes.chunks(64 << 10).collect();
    let frame =
        |n: usize| frames::frame(json!({"index": n, "digest": Digest::of(all[n])}), Some(all[n]), "identity");
    blocks.flat_map(frame).collect()
}
