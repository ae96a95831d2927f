//! Random histories of three writers with stale parents, replays, tombstones and choices. After every step: no acknowledged
//! content is out of reach, the heads are those of `protocol::heads_of`, and what is sent again is answered the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use retrosync_protocol::{
    ChoiceRequest, Code, Digest, OperationId, StoreReply, StoreResult, Version, VersionId, heads_of,
};

use super::backends::{Backend, over_each_backend};
use super::{Dice, NOW_UNIX_S, SAVE, World, version, word};
use crate::library::{Answer, Asker};
use crate::refusal::Refusal;

/// A request as it was sent, and what was answered.
struct Sent {
    writer: usize,
    asker: Asker,
    operation: OperationId,
    frames: Vec<(Version, Option<Vec<u8>>)>,
    reply: StoreReply,
}

struct Run {
    world: World,
    dice: Dice,
    /// What each writer has seen, and its last sequence.
    seen: [(Vec<VersionId>, u64); 3],
    sent: Vec<Sent>,
    /// All bytes that were ever acknowledged.
    acknowledged: BTreeMap<Digest, Vec<u8>>,
    operations: u8,
}

impl Run {
    fn operation(&mut self) -> OperationId {
        self.operations += 1;
        OperationId::from_random(&[self.operations; 16])
    }

    async fn send(
        &self,
        asker: &Asker,
        operation: &OperationId,
        frames: &[(Version, Option<Vec<u8>>)],
    ) -> StoreReply {
        let mut batch = self.world.library.batch(asker);
        for (version, body) in frames {
            batch.add(version.clone(), body.clone().map(Bytes::from)).await;
        }
        batch.finish(Some(operation.clone()), NOW_UNIX_S).await.unwrap()
    }

    /// A writer stores one to three versions over parents that it has seen: often not the newest.
    async fn store(&mut self) {
        let writer = self.dice.below(3);
        let mut asker = self.world.device(writer as u8);
        let mut frames = Vec::new();
        for _ in 0..=self.dice.below(3) {
            let (seen, sequence) = &mut self.seen[writer];
            let parents: Vec<VersionId> = (0..self.dice.below(3))
                .filter_map(|_| seen.get(self.dice.below(seen.len())).copied())
                .collect();
            *sequence += 1;
            let bytes = vec![self.dice.below(12) as u8; 3];
            let mut version = version(writer as u8, *sequence, &bytes, &parents);
            version.suspect = self.dice.one_in(8);
            let mut body = (!self.dice.one_in(6)).then_some(bytes);
            if self.dice.one_in(7) && !version.suspect {
                version.content = None;
                body = None;
                // A deletion is a person's.
                asker.device = None;
            }
            seen.push(version.id());
            frames.push((version, body));
        }
        let operation = self.operation();
        let reply = self.send(&asker, &operation, &frames).await;
        for ((version, body), result) in frames.iter().zip(&reply.results) {
            self.judge(writer, version, body.as_deref(), result);
        }
        self.sent.push(Sent { writer, asker, operation, frames, reply });
    }

    fn judge(&mut self, writer: usize, version: &Version, body: Option<&[u8]>, result: &StoreResult) {
        let (said, answered) = word(result);
        match (said, body) {
            ("head" | "branch", Some(bytes)) => {
                self.acknowledged.insert(Digest::of(bytes), bytes.to_vec());
            }
            ("head" | "branch", None) => {}
            ("content_missing", None) => {
                assert!(
                    version.content.is_some_and(|content| !self.acknowledged.contains_key(&content.digest))
                );
            }
            // The parent was a frame that was refused, or never written because the head said it already.
            ("unknown_parent", _) => {}
            other => panic!("{other:?} for {version:?}"),
        }
        let (seen, _) = &mut self.seen[writer];
        seen.retain(|id| *id != version.id());
        seen.extend(answered);
    }

    /// A request comes once more, later: the same answer, unless a frame was refused.
    async fn replay(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let which = self.dice.below(self.sent.len());
        let sent = &self.sent[which];
        let again = self.send(&sent.asker, &sent.operation, &sent.frames).await;
        let refused =
            |reply: &StoreReply| reply.results.iter().any(|r| matches!(r, StoreResult::Refused { .. }));
        if !refused(&sent.reply) {
            assert_eq!(again, sent.reply, "sent again, answered the same");
            return;
        }
        let (writer, frames) = (sent.writer, sent.frames.clone());
        for ((version, body), result) in frames.iter().zip(&again.results) {
            self.judge(writer, version, body.as_deref(), result);
        }
    }

    /// A version comes again without its operation id: it is the same version.
    async fn resend(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let which = self.dice.below(self.sent.len());
        let sent = &self.sent[which];
        let (version, body) = sent.frames[0].clone();
        let known = self.versions().await.contains_key(&version.id());
        if known {
            let again = self.world.store(&sent.asker, &version, body.as_deref()).await;
            let (said, answered) = word(&again);
            assert!(matches!(said, "head" | "branch"), "{again:?}");
            assert_eq!(answered, Some(version.id()));
        }
    }

