//! The configuration file: TOML to a flat list of keys with their values and lines. A message names a line and a key, never
//! a value: the line that is wrong may be the one with the secret.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Config;
use super::error::ConfigError;

/// One key of the file.
pub(super) struct Entry<'a> {
    /// `s3.bucket`
    pub(super) name: String,
    /// Its line, from 1.
    pub(super) line: usize,
    /// What it is set to.
    pub(super) value: DeValue<'a>,
}

/// All keys of a file's text, in the order of their names.
pub(super) fn entries<'a>(path: &Path, text: &'a str) -> Result<Vec<Entry<'a>>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        ConfigError::new(format!("cannot read `{}`: line {line}: {}", path.display(), error.message()))
            .help("it is a TOML file; `retrosync-server config --default` prints one")
    })?;
    let mut found = Vec::new();
    flatten(text, "", table.into_inner(), &mut found);
    Ok(found)
}

fn flatten<'a>(text: &str, above: &str, table: DeTable<'a>, found: &mut Vec<Entry<'a>>) {
    for (key, value) in table {
        let line = line_of(text, key.span().start);
        let name = format!("{above}{}", key.get_ref());
        let section = format!("{name}.");
        match value.into_inner() {
            DeValue::Table(inner) if Config::KEYS.iter().any(|key| key.name.starts_with(&section)) => {
                flatten(text, &section, inner, found);
            }
            value => found.push(Entry { name, line, value }),
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// A key that there is not.
pub(super) fn unknown(place: &str, name: &str) -> ConfigError {
    let section = name.rsplit_once('.').map(|(section, _)| section);
    let siblings = Config::KEYS.iter().filter(|key| key.place().0 == section);
    let mut names: Vec<String> = siblings.map(|key| format!("`{}`", key.name)).collect();
    if names.is_empty() {
        names = Config::KEYS.iter().map(|key| format!("`{}`", key.name)).collect();
    }
    ConfigError::new(format!("{place}: `{name}` is not a key")).help(format!(
        "did you mean one of {}? `retrosync-server config --default` explains all",
        names.join(", ")
    ))
}
