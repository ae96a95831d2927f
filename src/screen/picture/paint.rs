//! PURE. What all blocks are drawn with: the colours, the sizes for this screen, texts, soft rectangles.

use embedded_graphics::draw_target::DrawTarget as _;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use super::sign::{Sign, corner, sign};
use crate::screen::canvas::{Canvas, Colour};
use crate::screen::font::Font;
use crate::screen::view::Tone;
use crate::screen::wrap;

/// Behind everything.
pub(super) const PAGE: Colour = 0x12_16_1C;
/// What lies on the page: cards, keys, tracks.
pub(super) const RAISED: Colour = 0x20_27_31;
/// Lines between parts.
pub(super) const LINE: Colour = 0x2C_35_41;
/// What is read.
pub(super) const TEXT: Colour = 0xEA_EE_F3;
/// What may be read.
pub(super) const QUIET: Colour = 0x98_A5_B4;
/// The one accent: the focus.
pub(super) const ACCENT: Colour = 0x5C_B3_FF;
/// What is read on the accent.
pub(super) const ON_ACCENT: Colour = 0x08_10_1A;
/// Quieter on the accent.
pub(super) const QUIET_ON_ACCENT: Colour = 0x1B_3D_5E;

/// The colour of a tone.
pub(super) fn colour(tone: Tone) -> Colour {
    match tone {
        Tone::Plain => TEXT,
        Tone::Quiet => QUIET,
        Tone::Good => 0x71_D0_92,
        Tone::Look => 0xF3_BC_54,
        Tone::Bad => 0xF4_7C_74,
    }
}

/// How large things are on a screen, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// What is read.
    pub text: u32,
    /// What is seen at a glance.
    pub heading: u32,
    /// What may be read.
    pub small: u32,
    /// From the edges.
    pub margin: u32,
    /// Between things.
    pub gap: u32,
}

impl Sizes {
    /// Some twenty lines of text fit on every screen, however fine it is; below 320 pixels fewer do.
    pub fn of(width: u32, height: u32) -> Sizes {
        let text = match (width * 3 / 4).min(height) / 20 {
            0..=17 => 16,
            18..=21 => 20,
            // Multiples of half a bundled size stay sharp.
            larger => (larger / 12).max(2) * 12,
        };
        Sizes {
            text,
            heading: text * 4 / 3 / 4 * 4,
            small: (text * 5 / 6 / 2 * 2).max(16),
            margin: text * 5 / 8,
            gap: text / 3,
        }
    }
}

/// A canvas, the letters, and how large they are.
pub(super) struct Painter<'a> {
    pub(super) canvas: Canvas,
    pub(super) font: &'a Font,
    pub(super) sizes: Sizes,
}

/// A rectangle from its left, top, width and height.
pub(super) fn area(left: i32, top: i32, width: u32, height: u32) -> Rectangle {
    Rectangle::new(Point::new(left, top), Size::new(width, height))
}

/// The same without so much on each side.
pub(super) fn within(area: Rectangle, edge_px: u32) -> Rectangle {
    area.offset(-edge_px.cast_signed())
}

/// A rectangle's right edge.
pub(super) fn right(area: Rectangle) -> i32 {
    area.top_left.x + area.size.width.cast_signed()
}

/// A rectangle's lower edge.
pub(super) fn bottom(area: Rectangle) -> i32 {
    area.top_left.y + area.size.height.cast_signed()
}

impl Painter<'_> {
    pub(super) fn width(&self, text: &str, size_px: u32) -> u32 {
        self.font.width(text, size_px)
    }

    /// Shortened to fit.
    pub(super) fn elided(&self, text: &str, size_px: u32, room_px: u32) -> String {
        wrap::elided(text, room_px, &|text| self.width(text, size_px))
    }

    /// On lines that fit.
    pub(super) fn lines(&self, text: &str, size_px: u32, room_px: u32, most: usize) -> Vec<String> {
        wrap::lines_at_most(text, room_px, most, &|text| self.width(text, size_px))
    }

    /// One line; answers where it ends.
    pub(super) fn text(&mut self, at: Point, text: &str, size_px: u32, ink: Colour, ground: Colour) -> i32 {
        let mut pen = at;
        for letter in text.chars() {
            let letter = self.font.letter(letter, size_px);
            self.canvas.put(&letter, pen, ink, ground);
            pen.x += letter.advance_px.cast_signed();
        }
        pen.x
    }

    /// One line that ends at `right`; answers where it begins.
    pub(super) fn text_to(
        &mut self,
        right: i32,
        top: i32,
        text: &str,
        size_px: u32,
        ink: Colour,
        ground: Colour,
    ) -> i32 {
        let left = right - self.width(text, size_px).cast_signed();
        self.text(Point::new(left, top), text, size_px, ink, ground);
        left
    }

    /// One line in the middle of an area, shortened to fit.
    pub(super) fn centred(&mut self, area: Rectangle, text: &str, size_px: u32, ink: Colour, ground: Colour) {
        let text = self.elided(text, size_px, area.size.width);
        let left =
            area.top_left.x + (area.size.width.saturating_sub(self.width(&text, size_px)) / 2).cast_signed();
        self.text(Point::new(left, middle(area, size_px)), &text, size_px, ink, ground);
    }

    /// A sign in a square whose left upper corner is at `at`.
    pub(super) fn sign(&mut self, what: Sign, at: Point, size_px: u32, ink: Colour, ground: Colour) {
        self.canvas.put(&sign(what, size_px), at, ink, ground);
    }

    /// A tone's sign: a disc with something in it.
    pub(super) fn disc(&mut self, tone: Tone, at: Point, size_px: u32, ground: Colour) {
        let what = match tone {
            Tone::Good => Sign::Check,
            Tone::Look => Sign::Bang,
            Tone::Bad => Sign::Cross,
            Tone::Plain | Tone::Quiet => return,
        };
        let ink = colour(tone);
        self.sign(Sign::Disc, at, size_px, ink, ground);
        self.sign(what, at, size_px, PAGE, ink);
    }

    /// A full rectangle.
    pub(super) fn fill(&mut self, area: Rectangle, ink: Colour) {
        let cell = self.canvas.plain(ink);
        let _ = self.canvas.fill_solid(&area, cell);
    }

    /// A full rectangle with soft corners.
    pub(super) fn soft(&mut self, area: Rectangle, radius_px: u32, ink: Colour, ground: Colour) {
        let radius = radius_px.min(area.size.width / 2).min(area.size.height / 2);
        self.fill(area, ink);
        let square = Size::new_equal(radius);
        let (left, top) = (area.top_left.x, area.top_left.y);
        let (far_left, low_top) = (right(area) - radius.cast_signed(), bottom(area) - radius.cast_signed());
        let corners = [(left, top), (far_left, top), (left, low_top), (far_left, low_top)];
        for (number, (x, y)) in (0..).zip(corners) {
            let at = Point::new(x, y);
            self.fill(Rectangle::new(at, square), ground);
            self.canvas.put(&corner(number, radius), at, ink, ground);
        }
    }
}

/// Where a line of this size begins so that it stands in the middle of the area's height.
pub(super) fn middle(area: Rectangle, size_px: u32) -> i32 {
    // Letters stand between three sixteenths of the size and the whole of it.
    area.top_left.y + (area.size.height.cast_signed() - (size_px * 19 / 16).cast_signed()) / 2
        - (size_px / 24).cast_signed()
}
