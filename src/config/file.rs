//! Where the user's file is, and one line of it changed: whole or not at all, all other lines as they were.

use std::path::{Path, PathBuf};

use super::{Config, entries};
use crate::boot;
use crate::error::{Error, Result};

/// What it is called.
const NAME: &str = "retrosync.toml";

/// The file beside the program, else in the user's configuration folder.
pub fn usual() -> Option<PathBuf> {
    beside(NAME).or(at_home().filter(|path| path.is_file()))
}

/// A file of that name beside the program, or one folder above: a card for several processors has a folder for each.
pub fn beside(name: &str) -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    exe.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn at_home() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".config/retrosync").join(NAME))
}

/// Writes `name = "value"` into the configuration's file, or takes the line out if the value is empty; without a file, makes one beside the program, or at home where
/// that cannot be written.
///
/// # Errors
/// When it cannot be written; then it is as it was.
pub fn write(config: &Config, name: &str, value: &str) -> Result<()> {
    let first = config.file.clone().or_else(usual);
    let beside = || Some(std::env::current_exe().ok()?.with_file_name(NAME));
    let Some(path) = first.clone().or_else(beside) else { return Ok(()) };
    match put(&path, name, value) {
        Err(error) if first.is_none() => {
            let home = at_home().ok_or(error)?;
            let folder = home.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder).map_err(|error| Error::io(doing(&home), &error))?;
            put(&home, name, value)
        }
        done => done,
    }
}

fn doing(path: &Path) -> String {
    format!("cannot write the configuration `{}`", path.display())
}

fn put(path: &Path, name: &str, value: &str) -> Result<()> {
    let old = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|error| Error::io(doing(path), &error))?,
    };
    let new = with_line(&old, name, value);
    // Nothing is written that could not be read again.
    entries(path, &new)?;
    boot::write(path, new.as_bytes()).map_err(|error| Error::io(doing(path), &error))
}

/// The text in which that key has that value, in the line where it stood or in one more; without a value, in no line.
fn with_line(text: &str, name: &str, value: &str) -> String {
    let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
    let line = format!("{name} = \"{quoted}\"");
    let is_it = |line: &str| line.split_once('=').is_some_and(|(key, _)| key.trim() == name);
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter().position(|line| is_it(line)) {
        Some(at) if value.is_empty() => drop(lines.remove(at)),
        Some(at) => lines[at] = &line,
        None if value.is_empty() => {}
        None => lines.push(&line),
    }
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_line_changes_and_every_other_stays() {
        let rows = [
            ("an empty file", "", "log = \"warn\"\n"),
            (
                "a line that is there",
                "# mine\nlog = \"info\" # loud\nname = \"x\"\n",
                "# mine\nlog = \"warn\"\nname = \"x\"\n",
            ),
            ("a comment is no line", "# log = \"info\"\n", "# log = \"info\"\nlog = \"warn\"\n"),
            ("no line end at the end", "name = \"x\"", "name = \"x\"\nlog = \"warn\"\n"),
            ("another key that ends alike", "x_log = 1", "x_log = 1\nlog = \"warn\"\n"),
        ];
        for (row, before, after) in rows {
            assert_eq!(with_line(before, "log", "warn"), after, "{row}");
            assert!(!with_line(after, "log", "").contains("\nlog ="), "{row}: taken out");
        }
    }

    #[test]
    fn a_value_with_quotes_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, "log = \"info\"\n").unwrap();
        let config = Config::load(&[], &|_| None, Some(&path)).unwrap();
        write(&config, "leave_out", r#"gb/It's "so" \ here"#).unwrap();
        let again = Config::load(&[], &|_| None, Some(&path)).unwrap();
        assert_eq!(again.leave_out.text(), r#"gb/It's "so" \ here"#);
        assert_eq!(again.log, Some(log::LevelFilter::Info));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, "").unwrap();
        let config = Config::load(&[], &|_| None, Some(&path)).unwrap();
        std::fs::write(&path, "what is this\n").unwrap();
        assert!(write(&config, "log", "warn").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "what is this\n");
    }
}
