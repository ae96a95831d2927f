//! Kills a kernel in the middle of the daemon's work on a real card, again and again, and looks at what is left.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::crash::Dice;
use crate::uml::Kernel;

const CARD_BYTES: u64 = 300 << 20;
const PATIENCE: Duration = Duration::from_secs(300);

/// Cuts the power so many times; returns how many steps succeeded. `told` hears of each cut.
///
/// # Errors
/// What was lost, or what failed.
pub(crate) fn kill(work: &Path, kills: u64, told: &dyn Fn(u64, usize)) -> io::Result<usize> {
    File::create(work.join("cards"))?.set_len(CARD_BYTES)?;
    File::create(work.join("logs"))?.set_len(1 << 20)?;
    let made = Command::new("mkfs.vfat").args(["-F", "32", "-s", "8"]).arg(work.join("cards")).output()?;
    if !made.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
    }
    let (mut acked, mut dice) = (0, Dice::new(u64::from(std::process::id())));
    // The last boot only looks.
    for kill in 1..=kills + 1 {
        let mut kernel = Kernel::boot(work, &format!("live vfat {acked}"))?;
        let output =
            kernel.wait(PATIENCE, &|output| output.contains("\nwhole") || output.contains("\nended"))?;
        if !output.contains("\nwhole") {
            return Err(io::Error::other(format!("kill {kill}, after {acked} steps:\n{output}")));
        }
        if kill <= kills {
            std::thread::sleep(Duration::from_millis(dice.below(1500)));
        }
        let output = kernel.cut();
        if output.contains("\nerror") {
            return Err(io::Error::other(format!("kill {kill}, after {acked} steps:\n{output}")));
        }
        // A line that the cut tore was not told.
        let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let last = whole.lines().filter_map(|line| line.strip_prefix("success ")?.parse().ok()).next_back();
        acked = last.unwrap_or(acked);
        told(kill, acked);
    }
    fs::remove_file(work.join("cards"))?;
    Ok(acked)
}
