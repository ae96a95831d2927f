//! What a person decided: settle a question, bring an older version back, or let a mass change pass.
//!
//! A choice is stored like any other version, with the heads that stood as its parents; nothing is overwritten, and a
//! restore can itself be undone. Runs a cycle before, so that what was played here is stored first, and one after, so
//! that the answer is on the card. Takes the card's parts; prints nothing.

use std::io::Read;
use std::path::PathBuf;

use retrosync_protocol::{
    Code, Content, Head, HistoryEntry, Kind as SaveKind, SaveHeads, SaveId, StoreResult, Version, VersionId,
};
use serde::{Deserialize, Serialize};

use crate::cycle::{self, CycleReport, Parts, Request};
use crate::error::{Error, Kind, Problem, Result};
use crate::formats;
use crate::journal::Entry;
use crate::pace::Trigger;
use crate::plan::{Halt, agree};
use crate::playing::{self, Hooks, Signs};
use crate::snapshot::Place;
use crate::whole;

/// Which version of a question to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// What is on this device.
    This,
    /// The one other version.
    Other,
    /// The version whose id begins with these digits.
    Version(String),
}

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// One answer to a question.
    Resolve {
        /// Which save.
        save: SaveId,
        /// What to keep.
        keep: Keep,
        /// A note for people.
        note: Option<String>,
    },
    /// The version whose id begins with these digits becomes the newest.
    Restore {
        /// Which save.
        save: SaveId,
        /// The digits.
        digits: String,
    },
    /// A kept copy is put back in place.
    RestoreKept {
        /// Which save.
        save: SaveId,
        /// Whose attic.
        root: usize,
        /// Its number there.
        number: u64,
    },
    /// The saves that vanished, or the many that would be replaced, are meant: one round does not stop for them.
    AcceptMassChange,
    /// The configuration was changed: the daemon reads it again.
    Settings,
    /// To be told what the daemon does, line by line, until the door is closed.
    Watch,
    /// Nobody's wish: the firmware says what happens now.
    Moment(Moment),
}

/// What a firmware's hook tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// A game starts as soon as we are done, and at that hour of the uptime at the latest.
    GameStarts {
        /// In milliseconds since this device booted.
        at_boot_ms: u64,
        /// Its title, if the firmware says which: its saves come first.
        #[serde(default)]
        title: String,
    },
    /// The game has ended.
    GameEnded,
    /// The device is about to sleep or to be switched off.
    Sleeps,
    /// The device has slept: connections are dead, and others may have played.
    Woke,
}

impl Moment {
    /// What must hold at once, also for a cycle that runs just now.
    pub fn told(&self, hooks: &Hooks) {
        match self {
            Moment::GameStarts { at_boot_ms, .. } => hooks.game_starts(*at_boot_ms),
            Moment::GameEnded => hooks.game_ended(),
            Moment::Sleeps | Moment::Woke => {}
        }
    }
}

/// What became of a wish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The version that holds it now, if the remote knows.
    pub version: Option<VersionId>,
    /// The bytes are in place on this device.
    pub here: bool,
    /// The remote has it.
    pub stored: bool,
    /// Why not all of it is done yet.
    pub waiting: Option<String>,
}

/// Does what a person wants.
///
/// # Errors
/// When nothing was changed, with the reason.
pub fn carry_out(parts: &mut Parts, wish: &Wish) -> Result<Done> {
    match wish {
        Wish::Resolve { save, keep, note } => resolve(parts, save, keep, note.as_deref()),
        Wish::Restore { save, digits } => restore(parts, save, digits),
        Wish::RestoreKept { save, root, number } => restore_kept(parts, save, *root, *number),
        Wish::AcceptMassChange => accept_mass_change(parts),
        Wish::Settings => {
            cycle::run(parts, Request::new(Trigger::Retry));
            Ok(Done::default())
        }
        Wish::Watch => Ok(Done::default()),
        Wish::Moment(moment) => Ok(meet(parts, moment)),
    }
}

/// Pulls before a game, pushes after it: a cycle now.
fn meet(parts: &mut Parts, moment: &Moment) -> Done {
    let trigger = if *moment == Moment::GameEnded { Trigger::GameEnded } else { Trigger::Retry };
    let mut request = Request::new(trigger);
    if let Moment::GameStarts { at_boot_ms, title } = moment {
        // Too late to be of use: the game runs.
        if playing::boot_ms() >= *at_boot_ms {
            return Done::default();
        }
        request.awaited_by = Some(parts.naming.meant(title));
    }
    let report = cycle::run(parts, request);
    if let Moment::GameStarts { at_boot_ms, .. } = moment {
        // What was placed until now the game will load.
        parts.memory.hooks.game_may_start(*at_boot_ms);
    }
    let (here, stored) = (report.all_is_here(), report.all_is_stored());
    Done { version: None, here, stored, waiting: report.failed.map(|error| error.cause) }
}

