//! PURE. Something to read: a text, or why something was not done and what to do about it.

use super::problems::told;
use super::{Act, Page, Seen, plain};
use crate::error::Error;
use crate::screen::view::{Block, Button, Tone, View};
use crate::screen::words::text;

/// A text under a title, or an error.
pub(in crate::screen) struct Note {
    title: String,
    text: String,
    error: Option<Error>,
}

impl Note {
    /// A text.
    pub(super) fn text(title: String, text: String) -> Box<dyn Page> {
        Box::new(Note { title, text, error: None })
    }

    /// What was not done.
    pub(in crate::screen) fn failed(error: Error) -> Box<dyn Page> {
        Box::new(Note { title: String::new(), text: String::new(), error: Some(error) })
    }
}

impl Page for Note {
    fn view(&self, seen: &Seen<'_>) -> View {
        let mut view = View { title: self.title.clone(), hints: seen.hint_back(), ..View::default() };
        if let Some(error) = &self.error {
            view.title = seen.say(text::PROBLEMS);
            view.blocks = told(error, seen.words);
            let heading = Block::Heading { tone: Tone::Bad, text: seen.say(text::FAILED) };
            view.blocks.insert(0, heading);
        } else {
            view.blocks.push(plain(self.text.clone()));
        }
        view
    }

    fn press(&mut self, button: Button, _seen: &Seen<'_>) -> Act {
        if matches!(button, Button::Back | Button::Accept) { Act::Back } else { Act::Same }
    }
}
