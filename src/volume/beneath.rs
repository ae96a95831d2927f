//! The card's file system with links refused: no path leads out of the folders that were named at the start.
//!
//! A name below a root may come from a server, from a game's file name, or from whoever held the card last. So each path is
//! walked from its root without following a symbolic link: by `openat2` where the kernel has it, else one folder after the
//! other, and the last step is taken through the folder's descriptor (`/proc/self/fd/N/name`), so that nothing can be put
//! in between. The roots and save folders themselves, which the profile and the player's configuration name, may be links.
//! A path below none of them is refused.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use super::{Entry, O_NOFOLLOW, Os, Volume, VolumeFile};
use crate::snapshot::Stamp;

const O_DIRECTORY: i32 =
    if cfg!(any(target_arch = "arm", target_arch = "aarch64")) { 0o040_000 } else { 0o200_000 };
/// A place to go on from, nothing that can be read.
const O_PATH: i32 = 0o10_000_000;
const O_CLOEXEC: i32 = 0o2_000_000;

/// The operating system's files below some folders.
pub struct Beneath {
    starts: Vec<PathBuf>,
}

/// A name in a folder that is held open.
struct Held {
    _folder: File,
    path: PathBuf,
}

impl Beneath {
    /// Below these folders, which are trusted as they are named.
    pub fn new(starts: Vec<PathBuf>) -> Beneath {
        Beneath { starts }
    }

