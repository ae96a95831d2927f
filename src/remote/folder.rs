//! A store without a server: a share or a stick that several devices write (protocol README section 9).
//!
//! Each file has one writer and is never changed; a record is written after its content is durable; every reader
//! computes the heads for itself. May assume nothing of who else writes or when their files appear. Makes no store by
//! itself: a stick that is not plugged in must not become a new, empty store in the folder it is mounted at.

mod files;
pub(super) mod index;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use retrosync_protocol::{
    Changes, ChangesRequest, Code, Content, Epoch, History, Problem, SaveId, StoreResult, Version, VersionId,
    WriterId,
};
use serde::{Deserialize, Serialize};

use self::index::{Index, Record};
use super::verify::{Fault, Verified};
use super::{Remote, RemoteSettings, Sink, Source};
use crate::error::{Error, Kind, Result};
use crate::machine;

/// How often a folder is looked at while somebody waits for news.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LIST_LIMIT: u32 = 1000;
const HISTORY_LIMIT: usize = 100;
/// A record that is longer is none.
const MAX_RECORD_BYTES: u64 = 64 << 10;

/// The first file of a store.
#[derive(Serialize, Deserialize)]
struct Mark {
    retrosync_store: u32,
    epoch: Epoch,
}

/// A store in a folder.
pub struct Folder {
    dir: PathBuf,
    epoch: Epoch,
    index: Index,
    /// Log files that were read, by writer's folder and name, in order.
    read: Vec<(OsString, OsString)>,
    /// Log files that were told of and are looked at again: on their way, torn, or no records.
    odd: Vec<(OsString, OsString)>,
    /// Marks cursors within one answer's pages as of this run.
    page_of: u32,
    writer: Option<WriterId>,
    device_name: String,
}

impl Folder {
    /// Opens the store in `dir`.
    ///
    /// # Errors
    /// `Offline` when there is none: not mounted, or not made yet. `Misused` when `dir` is not absolute.
    pub fn open(dir: &Path, settings: &RemoteSettings) -> Result<Folder> {
        let dir = store_dir(dir)?;
        let epoch = read_epoch(&dir)?;
        let mut random = [0; 4];
        machine::random(&mut random).map_err(|error| Error::new(Kind::Busy, doing(&dir, "open"), error))?;
        Ok(Folder {
            dir,
            epoch,
            index: Index::default(),
            read: Vec::new(),
            odd: Vec::new(),
            page_of: u32::from_le_bytes(random) & 0x7fff_ffff,
            writer: settings.writer.clone(),
            device_name: settings.device_name.clone(),
        })
    }

    /// The store's folder, if `dir` is there.
    pub(super) fn check(dir: &Path) -> Result<PathBuf> {
        if !dir.is_dir() {
            let doing = format!("cannot make a store in `{}`", dir.display());
            return Err(Error::new(Kind::Offline, doing, "there is no such folder")
                .help("mount the share or plug the stick in first"));
        }
        store_dir(dir)
    }

