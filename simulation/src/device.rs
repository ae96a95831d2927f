//! One device: the real daemon's parts over a card in memory, started and started again as the program starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync::apply::Card;
use retrosync::attic::Attic;
use retrosync::cycle::{self, CycleReport, Memory, Parts, Request, Settings};
use retrosync::disk::Disk;
use retrosync::durable::seal;
use retrosync::error::{Problem, Result};
use retrosync::facts;
use retrosync::identity::{Begun, Identity, Opened};
use retrosync::journal::{Entry, Journal};
use retrosync::machine::{self, Machine as _};
use retrosync::naming::Naming;
use retrosync::plan::ConflictPolicy;
use retrosync::playing::Signs;
use retrosync::profile::{Live, Profile, Site};
use retrosync::remote::Remote;
use retrosync::retroarch_cfg::RetroarchCfg;
use retrosync::root::Root;
use retrosync::snapshot::{Place, RelativePath, RootState};
use retrosync::volume::Volume;
use retrosync_protocol::{Changes, SaveId, Token, WriterId};

use crate::bug::Bug;
use crate::fat::{Alone, Fat};
use crate::handheld::{Handheld, ROOT, SECOND, Shared, Stage, Watched};
use crate::link::{Link, Weather};
use crate::server::Server;
use crate::share::Share;
use crate::share_link::ShareLink;

/// What all devices of a history have in common.
#[derive(Clone)]
pub struct Kind {
    /// The firmware.
    pub profile: Profile,
    /// Its folders, the games among them.
    pub site: Site,
    /// Which file is which save, on each card.
    pub naming: Naming,
    /// Where the saves lie, by number: the root and the path below it.
    pub places: Vec<(usize, &'static str)>,
    /// The saves.
    pub saves: Arc<Vec<SaveId>>,
    /// A folder that all devices write is the store; else our server is.
    pub shares: bool,
}

/// A device.
pub struct Device {
    number: usize,
    kind: Arc<Kind>,
    server: Arc<Alone<Server>>,
    /// Its card, clock and game.
    pub handheld: Shared,
    /// The same as its daemon asks it.
    stage: Arc<Stage>,
    /// What goes wrong on its network.
    pub weather: Arc<Alone<Weather>>,
    /// What tells this device from others; empty if nothing does.
    pub hardware: String,
    /// What a long poll brought, and since which cursor.
    pub news: Option<(u64, Changes)>,
    /// The last cycle reached the server, and a long poll is open since.
    pub current: bool,
    /// What its player wants conflicts to do.
    pub prefers: ConflictPolicy,
    /// How often the program has started or ended.
    pub lives: u64,
    parts: Option<Parts>,
    /// What the last program knew of the firmware; the next one would read the same.
    firmware: Option<Firmware>,
}

/// See [`Kind`].
type Firmware = (Profile, Site, Naming);

impl Device {
    /// A device with a new card, paired.
    pub fn new(
        number: usize,
        kind: &Arc<Kind>,
        server: &Arc<Alone<Server>>,
        bug: Option<Bug>,
        seed: u64,
    ) -> Device {
        let fat = new_card();
        let paths = kind.places.iter().map(|(root, place)| kind.site.roots[*root].join(place)).collect();
        let handheld = Shared::new(Handheld::new(fat, seed, bug, paths));
        let stage = Arc::new(Stage(handheld.clone()));
        let mut device = Device {
            number,
            kind: Arc::clone(kind),
            server: Arc::clone(server),
            handheld,
            stage,
            weather: Arc::default(),
            hardware: String::new(),
            news: None,
            current: false,
            prefers: ConflictPolicy::Ask,
            lives: 0,
            parts: None,
            firmware: None,
        };
        device.pair();
        device
    }

    /// In this thread the machine is this device.
    fn play<T>(&mut self, act: impl FnOnce(&mut Device) -> T) -> T {
        let stage = Arc::clone(&self.stage);
        let before = machine::play(Some(stage));
        let done = act(self);
        machine::play(before);
        done
    }

    fn pair(&mut self) {
        let volume: Arc<dyn Volume> = Arc::new(Watched(self.handheld.clone()));
        let state_dir = PathBuf::from(ROOT).join(".retrosync");
        let (roots, handheld) = (self.kind.site.roots.clone(), self.handheld.clone());
        // On this device's machine: chance is its own too.
        self.play(|_| {
            let marked = |dir: &PathBuf| {
                let mut random = [0; 16];
                Stage(handheld.clone()).random(&mut random);
                let marker = BTreeMap::from([("root", WriterId::from_random(&random).to_string())]);
                let line = seal(0, &marker).unwrap().0;
                handheld.get().fat.write(&format!("{}/.retrosync/root", dir.display()), &line);
                (dir.clone(), Root::create(Arc::clone(&volume), dir).unwrap().id)
            };
            let others: Vec<_> = roots.iter().map(marked).skip(1).collect();
            Identity::open(volume, &state_dir, "").and_then(|(mut identity, _)| {
                identity.facts.roots.extend(others);
                identity.save()
            })
        })
        .unwrap();
        self.handheld.get().fat.settle();
    }

