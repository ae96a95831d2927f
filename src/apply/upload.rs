//! Uploads and choices: one `store` for all, and what each answer means for the base.

use std::io::{self, Read};
use std::path::PathBuf;

use litemap::LiteMap;
use retrosync_protocol::{Code, Mistake, Problem as Refusal, SaveId, StoreResult, Version};

use super::{Agreed, Deed, Hands, Outcome, entry_after};
use crate::error::{Error, Kind, Result};
use crate::formats;
use crate::journal::Entry;
use crate::plan::Step;
use crate::scan::alike;
use crate::snapshot::Doubt;
use crate::volume::Volume;
use crate::whole;

/// An offered version and the step it came from.
struct Offer<'a> {
    step: &'a Step,
    version: Version,
}

/// Where a payload is read from: the file, and whether it is stored as it is (a torn container does not unpack).
struct Payload {
    path: PathBuf,
    raw: bool,
}

/// Stores the local bytes of all `Upload` steps, and the answers of all `Choose` steps.
///
/// # Errors
/// When our own state cannot be written; what the remote or one save cannot do is in the outcome.
pub fn upload(hands: &mut Hands<'_>, steps: &[&Step], outcome: &mut Outcome) -> Result<()> {
    let mut offers = Vec::new();
    let mut payloads: LiteMap<u64, Payload> = LiteMap::new();
    for step in steps {
        if let Some((version, payload)) = offer(hands, step, steps, outcome)? {
            payloads.extend(payload.map(|payload| (version.sequence, payload)));
            offers.push(Offer { step, version });
        }
    }
    if offers.is_empty() {
        return Ok(());
    }
    let versions: Vec<Version> = offers.iter().map(|offer| offer.version.clone()).collect();
    let volume = hands.volume;
    let live = hands.live;
    live.begin(true, offers.len());
    let source = |version: &Version| {
        live.one_more();
        open(volume, payloads.get(&version.sequence), version)
    };
    match hands.remote.store(&versions, &source) {
        Ok(mut results) => {
            if Mistake::AnswersAreCrossed.is_made() {
                results.reverse();
            }
            let mut writer_in_doubt = false;
            for (offer, result) in offers.iter().zip(results) {
                writer_in_doubt |= take_in(hands, offer, result, outcome)?;
            }
            if writer_in_doubt {
                log::warn!(
                    "the server knows this writer's numbers for other bytes: a copied card? it writes as a new one"
                );
                hands.identity.redraw_writer()?;
                hands.journal.record(Entry::Distrusted)?;
                (outcome.again, outcome.relist) = (true, true);
            }
        }
        // What was stored before it failed is found by the next cycle: local equals a head.
        Err(error) => outcome.failed = Some(error),
    }
    Ok(())
}

/// The version that a step offers, if what it expects is still there.
fn offer(
    hands: &mut Hands<'_>,
    step: &Step,
    all: &[&Step],
    outcome: &mut Outcome,
) -> Result<Option<(Version, Option<Payload>)>> {
    let (save, content, parents, doubt, place) = match step {
        Step::Upload { save, place, stamp, content, parents, doubt, .. } => {
            let path = hands.path(place)?;
            let there = whole::stamp(hands.volume, &path);
            if !there.is_ok_and(|there| alike(&there, stamp)) {
                let doing = format!("cannot store `{}`", place.path);
                outcome.problem(save, Error::new(Kind::Busy, doing, "it changed meanwhile"));
                return Ok(None);
            }
            let payload = Payload { path, raw: *doubt == Some(Doubt::Torn) };
            (save, content, parents, *doubt, Some((place, payload)))
        }
        // The local change goes first; with it the heads are others, and the next round chooses among them.
        Step::Choose { save, keep, heads } if !all.iter().any(|s| is_upload_of(s, save)) => {
            (save, keep, heads, None, None)
        }
        _ => return Ok(None),
    };
    let version = Version {
        save: save.clone(),
        content: Some(*content),
        parents: parents.clone(),
        writer: hands.identity.writer().clone(),
        sequence: hands.identity.take_sequence()?,
        played: place.as_ref().and_then(|(place, _)| (hands.played)(place)),
        suspect: doubt.is_some(),
        client: hands.client.to_owned(),
        profile: hands.profile.to_owned(),
        core: save.core().map(str::to_owned),
        note: None,
    };
    Ok(Some((version, place.map(|(_, payload)| payload))))
}

