//! What the server holds, as the judge knows it: read again only after somebody stored, and then only what is new.

use std::collections::{BTreeMap, BTreeSet};

use retrosync_protocol::{Digest, HistoryEntry, SaveId, VersionId};

use crate::server::Server;

/// So many of a save's newest versions are asked for first.
const FIRST: u32 = 4;
/// And then so many at once.
const MOST: u32 = 1_000;

/// See the module.
#[derive(Default)]
pub struct Ledger {
    revision: u64,
    saves: Vec<Versions>,
    news: Vec<(usize, HistoryEntry)>,
    met: BTreeSet<VersionId>,
    none: Versions,
}

/// What is known of one save.
#[derive(Clone, Default)]
pub struct Versions {
    /// The content of each version; nothing of a tombstone.
    pub contents: BTreeMap<VersionId, Option<Digest>>,
    /// The heads.
    pub heads: Vec<VersionId>,
    digests: BTreeSet<Digest>,
}

impl Versions {
    /// The contents of the heads, each once.
    pub fn of_heads(&self) -> BTreeSet<Option<Digest>> {
        self.heads.iter().filter_map(|head| self.contents.get(head)).copied().collect()
    }
}

impl Ledger {
    /// Takes in what was stored since the last time.
    pub fn read(&mut self, server: &Server, saves: &[SaveId]) {
        if self.revision == server.revision() {
            return;
        }
        self.revision = server.revision();
        self.saves.resize_with(saves.len(), Versions::default);
        for (number, save) in saves.iter().enumerate() {
            self.read_save(server, number, save);
        }
    }

    fn read_save(&mut self, server: &Server, number: usize, save: &SaveId) {
        let (mut before, mut limit) = (None, FIRST);
        let known = &mut self.saves[number];
        let (first, mut is_known) = (self.news.len(), false);
        while let (false, Some(page)) = (is_known, server.page(save, before, limit)) {
            known.heads = page.heads;
            before = page.versions.last().map(|entry| entry.version);
            for entry in page.versions {
                let digest = entry.record.content.map(|content| content.digest);
                is_known |= known.contents.insert(entry.version, digest).is_some();
                known.digests.extend(digest);
                if self.met.insert(entry.version) {
                    self.news.push((number, entry));
                }
            }
            is_known |= !page.more;
            limit = MOST;
        }
        self.news[first..].reverse();
    }

    /// The server is another one: all is read again.
    pub fn begin_anew(&mut self) {
        self.saves.clear();
        self.revision = 0;
    }

    /// Versions that were not asked for yet, by save, the oldest of each first.
    pub fn news(&mut self) -> Vec<(usize, HistoryEntry)> {
        std::mem::take(&mut self.news)
    }

    /// What is known of a save, by number.
    pub fn of(&self, save: usize) -> &Versions {
        self.saves.get(save).unwrap_or(&self.none)
    }

    /// The heads of all saves.
    pub fn heads(&self) -> impl Iterator<Item = &VersionId> {
        self.saves.iter().flat_map(|save| &save.heads)
    }

    /// How many versions there are.
    pub fn count(&self) -> usize {
        self.saves.iter().map(|save| save.contents.len()).sum()
    }

    /// The content of a version of a save.
    pub fn content(&self, save: usize, version: &VersionId) -> Option<Digest> {
        self.saves.get(save)?.contents.get(version).copied().flatten()
    }

    /// Is it a content of any version of the save?
    pub fn has(&self, save: usize, digest: &Digest) -> bool {
        self.saves.get(save).is_some_and(|save| save.digests.contains(digest))
    }

    /// The contents of all versions.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.saves.iter().flat_map(|save| &save.digests)
    }

    /// Is it a content of any version?
    pub fn holds(&self, digest: &Digest) -> bool {
        self.saves.iter().any(|save| save.digests.contains(digest))
    }
}
