//! PURE. What a person does not want synced: kinds, systems, single games.
//!
//! What is left out stays where it is on every device: nothing is sent, fetched, asked or deleted for it. Taken in again,
//! it is compared as if the device had been offline meanwhile.

use retrosync_protocol::{Kind, SaveId, compare_key};

/// Save states of any system.
pub const STATES: &str = "states";
/// All that is no save state.
pub const SAVES: &str = "saves";
/// Between two words in the configuration: no name on a card has it.
const BETWEEN: char = '|';

/// What is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Each with its compare key.
    words: Vec<(String, Box<str>)>,
}

impl Selection {
    /// From `states | snes | gba/Zelda (Europe)`.
    pub fn parse(text: &str) -> Selection {
        let mut selection = Selection::default();
        let words = text.split(BETWEEN).map(str::trim).filter(|word| !word.is_empty());
        words.for_each(|word| selection.leave_out(word, true));
        selection
    }

    /// Is this save left out?
    pub fn skips(&self, save: &SaveId) -> bool {
        let title = || save.key().splitn(3, '/').nth(2).unwrap_or_default();
        self.words.iter().any(|(_, key)| match &**key {
            STATES => save.kind() == Kind::State,
            SAVES => save.kind() != Kind::State,
            key => match key.split_once('/') {
                Some((system, game)) => system == save.system() && game == title(),
                None => key == save.system(),
            },
        })
    }

    /// Does it leave out just that: a kind, a system or `system/game`?
    pub fn has(&self, word: &str) -> bool {
        let key = compare_key(word);
        self.words.iter().any(|(_, known)| *known == key)
    }

    /// Leaves it out, or takes it in again.
    pub fn leave_out(&mut self, word: &str, out: bool) {
        let key = compare_key(word);
        self.words.retain(|(_, known)| *known != key);
        if out {
            self.words.push((word.to_owned(), key));
        }
    }

    /// The words that name a system or a game of one, and the system's name as it would be spelled.
    pub fn systems(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_systems = self.words.iter().filter(|(_, key)| ![STATES, SAVES].contains(&&**key));
        of_systems.map(|(word, key)| (word.as_str(), key.split('/').next().unwrap_or_default()))
    }

    /// As the configuration has it; [`Selection::parse`] reads it.
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|(word, _)| word.as_str()).collect();
        words.join(" | ")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_left_out_is_just_what_was_named() {
        let saves = [
            "gb/sram/Tetris (World)",
            "gb/state.0@gambatte/Tetris (World)",
            "gba/sram/POKéMON",
            "gba/rtc/Ruby",
        ];
        let rows: [(&str, &str, &[usize]); 8] = [
            ("nothing", "", &[]),
            ("blanks and bars only", " | |", &[]),
            ("states", "states", &[1]),
            ("all but states", "saves", &[0, 2, 3]),
            ("a system", "gb", &[0, 1]),
            ("a game with its states, in another case", "GB/tetris (world)", &[0, 1]),
            ("a game of another spelling", "gba/poke\u{301}mon", &[2]),
            ("several", "gba/Ruby | states", &[1, 3]),
        ];
        for (row, text, out) in rows {
            let selection = Selection::parse(text);
            let found: Vec<usize> =
                (0..saves.len()).filter(|at| selection.skips(&saves[*at].parse().unwrap())).collect();
            assert_eq!(found, out, "{row}");
            assert_eq!(Selection::parse(&selection.text()), selection, "{row}: read back");
        }
    }

    #[test]
    fn what_was_left_out_is_taken_in_again_in_any_spelling() {
        let mut selection = Selection::parse("gb | GBA/Ruby");
        selection.leave_out("gba/ruby", false);
        assert_eq!(
            (selection.text().as_str(), selection.has("GB"), selection.has("gba/ruby")),
            ("gb", true, false)
        );
    }
}
