//! What befalls devices beside their cycles: emulators that crash, cards that are full, taken out or exchanged, clocks that
//! are wrong, devices that are paired again.
//!
//! Whatever of a save's bytes a crash or a cut left behind is noted as written, as it is: damage that the daemon may keep
//! and must not spread. Who plays on from damage has not seen what lay there before it.

use retrosync::choice::{self, Wish};
use retrosync::plan::ConflictPolicy;
use retrosync_protocol::Digest;

use super::World;
use crate::handheld::{Chance, put};
use crate::server::name;
use crate::story::{Crash, Event};

/// The save that is a state.
const STATE: usize = 2;

impl World {
    /// What `happen` leaves to this file.
    pub(super) fn act(&mut self, event: &Event) {
        match *event {
            Event::Autosaves { device } => self.autosaves(device),
            Event::Crashes { device, how } => self.crashes(device, how),
            Event::PowerGoesInSave { device, truncates } => self.power_goes_in_save(device, truncates),
            Event::CardFills { device, sectors } => {
                self.devices[device].handheld.get().fat.set_room(sectors);
            }
            Event::SetsClock { device, wall } => {
                self.devices[device].handheld.get().set_clock(wall);
                self.tell_time();
            }
            Event::CardOut { device } => self.card_out(device),
            Event::CardIn { device } => self.card_in(device),
            Event::SecondOut { device } => self.devices[device].handheld.get().is_second_out = true,
            Event::SecondIn { device } => self.devices[device].handheld.get().is_second_out = false,
            Event::SwapsCards { one, other } if one != other => self.swaps_cards(one, other),
            Event::PairsAgain { device, cut } => self.pairs_again(device, cut),
            Event::Prefers { device, newest } => {
                self.devices[device].prefers =
                    if newest { ConflictPolicy::Newest } else { ConflictPolicy::Ask };
                self.start(device);
            }
            Event::Brings { save, is_stale } => {
                let bytes = self.bytes_for(save);
                let told = self.server.get().bring(&self.kind.saves[save], bytes, is_stale);
                self.told.extend(told);
            }
            Event::RestoresHere { device, save, nth } => self.restores_here(device, save, nth),
            Event::AcceptsMassChange { device } => {
                self.about_to_sync(device);
                self.devices[device]
                    .with_parts(|parts| choice::carry_out(parts, &Wish::AcceptMassChange).is_ok());
            }
            Event::LateArrive => self.server.get().late_arrive(),
            _ => {}
        }
    }

    /// All trouble is over: cards are in their slots and have room, what was on its way has arrived.
    pub(crate) fn trouble_ends(&mut self) {
        self.server.get().late_arrive();
        for device in 0..self.devices.len() {
            let mut handheld = self.devices[device].handheld.get();
            handheld.fat.set_room(None);
            handheld.is_second_out = false;
            drop(handheld);
            self.devices[device].weather.get().fault = None;
            self.card_in(device);
        }
    }

    /// Devices look at their clocks, and their cards get the time from them.
    pub(crate) fn tell_time(&mut self) {
        let now_unix_s = self.server.get().now_unix_s();
        for device in &self.devices {
            let mut handheld = device.handheld.get();
            handheld.true_unix_s = now_unix_s;
            let told = handheld.has_own_clock().then(|| handheld.wall_unix_s());
            handheld.fat.tell_time(told);
        }
    }

    /// An emulator writes its memory again, which has not changed.
    fn autosaves(&mut self, device: usize) {
        let mut handheld = self.devices[device].handheld.get();
        let Some(save) = handheld.game.as_ref().map(|game| game.save) else { return };
        let held = handheld.game.as_ref().and_then(|game| game.loaded);
        let there = handheld.on_card(save).filter(|bytes| Some(Digest::of(bytes)) == held);
        // A game whose save was replaced under it is about to write the old one back: that is `Saves`' business.
        if let Some(bytes) = there {
            let _ = handheld.write_save(&bytes, false);
        }
    }

