//! The promises, asked after every event, and after the last one when all faults have stopped.

mod history;

use std::collections::BTreeSet;
use std::hash::Hash as _;

use retrosync::cycle::CycleReport;
use retrosync::pace::Trigger;
use retrosync::plan::Question;
use retrosync_protocol::{Digest, VersionId, WriterId};

use crate::fat::Fat;
use crate::handheld::{ROOT, SECOND};
use crate::server::name;
use crate::shelf::Shelf;
use crate::story::{Act, Event, SAVES, TITLES};
use crate::world::World;

/// In so many rounds all devices agree.
const ROUNDS: usize = 6;
/// Copies that an attic keeps of all saves, when all can be had from the server.
const MOST_COPIES: usize = 10 * SAVES;
/// The journal twice, the identity and the intent twice, and what lies ready to be written again.
const MOST_STATE_BYTES: usize = 512 << 10;

impl World {
    /// The saves that lie on a card which is not there when a daemon works by itself, and how many versions each has.
    pub(crate) fn offline(&self, event: &Event) -> Vec<(usize, usize)> {
        let on_dashboard = |meanwhile: Option<(usize, Act, usize)>| {
            matches!(meanwhile, Some((_, Act::Restores | Act::Brings, _)))
        };
        let device = match *event {
            Event::Cycle { device, meanwhile, .. } if !on_dashboard(meanwhile) => device,
            Event::Polls { device } | Event::Restarts { device } | Event::AcceptsMassChange { device } => {
                device
            }
            _ => return Vec::new(),
        };
        let handheld = self.devices[device].handheld.get();
        let away = (0..SAVES).filter(|save| handheld.is_out || handheld.is_away(&handheld.paths[*save]));
        away.map(|save| (save, self.ledger.of(save).contents.len())).collect()
    }

    /// I7: a card that is not there causes nothing at the server.
    pub(crate) fn judge_offline(&self, before: &[(usize, usize)]) -> Result<(), String> {
        let grew = before.iter().find(|(save, count)| self.ledger.of(*save).contents.len() != *count);
        grew.map_or(Ok(()), |(save, _)| {
            Err(format!("{}: stored by a device whose card is away", self.kind.saves[*save]))
        })
    }

    /// Looks at all that may have changed: the server, the cards.
    pub(crate) fn look(&mut self) {
        self.ledger.read(&self.server.get(), &self.kind.saves);
        for (number, device) in self.devices.iter_mut().enumerate() {
            if let Err(copy) = self.shelves[number].look(device) {
                let broken = format!("{}: kept copy {copy} is not whole", name(number));
                self.broken.get_or_insert(broken);
            }
        }
    }

    /// Could a player get it back: from the server, from a save's place, from an attic, from a card in a drawer?
    pub(crate) fn is_held(&self, digest: &Digest) -> bool {
        self.ledger.holds(digest)
            || self.shelves.iter().any(|shelf| shelf.holds(digest))
            || self.drawer.contains(digest)
    }

    pub(crate) fn judge(&mut self) -> Result<(), String> {
        self.look();
        self.broken.take().map_or(Ok(()), Err)?;
        self.judge_cards()?;
        self.judge_versions()?;
        self.judge_losses()?;
        self.note();
        Ok(())
    }

    /// What a daemon has had before it is somewhere; what it was told is stored the server has.
    fn judge_losses(&mut self) -> Result<(), String> {
        let World { truth, ledger, shelves, drawer, .. } = self;
        let lost = truth
            .at_risk(|digest| ledger.holds(digest))
            .iter()
            .find(|(digest, _)| !drawer.contains(digest) && !shelves.iter().any(|shelf| shelf.holds(digest)));
        if let Some((digest, save)) = lost.map(|(digest, save)| (*digest, *save)) {
            return Err(format!("{} of {} is lost", truth.name(&digest), TITLES[save]));
        }
        for (save, digest) in std::mem::take(&mut self.told) {
            let number = self.kind.saves.iter().position(|known| *known == save).unwrap_or_default();
            self.truth.acknowledged.insert((number, digest));
            self.judge_acknowledged(number, &digest)?;
        }
        Ok(())
    }

