//! Short sequences of calls, played alike on real vfat and on the model of it: what the two are held against each other by.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use retrosync::volume::{Volume, VolumeFile};

use crate::image::SECTOR;
use crate::story::ROOT;

/// A name: short, short, long, long; then two in another folder, and one in a folder that is yet to be made.
pub(crate) const NAMES: [&str; 7] = [
    "Saves/ONE.SRM",
    "Saves/TWO.SRM",
    "Saves/A Long Name of a Game (Europe).srm",
    "Saves/Other Long Name (USA).srm",
    "Aside/00000001",
    "Aside/00000002",
    "Saves/New/ONE.SRM",
];

/// One call. Files are known by numbers of [`NAMES`]; an open one by the name under which it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A new file.
    Make(usize),
    /// One that is there.
    Open(usize),
    /// So many sectors of this mark, from this sector on.
    Write(usize, u64, usize, u8),
    /// To so many sectors.
    Shorten(usize, u64),
    /// `fsync` of the file.
    Sync(usize),
    /// Lets go of it.
    Close(usize),
    /// From name to name.
    Rename(usize, usize),
    /// The name goes.
    Remove(usize),
    /// `fsync` of the folder of this name.
    SyncFolder(usize),
    /// The folder of this name.
    MakeFolder(usize),
}

/// A sequence.
pub(crate) struct Sequence {
    /// What it is.
    pub(crate) name: &'static str,
    /// Files that are there and durable: name, sectors, mark.
    pub(crate) begins: Vec<(usize, usize, u8)>,
    /// In this order.
    pub(crate) calls: Vec<Call>,
}

/// Where a name is.
pub(crate) fn path(name: usize) -> PathBuf {
    Path::new(ROOT).join(NAMES[name])
}

fn folder(name: usize) -> PathBuf {
    path(name).parent().unwrap_or(Path::new(ROOT)).to_owned()
}

/// Open files, by the name under which each was opened.
#[derive(Default)]
pub(crate) struct Hands(BTreeMap<usize, Box<dyn VolumeFile>>);

impl Hands {
    /// Makes one call.
    ///
    /// # Errors
    /// What the call said.
    pub(crate) fn make(&mut self, volume: &dyn Volume, call: Call) -> io::Result<()> {
        let held =
            |files: &mut Hands, name: usize, act: &mut dyn FnMut(&mut dyn VolumeFile) -> io::Result<()>| {
                files
                    .0
                    .get_mut(&name)
                    .map_or_else(|| Err(io::ErrorKind::InvalidInput.into()), |file| act(&mut **file))
            };
        match call {
            Call::Make(name) => drop(self.0.insert(name, volume.create_new(&path(name))?)),
            Call::Open(name) => drop(self.0.insert(name, volume.open_write(&path(name))?)),
            Call::Write(name, from, count, mark) => {
                let bytes = vec![mark; count * SECTOR];
                held(self, name, &mut |file| file.write_all_at(&bytes, from * SECTOR as u64))?;
            }
            Call::Shorten(name, sectors) => {
                held(self, name, &mut |file| file.set_len(sectors * SECTOR as u64))?;
            }
            Call::Sync(name) => held(self, name, &mut |file| file.sync())?,
            Call::Close(name) => drop(self.0.remove(&name)),
            Call::Rename(from, to) => volume.rename(&path(from), &path(to))?,
            Call::Remove(name) => volume.remove(&path(name))?,
            Call::SyncFolder(name) => volume.sync_folder(&folder(name))?,
            Call::MakeFolder(name) => volume.create_folder(&folder(name))?,
        }
        Ok(())
    }
}

