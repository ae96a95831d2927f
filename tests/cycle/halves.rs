//! A save that is several files, and a game that starts: it finds all files of one version, or what it makes of two is a
//! version of its own and asked about.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use retrosync::plan::Question;
use retrosync::playing::boot_ms;
use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, Os, Volume, VolumeFile};

use super::super::kinds;
use super::rig::{Device, Rig, wait_for};

const FOLDER: &str = "psp/tree/UCES00995DATA00";
/// More than are replaced within the seconds that a hook may take.
const FILES: usize = 24;

type Files = BTreeMap<String, Vec<u8>>;

fn folder(device: &Device) -> PathBuf {
    device.card().join("saves/psp/PSP/SAVEDATA/UCES00995DATA00")
}

fn named(number: usize) -> String {
    format!("DATA{number:02}.BIN")
}

/// The game writes so many of the files.
fn plays(device: &Device, files: usize, mark: &str) {
    fs::create_dir_all(folder(device)).unwrap();
    for number in 0..files {
        fs::write(folder(device).join(named(number)), format!("{mark}, file {number}")).unwrap();
    }
}

fn files(device: &Device) -> Files {
    let entries = fs::read_dir(folder(device)).unwrap().map(Result::unwrap);
    let read =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    entries.map(read).collect()
}

/// Two devices with the same folder; what the second has of it.
fn in_step(rig: &Rig) -> (Device, Device, Files) {
    let (mut a, mut b) = (rig.psp(), rig.psp());
    plays(&a, FILES, "first");
    a.cycle();
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    let first = files(&b);
    assert_eq!(first.len(), FILES);
    (a, b, first)
}

#[test]
fn a_game_that_is_about_to_start_is_not_given_half_of_a_folder() {
    let rig = Rig::new(&[]);
    let (mut a, mut b, first) = in_step(&rig);
    plays(&a, FILES, "second");
    a.cycle();
    // Whether the hook's word is over by then or not: no file is touched.
    b.hooks().game_starts(boot_ms() + 4_000);
    assert_eq!(kinds(&b.cycle().deeds), [""; 0]);
    assert_eq!(files(&b), first, "the game loads all of the version that it had");
    b.hooks().game_ended();
    assert_eq!(kinds(&b.cycle().deeds), ["placed"]);
    assert_eq!(files(&b), files(&a), "and then all of the newer one comes");
}

#[test]
fn a_folder_of_which_a_few_files_differ_is_there_before_the_game_starts() {
    let rig = Rig::new(&[]);
    let (mut a, mut b, _) = in_step(&rig);
    plays(&a, 2, "second");
    a.cycle();
    // More time than two files take, and less than all of them would.
    b.hooks().game_starts(boot_ms() + 5_500);
    let began = boot_ms();
    let deeds = kinds(&b.run_for_game("UCES00995DATA00").deeds);
    if boot_ms() - began > 4_500 {
        println!("not shown: this machine is too busy for five seconds to suffice");
        return;
    }
    assert_eq!(deeds, ["placed"]);
    assert_eq!(files(&b), files(&a));
}

/// A card on which something happens when the third file of a folder has come to its place.
struct Card {
    moved: Mutex<usize>,
    act: Box<dyn Fn() + Send + Sync>,
}

impl Volume for Card {
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Os.rename(from, to)?;
        if to.to_str().unwrap().contains("SAVEDATA") {
            let mut moved = self.moved.lock().unwrap();
            *moved += 1;
            if *moved == 3 {
                (self.act)();
            }
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Os.open(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Os.open_write(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Os.create_new(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Os.remove(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        Os.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Os.sync_folder(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        Os.list(path)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        Os.stamp(path)
    }
}

/// No hook tells of it, and it is there between two files: nobody could have waited.
#[test]
fn what_a_game_makes_of_half_a_folder_is_a_version_of_its_own_and_both_are_intact() {
    let rig = Rig::new(&[]);
    let (mut a, mut b, _) = in_step(&rig);
    plays(&a, FILES, "second, longer");
    a.cycle();
    let game: Arc<Mutex<Option<Child>>> = Arc::default();
    let (started, rom) = (Arc::clone(&game), b.card().join("roms/psp/Patapon.iso"));
    let act = move || {
        let mut command = Command::new("cat");
        command.arg("-").arg(&rom).stdin(Stdio::piped()).stdout(Stdio::null());
        *started.lock().unwrap() = Some(command.spawn().unwrap());
        // The rest comes to its place in a later tick than that in which the game started.
        let since = boot_ms();
        wait_for("the clock of process starts", || boot_ms() > since + 40);
    };
    b.reopen_on(Arc::new(Card { moved: Mutex::default(), act: Box::new(act) }));
    b.sees_all_games();
    assert_eq!(kinds(&b.cycle().deeds), ["placed"], "it goes on to the end: half of each is no save");
    assert_eq!(files(&b), files(&a));

    plays(&b, FILES, "made of two versions");
    let made = files(&b);
    let mut game = game.lock().unwrap().take().unwrap();
    drop(game.stdin.take());
    game.wait().unwrap();
    let report = b.cycle();
    assert_eq!(kinds(&report.deeds), ["branch"], "{report:?}");
    assert!(matches!(&report.questions[..], [Question::Conflict { .. }]), "{:?}", report.questions);
    assert_eq!(files(&b), made, "the player goes on with it");
    let kept = rig.contents(FOLDER);
    for mark in ["first", "second, longer", "made of two versions"] {
        let last = format!("{mark}, file {}", FILES - 1);
        let holds = |bytes: &Vec<u8>| bytes.windows(last.len()).any(|part| part == last.as_bytes());
        assert!(kept.iter().any(holds), "`{mark}` is on the server");
    }
}
