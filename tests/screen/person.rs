//! The real program on a panel in a file, with buttons in a pipe: pressed and looked at as a person does.
//!
//! What is looked at is waited for: a step is passed when the panel shows the picture that somebody looked at. What differs
//! from run to run (addresses, hours, codes) is painted over first.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use retrosync::screen::font::{Font, NoMore};
use retrosync::screen::panel::Geometry;
use retrosync::screen::picture::{self, Names};
use retrosync::screen::view::View;
use retrosync_protocol::discovery;

use super::device;
use super::support::device::Device;
use super::support::wait_for;

/// The panel where nothing else is said.
const USUAL: &str = "640x480x32";
/// How long a step may take on a busy machine.
const PATIENCE_S: u64 = 90;
/// How long a picture must stand before it is written as the one that is expected.
const STILL: Duration = Duration::from_millis(2500);

/// The keys of a pad, as the kernel numbers them.
#[derive(Clone, Copy)]
pub enum Key {
    Up = 103,
    Right = 106,
    Down = 108,
    B = 304,
    A = 305,
    X = 307,
    Start = 315,
}

/// A part of the picture that is not compared, as a person sees it: left, top, width, height.
pub type Mask = (usize, usize, usize, usize);

/// `retrosync screen` on a device.
pub struct Screen<'a> {
    device: &'a Device,
    child: Child,
    panel: PathBuf,
    geometry: Geometry,
    pad: File,
}

