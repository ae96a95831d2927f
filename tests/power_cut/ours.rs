//! Files of ours that are made, grow and are made anew: what a cut leaves of them can be read and written.
//!
//! Each of these was lost on real vfat once, found by `scripts/powercut`. The kernel sets a card read-only when it meets an
//! entry and a table that do not fit each other; then nothing is synced any more, and no game can save.

use std::path::Path;
use std::sync::Arc;

use retrosync::attic::{Attic, Reason, look};
use retrosync::disk::{Disk, recover};
use retrosync::durable::{Log, Order};
use retrosync::journal::Journal;
use retrosync::volume::Volume;

use crate::fat::Fat;
use crate::{
    Luck, OTHER, ROOT, TARGET, assert_nothing_lost, bring, bytes, card, cases, content, cut_everywhere, open,
    path, save,
};

/// What is made, and how.
type Row<'a> = (&'a str, &'a dyn Fn(&Fat));

const LOG: &str = "/card/.retrosync/log";

/// Appends so many records of 700 bytes and syncs; `None` if the card could not.
fn append(fat: &Fat, count: usize) -> Option<usize> {
    let mut known = 0;
    let volume: Arc<dyn Volume> = fat.volume();
    let (mut log, _) =
        Log::open(&volume, Path::new(LOG), Order::Chained, &mut |_: String, _| known += 1).ok()?;
    for _ in 0..count {
        log.append(&"r".repeat(700)).unwrap();
    }
    log.sync().ok()?;
    Some(known)
}

#[test]
fn a_cut_while_a_file_of_ours_is_made_leaves_none_that_makes_the_card_read_only() {
    let old = bytes(0x11, 1100);
    let keep = |fat: &Fat| {
        let Ok((mut attic, _)) = Attic::open(fat.volume(), Path::new(ROOT)) else { return };
        let Ok(Some((looked, _))) = look(&*fat.volume(), Path::new(TARGET), &save()) else { return };
        drop(attic.put(&save(), &path(), &looked, Reason::Replaced));
    };
    let stage = |fat: &Fat| {
        let Ok((attic, _)) = Attic::open(fat.volume(), Path::new(ROOT)) else { return };
        let Ok((mut disk, _)) = Disk::open(fat.volume(), Path::new(ROOT), attic) else { return };
        drop(disk.stage(&content(&old), &mut &old[..]));
    };
    let learn = |fat: &Fat| {
        let Ok((mut journal, _)) = Journal::open(fat.volume(), Path::new("/card/.retrosync")) else { return };
        journal.record(crate::state::settled(save(), 1)).unwrap();
        drop(journal.sync());
    };
    let rows: [Row<'_>; 3] = [("a kept copy", &keep), ("a staged save", &stage), ("a journal", &learn)];
    for (what, act) in rows {
        cut_everywhere(&card(Some(&old)), 20, &mut |fat| act(fat), &mut |fat, story| {
            let broken: Vec<_> = fat.held().into_iter().filter(|file| file.bytes.is_none()).collect();
            let broken: Vec<_> = broken.iter().map(|file| file.path.display().to_string()).collect();
            assert_eq!(broken, [""; 0], "{what}: {story}: reading it sets the card read-only");
        });
    }
}

/// Of a folder that was made since the card was mounted, an `fsync` wrote no names: the retired save's old name stayed on the
/// card, on clusters that the next save of its size was staged in.
#[test]
fn a_retired_save_does_not_come_back_where_its_folder_was_made_since_the_card_was_mounted() {
    let (old, new) = (bytes(0x11, 1100), bytes(0x22, 1100));
    let fat = card(Some(&old));
    bring(&fat, Some(&old), None).unwrap();
    let (mut disk, _) = open(&fat).unwrap();
    let staged = disk.stage(&content(&new), &mut &new[..]).unwrap();
    for luck in Luck::kinds(fat.dirty(), 50) {
        let found = fat.crash(&mut luck.deal());
        assert!(found.read(TARGET).unwrap().is_none(), "{luck:?}: it is there again");
    }
    drop(staged);
}

/// Of such folders of ours the record's name was not durable: after a cut nobody knew that a save was being replaced, and a torn
/// one stayed. Found by the simulation.
#[test]
fn a_save_is_old_or_new_after_a_cut_where_our_folders_were_made_since_the_card_was_mounted() {
    let filled = |old: &[u8]| {
        let fat = Fat::new();
        for folder in
            [ROOT, "/card/Saves", "/card/.retrosync", "/card/.retrosync/attic", "/card/.retrosync/incoming"]
        {
            fat.create_folder(Path::new(folder)).unwrap();
        }
        fat.write(OTHER, &bytes(0x40, 700));
        fat.write(TARGET, old);
        fat.settle();
        fat
    };
    for (case, old, new) in cases() {
        let (Some(old), new) = (old.as_deref(), new.as_deref()) else { continue };
        cut_everywhere(&filled(old), 30, &mut |fat| drop(bring(fat, Some(old), new)), &mut |fat, story| {
            let story = format!("{case}: {story}");
            assert_eq!(recover(fat.volume(), Path::new(ROOT)), Ok(vec![]), "{story}");
            assert_nothing_lost(fat, Some(old), new, &story);
        });
    }
}

/// Where its slots lay in two sectors, half of a long name stayed: another save, as it seems, on the clusters of this one.
#[test]
fn half_of_a_long_name_is_no_second_save() {
    let (old, new) = (bytes(0x11, 1100), bytes(0x22, 1700));
    let (mut halves, mut moves) = (0, |fat: &Fat| _ = bring(fat, Some(&old), Some(&new)));
    cut_everywhere(&card(Some(&old)), 20, &mut moves, &mut |fat, story| {
        let half = || fat.held().into_iter().filter(|file| file.path.to_string_lossy().contains('~')).count();
        halves += half();
        recover(fat.volume(), Path::new(ROOT)).unwrap();
        assert_eq!(half(), 0, "{story}");
    });
    assert!(halves > 0, "the model leaves none");
}

#[test]
fn a_log_that_was_cut_while_it_grew_grows_again_and_the_card_stays_writable() {
    let start = card(None);
    append(&start, 20);
    start.settle();
    cut_everywhere(&start, 20, &mut |fat| _ = append(fat, 10), &mut |fat, story| {
        let known = append(fat, 60).unwrap_or_else(|| panic!("{story}: nothing can be written any more"));
        assert!((20..=30).contains(&known), "{story}: {known} records");
        assert_eq!(append(fat, 0), Some(known + 60), "{story}");
        assert_eq!(fat.violations(), [""; 0], "{story}");
    });
}

#[test]
fn a_log_that_is_made_anew_is_the_old_one_or_an_empty_one_after_any_cut() {
    let start = card(None);
    append(&start, 60);
    start.settle();
    let renew = |fat: &Fat| {
        let volume: Arc<dyn Volume> = fat.volume();
        let Ok(mut log) = Log::restart(&volume, Path::new(LOG), Order::Chained, 0) else { return };
        log.append(&"new").unwrap();
        drop(log.sync());
    };
    cut_everywhere(&start, 20, &mut |fat| renew(fat), &mut |fat, story| {
        let known = append(fat, 1).unwrap_or_else(|| panic!("{story}: it cannot be read any more"));
        assert!([0, 1, 60].contains(&known), "{story}: {known} records");
        assert_eq!(fat.violations(), [""; 0], "{story}");
    });
}