    fn judge_acknowledged(&self, save: usize, digest: &Digest) -> Result<(), String> {
        if self.ledger.has(save, digest) {
            return Ok(());
        }
        let (save, what) = (&self.kind.saves[save], self.truth.name(digest));
        Err(format!("{save}: {what} was acknowledged and is not stored"))
    }

    /// The same for all that ever was, read anew.
    fn judge_all_losses(&mut self) -> Result<(), String> {
        self.ledger.begin_anew();
        self.shelves.iter_mut().for_each(Shelf::doubt);
        self.truth.doubt();
        self.look();
        self.broken.take().map_or(Ok(()), Err)?;
        self.judge_losses()?;
        self.truth.acknowledged.iter().try_for_each(|(save, digest)| self.judge_acknowledged(*save, digest))
    }

    /// No mixed bytes, no write under a game, no misuse of the file system, no number twice.
    fn judge_cards(&mut self) -> Result<(), String> {
        for (number, device) in self.devices.iter().enumerate() {
            let handheld = device.handheld.get();
            if let Some(violation) = handheld.violations.first() {
                return Err(format!("{}: {violation}", name(number)));
            }
            if let Some(violation) = handheld.fat.violations().first() {
                return Err(format!("{}: {violation}", name(number)));
            }
            for (save, title) in TITLES.iter().enumerate() {
                let here = self.shelves[number].save(save);
                if here.is_some_and(|here| !self.truth.names.contains_key(&here)) {
                    return Err(format!("{}: {title} holds bytes that nobody wrote", name(number)));
                }
            }
            if device.weather.get().reused && !self.copied {
                return Err(format!("{}: used a number twice", name(number)));
            }
            if device.weather.get().is_deaf {
                return Err(format!("{}: goes on as the writer that another card is", name(number)));
            }
        }
        Ok(())
    }

    /// What a version replaces its player had seen; what is deleted a person deleted.
    fn judge_versions(&mut self) -> Result<(), String> {
        let dashboard = WriterId::from_random(&[0xdd; 16]);
        for (number, entry) in self.ledger.news() {
            let (save, record) = (&self.kind.saves[number], &entry.record);
            let Some(digest) = record.content.map(|content| content.digest) else {
                let deletes = self.over(number, &record.parents);
                let Some(deleted) = self.truth.retired.get_mut(&entry.version) else {
                    return Err(format!("{save}: deleted, and nobody said so"));
                };
                deleted.extend(deletes);
                continue;
            };
            // Whoever begins anew over a deletion goes on from that: a person has deleted what was before.
            let deleted: BTreeSet<Digest> = {
                let tombstones = record.parents.iter().filter_map(|parent| self.truth.retired.get(parent));
                tombstones.flatten().copied().collect()
            };
            deleted.into_iter().for_each(|deleted| self.truth.saw(digest, Some(deleted)));
            let is_choice = record.writer == dashboard
                || record.note.is_some()
                || self.truth.chosen.contains(&digest)
                || (record.parents.len() > 1 && self.is_newest(record, &self.server.get().history(save)));
            for parent in record.parents.iter().filter_map(|parent| self.ledger.content(number, parent)) {
                if is_choice {
                    // Whoever plays on from what was chosen goes on from all that it was chosen over.
                    self.truth.saw(digest, Some(parent));
                }
                // Damage is judged by itself: over other damage it is none that could be told.
                let is_damage = |digest| self.truth.damage.contains(&digest);
                let both = is_damage(digest) && is_damage(parent);
                if !(is_choice || record.suspect || both || self.truth.descends(digest, parent)) {
                    let (new, old) = (self.truth.name(&digest), self.truth.name(&parent));
                    return Err(format!("{save}: {new} replaces {old}, which its player never saw"));
                }
            }
        }
        Ok(())
    }

