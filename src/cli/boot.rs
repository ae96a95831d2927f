//! `retrosync boot`: start at boot, on or off; and the hooks that tell of games.

use std::path::Path;

use serde_json::json;

use crate::boot::{Boot, State};
use crate::cli::{Call, Command, misused};
use crate::config::file::beside;
use crate::error::{Error, Kind, Result};
use crate::report::Exit;

/// `retrosync boot`.
pub const COMMAND: Command = Command {
    name: "boot",
    summary: "start at boot: on, off, status",
    words: (1, 1),
    flags: &[],
    run,
    help: "\
Usage: retrosync boot on|off|keep|status

Installs or removes what starts RetroSync when this device is switched on, and what tells it that a
game starts or ends: the files and lines that `hooks.toml` beside the program names. Scripts that
others use too keep all of their lines.

  on       install, or mend what an update of the firmware removed
  off      remove, and remember that you want it so
  keep     as `on`, unless it was switched off; the app in the menu does this each time
  status   tell which

Examples:
  retrosync boot on
  retrosync boot status

Exit codes: 0 done, or all is there; 1 could not; 3 (`status`) off, or something is missing.
",
};

fn run(call: &Call) -> Result<Exit> {
    let word = call.words.first().map_or("", String::as_str);
    if !["on", "off", "keep", "status"].contains(&word) {
        return Err(misused(format!("`{word}` is none of on, off, keep, status"), Some(&COMMAND)));
    }
    let hooks = beside("hooks.toml");
    let app = hooks.as_deref().and_then(Path::parent).ok_or_else(|| {
        Error::new(Kind::Misused, "cannot find the hooks", "there is no `hooks.toml` beside the program")
            .help("the package for your firmware brings it")
    })?;
    let boot = Boot::of(app)?;
    match word {
        "on" => boot.on()?,
        "off" => boot.off()?,
        "keep" if boot.state() == State::Off => {}
        "keep" => boot.on()?,
        _ => {}
    }
    let state = match boot.state() {
        State::On => "on",
        State::Gone => "incomplete: `retrosync boot on` mends it",
        State::Off | State::New => "off",
    };
    call.output.value(&json!({ "boot": state }));
    call.output.line(format!("start at boot: {state}"));
    Ok(if word == "status" && state != "on" { Exit::Problems } else { Exit::Well })
}
