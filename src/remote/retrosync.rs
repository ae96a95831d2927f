//! A server of the RetroSync project as a remote: it keeps the newest bytes of a save under a flat name, and no more.
//!
//! It knows no parents, no branches and no histories, and whoever comes last replaces what others see. So the graph is on the card, a
//! store as in a shared folder (`folder`): whatever the server shows first becomes a version there, verified and
//! durable, after the one that it showed before; what is stored here goes there first too, and is sent only while it
//! is the one head. So what diverges is a question on this device, nothing is replaced that was not kept before, and no clock
//! decides. May assume nothing of the server: `told` reads it, and every byte is compared with its digest.

mod line;
mod names;
mod pairing;
mod send;
mod told;

use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use retrosync_protocol::{
    Changes, ChangesRequest, Code, Content, Digest, History, Problem, SaveId, StoreResult, Version,
    VersionId, WriterId,
};

use self::line::Line;
use self::told::{Entry, Known, Latest};
use super::folder::index::Record;
use super::{Folder, Heard, Remote, RemoteSettings, Report, Sink, Source};
use crate::error::{Error, Kind, Result};

pub use pairing::{Letter, is_code, let_in, show_code, speaks_it};

/// What stands before the address of such a server.
pub const PREFIX: &str = "retrosync:";
/// Whose the versions are that the server showed.
const THEIRS: [u8; 16] = [0; 16];
/// How long the pauses are between two looks while somebody waits: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(32));

/// The daemon asks on two connections; the store on the card is added to by one at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection to a RetroSync server.
pub struct Retrosync {
    line: Line,
    settings: RemoteSettings,
    dir: PathBuf,
    shelf: Option<Folder>,
    theirs: WriterId,
    /// What the manifest said last, and the list of saves by their ids.
    entries: Vec<Entry>,
    known: Vec<Known>,
    /// The manifest that was taken in.
    taken_in: Option<Digest>,
    /// Versions that the server names and cannot give: not asked for at each look.
    lost: Vec<String>,
    /// The times that versions were sent with.
    sent_ms: Vec<(SaveId, i64)>,
    /// Their ids of what was sent just now.
    sent: Vec<String>,
    /// What the server would not share, until it says something new.
    refused: Vec<(SaveId, Digest, Problem)>,
}

impl Retrosync {
    /// Sets up; asks nothing yet and writes nothing.
    ///
    /// # Errors
    /// `Misused` for an address that cannot be used, or without a card to keep the graph on.
    pub fn open(settings: &RemoteSettings) -> Result<Retrosync> {
        let line = Line::open(settings)?;
        let Some(state_dir) = &settings.state_dir else {
            return Err(Error::new(
                Kind::Misused,
                line.doing("use"),
                "there is no card to keep its versions on",
            ));
        };
        let token = settings.token.as_ref().map(|token| token.digest());
        let name = Digest::of(
            format!("{}\n{}", settings.server, token.map_or(String::new(), |t| t.to_string())).as_bytes(),
        );
        Ok(Retrosync {
            line,
            dir: state_dir.join(format!("retrosync-{}", &name.to_string()[..16])),
            settings: settings.clone(),
            shelf: None,
            theirs: WriterId::from_random(&THEIRS),
            entries: Vec::new(),
            known: Vec::new(),
            taken_in: None,
            lost: Vec::new(),
            sent_ms: Vec::new(),
            sent: Vec::new(),
            refused: Vec::new(),
        })
    }

    /// Refuses what may not be spoken with.
    pub(super) fn check(settings: &RemoteSettings) -> Result<()> {
        Line::open(settings)?.check(settings)
    }

    /// Whose the server takes this device for, and how many saves it shares.
    ///
    /// # Errors
    /// `Offline`, `Unpaired`.
    pub fn shared(&mut self) -> Result<usize> {
        let doing = self.line.doing("ask");
        let data = self.line.ask(&doing, "/sync/manifest", None)?;
        Ok(told::manifest(&data).map_or(0, |(_, entries)| entries.len()))
    }

