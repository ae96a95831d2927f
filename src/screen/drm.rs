//! Where there is no framebuffer: a dumb buffer on the first connected screen, if the device lets us be its master.
//!
//! When the last descriptor is closed the kernel takes the buffer down and shows what was there before. Structures and
//! numbers: Linux, include/uapi/drm/drm.h and drm_mode.h; all are given as words of 32 bits.

use std::fs::File;
use std::io::{Error, Result};
use std::path::Path;

use super::canvas::Canvas;
use super::framebuffer::control;
use super::map::Map;
use super::panel::Panel;

const SET_MASTER: u32 = 0x641E;
const RESOURCES: u32 = 0xC040_64A0;
const SET_CRTC: u32 = 0xC068_64A2;
const ENCODER: u32 = 0xC014_64A6;
const CONNECTOR: u32 = 0xC050_64A7;
const PROPERTY: u32 = 0xC040_64AA;
const ADD_BUFFER: u32 = 0xC01C_64AE;
const DIRTY: u32 = 0xC018_64B1;
const CREATE_DUMB: u32 = 0xC020_64B2;
const MAP_DUMB: u32 = 0xC010_64B3;

/// Words of `drm_mode_modeinfo`, which begins with the clock and the width.
const MODE_WORDS: usize = 17;
const CONNECTED: u32 = 1;
/// No card has more of anything.
const MOST: u32 = 64;

/// A screen that is ours.
pub struct Drm {
    card: File,
    map: Map,
    buffer: u32,
    /// Its pixels.
    pub panel: Panel,
    shown: Option<Canvas>,
}

/// What is connected, and how it is driven.
struct Screen {
    connector: u32,
    crtc: u32,
    mode: [u32; MODE_WORDS],
    rotation: u32,
}

/// Can this process be the master of that card? False for cards that drive no screen, too.
pub fn is_free(path: &Path) -> bool {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .is_ok_and(|card| ask(&card, SET_MASTER, &mut []).is_ok())
}

impl Drm {
    /// Takes a card's first connected screen.
    ///
    /// # Errors
    /// Another program is its master, or nothing is connected.
    pub fn open(path: &Path) -> Result<Drm> {
        let card = File::options().read(true).write(true).open(path)?;
        ask(&card, SET_MASTER, &mut [])?;
        let screen = find(&card)?;
        let (width, height) = (screen.mode[1] & 0xFFFF, screen.mode[3] >> 16);
        // Height, width, bits, flags; then the answer: handle, stride, and the size in two words.
        let mut dumb = [height, width, 32, 0, 0, 0, 0, 0];
        ask(&card, CREATE_DUMB, &mut dumb)?;
        let (handle, stride, length) = (dumb[4], dumb[5], dumb[6]);
        let mut buffer = [0, width, height, stride, 32, 24, handle];
        ask(&card, ADD_BUFFER, &mut buffer)?;
        let mut place = [handle, 0, 0, 0];
        ask(&card, MAP_DUMB, &mut place)?;
        let map = Map::new(&card, length as usize, u64::from(place[2]) | u64::from(place[3]) << 32)?;
        let bits = Panel::usual_bits(32).unwrap_or_default();
        let panel = Panel {
            width,
            height,
            stride_bytes: stride as usize,
            pixel_bytes: 4,
            bits,
            rotation: screen.rotation,
        };
        let mut connectors = [screen.connector];
        let [low, high] = address(&mut connectors);
        let mut crtc = [0; 26];
        crtc[..9].copy_from_slice(&[low, high, 1, screen.crtc, buffer[0], 0, 0, 0, 1]);
        crtc[9..].copy_from_slice(&screen.mode);
        ask(&card, SET_CRTC, &mut crtc)?;
        Ok(Drm { card, map, buffer: buffer[0], panel, shown: None })
    }

    /// Shows a picture.
    pub fn show(&mut self, canvas: &Canvas) {
        self.panel.paint(canvas, self.shown.as_ref(), self.map.bytes());
        self.shown = Some(canvas.clone());
        // Some screens (over USB, or drawn by a host) are told what changed; the others say no.
        let _ = ask(&self.card, DIRTY, &mut [self.buffer, 0, 0, 0, 0, 0]);
    }

    /// Its memory is this process's alone.
    pub fn keep_from_children(&self) {
        self.map.keep_from_children();
    }

    /// Leaves no picture behind.
    pub fn leave(&mut self) {
        self.map.bytes().fill(0);
    }
}

