//! What lies between a daemon and the server: the daemon's `Remote`, with the faults of a network.

use std::sync::Arc;

use bytes::Bytes;
use retrosync::error::{Error, Kind, Result};
use retrosync::remote::{Heard, Remote, Sink, Source};
use retrosync_protocol::{
    Changes, ChangesRequest, Code, Content, Digest, History, Problem, SaveId, StoreResult, Version, VersionId,
};
use retrosync_server::refusal::Refusal;

use crate::bug::Bug;
use crate::fat::Alone;
use crate::handheld::Shared;
use crate::mistakes;
use crate::server::Server;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing answers.
    Unreachable,
    /// The server does it, and the answer is lost.
    ReplyLost,
    /// The answer breaks off in the middle of the bytes.
    CutOff,
    /// A bit is changed on the way.
    BitFlipped,
    /// The request arrives twice.
    Twice,
    /// The request is on its way so long that its sender gives up; it arrives after later ones.
    Late,
    /// The request arrives, and much later once more.
    Echoed,
    /// Something else answers, as a captive portal does.
    Portal,
    /// 500: the server fails.
    Failing,
    /// 503, with `Retry-After`.
    Busy,
    /// 429, with `Retry-After`.
    TooMany,
    /// 507: the server has no room for bytes.
    NoRoom,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 12] = [
        Fault::Unreachable,
        Fault::ReplyLost,
        Fault::CutOff,
        Fault::BitFlipped,
        Fault::Twice,
        Fault::Late,
        Fault::Echoed,
        Fault::Portal,
        Fault::Failing,
        Fault::Busy,
        Fault::TooMany,
        Fault::NoRoom,
    ];

    /// Can it befall a call that stores nothing?
    pub fn befalls_all(self) -> bool {
        !matches!(self, Fault::Twice | Fault::Late | Fault::Echoed | Fault::NoRoom)
    }
}

/// What `Retry-After` says, in seconds.
const RETRY_AFTER_S: u64 = 30;

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
    /// A person drops a file onto the dashboard.
    Brings {
        /// For which save.
        save: usize,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// The oldest version is restored on the dashboard.
    Restores {
        /// Of which save.
        save: usize,
    },
}

/// A server that fails for long.
#[derive(Clone, Copy, Debug)]
pub struct Down {
    /// What befalls every call.
    pub fault: Fault,
    /// What its `Retry-After` says, in seconds.
    pub says_s: u64,
    /// It tells what is new all the same.
    pub lists: bool,
}

/// What is to happen at one call of a cycle.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// At which call, and what: it strikes the first one from there on that it can befall, be it in a later cycle.
    pub fault: Option<(usize, Fault)>,
    /// Until this ends nothing gets through, or nothing but questions for what is new.
    pub down: Option<Down>,
    /// At which call, and what, before the server sees it.
    pub meanwhile: Option<(usize, Meanwhile)>,
    /// Calls so far in this cycle.
    pub calls: usize,
    /// Stores so far in this cycle.
    pub stores: usize,
    /// What the calls since the world last looked were for, and what struck them.
    pub begun: Vec<(&'static str, Option<Fault>)>,
    /// Contents that the daemon was told are stored, since the world last looked.
    pub told: Vec<(SaveId, Digest)>,
    /// The server refused a number as used.
    pub reused: bool,
    /// It did so at the last store, and this program has not ended since.
    pub is_warned: bool,
    /// It was warned, and went on as the same writer.
    pub is_deaf: bool,
    /// The last answer asked to stay away this long.
    pub retry_after_s: Option<u64>,
    /// What a planted bug called stored and has not sent yet.
    pub put_off: Vec<Frame>,
}

/// The daemon's remote.
pub struct Link {
    /// Which device.
    pub device: usize,
    /// The server.
    pub server: Arc<Alone<Server>>,
    /// The handheld.
    pub handheld: Shared,
    /// What goes wrong.
    pub weather: Arc<Alone<Weather>>,
    /// The saves, by number.
    pub saves: Arc<Vec<SaveId>>,
}

pub(crate) fn lost(why: &str) -> Error {
    Error::new(Kind::Offline, "cannot reach the server", why)
}

/// A version and its bytes, as they travel.
pub type Frame = (Version, Option<Bytes>);

fn failed(refusal: Refusal) -> Error {
    let problem = refusal.into_problem();
    Error::new(Kind::Refused(problem.code), "the server refused", problem.detail)
}

impl Link {
    /// A call begins: what happens meanwhile happens; the fault of this call, if it has one.
    pub(crate) fn begin(&self, stores: bool) -> Option<Fault> {
        self.begins(stores, false)
    }

    /// The same of a question for what is new.
    pub(crate) fn begin_list(&self) -> Option<Fault> {
        self.begins(false, true)
    }

