//! PURE. The part of TOML that our files are written in: the user's configuration and the device profiles.
//!
//! Tables, lists of tables, texts on one line, whole numbers, truths, lists, inline tables, comments. Fractions, times
//! and texts over several lines are refused: we have no key for them, and a whole TOML reader costs 80 KB on the
//! card. Whatever this accepts means the same to one (`tests/table.rs`). Never panics, nests at most [`DEEPEST`] deep.

mod read;
mod text;

pub use read::{Keys, Words};
use text::Reader;

/// How deep lists and tables may nest.
pub const DEEPEST: usize = 16;

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where, from 1.
    pub line: usize,
    /// For people.
    pub cause: String,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// What stands there.
    pub value: Value,
}

/// What a key may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Truth(bool),
    /// A list in brackets.
    List(Vec<Node>),
    /// What `[[name]]` began, once or more.
    Tables(Vec<Node>),
    /// A table, however it was written.
    Table(Table),
}

/// Keys and values in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    entries: Vec<Entry>,
    origin: Origin,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands, from 1.
    pub line: usize,
    /// Its value.
    pub node: Node,
}

/// What made a table: it says what may still be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Origin {
    /// A longer header that passes through it.
    #[default]
    Implied,
    /// `[name]` or `[[name]]`.
    Header,
    /// `name.key = …`
    Dots,
    /// `{ … }`: complete as it stands.
    Braces,
}

/// A key in the text, which may have several parts.
struct Path {
    parts: Vec<String>,
    line: usize,
}

impl Table {
    /// Reads a whole text.
    ///
    /// # Errors
    /// The first line that is not of this form.
    pub fn parse(text: &str) -> Result<Table, Refusal> {
        let mut reader = Reader::new(text);
        let mut root = Table { entries: Vec::new(), origin: Origin::Header };
        let mut here: Vec<String> = Vec::new();
        while let Some(byte) = reader.next_line() {
            if byte == b'[' {
                let (path, is_list) = reader.header()?;
                root.open(&path, is_list)?;
                here = path.parts;
            } else {
                let (path, node) = reader.pair(0)?;
                reader.end_of_line()?;
                root.reach(&here, path.line, false)?.add(path, node)?;
            }
        }
        Ok(root)
    }

    /// The entries, in the order of the text.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn find(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    /// The table that a header or the first parts of a key (`dotted`) lead to; makes those that are missing.
    fn reach(&mut self, parts: &[String], line: usize, dotted: bool) -> Result<&mut Table, Refusal> {
        let mut table = self;
        for part in parts {
            if table.find(part).is_none() {
                let origin = if dotted { Origin::Dots } else { Origin::Implied };
                table.push(part.clone(), line, Value::Table(Table { entries: Vec::new(), origin }));
            }
            let next = match table.find(part).map(|node| &mut node.value) {
                Some(Value::Table(next)) => Some(next),
                Some(Value::Tables(all)) if !dotted => {
                    all.last_mut().and_then(|node| match &mut node.value {
                        Value::Table(next) => Some(next),
                        _ => None,
                    })
                }
                _ => None,
            };
            table = match next {
                Some(next)
                    if if dotted { next.origin == Origin::Dots } else { next.origin != Origin::Braces } =>
                {
                    next
                }
                _ => return Err(taken(part, line)),
            };
        }
        Ok(table)
    }

    fn push(&mut self, key: String, line: usize, value: Value) {
        self.entries.push(Entry { key, line, node: Node { line, value } });
    }

    /// `key = value`
    fn add(&mut self, mut path: Path, node: Node) -> Result<(), Refusal> {
        let last = path.parts.pop().unwrap_or_default();
        let table = self.reach(&path.parts, path.line, true)?;
        if table.find(&last).is_some() {
            return Err(taken(&last, path.line));
        }
        table.entries.push(Entry { key: last, line: path.line, node });
        Ok(())
    }

    /// `[key]` or `[[key]]`
    fn open(&mut self, path: &Path, is_list: bool) -> Result<(), Refusal> {
        let Some((last, before)) = path.parts.split_last() else { return Ok(()) };
        let line = path.line;
        let table = self.reach(before, line, false)?;
        let new = Value::Table(Table { entries: Vec::new(), origin: Origin::Header });
        match (table.find(last).map(|node| &mut node.value), is_list) {
            (None, false) => table.push(last.clone(), line, new),
            (None, true) => {
                table.push(last.clone(), line, Value::Tables(vec![Node { line, value: new }]));
            }
            (Some(Value::Tables(all)), true) => all.push(Node { line, value: new }),
            (Some(Value::Table(known)), false) if known.origin == Origin::Implied => {
                known.origin = Origin::Header;
            }
            _ => return Err(taken(last, line)),
        }
        Ok(())
    }
}

fn taken(key: &str, line: usize) -> Refusal {
    Refusal { line, cause: format!("`{key}` is there already") }
}
