//! The screen as a person sees it: pictures at every size against pictures that somebody looked at, and the real program
//! with a framebuffer and buttons that are files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unreachable_pub, reason = "each file of this program uses its own part of the others")]

mod device;
mod golden;
mod panels;
mod person;
mod stories;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod trouble;
mod views;
