//! What is stored here goes there: after a look at what is there, with a time that their rules believe, and counted only when
//! the server shows it and gives back the same bytes.
//!
//! Their server ranks versions by the time that the device tells. One within 5 s of its arrival ranks below all others, one that
//! is not 2 s later than the device's last is thrown away, and one more than an hour ahead is replaced. So each is told
//! 7 s before the server's own clock; or, where that is not later than all before, later by more than an upload takes.

use std::io::Read;
use std::time::{Duration, Instant};

use retrosync_protocol::{Code, Content, Head, Problem, SaveId, StoreResult, Version};
use serde_json::Value;

use super::line::base64;
use super::told::{self, Entry, Known, Latest};
use super::{MOST_BYTES, Retrosync, Source, TRIES, content_of, names, note_of};
use crate::error::{Error, Kind, Result};
use crate::machine;
use crate::remote::verify::Verified;

/// Farther before a version's arrival than their 5 s, in milliseconds.
const OFF_MS: i64 = 7_000;
/// The same after it, however long it takes to arrive, in milliseconds.
const SOON_MS: i64 = 120_000;
/// From one version of a save to the next, in milliseconds: more than their 2 s.
const STEP_MS: i64 = 2_001;
/// The farthest ahead that is told, in milliseconds: less than their hour.
const AHEAD_MS: i64 = 3_500_000;
/// Each try is another text of the same digest: bytes that the server lost, or showed before, are taken again.
const ATTEMPTS: u64 = 2;
/// How long what the server would not take or share is left alone, if it says nothing new.
const REST: Duration = Duration::from_secs(300);

/// What the server answered to an upload: its ids of the save and of the version.
struct Sent {
    save: String,
    version: String,
}

/// A version to store, and what became of it so far.
struct Offer<'a> {
    version: &'a Version,
    result: Option<StoreResult>,
    sent: Option<Sent>,
    trouble: Option<Error>,
}

impl Retrosync {
    /// Sends those that become the one head of their save, and keeps each on the card when the server has shown it; what
    /// is a question is kept on the card alone. One that fails stops no other.
    pub(super) fn send_all(&mut self, versions: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        let offer = |version| {
            let result = self.refused_before(version);
            Offer { version, result, sent: None, trouble: None }
        };
        let mut offers: Vec<Offer<'_>> = versions.iter().map(offer).collect();
        if offers.iter().any(|offer| offer.result.is_none()) {
            self.sent.clear();
            let before = self.objects()?;
            self.look(true)?;
            self.meet(versions)?;
            for attempt in 0..=ATTEMPTS {
                self.settle(&mut offers, source)?;
                if attempt < ATTEMPTS && offers.iter().any(|offer| offer.result.is_none()) {
                    let sent = self.send_each(&mut offers, source, attempt, &before);
                    self.pending.clear();
                    sent?;
                }
            }
        }
        let mut results = Vec::new();
        for offer in offers {
            results.push(match offer.result {
                None => self.refuse(offer.version, offer.trouble),
                Some(StoreResult::Refused { problem }) => StoreResult::Refused { problem },
                // With all that came meanwhile.
                Some(_) => self.shelf()?.index().outcome(offer.version),
            });
        }
        Ok(results)
    }

