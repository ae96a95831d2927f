//! Every fault that we can place, with the real daemon and the real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod network;
#[path = "../support/mod.rs"]
mod support;
mod world;
