//! The command line as people meet it: arguments in; exact text and exit code out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::card::Firmware;
use support::device::{Device, bytes};
use support::program::Program;
use support::server::Server;

#[test]
fn help_lists_every_command_and_each_command_teaches_with_examples() {
    let list = Program::new().run(["--help"]);
    assert_eq!(list.code, 0);
    for command in [
        "pair", "run", "once", "status", "history", "restore", "resolve", "devices", "doctor", "recover",
        "screen", "unpair",
    ] {
        assert!(list.out.contains(&format!("\n  {command} ")), "{command} is not listed:\n{}", list.out);
        let help = Program::new().run([command, "--help"]);
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{command}");
        assert!(help.out.starts_with(&format!("Usage: retrosync {command}")), "{}", help.out);
        assert!(help.out.contains("\nExamples:\n  retrosync "), "{command} has no example");
        assert!(help.out.contains("\nExit codes: "), "{command} does not tell its exit codes");
    }
}

#[test]
fn every_setting_is_in_the_help() {
    let list = Program::new().run(["--help"]).out;
    for key in retrosync::config::KEYS {
        assert!(list.contains(&format!("\n  {}", key.name)), "{}", key.name);
    }
}

#[test]
fn each_misuse_says_what_was_meant() {
    let rows: [(&[&str], &str); 6] = [
        (
            &["statuss"],
            "error: cannot read the arguments\n  cause: unknown command `statuss`\n  help: did you mean `status`? \
             `retrosync --help` lists them all\n",
        ),
        (
            &["status", "--jsn"],
            "error: cannot read the arguments\n  cause: unknown option `--jsn`\n  help: did you mean `--json`?\n",
        ),
        (
            &["restore", "tetris"],
            "error: cannot read the arguments\n  cause: `restore` wants `retrosync restore SAVE VERSION`\n  help: \
             `retrosync restore --help` explains, with examples\n",
        ),
        (
            &["status", "now"],
            "error: cannot read the arguments\n  cause: `now` is one word too many\n  help: `retrosync status \
             --help` explains, with examples\n",
        ),
        (
            &["status", "-x"],
            "error: cannot read the arguments\n  cause: unknown option `-x`\n  help: `retrosync status --help` \
             explains, with examples\n",
        ),
        (
            &["status", "--watch", "often"],
            "error: cannot use `watch` of --watch\n  cause: `often`: not one of `auto`, `inotify`, `poll`\n  help: \
             `watch` is how changes are noticed: `inotify`, `poll` or `auto`\n",
        ),
    ];
    for (arguments, text) in rows {
        let run = Program::new().run(arguments);
        assert_eq!((run.code, run.err.as_str(), run.out.as_str()), (2, text, ""), "{arguments:?}");
    }
}

#[test]
fn with_json_an_error_is_a_value_too() {
    let run = Program::new().run(["status", "--json", "--watch", "often"]);
    let value: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(value["error"]["kind"], "misused");
}

#[test]
fn without_a_command_it_explains_itself() {
    assert_eq!(Program::new().run([""; 0]).out, Program::new().run(["--help"]).out);
    assert_eq!(Program::new().run(["--version"]).out, "retrosync 0.1.0\n");
}

#[test]
fn a_card_that_was_never_paired_says_so() {
    let device = Device::new(Firmware::Onion, "Tetris (World)");
    let status = device.run(&["status"]);
    assert_eq!(status.code, 3, "that is its status, and no failure to tell it");
    assert_eq!(
        status.err,
        format!(
            "problem: cannot use the card `{}`\n  cause: it is not paired yet\n  help: run `retrosync pair \
             https://your.server`; if it was paired before, another card is in its place\n",
            device.card.root.display()
        )
    );
    let told = device.program().run(["status", "--json"]);
    assert_eq!((told.code, &told.json()["paired"]), (3, &serde_json::json!(false)), "{told:?}");
    assert!(!device.card.root.join(".retrosync").exists(), "looking makes nothing");
    let recover = device.run(&["recover"]);
    assert_eq!((recover.code, recover.out.as_str(), recover.err.as_str()), (0, "", ""));
}

/// What the doctor says under this name.
fn fact<'a>(out: &'a str, name: &str) -> &'a str {
    let rest = |line: &'a str| line.strip_prefix(name).filter(|rest| rest.starts_with(' '));
    out.lines().find_map(rest).unwrap_or_else(|| panic!("no `{name}` in\n{out}")).trim_start()
}

