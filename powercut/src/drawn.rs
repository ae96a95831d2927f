//! Stories that nobody wrote, and their cards: each follows from a number, and no two are alike. They take what is written in
//! `story.rs` into every order, size and neighbourhood.

use crate::crash::Dice;
use crate::plan::{Make, Which};
use crate::saves::SAVES;
use crate::story::{Expected, Step, Story};

/// Around sectors and clusters, and what games have.
const SIZES: [u64; 12] = [7, 511, 512, 513, 2048, 4096, 4097, 8192, 12_345, 32_768, 65_536, 131_072];

/// A card and, by its number, the story that is played on it.
pub(crate) fn make(number: u64) -> Make {
    let mut dice = Dice::new(number);
    Make {
        story: Which::Drawn(number),
        size_bytes: 0,
        neighbours: dice.below(90) as usize,
        cluster_sectors: [1, 1, 2, 8, 8, 64][dice.below(6) as usize],
        eager: false,
        copied: dice.below(4) == 0,
        options: if dice.below(6) == 0 { "flush".into() } else { String::new() },
    }
}

/// The story of this number.
pub(crate) fn story(number: u64) -> Story {
    let mut dice = Dice::new(number ^ 0x0570_71e5);
    let size = |dice: &mut Dice| match dice.below(4) {
        0 => dice.below(50_000) as usize + 1,
        _ => SIZES[dice.below(SIZES.len() as u64) as usize] as usize,
    };
    let mut story = Story { name: "drawn", begins: Vec::new(), steps: Vec::new() };
    for save in 0..SAVES.len() {
        if dice.below(3) > 0 {
            story.begins.push((save, size(&mut dice)));
        }
    }
    let mut now = story.after(0);
    for _ in 0..6 + dice.below(8) {
        let other = size(&mut dice);
        let step = draw(&mut dice, &now, other);
        now.take(step);
        story.steps.push(step);
    }
    story
}

/// A step that can be done now; `size` is that of a save that becomes another.
fn draw(dice: &mut Dice, now: &Expected, size: usize) -> Step {
    let save = dice.below(SAVES.len() as u64) as usize;
    let held = now.saves[save].size;
    match dice.below(18) {
        0 if held.is_some() => Step::Retire(save),
        1 => Step::Learn,
        2 => Step::Count,
        3 => Step::Pair,
        4 => Step::Thin,
        12 => Step::Set,
        13 => Step::Hook,
        14 => Step::Teach,
        15 => Step::Log,
        16 => Step::Shelve,
        17 => Step::Mark,
        5..=7 => Step::Bring(save, held.unwrap_or(size)),
        _ => Step::Bring(save, size),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_drawn_differs_can_be_done_and_meets_every_write_path() {
        let mut all = BTreeSet::new();
        let mut kinds = BTreeSet::new();
        for number in 0..500 {
            let story = make(number).story();
            assert_eq!(
                format!("{story:?}"),
                format!("{:?}", make(number).story()),
                "it follows from its number"
            );
            assert!(story.steps.len() >= 6, "{story:?}");
            for (at, step) in story.steps.iter().enumerate() {
                let now = story.after(at);
                let kind = match step {
                    Step::Retire(save) => {
                        assert!(now.saves[*save].size.is_some(), "{story:?}: step {at} retires nothing");
                        "retire"
                    }
                    Step::Bring(save, size) => match now.saves[*save].size {
                        None => "new",
                        Some(old) if old == *size => "same size",
                        Some(_) => "other size",
                    },
                    Step::Learn => "journal",
                    Step::Count | Step::Pair => "identity",
                    Step::Thin => "thin",
                    Step::Set => "settings",
                    Step::Hook => "hooks",
                    Step::Teach => "buttons",
                    Step::Log => "log",
                    Step::Shelve => "store",
                    Step::Mark => "marker",
                    Step::Lock => unreachable!("it is in a written story"),
                    Step::Textbook(..) => unreachable!("the textbook's is not drawn"),
                };
                kinds.insert(kind);
            }
            all.insert(format!("{:?} {:?}", make(number).name(), story));
        }
        assert_eq!((all.len(), kinds.len()), (500, 13), "{kinds:?}");
    }
}
