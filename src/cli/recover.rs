//! `retrosync recover`: the boot hook, in the foreground, before any game can be started.

use serde_json::json;

use crate::cli::{Call, Command};
use crate::error::{Kind, Result};
use crate::parts::Ground;
use crate::report::{self, Exit};

/// `retrosync recover`.
pub const COMMAND: Command = Command {
    name: "recover",
    summary: "finish a save that a power cut interrupted; run at boot",
    words: (0, 0),
    flags: &[],
    run,
    help: "\
Usage: retrosync recover

If power was lost while a save was being replaced, this finishes it: afterwards the file is wholly
the old or wholly the new one. Milliseconds when nothing is open. The boot script runs it in the
foreground before the menu appears, and then starts `retrosync run` in the background.

Examples:
  retrosync recover
  retrosync recover && retrosync run &

Exit codes: 0 all well; 1 could not run; 3 recovered, but something needs a person.
",
};

fn run(call: &Call) -> Result<Exit> {
    let ground = Ground::find(call.config()?)?;
    let problems = match ground.recover() {
        // Who has the card has recovered it before anything else.
        Err(error) if error.kind == Kind::Busy => Vec::new(),
        problems => problems?,
    };
    call.output.value(&json!({ "problems": report::problem_values(&problems) }));
    call.output.problems(&problems);
    Ok(if problems.is_empty() { Exit::Well } else { Exit::Problems })
}
