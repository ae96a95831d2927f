//! Our own state under the same cuts: the journal rolls back at most to its last sync, a sequence number never comes twice.

use std::collections::VecDeque;
use std::path::Path;

use retrosync::identity::Identity;
use retrosync::journal::{Entry, Journal};
use retrosync::root::Root;
use retrosync::snapshot::{Base, BaseEntry, Place, RootState, Stamp};
use retrosync::volume::Volume;
use retrosync_protocol::{Digest, Epoch, SaveHeads, SaveId, Token};

use crate::fat::Fat;
use crate::{Luck, ROOT, content, cut_everywhere, path, save};

const STATE: &str = "/card/.retrosync";

fn card() -> Fat {
    let fat = Fat::new();
    fat.create_folder(Path::new(STATE)).unwrap();
    fat.settle();
    fat
}

pub(crate) fn settled(save: SaveId, round: u64) -> Entry {
    let digest = Digest::of(&round.to_le_bytes());
    let entry = BaseEntry {
        version: digest,
        content: Some(content(&round.to_le_bytes())),
        place: Place { root: 0, path: path() },
        stamp: Stamp { size_bytes: round, mtime_s: -1, mtime_ns: 7, inode: 9 },
        // Long, so that the rounds below are enough to have the journal rewritten.
        ancestors: VecDeque::from(vec![digest; 16]),
        trusted: true,
        aside: None,
    };
    Entry::Settled { save, entry }
}

fn epoch() -> Epoch {
    Epoch::from_random(&[5; 16])
}

/// Lives some cycles of three entries each; `bases` has the base after each entry. How many of them were synced.
fn live(fat: &Fat, cycles: u64, bases: &mut Vec<Base>) -> usize {
    let other: SaveId = "gb/sram/Zelda".parse().unwrap();
    let mut synced = 0;
    let Ok((mut journal, _)) = Journal::open(fat.volume(), Path::new(STATE)) else { return synced };
    bases.push(journal.base().clone());
    for cycle in 1..=cycles {
        let entries = [
            settled(save(), cycle),
            settled(other.clone(), cycle),
            Entry::Cursor { epoch: epoch(), cursor: cycle, landmark: None },
        ];
        for entry in entries {
            journal.record(entry).unwrap();
            bases.push(journal.base().clone());
        }
        if journal.sync().is_err() {
            break;
        }
        synced = bases.len() - 1;
    }
    synced
}

#[test]
fn a_journal_that_is_cut_knows_at_least_what_was_synced_and_nothing_that_never_was() {
    for (case, before, cycles) in [("first start", 0, 3), ("while rewritten", 21, 4)] {
        let start = card();
        live(&start, before, &mut Vec::new());
        start.settle();
        assert_eq!(start.read("/card/.retrosync/journal.1").unwrap(), None, "{case}: not yet rewritten");
        for cut in 0.. {
            let fat = start.crash(&mut Luck::All.deal());
            fat.cut_at(cut);
            let mut bases = Vec::new();
            let synced = live(&fat, cycles, &mut bases);
            for luck in Luck::kinds(fat.dirty(), 10) {
                let found = fat.crash(&mut luck.deal());
                let (journal, _) = Journal::open(found.volume(), Path::new(STATE)).unwrap();
                let is_known = bases[synced..].contains(journal.base());
                assert!(is_known, "{case}: cut before change {cut}, {luck:?}: {:?}", journal.base());
            }
            if !fat.is_off() {
                let rewritten = fat.read("/card/.retrosync/journal.1").unwrap().is_some();
                assert_eq!(rewritten, before > 0, "{case}");
                break;
            }
        }
    }
}

#[test]
fn after_a_cut_the_journal_goes_on() {
    let start = card();
    live(&start, 2, &mut Vec::new());
    start.settle();
    let mut live_on = |fat: &Fat| {
        live(fat, 2, &mut Vec::new());
    };
    cut_everywhere(&start, 6, &mut live_on, &mut |fat, story| {
        let mut bases = Vec::new();
        let synced = live(fat, 3, &mut bases);
        let found = fat.crash(&mut Luck::None.deal());
        let (journal, problems) = Journal::open(found.volume(), Path::new(STATE)).unwrap();
        assert_eq!((journal.base(), problems), (&bases[synced], vec![]), "{story}");
    });
}

#[test]
fn distrust_survives_a_rewrite_and_makes_up_no_heads() {
    let fat = card();
    live(&fat, 3, &mut Vec::new());
    let (mut journal, _) = Journal::open(fat.volume(), Path::new(STATE)).unwrap();
    assert_eq!(journal.listing().saves.len(), 2, "what both agree on is a head");
    journal.record(Entry::Distrusted).unwrap();
    for cursor in 0..1500 {
        journal.record(Entry::Cursor { epoch: epoch(), cursor, landmark: None }).unwrap();
        journal.sync().unwrap();
    }
    let (journal, _) = Journal::open(fat.volume(), Path::new(STATE)).unwrap();
    assert_eq!(journal.base().cursor, 1499);
    assert!(journal.base().saves.values().all(|entry| !entry.trusted));
    assert_eq!(journal.listing().saves.len(), 0);
}

