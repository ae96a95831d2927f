//! A Game Boy game of 41 bytes that counts how often it was started, in its battery-backed RAM.
//!
//! The cartridge is MBC1+RAM+BATTERY with 32 KiB of ROM and 8 KiB of RAM, so any emulator keeps the RAM in an
//! 8 KiB save file: a little-endian 32-bit counter at 0, a mark at 4, the rest as the emulator found it.
//! The 48 bytes of the boot logo are somebody's artwork and are left out, but for the first four, by which mGBA knows a
//! Game Boy game: a real Game Boy would refuse to start this ROM, emulators without a boot ROM do not look.
//!
//! The same game for two more consoles, in the language of their processors: the counter and the mark lie as here.

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
    rom[0x104..0x108].copy_from_slice(&[0xCE, 0xED, 0x66, 0x66]);
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

/// Where the game with a clock leaves what it read from it: seconds, minutes, hours, days, days' ninth bit.
pub const CLOCK_AT: usize = 0x10;

/// The same game on a cartridge with a clock (MBC3): when it has counted, it latches the clock and notes what it shows.
pub fn clock_rom() -> Vec<u8> {
    #[rustfmt::skip]
    const CLOCK: [u8; 59] = [
        0xAF,                   //        xor  a
        0xEA, 0x00, 0x60,       //        ld   (0x6000), a
        0x3C,                   //        inc  a
        0xEA, 0x00, 0x60,       //        ld   (0x6000), a     latch
        0x16, 0x08,             //        ld   d, 8
        0x21, 0x00, 0xC0,       //        ld   hl, 0xC000
        0x7A,                   // next:  ld   a, d
        0xEA, 0x00, 0x40,       //        ld   (0x4000), a     select a number of the clock
        0xFA, 0x00, 0xA0,       //        ld   a, (0xA000)
        0x22,                   //        ld   (hl+), a
        0x14, 0x7A,             //        inc  d / ld a, d
        0xFE, 0x0D,             //        cp   13
        0x20, 0xF2,             //        jr   nz, next
        0xAF,                   //        xor  a
        0xEA, 0x00, 0x40,       //        ld   (0x4000), a     select the RAM
        0x21, 0x00, 0xC0,       //        ld   hl, 0xC000
        0x11, 0x10, 0xA0,       //        ld   de, 0xA010
        0x06, 0x05,             //        ld   b, 5
        0x2A, 0x12, 0x13,       // copy:  ld   a, (hl+) / ld (de), a / inc de
        0x05, 0x20, 0xFA,       //        dec  b / jr nz, copy
        0xAF,                   //        xor  a
        0xEA, 0x00, 0x00,       //        ld   (0x0000), a     disable both
        0xAF,                   // rest:  xor  a
        0xEA, 0x00, 0x60,       //        ld   (0x6000), a
        0x3C,                   //        inc  a
        0xEA, 0x00, 0x60,       //        ld   (0x6000), a     latch again and again, as games do
        0x18, 0xF6,             //        jr   rest
    ];
    let mut rom = rom();
    let program = [&PROGRAM[..34], &CLOCK].concat();
    rom[0x147] = 0x10; // MBC3+TIMER+RAM+BATTERY
    rom[0x150..0x150 + program.len()].copy_from_slice(&program);
    rom[0x14D] = rom[0x134..0x14D].iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte).wrapping_sub(1));
    rom
}

/// How many seconds the clock showed that a save of that game tells of.
pub fn clock_s(save: &[u8]) -> Option<u64> {
    let [seconds, minutes, hours, days, more] = save.get(CLOCK_AT..)?.first_chunk::<5>()?.map(u64::from);
    Some((((more & 1) * 256 + days) * 24 + hours) * 3600 + minutes * 60 + seconds)
}

/// How many launches a save file has seen; `None` when it is no save of this game.
pub fn launches(save: &[u8]) -> Option<u32> {
    launches_of(save, SAVE_BYTES)
}

