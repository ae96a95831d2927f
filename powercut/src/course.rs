//! The whole course, as it was asked for: the model held against real vfat, rounds of recordings, killed kernels.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::calls::sequences;
use crate::kills::kill;
use crate::plan::{Job, LOG_BYTES, Make, Plan, Task, Which};
use crate::rounds::Rounds;
use crate::{differ, log, qemu, uml};

/// What the user asked for.
pub(crate) struct Asked {
    long: bool,
    /// At least so many different crash states, in the long form.
    states: u64,
    /// The first round.
    from: u64,
    kills: u64,
    exfat_kills: u64,
    /// Only the written stories whose name has this in it.
    only: Option<String>,
}

impl Asked {
    /// Reads the arguments.
    pub(crate) fn parse(words: &[&str]) -> Result<Asked, String> {
        let long = words.contains(&"--long");
        let mut asked = match long {
            true => Asked { long, states: 1_000_000, from: 0, kills: 200, exfat_kills: 20, only: None },
            false => Asked { long, states: 6_000, from: 0, kills: 2, exfat_kills: 0, only: None },
        };
        let mut words = words.iter().filter(|word| **word != "--long");
        while let Some(word) = words.next() {
            let value = words.next();
            if let ("--only", Some(name)) = (&**word, value) {
                asked.only = Some((*name).to_owned());
                continue;
            }
            let number = value.and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| format!("cannot use `{word}`: see `--help`"))?;
            match *word {
                "--states" => asked.states = number,
                "--from" => asked.from = number,
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

/// Says what is not tried here, and why; `scripts/check` ends with a list of all such lines.
fn left_out(what: &str, why: &str) {
    println!("skipped: {what}: {why}");
    let Some(list) = std::env::var_os("RETROSYNC_LEFT_OUT") else { return };
    let listed = fs::OpenOptions::new().append(true).create(true).open(&list);
    let told = listed.and_then(|mut list| list.write_all(format!("{what}: {why}\n").as_bytes()));
    if let Err(error) = told {
        println!("cannot write `{}`: {error}", Path::new(&list).display());
    }
}

/// Does all that was asked.
pub(crate) fn run(asked: &Asked) -> Result<(), String> {
    if let Some(missing) = uml::missing() {
        left_out("power cuts on real FAT", &missing);
        return Ok(());
    }
    let work = Work::make().map_err(|error| error.to_string())?;
    if asked.states > 0 {
        if asked.from == 0 && asked.only.is_none() {
            differ(&work.0, asked.long)?;
        }
        let only = asked.only.as_deref();
        Rounds { work: &work.0, long: asked.long, states: asked.states, only }.play(asked.from)?;
    }
    kill_all(&work.0, asked)
}

/// Holds the model of FAT against the real one. Beside each number of other files a name's slots lie in other sectors.
fn differ(work: &Path, long: bool) -> Result<(), String> {
    let all = sequences();
    let make = |neighbours| Make {
        story: Which::Written(0),
        size_bytes: 512,
        neighbours,
        cluster_sectors: 1,
        eager: false,
        copied: false,
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
            left_out(&format!("kernels with {kind}, killed"), &missing);
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
