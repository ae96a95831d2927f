//! PURE. What is seen and what buttons do, page by page: what is known in, a [`View`] out; a button in, an [`Act`] out.
//!
//! Each page says what an action does before it is done, and each action that replaces something can be undone. Pages
//! know no pixel, no file and no daemon.

mod ask;
mod conflict;
mod history;
mod home;
mod keyboard;
mod note;
mod pair;
mod problems;
mod saves;
mod select;
mod settings;
#[cfg(test)]
mod tests;

use retrosync_protocol::{Kind as SaveKind, SaveId};

use crate::report;
use crate::screen::known::Known;
use crate::screen::model::{News, Order};
use crate::screen::view::{Block, Button, Row, Tone, View};
use crate::screen::words::{Words, text};

pub(super) use home::Home;
pub(super) use note::Note;
pub(super) use pair::Pair;

/// The setting whether saves are sent while a game runs.
pub(super) const PLAYING: &str = "sync_while_playing";

/// How far a page button goes in a list.
const PAGE: usize = 8;

/// What a page sees of the world.
pub(super) struct Seen<'a> {
    pub(super) known: &'a Known,
    pub(super) words: &'a Words,
    /// For what is ordered now: the answer will have it too, and no other answer.
    pub(super) number: u64,
}

/// Something that leaves the screen.
pub(super) enum Deed {
    /// For the model.
    Order(Order),
    /// For a process of its own: commands with `errands::AND` and `errands::THEN` between.
    Errand(u64, Vec<String>),
    /// What runs there is not wanted any more.
    Cancel,
    /// For the loop: learn the buttons.
    Learn,
}

/// What follows a button or news.
pub(super) enum Act {
    /// Nothing.
    Same,
    /// What is seen may have changed.
    Draw,
    /// Another page before this one.
    Open(Box<dyn Page>),
    /// Another page in the place of this one.
    Swap(Box<dyn Page>),
    /// The page behind this one; out of the first one.
    Back,
    /// Do that, and stay.
    Do(Deed),
    /// Do the one, then the other, and stay.
    Both(Deed, Deed),
    /// Do that, and go back.
    DoBack(Deed),
}

/// One page.
pub(super) trait Page {
    /// What is seen.
    fn view(&self, seen: &Seen<'_>) -> View;

    /// A button was pressed.
    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act;

    /// What it wants done when it is opened.
    fn begins(&mut self) -> Option<Deed> {
        None
    }

    /// Something became known. Behind another page it may do something and no more.
    fn hear(&mut self, _news: &News, _seen: &Seen<'_>) -> Act {
        Act::Draw
    }

    /// Does it wait for the answer of that number, and tell it?
    fn awaits(&self, _number: u64) -> bool {
        false
    }
}

impl Seen<'_> {
    fn say(&self, text: usize) -> String {
        self.words.say(text)
    }

    fn fill(&self, text: usize, with: &[&str]) -> String {
        self.words.fill(text, with)
    }

    /// Accept does this, Back goes back.
    fn hints(&self, accept: usize) -> Vec<(Button, String)> {
        vec![(Button::Accept, self.say(accept)), (Button::Back, self.say(text::B_BACK))]
    }

    fn hint_back(&self) -> Vec<(Button, String)> {
        vec![(Button::Back, self.say(text::B_BACK))]
    }

    /// A save in a title or a list: the game, and which state.
    fn title(&self, save: &SaveId) -> String {
        match (save.kind(), save.slot()) {
            (SaveKind::State, Some(slot)) => {
                format!("{} · {}", save.title(), self.fill(text::K_STATE, &[slot]))
            }
            _ => save.title().to_owned(),
        }
    }
}

fn quiet(text: String) -> Block {
    Block::Text { tone: Tone::Quiet, text }
}

fn plain(text: String) -> Block {
    Block::Text { tone: Tone::Plain, text }
}

fn row(label: String, detail: String) -> Row {
    Row { label, detail, ..Row::default() }
}

fn time(unix_s: i64) -> String {
    report::time(unix_s)
}

/// Moves the focus of a list; false for buttons that move nothing.
fn moves(focus: &mut usize, button: Button, rows: usize) -> bool {
    let last = rows.saturating_sub(1);
    *focus = match button {
        // The ends meet: the last line is one button away.
        Button::Up if *focus == 0 => last,
        Button::Up => *focus - 1,
        Button::Down if *focus >= last => 0,
        Button::Down => *focus + 1,
        Button::PageUp | Button::Left => focus.saturating_sub(PAGE),
        Button::PageDown | Button::Right => (*focus + PAGE).min(last),
        _ => return false,
    };
    true
}
