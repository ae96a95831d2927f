//! What starts RetroSync at boot and tells it of games: files of ours in a firmware's hook folders, and single lines in
//! scripts that others use too.
//!
//! Which they are says `hooks.toml` beside the program, one for each firmware. Installing is idempotent and writes only
//! what is not so yet; removing leaves every byte of others as it was, and no folder that we made. What is made is
//! remembered beside the program before it is made. A script is the old one or the new one whenever the power fails
//! (`replace`), and another's is copied beside the program until it is. Of others' scripts nothing is assumed but lines:
//! they may be in any encoding, and behind a link.

pub mod replace;

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::table::Table;
use crate::volume::Beneath;

/// Ends each line of ours in a shared file.
const TAG: &str = "# added by RetroSync";
/// Where is remembered which files and folders we made, one a line; empty: a person switched the hooks off.
const MADE: &str = "hooks.made";
/// Its first line while the hooks are on.
const ON: &str = "on";
/// While another's script is changed: its path, a line, and all of it.
const KEPT: &str = "hooks.kept";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hooks {
    #[serde(default, rename = "hook")]
    hooks: Vec<Hook>,
}

/// One hook; `{app}` in any of its texts is the program's folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hook {
    /// Only where this is there.
    when: Option<String>,
    /// Only where this is not.
    unless: Option<String>,
    /// Only where this ends well.
    needs: Option<String>,
    /// The file that the firmware runs.
    file: Option<PathBuf>,
    /// It is ours alone: a copy of this file, in which `{app}` is replaced too.
    from: Option<PathBuf>,
    /// It is shared: this line stands in it, as its first command.
    line: Option<String>,
    /// Where the shared file is not there yet, it begins with this.
    first: Option<String>,
    /// What else has to be run, by the shell, to switch it on.
    on: Option<String>,
    /// The same to switch it off.
    off: Option<String>,
    /// Ends well while it is on.
    is: Option<String>,
}

impl Hook {
    /// Is this machine of its kind?
    fn fits(&self) -> bool {
        let is_there = |path: &String| Path::new(path).exists();
        self.when.as_ref().is_none_or(is_there)
            && !self.unless.as_ref().is_some_and(is_there)
            && self.needs.as_deref().is_none_or(shell)
    }
}

/// Whether hooks are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody said yet.
    New,
    /// A person switched them off.
    Off,
    /// All of them are there.
    On,
    /// Some are missing: an update of the firmware may have removed them.
    Gone,
}

/// The hooks of the app in one folder.
pub struct Boot {
    app: PathBuf,
    hooks: Vec<Hook>,
}

impl Boot {
    /// Those that `hooks.toml` in that folder names.
    ///
    /// # Errors
    /// `Misused` without that file, or when it is of another form.
    pub fn of(app: &Path) -> Result<Boot> {
        let path = app.join("hooks.toml");
        let refused = |cause: String| {
            Error::new(Kind::Misused, format!("cannot read `{}`", path.display()), cause)
                .help("the package for your firmware brings it; unzip it again")
        };
        let text = fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
        let text = filled(&text, app);
        let read = Table::parse(&text).and_then(|table| table.read());
        let hooks = read.map(|hooks: Hooks| hooks.hooks).map_err(|e| refused(e.to_string()))?;
        Ok(Boot { app: app.to_owned(), hooks })
    }

    /// Whether they are there.
    pub fn state(&self) -> State {
        let mut fitting = self.hooks.iter().filter(|hook| hook.fits()).peekable();
        match fs::read_to_string(self.app.join(MADE)).as_deref() {
            Err(_) => State::New,
            Ok(text) if text.is_empty() || fitting.peek().is_none() => State::Off,
            Ok(_) if fitting.all(|hook| self.stands(hook) && is_on(hook)) => State::On,
            Ok(_) => State::Gone,
        }
    }

