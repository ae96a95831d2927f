//! The stories that are written down: one for each way in which the daemon writes, and the work that kernels are killed in.
//! `paths.rs` tells which write path each step plays.

use crate::saves::SET;
use crate::story::{Expected, Step, Story};

/// The stories of the daemon's write paths. `sizes` are those of saves.
pub(crate) fn stories(size: usize) -> Vec<Story> {
    use Step::{Bring, Count, Hook, Learn, Lock, Log, Mark, Pair, Retire, Set, Shelve, Teach, Thin};
    let story =
        |name, begins: &[(usize, usize)], steps: Vec<Step>| Story { name, begins: begins.to_vec(), steps };
    vec![
        story(
            "same size",
            &[(0, size), (1, 8192)],
            vec![Bring(0, size), Bring(1, 8192), Bring(0, size), Bring(0, size)],
        ),
        story(
            "other size",
            &[(1, size), (2, 700)],
            vec![
                Bring(1, size + 4096),
                Bring(1, size / 2),
                Bring(2, 9000),
                Bring(1, size * 2),
                Bring(2, 300),
            ],
        ),
        story("new save", &[], vec![Bring(0, size), Bring(3, size), Bring(2, 1), Bring(1, 512)]),
        story(
            "attic and retirement",
            &[(0, size), (1, 3000)],
            vec![
                Retire(0),
                Bring(1, 3000),
                Bring(1, 3000),
                Bring(1, 2000),
                Thin,
                Retire(1),
                Bring(0, size),
                Bring(0, size),
            ],
        ),
        story("journal", &[(0, 512)], vec![Learn; 26]),
        story("identity and token", &[(0, 512)], vec![Pair, Count, Count, Pair, Count, Count, Pair]),
        story(
            "whole cycles",
            &[(0, size), (2, 2048)],
            vec![
                Bring(0, size),
                Count,
                Learn,
                Bring(2, 4096),
                Count,
                Learn,
                Bring(0, size),
                Learn,
                Bring(3, 600),
                Learn,
            ],
        ),
        story("large", &[(0, 1_200_000)], vec![Bring(0, 1_200_000), Bring(0, 1_100_000)]),
        story(
            "several files",
            &[(SET, size), (0, 700)],
            vec![Bring(SET, size), Bring(SET, size / 2 + 9), Learn, Retire(SET), Bring(SET, 300)],
        ),
        story(
            "settings and buttons",
            &[(0, 700)],
            vec![
                Set,
                Teach,
                Bring(0, size),
                Set,
                Set,
                Teach,
                Set,
                Bring(0, 700),
                Set,
                Teach,
                Set,
                Set,
                Teach,
            ],
        ),
        story(
            "scripts of the firmware",
            &[(0, 700)],
            vec![Hook, Bring(0, size), Hook, Hook, Bring(0, 700), Hook],
        ),
        story(
            "log, lock and a second root",
            &[(0, size)],
            vec![
                Lock,
                Log,
                Bring(0, size),
                Mark,
                Log,
                Learn,
                Log,
                Lock,
                Bring(0, size / 2 + 1),
                Log,
                Learn,
                Log,
                Bring(0, size),
                Log,
                Log,
                Bring(0, 700),
            ],
        ),
        story(
            "store of a server without histories",
            &[(0, 700)],
            vec![Shelve, Bring(0, size), Shelve, Shelve, Learn, Shelve],
        ),
    ]
}

/// The textbook's story: it must fail.
pub(crate) fn textbook_story(size: usize) -> Story {
    Story { name: "textbook", begins: vec![(0, size)], steps: vec![Step::Textbook(0, size); 4] }
}

/// What goes on for ever, until the kernel is killed: the step of this number.
pub(crate) fn endless(at: usize) -> Step {
    match at % 12 {
        0 => Step::Bring(0, 32 * 1024),
        1 => Step::Learn,
        2 => Step::Bring(1, 3000 + at % 5 * 700),
        3 => Step::Count,
        4 => Step::Bring(0, 20_000 + at % 3 * 4096),
        5 => Step::Bring(0, 32 * 1024),
        6 => Step::Bring(SET, 2000 + at % 3 * 1500),
        7 => Step::Set,
        8 => Step::Hook,
        9 => Step::Log,
        10 => Step::Teach,
        _ => Step::Thin,
    }
}

/// What the card holds after so many endless steps.
pub(crate) fn endless_after(done: usize) -> Expected {
    let mut all = Expected::default();
    (0..done).for_each(|at| all.take(endless(at)));
    all
}
