//! Connections for a look at single records: no transaction, so each look is one question and one answer.
//!
//! What most requests ask (whose token is this, is there anything new) costs half as much as in a transaction. Each look
//! sees what is committed in its moment. Never writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::failed;
use crate::catalog::Result;

/// How many; each is a thread.
const MOST: usize = 2;

/// The connections.
pub(super) struct Glances {
    all: Vec<Arc<Mutex<SqliteConnection>>>,
    next: AtomicUsize,
}

impl Glances {
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Glances> {
        let mut all = Vec::new();
        for _ in 0..MOST {
            let connection = SqliteConnection::connect_with(options).await.map_err(failed)?;
            all.push(Arc::new(Mutex::new(connection)));
        }
        Ok(Glances { all, next: AtomicUsize::new(0) })
    }

    /// One that is free, or the next in turn once it is.
    pub(super) async fn lend(&self) -> OwnedMutexGuard<SqliteConnection> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let from_here = (0..MOST).map(|step| &self.all[(turn + step) % MOST]);
        for connection in from_here {
            if let Ok(free) = Arc::clone(connection).try_lock_owned() {
                return free;
            }
        }
        Arc::clone(&self.all[turn % MOST]).lock_owned().await
    }

    /// Ends them; what comes later meets an empty database.
    pub(super) async fn close(&self) {
        for connection in &self.all {
            if let Ok(spare) = SqliteConnection::connect("sqlite::memory:").await {
                let ended = std::mem::replace(&mut *connection.lock().await, spare);
                let _ = ended.close().await;
            }
        }
    }
}
