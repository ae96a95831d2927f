//! The settings file, which a person writes too: a cut while a toggle is kept leaves the settings of before or the new ones.
//!
//! A rename left neither on FAT: the name stood on clusters that were free. exFAT loses a whole entry.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use retrosync::config::whole;
use retrosync::table::Table;
use retrosync::volume::Volume;

use crate::fat::Fat;
use crate::{Luck, card, cut_everywhere};

const FILE: &str = "/card/.retrosync/retrosync.toml";
const BESIDE: &str = "/card/.retrosync/retrosync.toml.changing";

fn is_ours(text: &str) -> bool {
    Table::parse(text).is_ok()
}

fn write(fat: &Fat, old: &str, new: &str) -> io::Result<()> {
    whole::write(&fat.volume(), Path::new(FILE), old, new)
}

fn settle(fat: &Fat) -> io::Result<()> {
    whole::settle(&fat.volume(), Path::new(FILE), &is_ours)
}

/// What is read, without blanks that only keep the file's length.
fn read(fat: &Fat) -> io::Result<String> {
    let volume: Arc<dyn Volume> = fat.volume();
    let mut text = String::new();
    let here = volume.open(Path::new(FILE)).and_then(|mut file| file.read_to_string(&mut text)).map(|_| text);
    whole::meant(&*volume, Path::new(FILE), here, &is_ours).map(|text| text.trim_end_matches(' ').to_owned())
}

/// A file of so many lines, with one setting at its end.
fn text(lines: usize, setting: &str) -> String {
    (0..lines).map(|line| format!("# a person's own line, number {line}\n")).collect::<String>() + setting
}

/// What it was and what it becomes.
fn rows() -> [(&'static str, String, String); 6] {
    let (on, off) = ("sync_while_playing = \"true\"\n", "sync_while_playing = \"false\"\n");
    [
        ("a small file", text(1, on), text(1, off)),
        ("a line more", text(20, ""), text(20, off)),
        (
            "one that needs another cluster",
            text(13, on),
            text(13, &format!("leave_out = \"{}\"\n", "gb|".repeat(200))),
        ),
        ("one that needs fewer", text(13, &format!("leave_out = \"{}\"\n", "gb|".repeat(200))), text(13, on)),
        ("the last line taken out", on.to_owned(), String::new()),
        ("lines that move", text(30, on), format!("{off}{}", text(30, ""))),
    ]
}

fn start(old: &str) -> Fat {
    let fat = card(None);
    fat.write(FILE, old.as_bytes());
    fat.settle();
    fat
}

#[track_caller]
fn is_well(fat: &Fat, story: &str) {
    assert_eq!(fat.violations(), [""; 0], "{story}");
    let broken = fat.held().into_iter().filter(|file| file.bytes.is_none());
    let broken: Vec<_> = broken.map(|file| file.path.display().to_string()).collect();
    assert_eq!(broken, [""; 0], "{story}: reading it sets the card read-only");
}

#[test]
fn a_setting_that_was_changed_as_the_power_went_is_as_before_or_as_meant() {
    for (row, old, new) in rows() {
        let mut seen = [0, 0];
        cut_everywhere(&start(&old), 30, &mut |fat| drop(write(fat, &old, &new)), &mut |fat, story| {
            let story = format!("{row}: {story}");
            is_well(fat, &story);
            let found = read(fat).unwrap_or_else(|error| panic!("{story}: {error}"));
            assert!(found == old || found == new, "{story}: neither old nor new: {found}");
            seen[usize::from(found == new)] += 1;
            settle(fat).unwrap_or_else(|error| panic!("{story}: {error}"));
            assert_eq!(read(fat).unwrap(), found, "{story}: settled");
            assert!(fat.read(BESIDE).unwrap().is_none(), "{story}: settled, and nothing is left beside it");
            // And it goes on.
            write(fat, &found, "log = \"warn\"\n").unwrap();
            assert_eq!(read(fat).unwrap(), "log = \"warn\"\n", "{story}: the next one");
            is_well(fat, &story);
        });
        assert!(seen[0] > 0 && seen[1] > 0, "{row}: {seen:?}");
    }
}

#[test]
fn a_second_cut_while_that_is_put_right_changes_nothing_of_it() {
    for (row, old, new) in rows() {
        cut_everywhere(&start(&old), 4, &mut |fat| drop(write(fat, &old, &new)), &mut |fat, first| {
            let found = read(fat).unwrap();
            cut_everywhere(fat, 3, &mut |fat| drop(settle(fat)), &mut |fat, second| {
                let story = format!("{row}: {first}; then {second}");
                is_well(fat, &story);
                assert_eq!(read(fat).unwrap_or_else(|error| panic!("{story}: {error}")), found, "{story}");
            });
        });
    }
}

#[test]
fn a_setting_is_there_after_any_cut_once_it_was_said_to_be() {
    for (row, old, new) in rows() {
        let fat = start(&old);
        write(&fat, &old, &new).unwrap();
        for luck in Luck::kinds(fat.dirty(), 50) {
            assert_eq!(read(&fat.crash(&mut luck.deal())).unwrap(), new, "{row}: {luck:?}");
        }
    }
}

#[test]
fn what_a_person_wrote_after_a_cut_is_not_replaced_by_what_was_under_way() {
    let edited = text(3, "log = \"debug\"\n");
    for (row, old, new) in rows() {
        cut_everywhere(&start(&old), 3, &mut |fat| drop(write(fat, &old, &new)), &mut |fat, story| {
            // On a PC.
            fat.remove(Path::new(FILE)).unwrap();
            fat.settle();
            fat.write(FILE, edited.as_bytes());
            fat.settle();
            assert_eq!(read(fat).unwrap(), edited, "{row}: {story}");
            settle(fat).unwrap();
            assert_eq!(read(fat).unwrap(), edited, "{row}: {story}: settled");
        });
    }
}

#[test]
fn settings_whose_entry_is_gone_come_back() {
    for (row, old, new) in rows() {
        cut_everywhere(&start(&old), 2, &mut |fat| drop(write(fat, &old, &new)), &mut |fat, story| {
            let found = read(fat).unwrap();
            let was_under_way = fat.read(BESIDE).ok().flatten().is_some_and(|bytes| bytes.len() > 100);
            fat.remove(Path::new(FILE)).unwrap();
            fat.settle();
            if was_under_way && found == new {
                settle(fat).unwrap();
                assert_eq!(read(fat).unwrap(), new, "{row}: {story}");
                assert_eq!(fat.read(FILE).unwrap(), Some(new.clone().into_bytes()), "{row}: {story}");
            }
        });
    }
}

#[test]
fn a_file_that_is_made_is_not_there_or_whole() {
    let new = text(20, "log = \"warn\"\n");
    cut_everywhere(&card(None), 40, &mut |fat| drop(write(fat, "", &new)), &mut |fat, story| {
        is_well(fat, story);
        match read(fat) {
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{story}"),
            Ok(found) => assert!(found == new || found.is_empty(), "{story}: {found}"),
        }
        settle(fat).unwrap();
        assert!(fat.read(BESIDE).unwrap().is_none(), "{story}");
        is_well(fat, story);
    });
}
