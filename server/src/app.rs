//! What every request can reach: the library, who may ask, the clock, and whether the server is about to stop.
//!
//! Built once by `main`, shared by all requests; holds no state of a request and decides nothing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, header};
use retrosync_protocol::{Digest, Epoch};
use tokio::sync::watch;

use crate::access::Access;
use crate::catalog::Heard;
use crate::clients_key::ClientsKey;
use crate::library::{Answer, Library};
use crate::metrics::Metrics;
use crate::proxies::Proxies;
use crate::tls::Tls;

/// The program and its version, as it names itself in `GET /health`.
pub const SERVER_NAME: &str = concat!("retrosync-server/", env!("CARGO_PKG_VERSION"));

/// What every request can reach.
pub struct App {
    /// The rules.
    pub library: Library,
    /// Who may ask what.
    pub access: Access,
    /// The server's epoch, as it was at the start; it never changes while a server runs.
    pub epoch: Epoch,
    /// Where users reach the server, if the owner said so: without a slash at the end.
    pub public_url: Option<String>,
    /// The proxies that may say whom a request is from.
    pub proxies: Proxies,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// When the server started.
    pub started_unix_s: i64,
    /// Where its data is, if that is a folder here.
    data: OnceLock<PathBuf>,
    /// Where files that people bring are held meanwhile.
    held_in: OnceLock<PathBuf>,
    /// What it shows to whoever connects, if it speaks TLS itself.
    tls: OnceLock<Arc<Tls>>,
    /// What the keys of first-generation clients are made with.
    clients_key: OnceLock<ClientsKey>,
    leaving: AtomicBool,
    stop: watch::Sender<bool>,
}

impl App {
    /// The parts, put together.
    ///
    /// # Errors
    /// When the catalog cannot tell its epoch.
    pub async fn new(
        library: Library,
        access: Access,
        public_url: Option<String>,
        proxies: Proxies,
    ) -> Answer<Arc<App>> {
        let epoch = library.epoch().await?;
        let metrics = Arc::new(Metrics::new(library.tally(), Arc::new(access.refused())));
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        Ok(Arc::new(App {
            library,
            access,
            epoch,
            public_url,
            proxies,
            metrics,
            started_unix_s: clock_unix_s(),
            data: OnceLock::new(),
            held_in: OnceLock::new(),
            tls: OnceLock::new(),
            clients_key: OnceLock::new(),
            leaving: AtomicBool::new(false),
            stop: watch::Sender::new(false),
        }))
    }

    /// Unix seconds; the only clock below `main`.
    pub fn now_unix_s(&self) -> i64 {
        clock_unix_s()
    }

    /// Says where the data is, for the admin's page.
    pub fn keeps_data_in(&self, folder: PathBuf) {
        let _ = self.data.set(folder);
    }

    /// Says where files that people bring are held while they come: a folder of ours, made when it is needed.
    pub fn holds_files_in(&self, folder: PathBuf) {
        let _ = self.held_in.set(folder);
    }

    /// That folder; where nobody said one, one of this machine's.
    pub(crate) fn held_in(&self) -> PathBuf {
        self.held_in.get().cloned().unwrap_or_else(std::env::temp_dir)
    }

    /// Says what the keys of first-generation clients are made with; without it there are no such clients.
    pub fn signs_with(&self, key: ClientsKey) {
        let _ = self.clients_key.set(key);
    }

    /// What they are made with.
    pub(crate) fn clients_key(&self) -> Option<&ClientsKey> {
        self.clients_key.get()
    }

    /// Says that the server speaks TLS itself.
    pub fn speaks_tls(&self, tls: Arc<Tls>) {
        let _ = self.tls.set(tls);
    }

    /// The key that devices must be told, where nobody vouches for the server's certificate.
    pub(crate) fn pin(&self) -> Option<Digest> {
        self.tls.get().filter(|tls| tls.is_self_signed()).map(|tls| tls.pin())
    }

    /// Do browsers come over TLS, so that cookies may go over nothing else?
    pub(crate) fn is_secure(&self) -> bool {
        self.public_url.as_ref().map_or(self.tls.get().is_some(), |url| url.starts_with("https://"))
    }

    /// How much is free where the data is; `None`: it is not here, or cannot be asked.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(self.data.get()?.as_path()).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Unix milliseconds, for clients that count in them.
    pub fn now_unix_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// Rings for what another server over the same database has done.
    pub fn heard(&self, news: Heard) {
        match news {
            Heard::News(user) => self.library.ring(user),
            Heard::Unsure => {
                self.library.ring_all();
                self.access.ring();
            }
        }
    }

    /// Tells those who ask whether the server is ready that it will soon stop; it still answers everything.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Will it soon stop?
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Tells those who wait that the server is about to stop.
    pub fn stop(&self) {
        self.leave();
        self.stop.send_replace(true);
    }

    /// Comes back when the server is about to stop.
    pub async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives as long as `self`, so this only comes back when it was told.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Where users reach the server: as the owner said, or as this request reached it.
    pub(crate) fn base_url(&self, headers: &HeaderMap) -> String {
        let scheme = if self.tls.get().is_some() { "https" } else { "http" };
        let here = || format!("{scheme}://{}", host(headers).unwrap_or("localhost"));
        self.public_url.clone().unwrap_or_else(here)
    }
}

fn clock_unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The request's `Host`, if it could be one.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    (!host.is_empty() && host.len() <= 255 && host.bytes().all(fits)).then_some(host)
}

/// Must a device be told that plain HTTP is fine here? Not within one machine, and not over TLS.
pub fn is_plain_http(url: &str) -> bool {
    let local = ["http://127.", "http://localhost", "http://[::1]"];
    url.starts_with("http://") && !local.iter().any(|prefix| url.starts_with(prefix))
}