    /// Switches them on, or mends what is missing.
    ///
    /// # Errors
    /// When a file cannot be written; those before it stay.
    pub fn on(&self) -> Result<()> {
        self.mend();
        let fresh = self.state() != State::On;
        let (fitting, others): (Vec<&Hook>, Vec<&Hook>) = self.hooks.iter().partition(|hook| hook.fits());
        let mut made = self.made();
        fitting.iter().for_each(|hook| self.will_make(hook, &mut made));
        let lines = made.iter().map(|path| format!("{}\n", path.display()));
        self.remember(&format!("{ON}\n{}", lines.collect::<String>()))?;
        for hook in others {
            // The firmware is of another kind now.
            self.remove(hook, &made).map_err(|error| failed(hook, &error))?;
        }
        for hook in fitting {
            self.install(hook).map_err(|error| failed(hook, &error))?;
            if let Some(command) = hook.on.as_ref().filter(|_| fresh && !(hook.is.is_some() && is_on(hook))) {
                shell(command);
            }
        }
        Ok(())
    }

    /// Switches them off; what nobody else uses is gone, what others use is as it was.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn off(&self) -> Result<()> {
        self.mend();
        let made = self.made();
        // All of them: what one was for may be gone by now, and its line is there still.
        for hook in &self.hooks {
            if let Some(command) = &hook.off {
                shell(command);
            }
            self.remove(hook, &made).map_err(|error| failed(hook, &error))?;
        }
        // The innermost were made last. One in which something lies by now is not ours alone any more, and stays.
        made.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
        self.remember("")
    }

    fn remember(&self, text: &str) -> Result<()> {
        write(&self.app.join(MADE), text.as_bytes())
            .map_err(|error| Error::io("cannot remember what was made", &error))
    }

    /// What we made, in that order.
    fn made(&self) -> Vec<PathBuf> {
        let text = fs::read_to_string(self.app.join(MADE)).unwrap_or_default();
        text.lines().skip(1).map(PathBuf::from).collect()
    }

    /// The text of a file that is ours alone.
    fn own(&self, from: &Path) -> io::Result<Vec<u8>> {
        Ok(filled(&fs::read_to_string(from)?, &self.app).into_bytes())
    }

    fn stands(&self, hook: &Hook) -> bool {
        let Some(file) = &hook.file else { return true };
        let Ok(text) = fs::read(file) else { return false };
        match (&hook.from, &hook.line) {
            (Some(from), _) => self.own(from).is_ok_and(|own| own == text),
            (None, Some(line)) => with_line(&text, line) == text,
            (None, None) => true,
        }
    }

    /// Adds what installing it will make, the outermost first.
    fn will_make(&self, hook: &Hook, made: &mut Vec<PathBuf>) {
        let Some(file) = hook.file.as_ref().filter(|_| !self.stands(hook)) else { return };
        let is_missing = |path: &&Path| !path.exists();
        let mut missing: Vec<&Path> = file.ancestors().skip(1).take_while(is_missing).collect();
        missing.reverse();
        missing.extend(Some(file.as_path()).filter(|file| hook.line.is_some() && is_missing(file)));
        for path in missing {
            if !made.iter().any(|known| known == path) {
                made.push(path.to_owned());
            }
        }
    }

    fn install(&self, hook: &Hook) -> io::Result<()> {
        let Some(file) = hook.file.as_ref().filter(|_| !self.stands(hook)) else { return Ok(()) };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        match (&hook.from, &hook.line) {
            (Some(from), _) => self.write(file, &self.own(from)?),
            (None, Some(line)) => match fs::read(file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let first = hook.first.iter().map(|first| format!("{first}\n"));
                    self.write(file, &with_line(first.collect::<String>().as_bytes(), line))
                }
                text => self.change(file, &with_line(&text?, line)),
            },
            (None, None) => Ok(()),
        }
    }

    /// Writes a script, staged beside the program: no firmware runs what lies there.
    fn write(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        match write_by(&self.app, path, text) {
            // Another file system than the card's.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => write(path, text),
            done => done,
        }
    }

    /// The same for a script of another's, of which there is a copy meanwhile: not every file system keeps a file whole.
    fn change(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        let copy = [path.as_os_str().as_bytes(), b"\n", &fs::read(path)?].concat();
        write(&self.app.join(KEPT), &copy)?;
        self.write(path, text)?;
        fs::remove_file(self.app.join(KEPT))
    }

    /// What a power cut left of a script that was being changed, made whole.
    fn mend(&self) {
        let kept = self.app.join(KEPT);
        let Ok(copy) = fs::read(&kept) else { return };
        if let Some(end) = copy.iter().position(|byte| *byte == b'\n') {
            let (path, text) = (Path::new(std::ffi::OsStr::from_bytes(&copy[..end])), &copy[end + 1..]);
            if fs::metadata(path).map_or(0, |file| file.len()) == 0 && self.write(path, text).is_err() {
                return;
            }
        }
        let _ = fs::remove_file(kept);
    }

    fn remove(&self, hook: &Hook, made: &[PathBuf]) -> io::Result<()> {
        let Some(file) = hook.file.as_ref().filter(|file| file.exists()) else { return Ok(()) };
        if hook.from.is_some() {
            return fs::remove_file(file);
        }
        let text = fs::read(file)?;
        let rest = without_lines(&text);
        let first = hook.first.as_deref().unwrap_or_default();
        if made.contains(file) && rest.trim_ascii_end() == first.as_bytes().trim_ascii_end() {
            fs::remove_file(file)
        } else if rest != text {
            self.change(file, &rest)
        } else {
            Ok(())
        }
    }
}

