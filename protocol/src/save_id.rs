//! Which save it is: the same on every firmware, whatever the file is called there.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::nfc::nfc;
use crate::text::{Core, Slot, System};

/// What the bytes of a save are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A battery save: the cartridge's RAM.
    Sram,
    /// The clock beside a battery save.
    Rtc,
    /// A memory card.
    Card,
    /// A save state; loads in its core only.
    State,
    /// A folder that is one save.
    Tree,
    /// A file that no table knows: kept by its path within one family of firmwares, which stands in the system's place.
    File,
    /// A kind of a newer program: kept, listed, and nothing else.
    Newer,
}

impl Kind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Sram => "sram",
            Kind::Rtc => "rtc",
            Kind::Card => "card",
            Kind::State => "state",
            Kind::Tree => "tree",
            Kind::File => "file",
            Kind::Newer => "newer",
        }
    }

    fn from_word(word: &str) -> Option<Kind> {
        let known = [Kind::Sram, Kind::Rtc, Kind::Card, Kind::State, Kind::Tree, Kind::File];
        let is_word = (1..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
        known.into_iter().find(|kind| kind.as_str() == word).or(is_word.then_some(Kind::Newer))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names one save: `system/kind[.slot][@core]/title` (README 1.1).
///
/// Equality, order and hash follow the compare key, so that `POKéMON` composed or not, in capitals or not, is one
/// save; the spelling that was given is kept for showing and for file names.
#[derive(Clone)]
pub struct SaveId {
    text: Box<str>,
    key: Box<str>,
    system_end: u16,
    kind: Kind,
    title_start: u16,
}

/// Why a text is no save id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveIdError {
    text: String,
    reason: &'static str,
}

impl fmt::Display for SaveIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a save: {} (form: system/kind[.slot][@core]/title)", self.text, self.reason)
    }
}

impl std::error::Error for SaveIdError {}

impl SaveId {
    /// A save id of its parts.
    ///
    /// # Errors
    /// When the title is of a wrong form, or a state lacks its slot or core.
    pub fn new(
        system: &System,
        kind: Kind,
        slot: Option<&Slot>,
        core: Option<&Core>,
        title: &str,
    ) -> Result<SaveId, SaveIdError> {
        let mut text = format!("{system}/{kind}");
        if let Some(slot) = slot {
            text.push('.');
            text.push_str(slot.as_str());
        }
        if let Some(core) = core {
            text.push('@');
            text.push_str(core.as_str());
        }
        text.push('/');
        text.push_str(title);
        text.parse()
    }

    /// The whole text, as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The compare key: equal for equal saves.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The system's name.
    pub fn system(&self) -> &str {
        &self.text[..usize::from(self.system_end)]
    }

    /// What the bytes are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The slot, if it has one.
    pub fn slot(&self) -> Option<&str> {
        let words = self.words();
        let words = words.split_once('@').map_or(words, |(left, _)| left);
        words.split_once('.').map(|(_, slot)| slot)
    }

    /// The core, if the bytes load in one core only.
    pub fn core(&self) -> Option<&str> {
        self.words().split_once('@').map(|(_, core)| core)
    }

    /// The title: mostly the game file's name without its extension.
    pub fn title(&self) -> &str {
        &self.text[usize::from(self.title_start)..]
    }

    /// `kind[.slot][@core]`
    fn words(&self) -> &str {
        &self.text[usize::from(self.system_end) + 1..usize::from(self.title_start) - 1]
    }
}

/// The compare key of any text (README 1.1): each code point's full upper case, then full lower case, then NFC.
pub fn compare_key(text: &str) -> Box<str> {
    if text.is_ascii() {
        return text.to_ascii_lowercase().into();
    }
    nfc(text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)).into()
}

impl FromStr for SaveId {
    type Err = SaveIdError;

