//! The plan, row by row and over every combination of its inputs; then random histories of devices that follow it.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::snapshot::{NOTHING_STORED, RootState, Stamp};
use retrosync_protocol::{Digest, Played};

pub(super) fn save() -> SaveId {
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
pub(super) const TOMB: u8 = 99;

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

pub(super) fn place() -> Place {
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
fn what_is_begun_over_a_damaged_save_does_not_replace_the_hundred_hours() {
    let here = |n| Some(found(n, None));
    let blank = || Some(found(2, Some(Doubt::Blank)));
    let damaged =
        |trusted, ring: &[u8], aside| Some(BaseEntry { aside: Some(aside), ..entry(1, trusted, ring) });
    let stored = content(2).digest;
    let case = |local, base, heads: &[u8]| Case { local, base, heads: heads.to_vec(), ..Case::default() };
    let rows: Vec<(&str, Case, &str)> = vec![
        ("begun over zeros", case(here(3), damaged(true, &[], stored), &[1]), "upload []"),
        ("begun over nothing", case(here(3), damaged(true, &[], NOTHING_STORED), &[1]), "upload []"),
        ("while it was played on elsewhere", case(here(3), damaged(true, &[], stored), &[4]), "upload []"),
        ("after a restored server", case(here(3), damaged(false, &[], stored), &[1]), "upload []"),
        (
            "over what was deleted elsewhere",
            case(here(3), damaged(true, &[], stored), &[TOMB]),
            "upload [99]",
        ),
        ("nobody began anything", case(blank(), damaged(true, &[], stored), &[1]), "ask: suspect"),
        (
            "it is damaged otherwise now",
            case(Some(found(3, Some(Doubt::Torn))), damaged(true, &[], stored), &[1]),
            "aside [1]; ask: suspect",
        ),
        ("the good bytes came back", case(here(1), damaged(true, &[], stored), &[1]), "settle 1"),
        (
            "and were played on elsewhere",
            case(here(1), damaged(true, &[], stored), &[4]),
            "download 4 over L",
        ),
        ("an older one was put back", case(here(5), damaged(true, &[5], stored), &[1]), "upload [1]"),
        (
            "it looks damaged while a game writes it",
            Case { frozen: true, ..case(blank(), Some(entry(1, true, &[])), &[1]) },
            "wait: aside [1]; ask: suspect",
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
    case.base.as_mut().unwrap().trusted = false;
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
        Some(BaseEntry { aside: Some(NOTHING_STORED), ..entry(1, true, &[2]) }),
        Some(BaseEntry { aside: Some(NOTHING_STORED), ..entry(1, false, &[2]) }),
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
    assert_eq!(count, 13 * 7 * 11 * 32);
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
                let damaged = case.base.as_ref().filter(|b| b.aside.is_some() && doubt.is_none());
                let is_older = |b: &BaseEntry| {
                    b.content.map(|c| c.digest) == digest || digest.is_some_and(|d| b.ancestors.contains(&d))
                };
                if damaged.is_some_and(|b| !is_older(b))
                    && !case.heads.iter().any(|n| head(*n).content.map(|c| c.digest) == digest)
                {
                    assert!(parents.iter().all(|p| *p == id(TOMB)), "begun over damage: {}", line());
                }
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
    let distinct: std::collections::BTreeSet<_> = case.heads.iter().map(|n| head(*n).content).collect();
    if distinct.len() > 1 && !case.unread {
        assert!(
            plan.questions.iter().any(|q| matches!(q, Question::Conflict { .. })),
            "promise 10: {}",
            line()
        );
    }
    if unchanged && agreed.is_some_and(|b| case.heads == [1] && b.version == id(1) && b.aside.is_none()) {
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
