//! PURE. The picture before it is shown: one byte a pixel, its colours in a palette, upright whatever the panel is.
//!
//! A byte is a pair of colours (ink on ground) and how much of the ink there is, so that the grey edges of letters cost no
//! more than a byte and two pictures are compared as bytes. Knows nothing of blocks, panels and files.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::PixelColor;
use embedded_graphics::pixelcolor::raw::RawU8;
use embedded_graphics::primitives::Rectangle;

use super::font::{DARKEST, Letter};

/// A colour as people write it: 0xRRGGBB.
pub type Colour = u32;

/// How many shades a pair of colours has.
const SHADES: usize = DARKEST as usize + 1;

/// A place in the palette.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell(pub u8);

impl PixelColor for Cell {
    type Raw = RawU8;
}

/// What is to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canvas {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Row by row, places in the palette.
    pub cells: Vec<u8>,
    /// Ink and ground of each pair of colours.
    pairs: Vec<(Colour, Colour)>,
}

impl Canvas {
    /// All of one colour.
    pub fn new(width: u32, height: u32, ground: Colour) -> Canvas {
        let cells = vec![0; width as usize * height as usize];
        Canvas { width, height, cells, pairs: vec![(ground, ground)] }
    }

    /// The place of this colour in the palette.
    pub fn plain(&mut self, colour: Colour) -> Cell {
        Cell(self.pair(colour, colour))
    }

    /// Where the shades of `ink` on `ground` begin in the palette. Too many pairs for a palette: the first one.
    fn pair(&mut self, ink: Colour, ground: Colour) -> u8 {
        let known = self.pairs.iter().position(|pair| *pair == (ink, ground)).unwrap_or_else(|| {
            if (self.pairs.len() + 1) * SHADES > 256 {
                return 0;
            }
            self.pairs.push((ink, ground));
            self.pairs.len() - 1
        });
        (known * SHADES) as u8
    }

    /// The palette: 256 colours or fewer.
    pub fn palette(&self) -> Vec<Colour> {
        let shades = self.pairs.iter().flat_map(|(ink, ground)| {
            (0..SHADES as u32).map(move |dark| mixed(*ink, *ground, dark, u32::from(DARKEST)))
        });
        shades.collect()
    }

    /// Puts a letter down with its line's left upper corner at `at`.
    pub fn put(&mut self, letter: &Letter, at: Point, ink: Colour, ground: Colour) {
        let first = self.pair(ink, ground);
        let (left, top) = (at.x + letter.left_px, at.y + letter.top_px);
        for (row, darks) in (top..).zip(letter.dark.chunks(letter.width_px.max(1) as usize)) {
            for (column, dark) in (left..).zip(darks).filter(|(_, dark)| **dark > 0) {
                if let Some(cell) = self.cell(column, row) {
                    *cell = first + dark;
                }
            }
        }
    }

    fn cell(&mut self, x: i32, y: i32) -> Option<&mut u8> {
        let (x, y) = (u32::try_from(x).ok()?, u32::try_from(y).ok()?);
        if x >= self.width {
            return None;
        }
        self.cells.get_mut(y as usize * self.width as usize + x as usize)
    }
}

fn mixed(ink: Colour, ground: Colour, dark: u32, of: u32) -> Colour {
    let part = |shift: u32| {
        let (ink, ground) = (ink >> shift & 255, ground >> shift & 255);
        ((ink * dark + ground * (of - dark)) / of) << shift
    };
    part(16) | part(8) | part(0)
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Cell;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Cell>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            if let Some(cell) = self.cell(at.x, at.y) {
                *cell = colour.0;
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Cell) -> Result<(), Infallible> {
        let area = area.intersection(&Rectangle::new(Point::zero(), self.size()));
        let (left, width) = (area.top_left.x as usize, area.size.width as usize);
        for y in area.rows() {
            let start = y as usize * self.width as usize + left;
            // Nothing of an area that lies beside the picture.
            if let Some(cells) = self.cells.get_mut(start..start + width) {
                cells.fill(colour.0);
            }
        }
        Ok(())
    }
}
