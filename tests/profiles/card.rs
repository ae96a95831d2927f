//! A card (or a whole machine) in a folder, and the profiles with their examples.

use std::fs;
use std::path::Path;

use retrosync::facts;
use retrosync::naming::Naming;
use retrosync::profile::{Profile, Site};
use retrosync::snapshot::{Place, RelativePath};
use retrosync::volume::Os;
use retrosync_protocol::SaveId;

/// The profiles with their examples, which the binary leaves out.
pub(crate) fn profiles() -> Vec<Profile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("device-profiles");
    let (profiles, problems) = facts::profiles(&folder);
    assert_eq!(problems, [], "a profile cannot be read");
    profiles
}

pub(crate) fn profile(name: &str) -> Profile {
    profiles().into_iter().find(|profile| profile.name == name).unwrap()
}

/// A card in a folder.
pub(crate) struct Card {
    folder: tempfile::TempDir,
}

impl Card {
    pub(crate) fn new() -> Card {
        Card { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, path: &str) -> &Card {
        self.text(path, "")
    }

    pub(crate) fn text(&self, path: &str, text: &str) -> &Card {
        let path = self.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn naming(&self, profile: &Profile) -> (Naming, Site) {
        let site = facts::locate(profile, Path::new("/"), Some(self.path())).unwrap();
        let (games, problems) = facts::games(&Os, profile, &site);
        assert_eq!(problems, []);
        (Naming::new(profile, &site, games), site)
    }
}

pub(crate) fn at(path: &str) -> Place {
    Place { root: 0, path: RelativePath::new(path).unwrap() }
}

pub(crate) fn save(text: &str) -> SaveId {
    text.parse().unwrap()
}
