//! What mupen64plus calls the saves of the Nintendo 64 games that are here: from its own catalogue and settings.
//!
//! The program names `.eep`, `.mpk`, `.sra` and `.fla` not after the game's file but after the game, which it looks up in
//! `mupen64plus.ini` (mupen64plus-core src/main/main.c `get_save_filename`, src/main/rom.c): by the catalogue's name (`GoodName`;
//! files of that name are taken by every version), else, by `SaveFilenameFormat`, 1: the first 32 letters of that name and
//! eight digits of the game's MD5, or 0: the name in the game's own header. A game is found in the catalogue by the two sums in
//! its header; where several have the same sums, the one that is marked as a good copy (`[!]`) is taken to be here.

use std::io::Read;
use std::path::Path;

use crate::naming::Games;
use crate::profile::{Profile, Site};
use crate::volume::Volume;

const HEADER_BYTES: u64 = 0x40;

/// The catalogue, and which of its names are in use.
pub(super) struct Catalogue {
    text: String,
    /// `SaveFilenameFormat`; none in versions that know the catalogue's name only.
    format: Option<u8>,
}

impl Catalogue {
    /// Reads it, if this firmware's player has not chosen another emulator.
    pub(super) fn read(profile: &Profile, site: &Site) -> Option<Catalogue> {
        let spec = profile.mupen64plus.as_ref()?;
        let read = |path: &str| super::text(&site.resolve(profile, path));
        let text = read(&spec.catalogue)?;
        let others = read(&spec.chosen).is_some_and(|chosen| value(&chosen, "default").starts_with("lr-"));
        let settings = read(&spec.settings).unwrap_or_default();
        let format =
            value(&settings, "SaveFilenameFormat").bytes().next().map(|digit| digit.wrapping_sub(b'0'));
        (!others).then_some(Catalogue { text, format })
    }

    /// Tells the names of a game file.
    pub(super) fn add(&self, volume: &dyn Volume, path: &Path, file_name: &str, games: &mut Games) {
        let Some(header) = header(volume, path) else { return };
        let crc =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let sums = format!("{:08X} {:08X}", crc(0x10), crc(0x14));
        let own = String::from_utf8_lossy(&header[0x20..0x34]).trim_end_matches(['\0', ' ']).to_owned();
        let sections = self.text.split("\n[").filter(|section| value(section, "CRC") == sums);
        let found: Vec<(&str, &str)> =
            sections.filter_map(|section| Some((value(section, "GoodName"), section.get(..8)?))).collect();
        let good = |(name, _): &&(&str, &str)| name.ends_with("[!]");
        let sure = match found.iter().filter(good).count() {
            1 => found.iter().find(good),
            _ => found.first().filter(|_| found.len() == 1),
        };
        for entry in &found {
            let (name, md5) = entry;
            let plain = |letter: char| if ":<>\"/\\|?*".contains(letter) { '_' } else { letter };
            let mut short: String = name.chars().take(32).map(plain).collect();
            short.push('-');
            short.push_str(md5);
            let is_it = |format: Option<u8>| sure == Some(entry) && self.format == format;
            games.add_alias((*name).to_owned(), file_name, is_it(None));
            games.add_alias(short, file_name, is_it(Some(1)));
        }
        if self.format == Some(0) && !own.is_empty() {
            games.add_alias(own, file_name, true);
        }
    }
}

/// The value of `key=value` or `key = "value"`; empty if there is none.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let is_it = |line: &'a str| Some(line.trim().strip_prefix(key)?.trim_start().strip_prefix('=')?.trim());
    text.lines().find_map(is_it).unwrap_or_default().trim_matches('"')
}

/// A game's header in the order of the machine, whatever the copier made of it.
fn header(volume: &dyn Volume, path: &Path) -> Option<Vec<u8>> {
    let mut header = Vec::new();
    volume.open(path).ok()?.take(HEADER_BYTES).read_to_end(&mut header).ok()?;
    let group = match header.get(..4)? {
        [0x80, 0x37, ..] => 1,
        [0x37, 0x80, ..] => 2,
        [0x40, 0x12, ..] => 4,
        _ => return None,
    };
    header.chunks_exact_mut(group).for_each(<[u8]>::reverse);
    (header.len() as u64 == HEADER_BYTES).then_some(header)
}
