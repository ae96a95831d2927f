//! Cycles of daemons, and how daemons start and end.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use retrosync::apply::Deed;
use retrosync::cycle::{CycleReport, Request};
use retrosync::pace::Trigger;
use retrosync::plan::{Question, Step};
use retrosync::remote::Remote as _;
use retrosync_protocol::ChangesRequest;

use super::World;
use crate::bug::Bug;
use crate::handheld::{Chance, Everything, Sure};
use crate::link::{Link, Weather};
use crate::story::{Mishap, SAVES};

/// The most requests of one cycle: each of three rounds lists (a page or two), stores, and fetches twice; the attic asks once.
const MOST_CALLS: usize = 16;
/// How often a start is tried whose card fails.
const STARTS: usize = 4;

impl World {
    /// The weather of a device when nothing more goes wrong; what was noted is kept.
    pub(super) fn calm(&self, device: usize) -> Weather {
        let weather = self.devices[device].weather.get().clone();
        Weather { meanwhile: None, calls: 0, stores: 0, ..weather }
    }

    /// What lies on a card when its daemon begins to work is that daemon's to keep.
    pub(super) fn about_to_sync(&mut self, device: usize) {
        let mut handheld = self.devices[device].handheld.get();
        for save in 0..SAVES {
            if let Some(digest) = handheld.digest_on_card(save) {
                self.truth.keep(digest, save);
            }
        }
    }

    pub(super) fn cycle(
        &mut self,
        device: usize,
        trigger: Trigger,
        mishap: Option<Mishap>,
    ) -> Option<CycleReport> {
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
        let calls = self.devices[device].weather.get().calls;
        if calls > MOST_CALLS {
            self.broken
                .get_or_insert(format!("{}: {calls} requests in one cycle", crate::server::name(device)));
        }
        self.count(device, report.as_ref(), mishap);
        self.say(device, report.as_ref());
        if let Some(report) = &report {
            // Most do nothing and ask nothing.
            if !(report.deeds.is_empty() && report.questions.is_empty()) {
                let mut trace = Trace(&mut self.trace);
                let _ = write!(trace, "{:?}{:?}", report.deeds, report.questions);
                trace.0.write_u8(0xff);
            }
        }
        fat.cut_at(usize::MAX);
        fat.fail_at(usize::MAX / 2, std::io::ErrorKind::Other);
        if mishap.is_none() {
            self.notes_launches(device);
            self.notes_doubts(device, report.as_ref());
        }
        if fat.is_off() {
            match mishap {
                Some(Mishap::Killed(_)) => self.killed(device),
                _ => self.power_goes(device),
            }
        }
        report
    }

    /// A cycle that ended well: what the daemon knows of the running game is on its card.
    pub(super) fn notes_launches(&self, device: usize) {
        if let Some(game) = &mut self.devices[device].handheld.get().game {
            game.is_noted |= game.is_known;
        }
    }

    /// A cycle that ended well while no game ran: the daemon knows which saves are damage, and has it on its card.
    fn notes_doubts(&self, device: usize, report: Option<&CycleReport>) {
        let mut handheld = self.devices[device].handheld.get();
        let knows = |report: &&CycleReport| report.problems.is_empty() && !report.moved;
        let Some(report) = report.filter(knows).filter(|_| handheld.game.is_none()) else { return };
        for (save, id) in self.kind.saves.iter().enumerate() {
            let is_asked =
                |question: &Question| matches!(question, Question::Suspect { save, .. } if save == id);
            handheld.doubted[save] = report.questions.iter().any(is_asked);
        }
    }

