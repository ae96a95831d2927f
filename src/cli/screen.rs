//! `retrosync screen`: the app that opens from a handheld's menu.

use crate::cli::{self, Call, Command, Flag, misused};
use crate::discover::EVERYBODY;
use crate::error::Result;
use crate::report::Exit;
use crate::screen::app::{App, Start, no_screen};

/// Where servers are asked for, in the place of everybody.
const FIND: Flag = Flag { name: "find", takes_value: true };

/// `retrosync screen`.
pub const COMMAND: Command = Command {
    name: "screen",
    summary: "see, pair, choose and restore with a D-pad and a few buttons",
    words: (0, 0),
    flags: &[FIND],
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

fn run(call: &Call) -> Result<Exit> {
    let _ = (App::open, start(call)?);
    Err(no_screen())
}

/// What the app needs of us.
fn start(call: &Call) -> Result<Start> {
    let ask = match call.value(FIND.name) {
        Some(text) => {
            text.parse().map_err(|_| misused(format!("`{text}` is not ADDR:PORT"), Some(&COMMAND)))?
        }
        None => EVERYBODY,
    };
    Ok(Start {
        config: call.config()?,
        run: |arguments| cli::main(arguments.into_iter()) as i32,
        with: Box::new({
            let call = call.clone();
            move |words| call.with(words)
        }),
        ask,
    })
}
