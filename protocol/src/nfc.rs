//! Unicode's canonical composition (NFC, UAX #15), for the compare key of a title.
//!
//! Pure. The tables are made by `build.rs` from the library that the tests compare with, deflated: linking the library
//! itself costs a card 112 KB, because it brings tables that only other forms need.

use std::sync::LazyLock;

/// Unpacked when the first title is compared.
static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/nfc_tables.z"));
    let bytes = miniz_oxide::inflate::decompress_to_vec(packed).unwrap_or_default();
    let mut numbers = bytes.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number));
    Tables {
        steps: rows([column(&mut numbers), column(&mut numbers), column(&mut numbers)]),
        pairs: column(&mut numbers),
        classes: rows([column(&mut numbers), column(&mut numbers), column(&mut numbers)]),
    }
});

struct Tables {
    /// A character and the two that it is made of; the second may be none (`0`). In the order of the first.
    steps: Vec<[u32; 3]>,
    /// Which steps are taken backwards too, in the order of the second part and then the first.
    pairs: Vec<u32>,
    /// Runs of characters of one combining class: first character, last character, class.
    classes: Vec<[u32; 3]>,
}

/// Its length, then the differences from row to row.
fn column(numbers: &mut dyn Iterator<Item = u32>) -> Vec<u32> {
    let length = numbers.next().unwrap_or_default();
    let mut last = 0u32;
    let mut column = Vec::new();
    for difference in numbers.take(length as usize) {
        last = last.wrapping_add(difference);
        column.push(last);
    }
    column
}

fn rows([first, second, third]: [Vec<u32>; 3]) -> Vec<[u32; 3]> {
    first.iter().zip(&second).zip(&third).map(|((one, two), three)| [*one, *two, *three]).collect()
}

// Hangul syllables are made of two or three letters by arithmetic.
const SYLLABLES: u32 = 0xAC00;
const LEADS: u32 = 0x1100;
const VOWELS: u32 = 0x1161;
const TAILS: u32 = 0x11A7;
const LEAD_COUNT: u32 = 19;
const VOWEL_COUNT: u32 = 21;
const TAIL_COUNT: u32 = 28;

/// The text in NFC.
pub(crate) fn nfc(text: impl Iterator<Item = char>) -> String {
    let mut parts = Vec::new();
    for c in text {
        take_apart(c, &mut parts);
    }
    order(&mut parts);
    put_together(&parts)
}

/// Pushes a character's parts, each with its combining class.
fn take_apart(c: char, parts: &mut Vec<(char, u8)>) {
    let syllable = u32::from(c).wrapping_sub(SYLLABLES);
    if syllable < LEAD_COUNT * VOWEL_COUNT * TAIL_COUNT {
        let letters = [
            LEADS + syllable / (VOWEL_COUNT * TAIL_COUNT),
            VOWELS + syllable % (VOWEL_COUNT * TAIL_COUNT) / TAIL_COUNT,
            TAILS + syllable % TAIL_COUNT,
        ];
        let count = if letters[2] == TAILS { 2 } else { 3 };
        parts.extend(
            letters[..count].iter().filter_map(|code| char::from_u32(*code)).map(|letter| (letter, 0)),
        );
    } else if let Ok(index) = TABLES.steps.binary_search_by_key(&u32::from(c), |step| step[0]) {
        let (one, two) = parts_of(index);
        take_apart(one, parts);
        if two != '\0' {
            parts.push((two, class(two)));
        }
    } else {
        parts.push((c, class(c)));
    }
}

/// The two characters that the one of a step is made of; the second may be none (`\0`).
fn parts_of(index: usize) -> (char, char) {
    let [_, one, two] = TABLES.steps.get(index).copied().unwrap_or_default();
    (char::from_u32(one).unwrap_or('\0'), char::from_u32(two).unwrap_or('\0'))
}

