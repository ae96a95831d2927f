//! Why the bytes of a save are doubted: the one rule of all who take them in, the device of its card and the server of a
//! person's hand (README 1.4).
//!
//! Told while bytes stream past; knows nothing of files, and nothing of what is done about a doubt.

use std::fmt;

use crate::{Kind, SaveId};

/// Why the bytes of a save are doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// Zero bytes.
    Empty,
    /// All 0x00 or all 0xFF.
    Blank,
    /// Shorter than what it replaces.
    Shrunk,
    /// A container that ends early or does not unpack.
    Torn,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doubt::Empty => "it is empty",
            Doubt::Blank => "it is blank",
            Doubt::Shrunk => "it shrank",
            Doubt::Torn => "it is torn",
        })
    }
}

/// Watches bytes stream past: do they hold anything?
#[derive(Clone, Copy, Default)]
pub struct Watched {
    size_bytes: u64,
    has_content: bool,
    blank: u8,
}

impl Watched {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if self.size_bytes == 0 {
            self.blank = bytes.first().copied().unwrap_or_default();
        }
        let blank = matches!(self.blank, 0x00 | 0xff) && bytes.iter().all(|byte| *byte == self.blank);
        self.has_content |= !blank && !bytes.is_empty();
        self.size_bytes += bytes.len() as u64;
    }

    /// How many there were.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What is doubted of the bytes by themselves: [`Doubt::Empty`], or [`Doubt::Blank`] (all 0x00, all 0xFF), or nothing.
    pub fn doubt(&self) -> Option<Doubt> {
        match (self.size_bytes, self.has_content) {
            (0, _) => Some(Doubt::Empty),
            (_, false) => Some(Doubt::Blank),
            _ => None,
        }
    }
}

/// Keep saves of this kind their size? A state's, a folder's and a clock's length changes by itself.
pub fn keeps_its_size(save: &SaveId) -> bool {
    !matches!(save.kind(), Kind::State | Kind::Tree | Kind::Rtc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_hold_nothing_are_doubted_however_they_come() {
        let rows: [(&[&[u8]], Option<Doubt>); 7] = [
            (&[], Some(Doubt::Empty)),
            (&[b""], Some(Doubt::Empty)),
            (&[&[0; 100], &[0; 100]], Some(Doubt::Blank)),
            (&[&[0xff; 8192]], Some(Doubt::Blank)),
            (&[&[0; 100], &[0xff; 100]], None),
            (&[&[0xff; 100], b"", &[0xff, 1]], None),
            (&[&[7; 100]], None),
        ];
        for (pieces, doubt) in rows {
            let mut watched = Watched::default();
            pieces.iter().for_each(|piece| watched.update(piece));
            assert_eq!(watched.doubt(), doubt, "{pieces:?}");
            assert_eq!(watched.size_bytes(), pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
        }
    }
}
