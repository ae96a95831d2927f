//! PURE. Times as they travel here: epoch milliseconds and ISO 8601 in UTC, and which of a device's times can be believed.

use crate::web::civil;

const HOUR_MS: i64 = 3_600_000;
/// 2020-01-01: what is older comes from a clock that was never set.
const OLDEST_MS: i64 = 1_577_836_800_000;

/// `2026-11-20T14:14:48.503Z`
pub(super) fn iso(unix_ms: i64) -> String {
    let (seconds, ms) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
        second / 3600,
        second % 3600 / 60,
        second % 60
    )
}

/// `Fri, 20 Nov 2026 14:14:48 GMT`
pub(super) fn http(unix_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = unix_ms.div_euclid(86_400_000);
    let (year, month, day) = civil(days);
    let name = usize::try_from(days.rem_euclid(7)).unwrap_or_default();
    let month = usize::try_from(month - 1).unwrap_or_default();
    format!("{}, {day:02} {} {year:04} {} GMT", DAYS[name], MONTHS[month.min(11)], &iso(unix_ms)[11..19])
}

/// Reads `2026-11-20T14:14:48.503Z`, with or without the fraction; `None`: it is no such time.
pub(super) fn read_iso(text: &str) -> Option<i64> {
    let text = text.trim().strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
    let mut date = date.splitn(3, '-').map(number);
    let mut time = time.splitn(3, ':').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    let ms = number(format!("{fraction:0<3}").get(..3)?)?;
    fits.then(|| ((days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * 1000) + ms)
}

/// The time that is shown for a file: as told, unless that cannot be.
pub(super) fn believable(told_ms: Option<i64>, now_ms: i64) -> i64 {
    told_ms.filter(|told| (OLDEST_MS..=now_ms + HOUR_MS).contains(told)).unwrap_or(now_ms)
}

/// The count of a day from 1970-01-01, by the rules of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_180_581_000, "2026-11-20T13:16:21.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(iso(ms), text);
            assert_eq!(read_iso(text), Some(ms));
        }
        assert_eq!(read_iso("2026-11-20T13:16:21Z"), Some(1_795_180_581_000));
        assert_eq!(http(1_795_180_581_000), "Fri, 20 Nov 2026 13:16:21 GMT");
        assert_eq!(http(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        for wrong in [
            "",
            "Z",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-11-20T13:16:21.5é",
            "2026-11-20T13:16:21.11éZ",
        ] {
            assert_eq!(read_iso(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_shown() {
        let now = 1_795_180_581_000;
        assert_eq!(believable(Some(now - 1), now), now - 1);
        assert_eq!(believable(Some(5), now), now);
        assert_eq!(believable(Some(now + 2 * HOUR_MS), now), now);
        assert_eq!(believable(None, now), now);
    }
}
