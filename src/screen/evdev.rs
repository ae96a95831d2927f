//! Buttons as Linux reports them: every device below `/dev/input` with keys, as they come and go; or one file.
//!
//! Nothing is grabbed: the firmware's own volume and power keys go on working. A device that fails is let go and taken again
//! when it comes back. Numbers: Linux, include/uapi/linux/input.h.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use inotify::{Inotify, WatchMask};

use super::buttons::{Key, axis};
use super::framebuffer::control;

/// Where devices are.
pub const FOLDER: &str = "/dev/input";
/// An event is a time of two words, then kind, code and value.
const TIME_BYTES: usize = 2 * size_of::<libc::c_ulong>();
const EVENT_BYTES: usize = TIME_BYTES + 8;
const MARK: u16 = 0;
/// The kind of mark that says: events were lost until the next mark.
const DROPPED: u16 = 3;
const KEY: u16 = 1;
const ABSOLUTE: u16 = 3;
/// The axes that are a cross; they are at an end or in the middle.
const CROSS: std::ops::RangeInclusive<u16> = 16..=23;

/// A key went down or came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// Which.
    pub key: Key,
    /// Down, or up.
    pub is_down: bool,
}

/// One device.
struct Device {
    path: PathBuf,
    file: File,
    /// Of the left stick's two axes: the middle, and how far from it counts.
    sticks: [(i32, i32); 2],
    /// Which end each axis is at, by its number.
    ends: [i8; 24],
    /// The kernel dropped events, and what follows until its next mark is half a story.
    is_deaf: bool,
}

/// What else there is to know after a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A device vanished or events were dropped: what is held may have come up unheard.
    pub let_go: bool,
    /// There are other devices than before.
    pub others: bool,
}

/// All devices with buttons.
pub struct Evdev {
    devices: Vec<Device>,
    folder: PathBuf,
    /// Says when devices come; not where a file was named.
    coming: Option<Inotify>,
}

impl Evdev {
    /// All devices of a folder, those that are there and those that will come; or one file or pipe of events.
    ///
    /// # Errors
    /// As opening the file says; a folder may be empty.
    pub fn open(path: &Path) -> std::io::Result<Evdev> {
        let mut evdev = Evdev { devices: Vec::new(), folder: path.to_owned(), coming: None };
        if path.is_dir() {
            let news = WatchMask::CREATE | WatchMask::ATTRIB | WatchMask::MOVED_TO;
            evdev.coming = Inotify::init().ok().filter(|coming| coming.watches().add(path, news).is_ok());
            evdev.look();
        } else {
            evdev.devices.push(Device::open(path)?);
        }
        Ok(evdev)
    }

    /// Does one of them number its buttons in a row, as Anbernic's do? Pads that follow Linux leave gaps there.
    pub fn counts_in_a_row(&self) -> bool {
        self.devices.iter().any(|device| {
            let has = device.keys();
            has(306) && has(309)
        })
    }

    /// Are there any?
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// May another device come?
    pub fn may_come(&self) -> bool {
        self.coming.is_some()
    }

    /// What to wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let coming = self.coming.as_ref().map(AsFd::as_fd);
        self.devices.iter().map(|device| device.file.as_fd()).chain(coming)
    }

    /// Takes devices that came.
    fn look(&mut self) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_event = entry.file_name().to_string_lossy().starts_with("event");
            if is_event
                && !self.devices.iter().any(|device| device.path == path)
                && let Ok(device) = Device::open(&path)
                && device.has_buttons()
            {
                self.devices.push(device);
            }
        }
    }

    /// What was pressed since the last time, and what changed besides.
    pub fn read(&mut self, pressed: &mut Vec<Press>) -> Change {
        let before = self.devices.len();
        let mut change = Change::default();
        self.devices.retain_mut(|device| device.read(pressed, &mut change.let_go));
        let vanished = self.devices.len() < before;
        if let Some(coming) = &mut self.coming {
            let mut buffer = [0; 1024];
            let came = coming.read_events(&mut buffer).is_ok_and(|mut events| events.next().is_some());
            if came || vanished {
                let left = self.devices.len();
                self.look();
                change.others = vanished || self.devices.len() > left;
            }
        }
        change.let_go |= vanished;
        change
    }
}

/// Enter or an arrow key, a button of a joystick, pad or cross, or a cross that is two axes? A lid or a touch panel has none,
/// and a key that is known is not asked for: others can be learned.
fn is_pressed_by_hand(has_key: impl Fn(usize) -> bool, has_axis: impl Fn(usize) -> bool) -> bool {
    [28, 103].into_iter().chain(288..=319).chain(544..=547).any(has_key) || [16, 17].into_iter().any(has_axis)
}

impl Device {
    fn open(path: &Path) -> std::io::Result<Device> {
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
        let sticks = [0, 1].map(|number| {
            // `input_absinfo`: value, least, most, …
            let mut info = [0i32; 6];
            let request = 0x8018_4540 + number;
            // SAFETY: the request writes an `input_absinfo`, which is as long as `info`.
            match unsafe { control(&file, request, info.as_mut_ptr().cast()) } {
                Ok(()) if info[2] > info[1] => {
                    (i32::midpoint(info[1], info[2]), info[2].saturating_sub(info[1]) / 4)
                }
                _ => (0, i32::MAX),
            }
        });
        Ok(Device { path: path.to_owned(), file, sticks, ends: [0; 24], is_deaf: false })
    }

