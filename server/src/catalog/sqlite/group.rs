//! Writers in a group: many transactions, one commit on the disk.
//!
//! The wait for the disk is what a small store costs. So whoever commits while others wait for their turn does not wait for the disk alone: it
//! gives up its turn, the others write in the same transaction of SQLite, each in a savepoint of its own, and one commit makes all
//! of them durable. Whoever comes first in a group queues its commit behind those that wait already; so
//! a lonely writer commits at once, and nobody waits for a timer.
//!
//! What each may rely on is what [`super::Catalog`] says: it is alone while it writes, its `commit` answers once it is durable, and dropped
//! without it, it never happened, whatever its neighbours do. Only what the disk itself refuses is refused to a
//! whole group: nothing of it was recorded, and each is told so.

#[cfg(test)]
mod tests;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::{CatalogError, Result, failed};

/// The only connection that writes, and the queue for it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writers(Arc<Mutex<Group>>);

/// Those who share a transaction of SQLite.
struct Group {
    connection: SqliteConnection,
    /// Is a transaction of SQLite open?
    open: bool,
    /// Was the last one dropped, so that its savepoint is still to be undone?
    dropped: bool,
    /// Those who have committed, and wait for the disk.
    committed: Vec<oneshot::Sender<Result<()>>>,
}

impl Writers {
    pub(super) fn new(connection: SqliteConnection) -> Writers {
        Writers(Arc::new(Mutex::new(Group {
            connection,
            open: false,
            dropped: false,
            committed: Vec::new(),
        })))
    }

    /// Waits for its turn, first come, first served.
    pub(super) async fn turn(&self) -> Result<Turn> {
        let writers = self.clone();
        // Run to its end even when the caller goes away, so that what is open is always known.
        let turn = tokio::spawn(async move {
            let mut group = writers.0.clone().lock_owned().await;
            group.enter().await?;
            Ok(Turn { writers, group, done: false })
        });
        turn.await.map_err(|why| CatalogError::Failed(why.to_string()))?
    }

    /// Takes the connection, once nobody writes. What comes later meets an empty database.
    pub(super) async fn take(&self, spare: SqliteConnection) -> SqliteConnection {
        let mut group = self.0.lock().await;
        group.settle().await;
        std::mem::replace(&mut group.connection, spare)
    }

    /// Behind all who wait now: what was committed goes to the disk, what was dropped is undone.
    async fn settle(self) {
        self.0.lock().await.settle().await;
    }
}

impl Group {
    async fn run(&mut self, statement: &'static str) -> Result<()> {
        sqlx::query(statement).execute(&mut self.connection).await.map_err(failed).map(drop)
    }

    /// Opens the transaction of SQLite unless the group before left it open, and a savepoint.
    async fn enter(&mut self) -> Result<()> {
        self.undo().await;
        if !self.open {
            // Taking the write lock at once means that no transaction fails half way for want of it.
            if let Err(why) = self.run("BEGIN IMMEDIATE").await {
                return Err(self.fail(why).await);
            }
            self.open = true;
        }
        match self.run("SAVEPOINT turn").await {
            Ok(()) => Ok(()),
            Err(why) => Err(self.fail(why).await),
        }
    }

    /// Undoes the savepoint of one who was dropped.
    async fn undo(&mut self) {
        if !std::mem::take(&mut self.dropped) {
            return;
        }
        if self.committed.is_empty() {
            let _ = self.run("ROLLBACK").await;
            self.open = false;
            return;
        }
        // On a full disk SQLite itself may have rolled back everything; then there is no savepoint any more.
        let undone = match self.run("ROLLBACK TO turn").await {
            Ok(()) => self.run("RELEASE turn").await,
            Err(why) => Err(why),
        };
        if let Err(why) = undone {
            self.fail(why).await;
        }
    }

    /// Ends the transaction of SQLite: all who committed are told.
    async fn settle(&mut self) {
        self.undo().await;
        if !self.open {
            return;
        }
        if let Err(why) = self.run("COMMIT").await {
            self.fail(why).await;
            return;
        }
        self.open = false;
        for waiting in self.committed.drain(..) {
            // Whoever has gone away meanwhile is not told.
            let _ = waiting.send(Ok(()));
        }
    }

    /// Nothing of this group happened: all are told why. Where SQLite has rolled back by itself, rolling back fails and is done.
    async fn fail(&mut self, why: CatalogError) -> CatalogError {
        let _ = self.run("ROLLBACK").await;
        self.open = false;
        for waiting in self.committed.drain(..) {
            let _ = waiting.send(Err(why.clone()));
        }
        why
    }
}

/// One writer's turn. Dropped, what it wrote never happened.
pub(super) struct Turn {
    writers: Writers,
    group: OwnedMutexGuard<Group>,
    done: bool,
}

impl Turn {
    /// Gives up the turn; answers once it is durable. Dropped half way, it goes on.
    pub(super) async fn commit(mut self) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            self.done = true;
            if let Err(why) = self.group.run("RELEASE turn").await {
                let why = self.group.fail(why).await;
                let _ = sender.send(Err(why));
                return;
            }
            self.group.committed.push(sender);
            let first = self.group.committed.len() == 1;
            let writers = self.writers.clone();
            drop(self);
            if first {
                writers.settle().await;
            }
        });
        receiver.await.map_err(|why| CatalogError::Failed(why.to_string()))?
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.group.dropped = true;
        // Whoever is next undoes it; if nobody comes, this does: other programs wait for the file's lock.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.writers.clone().settle());
        }
    }
}

impl Deref for Turn {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.group.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.group.connection
    }
}
