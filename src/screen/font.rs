//! PURE. Letters as grey pixels: what is bundled, at any size, and what another file adds.
//!
//! Latin, Cyrillic and Greek are in the program; Chinese, Japanese and Korean come block by block from
//! whoever implements [`More`] (`glyphs.rs`: a file beside the program). What nobody has is drawn as a box with its four hex
//! digits, so that two titles still differ. All are of one size; the others are made by resampling. `assets/fonts/README.md` tells the form.

use std::cell::RefCell;

use crate::packed;

/// How dark a pixel can be: 0 is not at all.
pub const DARKEST: u8 = 7;
/// So many blocks of [`More`] are kept; a screen full of titles needs some twenty.
const KEPT_BLOCKS: usize = 48;

/// Where letters come from that are not bundled.
pub trait More {
    /// The number of the block that would have this letter.
    fn place(&self, code: u16) -> Option<usize>;
    /// That block, unpacked.
    fn block(&mut self, place: usize) -> Option<Vec<u8>>;
}

/// No letters but those that are bundled.
pub struct NoMore;

impl More for NoMore {
    fn place(&self, _code: u16) -> Option<usize> {
        None
    }

    fn block(&mut self, _place: usize) -> Option<Vec<u8>> {
        None
    }
}

/// Letters of one size.
struct Strike {
    bytes: Vec<u8>,
    codes: Vec<u16>,
    /// Where each glyph's rows begin; one more for the end.
    rows_at: Vec<u32>,
}

/// One letter's pixels, two bits each, rows filled up to a byte.
struct Glyph<'a> {
    em_px: u32,
    advance: u32,
    left: i32,
    top: i32,
    width: u32,
    height: u32,
    rows: &'a [u8],
}

/// A letter at some size, ready to be put down.
pub struct Letter {
    /// How far the next one stands.
    pub advance_px: u32,
    /// Its left edge from the pen.
    pub left_px: i32,
    /// Its upper edge from the line's top.
    pub top_px: i32,
    /// Pixels a row.
    pub width_px: u32,
    /// From 0 to [`DARKEST`], row by row.
    pub dark: Vec<u8>,
}

/// The letters that this program can draw.
pub struct Font {
    bundled: Option<Strike>,
    more: RefCell<Reserve>,
}

struct Reserve {
    source: Box<dyn More>,
    blocks: Vec<(usize, Option<Strike>)>,
}

impl Font {
    /// The bundled letters, and those of `more`.
    pub fn new(more: Box<dyn More>) -> Font {
        static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/latin.z"));
        let bundled = Strike::read(packed::unpack_bytes(PACKED));
        Font { bundled, more: RefCell::new(Reserve { source: more, blocks: Vec::new() }) }
    }

    /// How wide a text is at this size.
    pub fn width(&self, text: &str, size_px: u32) -> u32 {
        text.chars().map(|letter| self.advance(letter, size_px)).sum()
    }

    /// How high a line is at this size.
    pub fn line(size_px: u32) -> u32 {
        size_px * 5 / 4
    }

    fn advance(&self, letter: char, size_px: u32) -> u32 {
        self.with(letter, |glyph| match glyph {
            Some(glyph) => scaled(glyph.advance, size_px, glyph.em_px),
            None => box_width(size_px),
        })
    }

    /// A letter's pixels.
    pub fn letter(&self, letter: char, size_px: u32) -> Letter {
        self.with(letter, |glyph| match glyph {
            Some(glyph) => glyph.at(size_px),
            None => self.unknown(letter, size_px),
        })
    }

