//! No power cut loses a save: every write path of the card, cut at every call, with every kind of luck.
//!
//! Each sweep runs the real code on a model of a FAT card ([`fat`]), cuts the power before the first change, the second,
//! and so on; for each it tries what the card may have kept (nothing, all, each dirty thing alone, each but one, and
//! seeded subsets with torn sectors); then starts again, also with the power cut at every change of the recovery, and
//! looks at what a player would find. `scripts/powercut` does the same on real vfat. The first test proves that the model sees: the textbook sequence loses the save.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/fat.rs"]
mod fat;
mod logs;
mod ours;
mod scripts;
mod sets;
mod settings;
mod state;

use std::io::{self, Read};
use std::path::Path;

use fat::{Fat, Fate};
use retrosync::attic::{Attic, Reason};
use retrosync::disk::{Disk, recover};
use retrosync::error::{Error, Kind, Problem, Result};
use retrosync::snapshot::RelativePath;
use retrosync::volume::Volume;
use retrosync_protocol::{Content, Digest, SaveId};

pub(crate) const ROOT: &str = "/card";
const TARGET: &str = "/card/Saves/Tetris (World) (Rev 1).srm";
const OTHER: &str = "/card/Saves/Zelda.srm";

/// What opening does with a card on which nothing is to be finished: it syncs our folder and the one that it is in.
pub(crate) const OPENING: usize = 2;

/// Three sectors that differ from each other and from those of any other `mark`.
fn bytes(mark: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| mark ^ (at / fat::SECTOR) as u8).collect()
}

fn content(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

fn save() -> SaveId {
    "gb/sram/Tetris".parse().unwrap()
}

fn path() -> RelativePath {
    RelativePath::new("Saves/Tetris (World) (Rev 1).srm").unwrap()
}

/// A card with its folders, another save, and an old save if there is one.
fn card(old: Option<&[u8]>) -> Fat {
    let fat = Fat::new();
    fat.create_folder(Path::new("/card/.retrosync")).unwrap();
    fat.create_folder(Path::new("/card/Saves")).unwrap();
    fat.write(OTHER, &bytes(0x40, 700));
    if let Some(old) = old {
        fat.write(TARGET, old);
    }
    fat.settle();
    fat
}

fn open(fat: &Fat) -> Result<(Disk, Vec<Problem>)> {
    let (attic, problems) = Attic::open(fat.volume(), Path::new(ROOT))?;
    assert_eq!(problems, []);
    Disk::open(fat.volume(), Path::new(ROOT), attic)
}

/// All that the daemon does to bring new bytes, from start on.
fn bring(fat: &Fat, old: Option<&[u8]>, new: Option<&[u8]>) -> Result<()> {
    let (mut disk, _) = open(fat)?;
    let expects = old.map(content);
    match new {
        Some(new) => {
            let staged = disk.stage(&content(new), &mut &*new)?;
            disk.replace(&path(), &save(), expects.as_ref(), staged, &mut || Ok(())).map(|_| ())
        }
        None => disk.retire(&path(), &save(), &expects.unwrap(), &mut || Ok(())),
    }
}

/// The name's bytes by a sequence without attic and record.
fn bring_by(fat: &Fat, new: &[u8], sync_renamed: bool) -> io::Result<()> {
    let temp = Path::new("/card/Saves/Tetris.tmp");
    let mut file = fat.create_new(temp)?;
    file.write_all_at(new, 0)?;
    file.sync()?;
    fat.sync_folder(Path::new("/card/Saves"))?;
    fat.rename(temp, Path::new(TARGET))?;
    if sync_renamed {
        file.sync()?;
    }
    fat.sync_folder(Path::new("/card/Saves"))
}

/// One way in which a crash can fall out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Luck {
    None,
    All,
    Only(usize),
    AllBut(usize),
    /// All but this, of which half: with `true` nothing but that half.
    Torn(usize, bool),
    Seeded(u64),
}

/// Deals out a [`Luck`].
pub(crate) struct Dealt {
    luck: Luck,
    at: usize,
    random: u64,
}

impl Luck {
    pub(crate) fn deal(self) -> Dealt {
        let random =
            if let Luck::Seeded(seed) = self { seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 } else { 1 };
        Dealt { luck: self, at: 0, random }
    }

    /// The kinds of luck worth trying for so many dirty things.
    pub(crate) fn kinds(dirty: usize, seeds: u64) -> Vec<Luck> {
        let mut kinds = vec![Luck::None, Luck::All];
        if dirty > 1 {
            kinds.extend((0..dirty.min(12)).flat_map(|at| [Luck::Only(at), Luck::AllBut(at)]));
            if seeds > 3 {
                kinds.extend((0..dirty.min(12)).flat_map(|at| [Luck::Torn(at, false), Luck::Torn(at, true)]));
            }
            kinds.extend((1..=seeds).map(Luck::Seeded));
        }
        kinds
    }
}

