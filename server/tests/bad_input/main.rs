//! What nobody should send, and what should never happen to a server: each is a clear refusal with a stable code, the server stays
//! up, nothing is half-written and nothing is lost.
//!
//! | what comes | where |
//! |---|---|
//! | wrong JSON, wrong types, missing fields, huge bodies, cut bodies | `bodies` |
//! | no HTTP, 10,000 headers, slow heads | `wire`; over TLS in `../tls.rs` |
//! | slow bodies | `slow` |
//! | odd Unicode and path tricks in every name | `names` |
//! | archives and bombs: deflated blocks, zips, containers | `bombs` |
//! | forged cookies, tokens and keys | `forged` |
//! | forms of other sites; forms with wrong, missing and odd fields | `csrf`; `forms` |
//! | one question settled twice at once, operations sent again | `choices` |
//! | a database that is locked, gone, damaged or of a newer version | `database` |
//! | a PostgreSQL that is gone or of a newer version, a bucket that vanished or was emptied | `elsewhere` |
//! | a full disk | `disk` |
//! | wrong paths and methods: a page where a page was asked for, a document where a program asked | `pages` |
//! | wrong command lines | `commands` |
//!
//! RetroSync's own clients are in `../compat/odd.rs` and `slow.rs` too.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod bombs;
mod choices;
mod commands;
mod csrf;
mod database;
mod disk;
mod elsewhere;
mod forged;
mod forms;
mod held;
mod names;
mod pages;
mod slow;
mod wire;

/// A test that this machine cannot play: where its tools were installed, that is a failure.
fn not_tried(why: &str) {
    assert!(std::env::var_os("RETROSYNC_NO_SKIPS").is_none(), "not tried: {why}");
    println!("not tried: {why}");
}

/// As RetroSync's own clients send bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_usize, |word, byte| word << 8 | usize::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = char::from(ALPHABET[word >> (18 - 6 * place) & 63]);
            text.push(if place <= three.len() { letter } else { '=' });
        }
    }
    text
}