fn is_upload_of(step: &Step, save: &SaveId) -> bool {
    matches!(step, Step::Upload { .. }) && step.save() == save
}

fn open<'a>(
    volume: &'a dyn Volume,
    payload: Option<&Payload>,
    version: &Version,
) -> Result<Box<dyn Read + 'a>> {
    let doing = || format!("cannot read {} to store it", version.save);
    let Some(payload) = payload else {
        return Err(Error::new(Kind::Busy, doing(), "its bytes are not on this device"));
    };
    let file = whole::open(volume, &payload.path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(Kind::Busy, doing(), "it was moved meanwhile"),
        _ => Error::io(doing(), &error),
    })?;
    Ok(if payload.raw { Box::new(file) } else { Box::new(formats::payload(&version.save, file)) })
}

/// Records one answer; true if the writer is in doubt.
fn take_in(
    hands: &mut Hands<'_>,
    offer: &Offer<'_>,
    result: StoreResult,
    outcome: &mut Outcome,
) -> Result<bool> {
    let save = &offer.version.save;
    let (version, heads, branch) = match result {
        StoreResult::Head { version, heads } => (version, heads, false),
        StoreResult::Branch { version, heads } => (version, heads, true),
        StoreResult::Refused { problem } => return refused(hands, save, problem, outcome),
    };
    outcome.again |= matches!(offer.step, Step::Upload { leads: true, .. });
    match offer.step {
        Step::Upload { content, doubt: Some(doubt), .. } => {
            hands.journal.record(Entry::Aside { save: save.clone(), digest: Some(content.digest) })?;
            log::info!("{save}: set aside as suspect: {doubt}");
            outcome.deeds.push(Deed::SetAside { save: save.clone(), doubt: *doubt });
        }
        Step::Upload { place, stamp, content, .. } => {
            let now = Agreed { version, content: Some(*content), place, stamp: *stamp };
            // What was begun over doubted bytes has no ancestors.
            let before = hands.base.saves.get(save).filter(|before| before.aside.is_none());
            let entry = entry_after(before, now);
            // What we put here ourselves, offered to a server that lost it, is nothing that a game wrote.
            let agreed = hands.journal.base().saves.get(save).and_then(|entry| entry.content);
            hands.journal.record(Entry::Settled { save: save.clone(), entry })?;
            if agreed != Some(*content) {
                hands.launches.forget(save);
            }
            let size_bytes = content.size_bytes;
            let how = if branch { "stored beside another version: a question" } else { "stored" };
            log::info!("{save}: {how}, {size_bytes} bytes");
            outcome.deeds.push(Deed::Stored { save: save.clone(), version, size_bytes, branch });
            // The question is of this cycle: plan again, with the heads as they are now.
            outcome.again |= branch;
        }
        _ => {
            log::info!("{save}: the version that was surely played later is the head");
            outcome.deeds.push(Deed::Chosen { save: save.clone(), version });
            outcome.again = true;
        }
    }
    hands.heads(save, heads)?;
    Ok(false)
}

/// A refusal of one version; true if the writer is in doubt.
fn refused(hands: &mut Hands<'_>, save: &SaveId, refusal: Refusal, outcome: &mut Outcome) -> Result<bool> {
    let kind = match refusal.code {
        Code::WriterReused => return Ok(true),
        Code::UnknownParent => {
            // The server does not know what we once agreed on: nothing of it counts, and all heads are asked for anew.
            hands.journal.record(Entry::Forgotten { save: save.clone() })?;
            hands.launches.forget(save);
            let base = hands.journal.base();
            let landmark = base.landmark.clone();
            if let Some(epoch) = base.epoch.clone() {
                hands.journal.record(Entry::Cursor { epoch, cursor: 0, landmark })?;
            }
            (outcome.again, outcome.relist) = (true, true);
            return Ok(false);
        }
        Code::ContentMissing | Code::DigestMismatch => Kind::Busy,
        Code::TooSlow | Code::SlowDown | Code::Unavailable | Code::Internal => {
            outcome.failed = Some(refusal_error(Kind::Offline, save, refusal));
            return Ok(false);
        }
        code => Kind::Refused(code),
    };
    outcome.problem(save, refusal_error(kind, save, refusal));
    Ok(false)
}

fn refusal_error(kind: Kind, save: &SaveId, refusal: Refusal) -> Error {
    let error = Error::new(kind, format!("cannot store {save}"), &refusal.detail);
    match refusal.help {
        Some(help) => error.help(help),
        None => error,
    }
}
