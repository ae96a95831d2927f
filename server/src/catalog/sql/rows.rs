//! Rows of any table as plain values, in SQL: for moving a whole catalog.

use async_trait::async_trait;
use sqlx::AssertSqlSafe;

use super::{Db, Row, SqlTx, dialect, failed, get};
use crate::catalog::Result;
use crate::catalog::tables::{Kind, Record, Rows, Table, Value};

type Query<'q> = sqlx::query::Query<'q, Db, <Db as sqlx::Database>::Arguments>;

fn value(row: &Row, column: &str, kind: Kind) -> Result<Value> {
    Ok(match kind {
        Kind::Int => get::<Option<i64>>(row, column)?.map_or(Value::Null, Value::Int),
        Kind::Text => get::<Option<String>>(row, column)?.map_or(Value::Null, Value::Text),
        Kind::Bytes => get::<Option<Vec<u8>>>(row, column)?.map_or(Value::Null, Value::Bytes),
    })
}

/// A value as it is bound; nothing has the kind of its column too.
fn bind<'q>(query: Query<'q>, value: &Value, kind: Kind) -> Query<'q> {
    match (value, kind) {
        (Value::Int(number), _) => query.bind(*number),
        (Value::Text(text), _) => query.bind(text.clone()),
        (Value::Bytes(bytes), _) => query.bind(bytes.clone()),
        (Value::Null, Kind::Int) => query.bind(None::<i64>),
        (Value::Null, Kind::Text) => query.bind(None::<String>),
        (Value::Null, Kind::Bytes) => query.bind(None::<Vec<u8>>),
    }
}

/// `($from, …)`, so many.
fn places(from: usize, count: usize) -> String {
    let places: Vec<String> = (from..from + count).map(|place| format!("${place}")).collect();
    format!("({})", places.join(", "))
}

#[async_trait]
impl Rows for SqlTx {
    async fn rows(&mut self, table: &Table, after: &[Value], limit: u32) -> Result<Vec<Record>> {
        let (name, columns, key) = (table.name, table.names().join(", "), table.key().join(", "));
        let beyond = match after.len() {
            0 => String::new(),
            count => format!("WHERE ({key}) > {}", places(1, count)),
        };
        // Names of our own only.
        let text = format!("SELECT {columns} FROM {name} {beyond} ORDER BY {key} LIMIT {limit}");
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (value, (_, kind)) in after.iter().zip(table.columns) {
            query = bind(query, value, *kind);
        }
        let record =
            |row: &Row| table.columns.iter().map(|(column, kind)| value(row, column, *kind)).collect();
        query.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(record).collect()
    }

    async fn add_rows(&mut self, table: &Table, rows: &[Record]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let width = table.columns.len();
        let values: Vec<String> = (0..rows.len()).map(|row| places(row * width + 1, width)).collect();
        let text =
            format!("INSERT INTO {} ({}) VALUES {}", table.name, table.names().join(", "), values.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(text));
        for row in rows {
            for (value, (_, kind)) in row.iter().zip(table.columns) {
                query = bind(query, value, *kind);
            }
        }
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn last_number(&mut self, table: &Table) -> Result<i64> {
        dialect::last_number(&mut self.tx, table.name).await
    }

    async fn set_last_number(&mut self, table: &Table, last: i64) -> Result<()> {
        dialect::set_last_number(&mut self.tx, table.name, last).await
    }
}
