//! A firmware's boot script is whole after any cut: nobody could recover it before it is needed.

use std::path::Path;

use retrosync::boot::replace::replace;

use crate::fat::Fat;
use crate::{Luck, bytes, cut_everywhere};

const APP: &str = "/card/App/RetroSync";
const SCRIPT: &str = "/card/.tmp_update/updater";

/// A card whose firmware is started by a script, if there is one.
fn card(script: Option<&[u8]>) -> Fat {
    let fat = Fat::new();
    let volume = fat.volume();
    volume.create_folder(Path::new(APP)).unwrap();
    volume.create_folder(Path::new("/card/.tmp_update")).unwrap();
    if let Some(script) = script {
        fat.write(SCRIPT, script);
    }
    fat.settle();
    fat
}

fn change(fat: &Fat, to: &[u8]) -> std::io::Result<()> {
    replace(&*fat.volume(), Path::new(APP), Path::new(SCRIPT), to, &mut |_| {})
}

#[test]
fn a_device_starts_by_the_old_script_or_the_new_one_after_any_cut() {
    let (old, new, next) = (bytes(0x11, 1100), bytes(0x22, 1200), bytes(0x33, 700));
    let (mut cards, mut news) = (0, 0);
    cut_everywhere(&card(Some(&old)), 40, &mut |fat| drop(change(fat, &new)), &mut |fat, story| {
        let found = fat.read(SCRIPT).unwrap_or_else(|error| panic!("{story}: it cannot be read: {error}"));
        assert!(found == Some(old.clone()) || found == Some(new.clone()), "{story}: neither old nor new");
        (cards, news) = (cards + 1, news + usize::from(found == Some(new.clone())));
        // The next boot puts it right, and what the cut left is in nobody's way.
        for text in [&new, &next] {
            change(fat, text).unwrap_or_else(|error| panic!("{story}: not again: {error}"));
            fat.settle();
            assert_eq!(fat.read(SCRIPT).unwrap().as_ref(), Some(text), "{story}");
        }
        assert_eq!(fat.violations(), [""; 0], "{story}");
    });
    assert!(news > 0 && news < cards, "{news} of {cards}");
    let fat = card(Some(&old));
    change(&fat, &new).unwrap();
    for luck in Luck::kinds(fat.dirty(), 50) {
        assert_eq!(fat.crash(&mut luck.deal()).read(SCRIPT).unwrap(), Some(new.clone()), "success: {luck:?}");
    }
}

#[test]
fn a_script_of_ours_that_is_new_is_whole_or_without_a_line() {
    let new = bytes(0x22, 1200);
    cut_everywhere(&card(None), 40, &mut |fat| drop(change(fat, &new)), &mut |fat, story| {
        let found = fat.read(SCRIPT).unwrap_or_else(|error| panic!("{story}: it cannot be read: {error}"));
        assert!(found.as_ref().is_none_or(|found| found.is_empty() || *found == new), "{story}: half");
        change(fat, &new).unwrap_or_else(|error| panic!("{story}: not again: {error}"));
        assert_eq!(fat.read(SCRIPT).unwrap().as_ref(), Some(&new), "{story}");
        assert_eq!(fat.violations(), [""; 0], "{story}");
    });
}
