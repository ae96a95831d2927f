//! The listing, brought up to date: what a long poll just brought, or one request.
//!
//! Records what the remote said before the plan sees it. A history other than the base's makes every base unknown.

use retrosync_protocol::{Ask, Changes, ChangesRequest, Digest, Head, SaveId};

use super::{ASK_MOST, CycleReport, Parts, Request, loaded};
use crate::error::{Error, Kind, Result};
use crate::journal::Entry;
use crate::network;
use crate::pace::Trigger;
use crate::playing::boot_ms;
use crate::scan::Found;
use crate::selection::Selection;
use crate::snapshot::{Base, Listing};

/// A listing that does not wait asks for what was stored with so many of the last numbers.
const LAST_STORED: u64 = 256;

/// Brings the listing up to date; true if the base turned out to be of another history, so that all is looked at anew.
pub(super) fn bring(
    parts: &mut Parts,
    request: &mut Request,
    found: &Found,
    listing: &mut Listing,
    report: &mut CycleReport,
) -> Result<bool> {
    let since = parts.journal.base().cursor;
    let news = request.news.take();
    let left_out = &parts.settings.leave_out;
    let mut asks = asks(&loaded::base(parts, found), found, left_out, request.trigger == Trigger::Full);
    let needs = !request.current
        || matches!(request.trigger, Trigger::Full | Trigger::Retry)
        || news.as_ref().is_some_and(|(from, _)| *from != since);
    if needs {
        asks.extend(last_stored(parts));
    }
    let mut brought = news.filter(|(from, _)| *from == since).map(|(_, changes)| changes);
    if brought.is_none() && asks.is_empty() && !needs {
        return Ok(false);
    }
    let mut distrusted = false;
    let mut lacked = Vec::new();
    loop {
        let rest = asks.split_off(asks.len().min(ASK_MOST));
        let asked = std::mem::replace(&mut asks, rest);
        let changes = match brought.take() {
            Some(changes) if asked.is_empty() => changes,
            _ => ask(parts, &asked, report)?,
        };
        let (known, unknown): (Vec<_>, Vec<_>) =
            asked.into_iter().zip(&changes.known).partition(|(_, known)| **known);
        let base = parts.journal.base();
        let has_lost = unknown.iter().any(|(ask, _)| agreed_on(base, &ask.save) == Some(ask.digest));
        listing.known.extend(known.into_iter().map(|(ask, _)| (ask.save, ask.digest)));
        lacked.extend(unknown.into_iter().map(|(ask, _)| ask));
        if !changes.lacking.is_empty() {
            lacked.extend(agreed(base).filter(|ask| changes.lacking.contains(&ask.digest)));
        }
        // Before what was stored here is replaced: a server that has gone on from it knows it. The same is listed again then.
        if !has_lost && !changes.reset {
            let asked = asks.len();
            let (own, heard) = (parts.identity.writer(), parts.journal.listing());
            asks.extend(changes.saves.iter().filter_map(|now| {
                heard.saves.get(&now.save)?.iter().find(|head| head.writer == *own)?;
                let digest = agreed_on(base, &now.save).filter(|digest| !has(&now.heads, *digest))?;
                let is_known = listing.known.contains(&(now.save.clone(), digest));
                (!is_known).then(|| Ask { save: now.save.clone(), digest })
            }));
            if asks.len() > asked {
                continue;
            }
        }
        let more = changes.more;
        if take_in(parts, changes)? {
            distrusted = true;
            asks.clear();
        }
        if has_lost {
            log::warn!("the server lacks what it once had (set back unawares?): every save is compared anew");
            parts.journal.record(Entry::Distrusted)?;
            distrusted = true;
        }
        if has_lost || !more && asks.is_empty() {
            break;
        }
    }
    // Nearly always nothing was new.
    if listing.saves != parts.journal.listing().saves {
        listing.saves.clone_from(&parts.journal.listing().saves);
    }
    lacked.retain(|ask| listing.saves.get(&ask.save).is_some_and(|heads| has(heads, ask.digest)));
    listing.lacking = lacked.into_iter().map(|ask| ask.save).collect();
    // From here on what the journal knows is current; a further round need not ask, unless it must.
    request.current = !distrusted;
    request.trigger = Trigger::Changed;
    Ok(distrusted)
}

