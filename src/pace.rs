//! PURE. When the next cycle is due, and why.
//!
//! Events (a file changed, the remote has news, a route came up) only move the hour; [`Pace`] says when. Time is
//! monotonic milliseconds handed in by the caller, chance is a number handed in too, so tests never sleep. An idle
//! device has nothing due but the daily sweep. Never reads a clock, never starts a cycle.

/// How long things take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// A save is read this long after its last event …
    pub settle_ms: u64,
    /// … or this long after its first, when the events do not end (an emulator that saves each second).
    pub settle_most_ms: u64,
    /// The first pause after a failure; it doubles with each further one …
    pub retry_first_ms: u64,
    /// … up to this.
    pub retry_most_ms: u64,
    /// Every file is read again this often, whatever its stamp says.
    pub full_sweep_ms: u64,
    /// How often to look whether the game has ended.
    pub look_ms: u64,
}

impl Times {
    /// What holds unless the user said otherwise.
    pub const DEFAULT: Times = Times {
        settle_ms: 2_500,
        settle_most_ms: 60_000,
        retry_first_ms: 5_000,
        retry_most_ms: 15 * 60_000,
        full_sweep_ms: 24 * 60 * 60_000,
        look_ms: 15_000,
    };
}

impl Default for Times {
    fn default() -> Times {
        Times::DEFAULT
    }
}

/// Why a cycle runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Files changed here, or were still changing when last looked at.
    Changed,
    /// The remote said that it has news.
    News,
    /// The game ended: what it wrote through a mapping raised no event.
    GameEnded,
    /// Something failed a while ago.
    Retry,
    /// The program started, or a day went by: read every file again.
    Full,
}

/// What moves the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file in a save folder changed.
    Changed,
    /// The remote has news.
    News,
    /// The remote could not be reached, and is back.
    Back,
    /// A route to the network came up.
    RouteUp,
}

/// How a cycle ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All that could be done is done.
    Done,
    /// A save was changing while it was read: look again once it had time to settle.
    Busy,
    /// The remote could not be reached, or something else failed that may pass.
    Failed,
}

/// The longest that news wait after a failure.
const NEWS_MS: u64 = 30_000;

/// When what is due.
#[derive(Clone, Debug)]
pub struct Pace {
    times: Times,
    /// First and last event of the files that changed.
    changed: Option<(u64, u64)>,
    news: bool,
    retry_at_ms: Option<u64>,
    failures: u32,
    /// How many cycles in a row found a save that was changing.
    busy: u32,
    full_at_ms: u64,
    look_at_ms: Option<u64>,
    game_ended: bool,
    /// The remote asked to be left alone until then.
    quiet_until_ms: u64,
    /// After a failure news wait so long: what fails here may be why the same is told again.
    news_from_ms: u64,
}

impl Pace {
    /// A full sweep is due at once.
    pub fn new(times: Times, now_ms: u64) -> Pace {
        Pace {
            times,
            changed: None,
            news: false,
            retry_at_ms: None,
            failures: 0,
            busy: 0,
            full_at_ms: now_ms,
            look_at_ms: None,
            game_ended: false,
            quiet_until_ms: 0,
            news_from_ms: 0,
        }
    }

    /// Takes in an event.
    pub fn note(&mut self, event: Event, now_ms: u64) {
        match event {
            Event::Changed => {
                let first = self.changed.map_or(now_ms, |(first, _)| first);
                self.changed = Some((first, now_ms));
            }
            // That it can be asked does not mean that the next store succeeds: the failures stay counted.
            Event::News => self.news = true,
            Event::Back => {
                self.retry_at_ms = self.retry_at_ms.map(|_| now_ms.max(self.quiet_until_ms));
            }
            Event::RouteUp => {
                self.calm();
                if self.retry_at_ms.is_some() {
                    self.retry_at_ms = Some(now_ms);
                }
            }
        }
    }

    /// A game runs (look again for its end), or none does.
    pub fn note_game(&mut self, runs: bool, now_ms: u64) {
        if runs {
            self.look_at_ms = Some(now_ms + self.times.look_ms);
        } else if self.look_at_ms.take().is_some() {
            self.game_ended = true;
        }
    }

    /// Is it time to look whether the game has ended?
    pub fn looks(&self, now_ms: u64) -> bool {
        self.look_at_ms.is_some_and(|at| at <= now_ms)
    }

