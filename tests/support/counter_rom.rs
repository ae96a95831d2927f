//! A Game Boy game of 41 bytes that counts how often it was started, in its battery-backed RAM.
//!
//! The cartridge is MBC1+RAM+BATTERY with 32 KiB of ROM and 8 KiB of RAM, so any emulator keeps the RAM in an
//! 8 KiB save file: a little-endian 32-bit counter at 0, a mark at 4, the rest as the emulator found it.
//! The 48 bytes of the boot logo are somebody's artwork and are left out: a real Game Boy would refuse to start
//! this ROM, emulators without a boot ROM (gambatte among them) do not look.

/// Size of the battery-backed RAM, and so of the save file, in bytes.
pub const SAVE_BYTES: usize = 8192;

/// Written behind the counter by the first launch: RAM without it is fresh and counts as 0.
const MARK: u8 = b'R';

/// What the game does, by hand for the Game Boy's processor.
#[rustfmt::skip]
const PROGRAM: [u8; 41] = [
    0x3E, 0x0A,             //        ld   a, 0x0A
    0xEA, 0x00, 0x00,       //        ld   (0x0000), a     enable the RAM
    0x21, 0x04, 0xA0,       //        ld   hl, 0xA004
    0x3E, MARK,             //        ld   a, MARK
    0xBE,                   //        cp   (hl)
    0x28, 0x0A,             //        jr   z, count
    0x77,                   //        ld   (hl), a         fresh RAM: set the mark …
    0xAF,                   //        xor  a
    0x2D, 0x77, 0x2D, 0x77, //        dec  l / ld (hl), a  … and clear the counter
    0x2D, 0x77, 0x2D, 0x77, //
    0x2E, 0x00,             // count: ld   l, 0
    0x06, 0x04,             //        ld   b, 4
    0x34,                   // carry: inc  (hl)
    0x20, 0x04,             //        jr   nz, done
    0x23,                   //        inc  hl
    0x05,                   //        dec  b
    0x20, 0xF9,             //        jr   nz, carry
    0xAF,                   // done:  xor  a
    0xEA, 0x00, 0x00,       //        ld   (0x0000), a     disable the RAM
    0x76,                   // rest:  halt
    0x18, 0xFD,             //        jr   rest
];

/// The whole cartridge, 32 KiB.
pub fn rom() -> Vec<u8> {
    let mut rom = vec![0; 0x8000];
    rom[0x100..0x104].copy_from_slice(&[0x00, 0xC3, 0x50, 0x01]); // nop; jp 0x0150
    rom[0x134..0x13B].copy_from_slice(b"COUNTER");
    rom[0x147] = 0x03; // MBC1+RAM+BATTERY
    rom[0x149] = 0x02; // 8 KiB of RAM
    rom[0x14A] = 0x01; // sold everywhere but in Japan
    rom[0x150..0x150 + PROGRAM.len()].copy_from_slice(&PROGRAM);
    rom[0x14D] = rom[0x134..0x14D].iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte).wrapping_sub(1));
    let sum = rom.iter().fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    rom[0x14E..0x150].copy_from_slice(&sum.to_be_bytes());
    rom
}

/// How many launches a save file has seen; `None` when it is no save of this game.
pub fn launches(save: &[u8]) -> Option<u32> {
    let counter: [u8; 4] = save.get(..4)?.try_into().ok()?;
    (save.len() == SAVE_BYTES && save[4] == MARK).then_some(u32::from_le_bytes(counter))
}

/// The save after one more launch, byte for byte as RetroArch with gambatte leaves it.
pub fn play(save: Option<&[u8]>) -> Vec<u8> {
    let counted = save.and_then(launches).unwrap_or(0).wrapping_add(1);
    let mut next = save.map_or_else(|| vec![0xFF; SAVE_BYTES], <[u8]>::to_vec);
    next.resize(SAVE_BYTES, 0xFF);
    next[..4].copy_from_slice(&counted.to_le_bytes());
    next[4] = MARK;
    next
}
