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
    Ask, Changes, ChangesRequest, Code, Content, Digest, Head, History, Problem, SaveId, StoreResult,
    Version, VersionId, WriterId,
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
/// The same between two tries to fetch what the server names and does not give.
const LOST: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// After how many such tries that the server answered, and not with those bytes, what is played here is sent nevertheless.
const TRIES: u32 = 3;
/// The largest save that goes or comes: it is held in memory, and again in base64.
const MOST_BYTES: u64 = 24 << 20;

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
    /// The store on the card: what the server showed, and what it confirmed of ours.
    shelf: Option<Folder>,
    theirs: WriterId,
    /// What the manifest said last, and the list of saves by their ids.
    entries: Vec<Entry>,
    known: Vec<Known>,
    /// The manifest that was taken in.
    taken_in: Option<Digest>,
    /// Versions that the server names and cannot give: not asked for at each look, and stop no other.
    lost: Vec<Lost>,
    /// Their ids of what was sent just now.
    sent: Vec<String>,
    /// What was sent and is not confirmed: it is nobody's version before the server shows it.
    pending: Vec<Version>,
    /// At whose upload there was no answer.
    silent: Option<SaveId>,
    /// What the server would not share, until it says something new or the time is over.
    refused: Vec<(Version, Problem, Instant)>,
}

/// A version that did not come; or, by the id of its save, one that cannot be read.
struct Lost {
    id: String,
    again: Instant,
    pause: Duration,
    /// How often the server answered.
    tries: u32,
    /// What came instead the last time.
    came: Option<Digest>,
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
            sent: Vec::new(),
            pending: Vec::new(),
            silent: None,
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
            self.shelf = Some(Folder::own(&self.dir, &self.settings)?);
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
        if let Err(error) = self.shelf()?.refresh() {
            // It may come back as another.
            (self.shelf, self.taken_in) = (None, None);
            return Err(error);
        }
        let now = Instant::now();
        let is_news = self.taken_in != Some(said);
        if is_news {
            self.refused.clear();
            let is_shown = |lost: &Lost| entries.iter().any(|entry| entry.told() == Some(&lost.id));
            self.lost.retain(is_shown);
        }
        let all = all || self.lost.iter().any(|lost| lost.again <= now);
        if !is_news && !all {
            return Ok(());
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
        self.known = told::saves(&data, device).ok_or_else(not_agreed)?;
        for entry in &entries {
            if let Some(save) = self.save_of(entry).cloned() {
                self.take_in(&save, entry)?;
            }
        }
        self.entries = entries;
        self.taken_in = Some(said);
        Ok(())
    }

    /// Whose entry it is, if this device takes part in it.
    fn save_of(&self, entry: &Entry) -> Option<&SaveId> {
        let known = self.known(&entry.id).filter(|known| !(known.disabled || known.upload_only))?;
        known.save.as_ref()
    }

    /// What the list of saves says of the one of this id.
    fn known(&self, id: &str) -> Option<&Known> {
        let at = self.known.binary_search_by(|known| known.id.as_str().cmp(id)).ok()?;
        self.known.get(at)
    }

    /// Makes what the server shows a version here. Of bytes that do not come nothing is believed.
    fn take_in(&mut self, save: &SaveId, entry: &Entry) -> Result<()> {
        let Some(id) = entry.told().filter(|id| !self.is_lost(id)) else { return Ok(()) };
        let Some(latest) = &entry.latest else {
            log::warn!("{save}: what the server says of its newest version cannot be read");
            self.lose(id, None, true);
            return Ok(());
        };
        let note = note_of(&latest.id);
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
        let before: Vec<VersionId> = before.into_iter().collect();
        let doing = format!("cannot fetch `{save}`");
        let mut came = None;
        let error = match self.line.download(&doing, id) {
            Ok(bytes) => {
                came = Some(Digest::of(&bytes));
                let is_other = came != Some(latest.digest);
                let came_so = |lost: &Lost| lost.id == *id && lost.came == came;
                let is_whole = bytes.len() as u64 == latest.size_bytes;
                if !is_other || (is_whole && self.lost.iter().any(came_so)) {
                    if is_other {
                        log::warn!(
                            "{doing}: the bytes are not those that the server names; they are set aside"
                        );
                    }
                    let before = if self.is_another(save, entry, &bytes)? { Vec::new() } else { before };
                    match self.keep(save, (id, latest.uploaded_ms), &bytes, before, is_other) {
                        // A smaller one may have room.
                        Err(error) if error.kind == Kind::Full => error,
                        kept => return kept,
                    }
                } else {
                    // On their way, perhaps: the same again is what is there, and is set aside.
                    Error::new(Kind::Offline, doing, "its bytes are not those that the server names")
                }
            }
            Err(error) => error,
        };
        let is_down = self.line.is_down();
        self.lose(id, came, !is_down && error.kind != Kind::Full);
        if is_down {
            return Err(error);
        }
        log::warn!("{error}; it stays as it is here");
        Ok(())
    }

