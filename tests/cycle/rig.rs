//! Cards and a store in temporary folders, and a remote between them that counts calls and places faults.
#![allow(unreachable_pub)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use retrosync::apply::Card;
use retrosync::cycle::{self, CycleReport, Memory, Parts, Request, Settings};
use retrosync::daemon;
use retrosync::error::{Error, Kind, Result};
use retrosync::facts;
use retrosync::identity::Identity;
use retrosync::journal::{Entry, Journal};
use retrosync::naming::Naming;
use retrosync::pace::{Times, Trigger};
use retrosync::plan::ConflictPolicy;
use retrosync::playing::{Hooks, Signs, boot_ms};
use retrosync::profile::{self, Profile};
use retrosync::remote::{Folder, Remote, RemoteSettings, Sink, Source};
use retrosync::root::Root;
use retrosync::snapshot::{Place, RelativePath};
use retrosync::volume::{Os, Volume};
use retrosync::watch::{How, Sweeps};
use retrosync_protocol::{
    Changes, ChangesRequest, Code, Content, Digest, History, Problem, SaveId, StoreResult, Version,
    VersionId, WriterId,
};

/// What goes wrong between a device and the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Nothing answers.
    Offline,
    /// The store takes it, and the answer is lost.
    ReplyLost,
    /// This content cannot be brought.
    Content(&'static [u8]),
    /// The next store is refused so, once.
    WriterReused,
    UnknownParent,
    ServerFull,
}

type Before = Box<dyn FnOnce() + Send>;

/// What the test and the device's remote share.
struct Line {
    fault: Fault,
    calls: Vec<String>,
    before_store: Option<Before>,
    before_fetch: Option<Before>,
}

/// The store's folder, as a remote with faults.
struct Between {
    inner: Folder,
    line: Arc<Mutex<Line>>,
}

impl Between {
    fn call(&self, name: &str) -> Result<Fault> {
        let mut line = self.line.lock().unwrap();
        line.calls.push(name.to_owned());
        if line.fault == Fault::Offline {
            return Err(lost());
        }
        Ok(line.fault)
    }
}

fn lost() -> Error {
    Error::new(Kind::Offline, "cannot reach the store", "the test took it away")
}

impl Remote for Between {
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes> {
        self.call("list")?;
        self.inner.list(request)
    }

    fn fetch(&mut self, wanted: &[Content], sink: &mut Sink<'_>) -> Result<Vec<(Content, Error)>> {
        let fault = self.call("fetch")?;
        let before = self.line.lock().unwrap().before_fetch.take();
        before.into_iter().for_each(|act| act());
        let bad = if let Fault::Content(bytes) = fault { Some(Digest::of(bytes)) } else { None };
        let (out, wanted): (Vec<Content>, Vec<Content>) =
            wanted.iter().partition(|content| Some(content.digest) == bad);
        let mut missing = self.inner.fetch(&wanted, sink)?;
        missing.extend(out.into_iter().map(|content| {
            (content, Error::new(Kind::Damaged, "cannot bring a save", "its bytes are damaged in the store"))
        }));
        Ok(missing)
    }

    fn store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        let fault = self.call("store")?;
        let before = self.line.lock().unwrap().before_store.take();
        before.into_iter().for_each(|act| act());
        let code = match fault {
            Fault::WriterReused => Code::WriterReused,
            Fault::UnknownParent => Code::UnknownParent,
            Fault::ServerFull => Code::DiskFull,
            Fault::ReplyLost => {
                self.inner.store(offers, source)?;
                return Err(lost());
            }
            _ => return self.inner.store(offers, source),
        };
        self.line.lock().unwrap().fault = Fault::None;
        let refuse = |_: &Version| StoreResult::Refused { problem: Problem::new(code, "the test says so") };
        Ok(offers.iter().map(refuse).collect())
    }

    fn history(&mut self, save: &SaveId, before: Option<VersionId>) -> Result<History> {
        self.inner.history(save, before)
    }
}

