//! `retrosync-server backup` and `restore`: everything of a server in one folder, whatever it keeps it in.
//!
//! A backup is a data directory of SQLite and files, of any catalog and any store of bytes: made from PostgreSQL and S3, it can
//! be restored into them or into others. It is the catalog as of one moment, and then every content that this
//! catalog names: durable before it was named (promise 5), and not removed meanwhile, for the backup holds the turn
//! (`catalog::turn`). Every byte is hashed on its way. `backup.json` is written last; without it a folder is no backup.
//!
//! A restored server has another epoch: devices then take nothing for agreed, and offer again what the backup lacks.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use retrosync_protocol::{Content, Epoch};
use serde::{Deserialize, Serialize};

use super::contents::copy_contents;
use super::migrate::copy_records_with;
use super::{KeepError, blobs_folder, catalog_file};
use crate::blobs::Blobs;
use crate::blobs::disk::DiskBlobs;
use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::tables::Tables;
use crate::catalog::turn::Turn;
use crate::catalog::{Access, Catalog};
use crate::tls::OWN_FOLDER;

/// How many contents are copied at once.
const AT_ONCE: usize = 512;
/// How often the turn is prolonged: several times before it would end.
const PROLONG_EVERY: Duration = Duration::from_secs(120);

/// How long to wait for one's turn, and how often to look.
const WAIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The last file of a backup: that it is whole, and of what.
#[derive(Serialize, Deserialize)]
struct Marker {
    retrosync_backup: u32,
    epoch: Epoch,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many contents.
    pub contents: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Those that could not be read whole, a line each: they are missing from the copy too.
    pub lost: Vec<String>,
}

/// Copies everything, also of a running server, into the folder `to`, which must be new or empty. `data` is the data directory,
/// whatever is kept in it.
///
/// # Errors
/// When `to` is within `data` or holds anything, or something cannot be read or written; single contents that are lost are told in the answer.
pub async fn backup(
    catalog: &dyn Catalog,
    blobs: &dyn Blobs,
    data: &Path,
    to: &Path,
    clock: impl Fn() -> i64 + Send + Sync,
) -> Result<Copied, KeepError> {
    refuse_within(data, to)?;
    let mut drawn = [0; 8];
    getrandom::fill(&mut drawn).map_err(|why| KeepError::new(format!("cannot draw a name: {why}")))?;
    // In containers every process is number 1.
    let holder = format!("backup-{}-{:016x}", std::process::id(), u64::from_le_bytes(drawn));
    let mut turn = wait_for_turn(catalog, &holder, &clock).await?;
    let outcome = async {
        let (copied, epoch) = tokio::select! {
            copied = copy_all(catalog, blobs, data, to) => copied?,
            lost = hold(catalog, &mut turn, &clock) => return Err(lost),
        };
        if !turn.prolong(catalog, clock()).await? {
            return Err(turn_lost());
        }
        finish(to, epoch)?;
        Ok(copied)
    }
    .await;
    turn.give_back(catalog).await?;
    outcome
}

