//! Sets of files come apart and together to the byte, and what is not in the one form is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

type Files = Vec<(String, Vec<u8>)>;

fn files(list: &[(&str, &[u8])]) -> Files {
    list.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

fn sizes(files: &Files) -> Vec<(String, u64)> {
    files.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect()
}

fn joined(set: Set, files: &Files) -> Result<Vec<u8>, &'static str> {
    let bytes = |piece| match piece {
        Piece::Bytes(bytes) => bytes,
        Piece::File(number, size) => {
            assert_eq!(files[number].1.len() as u64, size);
            files[number].1.clone()
        }
    };
    Ok(set.pieces(&sizes(files))?.into_iter().flat_map(bytes).collect())
}

fn apart(set: Set, payload: &[u8], here: &Files) -> io::Result<Files> {
    let parts = set.parts(&mut &*payload, "Game.", &sizes(here))?;
    let bytes = |part: &Part| payload[part.offset as usize..][..part.size_bytes as usize].to_vec();
    Ok(parts.iter().map(|part| (part.name.clone(), bytes(part))).collect())
}

fn noise(size: usize) -> Vec<u8> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(|_| next()).collect()
}

#[test]
fn a_folder_is_the_same_bytes_whatever_card_it_lay_on() {
    let tree = files(&[("DATA.BIN", b"data"), ("ICON0.PNG", b""), ("a/b/c", b"deep"), ("é", b",1:x,")]);
    let payload = joined(Set::Tree, &tree).unwrap();
    let text = "16:retrosync.tree.1,8:DATA.BIN,4:data,9:ICON0.PNG,0:,5:a/b/c,4:deep,2:é,5:,1:x,,";
    assert_eq!(String::from_utf8(payload.clone()).unwrap(), text);
    assert_eq!(apart(Set::Tree, &payload, &Files::new()).unwrap(), tree);
}

#[test]
fn a_folder_that_is_not_in_the_one_form_is_refused() {
    for (what, body) in [
        ("no files", ""),
        ("out of order", "1:b,0:,1:a,0:,"),
        ("one name twice", "1:a,0:,1:a,0:,"),
        ("two names that a card takes for one", "5:A.BIN,0:,5:a.bin,0:,"),
        ("two folders that a card takes for one", "3:A/x,0:,3:a/y,0:,"),
        ("a zero before a length", "01:a,0:,"),
        ("a path that leads out", "4:../a,0:,"),
        ("a path from the root", "2:/a,0:,"),
        ("a hidden name", "2:.a,0:,"),
        ("a name that FAT does not take", "3:a:b,0:,"),
        ("too deep", "9:a/b/c/d/e,0:,"),
        ("cut in a name", "9:a"),
        ("cut in a file", "1:a,9:x,"),
        ("cut before the file", "1:a,"),
        ("a length that is wrong", "1:a,2:xyz,"),
        ("a length without end", "99999999999999999999:a,0:,"),
        ("a file larger than any save", "1:a,4000000000:x,"),
    ] {
        let payload = [MARK.as_bytes(), body.as_bytes()].concat();
        assert!(apart(Set::Tree, &payload, &Files::new()).is_err(), "{what}");
    }
    assert!(apart(Set::Tree, b"17:retrosync.tree.22,", &Files::new()).is_err());
}

#[test]
fn whatever_comes_apart_goes_together_to_the_same_bytes() {
    let tree = files(&[("PARAM.SFO", b"\0PSF\x01"), ("SECURE.BIN", b"0123456789")]);
    let whole = joined(Set::Tree, &tree).unwrap();
    for at in 0..whole.len() {
        for byte in [b'0', b'9', b',', b':', b'/', 0, whole[at] ^ 1] {
            let mut bad = whole.clone();
            bad[at] = byte;
            if let Ok(files) = apart(Set::Tree, &bad, &Files::new()) {
                assert!(joined(Set::Tree, &files).unwrap() == bad, "byte {at} as {byte}");
            }
        }
        // Where a cut leaves whole files, the digest tells.
        if let Ok(files) = apart(Set::Tree, &whole[..at], &Files::new()) {
            assert!(joined(Set::Tree, &files).unwrap() == whole[..at], "cut at {at}");
        }
    }
}

