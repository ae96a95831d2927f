//! What the unit tests of catalog, blobs, library and keep begin with: one of each. For tests only.

#![allow(clippy::unwrap_used)]

use retrosync_protocol::{Content, Digest, Epoch, Version, VersionId, WriterId};

use crate::catalog::{User, UserId};
use crate::library::Asker;

/// The first epoch of every catalog of the tests.
pub(crate) fn epoch() -> Epoch {
    Epoch::from_random(&[7; 16])
}

/// A user that is not added yet.
pub(crate) fn user(name: &str) -> User {
    User {
        id: UserId(0),
        name: name.into(),
        password_hash: "$argon2id$".into(),
        admin: false,
        writer: WriterId::from_random(&[1; 16]),
        quota_bytes: None,
        quota_devices: None,
        email: None,
        created_unix_s: 1000,
    }
}

/// A user at the dashboard.
pub(crate) fn asker(user: UserId, name: &str) -> Asker {
    Asker {
        user,
        user_name: name.into(),
        device: None,
        device_name: "dashboard".into(),
        writer: WriterId::from_random(&[1; 16]),
    }
}

/// These bytes, as records speak of them.
pub(crate) fn content(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

/// A version of writer `writer` with these bytes, over these parents.
pub(crate) fn version(save: &str, writer: u8, sequence: u64, bytes: &[u8], parents: &[VersionId]) -> Version {
    let mut parents = parents.to_vec();
    parents.sort();
    parents.dedup();
    Version {
        save: save.parse().unwrap(),
        content: Some(content(bytes)),
        parents,
        writer: WriterId::from_random(&[writer; 16]),
        sequence,
        played: None,
        suspect: false,
        client: "test".into(),
        profile: "onion".into(),
        core: None,
        note: None,
    }
}
