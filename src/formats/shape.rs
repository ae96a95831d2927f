//! PURE. What stands around a payload in the battery saves of certain consoles: told by size and marks, taken off, put on.
//!
//! ```text
//! Game Boy          SRAM, then perhaps the clock of an MBC3 cartridge (`clock.rs`)
//! Game Boy Advance  512, 8 K, 32 K, 64 K or 128 KiB, what is not used 0xFF. Emulators round up differently: the payload ends
//!                   at the first of these sizes behind which all is 0xFF. mGBA alone appends 16 bytes of clock; VBA keeps
//!                   flash of 0x20000 and EEPROM of 0x2000 in one block (libretro/vbam-libretro src/gba/EEprom.cpp)
//! Nintendo DS       the bytes, then DeSmuME's footer of 122 bytes (DeSmuME src/mc.cpp); DraStic writes the same
//! Nintendo 64       libretro's block of 0x48800 (`n64.rs`); what some builds append is blank
//! Game Boy `.rtc`   Gambatte's Unix time, or the block of VBA-M and mGBA (`clock.rs`)
//! Saturn            32 KiB, and as Yabause keeps them 0xFF before each byte (yabause src/memory.c `FormatBackupRam`)
//! PlayStation       a card of 128 KiB behind the header of a DexDrive (`.gme`, 3,904 bytes) or a PSP (`.vmp`, 128 bytes)
//! ```
//!
//! A shape is believed only where sizes and marks fit to the byte; else the bytes are their own payload. Never decides which
//! save it is.

use retrosync_protocol::{Kind, SaveId};

use super::{AsNew, clock, n64};

/// Whose saves have shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Gb,
    Gba,
    Nds,
    N64,
    Psx,
    Saturn,
    Clock,
}

/// What stands around the payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Plain,
    /// Bytes before, 0xFF behind up to this length, bytes after.
    Around { before: Vec<u8>, least_bytes: usize, after: Vec<u8> },
    /// DeSmuME's footer: the file's own where the size is still that, else a new one.
    Footer(Option<(usize, Vec<u8>)>),
    /// A clock of this length.
    Clock(usize),
    /// 0xFF before each byte.
    Spread,
    /// VBA's block, from which nothing tells where this game keeps its bytes.
    Block,
}

const GBA_SIZES: [usize; 5] = [0x200, 0x2000, 0x8000, 0x10000, 0x20000];
const GBA_BLOCK_BYTES: usize = 0x22000;
const GBA_FLASH_BYTES: usize = 0x20000;
const GBA_CLOCK_BYTES: usize = 16;
const SATURN_BYTES: usize = 0x8000;
const CARD_BYTES: usize = 0x20000;
/// A header's length and how it begins.
const CARD_HEADERS: [(usize, &[u8]); 2] = [(3904, b"123-456-STD"), (128, b"\0PMV")];
const SNIP: &[u8] = b"|<--Snip above here to create a raw sav by excluding this DeSmuME savedata footer:";
const COOKIE: &[u8] = b"|-DESMUME SAVE-|";
const FOOTER_BYTES: usize = SNIP.len() + 24 + COOKIE.len();

/// A save's size, its number in DeSmuME's list of chips, and how many bytes an address has there (`save_types` in src/mc.cpp).
const NDS_CHIPS: [(usize, u32, u32); 8] = [
    (0x200, 1, 1),
    (0x2000, 2, 2),
    (0x10000, 3, 2),
    (0x8000, 4, 2),
    (0x40000, 5, 3),
    (0x80000, 6, 3),
    (0x100000, 7, 3),
    (0x200000, 8, 3),
];

impl Family {
    pub(super) fn of(save: &SaveId) -> Option<Family> {
        // What is keyed by a core is that core's own affair.
        match (save.system(), save.kind(), save.core()) {
            ("gb" | "gbc" | "sgb", Kind::Sram, None) => Some(Family::Gb),
            ("gba", Kind::Sram, None) => Some(Family::Gba),
            ("nds", Kind::Sram, None) => Some(Family::Nds),
            ("n64", Kind::Sram, None) => Some(Family::N64),
            ("psx", Kind::Card, None) => Some(Family::Psx),
            ("saturn", Kind::Sram, None) => Some(Family::Saturn),
            (_, Kind::Rtc, None) => Some(Family::Clock),
            _ => None,
        }
    }
}