    /// The store on the card; made when it is needed first.
    fn shelf(&mut self) -> Result<&mut Folder> {
        if self.shelf.is_none() {
            // Never in the empty place of a card that is away.
            if self.dir.parent().is_some_and(|dir| dir.is_dir()) && !self.dir.is_dir() {
                std::fs::create_dir(&self.dir).map_err(|error| Error::io(self.line.doing("use"), &error))?;
            }
            Folder::create(&self.dir)?;
            self.shelf = Some(Folder::open(&self.dir, &self.settings)?);
        }
        let gone = || Error::new(Kind::Offline, "cannot open the store on the card", "it is not there");
        self.shelf.as_mut().ok_or_else(gone)
    }

    /// Asks what the server has, and takes in what is new. `all`: also when the manifest is as it was.
    fn look(&mut self, all: bool) -> Result<()> {
        let doing = self.line.doing("ask for changes on");
        let not_agreed = || Error::new(Kind::Offline, doing.clone(), "its answer is not as agreed");
        let data = self.line.ask(&doing, "/sync/manifest", None)?;
        let said = Digest::of(data.to_string().as_bytes());
        let (device, entries) = told::manifest(&data).ok_or_else(not_agreed)?;
        self.shelf()?.refresh()?;
        let is_news = self.taken_in != Some(said);
        if !is_news && !all {
            return Ok(());
        }
        if is_news {
            self.refused.clear();
        }
        let theirs = self.theirs.clone();
        let mut taken = self.shelf()?.index().notes_of(&theirs);
        taken.sort_unstable();
        let is_taken = |latest: &Latest| taken.binary_search(&note_of(&latest.id).as_str()).is_ok();
        if !all && entries.iter().filter_map(|entry| entry.latest.as_ref()).all(is_taken) {
            self.taken_in = Some(said);
            return Ok(());
        }
        let data = self.line.ask(&doing, "/saves", None)?;
        self.known = told::saves(&data, &device).ok_or_else(not_agreed)?;
        if all {
            self.lost.clear();
        }
        for entry in &entries {
            if let Some(save) = self.save_of(entry) {
                self.take_in(&save, entry)?;
            }
        }
        self.entries = entries;
        self.taken_in = Some(said);
        Ok(())
    }

    /// Whose entry it is, if this device takes part in it.
    fn save_of(&self, entry: &Entry) -> Option<SaveId> {
        let known = self.known(&entry.id).filter(|known| !(known.disabled || known.upload_only))?;
        known.save.clone()
    }

    /// What the list of saves says of the one of this id.
    fn known(&self, id: &str) -> Option<&Known> {
        let at = self.known.binary_search_by(|known| known.id.as_str().cmp(id)).ok()?;
        self.known.get(at)
    }

