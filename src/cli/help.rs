//! `--help`: the list of commands, or one command's lesson.

use crate::cli::{COMMANDS, Command};
use crate::config;
use crate::report;

const HEAD: &str = "\
retrosync - your saves follow you from handheld to handheld, and are never lost

Usage: retrosync COMMAND [options]

Start here:
  retrosync pair https://saves.example    show a code, approve it on the dashboard
  retrosync run                           keep this device's saves in step, for ever

Commands:
";

const TAIL: &str = "
Options for every command:
  --json           print one JSON value instead of text, for scripts
  --config FILE    read this file (default: `retrosync.toml` beside the program)
  -v, --verbose    log why each decision was made    -q, --quiet   log errors only
  -h, --help       explain; `retrosync COMMAND --help` teaches with examples
  -V, --version    print the version

Settings (in the file as `name = value`, as `--name VALUE`, or as RETROSYNC_NAME in the environment):
";

const FOOT: &str = "
Exit codes: 0 all well; 1 could not run; 2 misused; 3 finished, but with problems or questions
";

/// Prints the lesson of a command, or the list.
pub fn print(command: Option<&Command>) {
    report::print(
        match command {
            Some(command) => command.help.trim_end().to_owned(),
            None => list(),
        }
        .as_str(),
    );
}

fn list() -> String {
    let mut text = HEAD.to_owned();
    for command in COMMANDS {
        text.push_str(&format!("  {:<10} {}\n", command.name, command.summary));
    }
    text.push_str(TAIL);
    for key in config::KEYS {
        text.push_str(&format!("  {:<14} {} [{}]\n", key.name, key.meaning, key.default));
    }
    text.push_str(FOOT.trim_end());
    text
}