    /// The folder at `path`.
    fn folder(&self, path: &Path) -> io::Result<Held> {
        let below = self.starts.iter().filter_map(|start| Some((start, path.strip_prefix(start).ok()?)));
        let nearest = below.min_by_key(|(_, below)| below.as_os_str().len());
        let (start, below) = nearest.ok_or_else(|| refused("it is in no folder of this card"))?;
        if !below.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused("it climbs"));
        }
        let start = OpenOptions::new().read(true).custom_flags(O_PATH | O_DIRECTORY).open(start)?;
        let folder = match below.as_os_str().is_empty() {
            true => start,
            false => at_once(&start, below).map_or_else(|| by_parts(start, below), Ok)?,
        };
        let path = through(&folder);
        // Without it every name would look absent, and absent is not unknown.
        if !path.exists() {
            return Err(io::Error::other("`/proc` is not mounted"));
        }
        Ok(Held { _folder: folder, path })
    }

    /// The name at `path`, in its folder.
    fn name(&self, path: &Path) -> io::Result<Held> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(refused("it is no name"));
        };
        let mut held = self.folder(folder)?;
        held.path.push(name);
        Ok(held)
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn through(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// In one call, where the kernel has it and nothing is wrong; else the parts tell what is.
fn at_once(start: &File, below: &Path) -> Option<File> {
    /// `struct open_how` of openat2(2), Linux 5.6.
    #[repr(C)]
    struct How {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    const OPENAT2: libc::c_long = 437;
    const NO_SYMLINKS_BENEATH: u64 = 0x04 | 0x08;
    let flags = (O_PATH | O_DIRECTORY | O_CLOEXEC).unsigned_abs();
    let how = How { flags: u64::from(flags), mode: 0, resolve: NO_SYMLINKS_BENEATH };
    let below = CString::new(below.as_os_str().as_bytes()).ok()?;
    // SAFETY: a descriptor that is open, a text that ends, a struct of the size that is told; the kernel keeps none of them.
    let got = unsafe {
        libc::syscall(OPENAT2, start.as_raw_fd(), below.as_ptr(), &raw const how, size_of::<How>())
    };
    let descriptor = i32::try_from(got).ok().filter(|descriptor| *descriptor >= 0)?;
    // SAFETY: it was just opened, and is nobody else's.
    Some(unsafe { File::from_raw_fd(descriptor) })
}

/// One folder after the other.
fn by_parts(start: File, below: &Path) -> io::Result<File> {
    below.components().try_fold(start, |here, part| {
        let path = through(&here).join(part);
        let opened =
            OpenOptions::new().read(true).custom_flags(O_PATH | O_DIRECTORY | O_NOFOLLOW).open(&path);
        opened.map_err(|error| match path.is_symlink() {
            true => refused("a link is on the way to it, and links are not followed on a card"),
            false => error,
        })
    })
}

impl Volume for Beneath {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Os.open(&self.name(path)?.path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Os.open_write(&self.name(path)?.path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Os.create_new(&self.name(path)?.path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.name(from)?, self.name(to)?);
        Os.rename(&from.path, &to.path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Os.remove(&self.name(path)?.path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(above) = path.parent() else { return Err(error) };
                self.create_folder(above)?;
                std::fs::create_dir(&self.name(path)?.path)
            }
            found => found.map(|_| ()),
        }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Os.sync_folder(&self.folder(path)?.path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        Os.list(&self.folder(path)?.path)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        Os.stamp(&self.name(path)?.path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A card whose `Saves` has a link to a folder outside, and one to a file there.
    fn card() -> (tempfile::TempDir, PathBuf, Beneath) {
        let dir = tempfile::tempdir().unwrap();
        let (outside, root) = (dir.path().join("outside"), dir.path().join("card"));
        fs::create_dir_all(outside.join("inner")).unwrap();
        fs::create_dir_all(root.join("Saves/gb")).unwrap();
        fs::write(outside.join("secret"), b"secret").unwrap();
        fs::write(root.join("Saves/gb/Tetris.srm"), b"played").unwrap();
        symlink(&outside, root.join("Saves/out")).unwrap();
        symlink("../../../outside", root.join("Saves/gb/up")).unwrap();
        symlink(outside.join("secret"), root.join("Saves/gb/Link.srm")).unwrap();
        let beneath = Beneath::new(vec![root.clone()]);
        (dir, root, beneath)
    }

    #[test]
    fn what_a_planted_link_leads_to_is_neither_read_nor_written() {
        let (dir, root, volume) = card();
        for link in ["Saves/out", "Saves/gb/up"] {
            let link = root.join(link);
            for below in ["secret", "new", "inner/new"] {
                let path = link.join(below);
                assert!(volume.open(&path).is_err() && volume.open_write(&path).is_err(), "{below}");
                assert!(volume.create_new(&path).is_err() && volume.create_folder(&path).is_err(), "{below}");
                assert!(volume.stamp(&path).is_err() && volume.remove(&path).is_err(), "{below}");
                assert!(volume.rename(&root.join("Saves/gb/Tetris.srm"), &path).is_err(), "{below}");
                assert!(volume.rename(&path, &root.join("Saves/gb/Stolen.srm")).is_err(), "{below}");
            }
            assert!(volume.list(&link).is_err() && volume.sync_folder(&link).is_err());
            let told = volume.create_folder(&link.join("new")).unwrap_err().to_string();
            assert_eq!(told, "a link is on the way to it, and links are not followed on a card");
        }
        let link = root.join("Saves/gb/Link.srm");
        assert!(volume.open(&link).is_err() && volume.open_write(&link).is_err());
        assert!(volume.stamp(&link).is_err() && volume.create_new(&link).is_err());
        let left: Vec<_> = fs::read_dir(dir.path().join("outside")).unwrap().collect();
        assert_eq!(left.len(), 2, "nothing came or went");
        assert_eq!(fs::read(dir.path().join("outside/secret")).unwrap(), b"secret");
    }

    #[test]
    fn paths_that_climb_or_begin_elsewhere_are_refused() {
        let (dir, root, volume) = card();
        for path in [
            root.join("../outside/secret"),
            root.join("Saves/../../outside/secret"),
            dir.path().join("outside/secret"),
        ] {
            assert!(volume.open(&path).is_err(), "{}", path.display());
            assert!(volume.stamp(&path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn all_else_is_as_on_any_file_system() {
        let (_dir, root, volume) = card();
        let save = root.join("Saves/gb/Tetris.srm");
        assert_eq!(volume.stamp(&save).unwrap(), Os.stamp(&save).unwrap());
        assert_eq!(volume.list(&root.join("Saves")).unwrap().len(), 2);
        assert_eq!(volume.open(&root.join("Saves/no/x")).err().unwrap().kind(), io::ErrorKind::NotFound);
        volume.create_folder(&root.join("a/b/c")).unwrap();
        volume.create_folder(&root.join("a/b/c")).unwrap();
        volume.create_new(&root.join("a/b/c/file")).unwrap().write_all_at(b"x", 0).unwrap();
        volume.rename(&root.join("a/b/c/file"), &root.join("top")).unwrap();
        for folder in ["", "a/b"] {
            volume.sync_folder(&root.join(folder)).unwrap();
        }
        assert_eq!(fs::read(root.join("top")).unwrap(), b"x");
        volume.remove(&root.join("top")).unwrap();
        assert!(!root.join("top").exists());
    }

    #[test]
    fn a_save_folder_that_the_player_linked_is_followed_and_nothing_below_it() {
        let (dir, root, _) = card();
        symlink(root.join("Saves"), dir.path().join("linked")).unwrap();
        let start = dir.path().join("linked");
        let volume = Beneath::new(vec![root, start.clone()]);
        assert!(volume.open(&start.join("gb/Tetris.srm")).is_ok());
        assert!(volume.open(&start.join("out/secret")).is_err());
    }

    #[test]
    fn an_old_kernel_and_a_new_one_refuse_the_same() {
        let (_dir, root, _) = card();
        let start = || File::open(&root).unwrap();
        for (below, good) in [
            ("Saves", true),
            ("Saves/gb", true),
            ("Saves/out", false),
            ("Saves/gb/up/inner", false),
            ("no", false),
        ] {
            let below = Path::new(below);
            let parts = by_parts(start(), below).is_ok();
            assert_eq!(parts, good, "{}", below.display());
            // Without openat2 nothing comes at once; with it the same comes.
            assert!(at_once(&start(), below).is_none_or(|_| parts), "{}", below.display());
        }
    }
}