/// The same for a save of this size.
pub fn launches_of(save: &[u8], save_bytes: usize) -> Option<u32> {
    let counter: [u8; 4] = save.get(..4)?.try_into().ok()?;
    (save.len() == save_bytes && save[4] == MARK).then_some(u32::from_le_bytes(counter))
}

/// The save after one more launch, byte for byte as RetroArch with gambatte leaves it.
pub fn play(save: Option<&[u8]>) -> Vec<u8> {
    play_of(save, SAVE_BYTES)
}

/// The same for a save of this size, which may lie in a shorter file.
pub fn play_of(save: Option<&[u8]>, save_bytes: usize) -> Vec<u8> {
    let mut next = save.map_or_else(|| vec![0xFF; save_bytes], <[u8]>::to_vec);
    next.resize(save_bytes, 0xFF);
    let counted = save
        .filter(|save| save.len() >= 512)
        .and(launches_of(&next, save_bytes))
        .unwrap_or(0)
        .wrapping_add(1);
    next[..4].copy_from_slice(&counted.to_le_bytes());
    next[4] = MARK;
    next
}

/// Size of the save file of the game for the Game Boy Advance, in bytes.
pub const GBA_SAVE_BYTES: usize = 32_768;

/// The game for the Game Boy Advance, with 32 KiB of SRAM as the text in it says.
pub fn gba() -> Vec<u8> {
    #[rustfmt::skip]
    const PROGRAM: [u32; 21] = [
        0xE3A0040E,                         //        mov   r0, #0x0E000000
        0xE5D01004,                         //        ldrb  r1, [r0, #4]
        0xE3510000 | MARK as u32,           //        cmp   r1, #MARK
        0x0A000006,                         //        beq   count
        0xE3A01000 | MARK as u32,           //        mov   r1, #MARK            fresh RAM: set the mark …
        0xE5C01004,                         //        strb  r1, [r0, #4]
        0xE3A01000,                         //        mov   r1, #0               … and clear the counter
        0xE5C01000, 0xE5C01001, 0xE5C01002, //        strb  r1, [r0, #0 …
        0xE5C01003,                         //        … 3]
        0xE3A02000,                         // count: mov   r2, #0
        0xE7D01002,                         // carry: ldrb  r1, [r0, r2]
        0xE2811001,                         //        add   r1, r1, #1
        0xE7C01002,                         //        strb  r1, [r0, r2]
        0xE21110FF,                         //        ands  r1, r1, #0xFF
        0x1A000002,                         //        bne   done
        0xE2822001,                         //        add   r2, r2, #1
        0xE3520004,                         //        cmp   r2, #4
        0x1AFFFFF7,                         //        bne   carry
        0xEAFFFFFE,                         // done:  b     done
    ];
    let mut rom = vec![0; 0x8000];
    rom[..4].copy_from_slice(&0xEA00_002E_u32.to_le_bytes()); // b 0xC0
    rom[0xA0..0xA7].copy_from_slice(b"COUNTER");
    rom[0xAC..0xB0].copy_from_slice(b"ZZZE");
    rom[0xB2] = 0x96;
    rom[0xBD] = rom[0xA0..0xBD].iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte)).wrapping_sub(0x19);
    let program: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).collect();
    rom[0xC0..0xC0 + program.len()].copy_from_slice(&program);
    rom[0x200..0x209].copy_from_slice(b"SRAM_V113");
    rom
}

