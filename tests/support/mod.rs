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
pub mod emulator;
