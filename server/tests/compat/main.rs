//! RetroSync's own clients against the real server: what they are answered, to the letter, and what their players would have
//! lost. Each hazard that is known of the original server is a test here.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod bucket;
mod client;
mod golden;
mod kept;
mod limits;
mod losses;
mod odd;
mod pairing;
