//! A memory card in a folder, laid out as a firmware lays it out, with the counting game on it.
//!
//! Only the parts that a sync program looks at: the marks of the firmware, the ROM, and where its emulator
//! keeps the save. The paths come from the firmwares' own sources, as the device profiles do.

use std::fs;
use std::path::{Path, PathBuf};

use super::counter_rom;

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
}

/// Where things are on such a card, with `TITLE` for the game's name.
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
                rom: "Roms/GB/TITLE.gb",
                save: "Saves/CurrentProfile/saves/Gambatte/TITLE.srm",
                marks: &[(".tmp_update/onionVersion/version.txt", "4.3.1-1\n")],
            },
            Self::Muos => Layout {
                profile: "muos",
                device: "RG35XX H",
                rom: "ROMS/gb/TITLE.gb",
                save: "MUOS/save/file/Gambatte/TITLE.srm",
                marks: &[("MUOS/log/.keep", "")],
            },
            Self::Minui => Layout {
                profile: "minui",
                device: "Miyoo A30",
                rom: "Roms/Game Boy (GB)/TITLE.gb",
                save: "Saves/GB/TITLE.gb.sav",
                marks: &[
                    (".system/version.txt", "MinUI-20251123-0\n"),
                    (".system/my282/paks/MinUI.pak/.keep", ""),
                ],
            },
            Self::Knulli => Layout {
                profile: "knulli",
                device: "TrimUI Smart Pro",
                rom: "roms/gb/TITLE.gb",
                save: "saves/gb/TITLE.srm",
                marks: &[("system/batocera.conf", "")],
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
    title: String,
}

impl Card {
    /// Makes the card: the firmware's marks, the ROM, and an empty folder where the save will be.
    pub fn lay_out(root: &Path, firmware: Firmware, title: &str) -> std::io::Result<Self> {
        let card = Self { root: root.to_owned(), firmware, title: title.to_owned() };
        for (mark, text) in firmware.layout().marks {
            write(&root.join(mark), text.as_bytes())?;
        }
        write(&card.rom(), &counter_rom::rom())?;
        fs::create_dir_all(card.save().parent().unwrap_or(root))?;
        Ok(card)
    }

    /// Where the game is.
    pub fn rom(&self) -> PathBuf {
        self.root.join(self.firmware.layout().rom.replace("TITLE", &self.title))
    }

    /// Where the firmware's emulator keeps the game's save.
    pub fn save(&self) -> PathBuf {
        self.root.join(self.firmware.layout().save.replace("TITLE", &self.title))
    }

    /// How many launches the save on this card has seen; 0 where there is none.
    pub fn launches(&self) -> u32 {
        fs::read(self.save()).ok().and_then(|save| counter_rom::launches(&save)).unwrap_or(0)
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, bytes)
}