    fn with<T>(&self, letter: char, then: impl FnOnce(Option<Glyph<'_>>) -> T) -> T {
        let code = u16::try_from(u32::from(letter)).unwrap_or(u16::MAX);
        if let Some(glyph) = self.bundled.as_ref().and_then(|strike| strike.find(code)) {
            return then(Some(glyph));
        }
        let mut more = self.more.borrow_mut();
        let block = more.block(code);
        then(block.and_then(|strike| strike.find(code)))
    }

    /// A box with the letter's number in it, in two rows of two digits.
    fn unknown(&self, letter: char, size_px: u32) -> Letter {
        let (width, height) = (box_width(size_px), size_px * 7 / 8);
        let mut dark = vec![0; (width * height) as usize];
        let (right, bottom) = (width - 2, height - 1);
        for y in 0..height {
            for x in 0..=right {
                if y == 0 || y == bottom || x == 0 || x == right {
                    dark[(y * width + x) as usize] = DARKEST / 2;
                }
            }
        }
        let digit_px = (size_px * 3 / 8).max(5);
        for (at, digit) in format!("{:04X}", u32::from(letter) & 0xFFFF).bytes().enumerate() {
            let (column, row) = (at as u32 % 2, at as u32 / 2);
            let x0 = 2 + column * (right - 2) / 2;
            let y0 = 2 + row * (height - 3) / 2;
            small_digit(digit, digit_px, |x, y| {
                let (x, y) = (x0 + x, y0 + y);
                if x < right && y < bottom {
                    dark[(y * width + x) as usize] = DARKEST;
                }
            });
        }
        Letter { advance_px: width, left_px: 1, top_px: (size_px / 8) as i32, width_px: width, dark }
    }
}

impl Reserve {
    fn block(&mut self, code: u16) -> Option<&Strike> {
        let place = self.source.place(code)?;
        let known = match self.blocks.iter().position(|(known, _)| *known == place) {
            Some(known) => known,
            None => {
                if self.blocks.len() == KEPT_BLOCKS {
                    self.blocks.remove(0);
                }
                let strike = self.source.block(place).and_then(Strike::read);
                self.blocks.push((place, strike));
                self.blocks.len() - 1
            }
        };
        self.blocks.get(known)?.1.as_ref()
    }
}

/// What stands before the columns of a strike, in bytes.
const HEAD: usize = 5;
/// Bytes of one glyph in all columns.
const COLUMNS: usize = 7;

impl Strike {
    /// The strike that these bytes are; `None` if they are none.
    fn read(bytes: Vec<u8>) -> Option<Strike> {
        let count = usize::from(u16::from_be_bytes([*bytes.get(3)?, *bytes.get(4)?]));
        let mut at = u32::try_from(HEAD + COLUMNS * count).ok()?;
        let (widths, heights) = (HEAD + 5 * count, HEAD + 6 * count);
        let (mut codes, mut rows_at) = (Vec::with_capacity(count), Vec::with_capacity(count + 1));
        let mut code = 0u16;
        for glyph in 0..count {
            let more = HEAD + 2 * glyph;
            code = code.wrapping_add(u16::from_be_bytes([*bytes.get(more)?, *bytes.get(more + 1)?]));
            codes.push(code);
            rows_at.push(at);
            let (width, height) = (*bytes.get(widths + glyph)?, *bytes.get(heights + glyph)?);
            at += u32::from(width.div_ceil(4)) * u32::from(height);
        }
        rows_at.push(at);
        if bytes.len() < at as usize || count == 0 {
            return None;
        }
        Some(Strike { bytes, codes, rows_at })
    }

    fn em(&self) -> u32 {
        self.bytes.first().map_or(1, |em| u32::from(*em)).max(1)
    }

    fn find(&self, code: u16) -> Option<Glyph<'_>> {
        let low = self.codes.binary_search(&code).ok()?;
        let column = |number: usize| self.bytes[HEAD + number * self.codes.len() + low];
        Some(Glyph {
            em_px: self.em(),
            advance: u32::from(column(2)),
            left: i32::from(column(3).cast_signed()),
            top: i32::from(column(4)),
            width: u32::from(column(5)),
            height: u32::from(column(6)),
            rows: self.bytes.get(self.rows_at[low] as usize..self.rows_at[low + 1] as usize)?,
        })
    }
}