/// A store, and the games that every card has.
pub struct Rig {
    store: tempfile::TempDir,
    titles: Vec<String>,
}

impl Rig {
    pub fn new(titles: &[&str]) -> Rig {
        let rig = Rig {
            store: tempfile::tempdir().unwrap(),
            titles: titles.iter().map(|title| (*title).to_owned()).collect(),
        };
        fs::create_dir(rig.dir()).unwrap();
        Folder::create(&rig.dir()).unwrap();
        rig
    }

    fn dir(&self) -> PathBuf {
        self.store.path().join("now")
    }

    /// An Onion card with the games and nothing played.
    pub fn device(&self) -> Device {
        let card = tempfile::tempdir().unwrap();
        let saves = card.path().join("Saves/CurrentProfile/saves/Gambatte");
        for folder in [&saves, &card.path().join("Saves/CurrentProfile/states"), &card.path().join("Roms/GB")]
        {
            fs::create_dir_all(folder).unwrap();
        }
        fs::create_dir_all(card.path().join(".tmp_update")).unwrap();
        for title in &self.titles {
            fs::write(card.path().join(format!("Roms/GB/{title}.gb")), "rom").unwrap();
        }
        Root::create(Arc::new(Os), card.path()).unwrap();
        Device::on("onion", card, self.dir())
    }

    /// A Knulli card with a PSP game, whose emulator keeps a folder for each save.
    pub fn psp(&self) -> Device {
        let card = tempfile::tempdir().unwrap();
        for folder in ["saves/psp/PSP/SAVEDATA", "roms/psp"] {
            fs::create_dir_all(card.path().join(folder)).unwrap();
        }
        fs::write(card.path().join("roms/psp/Patapon.iso"), "image").unwrap();
        Root::create(Arc::new(Os), card.path()).unwrap();
        Device::on("knulli", card, self.dir())
    }

    fn folder(&self) -> Folder {
        Folder::open(&self.dir(), &settings(None)).unwrap()
    }

    /// How many versions the store has of a save.
    pub fn versions(&self, save: &str) -> usize {
        self.folder().history(&save.parse().unwrap(), None).unwrap().versions.len()
    }

    /// The content of a save's only head.
    pub fn newest(&self, save: &str) -> Vec<u8> {
        let history = self.folder().history(&save.parse().unwrap(), None).unwrap();
        let heads: Vec<_> = history.versions.iter().filter(|version| version.head).collect();
        assert_eq!(heads.len(), 1, "{heads:?}");
        self.bytes(heads[0].record.content.unwrap())
    }

    /// The contents of all versions of a save.
    pub fn contents(&self, save: &str) -> Vec<Vec<u8>> {
        let history = self.folder().history(&save.parse().unwrap(), None).unwrap();
        history.versions.iter().filter_map(|v| v.record.content).map(|content| self.bytes(content)).collect()
    }

    fn bytes(&self, content: Content) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut sink = |_: &Content, payload: &mut dyn Read| {
            payload.read_to_end(&mut bytes).map(drop).map_err(|e| Error::io("cannot read", &e))
        };
        assert!(self.folder().fetch(&[content], &mut sink).unwrap().is_empty());
        bytes
    }

    /// Somebody deletes a save, as on the dashboard; the version that says so.
    pub fn deletes(&self, save: &str) -> VersionId {
        let save: SaveId = save.parse().unwrap();
        let mut folder = self.folder();
        let version = Version {
            parents: folder.history(&save, None).unwrap().heads,
            save,
            content: None,
            writer: WriterId::from_random(&[0xdd; 16]),
            sequence: 1,
            played: None,
            suspect: false,
            client: "test".into(),
            profile: String::new(),
            core: None,
            note: None,
        };
        folder.store(std::slice::from_ref(&version), &|_| Err(lost())).unwrap();
        version.id()
    }

    /// What the newest version of a save was made from.
    pub fn parents(&self, save: &str) -> Vec<VersionId> {
        self.folder().history(&save.parse().unwrap(), None).unwrap().versions[0].record.parents.clone()
    }

    /// Keeps the store as it is.
    pub fn back_up(&self) {
        copy(&self.dir(), &self.store.path().join("backup"));
    }

    /// Sets the store back as it is, epoch and all.
    pub fn set_back(&self) {
        fs::remove_dir_all(self.dir()).unwrap();
        copy(&self.store.path().join("backup"), &self.dir());
    }

    /// Does the store know of the save?
    pub fn has(&self, save: &str) -> bool {
        self.folder().history(&save.parse().unwrap(), None).is_ok()
    }

    /// Sets the store back, with another epoch as a restore draws it.
    pub fn restore(&self) {
        self.set_back();
        let fresh = tempfile::tempdir().unwrap();
        Folder::create(fresh.path()).unwrap();
        let marks = find(fresh.path(), "store.json");
        let ours = find(&self.dir(), "store.json");
        fs::copy(marks, ours).unwrap();
    }
}