/// All sequences.
pub(crate) fn sequences() -> Vec<Sequence> {
    use Call::{Close, Make, MakeFolder, Open, Remove, Rename, Shorten, Sync, SyncFolder, Write};
    const SHORT: usize = 0;
    const SHORT_TOO: usize = 1;
    const LONG: usize = 2;
    const LONG_TOO: usize = 3;
    const ASIDE: usize = 4;
    const ASIDE_TOO: usize = 5;
    const DEEP: usize = 6;
    let sequence = |name, begins: &[(usize, usize, u8)], calls: &[Call]| Sequence {
        name,
        begins: begins.to_vec(),
        calls: calls.to_vec(),
    };
    vec![
        sequence(
            "the textbook's replacement",
            &[(SHORT, 2, 1)],
            &[
                Make(SHORT_TOO),
                Write(SHORT_TOO, 0, 2, 2),
                Sync(SHORT_TOO),
                Rename(SHORT_TOO, SHORT),
                SyncFolder(SHORT),
            ],
        ),
        sequence(
            "a file that is made and synced before its folder",
            &[],
            &[Make(SHORT), Write(SHORT, 0, 2, 1), Sync(SHORT), SyncFolder(SHORT)],
        ),
        sequence(
            "a file that is made, its folder synced before it",
            &[],
            &[Make(LONG), Write(LONG, 0, 2, 1), SyncFolder(LONG), Sync(LONG)],
        ),
        sequence(
            "a file that grows",
            &[(SHORT, 1, 1)],
            &[
                Open(SHORT),
                Write(SHORT, 1, 2, 2),
                Sync(SHORT),
                Write(SHORT, 3, 1, 3),
                SyncFolder(SHORT),
                Sync(SHORT),
            ],
        ),
        sequence(
            "a file that is truncated in place",
            &[(SHORT, 2, 1)],
            &[Open(SHORT), Shorten(SHORT, 0), Write(SHORT, 0, 2, 2), Sync(SHORT)],
        ),
        sequence(
            "a file that is truncated, and its folder synced",
            &[(SHORT, 3, 1)],
            &[Open(SHORT), Shorten(SHORT, 1), SyncFolder(SHORT), Sync(SHORT)],
        ),
        sequence(
            "a file that is overwritten",
            &[(LONG, 2, 1)],
            &[Open(LONG), Write(LONG, 0, 2, 2), Sync(LONG)],
        ),
        sequence(
            "a long name that is moved away and another that comes",
            &[(LONG, 2, 1), (ASIDE, 1, 2)],
            &[
                Open(LONG),
                Rename(LONG, ASIDE_TOO),
                Sync(LONG),
                SyncFolder(ASIDE),
                SyncFolder(LONG),
                Open(ASIDE),
                Rename(ASIDE, LONG),
                Sync(ASIDE),
                SyncFolder(LONG),
                SyncFolder(ASIDE),
            ],
        ),
        sequence(
            "a long name that becomes another",
            &[(LONG, 1, 1)],
            &[Open(LONG), Rename(LONG, LONG_TOO), SyncFolder(LONG), Sync(LONG)],
        ),
        sequence(
            "a rename over a file, the file synced at once",
            &[(LONG, 2, 1), (ASIDE, 2, 2)],
            &[Open(ASIDE), Rename(ASIDE, LONG), Sync(ASIDE), SyncFolder(LONG), SyncFolder(ASIDE)],
        ),
        sequence(
            "a file that is removed while it is held",
            &[(LONG, 2, 1)],
            &[Open(LONG), Remove(LONG), SyncFolder(LONG), Close(LONG), SyncFolder(LONG)],
        ),
        sequence(
            "a file that is removed, and another made",
            &[(SHORT, 2, 1)],
            &[Remove(SHORT), Make(SHORT_TOO), Write(SHORT_TOO, 0, 1, 2), Sync(SHORT_TOO), SyncFolder(SHORT)],
        ),
        sequence(
            "a file in a folder that is made",
            &[],
            &[
                MakeFolder(DEEP),
                SyncFolder(SHORT),
                Make(DEEP),
                Write(DEEP, 0, 1, 1),
                SyncFolder(DEEP),
                Sync(DEEP),
            ],
        ),
    ]
}
