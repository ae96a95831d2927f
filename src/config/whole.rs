//! The user's file replaced so that a power cut leaves the old text or the new one, on FAT too.
//!
//! ```text
//! retrosync.toml.changing   one sealed line: the old text and the new one; durable before
//! retrosync.toml       is written in place, never to fewer clusters; durable before
//! retrosync.toml.changing   is removed
//! ```
//!
//! A rename keeps a file whole on FAT at best (`boot/replace.rs`), on exFAT not even that. While the sealed line is there the
//! file may be a mix of both texts, or gone: then the new one counts, for whoever reads. A file that is neither was written by
//! a person since, and is never touched. Knows nothing of keys: `is_ours` says what can be read.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::durable::{Log, Order, remove, unseal};
use crate::volume::Volume;

/// FAT gives room in clusters of so many bytes at least.
const SECTOR: usize = 512;

/// The text as it was meant, where `here` is what the file says.
///
/// # Errors
/// When the file could not be read, and nothing is sealed beside it.
pub fn meant(
    volume: &dyn Volume,
    path: &Path,
    here: io::Result<String>,
    is_ours: &dyn Fn(&str) -> bool,
) -> io::Result<String> {
    match sealed(volume, path) {
        Some((old, new)) if is_between(&here, &old, &new, is_ours) => Ok(new),
        _ => here,
    }
}

/// Finishes what a power cut broke off; does nothing where nothing was.
///
/// # Errors
/// When the card cannot. Then the sealed line stands, and [`read`] answers the same.
pub fn settle(volume: &Arc<dyn Volume>, path: &Path, is_ours: &dyn Fn(&str) -> bool) -> io::Result<()> {
    let Some((old, new)) = sealed(&**volume, path) else { return remove(&**volume, &beside(path)) };
    if is_between(&text_of(&**volume, path), &old, &new, is_ours) {
        put(&**volume, path, &new)?;
    }
    remove(&**volume, &beside(path))
}

/// Replaces the text, which was `old`, by another one; durable when it returns.
///
/// # Errors
/// When the card cannot take it. What is read then is the old text or the new one.
pub fn write(volume: &Arc<dyn Volume>, path: &Path, old: &str, new: &str) -> io::Result<()> {
    let mut log = Log::restart(volume, &beside(path), Order::Loose, 0)?;
    log.append(&[old, new])?;
    log.sync()?;
    put(&**volume, path, new)?;
    remove(&**volume, &beside(path))
}

/// `retrosync.toml.changing`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".changing");
    name.into()
}

fn text_of(volume: &dyn Volume, path: &Path) -> io::Result<String> {
    let mut text = String::new();
    volume.open(path)?.read_to_string(&mut text).map(|_| text)
}

/// The old text and the new one, if they are whole.
fn sealed(volume: &dyn Volume, path: &Path) -> Option<(String, String)> {
    let text = text_of(volume, &beside(path)).ok()?;
    let ([old, new], _) = unseal::<[String; 2]>(0, text.lines().next()?.as_bytes())?;
    Some((old, new))
}

/// Is this what a cut may leave on the way from one text to the other? What a person wrote is not.
fn is_between(here: &io::Result<String>, old: &str, new: &str, is_ours: &dyn Fn(&str) -> bool) -> bool {
    // It cannot be read, or its entry is gone: exFAT writes an entry's parts in several sectors.
    let Ok(here) = here else { return true };
    let new = padded(old.len(), new);
    let of = |text: &str, at: usize| text.as_bytes().get(at).copied().unwrap_or(0);
    let mixes = |(at, byte): (usize, u8)| byte == of(old, at) || byte == of(&new, at);
    let fits = [old.len(), new.len()].contains(&here.len());
    (fits && here.bytes().enumerate().all(mixes)) || !is_ours(here)
}

/// The text with blanks behind it where the file would lose a cluster: then its entry and the table would have to change
/// together, which a cut can part.
fn padded(old_bytes: usize, new: &str) -> String {
    let sectors = old_bytes.div_ceil(SECTOR);
    let least = if new.len().div_ceil(SECTOR) < sectors { (sectors - 1) * SECTOR + 1 } else { 0 };
    let mut text = new.to_owned();
    while text.len() < least {
        text.push(' ');
    }
    text
}

/// Writes the file in place, or makes it.
fn put(volume: &dyn Volume, path: &Path, new: &str) -> io::Result<()> {
    let mut file = match volume.open_write(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => volume.create_new(path)?,
        file => file?,
    };
    let old_bytes = file.stamp()?.size_bytes as usize;
    let text = padded(old_bytes, new);
    let grows = text.len().div_ceil(SECTOR) > old_bytes.div_ceil(SECTOR);
    if grows && old_bytes > 0 {
        // A cut may have left clusters that its entry does not speak of: growing over them hurts a card.
        file.set_len(old_bytes as u64)?;
    }
    file.write_all_at(text.as_bytes(), 0)?;
    if text.len() < old_bytes {
        file.set_len(text.len() as u64)?;
    }
    if grows {
        // The table before the entry.
        volume.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    }
    file.sync()
}
