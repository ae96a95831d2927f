//! PURE. Keys for a D-pad: the text grows a key at a time.

use crate::screen::view::{Block, Button};

/// The longest text.
const MOST: usize = 120;

/// Keys, the focus, and what was typed.
pub(super) struct Keyboard {
    keys: &'static [&'static [&'static str]],
    at: (usize, usize),
    /// What was typed.
    pub(super) typed: String,
}

/// For addresses.
pub(super) const ADDRESS: &[&[&str]] = &[
    &["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"],
    &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"],
    &["k", "l", "m", "n", "o", "p", "q", "r", "s", "t"],
    &["u", "v", "w", "x", "y", "z", ".", ":", "/", "-"],
    &["http://", "https://"],
    &["192.168.", ".local", ":8377"],
];
/// For titles.
pub(super) const LETTERS: &[&[&str]] = &[
    &["a", "b", "c", "d", "e", "f", "g"],
    &["h", "i", "j", "k", "l", "m", "n"],
    &["o", "p", "q", "r", "s", "t", "u"],
    &["v", "w", "x", "y", "z", "0", "1"],
    &["2", "3", "4", "5", "6", "7", "8", "9", " "],
];

impl Keyboard {
    pub(super) fn new(keys: &'static [&'static [&'static str]], typed: &str) -> Keyboard {
        Keyboard { keys, at: (0, 0), typed: typed.to_owned() }
    }

    pub(super) fn block(&self) -> Block {
        // A blank would be a key with nothing on it.
        let sign = |key: &&str| if *key == " " { "_".to_owned() } else { (*key).to_owned() };
        let rows = self.keys.iter().map(|row| row.iter().map(sign).collect()).collect();
        Block::Keyboard { rows, at: self.at, typed: self.typed.clone() }
    }

    /// Moves or types; false for buttons that do neither.
    pub(super) fn press(&mut self, button: Button) -> bool {
        let (row, column) = self.at;
        let keys = self.keys.get(row).copied().unwrap_or_default();
        match button {
            Button::Up => self.go((row + self.keys.len() - 1) % self.keys.len()),
            Button::Down => self.go((row + 1) % self.keys.len()),
            Button::Left => self.at.1 = (column + keys.len() - 1) % keys.len(),
            Button::Right => self.at.1 = (column + 1) % keys.len(),
            Button::Accept => match keys.get(column).copied().unwrap_or_default() {
                // An address has one scheme, and before all else.
                key if key.ends_with("://") => {
                    let scheme = self.typed.find("://").map_or(0, |at| at + 3);
                    self.typed.replace_range(..scheme, key);
                }
                key => self.typed.push_str(key),
            },
            Button::Letter(letter) => self.typed.push(letter),
            Button::Extra | Button::Erase => drop(self.typed.pop()),
            _ => return false,
        }
        while self.typed.len() > MOST {
            self.typed.pop();
        }
        true
    }

    /// To another row, where rows are of different lengths at about the same place.
    fn go(&mut self, row: usize) {
        let length = |row: usize| self.keys.get(row).map_or(1, |keys| keys.len());
        self.at = (row, self.at.1 * length(row) / length(self.at.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_can_be_reached_and_typed() {
        for keys in [ADDRESS, LETTERS] {
            let mut board = Keyboard::new(keys, "");
            for row in keys {
                // Rows of other lengths: the first key is where the row ends again.
                while board.at.1 > 0 {
                    board.press(Button::Left);
                }
                for key in *row {
                    board.typed.clear();
                    assert!(board.press(Button::Accept));
                    assert_eq!(board.typed, *key);
                    board.press(Button::Right);
                }
                assert_eq!(board.at.1, 0, "the ends of a row meet");
                board.press(Button::Down);
            }
            assert_eq!(board.at.0, 0, "the ends meet");
        }
    }

    #[test]
    fn a_search_may_have_two_words_and_no_key_is_without_a_sign() {
        let mut board = Keyboard::new(LETTERS, "advance");
        for button in [Button::Up, Button::Left, Button::Accept] {
            board.press(button);
        }
        assert_eq!(board.typed, "advance ");
        let Block::Keyboard { rows, .. } = board.block() else { return };
        assert!(rows.iter().flatten().all(|key| !key.trim().is_empty()), "{rows:?}");
    }

    #[test]
    fn who_wants_another_scheme_gets_it_and_keeps_what_was_typed() {
        let rows = [
            ("http://", "https://"),
            ("https://", "https://"),
            ("http://nas.local:8377", "https://nas.local:8377"),
            ("nas.local", "https://nas.local"),
            ("", "https://"),
        ];
        for (before, after) in rows {
            let mut board = Keyboard::new(ADDRESS, before);
            for button in [Button::Up, Button::Up, Button::Right, Button::Accept] {
                board.press(button);
            }
            assert_eq!(board.typed, after, "`{before}`");
        }
    }

    #[test]
    fn an_address_is_typed_with_a_d_pad() {
        let mut board = Keyboard::new(ADDRESS, "");
        // Up from the first row are the last, with whole words.
        for button in [Button::Up, Button::Up, Button::Accept, Button::Down, Button::Accept, Button::Down] {
            board.press(button);
        }
        board.press(Button::Accept);
        assert_eq!(board.typed, "http://192.168.1");
        board.press(Button::Extra);
        board.press(Button::Letter('7'));
        assert_eq!(board.typed, "http://192.168.7");
        for _ in 0..500 {
            board.press(Button::Accept);
        }
        assert!(board.typed.len() <= MOST);
    }
}
