//! Every fault that we can place, with the real daemon and the real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod cards;
mod kills;
mod network;
mod placed;
mod server;
mod stale_save;
#[path = "../support/mod.rs"]
mod support;
mod suspects;
mod world;
