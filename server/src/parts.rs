//! The composition root: configuration to an open catalog, blobs and notice. The only file that names SQLite, PostgreSQL,
//! the disk and S3; all commands go through it. Opens and closes, decides nothing else.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use retrosync_protocol::Epoch;

use crate::access::{Access, AccessOptions};
use crate::blobs::Blobs;
use crate::blobs::disk::DiskBlobs;
use crate::blobs::s3::{self, S3Options};
use crate::catalog::postgres::{PostgresCatalog, PostgresOptions};
use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::tables::Tables;
use crate::catalog::{self, Catalog};
use crate::clients_key::ClientsKey;
use crate::config::{Config, Database, Secret};
use crate::keep::{self, Copied, Records};
use crate::library::{Library, Retention, Upkeep};
use crate::notice::Notice;
use crate::tls::Tls;

/// What can go wrong with opening.
pub type Opened<T> = Result<T, Box<dyn Error>>;

/// What a server works with, open.
#[derive(Clone)]
pub struct Parts {
    /// The records.
    pub catalog: Arc<dyn Catalog>,
    /// The bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Who waits for whose news.
    pub notice: Arc<Notice>,
}

impl Parts {
    /// Opens what the configuration names, and makes what is not there.
    ///
    /// # Errors
    /// When something cannot be opened or made.
    pub async fn open(config: &Config) -> Opened<Parts> {
        if keeps_data(config) {
            make_data(config)?;
        }
        let catalog = open_catalog(config).await?;
        let epoch = catalog.begin(catalog::Access::Read).await?.epoch().await?;
        let blobs = open_blobs(config, &epoch).await?;
        Ok(Parts { catalog, blobs, notice: Arc::new(Notice::new()) })
    }

    /// Opens what a server has used before.
    ///
    /// # Errors
    /// When nothing is there, or it cannot be opened.
    pub async fn open_existing(config: &Config) -> Opened<Parts> {
        is_used(config)?;
        Parts::open(config).await
    }

    /// Who may do what, over these parts.
    pub fn access(&self, open_registration: bool) -> Access {
        Access::new(self.catalog.clone(), AccessOptions { open_registration })
    }

    /// The rules, over these parts.
    pub fn library(&self) -> Library {
        Library::new(self.catalog.clone(), self.blobs.clone(), self.notice.clone())
    }

    /// Ends what is open, once nothing is under way.
    pub async fn close(&self) {
        self.catalog.close().await;
    }
}

/// Has a server used this before? Looked at without opening or making anything.
///
/// # Errors
/// When it has not.
pub fn is_used(config: &Config) -> Opened<()> {
    if config.database == Database::Sqlite && !keep::catalog_file(&config.data).exists() {
        return Err(format!(
            "`{}` is not a server's data directory: say where it is with `--data DIR`",
            config.data.display()
        )
        .into());
    }
    Ok(())
}

/// Makes the data folder, if there is none.
fn make_data(config: &Config) -> Opened<()> {
    keep::make_private(&config.data).map_err(|error| {
        let data = config.data.display();
        format!("cannot make the data directory `{data}`: {error}; help: name another with `--data DIR`")
            .into()
    })
}

/// Is anything kept in the data folder?
pub fn keeps_data(config: &Config) -> bool {
    config.database == Database::Sqlite || config.s3_bucket.is_none()
}

/// Held while a server runs on the data folder, so that no second one does; `None`: nothing is kept there, and there may be
/// as many as you like. Taken before anything is opened: opening brings the schema up, and a server that runs must not see that.
///
/// # Errors
/// When another server has it.
pub fn alone(config: &Config) -> Opened<Option<File>> {
    if !keeps_data(config) {
        return Ok(None);
    }
    make_data(config)?;
    let path = config.data.join("server.lock");
    let file = File::create(&path).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    file.try_lock().map_err(|_| format!("another server uses `{}`: stop it first", config.data.display()))?;
    Ok(Some(file))
}

/// The secret of first-generation clients' keys; `None`: nobody said one and nothing is kept here, so there are none.
///
/// # Errors
/// When what was said is too short, or what is kept cannot be read.
pub fn clients_key(config: &Config) -> Opened<Option<ClientsKey>> {
    match &config.clients_key {
        Some(said) => {
            let key = ClientsKey::of(said.reveal());
            key.map(Some).ok_or_else(|| "`clients_key` is too short: give 32 characters or more".into())
        }
        None if keeps_data(config) => Ok(Some(ClientsKey::kept(&config.data)?)),
        None => Ok(None),
    }
}

/// How the server speaks TLS; `None`: it leaves that to a proxy.
///
/// # Errors
/// When the keys `tls.*` do not fit each other, or what they name cannot be used.
pub fn open_tls(config: &Config) -> Opened<Option<Tls>> {
    match (&config.tls_cert_file, &config.tls_key_file, config.tls_self_signed) {
        (None, None, false) => Ok(None),
        (None, None, true) => {
            let public_url = config.public_url.as_ref().map(|url| url.as_str());
            Ok(Some(Tls::self_signed(&config.data, public_url)?))
        }
        (Some(certificate), Some(key), false) => Ok(Some(Tls::from_files(certificate, key)?)),
        (Some(_), Some(_), true) => {
            Err("`tls.self_signed` and `tls.cert_file` are both set: leave one of them out".into())
        }
        _ => Err("`tls.cert_file` and `tls.key_file` belong together: name both, or neither".into()),
    }
}

