//! PURE. A view as lines of a terminal of any size, for `ssh`, a PC and consoles without a framebuffer.
//!
//! The focus is marked by a sign and by inverted colours, so that it is seen without colours too. Colours are the
//! terminal's own.

use qrcodegen::{QrCode, QrCodeEcc};

use super::picture::Names;
use super::view::{Block, Mark, Row, Side, Tone, View};
use super::wrap;

const PLAIN: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const QUIET: &str = "\x1b[2m";
const FOCUS: &str = "\x1b[7m";

/// How many columns a letter takes.
fn columns(letter: char) -> u32 {
    match letter {
        '\u{300}'..='\u{36F}' => 0,
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{303E}'
        | '\u{3041}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}'
        | '\u{1F300}'..='\u{1F9FF}' => 2,
        _ => 1,
    }
}

fn width(text: &str) -> u32 {
    text.chars().map(columns).sum()
}

/// What would do something to a terminal is not written to it.
fn tame(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => PLAIN,
        Tone::Quiet => QUIET,
        Tone::Good => "\x1b[32m",
        Tone::Look => "\x1b[33m",
        Tone::Bad => "\x1b[31m",
    }
}

/// A view on so many columns and rows: exactly as many lines as rows, none wider.
pub fn draw(view: &View, (wide, high): (u32, u32), names: Names) -> Vec<String> {
    let wide = wide.max(8);
    let mut page = Page { wide, lines: Vec::new() };
    page.top(view);
    let room = (high as usize).saturating_sub(page.lines.len() + 2);
    page.blocks(&view.blocks, room);
    page.lines.truncate((high as usize).saturating_sub(2));
    while page.lines.len() + 2 < high as usize {
        page.lines.push(String::new());
    }
    page.line(QUIET, &"─".repeat(wide as usize));
    page.hints(view, names);
    page.lines.truncate(high as usize);
    page.lines
}

struct Page {
    wide: u32,
    lines: Vec<String>,
}

impl Page {
    fn line(&mut self, style: &str, text: &str) {
        let text = wrap::elided(&tame(text), self.wide, &width);
        self.lines.push(if style == PLAIN { text } else { format!("{style}{text}{PLAIN}") });
    }

    /// One text at the left and one at the right, the left one shortened.
    fn between(&self, left: &str, right: &str) -> String {
        let right = wrap::elided(&tame(right), self.wide * 3 / 5, &width);
        let room = self.wide.saturating_sub(width(&right) + u32::from(!right.is_empty()));
        let left = wrap::elided(&tame(left), room, &width);
        let blanks = self.wide.saturating_sub(width(&left) + width(&right)) as usize;
        format!("{left}{:blanks$}{right}", "")
    }

    fn top(&mut self, view: &View) {
        let line = self.between(&view.title, &view.badge);
        self.line(BOLD, &line);
        self.line(QUIET, &"─".repeat(self.wide as usize));
    }

    fn hints(&mut self, view: &View, names: Names) {
        let mut line = String::new();
        for (button, text) in &view.hints {
            let hint = format!("{}: {text}", names.of(*button));
            let next = if line.is_empty() { hint } else { format!("{line}   {hint}") };
            if width(&next) > self.wide {
                break;
            }
            line = next;
        }
        self.line(PLAIN, &line);
    }

    fn blocks(&mut self, blocks: &[Block], room: usize) {
        let first = self.lines.len();
        for (at, block) in blocks.iter().enumerate() {
            let used = self.lines.len() - first;
            let after: usize = blocks[at + 1..].iter().map(|block| self.least(block)).sum();
            self.block(block, room.saturating_sub(used + after).max(1));
        }
    }

    fn least(&self, block: &Block) -> usize {
        match block {
            Block::Text { text, .. } => wrap::lines(text, self.wide, &width).len(),
            Block::Bar { .. } => 2,
            Block::List { rows, .. } => rows.len().min(3),
            Block::Qr(_) => 0,
            _ => 1,
        }
    }

