//! When a person must look first.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::tests::{entry, found, head};
use super::*;
use crate::snapshot::{RelativePath, RootState};

/// A device with ten agreed saves, of which `gone` vanished and `blank` turned blank.
fn card(gone: usize, blank: usize) -> (Base, Local, Listing) {
    let (mut base, mut local, mut listing) = (Base::default(), Local::default(), Listing::default());
    local.roots.push(Some(RootState::Online));
    for n in 0..10u8 {
        let save: SaveId = format!("gb/sram/Game {n}").parse().unwrap();
        let place = Place { root: 0, path: RelativePath::new(&format!("Saves/Game {n}.srm")).unwrap() };
        base.saves.insert(save.clone(), BaseEntry { place: place.clone(), ..entry(1, true, &[]) });
        listing.saves.insert(save.clone(), vec![head(1)]);
        let n = usize::from(n);
        if n < gone {
            local.homes.insert(save, place);
        } else if n < gone + blank {
            local.saves.insert(save, LocalSave { place, ..found(2, Some(Doubt::Blank)) });
        } else {
            local.saves.insert(save, LocalSave { place, ..found(1, None) });
        }
    }
    (base, local, listing)
}

#[test]
fn an_emptied_card_stops_us() {
    for (gone, blank, halts) in
        [(10, 0, true), (4, 0, true), (2, 2, true), (0, 4, true), (3, 0, false), (1, 1, false)]
    {
        let (base, local, listing) = card(gone, blank);
        let plan_of = |accept_mass_change| {
            plan(&base, &local, &listing, &Policy { accept_mass_change, ..Policy::default() })
        };
        let halted = plan_of(false);
        let expected = halts.then_some(Halt::Vanished { root: 0, count: gone + blank, of: 10 });
        assert_eq!(halted.halts, expected.into_iter().collect::<Vec<_>>(), "{gone} gone, {blank} blank");
        assert_eq!(halted.steps.is_empty(), halts, "{gone} gone, {blank} blank");
        assert!(plan_of(true).halts.is_empty(), "the user may say that it is meant");
    }
}

#[test]
fn a_round_that_replaces_most_of_a_device_asks() {
    for (newer, halts) in [(6, true), (5, false)] {
        let (base, local, mut listing) = card(0, 0);
        for heads in listing.saves.iter_mut().map(|(_, heads)| heads).take(newer) {
            *heads = vec![head(2)];
        }
        let plan = plan(&base, &local, &listing, &Policy::default());
        assert_eq!(plan.halts == [Halt::Replaced { count: newer, of: 10 }], halts, "{newer} newer");
        assert_eq!(plan.steps.len(), if halts { 0 } else { newer });
    }
}

/// The ids of a 32-bit core's states changed once: every file was there as before, under another name.
#[test]
fn saves_that_an_upgrade_calls_otherwise_are_not_gone() {
    let (base, mut local, listing) = card(0, 0);
    let renamed = |(save, found): (SaveId, LocalSave)| {
        (format!("gb/sram/{} (World)", save.title()).parse::<SaveId>().unwrap(), found)
    };
    local.saves = local.saves.into_iter().map(renamed).collect();
    let plan = plan(&base, &local, &listing, &Policy::default());
    assert_eq!(plan.halts, []);
    assert_eq!(plan.steps.len(), 10, "each is stored under its new name: {:?}", plan.steps);
}