/// Puts a backup where the configuration says that everything is kept; there must be nothing yet.
///
/// # Errors
/// When there is something, or it cannot be read or written.
pub async fn restore(config: &Config, from: &Path) -> Opened<Copied> {
    keep::is_backup(from)?;
    if keeps_data(config) {
        keep::make_empty(&config.data)?;
    }
    let epoch = first_epoch()?;
    let blobs: Arc<dyn Blobs> = match &config.s3_bucket {
        None => Arc::new(DiskBlobs::open(&keep::blobs_folder(&config.data))?),
        Some(bucket) => Arc::new(s3::open_empty(&s3_options(config, bucket), &epoch).await?),
    };
    keep::copy_own_key(from, &config.data)?;
    let copied = match &config.database {
        Database::Sqlite => {
            keep::restore(from, blobs.as_ref(), Records::Folder(&config.data), &epoch).await?
        }
        Database::Postgres { .. } => {
            let catalog = open_catalog(config).await?;
            make_data(config)?;
            let to = Records::Database { catalog: catalog.as_ref(), data: &config.data };
            let copied = keep::restore(from, blobs.as_ref(), to, &epoch).await?;
            catalog.close().await;
            copied
        }
    };
    Ok(copied)
}

/// The epoch of a catalog that is new.
///
/// # Errors
/// When the system gives no random numbers.
pub fn first_epoch() -> Opened<Epoch> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("cannot draw random numbers: {error}"))?;
    Ok(Epoch::from_random(&bytes))
}

async fn open_catalog(config: &Config) -> Opened<Arc<dyn Tables>> {
    match &config.database {
        Database::Sqlite => {
            let file = keep::catalog_file(&config.data);
            Ok(Arc::new(SqliteCatalog::open(&file, &first_epoch()?).await?))
        }
        Database::Postgres { url, .. } => {
            let options = PostgresOptions {
                password: config.database_password.as_ref().map(|password| password.reveal().to_owned()),
                connections: u32::try_from(config.database_connections.get()).unwrap_or(u32::MAX),
                ..PostgresOptions::default()
            };
            let opened = PostgresCatalog::open(url, options, &first_epoch()?).await;
            Ok(Arc::new(opened.map_err(|why| format!("cannot open `{url}`: {why}"))?))
        }
    }
}

/// Where bytes are, as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BytesAt {
    /// In a data directory.
    Folder(PathBuf),
    /// In the configured bucket.
    Bucket,
}

impl FromStr for BytesAt {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<BytesAt, Infallible> {
        Ok(if text == "s3" { BytesAt::Bucket } else { BytesAt::Folder(PathBuf::from(text)) })
    }
}

impl fmt::Display for BytesAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BytesAt::Folder(folder) => write!(f, "{}", folder.display()),
            BytesAt::Bucket => f.write_str("s3"),
        }
    }
}

/// Opens the bytes of the catalog with this epoch in one place, whatever the rest of the configuration says.
///
/// # Errors
/// When they cannot be opened, or no bucket is configured.
pub async fn open_bytes(config: &Config, at: &BytesAt, epoch: &Epoch) -> Opened<Arc<dyn Blobs>> {
    let mut config = config.clone();
    match at {
        BytesAt::Folder(folder) => {
            keep::make_private(folder)
                .map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
            config.data = folder.clone();
            config.s3_bucket = None;
        }
        BytesAt::Bucket if config.s3_bucket.is_none() => {
            return Err(Config::lacks("s3.bucket", "it names the bucket that `s3` stands for").into());
        }
        BytesAt::Bucket => {}
    }
    open_blobs(&config, epoch).await
}

async fn open_blobs(config: &Config, epoch: &Epoch) -> Opened<Arc<dyn Blobs>> {
    match &config.s3_bucket {
        None => Ok(Arc::new(DiskBlobs::open(&keep::blobs_folder(&config.data))?)),
        Some(bucket) => Ok(Arc::new(s3::open(&s3_options(config, bucket), epoch).await?)),
    }
}

fn s3_options(config: &Config, bucket: &str) -> S3Options {
    let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    S3Options {
        bucket: bucket.to_owned(),
        endpoint: config.s3_endpoint.as_ref().map(|url| url.as_str().to_owned()),
        region: Some(config.s3_region.clone()),
        prefix: config.s3_prefix.clone().unwrap_or_default(),
        access_key: text(&config.s3_access_key),
        secret_key: text(&config.s3_secret_key),
        host_style: config.s3_host_style,
        plain_http: config.s3_plain_http,
        ca_file: config.s3_ca_file.clone(),
        timeout_s: config.s3_timeout_s.get(),
    }
}

/// What may be removed, and when.
pub fn upkeep(config: &Config) -> Upkeep {
    let days = |days: u64| u32::try_from(days).unwrap_or(u32::MAX);
    let retention = Retention {
        all_days: days(config.retention_all_days.get()),
        hourly_days: days(config.retention_hourly_days.get()),
        daily_days: days(config.retention_daily_days.get()),
        weekly_days: days(config.retention_weekly_days.get()),
    };
    let wait_days = i64::try_from(config.gc_wait_days.get()).unwrap_or(i64::MAX / (24 * 3600));
    Upkeep {
        retention: config.retention_thin.then_some(retention),
        wait_s: wait_days.saturating_mul(24 * 3600),
        dry_run: false,
    }
}