    /// A copied card goes on with a sequence that was used.
    async fn reuse(&mut self) {
        let known = self.versions().await;
        let is_ours = |version: &&Version| version.client == "test" && version.content.is_some();
        if let Some(used) = known.values().find(is_ours) {
            let mut copy = used.clone();
            copy.note = Some("from a copied card".into());
            copy.suspect = false;
            let asker = self.world.device(0);
            assert_eq!(word(&self.world.store(&asker, &copy, None).await).0, "writer_reused");
        }
    }

    /// Somebody restores, resolves or retires; sometimes over heads that are no longer.
    async fn choose(&mut self) {
        let asker = self.world.device(self.dice.below(3) as u8);
        let known: Vec<VersionId> = self.versions().await.into_keys().collect();
        if known.is_empty() {
            return;
        }
        let now = self.world.heads(&asker, SAVE).await;
        let stale = self.dice.one_in(4);
        let heads = if stale { vec![known[self.dice.below(known.len())]] } else { now.clone() };
        let version = Some(known[self.dice.below(known.len())]);
        let request =
            ChoiceRequest { save: SAVE.parse().unwrap(), version, heads: heads.clone(), note: None };
        let operation = Some(self.operation());
        let verb = self.dice.below(3);
        let answer = self.ask(&asker, verb, &request, operation.clone()).await;
        match answer {
            Ok(reply) => {
                assert_eq!(reply.heads.len(), 1, "a choice settles it");
                assert_eq!(self.ask(&asker, verb, &request, operation).await.unwrap(), reply);
            }
            // An old deletion is brought back by a person only.
            Err(refusal) if refusal.code() == Code::AccessDenied => {
                let person = self.world.person();
                let answer = self.ask(&person, verb, &request, None).await;
                assert!(answer.is_err() || answer.unwrap().heads[0].content.is_none(), "{refusal}");
            }
            Err(refusal) => {
                assert_eq!(refusal.code(), Code::HeadsMoved, "{refusal}");
                assert_ne!(heads, now);
            }
        }
    }

    async fn ask(
        &self,
        asker: &Asker,
        verb: usize,
        request: &ChoiceRequest,
        operation: Option<OperationId>,
    ) -> Answer<retrosync_protocol::ChoiceReply> {
        let library = &self.world.library;
        match verb {
            0 => library.restore(asker, request, operation, NOW_UNIX_S).await,
            1 => library.resolve(asker, request, operation, NOW_UNIX_S).await,
            // A deletion is a person's.
            _ => library.retire(&self.world.person(), request, operation, NOW_UNIX_S).await,
        }
    }

    async fn versions(&self) -> BTreeMap<VersionId, Version> {
        let asker = self.world.device(0);
        match self.world.library.history(&asker, &SAVE.parse().unwrap(), None, 1000).await {
            Ok(history) => history.versions.into_iter().map(|entry| (entry.version, entry.record)).collect(),
            Err(Refusal { .. }) => BTreeMap::new(),
        }
    }

    async fn assert_promises(&self) {
        let asker = self.world.device(0);
        let versions = self.versions().await;
        let mut expected = heads_of(versions.iter().map(|(id, version)| (*id, version)));
        let mut heads = self.world.heads(&asker, SAVE).await;
        expected.sort();
        heads.sort();
        assert_eq!(heads, expected, "the heads are those of the one rule");
        for (digest, bytes) in &self.acknowledged {
            assert_eq!(
                self.world.bytes(&asker, *digest).await.as_ref(),
                Some(bytes),
                "acknowledged is never lost"
            );
            let named = versions.values().any(|version| version.content.is_some_and(|c| c.digest == *digest));
            assert!(named, "and some version speaks of it");
        }
    }
}

async fn run(world: World, seed: u64, steps: usize) {
    let seen = std::array::from_fn(|_| (Vec::new(), 0));
    let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut run = Run { world, dice, seen, sent: Vec::new(), acknowledged: BTreeMap::new(), operations: 0 };
    for _ in 0..steps {
        match run.dice.below(10) {
            0..=4 => run.store().await,
            5 | 6 => run.replay().await,
            7 => run.resend().await,
            8 => run.reuse().await,
            _ => run.choose().await,
        }
        run.assert_promises().await;
    }
}

over_each_backend!(no_history_of_three_writers_loses_a_byte);

async fn no_history_of_three_writers_loses_a_byte(on: Backend) {
    let (seeds, steps) = on.histories();
    for seed in 0..seeds {
        eprintln!("seed {seed}");
        run(on.world().await, seed, steps).await;
    }
}
