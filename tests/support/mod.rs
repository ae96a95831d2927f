//! What the whole-program tests, the demo and the benchmark share: a game that counts its launches, cards laid
//! out as the firmwares lay them out, and somebody to play. Generated here; nothing is taken from a real game.
#![allow(dead_code, unreachable_pub, reason = "each program uses its own part of this folder")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests, demo and bench come here"
)]

pub mod card;
pub mod counter_rom;
pub mod cut_wire;
pub mod device;
pub mod emulator;
pub mod fault_proxy;
pub mod program;
pub mod relay;
pub mod server;
pub mod their_server;

use std::time::{Duration, Instant};

/// Says that something is not shown, for want of that. With `RETROSYNC_NO_SKIPS`, where all was installed that is wanted, it
/// is a failure.
pub fn not_tried(what: &str, want: &str) {
    println!("{what}: not tried, for want of {want}");
    assert!(std::env::var_os("RETROSYNC_NO_SKIPS").is_none(), "{what}: not tried, for want of {want}");
}

/// Says that something is not shown because this machine does not let us: to mount, to trace, to have a kernel of one's own. No
/// set-up gives such a right, so it is no failure; but `scripts/check` ends with a list of what was left out.
pub fn not_allowed(what: &str, want: &str) {
    println!("{what}: not tried, this machine does not let us {want}");
    if let Some(list) = std::env::var_os("RETROSYNC_LEFT_OUT") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        std::io::Write::write_all(&mut file, format!("{what}: {want}\n").as_bytes()).unwrap();
    }
}

/// Asks again and again until the condition gives a value; fails with `what` after `limit_s`.
pub fn wait_for<T>(what: &str, limit_s: u64, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(limit_s), "not within {limit_s} s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
