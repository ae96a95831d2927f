//! PURE. Numbers and ids as people read them: sizes, times, names of systems.

use retrosync_protocol::{Digest, Kind, SaveId};

/// A time as a page shows it: near ones as a distance, the exact one beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct When {
    /// `3 hours ago`
    pub(super) near: String,
    /// `2026-11-21 14:05 UTC`
    pub(super) exact: String,
}

impl When {
    /// `unix_s` as seen from `now_unix_s`.
    pub(super) fn new(unix_s: i64, now_unix_s: i64) -> When {
        When { near: distance(now_unix_s.saturating_sub(unix_s), unix_s), exact: exact(unix_s) }
    }
}

fn distance(ago_s: i64, unix_s: i64) -> String {
    let count = |n: i64, word: &str| format!("{n} {word}{} ago", if n == 1 { "" } else { "s" });
    match ago_s {
        i64::MIN..60 => "just now".into(),
        60..3600 => count(ago_s / 60, "minute"),
        3600..86_400 => count(ago_s / 3600, "hour"),
        86_400..2_592_000 => count(ago_s / 86_400, "day"),
        _ => exact(unix_s).chars().take(10).collect(),
    }
}

fn exact(unix_s: i64) -> String {
    let (year, month, day) = civil(unix_s.div_euclid(86_400));
    let second = unix_s.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3600, second % 3600 / 60)
}

/// The date of a day counted from 1970-01-01, by the rules of the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.clamp(-719_468, 2_932_896) + 719_468; // from 0000-03-01, to 9999-12-31
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// `8 KiB`
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    let text = format!("{value:.1}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// The first 8 digits: enough to tell two apart.
pub(super) fn short(digest: Digest) -> String {
    digest.to_string().chars().take(8).collect()
}

/// `1030` as `1,030`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a save is besides its title; empty for the usual battery save.
pub(super) fn kind(save: &SaveId) -> String {
    let slot = save.slot().unwrap_or_default();
    let core = save.core().map(|core| format!(" · {core}")).unwrap_or_default();
    let word = match save.kind() {
        Kind::Sram => String::new(),
        Kind::Rtc => "clock".into(),
        Kind::Card => format!("memory card {slot}"),
        Kind::State if slot == "auto" => "auto state".into(),
        Kind::State => format!("state {slot}"),
        Kind::Tree => "folder".into(),
        Kind::File => "kept as it is".into(),
        Kind::Newer => "of a newer program".into(),
    };
    format!("{}{core}", word.trim_end()).trim_start_matches(" · ").to_owned()
}

/// The name under which a content is downloaded.
pub(super) fn file_name(save: &SaveId) -> String {
    let title = save.title().rsplit('/').next().unwrap_or("save");
    let ending = match save.kind() {
        Kind::Sram => "srm",
        Kind::Rtc => "rtc",
        Kind::Card => "mcr",
        Kind::State => "state",
        Kind::Tree => "tree",
        // Its title is a file's name.
        Kind::File => return title.to_owned(),
        Kind::Newer => "bin",
    };
    format!("{title}.{ending}")
}

/// A system as people call it; unknown ones as they are.
pub(super) fn system(name: &str) -> &str {
    const NAMES: &[(&str, &str)] = &[
        ("3do", "3DO"),
        ("a2600", "Atari 2600"),
        ("a7800", "Atari 7800"),
        ("amiga", "Amiga"),
        ("arcade", "Arcade"),
        ("c64", "Commodore 64"),
        ("dc", "Dreamcast"),
        ("dreamcast", "Dreamcast"),
        ("fds", "Famicom Disk System"),
        ("gb", "Game Boy"),
        ("gba", "Game Boy Advance"),
        ("gbc", "Game Boy Color"),
        ("gc", "GameCube"),
        ("gg", "Game Gear"),
        ("lynx", "Atari Lynx"),
        ("md", "Mega Drive"),
        ("megadrive", "Mega Drive"),
        ("ms", "Master System"),
        ("msx", "MSX"),
        ("n64", "Nintendo 64"),
        ("nds", "Nintendo DS"),
        ("neogeo", "Neo Geo"),
        ("nes", "NES"),
        ("ngp", "Neo Geo Pocket"),
        ("ngpc", "Neo Geo Pocket Color"),
        ("p8", "PICO-8"),
        ("pce", "PC Engine"),
        ("pico8", "PICO-8"),
        ("pokemini", "Pokémon mini"),
        ("ps", "PlayStation"),
        ("psp", "PSP"),
        ("psx", "PlayStation"),
        ("saturn", "Saturn"),
        ("scd", "Mega CD"),
        ("segacd", "Mega CD"),
        ("sega32x", "32X"),
        ("sms", "Master System"),
        ("snes", "Super Nintendo"),
        ("vb", "Virtual Boy"),
        ("ws", "WonderSwan"),
        ("wsc", "WonderSwan Color"),
    ];
    NAMES.iter().find(|(id, _)| *id == name).map_or(name, |(_, full)| full)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_as_people_read_them() {
        let now = 1_790_000_000;
        let rows = [
            (now + 100, "just now"),
            (now - 59, "just now"),
            (now - 60, "1 minute ago"),
            (now - 7200, "2 hours ago"),
            (now - 86_400 * 3, "3 days ago"),
            (now - 86_400 * 40, "2026-08-12"),
        ];
        for (unix_s, near) in rows {
            assert_eq!(When::new(unix_s, now).near, near);
        }
    }

    #[test]
    fn dates_of_known_seconds() {
        let rows = [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_790_000_000, "2026-09-21 14:13 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ];
        for (unix_s, text) in rows {
            assert_eq!(exact(unix_s), text);
        }
        assert_eq!(exact(i64::MAX).len(), 20, "no number breaks it");
        assert_eq!(exact(i64::MIN).len(), 20);
    }

    #[test]
    fn sizes_as_people_read_them() {
        let rows = [
            (0, "0 B"),
            (1023, "1023 B"),
            (8192, "8 KiB"),
            (131_072, "128 KiB"),
            (1_500_000, "1.4 MiB"),
            (1 << 30, "1 GiB"),
            ((1 << 20) - 1, "1 MiB"),
        ];
        for (bytes, text) in rows {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(30), "30");
    }

    #[test]
    fn saves_by_what_they_are() {
        let rows = [
            ("gb/sram/Tetris", "", "Tetris.srm"),
            ("gba/state.auto@mgba/Metroid", "auto state · mgba", "Metroid.state"),
            ("psx/card.0/Final Fantasy VII (Disc 1)", "memory card 0", "Final Fantasy VII (Disc 1).mcr"),
            ("gb/sram@gambatte/a/b", "gambatte", "b.srm"),
        ];
        for (save, word, name) in rows {
            let save = save.parse().unwrap();
            assert_eq!((kind(&save).as_str(), file_name(&save).as_str()), (word, name));
        }
    }
}
