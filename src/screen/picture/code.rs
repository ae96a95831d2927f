//! PURE. What is typed or photographed elsewhere: the pairing code in large letters, and QR codes.

use embedded_graphics::geometry::Point;
use embedded_graphics::primitives::Rectangle;
use qrcodegen::{QrCode, QrCodeEcc};

use super::paint::{ACCENT, PAGE, Painter, RAISED, area, middle};

/// Light modules around the code: the standard asks for four, readers are content with two on a light card.
const BORDER: u32 = 2;
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

    /// In the middle of the room; false where it would not be readable, and nothing is drawn.
    pub(super) fn qr(&mut self, address: &str, room: Rectangle) -> bool {
        let Ok(code) = QrCode::encode_text(address, QrCodeEcc::Low) else { return false };
        let modules = code.size().unsigned_abs() + 2 * BORDER;
        let scale = room.size.width.min(room.size.height) / modules;
        if scale < 2 {
            return false;
        }
        let side = scale * modules;
        let left = room.top_left.x + ((room.size.width - side) / 2).cast_signed();
        let top = room.top_left.y + ((room.size.height - side) / 2).cast_signed();
        self.soft(area(left, top, side, side), scale * BORDER, LIGHT, PAGE);
        let start = Point::new(left, top) + Point::new(1, 1) * (scale * BORDER).cast_signed();
        for y in 0..code.size() {
            for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
                let at = start + Point::new(x, y) * scale.cast_signed();
                self.fill(area(at.x, at.y, scale, scale), DARK);
            }
        }
        true
    }
}
