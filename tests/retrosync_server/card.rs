//! What the device keeps on its card beside such a server, and what a power cut takes of it.

use crate::*;

#[test]
fn a_store_that_was_taken_from_under_a_daemon_is_made_again() {
    let mut there = There::new(&[]);
    let (mut a, _b) = two(&mut there);
    fs::remove_dir_all(there.store(0)).unwrap();
    assert_eq!(a.remote.list(&ChangesRequest::default()).unwrap_err().kind, Kind::Offline);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
}

#[test]
fn bytes_that_a_power_cut_took_from_the_card_are_brought_again() {
    let mut there = There::new(&[]);
    let (_a, mut b) = two(&mut there);
    there.take_bytes(1);
    there.restart(1, &mut b);
    assert!(!is_known(&mut b, SAVE, b"first"), "the attic must not let go of its copy");
    let content = b.heads(SAVE)[0].content.unwrap();
    assert_eq!(b.fetch(&[content]).0.get(&content.digest), Some(&b"first".to_vec()));
    assert!(is_known(&mut b, SAVE, b"first"));
    // And what is offered again is whole again.
    there.take_bytes(1);
    there.server.set(&[Bug::Chokes(GAME)]);
    let parents = [b.heads(SAVE)[0].version];
    let offer = [b.version(SAVE, Some(b"first"), &parents)];
    let stored = offered(&mut b, &offer);
    assert!(is_stored(&stored), "{stored:?}");
    assert_eq!(b.fetch(&[content]).0.get(&content.digest), Some(&b"first".to_vec()));
}

/// Every file and folder below, with its size, number and times.
fn tree(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stamp = fs::metadata(&path).unwrap();
        let when = (stamp.mtime(), stamp.mtime_nsec(), stamp.ctime(), stamp.ctime_nsec());
        found.push(format!("{} {} {} {when:?}", path.display(), stamp.ino(), stamp.len()));
        if stamp.is_dir() {
            tree(&path, found);
        }
    }
    found.sort();
}

#[test]
fn a_quiet_start_writes_nothing_to_the_card() {
    let mut there = There::new(&[]);
    let (mut a, _b) = two(&mut there);
    let card = there.cards[0].path().to_owned();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    tree(&card, &mut before);
    there.restart(0, &mut a);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
    tree(&card, &mut after);
    assert_eq!(after, before);
}

#[test]
fn a_mark_that_a_power_cut_tore_stops_the_device_for_ever_no_more() {
    let mut there = There::new(&[]);
    let (mut a, mut b) = two(&mut there);
    fs::write(there.store(0).join("store.json"), "{\"retro").unwrap();
    there.restart(0, &mut a);
    assert_eq!(heads(&mut a, SAVE), digests(&[b"first"]));
    play(&mut a, SAVE, b"second");
    assert_eq!(heads(&mut b, SAVE), digests(&[b"second"]));
}
