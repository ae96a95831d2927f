//! What every store of versions must keep, as tests: included by `tests/remote_folder.rs` and `tests/remote_http.rs`,
//! which say how to make a store with devices on it.
//!
//! Each function is one promise and takes a fresh store. Races are placed on purpose: threads start at one barrier, and
//! what must hold holds in every round.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use retrosync::error::{Error, Kind};
use retrosync::remote::Remote;
use retrosync_protocol::{
    Ask, Changes, ChangesRequest, Code, Content, Digest, Epoch, Head, SaveId, StoreResult, Version,
    VersionId, WriterId,
};

/// A fresh store and the devices on it.
pub trait Ground {
    /// A connection of one of the user's devices; the writer is that of its card.
    fn device(&mut self, name: &str, writer: &WriterId) -> Box<dyn Remote>;

    /// May a device store a tombstone? Where there is a dashboard, a deletion is a person's there.
    fn devices_delete(&self) -> bool {
        true
    }
}

/// Bytes by their digest.
pub type Shelf = BTreeMap<Digest, Vec<u8>>;

/// A device with a card.
pub struct Handheld {
    pub remote: Box<dyn Remote>,
    writer: WriterId,
    next: u64,
    shelf: Shelf,
}

impl Handheld {
    pub fn new(ground: &mut dyn Ground, name: &str) -> Handheld {
        let mut writer = [0; 16];
        getrandom::fill(&mut writer).unwrap();
        let writer = WriterId::from_random(&writer);
        Handheld { remote: ground.device(name, &writer), writer, next: 1, shelf: Shelf::new() }
    }

    /// A version of this card, its bytes on the shelf.
    pub fn version(&mut self, save: &str, bytes: Option<&[u8]>, parents: &[VersionId]) -> Version {
        let content = bytes.map(|bytes| {
            let digest = Digest::of(bytes);
            self.shelf.insert(digest, bytes.to_vec());
            Content { digest, size_bytes: bytes.len() as u64 }
        });
        let mut parents = parents.to_vec();
        parents.sort_unstable();
        parents.dedup();
        self.next += 1;
        Version {
            save: save.parse().unwrap(),
            content,
            parents,
            writer: self.writer.clone(),
            sequence: self.next - 1,
            played: None,
            suspect: false,
            client: "suite".into(),
            profile: "onion".into(),
            core: None,
            note: None,
        }
    }

    /// The bytes of a version of this card.
    pub fn bytes_of(&self, version: &Version) -> Vec<u8> {
        version.content.map_or_else(Vec::new, |content| self.shelf[&content.digest].clone())
    }

    pub fn store(&mut self, versions: &[Version]) -> Vec<StoreResult> {
        let shelf = &self.shelf;
        let source = |version: &Version| -> Result<Box<dyn Read + '_>, Error> {
            let bytes = version.content.and_then(|content| shelf.get(&content.digest));
            let bytes =
                bytes.ok_or_else(|| Error::new(Kind::Damaged, "cannot read", "it is not on the shelf"))?;
            Ok(Box::new(Cursor::new(bytes.as_slice())))
        };
        self.remote.store(versions, &source).unwrap()
    }

    /// Stores one version that becomes the only head.
    pub fn put(&mut self, save: &str, bytes: &[u8], parents: &[VersionId]) -> VersionId {
        let version = self.version(save, Some(bytes), parents);
        let results = self.store(std::slice::from_ref(&version));
        assert!(matches!(&results[..], [StoreResult::Head { .. }]), "{results:?}");
        version.id()
    }

    pub fn list(&mut self, since: u64, epoch: Option<&Epoch>) -> Changes {
        let request = ChangesRequest { since, epoch: epoch.cloned(), ..ChangesRequest::default() };
        self.remote.list(&request).unwrap()
    }

    /// The heads of a save, as listed from the start.
    pub fn heads(&mut self, save: &str) -> Vec<Head> {
        let save: SaveId = save.parse().unwrap();
        let listed = self.list(0, None).saves.into_iter().find(|listed| listed.save == save);
        listed.map(|listed| listed.heads).unwrap_or_default()
    }

    /// Fetches contents: the bytes that came, and what failed.
    pub fn fetch(&mut self, wanted: &[Content]) -> (Shelf, Vec<(Content, Error)>) {
        let mut came = Shelf::new();
        let failed = self
            .remote
            .fetch(wanted, &mut |content, payload| {
                let mut bytes = Vec::new();
                payload.read_to_end(&mut bytes).map_err(|error| Error::io("cannot take", &error))?;
                came.insert(content.digest, bytes);
                Ok(())
            })
            .unwrap();
        (came, failed)
    }
}

