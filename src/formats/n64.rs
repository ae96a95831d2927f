//! PURE. The four memories of a Nintendo 64 game: libretro's one block, and the files of an emulator of its own.
//!
//! ```text
//! 0x00000  EEPROM, 0x800        .eep, 0x200 or 0x800
//! 0x00800  four mempaks, 0x20000   .mpk, 0x8000 each
//! 0x20800  SRAM, 0x8000         .sra
//! 0x28800  FlashRAM, 0x20000    .fla
//! ```
//!
//! Layout: libretro/mupen64plus-libretro-nx, libretro/libretro_memory.h. Some emulators keep `.sra` and `.fla` in words of
//! their machine's byte order: [`swap`] turns one into the other and back. Which of the two a file is cannot be told from its
//! bytes, so nothing here guesses: the caller must know.

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

    /// Its bytes in a block; `None` if that is no block.
    pub fn of(self, block: &[u8]) -> Option<&[u8]> {
        block.get(self.range()).filter(|_| end(block).is_some())
    }

    /// Puts a file's bytes into a block. A shorter file (an EEPROM of 0x200, one mempak) leaves the rest as it was.
    ///
    /// # Errors
    /// What is wrong with the block or the file.
    pub fn put(self, file: &[u8], block: &mut [u8]) -> Result<(), &'static str> {
        if end(block).is_none() {
            return Err("it is no block of libretro's");
        }
        let fits = match self {
            Memory::Eeprom => matches!(file.len(), 0x200 | 0x800),
            Memory::Mempaks => !file.is_empty() && file.len() <= 0x20000 && file.len().is_multiple_of(0x8000),
            Memory::Sram | Memory::Flash => file.len() == self.range().len(),
        };
        let start = self.range().start;
        match block.get_mut(start..start + file.len()).filter(|_| fits) {
            Some(place) => {
                place.copy_from_slice(file);
                Ok(())
            }
            None => Err("its size is not that of such a memory"),
        }
    }
}

/// Swaps the bytes of each 32-bit word; doing it twice changes nothing. A length that is no multiple of four stays as it is.
pub fn swap(bytes: &mut [u8]) {
    if bytes.len().is_multiple_of(4) {
        bytes.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    }
}

/// Where the block ends in these bytes, if they are one and nothing but blank follows.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let after = bytes.get(BLOCK_BYTES..)?;
    let blank = |byte| after.iter().all(|other| *other == byte);
    (blank(0x00) || blank(0xff)).then_some(BLOCK_BYTES)
}
