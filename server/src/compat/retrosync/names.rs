//! PURE. Their ids for our things: UUIDs that are computed, so nothing has to be kept to find a thing again.

use retrosync_protocol::{DeviceId, Digest, VersionId};

use crate::catalog::UserId;

/// 16 bytes in the form of a UUID of version 4.
fn uuid(bytes: &[u8; 32]) -> String {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[..16]);
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn of(parts: &[&str]) -> String {
    uuid(Digest::of(format!("retrosync.uuid.1\n{}", parts.join("\n")).as_bytes()).as_bytes())
}

pub(super) fn user(user: UserId) -> String {
    of(&["user", &user.0.to_string()])
}

pub(super) fn device(device: &DeviceId) -> String {
    of(&["device", device.as_str()])
}

pub(super) fn save(user: UserId, title: &str) -> String {
    of(&["save", &user.0.to_string(), title])
}

pub(super) fn location(device: &DeviceId, path: &str) -> String {
    of(&["location", device.as_str(), path])
}

pub(super) fn scan_path(device: &DeviceId, kind: &str, path: &str) -> String {
    of(&["scan path", device.as_str(), kind, path])
}

/// Something that happened at this time, told apart from others by a random number.
pub(super) fn event(random: &[u8; 32]) -> String {
    uuid(random)
}

/// A version: the first 16 bytes of its id, but for six bits.
pub(super) fn version(id: VersionId) -> String {
    uuid(id.as_bytes())
}

/// Between which ids a version of this UUID lies; `None`: it is no UUID.
pub(super) fn version_range(text: &str) -> Option<(VersionId, VersionId)> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    if text.len() != 36 || hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let (mut first, mut last) = ([0; 32], [0xff; 32]);
    for index in 0..6 {
        let byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
        (first[index], last[index]) = (byte, byte);
    }
    Some((Digest::from_bytes(first), Digest::from_bytes(last)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_version_is_found_by_its_uuid() {
        let id = Digest::of(b"a version");
        let text = version(id);
        assert_eq!((text.len(), &text[14..15]), (36, "4"), "{text}");
        let (first, last) = version_range(&text).unwrap();
        assert!((first..=last).contains(&id));
        assert!(!(first..=last).contains(&Digest::of(b"another")));
        for wrong in ["", "nothing", "63c1dd95-1ffe-df6f-7fd9-68ad4efa39bé"] {
            assert_eq!(version_range(wrong), None, "{wrong}");
        }
    }
}
