//! What the daemon writes besides saves and what it knows of them: settings, the firmware's scripts, learned buttons, its log,
//! the marker of a second root, its lock, the store of a remote that keeps no histories; and what must hold of each after a cut.
//!
//! What a file may hold follows from how often each thing was done. A file that was there is the old one or the new one, never
//! missing, never empty; where it was not there before it may have nothing in it yet.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync::boot::{Boot, State};
use retrosync::config::Config;
use retrosync::config::file;
use retrosync::error::{Error, Result};
use retrosync::logging;
use retrosync::root::Root;
use retrosync::screen::turns::keep_learned;
use retrosync::volume::{Os, Volume};

use crate::shelf;
use crate::story::{ROOT, Step};

/// Where it is looked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// Over our own FAT reader: what goes past the volume cannot be run, and is looked at as the firmware does.
    Reader,
    /// On vfat.
    Vfat,
    /// On exFAT, which may lose the entry that is being replaced: only with what the daemon makes of it.
    Exfat,
}

/// How often each thing was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Others {
    /// Settings changed on the screen.
    set: u64,
    /// Hooks switched: on, off, on, …
    hooked: u64,
    /// Buttons learned.
    taught: u64,
    /// Pieces of log.
    logged: u64,
    /// The second root marked.
    marked: u64,
    /// The card locked.
    locked: u64,
    /// Versions that a server without histories showed, kept on the card.
    shelved: u64,
}

const APP: &str = "App/RetroSync";
const SETTINGS: &str = "App/RetroSync/retrosync.toml";
const MADE: &str = "App/RetroSync/hooks.made";
const SCRIPT: &str = ".tmp_update/updater";
const STARTUP: &str = ".tmp_update/startup";
const OWN: &str = "Menu/RetroSync.sh";
const GAMES: &str = "Menu/gamelist.xml";
const BUTTONS: &str = ".retrosync/buttons.txt";
const LOG: &str = ".retrosync/log.txt";
const SECOND: &str = "Second";

const LINE: &str = "[ ! -f '/mnt/card/App/RetroSync/boot.sh' ] || sh '/mnt/card/App/RetroSync/boot.sh'";
const HOOKS: &str = r##"
[[hook]]
file = "/mnt/card/.tmp_update/updater"
line = "[ ! -f '{app}/boot.sh' ] || sh '{app}/boot.sh'"

[[hook]]
file = "/mnt/card/.tmp_update/startup/retrosync.sh"
line = "[ ! -f '{app}/boot.sh' ] || sh '{app}/boot.sh'"
first = "#!/bin/sh"

[[hook]]
file = "/mnt/card/Menu/RetroSync.sh"
from = "{app}/launch.sh"

[[hook]]
file = "/mnt/card/Menu/gamelist.xml"
game = "./RetroSync.sh"
tags = "<name>RetroSync</name><image>./RetroSync.png</image>"
"##;

impl Others {
    /// What one more step makes of it; false if it is none of these.
    pub(crate) fn take(&mut self, step: Step) -> bool {
        let counted = match step {
            Step::Set => &mut self.set,
            Step::Hook => &mut self.hooked,
            Step::Teach => &mut self.taught,
            Step::Log => &mut self.logged,
            Step::Mark => &mut self.marked,
            Step::Lock => &mut self.locked,
            Step::Shelve => &mut self.shelved,
            _ => return false,
        };
        *counted += 1;
        true
    }

    fn is_on(&self) -> bool {
        self.hooked % 2 == 1
    }

    /// Files whose every byte counts, by path below the root.
    fn files(&self) -> Vec<(&'static str, Option<String>)> {
        let on = self.is_on();
        let first = if on { format!("{LINE} # added by RetroSync\n") } else { String::new() };
        let entry = "\t<game><path>./RetroSync.sh</path><name>RetroSync</name><image>./RetroSync.png</image></game>\n";
        let made = match (self.hooked, on) {
            (0, _) => None,
            (_, true) => Some(format!("on\n{ROOT}/{STARTUP}\n{ROOT}/{STARTUP}/retrosync.sh\n")),
            (_, false) => Some("off\n".to_owned()),
        };
        vec![
            (SETTINGS, (self.set > 0).then(|| format!("profile = \"{}\"\n", profile(self.set)))),
            (SCRIPT, Some(format!("#!/bin/sh\n{first}{}", firmware()))),
            (".tmp_update/startup/retrosync.sh", on.then(|| format!("#!/bin/sh\n{first}"))),
            (OWN, on.then(|| launch().replace("{app}", &format!("{ROOT}/{APP}")))),
            (GAMES, Some(format!("{}{}</gameList>\n", games(), if on { entry } else { "" }))),
            (MADE, made),
            (BUTTONS, (self.taught > 0).then(|| buttons(self.taught))),
        ]
    }
}

/// A setting's value, long and short in turn: around sectors and clusters.
fn profile(round: u64) -> String {
    let length = [40, 30, 700, 100, 1500, 700, 5000][round as usize % 7];
    format!("{round:04}-").repeat(length / 5 + 1)
}

