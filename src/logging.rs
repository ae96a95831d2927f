//! Where log lines go: standard error, and a file on the card that cannot grow without end.
//!
//! The file is opened at the first line that is worth keeping, so that a quiet device writes nothing. When it is full
//! it becomes `log.old` and a new one begins. A card that cannot be written loses log lines, never a save.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{LevelFilter, Log, Metadata, Record};

use crate::report;
use crate::volume::O_NOFOLLOW;

/// How large the file gets before it is set aside, in bytes.
const FILE_LIMIT_BYTES: u64 = 128 << 10;

#[derive(Default)]
struct Sink {
    file: Mutex<Option<Kept>>,
}

struct Kept {
    path: PathBuf,
    open: Option<(File, u64)>,
}

static SINK: OnceLock<Sink> = OnceLock::new();

/// Starts logging to standard error. A second call only changes the level.
pub fn start(level: LevelFilter) {
    let _ = log::set_logger(SINK.get_or_init(Sink::default));
    log::set_max_level(level);
}

/// From now on keeps the log in this file too.
pub fn keep_in(path: PathBuf) {
    if let Some(Ok(mut file)) = SINK.get().map(|sink| sink.file.lock()) {
        *file = Some(Kept { path, open: None });
    }
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries' chatter is not ours to show, and could name what is secret.
        metadata.level() <= log::max_level() && metadata.target().starts_with("retrosync")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| past.as_secs());
        let level = record.level().as_str().to_ascii_lowercase();
        let time = report::time(i64::try_from(now).unwrap_or_default());
        let line = format!("{time}:{:02} {level}: {}\n", now % 60, record.args());
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
        if let Ok(mut file) = self.file.lock()
            && let Some(kept) = file.as_mut()
        {
            kept.append(&line);
        }
    }

    fn flush(&self) {}
}

impl Kept {
    fn append(&mut self, line: &str) {
        if self.open.as_ref().is_some_and(|(_, length)| *length >= FILE_LIMIT_BYTES) {
            self.open = None;
            let _ = std::fs::rename(&self.path, self.path.with_extension("old"));
        }
        if self.open.is_none() {
            let mut opening = OpenOptions::new();
            opening.create(true).append(true).custom_flags(O_NOFOLLOW);
            self.open = opening.open(&self.path).ok().map(|file| {
                let length = file.metadata().map_or(0, |metadata| metadata.len());
                (file, length)
            });
        }
        if let Some((file, length)) = &mut self.open
            && file.write_all(line.as_bytes()).is_ok()
        {
            *length += line.len() as u64;
        }
    }
}
