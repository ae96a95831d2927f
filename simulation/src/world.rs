//! Devices, a server and what happens to them: one event after the other, judged after each.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use retrosync::apply::Deed;
use retrosync::choice::{self, Keep, Wish};
use retrosync::cycle::{CycleReport, Request};
use retrosync::pace::Trigger;
use retrosync::remote::Remote as _;
use retrosync::volume::Volume as _;
use retrosync_protocol::{ChangesRequest, Digest, Hasher, HistoryEntry, SaveId, VersionId};

use crate::bug::Bug;
use crate::coverage::Coverage;
use crate::device::{Device, Kind};
use crate::dice::Dice;
use crate::fat::Fat;
use crate::handheld::{Chance, Everything, Sure};
use crate::judge::held_by;
use crate::ledger::Ledger;
use crate::link::{Link, Meanwhile, Weather};
use crate::server::{Backup, Server, name};
use crate::shelf::Shelf;
use crate::story::{Act, Event, Mishap, SAVES};
use crate::truth::Truth;

mod actors;

/// How often a start is tried whose card fails.
const STARTS: usize = 4;
/// The size of each save; the third, a state, changes its size.
const SIZE_BYTES: [usize; SAVES] = [1_100, 600, 700];

/// What was deleted from a card, by hand or because it was deleted on the dashboard, and not played since.
type Deleted = [Option<Digest>; SAVES];

/// See the module.
pub struct World {
    pub(crate) kind: Arc<Kind>,
    pub(crate) server: Arc<Mutex<Server>>,
    pub(crate) devices: Vec<Device>,
    pub(crate) truth: Truth,
    /// What the server holds.
    pub(crate) ledger: Ledger,
    /// What each device's card holds.
    pub(crate) shelves: Vec<Shelf>,
    /// What every step left behind: equal for equal seeds.
    pub(crate) trace: Hasher,
    /// A card was copied or set back, or the server was: a number may come twice.
    pub(crate) copied: bool,
    /// What is on cards that lie in a drawer.
    pub(crate) drawer: BTreeSet<Digest>,
    /// What daemons were told is stored, since the last judgement: the save's number and the content.
    pub(crate) told: Vec<(SaveId, Digest)>,
    /// Without dice: does what was not synced reach the card when the power goes?
    pub(crate) luck: Option<bool>,
    /// How many events there were.
    pub(crate) events: usize,
    /// What was tried.
    pub(crate) coverage: Coverage,
    /// What each cycle did and asked, if anybody listens.
    pub(crate) said: Option<String>,
    /// What a look found to be broken.
    pub(crate) broken: Option<String>,
    /// By the device that the card is in.
    deleted: Vec<Deleted>,
    images: Vec<Option<(Fat, Deleted)>>,
    backup: Option<Backup>,
    dice: Dice,
    bug: Option<Bug>,
}

impl World {
    /// A world before its first event.
    pub fn new(kind: &Arc<Kind>, devices: usize, seed: u64, bug: Option<Bug>) -> World {
        let server = if kind.shares { Server::folder() } else { Server::new() };
        let server = Arc::new(Mutex::new(server));
        let mut dice = Dice::new(seed ^ 0x0077_0077);
        let devices: Vec<Device> =
            (0..devices).map(|number| Device::new(number, kind, &server, bug, dice.throw())).collect();
        let mut world = World {
            kind: Arc::clone(kind),
            server,
            truth: Truth::default(),
            ledger: Ledger::default(),
            shelves: devices.iter().map(|_| Shelf::default()).collect(),
            trace: Hasher::default(),
            copied: false,
            drawer: BTreeSet::new(),
            told: Vec::new(),
            luck: None,
            events: 0,
            coverage: Coverage::default(),
            said: None,
            broken: None,
            deleted: vec![Deleted::default(); devices.len()],
            images: devices.iter().map(|_| None).collect(),
            backup: None,
            dice,
            bug,
            devices,
        };
        // Some devices can be told from others, some cannot.
        for device in 0..world.devices.len() {
            if world.dice.one_in(2) {
                world.devices[device].hardware = format!("serial:{device}");
            }
            world.start(device);
        }
        world
    }

