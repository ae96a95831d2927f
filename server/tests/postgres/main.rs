//! The server over a real PostgreSQL: what it answers with SQLite, an outage of the database, several servers over one, and all
//! records moved from one database to the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(
    clippy::duplicate_mod,
    reason = "the programs whose tests are run again bring their own copy of `support`"
)]

#[path = "../api/main.rs"]
mod api;
mod moving;
mod outage;
mod several;
#[path = "../support/mod.rs"]
mod support;
#[path = "../uploads.rs"]
mod uploads;