/// What the firmware's own script does, after its first line.
fn firmware() -> String {
    (0..120).map(|line| format!("echo 'what the firmware does at boot, {line}'\n")).collect()
}

/// Our own app in the menu, as it is packed.
fn launch() -> String {
    let lines: String = (0..20).map(|line| format!("# what it does, {line}\n")).collect();
    format!("#!/bin/sh\n{lines}exec '{{app}}/run.sh' screen\n")
}

/// Another's list of games, without its end.
fn games() -> String {
    let game = |number| format!("\t<game>\n\t\t<path>./Game {number}.sh</path>\n\t</game>\n");
    format!("<?xml version=\"1.0\"?>\n<gameList>\n{}", (0..9).map(game).collect::<String>())
}

fn buttons(round: u64) -> String {
    (0..round % 5 * 9 + 1).map(|key| format!("{} a{round}\n", 300 + key)).collect()
}

/// A piece of log: several of them fill it, and each crosses clusters.
fn piece(number: u64) -> Vec<u8> {
    let mut line = format!("{number:05} ").repeat(1700).into_bytes();
    line.push(b'\n');
    line
}

/// How many pieces a step writes, and how many are written on a card after a cut: more than a log holds.
const PIECES: (u64, u64) = (5, 18);

/// Where that is.
pub(crate) fn below(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

/// The files and folders of a firmware with our app, durable; what is there already stays. `App` is not synced once more: our folder is
/// one of which the kernel writes no names with its own sync, as where somebody unpacked us on the device itself. A staged
/// script's name stayed then, on the clusters of the script, and whoever removed our app later freed another file's.
///
/// # Errors
/// When the card cannot take them.
pub(crate) fn populate() -> io::Result<()> {
    for folder in ["App", APP, ".tmp_update", "Menu", SECOND] {
        fs::create_dir_all(below(folder))?;
        Os.sync_folder(&below(folder))?;
    }
    let old = Others::default().files();
    let old = old.into_iter().filter_map(|(path, text)| Some((path, text?)));
    let packed = [("App/RetroSync/hooks.toml", HOOKS.to_owned()), ("App/RetroSync/launch.sh", launch())];
    for (path, text) in old.chain(packed) {
        let path = below(path);
        if !path.exists() {
            fs::write(&path, text)?;
            Os.sync_folder(path.parent().unwrap_or(&path))?;
            fs::File::open(&path)?.sync_all()?;
        }
    }
    Os.sync_folder(Path::new(ROOT))
}

/// A log that is nearly full and one that was set aside, as earlier days left them; durable.
///
/// # Errors
/// When the card cannot take them.
pub(crate) fn populate_logs() -> io::Result<()> {
    for (name, pieces) in [(".retrosync/log.old", 0..13), (LOG, 13..22)] {
        fs::write(below(name), pieces.flat_map(piece).collect::<Vec<u8>>())?;
        Os.sync_folder(&below(".retrosync"))?;
        fs::File::open(below(name))?.sync_all()?;
    }
    Ok(())
}

/// Does one of these steps; what is there before it is `now`.
///
/// # Errors
/// What the daemon's code said.
pub(crate) fn take(volume: &Arc<dyn Volume>, step: Step, now: &Others) -> Result<()> {
    let io = |error: &io::Error| Error::io("cannot do the step", error);
    match step {
        Step::Set => {
            let path = below(SETTINGS);
            let before = (now.set > 0).then_some(&*path);
            let mut config = Config::load(&[], &|_| None, before)?;
            config.file = Some(path.clone());
            file::write(&config, "profile", &profile(now.set + 1))
        }
        Step::Hook => switch(!now.is_on()),
        Step::Teach => keep_learned(&below(BUTTONS), &buttons(now.taught + 1)).map_err(|e| io(&e)),
        Step::Log => {
            let mut pieces = now.logged * PIECES.0..(now.logged + 1) * PIECES.0;
            pieces.try_for_each(|at| logging::append(&**volume, &below(LOG), &piece(at))).map_err(|e| io(&e))
        }
        Step::Mark => Root::create(Arc::clone(volume), &below(SECOND)).map(drop),
        Step::Lock => Root::open(Arc::clone(volume), Path::new(ROOT))?.lock().map(drop),
        _ => shelf::keep(now.shelved as usize).map_err(|cause| io(&io::Error::other(cause))),
    }
}

fn switch(on: bool) -> Result<()> {
    let boot = Boot::of(&below(APP))?;
    if on { boot.on() } else { boot.off() }
}

/// What must hold of all these, from wherever one looks; does what the daemon does where it starts again.
///
/// # Errors
/// What is lost or mixed, in plain words.
pub(crate) fn judge(
    volume: &Arc<dyn Volume>,
    seat: Seat,
    acked: &Others,
    begun: &Others,
) -> Result<(), String> {
    let count = |of: fn(&Others) -> u64| (of(acked), of(begun));
    if seat != Seat::Exfat && *begun != Others::default() {
        judge_files(&**volume, acked, begun)?;
    }
    if seat != Seat::Reader {
        judge_run(acked, begun)?;
    }
    if count(|all| all.logged).1 > 0 {
        for name in [LOG, ".retrosync/log.old"] {
            read(&**volume, name)?;
        }
        for at in 0..PIECES.1 {
            logging::append(&**volume, &below(LOG), &piece(at))
                .map_err(|error| format!("the log cannot go on: {error}"))?;
        }
    }
    if count(|all| all.marked).1 > 0 {
        let (root, is_new) = (below(SECOND), acked.marked == 0);
        let opened = Root::open(Arc::clone(volume), &root);
        let marked =
            opened.or_else(|error| if is_new { Root::create(Arc::clone(volume), &root) } else { Err(error) });
        marked.map_err(|error| format!("the second root's marker is lost: {error}"))?;
    }
    if count(|all| all.locked).1 > 0 {
        read(&**volume, ".retrosync/lock")?;
    }
    match count(|all| all.shelved) {
        (_, 0) => Ok(()),
        (acked, begun) => shelf::judge(&**volume, acked as usize, begun as usize),
    }
}

/// Each file as it lies there, before anything of ours runs: a firmware boots by it.
fn judge_files(volume: &dyn Volume, acked: &Others, begun: &Others) -> Result<(), String> {
    for ((path, old), (_, new)) in acked.files().into_iter().zip(begun.files()) {
        let here = read(volume, path)?;
        let is = |text: &Option<String>| here.as_deref() == text.as_ref().map(String::as_bytes);
        let is_blank = old.is_none() && new.is_some() && here.as_ref().is_some_and(Vec::is_empty);
        if !is(&old) && !is(&new) && !is_blank {
            let what = here.map_or("gone".into(), |here| format!("of {} bytes", here.len()));
            return Err(format!("`{path}` is neither the old nor the new one: it is {what}"));
        }
    }
    let copy = read(volume, &format!("{SETTINGS}.changing"))?.unwrap_or_default();
    let texts = [acked, begun].map(|all| format!("profile = \"{}\"\n", profile(all.set)));
    if !copy.is_empty() && !texts.iter().any(|text| text.as_bytes() == copy) {
        return Err("the copy of the settings is half there".into());
    }
    read(volume, "App/RetroSync/hooks.kept").map(drop)
}

/// The same with the daemon's own code, which mends what exFAT lost.
fn judge_run(acked: &Others, begun: &Others) -> Result<(), String> {
    let told = |error: Error| error.to_string();
    if begun.hooked > 0 {
        let boot = Boot::of(&below(APP)).map_err(told)?;
        if acked.hooked + begun.hooked < 3 && boot.state() == State::Off {
            return Err("nobody switched the hooks off, and they are said to be".into());
        }
        let wanted = if acked.hooked > 0 { acked } else { begun };
        switch(wanted.is_on()).map_err(|error| format!("the hooks cannot be switched: {error}"))?;
        let scripts = [SCRIPT, ".tmp_update/startup/retrosync.sh", OWN, GAMES];
        for (path, text) in wanted.files().into_iter().filter(|(path, _)| scripts.contains(path)) {
            if fs::read_to_string(below(path)).ok() != text {
                return Err(format!("`{path}` is not what it was, with our line or without"));
            }
        }
    }
    if begun.set > 0 {
        let text = file::read(&below(SETTINGS)).unwrap_or_default();
        let is = |all: &Others| {
            text == if all.set > 0 { format!("profile = \"{}\"\n", profile(all.set)) } else { String::new() }
        };
        if !is(acked) && !is(begun) {
            return Err(format!("the settings are neither the old nor the new ones: {} bytes", text.len()));
        }
    }
    if begun.locked > 0 {
        Root::open(Arc::new(Os), Path::new(ROOT)).and_then(|root| root.lock()).map_err(told)?;
    }
    Ok(())
}

/// A name beside the saves that may be there: of the firmware, of our app, or what a cut leaves of either.
pub(crate) fn is_known(name: &str) -> bool {
    let is_file = |path: &&str| name.eq_ignore_ascii_case(path);
    let leaf = name.rsplit('/').next().unwrap_or_default();
    let is_ours = name.starts_with(APP);
    [SETTINGS, SCRIPT, ".tmp_update/startup/retrosync.sh", OWN, GAMES, MADE].iter().any(is_file)
        || is_ours && matches!(leaf, "hooks.toml" | "launch.sh" | "hooks.kept" | "retrosync.toml.changing")
        // What nothing looks at again: staged and not named, or half a name.
        || is_ours && leaf.starts_with(".retrosync.")
        || (is_ours || name.starts_with(".tmp_update/") || name.starts_with("Menu/")) && leaf.contains('~')
        || name.starts_with(SECOND)
}

/// The bytes of a file below the root; `None`: it is not there.
///
/// # Errors
/// When it cannot be read: the kernel would set the card read-only.
pub(crate) fn read(volume: &dyn Volume, path: &str) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    match volume.open(&below(path)).map(|mut file| file.read_to_end(&mut bytes)) {
        Ok(Ok(_)) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(Err(error)) | Err(error) => Err(format!("`{path}` cannot be read: {error}")),
    }
}
