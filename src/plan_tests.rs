//! The plan, row by row and over every combination of its inputs; then random histories of devices that follow it.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::snapshot::RootState;
use retrosync_protocol::Played;

fn save() -> SaveId {
    "gb/sram/Tetris".parse().unwrap()
}

pub(super) fn content(n: u8) -> Content {
    Content { digest: Digest::of(&[n]), size_bytes: 8192 }
}

/// The version that carries content `n`.
pub(super) fn id(n: u8) -> VersionId {
    Digest::of(&[n, 1])
}

/// The tombstone's number.
const TOMB: u8 = 99;

pub(super) fn head(n: u8) -> Head {
    Head {
        version: id(n),
        content: (n != TOMB).then(|| content(n % 10)),
        writer: WriterId::from_random(&[n; 16]),
        sequence: 1,
        device_name: String::new(),
        played: None,
        received_unix_s: 0,
    }
}

fn place() -> Place {
    Place { root: 0, path: crate::snapshot::RelativePath::new("Saves/Tetris.srm").unwrap() }
}

pub(super) fn found(n: u8, doubt: Option<Doubt>) -> LocalSave {
    LocalSave { place: place(), stamp: Stamp::default(), content: content(n), doubt }
}

pub(super) fn entry(n: u8, trusted: bool, ancestors: &[u8]) -> BaseEntry {
    BaseEntry {
        version: id(n),
        content: (n != TOMB).then(|| content(n)),
        place: place(),
        stamp: Stamp::default(),
        ancestors: ancestors.iter().map(|n| content(*n).digest).collect(),
        trusted,
        aside: None,
    }
}

/// One save's world.
#[derive(Clone, Debug, Default)]
struct Case {
    local: Option<LocalSave>,
    unread: bool,
    base: Option<BaseEntry>,
    heads: Vec<u8>,
    known: bool,
    home: bool,
    offline: bool,
    frozen: bool,
}

impl Case {
    fn plan(&self) -> Plan {
        let frozen = self.frozen.then(|| "a game runs".to_owned());
        self.plan_by(&Policy { frozen, ..Policy::default() })
    }

    fn plan_by(&self, policy: &Policy) -> Plan {
        let (mut base, mut local, mut listing) = (Base::default(), Local::default(), Listing::default());
        base.saves.extend(self.base.clone().map(|entry| (save(), entry)));
        local.saves.extend(self.local.clone().map(|found| (save(), found)));
        local.unread.extend(self.unread.then(save));
        local.homes.extend(self.home.then(|| (save(), place())));
        let state = if self.offline { RootState::Offline("no marker".into()) } else { RootState::Online };
        local.roots.push(Some(state));
        if !self.heads.is_empty() {
            listing.saves.insert(save(), self.heads.iter().map(|n| head(*n)).collect());
        }
        if let (true, Some(found)) = (self.known, &self.local) {
            listing.known.insert((save(), found.content.digest));
        }
        plan(&base, &local, &listing, policy)
    }
}

/// A plan in one line.
fn told(plan: &Plan) -> String {
    let name =
        |version: &VersionId| (0..=TOMB).find(|n| id(*n) == *version).map_or("?".into(), |n| n.to_string());
    let names = |ids: &[VersionId]| {
        let mut names: Vec<_> = ids.iter().map(name).collect();
        names.sort();
        names.join(",")
    };
    let step = |step: &Step| match step {
        Step::Settle { head, .. } => format!("settle {}", name(head)),
        Step::Upload { parents, doubt: None, .. } => format!("upload [{}]", names(parents)),
        Step::Upload { parents, doubt: Some(_), .. } => format!("aside [{}]", names(parents)),
        Step::Download { head, expects, .. } => {
            format!("download {} over {}", name(head), if expects.is_some() { "L" } else { "nothing" })
        }
        Step::Retire { head, .. } => format!("retire {}", name(head)),
        Step::Choose { .. } => "choose".into(),
    };
    let question = |question: &Question| match question {
        Question::Conflict { .. } => "ask: conflict".to_owned(),
        Question::Suspect { .. } => "ask: suspect".to_owned(),
        Question::Deleted { .. } => "ask: deleted".to_owned(),
    };
    let steps = plan.steps.iter().map(step);
    let waiting = plan.waiting.iter().map(|s| format!("wait: {}", step(s)));
    let told: Vec<_> = steps.chain(waiting).chain(plan.questions.iter().map(question)).collect();
    if told.is_empty() { "nothing".into() } else { told.join("; ") }
}

