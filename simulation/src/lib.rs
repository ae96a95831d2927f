//! Many devices, one server, and all that can go wrong between them, from one seed.
//!
//! The daemon is the real one, from its cycle down to its attic, over its seams: a card (`handheld`, a model of FAT
//! that can lose power), a remote (`link`) and a machine. The server is the real library in memory. What is played
//! here: emulators, people, networks, clocks, power. The promises are asked after every event (`judge`).
//!
//! One thread, no clock, no socket; a seed repeats everything. `scripts/simulate` hunts, the tests run a short form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "only tests and hunts come here")]
#![allow(unreachable_pub, reason = "a history is all that is asked of it from outside")]

pub mod bug;
pub mod coverage;
pub(crate) mod device;
pub mod dice;
pub mod exhaust;
#[allow(unreachable_pub, dead_code, reason = "the power-cut tests' model, of which this uses a part")]
#[path = "../../tests/support/fat.rs"]
mod fat;
pub(crate) mod handheld;
pub mod history;
pub mod hunt;
pub(crate) mod judge;
pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod mistakes;
pub(crate) mod server;
pub(crate) mod share;
pub(crate) mod share_link;
pub(crate) mod shelf;
pub mod story;
pub(crate) mod truth;
pub(crate) mod world;
