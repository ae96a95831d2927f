//! Every state in which a recorded card may be found after a cut: each prefix of its log, and what of the unflushed
//! writes a card may have kept in any other order, torn at any sector.
//!
//! A flush makes all before it durable. Of what came after, any subset of sectors may have arrived, later ones before
//! earlier ones; each sector whole, but where it holds a file's bytes also half.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::fat32::Geometry;
use crate::image::{ByNumber, Crash, Image, SECTOR};
use crate::log::Entry;

/// A state, and how it came about.
pub(crate) struct State {
    /// The card.
    pub(crate) crash: Crash,
    /// How many steps were reported done.
    pub(crate) acked: usize,
    /// How many of them before the last flush: these surely were.
    pub(crate) flushed: usize,
    /// Which one it is: the log's entry, and the order drawn (0: the log's own).
    pub(crate) at: (usize, u64),
    /// No card of this log was like it; else it was dealt out with fewer steps reported done.
    pub(crate) is_new: bool,
}

/// What is dealt out, each once.
struct Dealt<'a> {
    /// The steps, reported and flushed, with which a card was dealt out last, by its fingerprint.
    cards: ByNumber<u64, (usize, usize)>,
    steps: (usize, usize),
    each: &'a mut dyn FnMut(State) -> bool,
}

impl Dealt<'_> {
    /// Says whether to go on.
    fn deal(&mut self, crash: Crash, at: (usize, u64)) -> bool {
        let before = self.cards.insert(crash.fingerprint(), self.steps);
        let (acked, flushed) = self.steps;
        before == Some(self.steps)
            || (self.each)(State { crash, acked, flushed, at, is_new: before.is_none() })
    }
}

/// The first mark: what stands before is not looked at.
pub(crate) const BEGIN: &str = "begin";
/// The mark after each step.
pub(crate) const DID: &str = "did";
/// Up to so many sectors all subsets are tried.
const EXHAUSTIVE: usize = 8;

struct Epoch<'a> {
    writes: Vec<(u64, &'a [u8])>,
}

/// Deals the states of a log out, `orders` for each epoch besides its prefixes; sectors with files' bytes are torn if `tears`.
/// A card comes again only where more was reported done than before. `each` says whether to go on.
pub(crate) fn states(entries: &[Entry], orders: u64, tears: bool, each: &mut dyn FnMut(State) -> bool) {
    let (mut durable, mut begun) = (Arc::new(Image::default()), false);
    let mut epoch = Epoch { writes: Vec::new() };
    let mut dealt = Dealt { cards: ByNumber::default(), steps: (0, 0), each };
    for (at, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Mark(text) if text == BEGIN => begun = true,
            Entry::Mark(text) if text.starts_with(DID) => dealt.steps.0 += 1,
            Entry::Mark(_) => {}
            Entry::Write { sector, bytes, forced } => {
                epoch.writes.push((*sector, bytes));
                if begun && !dealt.deal(epoch.whole(&durable), (at, 0)) {
                    return;
                }
                if *forced {
                    Arc::make_mut(&mut durable).write(*sector, bytes);
                }
            }
            Entry::Flush => {
                let goes_on = !begun
                    || dealt.deal(Crash::of(&durable), (at, 0))
                        && epoch.shuffle(&durable, orders, tears, &mut |crash, order| {
                            dealt.deal(crash, (at, order))
                        });
                if !goes_on {
                    return;
                }
                for (sector, bytes) in epoch.writes.drain(..) {
                    Arc::make_mut(&mut durable).write(sector, bytes);
                }
                dealt.steps.1 = dealt.steps.0;
            }
        }
    }
    let at = entries.len();
    epoch.shuffle(&durable, orders, tears, &mut |crash, order| dealt.deal(crash, (at, order)));
}

/// How many epochs with writes stand after the beginning.
pub(crate) fn epochs(entries: &[Entry]) -> u64 {
    let from = entries.iter().position(|entry| *entry == Entry::Mark(BEGIN.into())).unwrap_or(0);
    entries[from..].split(|entry| *entry == Entry::Flush).filter(|epoch| !epoch.is_empty()).count() as u64
}

