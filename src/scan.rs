//! Save folders to [`Local`], and the problems met on the way.
//!
//! Keeps nothing of a file but its stamp and digest. A file is hashed only if its stamp is neither the base's nor the
//! one of its last reading, if an event named it, or in a full sweep. The read is stable: open, stamp, read, stamp by
//! descriptor and by path again; any difference leaves the save out until it has settled. What cannot be read is
//! *unread*, never absent. Never writes.

mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use litemap::LiteMap;
use retrosync_protocol::{Content, Kind as SaveKind, SaveId, VersionId};

use crate::error::{Error, Kind, Problem};
use crate::formats::{self, set::MOST_TREE_BYTES};
use crate::naming::{Identified, Naming, OPAQUE_MOST_BYTES, SaveFolder};
use crate::root::STATE_FOLDER;
use crate::set::Set;
use crate::snapshot::{Base, BaseEntry, Doubt, Listing, Local, LocalSave, Place, RootState, Stamp};
use crate::volume::{EntryKind, Volume};
use crate::whole;
use names::Names;

/// Why what is neither a file nor a folder is not synced.
pub const LINK: &str = "it is a link, which is not followed";

/// How much is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Files whose stamp changed.
    Stamps,
    /// Every file: finds what stamps hide.
    Full,
}

/// What to scan, and what is known already.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Each root's folder and state, by number.
    pub roots: &'a [(PathBuf, RootState)],
    /// Which file is which save.
    pub naming: &'a Naming,
    /// What both sides agreed on, with the stamps of then.
    pub base: &'a Base,
    /// What the remote has: its saves that are absent here get a home, if their game is here.
    pub listing: &'a Listing,
    /// How much is read again.
    pub sweep: Sweep,
    /// Files that events named, and when: read again whatever their stamp says.
    pub named: &'a LiteMap<Place, (u64, u64)>,
}

/// What a scan found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The saves.
    pub local: Local,
    /// Files and folders that could not be read, saves that lie in two places.
    pub problems: Vec<Problem>,
    /// Files in save folders that may be saves and are not synced, and why.
    pub left_out: Vec<(Place, String)>,
    /// Saves that were changing while they were read.
    pub changing: Set<SaveId>,
    /// Something could not be read: what was played there waits for the next look.
    pub failing: bool,
    /// How many files were read.
    pub read: usize,
    /// Of the unread: how many are no saves, and are left out for as long as they lie there.
    pub foreign: usize,
}

impl Found {
    /// What lies in a save's place is none, and says why: nothing is put there, and nothing waits for it.
    fn is_foreign(&mut self, save: SaveId, place: Place, why: String) {
        self.foreign += usize::from(self.local.unread.insert(save));
        self.left_out.push((place, why));
    }
}

/// Scans again and again, with one naming, and remembers what it read.
pub struct Scanner {
    volume: Arc<dyn Volume>,
    seen: LiteMap<Place, Seen>,
    names: Names,
}

/// A file as it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    stamp: Stamp,
    content: Content,
    doubt: Option<Doubt>,
    /// The base's version then. Once another is agreed on, an equal stamp is chance: clocks go back.
    over: Option<VersionId>,
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seen.fmt(f)
    }
}

impl Scanner {
    /// A scanner that has seen nothing yet.
    pub fn new(volume: Arc<dyn Volume>) -> Scanner {
        Scanner { volume, seen: LiteMap::new(), names: Names::default() }
    }

    /// Looks at all roots that are online.
    pub fn scan(&mut self, request: Request<'_>) -> Found {
        let mut found = Found::default();
        found.local.roots = request.roots.iter().map(|(_, state)| Some(state.clone())).collect();
        self.unread_roots(&request, &mut found);
        let files = self.files(&request, &mut found);
        let here: LiteMap<&Place, ()> = files.values().flatten().map(|(place, _)| (place, ())).collect();
        self.seen.retain(|place, _| here.contains_key(place));
        for (save, places) in &files {
            if let Some((place, stamp)) = choose(save, places, &request, &mut found) {
                self.save(&request, save, place, *stamp, &mut found);
            }
        }
        let Local { saves, unread, homes, .. } = &mut found.local;
        let absent =
            request.listing.saves.keys().filter(|save| !saves.contains_key(save) && !unread.contains(save));
        homes.extend(absent.filter_map(|save| Some((save.clone(), self.names.home(save, request.naming)?))));
        found
    }

    /// What lies on a card that is not there is not absent: it is unknown.
    fn unread_roots(&self, request: &Request<'_>, found: &mut Found) {
        for (save, entry) in &request.base.saves {
            if entry.content.is_some() && !found.local.is_online(entry.place.root) {
                found.local.unread.insert(save.clone());
            }
        }
    }

