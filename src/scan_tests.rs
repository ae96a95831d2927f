//! Tests of scan.rs: an Onion card in a temporary folder, and a volume that lies on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::facts;
use crate::profile;
use crate::snapshot::RelativePath;
use crate::volume::{Entry, Os, VolumeFile};
use litemap::LiteMap;
use retrosync_protocol::{Digest, Head, WriterId};
use std::collections::VecDeque;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Mutex;

const GAMBATTE: &str = "Saves/CurrentProfile/saves/Gambatte";

/// What happens whenever a file is read.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnMut(&Path) + Send>>>>;

/// The real file system, with something happening meanwhile, unreadable paths, and inodes drawn anew.
#[derive(Default)]
struct Odd {
    meanwhile: Meanwhile,
    unreadable: Mutex<Vec<PathBuf>>,
    inode_shift: Mutex<u64>,
}

impl Odd {
    fn refuse(&self, path: &Path) -> io::Result<()> {
        let refused = self.unreadable.lock().unwrap().iter().any(|bad| bad == path);
        if refused { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    fn shift(&self, stamp: Stamp) -> Stamp {
        Stamp { inode: stamp.inode + *self.inode_shift.lock().unwrap(), ..stamp }
    }
}

/// A file whose inode is shifted too.
struct Shifted(Box<dyn VolumeFile>, u64, PathBuf, Meanwhile);

impl io::Read for Shifted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(meanwhile) = &mut *self.3.lock().unwrap() {
            meanwhile(&self.2);
        }
        self.0.read(buffer)
    }
}

impl io::Seek for Shifted {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl VolumeFile for Shifted {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }
    fn stamp(&self) -> io::Result<Stamp> {
        self.0.stamp().map(|stamp| Stamp { inode: stamp.inode + self.1, ..stamp })
    }
}

impl Volume for Odd {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.refuse(path)?;
        let file = Os.open(path)?;
        let shift = *self.inode_shift.lock().unwrap();
        Ok(Box::new(Shifted(file, shift, path.to_owned(), Arc::clone(&self.meanwhile))))
    }
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        panic!("a scan opened `{}` for writing", path.display())
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        panic!("a scan made `{}`", path.display())
    }
    fn rename(&self, from: &Path, _: &Path) -> io::Result<()> {
        panic!("a scan renamed `{}`", from.display())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        panic!("a scan removed `{}`", path.display())
    }
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        panic!("a scan made `{}`", path.display())
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        panic!("a scan synced a folder")
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.refuse(path)?;
        Os.list(path)
    }
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        Os.stamp(path).map(|stamp| self.shift(stamp))
    }
}

/// A card with the games `One` and `Two`.
struct Bench {
    card: tempfile::TempDir,
    odd: Arc<Odd>,
    scanner: Scanner,
    naming: Naming,
    base: Base,
    listing: Listing,
    named: LiteMap<Place, (u64, u64)>,
    state: RootState,
}

