//! PURE. What is typed or photographed elsewhere: the pairing code in large letters, and QR codes.

use embedded_graphics::geometry::Point;
use embedded_graphics::primitives::Rectangle;
use qrcodegen::{QrCode, QrCodeEcc};

use super::paint::{ACCENT, PAGE, Painter, RAISED, area, middle};
use crate::screen::wrap;

/// Light modules around the code: as many as the standard asks for on a dark page, or what readers are content with where
/// that makes the difference.
const BORDERS: [u32; 2] = [4, 2];
const LIGHT: u32 = 0xF4_F6_F8;
const DARK: u32 = 0x0B_0E_12;

impl Painter<'_> {
    /// How wide a code is with the same gap between all its letters, and that gap.
    fn spaced(&self, code: &str, size_px: u32) -> (u32, u32) {
        let gap = size_px / 6;
        (self.width(code, size_px) + gap * (code.chars().count() as u32).saturating_sub(1), gap)
    }

    /// As large as fits.
    fn code_size(&self, code: &str, width: u32) -> u32 {
        let wide = self.spaced(code, 24).0.max(1);
        (width.saturating_sub(self.sizes.text) * 24 / wide).min(self.sizes.text * 3) / 4 * 4
    }

    /// Would it be no larger than a heading?
    pub(super) fn is_small(&self, code: &str, width: u32) -> bool {
        self.code_size(code, width) * 2 < self.sizes.text * 3
    }

    pub(super) fn code_height(&self, code: &str, width: u32) -> u32 {
        self.code_size(code, width).max(self.sizes.text) * 3 / 2
    }

    /// As large as fits, with the same gap between all letters.
    pub(super) fn code(&mut self, code: &str, room: Rectangle) {
        self.soft(room, self.sizes.gap, RAISED, PAGE);
        let size = self.code_size(code, room.size.width);
        let (wide, gap) = self.spaced(code, size);
        if size < self.sizes.text {
            return self.centred(room, code, self.sizes.text, ACCENT, RAISED);
        }
        let left = room.top_left.x + (room.size.width.saturating_sub(wide) / 2).cast_signed();
        let mut at = Point::new(left, middle(room, size));
        for letter in code.chars() {
            let letter = self.font.letter(letter, size);
            self.canvas.put(&letter, at, ACCENT, RAISED);
            at.x += (letter.advance_px + gap).cast_signed();
        }
    }

    /// In the middle of the room.
    pub(super) fn square(&mut self, square: &Square, room: Rectangle) {
        let &Square { ref code, scale, border } = square;
        let side = square.side();
        let left = room.top_left.x + (room.size.width.saturating_sub(side) / 2).cast_signed();
        let top = room.top_left.y + (room.size.height.saturating_sub(side) / 2).cast_signed();
        self.soft(area(left, top, side, side), scale * border, LIGHT, PAGE);
        let start = Point::new(left, top) + Point::new(1, 1) * (scale * border).cast_signed();
        for y in 0..code.size() {
            for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
                let at = start + Point::new(x, y) * scale.cast_signed();
                self.fill(area(at.x, at.y, scale, scale), DARK);
            }
        }
    }
}

/// A QR code, and how large it is drawn.
pub(super) struct Square {
    code: QrCode,
    /// How many pixels a module has.
    scale: u32,
    /// How many light modules are around it.
    border: u32,
}

impl Square {
    /// As large as fits into a square of so many pixels; `None` where it would not be readable.
    pub(super) fn of(address: &str, most_px: u32) -> Option<Square> {
        let code = QrCode::encode_text(address, QrCodeEcc::Low).ok()?;
        let scale = |border: u32| most_px / (code.size().unsigned_abs() + 2 * border);
        let Some(border) = BORDERS.into_iter().find(|border| scale(*border) >= 2) else {
            wrap::cut(address);
            return None;
        };
        Some(Square { scale: scale(border), border, code })
    }

    /// How wide and high it is with its border, in pixels.
    pub(super) fn side(&self) -> u32 {
        self.scale * (self.code.size().unsigned_abs() + 2 * self.border)
    }
}