fn accept_mass_change(parts: &mut Parts) -> Result<Done> {
    parts.settings.accept_mass_change = true;
    let report = cycle::run(parts, Request::new(Trigger::Retry));
    parts.settings.accept_mass_change = false;
    has_its_card(&report)?;
    let (here, stored) = (report.all_is_here(), report.all_is_stored());
    let waiting = report.failed.map(|error| error.cause).or(report.playing);
    Ok(Done { version: None, here, stored, waiting })
}

fn resolve(parts: &mut Parts, save: &SaveId, keep: &Keep, note: Option<&str>) -> Result<Done> {
    let doing = || format!("cannot settle `{save}`");
    in_step(parts, save)?;
    let heads = heads(parts, save);
    if agree(&heads) {
        return Err(refusal(doing(), "there is nothing to choose: all devices agree on it"));
    }
    let here = here(parts, save);
    let content = match keep {
        Keep::This => here
            .filter(|here| {
                heads.iter().any(|head| head.content.is_some_and(|content| content.digest == here.digest))
            })
            .ok_or_else(|| {
                refusal(doing(), "what is on this device is none of the versions")
                    .help("name one by the first digits of its id; `retrosync resolve SAVE` shows them")
            })?,
        Keep::Other => {
            let others: Vec<Content> = heads
                .iter()
                .filter_map(|head| head.content)
                .filter(|content| here.is_none_or(|here| here.digest != content.digest))
                .collect();
            match others.as_slice() {
                [one] => *one,
                _ => {
                    return Err(refusal(doing(), format!("there are {} other versions", others.len())).help(
                        "name one by the first digits of its id; `retrosync resolve SAVE` shows them",
                    ));
                }
            }
        }
        Keep::Version(digits) => by_digits(parts, save, digits, &heads)?,
    };
    let version = store(parts, save, content, &heads, note)?;
    settle(parts, save, content, version)
}

fn restore(parts: &mut Parts, save: &SaveId, digits: &str) -> Result<Done> {
    in_step(parts, save)?;
    let heads = heads(parts, save);
    let content = by_digits(parts, save, digits, &heads)?;
    if let [Head { content: Some(head), version, .. }] = heads.as_slice()
        && head.digest == content.digest
    {
        return settle(parts, save, content, *version);
    }
    let version = store(parts, save, content, &heads, Some("restored"))?;
    settle(parts, save, content, version)
}

/// Works without a network: the kept copy takes the place of what is there, which goes to the attic.
fn restore_kept(parts: &mut Parts, save: &SaveId, root: usize, number: u64) -> Result<Done> {
    let doing = || format!("cannot restore `{save}`");
    // What was played here is stored first, if that is possible; if not, the attic keeps it.
    let before = cycle::run(parts, Request::new(Trigger::Retry));
    let disk = parts.cards.get_mut(root).and_then(|card| card.disk.as_mut());
    let disk = disk.ok_or_else(|| Error::new(Kind::Busy, doing(), "its card is not there"))?;
    let entry =
        disk.attic().list(Some(save)).into_iter().find(|entry| entry.number == number).ok_or_else(|| {
            refusal(doing(), format!("the attic has no number {number} of it"))
                .help("`retrosync history` shows which there are")
        })?;
    let place = place(parts, save).unwrap_or(Place { root, path: entry.path.clone() });
    let expects = on_card(parts, save, &place)?;
    if expects.is_some_and(|there| there.digest == entry.content.digest) {
        return Ok(settle_kept(parts, save, entry.content, before.failed));
    }
    let as_new = parts.naming.as_new(&place, save);
    let (signs, hooks) = (parts.signs.clone(), parts.memory.hooks.clone());
    let mut guard = || free_of_games(&signs, &hooks, save);
    guard()?;
    let source = parts.cards.get(root).and_then(|card| card.disk.as_ref());
    let kept = source
        .ok_or_else(|| Error::new(Kind::Busy, doing(), "its card is not there"))?
        .attic()
        .read(number)?;
    let card = parts.cards.get_mut(place.root).and_then(|card| card.disk.as_mut());
    let disk = card.ok_or_else(|| Error::new(Kind::Busy, doing(), "its card is not there"))?;
    let staged = disk.stage(&entry.content, &mut formats::payload(save, kept))?.written(as_new);
    disk.replace(&place.path, save, expects.as_ref(), staged, &mut guard)?;
    // What a person put here replaces what it was put over, doubted or not.
    parts.journal.record(Entry::Aside { save: save.clone(), digest: None })?;
    Ok(settle_kept(parts, save, entry.content, None))
}

