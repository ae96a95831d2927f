//! What starts RetroSync at boot, tells it of games and shows it in the menu: files of ours in a firmware's folders, single
//! lines in scripts that others use too, and an entry in a list of games.
//!
//! Which they are says `hooks.toml` beside the program, one for each firmware. Installing is idempotent and writes only
//! what is not so yet; removing leaves every byte of others as it was, and no folder that we made. What is made is
//! remembered beside the program before it is made. A script is the old one or the new one whenever the power fails
//! (`replace`), and another's is copied beside the program until it is. Of others' scripts nothing is assumed but lines:
//! they may be in any encoding, and behind a link.

pub mod gamelist;
pub mod replace;

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::durable::{make_folder, remove, remove_folder};
use crate::error::{Error, Kind, Result};
use crate::table::{Keys, Table};
use crate::volume::{Beneath, Os};

/// Ends each line of ours in a shared file.
const TAG: &str = "# added by RetroSync";
/// Where is remembered which files and folders we made, one a line; empty: a cut took what it was to say.
const MADE: &str = "hooks.made";
/// Its first line while the hooks are on.
const ON: &str = "on";
/// All of it once a person has switched them off.
const OFF: &str = "off\n";
/// While another's script is changed: its path, a line, and all of it.
const KEPT: &str = "hooks.kept";

/// One hook; `{app}` in any of its texts is the program's folder.
struct Hook {
    /// Only where this is there.
    when: Option<String>,
    /// Only where this is not.
    unless: Option<String>,
    /// Only where this ends well.
    needs: Option<String>,
    /// The file that the firmware runs.
    file: Option<PathBuf>,
    /// It is ours alone: a copy of this file, in which `{app}` is replaced too if it is a text.
    from: Option<PathBuf>,
    /// It is shared: this line stands in it, as its first command.
    line: Option<String>,
    /// It is EmulationStation's list of games: the app's path in it.
    game: Option<String>,
    /// What else its entry says.
    tags: Option<String>,
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
    fn read(keys: &mut Keys<'_>) -> Hook {
        Hook {
            when: keys.maybe_text("when"),
            unless: keys.maybe_text("unless"),
            needs: keys.maybe_text("needs"),
            file: keys.maybe_text("file").map(PathBuf::from),
            from: keys.maybe_text("from").map(PathBuf::from),
            line: keys.maybe_text("line"),
            game: keys.maybe_text("game"),
            tags: keys.maybe_text("tags"),
            first: keys.maybe_text("first"),
            on: keys.maybe_text("on"),
            off: keys.maybe_text("off"),
            is: keys.maybe_text("is"),
        }
    }

    /// A shared text with what is ours in it.
    fn with(&self, text: &[u8]) -> Vec<u8> {
        match (&self.line, &self.game, std::str::from_utf8(text)) {
            (Some(line), _, _) => with_line(text, line),
            (None, Some(game), Ok(text)) => {
                gamelist::with(text, game, self.tags.as_deref().unwrap_or_default()).into_bytes()
            }
            _ => text.to_owned(),
        }
    }

    /// The same without it.
    fn without(&self, text: &[u8]) -> Vec<u8> {
        match (&self.game, std::str::from_utf8(text)) {
            (Some(game), Ok(text)) => gamelist::without(text, game).into_bytes(),
            (Some(_), Err(_)) => text.to_owned(),
            (None, _) => without_lines(text),
        }
    }

    /// Of a shared file that we made: does it say no more than when we made it?
    fn is_as_made(&self, rest: &[u8]) -> bool {
        match (&self.game, std::str::from_utf8(rest)) {
            (Some(_), Ok(rest)) => gamelist::is_empty(rest),
            _ => {
                rest.trim_ascii_end() == self.first.as_deref().unwrap_or_default().trim_ascii_end().as_bytes()
            }
        }
    }

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
        let read = Table::parse(&text).and_then(|table| table.read(|keys| keys.many("hook", Hook::read)));
        let hooks = read.map_err(|e| refused(e.to_string()))?;
        Ok(Boot { app: app.to_owned(), hooks })
    }

    /// Whether they are there.
    pub fn state(&self) -> State {
        let mut fitting = self.hooks.iter().filter(|hook| hook.fits()).peekable();
        match fs::read_to_string(self.app.join(MADE)).as_deref() {
            Err(_) | Ok("") => State::New,
            Ok(text) if text == OFF || fitting.peek().is_none() => State::Off,
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
        made.iter().rev().for_each(|folder| drop(remove_folder(folder)));
        self.remember(OFF)
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

    /// The bytes of a file that is ours alone.
    fn own(&self, from: &Path) -> io::Result<Vec<u8>> {
        let bytes = fs::read(from)?;
        Ok(match std::str::from_utf8(&bytes) {
            Ok(text) => filled(text, &self.app).into_bytes(),
            Err(_) => bytes,
        })
    }

    fn stands(&self, hook: &Hook) -> bool {
        let Some(file) = &hook.file else { return true };
        let Ok(text) = fs::read(file) else { return false };
        match &hook.from {
            Some(from) => self.own(from).is_ok_and(|own| own == text),
            None => hook.with(&text) == text,
        }
    }

    /// Adds what installing it will make, the outermost first.
    fn will_make(&self, hook: &Hook, made: &mut Vec<PathBuf>) {
        let Some(file) = hook.file.as_ref().filter(|_| !self.stands(hook)) else { return };
        let is_missing = |path: &&Path| !path.exists();
        let mut missing: Vec<&Path> = file.ancestors().skip(1).take_while(is_missing).collect();
        missing.reverse();
        missing.extend(Some(file.as_path()).filter(|file| hook.from.is_none() && is_missing(file)));
        for path in missing {
            if !made.iter().any(|known| known == path) {
                made.push(path.to_owned());
            }
        }
    }

    fn install(&self, hook: &Hook) -> io::Result<()> {
        let Some(file) = hook.file.as_ref().filter(|_| !self.stands(hook)) else { return Ok(()) };
        if let Some(folder) = file.parent() {
            make_folder(&Os, folder)?;
        }
        if let Some(from) = &hook.from {
            return self.write(file, &self.own(from)?);
        }
        match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let first = hook.first.iter().map(|first| format!("{first}\n")).collect::<String>();
                self.write(file, &hook.with(first.as_bytes()))
            }
            text => self.change(file, &hook.with(&text?)),
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
        remove(&Os, &self.app.join(KEPT))
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
        let _ = remove(&Os, &kept);
    }

    fn remove(&self, hook: &Hook, made: &[PathBuf]) -> io::Result<()> {
        let Some(file) = hook.file.as_ref().filter(|file| file.exists()) else { return Ok(()) };
        if hook.from.is_some() {
            return gone(file);
        }
        let text = fs::read(file)?;
        let rest = hook.without(&text);
        if made.contains(file) && hook.is_as_made(&rest) {
            gone(file)
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

/// Removes a script of ours, or a link in its place. No name of it is left on what may be another's by then: a firmware runs
/// whatever lies there.
fn gone(file: &Path) -> io::Result<()> {
    remove(&Os, file).or_else(|_| fs::remove_file(file))
}

/// Replaces a file by a whole one, or what a link leads to.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
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
    let above = folder.parent().unwrap_or(folder);
    let volume = Beneath::new([folder, path.parent().unwrap_or(folder), above].map(Path::to_owned).into());
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
mod tests;