/// What stands around the payload in these bytes.
pub(super) fn of(family: Family, bytes: &[u8]) -> Shape {
    let around = |before: &[u8], least_bytes, after: &[u8]| Shape::Around {
        before: before.to_vec(),
        least_bytes,
        after: after.to_vec(),
    };
    match family {
        Family::Gb => match gb_clock(bytes) {
            Some(at) => around(&[], 0, &bytes[at..]),
            None => Shape::Plain,
        },
        Family::Gba => match (gba_block(bytes), gba_clock(bytes)) {
            (Some(Half::Flash), _) => around(&[], GBA_BLOCK_BYTES, &[]),
            (Some(Half::Eeprom), _) => {
                around(&bytes[..GBA_FLASH_BYTES], GBA_BLOCK_BYTES - GBA_FLASH_BYTES, &[])
            }
            (Some(Half::Neither), _) => Shape::Block,
            (None, Some(at)) => around(&[], at, &bytes[at..]),
            (None, None) if gba_end(bytes) < bytes.len() => around(&[], bytes.len(), &[]),
            (None, None) => Shape::Plain,
        },
        Family::Nds => match footer(bytes) {
            Some(at) => Shape::Footer(Some((at, bytes[at..].to_vec()))),
            None => Shape::Plain,
        },
        Family::N64 => match n64::end(bytes) {
            Some(end) if end < bytes.len() => around(&[], 0, &bytes[end..]),
            _ => Shape::Plain,
        },
        Family::Clock if !bytes.is_empty() => Shape::Clock(bytes.len()),
        Family::Clock => Shape::Plain,
        Family::Saturn if is_spread(bytes) => Shape::Spread,
        Family::Saturn => Shape::Plain,
        // A header describes what is on its card: it does not fit another. Emulators read a card without.
        Family::Psx => Shape::Plain,
    }
}