    /// Which cycle is due now, if any: the one that does the most.
    pub fn due(&self, now_ms: u64) -> Option<Trigger> {
        if self.full_at_ms <= now_ms {
            Some(Trigger::Full)
        } else if self.retry_at_ms.is_some_and(|at| at <= now_ms) {
            Some(Trigger::Retry)
        } else if self.game_ended && self.quiet_until_ms <= now_ms {
            Some(Trigger::GameEnded)
        } else if self.news && self.news_from_ms <= now_ms {
            Some(Trigger::News)
        } else if self.settled_at_ms().is_some_and(|at| at <= now_ms) {
            Some(Trigger::Changed)
        } else {
            None
        }
    }

    /// How long to sleep until something may be due, without further events.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        let news_at_ms = self.news.then_some(self.news_from_ms);
        let ended_at_ms = self.game_ended.then_some(self.quiet_until_ms);
        let events = [self.settled_at_ms(), news_at_ms, ended_at_ms];
        let hours = [Some(self.full_at_ms), self.retry_at_ms, self.look_at_ms].into_iter().chain(events);
        hours.flatten().min().unwrap_or(self.full_at_ms).saturating_sub(now_ms)
    }

    /// A cycle begins: it takes over what was due. Events from here on count for the next.
    pub fn begin(&mut self, trigger: Trigger, now_ms: u64) {
        self.news = false;
        self.game_ended = false;
        self.retry_at_ms = None;
        if self.settled_at_ms().is_some_and(|at| at <= now_ms) || trigger == Trigger::Full {
            self.changed = None;
        }
        if trigger == Trigger::Full {
            self.full_at_ms = now_ms + self.times.full_sweep_ms;
        }
    }

    /// A cycle ended. `random` spreads the pause, so that a house full of handhelds does not knock all at once.
    pub fn end(&mut self, ending: Ending, random: u32, now_ms: u64) {
        match ending {
            Ending::Done => self.calm(),
            Ending::Busy => {
                let times = self.busy;
                self.calm();
                self.busy = times.saturating_add(1);
                if times == 0 {
                    self.note(Event::Changed, now_ms);
                } else {
                    // Again: bytes may not be what their date and size promise. All are read.
                    let at = now_ms + back_off_ms(&self.times, times, random);
                    self.full_at_ms = self.full_at_ms.min(at);
                }
            }
            Ending::Failed => {
                let pause_ms = self.pause_ms(random);
                self.retry_at_ms = Some(now_ms + pause_ms);
                self.news_from_ms = now_ms + pause_ms.min(NEWS_MS);
            }
        }
    }

    /// The next pause after a failure.
    fn pause_ms(&mut self, random: u32) -> u64 {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        back_off_ms(&self.times, failures, random)
    }

    /// Whatever failed is over.
    fn calm(&mut self) {
        (self.failures, self.busy, self.quiet_until_ms, self.news_from_ms) = (0, 0, 0, 0);
    }

    /// The remote asked to be left alone this long: no retry before, nor for news, a file that changes
    /// or a game that ends. An hour at most is believed.
    pub fn stay_away(&mut self, quiet_ms: u64, now_ms: u64) {
        if let Some(retry_at_ms) = &mut self.retry_at_ms {
            *retry_at_ms = now_ms + left_alone_ms(retry_at_ms.saturating_sub(now_ms), quiet_ms);
            (self.quiet_until_ms, self.news_from_ms) = (*retry_at_ms, *retry_at_ms);
        }
    }

    fn settled_at_ms(&self) -> Option<u64> {
        self.changed.map(|(first, last)| {
            let settled_ms = (last + self.times.settle_ms)
                .min(first + self.times.settle_most_ms.max(self.times.settle_ms));
            settled_ms.max(self.quiet_until_ms)
        })
    }
}

/// When the long poll asks again after failures: sooner than [`Pace`], which is then told that the remote is back.
#[derive(Clone, Debug, Default)]
pub struct Hearing {
    failures: u32,
    is_deaf: bool,
}

impl Hearing {
    const PAUSES: Times = Times { retry_first_ms: 2_000, retry_most_ms: 5 * 60_000, ..Times::DEFAULT };

    /// It was answered; true if it could not be before. `waited`: the remote was asked to wait with its answer, as it is not where
    /// all that matters is whether it can be reached.
    pub fn answered(&mut self, waited: bool) -> bool {
        if waited {
            self.failures = 0;
        }
        std::mem::take(&mut self.is_deaf)
    }

