//! Tests of playing.rs: a made-up `/proc`, and a real process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::process::{Command, Stdio};

/// Writes a process into a made-up `/proc`.
fn process(proc: &Path, pid: u32, comm: &str, words: &[&str], state: &str, start_ticks: u64) {
    let folder = proc.join(pid.to_string());
    fs::create_dir_all(&folder).unwrap();
    let line: Vec<u8> = words.iter().flat_map(|word| word.bytes().chain([0])).collect();
    fs::write(folder.join("cmdline"), line).unwrap();
    let stat = format!("{pid} ({comm}) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start_ticks} 0 0\n");
    fs::write(folder.join("stat"), stat).unwrap();
}

fn signs() -> Signs {
    Signs {
        flag_files: vec![],
        process_names: vec!["retroarch".into(), "a_very_long_emulator".into()],
        game_folders: vec!["/mnt/SDCARD/Roms".into()],
        only_below: None,
        ours: vec!["/mnt/SDCARD/Roms/RetroSync".into(), "/ports/RetroSync.sh".into()],
    }
}

#[test]
fn each_process_is_a_game_or_not() {
    let rom = "/mnt/SDCARD/Roms/GB/Tetris.gb";
    let our_hook = "/userdata/system/scripts/retrosync.sh";
    let our_app = "/mnt/SDCARD/Roms/APPS/RetroSync.sh";
    let rows: [(&str, &str, &[&str], &str, bool); 19] = [
        ("the emulator by its name", "retroarch", &["./retroarch", "-v"], "S", true),
        ("a longer name than the kernel keeps", "a_very_long_emu", &["x"], "S", true),
        ("a game's path", "drastic", &["drastic", rom], "R", true),
        ("a game's path in an option", "emu", &["emu", &format!("--rom={rom}")], "R", true),
        ("a name with brackets", "a) S (b", &["emu", rom], "R", true),
        ("the folder itself is no game", "ls", &["ls", "/mnt/SDCARD/Roms"], "R", false),
        ("a folder that only begins alike", "cp", &["cp", "/mnt/SDCARD/Roms2/x.gb"], "R", false),
        ("another program", "sshd", &["sshd", "-D"], "S", false),
        ("the emulator has exited", "retroarch", &["retroarch"], "Z", false),
        ("a kernel thread", "retroarch", &[], "S", false),
        ("ourselves, told about a game", "retrosync", &["/x/retrosync", rom], "S", false),
        ("our hook, told about a game", "sh", &["/bin/sh", our_hook, "gameStart", "gb", rom], "S", false),
        ("our app, where apps lie among the games", "sh", &["sh", our_app], "S", false),
        ("a game with a name like ours", "emu", &["emu", "/mnt/SDCARD/Roms/GB/RetroSync.gb"], "S", true),
        ("our app in the menu", "sh", &["sh", "/mnt/SDCARD/Roms/ports/RetroSync.sh"], "S", false),
        ("our app's script", "sh", &["sh", "/mnt/SDCARD/Roms/RetroSync/launch.sh"], "S", false),
        ("what our hook runs", "sh", &["sh", "/mnt/SDCARD/Roms/RetroSync/run.sh", rom], "S", false),
        (
            "the launcher of games, with our app",
            "retroarch",
            &["x", "-rom", "/u/ports/RetroSync.sh"],
            "S",
            false,
        ),
        ("a game that is called alike", "sh", &["sh", "/mnt/SDCARD/Roms/ports/RetroSync.sh.gb"], "S", true),
    ];
    for (row, comm, words, state, plays) in rows {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 42, comm, words, state, 700);
        fs::create_dir(proc.path().join("self")).unwrap();
        let seen = look_in(&signs(), proc.path(), 1);
        assert_eq!(seen.reason.is_some(), plays, "{row}: {seen:?}");
        let starts: Vec<_> = seen.games.iter().map(|game| (game.pid, game.started_boot_ms)).collect();
        assert_eq!(starts, if plays { vec![(42, 7_000)] } else { vec![] }, "{row}");
    }
}

#[test]
fn our_own_process_never_counts() {
    let proc = tempfile::tempdir().unwrap();
    process(proc.path(), 42, "retroarch", &["retroarch"], "S", 1);
    assert_eq!(look_in(&signs(), proc.path(), 42), Playing::default());
}

