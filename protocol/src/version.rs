//! One immutable state of one save, and its id.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

use crate::{Digest, Hasher, SaveId, WriterId};

/// The id of a version: the digest of its record.
pub type VersionId = Digest;

/// Payload bytes by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Content {
    /// SHA-256 of the payload.
    pub digest: Digest,
    /// How long the payload is.
    pub size_bytes: u64,
}

/// The interval, by server time, in which the bytes were last changed. For people only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Played {
    /// Not before.
    pub from_unix_s: i64,
    /// Not after.
    pub to_unix_s: i64,
}

/// One state of one save (README 1.2). Immutable; found by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Which save.
    pub save: SaveId,
    /// The payload; `None` is a tombstone.
    pub content: Option<Content>,
    /// What the writer had seen and this replaces: sorted, distinct, at most [`crate::MAX_PARENTS`].
    pub parents: Vec<VersionId>,
    /// Who wrote it.
    pub writer: WriterId,
    /// The writer's count, from 1.
    pub sequence: u64,
    /// When the bytes were last changed.
    #[serde(default)]
    pub played: Option<Played>,
    /// The device doubts the bytes: kept and shown, never a head.
    #[serde(default)]
    pub suspect: bool,
    /// The program, as `retrosync/0.1.0 armv7`.
    #[serde(default)]
    pub client: String,
    /// The device profile, as `onion`.
    #[serde(default)]
    pub profile: String,
    /// The emulator core that wrote the bytes, if known.
    #[serde(default)]
    pub core: Option<String>,
    /// A person's note.
    #[serde(default)]
    pub note: Option<String>,
}

impl Version {
    /// What a request says of the records that it carries, by their ids in order: one damaged on its way can be well-formed.
    pub fn digest_of_all(ids: &[VersionId]) -> Digest {
        let mut hasher = Hasher::default();
        ids.iter().for_each(|id| hasher.update(id.as_bytes()));
        hasher.finish()
    }

    /// The record's id: SHA-256 of its netstrings, in the order of README 1.2.
    pub fn id(&self) -> VersionId {
        let mut preimage = String::with_capacity(512);
        let mut add = |value: &str| {
            // Writing to a String cannot fail.
            let _ = write!(preimage, "{}:{value},", value.len());
        };
        let text = |number: Option<i64>| number.map_or_else(String::new, |n| n.to_string());
        add("retrosync.version.1");
        add(self.save.as_str());
        add(&self.content.map_or_else(String::new, |c| c.digest.to_string()));
        add(&self.content.map_or_else(String::new, |c| c.size_bytes.to_string()));
        add(&self.parents.iter().map(Digest::to_string).collect::<Vec<_>>().join(" "));
        add(self.writer.as_str());
        add(&self.sequence.to_string());
        add(&text(self.played.map(|p| p.from_unix_s)));
        add(&text(self.played.map(|p| p.to_unix_s)));
        add(if self.suspect { "1" } else { "0" });
        add(&self.client);
        add(&self.profile);
        add(self.core.as_deref().unwrap_or_default());
        add(self.note.as_deref().unwrap_or_default());
        Digest::of(preimage.as_bytes())
    }

    /// Was it said by `other` what this says: the same bytes from the same parents? Then it is the same act, told twice: an
    /// answer was lost, or what another device had fetched and could not record before its power went.
    pub fn says_the_same_as(&self, other: &Version) -> bool {
        self.content == other.content && self.parents == other.parents && self.suspect == other.suspect
    }

    /// What is wrong with the record's form, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        let sorted = self.parents.windows(2).all(|pair| pair[0] < pair[1]);
        let long = |text: &str, most: usize| text.len() > most || text.chars().any(char::is_control);
        if self.parents.len() > crate::MAX_PARENTS {
            Some("more than 16 parents")
        } else if !sorted {
            Some("the parents are not sorted and distinct")
        } else if self.sequence == 0 || self.sequence > i64::MAX as u64 {
            Some("the sequence is not from 1")
        } else if self.content.is_some_and(|c| c.size_bytes > crate::MAX_CONTENT_BYTES) {
            Some("the content is larger than 512 MiB")
        } else if self.suspect && self.content.is_none() {
            Some("a tombstone cannot be suspect")
        } else if long(&self.client, 80)
            || long(&self.profile, 80)
            || self.core.as_deref().is_some_and(|t| long(t, 80))
        {
            Some("client, profile or core is longer than 80 bytes or has a control character")
        } else if self.note.as_deref().is_some_and(|t| t.len() > 400) {
            Some("the note is longer than 400 bytes")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> Version {
        Version {
            save: "gb/sram/Tetris".parse().unwrap_or_else(|e| unreachable!("{e}")),
            content: Some(Content { digest: Digest::of(b"abc"), size_bytes: 3 }),
            parents: vec![],
            writer: WriterId::from_random(&[0xab; 16]),
            sequence: 1,
            played: None,
            suspect: false,
            client: "test".into(),
            profile: "onion".into(),
            core: None,
            note: None,
        }
    }

    #[test]
    fn the_id_is_the_digest_of_the_netstrings() {
        let preimage = "19:retrosync.version.1,14:gb/sram/Tetris,\
            64:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad,1:3,0:,\
            32:abababababababababababababababab,1:1,0:,0:,1:0,4:test,5:onion,0:,0:,";
        assert_eq!(version().id(), Digest::of(preimage.as_bytes()));
    }

    #[test]
    fn every_field_makes_another_version() {
        let one = version().id();
        let changes: [fn(&mut Version); 8] = [
            |v| v.content = None,
            |v| v.parents = vec![Digest::of(b"p")],
            |v| v.sequence = 2,
            |v| v.played = Some(Played { from_unix_s: 1, to_unix_s: 2 }),
            |v| v.suspect = true,
            |v| v.client = "other".into(),
            |v| v.core = Some("gambatte".into()),
            |v| v.note = Some("before the last boss".into()),
        ];
        for change in changes {
            let mut other = version();
            change(&mut other);
            assert_ne!(other.id(), one, "{other:?}");
        }
    }

    #[test]
    fn unsorted_parents_are_a_fault() {
        let mut bad = version();
        bad.parents = vec![Digest::of(b"a"), Digest::of(b"a")];
        assert_eq!(bad.fault(), Some("the parents are not sorted and distinct"));
        assert_eq!(version().fault(), None);
    }
}
