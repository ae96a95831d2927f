//! The Linux framebuffer: what the driver says of it, its memory, and which page of it is seen.
//!
//! Where the driver has room for two pictures the hidden one is drawn and then shown. A regular file with a declared
//! geometry plays a framebuffer in tests: four bytes after its memory say which row is seen first. Structures and
//! numbers: Linux, include/uapi/linux/fb.h.

use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::canvas::Canvas;
use super::map::Map;
use super::panel::{Bits, Geometry, Panel};

const GET_VARIABLE: u32 = 0x4600;
const PUT_VARIABLE: u32 = 0x4601;
const GET_FIXED: u32 = 0x4602;
const PAN: u32 = 0x4606;
const UNBLANK: u32 = 0x4611;

/// `fb_var_screeninfo`: 40 words.
type Variable = [u32; 40];
const WIDTH: usize = 0;
const HEIGHT: usize = 1;
const VIRTUAL_HEIGHT: usize = 3;
const Y_OFFSET: usize = 5;
const DEPTH: usize = 6;
/// Offset, length and order of red, green, blue and transparency.
const BITS: usize = 8;

/// `fb_fix_screeninfo`.
#[repr(C)]
struct Fixed {
    id: [u8; 16],
    memory: libc::c_ulong,
    memory_bytes: u32,
    kind: u32,
    kind_more: u32,
    visual: u32,
    pan_x: u16,
    pan_y: u16,
    wrap_y: u16,
    stride_bytes: u32,
    registers: libc::c_ulong,
    registers_bytes: u32,
    accelerator: u32,
    capabilities: u16,
    reserved: [u16; 2],
}

/// An open framebuffer.
pub struct Framebuffer {
    file: File,
    map: Map,
    /// Its pixels.
    pub panel: Panel,
    /// What each page shows; `None`: somebody else's picture.
    pages: Vec<Option<Canvas>>,
    seen: usize,
    /// As it was when we came; `None` for a regular file.
    variable: Option<Variable>,
    /// What the driver calls itself.
    pub name: String,
}

impl Framebuffer {
    /// Opens what a driver offers.
    ///
    /// # Errors
    /// Not there, not ours, or of a form that cannot be drawn on.
    pub fn open(path: &Path) -> Result<Framebuffer> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut variable: Variable = [0; 40];
        // SAFETY: all zeros is a value of plain numbers.
        let mut fixed: Fixed = unsafe { std::mem::zeroed() };
        // SAFETY: it writes an `fb_var_screeninfo`, which `Variable` is.
        unsafe { control(&file, GET_VARIABLE, variable.as_mut_ptr().cast())? };
        // SAFETY: it writes an `fb_fix_screeninfo`, which `Fixed` is.
        unsafe { control(&file, GET_FIXED, (&raw mut fixed).cast())? };
        let bits = |at: usize| Bits { offset: variable[BITS + 3 * at], length: variable[BITS + 3 * at + 1] };
        let panel = Panel {
            width: variable[WIDTH],
            height: variable[HEIGHT],
            stride_bytes: fixed.stride_bytes as usize,
            pixel_bytes: variable[DEPTH] as usize / 8,
            bits: [bits(0), bits(1), bits(2), bits(3)],
            rotation: 0,
        };
        if !(2..=4).contains(&panel.pixel_bytes)
            || panel.width == 0
            || panel.height == 0
            || panel.page_bytes() == 0
        {
            return Err(Error::other(format!("{} bits a pixel are not supported", variable[DEPTH])));
        }
        let rows = variable[VIRTUAL_HEIGHT].max(panel.height) as usize;
        let length = (rows * panel.stride_bytes).min((fixed.memory_bytes as usize).max(panel.page_bytes()));
        let pages = if fixed.pan_y > 0 { (length / panel.page_bytes()).clamp(1, 2) } else { 1 };
        let seen = if pages == 2 && variable[Y_OFFSET] == panel.height { 1 } else { 0 };
        let map = Map::new(&file, length, 0)?;
        // A panel that sleeps is woken; drivers without it say no.
        // SAFETY: the argument is the number 0, no address.
        let _ = unsafe { control(&file, UNBLANK, std::ptr::null_mut()) };
        let id = fixed.id.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(id).into_owned();
        Ok(Framebuffer { file, map, panel, pages: vec![None; pages], seen, variable: Some(variable), name })
    }

    /// A regular file that plays one.
    ///
    /// # Errors
    /// It cannot be made as large as that.
    pub fn play(path: &Path, geometry: Geometry) -> Result<Framebuffer> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let panel = geometry.panel;
        let length = panel.page_bytes() * geometry.pages as usize;
        file.set_len(length as u64 + 4)?;
        let map = Map::new(&file, length, 0)?;
        let pages = vec![None; geometry.pages as usize];
        Ok(Framebuffer { file, map, panel, pages, seen: 0, variable: None, name: String::new() })
    }

    /// Shows a picture: the next page gets what differs, then it is the one that is seen.
    pub fn show(&mut self, canvas: &Canvas) {
        let next = (self.seen + 1) % self.pages.len();
        let size = self.panel.page_bytes();
        let page = self.map.bytes().get_mut(next * size..(next + 1) * size).unwrap_or_default();
        self.panel.paint(canvas, self.pages[next].as_ref(), page);
        self.pages[next] = Some(canvas.clone());
        if self.pages.len() > 1 && self.pan(next).is_err() {
            // It offers two pages and shows but one: from now on the first is drawn on.
            self.pages.truncate(1);
            self.seen = 0;
            self.pages[0] = None;
            self.show(canvas);
        } else {
            self.seen = next;
        }
    }

    fn pan(&self, page: usize) -> Result<()> {
        let first_row = page as u32 * self.panel.height;
        match self.variable {
            Some(mut variable) => {
                variable[Y_OFFSET] = first_row;
                // SAFETY: it reads and writes an `fb_var_screeninfo`, which `Variable` is.
                unsafe { control(&self.file, PAN, variable.as_mut_ptr().cast()) }
            }
            None => self.file.write_all_at(&first_row.to_le_bytes(), self.map.bytes_len() as u64),
        }
    }

    /// Its memory is this process's alone.
    pub fn keep_from_children(&self) {
        self.map.keep_from_children();
    }

    /// Leaves no picture behind: black, and the page that was seen when we came.
    pub fn leave(&mut self) {
        self.map.bytes().fill(0);
        match self.variable {
            Some(mut variable) => {
                // SAFETY: both read and write an `fb_var_screeninfo`, which `Variable` is.
                unsafe {
                    if control(&self.file, PAN, variable.as_mut_ptr().cast()).is_err() {
                        let _ = control(&self.file, PUT_VARIABLE, variable.as_mut_ptr().cast());
                    }
                }
            }
            None => {
                let _ = self.pan(0);
            }
        }
    }
}

/// One `ioctl`.
///
/// # Safety
/// `value` must be what that request reads or writes: an address of so many bytes, or a number.
pub(super) unsafe fn control(file: &impl AsRawFd, request: u32, value: *mut libc::c_void) -> Result<()> {
    // SAFETY: the caller's promise.
    match unsafe { libc::ioctl(file.as_raw_fd(), request as _, value) } {
        0.. => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}
