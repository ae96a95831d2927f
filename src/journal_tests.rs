//! What the journal keeps through restarts and rewriting; power cuts are `tests/power_cut`.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use super::*;
use crate::snapshot::RelativePath;
use crate::volume::Os;

fn entry(number: u64) -> BaseEntry {
    let digest = Digest::of(&number.to_le_bytes());
    BaseEntry {
        version: digest,
        content: None,
        place: Place { root: 0, path: RelativePath::new("saves/x.srm").unwrap() },
        stamp: Stamp { size_bytes: number, mtime_s: 1, mtime_ns: 2, inode: 3 },
        // Long, so that the file is soon rewritten.
        ancestors: VecDeque::from(vec![digest; 64]),
        trusted: true,
        aside: None,
    }
}

#[test]
fn what_a_game_loaded_is_known_until_its_save_is_settled_again() {
    let folder = tempfile::tempdir().unwrap();
    let volume: Arc<dyn Volume> = Arc::new(Os);
    let open = || Journal::open(Arc::clone(&volume), folder.path()).unwrap().0;
    let [known, new, other]: [SaveId; 3] =
        ["gb/sram/Known", "gb/sram/New", "gb/sram/Other"].map(|save| save.parse().unwrap());
    let mut journal = open();
    for save in [&known, &new] {
        journal.record(Entry::Settled { save: save.clone(), entry: entry(2) }).unwrap();
    }
    journal.record(Entry::Loaded { save: known.clone(), before: Some(entry(1)) }).unwrap();
    journal.record(Entry::Loaded { save: new.clone(), before: None }).unwrap();
    journal.sync().unwrap();
    let both = [(known.clone(), Some(entry(1))), (new.clone(), None)];
    assert_eq!(open().loaded(), both);

    let generation = journal.force.as_ref().unwrap().generation;
    for number in 3..40 {
        journal.record(Entry::Settled { save: other.clone(), entry: entry(number) }).unwrap();
        journal.sync().unwrap();
    }
    assert!(journal.force.as_ref().unwrap().generation > generation, "it was rewritten");
    assert_eq!(open().loaded(), both);

    journal.record(Entry::Settled { save: known, entry: entry(2) }).unwrap();
    journal.record(Entry::Forgotten { save: new }).unwrap();
    journal.sync().unwrap();
    assert_eq!(open().loaded(), []);
}