pub const SAVE: &str = "gb/sram/Tetris (World)";

fn ids(heads: &[Head]) -> Vec<VersionId> {
    let mut ids: Vec<VersionId> = heads.iter().map(|head| head.version).collect();
    ids.sort_unstable();
    ids
}

fn heads_in(result: &StoreResult) -> Vec<VersionId> {
    match result {
        StoreResult::Head { heads, .. } | StoreResult::Branch { heads, .. } => ids(heads),
        StoreResult::Refused { problem } => panic!("{problem}"),
    }
}

fn refusal(result: &StoreResult) -> Code {
    match result {
        StoreResult::Refused { problem } => problem.code,
        other => panic!("not refused: {other:?}"),
    }
}

/// Bytes that do not pack, different for each seed.
pub fn noise(seed: u64, size_bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size_bytes + 8);
    while bytes.len() < size_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size_bytes);
    bytes
}

pub fn a_save_of_one_device_is_on_the_other(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let version = a.put(SAVE, &[7; 8192], &[]);
    let heads = b.heads(SAVE);
    assert_eq!(ids(&heads), [version]);
    assert_eq!(heads[0].device_name, "A");
    let content = heads[0].content.unwrap();
    let (came, failed) = b.fetch(&[content]);
    assert_eq!((came.get(&content.digest), failed.len()), (Some(&vec![7; 8192]), 0));
}

pub fn saves_of_every_size_come_back(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let sizes = [0, 1, 8192, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000];
    let mut versions = Vec::new();
    for (size_bytes, number) in sizes.into_iter().zip(0..) {
        versions.push(a.version(&format!("gb/sram/Game {number}"), Some(&noise(number, size_bytes)), &[]));
    }
    let results = a.store(&versions);
    assert!(results.iter().all(|result| matches!(result, StoreResult::Head { .. })), "{results:?}");
    let mut b = Handheld::new(ground, "B");
    let wanted: Vec<Content> = versions.iter().filter_map(|version| version.content).collect();
    let (came, failed) = b.fetch(&wanted);
    assert_eq!(failed.len(), 0, "{failed:?}");
    for (content, number) in wanted.iter().zip(0..) {
        assert_eq!(came[&content.digest], noise(number, content.size_bytes as usize), "{content:?}");
    }
}

pub fn two_writers_at_once_make_two_heads_and_lose_neither(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    for round in 0..12u8 {
        let save = format!("gb/sram/Race {round}");
        let parent = a.put(&save, &[round, 0], &[]);
        b.heads(&save);
        let (left, right) =
            (a.version(&save, Some(&[round, 1]), &[parent]), b.version(&save, Some(&[round, 2]), &[parent]));
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            for (device, version) in [(&mut a, &left), (&mut b, &right)] {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let results = device.store(std::slice::from_ref(version));
                    assert!(!matches!(results[0], StoreResult::Refused { .. }), "{results:?}");
                });
            }
        });
        let mut both = [left.id(), right.id()];
        both.sort_unstable();
        for device in [&mut a, &mut b] {
            assert_eq!(ids(&device.heads(&save)), both, "round {round}");
        }
        // One more version that names both settles it.
        let settled = b.put(&save, &[round, 2], &both);
        assert_eq!(ids(&a.heads(&save)), [settled], "round {round}");
    }
}

pub fn a_store_whose_answer_was_lost_answers_the_same(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let first = a.version(SAVE, Some(b"one"), &[]);
    let second = a.version(SAVE, Some(b"two"), &[first.id()]);
    for _ in 0..3 {
        let results = a.store(&[first.clone(), second.clone()]);
        assert_eq!(heads_in(&results[1]), [second.id()]);
        assert!(
            matches!(results[1], StoreResult::Head { version, .. } if version == second.id()),
            "{results:?}"
        );
    }
    assert_eq!(a.remote.history(&first.save, None).unwrap().versions.len(), 2);
}

