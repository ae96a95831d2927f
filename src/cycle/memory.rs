//! What one run of the program remembers between cycles. Losing it costs a few readings, never a save.

use std::fmt;
use std::sync::Arc;

use litemap::LiteMap;
use retrosync_protocol::{SaveId, VersionId};

use crate::clock::ServerClock;
use crate::error::Error;
use crate::live::Live;
use crate::playing::{Hooks, Launches};
use crate::scan::{Found, Scanner, Sweep};
use crate::set::Set;
use crate::snapshot::{Base, Place};
use crate::volume::Volume;

/// See the module.
pub struct Memory {
    /// What files were when they were last read.
    pub scanner: Scanner,
    /// What was replaced under a game.
    pub launches: Launches,
    /// Who watches is told.
    pub live: Live,
    /// What the firmware's hooks said of games.
    pub hooks: Hooks,
    /// The server's clock.
    pub clock: ServerClock,
    /// Files that events named since the last cycle, with the uptime of their first and last event.
    pub named: LiteMap<Place, (u64, u64)>,
    /// When files that are not stored yet were changed, as an interval of uptime.
    pub(super) changed: LiteMap<Place, (u64, u64)>,
    /// When saves were last seen changed here, in uptime.
    last_change: LiteMap<SaveId, u64>,
    /// Versions that could not be put in place here; and why, if that was tried twice: not brought again before the next retry.
    pub(super) unfit: LiteMap<SaveId, (VersionId, Option<Error>)>,
    last_scan_boot_ms: Option<u64>,
    /// Files that are of no known game, although the list of games was read after they were seen.
    strangers: LiteMap<Place, ()>,
    games_read: bool,
    swept: bool,
}

/// All that what it does next may depend on: what two runs tell alike they go on alike from.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Memory { scanner, launches, clock, named, changed, last_change, unfit, strangers, .. } = self;
        let seen = (scanner, launches, clock, named, changed, last_change, unfit, strangers);
        (seen, self.last_scan_boot_ms).fmt(f)
    }
}

impl Memory {
    /// A run begins.
    pub fn new(volume: Arc<dyn Volume>) -> Memory {
        Memory {
            scanner: Scanner::new(volume),
            launches: Launches::default(),
            live: Live::default(),
            hooks: Hooks::default(),
            clock: ServerClock::default(),
            named: LiteMap::new(),
            changed: LiteMap::new(),
            last_change: LiteMap::new(),
            unfit: LiteMap::new(),
            last_scan_boot_ms: None,
            strangers: LiteMap::new(),
            games_read: false,
            swept: false,
        }
    }

    /// An event named a file.
    pub fn name(&mut self, place: Place, boot_ms: u64) {
        let times = self.named.entry(place).or_insert((boot_ms, boot_ms));
        times.1 = boot_ms;
    }

    /// Takes in which saves differ from the base, and since when.
    pub(super) fn note_changes(&mut self, found: &Found, base: &Base, now_boot_ms: u64) {
        for (save, here) in &found.local.saves {
            let agreed = base.saves.get(save).and_then(|entry| entry.content);
            if agreed == Some(here.content) {
                self.changed.remove(&here.place);
                continue;
            }
            let event = self.named.get(&here.place).copied();
            // Without an event: some time between the last scan and this one.
            let since = event.or_else(|| self.last_scan_boot_ms.map(|last| (last, now_boot_ms)));
            if let (Some(times), false) = (since, self.changed.contains_key(&here.place) && event.is_none()) {
                self.last_change.insert(save.clone(), times.1);
                self.changed.insert(here.place.clone(), times);
            }
        }
        // A save that is still changing keeps its event: it is read again.
        self.named.retain(|place, _| {
            found.changing.iter().any(|save| base.saves.get(save).is_none_or(|entry| entry.place == *place))
        });
        self.last_scan_boot_ms = Some(now_boot_ms);
    }

    /// Lay it like this already when the games that run started, at that hour of the uptime? What has not changed since this
    /// run began may have lain there for days.
    pub(super) fn lay_before(&self, place: &Place, started_boot_ms: Option<u64>) -> bool {
        let changed = self.changed.get(place);
        changed.is_none_or(|(_, last)| started_boot_ms.is_some_and(|started| *last < started))
    }

    /// Saves that changed here a moment ago.
    pub(super) fn fresh(&mut self, now_boot_ms: u64, fresh_save_s: u64) -> Set<SaveId> {
        self.last_change.retain(|_, at| now_boot_ms.saturating_sub(*at) < fresh_save_s.saturating_mul(1_000));
        self.last_change.keys().cloned().collect()
    }

    /// A game that has ended without writing no longer holds anything.
    pub(super) fn forget_ended_games(&mut self, found: &Found, base: &Base, a_game_runs: bool) {
        let loaded = self.launches.loaded().map(|(save, _)| save.clone());
        let unchanged = |save: &SaveId| {
            let here = found.local.saves.get(save).map(|here| here.content);
            !found.local.unread.contains(save) && here == base.saves.get(save).and_then(|entry| entry.content)
        };
        let done: Vec<SaveId> = loaded.filter(|save| !a_game_runs && unchanged(save)).collect();
        done.iter().for_each(|save| self.launches.ended(save));
    }

    pub(super) fn scanned(&mut self, sweep: Sweep) {
        self.swept |= sweep == Sweep::Full;
    }

    /// Has this cycle read every file already?
    pub(super) fn swept(&self) -> bool {
        self.swept
    }

    /// Is a file left out that the list of games, when it was last read, was not asked about?
    ///
    /// The list that was read just before a scan does not count: a game and its save may have come between the two.
    pub(super) fn meets_strangers(&mut self, found: &Found) -> bool {
        let now: LiteMap<&Place, ()> = found.left_out.iter().map(|(place, _)| (place, ())).collect();
        self.strangers.retain(|place, ()| now.contains_key(place));
        self.strangers.len() < now.len()
    }

    /// The list of games is read now for the sake of these.
    pub(super) fn asked_about_strangers(&mut self, found: &Found) {
        self.strangers = found.left_out.iter().map(|(place, _)| (place.clone(), ())).collect();
    }

    /// Has this cycle read the list of games already?
    pub(super) fn games_are_known(&self) -> bool {
        self.games_read
    }

    pub(super) fn games_read(&mut self) {
        self.games_read = true;
    }

    pub(super) fn cycle_ended(&mut self) {
        self.swept = false;
        self.games_read = false;
    }
}
