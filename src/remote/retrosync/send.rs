//! What is stored here goes there: after a look at what is there, with a time that their rules believe, and counted only when
//! the server shows it and gives back the same bytes.
//!
//! Their server ranks versions by the time that the device tells. One within 5 s of its arrival ranks below all others, one that
//! is not 2 s later than the device's last is thrown away, and one more than an hour ahead is replaced. So each is told
//! 7 s off the server's own clock, and later than all before.

use std::cell::RefCell;

use retrosync_protocol::{Code, Content, Digest, Problem, SaveId, StoreResult, Version};
use serde_json::json;

use super::line::base64;
use super::told::{self, Entry, Latest};
use super::{Retrosync, Source, names, note_of};
use crate::error::{Error, Kind, Result};
use crate::machine;
use crate::remote::Remote as _;

/// Farther from a version's arrival than their 5 s, in milliseconds.
const OFF_MS: i64 = 7_000;
/// From one version of a save to the next, in milliseconds: more than their 2 s.
const STEP_MS: i64 = 2_001;
/// The largest save that goes: it is held in memory, and again in base64.
const MOST_BYTES: u64 = 24 << 20;
/// A second try is another text of the same digest: bytes that the server lost, or showed before, are taken again.
const ATTEMPTS: u64 = 2;

/// What the server answered to an upload: its ids of the save and of the version.
struct Sent {
    save: String,
    version: String,
}

impl Retrosync {
    /// Stores each on the card, then sends those that are the one head of their save.
    pub(super) fn send_all(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        if let Some(refused) = offers.iter().map(|offer| self.refused_before(offer)).collect() {
            return Ok(refused);
        }
        self.sent.clear();
        let before = self.objects()?;
        self.look(true)?;
        self.meet(offers)?;
        let mut results = self.shelf()?.store(offers, source)?;
        let mut waiting: Vec<usize> = (0..offers.len()).collect();
        let mut sent = Vec::new();
        for attempt in 0..=ATTEMPTS {
            waiting.retain(|at| {
                !matches!(results[*at], StoreResult::Refused { .. })
                    && self.to_go(&offers[*at].save).is_some()
            });
            if waiting.is_empty() || attempt == ATTEMPTS {
                break;
            }
            for at in &waiting {
                match self.send(&offers[*at].save, attempt) {
                    Ok(one) => sent.push((*at, one)),
                    Err(error) if matches!(error.kind, Kind::Refused(_)) => {
                        results[*at] = self.refuse(&offers[*at], &error.cause);
                    }
                    Err(error) => return Err(error),
                }
            }
            self.look(true)?;
            self.take_in_raced(offers, &before)?;
            let alone = |(at, one): &(usize, Sent)| {
                self.known(&one.save).is_some_and(|known| known.per_device).then_some(*at)
            };
            let alone: Vec<usize> = sent.iter().filter_map(alone).collect();
            for (at, one) in sent.iter().filter(|(at, _)| alone.contains(at)) {
                self.is_kept(&offers[*at], one)?;
            }
            waiting.retain(|at| !alone.contains(at));
        }
        for at in waiting {
            let cause = "the server took it and goes on to show others another version";
            results[at] = self.refuse(&offers[at], cause);
        }
        let index = self.shelf()?.index();
        Ok(results
            .into_iter()
            .zip(offers)
            .map(|(result, offer)| match result {
                StoreResult::Refused { .. } => result,
                // With all that came meanwhile.
                _ => index.outcome(offer),
            })
            .collect())
    }

    /// Refused already, and the server has said nothing new since.
    fn refused_before(&self, offer: &Version) -> Option<StoreResult> {
        let digest = offer.content?.digest;
        let found = self.refused.iter().find(|(save, of, _)| *save == offer.save && *of == digest);
        found.map(|(_, _, problem)| StoreResult::Refused { problem: problem.clone() })
    }

    fn refuse(&mut self, offer: &Version, cause: &str) -> StoreResult {
        log::warn!("{}: {cause}", offer.save);
        let problem = Problem::new(Code::AccessDenied, cause);
        if let Some(content) = offer.content {
            self.refused.push((offer.save.clone(), content.digest, problem.clone()));
        }
        StoreResult::Refused { problem }
    }

