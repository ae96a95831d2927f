//! The configuration row by row.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn load(flags: &[(&'static str, &str)], environment: &[(&str, &str)], text: &str) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retrosync.toml");
    std::fs::write(&path, text).unwrap();
    let flags: Vec<_> = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    let asked =
        |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned());
    Config::load(&flags, &asked, Some(&path))
}

#[test]
fn two_lines_suffice() {
    let config = load(&[], &[], "server = \"https://nas:8377/\"\ncode = \"wxrt-4kqm\"\n").unwrap();
    assert_eq!(config.server.as_deref(), Some("https://nas:8377"));
    assert_eq!(config.code.as_deref(), Some("wxrt-4kqm"));
    assert_eq!((config.settle_ms, config.fresh_save_s), (2500, 60));
}

#[test]
fn flags_go_before_environment_before_file_before_default() {
    let file = "settle_ms = 1\nfresh_save_s = 1\nlog = \"warn\"\n";
    let environment = [("RETROSYNC_SETTLE_MS", "2"), ("RETROSYNC_FRESH_SAVE_S", "2")];
    let config = load(&[("settle_ms", "3")], &environment, file).unwrap();
    assert_eq!((config.settle_ms, config.fresh_save_s), (3, 2));
    let shown = config.shown();
    let of = |name: &str| {
        shown.iter().find(|(key, ..)| key.name == name).map(|(_, _, from)| from.clone()).unwrap()
    };
    assert_eq!(of("settle_ms"), "--settle-ms");
    assert_eq!(of("fresh_save_s"), "RETROSYNC_FRESH_SAVE_S");
    assert!(of("log").ends_with("retrosync.toml line 3"), "{}", of("log"));
    assert_eq!(of("watch"), "default");
}

#[test]
fn each_fault_is_refused_with_its_line_and_the_next_step() {
    let rows = [
        (
            "a misspelt key",
            "# mine\nsevrer = \"http://a\"\n",
            "line 2: unknown key `sevrer`",
            "did you mean `server`?",
        ),
        ("a key from nowhere", "xylophone = 1\n", "line 1: unknown key `xylophone`", "the keys are `server`"),
        ("no TOML at all", "server http://a\n", "line 1: ", "a line has the form"),
        ("a table", "[server]\nurl = \"x\"\n", "line 1: `server` is not a text", ""),
        (
            "no scheme",
            "server = \"nas:8377\"\n",
            "it does not begin with",
            "`server` is the server's address",
        ),
        ("a word of no meaning", "watch = \"often\"\n", "`often`: not one of `auto`, `inotify`, `poll`", ""),
        ("a number with letters", "settle_ms = \"2s\"\n", "not a whole number from 0 to 600000", ""),
        (
            "a code too short",
            "code = \"WX\"\n",
            "`…`: not 8 letters and digits, nor 6 of a RetroSync server",
            "",
        ),
    ];
    for (row, text, cause, help) in rows {
        let error = load(&[], &[], text).unwrap_err();
        assert_eq!(error.kind, Kind::Misused, "{row}");
        assert!(error.cause.contains(cause), "{row}: {}", error.cause);
        assert!(error.help.unwrap_or_default().contains(help), "{row}");
    }
}

#[test]
fn every_setting_says_what_it_is_and_nothing_else_is_told() {
    let told: toml::Table = include_str!("config/keys.toml").parse().unwrap();
    assert_eq!(told.len(), KEYS.len());
    for key in KEYS {
        let (default, meaning) = key.told();
        assert!(!default.is_empty() && !meaning.is_empty(), "{}", key.name);
        assert_eq!(told[key.name]["meaning"].as_str(), Some(&*meaning), "{}", key.name);
    }
}

#[test]
fn a_language_that_nobody_speaks_is_told_and_the_rest_holds() {
    let config = load(&[], &[], "settle_ms = 1\nlanguage = \"xx\"\nleave_out = \"gb\"\n").unwrap();
    assert_eq!((config.settle_ms, &config.language), (1, &None));
    assert!(config.leave_out.has("gb"));
    let [problem] = &config.problems[..] else { panic!("{:?}", config.problems) };
    assert!(
        problem.error.doing.contains("`language`") && problem.error.doing.ends_with("retrosync.toml line 2")
    );
    assert_eq!(problem.error.cause, "`xx`: not one of `en`, `es`, `de`, `fr`, `pt`, `ja`, `zh`");
    // Whoever types it is there to read.
    let error = load(&[("language", "klingon")], &[], "").unwrap_err();
    assert!(error.cause.starts_with("`klingon`: not one of `en`"), "{error}");
    for language in ["de", "pt_BR", "zh-CN", "de_DE.UTF-8"] {
        assert!(load(&[("language", language)], &[], "").is_ok(), "{language}");
    }
    let spoken: Vec<String> = crate::screen::words::languages().into_iter().map(|(code, _)| code).collect();
    assert_eq!(LANGUAGES.map(str::to_owned).to_vec(), spoken, "as `build.rs` has them");
}

#[test]
fn what_is_left_out_by_a_misspelled_name_is_told_and_the_rest_holds() {
    let is_system = |name: &str| ["gb", "snes"].contains(&name);
    let near = |name: &str| (name == "sness").then(|| "snes".to_owned());
    let text = "# mine\nleave_out = \"states | ??? | sness | GB/Tetris | nosuch/Zelda\"\n";
    let config = load(&[], &[], text).unwrap();
    let told: Vec<_> =
        config.misspelled(&is_system, &near).into_iter().map(|problem| problem.error).collect();
    let causes: Vec<_> = told.iter().map(|error| error.cause.as_str()).collect();
    let none = "no system is called so";
    assert_eq!(
        causes,
        [format!("`???`: {none}"), format!("`sness`: {none}"), format!("`nosuch/Zelda`: {none}")]
    );
    assert!(told.iter().all(|error| error.doing.ends_with("retrosync.toml line 2")), "{told:?}");
    assert_eq!(told[1].help.as_deref(), Some("did you mean `snes`?"));
    assert!(told[0].help.as_deref().unwrap_or_default().starts_with("`leave_out` is what is not synced"));
    assert!(config.leave_out.has("gb/tetris") && config.leave_out.has("states"));
    assert!(load(&[], &[], "").unwrap().misspelled(&is_system, &near).is_empty());
}

#[test]
fn a_secret_is_never_shown() {
    let token = format!("rst_{}", "ab".repeat(32));
    let config = load(&[], &[], &format!("token = \"{token}\"\n")).unwrap();
    assert!(!format!("{config:?}").contains("abab"));
    assert!(!format!("{:?}", config.shown()).contains("abab"));
    let wrong = load(&[], &[], "token = \"rst_secret\"\n").unwrap_err();
    assert!(!format!("{wrong:?}").contains("rst_secret"), "{wrong:?}");
}