    fn begins(&self, stores: bool, lists: bool) -> Option<Fault> {
        let (fault, meanwhile) = {
            let mut weather = self.weather.get();
            let call = weather.calls;
            weather.calls += 1;
            // As `remote::http` forgets it.
            weather.retry_after_s = None;
            let fault = weather.fault.take_if(|(at, fault)| *at <= call && (stores || fault.befalls_all()));
            let down = weather.down.filter(|down| !(lists && down.lists)).map(|down| down.fault);
            let fault = down.or(fault.map(|(_, fault)| fault));
            let meanwhile = weather.meanwhile.take_if(|(at, _)| *at == call).map(|(_, act)| act);
            (fault, meanwhile)
        };
        if let Some(act) = meanwhile {
            self.happens(act);
        }
        fault
    }

    /// The call is for these steps.
    pub(crate) fn is_for(&self, steps: impl Iterator<Item = &'static str>, fault: Option<Fault>) {
        let mut weather = self.weather.get();
        // What strikes every call is no news of the single one.
        if weather.down.is_none() {
            weather.begun.extend(steps.map(|step| (step, fault)));
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
            Meanwhile::Brings { save, bytes } => {
                let told = self.server.get().bring(&self.saves[save], bytes, false);
                self.weather.get().told.extend(told);
            }
            Meanwhile::Restores { save } => {
                let server = self.server.get();
                let save = &self.saves[save];
                let oldest = server.history(save).into_iter().rev();
                let oldest = oldest.filter(|entry| entry.record.content.is_some()).map(|entry| entry.version);
                if let Some(version) = oldest.take(1).next() {
                    server.choose(save, Some(version));
                }
            }
        }
    }

    /// The fault of an answer.
    pub(crate) fn end<T>(&self, fault: Option<Fault>, answer: T) -> Result<T> {
        match fault {
            Some(Fault::ReplyLost | Fault::CutOff) => Err(lost("the answer was lost")),
            Some(Fault::BitFlipped) => Err(lost("the answer is not our server's")),
            _ => Ok(answer),
        }
    }

    /// The server's door, or what stands before it, turns the call away: as `remote::http` tells it.
    fn turned_away(&self, fault: Option<Fault>) -> Result<()> {
        let (code, retry_after_s) = match fault {
            Some(Fault::Unreachable) => return Err(lost("the network is gone")),
            Some(Fault::Portal) => return Err(lost("the answer is not our server's")),
            Some(Fault::Failing) => (Code::Internal, None),
            Some(Fault::Busy) => (Code::Unavailable, Some(RETRY_AFTER_S)),
            Some(Fault::TooMany) => (Code::SlowDown, Some(RETRY_AFTER_S)),
            _ => return Ok(()),
        };
        let mut weather = self.weather.get();
        // Another fault's server says nothing of that.
        let down = weather.down.filter(|down| down.fault == Fault::Busy);
        weather.retry_after_s = retry_after_s.map(|says| down.map_or(says, |down| down.says_s));
        drop(weather);
        Err(Error::new(Kind::Offline, "the server refused", code.title()))
    }

    pub(crate) fn bug(&self) -> Option<Bug> {
        self.handheld.get().bug
    }

    fn frames(&self, offers: &[Version], source: &Source<'_>, fault: Option<Fault>) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(offers.len());
        for version in offers {
            let mut bytes = Vec::new();
            let body = version.content.and_then(|content| {
                bytes.reserve(usize::try_from(content.size_bytes).unwrap_or(0) + 1);
                source(version).ok()?.read_to_end(&mut bytes).ok()?;
                // As over HTTP: what is not what was offered goes without its body.
                (Digest::of(&bytes) == content.digest).then(|| Bytes::from(bytes))
            });
            let body = if fault == Some(Fault::BitFlipped) { body.map(flipped) } else { body };
            frames.push((version.clone(), body));
        }
        mistakes::frames(self, frames)
    }

    /// One request with frames, on whatever way it takes.
    pub(crate) fn send(&self, frames: Vec<Frame>, fault: Option<Fault>) -> Result<Vec<StoreResult>> {
        let mut server = self.server.get();
        let again = frames.clone();
        match fault {
            Some(Fault::Late) => {
                server.delay(self.device, frames);
                return Err(lost("no answer in time"));
            }
            Some(Fault::Echoed) => server.delay(self.device, again),
            Some(Fault::NoRoom) => {
                let full = || Problem::new(Code::DiskFull, "the server's disk is full");
                return Ok(frames.iter().map(|_| StoreResult::Refused { problem: full() }).collect());
            }
            Some(Fault::Twice) => {
                server.store(self.device, again.clone()).map_err(failed)?;
                mistakes::again(self.bug(), &server, &again);
            }
            _ => {}
        }
        let reply = server.store(self.device, frames).map_err(failed)?;
        drop(server);
        self.end(fault.filter(|fault| *fault != Fault::BitFlipped), reply.results)
    }