    /// All files that are saves, by save; usually one each.
    fn files(&mut self, request: &Request<'_>, found: &mut Found) -> BTreeMap<SaveId, Vec<(Place, Stamp)>> {
        let mut files: BTreeMap<SaveId, Vec<(Place, Stamp)>> = BTreeMap::new();
        self.names.begin(request.naming);
        let folders = std::mem::take(&mut self.names.folders);
        for folder in &folders {
            let root = folder.place.root;
            if let (Some((dir, _)), true) = (request.roots.get(root), found.local.is_online(root)) {
                let (volume, names, files) = (&*self.volume, &mut self.names, &mut files);
                Visit { volume, dir, request, names, files, found }.folder(folder);
            }
        }
        self.names.folders = folders;
        self.names.end();
        files
    }

    /// Reads one save, or knows it by its stamp.
    fn save(&mut self, request: &Request<'_>, save: &SaveId, place: &Place, stamp: Stamp, found: &mut Found) {
        let entry = request.base.saves.get(save).filter(|entry| entry.place == *place);
        let over = entry.map(|entry| entry.version);
        let again = request.sweep == Sweep::Full || request.named.contains_key(place);
        let agreed = match entry {
            Some(BaseEntry { stamp: then, content: Some(content), .. }) if *then == stamp => {
                Some(Seen { stamp, content: *content, doubt: None, over })
            }
            _ => None,
        };
        let seen = self.seen.get(place).copied().filter(|seen| seen.stamp == stamp && seen.over == over);
        let known = match (agreed, seen) {
            // Two writes within one grain of the card's clock have one stamp: only the bytes can tell.
            (Some(agreed), Some(seen)) if agreed.content != seen.content => None,
            (agreed, seen) => agreed.or(seen),
        };
        let seen = match known.filter(|_| !again) {
            Some(seen) => seen,
            None => {
                found.read += 1;
                match self.read(request, save, place) {
                    Ok(Some(seen)) => seen,
                    Ok(None) => {
                        found.changing.insert(save.clone());
                        found.local.unread.insert(save.clone());
                        return;
                    }
                    // What lies there is no save, and its card is well.
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        found.is_foreign(save.clone(), place.clone(), error.to_string());
                        return;
                    }
                    Err(error) => {
                        let error = Error::io(format!("cannot read `{}`", place.path), &error)
                            .help("the card may be failing; nothing was changed. run `retrosync doctor`");
                        found.problems.push(Problem::of(save, error));
                        found.failing = true;
                        found.local.unread.insert(save.clone());
                        return;
                    }
                }
            }
        };
        let stamp = self.remember(place, seen, entry);
        let (content, doubt) = (seen.content, seen.doubt);
        found.local.saves.insert(save.clone(), LocalSave { place: place.clone(), stamp, content, doubt });
    }

    /// Keeps what the base does not say already. FAT draws inodes anew at each mount: the same bytes under another inode
    /// are told with the base's stamp, so that a boot writes nothing.
    fn remember(&mut self, place: &Place, seen: Seen, entry: Option<&BaseEntry>) -> Stamp {
        let agreed = entry.filter(|entry| entry.content == Some(seen.content)).map(|entry| entry.stamp);
        if agreed == Some(seen.stamp) {
            self.seen.remove(place);
        } else {
            self.seen.insert(place.clone(), Seen { over: entry.map(|entry| entry.version), ..seen });
        }
        agreed.filter(|then| alike(then, &seen.stamp)).unwrap_or(seen.stamp)
    }

    /// The stable read; `None`: it changed meanwhile.
    fn read(&self, request: &Request<'_>, save: &SaveId, place: &Place) -> io::Result<Option<Seen>> {
        let Some((dir, _)) = request.roots.get(place.root) else { return Ok(None) };
        match read_stably(&*self.volume, &place.path.under(dir), save) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ResourceBusy) => {
                Ok(None)
            }
            read => read,
        }
    }
}

/// Equal but for the inode.
pub fn alike(one: &Stamp, other: &Stamp) -> bool {
    Stamp { inode: 0, ..*one } == Stamp { inode: 0, ..*other }
}

fn read_stably(volume: &dyn Volume, path: &Path, save: &SaveId) -> io::Result<Option<Seen>> {
    let mut file = whole::open(volume, path)?;
    let stamp = file.stamp()?;
    let (content, doubt) = formats::inspect(save, &mut file)?;
    let stood = file.stamp()? == stamp && whole::stamp(volume, path)? == stamp;
    Ok(stood.then_some(Seen { stamp, content, doubt, over: None }))
}

/// Which of several files with one name is the save: the one that was synced so far, else the one in the save's home. Where the
/// player chooses how saves are called, it is the one that is called so now.
fn choose<'a>(
    save: &SaveId,
    places: &'a [(Place, Stamp)],
    request: &Request<'_>,
    found: &mut Found,
) -> Option<&'a (Place, Stamp)> {
    if let [one] = places {
        return Some(one);
    }
    let is_at = |wanted: Option<&Place>| places.iter().find(|(place, _)| Some(place) == wanted);
    let base = request.base.saves.get(save).map(|entry| &entry.place);
    let home = request.naming.home(save);
    let renamed = home.as_ref().filter(|_| request.naming.names_are_chosen());
    let chosen = is_at(renamed).or_else(|| is_at(base)).or_else(|| is_at(home.as_ref()));
    let names: Vec<String> = places.iter().map(|(place, _)| format!("`{}`", place.path)).collect();
    match chosen {
        Some((kept, _)) => {
            found.left_out.extend(places.iter().filter(|(place, _)| place != kept).map(|(place, _)| {
                (place.clone(), format!("`{}` is the same save and is the one in use", kept.path))
            }))
        }
        None => {
            let error = Error::new(
                Kind::Damaged,
                format!("cannot tell which file is {save}"),
                names.join(", "),
            )
            .help("move all but one of them out of the save folders; none of them is touched until then");
            found.problems.push(Problem::of(save, error));
            found.local.unread.insert(save.clone());
        }
    }
    chosen
}