impl Dealt {
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl Fate for Dealt {
    fn reaches(&mut self) -> bool {
        let at = self.at;
        self.at += 1;
        match self.luck {
            Luck::None => false,
            Luck::All => true,
            Luck::Only(one) => at == one,
            Luck::AllBut(one) => at != one,
            Luck::Torn(one, alone) => at != one && !alone,
            Luck::Seeded(_) => self.random() & 1 == 1,
        }
    }

    fn tears(&mut self) -> bool {
        match self.luck {
            Luck::Seeded(_) => self.random() & 3 == 0,
            Luck::Torn(one, _) => self.at == one + 1,
            _ => false,
        }
    }
}

/// Cuts `act` at every change and shows `look` each card that may be found then, with the story so far.
pub(crate) fn cut_everywhere(
    start: &Fat,
    seeds: u64,
    act: &mut dyn FnMut(&Fat),
    look: &mut dyn FnMut(&Fat, &str),
) -> usize {
    let mut cards = 0;
    for cut in 0.. {
        let fat = start.copy();
        fat.cut_at(cut);
        act(&fat);
        for luck in Luck::kinds(fat.dirty(), seeds) {
            cards += 1;
            look(&fat.crash(&mut luck.deal()), &format!("cut before change {cut}, {luck:?}"));
        }
        if !fat.is_off() {
            return cards;
        }
    }
    cards
}

fn kept(disk: &Disk) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in disk.attic().list(Some(&save())) {
        let mut bytes = Vec::new();
        disk.attic().read(entry.number).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(content(&bytes), entry.file, "a kept copy is what the index says");
        all.push(bytes);
    }
    all
}

/// What must hold once the card was recovered.
fn assert_nothing_lost(fat: &Fat, old: Option<&[u8]>, new: Option<&[u8]>, story: &str) {
    let (disk, problems) = open(fat).unwrap_or_else(|error| panic!("{story}: {error}"));
    assert_eq!(problems, [], "{story}");
    let here = fat.read(TARGET).unwrap_or_else(|error| panic!("{story}: the save cannot be read: {error}"));
    let here = here.as_deref();
    assert!(
        here == old || here == new,
        "{story}: neither old nor new: {:?}",
        here.map(|b| &b[..b.len().min(8)])
    );
    if here != old
        && let Some(old) = old
    {
        assert!(kept(&disk).iter().any(|kept| kept == old), "{story}: the old bytes are not in the attic");
    }
    assert_eq!(fat.read(OTHER).unwrap(), Some(bytes(0x40, 700)), "{story}: another save");
    assert_eq!(
        fat.shares(Path::new(TARGET)),
        [] as [std::path::PathBuf; 0],
        "{story}: names of the same clusters"
    );
    fat.cut_at(OPENING);
    open(fat).unwrap_or_else(|error| panic!("{story}: a second recovery had something to do: {error}"));
    assert_eq!(fat.violations(), [] as [String; 0], "{story}");
}

