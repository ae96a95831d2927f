//! PURE. A view as a picture, at any size: where each block stands. How each is drawn is below `picture/`.
//!
//! Decides nothing of what is shown. Whatever does not fit is wrapped, scrolled or shortened, never drawn over something
//! else; a screen of a size never seen before gets the same layout with letters that fit it.

mod blocks;
mod choices;
mod code;
mod paint;
mod sign;

use embedded_graphics::geometry::Point;
use embedded_graphics::primitives::Rectangle;

pub use paint::Sizes;

use super::canvas::Canvas;
use super::font::Font;
use super::view::{Block, Button, View};
use super::wrap;
use code::Square;
use paint::{ACCENT, LINE, PAGE, Painter, QUIET, RAISED, TEXT, area, bottom, middle, right};
use sign::Sign;

/// What stands on the buttons of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// On the one that confirms and on the one that goes back.
    pub answers: [&'static str; 2],
    /// On the third, the fourth, start, and those for pages.
    pub others: [&'static str; 5],
}

impl Default for Names {
    fn default() -> Names {
        Names { answers: ["A", "B"], others: ["X", "Y", "START", "L", "R"] }
    }
}

impl Names {
    /// What a real keyboard's are called.
    pub const KEYS: Names = Names { answers: ["Enter", "Esc"], others: ["F1", "F2", "Tab", "PgUp", "PgDn"] };

    /// What to call a button; directions have a sign in pictures.
    pub(super) fn of(self, button: Button) -> &'static str {
        match button {
            Button::Accept => self.answers[0],
            Button::Back => self.answers[1],
            Button::Extra => self.others[0],
            Button::Other => self.others[1],
            Button::Menu => self.others[2],
            Button::PageUp => self.others[3],
            Button::PageDown => self.others[4],
            Button::Up => "↑",
            Button::Down => "↓",
            Button::Left => "←",
            Button::Right => "→",
            Button::Letter(_) | Button::Erase => "",
        }
    }
}

/// Where a text of a view stands; for [`fits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// At the top; shares the line with the badge.
    Title,
    /// A heading, on one of its two lines.
    Heading,
    /// A text, or the label of a list's row without sign and detail.
    Text,
}

/// Does a text fit on one line of a screen of this width and height?
pub fn fits(font: &Font, text: &str, role: Role, (width, height): (u32, u32)) -> bool {
    let sizes = Sizes::of(width, height);
    let room = width - 2 * sizes.margin;
    match role {
        Role::Title => font.width(text, sizes.text) <= room,
        Role::Heading => font.width(text, sizes.heading) <= room - sizes.heading - sizes.gap,
        Role::Text => font.width(text, sizes.text) <= room - 2 * sizes.gap,
    }
}

/// The picture of a view. `width` and `height` are what a person sees, upright.
pub fn draw(view: &View, font: &Font, (width, height): (u32, u32), names: Names) -> Canvas {
    let sizes = Sizes::of(width, height);
    let mut painter = Painter { canvas: Canvas::new(width, height, PAGE), font, sizes };
    let top = painter.top(view);
    let low = painter.hints(&view.hints, names);
    let room = area(
        sizes.margin.cast_signed(),
        top + sizes.gap.cast_signed(),
        width.saturating_sub(2 * sizes.margin),
        u32::try_from(low - top).unwrap_or_default().saturating_sub(2 * sizes.gap),
    );
    painter.stack(&view.blocks, room);
    painter.canvas
}

