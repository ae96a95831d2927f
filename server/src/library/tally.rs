//! What was recorded since the start, in numbers: counted after the commit, for whoever watches a server. Decides nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one transaction recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Commits that recorded anything.
    pub stores: u64,
    /// Versions.
    pub versions: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Of the versions, those that became a question beside another.
    pub branches: u64,
    /// Of the versions, those that are suspect.
    pub suspects: u64,
}

impl News {
    /// Was anything recorded?
    pub(super) fn is_any(&self) -> bool {
        self.versions > 0
    }
}

/// All of it, added up.
#[derive(Debug, Default)]
pub struct Tally {
    stores: AtomicU64,
    versions: AtomicU64,
    bytes: AtomicU64,
    branches: AtomicU64,
    suspects: AtomicU64,
}

impl Tally {
    pub(super) fn add(&self, news: News) {
        let sums = [&self.stores, &self.versions, &self.bytes, &self.branches, &self.suspects];
        let more = [1, news.versions, news.bytes, news.branches, news.suspects];
        for (sum, more) in sums.into_iter().zip(more) {
            sum.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// The sums so far.
    pub fn told(&self) -> News {
        let read = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        News {
            stores: read(&self.stores),
            versions: read(&self.versions),
            bytes: read(&self.bytes),
            branches: read(&self.branches),
            suspects: read(&self.suspects),
        }
    }
}