/// 0: a character that others combine with.
fn class(c: char) -> u8 {
    let code = u32::from(c);
    let after = TABLES.classes.partition_point(|[first, ..]| *first <= code);
    match after.checked_sub(1).map(|index| TABLES.classes[index]) {
        Some([_, last, class]) if code <= last => class as u8,
        _ => 0,
    }
}

/// Marks that follow one another go by their class; those of one class stay as they are.
fn order(parts: &mut [(char, u8)]) {
    for marks in parts.split_mut(|(_, class)| *class == 0) {
        marks.sort_by_key(|(_, class)| *class);
    }
}

fn put_together(parts: &[(char, u8)]) -> String {
    let mut whole: Vec<char> = Vec::with_capacity(parts.len());
    let mut base: Option<usize> = None;
    let mut last_class = 0;
    for &(c, class) in parts {
        if let Some(at) = base {
            // Nothing stands between, or only marks of lower classes do.
            let reaches = at + 1 == whole.len() || last_class < class;
            if let Some(both) = pair(whole[at], c).filter(|_| reaches) {
                whole[at] = both;
                continue;
            }
        }
        if class == 0 {
            base = Some(whole.len());
        }
        last_class = class;
        whole.push(c);
    }
    whole.into_iter().collect()
}

/// The character that two others are together.
fn pair(one: char, two: char) -> Option<char> {
    let (first, second) = (u32::from(one), u32::from(two));
    let (lead, vowel) = (first.wrapping_sub(LEADS), second.wrapping_sub(VOWELS));
    if lead < LEAD_COUNT && vowel < VOWEL_COUNT {
        return char::from_u32(SYLLABLES + (lead * VOWEL_COUNT + vowel) * TAIL_COUNT);
    }
    let (syllable, tail) = (first.wrapping_sub(SYLLABLES), second.wrapping_sub(TAILS));
    let open = syllable < LEAD_COUNT * VOWEL_COUNT * TAIL_COUNT && syllable % TAIL_COUNT == 0;
    if open && (1..TAIL_COUNT).contains(&tail) {
        return char::from_u32(first + tail);
    }
    let key = |index: &u32| {
        let (one, two) = parts_of(*index as usize);
        (two, one)
    };
    let at = TABLES.pairs.binary_search_by_key(&(two, one), key).ok()?;
    let [whole, ..] = TABLES.steps.get(TABLES.pairs[at] as usize)?;
    char::from_u32(*whole)
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization as _;
    use unicode_normalization::char::canonical_combining_class;

    use super::nfc;

    fn same(text: &str) {
        assert_eq!(nfc(text.chars()), text.nfc().collect::<String>(), "{}", text.escape_unicode());
    }

    /// Characters that combine, or that others are made of.
    fn interesting() -> Vec<char> {
        let changes = |c: &char| std::iter::once(*c).nfd().ne(std::iter::once(*c));
        ('\0'..='\u{2FFFF}').filter(|c| canonical_combining_class(*c) > 0 || changes(c)).collect()
    }

    #[test]
    fn every_character_is_as_the_library_has_it_alone_taken_apart_and_between_marks() {
        for c in
            ('\0'..='\u{2FFFF}').step_by(11).chain(interesting().into_iter().filter(|c| !is_syllable(*c)))
        {
            same(&c.to_string());
            same(&std::iter::once(c).nfd().collect::<String>());
            same(&format!("e{c}\u{301}"));
            same(&format!("\u{1100}{c}\u{323}\u{307}"));
        }
    }

    fn is_syllable(c: char) -> bool {
        ('\u{AC00}'..='\u{D7A3}').contains(&c)
    }

    #[test]
    fn random_texts_of_letters_and_marks_are_as_the_library_has_them() {
        let interesting = interesting();
        let mut state = 7u64;
        for _ in 0..20_000 {
            let next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                interesting[(state >> 33) as usize % interesting.len()]
            };
            same(&std::iter::repeat_with(next).take(6).collect::<String>());
        }
    }
}