#[test]
fn a_quiet_cycle_writes_nothing() {
    let fat = card();
    live(&fat, 3, &mut Vec::new());
    let (mut journal, _) = Journal::open(fat.volume(), Path::new(STATE)).unwrap();
    fat.cut_at(0);
    journal.record(settled(save(), 3)).unwrap();
    journal.record(Entry::Cursor { epoch: epoch(), cursor: 3, landmark: None }).unwrap();
    let heads = journal.listing().saves[&save()].clone();
    journal.record(Entry::Heads(SaveHeads { save: save(), heads })).unwrap();
    journal.sync().unwrap();
    assert!(!fat.is_off(), "a change reached the card");
}

#[test]
fn no_sequence_number_comes_twice_whatever_is_cut() {
    let start = card();
    let take = |fat: &Fat, count: usize| -> Vec<(String, u64)> {
        let Ok((mut identity, _)) = Identity::open(fat.volume(), Path::new(STATE), "serial:1") else {
            return Vec::new();
        };
        let mut taken = Vec::new();
        while taken.len() < count
            && let Ok(sequence) = identity.take_sequence()
        {
            taken.push((identity.writer().to_string(), sequence));
        }
        taken
    };
    Identity::open(start.volume(), Path::new(STATE), "serial:1").unwrap().0.save().unwrap();
    start.settle();
    for cut in 0.. {
        let fat = start.crash(&mut Luck::All.deal());
        fat.cut_at(cut);
        let first = take(&fat, 200);
        for luck in Luck::kinds(fat.dirty(), 10) {
            let second = take(&fat.crash(&mut luck.deal()), 100);
            assert_eq!(second.len(), 100, "cut before change {cut}, {luck:?}: it cannot go on");
            let again = second.iter().find(|taken| first.contains(taken));
            assert_eq!(again, None, "cut before change {cut}, {luck:?}");
        }
        if !fat.is_off() {
            break;
        }
    }
}

#[test]
fn a_token_is_kept_once_saving_it_succeeded() {
    let token = Token::from_random(&[3; 32]);
    let pair = |fat: &Fat| -> bool {
        let Ok((mut identity, _)) = Identity::open(fat.volume(), Path::new(STATE), "") else { return false };
        identity.facts.token = Some(token.clone());
        identity.save().is_ok()
    };
    for cut in 0.. {
        let fat = card();
        fat.cut_at(cut);
        let saved = pair(&fat);
        for luck in Luck::kinds(fat.dirty(), 20) {
            let found = fat.crash(&mut luck.deal());
            let (identity, _) = Identity::open(found.volume(), Path::new(STATE), "").unwrap();
            let kept = identity.facts.token.as_ref() == Some(&token);
            assert!(kept || !saved, "cut before change {cut}, {luck:?}: the token is gone");
            assert!(kept || identity.facts.token.is_none(), "cut before change {cut}, {luck:?}");
        }
        if !fat.is_off() {
            break;
        }
    }
}

#[test]
fn a_root_is_marked_or_not_and_can_be_marked_again() {
    let start = card();
    let mut mark = |fat: &Fat| drop(Root::create(fat.volume(), Path::new(ROOT)));
    cut_everywhere(&start, 20, &mut mark, &mut |fat, story| {
        let root = Root::create(fat.volume(), Path::new(ROOT)).unwrap();
        assert_eq!(root.state(), RootState::Online, "{story}");
        let found = fat.crash(&mut Luck::None.deal());
        assert_eq!(Root::open(found.volume(), Path::new(ROOT)).unwrap().id, root.id, "{story}");
    });
}

#[test]
fn a_card_that_hiccups_once_does_not_turn_what_waits_into_questions() {
    let fat = card();
    let mut bases = Vec::new();
    live(&fat, 3, &mut bases);
    for at in 0..8 {
        fat.fail_at(at, std::io::ErrorKind::Other);
        let (journal, problems) = Journal::open(fat.volume(), Path::new(STATE)).unwrap();
        assert_eq!((Some(journal.base()), problems.len()), (bases.last(), 0), "call {at} failed");
    }
}

#[test]
fn a_journal_with_a_damaged_byte_never_passes_an_old_base_for_the_newest() {
    let fat = card();
    let mut bases = Vec::new();
    live(&fat, 60, &mut bases);
    let write = |path: &str, bytes: &[u8]| {
        fat.open_write(Path::new(path)).unwrap().write_all_at(bytes, 0).unwrap();
    };
    let mut doubts = 0;
    for number in [0, 1] {
        let path = format!("{STATE}/journal.{number}");
        let whole = fat.read(&path).unwrap().expect("both files were written");
        for at in (0..whole.len()).step_by(397) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x04;
            write(&path, &damaged);
            let (journal, _) = Journal::open(fat.volume(), Path::new(STATE)).unwrap();
            doubts += usize::from(journal.is_in_doubt());
            assert!(journal.is_in_doubt() || Some(journal.base()) == bases.last(), "byte {at} of {path}");
        }
        write(&path, &whole);
    }
    let (journal, _) = Journal::open(fat.volume(), Path::new(STATE)).unwrap();
    assert!(doubts > 30 && !journal.is_in_doubt() && Some(journal.base()) == bases.last());
}
