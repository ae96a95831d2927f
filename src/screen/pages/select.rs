//! PURE. A list of which one is chosen, or of which some are on.

use super::{Act, Deed, Page, Seen, quiet, row};
use crate::screen::model::{News, Order};
use crate::screen::pages::ask::Ask;
use crate::screen::pages::saves::systems;
use crate::screen::view::{Block, Button, Mark, Row, View};
use crate::screen::words::text;
use crate::selection::{SAVES, STATES, Selection};

/// One value of a setting.
pub(super) struct Select {
    /// The setting.
    pub(super) key: &'static str,
    /// What it is called.
    pub(super) title: String,
    /// What it does.
    pub(super) help: String,
    /// Values as the file has them, and their names.
    pub(super) values: Vec<(String, String)>,
    /// The one that holds.
    pub(super) now: String,
    /// Where we are.
    pub(super) focus: usize,
    /// The daemon must start anew for it, as this text with the value's name says.
    pub(super) anew: Option<usize>,
}

impl Page for Select {
    fn begins(&mut self) -> Option<Deed> {
        self.focus = self.values.iter().position(|(value, _)| *value == self.now).unwrap_or(0);
        (self.key == "profile").then_some(Deed::Order(Order::Profiles))
    }

    fn hear(&mut self, news: &News, seen: &Seen<'_>) -> Act {
        if let (News::Profiles(profiles), "profile") = (news, self.key) {
            self.values = vec![(String::new(), seen.say(text::AUTOMATIC))];
            self.values.extend(profiles.iter().cloned());
            self.focus = self.values.iter().position(|(value, _)| *value == self.now).unwrap_or(0);
        }
        Act::Draw
    }

    fn view(&self, seen: &Seen<'_>) -> View {
        let rows: Vec<Row> = self
            .values
            .iter()
            .map(|(value, name)| {
                let mark = if *value == self.now { Mark::On } else { Mark::Off };
                Row { mark, ..row(name.clone(), String::new()) }
            })
            .collect();
        let mut view =
            View { title: self.title.clone(), hints: seen.hints(text::B_CHOOSE), ..View::default() };
        if rows.is_empty() {
            view.blocks.push(quiet(seen.say(text::LOADING)));
        } else {
            view.blocks.push(Block::List { rows, focus: self.focus });
            view.blocks.extend((!self.help.is_empty()).then(|| quiet(self.help.clone())));
        }
        view
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        if super::moves(&mut self.focus, button, self.values.len()) {
            return Act::Draw;
        }
        let Some((value, name)) = self.values.get(self.focus) else {
            return if button == Button::Back { Act::Back } else { Act::Same };
        };
        match button {
            Button::Back => Act::Back,
            Button::Accept => {
                let set = Deed::Order(Order::Set(self.key, value.clone()));
                match self.anew.filter(|_| *value != self.now) {
                    Some(ask) => Ask::deed(self.title.clone(), seen.fill(ask, &[name]), set),
                    None => Act::DoBack(set),
                }
            }
            _ => Act::Same,
        }
    }
}

/// What is synced: kinds and systems, or the games of one system.
#[derive(Default)]
pub(super) struct What {
    system: Option<String>,
    focus: usize,
}

/// A line: its name, the word that leaves it out, and the system behind it.
struct Line {
    label: String,
    word: String,
    opens: bool,
}

impl What {
    fn lines(&self, seen: &Seen<'_>) -> Vec<Line> {
        let saves = seen.known.card.as_ref().map_or(&[][..], |card| &card.saves);
        let line = |label: String, word: &str| Line { label, word: word.to_owned(), opens: false };
        match &self.system {
            None => {
                let kinds = [(text::W_SAVES, SAVES), (text::W_STATES, STATES)];
                let mut lines: Vec<Line> = kinds.map(|(which, word)| line(seen.say(which), word)).into();
                let of =
                    |(system, _): (&str, usize)| Line { opens: true, ..line(system.to_uppercase(), system) };
                lines.extend(systems(saves).into_iter().map(of));
                lines
            }
            Some(system) => {
                let mut lines = vec![line(seen.fill(text::W_ALL, &[&system.to_uppercase()]), system)];
                for shown in saves.iter().filter(|shown| shown.save.system() == system) {
                    let word = format!("{system}/{}", shown.save.title());
                    // A game's states are left out with it.
                    if lines.last().is_none_or(|line| line.word != word) {
                        lines.push(line(shown.save.title().to_owned(), &word));
                    }
                }
                lines
            }
        }
    }
}

fn left_out<'a>(seen: &Seen<'a>) -> Option<&'a Selection> {
    seen.known.card.as_ref().map(|card| &card.config.leave_out)
}

impl Page for What {
    fn view(&self, seen: &Seen<'_>) -> View {
        let out = left_out(seen);
        let row_of = |line: Line| {
            let mark = match out.is_some_and(|all| all.has(&line.word)) {
                true => Mark::Off,
                false if line.opens => Mark::More,
                false => Mark::On,
            };
            Row { mark, ..row(line.label, String::new()) }
        };
        let rows: Vec<Row> = self.lines(seen).into_iter().map(row_of).collect();
        let focus = self.focus.min(rows.len().saturating_sub(1));
        View {
            title: seen.say(text::SET_WHAT),
            blocks: vec![Block::List { rows, focus }, quiet(seen.say(text::W_HELP))],
            hints: seen.hints(text::B_CHANGE),
            ..View::default()
        }
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        let mut lines = self.lines(seen);
        self.focus = self.focus.min(lines.len().saturating_sub(1));
        if super::moves(&mut self.focus, button, lines.len()) {
            return Act::Draw;
        }
        match button {
            Button::Back => Act::Back,
            Button::Accept => {
                let line = lines.swap_remove(self.focus);
                if line.opens {
                    return Act::Open(Box::new(What { system: Some(line.word), focus: 0 }));
                }
                let out = !left_out(seen).is_some_and(|all| all.has(&line.word));
                Act::Do(Deed::Order(Order::LeaveOut(line.word, out)))
            }
            _ => Act::Same,
        }
    }
}
