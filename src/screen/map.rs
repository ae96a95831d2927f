//! A device's memory, or a file's, as bytes of ours.

use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::AsRawFd;

/// Mapped bytes; given back when dropped.
pub struct Map {
    start: *mut u8,
    length: usize,
}

impl Map {
    /// So many bytes from `offset` on, to be read and written.
    ///
    /// # Errors
    /// As `mmap` says.
    pub fn new(file: &File, length: usize, offset: u64) -> Result<Map> {
        let (rights, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping anywhere; nothing of ours lies there.
        let start = unsafe {
            libc::mmap64(std::ptr::null_mut(), length, rights, shared, file.as_raw_fd(), offset.cast_signed())
        };
        if start == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        Ok(Map { start: start.cast(), length })
    }

    /// Children of this process do not have it: a daemon would keep the panel's memory for ever.
    pub fn keep_from_children(&self) {
        // SAFETY: the mapping is that long; it stays as it is here.
        unsafe { libc::madvise(self.start.cast(), self.length, libc::MADV_DONTFORK) };
    }

    /// How many.
    pub fn bytes_len(&self) -> usize {
        self.length
    }

    /// All of them.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is that long and lives as long as this does; whoever else writes into a framebuffer changes
        // pixels, which are plain numbers.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: made by `new`, given back once.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}
