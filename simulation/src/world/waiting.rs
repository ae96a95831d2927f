//! Daemons that wait: once a history is over, the real pace says when each of them begins a cycle, on the virtual clock.
//!
//! What `daemon.rs` does around a cycle is done here, in its order: a cycle begins when [`Pace::due`] says so and not before, its
//! ending is told to [`Pace::end`], `Retry-After` to [`Pace::stay_away`], a game (or a save that is too fresh) is looked for, and a
//! long poll brings news, asked anew after failures as [`Hearing`] says. Some devices have no long poll. The first cycle of
//! each meets one more fault; in some histories nothing gets through for hours, too, in which somebody plays.
//!
//! Judged: how often each asks, that it leaves a server alone that asked for it, that all it had to do is done soon after the
//! trouble ends, and that it is quiet for a day. Chance is of a dice of its own: no other draw moves.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::Hash as _;

use retrosync::pace::{Ending, Event as Happens, Hearing, Pace, Times, Trigger};
use retrosync_protocol::{ChangesRequest, Epoch, Landmark};

use super::World;
use crate::bug::Bug;
use crate::dice::Dice;
use crate::link::{Down, Weather};
use crate::server::name;
use crate::story::{Event, Fault, Mishap, SAVES};

/// In one of so many histories daemons wait by themselves …
const WAITS_ONE_IN: usize = 8;
/// … and in one of so many of those nothing gets through at first.
const IS_DOWN_ONE_IN: usize = 4;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// The longest pause after a failure: all that is to be done is done so long after the trouble ended, and a few cycles later.
const BACK_MS: u64 = 15 * MINUTE_MS;
const FEW_CYCLES_MS: u64 = 5 * MINUTE_MS;
/// Cycles of one device that fail, in the first hour that nothing gets through and in each later one: the pauses double from 5 s to
/// 15 min and are half as long by chance. An hour in which somebody plays is a first one.
const FAILING_CYCLES: (usize, usize) = (16, 10);
/// The same of its long poll: 2 s to 5 min.
const FAILING_POLLS: (usize, usize) = (32, 25);
/// Where what is new can be asked, the stores may begin to fail at any time, after a save has waited until it was a minute old.
const LOOKS: usize = 8;
/// Requests of one device in any hour, all in all.
const MOST_IN_AN_HOUR: usize = 64;
/// Requests of one device on a day on which nothing happens, without those of a long poll that only waits.
const MOST_ON_A_DAY: usize = 8;

/// Do the daemons of this history wait, and with which chance?
pub(super) fn chance(seed: u64) -> Option<Dice> {
    let mut dice = Dice::new(seed ^ 0x3a17_3a17);
    dice.one_in(WAITS_ONE_IN).then_some(dice)
}

/// One daemon, between its cycles.
struct Waiter {
    pace: Pace,
    hearing: Hearing,
    poll: Poll,
    /// The program that this is: another one begins anew.
    lives: u64,
    /// When it asked with its cycles, and with its long poll when that was answered; when that was not.
    asked_ms: Vec<u64>,
    unheard_ms: Vec<u64>,
    /// What its first cycle meets.
    fault: Option<(usize, Fault)>,
    mishap: Option<Mishap>,
    /// The server asked it, and its long poll, to keep away until then.
    quiet_until_ms: u64,
    unheard_until_ms: u64,
    /// Nothing was left to do after its last cycle.
    rests: bool,
}

/// The thread that asks for news, as `daemon::news` runs it.
enum Poll {
    /// There is none: the remote is asked with each retry and full sweep only.
    Never,
    /// It keeps still until a cycle has taken in what it told.
    Still,
    /// It asks then; `anything`: that the remote can be reached is news.
    Asks { at_ms: u64, from: From, anything: bool },
    /// The server has the question, as of that revision, and answers when there is something to tell.
    Open { from: From, revision: u64 },
}

type From = (u64, Option<Epoch>, Option<Landmark>);

/// All of them, waiting.
struct Vigil<'a> {
    world: &'a mut World,
    waiters: Vec<Waiter>,
    dice: Dice,
}

