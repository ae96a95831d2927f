//! Where the screen is shown: which of framebuffer, DRM and terminal there is here, taken and given back.
//!
//! The order: what was asked for; the terminal of somebody who came over the network; the framebuffer, if it is seen; a
//! DRM card that has no other master; a terminal. Without any of them the launch script shows texts by the firmware's own
//! tool (`package/common/app.sh`).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::app::no_screen;
use super::canvas::Canvas;
use super::drm::{self, Drm};
use super::font::Font;
use super::framebuffer::{Framebuffer, control};
use super::panel::{Geometry, Panel};
use super::picture::{self, Names};
use super::terminal::{self, Terminal};
use super::view::View;
use super::{png, text};
use crate::error::{Error, Kind, Result};
use crate::profile::ScreenSpec;

const KD_SET: u32 = 0x4B3A;
const KD_GET: u32 = 0x4B3B;
const KD_GRAPHICS: usize = 1;

/// What was asked for on the command line.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// This framebuffer, or with a geometry a file that plays one.
    pub framebuffer: Option<PathBuf>,
    /// What a file that plays one is like; alone, the size of a single picture.
    pub geometry: Option<Geometry>,
    /// Text, even where a picture could be shown.
    pub text: bool,
    /// One picture into this file, and nothing anywhere else.
    pub shot: Option<PathBuf>,
}

/// Where the screen is shown.
pub enum Place {
    /// A picture in a framebuffer.
    Framebuffer(Box<Framebuffer>, Option<Console>),
    /// A picture on a card's screen.
    Drm(Box<Drm>, Option<Console>),
    /// Text.
    Terminal(Terminal),
    /// A picture that is only kept, as long as it was not asked for.
    Shot(Panel, PathBuf, Option<Canvas>),
}

/// The kernel's own console, which must not write into the picture nor type what is pressed.
pub struct Console {
    file: File,
    kind: usize,
    mode: Option<libc::termios>,
}

impl Place {
    /// Takes what there is.
    ///
    /// # Errors
    /// Nothing here can show anything, or what was asked for cannot be had.
    pub fn take(wanted: &Wanted, specs: &[ScreenSpec]) -> Result<Place> {
        if let Some(path) = &wanted.shot {
            let geometry = wanted.geometry.or_else(|| Geometry::parse("640x480"));
            return geometry
                .map(|geometry| Place::Shot(geometry.panel, path.clone(), None))
                .ok_or_else(no_screen);
        }
        if let Some(path) = &wanted.framebuffer {
            let opened = match wanted.geometry {
                Some(geometry) => Framebuffer::play(path, geometry),
                None => Framebuffer::open(path),
            };
            let failed = |cause| {
                let doing = format!("cannot draw on `{}`", path.display());
                Error::new(Kind::Misused, doing, cause).help("a regular file needs `--geometry` too")
            };
            return Ok(framed(opened.map_err(failed)?, specs, wanted.geometry.is_none()));
        }
        let is_network =
            terminal::is_terminal(0) && terminal::is_terminal(1) && Console::of_input().is_none();
        let text = || Terminal::take().map(Place::Terminal).ok_or_else(no_screen);
        if wanted.text || is_network {
            return text();
        }
        if let Some(framebuffer) = seen_framebuffer() {
            return Ok(framed(framebuffer, specs, true));
        }
        match cards().find_map(|card| Drm::open(&card).ok()) {
            Some(mut drm) => {
                rotate(&mut drm.panel, specs);
                Ok(Place::Drm(Box::new(drm), Console::take()))
            }
            None => text(),
        }
    }

    /// Width and height of a picture as a person sees it; of text, none.
    pub fn size(&self) -> Option<(u32, u32)> {
        self.panel().map(Panel::upright)
    }

    /// The panel; text has none.
    pub fn panel(&self) -> Option<&Panel> {
        match self {
            Place::Framebuffer(framebuffer, _) => Some(&framebuffer.panel),
            Place::Drm(drm, _) => Some(&drm.panel),
            Place::Shot(panel, ..) => Some(panel),
            Place::Terminal(_) => None,
        }
    }

    /// Shows a view.
    pub fn show(&mut self, view: &View, font: &Font, names: Names) {
        let canvas = self.size().map(|size| picture::draw(view, font, size, names));
        match (self, canvas) {
            (Place::Framebuffer(framebuffer, _), Some(canvas)) => framebuffer.show(&canvas),
            (Place::Drm(drm, _), Some(canvas)) => drm.show(&canvas),
            (Place::Shot(_, _, kept), canvas) => *kept = canvas,
            (Place::Terminal(terminal), _) => {
                let size = terminal.size();
                terminal.show(size, text::draw(view, size, Names::KEYS));
            }
            _ => {}
        }
    }

    /// What is drawn on is this process's alone: what it starts has nothing of it.
    pub fn keep_from_children(&self) {
        match self {
            Place::Framebuffer(framebuffer, _) => framebuffer.keep_from_children(),
            Place::Drm(drm, _) => drm.keep_from_children(),
            Place::Terminal(_) | Place::Shot(..) => {}
        }
    }