    fn block(&mut self, block: &Block, room: usize) {
        match block {
            Block::Heading { tone, text } => {
                let sign = match tone {
                    Tone::Plain | Tone::Quiet => "",
                    Tone::Good => "✓ ",
                    Tone::Look => "! ",
                    Tone::Bad => "✗ ",
                };
                let style = format!("{BOLD}{}", colour(*tone).replace(PLAIN, ""));
                for line in wrap::lines_at_most(&format!("{sign}{text}"), self.wide, 2, &width) {
                    self.line(&style, &line);
                }
            }
            Block::Text { tone, text } => {
                for line in wrap::lines_at_most(text, self.wide, room, &width) {
                    self.line(colour(*tone), &line);
                }
            }
            Block::Code(code) => {
                let spaced: String = code.chars().flat_map(|letter| [letter, ' ']).collect();
                self.line(BOLD, &format!("  {spaced}"));
            }
            Block::Qr(address) => self.qr(address, room),
            Block::Bar { done, total, label } => self.bar(*done, *total, label),
            Block::List { rows, focus } => self.list(rows, *focus, room),
            Block::Columns { sides, focus } => {
                for (at, side) in sides.iter().enumerate() {
                    self.side(side, at == *focus);
                }
            }
            Block::Keyboard { rows, at, typed } => self.keyboard(rows, *at, typed),
        }
    }

    fn bar(&mut self, done: u64, total: u64, label: &str) {
        let room = u64::from(self.wide.saturating_sub(2));
        let part = (room * done.min(total)).checked_div(total).unwrap_or_default() as usize;
        self.line(QUIET, label);
        let rest = room as usize - part;
        self.line(PLAIN, &format!("[{}{}]", "█".repeat(part), "·".repeat(rest)));
    }

    fn list(&mut self, rows: &[Row], focus: usize, room: usize) {
        let visible = rows.len().min(room);
        let first = focus.saturating_sub(visible / 2).min(rows.len() - visible);
        for (at, row) in rows.iter().enumerate().skip(first).take(visible) {
            let sign = match row.mark {
                Mark::None | Mark::More => "",
                Mark::On => "[x] ",
                Mark::Off => "[ ] ",
                Mark::Good => "✓ ",
                Mark::Waits => "… ",
                Mark::Look => "! ",
            };
            let more = if row.mark == Mark::More { " ›" } else { "" };
            let arrow = if at == focus { "> " } else { "  " };
            let line = self.between(&format!("{arrow}{sign}{}", row.label), &format!("{}{more}", row.detail));
            self.line(if at == focus { FOCUS } else { PLAIN }, &line);
        }
    }

    fn side(&mut self, side: &Side, has_focus: bool) {
        let arrow = if has_focus { "> " } else { "  " };
        let title = match &side.suggested {
            Some(word) => self.between(&format!("{arrow}{} · {word}", side.title), "✓"),
            None => self.between(&format!("{arrow}{}", side.title), ""),
        };
        self.line(if has_focus { FOCUS } else { BOLD }, &title);
        for (name, value) in &side.facts {
            self.line(PLAIN, &format!("    {name}: {value}"));
        }
    }

    fn keyboard(&mut self, rows: &[Vec<String>], focus: (usize, usize), typed: &str) {
        self.line(BOLD, &format!("{typed}_"));
        for (number, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (column, key) in row.iter().enumerate() {
                let (open, close) = if (number, column) == focus { ('[', ']') } else { (' ', ' ') };
                line.extend([format!("{open}{key}{close}")]);
            }
            self.line(PLAIN, &line);
        }
    }

    /// Two modules a letter, light on dark whatever the terminal's colours; left out where it does not fit.
    fn qr(&mut self, address: &str, room: usize) {
        let Ok(code) = QrCode::encode_text(address, QrCodeEcc::Low) else { return };
        let size = code.size() + 2;
        if size.unsigned_abs() > self.wide || size as usize > room * 2 {
            return;
        }
        let light = |x: i32, y: i32| y <= code.size() && !code.get_module(x, y);
        for y in (-1..=code.size()).step_by(2) {
            let line: String = (-1..=code.size())
                .map(|x| match (light(x, y), light(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                })
                .collect();
            self.line("\x1b[97;40m", &line);
        }
    }
}
