//! Judges every crash state of a recording, on all cores, and keeps what is worth a second look.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use retrosync::volume::Volume;

use crate::crash::{State, states};
use crate::image::Image;
use crate::judge::{judge, judge_mounted};
use crate::log::Entry;
use crate::mounted::Mounted;
use crate::others::Seat;
use crate::plan::Make;
use crate::story::ROOT;

/// A recording with what is known of it.
pub(crate) struct Recording {
    /// For the table.
    pub(crate) name: String,
    /// The card's making.
    pub(crate) make: Make,
    /// What the kernel recorded.
    pub(crate) entries: Vec<Entry>,
    /// Steps that were done before it began: set for a recovery, which does none itself.
    pub(crate) acked: Option<usize>,
    /// How many orders are tried for each epoch.
    pub(crate) orders: u64,
}

/// A crash to be put on a real card.
#[derive(Clone)]
pub(crate) struct Kept {
    /// The card's making.
    pub(crate) make: Make,
    /// Steps that were reported done.
    pub(crate) acked: usize,
    /// The card.
    pub(crate) image: Image,
    /// For messages.
    pub(crate) story: String,
}

/// What came of a recording.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The recording's name.
    pub(crate) name: String,
    /// Cards that differ from each other, each judged at least once.
    pub(crate) states: u64,
    /// How many were wrong.
    pub(crate) failures: u64,
    /// The first of each kind: what, where, how often.
    pub(crate) kinds: BTreeMap<String, (String, u64)>,
    /// Cards that only a check can mend, by the folder that cannot be listed: not judged, and not among `states`.
    pub(crate) torn: BTreeMap<PathBuf, u64>,
    /// One for each different course that the recovery took.
    pub(crate) courses: BTreeMap<Vec<&'static str>, Kept>,
    /// A few at random.
    pub(crate) samples: Vec<Kept>,
    /// How long it took.
    pub(crate) seconds: f64,
}

const SAMPLE_EVERY: u64 = 997;
const MOST_SAMPLES: usize = 40;
const MOST_COURSES: usize = 24;

/// Judges all of them; `told` hears of each that is done.
pub(crate) fn sweep(recordings: &[Recording], told: &(dyn Fn(&Outcome) + Sync)) -> Vec<Outcome> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(recording) = recordings.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = sweep_one(recording);
                    told(&outcome);
                    if let Ok(mut done) = done.lock() {
                        done.push(outcome);
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_default()
}

fn sweep_one(recording: &Recording) -> Outcome {
    let (story, beside, began) = (recording.make.story(), recording.make.beside(), Instant::now());
    let mut outcome = Outcome { name: recording.name.clone(), ..Outcome::default() };
    let expected: Vec<_> = (0..=story.steps.len()).map(|done| story.after(done)).collect();
    states(&recording.entries, recording.orders, true, &mut |state| {
        let acked = recording.acked.unwrap_or(state.acked);
        let begun = (acked + 1).min(story.steps.len());
        let kept = |state: &State| Kept {
            make: recording.make.clone(),
            acked,
            image: state.crash.flatten(),
            story: format!("{}, log entry {}, order {}", recording.name, state.at.0, state.at.1),
        };
        let Some(card) = Mounted::new(state.crash.clone(), Path::new(ROOT)) else {
            outcome.fail("the card is no FAT32 any more", format!("log entry {}", state.at.0));
            return true;
        };
        if let Some(folder) = card.torn() {
            *outcome.torn.entry(folder).or_default() += u64::from(state.is_new);
            return true;
        }
        outcome.states += u64::from(state.is_new);
        let volume: Arc<dyn Volume> = Arc::new(card.clone());
        let judged = judge(&volume, Seat::Reader, &expected[acked], &expected[begun], &beside)
            .and_then(|()| judge_mounted(&card));
        if let Err(what) = judged {
            outcome
                .fail(&what, format!("log entry {}, order {}, {acked} steps done", state.at.0, state.at.1));
        } else if recording.acked.is_none() && outcome.courses.len() < MOST_COURSES {
            let course = card.trace();
            outcome.courses.entry(course).or_insert_with(|| kept(&state));
        }
        if state.is_new && outcome.states % SAMPLE_EVERY == 1 && outcome.samples.len() < MOST_SAMPLES {
            outcome.samples.push(kept(&state));
        }
        true
    });
    outcome.seconds = began.elapsed().as_secs_f64();
    outcome
}

impl Outcome {
    fn fail(&mut self, what: &str, at: String) {
        self.failures += 1;
        // Numbers tell one failure from another, not one kind from another.
        let kind: String = what.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
        self.kinds.entry(kind).or_insert_with(|| (format!("{what}; {at}"), 0)).1 += 1;
    }
}