/// One walk through a save folder.
struct Visit<'a, 'b> {
    volume: &'a dyn Volume,
    dir: &'a Path,
    request: &'a Request<'b>,
    names: &'a mut Names,
    files: &'a mut BTreeMap<SaveId, Vec<(Place, Stamp)>>,
    found: &'a mut Found,
}

impl Visit<'_, '_> {
    fn folder(&mut self, folder: &SaveFolder) {
        let path = folder.place.path.under(self.dir);
        let entries = match self.volume.list(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(&folder.place, &error),
        };
        for entry in entries {
            let Some(below) = entry.name.to_str().and_then(|name| folder.place.path.inside(name)) else {
                let name = entry.name.to_string_lossy().into_owned();
                self.found.left_out.push((folder.place.clone(), format!("`{name}` is not a name in UTF-8")));
                continue;
            };
            let place = Place { root: folder.place.root, path: below };
            match entry.kind {
                // `*` stands for several files, which no file may seem to be.
                EntryKind::File if !place.path.name().ends_with('*') => {
                    let place = self.request.naming.set_of_file(&place).unwrap_or(place);
                    self.once(place);
                }
                EntryKind::Folder if let Some(whole) = self.request.naming.set_of_folder(&place) => {
                    self.once(whole);
                }
                EntryKind::Folder if folder.depth > 0 && place.path.name() != STATE_FOLDER => {
                    self.folder(&SaveFolder { place, depth: folder.depth - 1, grouped: 0 });
                }
                EntryKind::Other => {
                    self.found.left_out.push((place, LINK.to_owned()));
                }
                _ => {}
            }
        }
    }

    /// One save folder may lie in another, and a save may be several files; each counts once.
    fn once(&mut self, place: Place) {
        if let Some(is) = self.names.meet(&place, self.request.naming) {
            self.file(place, is);
        }
    }

    fn file(&mut self, place: Place, is: Identified) {
        match is {
            Identified::Save(save) => match whole::stamp(self.volume, &place.path.under(self.dir)) {
                Ok(stamp) if save.kind() == SaveKind::File && stamp.size_bytes > OPAQUE_MOST_BYTES => {
                    let why = format!(
                        "it is {} bytes, and only small files are kept by their path",
                        stamp.size_bytes
                    );
                    self.found.is_foreign(save, place, why);
                }
                Ok(stamp) if save.kind() == SaveKind::Tree && stamp.size_bytes > MOST_TREE_BYTES => {
                    let why = "it has more than 32 MiB: no save is that large";
                    self.found.is_foreign(save, place, why.into());
                }
                Ok(stamp) => self.files.entry(save).or_default().push((place, stamp)),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.found.is_foreign(save, place, error.to_string());
                }
                // An empty folder that nobody knows as a save is none.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.is_known(&save) => {}
                Err(error) => {
                    self.found.local.unread.insert(save.clone());
                    if error.kind() == io::ErrorKind::NotFound {
                        self.found.changing.insert(save);
                    } else {
                        let error = Error::io(format!("cannot look at `{}`", place.path), &error);
                        self.found.problems.push(Problem::of(&save, error));
                        self.found.failing = true;
                    }
                }
            },
            Identified::Ignored(_) => {}
            Identified::Unknown(reason) => self.found.left_out.push((place, reason)),
        }
    }

    fn is_known(&self, save: &SaveId) -> bool {
        save.kind() != SaveKind::Tree
            || self.request.base.saves.contains_key(save)
            || self.request.listing.saves.contains_key(save)
    }

    /// Unread is not absent: whatever the base knows below it is left out of the plan.
    fn unreadable(&mut self, folder: &Place, error: &io::Error) {
        let error = Error::io(format!("cannot read save folder `{}`", folder.path), error)
            .help("the card may be failing; nothing was changed. run `retrosync doctor`");
        self.found.problems.push(error.into());
        self.found.failing = true;
        let inside = format!("{}/", folder.path);
        for (save, entry) in &self.request.base.saves {
            if entry.place.root == folder.root && entry.place.path.as_str().starts_with(&inside) {
                self.found.local.unread.insert(save.clone());
            }
        }
        // Nothing is put into a folder that cannot be read: its files may be there.
        let listed = self.request.listing.saves.keys();
        let homes = listed.filter(|save| {
            self.request
                .naming
                .home(save)
                .is_some_and(|home| home.root == folder.root && home.path.as_str().starts_with(&inside))
        });
        self.found.local.unread.extend(homes.cloned());
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
