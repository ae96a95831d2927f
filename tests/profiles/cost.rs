//! What a quiet cycle costs on a card of 5,000 files: the save folders are looked at, the games are not.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use retrosync::apply::Card as Root;
use retrosync::cycle::{self, Memory, Parts, Request, Settings};
use retrosync::facts;
use retrosync::identity::Identity;
use retrosync::journal::Journal;
use retrosync::naming::Naming;
use retrosync::pace::Trigger;
use retrosync::plan::ConflictPolicy;
use retrosync::playing::Signs;
use retrosync::remote::{Folder, RemoteSettings};
use retrosync::snapshot::Stamp;
use retrosync::volume::{Entry, Os, Volume, VolumeFile};

use crate::card::{Card, profile};

/// The real file system, which remembers what was asked of it.
#[derive(Default)]
struct Counting {
    listed: Mutex<Vec<PathBuf>>,
    stamped: Mutex<Vec<PathBuf>>,
    opened: Mutex<Vec<PathBuf>>,
    written: Mutex<Vec<PathBuf>>,
}

impl Counting {
    fn note(&self, list: &Mutex<Vec<PathBuf>>, path: &Path) {
        list.lock().unwrap().push(path.to_owned());
    }

    fn forget(&self) {
        for list in [&self.listed, &self.stamped, &self.opened, &self.written] {
            list.lock().unwrap().clear();
        }
    }
}

impl Volume for Counting {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.note(&self.opened, path);
        Os.open(path)
    }
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.note(&self.written, path);
        Os.open_write(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.note(&self.written, path);
        Os.create_new(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(&self.written, to);
        Os.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note(&self.written, path);
        Os.remove(path)
    }
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.note(&self.written, path);
        Os.create_folder(path)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Os.sync_folder(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.note(&self.listed, path);
        Os.list(path)
    }
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.note(&self.stamped, path);
        Os.stamp(path)
    }
}

/// Ten systems of 500 games, each a save for every fiftieth.
const SYSTEMS: [(&str, &str, &str); 10] = [
    ("FC", "nes", "FCEUmm"),
    ("SFC", "snes", "Supafaust"),
    ("GB", "gb", "Gambatte"),
    ("GBC", "gbc", "Gambatte"),
    ("GBA", "gba", "gpSP"),
    ("MD", "megadrive", "PicoDrive"),
    ("MS", "mastersystem", "PicoDrive"),
    ("GG", "gamegear", "PicoDrive"),
    ("PS", "psx", "PCSX-ReARMed"),
    ("PCE", "pcengine", "Beetle PCE Fast"),
];

fn parts(card: &Card, store: &Path, name: &str, volume: &Arc<Counting>) -> Parts {
    let profile = profile(name);
    let site = facts::locate(&profile, Path::new("/"), Some(card.path())).unwrap();
    let seam: Arc<dyn Volume> = Arc::clone(volume) as Arc<dyn Volume>;
    let root = retrosync::root::Root::create(Arc::clone(&seam), &site.roots[0]).unwrap();
    let (identity, _) = Identity::open(Arc::clone(&seam), &root.state_dir(), "").unwrap();
    let (journal, _) = Journal::open(Arc::clone(&seam), &root.state_dir()).unwrap();
    let writer = Some(identity.writer().clone());
    let settings = RemoteSettings { device_name: name.into(), writer, ..RemoteSettings::default() };
    Folder::create(store).unwrap();
    let remote = Box::new(Folder::open(store, &settings).unwrap());
    let (games, _) = facts::games(&*seam, &profile, &site);
    Parts {
        naming: Naming::new(&profile, &site, games),
        profile,
        site,
        cards: vec![Root { root, disk: None }],
        identity,
        journal,
        remote,
        signs: Signs::default(),
        settings: Settings {
            conflict: ConflictPolicy::Ask,
            fresh_save_s: 0,
            leave_out: Default::default(),
            rests_while_playing: false,
            accept_mass_change: false,
            needs_route: false,
            client: "retrosync/test".into(),
        },
        memory: Memory::new(Arc::clone(&seam)),
        volume: seam,
    }
}

#[test]
fn a_quiet_cycle_over_5000_games_looks_at_the_saves_alone() {
    for (name, game, save, most_listed) in [
        ("onion", "Roms/F/Game N F.bin", "Saves/CurrentProfile/saves/C/Game N F.srm", 12),
        ("rocknix", "R/Game N F.bin", "R/Game N F.srm", 12),
    ] {
        let (card, store) = (Card::new(), tempfile::tempdir().unwrap());
        let mut saves = BTreeSet::new();
        for (folder, rocknix, core) in SYSTEMS {
            let fill = |path: &str, number: usize| {
                path.split('/')
                    .map(|part| match part {
                        "F" => folder.to_owned(),
                        "R" => rocknix.to_owned(),
                        "C" => core.to_owned(),
                        other => other.replace('N', &number.to_string()).replace('F', folder),
                    })
                    .collect::<Vec<_>>()
                    .join("/")
            };
            for number in 0..500 {
                // Each system's games have titles of their own: saves of several systems lie in one core's folder.
                card.file(&fill(game, number));
                if number % 50 == 0 {
                    let path = fill(save, number);
                    card.text(&path, &format!("{path} was played"));
                    saves.insert(card.path().canonicalize().unwrap().join(path));
                }
            }
        }
        let volume = Arc::new(Counting::default());
        let mut parts = parts(&card, store.path(), name, &volume);
        cycle::run(&mut parts, Request::new(Trigger::Full));
        // Each hears once of what it stored itself.
        let report = cycle::run(&mut parts, Request::new(Trigger::Changed));
        assert!(report.problems.is_empty(), "{name}: {:?}", report.problems);
        volume.forget();
        let quiet = cycle::run(&mut parts, Request::new(Trigger::Changed));
        assert_eq!((quiet.read, quiet.deeds.len(), quiet.problems.len()), (0, 0, 0), "{name}");
        let own = card.path().canonicalize().unwrap().join(".retrosync");
        let of_others = |list: &Mutex<Vec<PathBuf>>| -> Vec<PathBuf> {
            list.lock().unwrap().iter().filter(|path| !path.starts_with(&own)).cloned().collect()
        };
        let stamped = of_others(&volume.stamped);
        let looked_at = stamped.iter().filter(|path| saves.contains(*path)).count();
        assert_eq!(looked_at, saves.len(), "{name}: each save is looked at once");
        let others: Vec<&PathBuf> = stamped.iter().filter(|path| !saves.contains(*path)).collect();
        // What pauses syncing on Onion.
        let known = |path: &&PathBuf| path.ends_with("Saves/MainProfile");
        assert!(
            others.len() <= 1 && others.iter().all(known),
            "{name}: more than saves are looked at: {others:?}"
        );
        let listed = of_others(&volume.listed);
        assert!(listed.len() <= most_listed, "{name}: {} folders were read: {listed:?}", listed.len());
        let opened = of_others(&volume.opened);
        assert!(opened.is_empty(), "{name}: nothing is read: {opened:?}");
        assert!(volume.written.lock().unwrap().is_empty(), "{name}: nothing is written");
        if name == "onion" {
            assert!(
                !listed.iter().any(|path| path.ends_with("GB") && path.to_string_lossy().contains("Roms"))
            );
        }
    }
}
