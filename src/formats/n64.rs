//! PURE. The four memories of a Nintendo 64 game: libretro's one block, and the files of an emulator of its own.
//!
//! ```text
//! 0x00000  EEPROM, 0x800        .eep, 0x200 or 0x800
//! 0x00800  four mempaks, 0x20000   .mpk, 0x8000 each
//! 0x20800  SRAM, 0x8000         .sra
//! 0x28800  FlashRAM, 0x20000    .fla
//! ```
//!
//! Layout: libretro/mupen64plus-libretro-nx, libretro/libretro_memory.h; that core and mupen64plus are one program, whose
//! memories (`src/device/cart/sram.c`, `flashram.c`) lie in both in the order of the words of the computer, which is little endian
//! wherever this runs: nothing is swapped. The pak's own format: the tables that Nintendo's library checks, as the emulators format it.

use std::ops::Range;

/// The block's length; some builds append the blank memory of a disk drive.
pub const BLOCK_BYTES: usize = 0x48800;

/// One of the memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// `.eep`
    Eeprom,
    /// `.mpk`, all four
    Mempaks,
    /// `.sra`
    Sram,
    /// `.fla`
    Flash,
}

impl Memory {
    /// All, in the block's order.
    pub const ALL: [Memory; 4] = [Memory::Eeprom, Memory::Mempaks, Memory::Sram, Memory::Flash];

    /// Where it is in the block.
    pub const fn range(self) -> Range<usize> {
        match self {
            Memory::Eeprom => 0..0x800,
            Memory::Mempaks => 0x800..0x20800,
            Memory::Sram => 0x20800..0x28800,
            Memory::Flash => 0x28800..BLOCK_BYTES,
        }
    }

    /// What follows the game's name and a dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Memory::Eeprom => "eep",
            Memory::Mempaks => "mpk",
            Memory::Sram => "sra",
            Memory::Flash => "fla",
        }
    }

    /// The memory that a file of this name holds.
    pub fn of_file(name: &str) -> Option<Memory> {
        let (_, extension) = name.rsplit_once('.')?;
        Memory::ALL.into_iter().find(|memory| memory.extension().eq_ignore_ascii_case(extension))
    }

    /// Has a file of this memory such a length?
    pub fn fits(self, size: usize) -> bool {
        match self {
            Memory::Eeprom => matches!(size, 0x200 | 0x800),
            Memory::Mempaks => size > 0 && size <= 0x20000 && size.is_multiple_of(PAK_BYTES),
            Memory::Sram | Memory::Flash => size == self.range().len(),
        }
    }

    /// What it holds before a game has written to it: all 0xFF, and paks that are formatted, as the emulators make them.
    pub fn blank(self) -> Vec<u8> {
        match self {
            Memory::Mempaks => formatted_pak().repeat(4),
            _ => vec![0xff; self.range().len()],
        }
    }
}

const PAK_BYTES: usize = 0x8000;

/// An empty controller pak: its label, and two copies of a table in which every page is free. A game that finds none would
/// ask its player to format it.
fn formatted_pak() -> Vec<u8> {
    let mut pak = vec![0; PAK_BYTES];
    pak[0] = 0x81;
    pak.iter_mut().take(32).zip(0u8..).skip(1).for_each(|(byte, count)| *byte = count);
    // Whose it is: a serial, the device, one bank of memory, and two sums of these.
    let mut id = [0xff; 32];
    id[4..16].copy_from_slice(&[0x05, 0x1a, 0x5f, 0x13, 0, 0, 0, 0, 0, 0, 0, 0]);
    id[26] = 1;
    let words = id[..28].chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    let sum = words.fold(0, u16::wrapping_add);
    id[28..30].copy_from_slice(&sum.to_be_bytes());
    id[30..].copy_from_slice(&0xfff2u16.wrapping_sub(sum).to_be_bytes());
    for at in [0x20, 0x60, 0x80, 0xc0] {
        pak[at..at + 32].copy_from_slice(&id);
    }
    for at in [0x100, 0x200] {
        // Pages 0 to 4 are the label's and the tables'.
        for page in 5..128 {
            pak[at + page * 2 + 1] = 3;
        }
        pak[at + 1] = pak[at + 10..at + 0x100].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    }
    pak
}

/// Where the block ends in these bytes, if they are one and nothing but blank follows.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let after = bytes.get(BLOCK_BYTES..)?;
    let blank = |byte| after.iter().all(|other| *other == byte);
    (blank(0x00) || blank(0xff)).then_some(BLOCK_BYTES)
}
