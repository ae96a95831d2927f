//! Devices, a server and what happens to them: one event after the other, judged after each.

use std::collections::BTreeSet;
use std::hash::DefaultHasher;
use std::sync::Arc;

use retrosync::attic::Reason;
use retrosync::choice::{self, Keep, Wish};
use retrosync::disk::Disk;
use retrosync::volume::Volume as _;
use retrosync_protocol::{Digest, SaveId};

use crate::bug::Bug;
use crate::coverage::Coverage;
use crate::device::{Device, Kind};
use crate::dice::Dice;
use crate::fat::{Alone, Fat};
use crate::handheld::Everything;
use crate::judge::held_by;
use crate::ledger::Ledger;
use crate::link::{Meanwhile, Weather};
use crate::server::{Backup, Server};
use crate::shelf::Shelf;
use crate::story::{Act, Event, SAVES};
use crate::truth::Truth;

mod actors;
mod cycles;
mod told;
mod waiting;

/// The size of each save; the third, a state, changes its size.
const SIZE_BYTES: [usize; SAVES] = [1_100, 600, 700];

/// What was deleted from a card, by hand or because it was deleted on the dashboard, and not played since.
pub(crate) type Deleted = [Option<Digest>; SAVES];

/// See the module.
pub struct World {
    pub(crate) kind: Arc<Kind>,
    pub(crate) server: Arc<Alone<Server>>,
    pub(crate) devices: Vec<Device>,
    pub(crate) truth: Truth,
    /// What the server holds.
    pub(crate) ledger: Ledger,
    /// What each device's card holds.
    pub(crate) shelves: Vec<Shelf>,
    /// What every step left behind: equal for equal seeds.
    pub(crate) trace: DefaultHasher,
    /// A card was copied or set back, or the server was: a number may come twice.
    pub(crate) copied: bool,
    /// What is on cards that lie in a drawer.
    pub(crate) drawer: BTreeSet<Digest>,
    /// What daemons were told is stored, since the last judgement: the save's number and the content.
    pub(crate) told: Vec<(SaveId, Digest)>,
    /// Without dice: does what was not synced reach the card when the power goes?
    pub(crate) luck: Option<bool>,
    /// Events and faults that may have made a head of their own: a game that nobody sees, a crash, a person, a card that was copied.
    pub(crate) forks: usize,
    /// How many events there were.
    pub(crate) events: usize,
    /// What was tried.
    pub(crate) coverage: Coverage,
    /// What each cycle did and asked, if anybody listens.
    pub(crate) said: Option<String>,
    /// What a look found to be broken.
    pub(crate) broken: Option<String>,
    /// In the end daemons wait by themselves, with this chance; else they are given their cycles.
    pub(crate) waits: Option<Dice>,
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
        Bug::plant(bug);
        let server = if kind.shares { Server::folder() } else { Server::new() };
        let server = Arc::new(Alone::new(server));
        let mut dice = Dice::new(seed ^ 0x0077_0077);
        let devices: Vec<Device> =
            (0..devices).map(|number| Device::new(number, kind, &server, bug, dice.throw())).collect();
        let mut world = World {
            kind: Arc::clone(kind),
            server,
            truth: Truth::default(),
            ledger: Ledger::default(),
            shelves: devices.iter().map(|_| Shelf::default()).collect(),
            trace: DefaultHasher::new(),
            copied: false,
            drawer: BTreeSet::new(),
            told: Vec::new(),
            luck: None,
            forks: 0,
            events: 0,
            coverage: Coverage::default(),
            said: None,
            broken: None,
            waits: waiting::chance(seed),
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
                | Event::SetsServerBack
                | Event::SwapsCards { .. }
        );
        self.events += 1;
        self.forks += usize::from(self.copied || forks(event));
        let away = self.offline(event);
        self.happen(event);
        self.take_in();
        self.judge()?;
        self.judge_replaced(Some(event))?;
        self.judge_offline(&away)
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
                let calm = self.calm(device);
                // What struck nothing so far waits for a call that it can befall.
                let fault = fault.or(calm.fault);
                *self.devices[device].weather.get() = Weather { fault, meanwhile, ..calm };
                self.cycle(device, trigger, mishap);
                *self.devices[device].weather.get() = self.calm(device);
            }
            Event::Polls { device } => self.polls(device),
            Event::Restarts { device } => self.start(device),
            Event::PowerGoes { device } => self.power_goes(device),
            Event::Deletes { device, save } => self.deletes(device, save),
            Event::Retires { save } => {
                let tombstone = self.server.get().choose(&self.kind.saves[save], None);
                self.truth.retired.extend(tombstone.map(|tombstone| (tombstone, BTreeSet::new())));
            }
            Event::Restores { save, nth } => {
                let server = self.server.get();
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
            Event::BacksUp => self.backup = Some(self.server.get().back_up()),
            Event::RestoresServer => self.restores_server(self.bug != Some(Bug::KnowsNoLandmarks)),
            Event::SetsServerBack => self.restores_server(false),
            Event::ClonesCard { .. } => {}
            _ => self.act(event),
        }
    }

    /// What was deleted from each card and not played since.
    pub(crate) fn deleted(&self) -> &[Deleted] {
        &self.deleted
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.pass_ms(seconds * 1_000);
    }

    fn pass_ms(&mut self, passed_ms: u64) {
        self.server.get().now_ms += passed_ms;
        for device in &self.devices {
            let mut handheld = device.handheld.get();
            handheld.clock_ms += passed_ms;
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
            Act::Brings => Meanwhile::Brings { save, bytes: self.bytes_for(save) },
        }
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
            let of = |(root, disk): (usize, &Disk)| (root, disk.attic().list(Some(&save)));
            let disks = parts.cards.iter().enumerate();
            let entries = disks.filter_map(|(root, card)| Some(of((root, card.disk.as_ref()?))));
            let mut entries = entries.flat_map(|(root, entries)| entries.into_iter().map(move |e| (root, e)));
            entries.nth(nth)
        });
        if let Some((root, entry)) = kept {
            self.about_to_sync(device);
            let number = self.kind.saves.iter().position(|known| *known == save).unwrap_or_default();
            // Who wants it back sees what it replaces.
            let over = self.devices[device].handheld.get().digest_on_card(number);
            self.truth.saw(entry.content.digest, over);
            self.exempt(number, entry.content.digest);
            if entry.reason == Reason::Found {
                // What a cut had torn: nobody wrote it, and a person wants it.
                self.truth.names.entry(entry.content.digest).or_insert_with(|| "what a cut had torn".into());
            }
            let wish = Wish::RestoreKept { save, root, number: entry.number };
            self.devices[device].with_parts(|parts| choice::carry_out(parts, &wish).is_ok());
        }
    }

    /// Another card in the slot; the one that was in it.
    fn swap(&mut self, device: usize, (card, deleted): (Fat, Deleted)) -> (Fat, Deleted) {
        self.devices[device].stop();
        let old = {
            let mut handheld = self.devices[device].handheld.get();
            handheld.boots();
            handheld.doubted = Default::default();
            std::mem::replace(&mut handheld.fat, card)
        };
        self.server.get().forgets_token(device);
        let old = (old, std::mem::replace(&mut self.deleted[device], deleted));
        self.start(device);
        old
    }

    fn restores_server(&mut self, knows_it: bool) {
        let Some(backup) = &self.backup else { return };
        if self.devices.iter().any(|device| device.news.is_some()) {
            self.truth.heard.extend(self.ledger.digests());
        }
        let mut server = self.server.get();
        server.restore(backup, knows_it);
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
                let is_damage =
                    |digest: Option<Digest>| digest.is_some_and(|d| self.truth.damage.contains(&d));
                // Damage that lay there when the game began, and that the daemon had no time to see.
                let is_unseen = (is_damage(write.saw) || is_damage(deleted)) && !write.was_doubted;
                if !is_damage(Some(write.digest)) {
                    if !write.could_be_known || is_unseen {
                        self.exempt(write.save, write.digest);
                    }
                    self.truth.saw(write.digest, write.saw);
                    self.truth.saw(write.digest, deleted);
                }
                if let Some(over) = write.over.filter(|over| *over != write.digest) {
                    // Its own game wrote over it before anybody could have it.
                    self.forget_if_gone(over);
                }
            }
            let taken = std::mem::take(&mut self.devices[device].handheld.get().taken);
            for (save, digest) in taken.into_iter().enumerate() {
                // What a cut had torn, and the daemon took away at its start, nobody had seen.
                if digest.is_some_and(|digest| self.truth.names.contains_key(&digest)) {
                    self.deleted[device][save] = digest;
                }
            }
            let told = std::mem::take(&mut self.devices[device].weather.get().told);
            self.told.extend(told);
            self.count_calls(device);
        }
    }

    /// It may replace what its player never saw, of all that is stored now.
    fn exempt(&mut self, save: usize, digest: Digest) {
        self.look();
        let stored = self.ledger.of(save).contents.values().copied().flatten();
        self.truth.exempt(digest, stored);
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
}

/// May it leave a head beside another, of the same device?
fn forks(event: &Event) -> bool {
    match event {
        Event::Starts { is_seen, .. } => !is_seen,
        Event::Cycle { meanwhile, mishap, .. } => meanwhile.is_some() || mishap.is_some(),
        Event::Waits { .. }
        | Event::Saves { .. }
        | Event::Exits { .. }
        | Event::Polls { .. }
        | Event::Autosaves { .. }
        | Event::SetsClock { .. }
        | Event::Prefers { .. }
        | Event::CardFills { .. } => false,
        _ => true,
    }
}