impl Bench {
    fn new() -> Bench {
        let card = tempfile::tempdir().unwrap();
        fs::create_dir_all(card.path().join(GAMBATTE)).unwrap();
        fs::create_dir_all(card.path().join("Saves/CurrentProfile/saves/TGB Dual")).unwrap();
        fs::create_dir_all(card.path().join("Roms/GB")).unwrap();
        for title in ["One", "Two"] {
            fs::write(card.path().join(format!("Roms/GB/{title}.gb")), "rom").unwrap();
        }
        let onion = profile::built_in().into_iter().find(|profile| profile.name == "onion").unwrap();
        let site = facts::locate(&onion, Path::new("/"), Some(card.path())).unwrap();
        let odd = Arc::new(Odd::default());
        Bench {
            naming: Naming::new(&onion, &site, facts::games(&Os, &onion, &site).0),
            scanner: Scanner::new(Arc::clone(&odd) as Arc<dyn Volume>),
            card,
            odd,
            base: Base::default(),
            listing: Listing::default(),
            named: LiteMap::new(),
            state: RootState::Online,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.card.path().join(GAMBATTE).join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn scan(&mut self, sweep: Sweep) -> Found {
        self.scanner.scan(Request {
            roots: &[(self.card.path().to_owned(), self.state.clone())],
            naming: &self.naming,
            base: &self.base,
            listing: &self.listing,
            sweep,
            named: &self.named,
        })
    }

    /// Takes what was found as agreed on.
    fn agree(&mut self, found: &Found) {
        for (save, here) in &found.local.saves {
            let entry = BaseEntry {
                version: here.content.digest,
                content: Some(here.content),
                place: here.place.clone(),
                stamp: here.stamp,
                ancestors: VecDeque::new(),
                trusted: true,
                aside: None,
            };
            self.base.saves.insert(save.clone(), entry);
        }
    }
}

fn one() -> SaveId {
    "gb/sram/One".parse().unwrap()
}

fn place(name: &str) -> Place {
    Place { root: 0, path: RelativePath::new(&format!("{GAMBATTE}/{name}")).unwrap() }
}

#[test]
fn a_save_is_read_once_and_known_by_its_stamp_from_then_on() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    let found = bench.scan(Sweep::Stamps);
    assert_eq!(found.local.saves[&one()].content.digest, Digest::of(b"level 1"));
    assert_eq!((found.read, bench.scan(Sweep::Stamps).read), (1, 0), "by its own memory");
    bench.agree(&found);
    assert_eq!(bench.scan(Sweep::Stamps).read, 0, "by the base");
    assert_eq!(bench.scan(Sweep::Full).read, 1, "a full sweep reads it all the same");
    bench.named.insert(place("One.srm"), (0, 0));
    assert_eq!(bench.scan(Sweep::Stamps).read, 1, "and so does an event that names it");
}

#[test]
fn what_was_saved_within_one_grain_of_the_cards_clock_is_not_forgotten() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"put here");
    let found = bench.scan(Sweep::Stamps);
    bench.agree(&found);
    let then = fs::metadata(bench.path("One.srm")).unwrap().modified().unwrap();
    bench.write("One.srm", b"played !");
    fs::File::options().write(true).open(bench.path("One.srm")).unwrap().set_modified(then).unwrap();
    bench.named.insert(place("One.srm"), (0, 0));
    let played = Digest::of(b"played !");
    assert_eq!(bench.scan(Sweep::Stamps).local.saves[&one()].content.digest, played, "an event named it");
    bench.named.clear();
    // The upload failed; the event is gone, and the stamp is still the one that was agreed on.
    assert_eq!(bench.scan(Sweep::Stamps).local.saves[&one()].content.digest, played, "the stamp hides it");
}

/// A handheld without a clock begins each day at the same second: what is played at the same time of day has yesterday's stamp.
#[test]
fn what_is_played_over_a_newer_save_is_not_taken_for_what_lay_there_before_it() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    let found = bench.scan(Sweep::Stamps);
    let then = fs::metadata(bench.path("One.srm")).unwrap().modified().unwrap();
    // A newer one is put in its place.
    bench.agree(&found);
    let newer = bench.base.saves.get_mut(&one()).unwrap();
    newer.version = Digest::of(b"another device's");
    newer.content = Some(Content { digest: Digest::of(b"level 2"), size_bytes: 7 });
    newer.stamp = Stamp { mtime_s: 0, ..newer.stamp };
    bench.write("One.srm", b"level 3");
    fs::File::options().write(true).open(bench.path("One.srm")).unwrap().set_modified(then).unwrap();
    let played = bench.scan(Sweep::Stamps).local.saves[&one()].content.digest;
    assert_eq!(played, Digest::of(b"level 3"), "the clock stood where it stood when `level 1` was read");
}

#[test]
fn inodes_drawn_anew_by_a_mount_are_no_change() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    let found = bench.scan(Sweep::Full);
    bench.agree(&found);
    *bench.odd.inode_shift.lock().unwrap() = 1_000;
    bench.scanner = Scanner::new(Arc::clone(&bench.odd) as Arc<dyn Volume>);
    let after = bench.scan(Sweep::Stamps);
    assert_eq!((after.read, &after.local.saves), (1, &found.local.saves), "told with the stamp of then");
    assert_eq!(bench.scan(Sweep::Stamps).read, 0, "and read once");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_left_out() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    bench.write("Two.srm", b"level 1");
    let grows = bench.path("One.srm");
    *bench.odd.meanwhile.lock().unwrap() = Some(Box::new(move |path| {
        if path == grows {
            fs::write(path, b"level 1 and more").unwrap();
        }
    }));
    let found = bench.scan(Sweep::Stamps);
    assert_eq!((found.changing.len(), found.local.unread.contains(&one())), (1, true));
    assert_eq!(found.local.saves.len(), 1, "the other is read");
    assert_eq!(found.problems, [], "it is no problem: it will settle");
    *bench.odd.meanwhile.lock().unwrap() = None;
    assert_eq!(bench.scan(Sweep::Stamps).local.saves.len(), 2);
}

