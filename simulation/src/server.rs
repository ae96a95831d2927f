//! The real server's library over its catalog and blobs in memory, without a runtime.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path as Place;
use retrosync_protocol::{
    Changes, ChangesRequest, ChoiceRequest, Code, Content, DeviceId, Digest, Epoch, History, HistoryEntry,
    SaveId, StoreReply, Token, Version, VersionId, WriterId,
};
use retrosync_server::blobs::objects::ObjectBlobs;
use retrosync_server::catalog::memory::MemoryCatalog;
use retrosync_server::catalog::{Access, Catalog, StoredVersion, User, UserId};
use retrosync_server::library::{Answer, Asker, Brought, Library};
use retrosync_server::notice::Notice;
use retrosync_server::refusal::Refusal;

use crate::link::Frame;
use crate::share::Share;

/// When the simulation begins, in Unix seconds.
const BEGIN_UNIX_S: i64 = 1_790_000_000;

/// As many as a history can have.
const MOST_DEVICES: usize = 5;

/// The server, and how to set it back.
pub struct Server {
    catalog: Arc<MemoryCatalog>,
    blobs: Arc<InMemory>,
    library: Library,
    askers: Vec<Asker>,
    dashboard: Asker,
    epochs: u8,
    /// The folder that is the store instead, if one is.
    share: Option<Share>,
    /// Requests that are still on their way, by device.
    late: Vec<(usize, Vec<Frame>)>,
    /// The token by which it knows a device that was paired again.
    tokens: BTreeMap<usize, Token>,
    /// Grows with whatever may have changed a version.
    revision: Cell<u64>,
    /// Its clock, since the simulation began.
    pub now_ms: u64,
}

/// A backup of the server.
pub struct Backup {
    catalog: MemoryCatalog,
    blobs: InMemory,
}

/// The answer of what waits for nothing.
///
/// # Panics
/// When it waits all the same.
pub fn ready<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the server in memory waits"),
    }
}

fn epoch(number: u8) -> Epoch {
    Epoch::from_random(&[number; 16])
}

fn library(catalog: &Arc<MemoryCatalog>, blobs: &Arc<InMemory>) -> Library {
    let catalog: Arc<dyn Catalog> = Arc::clone(catalog) as _;
    Library::new(
        catalog,
        Arc::new(ObjectBlobs::new(Arc::clone(blobs), Place::default())),
        Arc::new(Notice::new()),
    )
}

impl Server {
    /// A server with one user and nothing stored.
    pub fn new() -> Server {
        let catalog = Arc::new(MemoryCatalog::new(epoch(1)));
        let blobs = Arc::new(InMemory::new());
        let user = User {
            id: UserId(0),
            name: "ada".into(),
            password_hash: String::new(),
            admin: false,
            writer: WriterId::from_random(&[0xdd; 16]),
            quota_bytes: None,
            quota_devices: None,
            email: None,
            created_unix_s: 0,
        };
        let user = ready(async {
            let mut tx = catalog.begin(Access::Write).await.unwrap();
            let id = tx.add_user(&user).await.unwrap().unwrap();
            tx.commit().await.unwrap();
            id
        });
        let library = library(&catalog, &blobs);
        let askers = (0..MOST_DEVICES).map(|number| Server::new_asker(user, Some(number))).collect();
        let dashboard = Server::new_asker(user, None);
        Server {
            askers,
            dashboard,
            catalog,
            blobs,
            library,
            epochs: 1,
            share: None,
            late: Vec::new(),
            tokens: BTreeMap::new(),
            revision: Cell::new(1),
            now_ms: 0,
        }
    }

    /// Grows with whatever may have changed a version.
    pub fn revision(&self) -> u64 {
        if self.share.is_some() {
            // Whoever wrote into the folder told nobody.
            self.changes_now();
        }
        self.revision.get()
    }

    fn changes_now(&self) {
        self.revision.set(self.revision.get() + 1);
    }

    /// What time it is, in Unix seconds.
    pub fn now_unix_s(&self) -> i64 {
        BEGIN_UNIX_S + i64::try_from(self.now_ms / 1_000).unwrap_or(0)
    }

    /// Device `number`, or the dashboard.
    fn asker(&self, number: Option<usize>) -> &Asker {
        number.map_or(&self.dashboard, |number| &self.askers[number])
    }

