//! PURE. Before an action what it will do, after it what became of it, with the way back.

use super::{Act, Deed, Page, Seen, plain, quiet};
use crate::choice::Wish;
use crate::screen::known::Outcome;
use crate::screen::model::{News, Order};
use crate::screen::view::{Block, Button, Tone, View};
use crate::screen::words::text;

/// Says what will be done, and waits for a yes.
pub(super) struct Ask {
    /// What it is about.
    pub(super) title: String,
    /// What will be done.
    pub(super) text: String,
    /// It, for Accept.
    pub(super) action: Action,
}

/// What Accept does.
pub(super) enum Action {
    /// A wish; its outcome is shown.
    Wish(Option<Wish>),
    /// Something else; then back.
    Deed(Option<Deed>),
}

impl Ask {
    pub(super) fn wish(title: String, text: String, wish: Wish) -> Act {
        Act::Open(Box::new(Ask { title, text, action: Action::Wish(Some(wish)) }))
    }

    pub(super) fn deed(title: String, text: String, deed: Deed) -> Act {
        Act::Open(Box::new(Ask { title, text, action: Action::Deed(Some(deed)) }))
    }
}

impl Page for Ask {
    fn view(&self, seen: &Seen<'_>) -> View {
        View {
            title: self.title.clone(),
            blocks: vec![plain(self.text.clone())],
            hints: seen.hints(text::B_DO),
            ..View::default()
        }
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        match (button, &mut self.action) {
            (Button::Back, _) => Act::Back,
            (Button::Accept, Action::Wish(wish)) => match wish.take() {
                Some(wish) => {
                    let (title, number) = (self.title.clone(), seen.number);
                    Act::Swap(Box::new(Result { title, number, wish: Some(wish), outcome: None }))
                }
                None => Act::Same,
            },
            (Button::Accept, Action::Deed(deed)) => deed.take().map_or(Act::Same, Act::DoBack),
            _ => Act::Same,
        }
    }
}

/// Waits for the outcome of a wish, and shows it.
struct Result {
    title: String,
    number: u64,
    wish: Option<Wish>,
    outcome: Option<Outcome>,
}

impl Page for Result {
    fn begins(&mut self) -> Option<Deed> {
        self.wish.take().map(|wish| Deed::Order(Order::Wish(self.number, wish)))
    }

    fn hear(&mut self, news: &News, _seen: &Seen<'_>) -> Act {
        match news {
            News::Done(number, outcome) if *number == self.number => self.outcome = Some(outcome.clone()),
            _ => {}
        }
        Act::Draw
    }

    fn awaits(&self, number: u64) -> bool {
        number == self.number
    }

    fn view(&self, seen: &Seen<'_>) -> View {
        let mut blocks = Vec::new();
        let mut hints = seen.hint_back();
        let heading = |tone, which| Block::Heading { tone, text: seen.say(which) };
        match self.outcome.as_ref().map(|outcome| (&outcome.done, &outcome.undo)) {
            None => {
                blocks.push(heading(Tone::Plain, text::WORKING));
                blocks.extend(super::home::bar(seen));
            }
            Some((Ok(done), undo)) => {
                blocks.push(heading(Tone::Good, text::DONE));
                blocks.push(plain(match &done.waiting {
                    Some(why) if !done.here => seen.fill(text::DONE_SOON, &[why]),
                    _ => seen.say(text::DONE_HERE),
                }));
                let stored = if done.stored { text::DONE_STORED } else { text::DONE_LATER };
                blocks.push(quiet(seen.say(stored)));
                if undo.is_some() {
                    hints.push((Button::Extra, seen.say(text::B_UNDO)));
                }
            }
            Some((Err(error), _)) => {
                blocks.push(heading(Tone::Bad, text::FAILED));
                blocks.push(plain(seen.say(text::UNCHANGED)));
                blocks.extend(super::problems::told(error, seen.words));
            }
        }
        View { title: self.title.clone(), blocks, hints, ..View::default() }
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        let undo = self.outcome.as_ref().and_then(|outcome| outcome.undo.clone());
        match (button, undo) {
            // What runs goes on by itself.
            (Button::Back | Button::Accept, _) => Act::Back,
            (Button::Extra, Some(undo)) => {
                let text = seen.say(text::ASK_UNDO);
                Act::Swap(Box::new(Ask { title: self.title.clone(), text, action: Action::Wish(Some(undo)) }))
            }
            _ => Act::Same,
        }
    }
}