pub fn a_lost_answer_that_others_went_on_from_is_no_question(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let base = a.put(SAVE, b"base", &[]);
    let stored = a.put(SAVE, b"evening", &[base]);
    let newer = b.put(SAVE, b"night", &[stored]);
    // A lost its battery before it heard the answer: it offers the same bytes again, as another record.
    let again = a.version(SAVE, Some(b"evening"), &[base]);
    assert_ne!(again.id(), stored);
    let results = a.store(std::slice::from_ref(&again));
    assert!(matches!(results[0], StoreResult::Head { version, .. } if version == stored), "{results:?}");
    assert_eq!(heads_in(&results[0]), [newer]);
    assert_eq!(a.remote.history(&again.save, None).unwrap().versions.len(), 3);
}

pub fn a_download_whose_record_was_lost_is_no_question(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let base = a.put(SAVE, b"base", &[]);
    let evening = a.put(SAVE, b"evening", &[base]);
    // B has put it in place, and its power went before it could note that: what it knows is still the base.
    let night = a.put(SAVE, b"night", &[evening]);
    let again = b.version(SAVE, Some(b"evening"), &[base]);
    let results = b.store(std::slice::from_ref(&again));
    assert!(matches!(results[0], StoreResult::Head { version, .. } if version == evening), "{results:?}");
    assert_eq!(heads_in(&results[0]), [night], "nobody is asked whether to go back to the evening");
    // What was played from the base is another act, and a question.
    let played = b.version(SAVE, Some(b"morning"), &[base]);
    assert_eq!(heads_in(&b.store(std::slice::from_ref(&played))[0]).len(), 2);
}

pub fn the_same_version_sent_twice_at_once_is_one_version(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let version = a.version(SAVE, Some(b"one"), &[]);
    let mut again = Handheld {
        remote: ground.device("A", &a.writer),
        writer: a.writer.clone(),
        next: 9,
        shelf: a.shelf.clone(),
    };
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        for device in [&mut a, &mut again] {
            let (barrier, version) = (&barrier, &version);
            scope.spawn(move || {
                barrier.wait();
                let results = device.store(std::slice::from_ref(version));
                assert!(matches!(results[0], StoreResult::Head { .. }), "{results:?}");
            });
        }
    });
    assert_eq!(a.remote.history(&version.save, None).unwrap().versions.len(), 1);
}

pub fn whoever_sees_a_record_can_fetch_its_content(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20 {
                let save = format!("gb/sram/Game {number}");
                a.put(&save, &noise(number, 40_000), &[]);
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut cursor = 0;
        let mut fetched = 0;
        loop {
            let last = done.load(Ordering::SeqCst);
            let changes = b.list(cursor, None);
            cursor = changes.cursor;
            let wanted: Vec<Content> =
                changes.saves.iter().flat_map(|save| &save.heads).filter_map(|head| head.content).collect();
            let (came, failed) = b.fetch(&wanted);
            assert_eq!((came.len(), failed), (wanted.len(), vec![]));
            fetched += came.len();
            if last {
                break;
            }
        }
        assert!(fetched >= 20, "{fetched}");
    });
}

pub fn a_stale_writer_makes_a_branch(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let first = a.put(SAVE, b"one", &[]);
    let second = a.put(SAVE, b"two", &[first]);
    let stale = b.version(SAVE, Some(b"three"), &[first]);
    let results = b.store(std::slice::from_ref(&stale));
    assert!(
        matches!(results[0], StoreResult::Branch { version, .. } if version == stale.id()),
        "{results:?}"
    );
    let mut both = [second, stale.id()];
    both.sort_unstable();
    assert_eq!(heads_in(&results[0]), both);
}

pub fn the_same_bytes_from_both_sides_are_one_head(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let first = a.put(SAVE, b"one", &[]);
    let second = a.put(SAVE, b"two", &[first]);
    let same = b.version(SAVE, Some(b"two"), &[first]);
    let results = b.store(&[same]);
    assert!(matches!(results[0], StoreResult::Head { version, .. } if version == second), "{results:?}");
    assert_eq!(ids(&a.heads(SAVE)), [second]);
}

