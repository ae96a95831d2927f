//! PURE. The clock of an MBC3 cartridge in the two forms that cores write, and when one of them tells the other.
//!
//! ```text
//! Gambatte   the Unix time at which the clock stood at zero: 8 bytes, 4 of a 32-bit program (libgambatte/src/mem/rtc.cpp)
//! VBA-M      seconds, minutes, hours, days, days' ninth bit with halt and carry; the same as latched; a Unix time: ten u32 and
//!            8 bytes, or 4 (src/gb/gb.cpp). mGBA writes the same (src/gb/mbc.c), both in a `.rtc` and behind a save
//! ```
//!
//! The two programs read a block differently: VBA-M counts on from the first five at the Unix time, mGBA from the latched five.
//! A block is believed where both come to the same and Gambatte's form can say it: the fives are equal, the clock neither stands
//! still nor has run over. From a time a block is always made: all zero at that time, which all three read alike. Any other block is
//! its own payload, and goes where a block is.

/// A block's length with 8 bytes of Unix time.
pub(super) const BLOCK_BYTES: usize = 48;
/// With 4.
pub(super) const SHORT_BLOCK_BYTES: usize = 44;
/// What each of a block's fives is at most, as memory cells of a cartridge.
const MOST: [u32; 5] = [63, 63, 31, 255, 255];

/// The ten numbers of a block, if it may be one.
fn cells(block: &[u8]) -> Option<[u32; 10]> {
    let mut cells = [0; 10];
    if ![BLOCK_BYTES, SHORT_BLOCK_BYTES].contains(&block.len()) {
        return None;
    }
    for ((cell, bytes), most) in cells.iter_mut().zip(block.chunks_exact(4)).zip(MOST.iter().cycle()) {
        *cell = u32::from_le_bytes(bytes.try_into().ok()?);
        if *cell > *most {
            return None;
        }
    }
    Some(cells)
}

/// Is this a block, as far as its bytes can tell?
pub(super) fn is_block(bytes: &[u8]) -> bool {
    cells(bytes).is_some()
}

/// The time at which the clock of this block stood at zero, if nothing else is to be said of it.
pub(super) fn time_of(block: &[u8]) -> Option<u64> {
    let cells = cells(block)?;
    let (now, latched) = cells.split_at(5);
    let [seconds, minutes, hours, days, more] = *<&[u32; 5]>::try_from(now).ok()?;
    let is_plain = now == latched && seconds < 60 && minutes < 60 && hours < 24 && more < 2;
    let mut unix = [0; 8];
    let last = &block[40..];
    unix[..last.len()].copy_from_slice(last);
    let since = u64::from(((more * 256 + days) * 24 + hours) * 3600 + minutes * 60 + seconds);
    u64::from_le_bytes(unix).checked_sub(since).filter(|_| is_plain)
}

/// A block of this length whose clock stood at zero at that time.
pub(super) fn block_of(time: [u8; 8], length: usize) -> Option<Vec<u8>> {
    let mut block = vec![0; 40];
    block.extend(time);
    let rest = block.split_off(length.clamp(40, block.len()));
    rest.iter().all(|byte| *byte == 0).then_some(block)
}
