//! TLS without a proxy: a certificate of the owner's, read anew when its files change, or one that the server signs itself.
//!
//! A handshake has its own small time, so that whoever connects and says nothing holds up nobody; plain HTTP is told where it
//! got to. Wrong files at the start are a refusal, wrong files later leave what was good in place. Never logs a key.

mod files;
mod own;
mod plain;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use retrosync_protocol::Digest;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use own::FOLDER as OWN_FOLDER;

/// For a handshake, or for plain HTTP to be told off.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How often the owner's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The first byte of every connection in TLS: a record of the handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// What the server shows to whoever connects, and the way to change it.
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    source: Source,
}

/// Where the certificate is from.
enum Source {
    /// The owner's files.
    Files { certificate: PathBuf, key: PathBuf },
    /// The server's own, made once.
    Own,
}

/// A certificate, its key, and the digest of its public key.
#[derive(Debug)]
struct Loaded {
    certified: Arc<CertifiedKey>,
    pin: Digest,
}

/// What is shown now.
#[derive(Debug)]
struct Shown(RwLock<Loaded>);

impl Shown {
    fn now<T>(&self, look: impl FnOnce(&Loaded) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now(|loaded| loaded.certified.clone()))
    }
}

impl Tls {
    /// Shows the certificate (with those that vouch for it) of one PEM file with the key of another.
    ///
    /// # Errors
    /// When they cannot be read, are not what they should be, or do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let loaded = files::load(certificate, key)?;
        let source = Source::Files { certificate: certificate.to_owned(), key: key.to_owned() };
        Tls::showing(loaded, source)
    }

    /// Shows a certificate that its own key signed, kept in the data directory `data`; made if there is none. The names in
    /// it are for browsers; devices go by its key.
    ///
    /// # Errors
    /// When it cannot be made or kept, or what is kept is damaged.
    pub fn self_signed(data: &Path, public_url: Option<&str>) -> Result<Tls, TlsError> {
        let (certificate, key) = own::kept(data, public_url)?;
        Tls::showing(files::load(&certificate, &key)?, Source::Own)
    }

    fn showing(loaded: Loaded, source: Source) -> Result<Tls, TlsError> {
        let shown = Arc::new(Shown(RwLock::new(loaded)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| TlsError(format!("cannot set up TLS: {why}")))?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), shown, source })
    }

    /// The SHA-256 of the public key: what devices compare and pin.
    pub fn pin(&self) -> Digest {
        self.shown.now(|loaded| loaded.pin)
    }

    /// Is the certificate of the server's own making, so that devices can only know it by its key?
    pub fn is_self_signed(&self) -> bool {
        matches!(self.source, Source::Own)
    }

    /// Reads the owner's files again; answers whether anything changed.
    ///
    /// # Errors
    /// As [`Tls::from_files`]; what was shown before is shown on.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let Source::Files { certificate, key } = &self.source else { return Ok(false) };
        let loaded = files::load(certificate, key)?;
        let mut shown = self.shown.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = shown.certified.cert != loaded.certified.cert;
        *shown = loaded;
        Ok(changed)
    }

    /// Reads the owner's files again whenever they change, or `hangup` says so; for ever.
    pub async fn keep_fresh(self: Arc<Self>, mut hangup: tokio::signal::unix::Signal) {
        let Source::Files { certificate, key } = &self.source else { return };
        let files = [certificate.clone(), key.clone()];
        let mut seen = files::stamps(&files);
        let mut said = String::new();
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let asked = tokio::select! {
                _ = look.tick() => false,
                hung_up = hangup.recv() => hung_up.is_some(),
            };
            let stamps = files::stamps(&files);
            // A renewal writes two files: between them they do not fit, so what failed is tried again until it does.
            if !asked && stamps == seen && said.is_empty() {
                continue;
            }
            seen = stamps;
            match self.reload() {
                Ok(changed) => {
                    said.clear();
                    if changed {
                        log::info!("the certificate `{}` was read again", files[0].display());
                    } else if asked {
                        log::info!("the certificate `{}` is the same as before", files[0].display());
                    }
                }
                Err(error) if asked || said != error.0 => {
                    log::warn!("{error}; the certificate of before stays in use");
                    said = error.0;
                }
                Err(_) => {}
            }
        }
    }

    /// A connection, once it is in TLS; `None` where its client does not come to that in time.
    pub(crate) async fn welcome(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        match tokio::time::timeout(HANDSHAKE_TIME, self.shake_hands(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                log::debug!("a handshake failed: {error}");
                None
            }
            Err(_) => {
                log::debug!("a handshake took too long");
                None
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE_RECORD {
            return plain::refuse(stream).await.map(|()| None);
        }
        self.acceptor.accept(stream).await.map(Some)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.pin())
    }
}

/// A key as people compare it: eight groups of eight, as a handheld shows it.
pub fn in_groups(pin: &Digest) -> String {
    let digits = pin.to_string();
    let groups: Vec<&str> = (0..digits.len()).step_by(8).filter_map(|at| digits.get(at..at + 8)).collect();
    groups.join(" ")
}

/// Why there is no TLS.
#[derive(Debug)]
pub struct TlsError(String);

impl TlsError {
    /// For `map_err`: what we were doing to which file.
    fn at<E: fmt::Display>(doing: &str, path: &Path) -> impl FnOnce(E) -> TlsError {
        move |why| TlsError(format!("cannot {doing} `{}`: {why}", path.display()))
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}
