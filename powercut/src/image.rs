//! A card's sectors as they are durable, and a crash on top of them. What was never written is zero.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Bytes of a sector: what a card writes wholly or not at all.
pub(crate) const SECTOR: usize = 512;
/// One sector's bytes.
pub(crate) type Sector = [u8; SECTOR];
const PAGE_SECTORS: u64 = 8;
const PAGE: usize = SECTOR * PAGE_SECTORS as usize;

/// Spreads numbers; nobody chooses them against us.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }
}

/// A map by number.
pub(crate) type ByNumber<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// The sectors that are durable.
#[derive(Clone, Default)]
pub(crate) struct Image {
    pages: ByNumber<u64, Box<[u8]>>,
    /// Of all its sectors: see `mark`.
    sum: u64,
}

/// Tells a sector from any other; 0 where it is all zero. Added up for a card, whatever the order, and taken away again.
fn mark(number: u64, sector: &[u8]) -> u64 {
    let words = sector.as_chunks::<8>().0;
    if words.iter().all(|word| *word == [0; 8]) {
        return 0;
    }
    let mut spread = Spread(number);
    words.iter().for_each(|word| spread.write_u64(u64::from_le_bytes(*word)));
    spread.write_u64(number);
    spread.finish()
}

impl Image {
    /// One sector.
    pub(crate) fn sector(&self, number: u64) -> &[u8] {
        static ZERO: Sector = [0; SECTOR];
        let at = (number % PAGE_SECTORS) as usize * SECTOR;
        self.pages.get(&(number / PAGE_SECTORS)).map_or(&ZERO[..], |page| &page[at..at + SECTOR])
    }

    /// Writes whole sectors.
    pub(crate) fn write(&mut self, first: u64, bytes: &[u8]) {
        for (number, sector) in (first..).zip(bytes.chunks(SECTOR)) {
            let at = (number % PAGE_SECTORS) as usize * SECTOR;
            let (before, after) = (mark(number, self.sector(number)), mark(number, sector));
            self.sum = self.sum.wrapping_sub(before).wrapping_add(after);
            let number = number / PAGE_SECTORS;
            if sector.iter().all(|byte| *byte == 0) && !self.pages.contains_key(&number) {
                continue;
            }
            let page = self.pages.entry(number).or_insert_with(|| vec![0; PAGE].into());
            page[at..at + sector.len()].copy_from_slice(sector);
        }
    }

    /// All that is not known to be zero: first sector and bytes of each run.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pages.iter().map(|(number, page)| (number * PAGE_SECTORS, &page[..]))
    }
}

/// A card as it is found after a cut: what was durable, and what of the rest had reached it.
#[derive(Clone)]
pub(crate) struct Crash {
    durable: Arc<Image>,
    over: ByNumber<u64, Sector>,
}

impl Crash {
    /// Nothing but what was durable.
    pub(crate) fn of(durable: &Arc<Image>) -> Crash {
        Crash { durable: durable.clone(), over: ByNumber::default() }
    }

    /// One sector reached the card, its first `upto` bytes at least.
    pub(crate) fn reach(&mut self, number: u64, sector: &[u8], upto: usize) {
        let mut now = [0; SECTOR];
        now.copy_from_slice(self.sector(number));
        now[..upto].copy_from_slice(&sector[..upto]);
        self.over.insert(number, now);
    }

    /// One sector.
    pub(crate) fn sector(&self, number: u64) -> &[u8] {
        self.over.get(&number).map_or_else(|| self.durable.sector(number), |sector| &sector[..])
    }

    /// Tells any two cards apart, however they came about.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.over.iter().fold(self.durable.sum, |sum, (number, sector)| {
            let before = mark(*number, self.durable.sector(*number));
            sum.wrapping_sub(before).wrapping_add(mark(*number, sector))
        })
    }

    /// The whole of it, to be written to a real card.
    pub(crate) fn flatten(&self) -> Image {
        let mut image = Image::clone(&self.durable);
        for (number, sector) in &self.over {
            image.write(*number, sector);
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_card_is_known_again_however_it_came_about_and_no_other_is_taken_for_it() {
        let (one, two) = ([1; SECTOR], [2; SECTOR]);
        let card = |writes: &[(u64, &[u8])]| {
            let mut image = Image::default();
            writes.iter().for_each(|(number, bytes)| image.write(*number, bytes));
            Crash::of(&Arc::new(image))
        };
        let written = card(&[(7, &one), (9, &two)]).fingerprint();
        assert_eq!(card(&[(9, &one), (7, &one), (9, &two)]).fingerprint(), written, "in another order");
        assert_eq!(
            card(&[(7, &one), (9, &two), (11, &[0; SECTOR])]).fingerprint(),
            written,
            "nulls are nothing"
        );
        let mut reached = card(&[(7, &two), (9, &two)]);
        reached.reach(7, &one, SECTOR);
        assert_eq!(reached.fingerprint(), written, "the last write was on its way");
        assert_eq!(Crash::of(&Arc::new(reached.flatten())).fingerprint(), written, "written down");
        for other in [card(&[(7, &two), (9, &one)]), card(&[(7, &one), (8, &two)]), card(&[(7, &one)])] {
            assert_ne!(other.fingerprint(), written);
        }
        reached.reach(7, &two, 1);
        assert_ne!(reached.fingerprint(), written, "torn");
    }
}
