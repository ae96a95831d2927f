//! The small texts of the protocol, each a type that cannot hold a wrong form.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// A text that is not of its form: what it should have been, what it was, what form was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    what: &'static str,
    text: String,
    form: &'static str,
}

impl Malformed {
    pub(crate) fn new(what: &'static str, text: &str, form: &'static str) -> Malformed {
        Malformed { what, text: text.chars().take(120).collect(), form }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a {}: expected {}", self.text, self.what, self.form)
    }
}

impl std::error::Error for Malformed {}

/// Reads a borrowed or owned string and parses it: for types that travel as text.
pub(crate) fn deserialize_from_str<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

fn is_word(text: &str, most: usize, also: &[u8]) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $form:literal, $test:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<$name, Malformed> {
                let test: fn(&str) -> bool = $test;
                if test(text) { Ok($name(text.into())) } else { Err(Malformed::new($what, text, $form)) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                deserialize_from_str(deserializer)
            }
        }
    };
}

macro_rules! shown_text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $form:literal, $test:expr) => {
        text_type! { $(#[$doc])* $name, $what, $form, $test }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

shown_text_type! {
    /// A system's canonical name (`systems.toml`).
    System, "system", "1 to 40 of a-z, 0-9 and -", |t| is_word(t, 40, b"-")
}
shown_text_type! {
    /// Which one of several: a memory card's or a state's slot.
    Slot, "slot", "1 to 8 of a-z and 0-9", |t| is_word(t, 8, b"")
}
shown_text_type! {
    /// An emulator core, where its bytes load in no other.
    Core, "core", "1 to 40 of a-z, 0-9, _ and -", |t| is_word(t, 40, b"_-")
}
shown_text_type! {
    /// A random 128-bit id of one card in one device.
    WriterId, "writer", "32 lower-case hex digits", |t| is_hex(t, 32)
}
shown_text_type! {
    /// A random id of a server's history; redrawn by a restore from a backup.
    Epoch, "epoch", "32 lower-case hex digits", |t| is_hex(t, 32)
}
shown_text_type! {
    /// A paired device.
    DeviceId, "device", "dev_ and 16 lower-case hex digits",
    |t| t.strip_prefix("dev_").is_some_and(|hex| is_hex(hex, 16))
}
shown_text_type! {
    /// What makes a mutation replayable: the same id answers the same.
    OperationId, "operation id", "1 to 64 of A-Z, a-z, 0-9, _ and -",
    |t| (1..=64).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
text_type! {
    /// A device's bearer token. Never shown: its `Debug` hides it, and it has no `Display`.
    Token, "token", "rst_ and 64 lower-case hex digits", |t| t.strip_prefix("rst_").is_some_and(|hex| is_hex(hex, 64))
}

impl Token {
    /// The token that 32 random bytes make.
    pub fn from_random(bytes: &[u8; 32]) -> Token {
        Token(format!("rst_{}", Digest::from_bytes(*bytes)).into())
    }

    /// What the server keeps instead of the token.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rst_…")
    }
}

impl WriterId {
    /// The writer id that 16 random bytes make.
    pub fn from_random(bytes: &[u8; 16]) -> WriterId {
        WriterId(hex(bytes).into())
    }
}

/// A change of a user's history that somebody surely knows of: its number and what it was, as 32 lower-case hex digits of which
/// the greater is the later. A history that lacks it is another one. Of the form of an epoch, and of its type: a type is
/// bytes on every card.
pub type Landmark = Epoch;

impl Epoch {
    /// The epoch that 16 random bytes make.
    pub fn from_random(bytes: &[u8; 16]) -> Epoch {
        Epoch(hex(bytes).into())
    }
}

impl DeviceId {
    /// The device id that 8 random bytes make.
    pub fn from_random(bytes: &[u8; 8]) -> DeviceId {
        DeviceId(format!("dev_{}", hex(bytes)).into())
    }
}

impl OperationId {
    /// The operation id that 16 random bytes make.
    pub fn from_random(bytes: &[u8; 16]) -> OperationId {
        OperationId(hex(bytes).into())
    }
}

/// The digits of all that is told in hex.
pub(crate) const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(HEX[usize::from(digit)])).collect()
}

/// The alphabet of pairing codes: 32 letters and digits that are not mistaken for one another.
const CODE_ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A pairing code: 8 characters, shown as `WXRT-4KQM`, read in any case with or without the dash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserCode([u8; 8]);

impl UserCode {
    /// The code that 8 random bytes make (5 bits of each are used).
    pub fn from_random(bytes: &[u8; 8]) -> UserCode {
        UserCode(bytes.map(|byte| CODE_ALPHABET[usize::from(byte & 31)]))
    }
}

impl FromStr for UserCode {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<UserCode, Malformed> {
        let letters: Vec<u8> =
            text.bytes().filter(|b| !matches!(b, b'-' | b' ')).map(|b| b.to_ascii_uppercase()).collect();
        <[u8; 8]>::try_from(letters)
            .ok()
            .filter(|code| code.iter().all(|letter| CODE_ALPHABET.contains(letter)))
            .map(UserCode)
            .ok_or_else(|| Malformed::new("pairing code", text, "8 letters and digits, such as WXRT-4KQM"))
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::str::from_utf8(&self.0).unwrap_or_default();
        write!(f, "{}-{}", &text[..4], &text[4..])
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for UserCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UserCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UserCode, D::Error> {
        deserialize_from_str(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code: UserCode = "wxrt-4kqm".parse().unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(code.to_string(), "WXRT-4KQM");
        assert_eq!("WXRT4KQM".parse(), Ok(code.clone()));
        assert_eq!(" wxrt 4kqm".parse(), Ok(code));
        assert!("WXRT-4KQ0".parse::<UserCode>().is_err(), "0 is not of the alphabet");
    }

    #[test]
    fn a_token_never_prints() {
        let token = Token::from_random(&[7; 32]);
        assert_eq!(format!("{token:?}"), "rst_…");
    }

    #[test]
    fn each_text_refuses_what_is_not_of_its_form() {
        assert!("GB".parse::<System>().is_err());
        assert!("".parse::<Core>().is_err());
        assert!("dev_12".parse::<DeviceId>().is_err());
        assert!("a b".parse::<OperationId>().is_err());
        assert_eq!(
            "dev_0123456789abcdef".parse::<DeviceId>().map(|d| d.to_string()),
            Ok("dev_0123456789abcdef".into())
        );
    }
}
