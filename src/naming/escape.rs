//! PURE. Names that FAT does not take, spelled in names that it does, and back (protocol/README.md 1.1).
//!
//! `a:b?` is a fine name on a PC and on the server, and none on a card. There it is `a%3Ab%3F`: `%` and two hex digits stand
//! for each of `" * : < > ? \ |`, for a dot or a blank at the end, and for the first letter (as a capital) of a name that
//! Windows keeps for itself. A name that looks like such a spelling by chance has its own `%` spelled so, too. So every name
//! has one spelling on a card and comes back from it; what is no such spelling is itself.

use std::borrow::Cow;

use super::names::{is_legal, is_reserved};
use crate::profile::FileNames;

/// The name as a card with FAT spells it: mostly as it is.
pub(crate) fn escaped(name: &str) -> Cow<'_, str> {
    if is_legal(FileNames::Fat, name) && meant(name).is_none() {
        return Cow::Borrowed(name);
    }
    let reserved = is_reserved(name);
    let mut spelled = String::new();
    for (at, letter) in name.char_indices() {
        let rest = &name[at + letter.len_utf8()..];
        let is_bad = "\"*:<>?\\|".contains(letter)
            || (rest.is_empty() && matches!(letter, '.' | ' '))
            || (letter == '%' && coded(rest).is_some())
            || (at == 0 && reserved);
        match u8::try_from(letter) {
            Ok(byte) if is_bad => {
                let digit = |four: u8| char::from(b"0123456789ABCDEF"[usize::from(four & 15)]);
                let byte = byte.to_ascii_uppercase();
                spelled.extend(['%', digit(byte >> 4), digit(byte)]);
            }
            _ => spelled.push(letter),
        }
    }
    Cow::Owned(spelled)
}

/// The name that a card's spelling stands for: mostly itself.
pub(crate) fn unescaped(spelled: &str) -> Cow<'_, str> {
    meant(spelled).map_or(Cow::Borrowed(spelled), Cow::Owned)
}

/// Each part of a path in this spelling.
pub(crate) fn by_parts(path: &str, spelling: fn(&str) -> Cow<'_, str>) -> String {
    let mut whole = String::new();
    for part in path.split('/') {
        whole.push_str(&spelling(part));
        whole.push('/');
    }
    whole.pop();
    whole
}

/// What it stands for, if it is the spelling of another name.
fn meant(spelled: &str) -> Option<String> {
    let (start, mut rest) = spelled.split_once('%')?;
    let mut name = start.to_owned();
    loop {
        match coded(rest) {
            Some(letter) => {
                name.push(letter);
                rest = &rest[2..];
            }
            None => name.push('%'),
        }
        let Some((next, more)) = rest.split_once('%') else { break };
        name.push_str(next);
        rest = more;
    }
    name.push_str(rest);
    (name.len() < spelled.len() && escaped(&name).eq_ignore_ascii_case(spelled)).then_some(name)
}

/// The letter that two hex digits after a `%` stand for.
fn coded(after: &str) -> Option<char> {
    let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii).map(char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_spelling_on_a_card_and_comes_back() {
        for (row, name, spelled) in [
            ("as it is", "Tetris (World)", "Tetris (World)"),
            ("a colon and a question mark", "Sonic: 3?", "Sonic%3A 3%3F"),
            ("all that FAT does not take", "\"*:<>?\\|", "%22%2A%3A%3C%3E%3F%5C%7C"),
            ("a dot at the end", "Dr.", "Dr%2E"),
            ("a dot within", "Dr. Mario", "Dr. Mario"),
            ("a blank at the end", "a ", "a%20"),
            ("kept by Windows", "CON", "%43ON"),
            ("with more behind it", "Aux.Game", "%41ux.Game"),
            ("not kept by Windows", "Console", "Console"),
            ("a per cent sign", "100% Pure", "100% Pure"),
            ("digits behind it", "100%25", "100%25"),
            ("and what FAT does not take", "100%25?", "100%2525%3F"),
            ("looks like a spelling", "a%3Ab", "a%253Ab"),
            ("looks like the spelling of that", "a%253Ab", "a%25253Ab"),
            ("would be spelled otherwise", "%41bc", "%41bc"),
            ("letters of more bytes", "ポケモン: é%3é", "ポケモン%3A é%3é"),
        ] {
            assert_eq!(escaped(name), spelled, "{row}");
            assert_eq!(unescaped(spelled), name, "{row}");
        }
    }

    #[test]
    fn a_card_that_writes_in_small_letters_means_the_same() {
        assert_eq!(unescaped("sonic%3a 3%3f"), "sonic: 3?");
        // One save in any spelling: the compare key is one.
        assert_eq!((&*escaped("con"), &*unescaped("%43on")), ("%43on", "Con"));
    }

    #[test]
    fn short_names_of_all_letters_that_matter_never_meet() {
        let letters = ['%', '3', 'A', '2', '5', ':', '.', 'a'];
        let mut seen = std::collections::BTreeMap::new();
        let mut names = vec![String::new()];
        for _ in 0..5 {
            let longer = |name: &String| letters.map(|letter| format!("{name}{letter}"));
            names = names.iter().flat_map(longer).collect();
            for name in names.iter().filter(|name| !matches!(name.as_str(), "." | "..")) {
                let spelled = escaped(name).into_owned();
                assert!(is_legal(FileNames::Fat, &spelled), "{name}: {spelled}");
                assert_eq!(unescaped(&spelled), name.as_str());
                assert_eq!(seen.insert(spelled, name.clone()), None, "{name}");
            }
        }
    }
}
