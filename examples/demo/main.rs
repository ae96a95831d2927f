//! The story of RetroSync in one run: two handhelds' cards, the real server, the real daemon, a real emulator.
//!
//! `scripts/demo` builds the programs and names them in `RETROSYNC_BIN` and `RETROSYNC_SERVER_BIN`. Everything
//! lives in temporary folders and on a free loopback port. With `--once` it ends by itself; the exit code is 0
//! only if every step held.

#[path = "../../tests/support/mod.rs"]
mod support;

#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails ends the story, and `main` tells why"
)]
mod story;
mod teller;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use story::Story;
use teller::Teller;

fn main() -> ExitCode {
    let once = std::env::args().skip(1).any(|word| word == "--once");
    let mut teller = Teller::new();
    let told = catch_unwind(AssertUnwindSafe(|| {
        let story = Story::begin(&mut teller);
        story.tell(&mut teller)
    }));
    match told {
        Ok(story) => {
            teller.end();
            if !once {
                story.leave_open();
            }
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