pub fn a_tombstone_is_a_head_and_an_edit_beats_it(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let first = a.put(SAVE, b"one", &[]);
    let gone = a.version(SAVE, None, &[first]);
    let results = a.store(std::slice::from_ref(&gone));
    if !ground.devices_delete() {
        assert!(
            matches!(&results[0], StoreResult::Refused { problem } if problem.code == Code::AccessDenied),
            "{results:?}"
        );
        assert_eq!(ids(&b.heads(SAVE)), [first], "nobody lost it");
        return;
    }
    assert_eq!(heads_in(&results[0]), [gone.id()]);
    assert_eq!(b.heads(SAVE)[0].content, None);
    let edit = b.put(SAVE, b"two", &[first]);
    assert_eq!(ids(&a.heads(SAVE)), [edit]);
}

pub fn a_suspect_is_kept_and_is_never_a_head(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let first = a.put(SAVE, b"one", &[]);
    let mut doubt = a.version(SAVE, Some(&[0; 16]), &[first]);
    doubt.suspect = true;
    let results = a.store(std::slice::from_ref(&doubt));
    assert!(matches!(&results[0], StoreResult::Branch { .. }), "{results:?}");
    assert_eq!(ids(&a.heads(SAVE)), [first]);
    let history = a.remote.history(&doubt.save, None).unwrap();
    assert!(history.versions.iter().any(|entry| entry.version == doubt.id() && !entry.head));
    let (came, _) = a.fetch(&[doubt.content.unwrap()]);
    assert_eq!(came.len(), 1);
}

pub fn it_tells_which_bytes_it_knows(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let first = a.put(SAVE, b"one", &[]);
    a.put(SAVE, b"two", &[first]);
    let ask = |save: &str, bytes: &[u8]| Ask { save: save.parse().unwrap(), digest: Digest::of(bytes) };
    let request = ChangesRequest {
        wait_s: 60,
        ask: vec![
            ask(SAVE, b"one"),
            ask(SAVE, b"two"),
            ask(SAVE, b"three"),
            ask("gb/sram/Other", b"one"),
            ask("gb/sram/TETRIS (WORLD)", b"one"),
        ],
        ..ChangesRequest::default()
    };
    let changes = b.remote.list(&request).unwrap();
    assert_eq!(changes.known, [true, true, false, false, true]);
}

pub fn a_history_is_newest_first_and_comes_in_pages(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let mut versions: Vec<Version> = Vec::new();
    for number in 0..130u32 {
        let parent: Vec<VersionId> = versions.last().map(Version::id).into_iter().collect();
        let version = a.version(SAVE, Some(&number.to_le_bytes()), &parent);
        versions.push(version);
    }
    a.store(&versions);
    let newest_first: Vec<VersionId> = versions.iter().rev().map(Version::id).collect();
    let save: SaveId = SAVE.parse().unwrap();
    let (mut got, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = a.remote.history(&save, before).unwrap();
        assert_eq!(page.heads, newest_first[..1]);
        got.extend(page.versions.iter().map(|entry| entry.version));
        before = got.last().copied();
        pages += 1;
        assert!(pages < 10);
        if !page.more {
            break;
        }
    }
    assert_eq!(got, newest_first);
    assert!(pages > 1, "130 versions are more than one page");
    let unknown = a.remote.history(&"gb/sram/Nobody".parse().unwrap(), None).unwrap_err();
    assert_eq!(unknown.kind, Kind::Refused(Code::NotFound));
}

pub fn bytes_that_it_has_need_not_be_sent_again(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    for (save, size_bytes) in [("gb/sram/Small", 8192), ("psx/card.0/Large", 2_000_000)] {
        let bytes = noise(3, size_bytes);
        let first = a.put(save, &bytes, &[]);
        let second = a.put(save, b"later", &[first]);
        // The other device restores the first version and never had its bytes.
        let restored = b.version(save, Some(&bytes), &[second]);
        b.shelf.clear();
        let results = b.store(std::slice::from_ref(&restored));
        assert_eq!(heads_in(&results[0]), [restored.id()], "{save}");
    }
}