    /// Keeps on the card what need not go (any more): the server shows it, or it is no or not the one head.
    fn settle(&mut self, offers: &mut [Offer<'_>], source: &Source<'_>) -> Result<()> {
        for offer in offers.iter_mut().filter(|offer| offer.result.is_none()) {
            let version = offer.version;
            let shown = self.shown(&version.save);
            let shelf = self.shelf()?;
            let is_in_line =
                |head: &Head| head.content == version.content || version.parents.contains(&head.version);
            let leads = !version.suspect
                && version.content.is_some()
                && shelf.index().heads(&version.save).iter().all(is_in_line)
                && shelf.index().refuses(version).is_none();
            if !leads || shown == version.content {
                offer.result = Some(shelf.store_one(version, source)?);
            }
        }
        Ok(())
    }

    /// The content that the server shows now, as it was taken in.
    fn shown(&mut self, save: &SaveId) -> Option<Content> {
        let entry = self.entries.iter().find(|entry| self.save_of(entry) == Some(save));
        let id = entry?.latest.as_ref()?.id.clone();
        self.came(save, &id)
    }

    /// The content of their version of this id, if it was taken in.
    fn came(&mut self, save: &SaveId, id: &str) -> Option<Content> {
        let note = Some(note_of(id));
        let theirs = self.theirs.clone();
        let shown = self.shelf().ok()?.index().by(&theirs, save);
        shown.iter().find(|record| record.record.note == note)?.record.content
    }

    /// Must what the server shows come first, lest it be hidden unseen? What it names and cannot give waits not for ever.
    fn is_awaited(&mut self, save: &SaveId, id: &str) -> bool {
        if self.came(save, id).is_some() {
            return false;
        }
        let is_given_up = self.lost.iter().any(|lost| lost.id == id && lost.tries >= TRIES);
        if is_given_up {
            log::warn!("{save}: the server cannot give what it shows; it goes on with what is here");
        }
        !is_given_up
    }

    /// Refused already, and the server has said nothing new since.
    fn refused_before(&self, offer: &Version) -> Option<StoreResult> {
        let now = Instant::now();
        let is_it = |of: &Version| of.save == offer.save && of.says_the_same_as(offer);
        let (_, problem, _) = self.refused.iter().find(|(of, _, until)| is_it(of) && *until > now)?;
        Some(StoreResult::Refused { problem: problem.clone() })
    }

    fn refuse(&mut self, offer: &Version, trouble: Option<Error>) -> StoreResult {
        let (code, cause) = match trouble {
            None => (
                Code::AccessDenied,
                "the server took it and goes on to show others another version".to_owned(),
            ),
            Some(Error { kind: Kind::Busy, cause, .. }) => {
                return StoreResult::Refused { problem: Problem::new(Code::ContentMissing, cause) };
            }
            Some(Error { kind: Kind::Refused(code), cause, .. }) => (code, cause),
            // It may be over soon: tried again, ever more rarely.
            Some(error) => {
                return StoreResult::Refused { problem: Problem::new(Code::DiskFull, error.cause) };
            }
        };
        log::warn!("{}: {cause}", offer.save);
        let problem = Problem::new(code, cause);
        self.refused.retain(|(of, ..)| of.save != offer.save);
        self.refused.push((offer.clone(), problem.clone(), Instant::now() + REST));
        StoreResult::Refused { problem }
    }

    /// A save of this name that no device of ours has named: what it shows is looked at before anything is sent there.
    fn meet(&mut self, offers: &[Version]) -> Result<()> {
        let entries = std::mem::take(&mut self.entries);
        let mut met = Ok(());
        for offer in offers {
            for entry in &entries {
                if met.is_ok() && self.is_nobodys(entry, &offer.save) {
                    met = self.take_in(&offer.save, entry);
                }
            }
        }
        self.entries = entries;
        met
    }

    fn is_nobodys(&self, entry: &Entry, save: &SaveId) -> bool {
        self.known(&entry.id).is_some_and(|known| known.is_free) && names::is_plain_key(&entry.key, save)
    }

    /// Sends all that wait, and looks at what the server shows then.
    fn send_each(
        &mut self,
        offers: &mut [Offer<'_>],
        source: &Source<'_>,
        attempt: u64,
        before: &[(String, String)],
    ) -> Result<()> {
        // At whose upload there was no answer the last time: it comes after the others.
        let last = self.silent.take();
        for is_last in [false, true] {
            for offer in offers.iter_mut().filter(|offer| offer.result.is_none()) {
                let version = offer.version;
                if (last.as_ref() == Some(&version.save)) != is_last {
                    continue;
                }
                (offer.sent, offer.trouble) = (None, None);
                match self.send(version, source, attempt) {
                    Ok(sent) => {
                        self.pending.push(version.clone());
                        offer.sent = Some(sent);
                    }
                    Err(error) if error.kind == Kind::Offline && self.line.is_down() => {
                        self.silent = Some(version.save.clone());
                        return Err(error);
                    }
                    Err(error) => offer.trouble = Some(error),
                }
            }
        }
        self.look(true)?;
        self.take_in_raced(before)?;
        for offer in offers {
            let Some(sent) = offer.sent.take() else { continue };
            // What no manifest shows is asked for by its id.
            if self.known(&sent.save).is_some_and(Known::is_alone) && self.gives(&sent.version, offer.version)
            {
                log::warn!("{}: it goes from the server to no other device", offer.version.save);
                offer.result = Some(self.shelf()?.store_one(offer.version, source)?);
            }
        }
        Ok(())
    }

    fn send(&mut self, offer: &Version, source: &Source<'_>, attempt: u64) -> Result<Sent> {
        let save = &offer.save;
        let refuse =
            |code, cause| Err(Error::new(Kind::Refused(code), format!("cannot store `{save}`"), cause));
        let can_go = |content: &Content| (1..=MOST_BYTES).contains(&content.size_bytes);
        let Some(content) = offer.content.filter(can_go) else {
            return refuse(Code::TooLarge, "it is empty, or over 24 MiB");
        };
        if self.known.iter().any(|known| known.disabled && known.save.as_ref() == Some(save)) {
            return refuse(Code::AccessDenied, "syncing it is switched off on the server");
        }
        // The answer to a question may be bytes that are on the card's store alone.
        let file = source(offer).or_else(|error| match self.shelf()?.open_content(content) {
            Ok(file) => Ok(Box::new(file) as Box<dyn Read>),
            Err(_) => Err(error),
        });
        let bytes = bytes_of(save, content, &mut *file?)?;
        let is_own =
            |entry: &&Entry| self.known(&entry.id).is_some_and(|known| known.save.as_ref() == Some(save));
        let mut entries = self.entries.iter();
        let entry =
            entries.clone().find(is_own).or_else(|| entries.find(|entry| self.is_nobodys(entry, save)));
        let latest = entry.and_then(|entry| entry.latest.clone());
        // What it shows of an upload that failed is ours.
        let is_ours = latest.as_ref().is_some_and(|latest| latest.digest == content.digest);
        let is_taken =
            |entry: &&Entry| !is_ours && self.known(&entry.id).is_none_or(|known| !known.upload_only);
        let told = entry.filter(is_taken).and_then(Entry::told).cloned();
        if told.is_some_and(|id| self.is_awaited(save, &id)) {
            let cause = "what the server shows of it has not come yet: it is tried again";
            return Err(Error::new(Kind::Offline, format!("cannot store `{save}`"), cause));
        }
        let shown_ms = latest.as_ref().map_or(0, |latest| latest.modified_ms);
        if let Some(latest) = latest.filter(|_| attempt == 0) {
            self.show(save, &latest)?;
        }
        let now_ms =
            self.line.heard().server_time_unix_s.unwrap_or_else(machine::unix_s).saturating_mul(1000);
        let after_ms = shown_ms.saturating_add(STEP_MS);
        let at_ms =
            if after_ms <= now_ms - OFF_MS { now_ms - OFF_MS } else { after_ms.max(now_ms + SOON_MS) };
        let at_ms = at_ms.min(now_ms + AHEAD_MS);
        let mut salt = [0; 8];
        machine::random(&mut salt)
            .map_err(|error| Error::new(Kind::Busy, format!("cannot store `{save}`"), error))?;
        let hash_text = names::hash_text(&content.digest, u64::from_le_bytes(salt));
        self.upload(save, &bytes, &hash_text, at_ms)
    }

    /// Shows what this device took from the server, so that a server that counts what each device holds knows what the next one
    /// goes on from. To theirs it is nothing new.
    fn show(&mut self, save: &SaveId, latest: &Latest) -> Result<()> {
        let own = self.settings.writer.clone();
        let shelf = self.shelf()?;
        let index = shelf.index();
        let Some(content) = index.content(save, &latest.digest) else { return Ok(()) };
        let is_ours = own.is_some_and(|own| index.with(&own, content).is_some());
        if is_ours || content.size_bytes == 0 {
            return Ok(());
        }
        let held = shelf.open_content(content).map_err(|error| Error::io("cannot read the store", &error));
        // Without its bytes there is nothing to show.
        let Ok(bytes) = held.and_then(|mut file| bytes_of(save, content, &mut file)) else { return Ok(()) };
        self.upload(save, &bytes, &latest.hash_text, latest.modified_ms).map(drop)
    }

    fn upload(&mut self, save: &SaveId, bytes: &[u8], hash_text: &str, at_ms: i64) -> Result<Sent> {
        let doing = format!("cannot store `{save}`");
        let file = self.file_name(save);
        let text = |text: &str| Value::from(text).to_string();
        let (name, path) = (text(&file), text(&names::path(save)));
        let (size, hash) = (bytes.len(), text(hash_text));
        let mut body = format!(
            "{{\"action\":\"upload\",\"filePath\":{name},\"saveKey\":{name},\"localPath\":{path},\"fileSize\":{size},\
             \"localModifiedAt\":{at_ms},\"contentHash\":{hash},\"fileContent\":\""
        )
        .into_bytes();
        // The two are the most that is held: no more than they need.
        body.reserve_exact(bytes.len().div_ceil(3) * 4 + 2);
        base64(bytes, &mut body);
        body.extend_from_slice(b"\"}");
        let data = self.line.ask(&doing, "/sync/files", Some(&body))?;
        if data["uploaded"] != true && data["skipped"] != true {
            return Err(Error::new(Kind::Offline, doing, "the server could not keep it"));
        }
        let id = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let sent = Sent { save: id("saveId"), version: id("saveVersionId") };
        self.sent.push(sent.version.clone());
        self.learn(save, &sent.save, &file);
        Ok(sent)
    }

    /// The name of the file there: that of its save, or the first that no other game has.
    fn file_name(&self, save: &SaveId) -> String {
        if let Some(own) = self.known.iter().find(|known| known.save.as_ref() == Some(save)) {
            return [&own.key, ".srm"].concat();
        }
        let is_open = |file: &String| {
            let key = names::key(file);
            self.known.iter().all(|known| known.is_free || !names::is_same(&known.key, &key))
        };
        let mut files = (0..names::NAMES).map(|number| names::file_name(save, number));
        files.find(is_open).unwrap_or_default()
    }

    /// Whose the save is that was uploaded to: the next game of its name, in the same batch too, takes another.
    fn learn(&mut self, save: &SaveId, id: &str, file: &str) {
        match self.known.binary_search_by(|known| known.id.as_str().cmp(id)) {
            Ok(at) => {
                let known = &mut self.known[at];
                if known.is_free && names::is_key(&known.key, save) {
                    (known.save, known.is_free) = (Some(save.clone()), false);
                }
            }
            Err(at) => self.known.insert(at, Known::new(id.to_owned(), names::key(file), save.clone())),
        }
    }

    /// Does the server give back these bytes as that version?
    fn gives(&mut self, id: &str, version: &Version) -> bool {
        let bytes = self.line.download("cannot see what was stored", id);
        bytes.is_ok_and(|bytes| Some(content_of(&bytes)) == version.content)
    }

    pub(super) fn objects(&mut self) -> Result<Vec<(String, String)>> {
        let doing = self.line.doing("ask for changes on");
        Ok(told::objects(&self.line.ask(&doing, "/sync/files", None)?))
    }

    /// What another device sent between our look and our upload is hidden behind ours, or ours behind it: it stands beside it here.
    fn take_in_raced(&mut self, before: &[(String, String)]) -> Result<()> {
        let theirs = self.theirs.clone();
        for object in self.objects()? {
            let (save, id) = &object;
            if before.binary_search(&object).is_ok() || self.sent.contains(id) {
                continue;
            }
            let save = self.known(save).and_then(|known| known.save.clone());
            let Some(save) = save.filter(|save| self.pending.iter().any(|sent| sent.save == *save)) else {
                continue;
            };
            let index = self.shelf()?.index();
            let shown = index.by(&theirs, &save);
            if shown.iter().any(|record| record.record.note.as_ref() == Some(&note_of(id))) {
                continue;
            }
            let heads = index.heads(&save);
            let is_of_now = |content: Option<Content>| heads.iter().any(|head| head.content == content);
            let parent =
                shown.iter().find(|record| !is_of_now(record.record.content)).map(|record| record.version);
            match self.line.download(&format!("cannot fetch `{save}`"), id) {
                Ok(bytes) if !is_of_now(Some(content_of(&bytes))) => {
                    let at_ms = self.line.heard().server_time_unix_s.unwrap_or(0).saturating_mul(1000);
                    self.keep(&save, (id, at_ms), &bytes, parent.into_iter().collect(), false)?;
                }
                Err(error) if self.line.is_down() => return Err(error),
                Err(error) => log::warn!("{error}; another device keeps it"),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// All bytes, if they are these.
fn bytes_of(save: &SaveId, content: Content, file: &mut dyn Read) -> Result<Vec<u8>> {
    let size_bytes = content.size_bytes.min(MOST_BYTES);
    let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or_default());
    let read = Verified::new(file, content).read_to_end(&mut bytes);
    read.map_err(|error| Error::new(Kind::Busy, format!("cannot read `{save}` to store it"), error))?;
    Ok(bytes)
}
