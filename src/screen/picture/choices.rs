//! PURE. Things to choose between, and keys to type with.

use embedded_graphics::geometry::Point;
use embedded_graphics::primitives::Rectangle;

use super::paint::{
    ACCENT, ON_ACCENT, PAGE, Painter, QUIET, RAISED, Sizes, TEXT, area, bottom, colour, middle, right, within,
};
use super::sign::Sign;
use crate::screen::font::Font;
use crate::screen::view::{Side, Tone};
use crate::screen::wrap;

/// How things to choose between are laid out.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// Side by side, each fact on a line; else one below the other, the facts as running text.
    beside: bool,
    /// How large the facts are.
    size: u32,
    /// How wide each is.
    width: u32,
}

impl Painter<'_> {
    /// Side by side and as large as texts where the facts fit so, else smaller, else one below the other.
    fn way(&self, sides: &[Side], width: u32) -> Way {
        let Sizes { text, small, gap, .. } = self.sizes;
        let count = sides.len().max(1) as u32;
        let column = width.saturating_sub(gap * (count - 1)) / count;
        let fits = |size: u32| {
            let one_line = |(name, value): &(String, String)| {
                self.width(name, size) + self.width(value, size) + 4 * gap <= column
            };
            sides.iter().all(|side| side.facts.iter().all(one_line))
        };
        match [text, small].into_iter().find(|size| fits(*size)) {
            Some(size) => Way { beside: true, size, width: column },
            None => Way { beside: false, size: small, width },
        }
    }

    /// How high they are when nothing is left out.
    pub(super) fn columns_height(&self, sides: &[Side], width: u32) -> u32 {
        let way = self.way(sides, width);
        let sides = self.worded(sides, way);
        let heights = sides.iter().map(|side| self.side_height(side, way));
        if way.beside {
            heights.max().unwrap_or_default()
        } else {
            heights.sum::<u32>() + self.sizes.gap * (sides.len() as u32).saturating_sub(1)
        }
    }

    pub(super) fn columns(&mut self, sides: &[Side], focus: usize, room: Rectangle) {
        let way = self.way(sides, room.size.width);
        let is_tight = !way.beside && self.columns_height(sides, room.size.width) > room.size.height;
        let sides = self.worded(sides, way);
        let others = (sides.len() as u32).saturating_sub(1);
        let gap = self.sizes.gap;
        // Without room for all, the one with the focus is whole.
        let whole = sides.get(focus).map_or(0, |side| self.side_height(side, way));
        let shared = room.size.height.saturating_sub(whole + gap * others) / others.max(1);
        let mut at = room.top_left;
        for (number, side) in sides.iter().enumerate() {
            let has_focus = number == focus;
            let height = match (way.beside, is_tight && !has_focus) {
                (true, _) => room.size.height,
                (false, true) => shared,
                (false, false) => self.side_height(side, way),
            };
            let height = height.min(u32::try_from(bottom(room) - at.y).unwrap_or_default());
            self.side(side, has_focus, way, area(at.x, at.y, way.width, height));
            if way.beside {
                at.x += (way.width + gap).cast_signed();
            } else {
                at.y += (height + gap).cast_signed();
            }
        }
    }

    /// The sides with the word for the one that we would take: behind its name, or below its facts where the name leaves no
    /// room for it.
    fn worded(&self, sides: &[Side], way: Way) -> Vec<Side> {
        let worded = |side: &Side| {
            let mut side = side.clone();
            if let Some(word) = &side.suggested {
                let title = format!("{} · {word}", side.title);
                if self.width(&title, self.sizes.text) <= self.title_room(&side, way.width) {
                    side.title = title;
                } else {
                    side.facts.push((word.clone(), String::new()));
                }
            }
            side
        };
        sides.iter().map(worded).collect()
    }

    /// How wide a title may be beside its sign.
    fn title_room(&self, side: &Side, width: u32) -> u32 {
        let Sizes { text, gap, .. } = self.sizes;
        width.saturating_sub(2 * gap + if side.suggested.is_some() { text + gap } else { 0 })
    }

    fn side_height(&self, side: &Side, way: Way) -> u32 {
        let lines = self.flow(side, way).len() as u32;
        self.title_height() + lines * Font::line(way.size) + self.sizes.gap
    }

    /// The facts on lines: one each, or as few as they need.
    fn flow<'b>(&self, side: &'b Side, way: Way) -> Vec<Vec<&'b (String, String)>> {
        let gap = self.sizes.gap;
        let mut lines: Vec<Vec<&(String, String)>> = Vec::new();
        let mut left = 0;
        for fact in &side.facts {
            let wide = self.width(&fact.0, way.size) + self.width(&fact.1, way.size) + 3 * gap;
            match lines.last_mut() {
                Some(line) if !way.beside && wide <= left => line.push(fact),
                _ => {
                    left = way.width;
                    lines.push(vec![fact]);
                }
            }
            left = left.saturating_sub(wide);
        }
        lines
    }

    fn title_height(&self) -> u32 {
        Font::line(self.sizes.text) + self.sizes.gap / 2
    }

    fn side(&mut self, side: &Side, has_focus: bool, way: Way, card: Rectangle) {
        let Sizes { text, gap, .. } = self.sizes;
        let edge = (text / 8).max(2);
        if has_focus {
            self.soft(card, gap, ACCENT, PAGE);
            self.soft(within(card, edge), gap.saturating_sub(edge), RAISED, ACCENT);
        } else {
            self.soft(card, gap, RAISED, PAGE);
        }
        let head = area(
            card.top_left.x,
            card.top_left.y,
            card.size.width,
            self.title_height().min(card.size.height),
        );
        let (ink, ground) = if has_focus { (ON_ACCENT, ACCENT) } else { (TEXT, RAISED) };
        if has_focus {
            self.soft(head, gap, ACCENT, PAGE);
            let low = head.size.height / 2;
            self.fill(area(head.top_left.x, bottom(head) - low.cast_signed(), head.size.width, low), ACCENT);
        }
        if side.suggested.is_some() {
            let at = Point::new(
                right(head) - (gap + text).cast_signed(),
                head.top_left.y + (head.size.height.saturating_sub(text) / 2).cast_signed(),
            );
            let good = if has_focus { ON_ACCENT } else { colour(Tone::Good) };
            self.sign(Sign::Disc, at, text, good, ground);
            self.sign(Sign::Check, at, text, ground, good);
        }
        let title = self.elided(&side.title, text, self.title_room(side, head.size.width));
        self.text(
            Point::new(head.top_left.x + gap.cast_signed(), middle(head, text)),
            &title,
            text,
            ink,
            ground,
        );
        let facts = area(
            card.top_left.x + gap.cast_signed(),
            bottom(head) + (gap / 3).cast_signed(),
            card.size.width.saturating_sub(2 * gap),
            card.size.height.saturating_sub(head.size.height + gap / 3),
        );
        self.facts(&self.flow(side, way), way, facts);
    }

    fn facts(&mut self, lines: &[Vec<&(String, String)>], way: Way, room: Rectangle) {
        let (size, gap) = (way.size, self.sizes.gap);
        let line_px = Font::line(size).cast_signed();
        let most = (bottom(room) - room.top_left.y + line_px / 4) / line_px;
        let mut top = room.top_left.y;
        let (shown, left_out) = lines.split_at(lines.len().min(usize::try_from(most).unwrap_or_default()));
        left_out.iter().flatten().for_each(|(name, value)| wrap::cut(&format!("{name} {value}")));
        for line in shown {
            let mut left = room.top_left.x;
            for (name, value) in line {
                // What has no value says it by itself: this is the one.
                let ink = if value.is_empty() { colour(Tone::Good) } else { QUIET };
                left = self.text(Point::new(left, top), name, size, ink, RAISED) + gap.cast_signed();
                let value = self.elided(value, size, u32::try_from(right(room) - left).unwrap_or_default());
                if way.beside {
                    self.text_to(right(room), top, &value, size, TEXT, RAISED);
                } else {
                    left = self.text(Point::new(left, top), &value, size, TEXT, RAISED)
                        + (2 * gap).cast_signed();
                }
            }
            top += line_px;
        }
    }

    /// What was typed, and the keys below it.
    pub(super) fn keyboard(
        &mut self,
        rows: &[Vec<String>],
        focus: (usize, usize),
        typed: &str,
        room: Rectangle,
    ) {
        let Sizes { text, gap, .. } = self.sizes;
        let space = (gap / 2).max(2);
        let count = rows.len().max(1) as u32;
        let height = (room.size.height / (count + 1)).min(text * 5 / 2);
        let field = area(room.top_left.x, room.top_left.y, room.size.width, height.min(text * 7 / 4));
        self.field(typed, field);
        let mut top = bottom(field) + gap.cast_signed();
        let height = u32::try_from(bottom(room) - top).unwrap_or_default() / count;
        let height = height.min(text * 5 / 2);
        for (number, row) in rows.iter().enumerate() {
            let wide = |key: &String| key.chars().count().clamp(1, 4) as u32;
            let units: u32 = row.iter().map(wide).sum::<u32>().max(1);
            let mut before = 0;
            for (column, key) in row.iter().enumerate() {
                let edge = |units_before: u32| (room.size.width * units_before / units).cast_signed();
                let (left, end) = (edge(before), edge(before + wide(key)));
                before += wide(key);
                let place = area(
                    room.top_left.x + left,
                    top,
                    u32::try_from(end - left).unwrap_or_default().saturating_sub(space),
                    height.saturating_sub(space),
                );
                let (ground, ink) =
                    if (number, column) == focus { (ACCENT, ON_ACCENT) } else { (RAISED, TEXT) };
                self.soft(place, gap * 2 / 3, ground, PAGE);
                self.centred(place, key, text, ink, ground);
            }
            top += height.cast_signed();
        }
    }

    /// The end of what was typed, and where the next letter will be.
    fn field(&mut self, typed: &str, field: Rectangle) {
        let Sizes { text, gap, .. } = self.sizes;
        self.soft(field, gap * 2 / 3, RAISED, PAGE);
        let room = field.size.width.saturating_sub(3 * gap);
        let mut shown = typed;
        while self.width(shown, text) > room {
            let mut letters = shown.chars();
            letters.next();
            shown = letters.as_str();
        }
        let at = Point::new(field.top_left.x + gap.cast_signed(), middle(field, text));
        let end = self.text(at, shown, text, TEXT, RAISED);
        let edge = (text / 12).max(2);
        self.fill(area(end + 1, at.y + (text / 8).cast_signed(), edge, text), ACCENT);
    }
}