    /// The contents of versions; of a deletion, what it deleted.
    fn over(&self, save: usize, versions: &[VersionId]) -> BTreeSet<Digest> {
        let mut contents: BTreeSet<Digest> =
            versions.iter().filter_map(|version| self.ledger.content(save, version)).collect();
        for deleted in versions.iter().filter_map(|version| self.truth.retired.get(version)) {
            contents.extend(deleted);
        }
        contents
    }

    /// What this event left behind goes into the trace.
    fn note(&mut self) {
        self.shelves.iter().flat_map(Shelf::saves).for_each(|digest| digest.hash(&mut self.trace));
        self.ledger.heads().for_each(|head| head.hash(&mut self.trace));
    }

    /// All faults stop, all games end, and daemons are given cycles or wait for them: every device comes to hold the one head, or shows the question; then all is quiet.
    ///
    /// # Errors
    /// What does not come to rest.
    pub fn settle(&mut self) -> Result<(), String> {
        for device in &self.devices {
            device.handheld.get().game = None;
        }
        self.trouble_ends();
        let waited = match self.waits.take() {
            Some(dice) => self.wait_for_rest(dice).map(|()| true)?,
            None => false,
        };
        self.pass(61);
        for device in 0..self.devices.len() {
            if waited {
                break;
            }
            let report = self.calm_cycle(device, Trigger::Retry);
            if report.is_some_and(|report| report.failed.is_none() && report.halts.is_empty()) {
                self.judge_contact(device)?;
            }
        }
        let mut reports = Vec::new();
        // Daemons that have waited have read every file.
        for round in usize::from(waited)..ROUNDS {
            self.pass(61);
            reports.clear();
            for device in 0..self.devices.len() {
                let trigger = if round == 0 { Trigger::Full } else { Trigger::Retry };
                reports.push(self.calm_cycle(device, trigger).ok_or("a device does not start")?);
            }
            // What it heard of the others it writes down once.
            let writes = self.devices.iter().any(|device| device.handheld.get().changes > 0);
            if round > 0 && !writes && reports.iter().all(is_at_rest) {
                break;
            }
        }
        self.judge()?;
        self.judge_replaced(None)?;
        for (device, report) in reports.iter().enumerate() {
            self.judge_quiet(device, report)?;
            for save in 0..SAVES {
                self.judge_agreement(device, save, report)?;
            }
            self.calm_cycle(device, Trigger::Full).ok_or("a device does not start")?;
            let changes = self.devices[device].handheld.get().changes;
            if changes > 0 {
                return Err(format!("{}: reading all again changes the card", name(device)));
            }
        }
        self.judge_heads()?;
        self.judge_echoes()?;
        self.judge_damage()?;
        self.judge_bounds()?;
        self.judge_all_losses()?;
        self.judge_bytes()
    }

    /// Nothing grows without end: versions as contents were written and chosen, ten copies of a save in an attic,
    /// our own files of their size.
    fn judge_bounds(&mut self) -> Result<(), String> {
        // A content is stored once on its own and may be chosen once an event.
        let (versions, reasons) = (self.ledger.count(), self.truth.count() + self.events);
        if versions > 2 * reasons {
            return Err(format!("{versions} versions are stored, for {reasons} reasons"));
        }
        // One of each device that nobody has answered for yet; more only where a game, a person or a copied card forked it.
        for (number, save) in self.kind.saves.iter().enumerate() {
            let (heads, most) = (self.ledger.of(number).heads.len(), self.devices.len() + self.forks);
            if heads > most {
                return Err(format!("{save}: {heads} heads, of {most} that there can be"));
            }
        }
        for (number, device) in self.devices.iter().enumerate() {
            let kept = self.shelves[number].kept();
            if kept > MOST_COPIES {
                return Err(format!("{}: {kept} copies are kept", name(number)));
            }
            let fat = device.handheld.get().fat.clone();
            let size_of = |folders| -> usize {
                fat.files_below(folders).iter().map(|(_, extent)| extent.bytes().len()).sum()
            };
            let size_bytes = size_of(&["/card/.retrosync", "/second/.retrosync"])
                - size_of(&["/card/.retrosync/attic", "/second/.retrosync/attic"]);
            if size_bytes > MOST_STATE_BYTES {
                return Err(format!("{}: its own files have {size_bytes} bytes", name(number)));
            }
        }
        Ok(())
    }