pub fn one_bad_offer_never_stops_the_others(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let good = a.version("gb/sram/Good", Some(b"good"), &[]);
    let gone = a.version("gb/sram/Gone", Some(b"gone"), &[]);
    let changed = a.version("gb/sram/Changed", Some(b"as offered"), &[]);
    let large = a.version("gb/sram/Large", Some(&noise(1, 1_500_000)), &[]);
    let orphan = a.version("gb/sram/Orphan", Some(b"orphan"), &[Digest::of(b"nobody")]);
    let mut reused = a.version("gb/sram/Reused", Some(b"reused"), &[]);
    reused.sequence = good.sequence;
    let last = a.version("gb/sram/Last", Some(b"last"), &[]);
    a.shelf.remove(&gone.content.unwrap().digest);
    a.shelf.insert(changed.content.unwrap().digest, b"by now other".to_vec());
    a.shelf.insert(large.content.unwrap().digest, noise(2, 1_500_000));
    let results = a.store(&[good.clone(), gone, changed, large, orphan, reused, last.clone()]);
    assert_eq!(heads_in(&results[0]), [good.id()]);
    let codes: Vec<Code> = results[1..6].iter().map(refusal).collect();
    let expected = [
        Code::ContentMissing,
        Code::DigestMismatch,
        Code::DigestMismatch,
        Code::UnknownParent,
        Code::WriterReused,
    ];
    assert_eq!(codes, expected);
    assert_eq!(heads_in(&results[6]), [last.id()]);
    assert_eq!(a.list(0, None).saves.len(), 2);
}

pub fn one_content_that_does_not_come_never_stops_the_others(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    a.put("gb/sram/One", b"one", &[]);
    a.put("gb/sram/Two", b"two", &[]);
    let content = |bytes: &[u8]| Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 };
    let large = Content { digest: Digest::of(b"large"), size_bytes: 5 << 20 };
    let (came, failed) = a.fetch(&[content(b"one"), content(b"nobody"), large, content(b"two")]);
    assert_eq!(came.len(), 2);
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|(_, error)| error.kind == Kind::Refused(Code::NotFound)), "{failed:?}");
}

pub fn a_sink_that_fails_takes_the_rest(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let contents: Vec<Content> = (0..5u64)
        .map(|number| {
            let bytes = noise(number, 30_000);
            a.put(&format!("gb/sram/Game {number}"), &bytes, &[]);
            Content { digest: Digest::of(&bytes), size_bytes: 30_000 }
        })
        .collect();
    let mut taken = 0;
    let failed = a
        .remote
        .fetch(&contents, &mut |content, payload| {
            if *content == contents[2] {
                // Reads a little and gives up, as a full card does.
                let _ = payload.read(&mut [0; 100]);
                return Err(Error::new(Kind::Full, "cannot keep", "the card is full"));
            }
            taken +=
                std::io::copy(payload, &mut std::io::sink()).map_err(|e| Error::io("cannot take", &e))?;
            Ok(())
        })
        .unwrap();
    assert_eq!(taken, 4 * 30_000);
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0, failed[0].1.kind), (contents[2], Kind::Full));
}

pub fn a_cursor_brings_each_change_once_in_pages(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    let versions: Vec<Version> = (0..25u32)
        .map(|number| a.version(&format!("gb/sram/Game {number}"), Some(&number.to_le_bytes()), &[]))
        .collect();
    a.store(&versions);
    let mut seen: Vec<String> = Vec::new();
    let (mut cursor, mut pages) = (0, 0);
    loop {
        let request = ChangesRequest { since: cursor, limit: Some(10), ..ChangesRequest::default() };
        let changes = b.remote.list(&request).unwrap();
        assert!(changes.saves.len() <= 10);
        seen.extend(changes.saves.iter().map(|save| save.save.to_string()));
        cursor = changes.cursor;
        pages += 1;
        assert!(pages < 10);
        if !changes.more {
            break;
        }
    }
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((seen.len(), all, pages), (25, 25, 3));
    let quiet = b.list(cursor, None);
    assert_eq!((quiet.saves.len(), quiet.cursor), (0, cursor));
    let next = a.put("gb/sram/Game 3", b"next", &[versions[3].id()]);
    let changes = b.list(cursor, None);
    assert_eq!(changes.saves.len(), 1);
    assert_eq!(ids(&changes.saves[0].heads), [next]);
    // The cursor is good for a device that was switched off meanwhile.
    let mut later = Handheld::new(ground, "B again");
    assert_eq!(later.list(changes.cursor, Some(&changes.epoch)).saves.len(), 0);
}

