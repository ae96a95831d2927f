//! Somebody who plays: RetroArch with the core of the card's game, without a screen, or where it is not installed a writer
//! that leaves the same bytes in the same file. Which of the two it is, is always said.
//!
//! RetroArch runs from a configuration made here, with the save folder and the sorting that the card's firmware
//! has; it reads nothing of the user's own. It never runs longer than a minute.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::card::{Card, Firmware, Game};
use super::counter_rom;

/// Where Debian and others put the cores.
const CORES: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/libretro",
    "/usr/lib/aarch64-linux-gnu/libretro",
    "/usr/lib/arm-linux-gnueabihf/libretro",
    "/usr/lib/libretro",
    "/usr/lib64/libretro",
];

/// Three seconds of play: long enough to count, short enough to wait for.
const FRAMES: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(60);

/// Who plays.
#[derive(Clone, Debug)]
pub enum Emulator {
    /// The real one.
    RetroArch {
        /// The core.
        core: PathBuf,
        /// A folder for configurations and logs.
        scratch: PathBuf,
        /// It packs the saves that it writes.
        packs: bool,
    },
    /// Adds one to the counter and writes the file in one go, as RetroArch does at exit.
    FileWriter,
}

impl Emulator {
    /// RetroArch where it and its Game Boy core are installed, else the file writer.
    pub fn find(scratch: &Path) -> Self {
        Self::of(scratch, Game::Gambatte)
    }

    /// RetroArch where it and this game's core are installed, else the file writer.
    pub fn of(scratch: &Path, game: Game) -> Self {
        let mut version = Command::new("retroarch");
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        let installed = version.status().is_ok();
        let file = format!("{}_libretro.so", game.core().0);
        match CORES.iter().map(|folder| Path::new(folder).join(&file)).find(|core| core.exists()) {
            Some(core) if installed => Self::RetroArch { core, scratch: scratch.to_owned(), packs: false },
            _ => {
                super::not_tried(&format!("{game:?}"), "RetroArch and its core");
                Self::FileWriter
            }
        }
    }

    /// The same, and it packs its saves: `save_file_compression` is on.
    pub fn packing(mut self) -> Self {
        if let Self::RetroArch { packs, .. } = &mut self {
            *packs = true;
        }
        self
    }

    /// Who plays, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::RetroArch { core, .. } => format!("RetroArch plays, with {}", core.display()),
            Self::FileWriter => "RetroArch or its core is not installed: a file writer plays, \
                                 it adds one to the counter and writes the save as RetroArch would"
                .to_owned(),
        }
    }

    /// One launch of the counting game on this card, from start to exit; the save is written when it returns.
    pub fn play(&self, card: &Card) -> io::Result<()> {
        match self {
            Self::FileWriter => {
                let save = fs::read(card.save()).ok();
                fs::write(card.save(), counter_rom::play_of(save.as_deref(), card.game.save_bytes()))
            }
            Self::RetroArch { core, scratch, packs } if card.firmware == Firmware::Minui => {
                play_beside(core, scratch, *packs, card)
            }
            Self::RetroArch { core, scratch, packs } => {
                let (folder, sort) = sorting(card);
                retroarch(core, scratch, *packs, &card.rom(), &folder, sort)
            }
        }
    }
}

impl Emulator {
    /// RetroArch with the game of this card for so many frames; nothing where it is not installed, or where the save must be
    /// renamed on its way.
    pub fn command(&self, card: &Card, frames: u32) -> Option<Command> {
        let Self::RetroArch { core, scratch, packs } = self else { return None };
        let (folder, sort) = sorting(card);
        let can = card.firmware != Firmware::Minui;
        command(core, scratch, &card.rom(), (&folder, *packs, sort), frames).ok().filter(|_| can)
    }
}

/// How RetroArch finds its way from the save folder to the file.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    ByCore,
    Flat,
}

/// The save folder that the firmware configures, and whether RetroArch adds the core's name to it.
fn sorting(card: &Card) -> (PathBuf, Sort) {
    let folder = card.save().parent().map_or_else(|| card.root.clone(), Path::to_owned);
    match card.firmware {
        Firmware::Onion | Firmware::Muos => {
            (folder.parent().map_or(folder.clone(), Path::to_owned), Sort::ByCore)
        }
        Firmware::Minui | Firmware::Knulli | Firmware::Retropie => (folder, Sort::Flat),
    }
}

/// MinUI's emulator names the save `Game.gb.sav`, which RetroArch cannot: it plays on a copy that is renamed on
/// the way in and on the way out.
fn play_beside(core: &Path, scratch: &Path, packs: bool, card: &Card) -> io::Result<()> {
    let folder = scratch.join("beside");
    fs::create_dir_all(&folder)?;
    let copy = folder.join(card.rom().with_extension("srm").file_name().unwrap_or_default());
    match fs::read(card.save()) {
        Ok(save) => fs::write(&copy, save)?,
        Err(_) if copy.exists() => fs::remove_file(&copy)?,
        Err(_) => {}
    }
    retroarch(core, scratch, packs, &card.rom(), &folder, Sort::Flat)?;
    fs::write(card.save(), fs::read(&copy)?)
}

fn retroarch(
    core: &Path,
    scratch: &Path,
    packs: bool,
    rom: &Path,
    saves: &Path,
    sort: Sort,
) -> io::Result<()> {
    let mut running = command(core, scratch, rom, (saves, packs, sort), FRAMES)?.spawn()?;
    let started = Instant::now();
    let status = loop {
        match running.try_wait()? {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => {
                running.kill()?;
                break running.wait()?;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let said = || fs::read_to_string(scratch.join("retroarch.log")).unwrap_or_default();
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("retroarch: {status}\n{}", said()))) }
}

fn command(
    core: &Path,
    scratch: &Path,
    rom: &Path,
    (saves, packs, sort): (&Path, bool, Sort),
    frames: u32,
) -> io::Result<Command> {
    fs::create_dir_all(scratch)?;
    let config = scratch.join("retroarch.cfg");
    fs::write(&config, configuration(scratch, saves, packs, sort))?;
    let log = fs::File::create(scratch.join("retroarch.log"))?;
    let mut command = Command::new("retroarch");
    command.arg("--config").arg(&config).arg("-L").arg(core);
    command.arg(format!("--max-frames={frames}")).arg("--verbose").arg(rom);
    // Without a session bus its game-mode client would end the program instead of doing without.
    command.env("DBUS_FATAL_WARNINGS", "0").env("HOME", scratch);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

fn configuration(scratch: &Path, saves: &Path, packs: bool, sort: Sort) -> String {
    let mut text = String::new();
    let mut set = |key: &str, value: &str| text += &format!("{key} = \"{value}\"\n");
    for driver in
        ["video_driver", "audio_driver", "input_driver", "joypad_driver", "menu_driver", "midi_driver"]
    {
        set(driver, "null");
    }
    set("audio_enable", "false");
    set("gamemode_enable", "false");
    set("config_save_on_exit", "false");
    set("history_list_enable", "false");
    set("savefile_directory", &saves.to_string_lossy());
    set("sort_savefiles_enable", if sort == Sort::ByCore { "true" } else { "false" });
    set("sort_savefiles_by_content_enable", "false");
    set("save_file_compression", if packs { "true" } else { "false" });
    set("savefiles_in_content_dir", "false");
    set("system_directory", &scratch.to_string_lossy());
    text
}
