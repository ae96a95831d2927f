//! Other protocols over the same library: one folder each. They ask `access` and `library` only, as `api` does.

pub mod retrosync;
