//! PURE. Texts into the room there is: onto several lines, or shortened. In whatever unit `width` measures.

/// How wide a text is.
pub type Measure<'a> = &'a dyn Fn(&str) -> u32;

/// The text on lines no wider than `room`: broken at blanks, between letters of scripts without blanks, and within a word only
/// where it alone is wider than a line.
pub fn lines(text: &str, room: u32, width: Measure<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for piece in pieces(paragraph) {
            if width(&format!("{line}{}", piece.trim_end())) > room && !line.is_empty() {
                lines.push(line.trim_end().to_owned());
                line.clear();
            }
            for letter in piece.chars() {
                if line.is_empty() && letter == ' ' {
                    continue;
                }
                line.push(letter);
                if letter != ' ' && width(&line) > room && line.chars().nth(1).is_some() {
                    line.pop();
                    // An address that is wider than a line keeps its port whole.
                    let is_port = |at: &usize| line.contains("//") && !line[*at..].starts_with("://");
                    let port = line.rfind(':').filter(is_port).map(|at| line.split_off(at));
                    lines.push(std::mem::replace(&mut line, port.unwrap_or_default()));
                    line.push(letter);
                }
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// What must stay together, each with the blanks after it.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (at, letter) in text.char_indices() {
        let breaks = match before {
            Some(' ') => letter != ' ',
            // An address may break after each of its parts.
            Some('/') => letter.is_alphanumeric() && !text[..at].ends_with("//"),
            Some(before) => has_no_blanks(before) && letter != ' ' && !hangs(letter),
            None => false,
        };
        if breaks {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = Some(letter);
    }
    pieces.push(&text[start..]);
    pieces
}

/// Kana and hanzi: a line may end after each.
fn has_no_blanks(letter: char) -> bool {
    matches!(letter, '\u{2E80}'..='\u{9FFF}' | '\u{FF00}'..='\u{FFEF}')
}

/// What may not begin a line.
fn hangs(letter: char) -> bool {
    "、。，．・：；！？）」』】ー々".contains(letter)
}

/// The text, shortened with an ellipsis where it is wider than `room`.
pub fn elided(text: &str, room: u32, width: Measure<'_>) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    cut(text);
    let mut short: String = text.to_owned();
    while short.pop().is_some() {
        let shown = format!("{}…", short.trim_end());
        if width(&shown) <= room {
            return shown;
        }
    }
    String::new()
}

/// As [`lines`], at most so many; the last is shortened if there would be more.
pub fn lines_at_most(text: &str, room: u32, most: usize, width: Measure<'_>) -> Vec<String> {
    let mut all = lines(text, room, width);
    if all.len() > most {
        cut(text);
        all.truncate(most);
        if let Some(last) = all.last_mut() {
            let more = format!("{last}…");
            *last = if width(&more) <= room { more } else { elided(&format!("{more}…"), room, width) };
        }
    }
    all
}

/// Tells the tests of what is not shown whole.
#[cfg_attr(not(test), expect(unused_variables, reason = "only tests ask"))]
pub(super) fn cut(text: &str) {
    #[cfg(test)]
    SHORTENED.with_borrow_mut(|texts| texts.push(text.to_owned()));
}

#[cfg(test)]
thread_local! {
    static SHORTENED: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// What was shortened or left out in this thread since this was asked last.
#[cfg(test)]
pub(crate) fn shortened() -> Vec<String> {
    SHORTENED.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> u32 {
        text.chars().count() as u32
    }

    #[test]
    fn texts_break_where_a_reader_would_break_them() {
        let rows: [(&str, u32, &[&str], &str); 11] = [
            ("http://nas:80/pair", 15, &["http://nas:80/", "pair"], "an address after its parts"),
            ("at http://a.b:8377/x", 16, &["at", "http://a.b:8377/", "x"], "an address that fits a line"),
            ("http://10.0.0.1:8377/pair", 17, &["http://10.0.0.1", ":8377/pair"], "one that does not"),
            ("at 12:30 or so", 7, &["at", "12:30", "or so"], "an hour stays whole"),
            ("all is well", 6, &["all is", "well"], "at blanks"),
            ("all is well", 20, &["all is well"], "what fits stays"),
            ("one\ntwo", 20, &["one", "two"], "at line feeds"),
            ("Overflow!", 4, &["Over", "flow", "!"], "a word wider than a line"),
            ("星のカービィ。", 4, &["星のカー", "ビィ。"], "between kana, the stop stays"),
            ("", 4, &[""], "nothing is one line"),
            ("ab", 0, &["a", "b"], "no room at all ends too"),
        ];
        for (text, room, wanted, what) in rows {
            assert_eq!(lines(text, room, &letters), wanted, "{what}");
        }
    }

    #[test]
    fn what_is_shortened_says_so() {
        assert_eq!(elided("Tetris", 6, &letters), "Tetris");
        assert_eq!(elided("Tetris World", 8, &letters), "Tetris…");
        assert_eq!(elided("Tetris", 0, &letters), "");
        assert_eq!(lines_at_most("one two three four", 7, 2, &letters), ["one two", "three…"]);
        assert_eq!(lines_at_most("one two six ten", 7, 1, &letters), ["one tw…"]);
    }
}
