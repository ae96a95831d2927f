//! A handheld's screen and buttons as files: what the program draws is read from one, what is pressed is written into another.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use retrosync::screen::panel::Geometry;
use retrosync::screen::png as file;

use crate::support::wait_for;

/// The program that was built with this, or the one that `RETROSYNC_BIN` names.
pub fn program() -> Command {
    crate::support::program::Program::new().into_command()
}

/// A card of Onion with one game that was played.
pub fn card(folder: &Path) -> PathBuf {
    let card = folder.join("card");
    for (path, bytes) in [
        (".tmp_update/onionVersion/version.txt", &b"4.3.1"[..]),
        ("Roms/GB/Tetris (World).gb", b"rom"),
        ("Saves/CurrentProfile/saves/Gambatte/Tetris (World).srm", &[7; 8192]),
    ] {
        let path = card.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    card
}

/// A pipe that plays a device.
pub fn pipe(path: &Path) -> File {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: `name` lives until the call returns.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // Both ways, so that neither side waits for the other.
    File::options().read(true).write(true).open(path).unwrap()
}

/// One device that is switched on.
pub struct Device {
    folder: tempfile::TempDir,
    geometry: Geometry,
    input: File,
    child: Child,
}

impl Device {
    /// Opens the app on a screen of this geometry.
    pub fn open(geometry: &str) -> Device {
        Device::open_with(geometry, |_| {})
    }

    /// The same, with more words for the program.
    pub fn open_with(geometry: &str, more: impl FnOnce(&mut Command)) -> Device {
        let folder = tempfile::tempdir().unwrap();
        let card = card(folder.path());
        let events = folder.path().join("event0");
        let input = pipe(&events);
        let mut command = program();
        command.arg("screen").arg("--root").arg(&card).args(["--language", "en", "--find", "127.0.0.1:9"]);
        command.arg("--framebuffer").arg(folder.path().join("fb0")).args(["--geometry", geometry]);
        command
            .arg("--input")
            .arg(&events)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        more(&mut command);
        let child = command.spawn().unwrap();
        Device { folder, geometry: Geometry::parse(geometry).unwrap(), input, child }
    }

    /// Presses a key of evdev and lets it go.
    pub fn press(&mut self, key: u16) {
        self.input.write_all(&events(key)).unwrap();
    }

    /// The bytes of the page that is seen; empty while there is no framebuffer yet.
    pub fn memory(&self) -> Vec<u8> {
        let bytes = std::fs::read(self.folder.path().join("fb0")).unwrap_or_default();
        let size = self.geometry.panel.page_bytes();
        let Some(row) = bytes.last_chunk::<4>().map(|four| u32::from_le_bytes(*four)) else {
            return Vec::new();
        };
        let start = row as usize * self.geometry.panel.stride_bytes;
        bytes.get(start..start + size).map(<[u8]>::to_vec).unwrap_or_default()
    }

    /// Its folder: the card is in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until something is seen that is not black.
    pub fn wait_for_picture(&self) -> Vec<u8> {
        wait_for("a picture", 120, || {
            let memory = self.memory();
            let lit = memory.chunks(4).filter(|bytes| bytes[..2] != [0, 0]).count();
            (lit > memory.len() / 8).then_some(memory)
        })
    }

    /// Waits until what is seen is another picture than this.
    pub fn wait_for_other(&self, than: &[u8]) -> Vec<u8> {
        wait_for("another picture", 120, || {
            Some(self.memory()).filter(|memory| memory != than && !memory.is_empty())
        })
    }

    /// Presses a key until another picture is seen: the list that it moves in may come anew in that very instant.
    pub fn press_until_other(&mut self, key: u16, than: &[u8]) -> Vec<u8> {
        wait_for("a key that does something", 120, || {
            self.press(key);
            (0..60).find_map(|_| {
                std::thread::sleep(std::time::Duration::from_millis(50));
                Some(self.memory()).filter(|memory| memory != than && !memory.is_empty())
            })
        })
    }

    /// The process that was called.
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// The process that draws: its child.
    pub fn drawer(&self) -> i32 {
        wait_for("the process that draws", 120, || children(self.id()).first().copied())
    }

    /// Waits until it has ended: its exit code, and what it said.
    pub fn ended(mut self) -> (i32, String, Vec<u8>) {
        let status = wait_for("the end", 120, || self.child.try_wait().unwrap());
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        let memory = self.memory();
        (status.code().unwrap_or(-1), said, memory)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A key of evdev that is pressed and let go.
pub fn events(key: u16) -> Vec<u8> {
    // The time of an event is two words of the program that reads it.
    let is_short = std::env::var("RETROSYNC_RUNNER").is_ok_and(|runner| runner.contains("qemu-arm-"));
    let word = if is_short { 4 } else { 8 };
    let mut events = Vec::new();
    for value in [1i32, 0] {
        events.extend(vec![0u8; 2 * word]);
        events.extend(1u16.to_ne_bytes());
        events.extend(key.to_ne_bytes());
        events.extend(value.to_ne_bytes());
    }
    events
}

/// Waits for three seconds in which these processes used no processor, and no thread of theirs was woken.
pub fn rests(processes: &[i32]) {
    let ticks = |process: i32| {
        let line = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        let fields = line.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
        fields.map(|field| field.parse::<u64>().unwrap()).sum::<u64>()
    };
    let wakes = |process: i32| {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().map(Result::unwrap);
        let of = |task: std::fs::DirEntry| {
            let text = std::fs::read_to_string(task.path().join("status")).unwrap();
            let line =
                text.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap().to_owned();
            line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
        };
        tasks.map(of).sum::<u64>()
    };
    let cost = || processes.iter().map(|process| (ticks(*process), wakes(*process))).collect::<Vec<_>>();
    wait_for("three seconds of rest", 120, || {
        let before = cost();
        std::thread::sleep(std::time::Duration::from_secs(3));
        (before == cost()).then_some(())
    });
}

/// The processes that this one started.
pub fn children(process: i32) -> Vec<i32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// What a person sees of a panel's memory: turned as the panel is mounted, four bytes a pixel (blue, green, red, all ones),
/// no gap between rows. Nothing of a memory that is not there.
pub fn upright(geometry: &Geometry, memory: &[u8]) -> Vec<u8> {
    let panel = &geometry.panel;
    let pixel = |x: usize, y: usize| {
        let from = y * panel.stride_bytes + x * panel.pixel_bytes;
        match memory[from..from + panel.pixel_bytes] {
            [low, high] => {
                let pixel = u16::from_le_bytes([low, high]);
                [(pixel & 31) << 3, (pixel >> 5 & 63) << 2, pixel >> 11 << 3, 255].map(|part| part as u8)
            }
            [blue, green, red, ..] => [blue, green, red, 255],
            _ => [0; 4],
        }
    };
    if memory.len() < panel.page_bytes() {
        return Vec::new();
    }
    let (wide, high) = (panel.width as usize, panel.height as usize);
    let (across, down) = panel.upright();
    let places = (0..down as usize).flat_map(|y| (0..across as usize).map(move |x| (x, y)));
    // As an eye sees it when the panel is turned clockwise by that much.
    let turned = places.map(|(x, y)| match panel.rotation {
        90 => pixel(wide - 1 - y, x),
        180 => pixel(wide - 1 - x, high - 1 - y),
        270 => pixel(y, high - 1 - x),
        _ => pixel(x, y),
    });
    turned.flatten().collect()
}

/// Pixels as [`upright`] answers them, as a PNG of that width and height.
pub fn png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let (mut palette, mut cells) = (Vec::new(), Vec::new());
    for pixel in pixels.chunks(4) {
        let colour = u32::from_be_bytes([0, pixel[2], pixel[1], pixel[0]]);
        let at = palette.iter().position(|known| *known == colour).unwrap_or_else(|| {
            palette.push(colour);
            palette.len() - 1
        });
        cells.push(u8::try_from(at).unwrap());
    }
    file::encode(width, height, &palette, &cells)
}

/// What a PNG of ours shows: width, height, and red, green and blue of each pixel.
pub fn shown(file: &[u8]) -> (u32, u32, Vec<[u8; 3]>) {
    let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    let (width, height) = (number(16), number(20));
    let (mut at, mut palette, mut packed) = (8, &[][..], Vec::new());
    while at < file.len() {
        let bytes = &file[at + 8..at + 8 + number(at) as usize];
        match &file[at + 4..at + 8] {
            b"PLTE" => palette = bytes,
            b"IDAT" => packed.extend(bytes),
            _ => {}
        }
        at += 12 + bytes.len();
    }
    let rows = miniz_oxide::inflate::decompress_to_vec_zlib(&packed).unwrap();
    let mut pixels = Vec::new();
    for row in rows.chunks(width as usize + 1) {
        assert_eq!(row[0], 0, "a row as it is");
        pixels.extend(row[1..].iter().map(|cell| {
            let at = usize::from(*cell) * 3;
            <[u8; 3]>::try_from(&palette[at..at + 3]).unwrap()
        }));
    }
    (width, height, pixels)
}
