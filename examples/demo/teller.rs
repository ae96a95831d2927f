//! Tells each step in a person's words, with the time it took, and stops the story at the first that fails.

use std::time::{Duration, Instant};

/// Counts the steps and the time.
pub(crate) struct Teller {
    began: Instant,
    steps: u32,
}

impl Teller {
    /// Starts the clock. From now on a failure reads as one line, not as a panic.
    pub(crate) fn new() -> Self {
        std::panic::set_hook(Box::new(|failure| {
            let why = failure.payload_as_str().unwrap_or("unknown");
            eprintln!(
                "\n  FAILED: {why}\n  (at {})",
                failure.location().map_or_else(String::new, |at| at.to_string())
            );
        }));
        Self { began: Instant::now(), steps: 0 }
    }

    /// A heading.
    pub(crate) fn chapter(&self, title: &str) {
        println!("\n{title}");
    }

    /// Something shown as it is, indented.
    pub(crate) fn show(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("      | {line}");
        }
    }

    /// One step: does it, and says how long it took. It fails by panicking.
    pub(crate) fn step<T>(&mut self, what: &str, act: impl FnOnce() -> T) -> T {
        self.steps += 1;
        let began = Instant::now();
        let value = act();
        println!("  {:>2}. {what:<88} {:>9}", self.steps, in_words(began.elapsed()));
        value
    }

    /// The last line.
    pub(crate) fn end(&self) {
        println!("\nAll {} steps held, in {}.", self.steps, in_words(self.began.elapsed()));
    }
}

fn in_words(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}
