//! PURE. The saves by system and game; L and R go from letter to letter, X searches.

use super::keyboard::{Keyboard, LETTERS};
use super::{Act, Page, Seen, quiet, row};
use crate::screen::known::{Shown, State};
use crate::screen::pages::conflict::Conflict;
use crate::screen::pages::history::History;
use crate::screen::view::{Block, Button, Mark, Row, View};
use crate::screen::words::text;

/// The systems, or the saves of one, or what a search found.
#[derive(Default)]
pub(super) struct Saves {
    system: Option<String>,
    search: Option<Keyboard>,
    /// What was searched for.
    part: String,
    focus: usize,
}

/// Each system with its number of saves, in their order; saves are sorted by system.
pub(super) fn systems(saves: &[Shown]) -> Vec<(&str, usize)> {
    let mut systems: Vec<(&str, usize)> = Vec::new();
    for shown in saves {
        match systems.last_mut() {
            Some((system, count)) if *system == shown.save.system() => *count += 1,
            _ => systems.push((shown.save.system(), 1)),
        }
    }
    systems
}

/// Where the next group of titles with another first letter begins, or the one before.
fn letter(saves: &[&Shown], focus: usize, forth: bool) -> usize {
    let first = |at: usize| {
        saves.get(at).and_then(|shown| shown.save.title().chars().next()).map(|c| c.to_ascii_lowercase())
    };
    let last = saves.len().saturating_sub(1);
    if forth {
        return (focus..saves.len()).find(|at| first(*at) != first(focus)).unwrap_or(last);
    }
    let before = focus.saturating_sub(1);
    (0..=before).rev().take_while(|at| first(*at) == first(before)).last().unwrap_or(0)
}

/// Does a word of the title begin like that?
fn has_word(title: &str, part: &str) -> bool {
    let title = title.to_lowercase();
    title.match_indices(part).any(|(at, _)| {
        !title[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() && before < '\u{2E80}')
    })
}

impl Saves {
    fn all<'a>(seen: &'a Seen<'_>) -> &'a [Shown] {
        seen.known.card.as_ref().map_or(&[], |card| &card.saves)
    }

    /// The saves that are listed; none where systems are.
    fn listed<'a>(&self, seen: &'a Seen<'_>) -> Option<Vec<&'a Shown>> {
        let all = Saves::all(seen).iter();
        if !self.part.is_empty() {
            let fits = |shown: &&Shown| has_word(shown.save.title(), &self.part);
            return Some(all.filter(fits).collect());
        }
        let system = self.system.as_deref()?;
        Some(all.filter(|shown| shown.save.system() == system).collect())
    }

    fn accept(&mut self, seen: &Seen<'_>) -> Act {
        match self.listed(seen) {
            Some(saves) => match saves.get(self.focus) {
                Some(shown) if shown.state == State::Asked && Conflict::is_asked(&shown.save, seen) => {
                    Act::Open(Box::new(Conflict::of(&shown.save)))
                }
                Some(shown) => Act::Open(Box::new(History::of(&shown.save, seen.number))),
                None => Act::Same,
            },
            None => match systems(Saves::all(seen)).get(self.focus) {
                Some((system, _)) => {
                    Act::Open(Box::new(Saves { system: Some((*system).to_owned()), ..Saves::default() }))
                }
                None => Act::Same,
            },
        }
    }

    fn type_it(&mut self, button: Button) -> Act {
        let Some(board) = &mut self.search else { return Act::Same };
        match button {
            Button::Menu | Button::Back => {
                self.part = board.typed.trim().to_lowercase();
                (self.search, self.focus) = (None, 0);
                Act::Draw
            }
            _ if board.press(button) => Act::Draw,
            _ => Act::Same,
        }
    }
}

fn line(shown: &Shown, seen: &Seen<'_>) -> Row {
    let (mark, detail) = match shown.state {
        State::Safe => (Mark::Good, None),
        State::Queued => (Mark::Waits, Some(text::S_QUEUED)),
        State::Comes => (Mark::Waits, Some(text::S_COMES)),
        State::Asked => (Mark::Look, Some(text::S_ASKED)),
        State::LeftOut => (Mark::Off, Some(text::S_LEFT_OUT)),
        State::Away => (Mark::None, Some(text::S_AWAY)),
    };
    let detail = detail.map(|which| seen.say(which)).unwrap_or_default();
    Row { mark, ..row(seen.title(&shown.save), detail) }
}