    fn crashes(&mut self, device: usize, how: Crash) {
        let save = self.devices[device].handheld.get().game.as_ref().map(|game| game.save);
        let Some(save) = save else { return };
        let whole = self.bytes_for(save);
        let bytes = match how {
            Crash::Idle => None,
            Crash::Truncated => Some(Vec::new()),
            Crash::Half => Some(whole[..whole.len() / 2].to_vec()),
            Crash::Blank => Some(vec![0xff; whole.len()]),
        };
        if let Some(bytes) = bytes {
            self.truth.left_by_a_crash(&bytes);
            // A state may have any size: half of one looks like any other.
            if how == Crash::Half && save != STATE {
                self.truth.damage.insert(Digest::of(&bytes));
            }
            let _ = self.devices[device].handheld.get().write_save(&bytes, how != Crash::Blank);
            self.devices[device].names(save);
        }
        self.devices[device].handheld.get().game = None;
    }

    /// The game writes, and none or some or all of it reaches the card.
    fn power_goes_in_save(&mut self, device: usize, truncates: bool) {
        let game = self.devices[device].handheld.get().game.clone();
        let Some(game) = game else { return };
        let bytes = self.bytes_for(game.save);
        self.devices[device].stop();
        let over = {
            let mut handheld = self.devices[device].handheld.get();
            let over = handheld.on_card(game.save);
            handheld.doubted[game.save] = false;
            let path = handheld.paths[game.save].clone();
            let _ = handheld.fat.undisturbed(|fat| put(fat, &path, &bytes, truncates));
            let fat = handheld.fat.crash(&mut Chance(&mut self.dice));
            fat.check();
            handheld.fat = fat;
            handheld.boots();
            over
        };
        let left = self.devices[device].handheld.get().on_card(game.save);
        if let Some(left) = &left {
            self.truth.left_by_a_crash(left);
            let digest = Digest::of(left);
            if game.save != STATE && left.len() < bytes.len() {
                self.truth.damage.insert(digest);
            } else {
                self.truth.saw(digest, game.loaded);
            }
            // Nobody can tell what was loaded from what is left.
            self.exempt(game.save, digest);
        }
        if let Some(over) = over.filter(|over| left.as_ref() != Some(over)) {
            self.forget_if_gone(Digest::of(&over));
        }
        self.tell_time();
        self.start(device);
    }

    fn card_out(&mut self, device: usize) {
        let mut handheld = self.devices[device].handheld.get();
        (handheld.is_out, handheld.game) = (true, None);
    }

    /// The device starts again: its program lies on that card.
    fn card_in(&mut self, device: usize) {
        let was_out = std::mem::take(&mut self.devices[device].handheld.get().is_out);
        if was_out {
            self.start(device);
        }
    }

    fn swaps_cards(&mut self, one: usize, other: usize) {
        for device in [one, other] {
            self.card_in(device);
            self.devices[device].stop();
        }
        let card = self.devices[other].handheld.get().fat.clone();
        let card = self.swap(one, (card, self.deleted[other]));
        self.swap(other, card);
    }

    fn pairs_again(&mut self, device: usize, cut: Option<usize>) {
        self.devices[device].stop();
        let fat = self.devices[device].handheld.get().fat.clone();
        fat.cut_at(cut.unwrap_or(usize::MAX));
        // The power may go; then it is tried again from what is durable, or left at that.
        let _ = self.devices[device].pair_again();
        fat.cut_at(usize::MAX);
        if fat.is_off() {
            self.power_goes(device);
        } else {
            self.start(device);
        }
        if !self.devices[device].has_its_token() {
            let violation = format!("{}: the server knows a token that the card does not have", name(device));
            self.devices[device].handheld.get().violations.push(violation);
        }
    }

    fn restores_here(&mut self, device: usize, save: usize, nth: usize) {
        let save = self.kind.saves[save].clone();
        let history = self.server.get().history(&save);
        let Some(entry) = history.iter().filter(|entry| entry.record.content.is_some()).nth(nth) else {
            return;
        };
        self.about_to_sync(device);
        let wish = Wish::Restore { save, digits: entry.version.to_string() };
        self.devices[device].with_parts(|parts| choice::carry_out(parts, &wish).is_ok());
    }
}