    fn new_asker(user: UserId, number: Option<usize>) -> Asker {
        let tag = number.map_or(0xdd, |number| number as u8 + 1);
        Asker {
            user,
            user_name: "ada".into(),
            device: number.map(|_| DeviceId::from_random(&[tag; 8])),
            device_name: number.map_or("dashboard".into(), |number| format!("device {}", name(number))),
            writer: WriterId::from_random(&[tag; 16]),
        }
    }

    /// What changed.
    pub fn changes(&self, device: usize, request: &ChangesRequest) -> Answer<Changes> {
        ready(self.library.changes(self.asker(Some(device)), request, self.now_unix_s()))
    }

    /// Stores versions.
    pub fn store(&self, device: usize, frames: Vec<Frame>) -> Answer<StoreReply> {
        self.changes_now();
        ready(async {
            let mut batch = self.library.batch(self.asker(Some(device)));
            for (version, body) in frames {
                batch.add(version, body).await;
            }
            batch.finish(None, self.now_unix_s()).await
        })
    }

    /// What a server would do that does not know a record again: writes it beside the one that is there.
    pub fn records_again(&self, version: &Version) {
        self.changes_now();
        let user = self.dashboard.user;
        let record = Version { writer: WriterId::from_random(&[0xee; 16]), ..version.clone() };
        ready(async {
            let mut tx = self.catalog.begin(Access::Write).await.unwrap();
            let Some(save) = tx.save(user, &record.save).await.unwrap() else { return };
            let stored = StoredVersion {
                id: record.id(),
                received_unix_s: self.now_unix_s(),
                device: None,
                device_name: "nobody".into(),
                change: tx.last_change(user).await.unwrap() + 1,
                leaf: !record.suspect,
                record,
            };
            let is_new = tx.version(save.row, stored.id).await.unwrap().is_none();
            if is_new && !stored.record.suspect {
                tx.add_version(user, save.row, &stored, &stored.record.parents).await.unwrap();
                tx.commit().await.unwrap();
            }
        });
    }

    /// Somebody is about to change what is stored, without asking this server.
    pub fn is_changed(&self) {}

    /// A request takes its time.
    pub fn delay(&mut self, device: usize, frames: Vec<Frame>) {
        self.late.push((device, frames));
    }

    /// What was on its way arrives, the last first; nobody waits for the answers any more.
    pub fn late_arrive(&mut self) {
        while let Some((device, frames)) = self.late.pop() {
            let _ = self.store(device, frames);
        }
    }

    /// A device is paired again: from now on it is known by this token.
    pub fn learns(&mut self, device: usize, token: Token) {
        self.tokens.insert(device, token);
    }

    /// Another card is in a device: what it was paired with is not on it.
    pub fn forgets_token(&mut self, device: usize) {
        self.tokens.remove(&device);
    }

    /// The token by which a device is known, if it was paired again.
    pub fn token_of(&self, device: usize) -> Option<&Token> {
        self.tokens.get(&device)
    }

    /// No server at all, but a folder that all devices write.
    pub fn folder() -> Server {
        Server { share: Some(Share::new()), ..Server::new() }
    }

    /// The folder that is the store, if one is.
    pub fn share(&self) -> Option<&Share> {
        self.share.as_ref()
    }

    /// A content's bytes.
    pub fn bytes(&self, digest: Digest) -> Answer<Vec<u8>> {
        if let Some(share) = &self.share {
            return share
                .bytes(digest)
                .ok_or_else(|| Refusal::new(Code::NotFound, "it is not in the folder"));
        }
        ready(async {
            let stream = self.library.open(self.asker(None), digest, 0..u64::MAX).await?;
            let chunks: Vec<Bytes> = stream.try_collect().await.unwrap_or_default();
            Ok(chunks.concat())
        })
    }

    /// A save's versions, newest first.
    pub fn history(&self, save: &SaveId) -> Vec<HistoryEntry> {
        if let Some(share) = &self.share {
            return share.history(save);
        }
        ready(self.library.history(self.asker(None), save, None, 1_000))
            .map(|history| history.versions)
            .unwrap_or_default()
    }