#[test]
fn the_table_row_by_row() {
    let here = |n| Some(found(n, None));
    let doubted = |n, doubt| Some(found(n, Some(doubt)));
    let agreed = |n| Some(entry(n, true, &[]));
    let once = |n, ring: &[u8]| Some(entry(n, false, ring));
    let case = Case::default;
    let rows: Vec<(&str, Case, &str)> = vec![
        ("nothing anywhere", case(), "nothing"),
        ("all equal", Case { local: here(1), base: agreed(1), heads: vec![1], ..case() }, "nothing"),
        (
            "a lost reply heals",
            Case { local: here(2), base: agreed(1), heads: vec![2], ..case() },
            "settle 2",
        ),
        ("a lost state heals", Case { local: here(1), heads: vec![1], ..case() }, "settle 1"),
        (
            "the remote is newer",
            Case { local: here(1), base: agreed(1), heads: vec![2], ..case() },
            "download 2 over L",
        ),
        (
            "two others chose the same: it comes here as if one had",
            Case { local: here(1), base: agreed(1), heads: vec![2, 12], ..case() },
            "download 2 over L",
        ),
        (
            "the same where the base is lost",
            Case { local: here(1), known: true, heads: vec![2, 12], ..case() },
            "download 2 over L",
        ),
        (
            "the same where there is none yet",
            Case { home: true, heads: vec![2, 12], ..case() },
            "download 2 over nothing",
        ),
        (
            "this device is newer",
            Case { local: here(2), base: agreed(1), heads: vec![1], ..case() },
            "upload [1]",
        ),
        ("a new save", Case { local: here(1), ..case() }, "upload []"),
        ("both changed", Case { local: here(2), base: agreed(1), heads: vec![3], ..case() }, "upload [1]"),
        (
            "a branch goes on",
            Case { local: here(4), base: agreed(2), heads: vec![2, 3], ..case() },
            "upload [2]; ask: conflict",
        ),
        (
            "twins join at the next edit",
            Case { local: here(2), base: agreed(1), heads: vec![1, 11], ..case() },
            "upload [1,11]",
        ),
        (
            "a question between others moves nothing here",
            Case { local: here(1), base: agreed(1), heads: vec![2, 3], ..case() },
            "ask: conflict",
        ),
        ("B unknown, H", Case { local: here(1), heads: vec![2], known: true, ..case() }, "download 2 over L"),
        (
            "B unknown, R in A",
            Case { local: here(2), base: once(1, &[]), heads: vec![1], ..case() },
            "upload [1]",
        ),
        (
            "B unknown, R deep in A",
            Case { local: here(3), base: once(2, &[1]), heads: vec![1], ..case() },
            "upload [1]",
        ),
        ("B unknown, neither", Case { local: here(2), heads: vec![1], ..case() }, "upload []"),
        (
            "absent, the game is here",
            Case { heads: vec![1], home: true, ..case() },
            "download 1 over nothing",
        ),
        ("absent, the game is not here", Case { heads: vec![1], ..case() }, "nothing"),
        ("absent though known", Case { base: agreed(1), heads: vec![1], ..case() }, "nothing"),
        ("absent, a question", Case { heads: vec![1, 2], home: true, ..case() }, "ask: conflict"),
        (
            "deleted elsewhere, untouched here",
            Case { local: here(1), base: agreed(1), heads: vec![TOMB], ..case() },
            "retire 99",
        ),
        (
            "an edit beats a delete",
            Case { local: here(2), base: agreed(1), heads: vec![TOMB], ..case() },
            "upload [99]",
        ),
        (
            "played again after a delete",
            Case { local: here(2), base: agreed(TOMB), heads: vec![TOMB], ..case() },
            "upload [99]",
        ),
        (
            "deleted elsewhere, B unknown, bytes in the history",
            Case { local: here(1), heads: vec![TOMB], known: true, ..case() },
            "ask: deleted",
        ),
        (
            "deleted elsewhere, B unknown, bytes never seen",
            Case { local: here(1), heads: vec![TOMB], ..case() },
            "upload [99]",
        ),
        (
            "blank over a played save",
            Case { local: doubted(2, Doubt::Blank), base: agreed(1), heads: vec![1], ..case() },
            "aside [1]; ask: suspect",
        ),
        (
            "a fresh blank save beside a played one",
            Case { local: doubted(2, Doubt::Blank), heads: vec![1], ..case() },
            "download 1 over L",
        ),
        (
            "empty is never stored",
            Case { local: doubted(2, Doubt::Empty), base: agreed(1), heads: vec![1], ..case() },
            "ask: suspect",
        ),
        (
            "blank as agreed is no news",
            Case { local: doubted(1, Doubt::Blank), base: agreed(1), heads: vec![2], ..case() },
            "download 2 over L",
        ),
        (
            "unread is unknown",
            Case { local: here(2), unread: true, base: agreed(1), heads: vec![3], ..case() },
            "nothing",
        ),
        (
            "an offline root",
            Case { local: here(2), offline: true, base: agreed(1), heads: vec![3], ..case() },
            "nothing",
        ),
        (
            "a running game owns its save",
            Case { local: here(1), base: agreed(1), heads: vec![2], frozen: true, ..case() },
            "wait: download 2 over L",
        ),
        (
            "a running game's save still goes up",
            Case { local: here(2), base: agreed(1), heads: vec![1], frozen: true, ..case() },
            "upload [1]",
        ),
    ];
    for (row, case, expected) in rows {
        assert_eq!(told(&case.plan()), expected, "{row}");
    }
}