/// What a new file of this name needs around its payload.
pub(super) fn of_new(save: &SaveId, file_name: &str, as_new: AsNew) -> Shape {
    let ends = |with: &str| {
        let at = file_name.len().checked_sub(with.len());
        at.and_then(|at| file_name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    match Family::of(save) {
        Some(Family::Nds) if ends(".dsv") => Shape::Footer(None),
        // Only Yabause calls it so.
        Some(Family::Saturn) if ends(".srm") => Shape::Spread,
        Some(Family::Clock) if matches!(save.system(), "gb" | "gbc" | "sgb") => {
            Shape::Clock(if as_new.block_clock { clock::BLOCK_BYTES } else { 8 })
        }
        _ => Shape::Plain,
    }
}

/// Leaves the payload.
pub(super) fn take_off(family: Family, bytes: &mut Vec<u8>) {
    match family {
        Family::Gb => bytes.truncate(gb_clock(bytes).unwrap_or(bytes.len())),
        Family::Gba => {
            match gba_block(bytes) {
                Some(Half::Eeprom) => drop(bytes.drain(..GBA_FLASH_BYTES)),
                Some(_) => bytes.truncate(GBA_FLASH_BYTES),
                None => bytes.truncate(gba_clock(bytes).unwrap_or(bytes.len())),
            }
            bytes.truncate(gba_end(bytes));
        }
        Family::Nds => {
            // A payload must not look like a form: it is placed as it is.
            while let Some(at) = footer(bytes) {
                bytes.truncate(at);
            }
        }
        Family::N64 => bytes.truncate(n64::end(bytes).unwrap_or(bytes.len())),
        // Gambatte's time, as a 32-bit program writes it.
        Family::Clock if bytes.len() == 4 => bytes.extend([0; 4]),
        Family::Clock => {
            if let Some(time) = clock::time_of(bytes) {
                *bytes = time.to_le_bytes().to_vec();
            }
        }
        Family::Saturn if is_spread(bytes) => *bytes = bytes.iter().skip(1).step_by(2).copied().collect(),
        Family::Saturn => {}
        Family::Psx => {
            let is_it = |(length, mark): &&(usize, &[u8])| {
                bytes.len() == CARD_BYTES + length && bytes.starts_with(mark)
            };
            if let Some((length, _)) = CARD_HEADERS.iter().find(is_it) {
                bytes.drain(..*length);
            }
        }
    }
}

const OTHER_CLOCK: &str =
    "it is the clock of a core whose clocks are not the one's here: what would not be exact is not converted";

impl Shape {
    /// The whole file of this payload; or why it cannot be made.
    pub(super) fn put_on(&self, mut payload: Vec<u8>) -> Result<Vec<u8>, &'static str> {
        match self {
            Shape::Plain => Ok(payload),
            Shape::Clock(length) if *length == payload.len() => Ok(payload),
            Shape::Clock(4) if payload.len() == 8 && payload.ends_with(&[0; 4]) => {
                payload.truncate(4);
                Ok(payload)
            }
            Shape::Clock(length @ (clock::BLOCK_BYTES | clock::SHORT_BLOCK_BYTES)) => {
                let time = <[u8; 8]>::try_from(payload).ok();
                time.and_then(|time| clock::block_of(time, *length)).ok_or(OTHER_CLOCK)
            }
            Shape::Clock(_) => Err(OTHER_CLOCK),
            Shape::Spread if payload.len() == SATURN_BYTES => {
                Ok(payload.iter().flat_map(|byte| [0xff, *byte]).collect())
            }
            Shape::Spread => Err("it is no memory of a Saturn, which this core would take for one"),
            Shape::Block => {
                Err("the block of VBA that is there does not tell where this game keeps its bytes")
            }
            Shape::Around { before, least_bytes, after } => {
                if !before.is_empty() && payload.len() > *least_bytes {
                    return Err(
                        "the block of VBA that is there keeps this game's bytes where these do not fit",
                    );
                }
                if payload.len() < *least_bytes {
                    payload.resize(*least_bytes, 0xff);
                }
                Ok([before, &payload[..], after].concat())
            }
            Shape::Footer(Some((size, footer))) if *size == payload.len() => {
                Ok([&payload[..], footer].concat())
            }
            Shape::Footer(_) => {
                let footer = new_footer(payload.len())
                    .ok_or("no Nintendo DS cartridge has this size, so DeSmuME's footer cannot be made")?;
                payload.extend(footer);
                Ok(payload)
            }
        }
    }
}

/// Where the clock begins, if one follows the SRAM.
fn gb_clock(bytes: &[u8]) -> Option<usize> {
    let behind = |clock: &usize| bytes.len().checked_sub(*clock);
    let at = [clock::BLOCK_BYTES, clock::SHORT_BLOCK_BYTES].iter().filter_map(behind);
    let mut at = at.filter(|sram| [0x200, 0x800, 0x2000, 0x8000, 0x10000, 0x20000].contains(sram));
    at.find(|at| clock::is_block(&bytes[*at..]))
}

/// Is it a Saturn's memory as Yabause keeps it?
fn is_spread(bytes: &[u8]) -> bool {
    bytes.len() == 2 * SATURN_BYTES && bytes.iter().step_by(2).all(|byte| *byte == 0xff)
}

/// Where the payload ends: behind the first size of a chip after which all is 0xFF.
fn gba_end(bytes: &[u8]) -> usize {
    if !GBA_SIZES.contains(&bytes.len()) {
        return bytes.len();
    }
    let blank = |size: &&usize| bytes.get(**size..).is_some_and(is_blank);
    GBA_SIZES.iter().find(blank).copied().unwrap_or(bytes.len())
}

fn gba_clock(bytes: &[u8]) -> Option<usize> {
    bytes.len().checked_sub(GBA_CLOCK_BYTES).filter(|size| GBA_SIZES.contains(size))
}

/// In which half of VBA's block a game keeps its bytes.
enum Half {
    Flash,
    Eeprom,
    Neither,
}

fn gba_block(bytes: &[u8]) -> Option<Half> {
    if bytes.len() != GBA_BLOCK_BYTES {
        return None;
    }
    let (flash, eeprom) = bytes.split_at(GBA_FLASH_BYTES);
    match (is_blank(flash), is_blank(eeprom)) {
        (true, true) => Some(Half::Neither),
        (false, true) => Some(Half::Flash),
        (true, false) => Some(Half::Eeprom),
        // No game has both: not what it seems.
        (false, false) => None,
    }
}

/// Where DeSmuME's footer begins. It says how long the bytes before it are.
fn footer(bytes: &[u8]) -> Option<usize> {
    let at = bytes.len().checked_sub(FOOTER_BYTES)?;
    let fields = bytes[at..].strip_prefix(SNIP)?.strip_suffix(COOKIE)?;
    let padded = fields.get(4..8)?;
    (padded == u32::try_from(at).ok()?.to_le_bytes()).then_some(at)
}

/// The footer that DeSmuME writes behind a save of this size.
fn new_footer(size: usize) -> Option<Vec<u8>> {
    let (_, chip, address_bytes) = NDS_CHIPS.iter().find(|(bytes, ..)| *bytes == size)?;
    let size = u32::try_from(size).ok()?;
    let mut footer = SNIP.to_vec();
    for field in [size, size, *chip, *address_bytes, size, 0] {
        footer.extend(field.to_le_bytes());
    }
    footer.extend(COOKIE);
    Some(footer)
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0xff)
}