    /// Which steps were done or begun in a cycle in which the card failed.
    pub(super) fn count(&mut self, device: usize, report: Option<&CycleReport>, mishap: Option<Mishap>) {
        let fat = &self.devices[device].handheld.get().fat;
        let came = mishap.filter(|mishap| match mishap {
            Mishap::CallFails(_) => fat.has_failed(),
            _ => fat.is_off(),
        });
        let (Some(mishap), Some(report)) = (came, report) else { return };
        let mut steps: Vec<&str> = report.deeds.iter().map(kind).collect();
        steps.extend(report.queued.iter().map(kind_of_step));
        if steps.is_empty() {
            steps.push("looked");
        }
        let fault = format!("{mishap:?}");
        steps.iter().for_each(|step| self.coverage.count(step, &fault));
    }

    /// Which steps' calls were struck by which fault of the network.
    pub(super) fn count_calls(&mut self, device: usize) {
        let begun = std::mem::take(&mut self.devices[device].weather.get().begun);
        for (step, fault) in begun {
            match fault {
                None => self.coverage.count(step, "none"),
                Some(fault) => {
                    self.coverage.count(step, &format!("{fault:?}"));
                    self.forks += 1;
                }
            }
        }
    }

    /// What the bug does that deletes on absence.
    pub(super) fn delete_what_is_absent(&mut self, device: usize) {
        let saves = Arc::clone(&self.kind.saves);
        for (save, id) in saves.iter().enumerate() {
            let is_absent = self.devices[device].handheld.get().on_card(save).is_none();
            let is_known = self.devices[device]
                .parts()
                .and_then(|parts| parts.journal.base().saves.get(id).map(|entry| entry.content.is_some()));
            if is_absent && is_known == Some(true) {
                self.server.get().choose(id, None);
            }
        }
    }

    pub(super) fn polls(&mut self, device: usize) {
        let of = &mut self.devices[device];
        let (handheld, weather) = (of.handheld.clone(), Arc::clone(&of.weather));
        // A folder is looked at, not listened to.
        let is_folder = self.server.get().share().is_some();
        let Some(parts) = of.parts().filter(|_| !is_folder) else { return };
        let base = parts.journal.base();
        let request = ChangesRequest {
            since: base.cursor,
            epoch: base.epoch.clone(),
            landmark: base.landmark.clone(),
            ..ChangesRequest::default()
        };
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
    pub(super) fn power_goes(&mut self, device: usize) {
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
    pub(super) fn killed(&mut self, device: usize) {
        self.devices[device].stop();
        {
            let mut handheld = self.devices[device].handheld.get();
            handheld.fat = handheld.fat.crash(&mut Everything);
        }
        self.start(device);
    }

    /// One cycle in which nothing goes wrong.
    pub(crate) fn calm_cycle(&mut self, device: usize, trigger: Trigger) -> Option<CycleReport> {
        if !self.devices[device].is_up() {
            self.start(device);
        }
        self.about_to_sync(device);
        *self.devices[device].weather.get() = self.calm(device);
        self.devices[device].handheld.get().changes = 0;
        let report = self.devices[device].cycle(Request::new(trigger));
        self.take_in();
        self.say(device, report.as_ref());
        report
    }
}

/// Texts go into the trace as they are made, as if they were hashed whole.
struct Trace<'a>(&'a mut DefaultHasher);

impl fmt::Write for Trace<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// What a step did, in a word.
fn kind(deed: &Deed) -> &'static str {
    match deed {
        Deed::Stored { branch: false, .. } => "stored",
        Deed::Stored { .. } => "branched",
        Deed::SetAside { .. } => "aside",
        Deed::Placed { .. } => "placed",
        Deed::Retired { .. } => "retired",
        Deed::Chosen { .. } => "chosen",
    }
}

/// What a step was to do, in the same words.
fn kind_of_step(step: &Step) -> &'static str {
    match step {
        Step::Upload { doubt: Some(_), .. } => "aside",
        Step::Upload { .. } => "stored",
        Step::Download { .. } => "placed",
        Step::Retire { .. } => "retired",
        Step::Choose { .. } => "chosen",
        Step::Settle { .. } => "looked",
    }
}
