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
