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
    /// Codes have nine letters.
    fn code_size(&self, width: u32) -> u32 {
        let nine = 9 * self.step(24);
        (width.saturating_sub(self.sizes.gap) * 24 / nine.max(1)).min(self.sizes.text * 3) / 4 * 4
    }

    /// From one letter's place to the next.
    fn step(&self, size_px: u32) -> u32 {
        self.width("W", size_px) * 15 / 16
    }

    pub(super) fn code_height(&self, width: u32) -> u32 {
        self.code_size(width) * 3 / 2
    }

    /// As large as fits, each letter in a place of its own.
    pub(super) fn code(&mut self, code: &str, room: Rectangle) {
        let size = self.code_size(room.size.width);
        self.soft(room, self.sizes.gap, RAISED, PAGE);
        let step = self.step(size);
        let total = step * code.chars().count() as u32;
        if total > room.size.width {
            return self.centred(room, code, self.sizes.text, ACCENT, RAISED);
        }
        let mut left = room.top_left.x + ((room.size.width - total) / 2).cast_signed();
        for letter in code.chars() {
            let letter = self.font.letter(letter, size);
            let inside = (step.cast_signed() - letter.advance_px.cast_signed()) / 2;
            self.canvas.put(&letter, Point::new(left + inside, middle(room, size)), ACCENT, RAISED);
            left += step.cast_signed();
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
