//! A memory card in a folder, laid out as a firmware lays it out, with the counting game on it.
//!
//! Only the parts that a sync program looks at: the marks of the firmware, the ROM, and where its emulator
//! keeps the save. The paths come from the firmwares' own sources, as the device profiles do.

use std::fs;
use std::path::{Path, PathBuf};

use super::counter_rom;
use retrosync::formats;

/// The firmwares whose cards can be laid out here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// Onion OS on a Miyoo Mini: RetroArch, sorted by core.
    Onion,
    /// muOS on an Anbernic: RetroArch, sorted by core.
    Muos,
    /// MinUI: its own frontend, sorted by system tag, the ROM's extension kept in the save's name.
    Minui,
    /// Knulli (and Batocera): RetroArch, sorted by system.
    Knulli,
    /// RetroPie on a computer, whose file system takes nearly any name: RetroArch, and emulators of their own, beside the games.
    Retropie,
}

/// What is played on a card: the counting game of one console, and the core that plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Game {
    /// Game Boy, by Gambatte: the usual.
    Gambatte,
    /// Game Boy, by mGBA.
    MgbaGameBoy,
    /// Game Boy with a clock in its cartridge, by Gambatte.
    ClockGambatte,
    /// The same by mGBA.
    ClockMgba,
    /// Game Boy Advance, by mGBA.
    Mgba,
    /// NES, by Nestopia.
    Nestopia,
}

impl Game {
    /// The core's file, without `_libretro.so`, and RetroArch's name of it.
    pub fn core(self) -> (&'static str, &'static str) {
        match self {
            Game::Gambatte | Game::ClockGambatte => ("gambatte", "Gambatte"),
            Game::MgbaGameBoy | Game::ClockMgba | Game::Mgba => ("mgba", "mGBA"),
            Game::Nestopia => ("nestopia", "Nestopia"),
        }
    }

    /// The game.
    pub fn rom(self) -> Vec<u8> {
        match self {
            Game::Gambatte | Game::MgbaGameBoy => counter_rom::rom(),
            Game::ClockGambatte | Game::ClockMgba => counter_rom::clock_rom(),
            Game::Mgba => counter_rom::gba(),
            Game::Nestopia => counter_rom::nes(),
        }
    }

    /// How long the save is that the emulator writes.
    pub fn save_bytes(self) -> usize {
        match self {
            Game::Mgba => counter_rom::GBA_SAVE_BYTES,
            _ => counter_rom::SAVE_BYTES,
        }
    }

    /// The game file's extension, and what the folder of its console is called: on Onion and in MinUI's tags, in words, in
    /// small letters.
    fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Game::Gambatte | Game::MgbaGameBoy | Game::ClockGambatte | Game::ClockMgba => {
                ("gb", "GB", "Game Boy", "gb")
            }
            Game::Mgba => ("gba", "GBA", "Game Boy Advance", "gba"),
            Game::Nestopia => ("nes", "FC", "Nintendo", "nes"),
        }
    }
}

/// Where things are on such a card, with `TITLE` for the game's name, and the game's other words.
struct Layout {
    profile: &'static str,
    device: &'static str,
    rom: &'static str,
    save: &'static str,
    marks: &'static [(&'static str, &'static str)],
}

impl Firmware {
    fn layout(self) -> Layout {
        match self {
            Self::Onion => Layout {
                profile: "onion",
                device: "Miyoo Mini Plus",
                rom: "Roms/TAG/TITLE.EXT",
                save: "Saves/CurrentProfile/saves/CORE/TITLE.srm",
                marks: &[(".tmp_update/onionVersion/version.txt", "4.3.1-1\n")],
            },
            Self::Muos => Layout {
                profile: "muos",
                device: "RG35XX H",
                rom: "ROMS/SHORT/TITLE.EXT",
                save: "MUOS/save/file/CORE/TITLE.srm",
                marks: &[("MUOS/log/.keep", "")],
            },
            Self::Minui => Layout {
                profile: "minui",
                device: "Miyoo A30",
                rom: "Roms/LONG (TAG)/TITLE.EXT",
                save: "Saves/TAG/TITLE.EXT.sav",
                marks: &[
                    (".system/version.txt", "MinUI-20251123-0\n"),
                    (".system/my282/paks/MinUI.pak/.keep", ""),
                ],
            },
            Self::Knulli => Layout {
                profile: "knulli",
                device: "TrimUI Smart Pro",
                rom: "roms/SHORT/TITLE.EXT",
                save: "saves/SHORT/TITLE.srm",
                marks: &[("system/batocera.conf", "")],
            },
            Self::Retropie => Layout {
                profile: "retropie",
                device: "Raspberry Pi 4",
                rom: "roms/SHORT/TITLE.EXT",
                save: "roms/SHORT/TITLE.srm",
                marks: &[],
            },
        }
    }

    /// The name of the device profile.
    pub fn profile(self) -> &'static str {
        self.layout().profile
    }

    /// A device that runs this firmware, by the name on its box.
    pub fn device(self) -> &'static str {
        self.layout().device
    }
}

/// One card with the counting game under one title.
#[derive(Clone, Debug)]
pub struct Card {
    /// The folder that stands for the mounted card.
    pub root: PathBuf,
    /// How it is laid out.
    pub firmware: Firmware,
    /// What is played on it.
    pub game: Game,
    title: String,
}

impl Card {
    /// Makes the card: the firmware's marks, the ROM, and an empty folder where the save will be.
    pub fn lay_out(root: &Path, firmware: Firmware, title: &str) -> std::io::Result<Self> {
        Self::lay_out_for(root, firmware, title, Game::Gambatte)
    }

    /// The same with another game.
    pub fn lay_out_for(root: &Path, firmware: Firmware, title: &str, game: Game) -> std::io::Result<Self> {
        let card = Self { root: root.to_owned(), firmware, game, title: title.to_owned() };
        for (mark, text) in firmware.layout().marks {
            write(&root.join(mark), text.as_bytes())?;
        }
        write(&card.rom(), &game.rom())?;
        fs::create_dir_all(card.save().parent().unwrap_or(root))?;
        Ok(card)
    }

    /// Where the game is.
    pub fn rom(&self) -> PathBuf {
        self.root.join(self.named(self.firmware.layout().rom))
    }

    /// Where the firmware's emulator keeps the game's save.
    pub fn save(&self) -> PathBuf {
        self.root.join(self.named(self.firmware.layout().save))
    }

    fn named(&self, path: &str) -> String {
        let (extension, tag, long, short) = self.game.words();
        let words = [
            ("TAG", tag),
            ("LONG", long),
            ("SHORT", short),
            ("CORE", self.game.core().1),
            ("EXT", extension),
        ];
        let path = words.iter().fold(path.to_owned(), |path, (word, is)| path.replace(word, is));
        path.replace("TITLE", &self.title)
    }

    /// How many launches the save on this card has seen; 0 where there is none.
    pub fn launches(&self) -> u32 {
        fs::read(self.save()).ok().and_then(|save| launches_in(&save, self.game.save_bytes())).unwrap_or(0)
    }
}

/// How many launches a save has seen, whatever its container and padding.
fn launches_in(file: &[u8], save_bytes: usize) -> Option<u32> {
    let mut bytes = Vec::new();
    let save = "nes/sram/any".parse().ok()?;
    std::io::Read::read_to_end(&mut formats::payload(&save, file), &mut bytes).ok()?;
    bytes.resize(save_bytes.max(bytes.len()), 0xFF);
    counter_rom::launches_of(&bytes, save_bytes)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, bytes)
}