impl Glyph<'_> {
    /// Of 255; outside of the glyph there is nothing.
    fn dark(&self, x: i32, y: i32) -> i32 {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return 0 };
        if x >= self.width || y >= self.height {
            return 0;
        }
        let byte = self.rows[(y * self.width.div_ceil(4) + x / 4) as usize];
        i32::from(byte >> (6 - 2 * (x % 4)) & 3) * 85
    }

    fn at(&self, size_px: u32) -> Letter {
        let advance_px = scaled(self.advance, size_px, self.em_px);
        let to = |length: i32| length * size_px.cast_signed() / self.em_px.cast_signed();
        let (left_px, top_px) = (to(self.left - 1) - 1, to(self.top));
        let width_px = scaled(self.width + 2, size_px, self.em_px) + 1;
        let height_px = scaled(self.height + 1, size_px, self.em_px);
        let mut dark = Vec::with_capacity((width_px * height_px) as usize);
        for y in 0..height_px.cast_signed() {
            for x in 0..width_px.cast_signed() {
                dark.push(self.sample(x + left_px, y + top_px, size_px));
            }
        }
        Letter { advance_px, left_px, top_px, width_px, dark }
    }

    /// How dark the pixel at this place from the pen and the line's top is.
    fn sample(&self, x: i32, y: i32, size_px: u32) -> u8 {
        let (em, size) = (self.em_px.cast_signed(), size_px.cast_signed());
        if em == size {
            return level(self.dark(x - self.left, y - self.top));
        }
        // Places in 256ths of a pixel of the strike; a pixel's middle is at its half.
        let place = |at: i32, part: i32, of: i32| (at * 2 * of + 2 * part + 1) * 128 * em / (size * of) - 128;
        // A smaller pixel has one place, a larger one the mean of four.
        let parts = if size < em { 2 } else { 1 };
        let mut sum = 0;
        for part_y in 0..parts {
            for part_x in 0..parts {
                let x = place(x, part_x, parts) - self.left * 256;
                let y = place(y, part_y, parts) - self.top * 256;
                sum += self.between(x, y);
            }
        }
        let mean = sum / (parts * parts);
        // What was spread over more pixels gets its edges back, what shares fewer its weight.
        let sharper = if size > em {
            (mean - 128) * (size * 3 - em) / (em * 2) + 128
        } else {
            mean * (3 * em - size) / (2 * em)
        };
        level(sharper)
    }

    /// The darkness between four pixels; places in 256ths.
    fn between(&self, x: i32, y: i32) -> i32 {
        let (left, top) = (x >> 8, y >> 8);
        let (right_part, lower_part) = (x & 255, y & 255);
        let row = |y| self.dark(left, y) * (256 - right_part) + self.dark(left + 1, y) * right_part;
        (row(top) * (256 - lower_part) + row(top + 1) * lower_part) >> 16
    }
}

fn level(dark: i32) -> u8 {
    ((dark.clamp(0, 255) * i32::from(DARKEST) + 127) / 255) as u8
}

fn scaled(length: u32, size_px: u32, em_px: u32) -> u32 {
    (length * size_px + em_px / 2) / em_px
}

fn box_width(size_px: u32) -> u32 {
    size_px.max(12) * 3 / 4 + 2
}

/// A hex digit of three by five points, each point as large as fits.
fn small_digit(digit: u8, height_px: u32, mut point: impl FnMut(u32, u32)) {
    const ROWS: [u16; 16] = [
        0b111_101_101_101_111,
        0b010_110_010_010_111,
        0b111_001_111_100_111,
        0b111_001_111_001_111,
        0b101_101_111_001_001,
        0b111_100_111_001_111,
        0b111_100_111_101_111,
        0b111_001_001_010_010,
        0b111_101_111_101_111,
        0b111_101_111_001_111,
        0b111_101_111_101_101,
        0b110_101_110_101_110,
        0b111_100_100_100_111,
        0b110_101_101_101_110,
        0b111_100_111_100_111,
        0b111_100_111_100_100,
    ];
    let value = char::from(digit).to_digit(16).unwrap_or_default();
    let size = (height_px / 5).max(1);
    for at in (0..15).filter(|at| ROWS[value as usize] >> (14 - at) & 1 == 1) {
        for dy in 0..size {
            for dx in 0..size {
                point(at % 3 * size + dx, at / 3 * size + dy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_wide_as_its_letters_at_every_size() {
        let font = Font::new(Box::new(NoMore));
        assert_eq!((font.width("", 16), font.width("Saves", 16), font.width("Saves", 24)), (0, 43, 64));
        assert_eq!(font.width("Saves", 48), 2 * font.width("Saves", 24));
        for letter in "AzÄßőŽЖщΩέ€…–".chars() {
            for size_px in [16, 24, 48] {
                let drawn = font.letter(letter, size_px).dark;
                assert!(drawn.iter().any(|dark| *dark > DARKEST / 2), "{letter} cannot be seen at {size_px}");
                assert_ne!(drawn, font.unknown(letter, size_px).dark, "{letter} is a box");
            }
        }
    }

    #[test]
    fn titles_in_letters_that_nobody_has_still_differ() {
        let font = Font::new(Box::new(NoMore));
        let (one, other) = (font.letter('星', 16), font.letter('空', 16));
        assert_ne!(one.dark, other.dark);
        assert_eq!(one.advance_px, font.width("星", 16));
        assert!(!font.letter('🎮', 24).dark.is_empty());
    }

    #[test]
    fn bytes_that_are_no_strike_are_none() {
        for bytes in [&[][..], &[16, 16, 20, 0, 0], &[16, 16, 20, 255, 255, 1, 2], &[0; 11]] {
            assert!(Strike::read(bytes.to_vec()).is_none(), "{bytes:?}");
        }
    }
}
