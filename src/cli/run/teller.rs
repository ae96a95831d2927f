//! What the daemon tells of its cycles: the log what is new, and the server what this device says of itself.
//!
//! The server is told at start and whenever it changed, never else, and after the saves: in a cycle that reached it, while
//! no game runs. Nothing depends on it: an answer of any kind, or none, is not asked for again before the next change.

use std::path::PathBuf;

use crate::cli::questions;
use crate::cycle::{CycleReport, Parts};
use crate::error::{Error, Kind};
use crate::network;
use crate::plan::Halt;
use crate::remote::Report;

/// The server takes 200 lines: half for folders, half for problems.
const MOST_LINES: usize = 100;
/// The longest line that the server takes, in bytes.
const LINE_BYTES: usize = 1_000;

/// Tells each question, halt and problem once.
#[derive(Default)]
pub(super) struct Teller {
    logged: Vec<String>,
    /// What the server was last told, or could not be.
    reported: Option<Report>,
}

impl Teller {
    /// Tells what this cycle brought.
    pub(super) fn tell(&mut self, roots: &[PathBuf], parts: &mut Parts, report: &CycleReport) {
        let mut now = Vec::new();
        for question in &report.questions {
            now.push((log::Level::Warn, questions::text(question)));
        }
        for error in report.failed.iter().filter(|error| error.kind != Kind::Offline) {
            now.push((log::Level::Warn, with_help(error)));
        }
        let others = now.len();
        for halt in &report.halts {
            now.push((log::Level::Error, with_help(&questions::halt(halt, roots))));
        }
        for problem in &report.problems {
            now.push((log::Level::Warn, with_help(&problem.error)));
        }
        for (level, text) in &now {
            if !self.logged.contains(text) {
                log::log!(*level, "{text}");
            }
        }
        if may_report(parts, report) {
            self.report(roots, parts, now.iter().skip(others).map(|(_, text)| line(text)).collect());
        }
        self.logged = now.into_iter().map(|(_, text)| text).collect();
    }

    /// Tells the server, if it is news to it. The order in which problems were met is none.
    fn report(&mut self, roots: &[PathBuf], parts: &mut Parts, mut problems: Vec<String>) {
        problems.sort_unstable();
        problems.dedup();
        let mut now = Report::default();
        for folder in parts.naming.folders().into_iter().take(MOST_LINES) {
            let place = folder.place;
            // The card is what it is about; another root is told from it by its whole path.
            now.folders.push(match roots.get(place.root).filter(|_| place.root > 0) {
                Some(root) => line(&place.path.under(root).to_string_lossy()),
                None => line(place.path.as_str()),
            });
        }
        now.problems.extend(problems.into_iter().take(MOST_LINES));
        if self.reported.as_ref() != Some(&now) {
            if let Err(error) = parts.remote.report(&now) {
                log::debug!("{error}");
            }
            self.reported = Some(now);
        }
    }
}

/// Did this cycle reach the server with the card in place, and does nobody play?
fn may_report(parts: &Parts, report: &CycleReport) -> bool {
    let is_away = report.halts.iter().any(|halt| matches!(halt, Halt::Offline { root: 0, .. }));
    report.failed.is_none()
        && report.playing.is_none()
        && !is_away
        && (!parts.settings.needs_route || network::has_route())
}

fn with_help(error: &Error) -> String {
    match &error.help {
        Some(help) => format!("{error} ({help})"),
        None => error.to_string(),
    }
}

/// A line that the server takes.
fn line(text: &str) -> String {
    let mut line = String::new();
    for letter in text.chars() {
        if line.len() + letter.len_utf8() > LINE_BYTES {
            break;
        }
        line.push(if letter.is_control() { ' ' } else { letter });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_the_server_whatever_a_file_is_called() {
        let said = line(&format!("a\nb{}", "ß".repeat(600)));
        assert_eq!((said.len(), said.get(..5)), (999, Some("a bß")));
    }
}
