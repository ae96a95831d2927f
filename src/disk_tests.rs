//! Replacing and retiring saves on a real folder, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use retrosync_protocol::{Content, Digest, SaveId};

use super::*;
use crate::volume::Os;

fn content(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

fn save() -> SaveId {
    "gb/sram/Tetris".parse().unwrap()
}

fn path() -> RelativePath {
    RelativePath::new("Saves/GB/Tetris.srm").unwrap()
}

pub(super) fn card() -> tempfile::TempDir {
    let card = tempfile::tempdir().unwrap();
    fs::create_dir_all(card.path().join("Saves/GB")).unwrap();
    fs::create_dir(card.path().join(".retrosync")).unwrap();
    card
}

pub(super) fn disk(root: &Path) -> Disk {
    let (attic, problems) = Attic::open(Arc::new(Os), root).unwrap();
    assert_eq!(problems, []);
    let (disk, problems) = Disk::open(Arc::new(Os), root, attic).unwrap();
    assert_eq!(problems, []);
    disk
}

fn kept(disk: &Disk) -> Vec<Vec<u8>> {
    let read = |number| {
        let mut bytes = Vec::new();
        disk.attic().read(number).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    disk.attic().list(None).iter().map(|entry| read(entry.number)).collect()
}

#[test]
fn the_new_bytes_are_in_place_and_the_old_ones_in_the_attic() {
    for (case, old, new) in [
        ("same size", Some(b"old bytes"), &b"new bytes"[..]),
        ("longer", Some(b"old bytes"), b"many more new bytes"),
        ("shorter", Some(b"old bytes"), b"new"),
        ("nothing was there", None, b"new bytes"),
    ] {
        let card = card();
        let target = path().under(card.path());
        if let Some(old) = old {
            fs::write(&target, old).unwrap();
        }
        let mut disk = disk(card.path());
        let staged = disk.stage(&content(new), &mut &*new).unwrap();
        let expects = old.map(|old| content(old));
        let stamp = disk.replace(&path(), &save(), expects.as_ref(), staged, &mut || Ok(())).unwrap();
        assert_eq!(fs::read(&target).unwrap(), new, "{case}");
        assert_eq!(stamp, Os.stamp(&target).unwrap(), "{case}");
        assert_eq!(kept(&disk), old.iter().map(|old| old.to_vec()).collect::<Vec<_>>(), "{case}");
        assert_eq!(recover(Arc::new(Os), card.path()).unwrap(), [], "{case}: nothing is open");
    }
}

#[test]
fn a_save_that_is_something_else_by_now_is_left_alone() {
    for (case, here, expects) in [
        ("it changed", Some(&b"played on"[..]), Some(&b"old bytes"[..])),
        ("it is gone", None, Some(b"old bytes")),
        ("one is there now", Some(b"first save"), None),
    ] {
        let card = card();
        let target = path().under(card.path());
        if let Some(here) = here {
            fs::write(&target, here).unwrap();
        }
        let mut disk = disk(card.path());
        let staged = disk.stage(&content(b"new bytes"), &mut &b"new bytes"[..]).unwrap();
        let expects = expects.map(content);
        let error = disk.replace(&path(), &save(), expects.as_ref(), staged, &mut || Ok(())).unwrap_err();
        assert_eq!(error.kind, Kind::Busy, "{case}: {error}");
        assert_eq!(fs::read(&target).ok().as_deref(), here, "{case}");
    }
}

#[test]
fn a_game_that_starts_at_the_last_moment_keeps_its_save() {
    let card = card();
    let target = path().under(card.path());
    fs::write(&target, b"old bytes").unwrap();
    let mut disk = disk(card.path());
    for new in [&b"new bytes"[..], b"longer new bytes"] {
        let staged = disk.stage(&content(new), &mut &*new).unwrap();
        let mut asked = 0;
        let mut guard = || {
            asked += 1;
            if asked < 2 { Ok(()) } else { Err(Error::new(Kind::Busy, "cannot write", "a game runs")) }
        };
        let error =
            disk.replace(&path(), &save(), Some(&content(b"old bytes")), staged, &mut guard).unwrap_err();
        assert_eq!(error.cause, "a game runs");
        assert_eq!(fs::read(&target).unwrap(), b"old bytes");
        assert_eq!(recover(Arc::new(Os), card.path()).unwrap(), []);
    }
}

#[test]
fn a_payload_that_is_not_what_was_promised_is_never_staged() {
    let card = card();
    let mut disk = disk(card.path());
    for (case, payload) in
        [("too short", &b"new"[..]), ("too long", b"new bytes and more"), ("other bytes", b"odd bytes")]
    {
        let error = disk.stage(&content(b"new bytes"), &mut &*payload).unwrap_err();
        assert_eq!(error.kind, Kind::Damaged, "{case}");
        let left = fs::read_dir(card.path().join(".retrosync/incoming")).unwrap().count();
        assert_eq!(left, 0, "{case}");
    }
}

#[test]
fn a_retired_save_is_in_the_attic_and_nowhere_else() {
    let card = card();
    let target = path().under(card.path());
    fs::write(&target, b"old bytes").unwrap();
    let mut disk = disk(card.path());
    disk.retire(&path(), &save(), &content(b"old bytes"), &mut || Ok(())).unwrap();
    assert!(!target.exists());
    assert_eq!(kept(&disk), [b"old bytes"]);
    assert_eq!(disk.attic().list(Some(&save()))[0].reason, Reason::Retired);
}

#[test]
fn what_a_file_system_check_put_aside_is_told() {
    let card = card();
    fs::write(card.path().join("FSCK0000.REC"), b"?").unwrap();
    let (attic, _) = Attic::open(Arc::new(Os), card.path()).unwrap();
    let (_, problems) = Disk::open(Arc::new(Os), card.path(), attic).unwrap();
    assert!(problems[0].error.cause.contains("`FSCK0000.REC`"), "{problems:?}");
}

#[test]
fn replacing_again_and_again_leaves_no_heap_of_files() {
    let card = card();
    let target = path().under(card.path());
    fs::write(&target, b"bytes 0").unwrap();
    let mut disk = disk(card.path());
    for round in 1..9 {
        let (old, new) = (format!("bytes {}", round - 1), format!("bytes {round}"));
        let staged = disk.stage(&content(new.as_bytes()), &mut new.as_bytes()).unwrap();
        let expects = content(old.as_bytes());
        disk.replace(&path(), &save(), Some(&expects), staged, &mut || Ok(())).unwrap();
    }
    assert_eq!(fs::read_dir(card.path().join(".retrosync/incoming")).unwrap().count(), 1, "one spare");
    assert_eq!(kept(&disk).len(), 8);
    let limits = crate::attic::Limits { entries_per_save: 3, total_bytes: 1 << 20 };
    let held = Digest::of(b"bytes 0");
    assert_eq!(disk.attic_mut().thin(&|_, digest| *digest == held, &limits).unwrap().len(), 1);
    assert_eq!(disk.attic_mut().thin(&|_, _| true, &limits).unwrap().len(), 4);
    assert_eq!(kept(&disk), [b"bytes 7", b"bytes 6", b"bytes 5"]);
}

#[test]
fn save_states_of_ever_another_size_do_not_fill_the_card() {
    let card = card();
    let target = path().under(card.path());
    fs::write(&target, vec![0; 300_000]).unwrap();
    let mut disk = disk(card.path());
    for round in 1..40u8 {
        let (old, new) =
            (vec![round - 1; 299_999 + usize::from(round)], vec![round; 300_000 + usize::from(round)]);
        let staged = disk.stage(&content(&new), &mut &*new).unwrap();
        disk.replace(&path(), &save(), Some(&content(&old)), staged, &mut || Ok(())).unwrap();
    }
    let incoming = card.path().join(".retrosync/incoming");
    let bytes = || {
        fs::read_dir(&incoming).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    assert!(bytes() <= 2 << 20, "{} bytes", bytes());
    drop(disk);
    let (disk, _) =
        Disk::open(Arc::new(Os), card.path(), Attic::open(Arc::new(Os), card.path()).unwrap().0).unwrap();
    assert_eq!(disk.slot.record.spares.len(), fs::read_dir(&incoming).unwrap().count(), "each is known");
}

#[test]
fn staged_bytes_that_nobody_wanted_leave_one_file_at_most() {
    let card = card();
    let mut disk = disk(card.path());
    for (size, left) in [(900, 1), (900, 1), (2 << 20, 1), (900, 1), (700, 2)] {
        let bytes = vec![1; size];
        drop(disk.stage(&content(&bytes), &mut &*bytes).unwrap());
        disk.reclaim();
        let names = fs::read_dir(card.path().join(".retrosync/incoming")).unwrap().count();
        assert_eq!(names, left, "after {size} bytes");
    }
}

#[test]
fn what_a_cut_left_of_a_large_download_goes_and_what_may_be_a_saves_twin_stays() {
    let card = card();
    let target = path().under(card.path());
    fs::write(&target, b"old bytes").unwrap();
    let mut once = disk(card.path());
    let staged = once.stage(&content(b"new bytes"), &mut &b"new bytes"[..]).unwrap();
    once.replace(&path(), &save(), Some(&content(b"old bytes")), staged, &mut || Ok(())).unwrap();
    let incoming = card.path().join(".retrosync/incoming");
    fs::write(incoming.join("00000077"), vec![1; 2 << 20]).unwrap();
    fs::write(incoming.join("00000078"), b"small").unwrap();
    drop(disk(card.path()));
    assert!(!incoming.join("00000077").exists() && incoming.join("00000078").exists());

    // Without the record, nobody knows what shares its clusters with a save.
    fs::write(incoming.join("00000079"), vec![1; 2 << 20]).unwrap();
    for slot in ["slot.0", "slot.1"] {
        let _ = fs::remove_file(card.path().join(".retrosync").join(slot));
    }
    drop(disk(card.path()));
    assert!(incoming.join("00000079").exists());
}

#[test]
fn a_save_of_many_megabytes_goes_through_a_small_window() {
    let card = card();
    let target = path().under(card.path());
    let (old, new) = (vec![1; 5 << 20], vec![2; 5 << 20]);
    fs::write(&target, &old).unwrap();
    let mut disk = disk(card.path());
    let staged = disk.stage(&content(&new), &mut &*new).unwrap();
    disk.replace(&path(), &save(), Some(&content(&old)), staged, &mut || Ok(())).unwrap();
    assert_eq!(fs::read(&target).unwrap(), new);
    assert_eq!(kept(&disk), [old]);
}

#[test]
fn a_record_that_names_a_file_outside_of_incoming_touches_no_other_save() {
    let card = card();
    let other = card.path().join("Saves/GB/Other.srm");
    fs::write(&other, b"another game's save").unwrap();
    let spare = serde_json::json!({"name": "../../Saves/GB/Other.srm", "size_bytes": 19});
    let record = serde_json::json!({"open": null, "spares": [spare], "strays": []});
    let slot = serde_json::json!({"generation": 5, "record": record});
    fs::write(card.path().join(".retrosync/slot.0"), crate::durable::seal(0, &slot).unwrap().0).unwrap();
    // Of just the size of the spare that the record claims to have.
    let new = b"a new save, 19 long";
    let _staged = disk(card.path()).stage(&content(new), &mut &new[..]).unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"another game's save");
}
