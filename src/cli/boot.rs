//! `retrosync boot`: start at boot, on or off; and the hooks that tell of games.

use std::path::Path;

use serde_json::json;

use crate::boot::{Boot, State};
use crate::cli::{Call, Command, misused};
use crate::config::file::beside;
use crate::error::{Error, Kind, Result};
use crate::report::Exit;

/// `retrosync boot`.
pub const COMMAND: Command =
    Command { name: "boot", summary: "start at boot: on, off, status", words: (1, 1), flags: &[], run };

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
