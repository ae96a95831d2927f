//! What the naming said of the files, folders and saves of a device. It is asked again only when it has learnt of other games:
//! thousands of saves lie under the same names day after day, and each question is a walk through all tables.
//!
//! For one naming; what it says at one time it says for ever, but for its games. Reads nothing.

use litemap::LiteMap;
use retrosync_protocol::SaveId;

use crate::naming::{Identified, Naming, SaveFolder};
use crate::snapshot::Place;

/// See the module.
#[derive(Default)]
pub(super) struct Names {
    /// How often the naming had learnt.
    learnt: Option<u64>,
    pub(super) folders: Vec<SaveFolder>,
    files: LiteMap<Place, Name>,
    /// Where absent saves would go.
    homes: LiteMap<SaveId, Option<Place>>,
    scan: u64,
}

struct Name {
    is: Identified,
    /// When it was last met.
    scan: u64,
}

impl Names {
    /// A scan begins.
    pub(super) fn begin(&mut self, naming: &Naming) {
        self.scan += 1;
        if self.learnt != Some(naming.learnt()) {
            let (scan, learnt, folders) = (self.scan, Some(naming.learnt()), naming.folders());
            *self = Names { learnt, folders, scan, ..Names::default() };
        }
    }

    /// A scan ends: what it did not meet is gone.
    pub(super) fn end(&mut self) {
        let scan = self.scan;
        self.files.retain(|_, name| name.scan == scan);
    }

    /// What the file at a place is; none if this scan has met it before.
    pub(super) fn meet(&mut self, place: &Place, naming: &Naming) -> Option<Identified> {
        let scan = self.scan;
        if let Some(name) = self.files.get_mut(place) {
            return (std::mem::replace(&mut name.scan, scan) != scan).then(|| name.is.clone());
        }
        let is = naming.identify(place);
        self.files.insert(place.clone(), Name { is: is.clone(), scan });
        Some(is)
    }

    /// Where an absent save would go.
    pub(super) fn home(&mut self, save: &SaveId, naming: &Naming) -> Option<Place> {
        if let Some(home) = self.homes.get(save) {
            return home.clone();
        }
        let home = naming.home(save);
        self.homes.insert(save.clone(), home.clone());
        home
    }
}
