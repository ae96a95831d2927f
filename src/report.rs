//! What people and scripts read: errors in three lines, problems, tables; or one JSON value.
//!
//! Knows nothing of what it prints. A reader that went away (a closed pipe) is no error.

use std::io::Write as _;

use retrosync_protocol::Code;
use serde_json::{Value, json};

use crate::error::{Error, Kind, Problem};

/// How a command ended; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Well = 0,
    /// Could not run.
    Failed = 1,
    /// The arguments or the configuration are wrong.
    Misused = 2,
    /// Finished, but with problems or questions.
    Problems = 3,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The exit code of an error.
    pub fn of(error: &Error) -> Exit {
        if error.kind == Kind::Misused { Exit::Misused } else { Exit::Failed }
    }
}

/// Where a command says what it found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// One JSON value on standard output instead of text.
    pub json: bool,
}

impl Output {
    /// Prints a line for people; nothing with `--json`.
    pub fn line(self, text: impl AsRef<str>) {
        if !self.json {
            print(text.as_ref());
        }
    }

    /// Prints the value for scripts; nothing without `--json`.
    pub fn value(self, value: &Value) {
        if self.json {
            print(&value.to_string());
        }
    }

    /// Says why it could not be done: three lines on standard error; with `--json` also a value on standard output.
    pub fn error(self, error: &Error) {
        let _ = std::io::stderr().lock().write_all(three_lines("error", error).as_bytes());
        self.value(&json!({ "error": error_value(error) }));
    }

    /// Says what went wrong beside: three lines on standard error each; with `--json` the caller puts them in its value.
    pub fn problems(self, problems: &[Problem]) {
        if !self.json {
            for problem in problems {
                let _ = std::io::stderr().lock().write_all(three_lines("problem", &problem.error).as_bytes());
            }
        }
    }
}

/// Prints text and a line end to standard output.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// `error: …`, `  cause: …`, `  help: …`.
pub fn three_lines(word: &str, error: &Error) -> String {
    let mut text = format!("{word}: {}\n  cause: {}\n", error.doing, error.cause);
    if let Some(help) = &error.help {
        text.push_str("  help: ");
        text.push_str(help);
        text.push('\n');
    }
    text
}

/// An error for scripts: `{"kind", "code"?, "doing", "cause", "help"?}`.
pub fn error_value(error: &Error) -> Value {
    let mut value = json!({ "kind": kind_word(error.kind), "doing": error.doing, "cause": error.cause });
    if let Kind::Refused(code) = error.kind {
        value["code"] = json!(code.as_str());
    }
    if let Some(help) = &error.help {
        value["help"] = json!(help);
    }
    value
}

/// Problems for scripts.
pub fn problem_values(problems: &[Problem]) -> Vec<Value> {
    problems
        .iter()
        .map(|problem| {
            let mut value = error_value(&problem.error);
            value["save"] = json!(problem.save.as_ref().map(|save| save.as_str()));
            value
        })
        .collect()
}

/// The kind that a word of [`kind_word`] names.
pub fn kind_of(word: &str) -> Kind {
    let kinds = [
        Kind::Offline,
        Kind::Busy,
        Kind::Damaged,
        Kind::Full,
        Kind::ClockWrong,
        Kind::Unpaired,
        Kind::Misused,
    ];
    kinds.into_iter().find(|kind| kind_word(*kind) == word).unwrap_or(Kind::Refused(Code::Unknown))
}

/// A kind for scripts.
pub fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Offline => "offline",
        Kind::Busy => "busy",
        Kind::Full | Kind::Refused(Code::QuotaFull | Code::DiskFull) => "full",
        Kind::Refused(_) => "refused",
        Kind::Damaged => "damaged",
        Kind::ClockWrong => "clock_wrong",
        Kind::Unpaired => "unpaired",
        Kind::Misused => "misused",
    }
}

/// A count and its noun: `1 save`, `2 saves`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A size for people: `8 KiB`, `1.5 MiB`, `16.4 GiB`.
pub fn size(size_bytes: u64) -> String {
    match size_bytes {
        0..=1023 => format!("{size_bytes} B"),
        1024..=1_048_575 if size_bytes.is_multiple_of(1024) => format!("{} KiB", size_bytes / 1024),
        1024..=1_048_575 => format!("{}.{} KiB", size_bytes / 1024, size_bytes % 1024 * 10 / 1024),
        0x10_0000..=0x3fff_ffff => {
            format!("{}.{} MiB", size_bytes >> 20, ((size_bytes & 0xf_ffff) * 10) >> 20)
        }
        _ => format!("{}.{} GiB", size_bytes >> 30, ((size_bytes & 0x3fff_ffff) * 10) >> 30),
    }
}

/// A time for people, UTC: `2026-11-21 01:30`. Any number has a text; none is judged.
pub fn time(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", second / 3600, second / 60 % 60)
}

/// Days since 1970-01-01 to year, month, day (proleptic Gregorian), by eras of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_in_three_lines() {
        let error = Error::new(Kind::Damaged, "cannot read save folder `Saves/mGBA`", "input/output error")
            .help("the card may be failing; nothing was changed. run `retrosync doctor`");
        assert_eq!(
            three_lines("error", &error),
            "error: cannot read save folder `Saves/mGBA`\n  cause: input/output error\n  \
             help: the card may be failing; nothing was changed. run `retrosync doctor`\n"
        );
    }

    #[test]
    fn times_of_any_clock_have_a_text() {
        assert_eq!(time(0), "1970-01-01 00:00");
        assert_eq!(time(-1), "1969-12-31 23:59");
        assert_eq!(time(951_827_696), "2000-02-29 12:34");
        assert_eq!(time(4_102_444_800), "2100-01-01 00:00");
        assert!(!time(i64::MAX).is_empty() && !time(i64::MIN).is_empty());
    }

    #[test]
    fn sizes_read_as_people_say_them() {
        assert_eq!(
            [size(0), size(8192), size(1536), size(1_572_864), size(17_660_643_840)],
            ["0 B", "8 KiB", "1.5 KiB", "1.5 MiB", "16.4 GiB"]
        );
    }
}
