//! What lies between a daemon and a folder that all devices write: the daemon's own backend, and a share that goes away.

use retrosync::error::{Error, Kind, Result};
use retrosync::remote::{Folder, Remote, Sink, Source};
use retrosync_protocol::{
    Changes, ChangesRequest, Content, History, SaveId, StoreResult, Version, VersionId,
};

use crate::link::{Fault, Link, lost, of_result};

/// The daemon's remote where a folder is the store.
pub struct ShareLink {
    /// What happens to its calls.
    pub link: Link,
    /// The backend.
    pub folder: Folder,
}

impl ShareLink {
    /// A share knows fewer faults than a network: most of them mean that it is gone.
    fn befalls(fault: Option<Fault>) -> Result<Option<Fault>> {
        match fault {
            None => Ok(None),
            Some(fault @ (Fault::ReplyLost | Fault::CutOff | Fault::Twice)) => Ok(Some(fault)),
            Some(Fault::NoRoom) => Err(Error::new(Kind::Full, "cannot write the store", "no space left")),
            Some(_) => Err(lost("the share is gone")),
        }
    }
}

impl Remote for ShareLink {
    fn list(&mut self, request: &ChangesRequest) -> Result<Changes> {
        let fault = self.link.begin_list();
        self.link.is_for(["asked"].into_iter(), fault);
        let fault = ShareLink::befalls(fault)?;
        let changes = self.folder.list(request)?;
        self.link.end(fault, changes)
    }

    fn fetch(&mut self, wanted: &[Content], sink: &mut Sink<'_>) -> Result<Vec<(Content, Error)>> {
        let fault = self.link.begin(false);
        self.link.is_for(wanted.iter().map(|_| "placed"), fault);
        let fault = ShareLink::befalls(fault)?;
        let first = if fault.is_some() { wanted.get(..1).unwrap_or_default() } else { wanted };
        let missing = self.folder.fetch(first, sink)?;
        self.link.end(fault, missing)
    }

    fn store(&mut self, offers: &[Version], source: &Source<'_>) -> Result<Vec<StoreResult>> {
        self.link.weather.get().stores += 1;
        let fault = ShareLink::befalls(self.link.begin_store(offers))?;
        self.link.server.get().is_changed();
        if fault == Some(Fault::Twice) {
            self.folder.store(offers, source)?;
        }
        let results = self.folder.store(offers, source)?;
        if fault.is_none() {
            self.link.is_for(offers.iter().zip(&results).map(of_result), None);
        }
        let results = self.link.end(fault, results)?;
        self.link.note(offers, &results);
        Ok(results)
    }

    fn history(&mut self, save: &SaveId, before: Option<VersionId>) -> Result<History> {
        let fault = self.link.begin(false);
        self.link.is_for(["history"].into_iter(), fault);
        let fault = ShareLink::befalls(fault)?;
        let history = self.folder.history(save, before)?;
        self.link.end(fault, history)
    }
}
