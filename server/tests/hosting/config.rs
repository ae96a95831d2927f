//! The configuration: who wins, what is printed can be read back, what is wrong is refused by its line.

use std::path::Path;

use crate::{printed, program, said};

/// What a printed configuration sets: its lines without comments.
fn settings(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Into::into).collect()
}

/// The value of a key in a printed configuration.
fn value(text: &str, name: &str) -> String {
    let start = format!("{name} = ");
    let found = text.lines().find_map(|line| line.strip_prefix(&start));
    found.unwrap_or_else(|| panic!("no `{name}` in\n{text}")).to_owned()
}

/// What it is about, arguments, the variable for `listen`, and then `listen` and `log.format` as they must be.
type Row = (&'static str, &'static [&'static str], Option<&'static str>, &'static str, &'static str);

#[test]
fn the_command_line_wins_over_the_environment_over_the_file_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.toml"), "listen = \"127.0.0.1:2\"\nlog.format = \"json\"\n")
        .unwrap();
    let rows: [Row; 7] = [
        ("nobody says anything", &[], None, "\"0.0.0.0:8377\"", "\"text\""),
        ("the file", &["--config", "f.toml"], None, "\"127.0.0.1:2\"", "\"json\""),
        ("the environment, without a file", &[], Some("127.0.0.1:3"), "\"127.0.0.1:3\"", "\"text\""),
        (
            "the environment over the file",
            &["--config", "f.toml"],
            Some("127.0.0.1:3"),
            "\"127.0.0.1:3\"",
            "\"json\"",
        ),
        (
            "the command line over all",
            &["--config", "f.toml", "--set", "listen=127.0.0.1:4"],
            Some("127.0.0.1:3"),
            "\"127.0.0.1:4\"",
            "\"json\"",
        ),
        ("an empty variable is none", &["--config", "f.toml"], Some(""), "\"127.0.0.1:2\"", "\"json\""),
        (
            "the last of two",
            &["--set", "listen=[::1]:5", "--set", "listen=[::1]:6"],
            None,
            "\"[::1]:6\"",
            "\"text\"",
        ),
    ];
    for (what, arguments, variable, listen, format) in rows {
        let mut command = program(folder.path());
        command.arg("config").args(arguments);
        variable.map(|text| command.env("RETROSYNC_LISTEN", text));
        let text = printed(&mut command);
        assert_eq!(
            (value(&text, "listen"), value(&text, "format")),
            (listen.into(), format.into()),
            "{what}"
        );
    }
    let text = printed(program(folder.path()).arg("config").env("RETROSYNC_CONFIG", "f.toml"));
    assert_eq!(value(&text, "listen"), "\"127.0.0.1:2\"", "the file may be named by the environment");
    let text = printed(program(folder.path()).arg("config").env("RETROSYNC_LOG", "debug"));
    assert_eq!(value(&text, "level"), "\"debug\"", "the variable of before there was a table");
    assert!(text.contains("# RETROSYNC_LOG_LEVEL: default \"info\"; set by the environment\n"), "{text}");
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "hunter2\n").unwrap();
    let odd = "quotes \" and \\ and \u{7f} and ü";
    let first = printed(
        program(folder.path())
            .args(["config", "--data", odd, "--set", "trusted_proxies=127.0.0.1, fd00::/8"])
            .args(["--set", "open_registration=true", "--set", "announce=127.0.0.1:9"])
            .args(["--set", "limits.stop_s=30", "--set", "s3.secret_key_file=key", "--set", "log.level=WARN"])
            .args(["--set", "public_url=https://saves.example.org/"])
            .env("RETROSYNC_DATABASE", "postgresql://ada@db.example.org:5432/saves?sslmode=require"),
    );
    std::fs::write(folder.path().join("printed.toml"), &first).unwrap();
    let again = printed(program(folder.path()).args(["config", "--config", "printed.toml"]));
    assert_eq!(settings(&again), settings(&first));
    assert_eq!(value(&first, "trusted_proxies"), "[\"127.0.0.1\", \"fd00::/8\"]");
    assert_eq!(value(&first, "secret_key_file"), "\"key\"");
    assert_eq!(value(&first, "public_url"), "\"https://saves.example.org\"");
}

#[test]
fn a_fresh_file_changes_nothing_and_is_the_page_of_the_documentation() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = printed(program(folder.path()).args(["config", "--default"]));
    assert!(
        settings(&fresh).iter().all(|line| line.starts_with('[')),
        "only sections are not comments:\n{fresh}"
    );
    std::fs::write(folder.path().join("fresh.toml"), &fresh).unwrap();
    let with = printed(program(folder.path()).args(["config", "--config", "fresh.toml"]));
    assert_eq!(with, printed(program(folder.path()).arg("config")));
    let page = format!("{PAGE}\n```toml\n{fresh}```\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFIGURATION.md");
    if std::env::var_os("RETROSYNC_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/CONFIGURATION.md is out of date: CONTRIBUTING.md says how to write it anew"
    );
}