impl Page for Saves {
    fn view(&self, seen: &Seen<'_>) -> View {
        let mut view = View { title: seen.say(text::SAVES), ..View::default() };
        if let Some(board) = &self.search {
            view.title = seen.say(text::SEARCH);
            view.blocks.push(board.block());
            view.hints = vec![
                (Button::Accept, seen.say(text::B_TYPE)),
                (Button::Extra, seen.say(text::B_ERASE)),
                (Button::Menu, seen.say(text::B_DONE)),
            ];
            return view;
        }
        view.hints = seen.hints(text::B_OPEN);
        view.hints.push((Button::Extra, seen.say(text::SEARCH)));
        let rows: Vec<Row> = match self.listed(seen) {
            Some(saves) => {
                let named = self.system.as_ref().map(|system| system.to_uppercase());
                view.title = named.unwrap_or_else(|| format!("{}: {}", seen.say(text::SEARCH), self.part));
                let first = saves.get(self.focus).and_then(|shown| shown.save.title().chars().next());
                view.badge = first.map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
                saves.into_iter().map(|shown| line(shown, seen)).collect()
            }
            None => {
                let of = |(system, count): (&str, usize)| row(system.to_uppercase(), count.to_string());
                systems(Saves::all(seen)).into_iter().map(of).collect()
            }
        };
        view.blocks.push(if rows.is_empty() {
            let which = if self.part.is_empty() { text::NO_SAVES } else { text::NONE_NAMED };
            quiet(seen.say(which))
        } else {
            let focus = self.focus.min(rows.len() - 1);
            Block::List { rows, focus }
        });
        view
    }

    fn press(&mut self, button: Button, seen: &Seen<'_>) -> Act {
        if self.search.is_some() {
            return self.type_it(button);
        }
        let saves = self.listed(seen);
        match (button, &saves) {
            (Button::Back, _) if !self.part.is_empty() => self.part.clear(),
            (Button::Back, _) => return Act::Back,
            (Button::Accept, _) => return self.accept(seen),
            (Button::Extra, _) => self.search = Some(Keyboard::new(LETTERS, &self.part)),
            (Button::PageUp | Button::PageDown, Some(saves)) => {
                self.focus = letter(saves, self.focus, button == Button::PageDown);
            }
            _ => {
                let rows = saves.map_or_else(|| systems(Saves::all(seen)).len(), |saves| saves.len());
                self.focus = self.focus.min(rows.saturating_sub(1));
                if !super::moves(&mut self.focus, button, rows) {
                    return Act::Same;
                }
            }
        }
        Act::Draw
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_search_finds_the_titles_with_a_word_that_begins_like_that() {
        let rows = [
            ("Legend of Zelda, The", "zel", true, "a word in the middle"),
            ("Advance Wars", "advance w", true, "two words"),
            ("Advance Wars", "ars", false, "the middle of a word"),
            ("Pokémon - Émeraude", "éme", true, "letters with accents"),
            ("ポケットモンスター 金", "モンスター", true, "a script without blanks between words"),
            ("F-Zero", "z", true, "after a sign"),
        ];
        for (title, part, found, what) in rows {
            assert_eq!(has_word(title, part), found, "{what}");
        }
    }

    #[test]
    fn l_and_r_go_from_letter_to_letter() {
        let titles = ["Advance Wars", "Astro Boy", "bomberman", "Boktai", "Zelda"];
        let shown: Vec<Shown> = titles
            .iter()
            .map(|title| Shown { save: format!("gba/sram/{title}").parse().unwrap(), state: State::Safe })
            .collect();
        let saves: Vec<&Shown> = shown.iter().collect();
        let forth: Vec<usize> = (0..5).map(|at| letter(&saves, at, true)).collect();
        let back: Vec<usize> = (0..5).map(|at| letter(&saves, at, false)).collect();
        assert_eq!(forth, [2, 2, 4, 4, 4]);
        assert_eq!(back, [0, 0, 0, 2, 2]);
        assert_eq!(systems(&shown), [("gba", 5)]);
        assert_eq!(letter(&[], 0, true) + letter(&[], 0, false), 0, "no saves at all");
    }
}
