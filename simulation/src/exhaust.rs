//! All short histories of two devices and one save, with every crash point: no dice.
//!
//! Level by level: each history of n events that led to a state of its own is played again with each event that could come
//! next, and a cycle also with a power cut before each of its changes to the card (once in a history), of which all that was
//! not synced is lost, or nothing. Every state is judged, and then brought to rest and judged again.
//!
//! What can happen: a device plays (starts its game, saves, ends it), starts a game that nobody sees yet and ends it after a save, syncs,
//! syncs and loses the reply to what it sends (once in a history), deletes the file, answers a question; and 70 s go by.
//!
//! Two histories are one state if the cards, the server, the games, the clocks, what is true and what each daemon remembers are
//! alike. Only the first history that leads to a state is brought to rest, and only from that one it goes on.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use retrosync::pace::Trigger;

use crate::bug::Bug;
use crate::device::{Kind, onion};
use crate::handheld::Wall;
use crate::story::{Event, Fault, Mishap, SAVES};
use crate::world::World;

const DEVICES: usize = 2;
/// What their clocks say at boot, in Unix seconds.
const BOOT_UNIX_S: i64 = 1_000_000_000;
/// Which call of a cycle stores, or fetches if there is nothing to store; the one before it lists.
const STORES: usize = 1;
/// So many histories are shared out at once.
const SHARE: usize = 64;

/// What can come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Move {
    what: What,
    device: usize,
    /// The power goes before this change to the card; is what was not synced there all the same?
    cut: Option<(usize, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Plays,
    StartsUnseen,
    Exits,
    Syncs,
    LosesReply,
    Deletes,
    Answers,
    Waits,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exhausted {
    /// How many histories were played.
    pub histories: usize,
    /// How many states they led to, by how many events.
    pub states: Vec<usize>,
    /// A story that breaks a promise.
    pub broken: Option<String>,
}

/// Plays all histories of up to `most` events on so many processors.
pub fn exhaust(most: usize, bug: Option<Bug>, threads: usize) -> Exhausted {
    let search = Search { kind: Arc::new(onion()), bug };
    let mut all = Exhausted::default();
    let mut known: BTreeSet<u64> = BTreeSet::new();
    let mut level: Vec<Vec<Move>> = vec![Vec::new()];
    for _ in 0..most {
        let mut next = Vec::new();
        for (played, found) in search.expand(&level, &known, threads) {
            all.histories += played;
            match found {
                Ok(states) => next.extend(states.into_iter().filter(|(_, state)| known.insert(*state))),
                Err(story) => all.broken = all.broken.or(Some(story)),
            }
        }
        all.states.push(next.len());
        if all.broken.is_some() {
            return all;
        }
        level = next.into_iter().map(|(moves, _)| moves).collect();
    }
    all
}

struct Search {
    kind: Arc<Kind>,
    bug: Option<Bug>,
}

/// Histories with the state that each led to, or the story of a broken promise.
type States = Result<Vec<(Vec<Move>, u64)>, String>;

impl Search {
    /// Every history of the level with every move that can follow, in their order, however fast the processors are.
    fn expand(&self, level: &[Vec<Move>], known: &BTreeSet<u64>, threads: usize) -> Vec<(usize, States)> {
        let shares: Vec<&[Vec<Move>]> = level.chunks(SHARE).collect();
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(share) = shares.get(number) else { return };
                        let found = self.expand_share(share, known);
                        done.lock().unwrap().push((number, found));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap();
        done.sort_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, found)| found).collect()
    }

    fn expand_share(&self, share: &[Vec<Move>], before_them: &BTreeSet<u64>) -> (usize, States) {
        let (mut played, mut states, mut known) = (0, Vec::new(), BTreeSet::new());
        for before in share {
            let mut open: Vec<Move> = moves(before);
            while let Some(next) = open.pop() {
                let mut moves = before.clone();
                moves.push(next);
                played += 1;
                match self.play(&moves, &|state| before_them.contains(state) || known.contains(state)) {
                    Err(broken) => return (played, Err(told(&moves, &broken))),
                    // The cut came: there may be a later one.
                    Ok((state, was_cut)) => {
                        if let (Some((at, reaches)), true) = (next.cut, was_cut) {
                            open.push(Move { cut: Some((at + 1, reaches)), ..next });
                        }
                        if (next.cut.is_none() || was_cut) && known.insert(state) {
                            states.push((moves, state));
                        }
                    }
                }
            }
        }
        (played, Ok(states))
    }

    /// The state that moves lead to, and whether the last one's cut came; a state that is known has been brought to rest.
    fn play(&self, moves: &[Move], is_known: &dyn Fn(&u64) -> bool) -> Result<(u64, bool), String> {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(&self.kind, DEVICES, 1, self.bug);
            world.waits = None;
            // Their clocks stand still but for waiting: what differs only in when is one state.
            for device in &world.devices {
                device.handheld.get().set_clock(Some(Wall { boot_unix_s: BOOT_UNIX_S, drift: 0 }));
            }
            world.tell_time();
            let mut was_cut = false;
            for one in moves {
                world.luck = one.cut.map(|(_, reaches)| reaches);
                let started = world.devices[one.device].lives;
                for event in one.events() {
                    world.step(&event)?;
                }
                was_cut = world.devices[one.device].lives > started + 1;
            }
            // The power goes once.
            let has_gone = moves.iter().any(|one| one.cut.is_some());
            let state = state_of(&mut world, (has_gone, has_lost(moves)));
            // A cut that never came is the plain history, which is played too.
            let is_plain = moves.last().is_none_or(|one| one.cut.is_none());
            if (is_plain || was_cut) && !is_known(&state) {
                world.settle()?;
            }
            Ok((state, was_cut))
        }));
        retrosync::machine::play(None);
        ran.unwrap_or_else(|_| Err("it panicked".into()))
    }
}