    /// A save of this name that no device of ours has named: what it shows is looked at before anything is sent there.
    fn meet(&mut self, offers: &[Version]) -> Result<()> {
        let entries = std::mem::take(&mut self.entries);
        for offer in offers {
            let mut of_this_name = entries.iter().filter(|entry| self.is_nobodys(entry, &offer.save));
            if let (Some(entry), None) = (of_this_name.next(), of_this_name.next()) {
                self.take_in(&offer.save, entry)?;
            }
        }
        self.entries = entries;
        Ok(())
    }

    fn is_nobodys(&self, entry: &Entry, save: &SaveId) -> bool {
        let known = self.known(&entry.id);
        let is_open =
            known.is_some_and(|known| known.save.is_none() && !known.disabled && !known.upload_only);
        is_open && names::is_plain_key(&entry.key, save)
    }

    /// The content that is to go: that of the one head, unless the server shows it.
    fn to_go(&mut self, save: &SaveId) -> Option<Content> {
        let theirs = self.theirs.clone();
        let index = self.shelf().ok()?.index();
        let heads = index.heads(save);
        let [head] = heads.as_slice() else { return None };
        let shown = index.by(&theirs, save);
        head.content
            .filter(|content| shown.first().is_none_or(|shown| shown.record.content != Some(*content)))
    }

    fn send(&mut self, save: &SaveId, attempt: u64) -> Result<Sent> {
        let doing = format!("cannot store `{save}`");
        let refuse = |code, cause: &str| Err(Error::new(Kind::Refused(code), doing.clone(), cause));
        let Some(content) = self.to_go(save) else {
            return refuse(Code::NotFound, "there is nothing to send");
        };
        if content.size_bytes == 0 || content.size_bytes > MOST_BYTES {
            return refuse(
                Code::TooLarge,
                "it is empty, or over 24 MiB",
            );
        }
        if self.known.iter().any(|known| known.disabled && known.save.as_ref() == Some(save)) {
            return refuse(Code::AccessDenied, "syncing it is switched off on the server");
        }
        let entry = self.entries.iter().find(|entry| self.save_of(entry).as_ref() == Some(save));
        let entry = entry.or_else(|| self.entries.iter().find(|entry| self.is_nobodys(entry, save)));
        let latest = entry.and_then(|entry| entry.latest.as_ref());
        let shown_ms = latest.map_or(0, |latest| latest.modified_ms);
        if let Some((latest, held)) = latest.map(|latest| (latest.clone(), latest.digest))
            && attempt == 0
        {
            self.show(save, &latest, held)?;
        }
        let now_ms = self.line.heard().server_time_unix_s.unwrap_or_else(machine::unix_s) * 1000;
        let sent_ms = self.sent_ms.iter().filter(|(of, _)| of == save).map(|(_, at_ms)| *at_ms);
        let after_ms = shown_ms.max(sent_ms.max().unwrap_or(0)).saturating_add(STEP_MS);
        let at_ms = if after_ms <= now_ms - OFF_MS { now_ms - OFF_MS } else { after_ms.max(now_ms + OFF_MS) };
        self.sent_ms.push((save.clone(), at_ms));
        let text = names::hash_text(&content.digest, save, attempt);
        self.upload(save, content, &text, at_ms)
    }

    /// Shows what this device took from the server, so that a server that counts what each device holds knows what the next one
    /// goes on from. To theirs it is nothing new.
    fn show(&mut self, save: &SaveId, latest: &Latest, held: Digest) -> Result<()> {
        let content = Content { digest: held, size_bytes: latest.size_bytes };
        let own = self.settings.writer.clone();
        let index = self.shelf()?.index();
        let is_ours = own.is_some_and(|own| {
            index.by(&own, save).iter().any(|record| record.record.content == Some(content))
        });
        if !is_ours && content.size_bytes > 0 && index.knows(save, &held) {
            self.upload(save, content, &latest.hash_text, latest.modified_ms)?;
        }
        Ok(())
    }