#[test]
fn a_file_that_is_swapped_while_it_is_read_is_left_out() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    *bench.odd.meanwhile.lock().unwrap() = Some(Box::new(|path| {
        let other = path.with_extension("tmp");
        fs::write(&other, b"level 2").unwrap();
        fs::rename(other, path).unwrap();
    }));
    let found = bench.scan(Sweep::Stamps);
    assert_eq!((found.changing.len(), found.local.saves.len()), (1, 0));
}

#[test]
fn what_cannot_be_read_is_unread_and_never_absent() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    bench.write("Two.srm", b"level 1");
    let found = bench.scan(Sweep::Full);
    bench.agree(&found);
    bench.odd.unreadable.lock().unwrap().push(bench.path("One.srm"));
    let found = bench.scan(Sweep::Full);
    assert_eq!((found.local.saves.len(), found.local.unread.len()), (1, 1));
    assert!(found.failing, "it is tried again before tomorrow");
    assert_eq!(found.problems[0].save, Some(one()));
    bench.odd.unreadable.lock().unwrap().push(bench.card.path().join(GAMBATTE));
    let found = bench.scan(Sweep::Full);
    assert_eq!((found.local.saves.len(), found.local.unread.len()), (0, 2), "a folder too");
    assert!(found.failing);
    assert_eq!(found.problems[0].error.doing, format!("cannot read save folder `{GAMBATTE}`"));
}

#[test]
fn nothing_goes_into_a_folder_that_cannot_be_read() {
    let mut bench = Bench::new();
    let head = Head {
        version: Digest::of(b"v"),
        content: None,
        writer: WriterId::from_random(&[1; 16]),
        sequence: 1,
        device_name: String::new(),
        played: None,
        received_unix_s: 0,
    };
    bench.listing.saves.insert(one(), vec![head.clone()]);
    bench.listing.saves.insert("gb/sram/Not Here".parse().unwrap(), vec![head]);
    let homes = bench.scan(Sweep::Stamps).local.homes;
    assert_eq!(
        homes,
        [(one(), place("One.srm"))].into_iter().collect(),
        "a home for the save whose game is here"
    );
    bench.odd.unreadable.lock().unwrap().push(bench.card.path().join(GAMBATTE));
    let found = bench.scan(Sweep::Stamps);
    assert_eq!((found.local.homes.len(), found.local.unread.contains(&one())), (0, true));
}

#[test]
fn saves_of_a_card_that_is_not_there_are_unread() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    let found = bench.scan(Sweep::Full);
    bench.agree(&found);
    bench.state = RootState::Offline("another card".into());
    let found = bench.scan(Sweep::Full);
    assert_eq!((found.local.saves.len(), found.local.unread.contains(&one()), found.read), (0, true, 0));
}

#[test]
fn of_two_files_of_one_save_the_one_in_use_is_it() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    let found = bench.scan(Sweep::Full);
    bench.agree(&found);
    let twin = bench.card.path().join("Saves/CurrentProfile/saves/TGB Dual/One.srm");
    fs::write(&twin, b"another core's").unwrap();
    let found = bench.scan(Sweep::Full);
    assert_eq!(found.local.saves[&one()].content.digest, Digest::of(b"level 1"));
    assert_eq!((found.left_out.len(), found.problems.len()), (1, 0), "{:?}", found.left_out);
}

#[test]
fn odd_names_are_told_and_stop_nothing() {
    let mut bench = Bench::new();
    bench.write("One.srm", b"level 1");
    let broken = std::ffi::OsStr::from_bytes(b"caf\xe9.srm");
    fs::write(bench.card.path().join(GAMBATTE).join(broken), b"x").unwrap();
    std::os::unix::fs::symlink(bench.path("One.srm"), bench.path("Two.srm")).unwrap();
    let found = bench.scan(Sweep::Full);
    assert_eq!(found.local.saves.keys().collect::<Vec<_>>(), [&one()], "a link is no save");
    assert!(found.left_out.iter().any(|(_, why)| why.contains("UTF-8")), "{:?}", found.left_out);
}