#[test]
fn on_a_computer_only_games_of_this_card_count() {
    let card = PathBuf::from("/home/ada/card");
    let on_pc =
        Signs { only_below: Some(vec![card.clone()]), game_folders: vec![card.join("Roms")], ..signs() };
    for (row, words, counts) in [
        ("another game", &["retroarch", "/home/ada/other/x.gb"][..], false),
        ("this card's game", &["retroarch", "/home/ada/card/Roms/GB/x.gb"], true),
        ("this card's configuration", &["retroarch", "--config", "/home/ada/card/ra.cfg"], true),
    ] {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 42, "retroarch", words, "S", 1);
        assert_eq!(look_in(&on_pc, proc.path(), 1).reason.is_some(), counts, "{row}");
    }
}

#[test]
fn a_flag_file_or_no_proc_at_all_counts_as_running() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("cmd_to_run.sh");
    let flagged = Signs { flag_files: vec![flag.clone()], ..Signs::default() };
    assert_eq!(look_in(&flagged, folder.path(), 1), Playing::default());
    fs::write(&flag, "").unwrap();
    let reason = format!("`{}` says that a game runs", flag.display());
    assert_eq!(look_in(&flagged, folder.path(), 1).reason, Some(reason));
    let nowhere = look_in(&signs(), &folder.path().join("none"), 1);
    assert_eq!(nowhere.reason.as_deref(), Some("`/proc` cannot be read, so a game may be running"));
}

#[test]
fn the_flag_that_is_set_while_our_own_app_is_open_freezes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("cmd_to_run.sh");
    let signs = Signs { flag_files: vec![flag.clone()], ..signs() };
    for (row, text, plays) in [
        ("our app", "cd /mnt/SDCARD/Roms/RetroSync; chmod a+x ./launch.sh; ./launch.sh", false),
        ("our app, its path in quotes", "'/mnt/SDCARD/Roms/RetroSync/launch.sh'\n", false),
        ("our place in the menu", "\"/x/ports/RetroSync.sh\" &> /dev/null", false),
        ("another app", "cd /mnt/SDCARD/App/Clock; ./launch.sh", true),
        ("a folder that only begins alike", "cd /mnt/SDCARD/Roms/RetroSync2; ./launch.sh", true),
        ("a game", "/mnt/SDCARD/Emu/GB/launch.sh '/mnt/SDCARD/Roms/GB/RetroSync.gb'", true),
        ("nothing", "", true),
    ] {
        fs::write(&flag, text).unwrap();
        assert_eq!(look_in(&signs, folder.path(), 1).reason.is_some(), plays, "{row}");
    }
}

#[test]
fn a_real_process_is_seen_with_its_start_and_gone_when_it_ends() {
    let card = tempfile::tempdir().unwrap();
    let rom = card.path().join("x.gb");
    let signs = Signs { game_folders: vec![card.path().into()], ..Signs::default() };
    let before_ms = boot_ms();
    // `cat` waits for its input, with a game's path in its command line that it never opens.
    let mut emulator =
        Command::new("cat").arg("-").arg(&rom).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Between its fork and its exec it still has our own command line.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut seen = Hooks::default().look(&signs);
    while seen.games.is_empty() && std::time::Instant::now() < deadline {
        std::thread::yield_now();
        seen = Hooks::default().look(&signs);
    }
    assert_eq!(seen.games.iter().map(|game| game.pid).collect::<Vec<_>>(), [emulator.id()]);
    let started_ms = seen.games[0].started_boot_ms;
    assert!(
        (before_ms.saturating_sub(20)..=boot_ms() + 20).contains(&started_ms),
        "{before_ms} {started_ms}"
    );
    drop(emulator.stdin.take());
    emulator.wait().unwrap();
    assert_eq!(Hooks::default().look(&signs), Playing::default());
}

#[test]
fn what_a_game_writes_descends_from_what_it_loaded() {
    let save: SaveId = "gb/sram/Tetris".parse().unwrap();
    let game = |started_boot_ms| Playing {
        games: vec![Game { pid: 1, name: "emu".into(), started_boot_ms }],
        reason: Some("a game".into()),
    };
    for (row, started_ms, remembered) in
        [("started before the replacement", 4_999, true), ("started after it", 5_001, false)]
    {
        let mut launches = Launches::default();
        launches.replaced(&save, None, 5_000);
        launches.look(&game(started_ms), 6_000);
        assert_eq!(launches.loaded().count() == 1, remembered, "{row}");
        launches.look(&Playing::default(), 5_000 + REMEMBER_MS);
        assert_eq!(launches.loaded().count() == 1, remembered, "{row}: and after the game");
        launches.forget(&save);
        assert_eq!(launches.loaded().count(), 0, "{row}: stored");
    }
}

