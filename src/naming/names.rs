//! PURE. File names: patterns, what is never a save, which names a card takes, how states are numbered.

use crate::profile::{FileNames, StateStyle};

/// Names that are no saves on any firmware, and what they are. Cards are moved from one firmware to another, so the
/// files of each are left out on all.
const NEVER: [(&str, &str); 20] = [
    (".*", "a hidden file"),
    ("*.bak", "a backup"),
    ("*.bak-*", "a backup"),
    ("*.tmp", "a temporary file"),
    ("*~", "a backup"),
    ("*.sum", "a checksum"),
    ("currentTime.txt", "a firmware's clock"),
    ("playActivity.db", "a firmware's statistics"),
    ("PlayActivityBackup", "a firmware's statistics"),
    ("migration_status.log", "a log"),
    ("*_client.srm", "a netplay guest's copy"),
    ("*.png", "a picture"),
    ("*.bmp", "a picture"),
    ("*.jpg", "a picture"),
    ("*.log", "a log"),
    ("*.txt", "a text"),
    ("*.opt", "options"),
    ("*.cfg", "options"),
    ("Thumbs.db", "made by another system"),
    ("desktop.ini", "made by another system"),
];

/// Why the name of a file or folder is never a save.
pub(crate) fn never(name: &str) -> Option<&'static str> {
    let mut why = NEVER.iter().find(|(pattern, _)| fits(pattern, name)).map(|(_, what)| *what);
    // PICO-8 writes its cartridges' data as text.
    why.take_if(|why| *why == "a text" && fits("*.p8d.txt", name));
    why
}

/// Does the name fit the pattern? `*` stands for any part; ASCII case does not count.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    // Nearly all patterns are one ending, and every name is held against all of them.
    if let [b'*', end @ ..] = pattern.as_bytes()
        && !end.contains(&b'*')
    {
        let name = name.as_bytes();
        return name.len() >= end.len() && name[name.len() - end.len()..].eq_ignore_ascii_case(end);
    }
    // And of the others nearly all begin otherwise.
    if let (Some(own), Some(its)) = (pattern.bytes().next(), name.bytes().next())
        && own != b'*'
        && !own.eq_ignore_ascii_case(&its)
    {
        return false;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = strip_start(name, first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match find(rest, middle) {
                Some(end) => rest = &rest[end..],
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |end| strip_end(rest, end).is_some())
}

fn find(text: &str, part: &str) -> Option<usize> {
    (0..=text.len()).find_map(|at| {
        let tail = text.get(at..)?;
        strip_start(tail, part).map(|rest| text.len() - rest.len())
    })
}

fn strip_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let head = text.get(..start.len())?;
    head.eq_ignore_ascii_case(start).then(|| &text[start.len()..])
}

fn strip_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(end.len())?;
    text.get(at..)?.eq_ignore_ascii_case(end).then(|| &text[..at])
}

/// The name without `.extension`, if it has that one and something before it.
pub(crate) fn without<'a>(name: &'a str, extension: &str) -> Option<&'a str> {
    strip_end(name, extension)?.strip_suffix('.').filter(|stem| !stem.is_empty())
}

/// A game file's title: its name without the last extension.
pub(crate) fn title_of(file_name: &str) -> &str {
    file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem)
}

/// Splits a state's file name into what it is named after and its slot.
pub(crate) fn state(style: StateStyle, name: &str) -> Option<(&str, String)> {
    let (stem, slot) = match style {
        StateStyle::Minarch => {
            let (stem, extension) = name.rsplit_once('.')?;
            match strip_start(extension, "st")?.as_bytes() {
                [b'9'] => (stem, "auto".to_owned()),
                [digit @ b'0'..=b'8'] => (stem, char::from(*digit).to_string()),
                _ => return None,
            }
        }
        StateStyle::Retroarch => {
            if let Some(stem) = without(name, "state.auto") {
                return Some((stem, "auto".to_owned()));
            }
            let (stem, extension) = name.rsplit_once('.')?;
            match strip_start(extension, "state")? {
                "" => (stem, "0".to_owned()),
                number if is_slot_number(number) => (stem, number.to_owned()),
                _ => return None,
            }
        }
    };
    (!stem.is_empty()).then_some((stem, slot))
}