    fn from_str(text: &str) -> Result<SaveId, SaveIdError> {
        let refuse = |reason| SaveIdError { text: text.chars().take(200).collect(), reason };
        if text.len() > 4096 {
            return Err(refuse("it is longer than 4,096 bytes"));
        }
        let (system, rest) = text.split_once('/').ok_or_else(|| refuse("it has no kind"))?;
        let (words, title) = rest.split_once('/').ok_or_else(|| refuse("it has no title"))?;
        system.parse::<System>().map_err(|_| refuse("the system is not of a-z, 0-9 and -"))?;
        let (words, core) = words.split_once('@').map_or((words, None), |(left, core)| (left, Some(core)));
        let (word, slot) = words.split_once('.').map_or((words, None), |(left, slot)| (left, Some(slot)));
        let kind = Kind::from_word(word).ok_or_else(|| refuse("the kind is not 1 to 16 of a-z"))?;
        if slot.is_some_and(|slot| slot.parse::<Slot>().is_err()) {
            return Err(refuse("the slot is not 1 to 8 of a-z and 0-9"));
        }
        if core.is_some_and(|core| core.parse::<Core>().is_err()) {
            return Err(refuse("the core is not of a-z, 0-9, _ and -"));
        }
        if kind == Kind::State && (slot.is_none() || core.is_none()) {
            return Err(refuse("a state has a slot and a core"));
        }
        for part in title.split('/') {
            match part {
                "" => return Err(refuse("a part of the title is empty")),
                "." | ".." => return Err(refuse("a part of the title is . or ..")),
                _ if part.len() > 255 => return Err(refuse("a part of the title is longer than 255 bytes")),
                _ if part.chars().any(char::is_control) => {
                    return Err(refuse("the title has a control character"));
                }
                _ => {}
            }
        }
        Ok(SaveId {
            text: text.into(),
            key: compare_key(text),
            system_end: u16::try_from(system.len()).map_err(|_| refuse("it is too long"))?,
            kind,
            title_start: u16::try_from(text.len() - title.len()).map_err(|_| refuse("it is too long"))?,
        })
    }
}

impl PartialEq for SaveId {
    fn eq(&self, other: &SaveId) -> bool {
        self.key == other.key
    }
}

impl Eq for SaveId {}

impl PartialOrd for SaveId {
    fn partial_cmp(&self, other: &SaveId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SaveId {
    fn cmp(&self, other: &SaveId) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl Hash for SaveId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for SaveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for SaveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for SaveId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for SaveId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SaveId, D::Error> {
        crate::text::deserialize_from_str(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SaveId {
        text.parse().unwrap_or_else(|e| unreachable!("{e}"))
    }

    #[test]
    fn the_parts_come_back() {
        let save = id("gba/state.auto@mgba/Metroid Fusion (Europe)");
        assert_eq!(
            (save.system(), save.kind(), save.slot(), save.core(), save.title()),
            ("gba", Kind::State, Some("auto"), Some("mgba"), "Metroid Fusion (Europe)")
        );
        let save = id("psp/tree/A/B.c@d");
        assert_eq!((save.slot(), save.core(), save.title()), (None, None, "A/B.c@d"));
    }

    #[test]
    fn a_kind_of_a_newer_program_is_kept_as_it_is() {
        let save = id("gb/replay.1@mgba/Tetris");
        assert_eq!((save.kind(), save.slot(), save.core()), (Kind::Newer, Some("1"), Some("mgba")));
        assert_eq!(save.to_string(), "gb/replay.1@mgba/Tetris");
        assert_eq!(id("onion/file.saves/Nobody/x.dat").kind(), Kind::File);
    }

    #[test]
    fn spelling_does_not_make_another_save() {
        assert_eq!(id("gb/sram/Poke\u{301}mon"), id("gb/sram/POK\u{c9}MON"));
        assert_eq!(id("gb/sram/Straße"), id("gb/sram/STRASSE"));
        assert_ne!(id("gb/sram/Tetris"), id("nes/sram/Tetris"));
        assert_eq!(id("gb/sram/TETRIS").to_string(), "gb/sram/TETRIS");
    }

    #[test]
    fn each_wrong_form_is_refused_with_its_reason() {
        for (text, reason) in [
            ("gb", "it has no kind"),
            ("gb/sram", "it has no title"),
            ("GB/sram/x", "the system is not of a-z, 0-9 and -"),
            ("gb/s-ram/x", "the kind is not 1 to 16 of a-z"),
            ("gb/state@mgba/x", "a state has a slot and a core"),
            ("gb/state.1/x", "a state has a slot and a core"),
            ("gb/sram/", "a part of the title is empty"),
            ("gb/sram/../x", "a part of the title is . or .."),
            ("gb/sram/a\u{7}", "the title has a control character"),
        ] {
            assert_eq!(text.parse::<SaveId>().map_err(|e| e.reason), Err(reason), "{text}");
        }
    }
}