    /// The program ends, however it ends.
    pub fn stop(&mut self) {
        if let Some(Parts { profile, site, naming, .. }) = self.parts.take() {
            self.firmware = Some((profile, site, naming));
        }
        self.lives += 1;
        (self.news, self.current) = (None, false);
        let mut weather = self.weather.get();
        weather.put_off.clear();
        weather.is_warned = false;
        drop(weather);
        self.handheld.get().put_off.clear();
    }

    /// The device is paired again, in the order of `cli::pair::flow`: a token is durable, the server hears of it, then it
    /// is the device's.
    ///
    /// # Errors
    /// When the card fails on the way.
    pub fn pair_again(&mut self) -> Result<()> {
        self.stop();
        self.play(|own| {
            let (mut parts, _) = own.open()?;
            let facts = &mut parts.identity.facts;
            let token = match &facts.begun {
                Some(begun) => begun.token.clone(),
                None => {
                    let mut random = [0; 32];
                    Stage(own.handheld.clone()).random(&mut random);
                    Token::from_random(&random)
                }
            };
            facts.begun = Some(Begun { token: token.clone(), server: "https://saves.example".into() });
            own.handheld.get().pairs = true;
            let begun = parts.identity.save();
            own.handheld.get().pairs = false;
            begun?;
            own.server.get().learns(own.number, token.clone());
            parts.journal.record(Entry::Distrusted)?;
            parts.journal.sync()?;
            (parts.identity.facts.token, parts.identity.facts.begun) = (Some(token), None);
            parts.identity.save()
        })
    }

    /// Does its card hold the token by which the server knows it?
    pub fn has_its_token(&mut self) -> bool {
        let server = self.server.get();
        let Some(token) = server.token_of(self.number) else { return true };
        self.parts.as_ref().is_none_or(|parts| {
            let facts = &parts.identity.facts;
            let begun = facts.begun.as_ref().map(|begun| &begun.token);
            [facts.token.as_ref(), begun].contains(&Some(token))
        })
    }

    /// Does the program run?
    pub fn is_up(&self) -> bool {
        self.parts.is_some()
    }

    /// The program starts, in the order of its composition root.
    ///
    /// # Errors
    /// When the card cannot be used, as when the power goes.
    pub fn start(&mut self) -> Result<Vec<Problem>> {
        self.stop();
        if self.handheld.get().bug == Some(Bug::LeftoversRemoved) {
            self.remove_leftovers();
        }
        let (parts, problems) = self.play(Device::open)?;
        self.parts = Some(parts);
        self.lives += 1;
        Ok(problems)
    }

    fn open(&mut self) -> Result<(Parts, Vec<Problem>)> {
        let volume: Arc<dyn Volume> = Arc::new(Watched(self.handheld.clone()));
        let root = Root::open(Arc::clone(&volume), Path::new(ROOT))?;
        let state_dir = root.state_dir();
        let (identity, opened) = Identity::open(Arc::clone(&volume), &state_dir, &self.hardware)?;
        let (mut journal, mut problems) = Journal::open(Arc::clone(&volume), &state_dir)?;
        if let Opened::Doubted(_) = opened {
            journal.record(Entry::Distrusted)?;
            journal.sync()?;
        }
        if journal.is_in_doubt() {
            journal.record(Entry::Distrusted)?;
        }
        let (attic, odd) = Attic::open(Arc::clone(&volume), &root.dir)?;
        problems.extend(odd);
        let (disk, odd) = Disk::open(Arc::clone(&volume), &root.dir, attic)?;
        problems.extend(odd);
        let link = Link {
            device: self.number,
            server: Arc::clone(&self.server),
            handheld: self.handheld.clone(),
            weather: Arc::clone(&self.weather),
            saves: Arc::clone(&self.kind.saves),
        };
        let folder = self.server.get().share().map(Share::open);
        let remote: Box<dyn Remote> = match folder {
            Some(folder) => Box::new(ShareLink { link, folder }),
            None => Box::new(link),
        };
        let kind = &self.kind;
        // As pairing has seen it; whether it is there each cycle asks.
        let mut cards = vec![Card { root, disk: Some(disk) }];
        for dir in &self.kind.site.roots[1..] {
            let root = match identity.facts.roots.get(dir) {
                Some(id) => Root::recorded(Arc::clone(&volume), dir, id.clone()),
                None => Root::open(Arc::clone(&volume), dir)?,
            };
            let opened = (root.state() == RootState::Online).then(|| {
                let (attic, _) = Attic::open(Arc::clone(&volume), dir)?;
                Disk::open(Arc::clone(&volume), dir, attic)
            });
            // What fails now is tried again by the first cycle.
            let disk = opened.and_then(Result::ok).map(|(disk, odd)| {
                problems.extend(odd);
                disk
            });
            cards.push(Card { root, disk });
        }
        let (profile, site, naming) = self
            .firmware
            .take()
            .unwrap_or_else(|| (kind.profile.clone(), kind.site.clone(), kind.naming.clone()));
        let parts = Parts {
            profile,
            site,
            naming,
            cards,
            identity,
            journal,
            remote,
            signs: Signs::default(),
            settings: Settings {
                conflict: self.prefers,
                fresh_save_s: 60,
                leave_out: Default::default(),
                rests_while_playing: false,
                accept_mass_change: false,
                needs_route: false,
                client: "retrosync/simulated".into(),
            },
            memory: Memory::new(Arc::clone(&volume)),
            volume,
        };
        Ok((parts, problems))
    }

