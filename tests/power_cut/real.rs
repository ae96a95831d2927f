//! The same on a real file system: `scripts/real-fat` mounts vfat in user-mode Linux and kills that kernel at random.
//!
//! Ignored unless asked for: `RETROSYNC_CARD` is the mounted card. Each replacement that succeeded is told on stdout as
//! `success N`; after a kill, `RETROSYNC_SUCCESS=N` has the card checked.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use retrosync::attic::Attic;
use retrosync::disk::{Disk, recover};
use retrosync::root::Root;
use retrosync::volume::Os;

use crate::{bytes, content, path, save};

/// The save's bytes in a round: mostly of one size, every fourth of another.
fn round_bytes(round: u64) -> Vec<u8> {
    let size = if round % 4 == 3 { 20_000 + 1000 * (round % 7) as usize } else { 32 * 1024 };
    let mut bytes = bytes(round as u8, size);
    bytes[..8].copy_from_slice(&round.to_le_bytes());
    bytes
}

fn open(root: &Path) -> Disk {
    let (attic, problems) = Attic::open(Arc::new(Os), root).unwrap();
    assert_eq!(problems, []);
    let (disk, problems) = Disk::open(Arc::new(Os), root, attic).unwrap();
    assert_eq!(problems, []);
    disk
}

#[test]
#[ignore = "needs a mounted card: scripts/real-fat"]
fn on_a_real_card() {
    let root = std::env::var("RETROSYNC_CARD").expect("RETROSYNC_CARD is the mounted card");
    let root = Path::new(&root);
    let target = path().under(root);
    let success: u64 = std::env::var("RETROSYNC_SUCCESS").map_or(0, |round| round.parse().unwrap());
    if success == 0 {
        Root::create(Arc::new(Os), root).unwrap();
    }
    assert_eq!(recover(Arc::new(Os), root), Ok(vec![]));
    let mut disk = open(root);
    let here = fs::read(&target).unwrap_or_default();
    let mut round = here.get(..8).map_or(0, |head| u64::from_le_bytes(head.try_into().unwrap()));
    assert!(round == success || round == success + 1, "after success {success}, round {round} is there");
    assert!(round == 0 || here == round_bytes(round), "round {round} is torn");
    let mut held = Vec::new();
    for entry in disk.attic().list(None) {
        let mut kept = Vec::new();
        disk.attic().read(entry.number).unwrap().read_to_end(&mut kept).unwrap();
        assert_eq!(content(&kept), entry.file, "copy {} is not whole", entry.number);
        held.push(entry.content);
    }
    for earlier in 1..round {
        assert!(held.contains(&content(&round_bytes(earlier))), "round {earlier} is not in the attic");
    }
    println!("\nwhole {round} after success {success}");
    let last: u64 = std::env::var("RETROSYNC_LAST").map_or(round + 1, |last| last.parse().unwrap());
    while round < last {
        let expects = (round > 0).then(|| content(&round_bytes(round)));
        round += 1;
        let new = round_bytes(round);
        let staged = disk.stage(&content(&new), &mut &*new).unwrap();
        disk.replace(&path(), &save(), expects.as_ref(), staged, &mut || Ok(())).unwrap();
        println!("success {round}");
    }
}
