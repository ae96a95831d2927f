//! What lies between a daemon and the server: the daemon's `Remote`, with the faults of a network.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use retrosync::error::{Error, Kind, Result};
use retrosync::remote::{Remote, Sink, Source};
use retrosync_protocol::{
    Changes, ChangesRequest, Code, Content, Digest, History, Problem, SaveId, StoreResult, Version, VersionId,
};
use retrosync_server::refusal::Refusal;

use crate::bug::Bug;
use crate::handheld::Shared;
use crate::server::Server;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing answers.
    Unreachable,
    /// The server does it, and the answer is lost.
    ReplyLost,
    /// The request arrives twice.
    Twice,
    /// Something else answers, as a captive portal does.
    Portal,
}

/// What the device's player, or somebody on the dashboard, does in the middle of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// A game starts.
    Starts {
        /// Of which save.
        save: usize,
    },
    /// A game starts and saves at once.
    Plays {
        /// Which save.
        save: usize,
        /// What it writes.
        bytes: Vec<u8>,
    },
    /// The oldest version is restored on the dashboard.
    Restores {
        /// Of which save.
        save: usize,
    },
}

/// What is to happen at one call of a cycle.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// At which call, and what.
    pub fault: Option<(usize, Fault)>,
    /// At which call, and what, before the server sees it.
    pub meanwhile: Option<(usize, Meanwhile)>,
    /// Calls so far in this cycle.
    pub calls: usize,
    /// Stores so far in this cycle.
    pub stores: usize,
    /// Contents that the daemon was told are stored, since the world last looked.
    pub told: Vec<(SaveId, Digest)>,
    /// The server refused a number as used.
    pub reused: bool,
}

/// The daemon's remote.
pub struct Link {
    /// Which device.
    pub device: usize,
    /// The server.
    pub server: Arc<Mutex<Server>>,
    /// The handheld.
    pub handheld: Shared,
    /// What goes wrong.
    pub weather: Arc<Mutex<Weather>>,
    /// The saves, by number.
    pub saves: Arc<Vec<SaveId>>,
}

fn lost(why: &str) -> Error {
    Error::new(Kind::Offline, "cannot reach the server", why)
}

fn failed(refusal: Refusal) -> Error {
    let problem = refusal.into_problem();
    Error::new(Kind::Refused(problem.code), "the server refused", problem.detail)
}

impl Link {
    /// A call begins: what happens meanwhile happens; the fault of this call, if it has one.
    fn begin(&self) -> Result<Option<Fault>> {
        let (fault, meanwhile) = {
            let mut weather = self.weather.lock().unwrap();
            let call = weather.calls;
            weather.calls += 1;
            let meanwhile = weather.meanwhile.take_if(|(at, _)| *at == call).map(|(_, act)| act);
            (weather.fault.filter(|(at, _)| *at == call).map(|(_, fault)| fault), meanwhile)
        };
        if let Some(act) = meanwhile {
            self.happens(act);
        }
        match fault {
            Some(Fault::Unreachable) => Err(lost("the network is gone")),
            fault => Ok(fault),
        }
    }

    fn happens(&self, act: Meanwhile) {
        match act {
            Meanwhile::Starts { save } => {
                let mut handheld = self.handheld.get();
                if handheld.game.is_none() {
                    handheld.start_game(save);
                }
            }
            Meanwhile::Plays { save, bytes } => {
                let mut handheld = self.handheld.get();
                if handheld.game.is_none() {
                    handheld.start_game(save);
                    // A card whose power is off takes nothing.
                    let _ = handheld.write_save(&bytes, false);
                }
            }
            Meanwhile::Restores { save } => {
                let server = self.server.lock().unwrap();
                let save = &self.saves[save];
                let oldest = server.history(save).into_iter().rev();
                let oldest = oldest.filter(|entry| entry.record.content.is_some()).map(|entry| entry.version);
                if let Some(version) = oldest.take(1).next() {
                    server.choose(save, Some(version));
                }
            }
        }
    }