    /// A pipe that plays a device has buttons.
    fn has_buttons(&self) -> bool {
        let plays = self.file.metadata().is_ok_and(|metadata| !metadata.file_type().is_char_device());
        plays || is_pressed_by_hand(self.keys(), self.codes(ABSOLUTE))
    }

    /// Which keys it has.
    fn keys(&self) -> impl Fn(usize) -> bool + use<> {
        self.codes(KEY)
    }

    /// Which codes of that kind it has; a file that plays a device does not say.
    fn codes(&self, kind: u16) -> impl Fn(usize) -> bool + use<> {
        let mut bits = [0u8; 96];
        let request = 0x8060_4520 + u32::from(kind);
        // SAFETY: the request names the length of `bits` (0x60), and the kernel writes no more.
        let _ = unsafe { control(&self.file, request, bits.as_mut_ptr().cast()) };
        move |code| bits[code / 8] >> (code % 8) & 1 == 1
    }

    /// Reads what is there; false when the device is gone.
    fn read(&mut self, pressed: &mut Vec<Press>, dropped: &mut bool) -> bool {
        let mut buffer = [0; EVENT_BYTES * 32];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    for event in buffer[..length].chunks_exact(EVENT_BYTES) {
                        self.event(&event[TIME_BYTES..], pressed);
                        *dropped |= self.is_deaf;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn event(&mut self, event: &[u8], pressed: &mut Vec<Press>) {
        let &[kind_low, kind_high, low, high, a, b, c, d] = event else { return };
        let (kind, code) = (u16::from_ne_bytes([kind_low, kind_high]), u16::from_ne_bytes([low, high]));
        let value = i32::from_ne_bytes([a, b, c, d]);
        match (kind, code) {
            (MARK, DROPPED) => {
                self.is_deaf = true;
                self.ends = [0; 24];
            }
            (MARK, _) => self.is_deaf = false,
            _ if self.is_deaf => {}
            // 2: the kernel's own repeating, which pads do not have; ours is for all.
            (KEY, _) if value < 2 => pressed.push(Press { key: code, is_down: value == 1 }),
            (ABSOLUTE, _) => self.moved(code, value, pressed),
            _ => {}
        }
    }

    fn moved(&mut self, code: u16, value: i32, pressed: &mut Vec<Press>) {
        let (middle, far) = match code {
            0 | 1 => self.sticks[usize::from(code)],
            code if CROSS.contains(&code) => (0, 1),
            _ => return,
        };
        let away = value.saturating_sub(middle);
        let end = if away >= far {
            1
        } else if away <= -far {
            -1
        } else {
            0
        };
        let before = std::mem::replace(&mut self.ends[usize::from(code)], end);
        if before == end {
            return;
        }
        for (end, is_down) in [(before, false), (end, true)].into_iter().filter(|(end, _)| *end != 0) {
            pressed.push(Press { key: axis(code, end > 0), is_down });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Each event as kind, code and value.
    fn presses(events: &[(u16, u16, i32)]) -> (Vec<(Key, bool)>, Change) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event0");
        let bytes = events.iter().flat_map(|(kind, code, value)| {
            let mut event = vec![0; TIME_BYTES];
            event.extend(kind.to_ne_bytes().into_iter().chain(code.to_ne_bytes()).chain(value.to_ne_bytes()));
            event
        });
        std::fs::write(&path, bytes.collect::<Vec<u8>>()).unwrap();
        let mut pressed = Vec::new();
        let change = Evdev::open(&path).unwrap().read(&mut pressed);
        (pressed.iter().map(|press| (press.key, press.is_down)).collect(), change)
    }

    #[test]
    fn whatever_a_thumb_can_press_counts_as_buttons_and_a_lid_does_not() {
        // What it is; keys and axes that it has.
        let rows: [(&str, &[usize], &[usize], bool); 9] = [
            ("a keyboard", &[1, 28, 57], &[], true),
            ("arrow keys alone", &[103, 108], &[], true),
            ("a pad that is numbered as joysticks are", &[288, 289, 297], &[0, 1], true),
            ("a pad without the usual four", &[310, 311, 314, 315], &[], true),
            ("a cross of keys", &[545], &[], true),
            ("a cross of axes", &[], &[16, 17], true),
            ("a power button and the volume", &[113, 114, 115, 116], &[], false),
            ("a touch panel", &[320, 330], &[0, 1, 24, 47, 53], false),
            ("a sensor of movement", &[], &[0, 1, 2], false),
        ];
        for (what, keys, axes, has) in rows {
            let found = is_pressed_by_hand(|key| keys.contains(&key), |axis| axes.contains(&axis));
            assert_eq!(found, has, "{what}");
        }
    }

    #[test]
    fn events_that_the_kernel_dropped_press_nothing_and_hold_nothing() {
        let (pressed, _) =
            presses(&[(KEY, 103, 1), (MARK, 0, 0), (KEY, 103, 2), (KEY, 103, 0), (MARK, 0, 0)]);
        assert_eq!(pressed, [(103, true), (103, false)]);
        let cross = axis(17, false);
        let (pressed, change) = presses(&[
            (ABSOLUTE, 17, -1),
            (MARK, DROPPED, 0),
            (KEY, 28, 1),
            (MARK, 0, 0),
            (KEY, 57, 1),
            (ABSOLUTE, 17, -1),
        ]);
        assert_eq!(pressed, [(cross, true), (57, true), (cross, true)], "half a story is not taken");
        assert!(change.let_go, "what was held is let go");
    }
}