impl World {
    /// Daemons wait until all is at rest, and for another day.
    ///
    /// # Errors
    /// What of the promises was broken.
    pub(crate) fn wait_for_rest(&mut self, mut dice: Dice) -> Result<(), String> {
        let waiters = (0..self.devices.len()).map(|device| self.waiter(device, &mut dice)).collect();
        let is_down = dice.one_in(IS_DOWN_ONE_IN);
        let mut vigil = Vigil { world: self, waiters, dice };
        let quiet_ms = if is_down { vigil.is_down()? } else { 0 };
        let back_ms = vigil.now_ms() + BACK_MS.max(quiet_ms + quiet_ms / 8) + FEW_CYCLES_MS;
        vigil.play(back_ms)?;
        vigil.judge_rest()?;
        vigil.play(back_ms + 24 * HOUR_MS)?;
        vigil.judge_requests(back_ms)
    }

    fn waiter(&mut self, device: usize, dice: &mut Dice) -> Waiter {
        if !self.devices[device].is_up() {
            self.start(device);
        }
        let fault = dice.one_in(2).then(|| (dice.below(4), Fault::ALL[dice.below(Fault::ALL.len())]));
        let mishap = match dice.below(6) {
            0 => Some(Mishap::CallFails(dice.below(120))),
            1 => Some(Mishap::PowerGoes(dice.below(40))),
            _ => None,
        };
        Waiter {
            pace: self.new_pace(),
            hearing: Hearing::default(),
            poll: if dice.one_in(3) { Poll::Never } else { Poll::Still },
            lives: self.devices[device].lives,
            asked_ms: Vec::new(),
            unheard_ms: Vec::new(),
            fault,
            mishap,
            quiet_until_ms: 0,
            unheard_until_ms: 0,
            rests: false,
        }
    }

    fn new_pace(&self) -> Pace {
        let mut times = Times::DEFAULT;
        if self.bug == Some(Bug::NeverBacksOff) {
            times.retry_most_ms = times.retry_first_ms;
        }
        Pace::new(times, self.server.get().now_ms)
    }
}