impl Painter<'_> {
    /// The title and the badge; answers where they end.
    fn top(&mut self, view: &View) -> i32 {
        let Sizes { text, small, margin, gap, .. } = self.sizes;
        let bar = area(0, 0, self.canvas.width, Font::line(text) + gap);
        let mut end = right(bar) - margin.cast_signed();
        if !view.badge.is_empty() {
            let badge = self.elided(&view.badge, small, bar.size.width / 2);
            end = self.text_to(end, middle(bar, small), &badge, small, QUIET, PAGE) - gap.cast_signed();
        }
        let title =
            self.elided(&view.title, text, u32::try_from(end).unwrap_or_default().saturating_sub(margin));
        self.text(Point::new(margin.cast_signed(), middle(bar, text)), &title, text, TEXT, PAGE);
        self.rule(bottom(bar));
        bottom(bar)
    }

    fn rule(&mut self, top: i32) {
        let thick = (self.sizes.text / 16).max(1);
        self.fill(area(0, top, self.canvas.width, thick), LINE);
    }

    /// What each button does; answers where they begin.
    fn hints(&mut self, hints: &[(Button, String)], names: Names) -> i32 {
        let Sizes { small, margin, gap, .. } = self.sizes;
        let height = Font::line(small) + gap;
        let bar =
            area(0, (self.canvas.height.saturating_sub(height)).cast_signed(), self.canvas.width, height);
        if hints.is_empty() {
            return bottom(bar) - gap.cast_signed();
        }
        self.rule(bar.top_left.y);
        let key = small * 5 / 4;
        let mut left = margin.cast_signed();
        for (button, text) in hints {
            let name = names.of(*button);
            let wide =
                if name.chars().nth(1).is_some() { self.width(name, small * 3 / 4) + small } else { key };
            let end = left + (wide + gap * 2 / 3 + self.width(text, small)).cast_signed();
            if end > right(bar) - (margin / 2).cast_signed() {
                // A shorter one behind it may have room.
                wrap::cut(text);
                continue;
            }
            let cap = area(left, bar.top_left.y + ((height - key) / 2).cast_signed() + 1, wide, key);
            self.soft(cap, key / 2, RAISED, PAGE);
            match button {
                Button::Up | Button::Right | Button::Down | Button::Left => {
                    let turns = match button {
                        Button::Up => 0,
                        Button::Right => 1,
                        Button::Down => 2,
                        _ => 3,
                    };
                    self.sign(Sign::Point(turns), cap.top_left, key, ACCENT, RAISED);
                }
                _ => {
                    let size = if name.len() > 1 { small * 3 / 4 } else { small * 7 / 8 };
                    self.centred(cap, name, size, ACCENT, RAISED);
                }
            }
            let at = Point::new(left + (wide + gap * 2 / 3).cast_signed(), middle(bar, small));
            left = self.text(at, text, small, QUIET, PAGE) + (gap * 2).cast_signed();
        }
        bar.top_left.y
    }

    /// The blocks one below the other; a QR code stands beside the others where the room is wide.
    fn stack(&mut self, mut blocks: &[Block], mut room: Rectangle) {
        let gap = self.sizes.gap;
        let is_wide = room.size.width * 4 > room.size.height * 5;
        let aside = blocks.iter().find_map(|block| match block {
            Block::Qr(address) if is_wide => Some(address),
            _ => None,
        });
        if let Some(address) = aside {
            let most = room.size.width * 9 / 20;
            let beside = room.size.width.saturating_sub(room.size.height.min(most) + self.sizes.margin);
            // What would be small beside the square goes above it, across the page.
            if let [Block::Code(code), rest @ ..] = blocks
                && self.is_small(code, beside)
            {
                let height = (self.code_height(code, room.size.width) * 5 / 6).min(room.size.height);
                self.code(code, area(room.top_left.x, room.top_left.y, room.size.width, height));
                room.top_left.y += (height + gap).cast_signed();
                room.size.height = room.size.height.saturating_sub(height + gap);
                blocks = rest;
            }
            if let Some(square) = Square::of(address, room.size.height.min(most)) {
                let side = square.side();
                let place = area(right(room) - side.cast_signed(), room.top_left.y, side, room.size.height);
                self.square(&square, place);
                room.size.width -= side + self.sizes.margin;
            }
        }
        let left: Vec<&Block> =
            blocks.iter().filter(|block| aside.is_none() || !matches!(block, Block::Qr(_))).collect();
        let (heights, rest) = self.shares(&left, room);
        let grows =
            |block: &Block| if takes_the_rest(block) { self.most_height(block, room, rest) } else { 0 };
        let used: u32 = left.iter().map(|block| grows(block)).sum();
        let has_list = left.iter().any(|block| matches!(block, Block::List { .. }));
        // What is not a list stands a little above the middle, where eyes rest.
        let spare = if has_list { 0 } else { rest.saturating_sub(used) / 3 };
        let heights: Vec<u32> = left
            .iter()
            .zip(heights)
            .map(|(block, height)| if takes_the_rest(block) { grows(block) } else { height })
            .collect();
        let mut top = room.top_left.y + spare.cast_signed();
        for (block, height) in left.iter().zip(heights) {
            let height = height.min(u32::try_from(bottom(room) - top).unwrap_or_default());
            self.block(block, area(room.top_left.x, top, room.size.width, height));
            top += (height + gap).cast_signed();
        }
    }

    /// The height of each block, and what is left. Texts are shortened until the others have what they need.
    fn shares(&self, blocks: &[&Block], room: Rectangle) -> (Vec<u32>, u32) {
        let mut most = 12;
        loop {
            let heights: Vec<u32> =
                blocks.iter().map(|block| self.height(block, room.size.width, most)).collect();
            let gaps = self.sizes.gap * (blocks.len().saturating_sub(1)) as u32;
            let least: u32 = blocks
                .iter()
                .zip(&heights)
                .filter(|(block, _)| takes_the_rest(block))
                .map(|(_, height)| *height)
                .sum();
            let used: u32 = heights.iter().sum::<u32>() + gaps;
            if used <= room.size.height || most == 1 {
                return (heights, (room.size.height + least).saturating_sub(used));
            }
            most -= 1;
        }
    }
}

/// Does it grow into the room that the others leave?
fn takes_the_rest(block: &Block) -> bool {
    matches!(block, Block::List { .. } | Block::Columns { .. } | Block::Keyboard { .. } | Block::Qr(_))
}
