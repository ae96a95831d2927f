//! One cycle: look, list, plan, apply, record. The order of it, told once.
//!
//! Does a game run? → roots online? recovered? → scan → list → plan → upload → download → journal → report. A cycle in
//! which nothing changed makes one request (or none, where a long poll just brought the news), reads no save and writes
//! nothing. What fails for one save is a problem in the report and stops no other. Decides nothing: `plan` does.

mod listing;
mod loaded;
mod memory;
mod report;
mod thin;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use litemap::LiteMap;
use retrosync_protocol::{Changes, compare_key};

use crate::apply::{self, Card, Hands, Outcome};
use crate::attic::{Attic, Limits, Told};
use crate::disk::{self, Disk};
use crate::error::{Kind, Result};
use crate::facts;
use crate::identity::Identity;
use crate::journal::{Entry, Journal};
use crate::machine;
use crate::naming::Naming;
use crate::pace::Trigger;
use crate::plan::{ConflictPolicy, Halt, Plan, Policy, Question, Step, plan};
use crate::playing::{Game, Signs, boot_ms};
use crate::profile::{Profile, Site};
use crate::remote::Remote;
use crate::scan::{Found, Request as ScanRequest, Sweep};
use crate::selection::Selection;
use crate::snapshot::{Base, Doubt, Local, NOTHING_STORED, RootState};
use crate::volume::Volume;

pub use memory::Memory;
pub use report::CycleReport;

/// All that a cycle works with; put together by the command line.
pub struct Parts {
    /// The cards' file systems.
    pub volume: Arc<dyn Volume>,
    /// What kind of device this is.
    pub profile: Profile,
    /// Where its folders are.
    pub site: Site,
    /// Which file is which save.
    pub naming: Naming,
    /// The roots, by number; 0 holds the journal.
    pub cards: Vec<Card>,
    /// Who this device is.
    pub identity: Identity,
    /// What it knows.
    pub journal: Journal,
    /// Where versions are kept.
    pub remote: Box<dyn Remote>,
    /// How to see that a game runs.
    pub signs: Signs,
    /// What the user said.
    pub settings: Settings,
    /// What this run of the program remembers; `Memory::new(volume)`.
    pub memory: Memory,
}

/// What the user said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What conflicts do.
    pub conflict: ConflictPolicy,
    /// A save that changed here this short a time ago is not replaced.
    pub fresh_save_s: u64,
    /// What is left alone altogether.
    pub leave_out: Selection,
    /// Nothing is sent while a game runs.
    pub rests_while_playing: bool,
    /// A mass change is meant: once.
    pub accept_mass_change: bool,
    /// The remote is beyond a network: no request without a route. False for loopback and folders.
    pub needs_route: bool,
    /// The program, as `retrosync/0.1.0 armv7`.
    pub client: String,
}

/// Why a cycle runs, and what its caller knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Why.
    pub trigger: Trigger,
    /// What a long poll just brought, and since which cursor.
    pub news: Option<(u64, Changes)>,
    /// A long poll is open, so what the journal knows of the remote is current.
    pub current: bool,
    /// The title of a game that waits for its saves, empty if nobody said which: what comes from others is all that is
    /// done, its saves first, and what is to be sent waits for the next cycle.
    pub awaited_by: Option<String>,
}

impl Request {
    /// A cycle for `trigger` that asks the remote itself.
    pub fn new(trigger: Trigger) -> Request {
        Request { trigger, news: None, current: false, awaited_by: None }
    }
}

/// Rounds in one cycle: a corrected base or a choice plans again, but not for ever.
const ROUNDS: usize = 3;
/// The most contents that one request asks about.
const ASK_MOST: usize = 5_000;