fn filled(text: &str, app: &Path) -> String {
    text.replace("{app}", &app.display().to_string())
}

/// The text with our line as the first command, and nowhere else: what follows may end the script.
fn with_line(text: &[u8], line: &str) -> Vec<u8> {
    let rest = without_lines(text);
    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    let (head, tail) = rest.split_at(if rest.starts_with(b"#!") { end } else { 0 });
    let between = if head.is_empty() || head.ends_with(b"\n") { "" } else { "\n" };
    [head, format!("{between}{line} {TAG}\n").as_bytes(), tail].concat()
}

/// The text as it was before a line of ours came into it.
fn without_lines(text: &[u8]) -> Vec<u8> {
    let is_ours = |line: &&[u8]| line.trim_ascii_end().ends_with(TAG.as_bytes());
    text.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_ours(line)).collect::<Vec<_>>().concat()
}

/// Replaces a file by a whole one, or what a link leads to.
pub(crate) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write_by(path.parent().unwrap_or(Path::new("/")), path, text)
}

/// The same, staged in that folder.
fn write_by(folder: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(path).map_or(0o755, |old| old.permissions().mode());
    let volume = Beneath::new([folder, path.parent().unwrap_or(folder)].map(Path::to_owned).into());
    // FAT knows no modes.
    let mut dress = |staged: &Path| drop(fs::set_permissions(staged, fs::Permissions::from_mode(mode)));
    replace::replace(&volume, folder, path, text, &mut dress)
}

/// Ends it well? What a firmware's own tool says or fails at changes nothing: the next launch tries again.
fn shell(command: &str) -> bool {
    let Ok(command) = CString::new(format!("{{ {command}; }} </dev/null >/dev/null 2>&1")) else {
        return false;
    };
    // SAFETY: a text that ends in a zero, and lives until the call returns. (`std::process` is 20 KB on the card.)
    unsafe { libc::system(command.as_ptr()) == 0 }
}

/// Does the firmware know it, where it can be asked?
fn is_on(hook: &Hook) -> bool {
    hook.is.as_deref().is_none_or(shell)
}

