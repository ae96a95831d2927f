//! The screen as a person sees it: the real program with a framebuffer and buttons that are files, or in a terminal.
//!
//! What its pages look like at every size is in `looks.rs`, which is compiled into the library's tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unreachable_pub, reason = "each file of this program uses its own part of the others")]

mod device;
mod kept;
mod panels;
mod person;
mod stories;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod tmux;
mod trouble;
