//! PURE. Headings, texts, bars and lists.

use embedded_graphics::geometry::Point;
use embedded_graphics::primitives::Rectangle;

use super::code::Square;
use super::paint::{
    ACCENT, LINE, ON_ACCENT, PAGE, Painter, QUIET, QUIET_ON_ACCENT, RAISED, Sizes, TEXT, area, bottom,
    colour, middle, right,
};
use super::sign::Sign;
use crate::screen::canvas::Colour;
use crate::screen::font::Font;
use crate::screen::view::{Block, Mark, Row, Tone};

impl Painter<'_> {
    /// How high a block is on lines of this width, texts with at most so many lines; of one that grows, the least.
    pub(super) fn height(&self, block: &Block, width: u32, most: usize) -> u32 {
        let Sizes { text, heading, small, gap, .. } = self.sizes;
        match block {
            Block::Heading { tone, text } => {
                self.heading_lines(*tone, text, width).len() as u32 * Font::line(heading)
            }
            Block::Text { tone, text } => {
                let size = self.text_size(*tone);
                self.lines(text, size, width, most).len() as u32 * Font::line(size)
            }
            Block::Code(code) => self.code_height(code, width),
            Block::Bar { .. } => Font::line(small) + text * 3 / 4,
            Block::List { rows, .. } => self.row_height() * rows.len().min(3) as u32,
            Block::Columns { sides, .. } => {
                self.columns_height(sides, width).min(Font::line(self.sizes.text) * 6)
            }
            Block::Keyboard { rows, .. } => (rows.len() as u32 + 1) * (Font::line(text) + gap / 2),
            Block::Qr(_) => text * 4,
        }
    }

    /// How high a block that grows may become, with so much to take.
    pub(super) fn most_height(&self, block: &Block, room: Rectangle, rest: u32) -> u32 {
        match block {
            Block::Columns { sides, .. } => self.columns_height(sides, room.size.width).min(rest),
            _ => rest,
        }
    }

    /// Draws a block.
    pub(super) fn block(&mut self, block: &Block, room: Rectangle) {
        match block {
            Block::Heading { tone, text } => self.heading(*tone, text, room),
            Block::Text { tone, text } => {
                let size = self.text_size(*tone);
                let most = (room.size.height / Font::line(size)) as usize;
                let mut at = room.top_left;
                for line in self.lines(text, size, room.size.width, most) {
                    self.text(at, &line, size, colour(*tone), PAGE);
                    at.y += Font::line(size).cast_signed();
                }
            }
            Block::Code(code) => self.code(code, room),
            Block::Bar { done, total, label } => self.bar(*done, *total, label, room),
            Block::List { rows, focus } => self.list(rows, *focus, room),
            Block::Columns { sides, focus } => self.columns(sides, *focus, room),
            Block::Keyboard { rows, at, typed } => self.keyboard(rows, *at, typed, room),
            Block::Qr(address) => {
                if let Some(square) = Square::of(address, room.size.width.min(room.size.height)) {
                    self.square(&square, room);
                }
            }
        }
    }

    fn text_size(&self, tone: Tone) -> u32 {
        if tone == Tone::Quiet { self.sizes.small } else { self.sizes.text }
    }

    fn sign_room(&self, tone: Tone) -> u32 {
        if matches!(tone, Tone::Plain | Tone::Quiet) { 0 } else { self.sizes.heading + self.sizes.gap }
    }

    fn heading_lines(&self, tone: Tone, text: &str, width: u32) -> Vec<String> {
        self.lines(text, self.sizes.heading, width.saturating_sub(self.sign_room(tone)), 2)
    }

    fn heading(&mut self, tone: Tone, text: &str, room: Rectangle) {
        let size = self.sizes.heading;
        let first = area(room.top_left.x, room.top_left.y, size, Font::line(size));
        self.disc(
            tone,
            Point::new(first.top_left.x, middle(first, size) + (size / 8).cast_signed()),
            size,
            PAGE,
        );
        let mut at = room.top_left + Point::new(self.sign_room(tone).cast_signed(), 0);
        for line in self.heading_lines(tone, text, room.size.width) {
            self.text(at, &line, size, TEXT, PAGE);
            at.y += Font::line(size).cast_signed();
        }
    }

    fn bar(&mut self, done: u64, total: u64, label: &str, room: Rectangle) {
        let Sizes { text, small, .. } = self.sizes;
        let label = self.elided(label, small, room.size.width);
        self.text(room.top_left, &label, small, QUIET, PAGE);
        let height = text / 2;
        let top = room.top_left.y + (Font::line(small) + text / 8).cast_signed();
        let track = area(room.top_left.x, top, room.size.width, height);
        self.soft(track, height / 2, RAISED, PAGE);
        let wide = u64::from(track.size.width);
        // Of an unknown whole nothing is promised: a piece in the middle.
        let (left, part) = match total {
            0 => (wide / 3, wide / 3),
            _ => (0, (wide * done.min(total) / total).max(u64::from(height))),
        };
        let fill = area(track.top_left.x + left as i32, top, part as u32, height);
        if total == 0 || done > 0 {
            self.soft(fill, height / 2, ACCENT, RAISED);
        }
    }

    fn row_height(&self) -> u32 {
        self.sizes.text * 3 / 2
    }

    fn list(&mut self, rows: &[Row], focus: usize, room: Rectangle) {
        let gap = self.sizes.gap;
        let visible = (room.size.height / self.row_height()).max(1) as usize;
        let scrolls = rows.len() > visible;
        // Few rows get more air; rows that nearly fill the room fill it.
        let shared = room.size.height / rows.len().clamp(1, visible) as u32;
        let height = shared.min(self.sizes.text * 2);
        let width = room.size.width.saturating_sub(if scrolls { gap * 3 / 2 } else { 0 });
        let first = focus.saturating_sub(visible / 2).min(rows.len().saturating_sub(visible));
        let mut top = room.top_left.y;
        for (at, row) in rows.iter().enumerate().skip(first).take(visible) {
            self.row(row, at == focus, area(room.top_left.x, top, width, height));
            top += height.cast_signed();
        }
        if scrolls {
            let wide = (gap / 2).max(3);
            let track = area(right(room) - wide.cast_signed(), room.top_left.y, wide, room.size.height);
            self.soft(track, wide / 2, RAISED, PAGE);
            let part = |rows_above: usize| (room.size.height as usize * rows_above / rows.len()) as u32;
            let thumb = area(
                track.top_left.x,
                track.top_left.y + part(first).cast_signed(),
                wide,
                part(visible).max(2 * wide),
            );
            self.soft(thumb, wide / 2, QUIET, RAISED);
        }
    }

    fn row(&mut self, row: &Row, has_focus: bool, room: Rectangle) {
        let Sizes { text, small, gap, .. } = self.sizes;
        let (ground, ink, quiet) =
            if has_focus { (ACCENT, ON_ACCENT, QUIET_ON_ACCENT) } else { (PAGE, TEXT, QUIET) };
        if has_focus {
            self.soft(room, gap, ACCENT, PAGE);
        } else if bottom(room) < self.canvas.height.cast_signed() {
            self.fill(area(room.top_left.x, bottom(room) - 1, room.size.width, 1), RAISED);
        }
        let mut left = room.top_left.x + gap.cast_signed();
        let mut end = right(room) - gap.cast_signed();
        if row.mark == Mark::More {
            end -= text.cast_signed();
            self.sign(
                Sign::More,
                Point::new(end + (text / 4).cast_signed(), square_top(room, text)),
                text,
                quiet,
                ground,
            );
        } else if row.mark != Mark::None {
            left =
                self.mark(row.mark, Point::new(left, square_top(room, text)), has_focus) + gap.cast_signed();
        }
        let room_px = u32::try_from(end - left).unwrap_or_default();
        if !row.detail.is_empty() {
            // The label is shortened first, down to two fifths; then the detail.
            let detail = self.elided(&row.detail, small, room_px * 3 / 5);
            end = self.text_to(end, middle(room, small), &detail, small, quiet, ground) - gap.cast_signed();
        }
        let label = self.elided(&row.label, text, u32::try_from(end - left).unwrap_or_default());
        self.text(Point::new(left, middle(room, text)), &label, text, ink, ground);
    }

    /// The sign of a row; answers where it ends.
    fn mark(&mut self, mark: Mark, at: Point, has_focus: bool) -> i32 {
        let size = self.sizes.text;
        let ground = if has_focus { ACCENT } else { PAGE };
        let ink = |tone: Colour| if has_focus { ON_ACCENT } else { tone };
        match mark {
            Mark::None | Mark::More => return at.x,
            Mark::On | Mark::Off => return self.switch(mark == Mark::On, at, has_focus),
            Mark::Waits => {
                self.sign(Sign::Ring, at, size, ink(QUIET), ground);
                self.sign(Sign::Hands, at, size, ink(QUIET), ground);
            }
            Mark::Good if !has_focus => self.disc(Tone::Good, at, size, ground),
            Mark::Look if !has_focus => self.disc(Tone::Look, at, size, ground),
            Mark::Good | Mark::Look => {
                self.sign(Sign::Disc, at, size, ON_ACCENT, ground);
                let inside = if mark == Mark::Good { Sign::Check } else { Sign::Bang };
                self.sign(inside, at, size, ACCENT, ON_ACCENT);
            }
        }
        at.x + size.cast_signed()
    }

    fn switch(&mut self, is_on: bool, at: Point, has_focus: bool) -> i32 {
        let size = self.sizes.text;
        let (wide, high) = (size * 3 / 2, size * 7 / 8);
        let ground = if has_focus { ACCENT } else { PAGE };
        let (track, knob) = match (is_on, has_focus) {
            (true, false) => (ACCENT, ON_ACCENT),
            (true, true) => (ON_ACCENT, ACCENT),
            (false, false) => (LINE, QUIET),
            (false, true) => (QUIET_ON_ACCENT, ACCENT),
        };
        let body = area(at.x, at.y + (size / 16).cast_signed(), wide, high);
        self.soft(body, high / 2, track, ground);
        let edge = (size / 8).max(2);
        let left = if is_on {
            right(body) - (high - edge).cast_signed()
        } else {
            body.top_left.x + edge.cast_signed()
        };
        let place = Point::new(left, body.top_left.y + edge.cast_signed());
        self.sign(Sign::Disc, place, high - 2 * edge, knob, track);
        right(body)
    }
}

/// Where a square sign begins so that it stands in the middle of a row.
fn square_top(room: Rectangle, size_px: u32) -> i32 {
    room.top_left.y + (room.size.height.saturating_sub(size_px) / 2).cast_signed()
}
