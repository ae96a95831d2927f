//! `retrosync-server backup` and `restore`: a data directory of SQLite and a folder, copied whole.
//!
//! A backup is the catalog as of one moment, and then every blob: what that catalog names was durable before it was named (promise
//! 5) and nothing is removed while a server runs, so the copy is whole. `backup.json` is written last; without it a folder is
//! no backup. A restored server has another epoch: devices then take nothing for agreed, and offer again what the backup lacks.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use retrosync_protocol::Epoch;
use serde::{Deserialize, Serialize};

use super::{KeepError, blobs_folder, catalog_file};
use crate::catalog::sqlite::SqliteCatalog;
use crate::catalog::{Access, Catalog};
use crate::tls::OWN_FOLDER;

/// The last file of a backup: that it is whole, and of what.
#[derive(Serialize, Deserialize)]
struct Marker {
    retrosync_backup: u32,
    epoch: Epoch,
}

/// Copies a data directory (also of a running server) into the folder `to`, which must be new or empty.
///
/// # Errors
/// When `to` holds anything, or something cannot be read or written.
pub async fn backup(catalog: &dyn Catalog, data: &Path, to: &Path) -> Result<(), KeepError> {
    make_empty(to)?;
    let copy = catalog_file(to);
    if !catalog.copy_to(&copy).await? {
        return Err(KeepError::new("this catalog has backup tools of its own; use those"));
    }
    let epoch = catalog.begin(Access::Read).await?.epoch().await?;
    copy_blobs(blobs_folder(data), blobs_folder(to)).await?;
    copy_own_key(data, to)?;
    sync_file_system(to)?;
    // Only now, when everything is durable, it is called a backup.
    let marker = serde_json::to_vec(&Marker { retrosync_backup: 1, epoch })
        .map_err(|why| KeepError::new(why.to_string()))?;
    let path = marker_file(to);
    fs::write(&path, marker).map_err(KeepError::at("write", &path))?;
    sync_file_system(to)
}

/// Puts a backup in the place of an empty or missing data directory, and draws a new epoch. Only while no server runs there.
///
/// # Errors
/// When `data` holds anything, `from` is no whole backup, or something cannot be read or written.
pub async fn restore(from: &Path, data: &Path) -> Result<(), KeepError> {
    let marker = read_marker(from)?;
    make_empty(data)?;
    copy_blobs(blobs_folder(from), blobs_folder(data)).await?;
    copy_own_key(from, data)?;
    // Under another name until it has its new epoch: a catalog of the old one must never be served.
    let unfinished = data.join("catalog.restoring");
    fs::copy(catalog_file(from), &unfinished).map_err(KeepError::at("write", &unfinished))?;
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|why| KeepError::new(format!("cannot draw an epoch: {why}")))?;
    let catalog = SqliteCatalog::open(&unfinished, &marker.epoch).await?;
    let mut tx = catalog.begin(Access::Write).await?;
    tx.set_epoch(&Epoch::from_random(&bytes)).await?;
    tx.commit().await?;
    catalog.close().await;
    sync_file_system(data)?;
    let path = catalog_file(data);
    fs::rename(&unfinished, &path).map_err(KeepError::at("write", &path))?;
    sync_file_system(data)
}

fn marker_file(folder: &Path) -> PathBuf {
    folder.join("backup.json")
}

fn read_marker(from: &Path) -> Result<Marker, KeepError> {
    let path = marker_file(from);
    let unfit = |why: String| {
        KeepError::new(format!("`{}` is no whole backup: `{}`: {why}", from.display(), path.display()))
    };
    let text = fs::read(&path).map_err(|why| unfit(why.to_string()))?;
    let marker: Marker = serde_json::from_slice(&text).map_err(|why| unfit(why.to_string()))?;
    match marker.retrosync_backup {
        1 => Ok(marker),
        other => Err(unfit(format!("it is of form {other}, this server knows 1"))),
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
fn make_empty(folder: &Path) -> Result<(), KeepError> {
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
fn copy_own_key(from: &Path, to: &Path) -> Result<(), KeepError> {
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

async fn copy_blobs(from: PathBuf, to: PathBuf) -> Result<(), KeepError> {
    let copied = tokio::task::spawn_blocking(move || copy_contents(&from, &to)).await;
    copied.map_err(|why| KeepError::new(why.to_string()))?
}

/// Copies the folders of contents; what is still coming in stays behind.
fn copy_contents(from: &Path, to: &Path) -> Result<(), KeepError> {
    for first in 0..=255_u8 {
        let (from, to) = (from.join(format!("{first:02x}")), to.join(format!("{first:02x}")));
        fs::create_dir_all(&to).map_err(KeepError::at("make", &to))?;
        let entries = fs::read_dir(&from).map_err(KeepError::at("read", &from))?;
        for entry in entries {
            let entry = entry.map_err(KeepError::at("read", &from))?;
            let copy = to.join(entry.file_name());
            fs::copy(entry.path(), &copy).map_err(KeepError::at("copy to", &copy))?;
        }
    }
    Ok(())
}

/// Everything on the file system of this folder is durable when it answers.
fn sync_file_system(folder: &Path) -> Result<(), KeepError> {
    let sync = || rustix::fs::syncfs(File::open(folder)?).map_err(io::Error::from);
    sync().map_err(KeepError::at("sync", folder))
}
