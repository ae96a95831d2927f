//! The RetroSync server, in the order in which a request meets it.
//!
//! ```text
//! main ─▶ listen ─▶ api, web ─▶ access ─▶ library ─▶ catalog   records, in transactions
//!         (sockets)  (HTTP)     (who may)  (rules)  └▶ blobs    bytes by digest
//!                                            └─▶ notice         who waits for whose news
//! ```
//!
//! Imports run down only. `library` and `access` know neither HTTP nor SQL nor the clock; only `main` names SQLite
//! and the disk. `protocol/README.md` is the authority for what is answered.

pub mod access;
pub mod announce;
pub mod api;
pub mod app;
pub mod blobs;
pub mod catalog;
pub mod compat;
pub mod keep;
pub mod library;
pub mod listen;
pub mod notice;
mod patience;
pub mod proxies;
pub mod refusal;
pub mod web;