    /// Is it most likely another game's of that name, or of another save of it? Other clients take those for one; a cartridge never
    /// changes its size.
    fn is_another(&mut self, save: &SaveId, entry: &Entry, bytes: &[u8]) -> Result<bool> {
        let Some(known) = self.known(&entry.id) else { return Ok(false) };
        let is_foreign = known.is_foreign;
        if known.is_twice {
            let objects = self.objects()?;
            let theirs = self.theirs.clone();
            let shown = self.shelf()?.index().by(&theirs, save);
            let last = shown.first().and_then(|record| record.record.note.clone());
            let is_it = |(of, id): &(String, String)| *of == entry.id && Some(note_of(id)) == last;
            return Ok(!objects.iter().any(is_it));
        }
        let heads = self.shelf()?.index().heads(save);
        let is_size = |content: Content| content.size_bytes == bytes.len() as u64;
        Ok(is_foreign && !heads.iter().filter_map(|head| head.content).all(is_size))
    }

    fn is_lost(&self, id: &str) -> bool {
        self.lost.iter().any(|lost| lost.id == id && lost.again > Instant::now())
    }

    /// It did not come: asked for again later, and ever more rarely. `is_try`: it is the server that cannot give it.
    fn lose(&mut self, id: &str, came: Option<Digest>, is_try: bool) {
        let now = Instant::now();
        let at = self.lost.iter().position(|lost| lost.id == id).unwrap_or_else(|| {
            self.lost.push(Lost { id: id.to_owned(), again: now, pause: LOST.0, tries: 0, came: None });
            self.lost.len() - 1
        });
        let lost = &mut self.lost[at];
        lost.again = now + lost.pause;
        lost.pause = (lost.pause * 2).min(LOST.1);
        lost.tries += u32::from(is_try);
        lost.came = came.or(lost.came);
    }

    /// Keeps bytes that came as their version of this id, after ours that have the same.
    fn keep(
        &mut self,
        save: &SaveId,
        (id, uploaded_ms): (&str, i64),
        bytes: &[u8],
        mut parents: Vec<VersionId>,
        is_other: bool,
    ) -> Result<()> {
        let theirs = self.theirs.clone();
        let content = content_of(bytes);
        let source = |_: &Version| -> Result<Box<dyn Read + '_>> { Ok(Box::new(Cursor::new(bytes))) };
        let mut pending = self.pending.iter();
        let own = pending.find(|own| own.save == *save && own.content == Some(content) && !is_other).cloned();
        let shelf = self.shelf()?;
        if let Some(own) = &own {
            // It is there: ours from now on.
            shelf.store_one(own, &source)?;
        }
        let heads = shelf.index().heads(save);
        parents.extend(heads.iter().filter(|head| head.content == Some(content)).map(|head| head.version));
        parents.sort_unstable();
        parents.dedup();
        let played = heads.iter().any(|head| head.content.is_some());
        let is_blank = bytes.iter().all(|byte| *byte == 0) || bytes.iter().all(|byte| *byte == 0xff);
        let version = Version {
            save: save.clone(),
            content: Some(content),
            parents,
            sequence: shelf.index().next_of(&theirs),
            writer: theirs,
            played: None,
            // A cartridge as it leaves the factory replaces no game that was played.
            suspect: is_other || (is_blank && played && own.is_none()),
            client: "RetroSync".into(),
            profile: "retrosync".into(),
            core: save.core().map(str::to_owned),
            note: Some(note_of(id)),
        };
        shelf.keep(&version, ("RetroSync".to_owned(), uploaded_ms.div_euclid(1000)), &source)?;
        self.lost.retain(|lost| lost.id != id);
        Ok(())
    }

    /// Has the server nothing of a save any more whose one head this is? Then what is asked about is not there.
    fn is_gone(&mut self, ask: &Ask) -> Result<bool> {
        let heads = self.shelf()?.index().heads(&ask.save);
        let is_head = |head: &Head| head.content.is_some_and(|content| content.digest == ask.digest);
        Ok(heads.len() == 1
            && heads.iter().all(is_head)
            && !self.known.iter().any(|known| known.save.as_ref() == Some(&ask.save)))
    }

    /// Bytes that a power cut took from the card are asked for again.
    fn restore(&mut self, content: Content) -> Result<()> {
        let theirs = self.theirs.clone();
        let shelf = self.shelf()?;
        let record = shelf.index().with(&theirs, content).map(|found| found.record.clone());
        let Some(record) = record.filter(|_| !shelf.has(content)) else { return Ok(()) };
        let id = record.note.as_deref().and_then(|note| note.strip_prefix(NOTE)).unwrap_or_default();
        let bytes = self.line.download(&format!("cannot fetch `{}`", record.save), id)?;
        let source = |_: &Version| -> Result<Box<dyn Read + '_>> { Ok(Box::new(Cursor::new(&bytes))) };
        self.shelf()?.keep_content(&record, content, &source).map(drop)
    }
}

fn content_of(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

/// How a version here says which of theirs it is.
const NOTE: &str = "their version ";

fn note_of(id: &str) -> String {
    [NOTE, id].concat()
}

impl Remote for Retrosync {
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes> {
        let deadline = Instant::now() + Duration::from_secs(request.wait_s.min(300));
        let mut pause = PAUSE.0;
        loop {
            let now = turn();
            self.look(!request.ask.is_empty())?;
            let at_once = ChangesRequest { wait_s: 0, ..request.clone() };
            let mut changes = self.shelf()?.list(&at_once)?;
            for (ask, known) in request.ask.iter().zip(&mut changes.known) {
                *known = *known && !self.is_gone(ask)?;
            }
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
        let _turn = turn();
        for content in wanted {
            // What is not brought, the store misses and says so.
            let _ = self.restore(*content);
        }
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
