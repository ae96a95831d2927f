//! `retrosync hook`: what a firmware's own hooks tell the running daemon.
//!
//! A hook stands between a person and a game, or between a person and sleep. So it never fails and never takes longer
//! than its budget: a second thread ends the process when that is used up, whatever it waits for, and the exit code is 0.

use std::process::exit;
use std::thread;
use std::time::Duration;

use crate::choice::Moment;
use crate::cli::{Call, Command, misused};
use crate::door;
use crate::error::Result;
use crate::parts::Ground;
use crate::playing::boot_ms;
use crate::report::Exit;

/// What is left of a start's budget for a save that is being put in place when the time is over, in milliseconds.
const LAST_MS: u64 = 500;

/// Each moment and the most that it may take, in milliseconds.
const MOMENTS: &[(&str, u64)] = &[
    ("game-start", 2_000),
    ("game-runs", 2_000),
    ("game-stop", 2_000),
    ("sleep", 3_000),
    ("resume", 2_000),
    ("power-off", 5_000),
];

/// `retrosync hook`.
pub const COMMAND: Command = Command {
    name: "hook",
    summary: "tell the daemon that a game starts, ends …; for the firmware's hooks",
    words: (1, 2),
    flags: &[],
    run,
    help: "\
Usage: retrosync hook game-start|game-runs|game-stop|sleep|resume|power-off [ROM]

Called by a firmware's hooks. Never fails and never waits long, with or without a running daemon.

  game-start   fetch what others played, for 2 s at most; then leave saves alone until `game-stop`
  game-runs    the same without fetching, where the firmware does not wait for its hooks
  game-stop    send what was played
  sleep        send what is queued, for 3 s at most
  resume       connect anew and ask for news
  power-off    send what is queued, for 5 s at most

Examples:
  retrosync hook game-start \"/userdata/roms/gb/Tetris (World).gb\"
  retrosync hook power-off

Exit codes: 0 always; 2 for a moment that does not exist.
",
};

fn run(call: &Call) -> Result<Exit> {
    let word = call.words.first().map_or("", String::as_str);
    let Some((word, most_ms)) = MOMENTS.iter().find(|(name, _)| *name == word) else {
        return Err(misused(format!("`{word}` is no moment"), Some(&COMMAND)));
    };
    let began = boot_ms();
    let watch = move || {
        thread::sleep(Duration::from_millis(*most_ms));
        exit(0)
    };
    // Without a second thread nothing would bound the wait: then it is not begun.
    if thread::Builder::new().stack_size(16 << 10).spawn(watch).is_err() {
        return Ok(Exit::Well);
    }
    let moment = match *word {
        "game-start" => Moment::GameStarts { at_boot_ms: began + most_ms - LAST_MS },
        "game-runs" => Moment::GameStarts { at_boot_ms: began },
        "game-stop" => Moment::GameEnded,
        "resume" => Moment::Woke,
        _ => Moment::Sleeps,
    };
    if let Ok(ground) = call.config().and_then(Ground::find)
        && !door::tell(&ground, moment)
        && word.starts_with("game")
    {
        // Nobody else has finished what a power cut interrupted, and a game is about to read it.
        let _ = ground.recover();
    }
    Ok(Exit::Well)
}
