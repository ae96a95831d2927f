//! PURE. Numbers as people read them: sizes, times, a text with names in it.

use std::fmt::{self, Write as _};

use retrosync_protocol::{Digest, Played};

/// A time as a page shows it: near ones as a distance, the exact one beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct When {
    /// `3 hours ago`
    pub(super) near: String,
    /// `2026-11-21 14:05 UTC`
    pub(super) exact: String,
    /// `3 days ago, 2026-11-21 14:05 UTC`: where somebody looks for "Saturday evening's", and no finger can hover.
    pub(super) whole: String,
    /// `2026-11-21T14:05:09Z`, for the browser, which knows where it is.
    pub(super) machine: String,
}

impl When {
    /// `unix_s` as seen from `now_unix_s`.
    pub(super) fn new(unix_s: i64, now_unix_s: i64) -> When {
        let ago_s = now_unix_s.saturating_sub(unix_s);
        let near = distance(ago_s, unix_s);
        When {
            whole: match ago_s {
                -60..3600 => near.clone(),
                3600..2_592_000 => format!("{near}, {}", exact(unix_s)),
                _ => exact(unix_s),
            },
            near,
            exact: exact(unix_s),
            machine: format!(
                "{}:{:02}Z",
                exact(unix_s).replace(" UTC", "").replace(' ', "T"),
                unix_s.rem_euclid(60)
            ),
        }
    }
}

fn distance(ago_s: i64, unix_s: i64) -> String {
    let count = |n: i64, word: &str| format!("{n} {word}{} ago", if n == 1 { "" } else { "s" });
    match ago_s {
        i64::MIN..-60 => exact(unix_s),
        -60..60 => "just now".into(),
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

/// The date of a day counted from 1970-01-01, by the rules of the Gregorian calendar; the first and the last of four digits beyond.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
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

/// A sentence of a program, with names in backticks: as HTML, escaped, the names as code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told(pub(super) String);

impl Told {
    /// Says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl askama::filters::HtmlSafe for Told {}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |f: &mut fmt::Formatter<'_>, text: &str| {
            text.chars().try_for_each(|c| match c {
                '<' | '>' | '&' | '"' | '\'' => write!(f, "&#{};", u32::from(c)),
                c => f.write_char(c),
            })
        };
        let mut rest = self.0.as_str();
        while let Some((before, (name, after))) =
            rest.split_once('`').and_then(|(before, rest)| Some((before, rest.split_once('`')?)))
        {
            escaped(f, before)?;
            f.write_str("<code>")?;
            escaped(f, name)?;
            f.write_str("</code>")?;
            rest = after;
        }
        escaped(f, rest)
    }
}

/// `2026-11-21`
pub(super) fn date(unix_s: i64) -> String {
    exact(unix_s).chars().take(10).collect()
}

/// `29 min, until 2 hours ago`: for how long, and until when the bytes were changed.
pub(super) fn interval(played: Played, now_unix_s: i64) -> String {
    let long_s = played.to_unix_s.saturating_sub(played.from_unix_s);
    let until = When::new(played.to_unix_s, now_unix_s).near;
    match long_s {
        i64::MIN..60 => until,
        60..3600 => format!("{} min, until {until}", long_s / 60),
        3600..86_400 => format!("{} h {} min, until {until}", long_s / 3600, long_s % 3600 / 60),
        _ => format!("between {} and {}", date(played.from_unix_s), date(played.to_unix_s)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_as_people_read_them() {
        let now = 1_790_000_000;
        let rows = [
            (now + 50, "just now"),
            (now + 100, "2026-09-21 14:15 UTC"),
            (now - 59, "just now"),
            (now - 60, "1 minute ago"),
            (now - 7200, "2 hours ago"),
            (now - 86_400 * 3, "3 days ago"),
            (now - 86_400 * 40, "2026-08-12"),
        ];
        for (unix_s, near) in rows {
            assert_eq!(When::new(unix_s, now).near, near);
        }
        let rows = [
            (now - 60, "1 minute ago"),
            (now - 7200, "2 hours ago, 2026-09-21 12:13 UTC"),
            (now - 86_400 * 3, "3 days ago, 2026-09-18 14:13 UTC"),
            (now - 86_400 * 40, "2026-08-12 14:13 UTC"),
            (now + 100, "2026-09-21 14:15 UTC"),
        ];
        for (unix_s, whole) in rows {
            assert_eq!(When::new(unix_s, now).whole, whole, "a phone shows the hour");
        }
    }

    #[test]
    fn names_in_backticks_are_shown_as_names() {
        let rows = [
            ("`a/b` cannot be read", "<code>a/b</code> cannot be read"),
            ("no `<b>` & `\"c\"`", "no <code>&#60;b&#62;</code> &#38; <code>&#34;c&#34;</code>"),
            ("one ` alone <", "one ` alone &#60;"),
            ("`a` and ` alone", "<code>a</code> and ` alone"),
            ("", ""),
        ];
        for (text, html) in rows {
            assert_eq!(Told(text.into()).to_string(), html);
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
}
