//! Rounds of recordings: record, judge every crash, record recoveries, judge those, mount samples, tell; until as many
//! different crash states were judged as somebody asked for.
//!
//! The first round plays what is written in `story.rs`, and the textbook, which must fail. All others play what is drawn, each
//! from its own number: a run that was interrupted goes on with the round that it was in, and meets the same cards.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::crash::epochs;
use crate::drawn;
use crate::image::{Crash, Image};
use crate::mounted::Mounted;
use crate::plan::{Job, LOG_BYTES, Make, Plan, Seen, Task, Which, answer};
use crate::story::ROOT;
use crate::sweep::{Kept, Outcome, Recording, sweep};
use crate::written::stories;
use crate::{log, uml};

/// How many recordings one boot makes, and how many are drawn for a round.
const PART: u64 = 12;
/// In the long form each recording is asked for so many states, and has fewer: some orders come to the same.
const ENOUGH: u64 = 20_000;

/// What is played.
pub(crate) struct Rounds<'a> {
    /// Where the kernel's disks lie.
    pub(crate) work: &'a Path,
    /// All cards and many rounds; else a few cards, one round.
    pub(crate) long: bool,
    /// In the long form, how many different states are enough; else how many are tried.
    pub(crate) states: u64,
    /// Only the written stories whose name has this in it, and the textbook's.
    pub(crate) only: Option<&'a str>,
}

#[derive(Default)]
struct Tally {
    recordings: usize,
    states: u64,
    failures: u64,
    torn: u64,
    mounted: usize,
    /// Of the textbook's sequence: states and failures.
    textbook: (u64, u64),
}

impl Rounds<'_> {
    /// Plays from this round on.
    ///
    /// # Errors
    /// What was lost, told in the lines before; or what failed.
    pub(crate) fn play(&self, from: u64) -> Result<(), String> {
        let (began, mut all) = (Instant::now(), Tally::default());
        for round in from.. {
            let mut makes = if round == 0 { written(self.long) } else { drawn(round) };
            if let Some(only) = self.only {
                makes.retain(|make| make.story == Which::Textbook || make.name().contains(only));
            }
            self.round(makes, &mut all)?;
            println!(
                "round {round}: {} recordings so far, {} different crash states, {} failures, {} torn folders not judged; \
                 {} mounted by the kernel and seen alike; {} s, {:.0} s of processor",
                all.recordings,
                all.states,
                all.failures,
                all.torn,
                all.mounted,
                began.elapsed().as_secs(),
                processor_s()
            );
            if round == 0 {
                println!("of the textbook's sequence {} of {} are wrong", all.textbook.1, all.textbook.0);
                if all.textbook.1 == 0 {
                    return Err("the textbook's sequence did not fail: these tests see nothing".into());
                }
            }
            if all.failures > 0 {
                return Err(format!("{} crash states are wrong", all.failures));
            }
            if !self.long || self.only.is_some() || all.states >= self.states {
                break;
            }
        }
        Ok(())
    }

    /// Records these cards and judges every crash of them, and of the recoveries.
    fn round(&self, makes: Vec<Make>, all: &mut Tally) -> Result<(), String> {
        let jobs: Vec<_> = makes.into_iter().map(|make| Job { make, task: Task::Play }).collect();
        println!("recording {} stories on real vfat", jobs.len());
        let tries = if self.long { ENOUGH * jobs.len() as u64 } else { self.states };
        let recordings = self.record(&Plan { jobs }, &[], tries)?;
        let (textbook, ours): (Vec<_>, Vec<_>) =
            recordings.into_iter().partition(|one| one.make.story == Which::Textbook);
        let mut outcomes = sweep(&ours, &tell);
        for outcome in sweep(&textbook, &tell) {
            all.textbook = (all.textbook.0 + outcome.states, all.textbook.1 + outcome.failures);
        }
        let (courses, samples) = choose(&outcomes, if self.long { ours.len() } else { 4 });
        println!("recording {} recoveries, mounting {} crash states", courses.len(), samples.len());
        outcomes.extend(self.again(&courses, &samples, tries / 10)?);
        all.mounted += samples.len();
        all.recordings += outcomes.len();
        for outcome in &outcomes {
            all.states += outcome.states;
            all.failures += outcome.failures;
            all.torn += outcome.torn.values().sum::<u64>();
        }
        Ok(())
    }

    /// Has a kernel do the plan, a part at a time, and reads what it recorded.
    fn record(&self, plan: &Plan, acked: &[usize], tries: u64) -> Result<Vec<Recording>, String> {
        let mut recordings = Vec::new();
        for (part, jobs) in plan.jobs.chunks(PART as usize).enumerate() {
            uml::run(self.work, &Plan { jobs: jobs.to_vec() }).map_err(told)?;
            for (number, job) in jobs.iter().enumerate() {
                let entries = log::read(&self.work.join("logs"), number as u64 * LOG_BYTES).map_err(told)?;
                let acked = acked.get(part * PART as usize + number).copied();
                let name =
                    format!("{}{}", if acked.is_some() { "recovery of " } else { "" }, job.make.name());
                recordings.push(Recording { name, make: job.make.clone(), entries, acked, orders: 0 });
            }
        }
        let all: u64 = recordings.iter().map(|recording| epochs(&recording.entries)).sum();
        for recording in &mut recordings {
            // Epochs of few sectors have few orders: the others make up for them.
            recording.orders = 2 * tries / all.max(1) + 8;
        }
        Ok(recordings)
    }

    /// Records recoveries and judges their crashes; mounts samples and compares.
    fn again(&self, courses: &[Kept], samples: &[Kept], tries: u64) -> Result<Vec<Outcome>, String> {
        let put = |number: usize, kept: &Kept| -> Result<PathBuf, String> {
            let path = self.work.join(format!("state.{number}"));
            fs::write(&path, pour(&kept.image)).map_err(told)?;
            Ok(path)
        };
        let mut plan = Plan::default();
        for (number, kept) in courses.iter().enumerate() {
            plan.jobs.push(Job { make: kept.make.clone(), task: Task::Recover(put(number, kept)?) });
        }
        let acked: Vec<_> = courses.iter().map(|kept| kept.acked).collect();
        let outcomes = sweep(&self.record(&plan, &acked, tries)?, &tell);
        for kept in samples.chunks(PART as usize) {
            let mut plan = Plan::default();
            for (number, kept) in kept.iter().enumerate() {
                let task = Task::Look { state: put(1000 + number, kept)?, acked: kept.acked };
                plan.jobs.push(Job { make: kept.make.clone(), task });
            }
            uml::run(self.work, &plan).map_err(told)?;
            for (number, kept) in kept.iter().enumerate() {
                compare(kept, &fs::read_to_string(answer(self.work, number)).map_err(told)?)?;
            }
        }
        Ok(outcomes)
    }
}

