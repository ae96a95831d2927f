//! What a daemon (or a server) with a planted bug does at the remote's seam. Without a bug every function here changes
//! nothing.

use bytes::Bytes;
use retrosync::error::{Error, Result};
use retrosync::remote::Sink;
use retrosync_protocol::{
    Changes, ChangesRequest, Code, Content, Head, Problem, StoreResult, Version, VersionId,
};

use crate::bug::Bug;
use crate::link::{Fault, Frame, Link};
use crate::server::Server;

/// An answer that says yes to everything.
pub(crate) fn all_stored(offers: &[Version]) -> Vec<StoreResult> {
    offers.iter().map(|version| stored(version.id())).collect()
}

fn stored(version: VersionId) -> StoreResult {
    StoreResult::Head { version, heads: Vec::new() }
}

/// Something else than the server answered a store.
pub(crate) fn turned_away(bug: Option<Bug>, fault: Option<Fault>, error: Error) -> Result<()> {
    let believed = fault == Some(Fault::Portal) && bug == Some(Bug::BelievesAnyAnswer);
    if believed { Ok(()) } else { Err(error) }
}

/// What is offered, before it goes out.
pub(crate) fn frames(link: &Link, mut frames: Vec<Frame>) -> Vec<Frame> {
    let bug = link.bug();
    if bug == Some(Bug::SettlesBeforeStored) {
        link.weather.get().put_off.append(&mut frames);
    }
    if bug == Some(Bug::SkipsBranchUpload) {
        frames.retain(|(version, _)| {
            version.parents.is_empty()
                || heads(link, version).iter().all(|head| version.parents.contains(head))
        });
    }
    for (version, _) in &mut frames {
        match bug {
            Some(Bug::StoresBlindly) => version.parents = heads(link, version),
            Some(Bug::TrustsMtime) if is_written_later(link, version) => {
                version.parents = heads(link, version)
            }
            Some(Bug::SuspectMovesAHead) => version.suspect = false,
            _ => {}
        }
    }
    frames
}

fn heads(link: &Link, of: &Version) -> Vec<VersionId> {
    let history = link.server.get().history(&of.save);
    let mut heads: Vec<VersionId> =
        history.iter().filter(|entry| entry.head).map(|entry| entry.version).collect();
    heads.sort();
    heads
}

/// Is the file younger than every head, by its own time?
fn is_written_later(link: &Link, of: &Version) -> bool {
    let history = link.server.get().history(&of.save);
    let written_unix_s = {
        let handheld = link.handheld.get();
        link.saves.iter().position(|save| *save == of.save).map_or(0, |save| handheld.written_unix_s[save])
    };
    let heads = history.iter().filter(|entry| entry.head);
    heads.map(|head| head.received_unix_s).all(|received_unix_s| received_unix_s <= written_unix_s)
}

/// A request has arrived once more.
pub(crate) fn again(bug: Option<Bug>, server: &Server, frames: &[Frame]) {
    if bug == Some(Bug::DuplicateIsNew) {
        frames.iter().for_each(|(version, _)| server.records_again(version));
    }
}

/// What the daemon makes of the answer to a store.
pub(crate) fn results(
    link: &mut Link,
    offers: &[Version],
    results: Result<Vec<StoreResult>>,
) -> Result<Vec<StoreResult>> {
    match link.bug() {
        Some(Bug::SettlesAFailedStore) => Ok(results.unwrap_or_else(|_| all_stored(offers))),
        Some(Bug::SettlesBeforeStored | Bug::SkipsBranchUpload) => {
            // What was not sent has no answer.
            results.map(|results| if results.len() == offers.len() { results } else { all_stored(offers) })
        }
        Some(Bug::KeepsTheWriter) => {
            let mut results = results?;
            for (result, version) in results.iter_mut().zip(offers) {
                if matches!(
                    result,
                    StoreResult::Refused { problem: Problem { code: Code::WriterReused, .. } }
                ) {
                    *result = stored(version.id());
                }
            }
            Ok(results)
        }
        Some(Bug::RetriesOverAMovedHead) => Ok(retried(link, offers, results?)),
        _ => results,
    }
}

/// Stores again what became a branch, over the heads that the answer told.
fn retried(link: &Link, offers: &[Version], mut results: Vec<StoreResult>) -> Vec<StoreResult> {
    for (result, version) in results.iter_mut().zip(offers) {
        let StoreResult::Branch { heads, .. } = &*result else { continue };
        if version.suspect {
            continue;
        }
        let mut over = version.clone();
        over.parents = heads.iter().map(|head: &Head| head.version).collect();
        over.parents.sort();
        over.sequence += 1 << 32;
        let mut answer = link.send(vec![(over, None)], None).unwrap_or_default();
        if let Some(answer) = answer.pop() {
            *result = answer;
        }
    }
    results
}

/// What was called stored goes out at last.
pub(crate) fn deliver(link: &Link) {
    let put_off = std::mem::take(&mut link.weather.get().put_off);
    if !put_off.is_empty() {
        let _ = link.send(put_off, None);
    }
}

/// What is asked of a server whose history may be another one by now.
pub(crate) fn request(bug: Option<Bug>, request: &ChangesRequest) -> ChangesRequest {
    let mut request = request.clone();
    if bug == Some(Bug::ForgetsTheEpoch) {
        request.epoch = None;
    }
    if matches!(bug, Some(Bug::ForgetsTheEpoch | Bug::KnowsNoLandmarks)) {
        request.landmark = None;
    }
    request
}

/// What the daemon makes of the answer.
pub(crate) fn changes(link: &Link, changes: &mut Changes) {
    if link.bug() == Some(Bug::ForgetsTheEpoch) {
        changes.reset = false;
        changes.epoch = retrosync_protocol::Epoch::from_random(&[1; 16]);
    }
}

/// A content that a bit was flipped in arrives.
pub(crate) fn take_flipped(
    link: &Link,
    content: &Content,
    whole: &[u8],
    flipped: &Bytes,
    sink: &mut Sink<'_>,
) -> Result<()> {
    if link.bug() != Some(Bug::BelievesAnyBytes) {
        return sink(content, &mut &flipped[..]);
    }
    // As if nobody ever compared: what lies in the save's place in the end is not what was verified.
    sink(content, &mut &whole[..])?;
    link.handheld.get().flips = true;
    Ok(())
}