    /// Leaves no picture behind, and the console as it was. May be called twice.
    pub fn leave(&mut self) {
        match self {
            Place::Framebuffer(framebuffer, console) => {
                framebuffer.leave();
                console.iter().for_each(Console::leave);
            }
            Place::Drm(drm, console) => {
                drm.leave();
                console.iter().for_each(Console::leave);
            }
            Place::Terminal(terminal) => terminal.leave(),
            Place::Shot(..) => {}
        }
    }

    /// Writes the picture that was asked for.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_shot(&self) -> Result<()> {
        let Place::Shot(panel, path, Some(canvas)) = self else { return Ok(()) };
        let palette: Vec<u32> =
            canvas.palette().into_iter().map(|colour| seen_colour(panel, colour)).collect();
        let bytes = png::encode(canvas.width, canvas.height, &palette, &canvas.cells);
        let failed = |error| Error::io(format!("cannot write `{}`", path.display()), &error);
        std::fs::write(path, bytes).map_err(failed)
    }
}

/// A colour as a panel of 16 bits shows it.
fn seen_colour(panel: &Panel, colour: u32) -> u32 {
    if panel.pixel_bytes > 2 {
        return colour;
    }
    let part = |shift: u32, bits: u32| {
        let value = (colour >> shift & 255) >> (8 - bits);
        (value << (8 - bits) | value >> (2 * bits - 8)) << shift
    };
    part(16, 5) | part(8, 6) | part(0, 5)
}

fn framed(mut framebuffer: Framebuffer, specs: &[ScreenSpec], is_device: bool) -> Place {
    if is_device {
        rotate(&mut framebuffer.panel, specs);
    }
    Place::Framebuffer(Box::new(framebuffer), if is_device { Console::take() } else { None })
}

/// As the profile says, else as the kernel turns its own console; handhelds are wide, so a high panel lies on its side.
fn rotate(panel: &mut Panel, specs: &[ScreenSpec]) {
    let said = spec(specs, Some(panel)).and_then(|spec| spec.rotation).filter(|rotation| rotation % 90 == 0);
    let console = || {
        let text = std::fs::read_to_string("/sys/class/graphics/fbcon/rotate").ok()?;
        text.trim().parse::<u32>().ok().filter(|turns| (1..4).contains(turns)).map(|turns| turns * 90)
    };
    let sideways = (panel.rotation == 0 && panel.height > panel.width).then_some(270);
    if let Some(rotation) = said.or_else(console).or(sideways) {
        panel.rotation = rotation % 360;
    }
}

/// The first that fits this device: by a file that is there, and by the panel's size as it lies in memory.
pub fn spec<'a>(specs: &'a [ScreenSpec], panel: Option<&Panel>) -> Option<&'a ScreenSpec> {
    let size = panel.map(|panel| format!("{}x{}", panel.width, panel.height));
    let has = |spec: &ScreenSpec| match (&spec.has, &spec.says) {
        (None, _) => true,
        (Some(path), None) => Path::new(path).exists(),
        (Some(path), Some(text)) => {
            std::fs::read_to_string(path).is_ok_and(|all| all.contains(text.as_str()))
        }
    };
    specs.iter().find(|spec| has(spec) && (spec.size.is_none() || size.is_none() || spec.size == size))
}

/// The framebuffer, unless it is a DRM card's own and another program has the card: nobody would see what is drawn.
fn seen_framebuffer() -> Option<Framebuffer> {
    let paths = ["/dev/fb0", "/dev/graphics/fb0"];
    let framebuffer = paths.iter().find_map(|path| Framebuffer::open(Path::new(path)).ok())?;
    let is_seen = !framebuffer.name.contains("drm") || cards().any(|card| drm::is_free(&card));
    is_seen.then_some(framebuffer)
}

fn cards() -> impl Iterator<Item = PathBuf> {
    (0..4).map(|number| PathBuf::from(format!("/dev/dri/card{number}")))
}

impl Console {
    /// Is standard input one?
    fn of_input() -> Option<usize> {
        kind(&std::io::stdin())
    }

    /// Makes the console that is seen a place for pictures; `None` if there is none.
    fn take() -> Option<Console> {
        let file = File::options().read(true).write(true).open("/dev/tty0").ok()?;
        let kind = kind(&file)?;
        let mode = terminal::mode(file.as_raw_fd());
        if let Some(mode) = &mode {
            terminal::set_mode(file.as_raw_fd(), &terminal::raw(mode));
        }
        let console = Console { file, kind, mode };
        console.set(KD_GRAPHICS);
        Some(console)
    }

    fn set(&self, kind: usize) {
        // SAFETY: the argument is a number, no address.
        let _ = unsafe { control(&self.file, KD_SET, std::ptr::without_provenance_mut(kind)) };
    }

    fn leave(&self) {
        self.set(self.kind);
        if let Some(mode) = &self.mode {
            terminal::set_mode(self.file.as_raw_fd(), mode);
        }
    }
}

/// Text or graphics, of a console.
fn kind(file: &impl AsRawFd) -> Option<usize> {
    let mut kind: libc::c_int = 0;
    // SAFETY: it writes one `int`.
    unsafe { control(file, KD_GET, (&raw mut kind).cast()).ok()? };
    usize::try_from(kind).ok()
}