fn told(error: io::Error) -> String {
    error.to_string()
}

/// What this program alone has used of the processors, as the kernel counts it: in hundredths.
fn processor_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let words = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    words.filter_map(|word| word.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn tell(outcome: &Outcome) {
    let Outcome { name, states, failures, seconds, .. } = outcome;
    println!("  {name}: {states} states, {failures} wrong, {seconds:.1} s");
    for (folder, count) in &outcome.torn {
        println!(
            "      {count} of them not judged: `{}` cannot be listed until the card is checked",
            folder.display()
        );
    }
    for (first, count) in outcome.kinds.values().take(6) {
        println!("      {count} times: {first}");
    }
}

/// The cards of a round that is drawn.
fn drawn(round: u64) -> Vec<Make> {
    (0..PART).map(|card| drawn::make(round * PART + card)).collect()
}

/// The cards of the first round: each story on several, in the long form on all.
fn written(long: bool) -> Vec<Make> {
    let make = |story, size_bytes, neighbours, cluster_sectors| Make {
        story,
        size_bytes,
        neighbours,
        cluster_sectors,
        eager: false,
        copied: false,
        options: String::new(),
    };
    let count = stories(512).len();
    let textbook = make(Which::Textbook, 32 * 1024, 3, 8);
    if !long {
        let few = [
            (0, 32 * 1024, 3, 8),
            (1, 32 * 1024, 40, 1),
            (3, 8192, 3, 8),
            (5, 512, 3, 8),
            (6, 32 * 1024, 3, 8),
            (8, 3000, 3, 1),
            (9, 3000, 3, 1),
            (10, 3000, 3, 8),
            (11, 8192, 3, 8),
            (12, 512, 3, 8),
        ];
        let few = few
            .map(|(story, size, neighbours, cluster)| make(Which::Written(story), size, neighbours, cluster));
        return few.into_iter().chain([textbook]).collect();
    }
    let mut all = vec![textbook];
    for story in (0..count).map(Which::Written) {
        for (size, neighbours, cluster) in
            [(512, 3, 8), (8192, 60, 8), (32 * 1024, 3, 64), (32 * 1024, 60, 1), (128 * 1024, 3, 8)]
        {
            all.push(make(story, size, neighbours, cluster));
        }
        all.push(Make { options: "flush".into(), ..make(story, 32 * 1024, 3, 8) });
        all.push(Make { copied: true, ..make(story, 8192, 3, 8) });
    }
    all
}

/// One crash for each course that a recovery took, the longest courses first; and some at random.
fn choose(outcomes: &[Outcome], most: usize) -> (Vec<Kept>, Vec<Kept>) {
    let mut courses = BTreeMap::new();
    for (course, kept) in outcomes.iter().flat_map(|outcome| &outcome.courses) {
        courses.entry(course.clone()).or_insert_with(|| kept.clone());
    }
    let mut courses: Vec<_> = courses.into_iter().collect();
    courses.sort_by_key(|(course, _)| std::cmp::Reverse(course.len()));
    let courses = courses.into_iter().take(most).map(|(_, kept)| kept).collect();
    let samples: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.samples.iter().cloned()).collect();
    let step = (samples.len() / most.max(1)).max(1);
    (courses, samples.into_iter().step_by(step).take(most).collect())
}

/// Does the kernel see what our reader sees, and does the daemon live with it there too?
fn compare(kept: &Kept, answer: &str) -> Result<(), String> {
    let (seen, judged) = answer.split_once('\n').unwrap_or((answer, ""));
    let seen: Seen = serde_json::from_str(seen).map_err(|error| error.to_string())?;
    let crash = Crash::of(&std::sync::Arc::new(kept.image.clone()));
    let card = Mounted::new(crash, Path::new(ROOT)).ok_or("our reader does not know the card")?;
    let ours = card.seen();
    if let Some((kernels, ours)) = seen.iter().zip(&ours).find(|(kernels, ours)| kernels != ours) {
        return Err(format!("{}: the kernel sees {kernels:?}, our reader {ours:?}", kept.story));
    }
    if seen.len() != ours.len() {
        return Err(format!(
            "{}: the kernel sees {} files, our reader {}",
            kept.story,
            seen.len(),
            ours.len()
        ));
    }
    match judged.trim() {
        "" => Ok(()),
        lost => Err(format!("{}: mounted by the kernel: {lost}", kept.story)),
    }
}

/// A card as runs of sector, length, bytes.
fn pour(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (sector, run) in image.runs() {
        bytes.extend_from_slice(&sector.to_le_bytes());
        bytes.extend_from_slice(&(run.len() as u64).to_le_bytes());
        bytes.extend_from_slice(run);
    }
    bytes
}