    fn upload(&mut self, save: &SaveId, content: Content, hash_text: &str, at_ms: i64) -> Result<Sent> {
        let doing = format!("cannot store `{save}`");
        let bytes = RefCell::new(Vec::new());
        let mut sink = |_: &Content, payload: &mut dyn std::io::Read| {
            let taken = payload.read_to_end(&mut bytes.borrow_mut());
            taken.map(drop).map_err(|error| Error::io(doing.clone(), &error))
        };
        if let Some((_, error)) = self.shelf()?.fetch(&[content], &mut sink)?.pop() {
            return Err(error);
        }
        let file = names::file_name(save, self.is_apart(save));
        let fields = json!({
            "filePath": file, "saveKey": file, "fileSize": content.size_bytes, "action": "upload",
            "localPath": names::path(save), "localModifiedAt": at_ms, "contentHash": hash_text,
        });
        let mut body = fields.to_string().into_bytes();
        body.pop();
        body.extend_from_slice(b",\"fileContent\":\"");
        base64(&bytes.take(), &mut body);
        body.extend_from_slice(b"\"}");
        let data = self.line.ask(&doing, "/sync/files", Some(&body))?;
        if data["uploaded"] != true && data["skipped"] != true {
            return Err(Error::new(Kind::Offline, doing, "the server could not keep it"));
        }
        let id = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        self.sent.push(id("saveVersionId"));
        Ok(Sent { save: id("saveId"), version: id("saveVersionId") })
    }

    /// Is the plain name another system's game there?
    fn is_apart(&self, save: &SaveId) -> bool {
        let is_own = |known: &&told::Known| known.save.as_ref() == Some(save);
        match self.known.iter().find(is_own) {
            Some(known) => !names::is_plain_key(&known.key, save),
            None => {
                self.known.iter().any(|known| known.save.is_some() && names::is_plain_key(&known.key, save))
            }
        }
    }

    /// What the server keeps for this device alone is in no manifest: it is asked for by its id.
    fn is_kept(&mut self, offer: &Version, sent: &Sent) -> Result<()> {
        let doing = format!("cannot store `{}`", offer.save);
        let Some(content) = offer.content else { return Ok(()) };
        let bytes = self.line.download(&doing, &sent.version, content.size_bytes)?;
        if Digest::of(&bytes) != content.digest {
            return Err(Error::new(Kind::Offline, doing, "the server has not kept it"));
        }
        log::warn!(
            "{}: the server keeps it for this device alone",
            offer.save
        );
        Ok(())
    }

    fn objects(&mut self) -> Result<Vec<(String, String, u64)>> {
        let doing = self.line.doing("ask for changes on");
        Ok(told::objects(&self.line.ask(&doing, "/sync/files", None)?))
    }

    /// What another device sent between our look and our upload is hidden behind ours, or ours behind it: it stands beside it here.
    fn take_in_raced(&mut self, offers: &[Version], before: &[(String, String, u64)]) -> Result<()> {
        let theirs = self.theirs.clone();
        for (save, id, size_bytes) in self.objects()? {
            let is_old = before.iter().any(|(_, version, _)| *version == id);
            if is_old || self.sent.contains(&id) {
                continue;
            }
            let save = self.known(&save).and_then(|known| known.save.clone());
            let Some(save) = save.filter(|save| offers.iter().any(|offer| offer.save == *save)) else {
                continue;
            };
            let shown = self.shelf()?.index().by(&theirs, &save);
            if shown.iter().any(|record| record.record.note == Some(note_of(&id))) {
                continue;
            }
            let heads = self.shelf()?.index().heads(&save);
            let shown = self.shelf()?.index().by(&theirs, &save);
            let is_of_now = |content: Option<Content>| heads.iter().any(|head| head.content == content);
            let parent =
                shown.iter().find(|record| !is_of_now(record.record.content)).map(|record| record.version);
            let bytes = self.line.download(&format!("cannot fetch `{save}`"), &id, size_bytes)?;
            let content = Content { digest: Digest::of(&bytes), size_bytes };
            if bytes.len() as u64 == size_bytes && !is_of_now(Some(content)) {
                let at_ms = self.line.heard().server_time_unix_s.unwrap_or(0) * 1000;
                self.keep(&save, (&id, at_ms), &bytes, parent.into_iter().collect(), false)?;
            }
        }
        Ok(())
    }
}
