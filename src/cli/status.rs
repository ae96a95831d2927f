//! `retrosync status`: what is safe, what is queued, what needs a person; offline, from the card alone.

use crate::cli::{Call, Command};
use crate::error::Result;
use crate::report::Exit;

/// `retrosync status`.
pub const COMMAND: Command = Command {
    name: "status",
    summary: "count what is safe, queued or asked; works offline",
    words: (0, 0),
    flags: &[],
    run,
    help: "\
Usage: retrosync status

Counts this device's saves without asking the server:
  safe       the server holds exactly these bytes
  queued     changed here, will be sent at the next contact
  questions  two devices changed the same save: both are kept, you choose with `retrosync resolve`
  problems   could not be read, or looks damaged; with the reason

Examples:
  retrosync status
  retrosync status --json | jq '.queued'

Exit codes: 0 all well; 1 could not run; 3 there are questions or problems.
",
};

fn run(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}
