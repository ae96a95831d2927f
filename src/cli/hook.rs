//! `retrosync hook`: what a firmware's own hooks tell the running daemon.
//!
//! A hook stands between a person and a game, or between a person and sleep. So it never fails and never takes longer
//! than its budget: a second thread ends the process when that is used up, whatever it waits for, and the exit code is 0.

use std::path::Path;
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
};

/// The title of the game that is named, as its saves have it. EmulationStation escapes paths as for a shell, and each of
/// its kin does it in another way; what it escapes is in no title.
fn title(call: &Call) -> String {
    let rom: String =
        call.words.iter().skip(1).flat_map(|rom| rom.chars()).filter(|c| !"\\\"".contains(*c)).collect();
    let stem = Path::new(&rom).file_stem();
    stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

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
        "game-start" => Moment::GameStarts { at_boot_ms: began + most_ms - LAST_MS, title: title(call) },
        "game-runs" => Moment::GameStarts { at_boot_ms: began, title: String::new() },
        "game-stop" => Moment::GameEnded,
        "resume" => Moment::Woke,
        _ => Moment::Sleeps,
    };
    let starts = matches!(moment, Moment::GameStarts { .. });
    if let Ok(ground) = call.config().and_then(Ground::find)
        // Among the games of some menus is our own app, and what it restores must find its place.
        && !(starts && call.words.get(1).is_some_and(|rom| ground.signs().is_ours(rom)))
        && !door::tell(&ground, moment)
        && word.starts_with("game")
    {
        // Nobody else has finished what a power cut interrupted, and a game is about to read it.
        let _ = ground.recover();
    }
    Ok(Exit::Well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_firmware_s_word_for_a_game_gives_the_title_of_its_saves() {
        let rows = [
            ("NextUI: the path", "/mnt/SDCARD/Roms/Game Boy (GB)/Tetris (World).gb", "Tetris (World)"),
            ("ArkOS and its kin: escaped for a shell", r"/roms/gb/Tetris\ \(World\).gb", "Tetris (World)"),
            ("older ones: in quotes", "\"/roms/gb/Tetris (World).gb\"", "Tetris (World)"),
            ("an apostrophe and dots", r"/roms/gb/Kirby\'s v1.1.gb", "Kirby's v1.1"),
            ("a list of disks", "/roms/psx/Game/Game.m3u", "Game"),
            ("a game that is a folder", "/roms/dos/Game.pc/", "Game"),
            ("no folder", "Tetris.gb", "Tetris"),
            ("nothing that is a name", "/", ""),
            ("nothing", "", ""),
        ];
        for (row, rom, expected) in rows {
            let call = Call { words: vec!["game-start".into(), rom.into()], ..Call::default() };
            assert_eq!(title(&call), expected, "{row}");
        }
        assert_eq!(title(&Call::default()), "", "no word at all");
    }
}