#[test]
fn the_doctor_explains_where_each_value_came_from_and_how_a_path_is_read() {
    let device = Device::new(Firmware::Minui, "Tetris (World)");
    device.plays(&bytes("first"));
    let doctor = device.program().env("RETROSYNC_WATCH", "poll").run(["doctor", "--settle-ms", "7"]);
    assert_eq!(doctor.code, 3, "it is not paired: {}", doctor.out);
    let config = device.folder().join("retrosync.toml");
    for (name, text) in [
        ("  profile", format!("minui  ({} line 1)", config.display())),
        ("  watch", "poll  (RETROSYNC_WATCH)".to_owned()),
        ("  settle_ms", "7  (--settle-ms)".to_owned()),
        ("  conflict", "ask  (default)".to_owned()),
        ("saves", "1 in 1 known game".to_owned()),
    ] {
        assert_eq!(fact(&doctor.out, name), text, "{}", doctor.out);
    }
    let column =
        |name| doctor.out.find(fact(&doctor.out, name)).map(|at| at - doctor.out[..at].rfind('\n').unwrap());
    assert_eq!(column("  sync_while_playing"), column("configuration"), "one column:\n{}", doctor.out);
    let explained = device.run(&["doctor", "--explain", device.card.save().to_str().unwrap()]);
    let begins = "`Saves/GB/Tetris (World).gb.sav` of root 0 is the save `gb/sram/Tetris (World)`\n\x20 \
                  device           MinUI (`minui`): you named it\n\x20 \
                  rule             `Saves` holds battery saves, sorted by system\n\x20 \
                  save             system `gb`, sram; its bytes load in any core\n\x20 \
                  here             a new version of it would be put at `Saves/GB/Tetris (World).gb.sav`\n\x20 \
                  muos             `MUOS/save/file/Gambatte/Tetris (World).srm`\n";
    assert!(explained.out.starts_with(begins) && explained.code == 0, "{}", explained.out);
}

#[test]
fn an_unknown_profile_names_the_nearest() {
    let run = Program::new().run(["status", "--profile", "oinon"]);
    assert_eq!(
        (run.code, run.err.as_str()),
        (
            2,
            "error: cannot use profile `oinon`\n  cause: there is no profile of that name\n  help: did you mean \
             `onion`?\n"
        )
    );
}

#[test]
fn a_file_that_may_be_a_save_and_is_not_synced_is_told() {
    let device = Device::new(Firmware::Onion, "Tetris (World)");
    let odd = "Saves/CurrentProfile/saves/Gambatte/Nobody.srm";
    std::fs::create_dir_all(device.card.root.join(odd).parent().unwrap()).unwrap();
    std::fs::write(device.card.root.join(odd), b"x").unwrap();
    let doctor = device.run(&["doctor"]);
    let text = format!("`{odd}`: no game called `Nobody` is here that tells its system");
    assert_eq!(fact(&doctor.out, "  not synced"), text);
}

#[test]
fn saves_of_a_player_that_takes_no_others_are_told() {
    let card = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(card.path().join("MUOS/save/pickles/sram")).unwrap();
    let root = card.path().to_str().unwrap();
    let told = Program::new().run(["doctor", "--root", root]).out;
    assert!(fact(&told, "  not synced").starts_with("`MUOS/save/pickles`: the player Pickles"), "{told}");
    std::fs::remove_dir_all(card.path().join("MUOS/save/pickles")).unwrap();
    let told = Program::new().run(["doctor", "--root", root]).out;
    assert!(!told.contains("Pickles"), "{told}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let rows: [(&[&str], i32, &str); 3] = [
        (
            &["status", "--root", "/nonexistent"],
            1,
            "error: cannot find the card `/nonexistent`\n  cause: there is no such folder\n  help: is it in its slot and \
             mounted? `root` names it\n",
        ),
        (
            &["status", "--root", "/nonexistent", "--profile", "onion"],
            1,
            "error: cannot find the card `/nonexistent`\n  cause: there is no such folder\n  help: is it in its slot and \
             mounted? `root` names it\n",
        ),
        (
            &["status", "--profiles", "/nonexistent"],
            2,
            "error: cannot read the device profiles in `/nonexistent`\n  cause: there is no such folder\n  help: \
             `profiles` names a folder of TOML files; without it the built-in ones count\n",
        ),
    ];
    for (arguments, code, text) in rows {
        let run = Program::new().run(arguments);
        assert_eq!((run.code, run.err.as_str()), (code, text), "{arguments:?}");
    }
}

#[test]
fn a_token_that_lacks_its_quotes_is_not_repeated() {
    let device =
        Device::with(Firmware::Onion, "Tetris (World)", &format!("token = rst_{}\n", "ab".repeat(32)));
    let run = device.run(&["status", "--json"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(!format!("{run:?}").contains("abab"), "{run:?}");
}

#[test]
fn a_language_that_nobody_speaks_is_told_and_stops_no_save() {
    let server = Server::start();
    let lines = "settle_ms = 200\nfresh_save_s = 0\nlanguage = \"xx\"\nleave_out = \"stats | snes\"\n";
    let device = Device::with(Firmware::Onion, "Tetris", lines);
    device.plays(&bytes("of the first"));
    let other = Device::new(Firmware::Onion, "Tetris");
    device.pair(&server);
    other.pair(&server);
    device.once_asks();
    other.once();
    assert_eq!(other.save(), Some(bytes("of the first")));
    let said = device.run(&["status"]).ends(3);
    let told = format!("{}{}", said.out, said.err);
    for text in [
        "cannot use `language` of ",
        "`xx`: not one of `en`, `es`, `de`, `fr`, `pt`, `ja`, `zh`",
        "cannot use `leave_out` of ",
        "`stats`: no system is called so",
        "did you mean `states`?",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    let error = device.run(&["status", "--language", "xx"]).ends(2).err;
    assert!(error.contains("cannot use `language` of --language"), "{error}");
}