    fn end<T>(&self, fault: Option<Fault>, answer: T) -> Result<T> {
        match fault {
            Some(Fault::ReplyLost) => Err(lost("the answer was lost")),
            _ => Ok(answer),
        }
    }

    fn bug(&self) -> Option<Bug> {
        self.handheld.get().bug
    }

    fn frames(&self, offers: &[Version], source: &Source<'_>) -> Vec<(Version, Option<Bytes>)> {
        let mut frames = Vec::with_capacity(offers.len());
        for version in offers {
            let mut bytes = Vec::new();
            let body = version.content.and_then(|content| {
                source(version).ok()?.read_to_end(&mut bytes).ok()?;
                // As over HTTP: what is not what was offered goes without its body.
                (Digest::of(&bytes) == content.digest).then(|| Bytes::from(bytes))
            });
            let mut version = version.clone();
            if self.bug() == Some(Bug::StoresBlindly) {
                let history = self.server.lock().unwrap().history(&version.save);
                version.parents =
                    history.iter().filter(|entry| entry.head).map(|entry| entry.version).collect();
                version.parents.sort();
            }
            frames.push((version, body));
        }
        frames
    }

    fn note(&self, offers: &[Version], results: &[StoreResult]) {
        let mut weather = self.weather.lock().unwrap();
        for (version, result) in offers.iter().zip(results) {
            match (result, version.content) {
                (StoreResult::Refused { problem: Problem { code: Code::WriterReused, .. } }, _) => {
                    weather.reused = true;
                }
                (StoreResult::Refused { .. }, _) | (_, None) => {}
                (_, Some(content)) => weather.told.push((version.save.clone(), content.digest)),
            }
        }
    }
}

impl Remote for Link {
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes> {
        let fault = self.begin()?;
        if fault == Some(Fault::Portal) {
            return Err(lost("the answer is not our server's"));
        }
        let changes = self.server.lock().unwrap().changes(self.device, request).map_err(failed)?;
        self.end(fault, changes)
    }

    fn fetch(&mut self, wanted: &[Content], sink: &mut Sink<'_>) -> Result<Vec<(Content, Error)>> {
        let fault = self.begin()?;
        let mut missing = Vec::new();
        for (at, content) in wanted.iter().enumerate() {
            // The answer breaks off after the first content.
            if fault == Some(Fault::Portal) || (at > 0 && fault == Some(Fault::ReplyLost)) {
                return Err(lost("the answer broke off"));
            }
            let bytes = self.server.lock().unwrap().bytes(content.digest);
            let taken = match bytes {
                Ok(bytes) => sink(content, &mut &bytes[..]),
                Err(refusal) => Err(failed(refusal)),
            };
            missing.extend(taken.err().map(|error| (*content, error)));
        }
        Ok(missing)
    }

    fn store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        self.weather.lock().unwrap().stores += 1;
        let fault = self.begin()?;
        if fault == Some(Fault::Portal) {
            if self.bug() != Some(Bug::BelievesAnyAnswer) {
                return Err(lost("the answer is not our server's"));
            }
            let yes = |version: &Version| StoreResult::Head { version: version.id(), heads: Vec::new() };
            let results: Vec<StoreResult> = offers.iter().map(yes).collect();
            self.note(offers, &results);
            return Ok(results);
        }
        let frames = self.frames(offers, source);
        let server = self.server.lock().unwrap();
        if fault == Some(Fault::Twice) {
            server.store(self.device, frames.clone()).map_err(failed)?;
        }
        let reply = server.store(self.device, frames).map_err(failed)?;
        drop(server);
        let results = self.end(fault, reply.results)?;
        self.note(offers, &results);
        Ok(results)
    }

    fn history(&mut self, save: &SaveId, before: Option<VersionId>) -> Result<History> {
        let fault = self.begin()?;
        let history = self.server.lock().unwrap().history_for(self.device, save, before);
        self.end(fault, history.map_err(failed)?)
    }
}