/// Runs one cycle.
pub fn run(parts: &mut Parts, mut request: Request) -> CycleReport {
    let mut report = CycleReport::default();
    let full = request.trigger == Trigger::Full;
    if full {
        parts.memory.unfit = LiteMap::new();
    } else if request.trigger == Trigger::Retry {
        parts.memory.unfit.iter_mut().for_each(|(_, (_, error))| *error = None);
    }
    loaded::recall(parts);
    for _ in 0..ROUNDS {
        report.begin_round();
        let again = match round(parts, &mut request, &mut report) {
            Ok(again) => again,
            Err(error) => {
                report.broke_off(error);
                false
            }
        };
        // Before anything is called done: what was learnt is durable.
        if let Err(error) = loaded::keep(parts).and_then(|()| parts.journal.sync()) {
            report.broke_off(error);
            break;
        }
        if !again {
            break;
        }
    }
    // A full card, not a full server: what the server cannot take is safest here.
    let is_full = report.problems.iter().any(|problem| problem.error.kind == Kind::Full);
    let limits = if is_full { Limits::SCARCE } else { Limits::default() };
    if (full || is_full)
        && report.failed.is_none()
        && let Err(error) = thin::thin(parts, &limits)
    {
        report.problem(error.into());
    }
    report.retry_after_s = report.failed.as_ref().and_then(|_| parts.remote.heard().retry_after_s);
    parts.memory.cycle_ended();
    parts.memory.live.ended(&report);
    report
}

/// One round; true if it should be followed by another.
fn round(parts: &mut Parts, request: &mut Request, report: &mut CycleReport) -> Result<bool> {
    let playing = parts.memory.hooks.look(&parts.signs);
    let now_ms = boot_ms();
    // Whatever the card does: a game that runs now may be gone when the next cycle looks.
    parts.memory.launches.look(&playing, now_ms);
    let roots = roots(parts, playing.reason.as_deref(), report);
    if let Some((_, RootState::Offline(reason))) = roots.first() {
        // Without the card that holds the journal nothing can be remembered, so nothing is done.
        report.halts.push(Halt::Offline { root: 0, reason: reason.clone() });
        return Ok(false);
    }
    let sweep = if request.trigger == Trigger::Full { Sweep::Full } else { Sweep::Stamps };
    if sweep == Sweep::Full {
        look_for_games(parts, report);
    }
    report.playing.clone_from(&playing.reason);

    let mut found = scan(parts, &roots, sweep);
    report.read += found.read;
    // What is new here and of no known game may be the save of a game that was copied here meanwhile.
    if parts.memory.meets_strangers(&found) && !parts.memory.games_are_known() {
        parts.memory.asked_about_strangers(&found);
        look_for_games(parts, report);
        found = scan(parts, &roots, Sweep::Stamps);
        report.read += found.read;
    }
    parts.memory.note_changes(&found, parts.journal.base(), now_ms);
    let mut listing = parts.journal.listing().clone();
    let heard_of = listing.saves.len();
    match listing::bring(parts, request, &found, &mut listing, report) {
        Ok(true) => return Ok(true),
        Ok(false) => {}
        Err(error) => (report.failed, report.is_deaf) = (Some(error), true),
    }
    if listing.saves.len() > heard_of {
        look_for_games(parts, report);
        found = scan(parts, &roots, Sweep::Stamps);
        report.read += found.read;
    }

    let policy = Policy {
        conflict: parts.settings.conflict,
        frozen: playing.reason,
        fresh: parts.memory.fresh(now_ms, parts.settings.fresh_save_s),
        accept_mass_change: parts.settings.accept_mass_change,
        leave_out: parts.settings.leave_out.clone(),
        rests: parts.settings.rests_while_playing,
        own: Some(parts.identity.writer().clone()),
    };
    let base = loaded::base(parts, &found);
    let plan = plan(&base, &found.local, &listing, &policy);
    // What its steps are done by; most cycles have none.
    let base = if plan.steps.is_empty() { Base::default() } else { base.into_owned() };
    if policy.accept_mass_change {
        accept_what_is_gone(parts, &found.local, &plan)?;
    }
    note_doubted(parts, &plan, &playing.games, policy.frozen.is_some())?;
    parts.memory.forget_ended_games(&found, parts.journal.base(), policy.frozen.is_some());
    report.scanned(found);
    if report.failed.is_none() && plan.steps.iter().any(|step| !matches!(step, Step::Settle { .. })) {
        report.failed = listing::reachable(parts).err();
    }
    let outcome = act(parts, &base, &plan, request.awaited_by.as_deref(), report)?;
    report.planned(plan);
    request.current &= !outcome.relist;
    Ok(report.acted(outcome))
}

