//! The screen as a person sees it: pictures at every size against pictures that somebody looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unreachable_pub, reason = "each file of this program uses its own part of the others")]

mod golden;
mod views;
