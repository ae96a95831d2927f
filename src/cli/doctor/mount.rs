//! What the kernel says of the file system that a root lies on: which it is, whether it can be written, how much is free.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Kind};

/// A card with less than this is as good as full: a replacement wants room for the old bytes and the new ones.
const SCARCE_BYTES: u64 = 8 << 20;

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where.
    pub(super) point: String,
    /// What: `/dev/mmcblk0p1`.
    pub(super) source: String,
    /// `vfat`, `exfat` …
    pub(super) kind: String,
    /// Nothing can be written.
    pub(super) read_only: bool,
}

/// The mount that `path` (absolute, without links) lies on.
pub(super) fn of(path: &Path) -> Option<Mount> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    of_table(&table, path)
}

fn of_table(table: &str, path: &Path) -> Option<Mount> {
    let mounts = table.lines().filter_map(mount).filter(|mount| path.starts_with(&mount.point));
    // Of several on one place the last one mounted is seen.
    mounts.max_by_key(|mount| mount.point.len())
}

/// `36 35 98:0 / /mnt/SDCARD rw,noatime shared:1 - vfat /dev/mmcblk0p1 rw,errors=remount-ro`
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(4);
    let (point, options) = (plain(left.next()?), left.next()?);
    let mut right = right.split(' ');
    let (kind, source) = (right.next()?.to_owned(), plain(right.next()?));
    let mut all = options.split(',').chain(right.next().unwrap_or_default().split(','));
    Some(Mount { point, source, kind, read_only: all.any(|option| option == "ro") })
}

/// The kernel writes spaces and the like as `\\040`.
fn plain(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => plain.extend([char::from(byte)].into_iter().chain(part[3..].chars())),
            None => plain.extend(['\\'].into_iter().chain(part.chars())),
        }
    }
    plain
}

/// What a read-only card means, and what to do.
pub(super) fn read_only(root: &Path, mount: &Mount) -> Option<Error> {
    let doing = || format!("cannot write to the card at `{}`", root.display());
    mount.read_only.then(|| {
        let cause = format!("`{}` is mounted read-only", mount.source);
        Error::new(Kind::Damaged, doing(), cause).help(format!(
            "the kernel does so after an error on the card, or its lock is on: copy the saves while they can be read, then check it \
             on a PC (`fsck.{} -n {}` looks and changes nothing)",
            mount.kind, mount.source
        ))
    })
}

/// How many bytes are free for us on the file system at `path`.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut told = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: a text that ends and room for the answer, which is read only if the call says that it wrote it.
    let told = unsafe {
        if libc::statvfs(path.as_ptr(), told.as_mut_ptr()) != 0 {
            return None;
        }
        told.assume_init()
    };
    // Their widths differ between 32 and 64 bits.
    #[allow(clippy::unnecessary_cast)]
    Some((told.f_bavail as u64).saturating_mul(told.f_frsize as u64))
}

/// A card with hardly any room, and what to do.
pub(super) fn scarce(root: &Path, free_bytes: u64) -> Option<Error> {
    (free_bytes < SCARCE_BYTES).then(|| {
        let doing = format!("cannot rely on the room left at `{}`", root.display());
        let cause = format!("{} are free", crate::report::size(free_bytes));
        Error::new(Kind::Full, doing, cause).help(
            "games cannot save on a full card: delete some files that are no saves; saves stay as they are",
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TABLE: &str = "\
22 1 179:1 / / rw,relatime - ext4 /dev/root rw
36 22 179:2 / /mnt/SDCARD rw,noatime shared:1 - vfat /dev/mmcblk0p1 ro,errors=remount-ro
37 36 179:3 / /mnt/SDCARD/My\\040Saves rw - exfat /dev/sda1 rw
";

    #[test]
    fn a_card_that_the_kernel_made_read_only_is_known_as_such() {
        for (path, kind, read_only) in [
            ("/mnt/SDCARD/Saves", "vfat", true),
            ("/mnt/SDCARD/My Saves/gb", "exfat", false),
            ("/mnt/SDCARDS", "ext4", false),
        ] {
            let mount = of_table(TABLE, Path::new(path)).unwrap();
            assert_eq!((mount.kind.as_str(), mount.read_only), (kind, read_only), "{path}");
        }
        assert_eq!(of_table("nothing of the kind\n", Path::new("/")), None);
    }

    #[test]
    fn this_machine_says_what_it_has() {
        assert!(of(Path::new("/proc")).is_some_and(|mount| mount.kind == "proc"));
        assert!(free_bytes(Path::new("/")).is_some_and(|free| free > 0));
    }
}
