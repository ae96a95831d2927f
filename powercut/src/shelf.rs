//! The store of a server that keeps no histories: as `Retrosync` keeps it on the card, played, and judged after a cut.
//!
//! It goes past the volume, so it is copied off the card that is looked at, and opened there by the daemon's own code: what was
//! said to be kept is listed and given, no record is there without its bytes, and what was on its way can be kept again.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use retrosync::durable::make_folder;
use retrosync::error::Error;
use retrosync::remote::{Folder, Remote, RemoteSettings};
use retrosync::volume::{EntryKind, Os, Volume};
use retrosync_protocol::{ChangesRequest, Content, StoreResult, Version, WriterId};

use crate::others::{below, read};
use crate::saves::{bytes, content, save};
use crate::story::ROOT;

const DIR: &str = ".retrosync/retrosync-0123456789abcdef";

/// A file of ours that nothing reads or removes again may share its clusters.
pub(crate) fn is_never_touched(path: &Path) -> bool {
    path.starts_with(below(DIR)) && path.extension().is_some_and(|end| end == "tmp")
}

/// The versions of one save, each after the one before.
fn versions(count: usize) -> Vec<(Version, Vec<u8>)> {
    let mut all: Vec<(Version, Vec<u8>)> = Vec::new();
    for number in 0..count {
        let bytes = bytes(90, number as u64, [700, 5000, 12_000][number % 3]);
        let version = Version {
            save: save(0).0,
            content: Some(content(&bytes)),
            parents: all.last().map(|(before, _)| before.id()).into_iter().collect(),
            writer: WriterId::from_random(&[3; 16]),
            sequence: number as u64 + 1,
            played: None,
            suspect: false,
            client: "RetroSync".into(),
            profile: String::new(),
            core: None,
            note: Some(format!("{number}")),
        };
        all.push((version, bytes));
    }
    all
}

/// The store in `dir`, made where there is none: as `Retrosync` does.
fn open(dir: &Path) -> Result<Folder, Error> {
    let settings = RemoteSettings { device_name: "a server".into(), ..RemoteSettings::default() };
    Folder::open(dir, &settings).or_else(|_| {
        if dir.parent().is_some_and(Path::is_dir) {
            make_folder(&Os, dir).map_err(|error| Error::io("cannot make it", &error))?;
        }
        Folder::create(dir)?;
        Folder::open(dir, &settings)
    })
}

/// Keeps the version of this number on the card.
///
/// # Errors
/// What the daemon's code said.
pub(crate) fn keep(number: usize) -> Result<(), String> {
    put(&below(DIR), number)
}

fn put(dir: &Path, number: usize) -> Result<(), String> {
    let all = versions(number + 1);
    let Some((version, bytes)) = all.last() else { return Ok(()) };
    let source = |_: &Version| -> Result<Box<dyn Read + '_>, Error> { Ok(Box::new(&**bytes)) };
    let mut shelf = open(dir).map_err(|error| error.to_string())?;
    match shelf.store(std::slice::from_ref(version), &source).map_err(|error| error.to_string())?.first() {
        Some(StoreResult::Head { .. }) => Ok(()),
        other => Err(format!("a version is not the head that it should be: {other:?}")),
    }
}

/// A folder that goes when it is dropped.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The store, copied off the card: what it shows, and that it takes what was on its way.
///
/// # Errors
/// What is lost, in plain words.
pub(crate) fn judge(volume: &dyn Volume, acked: usize, begun: usize) -> Result<(), String> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let memory = Path::new("/dev/shm");
    let aside = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let aside = Aside(aside.join(format!("powercut-shelf-{}-{number}", std::process::id())));
    let dir = aside.0.join("shelf");
    fs::create_dir_all(&aside.0).map_err(|error| error.to_string())?;
    if volume.list(&below(DIR)).is_ok() {
        copy_off(volume, &below(DIR), &dir)?;
    }
    let settings = RemoteSettings::default();
    match Folder::open(&dir, &settings) {
        Ok(mut shelf) => drop(look(&mut shelf, acked, begun)?),
        Err(_) if acked == 0 => {}
        Err(error) => return Err(format!("the store on the card is gone: {error}")),
    }
    for number in acked..begun {
        put(&dir, number)?;
    }
    let again = Folder::open(&dir, &settings)
        .map_err(|error| error.to_string())
        .and_then(|mut shelf| look(&mut shelf, acked, begun))?;
    if again == begun { Ok(()) } else { Err(format!("the store shows {again} versions of {begun}")) }
}

/// How many versions it shows and gives, of at least those and at most these.
fn look(shelf: &mut Folder, acked: usize, begun: usize) -> Result<usize, String> {
    let told = |error: Error| format!("the store on the card: {error}");
    let request = ChangesRequest::default();
    let saves = shelf.list(&request).map_err(told)?.saves;
    let heads: Vec<_> = saves.iter().flat_map(|save| &save.heads).collect();
    let all = versions(begun);
    let Some(newest) = (acked..=begun).rev().find(|count| match (heads.as_slice(), count.checked_sub(1)) {
        ([], None) => true,
        ([head], Some(last)) => head.version == all[last].0.id(),
        _ => false,
    }) else {
        return Err(format!("the store shows {} heads, none of version {acked} or {begun}", heads.len()));
    };
    let wanted: Vec<Content> = all[..newest].iter().filter_map(|(version, _)| version.content).collect();
    let failed = shelf.fetch(&wanted, &mut |_, bytes| {
        io::copy(bytes, &mut io::sink()).map(drop).map_err(|error| Error::io("cannot read a version", &error))
    });
    // A record never outlives a cut that took its bytes (promise 5).
    match failed.map_err(told)?.into_iter().next() {
        Some((_, error)) => Err(told(error)),
        None => Ok(newest),
    }
}

/// Copies a folder off a card. What the store reads must be readable; of what is on its way nothing is asked.
fn copy_off(volume: &dyn Volume, from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("`{}` cannot be read: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in volume.list(from).map_err(failed)? {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        if entry.kind == EntryKind::Folder {
            copy_off(volume, &from, &to)?;
            continue;
        }
        let name = entry.name.to_string_lossy();
        if is_never_touched(&from) || name.contains('~') {
            continue;
        }
        let shown = from.strip_prefix(ROOT).unwrap_or(&from).to_string_lossy().into_owned();
        fs::write(&to, read(volume, &shown)?.unwrap_or_default()).map_err(|error| error.to_string())?;
    }
    Ok(())
}
