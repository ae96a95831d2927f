//! Devices that follow the plan over one save and a remote that keeps a DAG, from one seed.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::tests::*;
use super::*;
use crate::snapshot::RootState;
use retrosync_protocol::{Digest, Version, heads_of};

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

#[derive(Default)]
struct Remote {
    versions: Vec<(VersionId, Version)>,
}

impl Remote {
    fn heads(&self) -> Vec<Head> {
        let ids = heads_of(self.versions.iter().map(|(id, v)| (*id, v)));
        let found = |id: &VersionId| self.versions.iter().find(|(other, _)| other == id).unwrap();
        let tell = |(version, v): &(VersionId, Version)| Head {
            version: *version,
            content: v.content,
            writer: v.writer.clone(),
            sequence: v.sequence,
            device_name: String::new(),
            played: None,
            received_unix_s: 0,
        };
        ids.iter().map(|id| tell(found(id))).collect()
    }

    fn store(&mut self, version: Version) -> VersionId {
        let id = version.id();
        if !self.versions.iter().any(|(other, _)| *other == id) {
            assert!(
                version.parents.iter().all(|p| self.versions.iter().any(|(id, _)| id == p)),
                "unknown parent"
            );
            self.versions.push((id, version));
        }
        id
    }

    fn knows(&self, digest: Digest) -> bool {
        self.versions.iter().any(|(_, v)| v.content.map(|c| c.digest) == Some(digest))
    }
}

#[derive(Default)]
struct Handheld {
    bytes: Option<u64>,
    attic: Vec<u64>,
    base: Base,
    sequence: u64,
}

fn content_of(n: u64) -> Content {
    Content { digest: Digest::of(&n.to_le_bytes()), size_bytes: 8 }
}

impl Handheld {
    /// One cycle; `lose_reply` drops the answers, `lose_state` forgets the base first.
    fn cycle(
        &mut self,
        writer: u8,
        remote: &mut Remote,
        made: u64,
        lose_reply: bool,
        lose_state: bool,
    ) -> Plan {
        if lose_state {
            self.base = Base::default();
        }
        let (mut local, mut listing) = (Local::default(), Listing::default());
        local.roots.push(Some(RootState::Online));
        local.homes.insert(save(), place());
        if let Some(n) = self.bytes {
            local.saves.insert(save(), LocalSave { content: content_of(n), ..found(0, None) });
            if remote.knows(content_of(n).digest) {
                listing.known.insert((save(), content_of(n).digest));
            }
        }
        let heads = remote.heads();
        if !heads.is_empty() {
            listing.saves.insert(save(), heads);
        }
        let plan = plan(&self.base, &local, &listing, &Policy::default());
        for step in &plan.steps {
            let (version, content) = match step.clone() {
                Step::Settle { head, content, .. } => (head, content),
                Step::Upload { content, parents, .. } => {
                    self.sequence += 1;
                    let version = Version {
                        save: save(),
                        content: Some(content),
                        parents,
                        writer: WriterId::from_random(&[writer; 16]),
                        sequence: self.sequence,
                        played: None,
                        suspect: false,
                        client: String::new(),
                        profile: String::new(),
                        core: None,
                        note: None,
                    };
                    (remote.store(version), content)
                }
                Step::Download { head, content, expects, .. } => {
                    assert_eq!(expects, self.bytes.map(content_of));
                    self.attic.extend(self.bytes);
                    self.bytes = (0..=made).find(|n| content_of(*n) == content);
                    (head, content)
                }
                other => panic!("not in these histories: {other:?}"),
            };
            if !lose_reply {
                let old = self.base.saves.get(&save()).cloned();
                let ancestors = old
                    .iter()
                    .flat_map(|e| e.content.map(|c| c.digest).into_iter().chain(e.ancestors.iter().copied()));
                let ancestors = ancestors.take(crate::snapshot::ANCESTORS).collect();
                let new = BaseEntry { version, content: Some(content), ancestors, ..entry(0, true, &[]) };
                self.base.saves.insert(save(), new);
            }
        }
        plan
    }
}

/// Plays, syncs, loses replies and states at random; then lets things settle.
fn history(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut remote = Remote::default();
    let mut handhelds: Vec<Handheld> = (0..2 + random.below(2)).map(|_| Handheld::default()).collect();
    let mut made = 0;
    for _ in 0..30 {
        let who = random.below(handhelds.len() as u64) as usize;
        match random.below(3) {
            0 => {
                made += 1;
                handhelds[who].bytes = Some(made);
            }
            _ => {
                let (reply, state) = (random.below(4) == 0, random.below(8) == 0);
                handhelds[who].cycle(who as u8, &mut remote, made, reply, state);
            }
        }
    }
    for _ in 0..3 {
        for (who, handheld) in handhelds.iter_mut().enumerate() {
            handheld.cycle(who as u8, &mut remote, made, false, false);
        }
    }
    let heads = remote.heads();
    let distinct: std::collections::BTreeSet<_> = heads.iter().map(|h| h.content).collect();
    let versions = remote.versions.len();
    for (who, handheld) in handhelds.iter_mut().enumerate() {
        for kept in handheld.bytes.iter().chain(&handheld.attic) {
            assert!(remote.knows(content_of(*kept).digest), "seed {seed}: {kept} is on no remote");
        }
        let quiet = handheld.cycle(who as u8, &mut remote, made, false, false);
        assert_eq!(quiet.steps, [], "seed {seed}: promise 9, quiet means done");
        let asks = quiet.questions.iter().any(|q| matches!(q, Question::Conflict { .. }));
        assert_eq!(asks, distinct.len() > 1, "seed {seed}: promise 10, both sides see the question");
        if distinct.len() == 1 {
            let here = handheld.bytes.map(content_of);
            assert_eq!(here, heads[0].content, "seed {seed}: settled is equal everywhere");
        }
    }
    assert_eq!(remote.versions.len(), versions, "seed {seed}: nothing stored by quiet cycles");
}

#[test]
fn random_histories_end_equal_or_with_a_question_and_lose_nothing() {
    for seed in 1..=20_000 {
        history(seed);
    }
}