    /// It failed: how long to keep still, in milliseconds. `quiet_ms`: so long the remote asked to be left alone.
    pub fn pause_ms(&mut self, quiet_ms: u64, random: u32) -> u64 {
        let pause_ms = back_off_ms(&Hearing::PAUSES, self.failures, random);
        (self.failures, self.is_deaf) = (self.failures.saturating_add(1), true);
        left_alone_ms(pause_ms, quiet_ms)
    }
}

/// A pause, made as long as the remote asked for (an hour at most), and then longer by the chance that is in it.
fn left_alone_ms(pause_ms: u64, quiet_ms: u64) -> u64 {
    let quiet_ms = quiet_ms.min(3_600_000);
    pause_ms.max(quiet_ms + pause_ms % (quiet_ms / 8 + 1))
}

/// The pause after `failures` earlier failures in a row: doubling, and between half and the whole of it by chance.
pub fn back_off_ms(times: &Times, failures: u32, random: u32) -> u64 {
    let doubled = times.retry_first_ms.saturating_mul(1 << failures.min(20));
    let whole = doubled.min(times.retry_most_ms).max(1);
    whole / 2 + u64::from(random) % (whole / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Times = Times {
        settle_ms: 2_500,
        settle_most_ms: 60_000,
        retry_first_ms: 5_000,
        retry_most_ms: 900_000,
        full_sweep_ms: 86_400_000,
        look_ms: 15_000,
    };

    /// A pace that has had its first cycle at 0.
    fn running() -> Pace {
        let mut pace = Pace::new(T, 0);
        pace.begin(Trigger::Full, 0);
        pace.end(Ending::Done, 0, 0);
        pace
    }

    #[test]
    fn it_starts_with_a_full_sweep_and_then_sleeps_a_day() {
        let mut pace = Pace::new(T, 100);
        assert_eq!((pace.due(100), pace.wait_ms(100)), (Some(Trigger::Full), 0));
        pace.begin(Trigger::Full, 100);
        pace.end(Ending::Done, 7, 150);
        assert_eq!((pace.due(150), pace.wait_ms(150)), (None, 86_399_950));
        assert_eq!(pace.due(86_400_100), Some(Trigger::Full));
    }

    /// What happened at which hour, and when the change was then due.
    #[test]
    fn a_change_is_due_when_it_has_settled() {
        let rows: [(&str, &[u64], u64); 4] = [
            ("one event", &[1_000], 3_500),
            ("two in a row: counts from the last", &[1_000, 3_000], 5_500),
            ("events each second for two minutes: due a minute after the first", &EACH_SECOND, 61_000),
            ("both at once", &[1_000, 1_000], 3_500),
        ];
        for (row, events, due_ms) in rows {
            let mut pace = running();
            for at in events {
                pace.note(Event::Changed, *at);
            }
            assert_eq!(pace.due(due_ms - 1), None, "{row}");
            assert_eq!(pace.due(due_ms), Some(Trigger::Changed), "{row}");
            assert_eq!(pace.wait_ms(due_ms - 10), 10, "{row}");
            pace.begin(Trigger::Changed, due_ms);
            pace.end(Ending::Done, 0, due_ms);
            assert_eq!(pace.due(due_ms + 1_000_000), None, "{row}: and only once");
        }
    }

    const EACH_SECOND: [u64; 120] = {
        let mut all = [0; 120];
        let mut second = 0;
        while second < 120 {
            all[second] = (second as u64 + 1) * 1_000;
            second += 1;
        }
        all
    };

    #[test]
    fn news_is_due_at_once_and_leaves_an_unsettled_change_alone() {
        let mut pace = running();
        pace.note(Event::Changed, 1_000);
        pace.note(Event::News, 1_500);
        assert_eq!((pace.due(1_500), pace.wait_ms(1_500)), (Some(Trigger::News), 0));
        pace.begin(Trigger::News, 1_500);
        pace.end(Ending::Done, 0, 1_600);
        assert_eq!((pace.due(3_499), pace.due(3_500)), (None, Some(Trigger::Changed)));
    }

    #[test]
    fn an_event_during_a_cycle_counts_for_the_next() {
        let mut pace = running();
        pace.note(Event::Changed, 1_000);
        pace.begin(Trigger::Changed, 3_500);
        pace.note(Event::Changed, 3_600);
        pace.end(Ending::Done, 0, 4_000);
        assert_eq!((pace.due(6_099), pace.due(6_100)), (None, Some(Trigger::Changed)));
    }

    #[test]
    fn failures_wait_longer_each_time_up_to_the_most() {
        for (failures, least_ms, most_ms) in [
            (0, 2_500, 5_000),
            (1, 5_000, 10_000),
            (3, 20_000, 40_000),
            (7, 320_000, 640_000),
            (8, 450_000, 900_000),
            (4_000_000_000, 450_000, 900_000),
        ] {
            assert_eq!(back_off_ms(&T, failures, 0), least_ms, "{failures} without chance");
            for random in [1, 77, 123_456_789, u32::MAX] {
                let pause_ms = back_off_ms(&T, failures, random);
                assert!((least_ms..=most_ms).contains(&pause_ms), "{failures} {random}: {pause_ms}");
            }
        }
    }

    #[test]
    fn a_route_or_a_remote_that_is_back_ends_the_pause() {
        let mut pace = running();
        for now_ms in [10, 20, 30] {
            pace.begin(Trigger::Retry, now_ms);
            pace.end(Ending::Failed, 0, now_ms);
        }
        assert_eq!((pace.due(5_000), pace.wait_ms(30)), (None, 10_000));
        pace.note(Event::RouteUp, 5_000);
        assert_eq!(pace.due(5_000), Some(Trigger::Retry));
        pace.begin(Trigger::Retry, 5_000);
        pace.end(Ending::Failed, 0, 5_000);
        assert_eq!(pace.wait_ms(5_000), 2_500, "the count began anew");
        pace.note(Event::Back, 6_000);
        assert_eq!(pace.due(6_000), Some(Trigger::Retry));
        pace.begin(Trigger::Retry, 6_000);
        pace.end(Ending::Failed, 0, 6_000);
        assert_eq!(pace.wait_ms(6_000), 5_000, "and that the remote is back is no reason to try it for ever");
    }

    /// The remote tells its news, and takes or brings nothing.
    #[test]
    fn news_that_come_after_each_failure_do_not_make_a_handheld_ask_all_the_time() {
        for (row, quiet_ms, most) in [("it says when to come again", 60_000, 1), ("it says nothing", 0, 3)] {
            let (mut pace, mut cycles) = (running(), 0);
            for now_ms in 0..10_000 {
                pace.note(Event::News, now_ms);
                if let Some(trigger) = pace.due(now_ms) {
                    cycles += 1;
                    pace.begin(trigger, now_ms);
                    pace.end(Ending::Failed, 0, now_ms);
                    if quiet_ms > 0 {
                        pace.stay_away(quiet_ms, now_ms);
                    }
                }
            }
            assert_eq!(cycles, most, "{row}");
        }
    }

    #[test]
    fn a_save_that_is_not_what_its_date_promises_is_read_again_and_not_asked_about_for_ever() {
        let mut pace = running();
        pace.end(Ending::Busy, 0, 0);
        assert_eq!(pace.due(2_500), Some(Trigger::Changed));
        pace.begin(Trigger::Changed, 2_500);
        pace.end(Ending::Busy, 0, 2_500);
        assert_eq!((pace.due(7_499), pace.due(7_500)), (None, Some(Trigger::Full)));
    }

    #[test]
    fn a_remote_that_asks_for_quiet_gets_it() {
        let mut pace = running();
        pace.end(Ending::Failed, 0, 0);
        pace.stay_away(60_000, 0);
        assert_eq!((pace.due(62_499), pace.due(62_500)), (None, Some(Trigger::Retry)));
        pace.stay_away(u64::MAX, 0);
        assert_eq!(pace.wait_ms(0), 3_662_500, "a liar does not silence us for ever");
        let mut pace = running();
        pace.stay_away(60_000, 0);
        assert_eq!(pace.due(60_000), None, "nothing failed");
    }

    /// An emulator that saves each ten seconds, for an hour.
    #[test]
    fn a_game_that_saves_on_leaves_a_remote_alone_that_asked_for_it() {
        for (row, quiet_ms, most) in [("it said when to come again", 600_000, 7), ("it said nothing", 0, 366)]
        {
            let (mut pace, mut cycles) = (running(), 0);
            for now_ms in (0..3_600_000).step_by(2_500) {
                if now_ms % 10_000 == 0 {
                    pace.note(Event::Changed, now_ms);
                }
                if let Some(trigger) = pace.due(now_ms) {
                    cycles += 1;
                    pace.begin(trigger, now_ms);
                    pace.end(Ending::Failed, 0, now_ms);
                    if quiet_ms > 0 {
                        pace.stay_away(quiet_ms, now_ms);
                    }
                }
            }
            assert!(cycles <= most, "{row}: {cycles}");
        }
    }

    #[test]
    fn a_save_of_the_quiet_time_is_stored_when_that_is_over() {
        let mut pace = running();
        pace.end(Ending::Failed, 0, 0);
        pace.stay_away(60_000, 0);
        pace.note(Event::Changed, 10_000);
        pace.note_game(true, 10_000);
        pace.note_game(false, 25_000);
        assert_eq!((pace.due(62_499), pace.wait_ms(62_499)), (None, 1));
        pace.note(Event::Back, 20_000);
        assert_eq!(pace.due(62_499), None, "that it is back is no leave");
        pace.begin(Trigger::Retry, 62_500);
        pace.end(Ending::Done, 0, 62_500);
        assert_eq!(pace.due(1_000_000), None, "one cycle is for both");
    }

    /// A server ends at once for all of them, and says nothing or when to come again.
    #[test]
    fn a_house_full_of_handhelds_does_not_knock_in_the_same_second() {
        const HANDHELDS: u32 = 200;
        for (row, quiet_ms, most_a_second) in
            [("it is gone", 0, 12), ("it said `Retry-After: 120`", 120_000, 40)]
        {
            let mut seconds = std::collections::BTreeMap::new();
            for handheld in 0..HANDHELDS {
                let (mut pace, mut now_ms) = (running(), 0);
                // The sixth try, a few minutes later.
                for failure in 0..5 {
                    let random = (handheld + 1).wrapping_mul(2_654_435_761).rotate_left(failure * 7);
                    pace.end(Ending::Failed, random, now_ms);
                    if quiet_ms > 0 {
                        pace.stay_away(quiet_ms, now_ms);
                    }
                    now_ms += pace.wait_ms(now_ms);
                    pace.begin(Trigger::Retry, now_ms);
                }
                *seconds.entry(now_ms / 1_000).or_insert(0) += 1;
            }
            let most = seconds.values().copied().max();
            assert!(most <= Some(most_a_second), "{row}: {most:?} of {HANDHELDS} in one second: {seconds:?}");
        }
    }

    #[test]
    fn the_long_poll_asks_again_later_each_time_and_not_before_it_may() {
        let mut hearing = Hearing::default();
        let pauses: Vec<u64> = (0..10).map(|_| hearing.pause_ms(0, 0)).collect();
        assert_eq!(pauses[..3], [1_000, 2_000, 4_000]);
        assert_eq!(pauses[9], 150_000);
        assert_eq!(hearing.pause_ms(600_000, 0), 674_999);
        assert_eq!(Hearing::default().pause_ms(600_000, 0), 601_000);
        assert_eq!((hearing.answered(false), hearing.answered(false)), (true, false), "it is back once");
        assert!(hearing.pause_ms(0, 0) > 100_000, "a remote that flickers is asked less and less");
        assert!(hearing.answered(true));
        assert_eq!(hearing.pause_ms(0, 0), 1_000);
    }

    #[test]
    fn a_route_alone_makes_nothing_due() {
        let mut pace = running();
        pace.note(Event::RouteUp, 10);
        assert_eq!(pace.due(10), None);
    }

    #[test]
    fn a_busy_save_is_looked_at_again_once_it_had_time_to_settle() {
        let mut pace = running();
        pace.begin(Trigger::News, 1_000);
        pace.end(Ending::Busy, 0, 1_200);
        assert_eq!((pace.due(3_699), pace.due(3_700)), (None, Some(Trigger::Changed)));
    }

    #[test]
    fn the_end_of_a_game_is_noticed_once() {
        let mut pace = running();
        pace.note_game(false, 0);
        assert_eq!(pace.due(0), None, "no game was seen");
        pace.note_game(true, 1_000);
        assert_eq!((pace.looks(15_999), pace.looks(16_000), pace.wait_ms(1_000)), (false, true, 15_000));
        pace.note_game(true, 16_000);
        assert_eq!((pace.looks(16_000), pace.due(16_000)), (false, None));
        pace.note_game(false, 31_000);
        assert_eq!((pace.due(31_000), pace.looks(99_000)), (Some(Trigger::GameEnded), false));
        pace.begin(Trigger::GameEnded, 31_000);
        pace.end(Ending::Done, 0, 31_000);
        assert_eq!(pace.due(31_000), None);
    }
}
