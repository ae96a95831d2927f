//! A catalog as tables of plain values, for moving all of it from one database to another, whichever the two are.
//!
//! Every table and column of the schema stands in `TABLES`; a test holds that against both databases. Rows travel as they are,
//! a few hundred at a time in the order of their keys, and sums of both sides tell whether all of them arrived. Holds no rule
//! and starts no transaction of its own.

use async_trait::async_trait;
use retrosync_protocol::{Digest, Hasher};

use super::{Access, Catalog, CatalogError, Result, Tx};

/// How many rows are held at once. A row is small: at most a version's record, or an upload's digests.
const AT_ONCE: u32 = 200;

/// How often a long table is told of, in rows.
const TELL_EVERY: u64 = 100_000;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 64 bits.
    Int,
    /// UTF-8.
    Text,
    /// Bytes.
    Bytes,
}

/// What a field of a row holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A row: a value for each column.
pub type Record = Vec<Value>;

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns; those of the key come first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many columns make the key.
    pub key: usize,
    /// Numbers its rows by itself, in `id`.
    pub numbered: bool,
}

impl Table {
    /// The names of its columns.
    pub fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, _)| *name).collect()
    }

    /// The names of its key's columns.
    pub fn key(&self) -> Vec<&'static str> {
        self.columns.iter().take(self.key).map(|(name, _)| *name).collect()
    }
}

use Kind::{Bytes, Int, Text};

/// All tables but `server`, whose one row is the epoch; none refers to a later one.
pub const TABLES: &[Table] = &[
    Table {
        name: "users",
        columns: &[
            ("id", Int),
            ("name", Text),
            ("name_key", Text),
            ("password_hash", Text),
            ("admin", Int),
            ("writer", Text),
            ("quota_bytes", Int),
            ("quota_devices", Int),
            ("email", Text),
            ("created_unix_s", Int),
            ("last_change", Int),
        ],
        key: 1,
        numbered: true,
    },
    Table {
        name: "sessions",
        columns: &[("token_sha256", Bytes), ("user_id", Int), ("expires_unix_s", Int)],
        key: 1,
        numbered: false,
    },
    Table {
        name: "devices",
        columns: &[
            ("id", Int),
            ("device", Text),
            ("user_id", Int),
            ("name", Text),
            ("profile", Text),
            ("client", Text),
            ("token_sha256", Bytes),
            ("writer", Text),
            ("paired_unix_s", Int),
            ("last_seen_unix_s", Int),
            ("revoked", Int),
            ("report", Text),
        ],
        key: 1,
        numbered: true,
    },
    Table {
        name: "pairings",
        columns: &[
            ("id", Int),
            ("code", Text),
            ("state", Text),
            ("token_sha256", Bytes),
            ("user_id", Int),
            ("device_name", Text),
            ("profile", Text),
            ("client", Text),
            ("expires_unix_s", Int),
        ],
        key: 1,
        numbered: true,
    },
    Table {
        name: "saves",
        columns: &[("id", Int), ("user_id", Int), ("save", Text), ("save_key", Text), ("change", Int)],
        key: 1,
        numbered: true,
    },
    Table {
        name: "versions",
        columns: &[
            ("save_id", Int),
            ("version", Bytes),
            ("user_id", Int),
            ("change", Int),
            ("content", Bytes),
            ("writer", Text),
            ("sequence", Int),
            ("leaf", Int),
            ("received_unix_s", Int),
            ("device", Text),
            ("device_name", Text),
            ("record", Text),
        ],
        key: 2,
        numbered: false,
    },
    Table {
        name: "contents",
        columns: &[
            ("user_id", Int),
            ("digest", Bytes),
            ("size_bytes", Int),
            ("added_unix_s", Int),
            ("unneeded_unix_s", Int),
        ],
        key: 2,
        numbered: false,
    },
    Table {
        name: "strays",
        columns: &[("digest", Bytes), ("since_unix_s", Int), ("state", Text)],
        key: 1,
        numbered: false,
    },
    Table {
        name: "uploads",
        columns: &[
            ("id", Int),
            ("user_id", Int),
            ("digest", Bytes),
            ("size_bytes", Int),
            ("block_digests", Bytes),
            ("staged", Bytes),
            ("touched_unix_s", Int),
        ],
        key: 1,
        numbered: true,
    },
    Table {
        name: "blocks",
        columns: &[("digest", Bytes), ("content", Bytes), ("offset_bytes", Int), ("length_bytes", Int)],
        key: 3,
        numbered: false,
    },
    Table {
        name: "operations",
        columns: &[("scope", Text), ("id", Text), ("request", Bytes), ("reply", Text), ("at_unix_s", Int)],
        key: 2,
        numbered: false,
    },
    Table { name: "settings", columns: &[("name", Text), ("value", Text)], key: 1, numbered: false },
    Table {
        name: "invitations",
        columns: &[
            ("code_sha256", Bytes),
            ("note", Text),
            ("quota_bytes", Int),
            ("quota_devices", Int),
            ("expires_unix_s", Int),
        ],
        key: 1,
        numbered: false,
    },
    Table {
        name: "marks",
        columns: &[("save_id", Int), ("version", Bytes), ("pinned", Int), ("label", Text)],
        key: 2,
        numbered: false,
    },
    Table {
        name: "fetched",
        columns: &[("device", Text), ("content", Bytes), ("at_unix_s", Int)],
        key: 2,
        numbered: false,
    },
    Table {
        name: "events",
        columns: &[
            ("id", Int),
            ("user_id", Int),
            ("at_unix_s", Int),
            ("kind", Text),
            ("device_name", Text),
            ("save", Text),
            ("version", Bytes),
            ("text", Text),
        ],
        key: 1,
        numbered: true,
    },
    Table {
        name: "memos",
        columns: &[("owner", Text), ("kind", Text), ("name", Text), ("text", Text)],
        key: 3,
        numbered: false,
    },
];

