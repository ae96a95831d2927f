//! The whole course: record, judge every crash, record recoveries, judge those, mount samples, kill kernels, tell.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::calls::sequences;
use crate::crash::epochs;
use crate::image::{Crash, Image};
use crate::kills::kill;
use crate::mounted::Mounted;
use crate::plan::{Job, LOG_BYTES, Make, Plan, Seen, Task, answer};
use crate::story::{ROOT, stories};
use crate::sweep::{Kept, Outcome, Recording, sweep};
use crate::{differ, log, qemu, uml};

/// What the user asked for.
pub(crate) struct Asked {
    long: bool,
    states: u64,
    kills: u64,
    exfat_kills: u64,
}

impl Asked {
    /// Reads the arguments.
    pub(crate) fn parse(words: &[&str]) -> Result<Asked, String> {
        let long = words.contains(&"--long");
        let mut asked = match long {
            true => Asked { long, states: 1_000_000, kills: 200, exfat_kills: 20 },
            false => Asked { long, states: 4_000, kills: 2, exfat_kills: 0 },
        };
        let mut words = words.iter().filter(|word| **word != "--long");
        while let Some(word) = words.next() {
            let number = words.next().and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| format!("cannot use `{word}`: see `--help`"))?;
            match *word {
                "--states" => asked.states = number,
                "--kills" => asked.kills = number,
                "--exfat-kills" => asked.exfat_kills = number,
                _ => return Err(format!("cannot use `{word}`: see `--help`")),
            }
        }
        Ok(asked)
    }
}

/// A folder that goes with the program.
struct Work(PathBuf);