/// Which roots are there; one that is there for the first time is recovered before anything looks at its saves. A card that is put
/// in under a game, and on which a cut left something to finish, waits for the end of that: a running game owns its save.
fn roots(parts: &mut Parts, playing: Option<&str>, report: &mut CycleReport) -> Vec<(PathBuf, RootState)> {
    let mut states = Vec::with_capacity(parts.cards.len());
    let paused = parts.cards.first().and_then(|card| paused(&*parts.volume, &parts.profile, &card.root.dir));
    for card in &mut parts.cards {
        let mut state = paused.clone().map_or_else(|| card.root.state(), RootState::Offline);
        if state != RootState::Online {
            // What it held open may be of a card that never comes back: it is opened anew.
            card.disk = None;
        } else if let (None, Some(game)) = (&card.disk, playing)
            && disk::is_replacing(Arc::clone(&parts.volume), &card.root.dir).unwrap_or(true)
        {
            state = RootState::Offline(format!(
                "what a cut left on it is finished when the game has ended: {game}"
            ));
        } else if let Some(disk) = card.disk.as_mut() {
            // A card that was full, say, when the power was back: there may be room now.
            if playing.is_none() {
                match disk.try_again() {
                    Ok(problems) => report.problems.extend(problems),
                    Err(error) => report.problems.push(error.into()),
                }
            }
        } else {
            let volume = Arc::clone(&parts.volume);
            let opened =
                Attic::open(Arc::clone(&volume), &card.root.dir).and_then(|(attic, mut problems)| {
                    let (disk, more) = Disk::open(volume, &card.root.dir, attic)?;
                    problems.extend(more);
                    Ok((disk, problems))
                });
            match opened {
                Ok((disk, problems)) => {
                    card.disk = Some(disk);
                    report.problems.extend(problems);
                }
                Err(error) => {
                    state = RootState::Offline(error.to_string());
                    report.problems.push(error.into());
                }
            }
        }
        states.push((card.root.dir.clone(), state));
    }
    states
}

/// Why nothing is synced at all for now: the card shows somebody else's saves (a guest's), as its profile can tell.
pub fn paused(volume: &dyn Volume, profile: &Profile, card: &Path) -> Option<String> {
    let is_there = |path: &str| {
        let path = card.join(path);
        volume.stamp(&path).is_ok() || volume.list(&path).is_ok()
    };
    profile.pause.iter().find(|pause| is_there(&pause.path)).map(|pause| pause.why.clone())
}

/// The list of games tells which saves have a home here; it is read at start, once a day, and when saves that
/// were not known before are heard of or lie here.
fn look_for_games(parts: &mut Parts, report: &mut CycleReport) {
    if !parts.memory.games_are_known() {
        let (games, problems) =
            facts::games_again(&*parts.volume, &parts.profile, &parts.site, &parts.naming);
        parts.naming.learn(games);
        parts.memory.games_read();
        report.problems.extend(problems);
    }
}

fn scan(parts: &mut Parts, roots: &[(PathBuf, RootState)], sweep: Sweep) -> Found {
    // A second round of one cycle has read every file already.
    let sweep = if parts.memory.swept() { Sweep::Stamps } else { sweep };
    let Memory { scanner, named, .. } = &mut parts.memory;
    let mut found = scanner.scan(ScanRequest {
        roots,
        naming: &parts.naming,
        base: parts.journal.base(),
        listing: parts.journal.listing(),
        sweep,
        named,
    });
    parts.memory.scanned(sweep);
    // What a cut left between two versions is nobody's save until that is finished.
    for save in parts.cards.iter().filter_map(|card| card.disk.as_ref()).flat_map(Disk::replacing) {
        found.local.saves.remove(save);
        found.local.unread.insert(save.clone());
    }
    found
}

