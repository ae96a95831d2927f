//! The promises, asked after every event, and after the last one when all faults have stopped.

use std::collections::BTreeSet;

use retrosync::cycle::CycleReport;
use retrosync::pace::Trigger;
use retrosync::plan::Question;
use retrosync_protocol::{Digest, HistoryEntry, VersionId, WriterId};

use crate::fat::Fat;
use crate::server::name;
use crate::story::{Event, SAVES, TITLES};
use crate::world::World;

/// In so many rounds all devices agree.
const ROUNDS: usize = 6;

impl World {
    /// Every content that a player could get back: on the server, in a save's place, in an attic.
    pub(crate) fn held(&mut self) -> BTreeSet<Digest> {
        let mut held: BTreeSet<Digest> = BTreeSet::new();
        for contents in self.server.lock().unwrap().contents(&self.kind.saves).into_values() {
            held.extend(contents);
        }
        for card in &self.drawer {
            held.extend(on_card(card));
        }
        for device in &mut self.devices {
            let fat = device.handheld.get().fat.clone();
            let kept: BTreeSet<Digest> = device
                .parts()
                .and_then(|parts| parts.cards[0].disk.as_ref())
                .map(|disk| disk.attic().list(None).iter().map(|entry| entry.file.digest).collect())
                .unwrap_or_default();
            for (path, bytes) in fat.files() {
                let digest = Digest::of(&bytes);
                let is_save = path.starts_with("/card/Saves");
                // What the attic's index does not name, nobody finds.
                if is_save || (path.starts_with("/card/.retrosync/attic") && kept.contains(&digest)) {
                    held.insert(digest);
                }
            }
        }
        held
    }