impl Work {
    fn make() -> io::Result<Work> {
        let path = std::env::temp_dir().join(format!("powercut-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Work(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Does all that was asked.
pub(crate) fn run(asked: &Asked) -> Result<(), String> {
    if let Some(missing) = uml::missing() {
        println!("skipped: power cuts on real FAT are not tested here: {missing}");
        return Ok(());
    }
    let work = Work::make().map_err(|error| error.to_string())?;
    if asked.states > 0 {
        differ(&work.0, asked.long)?;
        cut_all(&work.0, asked)?;
    }
    kill_all(&work.0, asked)
}

/// Records all stories and judges every crash of them, and of the recoveries.
fn cut_all(work: &Path, asked: &Asked) -> Result<(), String> {
    let began = Instant::now();
    let plan =
        Plan { jobs: makes(asked.long).into_iter().map(|make| Job { make, task: Task::Play }).collect() };
    println!("recording {} stories on real vfat", plan.jobs.len());
    let recordings = record(work, &plan, &[], asked.states)?;
    println!("recorded in {} s", began.elapsed().as_secs());
    let (textbook, ours): (Vec<_>, Vec<_>) = recordings.into_iter().partition(|one| one.make.is_textbook());
    let mut outcomes = sweep(&ours, &tell);
    let blind = sweep(&textbook, &tell).iter().map(|outcome| outcome.failures).sum::<u64>() == 0;

    let limit = if asked.long { (60, 60) } else { (4, 4) };
    let (courses, samples) = choose(&outcomes, limit);
    println!("recording {} recoveries, mounting {} crash states", courses.len(), samples.len());
    outcomes.extend(again(work, &courses, &samples, asked.states / 10)?);

    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let (states, failures) = (sum(|outcome| outcome.states), sum(|outcome| outcome.failures));
    println!(
        "{} recordings, {states} crash states, {failures} failures; {} mounted by the kernel and seen alike; {} s",
        outcomes.len(),
        samples.len(),
        began.elapsed().as_secs()
    );
    match (failures, blind) {
        (0, false) => Ok(()),
        (0, true) => Err("the textbook's sequence did not fail: these tests see nothing".into()),
        _ => Err(format!("{failures} crash states are wrong")),
    }
}

/// Holds the model of FAT against the real one. Beside each number of other files a name's slots lie in other sectors.
fn differ(work: &Path, long: bool) -> Result<(), String> {
    let all = sequences();
    let make = |neighbours| Make {
        story: 0,
        size_bytes: 512,
        neighbours,
        cluster_sectors: 1,
        eager: false,
        options: String::new(),
    };
    let beside = |number: usize| if long { 0..8 } else { number % 4 + 1..number % 4 + 2 };
    let jobs = (0..all.len()).flat_map(|number| beside(number).map(move |files| (number, files)));
    let jobs: Vec<_> =
        jobs.map(|(number, files)| Job { make: make(files), task: Task::Calls(number) }).collect();
    println!("recording {} short sequences of calls on real vfat", jobs.len());
    let (mut seen, mut states) = (Vec::new(), 0);
    for jobs in jobs.chunks(13) {
        uml::run(work, &Plan { jobs: jobs.to_vec() }).map_err(|error| error.to_string())?;
        for (slice, job) in jobs.iter().enumerate() {
            let Task::Calls(number) = job.task else { continue };
            let entries =
                log::read(&work.join("logs"), slice as u64 * LOG_BYTES).map_err(|error| error.to_string())?;
            let compared = differ::compare(&all[number], &job.make, &entries, 400)?;
            states += compared.states;
            if job.make.neighbours == 1 || !long {
                let differ::Compared { seen, allowed, .. } = &compared;
                println!("  {}: {} sights of {allowed} that the model allows", all[number].name, seen.len());
            }
            seen.extend(compared.seen);
        }
    }
    let tally = differ::tally(seen.iter());
    println!("  {states} crash states, {} sights, none that the model does not allow: {tally}", seen.len());
    Ok(())
}

/// Kills kernels in the middle of the work, on FAT and on exFAT.
fn kill_all(work: &Path, asked: &Asked) -> Result<(), String> {
    for (machine, kills) in [(&uml::VFAT, asked.kills), (&qemu::EXFAT, asked.exfat_kills)] {
        let kind = machine.kind;
        if kills == 0 {
            continue;
        }
        if let Some(missing) = (machine.missing)() {
            println!("skipped: kernels with {kind} are not killed here: {missing}");
            continue;
        }
        println!("killing {kills} kernels with {kind}");
        let tell = |kill, acked| {
            if kill % 10 == 0 {
                println!("  kill {kill}: {acked} steps so far, nothing lost");
            }
        };
        let steps = kill(work, machine, kills, &tell).map_err(|error| error.to_string())?;
        println!("{kills} kills with {kind} in {steps} steps, nothing lost");
    }
    Ok(())
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

/// The cards: each story on several, in the long form on all.
fn makes(long: bool) -> Vec<Make> {
    let make = |story, size_bytes, neighbours, cluster_sectors| Make {
        story,
        size_bytes,
        neighbours,
        cluster_sectors,
        eager: false,
        options: String::new(),
    };
    let count = stories(512).len();
    let textbook = make(count, 32 * 1024, 3, 8);
    if !long {
        let few = [
            (0, 32 * 1024, 3, 8),
            (1, 32 * 1024, 40, 1),
            (3, 8192, 3, 8),
            (5, 512, 3, 8),
            (6, 32 * 1024, 3, 8),
        ];
        let few = few.map(|(story, size, neighbours, cluster)| make(story, size, neighbours, cluster));
        return few.into_iter().chain([textbook]).collect();
    }
    let mut all = vec![textbook];
    for story in 0..count {
        for (size, neighbours, cluster) in
            [(512, 3, 8), (8192, 60, 8), (32 * 1024, 3, 64), (32 * 1024, 60, 1), (128 * 1024, 3, 8)]
        {
            all.push(make(story, size, neighbours, cluster));
        }
        all.push(Make { options: "flush".into(), ..make(story, 32 * 1024, 3, 8) });
    }
    all
}

/// Has a kernel do the plan, a part at a time, and reads what it recorded.
fn record(work: &Path, plan: &Plan, acked: &[usize], states: u64) -> Result<Vec<Recording>, String> {
    const PART: usize = 12;
    let mut recordings = Vec::new();
    for (part, jobs) in plan.jobs.chunks(PART).enumerate() {
        uml::run(work, &Plan { jobs: jobs.to_vec() }).map_err(|error| error.to_string())?;
        for (number, job) in jobs.iter().enumerate() {
            let entries = log::read(&work.join("logs"), number as u64 * LOG_BYTES)
                .map_err(|error| error.to_string())?;
            let acked = acked.get(part * PART + number).copied();
            let name = format!("{}{}", if acked.is_some() { "recovery of " } else { "" }, job.make.name());
            recordings.push(Recording { name, make: job.make.clone(), entries, acked, orders: 0 });
        }
    }
    let all: u64 = recordings.iter().map(|recording| epochs(&recording.entries)).sum();
    for recording in &mut recordings {
        // Epochs of few sectors have few orders: the others make up for them.
        recording.orders = 2 * states / all.max(1) + 8;
    }
    Ok(recordings)
}

/// One crash for each course that a recovery took, the longest courses first; and some at random.
fn choose(outcomes: &[Outcome], (most_courses, most_samples): (usize, usize)) -> (Vec<Kept>, Vec<Kept>) {
    let mut courses = std::collections::BTreeMap::new();
    for (course, kept) in outcomes.iter().flat_map(|outcome| &outcome.courses) {
        courses.entry(course.clone()).or_insert_with(|| kept.clone());
    }
    let mut courses: Vec<_> = courses.into_iter().collect();
    courses.sort_by_key(|(course, _)| std::cmp::Reverse(course.len()));
    let courses = courses.into_iter().take(most_courses).map(|(_, kept)| kept).collect();
    let samples: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.samples.iter().cloned()).collect();
    let step = (samples.len() / most_samples).max(1);
    (courses, samples.into_iter().step_by(step).take(most_samples).collect())
}

/// Records recoveries and judges their crashes; mounts samples and compares.
fn again(work: &Path, courses: &[Kept], samples: &[Kept], states: u64) -> Result<Vec<Outcome>, String> {
    let told = |error: io::Error| error.to_string();
    let put = |number: usize, kept: &Kept| -> Result<PathBuf, String> {
        let path = work.join(format!("state.{number}"));
        fs::write(&path, pour(&kept.image)).map_err(told)?;
        Ok(path)
    };
    let mut plan = Plan::default();
    for (number, kept) in courses.iter().enumerate() {
        plan.jobs.push(Job { make: kept.make.clone(), task: Task::Recover(put(number, kept)?) });
    }
    let acked: Vec<_> = courses.iter().map(|kept| kept.acked).collect();
    let outcomes = sweep(&record(work, &plan, &acked, states)?, &tell);
    for kept in samples.chunks(12) {
        let mut plan = Plan::default();
        for (number, kept) in kept.iter().enumerate() {
            let task = Task::Look { state: put(1000 + number, kept)?, acked: kept.acked };
            plan.jobs.push(Job { make: kept.make.clone(), task });
        }
        uml::run(work, &plan).map_err(told)?;
        for (number, kept) in kept.iter().enumerate() {
            compare(kept, &fs::read_to_string(answer(work, number)).map_err(told)?)?;
        }
    }
    Ok(outcomes)
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