    /// Something happens.
    ///
    /// # Errors
    /// What of the promises it broke.
    pub fn step(&mut self, event: &Event) -> Result<(), String> {
        self.copied |= matches!(
            event,
            Event::ClonesCard { .. }
                | Event::PutsImage { .. }
                | Event::ForgetsJournal { .. }
                | Event::RestoresServer
                | Event::SwapsCards { .. }
        );
        self.events += 1;
        self.happen(event);
        self.take_in();
        self.judge(event)
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Waits { seconds } => self.pass(seconds),
            Event::Starts { device, save, is_seen } => {
                let mut handheld = self.devices[device].handheld.get();
                if handheld.game.is_none() {
                    handheld.start_game(save);
                    handheld.game.iter_mut().for_each(|game| game.is_seen = is_seen);
                }
            }
            Event::Saves { device, truncates } => self.saves(device, truncates),
            Event::Exits { device, saves, truncates } => {
                if saves {
                    self.saves(device, truncates);
                }
                self.devices[device].handheld.get().game = None;
            }
            Event::Cycle { device, trigger, fault, meanwhile, mishap } => {
                let meanwhile = meanwhile.map(|(call, act, save)| (call, self.meanwhile(act, save)));
                *self.devices[device].weather.lock().unwrap() =
                    Weather { fault, meanwhile, ..self.calm(device) };
                self.cycle(device, trigger, mishap);
                *self.devices[device].weather.lock().unwrap() = self.calm(device);
            }
            Event::Polls { device } => self.polls(device),
            Event::Restarts { device } => self.start(device),
            Event::PowerGoes { device } => self.power_goes(device),
            Event::Deletes { device, save } => self.deletes(device, save),
            Event::Retires { save } => {
                let tombstone = self.server.lock().unwrap().choose(&self.kind.saves[save], None);
                self.truth.retired.extend(tombstone.map(|tombstone| (tombstone, BTreeSet::new())));
            }
            Event::Restores { save, nth } => {
                let server = self.server.lock().unwrap();
                let history = server.history(&self.kind.saves[save]);
                let mut with_bytes = history.iter().filter(|entry| entry.record.content.is_some());
                if let Some(entry) = with_bytes.nth(nth) {
                    server.choose(&self.kind.saves[save], Some(entry.version));
                }
            }
            Event::Resolves { device, save, this } => {
                let keep = if this { Keep::This } else { Keep::Other };
                let wish =
                    Wish::Resolve { save: self.kind.saves[save].clone(), keep, note: Some("choice".into()) };
                self.about_to_sync(device);
                self.devices[device].with_parts(|parts| choice::carry_out(parts, &wish).is_ok());
            }
            Event::RestoresKept { device, save, nth } => self.restores_kept(device, save, nth),
            Event::ClonesCard { from, to } if from != to => {
                let copy = self.devices[from].handheld.get().fat.crash(&mut Everything);
                let (old, _) = self.swap(to, (copy, self.deleted[from]));
                self.drawer.extend(held_by(&old));
            }
            Event::KeepsImage { device } => {
                let copy = self.devices[device].handheld.get().fat.crash(&mut Everything);
                self.images[device] = Some((copy, self.deleted[device]));
            }
            Event::PutsImage { device } => {
                if let Some((image, deleted)) = self.images[device].clone() {
                    self.swap(device, (image.crash(&mut Everything), deleted));
                    // What was on the card only is gone by the player's own hand.
                    self.forget_what_is_gone();
                }
            }
            Event::ForgetsJournal { device } => {
                self.devices[device].stop();
                let fat = self.devices[device].handheld.get().fat.clone();
                for number in [0, 1] {
                    let _ = fat.remove(format!("/card/.retrosync/journal.{number}").as_ref());
                }
                fat.settle();
                if let Some(game) = &mut self.devices[device].handheld.get().game {
                    game.is_noted = false;
                }
                self.start(device);
            }
            Event::BacksUp => self.backup = Some(self.server.lock().unwrap().back_up()),
            Event::RestoresServer => self.restores_server(),
            Event::ClonesCard { .. } => {}
            _ => self.act(event),
        }
    }

    /// The weather of a device when nothing goes wrong; what was noted is kept.
    fn calm(&self, device: usize) -> Weather {
        let weather = self.devices[device].weather.lock().unwrap().clone();
        Weather { fault: None, meanwhile: None, calls: 0, stores: 0, ..weather }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.server.lock().unwrap().now_ms += seconds * 1_000;
        for device in &self.devices {
            let mut handheld = device.handheld.get();
            handheld.clock_ms += seconds * 1_000;
            handheld.game.iter_mut().for_each(|game| game.is_seen = true);
        }
        self.tell_time();
    }

    fn bytes_for(&mut self, save: usize) -> Vec<u8> {
        let more = if save == 2 { 512 * self.dice.below(3) } else { 0 };
        self.truth.fresh_bytes(SIZE_BYTES[save] + more)
    }

    fn saves(&mut self, device: usize, truncates: bool) {
        let Some(save) = self.devices[device].handheld.get().game.as_ref().map(|game| game.save) else {
            return;
        };
        let bytes = self.bytes_for(save);
        // The card takes it unless its power is off, which it is not between events.
        let _ = self.devices[device].handheld.get().write_save(&bytes, truncates);
        if !self.dice.one_in(4) {
            self.devices[device].names(save);
        }
    }

    fn meanwhile(&mut self, act: Act, save: usize) -> Meanwhile {
        match act {
            Act::Starts => Meanwhile::Starts { save },
            Act::Plays => Meanwhile::Plays { save, bytes: self.bytes_for(save) },
            Act::Restores => Meanwhile::Restores { save },
        }
    }

    /// What lies on a card when its daemon begins to work is that daemon's to keep.
    fn about_to_sync(&mut self, device: usize) {
        let mut handheld = self.devices[device].handheld.get();
        for save in 0..SAVES {
            if let Some(digest) = handheld.digest_on_card(save) {
                self.truth.keep(digest, save);
            }
        }
    }

    fn cycle(&mut self, device: usize, trigger: Trigger, mishap: Option<Mishap>) {
        if !self.devices[device].is_up() {
            self.start(device);
        }
        self.about_to_sync(device);
        self.tell_time();
        let fat = self.devices[device].handheld.get().fat.clone();
        match mishap {
            Some(Mishap::PowerGoes(at) | Mishap::Killed(at)) => fat.cut_at(at),
            Some(Mishap::CallFails(at)) => fat.fail_at(at, std::io::ErrorKind::Other),
            None => {}
        }
        if self.bug == Some(Bug::DeletesOnAbsence) {
            self.delete_what_is_absent(device);
        }
        let of = &mut self.devices[device];
        let mut request = Request::new(trigger);
        (request.news, request.current) = (of.news.take(), of.current);
        let report = of.cycle(request);
        of.current = report.as_ref().is_some_and(|report| report.failed.is_none());
        self.count(device, report.as_ref(), mishap);
        self.say(device, report.as_ref());
        if let Some(report) = report {
            self.trace.update(format!("{:?}{:?}", report.deeds, report.questions).as_bytes());
        }
        fat.cut_at(usize::MAX);
        fat.fail_at(usize::MAX / 2, std::io::ErrorKind::Other);
        if mishap.is_none() {
            self.notes_launches(device);
        }
        if fat.is_off() {
            match mishap {
                Some(Mishap::Killed(_)) => self.killed(device),
                _ => self.power_goes(device),
            }
        }
    }

    /// A cycle that ended well: what the daemon knows of the running game is on its card.
    fn notes_launches(&self, device: usize) {
        if let Some(game) = &mut self.devices[device].handheld.get().game {
            game.is_noted |= game.is_known;
        }
    }

    /// Which steps met which fault.
    fn count(&mut self, device: usize, report: Option<&CycleReport>, mishap: Option<Mishap>) {
        let (fat, weather) = {
            let of = &self.devices[device];
            (of.handheld.get().fat.clone(), of.weather.lock().unwrap().clone())
        };
        let mut faults = Vec::new();
        faults.extend(
            weather.fault.filter(|(at, _)| *at < weather.calls).map(|(_, fault)| format!("{fault:?}")),
        );
        let came = mishap.filter(|mishap| match mishap {
            Mishap::CallFails(_) => fat.has_failed(),
            _ => fat.is_off(),
        });
        faults.extend(came.map(|mishap| format!("{mishap:?}")));
        if faults.is_empty() {
            faults.push("none".into());
        }
        let mut steps: Vec<&str> = report.iter().flat_map(|report| &report.deeds).map(kind).collect();
        if steps.is_empty() {
            steps.push("looked");
        }
        for step in &steps {
            faults.iter().for_each(|fault| self.coverage.count(step, fault));
        }
    }

    /// What the bug does that deletes on absence.
    fn delete_what_is_absent(&mut self, device: usize) {
        let saves = Arc::clone(&self.kind.saves);
        for (save, id) in saves.iter().enumerate() {
            let is_absent = self.devices[device].handheld.get().on_card(save).is_none();
            let is_known = self.devices[device]
                .parts()
                .and_then(|parts| parts.journal.base().saves.get(id).map(|entry| entry.content.is_some()));
            if is_absent && is_known == Some(true) {
                self.server.lock().unwrap().choose(id, None);
            }
        }
    }

    fn polls(&mut self, device: usize) {
        let of = &mut self.devices[device];
        let (handheld, weather) = (of.handheld.clone(), Arc::clone(&of.weather));
        // A folder is looked at, not listened to.
        let is_folder = self.server.lock().unwrap().share().is_some();
        let Some(parts) = of.parts().filter(|_| !is_folder) else { return };
        let base = parts.journal.base();
        let request =
            ChangesRequest { since: base.cursor, epoch: base.epoch.clone(), ..ChangesRequest::default() };
        let (server, saves) = (Arc::clone(&self.server), Arc::clone(&self.kind.saves));
        let mut link = Link { device, server, handheld, weather, saves };
        if let (true, Ok(changes)) = (of.current, link.list(&request)) {
            of.news = Some((request.since, changes));
        }
    }

    /// The daemon starts; a card that fails meanwhile is started on again.
    pub(crate) fn start(&mut self, device: usize) {
        // What a daemon knew of a running game's start is gone with it, unless it had the time to note it.
        if let Some(game) = &mut self.devices[device].handheld.get().game {
            game.is_forgotten |= game.was_replaced && !game.is_noted;
        }
        for _ in 0..STARTS {
            if self.devices[device].start().is_ok() {
                return;
            }
        }
    }

    /// The power goes: what is not written may be lost, and comes back as it is. Sometimes it goes again meanwhile.
    fn power_goes(&mut self, device: usize) {
        loop {
            self.devices[device].stop();
            let is_again = self.luck.is_none() && self.dice.one_in(4);
            let again = is_again.then(|| self.dice.below(12));
            {
                let mut handheld = self.devices[device].handheld.get();
                let fat = match self.luck {
                    Some(reaches) => handheld.fat.crash(&mut Sure(reaches)),
                    None => handheld.fat.crash(&mut Chance(&mut self.dice)),
                };
                handheld.fat = fat;
                handheld.boots();
                if let Some(at) = again {
                    handheld.fat.cut_at(at);
                }
            }
            self.start(device);
            let fat = self.devices[device].handheld.get().fat.clone();
            fat.cut_at(usize::MAX);
            if !fat.is_off() {
                return;
            }
        }
    }

    /// The daemon is killed, and starts again; the game, if one runs, goes on.
    fn killed(&mut self, device: usize) {
        self.devices[device].stop();
        {
            let mut handheld = self.devices[device].handheld.get();
            handheld.fat = handheld.fat.crash(&mut Everything);
        }
        self.start(device);
    }

    fn deletes(&mut self, device: usize, save: usize) {
        let path = self.devices[device].handheld.get().paths[save].clone();
        let mut handheld = self.devices[device].handheld.get();
        let Some(digest) = handheld.digest_on_card(save) else { return };
        let _ = handheld.fat.remove(&path);
        handheld.fat.settle();
        drop(handheld);
        self.deleted[device][save] = Some(digest);
        self.forget_if_gone(digest);
    }

    fn restores_kept(&mut self, device: usize, save: usize, nth: usize) {
        let save = self.kind.saves[save].clone();
        let kept = self.devices[device].parts().and_then(|parts| {
            let entries = parts.cards[0].disk.as_ref()?.attic().list(Some(&save));
            entries.get(nth).cloned()
        });
        if let Some(entry) = kept {
            self.about_to_sync(device);
            self.truth.chosen.insert(entry.content.digest);
            let wish = Wish::RestoreKept { save, root: 0, number: entry.number };
            self.devices[device].with_parts(|parts| choice::carry_out(parts, &wish).is_ok());
        }
    }

    /// Another card in the slot; the one that was in it.
    fn swap(&mut self, device: usize, (card, deleted): (Fat, Deleted)) -> (Fat, Deleted) {
        self.devices[device].stop();
        let old = {
            let mut handheld = self.devices[device].handheld.get();
            handheld.boots();
            std::mem::replace(&mut handheld.fat, card)
        };
        self.server.lock().unwrap().forgets_token(device);
        let old = (old, std::mem::replace(&mut self.deleted[device], deleted));
        self.start(device);
        old
    }

    fn restores_server(&mut self) {
        let Some(backup) = &self.backup else { return };
        let mut server = self.server.lock().unwrap();
        server.restore(backup, self.bug != Some(Bug::RestoresWithoutEpoch));
        drop(server);
        self.ledger.begin_anew();
        self.look();
        self.truth.acknowledged.retain(|(save, digest)| self.ledger.has(*save, digest));
        // What only the server had is gone with its disk.
        self.forget_what_is_gone();
    }

    /// Takes in what emulators wrote and what daemons were told.
    fn take_in(&mut self) {
        for device in 0..self.devices.len() {
            let written = std::mem::take(&mut self.devices[device].handheld.get().written);
            for write in written {
                let deleted = self.deleted[device][write.save].take();
                self.truth.saw(write.digest, write.saw);
                if !write.could_be_known {
                    self.truth.chosen.insert(write.digest);
                }
                self.truth.saw(write.digest, deleted);
                if let Some(over) = write.over.filter(|over| *over != write.digest) {
                    // Its own game wrote over it before anybody could have it.
                    self.forget_if_gone(over);
                }
            }
            let taken = std::mem::take(&mut self.devices[device].handheld.get().taken);
            for (save, digest) in taken.into_iter().enumerate().filter(|(_, digest)| digest.is_some()) {
                self.deleted[device][save] = digest;
            }
            let told = std::mem::take(&mut self.devices[device].weather.lock().unwrap().told);
            self.told.extend(told);
        }
    }

    fn forget_if_gone(&mut self, digest: Digest) {
        if self.truth.is_kept(&digest) {
            self.look();
            if !self.is_held(&digest) {
                self.truth.forget(&digest);
            }
        }
    }

    fn forget_what_is_gone(&mut self) {
        self.look();
        let World { truth, ledger, shelves, drawer, .. } = self;
        truth.forget_all_but(|digest| {
            ledger.holds(digest) || drawer.contains(digest) || shelves.iter().any(|shelf| shelf.holds(digest))
        });
    }

    /// What lies in the saves' places and what the server has as heads, in a story's words.
    pub(crate) fn told(&mut self) -> String {
        self.look();
        let mut text = self.said.as_mut().map(std::mem::take).unwrap_or_default();
        let called = |digest: Option<Digest>| digest.map_or("-".into(), |digest| self.truth.name(&digest));
        for (device, shelf) in self.shelves.iter().enumerate() {
            let saves: Vec<String> = (0..SAVES).map(|save| called(shelf.save(save))).collect();
            let _ = writeln!(text, "      {}: {}", name(device), saves.join(" | "));
        }
        let heads = (0..SAVES).map(|save| {
            let heads = self.ledger.of(save).of_heads().into_iter().map(called);
            heads.collect::<Vec<_>>().join(" + ")
        });
        let _ = writeln!(text, "      server: {}", heads.collect::<Vec<_>>().join(" | "));
        text
    }

    /// All versions, the oldest first, each with its parents.
    pub(crate) fn versions_told(&self) -> String {
        let mut text = String::new();
        for save in self.kind.saves.iter() {
            for HistoryEntry { version, record, device_name, .. } in
                self.server.lock().unwrap().history(save).iter().rev()
            {
                let short = |version: &VersionId| version.to_string()[..6].to_owned();
                let content = record.content.map_or("deleted".into(), |c| self.truth.name(&c.digest));
                let parents: Vec<String> = record.parents.iter().map(short).collect();
                let is = if record.suspect { ", suspect" } else { "" };
                let (version, parents) = (short(version), parents.join(" "));
                let _ =
                    writeln!(text, "      {save} {version}: {content} by {device_name} over [{parents}]{is}");
            }
        }
        text
    }

    /// One cycle in which nothing goes wrong.
    pub(crate) fn calm_cycle(&mut self, device: usize, trigger: Trigger) -> Option<CycleReport> {
        if !self.devices[device].is_up() {
            self.start(device);
        }
        self.about_to_sync(device);
        *self.devices[device].weather.lock().unwrap() = self.calm(device);
        self.devices[device].handheld.get().changes = 0;
        let report = self.devices[device].cycle(Request::new(trigger));
        self.take_in();
        self.say(device, report.as_ref());
        report
    }

    fn say(&mut self, device: usize, report: Option<&CycleReport>) {
        let (Some(said), Some(report)) = (&mut self.said, report) else { return };
        let CycleReport { deeds, questions, waiting, failed, .. } = report;
        if !(deeds.is_empty() && questions.is_empty() && waiting.is_empty() && failed.is_none()) {
            let name = name(device);
            let _ = writeln!(said, "      {name}: {deeds:?} asks {questions:?} waits {waiting:?} {failed:?}");
        }
    }
}

/// What a step did, in a word.
fn kind(deed: &Deed) -> &'static str {
    match deed {
        Deed::Stored { branch: false, .. } => "stored",
        Deed::Stored { .. } => "branched",
        Deed::SetAside { .. } => "set aside",
        Deed::Placed { .. } => "placed",
        Deed::Retired { .. } => "retired",
        Deed::Chosen { .. } => "chosen",
    }
}