/// A server that removes what is unneeded does so for moments, a few times a day: not worth a refusal in the night.
async fn wait_for_turn(
    catalog: &dyn Catalog,
    holder: &str,
    clock: &(impl Fn() -> i64 + Send + Sync),
) -> Result<Turn, KeepError> {
    let began = Instant::now();
    loop {
        if let Some(turn) = Turn::take(catalog, holder, clock()).await? {
            return Ok(turn);
        }
        if began.elapsed() > WAIT {
            let text =
                "a server is removing what is unneeded, or another backup is made; try again when it is done";
            return Err(KeepError::new(text));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What lies in the data directory is lost, moved and restored along with it: that is no backup.
fn refuse_within(data: &Path, to: &Path) -> Result<(), KeepError> {
    let Ok(data) = data.canonicalize() else { return Ok(()) };
    let to_be = std::path::absolute(to).map_err(KeepError::at("find", to))?;
    // It is not there yet; what it will be in is.
    let within = to_be.ancestors().find_map(|above| above.canonicalize().ok());
    match within.is_some_and(|within| within.starts_with(&data)) {
        false => Ok(()),
        true => Err(KeepError::new(format!(
            "`{}` is in the data directory `{}`, and would be lost with it; help: name a folder elsewhere, best on another disk",
            to.display(),
            data.display()
        ))),
    }
}

fn turn_lost() -> KeepError {
    KeepError::new(
        "another server or backup took the turn meanwhile, so bytes may be missing from this one; make another backup",
    )
}

/// Keeps the turn for as long as it can; answers why it cannot any more.
async fn hold(catalog: &dyn Catalog, turn: &mut Turn, clock: &(impl Fn() -> i64 + Send + Sync)) -> KeepError {
    loop {
        tokio::time::sleep(PROLONG_EVERY).await;
        match turn.prolong(catalog, clock()).await {
            Ok(true) => {}
            Ok(false) => return turn_lost(),
            // Nobody else takes it as long as it lasts.
            Err(why) if turn.lasts(clock()) => log::warn!("cannot prolong the turn, trying again: {why}"),
            Err(why) => return why.into(),
        }
    }
}

async fn copy_all(
    catalog: &dyn Catalog,
    blobs: &dyn Blobs,
    data: &Path,
    to: &Path,
) -> Result<(Copied, Epoch), KeepError> {
    make_empty(to)?;
    let file = catalog_file(to);
    if !catalog.copy_to(&file).await? {
        return Err(KeepError::new("this catalog cannot be copied"));
    }
    let epoch = catalog.begin(Access::Read).await?.epoch().await?;
    let copy = SqliteCatalog::open(&file, &epoch).await?;
    let contents = copy.begin(Access::Read).await?.all_contents().await?;
    copy.close().await;
    let target = DiskBlobs::open(&blobs_folder(to))?;
    let mut copied = Copied::default();
    for some in contents.chunks(AT_ONCE) {
        copied.add(some, copy_contents(blobs, &target, some.to_vec(), &mut |_, _| {}).await?);
    }
    copy_own_key(data, to)?;
    Ok((copied, epoch))
}

/// Only when everything is durable it is called a backup.
fn finish(to: &Path, epoch: Epoch) -> Result<(), KeepError> {
    sync_file_system(to)?;
    let marker = serde_json::to_vec(&Marker { retrosync_backup: 1, epoch })
        .map_err(|why| KeepError::new(why.to_string()))?;
    let path = marker_file(to);
    fs::write(&path, marker).map_err(KeepError::at("write", &path))?;
    sync_file_system(to)
}

impl Copied {
    fn add(&mut self, contents: &[Content], lost: Vec<(Content, String)>) {
        self.contents += (contents.len() - lost.len()) as u64;
        let size_bytes = |content: &Content| content.size_bytes;
        self.size_bytes += contents.iter().map(size_bytes).sum::<u64>();
        for (content, why) in lost {
            self.size_bytes -= content.size_bytes;
            self.lost.push(format!("content `{}` ({} bytes): {why}", content.digest, content.size_bytes));
        }
    }
}

/// Where a backup's records go.
#[derive(Clone, Copy)]
pub enum Records<'a> {
    /// Into a new SQLite catalog in this data directory.
    Folder(&'a Path),
    /// Into a database.
    Database {
        /// Which must be empty.
        catalog: &'a dyn Tables,
        /// The data directory, which is there; a copy of the backup's catalog is read from it meanwhile.
        data: &'a Path,
    },
}

/// Is this folder a whole backup? Looked at before anything is made for it.
///
/// # Errors
/// When it is not.
pub fn is_backup(from: &Path) -> Result<(), KeepError> {
    read_marker(from).map(drop)
}

/// Puts a backup where nothing is yet, under a new epoch. Only while no server runs there. First the bytes, then the records.
///
/// # Errors
/// When there are records already, `from` is no whole backup, or something cannot be read or written.
pub async fn restore(
    from: &Path,
    blobs: &dyn Blobs,
    to: Records<'_>,
    epoch: &Epoch,
) -> Result<Copied, KeepError> {
    let marker = read_marker(from)?;
    let source = DiskBlobs::open(&blobs_folder(from))?;
    let mut copied = Copied::default();
    match to {
        Records::Folder(data) => {
            // Under another name until it has its new epoch: a catalog of the old one must never be served.
            let unfinished = data.join("catalog.restoring");
            fs::copy(catalog_file(from), &unfinished).map_err(KeepError::at("write", &unfinished))?;
            let catalog = SqliteCatalog::open(&unfinished, &marker.epoch).await?;
            let contents = catalog.begin(Access::Read).await?.all_contents().await?;
            copied.add(&contents, copy_contents(&source, blobs, contents.clone(), &mut |_, _| {}).await?);
            let mut tx = catalog.begin(Access::Write).await?;
            tx.set_epoch(epoch).await?;
            tx.commit().await?;
            catalog.close().await;
            sync_file_system(data)?;
            let path = catalog_file(data);
            fs::rename(&unfinished, &path).map_err(KeepError::at("write", &path))?;
            sync_file_system(data)?;
        }
        Records::Database { catalog: database, data } => {
            // The backup itself stays as it is, also where this server would bring its schema up: a copy is read.
            let copy = copy_aside(from, data.join(format!("catalog.restoring-{epoch}")))?;
            let catalog = SqliteCatalog::open(&copy.0, &marker.epoch).await?;
            let contents = catalog.begin(Access::Read).await?.all_contents().await?;
            copied.add(&contents, copy_contents(&source, blobs, contents.clone(), &mut |_, _| {}).await?);
            copy_records_with(&catalog, database, Some(epoch), &mut |_, _| {}).await?;
            catalog.close().await;
        }
    }
    Ok(copied)
}

/// A copy of a backup's catalog, removed when dropped.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

/// Nobody else may look into it: it holds what proves people and devices.
fn copy_aside(from: &Path, to: PathBuf) -> Result<Aside, KeepError> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(&to);
    let mut file = file.map_err(KeepError::at("make", &to))?;
    let copy = Aside(to);
    File::open(catalog_file(from))
        .and_then(|mut catalog| io::copy(&mut catalog, &mut file))
        .map_err(KeepError::at("write", &copy.0))?;
    Ok(copy)
}

fn marker_file(folder: &Path) -> PathBuf {
    folder.join("backup.json")
}

fn read_marker(from: &Path) -> Result<Marker, KeepError> {
    let path = marker_file(from);
    let unfit = |why: String| {
        KeepError::new(format!(
            "`{}` is no whole backup: `{}`: {why}; help: name a folder that `retrosync-server backup` has finished",
            from.display(),
            path.display()
        ))
    };
    let text = fs::read(&path).map_err(|why| unfit(why.to_string()))?;
    let marker: Marker = serde_json::from_slice(&text).map_err(|why| unfit(why.to_string()))?;
    if marker.retrosync_backup != 1 {
        let form = marker.retrosync_backup;
        return Err(unfit(format!("it is of form {form}, this server knows 1")));
    }
    refuse_served(from)?;
    Ok(marker)
}

/// A backup's catalog is one file. Beside it lies what a server wrote that was started on it: the file alone would lack that.
fn refuse_served(from: &Path) -> Result<(), KeepError> {
    let beside = from.join("catalog.sqlite-wal");
    match fs::metadata(&beside) {
        Ok(found) if found.len() > 0 => Err(KeepError::new(format!(
            "`{}` holds what was written after the backup: a server was started on it; help: make a backup of that server instead",
            beside.display()
        ))),
        Ok(_) => Ok(()),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(KeepError::at("look at", &beside)(why)),
    }
}

/// Makes a folder, if there is none, that only its owner can look into: it will hold what proves people and devices.
///
/// # Errors
/// When it cannot be made.
pub fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the folder, or accepts it if it holds nothing.
///
/// # Errors
/// When it holds anything, or cannot be made.
pub fn make_empty(folder: &Path) -> Result<(), KeepError> {
    make_private(folder).map_err(KeepError::at("make", folder))?;
    let mut entries = fs::read_dir(folder).map_err(KeepError::at("read", folder))?;
    if entries.next().is_some() {
        return Err(KeepError::new(format!(
            "`{}` is not empty; name a new folder, nothing is overwritten",
            folder.display()
        )));
    }
    Ok(())
}

/// The key of a certificate that the server made itself, if there is one: without it a restored server is a stranger to every
/// device that pinned it.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy_own_key(from: &Path, to: &Path) -> Result<(), KeepError> {
    let (from, to) = (from.join(OWN_FOLDER), to.join(OWN_FOLDER));
    if !from.exists() {
        return Ok(());
    }
    make_private(&to).map_err(KeepError::at("make", &to))?;
    for entry in fs::read_dir(&from).map_err(KeepError::at("read", &from))? {
        let entry = entry.map_err(KeepError::at("read", &from))?;
        let copy = to.join(entry.file_name());
        fs::copy(entry.path(), &copy).map_err(KeepError::at("copy to", &copy))?;
    }
    Ok(())
}

/// Everything on the file system of this folder is durable when it answers.
fn sync_file_system(folder: &Path) -> Result<(), KeepError> {
    let sync = || rustix::fs::syncfs(File::open(folder)?).map_err(io::Error::from);
    sync().map_err(KeepError::at("sync", folder))
}
