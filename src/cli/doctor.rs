//! `retrosync doctor`: what this device is, where each setting came from, and what is wrong.

use crate::cli::{Call, Command, Flag};
use crate::error::Result;
use crate::report::Exit;

/// `retrosync doctor`.
pub const COMMAND: Command = Command {
    name: "doctor",
    summary: "explain everything that decides what this device does",
    words: (0, 0),
    flags: &[Flag { name: "explain", takes_value: true }],
    run,
    help: "\
Usage: retrosync doctor [--explain PATH]

Shows which device this is and why, the roots and their markers, where each setting came from, the
clock, the route, the server's health, whether the card can be written and whether file events
arrive; then every problem with its next step. Changes nothing except a probe file of its own.

  --explain PATH    which save a file is, or why it is none, and where it lies on this device

Examples:
  retrosync doctor
  retrosync doctor --explain '/mnt/SDCARD/Saves/CurrentProfile/saves/Gambatte/Tetris.srm'
  retrosync doctor --json > for-the-report.json

Exit codes: 0 all well; 1 could not run; 3 there are problems.
",
};

fn run(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}