fn find(below: &Path, name: &str) -> PathBuf {
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(std::result::Result::unwrap) {
            if entry.file_name() == name {
                return entry.path();
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no {name} below {}", below.display())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(std::result::Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn settings(writer: Option<WriterId>) -> RemoteSettings {
    RemoteSettings { device_name: "test".into(), writer, client: "test".into(), ..RemoteSettings::default() }
}

fn known(name: &str) -> Profile {
    profile::built_in().into_iter().find(|profile| profile.name == name).unwrap()
}

/// One handheld: its card, and the daemon's parts over it.
pub struct Device {
    profile: &'static str,
    card: tempfile::TempDir,
    store: PathBuf,
    line: Arc<Mutex<Line>>,
    parts: Option<Parts>,
}

/// An emulator that does nothing but run.
pub struct Emulator(Child);

impl Emulator {
    pub fn ends(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Device {
    fn on(profile: &'static str, card: tempfile::TempDir, store: PathBuf) -> Device {
        let line = Line { fault: Fault::None, calls: Vec::new(), before_store: None, before_fetch: None };
        let mut device = Device { profile, card, store, line: Arc::new(Mutex::new(line)), parts: None };
        device.reopen();
        device
    }

    /// The program starts anew on the same card.
    pub fn restarted(self) -> Device {
        Device::on(self.profile, self.card, self.store)
    }

    /// The same, in place.
    pub fn reopen(&mut self) {
        self.reopen_on(Arc::new(Os));
    }

    /// The same on a card that does more than a card does.
    pub fn reopen_on(&mut self, volume: Arc<dyn Volume>) {
        self.parts = None;
        let profile = known(self.profile);
        let site = facts::locate(&profile, Path::new("/"), Some(self.card.path())).unwrap();
        let root = Root::open(Arc::clone(&volume), self.card.path()).unwrap();
        let (identity, _) = Identity::open(Arc::clone(&volume), &root.state_dir(), "").unwrap();
        let (journal, problems) = Journal::open(Arc::clone(&volume), &root.state_dir()).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let writer = Some(identity.writer().clone());
        let inner = Folder::open(&self.store, &settings(writer)).unwrap();
        let (games, _) = facts::games(&*volume, &profile, &site);
        self.parts = Some(Parts {
            naming: Naming::new(&profile, &site, games),
            profile,
            site,
            cards: vec![Card { root, disk: None }],
            identity,
            journal,
            remote: Box::new(Between { inner, line: Arc::clone(&self.line) }),
            signs: Signs { flag_files: vec![self.flag()], ..Signs::default() },
            settings: Settings {
                conflict: ConflictPolicy::Ask,
                fresh_save_s: 0,
                leave_out: Default::default(),
                rests_while_playing: false,
                accept_mass_change: false,
                needs_route: false,
                client: "retrosync/test".into(),
            },
            memory: Memory::new(Arc::clone(&volume)),
            volume,
        });
    }

    /// `retrosync run` in a thread that never ends; what is left to the test is the card and the line.
    pub fn runs(mut self) -> Running {
        let mut parts = self.parts.take().unwrap();
        let writer = Some(parts.identity.writer().clone());
        let inner = Folder::open(&self.store, &settings(writer)).unwrap();
        let line = Line { fault: Fault::None, calls: Vec::new(), before_store: None, before_fetch: None };
        let news = Arc::new(Mutex::new(line));
        let reports = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&reports);
        let polled = Arc::clone(&news);
        thread::spawn(move || {
            let setup = daemon::Setup {
                watch: How::Auto,
                sweeps: Sweeps::default(),
                times: Times { settle_ms: 100, retry_first_ms: 100, look_ms: 200, ..Times::default() },
                news: Some(Box::new(Between { inner, line: polled })),
                wait_s: 20,
                door: None,
            };
            daemon::run(&mut parts, setup, |_, report| told.lock().unwrap().push(report.clone())).unwrap();
        });
        Running { device: self, news, reports }
    }

    fn parts(&mut self) -> &mut Parts {
        self.parts.as_mut().unwrap()
    }

    pub fn card(&self) -> &Path {
        self.card.path()
    }

    fn relative(title: &str) -> String {
        format!("Saves/CurrentProfile/saves/Gambatte/{title}.srm")
    }

    pub fn path(&self, title: &str) -> PathBuf {
        self.card.path().join(Device::relative(title))
    }

    pub fn rom(&self, title: &str) -> PathBuf {
        self.card.path().join(format!("Roms/GB/{title}.gb"))
    }

    pub fn removes_game(&self, title: &str) {
        fs::remove_file(self.rom(title)).unwrap();
    }

    pub fn accepts_mass_changes(&mut self, accepts: bool) {
        self.parts.as_mut().unwrap().settings.accept_mass_change = accepts;
    }

    pub fn flag(&self) -> PathBuf {
        self.card.path().join("a game runs")
    }

    /// The emulator writes a save.
    pub fn plays(&self, title: &str, bytes: &[u8]) {
        fs::write(self.path(title), bytes).unwrap();
    }

    /// The same within the grain of a FAT card's times.
    pub fn plays_without_a_trace(&self, title: &str, bytes: &[u8]) {
        let file = fs::OpenOptions::new().write(true).open(self.path(title)).unwrap();
        let then = file.metadata().unwrap().modified().unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
        file.set_modified(then).unwrap();
    }

    /// An event names the save's file.
    pub fn names(&mut self, title: &str) {
        let place = Place { root: 0, path: RelativePath::new(&Device::relative(title)).unwrap() };
        self.parts().memory.name(place, boot_ms());
    }

    pub fn save(&self, title: &str) -> Vec<u8> {
        fs::read(self.path(title)).unwrap()
    }

    /// What the attic holds, newest first.
    pub fn attic(&mut self) -> Vec<Vec<u8>> {
        let attic = self.parts().cards[0].disk.as_ref().unwrap().attic();
        let read = |number| {
            let mut bytes = Vec::new();
            attic.read(number).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        attic.list(None).iter().map(|entry| read(entry.number)).collect()
    }

    pub fn starts_a_game(&self) {
        fs::write(self.flag(), "").unwrap();
    }

    pub fn ends_the_game(&self) {
        fs::remove_file(self.flag()).unwrap();
    }

    /// An emulator that none of the signs tells.
    pub fn starts_an_unseen_game(&self, title: &str) -> Emulator {
        // Not in the tick in which its save was put in place: of that nobody can tell what it loaded.
        let placed_at = boot_ms();
        wait_for("the clock of process starts", || boot_ms() > placed_at + 40);
        let mut command = Command::new("cat");
        command.arg("-").arg(self.rom(title)).stdin(Stdio::piped()).stdout(Stdio::null());
        Emulator(command.spawn().unwrap())
    }

    /// What the firmware's hooks say.
    pub fn hooks(&mut self) -> Hooks {
        self.parts().memory.hooks.clone()
    }

    /// From here on a game's path in a command line tells.
    pub fn sees_all_games(&mut self) {
        let games = self.card.path().join(if self.profile == "onion" { "Roms" } else { "roms" });
        self.parts().signs.game_folders.push(games);
    }

    pub fn fresh_save_s(&mut self, seconds: u64) {
        self.parts().settings.fresh_save_s = seconds;
    }

    /// What pairing does to what the device knows.
    pub fn is_paired_again(&mut self) {
        let journal = &mut self.parts().journal;
        journal.record(Entry::Distrusted).unwrap();
        journal.sync().unwrap();
    }

    pub fn writer(&mut self) -> WriterId {
        self.parts().identity.writer().clone()
    }

    pub fn fault(&self, fault: Fault) {
        self.line.lock().unwrap().fault = fault;
    }

    pub fn before_store(&self, act: impl FnOnce() + Send + 'static) {
        self.line.lock().unwrap().before_store = Some(Box::new(act));
    }

    pub fn before_fetch(&self, act: impl FnOnce() + Send + 'static) {
        self.line.lock().unwrap().before_fetch = Some(Box::new(act));
    }

    /// What was asked of the store.
    pub fn calls(&self) -> Vec<String> {
        self.line.lock().unwrap().calls.clone()
    }

    pub fn forget_calls(&self) {
        self.line.lock().unwrap().calls.clear();
    }

    /// A cycle as `retrosync once` runs it.
    pub fn cycle(&mut self) -> CycleReport {
        self.run(Trigger::Full)
    }

    pub fn run(&mut self, trigger: Trigger) -> CycleReport {
        cycle::run(self.parts(), Request::new(trigger))
    }

    /// A cycle for a game that waits for its saves.
    pub fn run_for_game(&mut self, title: &str) -> CycleReport {
        cycle::run(self.parts(), Request { awaited_by: Some(title.into()), ..Request::new(Trigger::Retry) })
    }

    /// The user's setting.
    pub fn leaves_out(&mut self, words: &str) {
        self.parts().settings.leave_out = retrosync::selection::Selection::parse(words);
    }

    /// A cycle while a long poll listens.
    pub fn run_current(&mut self, trigger: Trigger) -> CycleReport {
        cycle::run(self.parts(), Request { current: true, ..Request::new(trigger) })
    }

    /// Every file on the card, with what it holds and its time.
    pub fn files(&self) -> Vec<(PathBuf, Digest, SystemTime)> {
        let mut files = Vec::new();
        let mut folders = vec![self.card.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(std::result::Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let modified = entry.metadata().unwrap().modified().unwrap();
                    files.push((path.clone(), Digest::of(&fs::read(path).unwrap()), modified));
                }
            }
        }
        files.sort();
        files
    }
}

/// A handheld whose daemon runs.
pub struct Running {
    pub device: Device,
    news: Arc<Mutex<Line>>,
    reports: Arc<Mutex<Vec<CycleReport>>>,
}

impl Running {
    /// Waits until the save has these bytes.
    pub fn awaits(&self, title: &str, bytes: &[u8]) {
        wait_for(&format!("{title} is {:?}", String::from_utf8_lossy(bytes)), || {
            fs::read(self.device.path(title)).is_ok_and(|now| now == bytes)
        });
    }

    /// Takes the network away, or gives it back.
    pub fn fault(&self, fault: Fault) {
        self.device.fault(fault);
        self.news.lock().unwrap().fault = fault;
    }

    /// How often the long poll asked.
    pub fn polls(&self) -> usize {
        self.news.lock().unwrap().calls.len()
    }

    /// Every cycle so far.
    pub fn reports(&self) -> Vec<CycleReport> {
        self.reports.lock().unwrap().clone()
    }
}

/// Waits for a condition, with a deadline that only a hang meets.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
