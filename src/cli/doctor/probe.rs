//! Tries the card: can it be written, and do file events arrive? Only ever touches a file of its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::durable::{make_folder, remove, remove_folder};
use crate::error::{Error, Kind, Result};
use crate::root::STATE_FOLDER;
use crate::volume::Os;
use crate::watch::{self, How, Sweeps};

/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A folder of its own for one try; gone when dropped.
struct Trial(PathBuf);

impl Trial {
    fn begin(root: &Path) -> Result<Trial> {
        let state = root.join(STATE_FOLDER);
        if !state.is_dir() {
            return Err(Error::new(
                Kind::Unpaired,
                format!("cannot try `{}`", root.display()),
                "it is not paired yet",
            )
            .help("run `retrosync pair https://your.server`"));
        }
        let folder = state.join(format!("probe-{}", std::process::id()));
        make_folder(&Os, &folder).map_err(|error| failed(root, &error))?;
        Ok(Trial(folder))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = remove(&Os, &self.0.join("file"));
        let _ = remove_folder(&self.0);
    }
}

fn failed(root: &Path, cause: &std::io::Error) -> Error {
    Error::io(format!("cannot write to the card at `{}`", root.display()), cause)
        .help("is the card full, locked or failing? saves that are there are not touched")
}

/// Writes a file and reads it back.
pub(super) fn can_write(root: &Path) -> Result<()> {
    let trial = Trial::begin(root)?;
    let file = trial.0.join("file");
    std::fs::write(&file, b"retrosync").map_err(|error| failed(root, &error))?;
    match std::fs::read(&file) {
        Ok(bytes) if bytes == b"retrosync" => Ok(()),
        Ok(_) => Err(Error::new(
            Kind::Damaged,
            format!("cannot trust the card at `{}`", root.display()),
            "it returned other bytes than were written",
        )
        .help("replace the card; copy its saves while it can be read")),
        Err(error) => Err(failed(root, &error)),
    }
}

/// Does a write raise an event?
pub(super) fn tells_changes(root: &Path) -> Result<bool> {
    let trial = Trial::begin(root)?;
    let (sender, receiver) = channel();
    let sweeps = Sweeps { slow: PATIENCE * 100, fast: PATIENCE * 100 };
    let tell = move |change| drop(sender.send(change));
    let Ok(_watcher) = watch::start(How::Inotify, sweeps, vec![trial.0.clone()], tell) else {
        return Ok(false);
    };
    std::fs::write(trial.0.join("file"), b"retrosync").map_err(|error| failed(root, &error))?;
    Ok(receiver.recv_timeout(PATIENCE).is_ok())
}
