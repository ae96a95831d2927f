//! The log: one line each on standard error, as `log.level` and `log.format` say. Never a token, never a password.

use std::io::Write as _;

use log::{Log, Metadata, Record};
use retrosync_server::config::Config;

struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("retrosync") && metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{}: {}\n", record.level().as_str().to_ascii_lowercase(), record.args());
            // A log on the disk that is full, or a pipe that nobody reads: no reason to drop a request.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// Starts it. Once, at the start of the program.
pub(crate) fn start(config: &Config) {
    if log::set_logger(&Lines).is_ok() {
        log::set_max_level(config.log_level.0);
    }
}