fn failed(hook: &Hook, error: &io::Error) -> Error {
    let file = hook.file.as_deref().unwrap_or(Path::new("hooks.toml")).display();
    Error::io(format!("cannot change the boot script `{file}`"), error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn another_s_lines_in_a_shared_script_are_as_they_were() {
        let rows: [(&str, &[u8], &[u8]); 8] = [
            (
                "an interpreter's line first",
                b"#!/bin/sh\nother &\nexit 0\n",
                b"#!/bin/sh\nours # added by RetroSync\nother &\nexit 0\n",
            ),
            ("no line end at the end", b"#!/bin/sh\nother", b"#!/bin/sh\nours # added by RetroSync\nother"),
            ("without an interpreter's line", b"other\n", b"ours # added by RetroSync\nother\n"),
            ("empty", b"", b"ours # added by RetroSync\n"),
            (
                "Windows line ends",
                b"#!/bin/sh\r\nother\r\n",
                b"#!/bin/sh\r\nours # added by RetroSync\nother\r\n",
            ),
            (
                "a comment in GBK",
                b"#!/bin/sh\n# \xb2\xe2\xca\xd4\n",
                b"#!/bin/sh\nours # added by RetroSync\n# \xb2\xe2\xca\xd4\n",
            ),
            (
                "another's that ends in our name",
                b"x # retrosync\n# by RetroSync\n",
                b"ours # added by RetroSync\nx # retrosync\n# by RetroSync\n",
            ),
            (
                "one that speaks of us",
                b"# retrosync is here\n",
                b"ours # added by RetroSync\n# retrosync is here\n",
            ),
        ];
        for (row, before, after) in rows {
            assert_eq!(with_line(before, "ours"), after, "{row}");
            assert_eq!(with_line(after, "ours"), after, "{row}: again");
            assert_eq!(with_line(&with_line(before, "of an older version"), "ours"), after, "{row}: updated");
            assert_eq!(without_lines(after), before, "{row}: removed");
        }
    }

    #[test]
    fn a_script_behind_a_link_stays_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("auto.sh"), dir.path().join("theirs.sh"));
        fs::write(&target, "other\n").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"ours\n").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "ours\n");
    }

    #[test]
    fn what_was_switched_on_and_off_again_left_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let (app, card) = (dir.path().join("app"), dir.path().join("card"));
        fs::create_dir_all(card.join("startup")).unwrap();
        fs::create_dir_all(&app).unwrap();
        fs::write(card.join("auto.sh"), "#!/bin/sh\nother\n").unwrap();
        fs::write(app.join("boot.sh"), "exec {app}/retrosync start\n").unwrap();
        let hooks = format!(
            "[[hook]]\nfile = \"{card}/startup/own.sh\"\nfrom = \"{{app}}/boot.sh\"\n\
             [[hook]]\nfile = \"{card}/auto.sh\"\nline = \"{{app}}/boot.sh\"\n\
             [[hook]]\nfile = \"{card}/new/deep/auto.sh\"\nline = \"{{app}}/boot.sh\"\nfirst = \"#!/bin/sh\"\n\
             [[hook]]\nwhen = \"{card}/absent\"\nfile = \"{card}/absent/x\"\nline = \"x\"\n\
             [[hook]]\non = \"echo on >> {card}/said\"\noff = \"rm {card}/said\"\n",
            card = card.display()
        );
        fs::write(app.join("hooks.toml"), hooks).unwrap();
        let boot = Boot::of(&app).unwrap();
        assert_eq!(boot.state(), State::New);
        boot.on().unwrap();
        boot.on().unwrap();
        assert_eq!(boot.state(), State::On);
        let line = format!("{}/boot.sh # added by RetroSync", app.display());
        let read = |name: &str| fs::read_to_string(card.join(name)).unwrap();
        assert_eq!(read("startup/own.sh"), format!("exec {}/retrosync start\n", app.display()));
        assert_eq!(read("auto.sh"), format!("#!/bin/sh\n{line}\nother\n"));
        assert_eq!(read("new/deep/auto.sh"), format!("#!/bin/sh\n{line}\n"));
        assert_eq!(read("said"), "on\n", "once");

        fs::write(card.join("auto.sh"), "#!/bin/sh\nother\n").unwrap();
        assert_eq!(boot.state(), State::Gone, "the firmware was updated");
        boot.on().unwrap();
        assert_eq!(boot.state(), State::On);

        boot.off().unwrap();
        assert_eq!((boot.state(), read("auto.sh")), (State::Off, "#!/bin/sh\nother\n".into()));
        let left: Vec<_> = fs::read_dir(&card).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(fs::read_dir(card.join("startup")).unwrap().next().is_none());
    }

    /// An app with these hooks (`CARD` is the card's folder), and its card.
    fn app(hooks: &str) -> (tempfile::TempDir, Boot) {
        let dir = tempfile::tempdir().unwrap();
        let (app, card) = (dir.path().join("app"), dir.path().join("card"));
        fs::create_dir_all(&app).unwrap();
        fs::create_dir_all(&card).unwrap();
        fs::write(app.join("hooks.toml"), hooks.replace("CARD", &card.display().to_string())).unwrap();
        let boot = Boot::of(&app).unwrap();
        (dir, boot)
    }

    #[test]
    fn a_line_whose_firmware_has_changed_its_kind_goes_too() {
        let (dir, boot) = app("[[hook]]\nunless = \"CARD/new\"\nfile = \"CARD/auto.sh\"\nline = \"x\"\n\
             [[hook]]\nwhen = \"CARD/new\"\nfile = \"CARD/new/x.sh\"\nline = \"x\"\n");
        let auto = dir.path().join("card/auto.sh");
        fs::write(&auto, "other\n").unwrap();
        boot.on().unwrap();
        assert_ne!(fs::read_to_string(&auto).unwrap(), "other\n");
        fs::create_dir(dir.path().join("card/new")).unwrap();
        assert_eq!(boot.state(), State::Gone);
        boot.on().unwrap();
        assert_eq!((boot.state(), fs::read_to_string(&auto).unwrap()), (State::On, "other\n".into()));
        fs::remove_dir_all(dir.path().join("card/new")).unwrap();
        boot.on().unwrap();
        fs::create_dir(dir.path().join("card/new")).unwrap();
        boot.off().unwrap();
        assert_eq!(
            fs::read_to_string(&auto).unwrap(),
            "other\n",
            "switched off while it is of the other kind"
        );
    }

    #[test]
    fn what_the_firmware_forgot_of_a_service_is_switched_on_again_and_not_twice() {
        let (dir, boot) =
            app("[[hook]]\non = \"echo >>CARD/on\"\nis = \"[ -e CARD/on ]\"\noff = \"rm CARD/on\"\n\
             [[hook]]\nneeds = \"false\"\nfile = \"CARD/x\"\nline = \"x\"\n");
        boot.on().unwrap();
        assert_eq!(boot.state(), State::On);
        fs::remove_file(dir.path().join("card/on")).unwrap();
        assert_eq!(boot.state(), State::Gone);
        boot.on().unwrap();
        boot.on().unwrap();
        assert_eq!(
            (boot.state(), fs::read(dir.path().join("card/on")).unwrap()),
            (State::On, b"\n".to_vec())
        );
        assert!(!dir.path().join("card/x").exists(), "not of its kind");
    }

    #[test]
    fn what_was_made_before_a_failure_or_a_cut_is_known_and_goes() {
        let (dir, boot) = app("[[hook]]\nfile = \"CARD/a/b/x.sh\"\nline = \"x\"\n\
             [[hook]]\nfile = \"CARD/no/x.sh\"\nline = \"x\"\n");
        fs::write(dir.path().join("card/no"), "a file").unwrap();
        boot.on().unwrap_err();
        assert!(dir.path().join("card/a/b/x.sh").exists());
        fs::remove_file(dir.path().join("card/no")).unwrap();
        boot.off().unwrap();
        assert!(!dir.path().join("card/a").exists(), "it knew what it had made");
    }

    #[test]
    fn a_script_that_a_cut_left_empty_is_what_it_was() {
        let (dir, boot) = app("[[hook]]\nfile = \"CARD/auto.sh\"\nline = \"x\"\n");
        let (auto, kept) = (dir.path().join("card/auto.sh"), dir.path().join("app/hooks.kept"));
        for (row, left, mended) in
            [("empty", Some(""), "other\n"), ("gone", None, "other\n"), ("whole", Some("new\n"), "new\n")]
        {
            fs::write(&kept, format!("{}\nother\n", auto.display())).unwrap();
            match left {
                Some(text) => fs::write(&auto, text).unwrap(),
                None => fs::remove_file(&auto).unwrap(),
            }
            boot.on().unwrap();
            assert_eq!(fs::read_to_string(&auto).unwrap(), format!("x {TAG}\n{mended}"), "{row}");
            assert!(!kept.exists(), "{row}");
            boot.off().unwrap();
            assert_eq!(fs::read_to_string(&auto).unwrap(), mended, "{row}: off");
        }
    }
}