pub fn another_epoch_resets(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    a.put(SAVE, b"one", &[]);
    let changes = a.list(0, None);
    let same = a.list(changes.cursor, Some(&changes.epoch));
    assert_eq!((same.reset, same.saves.len()), (false, 0));
    let other = a.list(changes.cursor, Some(&Epoch::from_random(&[9; 16])));
    assert_eq!((other.reset, other.saves.len(), other.epoch), (true, 1, changes.epoch));
}

pub fn who_waits_hears_of_another_writer_at_once(ground: &mut dyn Ground) {
    let (mut a, mut b) = (Handheld::new(ground, "A"), Handheld::new(ground, "B"));
    a.put("gb/sram/Other", b"one", &[]);
    let known = b.list(0, None);
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            a.put(SAVE, b"one", &[]);
        });
        let request = ChangesRequest {
            since: known.cursor,
            epoch: Some(known.epoch.clone()),
            wait_s: 60,
            ..ChangesRequest::default()
        };
        barrier.wait();
        let began = Instant::now();
        let news = b.remote.list(&request).unwrap();
        assert_eq!(news.saves.len(), 1, "{news:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    });
}

pub fn who_waits_for_nothing_hears_so_in_time(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    a.put(SAVE, b"one", &[]);
    let known = a.list(0, None);
    let request = ChangesRequest {
        since: known.cursor,
        epoch: Some(known.epoch),
        wait_s: 1,
        ..ChangesRequest::default()
    };
    let began = Instant::now();
    let news = a.remote.list(&request).unwrap();
    assert_eq!((news.saves.len(), news.cursor), (0, known.cursor));
    let waited = began.elapsed();
    assert!((Duration::from_millis(700)..Duration::from_secs(10)).contains(&waited), "{waited:?}");
}

pub fn a_thousand_saves_are_answered_in_order(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let versions: Vec<Version> = (0..1000u32)
        .map(|number| a.version(&format!("gb/sram/Game {number}"), Some(&number.to_le_bytes()), &[]))
        .collect();
    let results = a.store(&versions);
    assert_eq!(results.len(), 1000);
    for (result, version) in results.iter().zip(&versions) {
        assert_eq!(heads_in(result), [version.id()]);
    }
}

pub fn a_source_is_asked_anew_for_each_pass(ground: &mut dyn Ground) {
    let mut a = Handheld::new(ground, "A");
    let bytes = noise(5, 1_200_000);
    let version = a.version(SAVE, Some(&bytes), &[]);
    let asked = Cell::new(0);
    let source = |_: &Version| -> Result<Box<dyn Read + '_>, Error> {
        asked.set(asked.get() + 1);
        Ok(Box::new(Cursor::new(bytes.as_slice())))
    };
    let results = a.remote.store(std::slice::from_ref(&version), &source).unwrap();
    assert_eq!(heads_in(&results[0]), [version.id()]);
    assert!((1..=2).contains(&asked.get()), "{}", asked.get());
}

/// Makes a test of each promise, over what `$ground` makes.
macro_rules! suite {
    ($ground:expr; $($promise:ident)*) => { $(
        #[test]
        fn $promise() {
            suite::$promise(&mut $ground);
        }
    )* };
    ($ground:expr) => {
        suite! { $ground;
            a_save_of_one_device_is_on_the_other
            saves_of_every_size_come_back
            two_writers_at_once_make_two_heads_and_lose_neither
            a_store_whose_answer_was_lost_answers_the_same
            a_lost_answer_that_others_went_on_from_is_no_question
            a_download_whose_record_was_lost_is_no_question
            the_same_version_sent_twice_at_once_is_one_version
            whoever_sees_a_record_can_fetch_its_content
            a_stale_writer_makes_a_branch
            the_same_bytes_from_both_sides_are_one_head
            a_tombstone_is_a_head_and_an_edit_beats_it
            a_suspect_is_kept_and_is_never_a_head
            it_tells_which_bytes_it_knows
            a_history_is_newest_first_and_comes_in_pages
            bytes_that_it_has_need_not_be_sent_again
            one_bad_offer_never_stops_the_others
            one_content_that_does_not_come_never_stops_the_others
            a_sink_that_fails_takes_the_rest
            a_cursor_brings_each_change_once_in_pages
            another_epoch_resets
            who_waits_hears_of_another_writer_at_once
            who_waits_for_nothing_hears_so_in_time
            a_thousand_saves_are_answered_in_order
            a_source_is_asked_anew_for_each_pass
        }
    };
}
