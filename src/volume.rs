//! The seam to a card's file system: the calls whose order decides what a power cut leaves behind.
//!
//! `disk`, `attic` and `journal` reach the card through this trait only, so that a test can cut the power at any
//! call, lose unflushed writes, or answer any call with an error. [`Os`] is the real one, which never follows a
//! symbolic link at the last component; [`Beneath`] is what a daemon uses, which follows none at all. Never decides anything.

mod beneath;

pub use beneath::Beneath;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::snapshot::Stamp;

/// What a folder entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a device, a socket: never touched.
    Other,
}

/// One entry of a folder; the name is as the file system gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: std::ffi::OsString,
    /// What it is.
    pub kind: EntryKind,
}

/// An open file.
pub trait VolumeFile: Read + Seek + Send {
    /// Writes all of `bytes` at `offset`, extending the file where needed.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Sets the length.
    fn set_len(&mut self, length: u64) -> io::Result<()>;
    /// `fsync`: data and inode are durable when it returns. After a rename, called on the same open file, it is also
    /// what makes the new name point at the bytes on FAT.
    fn sync(&mut self) -> io::Result<()>;
    /// Size, times and inode now.
    fn stamp(&self) -> io::Result<Stamp>;
}

/// A card's file system. All paths are absolute or relative to the process, as given by the caller.
pub trait Volume: Send + Sync {
    /// Opens an existing regular file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>>;
    /// Opens an existing regular file for reading and writing, never truncating.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>>;
    /// Creates a file that must not exist.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>>;
    /// Renames over nothing or over a file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder and its parents; an existing one is fine.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// `fsync` of a folder: its names are durable when it returns.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// The entries of a folder, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Size, times and inode of a regular file, not following a link.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

/// Fails where the last component is a symbolic link.
pub(crate) const O_NOFOLLOW: i32 =
    if cfg!(any(target_arch = "arm", target_arch = "aarch64")) { 0o100_000 } else { 0o400_000 };

impl Volume for Os {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        regular(OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(path)?)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        regular(OpenOptions::new().read(true).write(true).custom_flags(O_NOFOLLOW).open(path)?)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                let kind = entry.file_type()?;
                let kind = if kind.is_file() {
                    EntryKind::File
                } else if kind.is_dir() {
                    EntryKind::Folder
                } else {
                    EntryKind::Other
                };
                Ok(Entry { name: entry.file_name(), kind })
            })
            .collect()
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.is_file() { Ok(stamp_of(&metadata)) } else { Err(not_regular()) }
    }
}

fn regular(file: File) -> io::Result<Box<dyn VolumeFile>> {
    if file.metadata()?.is_file() { Ok(Box::new(file)) } else { Err(not_regular()) }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

fn stamp_of(metadata: &fs::Metadata) -> Stamp {
    Stamp {
        size_bytes: metadata.size(),
        // Opaque signed numbers: a file dated 2100 may well read as before 1970 here.
        mtime_s: metadata.mtime(),
        mtime_ns: metadata.mtime_nsec(),
        // Another mount's files may have the same numbers.
        inode: metadata.ino() ^ metadata.dev().rotate_left(40),
    }
}

impl VolumeFile for File {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(stamp_of(&self.metadata()?))
    }
}

/// Reads from an open file as a stream from its start.
///
/// # Errors
/// When the file cannot seek.
pub fn rewound(mut file: Box<dyn VolumeFile>) -> io::Result<Box<dyn VolumeFile>> {
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Writes a volume file as a stream: what `std::io::copy` wants.
pub struct Appender<'a> {
    file: &'a mut dyn VolumeFile,
    offset: u64,
}

impl<'a> Appender<'a> {
    /// Writes from `offset` on.
    pub fn new(file: &'a mut dyn VolumeFile, offset: u64) -> Appender<'a> {
        Appender { file, offset }
    }

    /// Where the next byte goes.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl Write for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
