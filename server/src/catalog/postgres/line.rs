//! A connection within a transaction, each of whose statements is answered in time.
//!
//! PostgreSQL bounds what it works at by itself; a host that vanished sends nothing, not even an end, and nothing here would ever
//! notice. So each answer, and each row of it, is waited for as long as is said and no longer. A connection that was late is not used
//! again: the pool asks it once more when it comes back, and replaces it (`GOODBYE`).

use std::io;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use sqlx::postgres::{PgQueryResult, PgStatement, PgTypeInfo};
use sqlx::{Either, Error, Execute, Executor, SqlStr, Transaction};
use tokio::time::timeout;

use super::{Db, Row, failed};
use crate::catalog::Result;

/// The connection of a transaction; dropped without a commit, it never happened.
pub(super) struct Held(Line);

/// What statements are given to.
#[derive(Debug)]
pub(super) struct Line {
    tx: Transaction<'static, Db>,
    /// How long an answer may take; `None`: as long as it takes.
    answer: Option<Duration>,
}

impl Held {
    pub(super) fn new(tx: Transaction<'static, Db>, answer: Duration) -> Held {
        Held(Line { tx, answer: Some(answer) })
    }

    /// From here on an answer takes as long as it takes.
    pub(super) fn wait_for_ever(&mut self) {
        self.0.answer = None;
    }

    /// Commits; where no answer comes in time nobody knows whether it happened.
    pub(super) async fn commit(self) -> Result<()> {
        let Line { tx, answer } = self.0;
        in_time(answer, async { tx.commit().await.map_err(failed) }).await
    }
}

impl Deref for Held {
    type Target = Line;

    fn deref(&self) -> &Line {
        &self.0
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Line {
        &mut self.0
    }
}

/// What is answered in time; who waits for longer is told that the database is gone.
pub(super) async fn in_time<T>(
    answer: Option<Duration>,
    asked: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    match answer {
        None => asked.await,
        Some(answer) => timeout(answer, asked).await.unwrap_or_else(|_| Err(failed(late()))),
    }
}

fn late() -> Error {
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
}

impl<'c> Executor<'c> for &'c mut Line {
    type Database = Db;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, std::result::Result<Either<PgQueryResult, Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Db>,
    {
        let Line { tx, answer } = self;
        let (rows, answer) = ((**tx).fetch_many(query), *answer);
        let each = stream::unfold(Some(rows), move |rows| async move {
            let mut rows = rows?;
            let next = match answer {
                None => rows.next().await,
                Some(answer) => match timeout(answer, rows.next()).await {
                    Ok(next) => next,
                    Err(_) => return Some((Err(late()), None)),
                },
            };
            next.map(|row| (row, Some(rows)))
        });
        each.boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, std::result::Result<Option<Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Db>,
    {
        let Line { tx, answer } = self;
        bounded(*answer, (**tx).fetch_optional(query)).boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, std::result::Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        let Line { tx, answer } = self;
        bounded(*answer, (**tx).prepare_with(sql, parameters)).boxed()
    }
}

async fn bounded<T>(
    answer: Option<Duration>,
    asked: BoxFuture<'_, std::result::Result<T, Error>>,
) -> std::result::Result<T, Error> {
    match answer {
        None => asked.await,
        Some(answer) => timeout(answer, asked).await.unwrap_or_else(|_| Err(late())),
    }
}