impl<'a> Screen<'a> {
    /// Opens it on the usual panel.
    pub fn open(device: &'a Device, find: &str) -> Screen<'a> {
        Screen::open_on(USUAL, device, find)
    }

    /// Opens it on this one.
    pub fn open_on(geometry: &str, device: &'a Device, find: &str) -> Screen<'a> {
        let panel = device.folder().join("panel");
        let pad = device.folder().join("pad");
        let _ = std::fs::remove_file(&pad);
        let name = std::ffi::CString::new(pad.as_os_str().as_bytes()).unwrap();
        // SAFETY: a text that ends in a zero and lives until the call returns.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        // Both ends, so that it never looks as if the pad had been unplugged.
        let held = File::options().read(true).write(true).open(&pad).unwrap();
        let mut command = device.program().into_command();
        let panel_word = panel.to_str().unwrap();
        command.args(["screen", "--framebuffer", panel_word, "--geometry", geometry]);
        command.args(["--input", pad.to_str().unwrap(), "--find", find]);
        let child = command.spawn().unwrap();
        Screen { device, child, panel, geometry: Geometry::parse(geometry).unwrap(), pad: held }
    }

    /// Presses buttons, one after the other.
    pub fn press(&mut self, keys: &[Key]) {
        for key in keys {
            self.pad.write_all(&device::events(*key as u16)).unwrap();
        }
    }

    /// Waits until the panel shows what was looked at under this name. `RETROSYNC_WRITE_GOLDEN=1` writes those that are not
    /// there.
    #[track_caller]
    pub fn shows(&self, name: &str, masks: &[Mask]) {
        let golden = golden(name);
        if std::env::var_os("RETROSYNC_WRITE_GOLDEN").is_some() && !golden.exists() {
            let (mut last, mut since) = (Vec::new(), Instant::now());
            while since.elapsed() < STILL {
                let now = self.picture(&std::fs::read(&self.panel).unwrap_or_default(), masks);
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            std::fs::write(&golden, &last).unwrap();
            return;
        }
        self.waits_for(name, masks, &std::fs::read(&golden).unwrap_or_default());
    }

    /// Waits until the panel shows exactly this page, of which a person's own code or path is a part. How such a page looks is
    /// held against pictures in `looks.rs`.
    #[track_caller]
    pub fn shows_page(&self, name: &str, page: &View) {
        let panel = &self.geometry.panel;
        let canvas = picture::draw(page, &Font::new(Box::new(NoMore)), panel.upright(), Names::default());
        let mut pixels = vec![0; panel.page_bytes()];
        panel.paint(&canvas, None, &mut pixels);
        self.waits_for(name, &[], &self.picture(&pixels, &[]));
    }

    #[track_caller]
    fn waits_for(&self, name: &str, masks: &[Mask], expected: &[u8]) {
        let (began, mut last) = (Instant::now(), Vec::new());
        loop {
            let pixels = std::fs::read(&self.panel).unwrap_or_default();
            // Only what changed is compared: who waits should not keep busy whom it waits for.
            if pixels != last {
                last = pixels;
                if self.picture(&last, masks) == expected {
                    return;
                }
            }
            if began.elapsed() > Duration::from_secs(PATIENCE_S) {
                let other =
                    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target").join(format!("{name}.png"));
                std::fs::write(&other, self.picture(&last, masks)).unwrap();
                panic!("{name} is not what is shown: {}", other.display());
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// A panel's bytes as a person sees them.
    fn picture(&self, pixels: &[u8], masks: &[Mask]) -> Vec<u8> {
        let (width, height) = self.geometry.panel.upright();
        let mut pixels = device::upright(&self.geometry, pixels);
        pixels.resize((width * height * 4) as usize, 0);
        for &(left, top, across, down) in masks {
            for y in top..top + down {
                let from = y * width as usize + left;
                pixels[from * 4..(from + across) * 4].fill(96);
            }
        }
        device::png(width, height, &pixels)
    }

    /// Nothing is left on the panel.
    pub fn is_black(&self) -> bool {
        std::fs::read(&self.panel).unwrap_or_default().iter().all(|byte| *byte == 0)
    }

    /// Its processes: the one that was called, the one that draws, and those that this one has for its errands.
    pub fn processes(&self) -> Vec<i32> {
        let mut all = vec![self.child.id().cast_signed()];
        let mut at = 0;
        while let Some(process) = all.get(at) {
            all.extend(device::children(*process));
            at += 1;
        }
        all
    }

    /// Waits for its end; answers the exit code.
    pub fn ended(&mut self) -> i32 {
        wait_for("the screen ends", PATIENCE_S, || self.child.try_wait().unwrap()).code().unwrap_or(-1)
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // SAFETY: the number of a child that nobody has waited for yet, or of one that is gone: then nothing happens.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        let _ = self.child.wait();
        end_daemon(self.device);
    }
}

/// Ends the daemon that a screen started, if there is one: it is nobody's child. Not by `stop`, which ends only what is called
/// as it is: an emulated processor's programs are called by another name.
pub fn end_daemon(device: &Device) {
    for name in ["supervisor", "lock"] {
        let file = device.card.root.join(".retrosync").join(name);
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let Ok(id) = text.lines().next().unwrap_or_default().trim().parse::<i32>() else { continue };
        let is_held = || {
            let file = File::open(&file).unwrap();
            matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
        };
        if is_held() {
            // SAFETY: plain numbers; whoever has the lock wrote its own.
            unsafe { libc::kill(id, libc::SIGKILL) };
            wait_for("the daemon's end", PATIENCE_S, || (!is_held()).then_some(()));
        }
    }
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/screen/golden").join(format!("{name}.png"))
}

/// A wire to the server on which the code can be read that only the screen shows; and somebody who tells where it is.
pub struct Wire {
    port: u16,
    ask: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    /// To a port of this machine.
    pub fn to(server_port: u16) -> Wire {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let keep = Arc::clone(&heard);
        std::thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)) {
                    join(device, server, &keep);
                }
            }
        });
        let announcer = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let ask = announcer.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut datagram = [0; discovery::BYTES];
            while let Ok((length, from)) = announcer.recv_from(&mut datagram) {
                if discovery::is_question(&datagram[..length]) {
                    let answer = discovery::answer(None, false, port).unwrap();
                    let _ = announcer.send_to(answer.as_bytes(), from);
                }
            }
        });
        Wire { port, ask, heard }
    }

    /// Where servers are asked for.
    pub fn ask(&self) -> &str {
        &self.ask
    }

    /// The address at this end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The code that the server gave last.
    pub fn code(&self) -> String {
        self.told("user_code")
    }

    /// What the server said last under this name.
    pub fn told(&self, name: &str) -> String {
        let mark = format!("\"{name}\":\"");
        wait_for(name, PATIENCE_S, || {
            let heard = self.heard.lock().unwrap();
            let text = String::from_utf8_lossy(&heard);
            let (_, rest) = text.rsplit_once(&mark)?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        })
    }
}

fn join(device: TcpStream, server: TcpStream, keep: &Arc<Mutex<Vec<u8>>>) {
    let (device_too, server_too) = (device.try_clone().unwrap(), server.try_clone().unwrap());
    let keep = Arc::clone(keep);
    std::thread::spawn(move || pump(device, server, None));
    std::thread::spawn(move || pump(server_too, device_too, Some(&keep)));
}

fn pump(mut from: TcpStream, mut to: TcpStream, keep: Option<&Mutex<Vec<u8>>>) {
    let mut bytes = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if let Some(keep) = keep {
            keep.lock().unwrap().extend(&bytes[..length]);
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
