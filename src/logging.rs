//! Where log lines go: standard error, and a file on the card that cannot grow without end.
//!
//! The file is made with the first line that is worth keeping, so that a quiet device writes nothing. When it is full
//! it becomes `log.old` and a new one begins. A card that cannot be written loses log lines, never a save: nor does one that
//! loses power, and what a cut leaves of the log is in no game's way.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{LevelFilter, Log, Metadata, Record};

use crate::durable::remove;
use crate::report;
use crate::volume::{Os, Volume, VolumeFile};

/// How large the file gets before it is set aside, in bytes.
const FILE_LIMIT_BYTES: u64 = 128 << 10;

#[derive(Default)]
struct Sink {
    kept: Mutex<Option<Kept>>,
}

/// The file stays open: by its path another card's could be meant by now, and that one is left as it is.
struct Kept {
    path: PathBuf,
    open: Option<Box<dyn VolumeFile>>,
}

static SINK: OnceLock<Sink> = OnceLock::new();

/// Starts logging to standard error. A second call only changes the level.
pub fn start(level: LevelFilter) {
    let _ = log::set_logger(SINK.get_or_init(Sink::default));
    log::set_max_level(level);
}

/// From now on keeps the log in this file too.
pub fn keep_in(path: PathBuf) {
    if let Some(Ok(mut kept)) = SINK.get().map(|sink| sink.kept.lock()) {
        *kept = Some(Kept { path, open: None });
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
        if let Ok(mut kept) = self.kept.lock()
            && let Some(Kept { path, open }) = &mut *kept
        {
            let _ = append_to(&Os, path, open, line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// Adds a line to the log at `path`; a full one is set aside first. Durable sooner or later, and the card whole before.
///
/// # Errors
/// When the card cannot take it; then the line is lost.
pub fn append(volume: &dyn Volume, path: &Path, line: &[u8]) -> io::Result<()> {
    append_to(volume, path, &mut None, line)
}

fn append_to(
    volume: &dyn Volume,
    path: &Path,
    open: &mut Option<Box<dyn VolumeFile>>,
    line: &[u8],
) -> io::Result<()> {
    let file = match open {
        Some(file) => file,
        None => open.insert(opened(volume, path)?),
    };
    let length = file.stamp()?.size_bytes;
    if length < FILE_LIMIT_BYTES {
        return file.write_all_at(line, length);
    }
    *open = None;
    let old = path.with_extension("old");
    // Renamed over, its clusters would be another file's while a cut may still bring its name back.
    remove(volume, &old)?;
    volume.rename(path, &old)?;
    volume.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    append_to(volume, path, open, line)
}

fn opened(volume: &dyn Volume, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
    let mut file = match volume.open_write(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => volume.create_new(path)?,
        file => file?,
    };
    // A cut left clusters too many where the table was ahead of the entry; a file with such may not grow (`durable::Log`).
    let length = file.stamp()?.size_bytes;
    file.set_len(length)?;
    Ok(file)
}
