//! RetroSync on the handheld: a save made on one device is on the other.
//!
//! ```text
//! machine ─ facts ─▶ PROFILE ─▶ scan ──▶ Local ─┐
//!                       └─────▶ watch ─▶ PACE   ├▶ PLAN ─▶ steps ─▶ apply ─▶ journal
//! remote ─ list ──────────────▶ Listing ────────┤            │        │         │
//! journal ─ fold ─────────────▶ Base ───────────┘            └ remote └ attic   └▶ Base of the next cycle
//! ```
//!
//! Capitals are pure: values in, values out. Data goes one way, left to right, once a cycle. Modules stand in the
//! order in which data meets them; ARCHITECTURE.md has the map and the promises.

pub mod apply;
pub mod attic;
pub mod boot;
pub mod choice;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cycle;
pub mod daemon;
pub mod discover;
pub mod disk;
pub mod door;
pub mod durable;
pub mod error;
pub mod facts;
pub mod formats;
pub mod identity;
pub mod journal;
pub mod live;
pub mod logging;
pub mod machine;
pub mod naming;
pub mod nearest;
pub mod network;
pub mod pace;
mod packed;
pub mod parts;
pub mod plan;
pub mod playing;
pub mod profile;
pub mod remote;
pub mod report;
pub mod retroarch_cfg;
pub mod root;
pub mod scan;
pub mod screen;
pub mod selection;
pub mod set;
pub mod snapshot;
pub mod supervise;
pub mod survey;
pub mod table;
pub mod volume;
pub mod watch;
pub mod whole;
