//! The secret from which the S3 keys of RetroSync's first-generation clients are computed.
//!
//! Such a signature can only be checked by who could make it, so unlike a token it cannot be kept as a hash. What it is made
//! with therefore lies apart from the records: neither a catalog that was read nor a backup that leaked is a key to anything.
//! Reads and makes one file; shows its bytes to nobody but the signature.

use std::fmt;
use std::io;
use std::path::Path;

use retrosync_protocol::Digest;

use crate::keep::write_private;

/// Its file in the data folder; in no backup.
const FILE: &str = "clients.key";
/// What a person must give at least.
const LEAST_CHARS: usize = 32;

/// The secret.
#[derive(Clone)]
pub struct ClientsKey([u8; 32]);

impl fmt::Debug for ClientsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientsKey(…)")
    }
}

impl ClientsKey {
    /// The one that the configuration says; `None`: it is too short to be a secret.
    pub fn of(text: &str) -> Option<ClientsKey> {
        let text = text.trim();
        (text.chars().count() >= LEAST_CHARS).then(|| ClientsKey(*Digest::of(text.as_bytes()).as_bytes()))
    }

    /// The server's own, kept in its data folder; drawn when there is none.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds no secret.
    pub fn kept(data: &Path) -> io::Result<ClientsKey> {
        let path = data.join(FILE);
        let in_file = |why: io::Error| io::Error::new(why.kind(), format!("`{}`: {why}", path.display()));
        match std::fs::read_to_string(&path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => drawn(&path).map_err(in_file),
            text => ClientsKey::of(&text.map_err(in_file)?).ok_or_else(|| {
                let text = "holds no secret; remove it, and pair first-generation clients again";
                in_file(io::Error::new(io::ErrorKind::InvalidData, text))
            }),
        }
    }

    /// Its bytes, to sign with.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn drawn(path: &Path) -> io::Result<ClientsKey> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|why| io::Error::other(why.to_string()))?;
    let text = Digest::from_bytes(bytes).to_string();
    write_private(path, &format!("{text}\n"))?;
    ClientsKey::of(&text).ok_or_else(|| io::Error::other("no secret was drawn"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_server_keeps_its_own_secret_and_takes_no_short_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = ClientsKey::kept(folder.path()).unwrap();
        assert_eq!(ClientsKey::kept(folder.path()).unwrap().0, first.0, "the same after a restart");
        let file = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(ClientsKey::of(&text).unwrap().0, first.0, "several servers are given the file's text");
        assert!(ClientsKey::of("short").is_none());
        assert_eq!(format!("{first:?}"), "ClientsKey(…)");
        std::fs::write(&file, "cut").unwrap();
        let why = ClientsKey::kept(folder.path()).unwrap_err().to_string();
        assert_eq!(
            why,
            format!(
                "`{}`: holds no secret; remove it, and pair first-generation clients again",
                file.display()
            )
        );
    }
}
