//! The fuzzer's inputs for the daemon's readers, again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "../fuzz/src/daemon/mod.rs"]
mod daemon;
#[path = "../fuzz/src/replay.rs"]
mod replay;

use std::path::Path;

#[test]
fn no_seed_breaks_a_reader_of_the_daemon() {
    replay::replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds"), daemon::TARGETS);
}