/// A cycle that must reach the remote, and have no trouble with that save: what was played here is stored before it is replaced.
fn in_step(parts: &mut Parts, save: &SaveId) -> Result<()> {
    let mut report = cycle::run(parts, Request::new(Trigger::Retry));
    has_its_card(&report)?;
    // What could not be brought is no reason against another version: what is here is known to the remote.
    let comes = report.queued.iter().any(|step| step.save() == save && step.writes_here());
    let of_it = |problem: &Problem| !comes && problem.save.as_ref() == Some(save);
    let trouble = report.problems.iter().position(of_it);
    let trouble = trouble.map(|at| report.problems.swap_remove(at).error);
    report.failed.or(trouble).map_or(Ok(()), Err)
}

/// Without the card nothing is known of either side.
fn has_its_card(report: &CycleReport) -> Result<()> {
    match report.halts.first() {
        Some(Halt::Offline { root: 0, reason }) => {
            Err(Error::new(Kind::Busy, "cannot do that without the card", reason))
        }
        _ => Ok(()),
    }
}

/// Stores `content` as the version that follows all heads; the remote has its bytes.
fn store(
    parts: &mut Parts,
    save: &SaveId,
    content: Content,
    heads: &[Head],
    note: Option<&str>,
) -> Result<VersionId> {
    let mut parents: Vec<VersionId> = heads.iter().map(|head| head.version).collect();
    parents.sort();
    parents.dedup();
    let mut offer = Version {
        save: save.clone(),
        content: Some(content),
        parents,
        writer: parts.identity.writer().clone(),
        sequence: parts.identity.take_sequence()?,
        played: None,
        suspect: false,
        client: parts.settings.client.clone(),
        profile: parts.profile.name.clone(),
        core: save.core().map(str::to_owned),
        note: note.map(str::to_owned),
    };
    let doing = || format!("cannot store the choice for `{save}`");
    let source = |_: &Version| Err(Error::new(Kind::Busy, doing(), "the server does not have its bytes"));
    let mut result = parts.remote.store(std::slice::from_ref(&offer), &source)?.pop();
    if let Some(StoreResult::Refused { problem }) = &result
        && problem.code == Code::WriterReused
    {
        // A card that was copied, and finds it out with this.
        parts.identity.redraw_writer()?;
        parts.journal.record(Entry::Distrusted)?;
        (offer.writer, offer.sequence) = (parts.identity.writer().clone(), parts.identity.take_sequence()?);
        result = parts.remote.store(std::slice::from_ref(&offer), &source)?.pop();
    }
    match result {
        Some(StoreResult::Head { version, heads } | StoreResult::Branch { version, heads }) => {
            parts.journal.record(Entry::Heads(SaveHeads { save: save.clone(), heads }))?;
            parts.journal.sync()?;
            Ok(version)
        }
        Some(StoreResult::Refused { problem }) => {
            let error = Error::new(Kind::Refused(problem.code), doing(), &problem.detail);
            Err(match problem.help {
                Some(help) => error.help(help),
                None => error,
            })
        }
        None => Err(Error::new(Kind::Offline, doing(), "the server gave no answer to it")),
    }
}

/// A cycle that puts the choice in place; says whether it is.
fn settle(parts: &mut Parts, save: &SaveId, content: Content, mut version: VersionId) -> Result<Done> {
    let mut report = cycle::run(parts, Request::new(Trigger::Retry));
    let heads = heads(parts, save);
    let is_later = |head: &Head| head.version != version && head.writer == *parts.identity.writer();
    if report.failed.is_none() && heads.iter().any(is_later) {
        // What was played here a moment ago is stored only now: the choice is made over that.
        version = store(parts, save, content, &heads, Some("restored"))?;
        report = cycle::run(parts, Request::new(Trigger::Retry));
    }
    let is_here = |parts: &Parts| here(parts, save).is_none_or(|here| here.digest == content.digest);
    let waits = report.waiting.iter().any(|step| step.save() == save);
    // A state that was moved out of the way is here only when it is back.
    let aside = save.kind() == SaveKind::State && here(parts, save).is_none();
    if (aside || !is_here(parts)) && !waits && report.failed.is_none() && report.playing.is_none() {
        // Bytes that the plan doubts stay where they are until a person says otherwise: this is it.
        put_in_place(parts, save, content)?;
        report = cycle::run(parts, Request::new(Trigger::Retry));
    }
    let here = is_here(parts);
    let waiting = (!here).then(|| {
        let failed = report.failed.map(|error| error.cause);
        report.playing.or(failed).unwrap_or_else(|| "it was played a moment ago".into())
    });
    Ok(Done { version: Some(version), here, stored: true, waiting })
}