/// The rows: what is there, what comes.
type Case = (&'static str, Option<Vec<u8>>, Option<Vec<u8>>);

fn cases() -> Vec<Case> {
    let old = || Some(bytes(0x11, 1100));
    vec![
        ("same size", old(), Some(bytes(0x22, 1100))),
        ("longer", old(), Some(bytes(0x22, 1700))),
        ("shorter", old(), Some(bytes(0x22, 300))),
        ("a new save", None, Some(bytes(0x22, 1100))),
        ("over an empty one", Some(Vec::new()), Some(bytes(0x22, 1100))),
        ("retired", old(), None),
    ]
}

#[test]
fn the_textbook_sequence_loses_the_save_here_so_the_model_sees() {
    let (old, new) = (bytes(0x11, 1100), bytes(0x22, 1100));
    let whole = |fat: &Fat, path| matches!(fat.read(path), Ok(Some(found)) if found == old || found == new);
    let mut lost = [0, 0];
    for sync_renamed in [false, true] {
        let fat = card(Some(&old));
        bring_by(&fat, &new, sync_renamed).unwrap();
        let found = fat.crash(&mut Luck::None.deal());
        assert_eq!(found.read(TARGET).is_ok(), sync_renamed, "power lost right after success");
        cut_everywhere(
            &card(Some(&old)),
            40,
            &mut |fat| drop(bring_by(fat, &new, sync_renamed)),
            &mut |fat, _| {
                let any = whole(fat, TARGET) || whole(fat, "/card/Saves/Tetris.tmp");
                lost[usize::from(sync_renamed)] += usize::from(!any);
            },
        );
    }
    // Syncing the renamed file closes most of it. What is left (the temporary name gone before the inode is written) is
    // why nothing here is ever renamed over a save.
    assert!(lost[0] > 4 * lost[1], "neither name holds a whole save: {lost:?}");
}

#[test]
fn a_card_that_loses_power_at_any_moment_has_the_old_save_or_the_new_one() {
    let mut cards = 0;
    for (case, old, new) in cases() {
        let (old, new) = (old.as_deref(), new.as_deref());
        cards += cut_everywhere(&card(old), 30, &mut |fat| drop(bring(fat, old, new)), &mut |fat, story| {
            assert_eq!(recover(fat.volume(), Path::new(ROOT)), Ok(vec![]), "{case}: {story}");
            assert_nothing_lost(fat, old, new, &format!("{case}: {story}"));
        });
    }
    println!("{cards} cards");
}

#[test]
fn a_second_cut_during_the_recovery_changes_nothing_of_that() {
    for (case, old, new) in cases() {
        let (old, new) = (old.as_deref(), new.as_deref());
        let mut act = |fat: &Fat| drop(bring(fat, old, new));
        cut_everywhere(&card(old), 6, &mut act, &mut |fat, first| {
            cut_everywhere(
                fat,
                3,
                &mut |fat| drop(recover(fat.volume(), Path::new(ROOT))),
                &mut |fat, second| {
                    assert_nothing_lost(fat, old, new, &format!("{case}: {first}; then {second}"));
                },
            );
        });
    }
}

#[test]
fn success_means_that_the_new_save_is_there_after_any_cut() {
    for (case, old, new) in cases() {
        let fat = card(old.as_deref());
        bring(&fat, old.as_deref(), new.as_deref()).unwrap();
        for luck in Luck::kinds(fat.dirty(), 50) {
            let found = fat.crash(&mut luck.deal());
            assert_eq!(found.read(TARGET).unwrap(), new, "{case}: {luck:?}, before any recovery");
        }
    }
}

#[test]
fn a_call_that_fails_leaves_the_save_whole_and_the_next_try_succeeds() {
    for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
        for (case, old, new) in cases() {
            let (old, new) = (old.as_deref(), new.as_deref());
            for call in 0.. {
                let fat = card(old);
                fat.fail_at(call, kind);
                let outcome = bring(&fat, old, new);
                if !fat.has_failed() {
                    assert_eq!(outcome, Ok(()), "{case}");
                    break;
                }
                let story = format!("{case}: call {call} failed with {kind}");
                assert_nothing_lost(&fat.crash(&mut Luck::All.deal()), old, new, &story);
                drop(open(&fat).unwrap());
                if fat.read(TARGET).unwrap().as_deref() == old {
                    assert_eq!(bring(&fat, old, new), Ok(()), "{story}: the next try");
                }
                assert_nothing_lost(&fat, old, new, &story);
                assert_eq!(fat.read(TARGET).unwrap().as_deref(), new, "{story}");
            }
        }
    }
}

#[test]
fn what_a_game_wrote_after_the_cut_stays_where_the_game_looks_for_it() {
    let played = bytes(0x77, 1100);
    for (case, old, new) in cases() {
        let (old, new) = (old.as_deref(), new.as_deref());
        let mut act = |fat: &Fat| drop(bring(fat, old, new));
        cut_everywhere(&card(old), 3, &mut act, &mut |fat, story| {
            // The boot hook was missing: a game ran before the recovery.
            let mut file = match fat.open_write(Path::new(TARGET)) {
                Err(_) => fat.create_new(Path::new(TARGET)).unwrap(),
                Ok(mut file) => {
                    file.set_len(0).unwrap();
                    file
                }
            };
            file.write_all_at(&played, 0).unwrap();
            fat.settle();
            open(fat).unwrap_or_else(|error| panic!("{case}: {story}: {error}"));
            let here = fat.read(TARGET).unwrap();
            assert!(here.as_ref() == Some(&played), "{case}: {story}: an older save is in its place");
        });
    }
}

#[test]
fn the_attic_lists_only_what_it_can_give_back() {
    let old = bytes(0x11, 1100);
    let mut act = |fat: &Fat| drop(bring(fat, Some(&old), Some(&bytes(0x22, 1100))));
    cut_everywhere(&card(Some(&old)), 10, &mut act, &mut |fat, story| {
        let (disk, _) = open(fat).unwrap();
        for entry in disk.attic().list(None) {
            assert!(entry.content == content(&old) || entry.reason == Reason::Found, "{story}");
        }
        kept(&disk);
    });
}

#[test]
fn an_empty_card_is_never_made_into_a_root() {
    let fat = Fat::new();
    fat.create_folder(Path::new(ROOT)).unwrap();
    let error = Attic::open(fat.volume(), Path::new(ROOT)).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, Kind::Damaged);
    assert_eq!(fat.changes(), 1, "nothing but the test's own folder: {}", Error::to_string(&error));
}
