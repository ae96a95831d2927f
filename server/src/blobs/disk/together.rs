//! Publishing in groups: what comes while the disk is being waited for is published together, with two waits for all.
//!
//! A batch that comes first is published at once, by a thread that then takes all that has come meanwhile, and so on until nothing
//! has: nobody waits for a timer, and the more come at once the less each costs. Each is answered after its own bytes and
//! names are durable. A batch whose files cannot be renamed fails alone; when the disk refuses to sync, nobody can tell whose
//! bytes it lost, and the whole group is refused.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use super::{Folder, Incoming, SYNC_TOGETHER, failed, in_doubt_after_an_error};
use crate::blobs::{BlobError, Place, Result, Staged};

/// Batches that wait for the disk.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    batches: Vec<(Vec<Staged>, oneshot::Sender<Result<()>>)>,
    /// Is a thread at work that will take what waits?
    led: bool,
}

impl Queue {
    /// Takes in a batch; `true`: nobody is at work, so the caller sees to it that [`Queue::lead`] runs.
    pub(super) fn join(&self, batch: Vec<Staged>) -> (oneshot::Receiver<Result<()>>, bool) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.batches.push((batch, sender));
        (receiver, !std::mem::replace(&mut waiting.led, true))
    }

    /// Publishes what waits, until nothing does.
    pub(super) fn lead(&self, folder: &Folder) {
        let _ends = Ends(self);
        loop {
            let mut waiting = self.lock();
            if waiting.batches.is_empty() {
                waiting.led = false;
                return;
            }
            let group = std::mem::take(&mut waiting.batches);
            drop(waiting);
            let (batches, senders): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            for (sender, result) in senders.into_iter().zip(folder.publish(batches)) {
                // Whoever has gone away meanwhile is not told.
                let _ = sender.send(result);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bug that ends the leading thread must not leave the others waiting for ever.
struct Ends<'a>(&'a Queue);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            *self.0.lock() = Waiting::default();
        }
    }
}

/// Files of one batch, each with its name to be.
type Files = Vec<(Incoming, PathBuf)>;

impl Folder {
    /// Steps 2 to 4 of the head of `disk`, for many batches at once: an answer for each.
    pub(super) fn publish(&self, batches: Vec<Vec<Staged>>) -> Vec<Result<()>> {
        let mut batches: Vec<Result<Files>> = batches.into_iter().map(|batch| self.files(batch)).collect();
        if let Err(why) = self.publish_files(&mut batches) {
            return batches.iter().map(|_| Err(why.clone())).collect();
        }
        batches.into_iter().map(|batch| batch.map(drop)).collect()
    }

    fn files(&self, batch: Vec<Staged>) -> Result<Files> {
        let file = |staged: Staged| match staged.place {
            Place::File(incoming) => Ok((incoming, self.path(staged.content.digest))),
            Place::Memory(_) => Err(BlobError::Failed("staged in another store".into())),
        };
        batch.into_iter().map(file).collect()
    }

    /// An error here is everybody's; that of a single batch takes its place in the list.
    fn publish_files(&self, batches: &mut [Result<Files>]) -> Result<()> {
        let mut in_doubt = self.in_doubt.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_doubt {
            return Err(in_doubt_after_an_error());
        }
        let files = batches.iter().flatten().flatten();
        self.sync(files.map(|(incoming, _)| incoming.path.as_path()), &mut in_doubt)?;
        for batch in batches.iter_mut() {
            if let Ok(files) = batch
                && let Err(why) = rename(files)
            {
                *batch = Err(why);
            }
        }
        let files = batches.iter().flatten().flatten();
        self.sync(files.filter_map(|(_, path)| path.parent()), &mut in_doubt)
    }

    /// Makes these files or folders durable: each by itself if they are few, else the whole file system at once.
    fn sync<'a>(&self, paths: impl Iterator<Item = &'a Path>, in_doubt: &mut bool) -> Result<()> {
        let paths: BTreeSet<&Path> = paths.collect();
        let synced = if paths.len() > SYNC_TOGETHER {
            let root = File::open(&self.root).map_err(failed)?;
            rustix::fs::syncfs(root).map_err(io::Error::from)
        } else {
            let files =
                paths.into_iter().map(File::open).collect::<io::Result<Vec<File>>>().map_err(failed)?;
            files.iter().try_for_each(File::sync_all)
        };
        synced.map_err(failed).inspect_err(|why| *in_doubt = matches!(why, BlobError::Failed(_)))
    }
}

fn rename(files: &mut Files) -> Result<()> {
    for (incoming, path) in files {
        fs::rename(&incoming.path, path).map_err(failed)?;
        incoming.published = true;
    }
    Ok(())
}