/// The same of NextUI's `Game.state.3`.
pub(crate) fn dotted_state(name: &str) -> Option<(&str, String)> {
    let (stem, slot) = name.rsplit_once('.')?;
    let stem = without(stem, "state")?;
    matches!(slot.as_bytes(), [b'0'..=b'8']).then(|| (stem, slot.to_owned()))
}

fn is_slot_number(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0')
}

/// The state's file name, if this style has that slot.
pub(crate) fn state_name(style: StateStyle, stem: &str, slot: &str) -> Option<String> {
    match (style, slot) {
        (StateStyle::Retroarch, "0") => Some(format!("{stem}.state")),
        (StateStyle::Retroarch, "auto") => Some(format!("{stem}.state.auto")),
        (StateStyle::Retroarch, number) => is_slot_number(number).then(|| format!("{stem}.state{number}")),
        (StateStyle::Minarch, "auto") => Some(format!("{stem}.st9")),
        (StateStyle::Minarch, number) => {
            matches!(number.as_bytes(), [b'0'..=b'8']).then(|| format!("{stem}.st{number}"))
        }
    }
}

/// May a file or folder of this name be made?
pub(crate) fn is_legal(names: FileNames, name: &str) -> bool {
    // A FAT name has at most 255 UTF-16 units; where bytes count, the card itself refuses.
    let short = !name.is_empty() && name.encode_utf16().count() <= 255;
    short
        && match names {
            FileNames::Posix => !name.contains(['/', '\0']),
            FileNames::Fat => {
                !name.contains(|c: char| c.is_control() || "\"*/:<>?\\|".contains(c))
                    && !name.ends_with(['.', ' '])
                    && !is_reserved(name)
            }
        }
}

/// `CON`, `NUL`, `COM1.txt` …: names that Windows keeps for itself, where the card will be put one day.
pub(crate) fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    let numbered =
        |word: &str| stem.strip_prefix(word).is_some_and(|n| matches!(n.as_bytes(), [b'1'..=b'9']));
    ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_row_by_row() {
        for (pattern, name, fit) in [
            ("currentTime.txt", "CURRENTTIME.TXT", true),
            ("*.bak", "Game.srm.bak", true),
            ("*.bak", "Game.bak.srm", false),
            ("*.bak-*", "Game.srm.bak-2024", true),
            (".*", ".netplay", true),
            (".*", "a.b", false),
            ("*_client.srm", "Pokémon_client.srm", true),
            ("*a*a*", "ba", false),
            ("*", "", true),
            ("*é", "Poké", true),
            ("x*é", "é", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn states_come_apart_and_together_again() {
        use StateStyle::{Minarch, Retroarch};
        for (style, name, stem, slot) in [
            (Retroarch, "Dr. Mario.state", "Dr. Mario", "0"),
            (Retroarch, "Dr. Mario.state1", "Dr. Mario", "1"),
            (Retroarch, "Dr. Mario.state999", "Dr. Mario", "999"),
            (Retroarch, "Dr. Mario.state.auto", "Dr. Mario", "auto"),
            (Retroarch, "a.state.state", "a.state", "0"),
            (Minarch, "Dr. Mario.gb.st0", "Dr. Mario.gb", "0"),
            (Minarch, "Dr. Mario.gb.st9", "Dr. Mario.gb", "auto"),
        ] {
            assert_eq!(state(style, name), Some((stem, slot.to_owned())), "{name}");
            assert_eq!(state_name(style, stem, slot).as_deref(), Some(name), "{name}");
        }
        for name in ["a.state01", "a.state1000", "a.statex", ".state", "a.state1.png", "state", "a.state0"] {
            assert_eq!(state(Retroarch, name), None, "{name}");
        }
        assert_eq!(state_name(Minarch, "a", "10"), None, "MinUI has ten slots");
    }

    #[test]
    fn names_that_a_card_does_not_take() {
        for name in ["a:b", "a?", "CON", "com1.srm", "a.", "a ", "", "a\u{7}"] {
            assert!(!is_legal(FileNames::Fat, name), "{name}");
        }
        for name in ["St. Game v1.2..srm", "!#$%&'()+,-;=@[]^_`{}~.srm", "console.srm", "ポケモン.srm"] {
            assert!(is_legal(FileNames::Fat, name), "{name}");
        }
        assert!(is_legal(FileNames::Posix, "Sonic: 3?.srm"));
        assert!(!is_legal(FileNames::Posix, &"x".repeat(256)));
    }
}
