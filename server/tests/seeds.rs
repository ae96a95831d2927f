//! The fuzzer's inputs for the server's readers, again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../fuzz/src/server.rs"]
mod server;

use std::path::Path;

#[test]
fn no_seed_breaks_a_reader_of_the_server() {
    replay::replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds"), server::TARGETS);
}
