//! The table: a figure a row, beside its budget and, where there is one, beside a plain WebDAV server's.

use std::fmt;

/// What a figure must be.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    AtMost(f64),
    AtLeast(f64),
    /// Only told.
    None,
}

struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    budget: Budget,
    beside: String,
}

/// All figures of a run.
pub(crate) struct Report {
    judged: bool,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Report {
    /// Without a figure so far. What is not `judged` is told without its budget: what is promised is promised of SQLite and a folder.
    pub(crate) fn new(judged: bool) -> Report {
        Report { judged, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a figure, and says it at once.
    pub(crate) fn figure(&mut self, what: impl Into<String>, value: f64, unit: &'static str, budget: Budget) {
        let budget = if self.judged { budget } else { Budget::None };
        let row = Row { what: what.into(), value, unit, budget, beside: String::new() };
        println!("  {}: {} {unit}", row.what, number(value));
        self.rows.push(row);
    }

    /// What the rival showed, beside the figure that begins so.
    pub(crate) fn beside(&mut self, what: &str, text: String) {
        println!("  plain WebDAV: {text}");
        if let Some(row) = self.rows.iter_mut().find(|row| row.what.starts_with(what)) {
            row.beside = text;
        }
    }

    /// A sentence below the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The figures that miss their budget.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = self.rows.iter().filter(|row| !row.is_kept());
        missed
            .map(|row| format!("{}: {} {}, {}", row.what, number(row.value), row.unit, row.budget))
            .collect()
    }
}

impl Row {
    fn is_kept(&self) -> bool {
        match self.budget {
            Budget::AtMost(most) => self.value <= most,
            Budget::AtLeast(least) => self.value >= least,
            Budget::None => true,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Budget::AtMost(most) => write!(f, "at most {}", number(*most)),
            Budget::AtLeast(least) => write!(f, "at least {}", number(*least)),
            Budget::None => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | measured | | budget | plain WebDAV |\n|---|---:|---|---|---|")?;
        for row in &self.rows {
            let verdict = if row.is_kept() { "" } else { " **missed**" };
            let value = number(row.value);
            writeln!(
                f,
                "| {} | {value} | {} | {}{verdict} | {} |",
                row.what, row.unit, row.budget, row.beside
            )?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n- {note}"))?;
        writeln!(f)
    }
}

/// As people read it: no more digits than it is worth.
fn number(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// The value below which `part` of them lie; they need not be sorted.
pub(crate) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * part).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
