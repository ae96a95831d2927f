//! A save that is several files under the same cuts: all of it is the old one or all of it is the new one, and until that is
//! so nobody takes it for a save.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use retrosync::disk::recover;
use retrosync::error::Result;
use retrosync::formats::n64::{BLOCK_BYTES, Memory};
use retrosync::snapshot::RelativePath;
use retrosync::volume::Volume;
use retrosync::whole;
use retrosync_protocol::SaveId;

use crate::fat::Fat;
use crate::{Luck, OPENING, OTHER, ROOT, bytes, content, cut_everywhere, open};

/// What is there, what comes; `None`: nothing, or it is retired.
struct Case {
    what: &'static str,
    save: &'static str,
    path: &'static str,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
}

fn tree(files: &[(&str, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut payload = b"16:retrosync.tree.1,".to_vec();
    for (name, bytes) in files {
        payload.extend(format!("{}:{name},{}:", name.len(), bytes.len()).bytes());
        payload.extend(bytes);
        payload.push(b',');
    }
    Some(payload)
}

fn block(mark: u8) -> Option<Vec<u8>> {
    let mut block = Memory::ALL.map(Memory::blank).concat();
    block[..0x800].fill(mark);
    block[0x20800..0x28800].fill(mark ^ 1);
    assert_eq!(block.len(), BLOCK_BYTES);
    Some(block)
}

fn cases() -> Vec<Case> {
    let psp = |what, old, new| Case { what, save: "psp/tree/ULUS1", path: "Saves/ULUS1/*", old, new };
    let old = || tree(&[("DATA.BIN", bytes(0x11, 1100)), ("ICON0.PNG", bytes(0x12, 20)), ("OLD", vec![1])]);
    let new = || {
        tree(&[("DATA.BIN", bytes(0x21, 1700)), ("ICON0.PNG", bytes(0x12, 20)), ("a/NEW", bytes(0x22, 9))])
    };
    let n64 = |what, old, new| Case { what, save: "n64/sram/Wave", path: "Saves/Wave.*", old, new };
    vec![
        psp("a folder: one file changes, one goes, one comes", old(), new()),
        psp("a folder that was not there", None, new()),
        psp("a folder that is retired", old(), None),
        n64("two memories of a game", block(0x31), block(0x41)),
    ]
}

impl Case {
    fn save(&self) -> SaveId {
        self.save.parse().unwrap()
    }

    fn relative(&self) -> RelativePath {
        RelativePath::new(self.path).unwrap()
    }

    fn target(&self) -> PathBuf {
        Path::new(ROOT).join(self.path)
    }

    /// A card with the old files as a game wrote them, and another save.
    fn card(&self) -> Fat {
        let fat = Fat::new();
        fat.create_folder(Path::new("/card/.retrosync")).unwrap();
        fat.create_folder(Path::new("/card/Saves")).unwrap();
        fat.write(OTHER, &bytes(0x40, 700));
        for (name, bytes) in self.old.as_deref().map_or_else(Vec::new, |old| self.files(old)) {
            let path = whole::member_path(&self.target(), &name);
            fat.create_folder(path.parent().unwrap()).unwrap();
            fat.write(path.to_str().unwrap(), &bytes);
        }
        fat.settle();
        fat
    }

    fn files(&self, payload: &[u8]) -> Vec<(String, Vec<u8>)> {
        let set = whole::set_of(&self.target()).unwrap();
        let parts = set.parts(&mut &*payload, whole::stem(&self.target()), &[]).unwrap();
        let bytes = |offset, size| payload[offset as usize..][..size as usize].to_vec();
        parts.into_iter().map(|part| (part.name, bytes(part.offset, part.size_bytes))).collect()
    }

    fn bring(&self, fat: &Fat) -> Result<()> {
        let (mut disk, _) = open(fat)?;
        let expects = self.old.as_deref().map(content);
        match &self.new {
            Some(new) => {
                let staged = disk.stage(&content(new), &mut &new[..])?;
                let path = self.relative();
                disk.replace(&path, &self.save(), expects.as_ref(), staged, &mut || Ok(())).map(drop)
            }
            None => disk.retire(&self.relative(), &self.save(), &expects.unwrap(), &mut || Ok(())),
        }
    }

    /// The payload that lies there; what is none is told by its names.
    fn here(&self, fat: &Fat) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        match whole::open(fat, &self.target()).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(self.names(fat).concat().into_bytes()),
            Ok(_) => Some(bytes),
        }
    }

    fn assert_nothing_lost(&self, fat: &Fat, story: &str) {
        let (disk, problems) = open(fat).unwrap_or_else(|error| panic!("{story}: {error}"));
        assert_eq!(problems, [], "{story}");
        assert_eq!(disk.replacing().count(), 0, "{story}: it may be read again");
        let here = self.here(fat);
        assert!(here == self.old || here == self.new, "{story}: of two versions: {:?}", self.names(fat));
        if let Some(old) = self.old.as_ref().filter(|_| here != self.old) {
            let kept = disk.attic().list(Some(&self.save()));
            assert!(kept.iter().any(|kept| kept.file == content(old)), "{story}: the old files are not kept");
        }
        assert_eq!(fat.read(OTHER).unwrap(), Some(bytes(0x40, 700)), "{story}: another save");
        fat.cut_at(OPENING);
        open(fat).unwrap_or_else(|error| panic!("{story}: a second recovery had something to do: {error}"));
        assert_eq!(fat.violations(), [] as [String; 0], "{story}");
    }

    fn names(&self, fat: &Fat) -> Vec<String> {
        whole::members(fat, &self.target()).unwrap().into_iter().map(|member| member.name).collect()
    }
}

