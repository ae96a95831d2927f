//! What the kernel in the box is asked to do, and where on its two disks: a job has a slice of the cards and of the logs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::drawn;
use crate::saves::bytes;
use crate::story::Story;
use crate::written::{stories, textbook_story};

/// Bytes of a slice of the disk of cards.
pub(crate) const CARD_BYTES: u64 = 2304 << 20;
/// Bytes of a slice of the disk of logs.
pub(crate) const LOG_BYTES: u64 = 512 << 20;

/// Which story is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Which {
    /// The one of this number in `stories`.
    Written(usize),
    /// The one of this number that is drawn.
    Drawn(u64),
    /// The textbook's: its failing is the point.
    Textbook,
}

/// The card that is made for a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Make {
    /// The story.
    pub(crate) story: Which,
    /// The size of its saves, if it was written.
    pub(crate) size_bytes: usize,
    /// Other files in the saves' folder.
    pub(crate) neighbours: usize,
    /// Sectors of a cluster.
    pub(crate) cluster_sectors: u32,
    /// The kernel writes back at every moment, not after seconds.
    pub(crate) eager: bool,
    /// Our folder was copied onto the card while it was mounted, by somebody who synced nothing.
    pub(crate) copied: bool,
    /// Mount options, besides the character sets.
    pub(crate) options: String,
}

impl Make {
    /// The story.
    pub(crate) fn story(&self) -> Story {
        match self.story {
            Which::Written(number) => stories(self.size_bytes).swap_remove(number),
            Which::Drawn(number) => drawn::story(number),
            Which::Textbook => textbook_story(self.size_bytes),
        }
    }

    /// Are the folders of a sequence of calls younger than the last sync of the folder that they are in?
    pub(crate) fn is_fresh(&self) -> bool {
        self.neighbours % 2 == 1
    }

    /// For a table.
    pub(crate) fn name(&self) -> String {
        let Make { size_bytes, neighbours, cluster_sectors, .. } = self;
        let eager = if self.eager { ", eager" } else { "" };
        let copied = if self.copied { ", copied" } else { "" };
        let options = if self.options.is_empty() { String::new() } else { format!(", {}", self.options) };
        let name = match self.story {
            Which::Drawn(number) => format!("drawn {number}"),
            _ => format!("{}, {size_bytes} B", self.story().name),
        };
        format!("{name}, {neighbours} files, {} B clusters{eager}{copied}{options}", cluster_sectors * 512)
    }

    /// The files that lie beside the saves.
    pub(crate) fn beside(&self) -> Vec<(String, Vec<u8>)> {
        let name = |number: usize| match number % 3 {
            0 => format!("Saves/Game {number:03}.srm"),
            1 => format!("Saves/Another Game With a Longer Name {number:03} (USA, Europe).srm"),
            _ => format!("Saves/G{number:03}.sav"),
        };
        (0..self.neighbours).map(|number| (name(number), bytes(100 + number, 1, 600))).collect()
    }
}

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Make a card, play its story, record.
    Play,
    /// Make a card, play the sequence of this number on it, record.
    Calls(usize),
    /// Put this crash on the card, start the daemon on it, record.
    Recover(PathBuf),
    /// Put this crash on the card, mount it, tell what is there, start the daemon, judge.
    Look {
        /// The crash.
        state: PathBuf,
        /// Steps that were reported done.
        acked: usize,
    },
}

/// One job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The card.
    pub(crate) make: Make,
    /// What to do with it.
    pub(crate) task: Task,
}

/// All jobs of one boot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// In this order; the number of each is that of its slices.
    pub(crate) jobs: Vec<Job>,
}

/// What a file is, as the kernel or our reader sees it: path, size, and the digest of what could be read.
pub(crate) type Seen = Vec<(String, u64, Option<String>)>;

/// Where the kernel's answers lie: one file a job.
pub(crate) fn answer(folder: &Path, job: usize) -> PathBuf {
    folder.join(format!("answer.{job}"))
}
