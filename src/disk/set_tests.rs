//! Saves that are several files, on a real folder: what another program does to them meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::sync::Arc;

use retrosync_protocol::Digest;

use super::tests::{card, disk};
use super::*;
use crate::volume::Os;

fn save() -> SaveId {
    "psp/tree/ULUS10041DATA00".parse().unwrap()
}

fn path() -> RelativePath {
    RelativePath::new("Saves/SAVEDATA/ULUS10041DATA00/*").unwrap()
}

fn payload(files: &[(&str, &str)]) -> Vec<u8> {
    let file = |(name, bytes): &(&str, &str)| format!("{}:{name},{}:{bytes},", name.len(), bytes.len());
    format!("16:retrosync.tree.1,{}", files.iter().map(file).collect::<String>()).into_bytes()
}

fn content(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

#[test]
fn a_game_that_starts_while_a_folder_is_made_ready_keeps_all_of_it() {
    let card = card();
    let folder = card.path().join("Saves/SAVEDATA/ULUS10041DATA00");
    fs::create_dir_all(&folder).unwrap();
    let names = ["DATA.BIN", "ICON0.PNG"];
    names.iter().for_each(|name| fs::write(folder.join(name), "old").unwrap());
    let (old, new) = (
        payload(&[("DATA.BIN", "old"), ("ICON0.PNG", "old")]),
        payload(&[("DATA.BIN", "new"), ("ICON0.PNG", "new")]),
    );
    // Each time the guard is asked a game may have started; once a file has changed it is not asked any more.
    for starts_at in 0..5 {
        let mut disk = disk(card.path());
        let staged = disk.stage(&content(&new), &mut new.as_slice()).unwrap();
        let (mut asked, files) = (0, || names.map(|name| fs::read_to_string(folder.join(name)).unwrap()));
        let mut guard = || {
            assert_eq!(files(), ["old", "old"], "asked when something has changed already");
            asked += 1;
            if asked > starts_at { Err(busy(&path(), "a game runs")) } else { Ok(()) }
        };
        let replaced = disk.replace(&path(), &save(), Some(&content(&old)), staged, &mut guard);
        assert_eq!(disk.replacing().count(), 0, "nothing is left half done");
        if replaced.is_ok() {
            assert_eq!((files(), asked), (["new".to_owned(), "new".to_owned()], 3));
            return;
        }
        assert_eq!(files(), ["old", "old"]);
    }
    panic!("it never came");
}

#[test]
fn a_folder_that_is_no_save_any_more_does_not_keep_the_others_of_its_card_waiting() {
    let card = card();
    let folder = card.path().join("Saves/SAVEDATA/ULUS10041DATA00");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("DATA.BIN"), "half of two versions").unwrap();
    // A cut came while it was replaced; then somebody put a link into it.
    disk(card.path()).slot.begin_set(Intent::new(Way::Set, &save(), &path())).unwrap();
    std::os::unix::fs::symlink("DATA.BIN", folder.join("LINK.BIN")).unwrap();
    let (attic, _) = Attic::open(Arc::new(Os), card.path()).unwrap();
    let (mut disk, problems) = Disk::open(Arc::new(Os), card.path(), attic).unwrap();
    assert_eq!(problems.len(), 1, "it is told: {problems:?}");
    assert_eq!(disk.replacing().count(), 0);
    assert_eq!(fs::read_to_string(folder.join("DATA.BIN")).unwrap(), "half of two versions", "and left");

    let staged = disk.stage(&content(b"level 1"), &mut b"level 1".as_slice()).unwrap();
    let other = RelativePath::new("Saves/GB/Tetris.srm").unwrap();
    disk.replace(&other, &"gb/sram/Tetris".parse().unwrap(), None, staged, &mut || Ok(())).unwrap();
    assert_eq!(fs::read(other.under(card.path())).unwrap(), b"level 1");
}