/// One request; its structure as words, with room for 32. Addresses in it come from [`address`], and the counts beside them
/// say how many words lie there.
fn ask(card: &File, request: u32, words: &mut [u32]) -> Result<()> {
    // The kernel reads words of 64 bits where it says so; those are aligned to 64 in no request of ours by chance.
    let mut aligned = [0u64; 16];
    for (at, word) in words.iter().enumerate().take(32) {
        aligned[at / 2] |= u64::from(*word) << (32 * (at % 2));
    }
    // SAFETY: no structure of DRM that we name is longer than 128 bytes; each address in it is of a list of the caller's that
    // is as long as the count beside it says and may be written.
    let done = unsafe { control(card, request, aligned.as_mut_ptr().cast()) };
    for (at, word) in words.iter_mut().enumerate().take(32) {
        *word = (aligned[at / 2] >> (32 * (at % 2))) as u32;
    }
    done
}

/// Where words lie, as two words; the kernel writes there.
fn address(words: &mut [u32]) -> [u32; 2] {
    let address = words.as_mut_ptr().expose_provenance() as u64;
    [address as u32, (address >> 32) as u32]
}

fn nothing() -> Error {
    Error::other("no screen is connected")
}

fn find(card: &File) -> Result<Screen> {
    // Four addresses, four counts (buffers, crtcs, connectors, encoders), four limits.
    let mut resources = [0; 16];
    ask(card, RESOURCES, &mut resources)?;
    let (crtc_count, connector_count) = (resources[9].min(MOST), resources[10].min(MOST));
    let (mut crtcs, mut connectors) = (vec![0; crtc_count as usize], vec![0; connector_count as usize]);
    let ([a, b], [c, d]) = (address(&mut crtcs), address(&mut connectors));
    let mut resources = [0, 0, a, b, c, d, 0, 0, 0, crtc_count, connector_count, 0, 0, 0, 0, 0];
    ask(card, RESOURCES, &mut resources)?;
    connectors.iter().find_map(|connector| look(card, *connector, &crtcs)).ok_or_else(nothing)
}

/// A connector's best mode and a crtc that can drive it; `None` if nothing is connected to it.
fn look(card: &File, connector: u32, crtcs: &[u32]) -> Option<Screen> {
    // Four addresses (encoders, modes, properties, their values), counts (modes, properties, encoders), the encoder,
    // the connector, its kind and number, whether it is connected, …
    let mut words = [0; 20];
    words[12] = connector;
    ask(card, CONNECTOR, &mut words).ok()?;
    let [modes, properties, encoders] = [words[8], words[9], words[10]].map(|count| count.min(MOST) as usize);
    if words[15] != CONNECTED || modes == 0 {
        return None;
    }
    let (mut mode_words, mut encoder_ids) = (vec![0; modes * MODE_WORDS], vec![0; encoders]);
    let (mut names, mut values) = (vec![0; properties], vec![0; properties * 2]);
    let mut words = [0; 20];
    for (at, list) in [&mut encoder_ids, &mut mode_words, &mut names, &mut values].into_iter().enumerate() {
        words[2 * at..2 * at + 2].copy_from_slice(&address(list));
    }
    words[8..11].copy_from_slice(&[modes as u32, properties as u32, encoders as u32]);
    words[12] = connector;
    ask(card, CONNECTOR, &mut words).ok()?;
    // The first mode is the preferred one.
    let mode = mode_words.get(..MODE_WORDS)?.try_into().ok()?;
    let rotation = names
        .iter()
        .zip(values.chunks(2))
        .find(|(name, _)| is_orientation(card, **name))
        .map_or(0, |(_, value)| [0, 180, 270, 90][value[0].min(3) as usize]);
    let crtc = encoder_ids.iter().find_map(|encoder| {
        // The encoder, its kind, its crtc now, which crtcs it can have.
        let mut words = [*encoder, 0, 0, 0, 0];
        ask(card, ENCODER, &mut words).ok()?;
        let able = crtcs.iter().enumerate().find(|(at, _)| words[3] >> at & 1 == 1).map(|(_, crtc)| *crtc);
        Some(words[2]).filter(|crtc| *crtc != 0).or(able)
    })?;
    Some(Screen { connector, crtc, mode, rotation })
}

/// Is it the property that says how the panel is mounted: upright, upside down, left side up, right side up?
fn is_orientation(card: &File, property: u32) -> bool {
    // Two addresses, the property, flags, 32 bytes of a name, two counts.
    let mut words = [0; 16];
    words[4] = property;
    let name: Vec<u8> = match ask(card, PROPERTY, &mut words) {
        Ok(()) => words[6..14].iter().flat_map(|word| word.to_le_bytes()).collect(),
        Err(_) => return false,
    };
    name.starts_with(b"panel orientation\0")
}