    /// What is begun by an offer, in the coverage's words.
    fn step_of(&self, offer: &Version) -> &'static str {
        let is_branch = || {
            let heads = self.server.get().heads(&offer.save);
            !heads.iter().all(|head| offer.parents.contains(head))
        };
        of_offer(offer).unwrap_or_else(|| if is_branch() { "branched" } else { "stored" })
    }

    /// A call that stores begins.
    pub(crate) fn begin_store(&self, offers: &[Version]) -> Option<Fault> {
        let fault = self.begin(true);
        // Without a fault the answer tells.
        if fault.is_some() {
            let steps: Vec<_> = offers.iter().map(|offer| self.step_of(offer)).collect();
            self.is_for(steps.into_iter(), fault);
        }
        fault
    }

    fn try_store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        self.weather.get().stores += 1;
        let fault = self.begin_store(offers);
        self.turned_away(fault).or_else(|error| mistakes::turned_away(self.bug(), fault, error))?;
        if fault == Some(Fault::Portal) {
            return Ok(mistakes::all_stored(offers));
        }
        let frames = self.frames(offers, source, fault);
        let results = self.send(frames, fault)?;
        if fault.is_none() {
            self.is_for(offers.iter().zip(&results).map(of_result), None);
        }
        Ok(results)
    }

    pub(crate) fn note(&self, offers: &[Version], results: &[StoreResult]) {
        let mut weather = self.weather.get();
        let is_reused = |result: &StoreResult| matches!(result, StoreResult::Refused { problem } if problem.code == Code::WriterReused);
        let is_warned = results.iter().any(is_reused);
        weather.is_deaf |= is_warned && weather.is_warned;
        weather.is_warned = is_warned;
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

/// What an offer begins, if that does not depend on what the server has.
fn of_offer(offer: &Version) -> Option<&'static str> {
    match offer {
        Version { suspect: true, .. } => Some("aside"),
        _ if offer.note.is_some() || offer.parents.len() > 1 => Some("chosen"),
        _ => None,
    }
}

/// The same as its answer tells.
pub(crate) fn of_result((offer, result): (&Version, &StoreResult)) -> &'static str {
    let is_branch = matches!(result, StoreResult::Branch { .. });
    of_offer(offer).unwrap_or(if is_branch { "branched" } else { "stored" })
}

fn flipped(bytes: Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes.iter_mut().take(1).for_each(|byte| *byte ^= 0x40);
    bytes.into()
}

impl Remote for Link {
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes> {
        mistakes::deliver(self);
        let fault = self.begin_list();
        self.is_for(["asked"].into_iter(), fault);
        self.turned_away(fault)?;
        let request = mistakes::request(self.bug(), request);
        let mut changes = self.server.get().changes(self.device, &request).map_err(failed)?;
        mistakes::changes(self, &mut changes);
        match self.end(fault, ()) {
            Err(_) if self.bug() == Some(Bug::CursorBeforeNews) => changes.saves.clear(),
            ended => ended?,
        }
        Ok(changes)
    }

    fn fetch(&mut self, wanted: &[Content], sink: &mut Sink<'_>) -> Result<Vec<(Content, Error)>> {
        let fault = self.begin(false);
        self.is_for(wanted.iter().map(|_| "placed"), fault);
        self.turned_away(fault)?;
        let mut missing = Vec::new();
        for (at, content) in wanted.iter().enumerate() {
            // The answer breaks off after the first content.
            if at > 0 && fault == Some(Fault::ReplyLost) {
                return Err(lost("the answer broke off"));
            }
            let bytes = self.server.get().bytes(content.digest);
            let taken = match bytes {
                Ok(bytes) if fault == Some(Fault::CutOff) => {
                    return sink(content, &mut &bytes[..bytes.len() / 2]).map(|()| missing);
                }
                Ok(bytes) if fault == Some(Fault::BitFlipped) => {
                    mistakes::take_flipped(self, content, &bytes, &flipped(bytes.clone().into()), sink)
                }
                Ok(bytes) => sink(content, &mut &bytes[..]),
                Err(refusal) => Err(failed(refusal)),
            };
            missing.extend(taken.err().map(|error| (*content, error)));
        }
        Ok(missing)
    }

    fn store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        let results = self.try_store(offers, source);
        let results = mistakes::results(self, offers, results)?;
        self.note(offers, &results);
        Ok(results)
    }

    fn history(&mut self, save: &SaveId, before: Option<VersionId>) -> Result<History> {
        let fault = self.begin(false);
        self.is_for(["history"].into_iter(), fault);
        self.turned_away(fault)?;
        let history = self.server.get().history_for(self.device, save, before);
        self.end(fault, history.map_err(failed)?)
    }

    fn heard(&self) -> Heard {
        Heard { server_time_unix_s: None, retry_after_s: self.weather.get().retry_after_s }
    }
}