/// A catalog that is tables.
#[async_trait]
pub trait Tables: Catalog {
    /// Starts a transaction over rows; it may last for long.
    async fn begin_rows(&self, access: Access) -> Result<Box<dyn Rows>>;
}

/// A transaction over rows as they are.
#[async_trait]
pub trait Rows: Tx {
    /// Rows in the order of the key, those after this key (none: from the start), at most `limit`.
    async fn rows(&mut self, table: &Table, after: &[Value], limit: u32) -> Result<Vec<Record>>;
    /// Adds rows.
    async fn add_rows(&mut self, table: &Table, rows: &[Record]) -> Result<()>;
    /// The last number that a numbered table has given, or 0 if that is not known.
    async fn last_number(&mut self, table: &Table) -> Result<i64>;
    /// The next number of a numbered table is above this one.
    async fn set_last_number(&mut self, table: &Table, last: i64) -> Result<()>;
}

/// What a table holds, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Which table.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over all of them, in the order of their keys.
    pub digest: Digest,
}

/// Copies everything, the epoch too, and compares what arrived; commits nothing. `told` hears of each table while and when it is
/// copied, with its rows so far.
///
/// # Errors
/// When one of the two fails, `to` is not empty, or what arrived is something else.
pub async fn copy(
    from: &mut dyn Rows,
    to: &mut dyn Rows,
    told: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<Vec<Sum>> {
    if let Some(table) = first_with_rows(to).await? {
        return Err(CatalogError::Failed(format!("the target is not empty: its table `{table}` has rows")));
    }
    let epoch = from.epoch().await?;
    to.set_epoch(&epoch).await?;
    let mut sent = Vec::new();
    for table in TABLES {
        let sum = copy_table(from, to, table, told).await?;
        told(sum.table, sum.rows);
        sent.push(sum);
    }
    let arrived = sums(to).await?;
    let differs = sent.iter().zip(&arrived).find(|(sent, arrived)| sent != arrived);
    if let Some((table, _)) = differs {
        return Err(CatalogError::Failed(format!(
            "the table `{}` did not arrive as it was sent",
            table.table
        )));
    }
    Ok(sent)
}

/// The first table that holds anything.
///
/// # Errors
/// When it cannot be read.
pub async fn first_with_rows(rows: &mut dyn Rows) -> Result<Option<&'static str>> {
    for table in TABLES {
        if !rows.rows(table, &[], 1).await?.is_empty() {
            return Ok(Some(table.name));
        }
    }
    Ok(None)
}

/// What each table holds, in short.
///
/// # Errors
/// When it cannot be read.
pub async fn sums(rows: &mut dyn Rows) -> Result<Vec<Sum>> {
    let mut sums = Vec::new();
    for table in TABLES {
        let mut summer = Summer::default();
        let mut after = Vec::new();
        loop {
            let some = rows.rows(table, &after, AT_ONCE).await?;
            let Some(last) = some.last() else { break };
            after = last.iter().take(table.key).cloned().collect();
            summer.add(&some);
        }
        sums.push(summer.finish(table));
    }
    Ok(sums)
}

async fn copy_table(
    from: &mut dyn Rows,
    to: &mut dyn Rows,
    table: &'static Table,
    told: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<Sum> {
    let mut summer = Summer::default();
    let mut after = Vec::new();
    let mut highest = 0;
    loop {
        let some = from.rows(table, &after, AT_ONCE).await?;
        let Some(last) = some.last() else { break };
        after = last.iter().take(table.key).cloned().collect();
        if let Some(Value::Int(number)) = last.first() {
            highest = *number;
        }
        summer.add(&some);
        to.add_rows(table, &some).await?;
        if summer.rows.is_multiple_of(TELL_EVERY) {
            told(table.name, summer.rows);
        }
    }
    if table.numbered {
        // Also above what was removed: a number names staged blocks, and is never given twice.
        let last = from.last_number(table).await?.max(highest);
        to.set_last_number(table, last).await?;
    }
    Ok(summer.finish(table))
}

#[derive(Default)]
struct Summer {
    rows: u64,
    hasher: Hasher,
}

impl Summer {
    fn add(&mut self, rows: &[Record]) {
        for value in rows.iter().flatten() {
            // The kind and the length first, so that no two rows run together.
            let (kind, bytes): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Int(number) => (1, &number.to_be_bytes()),
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(bytes) => (3, bytes),
            };
            self.hasher.update(&[kind]);
            self.hasher.update(&(bytes.len() as u64).to_be_bytes());
            self.hasher.update(bytes);
        }
        self.rows += rows.len() as u64;
    }

    fn finish(self, table: &Table) -> Sum {
        Sum { table: table.name, rows: self.rows, digest: self.hasher.finish() }
    }
}
