//! What must hold on a card after a power cut, once the daemon has started on it again.
//!
//! Runs the daemon's own recovery and start, then looks as a player would. `acked`: what was reported done before the cut;
//! `begun`: with what may have been on its way. Each save, the journal and the identity is wholly the one or the other.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use retrosync::error::{Error, Problem};
use retrosync::root::STATE_FOLDER;
use retrosync::volume::{EntryKind, Volume};
use retrosync::whole;

use crate::mounted::Mounted;
use crate::others::{self, Seat};
use crate::saves::{SAVES, SET, bytes, content, save};
use crate::shelf;
use crate::story::{Expected, Held, Parts, ROOT, learnt, token};

/// Neighbours of the saves, whom no step concerns: path below the root and bytes.
pub(crate) type Neighbours = [(String, Vec<u8>)];

/// Says what is wrong.
///
/// # Errors
/// The first thing that is lost or mixed, in plain words.
pub(crate) fn judge(
    volume: &Arc<dyn Volume>,
    seat: Seat,
    acked: &Expected,
    begun: &Expected,
    neighbours: &Neighbours,
) -> Result<(), String> {
    // Before anything of ours runs: a device boots first.
    others::judge(volume, seat, &acked.others, &begun.others)?;
    let told = |error: Error| format!("the daemon cannot start: {error}");
    let (mut parts, problems) = Parts::open(volume.clone()).map_err(told)?;
    // The very first record of the journal: a cut leaves pieces of it, and nothing was known before.
    let is_first = |problem: &&Problem| acked.cycles == 0 && problem.error.doing.contains("the journal");
    if let Some(problem) = problems.iter().find(|problem| !is_first(problem)) {
        return Err(format!("the daemon has a problem: {problem:?}"));
    }
    for number in 0..SAVES.len() {
        judge_save(&**volume, &parts, number, acked, begun)?;
    }
    for (path, bytes) in neighbours {
        if read(&**volume, path)?.as_ref() != Some(bytes) {
            return Err(format!("`{path}`, which nothing touched, is another"));
        }
    }
    judge_names(&**volume, neighbours)?;
    judge_journal(&parts, acked, begun)?;
    let kept = parts.identity().facts.token.clone();
    if ![acked, begun].iter().any(|all| kept == (all.paired > 0).then(|| token(all.paired))) {
        return Err("the token is neither the old nor the new one".into());
    }
    let next = parts.identity().take_sequence().map_err(|error| format!("no sequence number: {error}"))?;
    if next <= acked.counted {
        return Err(format!("sequence number {next} comes a second time: {} were taken", acked.counted));
    }
    Ok(())
}

/// What only our own reader can see: broken chains, shared clusters, a second recovery that finds work.
///
/// # Errors
/// As [`judge`].
pub(crate) fn judge_mounted(card: &Mounted) -> Result<(), String> {
    if let Some(fault) = card.faults().first() {
        return Err(format!("the file system was hurt: {fault}"));
    }
    let strays = Path::new(ROOT).join(".retrosync/incoming");
    for (one, other) in card.shared() {
        if [&one, &other].iter().any(|path| shelf::is_never_touched(path)) {
            continue;
        }
        if [&one, &other].iter().any(|path| !path.starts_with(&strays)) {
            return Err(format!("`{}` and `{}` share their clusters", one.display(), other.display()));
        }
    }
    let before = card.trace().len();
    retrosync::disk::recover(Arc::new(card.clone()), Path::new(ROOT)).map_err(|error| error.to_string())?;
    match card.trace().get(before..) {
        Some([]) | None => Ok(()),
        Some(did) => Err(format!("a second recovery still did: {did:?}")),
    }
}