/// One request for changes.
fn ask(parts: &mut Parts, asked: &[Ask], report: &mut CycleReport) -> Result<Changes> {
    reachable(parts)?;
    report.requests += 1;
    let base = parts.journal.base();
    parts.remote.list(&ChangesRequest {
        since: base.cursor,
        epoch: base.epoch.clone(),
        landmark: base.landmark.clone(),
        ask: asked.to_vec(),
        ..ChangesRequest::default()
    })
}

/// No request is made without a route.
pub(super) fn reachable(parts: &Parts) -> Result<()> {
    if parts.settings.needs_route && !network::has_route() {
        return Err(Error::new(Kind::Offline, "cannot reach the server", "no network")
            .help("it goes on by itself when there is one"));
    }
    Ok(())
}

/// Records what the remote said; true if it is of another history than the base.
fn take_in(parts: &mut Parts, changes: Changes) -> Result<bool> {
    let base = parts.journal.base();
    let other = changes.reset || base.epoch.as_ref().is_some_and(|epoch| *epoch != changes.epoch);
    if other {
        log::warn!(
            "the server's history is another one (restored from a backup?): every save is compared anew"
        );
        parts.journal.record(Entry::Distrusted)?;
    }
    parts.memory.clock.tell(changes.server_time_unix_s, boot_ms());
    // Goes to the card with the next number that is reserved: a quiet cycle writes nothing.
    if let Some(time) = parts.remote.heard().server_time_unix_s {
        parts.identity.facts.server_time_unix_s = Some(time);
    }
    for heads in changes.saves {
        parts.journal.record(Entry::Heads(heads))?;
    }
    let Changes { epoch, cursor, landmark, .. } = changes;
    parts.journal.record(Entry::Cursor { epoch, cursor, landmark })?;
    Ok(other)
}

/// Of saves whose base is unknown: are these bytes in the remote's history? With `full`, of the others: is what was agreed
/// on still there? A server that was set back without drawing another epoch would never be offered it again.
fn asks(base: &Base, found: &Found, left_out: &Selection, full: bool) -> Vec<Ask> {
    let is_unknown =
        |save: &SaveId| !left_out.skips(save) && !base.saves.get(save).is_some_and(|entry| entry.trusted);
    let unknown = found.local.saves.iter().filter(|(save, _)| is_unknown(save));
    let unknown = unknown.map(|(save, here)| (save, here.content.digest));
    let unknown = unknown.map(|(save, digest)| Ask { save: save.clone(), digest });
    unknown.chain(agreed(base).filter(|_| full)).collect()
}

/// What this device stored last: a server that was set back may lack it and have all that the cursor speaks of.
fn last_stored(parts: &Parts) -> Vec<Ask> {
    let own = parts.identity.writer();
    let saves = &parts.journal.listing().saves;
    let stored = |heads: &Vec<Head>| {
        heads.iter().filter(|head| head.writer == *own).map(|head| head.sequence).max().unwrap_or(0)
    };
    let last = saves.values().map(stored).max().unwrap_or(0);
    let late = saves.iter().filter(|(_, heads)| stored(heads) > last.saturating_sub(LAST_STORED));
    late.filter_map(|(save, _)| {
        Some(Ask { save: save.clone(), digest: agreed_on(parts.journal.base(), save)? })
    })
    .collect()
}

/// All that both sides surely had.
fn agreed(base: &Base) -> impl Iterator<Item = Ask> {
    let asks = |save: &SaveId| Some(Ask { save: save.clone(), digest: agreed_on(base, save)? });
    base.saves.keys().filter_map(asks)
}

fn has(heads: &[Head], digest: Digest) -> bool {
    heads.iter().any(|head| head.content.is_some_and(|content| content.digest == digest))
}

/// The content that both sides surely had.
fn agreed_on(base: &Base, save: &SaveId) -> Option<Digest> {
    base.saves.get(save).filter(|entry| entry.trusted)?.content.map(|content| content.digest)
}
