//! The log: one line each on standard error, as `log.level`, `log.format` and `log.requests` say. Never a token, never a
//! password. What is logged while a request is answered bears its id.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{Log, Metadata, Record};
use retrosync_server::config::{Config, LogFormat};
use retrosync_server::trace;
use serde_json::Map;

type Fields = Map<String, serde_json::Value>;

struct Lines {
    format: LogFormat,
    requests: bool,
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("retrosync");
        ours && metadata.level() <= log::max_level() && (self.requests || metadata.target() != trace::TARGET)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = match self.format {
                LogFormat::Text => for_people(record),
                LogFormat::Json => for_programs(record),
            };
            // A log on the disk that is full, or a pipe that nobody reads: no reason to drop a request.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// What goes with a line, by name.
fn fields(record: &Record<'_>) -> Fields {
    let mut fields = Gathered(Fields::new());
    let _ = record.key_values().visit(&mut fields);
    if let Some(id) = trace::current_id() {
        fields.0.insert("request".into(), id.into());
    }
    fields.0
}

/// `info: answered method=GET route=/health/live status=200`
fn for_people(record: &Record<'_>) -> String {
    let mut line = format!("{}: {}", word(record), record.args());
    for (name, value) in fields(record) {
        match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => line.push_str(&format!(" {name}={text}")),
            value => line.push_str(&format!(" {name}={value}")),
        }
    }
    // What a client wrote must not look like a line of ours.
    let mut line: String =
        line.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    line.push('\n');
    line
}

/// `{"level":"info","message":"answered","method":"GET",…}`
fn for_programs(record: &Record<'_>) -> String {
    let mut fields = fields(record);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    fields.insert("time_unix_ms".into(), u64::try_from(since.as_millis()).unwrap_or(u64::MAX).into());
    fields.insert("level".into(), word(record).into());
    fields.insert("message".into(), record.args().to_string().into());
    fields.insert("target".into(), record.target().into());
    format!("{}\n", serde_json::Value::from(fields))
}

fn word(record: &Record<'_>) -> String {
    record.level().as_str().to_ascii_lowercase()
}

struct Gathered(Fields);

impl<'a> VisitSource<'a> for Gathered {
    fn visit_pair(&mut self, key: Key<'a>, value: Value<'a>) -> Result<(), kv::Error> {
        let mut read = Read(serde_json::Value::Null);
        value.visit(&mut read)?;
        self.0.insert(key.as_str().to_owned(), read.0);
        Ok(())
    }
}

struct Read(serde_json::Value);

impl<'a> VisitValue<'a> for Read {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.0 = value.to_string().into();
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = serde_json::Value::Null;
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
}

/// Starts it. Once, at the start of the program.
pub(crate) fn start(config: &Config) {
    let lines = Lines { format: config.log_format, requests: config.log_requests };
    if log::set_boxed_logger(Box::new(lines)).is_ok() {
        log::set_max_level(config.log_level.0);
    }
}