    /// Makes a store in `dir`, which must be there; a store that is there already is kept. Only pairing does this.
    ///
    /// # Errors
    /// `Offline` when `dir` is not there, `Full` or `Damaged` when it cannot be written.
    pub fn create(dir: &Path) -> Result<Epoch> {
        let dir = Folder::check(dir)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::new(Kind::Busy, doing(&dir, "make"), error))?;
        let mark = Mark { retrosync_store: 1, epoch: Epoch::from_random(&random) };
        let json = serde_json::to_vec(&mark)
            .map_err(|error| Error::new(Kind::Damaged, doing(&dir, "make"), error))?;
        // Torn by a power cut it is nobody's; that of a newer version is.
        let there = fs::read(dir.join("store.json"));
        if there.is_ok_and(|text| serde_json::from_slice::<serde_json::Value>(&text).is_err()) {
            files::set_aside(&dir, "store.json").map_err(|error| Error::io(doing(&dir, "make"), &error))?;
        }
        files::create(&dir, "store.json", &mut |file| file.write_all(&json))
            .map_err(|error| Error::io(doing(&dir, "make"), &error))?;
        read_epoch(&dir)
    }

    /// Opens the store in `dir` of a card that is there, and makes it where there is none: a store of this device alone. One that is
    /// there is not written to.
    pub(super) fn own(dir: &Path, settings: &RemoteSettings) -> Result<Folder> {
        Folder::open(dir, settings).or_else(|_| {
            // Never in the empty place of a card that is away.
            if dir.parent().is_some_and(Path::is_dir) {
                files::make_folder(dir).map_err(|error| Error::io(doing(dir, "make"), &error))?;
            }
            Folder::create(dir)?;
            Folder::open(dir, settings)
        })
    }

    /// What the records that were read add up to.
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Reads what is new in the log.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let epoch = read_epoch(&self.dir)?;
        if epoch != self.epoch {
            self.index = Index::default();
            self.read.clear();
            self.epoch = epoch;
        }
        let mut came = Vec::new();
        let log = self.dir.join("log");
        for writer in names_in(&log).map_err(|error| self.lost(&error))? {
            let folder = log.join(&writer);
            for name in names_in(&folder).map_err(|error| self.lost(&error))? {
                let key = (writer.clone(), name);
                if self.read.binary_search(&key).is_ok() || !key.1.to_string_lossy().ends_with(".json") {
                    continue;
                }
                let path = folder.join(&key.1);
                match read_record(&path) {
                    Ok(Some(record)) if key.1.to_string_lossy() == record_name(&record.record) => {
                        self.index.add(record);
                        came.push(key);
                    }
                    // Another writer's file on its way, a torn one, or a share that hiccups.
                    other => {
                        if !self.odd.contains(&key) {
                            self.odd.push(key);
                            let why =
                                other.err().map_or_else(|| "it is not a record".into(), |e| e.to_string());
                            log::warn!("cannot read `{}`: {why}; it is looked at again", path.display());
                        }
                    }
                }
            }
        }
        self.read.append(&mut came);
        self.read.sort_unstable();
        Ok(())
    }

    /// Trouble with the folder itself: mostly it went away.
    fn lost(&self, error: &io::Error) -> Error {
        let mut lost = Error::io(doing(&self.dir, "read"), error);
        if lost.kind == Kind::Damaged {
            lost.kind = Kind::Offline;
        }
        lost
    }

    fn blob(&self, content: &Content) -> (PathBuf, String) {
        let digest = content.digest.to_string();
        (self.dir.join("blobs").join(&digest[..2]), digest)
    }

    /// Are these very bytes here? A record alone is none: a power cut may have left it without them.
    pub(super) fn has(&self, content: Content) -> bool {
        self.open_content(content).is_ok_and(|mut file| Verified::new(&mut file, content).finish().is_ok())
    }

    /// The file of these bytes, if it is there; what it holds is to be verified.
    pub(super) fn open_content(&self, content: Content) -> io::Result<File> {
        let (folder, name) = self.blob(&content);
        File::open(folder.join(name))
    }

    /// Makes a version's content durable; says why it could not be.
    pub(super) fn keep_content(
        &self,
        version: &Version,
        content: Content,
        source: &Source<'_>,
    ) -> Result<Option<Problem>> {
        if self.has(content) {
            return Ok(None);
        }
        let (folder, name) = self.blob(&content);
        let mut reader = match source(version) {
            Ok(reader) => reader,
            Err(error) => {
                let detail = format!("the bytes of `{}` could not be read: {error}", version.save);
                return Ok(Some(Problem::new(Code::ContentMissing, detail)));
            }
        };
        let mut verified = Verified::new(&mut *reader, content);
        let mut copy = |file: &mut File| io::copy(&mut verified, file).map(|_| ());
        files::set_aside(&folder, &name).map_err(|error| self.lost(&error))?;
        match files::create(&folder, &name, &mut copy) {
            Ok(_) => Ok(None),
            Err(error) => match verified.finish() {
                Err(Fault::Mismatch) => {
                    let detail = format!("`{}` changed while it was stored", version.save);
                    Ok(Some(
                        Problem::new(Code::DigestMismatch, detail).help("it is read again in the next cycle"),
                    ))
                }
                Err(Fault::Stream(cause)) => {
                    let detail = format!("the bytes of `{}` could not be read: {cause}", version.save);
                    Ok(Some(Problem::new(Code::ContentMissing, detail)))
                }
                Ok(()) => Err(Error::io(doing(&self.dir, "write"), &error)),
            },
        }
    }

    /// Stores one version, by the records that were read.
    pub(super) fn store_one(&mut self, version: &Version, source: &Source<'_>) -> Result<StoreResult> {
        let said = if self.index.holds(&version.id()) {
            Some(self.index.outcome(version))
        } else if let Some(problem) = self.index.refuses(version) {
            return Ok(StoreResult::Refused { problem });
        } else {
            self.index.said_already(version)
        };
        if let Some(result) = said {
            // Its record is here; are its bytes?
            let problem = version.content.map(|content| self.keep_content(version, content, source));
            let problem = problem.transpose()?.flatten();
            return Ok(problem.map_or(result, |problem| StoreResult::Refused { problem }));
        }
        self.keep(version, (self.device_name.clone(), machine::unix_s()), source)
    }

    /// Keeps a version that came from a device of that name at that time.
    pub(super) fn keep(
        &mut self,
        version: &Version,
        (device_name, stored_unix_s): (String, i64),
        source: &Source<'_>,
    ) -> Result<StoreResult> {
        if let Some(content) = version.content
            && let Some(problem) = self.keep_content(version, content, source)?
        {
            return Ok(StoreResult::Refused { problem });
        }
        let record = Record { version: version.id(), record: version.clone(), device_name, stored_unix_s };
        let json = serde_json::to_vec(&record)
            .map_err(|error| Error::new(Kind::Damaged, doing(&self.dir, "write"), error))?;
        let writer = self.dir.join("log").join(version.writer.as_str());
        let name = record_name(version);
        if !matches!(read_record(&writer.join(&name)), Ok(Some(there)) if there.version == record.version) {
            files::set_aside(&writer, &name).map_err(|error| self.lost(&error))?;
        }
        files::create(&writer, &name, &mut |file| file.write_all(&json))
            .and_then(|_| files::sync_folder(&self.dir.join("log")))
            .map_err(|error| Error::io(doing(&self.dir, "write"), &error))?;
        self.index.add(record);
        Ok(self.index.outcome(version))
    }
}