    fn judge_quiet(&self, device: usize, report: &CycleReport) -> Result<(), String> {
        let changes = self.devices[device].handheld.get().changes;
        let weather = self.devices[device].weather.get().clone();
        if let Some(error) = &report.failed {
            return Err(format!("{}: never reaches the server again: {error}", name(device)));
        }
        if !report.deeds.is_empty() || changes > 0 || weather.stores > 0 || weather.calls != 1 {
            return Err(format!(
                "{}: is not quiet: {:?}, {changes} changes to the card, {} requests, {} stores",
                name(device),
                report.deeds,
                weather.calls,
                weather.stores
            ));
        }
        if let Some(step) = report.waiting.first().or(report.queued.first()) {
            return Err(format!("{}: waits for ever: {step:?}", name(device)));
        }
        Ok(())
    }

    fn judge_agreement(&mut self, device: usize, save: usize, report: &CycleReport) -> Result<(), String> {
        self.look();
        let id = &self.kind.saves[save];
        let known = self.ledger.of(save);
        let digests = known.of_heads();
        let here = self.shelves[device].save(save);
        let asked = report.questions.iter().any(|question| match question {
            Question::Conflict { save, heads: shown, .. } => save == id && shown.len() == known.heads.len(),
            Question::Suspect { save, .. } | Question::Deleted { save, .. } => save == id,
        });
        // Where no version is, or the save is deleted, a file in which nothing was ever played is as good as none.
        let is_nothing = here.is_none_or(|here| self.truth.nothing.contains(&here));
        let is_gone = digests.iter().all(Option::is_none);
        let agrees = match digests.len() {
            0 | 1 => digests.contains(&here) || (is_gone && is_nothing),
            _ => false,
        };
        if agrees || asked {
            return Ok(());
        }
        let called = |digest: &Option<Digest>| digest.map_or("nothing".into(), |d| self.truth.name(&d));
        let heads: Vec<String> = digests.iter().map(called).collect();
        let place = format!("{}: {} is {}", name(device), TITLES[save], called(&here));
        Err(format!("{place}, the server has {}, and nobody is asked", heads.join(", ")))
    }

    /// What the server speaks of, it can send.
    fn judge_bytes(&self) -> Result<(), String> {
        let server = self.server.get();
        for save in self.kind.saves.iter() {
            for digest in server.contents(save) {
                if !server.bytes(digest).is_ok_and(|bytes| Digest::of(&bytes) == digest) {
                    return Err(format!("{save}: the server cannot send {}", self.truth.name(&digest)));
                }
            }
        }
        Ok(())
    }
}

/// Did nothing happen, and does nothing wait?
fn is_at_rest(report: &CycleReport) -> bool {
    report.failed.is_none()
        && report.deeds.is_empty()
        && report.waiting.is_empty()
        && report.queued.is_empty()
        && !report.failing
        && !report.moved
}

/// What a card that no daemon has open holds.
pub(crate) fn held_by(card: &Fat) -> impl Iterator<Item = Digest> + use<> {
    below(card, "/card/Saves").chain(below(card, "/second/states")).chain(attics_of(card))
}

/// What the attics of such a card hold.
pub(crate) fn attics_of(card: &Fat) -> impl Iterator<Item = Digest> + use<> {
    attic_of(card, ROOT).chain(attic_of(card, SECOND))
}

/// What the attic of a root holds.
pub(crate) fn attic_of(card: &Fat, root: &str) -> impl Iterator<Item = Digest> + use<> {
    below(card, &format!("{root}/.retrosync/attic"))
}

fn below(card: &Fat, folder: &str) -> impl Iterator<Item = Digest> + use<> {
    let files = card.files_below(&[folder]).into_iter();
    files.map(|(_, extent)| Digest::of(extent.bytes())).collect::<Vec<_>>().into_iter()
}
