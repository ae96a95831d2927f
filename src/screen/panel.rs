//! PURE. From the picture to a panel's memory: its pixels' form, its rows, and how it is mounted in the case.
//!
//! Writes only what differs from the picture before, and never beyond the memory it is given, whatever a driver said.

use super::canvas::{Canvas, Colour};

/// Where one colour's bits are in a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    /// The lowest.
    pub offset: u32,
    /// How many.
    pub length: u32,
}

/// A panel's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panel {
    /// Pixels a row, as they lie in memory.
    pub width: u32,
    /// Rows, as they lie in memory.
    pub height: u32,
    /// From one row to the next.
    pub stride_bytes: usize,
    /// Of a pixel: 2, 3 or 4.
    pub pixel_bytes: usize,
    /// Red, green, blue; and what must be all ones for the pixel to be seen at all.
    pub bits: [Bits; 4],
    /// By how much the picture is turned clockwise, in degrees, so that it is upright in the hand.
    pub rotation: u32,
}

impl Panel {
    /// The usual form of pixels of 16 or 32 bits; `None` for others.
    pub fn usual_bits(bits_per_pixel: u32) -> Option<[Bits; 4]> {
        let bits = |offset, length| Bits { offset, length };
        match bits_per_pixel {
            16 => Some([bits(11, 5), bits(5, 6), bits(0, 5), bits(0, 0)]),
            24 | 32 => Some([
                bits(16, 8),
                bits(8, 8),
                bits(0, 8),
                bits(24, if bits_per_pixel == 32 { 8 } else { 0 }),
            ]),
            _ => None,
        }
    }

    /// Width and height as a person sees them.
    pub fn upright(&self) -> (u32, u32) {
        if self.rotation % 180 == 90 { (self.height, self.width) } else { (self.width, self.height) }
    }

    /// How much memory one picture takes.
    pub fn page_bytes(&self) -> usize {
        self.stride_bytes * self.height as usize
    }

    /// A colour as a pixel of this panel.
    pub fn pixel(&self, colour: Colour) -> u32 {
        let [red, green, blue, seen] = self.bits;
        let part = |shift: u32, bits: Bits| match bits.length {
            0 => 0,
            length => ((colour >> shift & 255) >> 8u32.saturating_sub(length)) << (bits.offset & 31),
        };
        let seen =
            if seen.length == 0 { 0 } else { (u32::MAX >> (32 - seen.length.min(32))) << (seen.offset & 31) };
        part(16, red) | part(8, green) | part(0, blue) | seen
    }

    /// Writes `canvas` into `memory`; `shown` is what is there already.
    pub fn paint(&self, canvas: &Canvas, shown: Option<&Canvas>, memory: &mut [u8]) {
        let palette = canvas.palette();
        let pixels: Vec<[u8; 4]> = palette.iter().map(|colour| self.pixel(*colour).to_le_bytes()).collect();
        let shown = shown.filter(|shown| (shown.width, shown.height) == (canvas.width, canvas.height));
        let before = shown.map(Canvas::palette).unwrap_or_default();
        let width = canvas.width.max(1) as usize;
        for (y, row) in canvas.cells.chunks(width).enumerate() {
            let old = shown.and_then(|shown| shown.cells.get(y * width..(y + 1) * width));
            for (x, cell) in row.iter().enumerate() {
                let colour = palette.get(usize::from(*cell));
                let is_shown = old.is_some_and(|old| before.get(usize::from(old[x])) == colour);
                if is_shown {
                    continue;
                }
                let at = self.place(x, y);
                if let (Some(to), Some(pixel)) =
                    (memory.get_mut(at..at + self.pixel_bytes), pixels.get(usize::from(*cell)))
                {
                    to.copy_from_slice(&pixel[..self.pixel_bytes]);
                }
            }
        }
    }

    /// Where an upright pixel lies in memory.
    fn place(&self, x: usize, y: usize) -> usize {
        let (last_x, last_y) = (self.width as usize - 1, self.height as usize - 1);
        let (x, y) = match self.rotation {
            90 => (last_x.saturating_sub(y), x),
            180 => (last_x.saturating_sub(x), last_y.saturating_sub(y)),
            270 => (y, last_y.saturating_sub(x)),
            _ => (x, y),
        };
        y * self.stride_bytes + x * self.pixel_bytes
    }
}

/// What `--geometry` declares: `640x480x16`, then if it is so `@180` (rotation), `+64` (bytes more a row), `*2` (pages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The memory.
    pub panel: Panel,
    /// How many pictures fit into it.
    pub pages: u32,
}