    pub(crate) fn judge(&mut self, event: &Event) -> Result<(), String> {
        self.judge_cards()?;
        self.judge_attics()?;
        self.judge_versions()?;
        let held = self.held();
        for (digest, save) in &self.truth.kept {
            if !held.contains(digest) {
                return Err(format!("{} of {} is lost", self.truth.name(digest), TITLES[*save]));
            }
        }
        let server = self.server.lock().unwrap();
        let stored = server.contents(&self.kind.saves);
        for (save, digest) in &self.truth.acknowledged {
            if !stored[save].contains(digest) {
                return Err(format!(
                    "{save}: {} was acknowledged and is not stored",
                    self.truth.name(digest)
                ));
            }
        }
        drop(server);
        self.note(event);
        Ok(())
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
                let Some(bytes) = handheld.on_card(save) else { continue };
                if !self.truth.names.contains_key(&Digest::of(&bytes)) {
                    return Err(format!("{}: {title} holds bytes that nobody wrote", name(number)));
                }
            }
            if device.weather.lock().unwrap().reused && !self.copied {
                return Err(format!("{}: used a number twice", name(number)));
            }
        }
        Ok(())
    }

    /// What an attic says that it keeps, it keeps.
    fn judge_attics(&mut self) -> Result<(), String> {
        for (number, device) in self.devices.iter_mut().enumerate() {
            let fat = device.handheld.get().fat.clone();
            let disk = device.parts().and_then(|parts| parts.cards[0].disk.as_ref());
            for entry in disk.into_iter().flat_map(|disk| disk.attic().list(None)) {
                let bytes = fat.read(&format!("/card/.retrosync/attic/{:08}", entry.number)).ok().flatten();
                if bytes.map(|bytes| Digest::of(&bytes)) != Some(entry.file.digest) {
                    return Err(format!("{}: kept copy {} is not whole", name(number), entry.number));
                }
            }
        }
        Ok(())
    }

    /// What a version replaces its player had seen; what is deleted a person deleted.
    fn judge_versions(&mut self) -> Result<(), String> {
        let dashboard = WriterId::from_random(&[0xdd; 16]);
        for save in self.kind.saves.iter() {
            let history = self.server.lock().unwrap().history(save);
            let content = |id: &VersionId| {
                history.iter().find(|entry| entry.version == *id).and_then(|entry| entry.record.content)
            };
            for entry in &history {
                let record = &entry.record;
                if !self.judged.insert(entry.version) {
                    continue;
                }
                let Some(digest) = record.content.map(|content| content.digest) else {
                    if self.truth.retired.contains(&entry.version) {
                        continue;
                    }
                    return Err(format!("{save}: deleted, and nobody said so"));
                };
                if record.writer == dashboard {
                    continue;
                }
                let is_choice = record.note.is_some()
                    || self.truth.chosen.contains(&digest)
                    || (record.parents.len() > 1 && self.is_newest(record, &history));
                for parent in record.parents.iter().filter_map(&content).map(|content| content.digest) {
                    if is_choice {
                        // Whoever plays on from what was chosen goes on from all that it was chosen over.
                        self.truth.saw(digest, Some(parent));
                    }
                    if !(is_choice || record.suspect || self.truth.descends(digest, parent)) {
                        let (new, old) = (self.truth.name(&digest), self.truth.name(&parent));
                        return Err(format!("{save}: {new} replaces {old}, which its player never saw"));
                    }
                }
            }
        }
        Ok(())
    }

    /// What this event left behind goes into the trace.
    fn note(&mut self, event: &Event) {
        self.trace.update(event.to_string().as_bytes());
        for device in &self.devices {
            for (path, bytes) in device.handheld.get().fat.files() {
                if path.starts_with("/card/Saves") {
                    self.trace.update(Digest::of(&bytes).as_bytes());
                }
            }
        }
        for save in self.kind.saves.iter() {
            for entry in self.server.lock().unwrap().history(save).iter().filter(|entry| entry.head) {
                self.trace.update(entry.version.as_bytes());
            }
        }
    }

    /// All faults stop, all games end: every device comes to hold the one head, or shows the question; then all is quiet.
    ///
    /// # Errors
    /// What does not come to rest.
    pub fn settle(&mut self) -> Result<(), String> {
        for device in &self.devices {
            device.handheld.get().game = None;
        }
        self.trouble_ends();
        self.pass(61);
        for device in 0..self.devices.len() {
            let report = self.calm_cycle(device, Trigger::Retry);
            if report.is_some_and(|report| report.failed.is_none() && report.halts.is_empty()) {
                self.judge_contact(device)?;
            }
        }
        for round in 0..ROUNDS {
            self.pass(61);
            for device in 0..self.devices.len() {
                self.calm_cycle(device, if round == 0 { Trigger::Full } else { Trigger::Retry });
            }
        }
        self.judge(&Event::Waits { seconds: 61 })?;
        self.pass(61);
        for device in 0..self.devices.len() {
            let report = self.calm_cycle(device, Trigger::Retry).ok_or("a device does not start")?;
            self.judge_quiet(device, &report)?;
            for save in 0..SAVES {
                self.judge_agreement(device, save, &report)?;
            }
            self.calm_cycle(device, Trigger::Full).ok_or("a device does not start")?;
            let changes = self.devices[device].handheld.get().changes;
            if changes > 0 {
                return Err(format!("{}: reading all again changes the card", name(device)));
            }
        }
        self.judge_echoes()?;
        self.judge_damage()?;
        self.judge_bytes()
    }

    fn judge_quiet(&self, device: usize, report: &CycleReport) -> Result<(), String> {
        let changes = self.devices[device].handheld.get().changes;
        let weather = self.devices[device].weather.lock().unwrap().clone();
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

    fn judge_agreement(&self, device: usize, save: usize, report: &CycleReport) -> Result<(), String> {
        let id = &self.kind.saves[save];
        let history = self.server.lock().unwrap().history(id);
        let heads: Vec<&HistoryEntry> = history.iter().filter(|entry| entry.head).collect();
        let digests: BTreeSet<Option<Digest>> =
            heads.iter().map(|head| head.record.content.map(|content| content.digest)).collect();
        let here = self.devices[device].handheld.get().on_card(save).map(|bytes| Digest::of(&bytes));
        let asked = report.questions.iter().any(|question| match question {
            Question::Conflict { save, heads: shown, .. } => save == id && shown.len() == heads.len(),
            Question::Suspect { save, .. } | Question::Deleted { save, .. } => save == id,
        });
        let agrees = match digests.len() {
            0 => here.is_none(),
            1 => digests.contains(&here) || asked,
            _ => asked,
        };
        // A game that was started and never saved is nobody's business.
        let is_nothing = here.is_some_and(|here| self.truth.nothing.contains(&here));
        if agrees || (is_nothing && !self.devices[device].knows(id)) {
            return Ok(());
        }
        let called = |digest: &Option<Digest>| digest.map_or("nothing".into(), |d| self.truth.name(&d));
        let heads: Vec<String> = digests.iter().map(called).collect();
        let place = format!("{}: {} is {}", name(device), TITLES[save], called(&here));
        Err(format!("{place}, the server has {}, and nobody is asked", heads.join(", ")))
    }

    /// What the server speaks of, it can send.
    fn judge_bytes(&self) -> Result<(), String> {
        let server = self.server.lock().unwrap();
        for (save, contents) in server.contents(&self.kind.saves) {
            for digest in contents {
                if !server.bytes(digest).is_ok_and(|bytes| Digest::of(&bytes) == digest) {
                    return Err(format!("{save}: the server cannot send {}", self.truth.name(&digest)));
                }
            }
        }
        Ok(())
    }
}

/// What a card that no daemon has open holds.
fn on_card(card: &Fat) -> impl Iterator<Item = Digest> {
    let files = card.files().into_iter();
    let found = files
        .filter(|(path, _)| path.starts_with("/card/Saves") || path.starts_with("/card/.retrosync/attic"));
    found.map(|(_, bytes)| Digest::of(&bytes))
}
