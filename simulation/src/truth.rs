//! What really happened: every content that was ever written, what its player had seen, and what may never be lost.

use std::collections::{BTreeMap, BTreeSet};

use retrosync_protocol::{Digest, SaveId, VersionId};

/// See the module.
#[derive(Default)]
pub struct Truth {
    /// What each content is called, in the order in which they were written.
    pub names: BTreeMap<Digest, String>,
    /// What the player of each content had seen.
    saw: BTreeMap<Digest, BTreeSet<Digest>>,
    /// Contents that may replace what their player never saw: a person put them on a card, or their game came and went
    /// unseen by the daemon.
    pub chosen: BTreeSet<Digest>,
    /// Contents that are plainly damage: half of a save, a blank one.
    pub damage: BTreeSet<Digest>,
    /// Contents in which nothing was ever played: empty ones, blank ones.
    pub nothing: BTreeSet<Digest>,
    /// Versions by which a person deleted a save.
    pub retired: BTreeSet<VersionId>,
    /// Contents that a daemon has had before it: they are somewhere, for ever.
    pub kept: BTreeMap<Digest, usize>,
    /// Contents that a daemon was told are stored.
    pub acknowledged: BTreeSet<(SaveId, Digest)>,
    count: u64,
}

impl Truth {
    /// Bytes that nobody wrote before.
    pub fn fresh_bytes(&mut self, size_bytes: usize) -> Vec<u8> {
        self.count += 1;
        let count = self.count;
        let mut bytes: Vec<u8> = (0..size_bytes).map(|at| (count as usize * 7 + at / 97) as u8 | 1).collect();
        bytes[..8].copy_from_slice(&(count << 8 | 1).to_be_bytes());
        for sector in bytes.chunks_mut(512).skip(1) {
            sector[..2].copy_from_slice(&(count as u16).to_be_bytes());
        }
        self.names.insert(Digest::of(&bytes), format!("content {count}"));
        bytes
    }

    /// What an emulator that crashed, or a cut, left of a save.
    pub fn left_by_a_crash(&mut self, bytes: &[u8]) {
        let name = format!("what a crash left ({} bytes)", bytes.len());
        self.names.entry(Digest::of(bytes)).or_insert(name);
        if bytes.iter().all(|byte| *byte == 0xff) {
            self.nothing.insert(Digest::of(bytes));
            self.damage.insert(Digest::of(bytes));
        }
    }

    /// The player of `digest` had seen `before`.
    pub fn saw(&mut self, digest: Digest, before: Option<Digest>) {
        self.saw.entry(digest).or_default().extend(before.filter(|before| *before != digest));
    }

    /// Had the player of `digest` seen `other`, or been handed it down?
    pub fn descends(&self, digest: Digest, other: Digest) -> bool {
        let mut open = vec![digest];
        let mut done = BTreeSet::new();
        while let Some(next) = open.pop() {
            // What was chosen may replace anything, and so may what was played on from it.
            if next == other || self.chosen.contains(&next) {
                return true;
            }
            if done.insert(next) {
                open.extend(self.saw.get(&next).into_iter().flatten());
            }
        }
        false
    }

    /// What a story calls a content.
    pub fn name(&self, digest: &Digest) -> String {
        self.names.get(digest).cloned().unwrap_or_else(|| "bytes that nobody wrote".into())
    }
}