/// Brings a content and puts it in the save's place; what is there goes to the attic.
fn put_in_place(parts: &mut Parts, save: &SaveId, content: Content) -> Result<()> {
    let doing = || format!("cannot restore `{save}`");
    let Some(place) = place(parts, save) else { return Ok(()) };
    let expects = on_card(parts, save, &place)?;
    let (signs, hooks) = (parts.signs.clone(), parts.memory.hooks.clone());
    let mut guard = || free_of_games(&signs, &hooks, save);
    guard()?;
    let disk = parts.cards.get_mut(place.root).and_then(|card| card.disk.as_mut());
    let disk = disk.ok_or_else(|| Error::new(Kind::Busy, doing(), "its card is not there"))?;
    let mut staged = None;
    let mut sink = |content: &Content, bytes: &mut dyn Read| {
        staged = Some(disk.stage(content, bytes)?);
        Ok(())
    };
    if let Some((_, error)) = parts.remote.fetch(&[content], &mut sink)?.pop() {
        return Err(error);
    }
    let staged =
        staged.ok_or_else(|| Error::new(Kind::Offline, doing(), "the server did not send its bytes"))?;
    let staged = staged.written(parts.naming.as_new(&place, save));
    disk.replace(&place.path, save, expects.as_ref(), staged, &mut guard).map(drop)
}

/// A running game owns its save.
fn free_of_games(signs: &Signs, hooks: &Hooks, save: &SaveId) -> Result<()> {
    match hooks.look(signs).reason {
        Some(reason) => {
            Err(Error::new(Kind::Busy, format!("cannot restore `{save}`"), reason).help("end the game first"))
        }
        None => Ok(()),
    }
}

/// A cycle that tells the remote of what was put back.
fn settle_kept(parts: &mut Parts, save: &SaveId, content: Content, failed: Option<Error>) -> Done {
    let failed = failed.or_else(|| cycle::run(parts, Request::new(Trigger::Retry)).failed);
    let agreed = parts.journal.base().saves.get(save);
    let stored = agreed.and_then(|entry| entry.content).is_some_and(|agreed| agreed.digest == content.digest);
    let version = agreed.filter(|_| stored).map(|entry| entry.version);
    Done { version, here: true, stored, waiting: failed.map(|error| error.cause) }
}

fn heads(parts: &Parts, save: &SaveId) -> Vec<Head> {
    parts.journal.listing().saves.get(save).cloned().unwrap_or_default()
}

/// The content of the version that these digits mean, among the heads and then in the whole history.
fn by_digits(parts: &mut Parts, save: &SaveId, digits: &str, heads: &[Head]) -> Result<Content> {
    let doing = || format!("cannot tell which version `{digits}` of `{save}` is");
    let fits = |version: &VersionId| version.to_string().starts_with(digits);
    let mut found: Vec<(VersionId, Option<Content>)> =
        heads.iter().filter(|head| fits(&head.version)).map(|head| (head.version, head.content)).collect();
    let mut before = None;
    while found.is_empty() {
        let history = parts.remote.history(save, before)?;
        let entries = history.versions.iter().filter(|entry| fits(&entry.version));
        found.extend(entries.map(|entry: &HistoryEntry| (entry.version, entry.record.content)));
        before = history.versions.last().map(|entry| entry.version);
        if !history.more || before.is_none() {
            break;
        }
    }
    match found.as_slice() {
        [(_, Some(content))] => Ok(*content),
        [(_, None)] => Err(refusal(doing(), "that version is a deletion: it has no bytes")),
        [] => {
            Err(refusal(doing(), "no version's id begins with it")
                .help("`retrosync history SAVE` shows them"))
        }
        several => Err(refusal(doing(), format!("{} versions' ids begin with it", several.len()))
            .help("give more of its digits")),
    }
}

/// Where the save lies on this device, as far as the journal or the names know.
fn place(parts: &Parts, save: &SaveId) -> Option<Place> {
    let agreed = parts.journal.base().saves.get(save).map(|entry| entry.place.clone());
    agreed
        .filter(|place| path(parts, place).is_some_and(|path| whole::stamp(&*parts.volume, &path).is_ok()))
        .or_else(|| parts.naming.home(save))
}

fn path(parts: &Parts, place: &Place) -> Option<PathBuf> {
    parts.cards.get(place.root).map(|card| place.path.under(&card.root.dir))
}

/// What is on this device now.
fn here(parts: &Parts, save: &SaveId) -> Option<Content> {
    place(parts, save).and_then(|place| on_card(parts, save, &place).ok().flatten())
}

fn on_card(parts: &Parts, save: &SaveId, place: &Place) -> Result<Option<Content>> {
    let Some(path) = path(parts, place) else { return Ok(None) };
    let read = |error: &std::io::Error| Error::io(format!("cannot read `{}`", place.path), error);
    match whole::open(&*parts.volume, &path) {
        Ok(file) => Ok(Some(formats::inspect(save, file).map_err(|error| read(&error))?.0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(read(&error)),
    }
}

fn refusal(doing: String, cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::Refused(retrosync_protocol::Code::NotFound), doing, cause)
}