#[test]
fn a_shrunk_save_is_set_aside_once() {
    let mut case = Case {
        local: Some(found(2, None)),
        base: Some(entry(1, true, &[])),
        heads: vec![1],
        ..Case::default()
    };
    case.local.as_mut().unwrap().content.size_bytes = 4096;
    assert_eq!(told(&case.plan()), "aside [1]; ask: suspect");
    // What was agreed on is in doubt (paired again, the server restored): half a save replaces no whole one all the same.
    case.base = Some(entry(1, false, &[]));
    assert_eq!(told(&case.plan()), "aside []; ask: suspect");
    case.base = Some(entry(1, true, &[]));
    case.base.as_mut().unwrap().aside = Some(content(2).digest);
    assert_eq!(told(&case.plan()), "ask: suspect");
}

#[test]
fn the_promises_hold_over_every_combination() {
    let doubts = [None, Some(Doubt::Blank), Some(Doubt::Empty), Some(Doubt::Torn)];
    let mut locals = vec![None];
    for n in 1..=3 {
        locals.extend(doubts.iter().map(|doubt| Some(found(n, *doubt))));
    }
    let bases = [
        None,
        Some(entry(1, true, &[])),
        Some(entry(1, true, &[2])),
        Some(entry(TOMB, true, &[1])),
        Some(entry(1, false, &[2])),
    ];
    let heads: [&[u8]; 11] =
        [&[], &[1], &[2], &[3], &[TOMB], &[1, 2], &[2, 3], &[1, 11], &[2, 12], &[3, 13], &[1, 2, 3]];
    let mut count = 0;
    for local in &locals {
        for base in &bases {
            for heads in heads {
                for bits in 0..32u8 {
                    let bit = |n: u8| bits >> n & 1 == 1;
                    let case = Case {
                        local: local.clone(),
                        base: base.clone(),
                        heads: heads.to_vec(),
                        unread: bit(0),
                        known: bit(1),
                        home: bit(2),
                        offline: bit(3),
                        frozen: bit(4),
                    };
                    check(&case);
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 13 * 5 * 11 * 32);
}

/// What must hold in every world.
fn check(case: &Case) {
    let plan = case.plan();
    let all: Vec<&Step> = plan.steps.iter().chain(&plan.waiting).collect();
    let line = || format!("{case:?} -> {}", told(&plan));
    assert!(all.len() <= 1, "one step a save: {}", line());
    assert!(!case.frozen || !plan.steps.iter().any(Step::writes_here), "promise 7: {}", line());
    if case.unread || case.offline {
        assert!(all.is_empty(), "promise 3, unknown is not absent: {}", line());
    }
    let agreed = case.base.as_ref().filter(|b| b.trusted);
    let digest = case.local.as_ref().map(|l| l.content.digest);
    let unchanged = digest.is_some() && agreed.is_some_and(|b| b.content.map(|c| c.digest) == digest);
    for step in all {
        match step {
            Step::Download { expects, head: version, .. } => {
                assert_eq!(*expects, case.local.as_ref().map(|l| l.content), "looks again: {}", line());
                let blank = case.base.is_none()
                    && matches!(case.local.as_ref().and_then(|l| l.doubt), Some(Doubt::Blank | Doubt::Empty));
                let safe = expects.is_none() || unchanged || case.known || blank;
                assert!(safe, "promise 2, unsaved bytes are not replaced: {}", line());
                let first = head(case.heads[0]);
                let is_one = case.heads.iter().all(|n| head(*n).content == first.content);
                assert!(is_one && first.version == *version, "the only content: {}", line());
            }
            Step::Retire { expects, .. } => {
                assert!(unchanged && case.heads == [TOMB], "a tombstone needs L = B: {}", line());
                assert_eq!(Some(expects.digest), digest);
            }
            Step::Upload { parents, doubt, .. } => {
                assert!(digest.is_some(), "promise 3, absent is not deleted: {}", line());
                let suspect = case.local.as_ref().and_then(|l| l.doubt);
                assert!(
                    suspect.is_none() || unchanged || doubt.is_some(),
                    "a suspect moves no head: {}",
                    line()
                );
                for parent in parents {
                    let descends = case.base.as_ref().is_some_and(|b| {
                        b.version == *parent
                            || case.heads.iter().any(|n| {
                                id(*n) == *parent
                                    && (*n == TOMB
                                        || b.content == head(*n).content
                                        || b.ancestors.contains(&head(*n).content.unwrap().digest))
                            })
                    });
                    assert!(descends || *parent == id(TOMB), "a parent that was seen: {}", line());
                }
            }
            Step::Settle { head: version, .. } => {
                let equal = case
                    .heads
                    .iter()
                    .any(|n| id(*n) == *version && head(*n).content.map(|c| c.digest) == digest);
                assert!(equal, "settled is equal: {}", line());
            }
            Step::Choose { .. } => panic!("nobody allowed it: {}", line()),
        }
    }
    let distinct: BTreeSet<_> = case.heads.iter().map(|n| head(*n).content).collect();
    if distinct.len() > 1 && !case.unread {
        assert!(
            plan.questions.iter().any(|q| matches!(q, Question::Conflict { .. })),
            "promise 10: {}",
            line()
        );
    }
    if unchanged && agreed.is_some_and(|b| case.heads == [1] && b.version == id(1)) {
        assert_eq!(plan.steps, [], "promise 9, quiet means done: {}", line());
    }
}

#[test]
fn newest_decides_only_where_the_intervals_do_not_overlap() {
    let played = |from_unix_s, to_unix_s| Some(Played { from_unix_s, to_unix_s });
    let decide = |one: Option<Played>, two: Option<Played>| {
        let mut listing = Listing::default();
        listing.saves.insert(save(), vec![Head { played: one, ..head(1) }, Head { played: two, ..head(2) }]);
        let policy = Policy { conflict: ConflictPolicy::Newest, ..Policy::default() };
        let plan = plan(&Base::default(), &Local::default(), &listing, &policy);
        match plan.steps.first() {
            Some(Step::Choose { keep, heads, .. }) => {
                assert_eq!(heads.len(), 2);
                Some(keep.digest)
            }
            _ => None,
        }
    };
    assert_eq!(decide(played(10, 20), played(30, 40)), Some(content(2).digest), "later");
    assert_eq!(decide(played(30, 40), played(10, 20)), Some(content(1).digest), "earlier");
    assert_eq!(decide(played(10, 30), played(20, 40)), None, "overlap: ask");
    assert_eq!(decide(played(10, 30), None), None, "unknown: ask");
}

#[test]
fn half_a_save_that_a_crash_left_is_not_chosen_because_it_is_younger() {
    let played = |from_unix_s, to_unix_s| Some(Played { from_unix_s, to_unix_s });
    let half = Content { size_bytes: content(2).size_bytes / 2, ..content(2) };
    for (kind, chosen) in [("gb/sram/Tetris", 0), ("gb/state.0@gambatte/Tetris", 1)] {
        let (save, mut listing): (SaveId, _) = (kind.parse().unwrap(), Listing::default());
        let whole = Head { played: played(10, 20), ..head(1) };
        let younger = Head { played: played(30, 40), content: Some(half), ..head(2) };
        listing.saves.insert(save, vec![whole, younger]);
        let policy = Policy { conflict: ConflictPolicy::Newest, ..Policy::default() };
        let plan = plan(&Base::default(), &Local::default(), &listing, &policy);
        assert_eq!((plan.steps.len(), plan.questions.len()), (chosen, 1 - chosen), "{kind}");
    }
}

/// Devices that follow the plan over one save and a remote that keeps a DAG, from one seed.
mod histories {
    use super::*;
    use retrosync_protocol::{Version, heads_of};

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
                    let ancestors = old.iter().flat_map(|e| {
                        e.content.map(|c| c.digest).into_iter().chain(e.ancestors.iter().copied())
                    });
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
        let distinct: BTreeSet<_> = heads.iter().map(|h| h.content).collect();
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
}

#[test]
fn what_is_left_out_is_left_alone_on_both_sides() {
    let rows = [
        (
            "changed here",
            Case {
                local: Some(found(2, None)),
                base: Some(entry(1, true, &[])),
                heads: vec![1],
                ..Case::default()
            },
        ),
        (
            "changed there",
            Case {
                local: Some(found(1, None)),
                base: Some(entry(1, true, &[])),
                heads: vec![2],
                ..Case::default()
            },
        ),
        ("on another device only", Case { heads: vec![1], home: true, ..Case::default() }),
        (
            "a question",
            Case {
                local: Some(found(1, None)),
                base: Some(entry(1, true, &[])),
                heads: vec![2, 3],
                ..Case::default()
            },
        ),
        (
            "looks damaged",
            Case {
                local: Some(found(2, Some(Doubt::Blank))),
                base: Some(entry(1, true, &[])),
                heads: vec![1],
                ..Case::default()
            },
        ),
    ];
    for (row, case) in rows {
        assert_ne!(told(&case.plan()), "nothing", "{row}: without the choice there is something to do");
        let leave_out = Selection::parse(&format!("other | {}", save().system()));
        let policy = Policy { leave_out, ..Policy::default() };
        assert_eq!(told(&case.plan_by(&policy)), "nothing", "{row}");
    }
}

#[test]
fn who_rests_while_playing_sends_when_the_game_has_ended() {
    let case = Case {
        local: Some(found(2, None)),
        base: Some(entry(1, true, &[])),
        heads: vec![1],
        ..Case::default()
    };
    let policy = |rests, plays: bool| Policy {
        rests,
        frozen: plays.then(|| "a game runs".into()),
        ..Policy::default()
    };
    let rows = [
        ("a game runs", false, true, "upload [1]"),
        ("a game runs, and it rests", true, true, "wait: upload [1]"),
        ("no game runs", true, false, "upload [1]"),
    ];
    for (row, rests, plays, expected) in rows {
        assert_eq!(told(&case.plan_by(&policy(rests, plays))), expected, "{row}");
    }
}