impl Geometry {
    /// Reads one; `None` if it is none.
    pub fn parse(text: &str) -> Option<Geometry> {
        let (text, pages) = split(text, '*', 1)?;
        let (text, more_bytes) = split(text, '+', 0)?;
        let (text, rotation) = split(text, '@', 0)?;
        let mut numbers = text.split('x').map(|number| number.parse::<u32>().ok());
        let (width, height) = (numbers.next()??, numbers.next()??);
        let depth = numbers.next().map_or(Some(32), |depth| depth)?;
        let bits = Panel::usual_bits(depth)?;
        let is_sane = (1..=8192).contains(&width) && (1..=8192).contains(&height) && (1..=3).contains(&pages);
        if !is_sane || rotation % 90 != 0 || rotation > 270 || more_bytes > 65536 || numbers.next().is_some()
        {
            return None;
        }
        let pixel_bytes = depth as usize / 8;
        let stride_bytes = width as usize * pixel_bytes + more_bytes as usize;
        Some(Geometry { panel: Panel { width, height, stride_bytes, pixel_bytes, bits, rotation }, pages })
    }
}

fn split(text: &str, mark: char, usual: u32) -> Option<(&str, u32)> {
    match text.split_once(mark) {
        Some((text, number)) => Some((text, number.parse().ok()?)),
        None => Some((text, usual)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::screen::canvas::Cell;
    use embedded_graphics::Pixel;
    use embedded_graphics::draw_target::DrawTarget as _;
    use embedded_graphics::geometry::Point;

    /// A picture of three by two, black but for its left upper corner, which is red, and the pixel right of it, blue.
    fn picture(turned: u32) -> Canvas {
        let (width, height) = if turned % 180 == 90 { (2, 3) } else { (3, 2) };
        let mut canvas = Canvas::new(width, height, 0);
        let (red, blue) = (canvas.plain(0xFF_00_00), canvas.plain(0x00_00_FF));
        let dots: [(i32, Cell); 2] = [(0, red), (1, blue)];
        canvas.draw_iter(dots.map(|(x, cell)| Pixel(Point::new(x, 0), cell))).unwrap();
        canvas
    }

    #[test]
    fn a_panel_that_is_mounted_sideways_or_upside_down_shows_an_upright_picture() {
        let rows: [(u32, [u16; 6]); 4] = [
            (0, [0xF800, 0x001F, 0, 0, 0, 0]),
            (90, [0, 0, 0xF800, 0, 0, 0x001F]),
            (180, [0, 0, 0, 0, 0x001F, 0xF800]),
            (270, [0x001F, 0, 0, 0xF800, 0, 0]),
        ];
        for (rotation, wanted) in rows {
            let geometry = Geometry::parse(&format!("3x2x16@{rotation}")).unwrap();
            let mut memory = vec![0xAA; geometry.panel.page_bytes()];
            geometry.panel.paint(&picture(rotation), None, &mut memory);
            let pixels: Vec<u16> = memory.chunks(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
            assert_eq!(pixels, wanted, "{rotation}");
        }
    }

    #[test]
    fn what_lies_between_the_rows_and_what_is_shown_already_is_not_written() {
        let geometry = Geometry::parse("3x2x32+8").unwrap();
        let mut memory = vec![0xAA; geometry.panel.page_bytes()];
        geometry.panel.paint(&picture(0), None, &mut memory);
        assert_eq!(memory[..8], [0, 0, 255, 255, 255, 0, 0, 255]);
        assert_eq!(memory[12..20], [0xAA; 8]);
        memory.fill(0xAA);
        geometry.panel.paint(&picture(0), Some(&picture(0)), &mut memory);
        assert!(memory.iter().all(|byte| *byte == 0xAA));
    }

    #[test]
    fn a_driver_that_lies_about_its_memory_ends_no_program() {
        let mut panel = Geometry::parse("3x2x16").unwrap().panel;
        panel.stride_bytes = 1 << 20;
        panel.bits = [Bits { offset: 99, length: 99 }; 4];
        let mut memory = vec![0; 7];
        panel.paint(&picture(0), None, &mut memory);
    }

    #[test]
    fn geometries_that_make_no_sense_are_refused() {
        for text in [
            "",
            "640",
            "640x480x8",
            "0x480",
            "640x480x16@45",
            "640x480x16x1",
            "9999x9999",
            "640x480*9",
            "axb",
        ] {
            assert_eq!(Geometry::parse(text), None, "{text}");
        }
        let geometry = Geometry::parse("480x640x32@270+64*2").unwrap();
        assert_eq!(
            (geometry.panel.upright(), geometry.panel.stride_bytes, geometry.pages),
            ((640, 480), 1984, 2)
        );
    }
}