/// Was a reply lost?
fn has_lost(moves: &[Move]) -> bool {
    moves.iter().any(|one| one.what == What::LosesReply)
}

/// What can follow: the first that does anything is device A, the power goes once, and one reply is lost.
fn moves(before: &[Move]) -> Vec<Move> {
    let plain = [What::Plays, What::StartsUnseen, What::Exits, What::Syncs, What::Deletes, What::Answers];
    let devices = if before.is_empty() { 0..1 } else { 0..DEVICES };
    let mut moves = vec![Move { what: What::Waits, device: 0, cut: None }];
    for device in devices {
        moves.extend(plain.map(|what| Move { what, device, cut: None }));
        if !has_lost(before) {
            moves.push(Move { what: What::LosesReply, device, cut: None });
        }
        if before.iter().all(|one| one.cut.is_none()) {
            moves.extend([true, false].map(|reaches| Move {
                what: What::Syncs,
                device,
                cut: Some((0, reaches)),
            }));
        }
    }
    moves
}

impl Move {
    fn events(&self) -> Vec<Event> {
        let (device, save) = (self.device, 0);
        let starts = |is_seen| Event::Starts { device, save, is_seen };
        let exits = Event::Exits { device, saves: true, truncates: false };
        match self.what {
            What::Plays => vec![starts(true), exits],
            What::StartsUnseen => vec![starts(false)],
            What::Exits => vec![exits],
            What::Syncs | What::LosesReply => vec![Event::Cycle {
                device,
                trigger: Trigger::Changed,
                fault: (self.what == What::LosesReply).then_some((STORES, Fault::ReplyLost)),
                meanwhile: None,
                mishap: self.cut.map(|(at, _)| Mishap::PowerGoes(at)),
            }],
            What::Deletes => vec![Event::Deletes { device, save }],
            What::Answers => vec![Event::Resolves { device, save, this: true }],
            What::Waits => vec![Event::Waits { seconds: 70 }],
        }
    }
}

fn state_of(world: &mut World, had: (bool, bool)) -> u64 {
    let mut hasher = DefaultHasher::new();
    had.hash(&mut hasher);
    for device in &mut world.devices {
        {
            let handheld = device.handheld.get();
            (handheld.clock_ms, &handheld.written_unix_s).hash(&mut hasher);
            format!("{:?}", handheld.game).hash(&mut hasher);
            handheld.fat.fingerprint(&mut hasher);
        }
        (device.current, format!("{:?}", device.news)).hash(&mut hasher);
        if let Some(parts) = device.parts() {
            let journal = &parts.journal;
            format!("{:?}", (journal.base(), journal.listing(), journal.loaded())).hash(&mut hasher);
            let disks: Vec<_> = parts.cards.iter().map(|card| &card.disk).collect();
            format!("{:?}", (&parts.memory, disks, journal.is_in_doubt())).hash(&mut hasher);
        }
    }
    for number in 0..SAVES {
        let known = world.ledger.of(number);
        (&known.contents, &known.heads).hash(&mut hasher);
    }
    world.truth.hash(&mut hasher);
    world.deleted().hash(&mut hasher);
    hasher.finish()
}

fn told(moves: &[Move], broken: &str) -> String {
    let mut text = String::new();
    for one in moves {
        for event in one.events() {
            let _ = write!(text, "  {event}");
            if let Some((_, reaches)) = one.cut {
                let _ = write!(
                    text,
                    ", {} of what was not synced is there",
                    if reaches { "all" } else { "nothing" }
                );
            }
            let _ = writeln!(text);
        }
    }
    let _ = writeln!(text, "broken: {broken}");
    text
}