    /// Makes what the server shows a version here. Of bytes that do not come nothing is believed.
    fn take_in(&mut self, save: &SaveId, entry: &Entry) -> Result<()> {
        let Some(latest) = entry.latest.as_ref().filter(|latest| !self.lost.contains(&latest.id)) else {
            return Ok(());
        };
        let note = note_of(&latest.id);
        let content = Content { digest: latest.digest, size_bytes: latest.size_bytes };
        let theirs = self.theirs.clone();
        let index = self.shelf()?.index();
        let shown = index.by(&theirs, save);
        let is_it = |record: &Record| record.record.note.as_ref() == Some(&note);
        if shown.first().is_some_and(|record| is_it(record)) {
            return Ok(());
        }
        // An older one again, whether restored there or because newer ones were lost: it stands beside what there is, and
        // a person is asked.
        let before = shown.iter().find(|record| is_it(record)).or(shown.first()).map(|record| record.version);
        let same = index.heads(save).into_iter().filter(|head| head.content == Some(content));
        let parents = before.into_iter().chain(same.map(|head| head.version)).collect();
        let doing = format!("cannot fetch `{save}`");
        match self.line.download(&doing, &latest.id, latest.size_bytes) {
            Ok(bytes) if bytes.len() as u64 == latest.size_bytes => {
                let is_other = Digest::of(&bytes) != latest.digest;
                if is_other {
                    log::warn!("{doing}: the bytes are not those that the server names; they are set aside");
                }
                self.keep(save, (&latest.id, latest.uploaded_ms), &bytes, parents, is_other)
            }
            Ok(_) => Err(Error::new(Kind::Offline, doing, "not all of its bytes came")),
            Err(error) if error.kind == Kind::Damaged => {
                log::warn!("{error}; it stays as it is here");
                self.lost.push(latest.id.clone());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps bytes that came as their version of this id.
    fn keep(
        &mut self,
        save: &SaveId,
        (id, uploaded_ms): (&str, i64),
        bytes: &[u8],
        mut parents: Vec<VersionId>,
        is_other: bool,
    ) -> Result<()> {
        parents.sort_unstable();
        parents.dedup();
        let theirs = self.theirs.clone();
        let shelf = self.shelf()?;
        let played = shelf.index().heads(save).iter().any(|head| head.content.is_some());
        let is_blank = bytes.iter().all(|byte| *byte == 0) || bytes.iter().all(|byte| *byte == 0xff);
        let version = Version {
            save: save.clone(),
            content: Some(Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }),
            parents,
            sequence: shelf.index().next_of(&theirs),
            writer: theirs,
            played: None,
            // A cartridge as it leaves the factory replaces no game that was played.
            suspect: is_other || (is_blank && played),
            client: "RetroSync".into(),
            profile: "retrosync".into(),
            core: save.core().map(str::to_owned),
            note: Some(note_of(id)),
        };
        let source = |_: &Version| -> Result<Box<dyn Read + '_>> { Ok(Box::new(Cursor::new(bytes))) };
        shelf.keep(&version, ("RetroSync".to_owned(), uploaded_ms.div_euclid(1000)), &source).map(drop)
    }
}

/// How a version here says which of theirs it is.
fn note_of(id: &str) -> String {
    format!("their version {id}")
}

impl Remote for Retrosync {
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes> {
        let deadline = Instant::now() + Duration::from_secs(request.wait_s.min(300));
        let mut pause = PAUSE.0;
        loop {
            let now = turn();
            self.look(false)?;
            let at_once = ChangesRequest { wait_s: 0, ..request.clone() };
            let mut changes = self.shelf()?.list(&at_once)?;
            drop(now);
            let left = deadline.saturating_duration_since(Instant::now());
            let silent = changes.saves.is_empty() && !changes.reset && request.ask.is_empty();
            if !silent || left.is_zero() {
                let heard = self.line.heard().server_time_unix_s;
                changes.server_time_unix_s = heard.unwrap_or(changes.server_time_unix_s);
                return Ok(changes);
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    fn fetch(&mut self, wanted: &[Content], sink: &mut Sink<'_>) -> Result<Vec<(Content, Error)>> {
        self.shelf()?.fetch(wanted, sink)
    }

    fn store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        let _turn = turn();
        self.send_all(offers, source)
    }

    fn history(&mut self, save: &SaveId, before: Option<VersionId>) -> Result<History> {
        if self.shelf.is_none() && !self.dir.is_dir() {
            let cause = "the server has shown no version of it";
            return Err(Error::new(
                Kind::Refused(Code::NotFound),
                format!("cannot read the history of `{save}`"),
                cause,
            ));
        }
        self.shelf()?.history(save, before)
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        let path = |path: &String| serde_json::json!({ "path": path, "kind": "default" });
        let paths: Vec<_> = report.folders.iter().map(path).collect();
        let body = serde_json::json!({ "scanPaths": paths }).to_string();
        let doing = self.line.doing("report to");
        self.line.ask(&doing, "/sync/heartbeat", Some(body.as_bytes())).map(drop)
    }

    fn heard(&self) -> Heard {
        self.line.heard()
    }
}
