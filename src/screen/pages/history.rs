//! PURE. The versions of one save, on this card and on the server; any of them can come back, and that can be undone.

use retrosync_protocol::SaveId;

use super::ask::Ask;
use super::note::Note;
use super::{Act, Deed, Page, Seen, quiet, row, time};
use crate::report;
use crate::screen::known::{Past, Source};
use crate::screen::model::{News, Order};
use crate::screen::view::{Block, Button, Mark, Row, Tone, View};
use crate::screen::words::text;

/// One save's versions.
pub(super) struct History {
    save: SaveId,
    /// What was asked last.
    number: u64,
    past: Vec<Past>,
    /// The server answers still.
    asking: bool,
    /// It did not answer.
    offline: bool,
    focus: usize,
}

impl History {
    pub(super) fn of(save: &SaveId, number: u64) -> History {
        History { save: save.clone(), number, past: Vec::new(), asking: true, offline: false, focus: 0 }
    }
}

fn line(past: &Past, seen: &Seen<'_>) -> Row {
    let kept = matches!(past.source, Source::Kept(..));
    let which = match past {
        Past { here: true, .. } => Some(text::H_HERE),
        Past { doubted: true, .. } => Some(text::H_DAMAGED),
        Past { newest: true, .. } => Some(text::H_NEWEST),
        _ => kept.then_some(text::H_KEPT),
    };
    let from = which.map_or_else(|| past.device.clone(), |which| seen.say(which));
    let mark = match past {
        Past { here: true, .. } => Mark::Good,
        Past { doubted: true, .. } => Mark::Look,
        _ => Mark::None,
    };
    Row { mark, ..row(time(past.unix_s), from) }
}

impl Page for History {
    fn begins(&mut self) -> Option<Deed> {
        Some(Deed::Order(Order::History(self.number, self.save.clone())))
    }

    fn hear(&mut self, news: &News, seen: &Seen<'_>) -> Act {
        match news {
            News::Past(number, past, asked) if *number == self.number => {
                self.past.clone_from(past);
                self.asking = asked.is_none();
                self.offline = matches!(asked, Some(Err(_)));
                self.focus = self.focus.min(self.past.len().saturating_sub(1));
                Act::Draw
            }
            // It was restored, or played: the list is another.
            News::Done(..) => {
                self.number = seen.number;
                Act::Do(Deed::Order(Order::History(self.number, self.save.clone())))
            }
            _ => Act::Draw,
        }
    }

    fn view(&self, seen: &Seen<'_>) -> View {
        let mut view = View { title: seen.title(&self.save), hints: seen.hint_back(), ..View::default() };
        if self.offline {
            view.blocks.push(Block::Text { tone: Tone::Look, text: seen.say(text::H_OFFLINE) });
        } else if self.asking {
            view.blocks.push(quiet(seen.say(text::H_ASKING)));
        }
        if self.past.is_empty() {
            if !self.asking {
                view.blocks.push(quiet(seen.say(text::H_NONE)));
            }
            return view;
        }
        let rows: Vec<Row> = self.past.iter().map(|past| line(past, seen)).collect();
        view.blocks.push(Block::List { rows, focus: self.focus });
        if let Some(past) = self.past.get(self.focus) {
            let size = past.size_bytes.map_or_else(|| seen.say(text::DELETED), report::size);
            let device = if past.device.is_empty() { seen.say(text::H_KEPT) } else { past.device.clone() };
            view.blocks.push(quiet(format!("{device}, {size}")));
        }
        view.hints = seen.hints(text::RESTORE);
        view
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        if button == Button::Back {
            return Act::Back;
        }
        if super::moves(&mut self.focus, button, self.past.len()) {
            return Act::Draw;
        }
        match self.past.get(self.focus).filter(|_| button == Button::Accept) {
            // There is nothing to do, or nothing to bring back.
            Some(past) if past.here => Act::Open(Note::text(seen.title(&self.save), seen.say(text::IS_HERE))),
            Some(past) if past.size_bytes.is_some() => {
                let text = seen.fill(text::ASK_RESTORE, &[&time(past.unix_s)]);
                Ask::wish(seen.title(&self.save), text, past.wish(&self.save))
            }
            _ => Act::Same,
        }
    }
}
