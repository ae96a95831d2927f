//! Kills a kernel in the middle of the daemon's work on a real card, again and again, and looks at what is left.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::crash::Dice;
use crate::uml::Kernel;

const CARD_BYTES: u64 = 300 << 20;
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long a kernel works at most before it is killed.
const LONGEST_WORK: Duration = Duration::from_millis(1500);

/// A kernel that can be killed, and its card: the file `cards`.
pub(crate) struct Machine {
    /// The file system.
    pub(crate) kind: &'static str,
    /// What is not installed here, in plain words.
    pub(crate) missing: fn() -> Option<String>,
    /// Boots and goes on with the work after so many steps; how many are done, it writes to its second disk, `logs`.
    pub(crate) boot: fn(&Path, usize) -> io::Result<Kernel>,
    /// Makes a card, before the card's file: a program and its arguments.
    pub(crate) format: &'static [&'static str],
    /// What a firmware runs at boot after a cut, before the card's file; told of by its exit code only. Every second cut goes
    /// without it.
    pub(crate) check: &'static [&'static str],
}

/// Cuts the power so many times; returns how many steps succeeded. `told` hears of each cut.
///
/// # Errors
/// What was lost, or what failed.
pub(crate) fn kill(
    work: &Path,
    machine: &Machine,
    kills: u64,
    told: &dyn Fn(u64, usize),
) -> io::Result<usize> {
    let card = work.join("cards");
    File::create(&card)?.set_len(CARD_BYTES)?;
    let told_by = work.join("logs");
    File::create(&told_by)?.set_len(1 << 20)?;
    run(machine.format, &card)?;
    let (mut acked, mut dice) = (0, Dice::new(u64::from(std::process::id())));
    // The last boot only looks.
    for kill in 1..=kills + 1 {
        let before = acked;
        let lost = |output: &str| io::Error::other(format!("kill {kill}, after {before} steps:\n{output}"));
        let began = Instant::now();
        let mut kernel = (machine.boot)(work, acked)?;
        let output =
            kernel.wait(PATIENCE, &|output| output.contains("\nwhole") || output.contains("\nended"))?;
        if !output.contains("\nwhole") {
            return Err(lost(&output));
        }
        if kill <= kills {
            // A machine that boots slowly works slowly too.
            let most = LONGEST_WORK.max(began.elapsed() / 4);
            std::thread::sleep(Duration::from_millis(dice.below(most.as_millis() as u64)));
        }
        let output = kernel.cut();
        if output.contains("\nerror") {
            return Err(lost(&output));
        }
        let mut done = [0; 8];
        File::open(&told_by)?.read_exact(&mut done)?;
        acked = acked.max(u64::from_le_bytes(done) as usize);
        told(kill, acked);
        if !machine.check.is_empty() && kill % 2 == 0 {
            run(machine.check, &card).map_err(|error| lost(&error.to_string()))?;
        }
    }
    fs::remove_file(card)?;
    Ok(acked)
}

/// Runs a program on the card; a check that mended something (1) is as good as one that had nothing to do.
fn run(words: &[&str], card: &Path) -> io::Result<()> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let output = Command::new(program).args(arguments).arg(card).output()?;
    if matches!(output.status.code(), Some(0 | 1)) {
        return Ok(());
    }
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{words:?}: {told}")))
}
