//! What really happened: every content that was ever written, what its player had seen, and what may never be lost.

use std::collections::{BTreeMap, BTreeSet};

use retrosync_protocol::{Digest, VersionId};

/// See the module.
#[derive(Default, Hash)]
pub struct Truth {
    /// What each content is called, in the order in which they were written.
    pub names: BTreeMap<Digest, String>,
    /// What the player of each content had seen.
    saw: BTreeMap<Digest, BTreeSet<Digest>>,
    /// Contents that may replace what their player never saw: a person put them on a card, or their game came and went
    /// unseen by the daemon. They alone: what is played on from them replaces what was stored when they were made
    /// ([`Truth::exempt`]), and nothing that came later.
    pub chosen: BTreeSet<Digest>,
    /// Contents that are plainly damage: half of a save, a blank one. Who plays on from them has seen nothing.
    pub damage: BTreeSet<Digest>,
    /// Contents in which nothing was ever played: empty ones, blank ones.
    pub nothing: BTreeSet<Digest>,
    /// Versions by which a person deleted a save, each with what it deleted.
    pub retired: BTreeMap<VersionId, BTreeSet<Digest>>,
    /// Contents that a daemon has had before it, by save: they are somewhere, for ever.
    kept: BTreeMap<Digest, usize>,
    /// Those of them that the server had not when it was last looked.
    loose: BTreeMap<Digest, usize>,
    /// Contents that were stored at a server that was set back while a device still held news of it: by those they may be replaced.
    pub heard: BTreeSet<Digest>,
    /// Contents that a daemon was told are stored, by save.
    pub acknowledged: BTreeSet<(usize, Digest)>,
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

    /// A daemon has it before it: it is not lost any more.
    pub fn keep(&mut self, digest: Digest, save: usize) {
        if self.kept.insert(digest, save).is_none() {
            self.loose.insert(digest, save);
        }
    }

    /// Is it one that must not be lost?
    pub fn is_kept(&self, digest: &Digest) -> bool {
        self.kept.contains_key(digest)
    }

    /// By its player's own hand it is gone.
    pub fn forget(&mut self, digest: &Digest) {
        self.kept.remove(digest);
        self.loose.remove(digest);
    }

    /// Those for which this is not so are gone by their player's own hand. The server may have lost any of them.
    pub fn forget_all_but(&mut self, is_held: impl Fn(&Digest) -> bool) {
        self.kept.retain(|digest, _| is_held(digest));
        self.loose.clone_from(&self.kept);
    }

    /// What must not be lost and may be: the server has it not. By save.
    pub fn at_risk(&mut self, is_stored: impl Fn(&Digest) -> bool) -> &BTreeMap<Digest, usize> {
        self.loose.retain(|digest, _| !is_stored(digest));
        &self.loose
    }

    /// What the server has is to be looked at again.
    pub fn doubt(&mut self) {
        self.loose.clone_from(&self.kept);
    }

    /// The player of `digest` had seen `before`.
    pub fn saw(&mut self, digest: Digest, before: Option<Digest>) {
        self.saw.entry(digest).or_default().extend(before.filter(|before| *before != digest));
    }

    /// It may replace what its player never saw, of all that was `stored` when it was made.
    pub fn exempt(&mut self, digest: Digest, stored: impl Iterator<Item = Digest>) {
        self.chosen.insert(digest);
        self.saw.entry(digest).or_default().extend(stored.filter(|stored| *stored != digest));
    }

    /// Had the player of `digest` seen `other`, or been handed it down?
    pub fn descends(&self, digest: Digest, other: Digest) -> bool {
        let mut open = vec![digest];
        let mut done = BTreeSet::new();
        while let Some(next) = open.pop() {
            if next == other {
                return true;
            }
            if done.insert(next) {
                open.extend(self.saw.get(&next).into_iter().flatten());
            }
        }
        false
    }

    /// How many contents were ever written.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// What a story calls a content.
    pub fn name(&self, digest: &Digest) -> String {
        self.names.get(digest).cloned().unwrap_or_else(|| "bytes that nobody wrote".into())
    }
}
