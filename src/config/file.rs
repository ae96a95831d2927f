//! Where the user's file is, and one line of it changed: whole or not at all, all other lines as they were.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Config, entries};
use crate::boot::replace::replace;
use crate::durable::remove;
use crate::error::{Error, Result};
use crate::volume::{Os, Volume};

/// What it is called.
const NAME: &str = "retrosync.toml";

/// The file beside the program, else in the user's configuration folder.
pub fn usual() -> Option<PathBuf> {
    // A power cut may have left the copy alone.
    let is_there = |path: &PathBuf| path.is_file() || meanwhile(path).is_file();
    near(NAME, &is_there).or(at_home().filter(is_there))
}

/// A file of that name beside the program, or one folder above: a card for several processors has a folder for each.
pub fn beside(name: &str) -> Option<PathBuf> {
    near(name, &|path| path.is_file())
}

fn near(name: &str, is_there: &dyn Fn(&PathBuf) -> bool) -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    exe.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(is_there)
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
    let failed = |error: io::Error| Error::io(doing(path), &error);
    // What a link leads to.
    let real = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = match read(real) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(failed)?,
    };
    let new = with_line(&old, name, value);
    // Nothing is written that could not be read again.
    entries(path, &new)?;
    if new == old {
        return Ok(());
    }
    // A token in it stays as secret as it was.
    let mode = fs::metadata(real).map_or(0o644, |old| old.permissions().mode());
    let mut dress = |staged: &Path| drop(fs::set_permissions(staged, fs::Permissions::from_mode(mode)));
    keep(&Os, real, new.as_bytes(), &mut dress).map_err(failed)
}

/// The text of the file. Where a cut took it (on exFAT it may be gone or empty), the copy that lay beside it meanwhile.
///
/// # Errors
/// When neither can be read.
pub fn read(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if !text.is_empty() => Ok(text),
        here => fs::read_to_string(meanwhile(path)).or(here),
    }
}

/// `retrosync.toml.changing`: the new text, for as long as the file itself is being replaced.
fn meanwhile(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".changing");
    name.into()
}

/// Replaces the file's bytes; durable when it returns. A cut leaves the old ones or the new ones, or the copy alone.
///
/// # Errors
/// When the card cannot take them.
pub fn keep(volume: &dyn Volume, path: &Path, bytes: &[u8], dress: &mut dyn FnMut(&Path)) -> io::Result<()> {
    let (folder, copy) = (path.parent().unwrap_or(Path::new("/")), meanwhile(path));
    replace(volume, folder, &copy, bytes, dress)?;
    replace(volume, folder, path, bytes, dress)?;
    remove(volume, &copy)
}

/// The text in which that key has that value, in the line where it stood or in one more; without a value, in no line. Every
/// other line, the comment behind it, and how lines end, stay.
fn with_line(text: &str, name: &str, value: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
    let mut new = String::with_capacity(text.len() + name.len() + quoted.len() + 8);
    let mut line = (!value.is_empty()).then(|| format!("{name} = \"{quoted}\""));
    for old in text.split_inclusive('\n') {
        match old.split_once('=').filter(|(key, _)| key.trim() == name) {
            Some((_, rest)) => {
                if let Some(line) = line.take() {
                    new.push_str(&line);
                    new.push_str(behind(rest));
                }
            }
            None => new.push_str(old),
        }
    }
    let Some(line) = line else { return new };
    if !new.is_empty() && !new.ends_with('\n') {
        new.push_str(end);
    }
    new + &line + end
}

/// What stands behind a value: a comment with the blanks before it, and the line's end.
fn behind(rest: &str) -> &str {
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in rest.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            Some('"') if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if letter == '#' => return &rest[rest[..at].trim_end().len()..],
            None => {}
        }
    }
    &rest[rest.trim_end().len()..]
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
                "a line that is there, with its comment",
                "# mine\nlog = \"info\"  # loud\nname = \"x\"\n",
                "# mine\nlog = \"warn\"  # loud\nname = \"x\"\n",
            ),
            ("a comment is no line", "# log = \"info\"\n", "# log = \"info\"\nlog = \"warn\"\n"),
            ("no line end at the end", "name = \"x\"", "name = \"x\"\nlog = \"warn\"\n"),
            ("no line end behind it", "log = \"info\"", "log = \"warn\""),
            ("another key that ends alike", "x_log = 1", "x_log = 1\nlog = \"warn\"\n"),
            (
                "line ends of another system",
                "# a\r\nlog = 'x#\"' # b\r\nname = \"x\"\r\n",
                "# a\r\nlog = \"warn\" # b\r\nname = \"x\"\r\n",
            ),
            ("one more of those", "name = \"x\"\r\n", "name = \"x\"\r\nlog = \"warn\"\r\n"),
            ("a quote in it", "log = \"in\\\"#fo\" # c\n", "log = \"warn\" # c\n"),
            ("as it is", "log = \"warn\" # so\n", "log = \"warn\" # so\n"),
        ];
        for (row, before, after) in rows {
            assert_eq!(with_line(before, "log", "warn"), after, "{row}");
            assert!(
                !with_line(after, "log", "").lines().any(|line| line.starts_with("log")),
                "{row}: taken out"
            );
            assert_eq!(with_line(after, "log", "warn"), after, "{row}: again");
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
    fn settings_that_a_cut_took_are_read_from_the_copy_and_a_persons_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert!(read(&path).is_err());
        std::fs::write(meanwhile(&path), "log = \"warn\"\n").unwrap();
        assert_eq!(read(&path).unwrap(), "log = \"warn\"\n", "gone");
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(&path).unwrap(), "log = \"warn\"\n", "emptied");
        std::fs::write(&path, "# mine\n").unwrap();
        assert_eq!(read(&path).unwrap(), "# mine\n", "written since");
        let config = Config::load(&[], &|_| None, Some(&path)).unwrap();
        write(&config, "language", "de").unwrap();
        assert_eq!(read(&path).unwrap(), "# mine\nlanguage = \"de\"\n");
        assert!(!meanwhile(&path).exists());
    }

    #[test]
    fn a_token_in_the_file_stays_as_secret_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, "log = \"info\"\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let config = Config::load(&[], &|_| None, Some(&path)).unwrap();
        write(&config, "log", "warn").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
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
