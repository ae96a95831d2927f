//! `scripts/simulate`: hunts for a broken promise, or repeats a seed.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use retrosync_simulation::bug::Bug;
use retrosync_simulation::history::{History, STEPS, Theatre};
use retrosync_simulation::story::Classes;

struct Asked {
    seed: Option<u64>,
    first: u64,
    hunt: Duration,
    bug: Option<Bug>,
    steps: usize,
    most: u64,
    among: Classes,
    shares: bool,
}

const HELP: &str = "\
Hunts for a history of devices, cards, games and faults that breaks a promise.

  --seed N     repeat one history
  --for 60s    hunt this long (s, m or h; 60s without it)
  --first N    begin with this seed (1)
  --count N    at most so many histories
  --steps N    events in a history (40)
  --faults A,B only these kinds: network, power, cards, server, errors, games, full, clocks, slots, pairing, newest
  --store S    server (without it), or folder: a folder that all devices write
  --bug NAME   plant a bug; `--bug list` names them
";

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(text) => {
            print!("{text}");
            return ExitCode::from(2);
        }
    };
    let theatre = if asked.shares { Theatre::over_folder() } else { Theatre::new() };
    let began = Instant::now();
    let mut count = 0;
    loop {
        let seed = asked.seed.unwrap_or(asked.first + count);
        let needs = asked.bug.map_or(&[][..], Bug::needs);
        let history = History::drawn(seed, asked.steps, &asked.among, needs);
        count += 1;
        if theatre.run(&history, asked.bug).is_err() {
            tell(&theatre, &history, asked.bug, count);
            return ExitCode::FAILURE;
        }
        if asked.seed.is_some() || began.elapsed() >= asked.hunt || count >= asked.most {
            break;
        }
    }
    let each_s = count as f64 / began.elapsed().as_secs_f64();
    println!("{count} histories of {} events, {each_s:.0} a second, no promise broken", asked.steps);
    ExitCode::SUCCESS
}

fn tell(theatre: &Theatre, history: &History, bug: Option<Bug>, count: u64) {
    std::panic::set_hook(Box::new(|_| {}));
    let (short, broken) = theatre.shorten(history, bug);
    println!("seed {}, history {count}, {} devices:", history.seed, history.devices);
    print!("{}", short.told());
    println!("broken: {}", broken.what);
    println!("as a test: {:?}", short.events);
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked {
        seed: None,
        first: 1,
        hunt: Duration::from_secs(60),
        bug: None,
        steps: STEPS,
        most: u64::MAX,
        among: Classes::all(),
        shares: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| HELP.to_owned())?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is no number\n"));
        match word.as_str() {
            "--seed" => asked.seed = Some(number()?),
            "--first" => asked.first = number()?,
            "--count" => asked.most = number()?,
            "--steps" => asked.steps = number()? as usize,
            "--for" => asked.hunt = duration(&value).ok_or_else(|| format!("`{value}` is no time\n"))?,
            "--store" if ["server", "folder"].contains(&value.as_str()) => asked.shares = value == "folder",
            "--faults" => {
                asked.among =
                    Classes::named(&value).ok_or_else(|| format!("`{value}` names no kinds of faults\n"))?;
            }
            "--bug" => asked.bug = Some(Bug::named(&value).ok_or_else(|| format!("{:?}\n", Bug::ALL))?),
            _ => return Err(HELP.to_owned()),
        }
    }
    Ok(asked)
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