/// No file that nobody made: a second, short name of a save would be one.
fn judge_names(volume: &dyn Volume, neighbours: &Neighbours) -> Result<(), String> {
    let saves = SAVES.iter().map(|(_, path)| *path);
    let known: BTreeSet<_> =
        saves.chain(neighbours.iter().map(|(path, _)| &**path)).map(str::to_lowercase).collect();
    // What is there of several files was judged as a whole; it knows nothing of files that begin with a point.
    let is_of_set = |name: &str| name.starts_with(SAVES[SET].1.trim_end_matches('*')) && !name.contains("/.");
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let listed = volume.list(&Path::new(ROOT).join(&folder)).map_err(|error| error.to_string())?;
        for entry in listed {
            let name = format!("{folder}{}", entry.name.to_string_lossy());
            match entry.kind {
                EntryKind::Folder if name == STATE_FOLDER => {}
                EntryKind::Folder => folders.push(name + "/"),
                _ if known.contains(&name.to_lowercase()) || is_of_set(&name) || others::is_known(&name) => {}
                _ => return Err(format!("`{name}` is there, which nobody made")),
            }
        }
    }
    Ok(())
}

fn read(volume: &dyn Volume, path: &str) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    match whole::open(volume, &Path::new(ROOT).join(path)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("`{path}` cannot be opened: {error}")),
        Ok(mut file) => {
            file.read_to_end(&mut bytes).map_err(|error| format!("`{path}` cannot be read: {error}"))?
        }
    };
    Ok(Some(bytes))
}

fn judge_save(
    volume: &dyn Volume,
    parts: &Parts,
    number: usize,
    acked: &Expected,
    begun: &Expected,
) -> Result<(), String> {
    let (id, path) = save(number);
    let [old, new] = [&acked.saves[number], &begun.saves[number]];
    let here = read(volume, path.as_str())?;
    let is = |held: &Held| here == held.bytes(number);
    let held = match (is(old), is(new)) {
        (_, true) => new,
        (true, false) => old,
        (false, false) => {
            let what = here.map_or("gone".into(), |here| describe(&here, number, new.round));
            return Err(format!("`{path}` is neither old (round {}) nor new: it is {what}", old.round));
        }
    };
    let mut kept = Vec::new();
    for entry in parts.disk().attic().list(Some(&id)) {
        let mut bytes = Vec::new();
        let read = parts
            .disk()
            .attic()
            .read(entry.number)
            .map_err(|error| error.to_string())?
            .read_to_end(&mut bytes);
        if read.is_err() || content(&bytes) != entry.file {
            return Err(format!("kept copy {} of `{path}` is not what the index says", entry.number));
        }
        kept.push(entry.file);
    }
    // The step on its way may thin: what both promise must be there, and the old bytes if the new ones are.
    for (round, size) in old.kept.iter().filter(|copy| new.kept.contains(copy)) {
        if !kept.contains(&content(&bytes(number, *round, *size))) {
            return Err(format!("round {round} of `{path}` is not in the attic"));
        }
    }
    if held.round > old.round
        && let Some(old) = old.bytes(number).filter(|_| new.kept.len() > old.kept.len())
        && !kept.contains(&content(&old))
    {
        return Err(format!("the bytes that `{path}` had are not in the attic"));
    }
    Ok(())
}

fn describe(here: &[u8], number: usize, newest: u64) -> String {
    for round in (1..=newest).rev().filter(|_| number != SET) {
        if here == bytes(number, round, here.len()) {
            return format!("round {round}, {} bytes", here.len());
        }
    }
    format!("a mix or garbage of {} bytes", here.len())
}

fn judge_journal(parts: &Parts, acked: &Expected, begun: &Expected) -> Result<(), String> {
    let cursor = parts.journal().base().cursor;
    if cursor < acked.cycles || cursor > begun.cycles {
        return Err(format!("the journal is at cycle {cursor}, of {}", acked.cycles));
    }
    let base = parts.journal().base();
    let known = |cycle: u64| {
        learnt(cycle).into_iter().all(|entry| match entry {
            retrosync::journal::Entry::Settled { save, entry } => {
                base.saves.get(&save) == Some(&entry) || cycle < begun.cycles && is_of(base, &save, cycle + 1)
            }
            _ => true,
        })
    };
    if cursor > 0 && !known(cursor) {
        return Err(format!("the journal at cycle {cursor} does not say what was learnt"));
    }
    Ok(())
}

fn is_of(base: &retrosync::snapshot::Base, save: &retrosync_protocol::SaveId, cycle: u64) -> bool {
    learnt(cycle).iter().any(|entry| {
        matches!(entry, retrosync::journal::Entry::Settled { save: of, entry } if of == save && base.saves.get(save) == Some(entry))
    })
}
