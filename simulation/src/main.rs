//! `scripts/simulate`: hunts for a broken promise, or repeats a seed.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use retrosync_simulation::bug::Bug;
use retrosync_simulation::exhaust::exhaust;
use retrosync_simulation::history::{History, STEPS};
use retrosync_simulation::hunt::Hunt;
use retrosync_simulation::story::Classes;

use memory::Memory;

mod memory;

#[global_allocator]
static MEMORY: Memory = Memory;

/// In so many histories each planted bug is found.
const BUG_MOST: u64 = 20_000;

struct Asked {
    hunt: Hunt,
    table: bool,
    /// Each step must have met each fault so often.
    least: u64,
    exhaustive: Option<usize>,
    all_bugs: bool,
}

const HELP: &str = "\
Hunts for a history of devices, cards, games and faults that breaks a promise.

  --seed N     repeat one history
  --for 60s    hunt this long (s, m or h; 60s without it)
  --first N    begin with this seed (1)
  --count N    so many histories, however long it takes (or with --for: at most)
  --steps N    events in a history (40)
  --faults A,B only these kinds: network, power, cards, server, errors, games, full, clocks, slots, pairing, newest
  --store S    server (without it), or folder: a folder that all devices write
  --threads N  on so many processors (all)
  --twice-every N  run every N-th history twice and compare what it left behind (64)
  --exhaustive N  no dice: all histories of two devices, one save and up to N events, with every crash point and lost reply
  --table      print how often each step met each fault
  --least N    fail if any step met any fault that can befall it less often
  --bug NAME   plant a bug; `--bug list` names them, `--bug all` plants one after the other, and finds each in 20,000 histories
";

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(text) => {
            print!("{text}");
            return ExitCode::from(2);
        }
    };
    // A panic is a broken promise like any other: told at the end, once.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    if let Some(most) = asked.exhaustive {
        return exhaustively(most, &asked.hunt);
    }
    if asked.all_bugs {
        return find_all_bugs(&asked.hunt);
    }
    let hunted = asked.hunt.run();
    if let Some(history) = &hunted.failing {
        tell(history, &asked.hunt, hunted.histories);
        return ExitCode::FAILURE;
    }
    let (count, steps) = (hunted.histories, asked.hunt.steps);
    let each_s = count as f64 / began.elapsed().as_secs_f64();
    if asked.table {
        println!("{}what they left behind: {:016x}", hunted.coverage, hunted.traces);
    }
    let holes = hunted.coverage.holes(asked.least);
    if !holes.is_empty() {
        println!("too seldom:\n{}", holes.join("\n"));
        return ExitCode::FAILURE;
    }
    let first = asked.hunt.first;
    println!(
        "{count} histories of {steps} events (seeds {first} to {}), {each_s:.0} a second, {} of them twice, no promise broken",
        first + count - 1,
        hunted.twice
    );
    ExitCode::SUCCESS
}

fn exhaustively(most: usize, hunt: &Hunt) -> ExitCode {
    let began = Instant::now();
    let done = exhaust(most, hunt.bug, hunt.threads);
    let (played, states) = (done.histories, done.states.iter().sum::<usize>());
    let took_s = began.elapsed().as_secs();
    println!(
        "{played} histories of up to {most} events, each crash point among them: {states} states, in {took_s} s"
    );
    match done.broken {
        None => {
            println!("no promise broken");
            ExitCode::SUCCESS
        }
        Some(story) => {
            print!("{story}");
            ExitCode::FAILURE
        }
    }
}

/// Each planted bug from the first seed on; what finds it breaks no promise without it.
fn find_all_bugs(hunt: &Hunt) -> ExitCode {
    let most = hunt.most.min(BUG_MOST);
    let mut missed = 0;
    for bug in Bug::all() {
        let hunted = Hunt { most, bug: Some(bug), until: Duration::MAX, ..hunt.clone() }.run();
        let sound = |history: &History| hunt.theatre().run(history, None).is_ok();
        match hunted.failing {
            Some(history) if sound(&history) => println!("{bug}: seed {}", history.seed),
            Some(history) => {
                missed += 1;
                println!("{bug}: seed {} breaks a promise without it too", history.seed);
            }
            None => {
                missed += 1;
                println!("{bug}: not found in {most} histories");
            }
        }
    }
    let count = Bug::all().count();
    println!("{} of {count} planted bugs are found", count - missed);
    ExitCode::from(u8::from(missed > 0))
}

fn tell(history: &History, hunt: &Hunt, count: u64) {
    let theatre = hunt.theatre();
    let (short, broken) = theatre.shorten(history, hunt.bug);
    println!("seed {}, after {count} histories, {} devices:", history.seed, short.devices);
    print!("{}", short.told());
    println!("broken: {}", broken.what);
    println!("{}", short.as_test(hunt.shares));
    println!("what each event left:\n{}", theatre.aloud(&short, hunt.bug));
}

fn asked() -> Result<Asked, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let minute = Duration::from_secs(60);
    let mut hunt = Hunt {
        first: 1,
        most: u64::MAX,
        until: minute,
        steps: STEPS,
        bug: None,
        among: Classes::all(),
        twice_every: 64,
        threads,
        shares: false,
    };
    let (mut table, mut is_timed, mut exhaustive, mut all_bugs) = (false, false, None, false);
    let mut least = 0;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--table" {
            table = true;
            continue;
        }
        let value = words.next().ok_or_else(|| HELP.to_owned())?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is no number\n"));
        match word.as_str() {
            "--seed" => (hunt.first, hunt.most) = (number()?, 1),
            "--exhaustive" => exhaustive = Some(number()? as usize),
            "--first" => hunt.first = number()?,
            "--count" => hunt.most = number()?,
            "--steps" => hunt.steps = number()? as usize,
            "--least" => least = number()?,
            "--threads" => hunt.threads = number()? as usize,
            "--twice-every" => hunt.twice_every = number()?.max(1),
            "--for" => {
                hunt.until = duration(&value).ok_or_else(|| format!("`{value}` is no time\n"))?;
                is_timed = true;
            }
            "--store" if ["server", "folder"].contains(&value.as_str()) => hunt.shares = value == "folder",
            "--faults" => {
                hunt.among =
                    Classes::named(&value).ok_or_else(|| format!("`{value}` names no kinds of faults\n"))?;
            }
            "--bug" if value == "all" => all_bugs = true,
            "--bug" => hunt.bug = Some(Bug::named(&value).ok_or_else(all_bugs_told)?),
            _ => return Err(HELP.to_owned()),
        }
    }
    if hunt.most < u64::MAX && !is_timed {
        hunt.until = Duration::MAX;
    }
    Ok(Asked { hunt, table, least, exhaustive, all_bugs })
}

/// The names of all planted bugs, and what they do.
fn all_bugs_told() -> String {
    let line = |bug: Bug| format!("  {bug:<28} {}\n", bug.told().trim_start());
    let (within, at_seams): (Vec<_>, Vec<_>) = Bug::all().partition(|bug| matches!(bug, Bug::Within(_)));
    let mut text = format!("at the seams, {}:\n", at_seams.len());
    text.extend(at_seams.into_iter().map(line));
    text.push_str(&format!("in the product's own code, {}:\n", within.len()));
    text.extend(within.into_iter().map(line));
    text
}

/// `60s`, `10m`, `1h`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.len().checked_sub(1)?);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()? * seconds))
}
