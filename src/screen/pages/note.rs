//! PURE. Something to read: a text, or why something was not done and what to do about it.

use super::problems::told;
use super::{Act, Page, Seen, plain};
use crate::error::Error;
use crate::screen::view::{Block, Button, Tone, View};
use crate::screen::words::{Words, text};

/// Blocks under a title.
pub(in crate::screen) struct Note {
    title: String,
    blocks: Vec<Block>,
}

impl Note {
    /// A text.
    pub(super) fn text(title: String, text: String) -> Box<dyn Page> {
        Box::new(Note { title, blocks: vec![plain(text)] })
    }

    /// What was not done.
    pub(in crate::screen) fn failed(error: &Error, words: &Words) -> Box<dyn Page> {
        let heading = Block::Heading { tone: Tone::Bad, text: words.say(text::FAILED) };
        let mut blocks = vec![heading];
        blocks.extend(told(error, words));
        Box::new(Note { title: words.say(text::PROBLEMS), blocks })
    }
}

impl Page for Note {
    fn view(&self, seen: &Seen<'_>) -> View {
        View {
            title: self.title.clone(),
            blocks: self.blocks.clone(),
            hints: seen.hint_back(),
            ..View::default()
        }
    }

    fn press(&mut self, button: Button, _seen: &Seen<'_>) -> Act {
        if matches!(button, Button::Back | Button::Accept) { Act::Back } else { Act::Same }
    }
}