impl Remote for Folder {
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes> {
        let deadline = Instant::now() + Duration::from_secs(request.wait_s.min(300));
        self.refresh()?;
        let epoch = request.epoch.clone().unwrap_or_else(|| self.epoch.clone());
        let mut after = self.index.position(request.since, self.page_of);
        if epoch == self.epoch && request.ask.is_empty() && self.index.last() == after {
            self.wait_for_news(after, deadline)?;
        }
        let reset = epoch != self.epoch;
        if reset {
            after = 0;
        }
        let limit = request.limit.unwrap_or(LIST_LIMIT).clamp(1, 5000) as usize;
        let (saves, cursor, more) = self.index.changes(after, limit, self.page_of);
        Ok(Changes {
            epoch: self.epoch.clone(),
            cursor,
            more,
            reset,
            landmark: None,
            server_time_unix_s: machine::unix_s(),
            saves,
            known: request
                .ask
                .iter()
                .map(|ask| {
                    self.index.content(&ask.save, &ask.digest).is_some_and(|content| self.has(content))
                })
                .collect(),
            lacking: Vec::new(),
        })
    }

    fn fetch(&mut self, wanted: &[Content], sink: &mut Sink<'_>) -> Result<Vec<(Content, Error)>> {
        let mut failed = Vec::new();
        for content in wanted {
            let doing = || {
                format!("cannot fetch a save of {} bytes from `{}`", content.size_bytes, self.dir.display())
            };
            let mut file = match self.open_content(*content) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    // Not this content, or no store at all any more?
                    read_epoch(&self.dir)?;
                    let cause = "the store does not have its bytes (yet)";
                    failed.push((*content, Error::new(Kind::Refused(Code::NotFound), doing(), cause)));
                    continue;
                }
                Err(error) => return Err(self.lost(&error)),
            };
            let mut verified = Verified::new(&mut file, *content);
            let taken = sink(content, &mut verified);
            if taken.is_err() && !verified.has_fault() {
                failed.extend(taken.err().map(|error| (*content, error)));
                continue;
            }
            match verified.finish() {
                Ok(()) => failed.extend(taken.err().map(|error| (*content, error))),
                Err(Fault::Stream(cause)) => return Err(Error::new(Kind::Offline, doing(), cause)),
                Err(Fault::Mismatch) => {
                    let cause = "the bytes in the store are not what their name says";
                    failed.push((*content, Error::new(Kind::Damaged, doing(), cause)));
                }
            }
        }
        Ok(failed)
    }

    fn store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        self.refresh()?;
        offers.iter().map(|version| self.store_one(version, source)).collect()
    }

    fn history(&mut self, save: &SaveId, before: Option<VersionId>) -> Result<History> {
        self.refresh()?;
        self.index.history(save, before, HISTORY_LIMIT).ok_or_else(|| {
            let doing = format!("cannot read the history of `{save}`");
            Error::new(Kind::Refused(Code::NotFound), doing, "the store has no such save or version")
        })
    }
}

