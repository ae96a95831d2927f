//! The RetroSync server, in the order in which a request meets it.
//!
//! ```text
//! main ─▶ listen ─▶ api, web ─▶ access ─▶ library ─▶ catalog   records, in transactions
//!         (sockets)  (HTTP)     (who may)  (rules)  └▶ blobs    bytes by digest
//!                                            └─▶ notice         who waits for whose news
//! ```
//!
//! Imports run down only. `library` and `access` know neither HTTP nor SQL nor the clock; `config` is what the owner said, and
//! only `parts`, which makes it a catalog and blobs, names databases and where bytes are. `protocol/README.md` is the authority for what is answered.

#[cfg(feature = "serve")]
pub mod access;
#[cfg(feature = "serve")]
pub mod announce;
#[cfg(feature = "serve")]
pub mod api;
#[cfg(feature = "serve")]
pub mod app;
#[cfg(feature = "serve")]
pub mod ask_health;
pub mod blobs;
pub mod catalog;
#[cfg(feature = "serve")]
pub mod clients_key;
#[cfg(feature = "serve")]
pub mod compat;
#[cfg(feature = "serve")]
pub mod config;
#[cfg(feature = "serve")]
mod folders;
#[cfg(feature = "serve")]
pub mod health;
#[cfg(feature = "serve")]
pub mod keep;
pub mod library;
#[cfg(feature = "serve")]
pub mod listen;
#[cfg(feature = "serve")]
pub mod metrics;
pub mod notice;
#[cfg(feature = "serve")]
pub mod parts;
#[cfg(feature = "serve")]
mod patience;
#[cfg(feature = "serve")]
mod places;
#[cfg(feature = "serve")]
pub mod proxies;
pub mod refusal;
#[cfg(test)]
mod sample;
#[cfg(feature = "serve")]
pub mod tls;
#[cfg(feature = "serve")]
pub mod trace;
#[cfg(feature = "serve")]
pub mod web;