#[test]
fn of_several_replacements_a_game_loaded_what_was_there_before_the_first_that_it_is_older_than() {
    let save: SaveId = "gb/sram/Tetris".parse().unwrap();
    let place = crate::snapshot::Place { root: 0, path: crate::snapshot::RelativePath::new("x").unwrap() };
    let first = BaseEntry {
        version: retrosync_protocol::VersionId::of(b"first"),
        content: None,
        place,
        stamp: crate::snapshot::Stamp::default(),
        ancestors: Default::default(),
        trusted: true,
        aside: None,
    };
    for (row, started_boot_ms, loaded) in [
        ("older than both: there was no save yet", 4_999, Some(None)),
        ("started between them", 5_500, Some(Some(&first))),
        ("younger than both", 6_001, None),
    ] {
        let mut launches = Launches::default();
        launches.replaced(&save, None, 5_000);
        launches.replaced(&save, Some(first.clone()), 6_000);
        let games = vec![Game { pid: 1, name: "emu".into(), started_boot_ms }];
        launches.look(&Playing { games, reason: Some("a game".into()) }, 7_000);
        assert_eq!(launches.loaded().next().map(|(_, before)| before), loaded, "{row}");
    }
}

#[test]
fn the_end_of_one_game_says_nothing_of_another_that_is_not_seen_yet() {
    let save: SaveId = "gb/sram/Tetris".parse().unwrap();
    let game = |started_boot_ms| Playing {
        games: vec![Game { pid: 1, name: "emu".into(), started_boot_ms }],
        reason: Some("a game".into()),
    };
    let mut launches = Launches::default();
    launches.replaced(&save, None, 5_000);
    launches.look(&game(4_000), 6_000);
    launches.replaced(&save, None, 8_000);
    launches.ended(&save);
    assert_eq!(launches.loaded().count(), 0);
    launches.look(&game(7_000), 9_000);
    assert_eq!(launches.loaded().count(), 1, "it is older than the second replacement");
}

#[test]
fn an_end_that_was_told_meanwhile_is_not_undone_by_the_start_that_it_ended() {
    let hooks = Hooks::default();
    let starts_at = boot_ms() + 3_600_000;
    hooks.game_starts(starts_at);
    hooks.game_may_start(starts_at);
    assert!(hooks.said().is_some_and(|word| word.from_boot_ms < starts_at), "its saves are in place");
    hooks.game_starts(starts_at);
    hooks.game_ended();
    hooks.game_may_start(starts_at);
    assert_eq!(*hooks.said(), None, "it has ended: saves may come again");
    hooks.game_starts(starts_at + 5);
    hooks.game_may_start(starts_at);
    assert!(
        hooks.said().is_some_and(|word| word.from_boot_ms == starts_at + 5),
        "another game's start stands"
    );
}

#[test]
fn what_a_game_loads_after_its_hook_descends_from_what_was_pulled_before_it() {
    let launcher = || Playing {
        games: vec![Game { pid: 7, name: "emulatorlauncher".into(), started_boot_ms: 100 }],
        reason: Some("`emulatorlauncher` is running (process 7)".into()),
    };
    let mut said = Some(Said { from_boot_ms: 1_000, seen: false });
    assert_eq!(judge(&mut said, launcher(), 999), Playing::default(), "the firmware waits for us");
    let playing = judge(&mut said, launcher(), 1_000);
    assert_eq!((playing.reason.is_some(), playing.games[0].started_boot_ms), (true, 1_000));
    assert_eq!(judge(&mut said, Playing::default(), 5_000), Playing::default(), "it was seen, and is gone");
    assert_eq!(said, None);

    let mut said = Some(Said { from_boot_ms: 1_000, seen: false });
    let unseen = judge(&mut said, Playing::default(), 50_000);
    assert!(unseen.reason.is_some(), "a game that no process shows is believed");
    judge(&mut said, Playing::default(), 1_001 + SAID_MOST_MS);
    assert_eq!(said, None, "but not for ever");
    assert_eq!(judge(&mut None, launcher(), 5), launcher(), "nothing was said");
}