impl Folder {
    /// Looks again and again until another writer's record is there or time is up.
    fn wait_for_news(&mut self, after: u64, deadline: Instant) -> Result<()> {
        let epoch = self.epoch.clone();
        while epoch == self.epoch && !self.index.has_news(after, self.writer.as_ref()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(LOOK_EVERY));
            self.refresh()?;
        }
        Ok(())
    }
}

fn store_dir(dir: &Path) -> Result<PathBuf> {
    if dir.is_absolute() {
        return Ok(dir.join("retrosync-store"));
    }
    let doing = format!("cannot use `{}` as store", dir.display());
    Err(Error::new(Kind::Misused, doing, "it is not an absolute path")
        .help("write it as `folder:/mnt/share`"))
}

fn doing(dir: &Path, verb: &str) -> String {
    format!("cannot {verb} the store in `{}`", dir.display())
}

/// The epoch of the store, and the proof that it is there.
fn read_epoch(dir: &Path) -> Result<Epoch> {
    let offline = |cause: &dyn std::fmt::Display| {
        Error::new(Kind::Offline, doing(dir, "open"), cause)
            .help("is the share mounted, or the stick plugged in? `retrosync pair` makes a new store")
    };
    let mut text = Vec::new();
    File::open(dir.join("store.json"))
        .and_then(|file| file.take(MAX_RECORD_BYTES).read_to_end(&mut text))
        .map_err(|error| offline(&error))?;
    let mark: Mark = serde_json::from_slice(&text).map_err(|error| offline(&error))?;
    if mark.retrosync_store == 1 {
        Ok(mark.epoch)
    } else {
        Err(offline(&"it is of a newer version of RetroSync"))
    }
}

/// The names in a folder; one that is not there yet has none.
fn names_in(folder: &Path) -> io::Result<Vec<OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// A record, if the file is one and its id is that of its text.
fn read_record(path: &Path) -> io::Result<Option<Record>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_RECORD_BYTES).read_to_end(&mut text)?;
    let record = serde_json::from_slice::<Record>(&text).ok();
    Ok(record.filter(|record| record.record.id() == record.version && record.record.fault().is_none()))
}

fn record_name(version: &Version) -> String {
    format!("{:012}-{}.json", version.sequence, version.id())
}