impl Vigil<'_> {
    fn now_ms(&self) -> u64 {
        self.world.server.get().now_ms
    }

    /// Nothing gets through for a while, in which somebody plays; how long the server then asked to be left alone.
    fn is_down(&mut self) -> Result<u64, String> {
        let fault = [Fault::Unreachable, Fault::Failing, Fault::Busy][self.dice.below(3)];
        let says_s = [30, 300, 1_800, 100_000][self.dice.below(4)];
        let down = Down { fault, says_s, lists: self.dice.one_in(2) };
        let (began_ms, lasts_ms) = (self.now_ms(), (1 + self.dice.below(4 * 60) as u64) * MINUTE_MS);
        self.say(&format!("for {} min: {down:?}", lasts_ms / MINUTE_MS));
        for device in &self.world.devices {
            device.weather.get().down = Some(down);
        }
        let (device, save) = (self.dice.below(self.waiters.len()), self.dice.below(SAVES));
        self.play(began_ms + lasts_ms / 2)?;
        self.world.step(&Event::Starts { device, save, is_seen: true })?;
        self.world.step(&Event::Exits { device, saves: true, truncates: false })?;
        let now_ms = self.now_ms();
        self.waiters[device].pace.note(Happens::Changed, now_ms);
        self.play(began_ms + lasts_ms)?;
        for device in &self.world.devices {
            device.weather.get().down = None;
        }
        for (number, waiter) in self.waiters.iter().enumerate() {
            for (asked_ms, most) in [(&waiter.asked_ms, FAILING_CYCLES), (&waiter.unheard_ms, FAILING_POLLS)]
            {
                for hour in 0..=lasts_ms / HOUR_MS {
                    let most = match hour {
                        _ if down.lists => most.0 + LOOKS,
                        0 => most.0,
                        // Who had nothing to store until somebody played begins to fail then.
                        _ if hour == lasts_ms / 2 / HOUR_MS => most.0,
                        _ => most.1,
                    };
                    let hour_ms = began_ms + hour * HOUR_MS;
                    let of_it = asked_ms.iter().filter(|at| (hour_ms..hour_ms + HOUR_MS).contains(at));
                    // A cycle makes up to three requests in its moment.
                    let count = of_it.collect::<BTreeSet<_>>().len();
                    if count > most {
                        let name = name(number);
                        return Err(format!("{name}: asks {count} times in an hour in which nobody answers"));
                    }
                }
            }
        }
        Ok(if fault == Fault::Busy { (says_s * 1_000).min(HOUR_MS) } else { 0 })
    }

    /// Time goes by until then.
    fn play(&mut self, until_ms: u64) -> Result<(), String> {
        loop {
            let now_ms = self.now_ms();
            let mut is_idle = true;
            for device in 0..self.waiters.len() {
                self.listens(device, now_ms)?;
                self.looks(device, now_ms);
                if let Some(trigger) = self.waiters[device].pace.due(now_ms) {
                    self.cycle(device, trigger, now_ms)?;
                    is_idle = false;
                }
            }
            let hours = self.waiters.iter().map(|waiter| waiter.wakes_ms(now_ms));
            let next_ms = hours.min().unwrap_or(until_ms);
            // Two that bring each other news have it at once; else time goes by, a moment at least.
            if is_idle || next_ms > now_ms {
                let next_ms = next_ms.max(now_ms + 1).min(until_ms);
                self.world.pass_ms(next_ms - now_ms);
                if next_ms == until_ms {
                    return Ok(());
                }
            }
        }
    }

    fn looks(&mut self, device: usize, now_ms: u64) {
        if self.waiters[device].pace.looks(now_ms) {
            let look =
                |parts: &mut retrosync::cycle::Parts| parts.memory.hooks.look(&parts.signs).reason.is_some();
            let runs = self.world.devices[device].with_parts(look).unwrap_or(false);
            self.waiters[device].pace.note_game(runs, now_ms);
        }
    }

    fn cycle(&mut self, device: usize, trigger: Trigger, now_ms: u64) -> Result<(), String> {
        let waiter = &mut self.waiters[device];
        let world = &mut *self.world;
        let (fault, mishap) = (waiter.fault.take(), waiter.mishap.take());
        let down = world.devices[device].weather.get().down;
        if down.is_some() && now_ms < waiter.quiet_until_ms && trigger != Trigger::Full {
            return Err(format!("{}: asks a server that asked to be left alone", name(device)));
        }
        waiter.pace.begin(trigger, now_ms);
        let calm = world.calm(device);
        *world.devices[device].weather.get() = Weather { fault, ..calm };
        let report = world.cycle(device, trigger, mishap);
        let (calls, retry_after_s) = {
            let mut weather = world.devices[device].weather.get();
            weather.fault = None;
            (weather.calls, weather.retry_after_s)
        };
        world.take_in();
        waiter.asked_ms.extend(std::iter::repeat_n(now_ms, calls));
        (now_ms, device, calls).hash(&mut world.trace);
        if let Some(said) = &mut world.said {
            let (at_s, name) = (now_ms / 1_000, name(device));
            let _ = write!(said, "      {at_s} s: {name} begins a cycle ({trigger:?}), {calls} requests");
            let _ = writeln!(said, ", meets {fault:?} {mishap:?}");
        }
        let lives = world.devices[device].lives;
        let Some(report) = report.filter(|_| lives == waiter.lives) else {
            // The power went: the daemon starts anew.
            let listens = !matches!(waiter.poll, Poll::Never);
            (waiter.pace, waiter.hearing, waiter.lives) = (world.new_pace(), Hearing::default(), lives);
            waiter.poll = if listens { Poll::Still } else { Poll::Never };
            return Ok(());
        };
        let ending = match report.ending() {
            Ending::Failed if world.bug == Some(Bug::NeverTriesAgain) => Ending::Done,
            ending => ending,
        };
        waiter.pace.end(ending, self.dice.throw() as u32, now_ms);
        if let Some(pause_s) = report.retry_after_s.filter(|_| world.bug != Some(Bug::ForgetsToStayAway)) {
            waiter.pace.stay_away(pause_s.saturating_mul(1_000), now_ms);
        }
        if report.failed.is_some()
            && let Some(pause_s) = retry_after_s
        {
            waiter.quiet_until_ms = now_ms + (pause_s * 1_000).min(HOUR_MS);
        }
        waiter.pace.note_game(report.playing.is_some() || !report.waiting.is_empty(), now_ms);
        if let Some(said) = &mut world.said {
            let _ = writeln!(
                said,
                "      which ends {ending:?}: {:?}, to do: {:?}",
                report.problems, report.queued
            );
        }
        waiter.rests = report.failed.is_none()
            && report.waiting.is_empty()
            && report.queued.is_empty()
            && !report.failing
            && !report.moved;
        let base = world.devices[device].parts().map(|parts| {
            let base = parts.journal.base();
            (base.cursor, base.epoch.clone(), base.landmark.clone())
        });
        waiter.listen_from(base.unwrap_or_default(), report.is_deaf, now_ms);
        world.devices[device].current &= !matches!(waiter.poll, Poll::Never);
        if report.failed.is_none() && report.halts.is_empty() {
            world.judge_contact(device)?;
        }
        Ok(())
    }

    /// The long poll asks, or is answered.
    fn listens(&mut self, device: usize, now_ms: u64) -> Result<(), String> {
        let world = &mut *self.world;
        let waiter = &mut self.waiters[device];
        let is_down = world.devices[device].weather.get().down.is_some_and(|down| !down.lists);
        let revision = world.server.get().revision();
        let (from, anything) = match &waiter.poll {
            Poll::Asks { at_ms, from, anything } if *at_ms <= now_ms => (from.clone(), *anything),
            Poll::Open { from, revision: seen } if is_down || *seen != revision => (from.clone(), false),
            _ => return Ok(()),
        };
        let (since, epoch, landmark) = from.clone();
        let request = ChangesRequest { since, epoch, landmark, ..ChangesRequest::default() };
        let heard = world.devices[device].with_parts(|parts| {
            let changes = parts.remote.list(&request);
            (changes, parts.remote.heard().retry_after_s)
        });
        match heard {
            Some((Ok(changes), _)) => {
                if waiter.hearing.answered(!anything) {
                    waiter.pace.note(Happens::Back, now_ms);
                }
                let is_silent = changes.saves.is_empty() && !changes.reset && changes.cursor == request.since;
                // Asked by the clock of this file, an open poll is none more.
                if anything || !is_silent {
                    waiter.asked_ms.push(now_ms);
                }
                if is_silent {
                    waiter.poll = Poll::Open { from, revision };
                } else {
                    waiter.poll = Poll::Still;
                    world.devices[device].news = Some((request.since, changes));
                    waiter.pace.note(Happens::News, now_ms);
                }
            }
            Some((Err(_), retry_after_s)) => {
                if now_ms < waiter.unheard_until_ms {
                    return Err(format!("{}: listens to a server that asked to be left alone", name(device)));
                }
                waiter.unheard_ms.push(now_ms);
                world.devices[device].current = false;
                let quiet_ms = retry_after_s.unwrap_or(0).saturating_mul(1_000);
                waiter.unheard_until_ms = now_ms + quiet_ms.min(HOUR_MS);
                let at_ms = now_ms + waiter.hearing.pause_ms(quiet_ms, self.dice.throw() as u32);
                waiter.poll = Poll::Asks { at_ms, from, anything: true };
            }
            None => {}
        }
        Ok(())
    }

    /// All that a device had to do is done.
    fn judge_rest(&mut self) -> Result<(), String> {
        self.world.judge()?;
        match self.waiters.iter().position(|waiter| !waiter.rests) {
            Some(device) => Err(format!("{}: does not come to rest by itself", name(device))),
            None => Ok(()),
        }
    }

    /// No hour had more requests than there may be, and the day since then hardly any.
    fn judge_requests(&self, quiet_from_ms: u64) -> Result<(), String> {
        for (device, waiter) in self.waiters.iter().enumerate() {
            let mut asked_ms: Vec<u64> = waiter.asked_ms.iter().chain(&waiter.unheard_ms).copied().collect();
            asked_ms.sort_unstable();
            let too_many = asked_ms.windows(MOST_IN_AN_HOUR + 1).find(|some| {
                some.first().zip(some.last()).is_some_and(|(first, last)| last - first < HOUR_MS)
            });
            if too_many.is_some() {
                return Err(format!("{}: more than {MOST_IN_AN_HOUR} requests in an hour", name(device)));
            }
            let quiet = asked_ms.iter().filter(|at| **at >= quiet_from_ms).count();
            if quiet > MOST_ON_A_DAY {
                return Err(format!("{}: {quiet} requests on a day on which nothing happens", name(device)));
            }
        }
        Ok(())
    }

    fn say(&mut self, what: &str) {
        if let Some(said) = &mut self.world.said {
            let _ = writeln!(said, "      {what}");
        }
    }
}

impl Waiter {
    /// When something may be due, without further news.
    fn wakes_ms(&self, now_ms: u64) -> u64 {
        let cycle_ms = now_ms + self.pace.wait_ms(now_ms);
        match self.poll {
            Poll::Asks { at_ms, .. } => cycle_ms.min(at_ms),
            _ => cycle_ms,
        }
    }

    /// A cycle knows all up to here. A poll that is open, or that waits after a failure, goes on.
    fn listen_from(&mut self, base: From, failed: bool, now_ms: u64) {
        match &mut self.poll {
            Poll::Never | Poll::Open { .. } => {}
            Poll::Still => self.poll = Poll::Asks { at_ms: now_ms, from: base, anything: failed },
            Poll::Asks { from, anything, .. } => (*from, *anything) = (base, failed),
        }
    }
}