#[test]
fn a_card_that_loses_power_at_any_moment_has_all_files_of_one_version() {
    let mut cards = 0;
    for case in cases() {
        cards += cut_everywhere(&case.card(), 1, &mut |fat| drop(case.bring(fat)), &mut |fat, story| {
            let story = format!("{}: {story}", case.what);
            // Until the recovery is done, what is of two versions is known to be so.
            let mixed = ![&case.old, &case.new].contains(&&case.here(fat));
            let declared = retrosync::disk::is_replacing(fat.volume(), Path::new(ROOT));
            assert!(!mixed || declared.unwrap(), "{story}: half of each, and nobody knows");
            assert_eq!(recover(fat.volume(), Path::new(ROOT)), Ok(vec![]), "{story}");
            case.assert_nothing_lost(fat, &story);
        });
    }
    println!("{cards} cards");
}

#[test]
fn a_second_cut_during_the_recovery_of_a_set_changes_nothing_of_that() {
    let (old, new) =
        (tree(&[("DATA.BIN", bytes(0x11, 600)), ("OLD", vec![1])]), tree(&[("DATA.BIN", bytes(0x21, 40))]));
    let case = Case { what: "a small folder", old, new, ..cases().remove(0) };
    cut_everywhere(&case.card(), 1, &mut |fat| drop(case.bring(fat)), &mut |fat, first| {
        let mut again = |fat: &Fat| drop(recover(fat.volume(), Path::new(ROOT)));
        cut_everywhere(fat, 0, &mut again, &mut |fat, second| {
            case.assert_nothing_lost(fat, &format!("{}: {first}; then {second}", case.what));
        });
    });
}

#[test]
fn a_set_that_is_in_place_is_there_after_any_cut() {
    for case in cases() {
        let fat = case.card();
        case.bring(&fat).unwrap();
        for luck in Luck::kinds(fat.dirty(), 20) {
            let found = fat.crash(&mut luck.deal());
            let names = case.names(&found);
            assert!(case.here(&found) == case.new, "{}: {luck:?}, before any recovery: {names:?}", case.what);
        }
    }
}

#[test]
fn a_call_that_fails_leaves_a_set_whole_and_the_next_try_succeeds() {
    for case in cases() {
        for call in 0.. {
            let fat = case.card();
            fat.fail_at(call, io::ErrorKind::StorageFull);
            let outcome = case.bring(&fat);
            if !fat.has_failed() {
                assert_eq!(outcome, Ok(()), "{}", case.what);
                break;
            }
            let story = format!("{}: call {call} failed", case.what);
            case.assert_nothing_lost(&fat.crash(&mut Luck::All.deal()), &story);
            drop(open(&fat).unwrap());
            if case.here(&fat) == case.old {
                assert_eq!(case.bring(&fat), Ok(()), "{story}: the next try");
            }
            assert!(case.here(&fat) == case.new, "{story}");
        }
    }
}

#[test]
fn what_a_game_wrote_into_a_half_replaced_set_stays_and_is_told() {
    let case = cases().remove(0);
    let played = bytes(0x77, 300);
    let mut told = 0;
    cut_everywhere(&case.card(), 1, &mut |fat| drop(case.bring(fat)), &mut |fat, story| {
        let path = whole::member_path(&case.target(), "DATA.BIN");
        let mixed = ![&case.old, &case.new].contains(&&case.here(fat));
        if let Ok(mut file) = fat.open_write(&path) {
            file.set_len(0).unwrap();
            file.write_all_at(&played, 0).unwrap();
        } else {
            fat.write(path.to_str().unwrap(), &played);
        }
        fat.settle();
        let (_, problems) = open(fat).unwrap_or_else(|error| panic!("{story}: {error}"));
        assert!(fat.read(path.to_str().unwrap()).unwrap().as_ref() == Some(&played), "{story}");
        assert!(!mixed || !problems.is_empty(), "{story}: half replaced, and nobody is told");
        told += problems.len();
    });
    assert!(told > 0, "no cut left a half");
}