impl Epoch<'_> {
    fn whole(&self, durable: &Arc<Image>) -> Crash {
        let mut crash = Crash::of(durable);
        for (sector, bytes) in &self.writes {
            for (number, sector) in (*sector..).zip(bytes.chunks_exact(SECTOR)) {
                crash.reach(number, sector, SECTOR);
            }
        }
        crash
    }

    /// Every sector that was written, in order; those that change nothing are left out.
    fn sectors(&self, durable: &Image) -> Vec<(u64, &[u8])> {
        let all = self.writes.iter().flat_map(|(first, bytes)| (*first..).zip(bytes.chunks_exact(SECTOR)));
        let mut seen = BTreeSet::new();
        all.filter(|(number, sector)| durable.sector(*number) != *sector || !seen.insert(*number)).collect()
    }

    fn shuffle(
        &self,
        durable: &Arc<Image>,
        orders: u64,
        tears: bool,
        each: &mut dyn FnMut(Crash, u64) -> bool,
    ) -> bool {
        let sectors = self.sectors(durable);
        if sectors.is_empty() {
            return true;
        }
        let is_meta = self.folders(durable);
        let all = 1u64 << sectors.len().min(EXHAUSTIVE + 1);
        let (exhaustive, count) =
            if sectors.len() <= EXHAUSTIVE { (all, all + orders.min(all)) } else { (0, orders) };
        for order in 0..count {
            let mut dice = Dice::new(order.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ sectors[0].0);
            let mut crash = Crash::of(durable);
            if order < exhaustive {
                let kept = sectors.iter().enumerate().filter(|(at, _)| order >> at & 1 == 1);
                for (_, (number, sector)) in kept {
                    crash.reach(*number, sector, SECTOR);
                }
            } else {
                self.deal(&mut dice, &|sector| !tears || is_meta(sector), &mut crash);
            }
            if !each(crash, order + 1) {
                return false;
            }
        }
        true
    }

    fn deal(&self, dice: &mut Dice, is_meta: &dyn Fn(u64) -> bool, crash: &mut Crash) {
        // Some cuts lose nearly nothing, some nearly all.
        let often = 1 + dice.below(7);
        for (first, bytes) in &self.writes {
            let count = bytes.len() / SECTOR;
            let upto = if dice.below(3) == 0 { dice.below(count as u64 + 1) as usize } else { count };
            let scattered = dice.below(3) == 0;
            let arrives = dice.below(8) < often;
            for (at, (number, sector)) in (*first..).zip(bytes.chunks_exact(SECTOR)).enumerate() {
                if if scattered { dice.below(8) < often } else { arrives && at < upto } {
                    let half = dice.below(16) == 0 && !is_meta(number);
                    crash.reach(
                        number,
                        sector,
                        if half { dice.below(SECTOR as u64) as usize } else { SECTOR },
                    );
                }
            }
        }
    }

    /// Which sectors are the file system's own: a card writes such a sector wholly or not.
    fn folders(&self, durable: &Arc<Image>) -> impl Fn(u64) -> bool + use<> {
        let crash = self.whole(durable);
        let geometry = Geometry::read(&crash);
        let mut own = BTreeSet::new();
        if let Some(geometry) = geometry {
            let mut folders = vec![geometry.root];
            while let Some(folder) = folders.pop().filter(|_| own.len() < 10_000) {
                own.extend(geometry.chain(&crash, folder).0);
                let below = geometry.folder(&crash, folder).into_iter().filter(|entry| entry.is_folder);
                folders.extend(below.map(|entry| entry.first).filter(|first| !own.contains(first)));
            }
        }
        move |sector| match geometry {
            Some(geometry) if sector >= geometry.data_sector => own.contains(
                &((sector - geometry.data_sector) / geometry.cluster_sectors + 2).try_into().unwrap_or(0),
            ),
            _ => true,
        }
    }
}

/// Numbers that follow from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit.max(1)
    }
}