/// Blocks and the files that are there; each goes apart and together to the same block.
#[test]
fn a_nintendo_64_block_goes_into_files_and_back_to_the_byte() {
    let full = noise(BLOCK_BYTES);
    let mut eeprom = Memory::ALL.map(Memory::blank).concat();
    let untouched = eeprom.clone();
    eeprom[..0x200].copy_from_slice(&full[..0x200]);
    let mut one_pak = untouched.clone();
    one_pak[0x800..0x900].copy_from_slice(&full[..0x100]);
    let (small, pak) = (files(&[("Game.eep", &[0xff; 0x200])]), files(&[("Game.mpk", &[0; 0x8000])]));
    let none = Files::new();
    for (what, block, here, names) in [
        ("all four", &full, &none, &["Game.eep", "Game.mpk", "Game.sra", "Game.fla"][..]),
        ("an EEPROM, where nothing is", &eeprom, &none, &["Game.eep"]),
        ("an EEPROM of the small kind", &eeprom, &small, &["Game.eep"]),
        ("one pak of four", &one_pak, &pak, &["Game.mpk"]),
        ("nothing saved yet", &untouched, &none, &["Game.eep"]),
        ("nothing in a file that is there", &untouched, &pak, &["Game.mpk"]),
    ] {
        let mut parts = apart(Set::N64, block, here).unwrap();
        assert_eq!(parts.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), names, "{what}");
        for (name, before) in here {
            let now = parts.iter().find(|(other, _)| other == name).unwrap();
            assert_eq!(now.1.len(), before.len(), "{what}: {name} keeps its length");
        }
        parts.sort();
        assert!(joined(Set::N64, &parts).unwrap() == *block, "{what}");
    }
}

#[test]
fn what_is_no_nintendo_64_save_is_refused() {
    assert!(apart(Set::N64, &vec![0; BLOCK_BYTES - 1], &Files::new()).is_err());
    assert!(apart(Set::N64, &vec![0; BLOCK_BYTES + 1], &Files::new()).is_err());
    for (name, size) in [("G.eep", 0x201), ("G.mpk", 0x8001), ("G.mpk", 0), ("G.sra", 0x7fff), ("G.fla", 0)] {
        assert!(joined(Set::N64, &files(&[(name, &vec![0; size])])).is_err(), "{name} of {size}");
    }
}

#[test]
fn an_unused_pak_is_the_one_that_the_emulators_format() {
    let pak = &Memory::Mempaks.blank()[..0x8000];
    assert_eq!(pak[..4], [0x81, 1, 2, 3]);
    let id = [0xff, 0xff, 0xff, 0xff, 0x05, 0x1a, 0x5f, 0x13];
    assert_eq!(pak[0x20..0x28], id);
    assert_eq!(pak[0x3a..0x40], [1, 0xff, 0x66, 0x25, 0x99, 0xcd]);
    assert_eq!(pak[0x100..0x10c], [0, 0x71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(pak[0x100..0x200], pak[0x200..0x300]);
}

#[test]
fn a_folder_whose_names_differ_in_capitals_only_is_not_synced_and_loses_neither_file() {
    for (what, tree, meets) in [
        ("two files", files(&[("A.BIN", b"one"), ("a.bin", b"other")]), true),
        ("two files in folders", files(&[("D/x", b"one"), ("d/y", b"other")]), true),
        ("another spelling of a letter", files(&[("e\u{301}", b"one"), ("\u{e9}", b"other")]), true),
        ("a folder and a file of other names", files(&[("A/x", b"one"), ("Ax", b"other")]), false),
        ("one folder", files(&[("A/x", b"one"), ("A/y", b"other")]), false),
    ] {
        assert_eq!(joined(Set::Tree, &tree).is_err(), meets, "{what}");
    }
}