    /// What the bug does that removes leftovers.
    fn remove_leftovers(&self) {
        let fat = self.handheld.get().fat.clone();
        for (path, _) in fat.files_below(&["/card/.retrosync/incoming"]) {
            let _ = fat.remove(&path);
        }
    }

    /// The parts of the program, if it runs.
    pub fn parts(&mut self) -> Option<&mut Parts> {
        self.parts.as_mut()
    }

    /// One cycle, if the program runs.
    pub fn cycle(&mut self, request: Request) -> Option<CycleReport> {
        self.with_parts(|parts| cycle::run(parts, request))
    }

    /// Does something with the parts, on this device's machine.
    pub fn with_parts<T>(&mut self, act: impl FnOnce(&mut Parts) -> T) -> Option<T> {
        self.parts.as_ref()?;
        self.play(|own| own.parts.as_mut().map(act))
    }

    /// The watcher names a save's file.
    pub fn names(&mut self, save: usize) {
        let (root, path) = self.kind.places[save];
        let place = Place { root, path: RelativePath::new(path).unwrap() };
        self.with_parts(|parts| parts.memory.name(place, retrosync::playing::boot_ms()));
    }
}

/// A card with two games.
fn new_card() -> Fat {
    let fat = Fat::new();
    let saves = ["Saves/CurrentProfile/saves/Gambatte", "Saves/CurrentProfile/states/Gambatte"];
    for folder in [".retrosync", "Roms/GB"].into_iter().chain(saves) {
        fat.create_folder(&Path::new(ROOT).join(folder)).unwrap();
    }
    for folder in [".retrosync", "states/Gambatte"] {
        fat.create_folder(&Path::new(SECOND).join(folder)).unwrap();
    }
    for title in ["Tetris", "Zelda"] {
        fat.write(&format!("{ROOT}/Roms/GB/{title}.gb"), b"rom");
    }
    fat.settle();
    fat
}

/// What every device is: Onion with two games.
///
/// # Panics
/// When the profile is not there or its names have changed.
pub fn onion() -> Kind {
    kind(false)
}

/// The same with a second card, on which RetroArch's configuration puts the states.
///
/// # Panics
/// As [`onion`].
pub fn onion_with_two_cards() -> Kind {
    kind(true)
}

fn kind(two_cards: bool) -> Kind {
    let profiles = retrosync::profile::built_in();
    let profile = profiles.into_iter().find(|profile| profile.name == "onion").unwrap();
    let mut site = Site {
        roots: vec![PathBuf::from(ROOT)],
        games: vec![Path::new(ROOT).join("Roms")],
        ..Site::default()
    };
    if two_cards {
        site.roots.push(PathBuf::from(SECOND));
        let said = format!("savestate_directory = \"{SECOND}/states\"\nsort_savestates_enable = \"true\"\n");
        let (dir, cfg) = (PathBuf::from(ROOT), RetroarchCfg::parse(&said));
        site.retroarch.push(Live { dir, cfg, word: None });
    }
    let (found, _) = facts::games(&new_card(), &profile, &site);
    let naming = Naming::new(&profile, &site, found);
    let state = if two_cards {
        (1, "states/Gambatte/Tetris.state")
    } else {
        (0, "Saves/CurrentProfile/states/Gambatte/Tetris.state")
    };
    let places = vec![
        (0, "Saves/CurrentProfile/saves/Gambatte/Tetris.srm"),
        (0, "Saves/CurrentProfile/saves/Gambatte/Zelda.srm"),
        state,
    ];
    let save = |(root, place): &(usize, &str)| {
        let place = Place { root: *root, path: RelativePath::new(place).unwrap() };
        match naming.identify(&place) {
            retrosync::naming::Identified::Save(save) => save,
            other => panic!("{place:?} is {other:?}"),
        }
    };
    let saves: Vec<SaveId> = places.iter().map(save).collect();
    for (save, (root, place)) in saves.iter().zip(&places) {
        let home = naming.home(save).map(|home| (home.root, home.path.as_str().to_owned()));
        assert_eq!(home, Some((*root, (*place).to_owned())));
    }
    Kind { profile, site, naming, places, saves: Arc::new(saves), shares: false }
}