/// A person meant the mass change: what is gone is not expected here any more, so that the next cycle does not stop for it
/// again. Nothing is deleted anywhere; a save that comes back is compared with the whole history.
fn accept_what_is_gone(parts: &mut Parts, local: &Local, plan: &Plan) -> Result<()> {
    let base = parts.journal.base();
    let gone = base.saves.iter().filter(|(save, entry)| {
        let there = local.saves.contains_key(*save) || local.unread.contains(*save);
        entry.content.is_some() && !there && local.is_online(entry.place.root)
    });
    let gone: Vec<Entry> = gone.map(|(save, _)| Entry::Forgotten { save: save.clone() }).collect();
    // An empty file has no bytes to store aside: that it was accepted is all that there is to remember.
    let empty = plan.questions.iter().filter_map(|question| match question {
        Question::Suspect { save, doubt: Doubt::Empty, .. } => {
            local.saves.get(save).map(|found| (save, found))
        }
        _ => None,
    });
    let empty =
        empty.map(|(save, found)| Entry::Aside { save: save.clone(), digest: Some(found.content.digest) });
    gone.into_iter().chain(empty).try_for_each(|entry| parts.journal.record(entry))
}

/// Doubted bytes that no game can be writing are what the next game loads, or what the running one has loaded: the base is told,
/// stored or not, for what comes out of it does not descend from the base.
fn note_doubted(parts: &mut Parts, plan: &Plan, games: &[Game], plays: bool) -> Result<()> {
    let started = games.iter().map(|game| game.started_boot_ms).min();
    for question in &plan.questions {
        let Question::Suspect { save, place, .. } = question else { continue };
        let is_new = parts.journal.base().saves.get(save).is_some_and(|entry| entry.aside.is_none());
        if is_new && (!plays || parts.memory.lay_before(place, started)) {
            parts.journal.record(Entry::Aside { save: save.clone(), digest: Some(NOTHING_STORED) })?;
        }
    }
    Ok(())
}

/// Does the steps: what is settled, then all uploads, then all downloads; for a game that waits, its downloads before the
/// others, and no uploads but those that downloads wait for.
fn act(
    parts: &mut Parts,
    base: &Base,
    plan: &Plan,
    awaited_by: Option<&str>,
    report: &CycleReport,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let clock = parts.memory.clock;
    let told = clock.at(boot_ms()).map(|unix_s| Told { unix_s, trusted: true });
    for disk in parts.cards.iter_mut().filter_map(|card| card.disk.as_mut()) {
        disk.attic_mut().tell_time(told.unwrap_or_else(own_clock));
    }
    let Memory { launches, hooks, changed, live, unfit, .. } = &mut parts.memory;
    let played = |place: &_| changed.get(place).and_then(|(from, to)| clock.interval(*from, *to));
    let mut hands = Hands {
        volume: &*parts.volume,
        cards: &mut parts.cards,
        identity: &mut parts.identity,
        journal: &mut parts.journal,
        remote: &mut *parts.remote,
        naming: &parts.naming,
        signs: &parts.signs,
        hooks,
        launches,
        live,
        unfit,
        base,
        played: &played,
        client: &parts.settings.client,
        profile: &parts.profile.name,
    };
    for step in plan.steps.iter().filter(|step| matches!(step, Step::Settle { .. })) {
        apply::settle(&mut hands, step)?;
    }
    // Without a remote all else waits: it is planned again, from the world as it is then.
    if report.failed.is_some() {
        return Ok(outcome);
    }
    let title = awaited_by.map(compare_key);
    let of_it = |step: &&Step| title.as_ref().is_some_and(|title| compare_key(step.save().title()) == *title);
    let (first, others): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(of_it);
    // A game that waits does so for what it loads, not for what others load.
    let leads = |step: &&Step| awaited_by.is_none() || matches!(step, Step::Upload { leads: true, .. });
    apply::upload(&mut hands, &plan.steps.iter().filter(leads).collect::<Vec<_>>(), &mut outcome)?;
    for steps in [first, others] {
        if outcome.failed.is_none() && !steps.is_empty() {
            apply::download(&mut hands, &steps, &mut outcome)?;
        }
    }
    Ok(outcome)
}

/// This device's own clock, for people, not to be trusted.
fn own_clock() -> Told {
    Told { unix_s: machine::unix_s(), trusted: false }
}
