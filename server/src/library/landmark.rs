//! Landmarks: by what a device's history is known to be this one, or one that this server was set back behind.
//!
//! A change's number says little: set back unawares (its folder copied back, a snapshot, a database brought to an earlier hour), a
//! server gives the same numbers again. Which version it was, and when it came, it does not give twice. So a landmark is made from
//! what every catalog holds of a change anyway: there is nothing to keep, several servers over one database agree, and what was
//! stored before there were landmarks has them. Compares no times: they are only part of what a change was.

use retrosync_protocol::{Epoch, Hasher, Landmark};

use crate::catalog::Change;

/// The landmark of a change: its number, then eight bytes of what it was.
pub(super) fn of(change: &Change) -> Landmark {
    let mut hasher = Hasher::default();
    hasher.update(change.version.as_bytes());
    hasher.update(&change.received_unix_s.to_be_bytes());
    let mut bytes = [0; 16];
    let (number, what) = bytes.split_at_mut(8);
    number.copy_from_slice(&change.number.to_be_bytes());
    what.copy_from_slice(&hasher.finish().as_bytes()[..8]);
    Epoch::from_random(&bytes)
}

/// The number of the change that it is of.
pub(super) fn number(landmark: &Landmark) -> u64 {
    landmark.as_str().get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use retrosync_protocol::Digest;

    #[test]
    fn a_later_change_has_a_greater_landmark_and_another_change_another_one() {
        let change = |number, version: &[u8], received_unix_s| {
            of(&Change { number, version: Digest::of(version), received_unix_s })
        };
        let one = change(255, b"a", 7);
        assert_eq!(number(&one), 255);
        assert_eq!(one, change(255, b"a", 7));
        assert_ne!(one, change(255, b"b", 7), "another version in its place");
        assert_ne!(one, change(255, b"a", 8), "the same one, sent again to a server that was set back");
        assert!(one.as_str() < change(256, b"a", 7).as_str());
    }
}