/// The game for the NES: MMC1 with 8 KiB of battery-backed RAM.
pub fn nes() -> Vec<u8> {
    #[rustfmt::skip]
    const PROGRAM: [u8; 49] = [
        0x78, 0xD8,                         //        sei / cld
        0xAD, 0x04, 0x60,                   //        lda  $6004
        0xC9, MARK,                         //        cmp  #MARK
        0xF0, 0x13,                         //        beq  count
        0xA9, MARK, 0x8D, 0x04, 0x60,       //        lda  #MARK / sta $6004     fresh RAM: set the mark …
        0xA9, 0x00,                         //        lda  #0                    … and clear the counter
        0x8D, 0x00, 0x60, 0x8D, 0x01, 0x60, //        sta  $6000 / sta $6001
        0x8D, 0x02, 0x60, 0x8D, 0x03, 0x60, //        sta  $6002 / sta $6003
        0xEE, 0x00, 0x60, 0xD0, 0x0D,       // count: inc  $6000 / bne done
        0xEE, 0x01, 0x60, 0xD0, 0x08,       //        inc  $6001 / bne done
        0xEE, 0x02, 0x60, 0xD0, 0x03,       //        inc  $6002 / bne done
        0xEE, 0x03, 0x60,                   //        inc  $6003
        0x4C, 0x2E, 0xC0,                   // done:  jmp  done
    ];
    let mut bank = vec![0; 0x4000];
    bank[..PROGRAM.len()].copy_from_slice(&PROGRAM);
    for (vector, to) in [(0x3FFA, 0xC02E_u16), (0x3FFC, 0xC000), (0x3FFE, 0xC02E)] {
        bank[vector..vector + 2].copy_from_slice(&to.to_le_bytes());
    }
    // Two banks, no pictures; mapper 1, battery.
    let header = [b'N', b'E', b'S', 0x1A, 2, 0, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    [&header[..], &bank, &bank].concat()
}

/// What the sums in the header of the game for the Nintendo 64 are.
pub const N64_SUMS: [u32; 2] = [0x5253_5943, 0x434F_554E];
/// The MD5 of that game: mupen64plus's catalogue goes by it.
pub const N64_MD5: &str = "EEBBBC6C90B433344B3F609978B4FDD1";

/// The game for the Nintendo 64, as the machine sees it. It lies where a cartridge has its boot code and needs no other; the counter
/// and the mark are words in the SRAM.
pub fn n64() -> Vec<u8> {
    #[rustfmt::skip]
    const PROGRAM: [u32; 32] = [
        0x3C08_A460, 0x3C09_0800, 0x3C0A_0010,           //        lui  t0, PI / lui t1, SRAM / lui t2, memory
        0xAD0A_0000, 0xAD09_0004,                        //        sw   t2, 0(t0) / sw t1, 4(t0)
        0x240B_003F, 0xAD0B_000C,                        //        64 bytes from the SRAM to memory
        0x8D0C_0010, 0x318C_0003, 0x1580_FFFD, 0,        // wait:  until they are there
        0x3C0D_A010, 0x8DAE_0004,                        //        lui  t5, memory / lw t6, 4(t5)
        0x3C0F_5253, 0x35EF_594E,                        //        li   t7, the mark
        0x15CF_0003, 0x8DB8_0000,                        //        bne  t6, t7, fresh / lw t8, 0(t5)
        0x1000_0002, 0,                                  //        b    count
        0x2418_0000,                                     // fresh: li   t8, 0
        0x2718_0001,                                     // count: addiu t8, t8, 1
        0xADB8_0000, 0xADAF_0004,                        //        sw   t8, 0(t5) / sw t7, 4(t5)
        0xAD0A_0000, 0xAD09_0004, 0xAD0B_0008,           //        64 bytes from memory to the SRAM
        0x8D0C_0010, 0x318C_0003, 0x1580_FFFD, 0,        // wait:  until they are there
        0x1000_FFFF, 0,                                  // rest:  b    rest
    ];
    let mut rom = vec![0; 0x2000];
    rom[..4].copy_from_slice(&[0x80, 0x37, 0x12, 0x40]);
    rom[8..12].copy_from_slice(&0x8000_0400_u32.to_be_bytes());
    rom[0x10..0x14].copy_from_slice(&N64_SUMS[0].to_be_bytes());
    rom[0x14..0x18].copy_from_slice(&N64_SUMS[1].to_be_bytes());
    rom[0x20..0x34].copy_from_slice(b"COUNTER             ");
    rom[0x3E] = b'E';
    let program: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_be_bytes()).collect();
    rom[0x40..0x40 + program.len()].copy_from_slice(&program);
    rom
}
