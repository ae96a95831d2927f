//! Our own state on a card: journal, attic, identity, and the record of an interrupted replacement. A card can hold anything
//! once it was damaged, or lent to somebody.
//!
//! The first byte says whether the rest is taken as it is, or as JSON whose lines are sealed here: no fuzzer finds a
//! checksum by itself.

use std::path::Path;
use std::sync::Arc;

use retrosync::attic::{Attic, Limits, Reason, look};
use retrosync::disk::Disk;
use retrosync::durable::crc32c;
use retrosync::identity::Identity;
use retrosync::journal::{Entry, Journal};
use retrosync::snapshot::{BaseEntry, Place, RelativePath, Stamp};
use retrosync_protocol::{Content, Digest, Epoch, SaveId};

use super::memory::{CARD, Memory};

const SAVE: &str = "Saves/gb/Tetris.srm";

/// The lines of a file, sealed if the input begins with an even byte; `chained` as a journal's are.
fn file(input: &[u8], chained: bool) -> Vec<u8> {
    let Some((first, rest)) = input.split_first() else { return Vec::new() };
    if first & 1 == 1 {
        return rest.to_vec();
    }
    let (mut bytes, mut seed) = (Vec::new(), 0);
    for line in rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let crc = crc32c(seed, line);
        bytes.extend_from_slice(format!("{crc:08x} ").as_bytes());
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        seed = if chained { crc } else { 0 };
    }
    bytes
}

/// The input's two parts, at its first NUL.
fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    let at = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    (&input[..at], input.get(at + 1..).unwrap_or_default())
}

fn save() -> SaveId {
    "gb/sram/Tetris".parse().unwrap_or_else(|_| unreachable!())
}

fn path() -> RelativePath {
    RelativePath::new(SAVE).unwrap_or_else(|| unreachable!())
}

fn content(bytes: &[u8]) -> Content {
    Content { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

/// Both journals hold the input's two parts. What is recorded after is there when it is opened again.
pub fn journal(input: &[u8]) {
    let (one, other) = halves(input);
    let card = Memory::with(&[("journal.0", &file(one, true)), ("journal.1", &file(other, true))]);
    let open = || Journal::open(card.volume(), Path::new(CARD)).map(|(journal, _)| journal);
    let Ok(mut journal) = open() else { return };
    let entry = BaseEntry {
        version: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
            .parse()
            .unwrap_or_else(|_| unreachable!()),
        content: Some(content(b"played")),
        place: Place { root: 0, path: path() },
        stamp: Stamp::default(),
        ancestors: Default::default(),
        trusted: true,
        aside: None,
    };
    journal.record(Entry::Settled { save: save(), entry }).expect("it is told in JSON");
    journal
        .record(Entry::Cursor { epoch: Epoch::from_random(&[3; 16]), cursor: 7, landmark: None })
        .expect("it is told in JSON");
    journal.sync().expect("the card takes it");
    let again = open().unwrap_or_else(|error| panic!("what was written cannot be read: {error}"));
    assert_eq!(journal.base(), again.base(), "the base was lost");
    assert_eq!(journal.listing(), again.listing(), "the listing was lost");
}

/// The attic's index holds the input's first part, its first copies the second. What is put there can be read again, and what
/// the remote does not hold is never let go of.
pub fn attic(input: &[u8]) {
    let (index, bytes) = halves(input);
    let card = Memory::with(&[
        (".retrosync/attic/index", &file(index, false)),
        (".retrosync/attic/00000001", bytes),
        (".retrosync/attic/00000002", b"an old save"),
        (SAVE, bytes),
    ]);
    let root = Path::new(CARD);
    let open = || Attic::open(card.volume(), root).map(|(attic, _)| attic);
    let Ok(mut attic) = open() else { return };
    for entry in attic.list(None) {
        let _ = std::io::read_to_string(attic.read(entry.number).expect("what is listed is there"));
    }
    let (looked, _) =
        look(&*card.volume(), &path().under(root), &save()).expect("it is there").expect("it is there");
    if attic.put(&save(), &path(), &looked, Reason::Replaced).is_ok() {
        assert!(card.holds(bytes), "promise 1: kept before changed");
        assert!(!attic.list(Some(&save())).is_empty());
    }
    let listed = attic.list(None);
    let gone = attic.thin(&|_, digest| *digest != looked.payload.digest, &Limits::SCARCE);
    for entry in gone.unwrap_or_default() {
        assert_ne!(entry.content.digest, looked.payload.digest, "let go of what only it had");
    }
    let again = open().expect("it is read again");
    assert!(again.list(None).iter().all(|entry| listed.contains(entry)), "an entry came from nowhere");
}

/// Both identity files hold the input's parts. A sequence is never given twice.
pub fn identity(input: &[u8]) {
    let (one, other) = halves(input);
    let card = Memory::with(&[("identity.0", &file(one, false)), ("identity.1", &file(other, false))]);
    let open = || Identity::open(card.volume(), Path::new(CARD), "a device").map(|(identity, _)| identity);
    let Ok(mut identity) = open() else { return };
    let Ok(first) = identity.take_sequence() else { return };
    let writer = identity.writer().clone();
    let mut again = open().expect("what was saved can be read");
    if *again.writer() == writer {
        assert!(again.take_sequence().is_ok_and(|next| next > first), "a sequence was given twice");
    }
}

/// The record of an interrupted replacement is the input's first part; the rest are the save's bytes. Whatever it claims, the
/// save's bytes are on the card afterwards, and a replacement goes well.
pub fn slot(input: &[u8]) {
    let (record, bytes) = halves(input);
    let card = Memory::with(&[
        (".retrosync/slot.0", &file(record, false)),
        (".retrosync/incoming/00000001", b"a staged save"),
        (".retrosync/incoming/00000002", b"an old save"),
        (".retrosync/attic/00000001", b"an old save"),
        (SAVE, bytes),
        ("Saves/gb/Other.srm", b"another game's save"),
    ]);
    let root = Path::new(CARD);
    let Ok((attic, _)) = Attic::open(card.volume(), root) else { return };
    let Ok((mut disk, _)) = Disk::open(card.volume(), root, attic) else { return };
    // An empty entry is what a cut leaves: nothing is lost with it.
    let is_kept = || bytes.is_empty() || card.holds(bytes);
    assert!(is_kept(), "the save is lost");
    assert!(card.holds(b"another game's save"), "another save is lost");
    let volume: Arc<_> = card.volume();
    let here = look(&*volume, &path().under(root), &save()).ok().flatten().map(|(looked, _)| looked.payload);
    let new = content(b"a new save");
    let Ok(staged) = disk.stage(&new, &mut &b"a new save"[..]) else { return };
    if disk.replace(&path(), &save(), here.as_ref(), staged, &mut || Ok(())).is_ok() {
        let now = look(&*volume, &path().under(root), &save()).expect("it can be read").expect("it is there");
        assert_eq!(now.0.file, new);
    }
    assert!(is_kept(), "promise 1: kept before changed");
    assert!(card.holds(b"another game's save"), "another save is lost");
}