const PAGE: &str = "\
# The server's configuration

`retrosync-server serve` needs none. Who wants one has three ways, and the later wins over the earlier:

1. a file: `retrosync-server config --default > retrosync-server.toml`, then `retrosync-server serve --config retrosync-server.toml`;
2. environment variables: each key's is named beside it; an empty one counts as not set;
3. the command line: `--set KEY=VALUE`, and the flags of `retrosync-server serve --help`.

`retrosync-server config`, with the same file, environment and flags, prints what is in force and who set it. It shows no secrets; nor do the
log, messages and pages. A secret is best kept in a file of its own: `KEY_file` in the file, the variable with `_FILE` in the
environment (Docker's and Kubernetes' secrets). What is misspelt or of the wrong type is refused with its line, and exit code 2.

All keys, with their defaults:
";

#[test]
fn what_is_wrong_is_refused_by_its_line() {
    let rows = [
        (
            "data = \"x\"\nlisten = 8377\n",
            "line 2: `listen`: expected ADDR:PORT, such as 127.0.0.1:8377, found a TOML integer",
        ),
        ("listen = \"nas\"\n", "line 1: `listen`: expected ADDR:PORT"),
        (
            "open_registration = \"yes\"\n",
            "line 1: `open_registration`: expected true or false, found a TOML string",
        ),
        (
            "\n\n[s3]\nbuket = \"x\"\n",
            "line 4: `s3.buket` is not a key\n  help: did you mean one of `s3.bucket`, `s3.endpoint`",
        ),
        ("[limits]\nconnections = 0\n", "line 2: `limits.connections`: expected a whole number from 1 to"),
        ("[limits]\nstop_s = -1\n", "line 2: `limits.stop_s`: expected a whole number from 0 to 3600"),
        ("trusted_proxies = [\"127.0.0.1\", 5]\n", "line 1: `trusted_proxies`: expected a list of addresses"),
        ("log = 5\n", "line 1: `log` is not a key"),
        ("database = \"mysql://x\"\n", "line 1: `database`: expected `sqlite`, or postgres://USER@HOST/NAME"),
        ("public_url = \"https://a/b\"\n", "line 1: `public_url`: expected scheme, host and port"),
        ("s3.endpoint = \"https://key:secret@host\"\n", "line 1: `s3.endpoint`: expected an address such as"),
        ("s3.secret_key = \"…\"\n", "line 1: `s3.secret_key`: `…` only says that a secret was here"),
        ("s3.secret_key_file = \"gone\"\n", "line 1: `s3.secret_key_file`: cannot read `gone`: No such file"),
        ("s3.secret_key = \"a\"\ns3.secret_key_file = \"key\"\n", "`s3.secret_key` is given twice"),
        ("log.format = \"json\nlisten = 1\n", "line 1: "),
        ("data = \"a\"\ndata = \"b\"\n", "line 2: duplicate key"),
    ];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "hunter2").unwrap();
    for (text, expected) in rows {
        std::fs::write(folder.path().join("f.toml"), text).unwrap();
        for command in ["config", "serve"] {
            let output = program(folder.path()).args([command, "--config", "f.toml"]).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{text}: {}", said(&output));
            let told = said(&output);
            assert!(told.starts_with("error: ") && told.contains("`f.toml`"), "{text}: {told}");
            assert!(told.contains(expected), "{text}:\n{told}\nand not\n{expected}");
        }
    }
    let output = program(folder.path()).args(["config", "--config", "none.toml"]).output().unwrap();
    assert!(
        said(&output).contains("cannot read the configuration `none.toml`: No such file"),
        "{}",
        said(&output)
    );
    let output =
        program(folder.path()).arg("config").env("RETROSYNC_LIMITS_STOP_S", "soon").output().unwrap();
    let expected = "environment variable `RETROSYNC_LIMITS_STOP_S`: `limits.stop_s`: expected a whole number";
    assert!(said(&output).contains(expected), "{}", said(&output));
    let output = program(folder.path()).arg("config").env("RETROSYNC_S3_BUKET", "x").output().unwrap();
    assert!(
        said(&output).contains("environment variable `RETROSYNC_S3_BUKET` is not a key"),
        "{}",
        said(&output)
    );
    assert!(output.status.success(), "whatever Kubernetes sets for its services stops nothing");
}
