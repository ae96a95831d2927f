//! `--help`: the list of commands, or one command's lesson.

use crate::cli::{COMMANDS, Command};
use crate::config;
use crate::packed;
use crate::report;

/// `src/cli/lessons/NAME.txt`, one for each command and `retrosync` for the list, packed by `build.rs`: each its name, a
/// NUL and its text, with `\u{1}` between them.
static LESSONS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lessons.z"));

/// Prints the lesson of a command, or the list.
pub fn print(command: Option<&Command>) {
    report::print(command.map_or_else(list, |command| lesson(command.name)).trim_end());
}

/// What `--help` teaches about a command, with examples. Its first line is the usage.
pub fn lesson(name: &str) -> String {
    let lessons = packed::unpack(LESSONS);
    let mut texts = lessons.split('\u{1}').filter_map(|lesson| lesson.split_once('\0'));
    texts.find(|(of, _)| *of == name).map_or_else(String::new, |(_, text)| text.to_owned())
}

fn list() -> String {
    let commands: String =
        COMMANDS.iter().map(|command| format!("  {:<10} {}\n", command.name, command.summary)).collect();
    let line = |key: &config::Key| {
        let (default, meaning) = key.told();
        format!("  {:<18} {meaning} [{default}]\n", key.name)
    };
    let settings: String = config::KEYS.iter().map(line).collect();
    lesson("retrosync").replace("{commands}\n", &commands).replace("{settings}\n", &settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_lesson_that_begins_with_its_usage() {
        for command in COMMANDS {
            let usage = format!("Usage: retrosync {}", command.name);
            assert!(lesson(command.name).starts_with(&usage), "{}", command.name);
        }
        assert_eq!(lesson("dance"), "");
    }
}
