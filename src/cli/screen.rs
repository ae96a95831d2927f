//! `retrosync screen`: the app that opens from a handheld's menu.

use crate::cli::{Call, Command};
use crate::error::Result;
use crate::report::Exit;
use crate::screen::app::App;

/// `retrosync screen`.
pub const COMMAND: Command = Command {
    name: "screen",
    summary: "see, pair, choose and restore with a D-pad and a few buttons",
    words: (0, 0),
    flags: &[],
    run,
    help: "\
Usage: retrosync screen

The app that opens from the handheld's menu: are the saves safe, pair this device, answer a question,
go back to yesterday's save, settings. In a terminal the same screens as text.

Examples:
  retrosync screen

Exit codes: 0 closed; 1 nothing here can show it.
",
};

fn run(_call: &Call) -> Result<Exit> {
    let _app = App::open()?;
    Ok(Exit::Well)
}
