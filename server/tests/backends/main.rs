//! The server over PostgreSQL and S3, both real: what it answers over SQLite and files, by the same tests again (the table is
//! `support/backend.rs`); an outage of the database, a server that is killed between bytes and record, several servers over one, and
//! everything moved, restored and removed by the commands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(
    clippy::duplicate_mod,
    reason = "the programs whose tests are run again bring their own copy of `support`"
)]

#[path = "../api/main.rs"]
mod api_over_postgres;
#[path = "../api/main.rs"]
mod api_over_postgres_and_s3;
#[path = "../api/main.rs"]
mod api_over_s3;
mod killed;
mod moving;
mod moving_bytes;
mod outage;
mod removing;
mod restoring;
mod several;
#[path = "../support/mod.rs"]
mod support;
#[path = "../uploads.rs"]
mod uploads_over_postgres;
#[path = "../uploads.rs"]
mod uploads_over_postgres_and_s3;
#[path = "../uploads.rs"]
mod uploads_over_s3;