    /// A part of a save's versions, newest first; nothing of a save that it does not know.
    pub fn page(&self, save: &SaveId, before: Option<VersionId>, limit: u32) -> Option<History> {
        if let Some(share) = &self.share {
            let versions = share.history(save);
            let heads = versions.iter().filter(|entry| entry.head).map(|entry| entry.version).collect();
            return Some(History { save: save.clone(), heads, versions, more: false });
        }
        ready(self.library.history(self.asker(None), save, before, limit)).ok()
    }

    /// A save's heads; none are told of a folder, where they are dear.
    pub fn heads(&self, save: &SaveId) -> Vec<VersionId> {
        let page = self.share.is_none().then(|| self.page(save, None, 1)).flatten();
        page.map(|page| page.heads).unwrap_or_default()
    }

    /// The same as it is answered to a device.
    pub fn history_for(&self, device: usize, save: &SaveId, before: Option<VersionId>) -> Answer<History> {
        ready(self.library.history(self.asker(Some(device)), save, before, 1_000))
    }

    /// On the dashboard: a version is restored (or kept, which is the same), or the save is deleted.
    pub fn choose(&self, save: &SaveId, version: Option<VersionId>) -> Option<VersionId> {
        // A folder has no dashboard.
        if self.share.is_some() {
            return None;
        }
        self.changes_now();
        let heads = self.history(save).iter().filter(|entry| entry.head).map(|entry| entry.version).collect();
        let request = ChoiceRequest { save: save.clone(), version, heads, note: None };
        let (asker, now) = (self.asker(None), self.now_unix_s());
        ready(async {
            match version {
                Some(_) => self.library.restore(asker, &request, None, now).await,
                None => self.library.retire(asker, &request, None, now).await,
            }
        })
        .ok()
        .map(|reply| reply.version)
    }

    /// A person drops a file onto the dashboard, over the heads that the page shows: those of now, or of when the save had one
    /// version. What they are told is stored.
    pub fn bring(&self, save: &SaveId, bytes: Vec<u8>, is_stale: bool) -> Option<(SaveId, Digest)> {
        // A folder has no dashboard.
        if self.share.is_some() {
            return None;
        }
        self.changes_now();
        let history = self.history(save);
        let heads = match history.last().filter(|_| is_stale) {
            Some(oldest) => vec![oldest.version],
            None => history.iter().filter(|entry| entry.head).map(|entry| entry.version).collect(),
        };
        let content = Content { digest: Digest::of(&bytes), size_bytes: bytes.len() as u64 };
        let (save, body) = (save.clone(), Some(bytes.into()));
        // This person was asked about whatever is odd, and is sure.
        let file = Brought { save, content, body, heads, note: None, doubt: None, sure: true };
        let stored = ready(self.library.bring(self.asker(None), &file, self.now_unix_s()));
        stored.ok().map(|_| (file.save.clone(), content.digest))
    }

    /// The contents of all versions of a save.
    pub fn contents(&self, save: &SaveId) -> BTreeSet<Digest> {
        let entries = self.history(save).into_iter();
        entries.filter_map(|entry| entry.record.content).map(|content| content.digest).collect()
    }

    /// A backup of all that is stored.
    pub fn back_up(&self) -> Backup {
        self.share.iter().for_each(Share::back_up);
        Backup { catalog: self.catalog.copy(), blobs: self.blobs.fork() }
    }

    /// The server is restored from a backup, which draws another epoch, or set back to it without knowing it. A folder, which has
    /// nobody who could tell, always gets another one.
    pub fn restore(&mut self, backup: &Backup, draws_epoch: bool) {
        self.share.iter().for_each(Share::restore);
        self.epochs += 1;
        self.changes_now();
        (self.catalog, self.blobs) = (Arc::new(backup.catalog.copy()), Arc::new(backup.blobs.fork()));
        if draws_epoch {
            ready(async {
                let mut tx = self.catalog.begin(Access::Write).await.unwrap();
                tx.set_epoch(&epoch(self.epochs)).await.unwrap();
                tx.commit().await.unwrap();
            });
        }
        self.library = library(&self.catalog, &self.blobs);
    }
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

/// What a story calls a device.
pub fn name(device: usize) -> char {
    char::from(b'A' + (device as u8) % 26)
}
