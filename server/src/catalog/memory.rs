//! The catalog in memory: for tests and simulations, which need it fast, deterministic and alone.
//!
//! A transaction works on its own copy of the state (shared until it is changed); commit puts that copy in place. One
//! writer at a time. Nothing is durable.

mod board;
mod memos;
mod people;
mod saves;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use retrosync_protocol::{DeviceId, Digest, Epoch, VersionId, WriterId};
use tokio::sync::OwnedMutexGuard;

use super::{
    Access, BlockPlace, Catalog, CatalogError, DeviceRecord, Event, Invitation, Mark, OperationRecord,
    OwnContent, Pairing, Result, SaveRecord, SaveRow, SessionRecord, StoredVersion, Stray, Tx, Upload,
    UploadId, User, UserId,
};

/// A catalog in memory.
pub struct MemoryCatalog {
    state: Arc<Mutex<Arc<State>>>,
    writing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct State {
    epoch: Epoch,
    /// Every key that the catalog gives away comes from here, so none comes twice.
    last_key: i64,
    users: BTreeMap<UserId, User>,
    changes: BTreeMap<UserId, u64>,
    sessions: BTreeMap<Digest, SessionRecord>,
    devices: Vec<DeviceRecord>,
    pairings: Vec<Pairing>,
    saves: BTreeMap<SaveRow, (UserId, SaveRecord)>,
    save_keys: BTreeMap<(UserId, Box<str>), SaveRow>,
    versions: BTreeMap<(SaveRow, VersionId), Arc<StoredVersion>>,
    by_change: BTreeMap<(UserId, u64), (SaveRow, VersionId)>,
    by_sequence: BTreeMap<(UserId, WriterId, u64), VersionId>,
    contents: BTreeMap<(UserId, Digest), OwnContent>,
    strays: BTreeMap<Digest, Stray>,
    uploads: BTreeMap<UploadId, Upload>,
    blocks: BTreeMap<Digest, Vec<BlockPlace>>,
    operations: BTreeMap<(String, String), OperationRecord>,
    settings: BTreeMap<String, String>,
    invitations: Vec<Invitation>,
    marks: BTreeMap<(SaveRow, VersionId), Mark>,
    fetched: BTreeSet<(DeviceId, Digest)>,
    last_event: u64,
    events: Vec<(UserId, Arc<Event>)>,
    memos: BTreeMap<(String, String, String), String>,
}

impl MemoryCatalog {
    /// An empty catalog of this epoch.
    pub fn new(epoch: Epoch) -> MemoryCatalog {
        let state = State {
            epoch,
            last_key: 0,
            users: BTreeMap::new(),
            changes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            devices: Vec::new(),
            pairings: Vec::new(),
            saves: BTreeMap::new(),
            save_keys: BTreeMap::new(),
            versions: BTreeMap::new(),
            by_change: BTreeMap::new(),
            by_sequence: BTreeMap::new(),
            contents: BTreeMap::new(),
            strays: BTreeMap::new(),
            uploads: BTreeMap::new(),
            blocks: BTreeMap::new(),
            operations: BTreeMap::new(),
            settings: BTreeMap::new(),
            invitations: Vec::new(),
            marks: BTreeMap::new(),
            fetched: BTreeSet::new(),
            last_event: 0,
            events: Vec::new(),
            memos: BTreeMap::new(),
        };
        MemoryCatalog::holding(Arc::new(state))
    }

    /// Another catalog that holds what this one does now: a backup.
    pub fn copy(&self) -> MemoryCatalog {
        MemoryCatalog::holding(Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn holding(state: Arc<State>) -> MemoryCatalog {
        MemoryCatalog { state: Arc::new(Mutex::new(state)), writing: Arc::default() }
    }
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn begin(&self, access: Access) -> Result<Box<dyn Tx>> {
        let writing = match access {
            Access::Read | Access::Glance => None,
            Access::WriteOf(_) | Access::Write => Some(Arc::clone(&self.writing).lock_owned().await),
        };
        let state = Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Box::new(MemoryTx { state, home: Arc::clone(&self.state), writing }))
    }

    async fn copy_to(&self, _file: &Path) -> Result<bool> {
        Ok(false)
    }
}

struct MemoryTx {
    state: Arc<State>,
    home: Arc<Mutex<Arc<State>>>,
    writing: Option<OwnedMutexGuard<()>>,
}

impl MemoryTx {
    /// The state to change: the transaction's own from here on.
    fn change(&mut self) -> Result<&mut State> {
        match self.writing {
            Some(_) => Ok(Arc::make_mut(&mut self.state)),
            None => Err(CatalogError::Failed("a transaction that only reads cannot write".into())),
        }
    }
}

impl State {
    fn next_key(&mut self) -> i64 {
        self.last_key += 1;
        self.last_key
    }
}

#[async_trait]
impl Tx for MemoryTx {
    async fn epoch(&mut self) -> Result<Epoch> {
        Ok(self.state.epoch.clone())
    }

    async fn set_epoch(&mut self, epoch: &Epoch) -> Result<()> {
        self.change()?.epoch = epoch.clone();
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        if self.writing.is_some() {
            *self.home.lock().unwrap_or_else(PoisonError::into_inner) = self.state;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::suite;

    #[tokio::test]
    async fn memory_keeps_the_contract_of_a_catalog() {
        for case in suite::CASES {
            case(Arc::new(MemoryCatalog::new(crate::sample::epoch()))).await;
        }
    }
}
